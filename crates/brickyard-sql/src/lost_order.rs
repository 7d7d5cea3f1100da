//! An order that DataFusion's rules count on, and then lose.
//!
//! A sort by what is the same in every row is left out: after `WHERE k = 1` rows are in the order of `k`. What is put
//! into the plan later (partitions that come together below a join) may forget that `k` is one value, or that two
//! columns are equal, and then DataFusion's own check refuses the plan as a failure inside. The rows are right
//! either way; so the sort is put where its order is asked for and not known, just before that check.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, ExecutionPlan, ExecutionPlanProperties, ReplaceChildrenOptions,
};

/// DataFusion's rules, with this one before the check that ends them.
pub(crate) fn rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    let check = rules.iter().position(|rule| rule.name() == "SanityCheckPlan").unwrap_or(rules.len());
    rules.insert(check, Arc::new(LostOrder));
    rules
}

#[derive(Debug)]
struct LostOrder;

impl PhysicalOptimizerRule for LostOrder {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(sorted_again).data()
    }

    fn name(&self) -> &str {
        "lost_order"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn sorted_again(plan: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let required = plan.required_input_ordering();
    let mut children: Vec<_> = plan.children().into_iter().cloned().collect();
    let mut changed = false;
    for (child, required) in children.iter_mut().zip(required) {
        let Some(required) = required else { continue };
        let required = required.into_single();
        if child.equivalence_properties().ordering_satisfy_requirement(required.clone())? {
            continue;
        }
        let Some(order) = LexOrdering::new(required.into_iter().map(PhysicalSortExpr::from)) else {
            continue;
        };
        let partitions = child.output_partitioning().partition_count();
        let sort = SortExec::new(order, Arc::clone(child)).with_preserve_partitioning(partitions > 1);
        *child = Arc::new(sort);
        changed = true;
    }
    if !changed {
        return Ok(Transformed::no(plan));
    }
    let anew = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    plan.replace_children(children, anew).map(Transformed::yes)
}
