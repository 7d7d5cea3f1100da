//! What `ALTER TABLE` does to columns and policies.
//!
//! A change of columns rewrites a managed table's files before the catalog says so. In between, a renamed column is in
//! the files under both names: whoever stops there has lost nothing.

use std::sync::Arc;

use brickyard_catalog::Permit;
use brickyard_catalog::unity::{
    self, Column, Detail, ManageObject, Object, PolicyArgument, TableDetail, TableKind,
};
use datafusion::common::Column as PlanColumn;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, cast};

use crate::arrow_types::to_arrow;
use crate::definition::check;
use crate::definition::columns::{distinct, position};
use crate::definition::constraint;
use crate::definition::is_of_kind;
use crate::delta;
use crate::error::SqlError;
use crate::run::{Rows, Run, no_rows};
use crate::statement::{Alteration, Constraint, Dropped, Kind, Place};

impl Run<'_> {
    pub(crate) async fn alter_table(
        &self,
        permit: &Permit<ManageObject>,
        object: &Object,
        action: Alteration,
    ) -> Result<Rows, SqlError> {
        let _writer = self.sql.writers.only(object.id).await;
        let object = self.again(object)?;
        let Some(before) = object.table() else {
            return Err(SqlError::unsupported(format_args!("this ALTER of {}", object.full_name)));
        };
        let mut after = before.clone();
        match action {
            Alteration::ColumnComment { column, comment } => {
                let at = position(&after.columns, &column)?;
                after.columns[at].comment = comment;
                return self.redefine(permit, after).await;
            }
            _ => is_of_kind(Kind::Table, &object)?,
        }
        match action {
            Alteration::SetMask { column, mask } => {
                check::not_in_one(&object, &column)?;
                let at = position(&after.columns, &column)?;
                after.columns[at].mask = Some(self.column_mask(&after.columns, at, &mask)?);
            }
            Alteration::DropMask { column } => {
                let at = position(&after.columns, &column)?;
                after.columns[at].mask = None;
            }
            Alteration::SetRowFilter(filter) => {
                after.row_filter = Some(self.row_filter(&after.columns, &filter)?)
            }
            Alteration::DropRowFilter => after.row_filter = None,
            Alteration::AddColumns(columns) => {
                managed(&object)?;
                let (columns, places): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
                let added = self.declared_columns(&columns).await?;
                for ((column, declared), place) in added.into_iter().zip(&columns).zip(places) {
                    delta::storable(&column.name, &column.data_type)?;
                    if !column.nullable {
                        return Err(SqlError::unsupported(
                            "adding a column that is NOT NULL: rows that are there have no value",
                        ));
                    }
                    if column.default.is_some() {
                        return Err(SqlError::condition(
                            "WRONG_COLUMN_DEFAULTS_FOR_DELTA_ALTER_TABLE_ADD_COLUMN_NOT_SUPPORTED",
                            "0AKDC",
                            "DEFAULT values are not supported when adding new columns to previously existing Delta \
                             tables; please add the column without a default value first, then run a second \
                             ALTER TABLE ALTER COLUMN SET DEFAULT command to apply for future inserted rows instead.",
                        ));
                    }
                    let name = column.name.clone();
                    after.columns.push(column);
                    distinct(&after.columns)?;
                    if let Some(place) = place {
                        moved(&mut after.columns, &name, &place)?;
                    }
                    if let Some(mask) = &declared.mask {
                        let at = position(&after.columns, &name)?;
                        after.columns[at].mask = Some(self.column_mask(&after.columns, at, mask)?);
                    }
                }
                distinct(&after.columns)?;
                // Files may still hold a column that was dropped under this name.
                self.rewrite(&object, before, &after.columns, &[]).await?;
            }
            Alteration::DropColumns { names, if_exists } => {
                managed(&object)?;
                for name in names {
                    let at = match position(&after.columns, &name) {
                        Ok(at) => at,
                        Err(_) if if_exists => continue,
                        Err(error) => return Err(error),
                    };
                    not_in_a_policy(&after, &name)?;
                    constraint::not_in_one(&object.name, &after, &name)?;
                    check::not_in_one(&object, &name)?;
                    after.columns.remove(at);
                }
                if after.columns.is_empty() {
                    return Err(SqlError::unsupported("a table without columns"));
                }
                self.redefine(permit, after.clone()).await?;
                let now = self.again(&object)?;
                self.rewrite(&now, &after, &after.columns, &[]).await?;
                return Ok(no_rows());
            }
            Alteration::RenameColumn { from, to } => {
                managed(&object)?;
                let at = position(&after.columns, &from)?;
                not_in_a_policy(&after, &from)?;
                check::not_in_one(&object, &from)?;
                let old = after.columns[at].clone();
                after.columns[at].name.clone_from(&to);
                distinct(&after.columns)?;
                let keys = after.foreign_keys.iter_mut().flat_map(|key| &mut key.columns);
                for key in keys.chain(&mut after.primary_key) {
                    if key.eq_ignore_ascii_case(&from) {
                        key.clone_from(&to);
                    }
                }
                let same_but_case = old.name.to_lowercase() == to.to_lowercase();
                let mut both = before.columns.clone();
                if !same_but_case {
                    let mut renamed = after.columns[at].clone();
                    renamed.nullable = true;
                    both.push(renamed);
                    self.rewrite(&object, before, &both, &[(to, old.name.clone())]).await?;
                }
                self.redefine(permit, after.clone()).await?;
                let now = self.again(&object)?;
                self.rewrite(&now, &after, &after.columns, &[]).await?;
                return Ok(no_rows());
            }
            Alteration::ColumnType { column, data_type } => {
                managed(&object)?;
                let at = position(&after.columns, &column)?;
                not_in_a_policy(&after, &column)?;
                check::not_in_one(&object, &column)?;
                delta::storable(&column, &data_type)?;
                let old = &after.columns[at].data_type;
                if !widens(old, &data_type) {
                    let message = format!("The column '{column}' is {old} and cannot become {data_type}.");
                    return Err(SqlError::condition("NOT_SUPPORTED_CHANGE_COLUMN", "0A000", message));
                }
                after.columns[at].data_type = data_type;
                self.redefine(permit, after.clone()).await?;
                let now = self.again(&object)?;
                self.rewrite(&now, &after, &after.columns, &[]).await?;
                return Ok(no_rows());
            }
            Alteration::ColumnNullable { column, nullable } => {
                managed(&object)?;
                let at = position(&after.columns, &column)?;
                after.columns[at].nullable = nullable;
                if !nullable {
                    // Writing says whether a NULL is there.
                    self.rewrite(&object, before, &after.columns, &[]).await?;
                }
            }
            Alteration::ColumnPlace { column, place } => {
                managed(&object)?;
                moved(&mut after.columns, &column, &place)?;
            }
            Alteration::ClusterBy(columns) => {
                managed(&object)?;
                for column in &columns {
                    position(&after.columns, column)?;
                }
                let key = "clusteringColumns".to_owned();
                let change = if columns.is_empty() {
                    unity::Alteration::UnsetProperties(vec![key])
                } else {
                    unity::Alteration::SetProperties([(key, columns.join(","))].into())
                };
                return self.change(permit, vec![change]).await;
            }
            Alteration::AddConstraint(Constraint::PrimaryKey(key)) => constraint::add_key(&mut after, &key)?,
            Alteration::AddConstraint(Constraint::ForeignKey(key)) => {
                self.add_foreign_key(&object.name, &mut after, &key)?;
            }
            Alteration::AddConstraint(Constraint::Check { name, condition }) => {
                managed(&object)?;
                return self.add_check(permit, &object, before, &name, &condition).await;
            }
            Alteration::DropConstraint { dropped: Dropped::Named(name), .. }
                if crate::change::check::of(&object).any(|(one, _)| one.eq_ignore_ascii_case(&name)) =>
            {
                let key = format!("{}{}", crate::change::check::PREFIX, name.to_lowercase());
                return self.change(permit, vec![unity::Alteration::UnsetProperties(vec![key])]).await;
            }
            Alteration::DropConstraint { dropped, if_exists, cascade } => {
                self.drop_constraint(&object, &mut after, &dropped, if_exists, cascade)?;
            }
            Alteration::ColumnDefault { column, default } => {
                managed(&object)?;
                let at = position(&after.columns, &column)?;
                if let Some(default) = &default {
                    self.default_value(default, &after.columns[at].data_type).await?;
                }
                after.columns[at].default = default.map(|default| default.to_string());
            }
            other => return Err(SqlError::unsupported(format_args!("{other:?}"))),
        }
        self.redefine(permit, after).await
    }

    async fn redefine(&self, permit: &Permit<ManageObject>, detail: TableDetail) -> Result<Rows, SqlError> {
        self.change(permit, vec![unity::Alteration::Detail(Detail::Table(detail))]).await
    }

    /// Writes all rows again with these columns. A column that was not there is NULL, or what `copied` says: the value
    /// of the second column under the name of the first.
    async fn rewrite(
        &self,
        object: &Arc<Object>,
        before: &TableDetail,
        columns: &[Column],
        copied: &[(String, String)],
    ) -> Result<(), SqlError> {
        let provider = delta::provider(self.sql, object).await?;
        let plan = LogicalPlanBuilder::scan("rows", provider_as_source(provider), None)?.build()?;
        let shown = columns.iter().map(|column| {
            let from =
                copied.iter().find(|(to, _)| *to == column.name).map_or(&column.name, |(_, from)| from);
            let known = before.columns.iter().find(|known| known.name.eq_ignore_ascii_case(from));
            let value = match known {
                Some(known) => Expr::Column(PlanColumn::new_unqualified(&known.name)),
                None => datafusion::logical_expr::lit(datafusion::common::ScalarValue::Null),
            };
            cast(value, to_arrow(&column.data_type)).alias(&column.name)
        });
        let plan = LogicalPlanBuilder::from(plan).project(shown.collect::<Vec<_>>())?.build()?;
        let rows = self.rows_of(plan).await?;
        delta::write(self.sql, &object.uid, columns, rows, delta::Write::Overwrite).await?;
        Ok(())
    }
}

