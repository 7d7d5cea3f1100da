//! `CREATE TABLE`, with or without a query.

use std::collections::BTreeMap;
use std::sync::Arc;

use brickyard_catalog::unity::{
    self, Column, Detail, NewObject, Object, ObjectKind, TableDetail, TableKind, UnityError,
};

use crate::definition::columns::{as_columns, columns_of_plan, position};
use crate::definition::constraint;
use crate::delta;
use crate::error::SqlError;
use crate::read_files;
use crate::run::{Rows, Run, no_rows};
use crate::statement::{CreateTable, NameOrMarker};

impl Run<'_> {
    pub(crate) async fn create_table(&self, mut create: CreateTable) -> Result<Rows, SqlError> {
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
        crate::definition::check::not_a_property(create.properties.keys())?;
        let format = create.using.clone().unwrap_or_else(|| "delta".to_owned()).to_lowercase();
        let external = create.location.is_some();
        if !external && format != "delta" {
            return Err(SqlError::unsupported(format_args!(
                "a managed table USING {format}: say LOCATION, or leave USING out"
            )));
        }
        if !external && !create.options.is_empty() {
            return Err(SqlError::unsupported("OPTIONS of a managed table"));
        }
        if external && create.source.is_some() {
            return Err(SqlError::unsupported(
                "CREATE TABLE ... LOCATION ... AS: brickyard does not write external tables",
            ));
        }
        let plan = match &create.source {
            Some(query) => Some(self.plan_query(query).await?),
            None => None,
        };
        let mut columns = self.declared_columns(&create.columns).await?;
        if let Some(like) = &create.like {
            columns = self.columns_like(like)?;
            if create.clone {
                let other = self.clonable(like)?;
                // Its constraints and its layout are properties, too.
                for (key, value) in &other.properties {
                    create.properties.entry(key.clone()).or_insert_with(|| value.clone());
                }
                create.comment = other.comment.clone();
            }
        }
        if let Some(location) = &create.location {
            self.may_read_files(&self.session.speaker().asker())?;
            // Also says now, not at the first query, that nothing can be read there.
            let found = read_files::external_columns(self.sql, location, &format, &create.options).await?;
            if columns.is_empty() {
                columns = found;
            }
        }
        if let (Some(plan), true) = (&plan, columns.is_empty()) {
            columns = columns_of_plan(plan)?;
        }
        for column in &columns {
            delta::storable(&column.name, &column.data_type)?;
        }
        if external && columns.iter().any(|column| column.identity.is_some()) {
            return Err(SqlError::unsupported(
                "an IDENTITY column of an external table, which nobody writes here",
            ));
        }
        // A key's columns are NOT NULL without saying so, but only here.
        for name in create.primary_key.iter().flat_map(|key| &key.columns) {
            let at = position(&columns, name)?;
            columns[at].nullable = false;
        }
        for name in create.partitioned_by.iter().chain(&create.cluster_by) {
            position(&columns, name)?;
        }
        let mut detail = TableDetail {
            table_kind: if external { TableKind::External } else { TableKind::Managed },
            columns,
            view_query: None,
            view_context: (None, None),
            row_filter: None,
            location: create.location.clone(),
            format: Some(format.to_uppercase()),
            options: create.options.clone(),
            primary_key: Vec::new(),
            primary_key_name: None,
            foreign_keys: Vec::new(),
        };
        if let Some(key) = &create.primary_key {
            constraint::add_key(&mut detail, key)?;
        }
        for key in &create.foreign_keys {
            self.add_foreign_key(path.last(), &mut detail, key)?;
        }
        for (at, column) in create.columns.iter().enumerate() {
            if let Some(mask) = &column.mask {
                detail.columns[at].mask = Some(self.column_mask(&detail.columns, at, mask)?);
            }
        }
        if let Some(filter) = &create.row_filter {
            detail.row_filter = Some(self.row_filter(&detail.columns, filter)?);
        }
        let properties = with_layout(&create);
        if let Some(before) = before {
            return self.replace_table(&before, create.comment, properties, detail, plan).await;
        }
        let uid = self.new_uid();
        if !external {
            self.fill(&uid, &detail.columns, plan).await?;
        }
        let new = NewObject {
            name: path.last().to_owned(),
            uid: uid.clone(),
            comment: create.comment,
            properties,
            detail: Detail::Table(detail),
            at: self.sql.clock.now(),
        };
        match self.sql.catalog.create_object(&permit, new).await {
            Ok(_) => Ok(no_rows()),
            Err(error) => {
                if !external {
                    delta::remove(self.sql, &uid).await;
                }
                // Somebody else was faster.
                if matches!(error, UnityError::AlreadyExists { .. }) && create.if_not_exists {
                    return Ok(no_rows());
                }
                Err(error.into())
            }
        }
    }

    /// The columns of another table or view, without its policies: no row of it comes along.
    fn columns_like(&self, name: &NameOrMarker) -> Result<Vec<Column>, SqlError> {
        let object = self.object(ObjectKind::Table, name)?;
        self.authorize(unity::SelectTable(Self::target(&object)))?;
        let columns = object.table().map(|table| table.columns.clone()).unwrap_or_default();
        Ok(columns.into_iter().map(|column| Column { mask: None, tags: BTreeMap::new(), ..column }).collect())
    }

    /// A clone holds every row, and has none of the policies: of a table with policies there is none. Databricks has no
    /// such clones either. Whoever gets here may read the table.
    fn clonable(&self, name: &NameOrMarker) -> Result<Arc<Object>, SqlError> {
        let object = self.object(ObjectKind::Table, name)?;
        let Some(table) = object.table().filter(|table| table.table_kind == TableKind::Managed) else {
            return Err(SqlError::unsupported(format_args!(
                "CLONE of {}, which is no managed table",
                object.full_name
            )));
        };
        if table.columns.iter().any(|column| column.identity.is_some()) {
            return Err(SqlError::unsupported(format_args!(
                "CLONE of {}, which has an IDENTITY column: the clone would count again what is counted already. Write \
                 CREATE TABLE, and INSERT INTO .. SELECT",
                object.full_name
            )));
        }
        if table.row_filter.is_some() || table.columns.iter().any(|column| column.mask.is_some()) {
            return Err(SqlError::unsupported(format_args!(
                "CLONE of {}, which has a row filter or a column mask. Write CREATE TABLE .. AS SELECT",
                object.full_name
            )));
        }
        Ok(object)
    }

    /// Makes a managed table's folder, with the rows of a plan in it.
    async fn fill(
        &self,
        uid: &str,
        columns: &[Column],
        plan: Option<datafusion::logical_expr::LogicalPlan>,
    ) -> Result<(), SqlError> {
        let Some(plan) = plan else { return delta::create(self.sql, uid, columns).await };
        let rows = self.rows_of(as_columns(plan, columns)?).await?;
        let written = delta::write(self.sql, uid, columns, rows, delta::Write::Overwrite).await;
        if written.is_err() {
            delta::remove(self.sql, uid).await;
        }
        written.map(|_| ())
    }

    /// `CREATE OR REPLACE` of a table that is there: it stays the same object, with its grants, and keeps its policies.
    /// Source: Databricks' SQL manual, "CREATE TABLE": grants, row filters and column masks are preserved.
    async fn replace_table(
        &self,
        before: &Object,
        comment: Option<String>,
        properties: BTreeMap<String, String>,
        mut detail: TableDetail,
        plan: Option<datafusion::logical_expr::LogicalPlan>,
    ) -> Result<Rows, SqlError> {
        let permit = self.may_manage(before)?;
        let _writer = self.sql.writers.only(before.id).await;
        let before = self.again(before)?;
        let Some(old) = before.table().filter(|old| old.table_kind == detail.table_kind) else {
            let message = format!("'{}' is something else: drop it first.", before.full_name);
            return Err(SqlError::condition("EXPECT_TABLE_NOT_VIEW.NO_ALTERNATIVE", "42809", message));
        };
        if detail.row_filter.is_none()
            && let Some(filter) = &old.row_filter
        {
            for argument in &filter.arguments {
                if let unity::PolicyArgument::Column(name) = argument {
                    position(&detail.columns, name)?;
                }
            }
            detail.row_filter = Some(filter.clone());
        }
        for column in &old.columns {
            let Some(mask) = &column.mask else { continue };
            if let Ok(at) = position(&detail.columns, &column.name)
                && detail.columns[at].mask.is_none()
            {
                detail.columns[at].mask = Some(mask.clone());
            }
        }
        if detail.table_kind == TableKind::Managed {
            let rows = match plan {
                Some(plan) => self.rows_of(as_columns(plan, &detail.columns)?).await?,
                None => no_rows_of(&detail.columns),
            };
            // What COPY INTO loaded is gone with the rows, and may be loaded again.
            let begin_again = vec![(crate::change::copy_into::MARK.to_owned(), 0)];
            let how = delta::Write::Overwrite;
            delta::write_with(self.sql, &before.uid, &detail.columns, rows, how, begin_again).await?;
        }
        let unset = before.properties.keys().filter(|key| !properties.contains_key(*key)).cloned().collect();
        let changes = vec![
            unity::Alteration::Detail(Detail::Table(detail)),
            unity::Alteration::Comment(comment),
            unity::Alteration::UnsetProperties(unset),
            unity::Alteration::SetProperties(properties),
        ];
        self.change(&permit, changes).await
    }
}

/// No rows of these columns.
pub(crate) fn no_rows_of(columns: &[Column]) -> Rows {
    use datafusion::arrow::datatypes::{Field, Schema};
    let fields = columns
        .iter()
        .map(|column| Field::new(&column.name, crate::arrow_types::to_arrow(&column.data_type), true));
    crate::run::rows_from(std::sync::Arc::new(Schema::new(fields.collect::<Vec<_>>())), Vec::new())
}

/// How files are laid out changes no answer: it is kept with the properties and shown, as Databricks shows it.
fn with_layout(create: &CreateTable) -> BTreeMap<String, String> {
    let mut properties = create.properties.clone();
    for (key, columns) in
        [("partitionColumns", &create.partitioned_by), ("clusteringColumns", &create.cluster_by)]
    {
        if !columns.is_empty() {
            properties.insert(key.to_owned(), columns.join(","));
        }
    }
    properties
}
