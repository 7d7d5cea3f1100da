//! Subqueries of sorts, windows, aggregates and joins: computed as columns of what these read.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, Filter, Join, JoinType, LogicalPlan, Projection};

use super::{BOTH_SIDES, GROUPING_SETS, Names, holds_subquery, only, own, unsupported, valued, with_columns};
use crate::inline::subquery_of;

/// A sort, window or aggregate over a projection that computes its subqueries.
pub(super) fn below(node: LogicalPlan, names: &mut Names) -> Result<Transformed<LogicalPlan>> {
    let [input] = node.inputs()[..] else { return Ok(Transformed::no(node)) };
    let mut columns = Vec::new();
    let preserver = NamePreserver::new(&node);
    let mut exprs = Vec::new();
    for expr in node.expressions() {
        if matches!(expr, Expr::GroupingSet(_)) && holds_subquery(&expr) {
            return Err(unsupported(GROUPING_SETS));
        }
        let name = preserver.save(&expr);
        let taken = taken_out(expr, &mut columns, names)?;
        // A sort has no columns of its own to name.
        exprs.push(if matches!(node, LogicalPlan::Sort(_)) { taken } else { name.restore(taken) });
    }
    if columns.is_empty() {
        return Ok(Transformed::no(node));
    }
    let below = computed(input.clone(), columns, names)?;
    let done = node.with_new_exprs(exprs, vec![below])?;
    let done = if matches!(node, LogicalPlan::Aggregate(_)) { done } else { only(done, &node)? };
    Ok(Transformed::yes(done))
}

/// A plan with columns for subqueries. What is no column of it may be one of what it projects.
fn computed(plan: LogicalPlan, columns: Vec<(String, Expr)>, names: &mut Names) -> Result<LogicalPlan> {
    let (here, beneath): (Vec<_>, Vec<_>) =
        columns.into_iter().partition(|(_, expr)| knows(plan.schema(), expr));
    let plan = match plan {
        LogicalPlan::Projection(Projection { mut expr, input, .. }) if !beneath.is_empty() => {
            expr.extend(beneath.into_iter().map(|(name, value)| value.alias(name)));
            valued(LogicalPlan::Projection(Projection::try_new(expr, input)?), names)?.data
        }
        plan if beneath.is_empty() => plan,
        _ => return Err(unsupported("this subquery here: it refers to a column that is not selected")),
    };
    valued(with_columns(plan, here)?, names).map(|done| done.data)
}

/// A join without subqueries in its condition: of an inner join they are a filter over it, of others columns of one side.
pub(super) fn out_of_join(join: Join, names: &mut Names) -> Result<Transformed<LogicalPlan>> {
    let Some(filter) = join.filter.clone() else { return Ok(Transformed::no(LogicalPlan::Join(join))) };
    let (above, mut plain): (Vec<_>, Vec<_>) =
        split_conjunction_owned(filter).into_iter().partition(holds_subquery);
    let before = LogicalPlan::Join(join.clone());
    if join.join_type == JoinType::Inner {
        let joined = LogicalPlan::Join(Join { filter: conjunction(plain), ..join });
        let Some(above) = conjunction(above) else { return Ok(Transformed::no(joined)) };
        let filter = LogicalPlan::Filter(Filter::try_new(above, Arc::new(joined))?);
        return Ok(Transformed::yes(valued(filter, names)?.data));
    }
    let mut columns = Vec::new();
    for expr in above {
        plain.push(taken_out(expr, &mut columns, names)?);
    }
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for (name, expr) in columns {
        if knows(join.left.schema(), &expr) {
            left.push((name, expr));
        } else if knows(join.right.schema(), &expr) {
            right.push((name, expr));
        } else {
            return Err(unsupported(BOTH_SIDES));
        }
    }
    let left = computed(join.left.as_ref().clone(), left, names)?;
    let right = computed(join.right.as_ref().clone(), right, names)?;
    let joined = Join::try_new(
        Arc::new(left),
        Arc::new(right),
        join.on,
        conjunction(plain),
        join.join_type,
        join.join_constraint,
        join.null_equality,
        join.null_aware,
    )?;
    only(LogicalPlan::Join(joined), &before).map(Transformed::yes)
}

/// An expression with columns in the place of its subqueries. What refers to nothing outside is one value, which stays.
fn taken_out(expr: Expr, columns: &mut Vec<(String, Expr)>, names: &mut Names) -> Result<Expr> {
    expr.transform_down(|one| {
        let takes = match &one {
            Expr::ScalarSubquery(value) => !value.outer_ref_columns.is_empty(),
            one => subquery_of(one).is_some(),
        };
        if !takes {
            return Ok(Transformed::no(one));
        }
        let known = columns.iter().find(|(_, expr)| *expr == one).map(|(name, _)| name.clone());
        let name = known.unwrap_or_else(|| {
            let name = names.next("subquery");
            columns.push((name.clone(), one));
            name
        });
        Ok(Transformed::new(own(name), true, TreeNodeRecursion::Jump))
    })
    .map(|done| done.data)
}

/// Whether a plan of these columns has all that a subquery refers to.
fn knows(schema: &DFSchema, expr: &Expr) -> bool {
    let has = |column: &Column| schema.has_column(column);
    let outside = subquery_of(expr).map(|inner| inner.outer_ref_columns.as_slice()).unwrap_or_default();
    let outside_known = outside.iter().all(|one| match one {
        Expr::OuterReferenceColumn(_, column) => has(column),
        _ => false,
    });
    outside_known && expr.column_refs().into_iter().all(has)
}
