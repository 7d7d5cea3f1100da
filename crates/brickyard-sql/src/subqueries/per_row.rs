//! A value's subquery that is correlated otherwise than by `=`: `(SELECT max(b.v) FROM b WHERE b.k < a.k)`.
//!
//! DataFusion groups the inner rows by what they are compared with, which only `=` allows. Here every outer row gets a
//! number, is joined with its inner rows, and is one group:
//!
//! ```text
//! outer rows, numbered ──┐
//!                        ├─▶ LEFT JOIN on the conditions ─▶ GROUP BY number: the outer row, and its aggregates
//! inner rows, all TRUE ──┘                                  (over the rows that are TRUE: without a match there are none)
//! ```

use std::collections::HashMap;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result};
use datafusion::functions_aggregate::expr_fn::first_value;
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Cast, Expr, JoinType, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, lit,
};

use super::{Names, holds_subquery, own};

/// A node's input and expressions without such subqueries; and whether there were any.
pub(super) fn joined(
    mut input: LogicalPlan,
    exprs: Vec<Expr>,
    is_filter: bool,
    names: &mut Names,
) -> Result<(LogicalPlan, Vec<Expr>, bool)> {
    let mut done: Vec<(Expr, Expr)> = Vec::new();
    for expr in &exprs {
        let mut found = Vec::new();
        expr.apply(|one| {
            found.extend(matches!(one, Expr::ScalarSubquery(_)).then(|| one.clone()));
            Ok(TreeNodeRecursion::Continue)
        })?;
        for one in found {
            let Expr::ScalarSubquery(value) = &one else { continue };
            if done.iter().any(|(known, _)| *known == one) {
                continue;
            }
            // What refers further out than one level is no business of this node.
            let known = value.outer_ref_columns.iter().all(|outside| match outside {
                Expr::OuterReferenceColumn(_, column) => input.schema().has_column(column),
                _ => false,
            });
            let Some(shape) = Shape::of(value).filter(|_| known) else { continue };
            let (joined, column) = shape.over(input, names)?;
            input = joined;
            done.push((one, column));
        }
    }
    if done.is_empty() {
        return Ok((input, exprs, false));
    }
    let preserver = NamePreserver::new_for_projection();
    let replaced = exprs.into_iter().map(|expr| {
        let name = preserver.save(&expr);
        let replaced = expr.transform_down(|one| {
            let found = done.iter().find(|(known, _)| *known == one);
            Ok(match found {
                Some((_, column)) => Transformed::new(column.clone(), true, TreeNodeRecursion::Jump),
                None => Transformed::no(one),
            })
        })?;
        Ok(if is_filter { replaced.data } else { name.restore(replaced.data) })
    });
    Ok((input, replaced.collect::<Result<Vec<_>>>()?, true))
}

/// A query that aggregates all rows which its conditions keep, and computes one value of that.
struct Shape<'a> {
    /// What is computed, from the outside in.
    above: Vec<&'a LogicalPlan>,
    aggregate: &'a Aggregate,
    conditions: Vec<&'a Expr>,
    rows: &'a LogicalPlan,
}

impl<'a> Shape<'a> {
    /// `None` for what has another shape, and for what DataFusion does itself.
    fn of(value: &'a Subquery) -> Option<Self> {
        if value.outer_ref_columns.is_empty() {
            return None;
        }
        let mut above = Vec::new();
        let mut plan = value.subquery.as_ref();
        let aggregate = loop {
            match plan {
                LogicalPlan::Subquery(inner) => plan = &inner.subquery,
                LogicalPlan::Projection(inner) => {
                    if inner.expr.iter().any(|expr| expr.contains_outer() || holds_subquery(expr)) {
                        return None;
                    }
                    above.push(plan);
                    plan = &inner.input;
                }
                LogicalPlan::SubqueryAlias(inner) => {
                    above.push(plan);
                    plan = &inner.input;
                }
                LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty() => break aggregate,
                _ => return None,
            }
        };
        let mut conditions = Vec::new();
        let mut rows = aggregate.input.as_ref();
        while let LogicalPlan::Filter(filter) = rows {
            conditions.extend(split_conjunction(&filter.predicate));
            rows = &filter.input;
        }
        let aggregates = aggregate.aggr_expr.iter();
        // Inside of another subquery a reference to these rows would have to be renamed too.
        let plain = rows.all_out_ref_exprs().is_empty()
            && aggregates.clone().all(|expr| aggregated(expr).is_some())
            && conditions.iter().copied().chain(aggregates).all(|expr| !holds_subquery(expr));
        let by_equality = conditions.iter().filter(|one| one.contains_outer()).all(|one| is_equality(one))
            && !aggregate.aggr_expr.iter().any(Expr::contains_outer);
        (plain && !by_equality).then_some(Self { above, aggregate, conditions, rows })
    }

