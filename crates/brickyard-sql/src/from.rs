//! What stands in `FROM` and DataFusion does not plan: generators (`LATERAL VIEW explode(..)`), `PIVOT`, `UNPIVOT` and
//! `TABLESAMPLE`; and `VALUES`, which it plans with other types.
//!
//! `rewrite/lateral.rs` brings every way to write a generator into one shape: a join in brackets whose right side is the
//! generator. What is planned here lies over what a relation's policies let through, as anything of the query does.

mod generator;
mod inline_table;
mod pivot;
mod sample;
mod unpivot;

use std::cell::Cell;
use std::sync::{Arc, LazyLock};

use datafusion::error::Result;
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::sql::sqlparser::ast::TableFactor;

pub(crate) use generator::{is_generator, outer};

use crate::spark::set_types;

/// Plans them.
#[derive(Debug)]
struct FromClause;

/// The planners of a query's relations.
pub(crate) fn planners() -> &'static [Arc<dyn RelationPlanner>] {
    static PLANNERS: LazyLock<[Arc<dyn RelationPlanner>; 1]> = LazyLock::new(|| [Arc::new(FromClause)]);
    &*PLANNERS
}

impl RelationPlanner for FromClause {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let (plan, alias) = match relation {
            TableFactor::NestedJoin { table_with_joins, alias }
                if generator::stands_right(&table_with_joins) =>
            {
                (generator::joined(*table_with_joins, context)?, alias)
            }
            TableFactor::Function { name, args, alias, .. } if is_generator(&name) => {
                (generator::alone(&name, args, alias, context)?, None)
            }
            TableFactor::Pivot { table, aggregate_functions, value_column, value_source, alias, .. } => {
                (pivot::plan(*table, aggregate_functions, value_column, value_source, context)?, alias)
            }
            TableFactor::Unpivot { table, value, name, columns, null_inclusion, alias } => {
                (unpivot::plan(*table, value, &name, columns, null_inclusion.as_ref(), context)?, alias)
            }
            TableFactor::Derived { ref subquery, ref alias, lateral: false, sample: None }
                if let Some(values) = inline_table::alone(subquery) =>
            {
                (inline_table::plan(values, context)?, alias.clone())
            }
            other => match sample::taken(other) {
                (other, None) => {
                    let Some(plan) = settled(&other, context)? else {
                        return Ok(RelationPlanning::Original(Box::new(other)));
                    };
                    (plan, None)
                }
                (other, Some(sample)) => (sample::plan(other, *sample, context)?, None),
            },
        };
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation { plan, alias })))
    }
}

thread_local! {
    /// The relation that is planned now is the one that was just handed on.
    static HANDED_ON: Cell<bool> = const { Cell::new(false) };
}

/// A subquery, or what may be a common table expression, with its set operations brought to one type before anything is
/// planned around it. `None`: there is nothing to do, or it was done.
fn settled(
    relation: &TableFactor,
    context: &mut dyn RelationPlannerContext,
) -> Result<Option<datafusion::logical_expr::LogicalPlan>> {
    if HANDED_ON.replace(false)
        || !matches!(relation, TableFactor::Derived { .. } | TableFactor::Table { .. })
    {
        return Ok(None);
    }
    HANDED_ON.set(true);
    let planned = context.plan(relation.clone());
    HANDED_ON.set(false);
    set_types::brought_together(planned?).map(Some)
}
