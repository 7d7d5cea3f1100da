//! The built-in functions: DataFusion's, and over them Spark's of the same names.

use datafusion::execution::SessionState;

/// Adds Spark's functions.
pub(crate) fn register(state: &mut SessionState) {
    use datafusion::execution::FunctionRegistry;
    let own = state.register_udf(std::sync::Arc::new(crate::spark::json_path::get_json_object()));
    if let Err(error) = own {
        tracing::error!(%error, "get_json_object was not registered");
    }
    // It only fails for a registry that takes no functions.
    if let Err(error) = datafusion_spark::register_all(state) {
        tracing::error!(%error, "Spark's functions were not registered");
    }
}
