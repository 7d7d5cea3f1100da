//! Subqueries where DataFusion takes none, or takes them for something else.
//!
//! DataFusion makes joins of `EXISTS` and `IN (SELECT ..)` in a filter, and of a value's subquery in a filter or a
//! projection. Here the others come to stand there, before its rules see them:
//!
//! ```text
//! ORDER BY, windows, GROUP BY, aggregates, ON ─▶ a column of a projection below      (hoisted)
//! x IN (SELECT ..) as a value                 ─▶ EXISTS, with NULL for "who knows"   (truth)
//! EXISTS as a value                           ─▶ a join that marks its rows          (marked)
//! a value's subquery, correlated by < or >    ─▶ a join and one group for each row   (per_row)
//! a value's subquery without a row            ─▶ NULL, also of a column that is none (no_row)
//! ```
//! In a filter `x IN (SELECT ..)` stays what it is where NULL and FALSE do the same, which is below `AND` and `OR`.

mod hoisted;
pub(crate) mod marked;
mod no_row;
mod per_row;
mod truth;

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, Result, Spans};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Subquery};
use datafusion::optimizer::AnalyzerRule;

use crate::error::SqlError;

/// What is said where a subquery stands in the condition of an outer join and looks at both of its sides.
const BOTH_SIDES: &str = "a subquery in the condition of an outer join that refers to both of its sides. Write the join \
     over a query that computes the subquery as a column of one side";

/// What is said of a subquery among grouping sets.
const GROUPING_SETS: &str =
    "a subquery in ROLLUP, CUBE or GROUPING SETS. Compute it in a query below, and group by its column";

/// The rule, run when every type is settled.
#[derive(Debug)]
pub(crate) struct Subqueries;

impl AnalyzerRule for Subqueries {
    fn name(&self) -> &str {
        "subqueries"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let mut names = Names(0);
        let mut changed = false;
        let done = plan.transform_up_with_subqueries(|node| {
            // What is above a changed node may have columns that can be NULL now.
            let node = if changed { node.recompute_schema()? } else { node };
            let done = placed(node, &mut names)?;
            changed |= done.transformed;
            Ok(done)
        })?;
        Ok(done.data)
    }
}

/// Names for columns that no query can have written.
struct Names(usize);

impl Names {
    fn next(&mut self, what: &str) -> String {
        self.0 += 1;
        format!("__{what}_{}", self.0)
    }
}

fn placed(node: LogicalPlan, names: &mut Names) -> Result<Transformed<LogicalPlan>> {
    if !has_subquery(&node)? {
        return Ok(Transformed::no(node));
    }
    no_row::may_be_null(node)?.transform_data(|node| match node {
        LogicalPlan::Sort(_) | LogicalPlan::Window(_) | LogicalPlan::Aggregate(_) => {
            hoisted::below(node, names)
        }
        LogicalPlan::Join(join) => hoisted::out_of_join(join, names),
        LogicalPlan::Filter(_) | LogicalPlan::Projection(_) => valued(node, names),
        node => Ok(Transformed::no(node)),
    })
}

/// The subqueries of a filter or a projection, as joins can answer them.
fn valued(node: LogicalPlan, names: &mut Names) -> Result<Transformed<LogicalPlan>> {
    let [input] = node.inputs()[..] else { return Ok(Transformed::no(node)) };
    let mut values = truth::Values::new(input.clone(), names);
    let is_filter = matches!(node, LogicalPlan::Filter(_));
    let mut exprs = Vec::new();
    let mut changed = false;
    let mut taken = |done: Transformed<Expr>| {
        changed |= done.transformed;
        done.data
    };
    for expr in node.expressions() {
        if is_filter {
            let parts = split_conjunction_owned(expr).into_iter();
            let parts =
                parts.map(|part| values.condition(part).map(&mut taken)).collect::<Result<Vec<_>>>()?;
            exprs.extend(conjunction(parts));
        } else {
            exprs.push(taken(values.named(expr)?));
        }
    }
    let (input, _) = values.done()?;
    let (input, exprs, again) = per_row::joined(input, exprs, is_filter, names)?;
    if !changed && !again {
        return Ok(Transformed::no(node));
    }
    let done = node.with_new_exprs(exprs, vec![input])?;
    if is_filter { only(done, &node).map(Transformed::yes) } else { Ok(Transformed::yes(done)) }
}

/// The columns that a node had before others were put below it.
fn only(plan: LogicalPlan, before: &LogicalPlan) -> Result<LogicalPlan> {
    let columns: Vec<Expr> = before.schema().columns().into_iter().map(Expr::Column).collect();
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}

/// A plan with more columns.
fn with_columns(plan: LogicalPlan, more: Vec<(String, Expr)>) -> Result<LogicalPlan> {
    if more.is_empty() {
        return Ok(plan);
    }
    let mut columns: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
    columns.extend(more.into_iter().map(|(name, expr)| expr.alias(name)));
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}

/// Whether an expression of a node holds a subquery.
fn has_subquery(node: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    node.apply_expressions(|expr| {
        found |= holds_subquery(expr);
        Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

fn holds_subquery(expr: &Expr) -> bool {
    expr.exists(|one| Ok(crate::inline::subquery_of(one).is_some())).unwrap_or(true)
}

fn own(name: impl Into<String>) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

/// A plan as a subquery, with what it refers to outside of itself.
fn subquery(plan: LogicalPlan) -> Subquery {
    let outer_ref_columns = plan.all_out_ref_exprs();
    Subquery { subquery: Arc::new(plan), outer_ref_columns, spans: Spans::new() }
}

fn unsupported(what: &str) -> datafusion::error::DataFusionError {
    SqlError::unsupported(what).in_engine()
}
