//! Views: the text of a query, and where its names are looked up.

use std::collections::BTreeMap;

use brickyard_catalog::Permit;
use brickyard_catalog::unity::{
    self, Column, Detail, ManageObject, NewObject, Object, ObjectKind, TableDetail, TableKind, UnityError,
};
use datafusion::sql::sqlparser::ast;

use crate::definition::columns::{columns_of_plan, distinct};
use crate::definition::is_of_kind;
use crate::error::SqlError;
use crate::front;
use crate::run::{Rows, Run, no_rows};
use crate::statement::{CreateView, Kind};

impl Run<'_> {
    pub(crate) async fn create_view(&self, create: CreateView) -> Result<Rows, SqlError> {
        let kind = ObjectKind::Table;
        let path = self.path(kind, &create.name)?;
        let permit = self.may_create(kind, &path)?;
        let before = self.existing(kind, &path);
        if before.is_some() && create.if_not_exists {
            return Ok(no_rows());
        }
        if before.is_some() && !create.or_replace {
            return Err(UnityError::AlreadyExists { kind, name: path.to_string() }.into());
        }
        let detail = self.view_detail(&create.query, create.text, &create.columns).await?;
        if let Some(before) = before {
            let permit = self.may_manage(&before)?;
            is_of_kind(Kind::View, &before)?;
            let changes = vec![
                unity::Alteration::Detail(Detail::Table(detail)),
                unity::Alteration::Comment(create.comment),
                unity::Alteration::SetProperties(create.properties),
            ];
            return self.change(&permit, changes).await;
        }
        let new = NewObject {
            name: path.last().to_owned(),
            uid: self.new_uid(),
            comment: create.comment,
            properties: create.properties,
            detail: Detail::Table(detail),
            at: self.sql.clock.now(),
        };
        match self.sql.catalog.create_object(&permit, new).await {
            Err(UnityError::AlreadyExists { .. }) if create.if_not_exists => Ok(no_rows()),
            Err(error) => Err(error.into()),
            Ok(_) => Ok(no_rows()),
        }
    }

    /// `ALTER VIEW .. AS`.
    pub(crate) async fn alter_view(
        &self,
        permit: &Permit<ManageObject>,
        object: &Object,
        query: &ast::Query,
        text: String,
    ) -> Result<Rows, SqlError> {
        is_of_kind(Kind::View, object)?;
        let detail = self.view_detail(query, text, &[]).await?;
        self.change(permit, vec![unity::Alteration::Detail(Detail::Table(detail))]).await
    }

    async fn view_detail(
        &self,
        query: &ast::Query,
        text: String,
        names: &[(String, Option<String>)],
    ) -> Result<TableDetail, SqlError> {
        let mut columns: Vec<Column> = columns_of_plan(&self.plan_kept_query(query).await?)?;
        // What is kept is the text, which is read without parameters.
        if !self.parameters.is_empty() {
            let mut traces = Vec::new();
            let alone = Run::new(self.sql, self.session, &[], &mut traces);
            alone.plan_kept_query(&front::parse_query(&text)?).await?;
        }
        if !names.is_empty() {
            if names.len() != columns.len() {
                let message =
                    format!("The view names {} columns, its query gives {}.", names.len(), columns.len());
                return Err(SqlError::condition("CREATE_VIEW_COLUMN_ARITY_MISMATCH", "21S01", message));
            }
            for (column, (name, comment)) in columns.iter_mut().zip(names) {
                column.name.clone_from(name);
                column.comment.clone_from(comment);
            }
            distinct(&columns)?;
        }
        let current = self.current();
        Ok(TableDetail {
            table_kind: TableKind::View,
            columns,
            view_query: Some(text),
            view_context: (Some(current.catalog), Some(current.schema)),
            row_filter: None,
            location: None,
            format: None,
            options: BTreeMap::new(),
            primary_key: Vec::new(),
            primary_key_name: None,
            foreign_keys: Vec::new(),
        })
    }
}
