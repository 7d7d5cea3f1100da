//! `EXISTS` in a projection: a join that marks the rows for which there is one, and keeps them all.
//!
//! DataFusion has that join, for `EXISTS` inside a larger condition. It is asked for it with a filter that keeps every row.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::Exists;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, Filter, LogicalPlan, Projection, Subquery};
use datafusion::optimizer::decorrelate_predicate_subquery::DecorrelatePredicateSubquery;
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{Optimizer, OptimizerConfig, OptimizerRule};

/// The rule.
#[derive(Debug)]
struct Marked;

/// DataFusion's rules, with this one before its own for subqueries.
pub(crate) fn rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let mut rules = Optimizer::new().rules;
    let own = DecorrelatePredicateSubquery::new();
    let at = rules.iter().position(|rule| rule.name() == own.name()).unwrap_or(0);
    rules.insert(at, Arc::new(Marked));
    rules
}

impl OptimizerRule for Marked {
    fn name(&self) -> &str {
        "marked_subqueries"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Projection(projection) = plan else { return Ok(Transformed::no(plan)) };
        let mut found: Vec<(Subquery, Expr)> = Vec::new();
        let mut input = Arc::clone(&projection.input);
        for subquery in subqueries(&projection.expr)? {
            if found.iter().any(|(known, _)| *known == subquery) {
                continue;
            }
            if let Some((joined, mark)) = join(&input, subquery.clone(), config)? {
                input = joined;
                found.push((subquery, mark));
            }
        }
        if found.is_empty() {
            return Ok(Transformed::no(LogicalPlan::Projection(projection)));
        }
        let names = NamePreserver::new_for_projection();
        let marked = projection.expr.iter().map(|expr| {
            let name = names.save(expr);
            let done = expr.clone().transform_down(|one| {
                let Expr::Exists(exists) = &one else { return Ok(Transformed::no(one)) };
                let Some((_, mark)) = found.iter().find(|(known, _)| *known == exists.subquery) else {
                    return Ok(Transformed::no(one));
                };
                let mark = if exists.negated { !mark.clone() } else { mark.clone() };
                Ok(Transformed::new(mark, true, TreeNodeRecursion::Jump))
            })?;
            Ok(name.restore(done.data))
        });
        let marked = Projection::try_new(marked.collect::<Result<Vec<_>>>()?, input)?;
        Ok(Transformed::yes(LogicalPlan::Projection(marked)))
    }
}

fn subqueries(exprs: &[Expr]) -> Result<Vec<Subquery>> {
    let mut found = Vec::new();
    for expr in exprs {
        expr.apply(|one| {
            if let Expr::Exists(exists) = one {
                found.push(exists.subquery.clone());
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    Ok(found)
}

/// The join, and the column of its marks; `None` if the query cannot be made a join.
fn join(
    input: &Arc<LogicalPlan>,
    subquery: Subquery,
    config: &dyn OptimizerConfig,
) -> Result<Option<(Arc<LogicalPlan>, Expr)>> {
    let every_row = Expr::IsNotUnknown(Box::new(Expr::Exists(Exists { subquery, negated: false })));
    let filter = LogicalPlan::Filter(Filter::try_new(every_row, Arc::clone(input))?);
    let LogicalPlan::Projection(shown) = DecorrelatePredicateSubquery::new().rewrite(filter, config)?.data
    else {
        return Ok(None);
    };
    let LogicalPlan::Filter(filter) = shown.input.as_ref() else { return Ok(None) };
    let Expr::IsNotUnknown(mark) = &filter.predicate else { return Ok(None) };
    Ok(matches!(**mark, Expr::Column(_)).then(|| (Arc::clone(&filter.input), (**mark).clone())))
}
