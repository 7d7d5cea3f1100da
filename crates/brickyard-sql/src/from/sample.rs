//! `TABLESAMPLE (n ROWS)` and `TABLESAMPLE (p PERCENT)`.

use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::planner::RelationPlannerContext;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::sql::sqlparser::ast::{TableFactor, TableSample, TableSampleKind, TableSampleUnit};

/// A relation without its sample, and the sample.
pub(super) fn taken(mut relation: TableFactor) -> (TableFactor, Option<Box<TableSample>>) {
    let sample = match &mut relation {
        TableFactor::Table { sample, .. } | TableFactor::Derived { sample, .. } => sample.take(),
        _ => None,
    };
    let sample = sample.map(|kind| match kind {
        TableSampleKind::BeforeTableAlias(sample) | TableSampleKind::AfterTableAlias(sample) => sample,
    });
    (relation, sample)
}

pub(super) fn plan(
    relation: TableFactor,
    sample: TableSample,
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let input = context.plan(relation)?;
    let refused = |what: &str| Err(DataFusionError::NotImplemented(format!("TABLESAMPLE {what}")));
    if sample.seed.is_some() {
        return refused("REPEATABLE");
    }
    let Some(quantity) = sample.quantity.filter(|_| sample.bucket.is_none()) else {
        return refused("BUCKET");
    };
    let amount = context.sql_to_expr(quantity.value, &DFSchema::empty())?;
    let Expr::Literal(amount, _) = amount else { return refused("of an amount that is no number") };
    let rows = LogicalPlanBuilder::from(input);
    match quantity.unit {
        Some(TableSampleUnit::Rows) => {
            let ScalarValue::Int32(Some(count)) = amount else {
                return Err(DataFusionError::Plan("TABLESAMPLE takes a whole number of ROWS".to_owned()));
            };
            rows.limit(0, Some(usize::try_from(count).unwrap_or(0)))?.build()
        }
        Some(TableSampleUnit::Percent) => {
            let ScalarValue::Float64(Some(percent)) =
                amount.cast_to(&datafusion::arrow::datatypes::DataType::Float64)?
            else {
                return Err(DataFusionError::Plan("TABLESAMPLE takes a number of PERCENT".to_owned()));
            };
            if !(0.0..=100.0).contains(&percent) {
                return Err(DataFusionError::Plan("TABLESAMPLE takes 0 to 100 PERCENT".to_owned()));
            }
            let chance = datafusion::functions::math::random().call(Vec::new());
            rows.filter(chance.lt(lit(percent / 100.0)))?.build()
        }
        None => refused("without ROWS or PERCENT"),
    }
}