    /// The outer rows with the value beside each, and the value's column.
    fn over(&self, outer: LogicalPlan, names: &mut Names) -> Result<(LogicalPlan, Expr)> {
        let (number, matched) = (names.next("row"), names.next("matched"));
        let columns = outer.schema().columns();
        let numbered =
            LogicalPlanBuilder::from(outer).window(vec![row_number().alias(number.as_str())])?.build()?;

        // Under names that no outer column has.
        let mut inner_names = HashMap::new();
        let mut inner = Vec::new();
        for column in self.rows.schema().columns() {
            let name = names.next("inner");
            inner.push(Expr::Column(column.clone()).alias(name.as_str()));
            inner_names.insert(column, name);
        }
        inner.push(lit(true).alias(matched.as_str()));
        let inner = LogicalPlanBuilder::from(self.rows.clone()).project(inner)?.build()?;
        let both_sides = |expr: &Expr| {
            let renamed = expr.clone().transform_down(|one| match one {
                Expr::OuterReferenceColumn(_, column) => {
                    Ok(Transformed::new(Expr::Column(column), true, TreeNodeRecursion::Jump))
                }
                Expr::Column(column) => {
                    let name = inner_names.get(&column).cloned();
                    Ok(Transformed::yes(name.map_or(Expr::Column(column), own)))
                }
                other => Ok(Transformed::no(other)),
            });
            renamed.map(|renamed| renamed.data)
        };
        let mut on = self.conditions.iter().map(|one| both_sides(one)).collect::<Result<Vec<_>>>()?;
        if on.is_empty() {
            on.push(lit(true));
        }
        let joined = LogicalPlanBuilder::from(numbered).join_on(inner, JoinType::Left, on)?.build()?;

        let mut aggregates = Vec::new();
        let mut shown = Vec::new();
        for column in &columns {
            let name = names.next("outer");
            aggregates.push(first_value(Expr::Column(column.clone()), Vec::new()).alias(name.as_str()));
            shown.push(own(name).alias_qualified(column.relation.clone(), column.name.as_str()));
        }
        let mut values = Vec::new();
        for expr in &self.aggregate.aggr_expr {
            let Some(call) = aggregated(expr) else { continue };
            let Expr::AggregateFunction(mut call) = both_sides(&Expr::AggregateFunction(call.clone()))?
            else {
                continue;
            };
            let is_match = own(matched.as_str()).is_true();
            call.params.filter = Some(Box::new(match call.params.filter.take() {
                Some(filter) => is_match.and(*filter),
                None => is_match,
            }));
            let name = names.next("aggregate");
            aggregates.push(Expr::AggregateFunction(call).alias(name.as_str()));
            values.push(own(name));
        }
        let grouped = LogicalPlanBuilder::from(joined).aggregate(vec![own(number)], aggregates)?.build()?;

        let name = names.next("value");
        let kept = shown.into_iter().chain([self.value(values)?.alias(name.as_str())]);
        let plan = LogicalPlanBuilder::from(grouped).project(kept.collect::<Vec<_>>())?.build()?;
        Ok((plan, own(name)))
    }

    /// What is computed of the aggregates.
    fn value(&self, aggregates: Vec<Expr>) -> Result<Expr> {
        let mut columns = self.aggregate.schema.columns();
        let mut values = aggregates;
        for plan in self.above.iter().rev() {
            if let LogicalPlan::Projection(projection) = plan {
                let known: HashMap<Column, Expr> = columns.into_iter().zip(values).collect();
                let computed = projection.expr.iter().map(|expr| {
                    let bare = expr.clone().unalias_nested().data;
                    let done = bare.transform_down(|one| match &one {
                        Expr::Column(column) if known.contains_key(column) => {
                            let value = known[column].clone();
                            Ok(Transformed::new(value, true, TreeNodeRecursion::Jump))
                        }
                        _ => Ok(Transformed::no(one)),
                    });
                    done.map(|done| done.data)
                });
                values = computed.collect::<Result<Vec<_>>>()?;
            }
            columns = plan.schema().columns();
        }
        values.into_iter().next().ok_or_else(|| super::unsupported("a subquery without a column"))
    }
}

/// The call of an aggregate, whatever it is called.
fn aggregated(mut expr: &Expr) -> Option<&AggregateFunction> {
    while let Expr::Alias(alias) = expr {
        expr = &alias.expr;
    }
    match expr {
        Expr::AggregateFunction(call) => Some(call),
        _ => None,
    }
}

/// A column of the query, as it is or cast, equal to something outside of it.
fn is_equality(expr: &Expr) -> bool {
    let column = |side: &Expr| match side {
        Expr::Column(_) => true,
        Expr::Cast(Cast { expr, .. }) => matches!(**expr, Expr::Column(_)),
        _ => false,
    };
    let outside = |side: &Expr| !side.any_column_refs();
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            (column(left) && outside(right)) || (outside(left) && column(right))
        }
        _ => false,
    }
}
