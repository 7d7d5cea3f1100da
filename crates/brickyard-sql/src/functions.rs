//! The built-in functions: DataFusion's, over them Spark's of the same names, and over those our own.

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::functions_aggregate::average::avg_udaf;
use datafusion::functions_nested::{concat::array_concat_udf, reverse::array_reverse_udf};
use datafusion::logical_expr::HigherOrderUDF;

use crate::spark::{
    aggregates, arithmetic, by_type::either, indexed, json_path, made, percentiles, reduce, rounding,
    struct_wildcard, sums, text_numbers,
};

/// Adds Spark's functions.
pub(crate) fn register(state: &mut SessionState) {
    // It only fails for a registry that takes no functions.
    if let Err(error) = all(state) {
        tracing::error!(%error, "Spark's functions were not registered");
    }
}

fn all(state: &mut SessionState) -> Result<()> {
    datafusion_spark::register_all(state)?;
    let (concat, reverse) = (state.udf("concat")?, state.udf("reverse")?);
    let own = [
        json_path::get_json_object(),
        struct_wildcard::fields_of(),
        either("concat", concat, array_concat_udf()),
        either("reverse", reverse, array_reverse_udf()),
    ];
    for function in own.into_iter().chain(rounding::all()).chain(arithmetic::tolerant()).chain(made::all()) {
        state.register_udf(Arc::new(function))?;
    }
    let reduce = HigherOrderUDF::new_from_impl(reduce::Aggregate::new());
    for function in indexed::all().into_iter().chain([reduce]) {
        state.register_higher_order_function(Arc::new(function))?;
    }
    // Spark's `avg` of that crate knows neither FILTER (in groups) nor DISTINCT nor decimals; DataFusion's own gives
    // Spark's types.
    state.register_udaf(avg_udaf())?;
    state.register_udaf(Arc::new(sums::sum()))?;
    for name in text_numbers::NAMES {
        let function = text_numbers::reading(state.udaf(name)?.as_ref());
        state.register_udaf(Arc::new(function))?;
    }
    for function in aggregates::all().into_iter().chain(percentiles::all()) {
        state.register_udaf(Arc::new(function))?;
    }
    Ok(())
}
