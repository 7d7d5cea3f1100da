//! Columns of tables: what they may be called, what they default to, and which columns a plan gives.

use std::collections::HashSet;
use std::sync::Arc;

use brickyard_catalog::unity;
use brickyard_types::SqlType;
use datafusion::common::{Column as PlanColumn, DFSchema};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast};

use crate::arrow_types;
use crate::error::SqlError;
use crate::error::of_engine::unresolved_column;
use crate::run::Run;
use crate::run::query::{Names, Scope};
use crate::statement;

impl Run<'_> {
    /// Columns as a statement declares them, without their masks, which are looked up when all columns are known.
    pub(crate) async fn declared_columns(
        &self,
        columns: &[statement::Column],
    ) -> Result<Vec<unity::Column>, SqlError> {
        let mut found = Vec::with_capacity(columns.len());
        for column in columns {
            if let Some(default) = &column.default {
                self.default_value(default, &column.data_type).await?;
            }
            let identity = match &column.identity {
                Some(identity) => Some(self.declared_identity(column, identity)?),
                None => None,
            };
            found.push(unity::Column {
                identity,
                tags: Default::default(),
                name: column.name.clone(),
                data_type: column.data_type.clone(),
                nullable: column.nullable,
                comment: column.comment.clone(),
                mask: None,
                default: column.default.as_ref().map(ToString::to_string),
            });
        }
        distinct(&found)?;
        Ok(found)
    }

    /// A column's default, planned. It is no query and names no column.
    pub(crate) async fn default_value(
        &self,
        default: &datafusion::sql::sqlparser::ast::Expr,
        data_type: &SqlType,
    ) -> Result<Expr, SqlError> {
        let (asker, current) = (self.session.speaker().asker(), self.current());
        let scope = Scope { asker: &asker, current: &current, depth: 0, names: Names::Kept };
        let value = self.plan_scope_expression(scope, default, &Arc::new(DFSchema::empty())).await?;
        Ok(cast(value, arrow_types::to_arrow(data_type)))
    }
}

/// Refuses two columns of one name.
pub(crate) fn distinct(columns: &[unity::Column]) -> Result<(), SqlError> {
    let mut names = HashSet::new();
    for column in columns {
        if column.name.is_empty() {
            return Err(SqlError::condition("INVALID_COLUMN_NAME", "42K05", "A column needs a name."));
        }
        if !names.insert(column.name.to_lowercase()) {
            let message =
                format!("The column `{}` already exists. Choose another name or rename it.", column.name);
            return Err(SqlError::condition("COLUMN_ALREADY_EXISTS", "42711", message));
        }
    }
    Ok(())
}

/// The columns that a query gives.
pub(crate) fn columns_of_plan(plan: &LogicalPlan) -> Result<Vec<unity::Column>, SqlError> {
    let columns = plan.schema().fields().iter().map(|field| {
        let data_type = arrow_types::to_sql(field.data_type()).ok_or_else(|| {
            SqlError::unsupported(format_args!("the type {} of column '{}'", field.data_type(), field.name()))
        })?;
        let name = field.name().clone();
        Ok(unity::Column {
            name,
            data_type,
            nullable: true,
            comment: None,
            mask: None,
            default: None,
            identity: None,
            tags: Default::default(),
        })
    });
    let columns: Vec<_> = columns.collect::<Result<_, SqlError>>()?;
    distinct(&columns)?;
    Ok(columns)
}

/// A query's rows as these columns, by position.
pub(crate) fn as_columns(plan: LogicalPlan, columns: &[unity::Column]) -> Result<LogicalPlan, SqlError> {
    let found: Vec<PlanColumn> = plan.schema().columns();
    if found.len() != columns.len() {
        let message = format!("The table has {} columns, the query gives {}.", columns.len(), found.len());
        return Err(SqlError::condition(
            "INSERT_COLUMN_ARITY_MISMATCH.NOT_ENOUGH_DATA_COLUMNS",
            "21S01",
            message,
        ));
    }
    let mut shown = Vec::with_capacity(found.len());
    for (from, to) in found.into_iter().zip(columns) {
        shown.push(cast(Expr::Column(from), arrow_types::to_arrow(&to.data_type)).alias(&to.name));
    }
    Ok(LogicalPlanBuilder::from(plan).project(shown)?.build()?)
}

/// The column of that name, in any case.
pub(crate) fn position(columns: &[unity::Column], name: &str) -> Result<usize, SqlError> {
    let found = columns.iter().position(|column| column.name.to_lowercase() == name.to_lowercase());
    found.ok_or_else(|| {
        let message = unresolved_column(name, columns.iter().map(|column| column.name.as_str()));
        SqlError::condition("UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703", message)
    })
}
