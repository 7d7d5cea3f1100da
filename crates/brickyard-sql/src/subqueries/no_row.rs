//! A value's subquery that answers no row is NULL.
//!
//! DataFusion takes the subquery's column at its word: of one that is never NULL, as in `(SELECT 1 FROM t WHERE a = 0)`, it
//! says that the value is never NULL either, folds `IS NULL` of it to FALSE, and fails when there is no row. So such a column
//! goes through a function that gives it back and promises nothing.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, LogicalPlanBuilder, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Subquery, Volatility,
};

/// It is said to be volatile: of a constant anything else is computed in advance, and is a constant again.
static OR_NULL: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    Arc::new(ScalarUDF::from(OrNull { signature: Signature::any(1, Volatility::Volatile) }))
});

/// A node whose subqueries of values may all be NULL.
pub(super) fn may_be_null(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let names = NamePreserver::new(&node);
    let done = node.map_expressions(|expr| {
        let name = names.save(&expr);
        let done = expr.transform_up(|one| match one {
            Expr::ScalarSubquery(value) if is_certain(&value) => {
                let plan = value.subquery.as_ref().clone();
                let (relation, field) = plan.schema().qualified_field(0);
                let name = field.name().clone();
                let column = Expr::Column((relation, field).into());
                let shown = OR_NULL.call(vec![column]).alias_qualified(relation.cloned(), name);
                let plan = LogicalPlanBuilder::from(plan).project([shown])?.build()?;
                Ok(Transformed::yes(Expr::ScalarSubquery(Subquery { subquery: Arc::new(plan), ..value })))
            }
            other => Ok(Transformed::no(other)),
        })?;
        Ok(done.update_data(|expr| name.restore(expr)))
    })?;
    if done.transformed { done.map_data(LogicalPlan::recompute_schema) } else { Ok(done) }
}

/// True if the subquery may answer no row, and says that it is never NULL. One that looks at what is around it becomes a
/// join, which knows better.
fn is_certain(value: &Subquery) -> bool {
    value.outer_ref_columns.is_empty()
        && value.subquery.schema().fields().first().is_some_and(|field| !field.is_nullable())
        && !has_a_row(&value.subquery)
}

fn has_a_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => has_a_row(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => has_a_row(&alias.input),
        LogicalPlan::Subquery(inner) => has_a_row(&inner.subquery),
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::EmptyRelation(empty) => empty.produce_one_row,
        _ => false,
    }
}

/// Its argument, of which nobody is told that it is never NULL.
#[derive(Debug, PartialEq, Eq, Hash)]
struct OrNull {
    signature: Signature,
}

impl ScalarUDFImpl for OrNull {
    fn name(&self) -> &str {
        "or_null"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("its field says more")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(args.arg_fields[0].as_ref().clone().with_nullable(true)))
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(args.args.swap_remove(0))
    }
}
