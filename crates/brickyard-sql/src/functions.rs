//! The built-in functions: DataFusion's, and over them Spark's of the same names.

use datafusion::execution::SessionState;

/// Adds Spark's functions.
pub(crate) fn register(state: &mut SessionState) {
    // It only fails for a registry that takes no functions.
    if let Err(error) = datafusion_spark::register_all(state) {
        tracing::error!(%error, "Spark's functions were not registered");
    }
}
