//! `VALUES (..), (..)`: each column has the type that holds the values of all its rows.
//!
//! DataFusion makes decimals of doubles beside decimals, and texts of whatever stands beside a text.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::TreeNode;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::planner::RelationPlannerContext;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, cast};
use datafusion::sql::sqlparser::ast::{self, Query, SetExpr};

use crate::error::SqlError;
use crate::spark::wider::wider;

/// The rows, if a query is nothing but them.
pub(super) fn alone(query: &Query) -> Option<&ast::Values> {
    let SetExpr::Values(values) = &*query.body else { return None };
    let plain = query.with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
        && query.pipe_operators.is_empty();
    plain.then_some(values)
}

pub(super) fn plan(values: &ast::Values, context: &mut dyn RelationPlannerContext) -> Result<LogicalPlan> {
    let nothing = DFSchema::empty();
    let mut wanted: Vec<DataType> = Vec::new();
    let mut rows = Vec::with_capacity(values.rows.len());
    for (at, row) in values.rows.iter().enumerate() {
        let mut cells = Vec::with_capacity(row.content.len());
        for value in &row.content {
            cells.push(context.sql_to_expr(value.clone(), &nothing)?);
        }
        let types = cells.iter().map(|cell| cell.get_type(&nothing)).collect::<Result<Vec<_>>>()?;
        if at == 0 {
            wanted.clone_from(&types);
        } else if types.len() != wanted.len() {
            return Err(wrong(
                "INVALID_INLINE_TABLE.NUM_COLUMNS_MISMATCH",
                format!(
                    "Inline table expected {} columns but found {} columns in row {at}.",
                    wanted.len(),
                    types.len()
                ),
            ));
        } else {
            for (column, (of, other)) in wanted.iter_mut().zip(&types).enumerate() {
                *of = wider(of, other).ok_or_else(|| {
                    wrong(
                        "INVALID_INLINE_TABLE.INCOMPATIBLE_TYPES_IN_INLINE_TABLE",
                        format!(
                            "Found incompatible types in the column `col{}` for inline table.",
                            column + 1
                        ),
                    )
                })?;
            }
        }
        rows.push((cells, types));
    }
    let typed = |(cells, types): (Vec<Expr>, Vec<DataType>)| -> Vec<Expr> {
        let cells = cells.into_iter().zip(types).zip(&wanted);
        cells
            .map(|((cell, is), wanted)| if is == *wanted { cell } else { cast(cell, wanted.clone()) })
            .collect()
    };
    let rows: Vec<Vec<Expr>> = rows.into_iter().map(typed).collect();
    if rows.iter().flatten().any(asks) { selected(rows) } else { LogicalPlanBuilder::values(rows)?.build() }
}

/// Whether an expression has a subquery, which no constant row can have.
fn asks(expr: &Expr) -> bool {
    let is_subquery = |one: &Expr| {
        Ok(matches!(
            one,
            Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_)
        ))
    };
    expr.exists(is_subquery).unwrap_or(true)
}

/// The rows as a `UNION ALL` of one `SELECT` each.
fn selected(rows: Vec<Vec<Expr>>) -> Result<LogicalPlan> {
    let mut all: Option<LogicalPlanBuilder> = None;
    for row in rows {
        let named = row.into_iter().enumerate().map(|(at, cell)| cell.alias(format!("column{}", at + 1)));
        let row = LogicalPlanBuilder::empty(true).project(named.collect::<Vec<_>>())?;
        all = Some(match all {
            None => row,
            Some(before) => before.union(row.build()?)?,
        });
    }
    all.unwrap_or_else(|| LogicalPlanBuilder::empty(false)).build()
}

fn wrong(condition: &'static str, message: String) -> DataFusionError {
    SqlError::condition(condition, "42000", format!("Invalid inline table. {message}")).in_engine()
}
