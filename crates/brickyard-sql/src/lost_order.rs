//! An order that DataFusion's rules count on, and then lose.
//!
//! A sort by what is the same in every row is left out: after `WHERE k = 1` rows are in the order of `k`. What is put
//! into the plan later (partitions that come together below a join) may forget that `k` is one value, or that two
//! columns are equal, and then DataFusion's own check refuses the plan as a failure inside. The rows are right
//! either way; so the sort is put where its order is asked for and not known, just before that check.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::physical_expr::{LexOrdering, LexRequirement, PhysicalSortExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_optimizer::sanity_checker::{check_finiteness_requirements, check_plan_sanity};
use datafusion::physical_plan::execution_plan::InvariantLevel;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{
    ChildSatisfactionOptions, ChildrenPropertiesMode, ExecutionPlan, ExecutionPlanProperties,
    ReplaceChildrenOptions,
};

/// DataFusion's rules, with this one before the check that ends them, and the check as it is here.
pub(crate) fn rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    rules.retain(|rule| rule.name() != "SanityCheckPlan");
    rules.extend([Arc::new(LostOrder) as Arc<_>, Arc::new(Sound) as Arc<_>]);
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
        if is_ordered(child, &required)? {
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

/// True if the rows of a plan are in an order. What DataFusion works out of the parts of an expression comes first; of some
/// (`CASE WHEN length(a) < 5 ..`) it cannot, and then does not see that a sort below is by just this expression. What is
/// the same in every row (`ORDER BY 1` of a window) is in any order, and DataFusion leaves it out of those it names.
fn is_ordered(plan: &Arc<dyn ExecutionPlan>, required: &LexRequirement) -> Result<bool> {
    let known = plan.equivalence_properties();
    if known.ordering_satisfy_requirement(required.clone())? {
        return Ok(true);
    }
    let Some(order) = plan.output_ordering() else { return Ok(false) };
    let mut order = order.iter();
    let mut wanted = required.iter().filter(|wants| known.is_expr_constant(&wants.expr).is_none());
    Ok(wanted.all(|wants| {
        order.next().is_some_and(|has| {
            has.expr.eq(&wants.expr) && wants.options.is_none_or(|options| options == has.options)
        })
    }))
}

/// DataFusion's check of a finished plan, which takes an order that is there for an order that is there.
#[derive(Debug)]
struct Sound;

impl PhysicalOptimizerRule for Sound {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        options: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.apply(|node| {
            let checked = check_plan_sanity(node, &options.optimizer);
            if checked.is_err() && !(orders_are_there(node)? && rows_are_spread(node)?) {
                checked?;
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(plan)
    }

    fn name(&self) -> &str {
        "sound"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// True if some order that a node asks for is only seen here, and none is missing.
fn orders_are_there(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    let mut only_here = false;
    for (child, required) in plan.children().into_iter().zip(plan.required_input_ordering()) {
        let Some(required) = required else { continue };
        let required = required.into_single();
        if !is_ordered(child, &required)? {
            return Ok(false);
        }
        only_here |= !child.equivalence_properties().ordering_satisfy_requirement(required)?;
    }
    Ok(only_here)
}

/// The rest of DataFusion's check: rows lie in the partitions where a node looks for them, and come to an end.
fn rows_are_spread(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    let required = plan.input_distribution_requirements();
    for (at, child) in plan.children().into_iter().enumerate() {
        let options = ChildSatisfactionOptions::new().with_allow_subset(true);
        if !required.child_satisfaction(at, child.as_ref(), options)?.is_satisfied() {
            return Ok(false);
        }
    }
    Ok(plan.check_invariants(InvariantLevel::Executable).is_ok()
        && check_finiteness_requirements(plan.as_ref(), &Default::default()).is_ok())
}