/// Puts a column to its place. Files know columns by their names: they stay as they are.
fn moved(columns: &mut Vec<Column>, name: &str, place: &Place) -> Result<(), SqlError> {
    let column = columns.remove(position(columns, name)?);
    let to = match place {
        Place::First => 0,
        Place::After(other) if other.eq_ignore_ascii_case(name) => {
            return Err(SqlError::unsupported("a column that comes after itself"));
        }
        Place::After(other) => position(columns, other)? + 1,
    };
    columns.insert(to, column);
    Ok(())
}

fn managed(object: &Object) -> Result<(), SqlError> {
    match object.table() {
        Some(table) if table.table_kind == TableKind::Managed => Ok(()),
        _ => Err(SqlError::unsupported("changing the columns of an external table")),
    }
}

/// A policy that names a column holds it in place.
fn not_in_a_policy(table: &TableDetail, name: &str) -> Result<(), SqlError> {
    let names = |arguments: &[PolicyArgument]| {
        arguments
            .iter()
            .any(|argument| matches!(argument, PolicyArgument::Column(one) if one.eq_ignore_ascii_case(name)))
    };
    let filtered = table.row_filter.as_ref().is_some_and(|filter| names(&filter.arguments));
    let masked = table.columns.iter().any(|column| {
        column
            .mask
            .as_ref()
            .is_some_and(|mask| column.name.eq_ignore_ascii_case(name) || names(&mask.arguments))
    });
    if filtered || masked {
        let message = format!("A row filter or column mask uses the column '{name}': drop that first.");
        return Err(SqlError::condition("DELTA_UNSUPPORTED_COLUMN_WITH_POLICY", "0A000", message));
    }
    Ok(())
}

/// Types that a column may become: every value stays what it is.
fn widens(from: &brickyard_types::SqlType, to: &brickyard_types::SqlType) -> bool {
    use brickyard_types::SqlType as T;
    match (from, to) {
        (T::Byte, T::Short | T::Int | T::Long | T::Double)
        | (T::Short, T::Int | T::Long | T::Double)
        | (T::Int, T::Long | T::Double)
        | (T::Float, T::Double)
        | (T::Date, T::TimestampNtz) => true,
        (T::Decimal(p, s), T::Decimal(q, t)) => t >= s && q.saturating_sub(*t) >= p.saturating_sub(*s),
        _ => from == to,
    }
}
