//! `UNION`, `INTERSECT` and `EXCEPT` of columns of two types: each side is cast to the type that holds both.
//!
//! DataFusion settles a union's types after everything around it was planned, and with other types than Spark. So it is
//! done here: for a relation before the query around it is planned (`from.rs`), for a whole query when it is planned.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, JoinType, NullEquality};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, Join, LogicalPlan, Projection, Union, cast};

use super::comparisons::settled_plan;
use super::wider::wider;
use crate::arrow_types::to_sql;
use crate::error::SqlError;

/// A query's plan with the set operations at its top brought to one type, and the results of its `CASE`s.
///
/// What it reads was a query's plan before, and is left alone: one that is read twice is not looked at twice.
pub(crate) fn brought_together(plan: LogicalPlan) -> Result<LogicalPlan> {
    if let LogicalPlan::SubqueryAlias(_) = &plan {
        let done = plan.map_children(|inside| brought_together(inside).map(Transformed::yes))?;
        return done.data.recompute_schema();
    }
    matched(settled_plan(plan)?).map(|done| done.data)
}

fn matched(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let below = match &plan {
        LogicalPlan::Union(_) | LogicalPlan::Distinct(_) | LogicalPlan::Sort(_) | LogicalPlan::Limit(_) => {
            true
        }
        LogicalPlan::Join(join) => is_set_operation(join),
        // What `ORDER BY` put around it.
        LogicalPlan::Projection(projection) => {
            projection.expr.iter().all(|expr| matches!(expr, Expr::Column(_)))
        }
        _ => false,
    };
    if !below {
        return Ok(Transformed::no(plan));
    }
    let done = plan.map_children(matched)?;
    let changed = done.transformed;
    let done = one(done.data, changed)?;
    if changed && !done.transformed { done.data.recompute_schema().map(Transformed::yes) } else { Ok(done) }
}

/// One set operation. `anew`: its sides have other types than before.
pub(super) fn one(plan: LogicalPlan, anew: bool) -> Result<Transformed<LogicalPlan>> {
    match plan {
        LogicalPlan::Union(union)
            if anew || union.inputs.iter().any(|input| types(input) != types(&union.inputs[0])) =>
        {
            let inputs = together("UNION", union.inputs.into_iter().map(Arc::unwrap_or_clone).collect())?;
            let inputs = inputs.into_iter().map(Arc::new).collect();
            Ok(Transformed::yes(LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?)))
        }
        LogicalPlan::Join(join) if is_set_operation(&join) && types(&join.left) != types(&join.right) => {
            let name = if join.join_type == JoinType::LeftSemi { "INTERSECT" } else { "EXCEPT" };
            let sides = Vec::from([join.left, join.right].map(Arc::unwrap_or_clone));
            let mut sides = together(name, sides)?.into_iter().map(Arc::new);
            let (Some(left), Some(right)) = (sides.next(), sides.next()) else {
                return Err(DataFusionError::Plan(format!("{name} has two sides")));
            };
            let joined = LogicalPlan::Join(Join { left, right, ..join });
            joined.recompute_schema().map(Transformed::yes)
        }
        other => Ok(Transformed::no(other)),
    }
}

/// `INTERSECT` and `EXCEPT` are joins in which NULL equals NULL. Nothing else is, before a plan is optimised.
fn is_set_operation(join: &Join) -> bool {
    join.null_equality == NullEquality::NullEqualsNull
        && join.filter.is_none()
        && matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti)
}

fn types(plan: &LogicalPlan) -> Vec<&datafusion::arrow::datatypes::DataType> {
    plan.schema().fields().iter().map(|field| field.data_type()).collect()
}

fn together(name: &str, sides: Vec<LogicalPlan>) -> Result<Vec<LogicalPlan>> {
    let mut wanted: Vec<_> = types(&sides[0]).into_iter().cloned().collect();
    for (table, side) in sides.iter().enumerate().skip(1) {
        for (at, of) in types(side).into_iter().enumerate().take(wanted.len()) {
            wanted[at] = match wider(&wanted[at], of) {
                Some(both) => both,
                None => return Err(apart(name, (table, at), of, &wanted[at])),
            };
        }
    }
    let brought = |side: LogicalPlan| {
        if types(&side).into_iter().eq(wanted.iter()) || side.schema().fields().len() != wanted.len() {
            return Ok(side);
        }
        let shown = side.schema().iter().zip(&wanted).map(|((qualifier, field), wanted)| {
            let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
            if field.data_type() == wanted {
                return column;
            }
            cast(column, wanted.clone()).alias_qualified(qualifier.cloned(), field.name())
        });
        let shown = shown.collect();
        Projection::try_new(shown, Arc::new(side)).map(LogicalPlan::Projection)
    };
    sides.into_iter().map(brought).collect()
}

fn apart(
    name: &str,
    (table, column): (usize, usize),
    of: &datafusion::arrow::datatypes::DataType,
    other: &datafusion::arrow::datatypes::DataType,
) -> DataFusionError {
    let shown = |of| to_sql(of).map_or_else(|| format!("{of}"), |sql| sql.to_string().to_uppercase());
    let error = SqlError::condition(
        "INCOMPATIBLE_COLUMN_TYPE",
        "42825",
        format!(
            "{name} can only be performed on tables with compatible column types. Column {} of table {} is \"{}\" type \
             which is not compatible with \"{}\" at the same column of the first table. Cast one of them.",
            column + 1,
            table + 1,
            shown(of),
            shown(other)
        ),
    );
    error.in_engine()
}
