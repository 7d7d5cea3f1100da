//! Conditions that DataFusion makes up for the other side of a join.
//!
//! From `a.k = b.k` and a condition on `a.k` it infers the same condition on `b.k`, and asks it of every row of `b`, those
//! too that no row of `a` meets. If the condition can fail (a cast, a division), the statement then fails for a row that
//! has no part in its answer. Spark infers no such condition from one that may throw; here the join's keys are hidden
//! from that rule while there is one in the plan.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use datafusion::optimizer::push_down_filter::PushDownFilter;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use crate::policy_errors::cannot_fail;

/// Puts the rule before the one that infers.
pub(crate) fn guarded(
    mut rules: Vec<Arc<dyn OptimizerRule + Send + Sync>>,
) -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let infers = PushDownFilter::new();
    let at = rules.iter().position(|rule| rule.name() == infers.name()).unwrap_or(0);
    rules.insert(at, Arc::new(CertainInference));
    rules
}

/// The rule: where a condition may fail, no join's keys are two plain columns.
#[derive(Debug)]
struct CertainInference;

impl OptimizerRule for CertainInference {
    fn name(&self) -> &str {
        "certain_inference"
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        if !may_infer_a_failure(&plan)? {
            return Ok(Transformed::no(plan));
        }
        plan.transform_down_with_subqueries(|node| {
            let LogicalPlan::Join(mut join) = node else { return Ok(Transformed::no(node)) };
            let mut changed = false;
            // A null-aware join infers nothing.
            if !join.null_aware {
                for (left, right) in &mut join.on {
                    if left.try_as_col().is_some() && right.try_as_col().is_some() {
                        *left = KEY.call(vec![left.clone()]);
                        changed = true;
                    }
                }
            }
            let node = LogicalPlan::Join(join);
            Ok(if changed { Transformed::yes(node) } else { Transformed::no(node) })
        })
    }
}

/// True if there is a join with keys, and a condition that may fail.
fn may_infer_a_failure(plan: &LogicalPlan) -> Result<bool> {
    let (mut joins, mut fails) = (false, false);
    plan.apply_with_subqueries(|node| {
        match node {
            LogicalPlan::Join(join) => {
                joins |= !join.on.is_empty();
                fails |= join.filter.as_ref().is_some_and(|on| may_fail(on, node));
            }
            LogicalPlan::Filter(filter) => fails |= may_fail(&filter.predicate, &filter.input),
            _ => {}
        }
        Ok(if joins && fails { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(joins && fails)
}

/// A condition on no column at all is asked once, wherever it is asked.
fn may_fail(predicate: &Expr, of: &LogicalPlan) -> bool {
    split_conjunction(predicate)
        .into_iter()
        .any(|one| !one.column_refs().is_empty() && !cannot_fail(one, of.schema()))
}

static KEY: LazyLock<ScalarUDF> =
    LazyLock::new(|| ScalarUDF::from(Key { signature: Signature::any(1, Volatility::Immutable) }));

/// A join's key, as it is.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    signature: Signature,
}

impl ScalarUDFImpl for Key {
    fn name(&self) -> &str {
        "key"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("its field says more")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::clone(&args.arg_fields[0]))
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(args.args.swap_remove(0))
    }
}
