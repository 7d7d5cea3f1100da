//! How true each route is: one table a route file, gathered here, shown by `GET /_brickyard/fidelity` and turned into
//! the OpenAPI document.
//!
//! **Rule:** a route that is not in a table does not exist. Each route file keeps its table beside its `routes` function,
//! so that whoever adds a route sees both.

use super::{
    agent_deployments, brickyard_api, external_function, not_emulated, oidc, permissions, registered_models,
    scim, secrets, sql_statements, sql_warehouses, token, unity_catalog, well_known,
};

/// How much of the real thing stands behind a route.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Level {
    /// It does what Databricks does, as far as the reference knows.
    Real,
    /// The answer has the right shape; some of its content has no effect or is made up.
    ShapeOnly,
    /// It answers 501 and says so.
    Refused,
}

impl Level {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Real, Self::ShapeOnly, Self::Refused];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::ShapeOnly => "shape_only",
            Self::Refused => "refused",
        }
    }
}

/// The table of one route file: `METHOD path` (`ANY` stands for every method), the level, and the API scope that a
/// refusal prints, `any` where every valid token will do, or `open` where none is asked for.
pub type Table = &'static [(&'static str, Level, &'static str)];

/// The scope column of a route that takes no token.
pub const OPEN: &str = "open";
/// The scope column of a route that every valid token opens.
pub const ANY_SCOPE: &str = "any";

/// Every table, one line a route file.
pub static TABLES: &[Table] = &[
    agent_deployments::FIDELITY,
    brickyard_api::FIDELITY,
    external_function::FIDELITY,
    not_emulated::FIDELITY,
    oidc::FIDELITY,
    permissions::FIDELITY,
    registered_models::FIDELITY,
    scim::FIDELITY,
    secrets::FIDELITY,
    SERVING,
    sql_statements::FIDELITY,
    sql_warehouses::FIDELITY,
    token::FIDELITY,
    unity_catalog::FIDELITY,
    well_known::FIDELITY,
];

/// The routes of `health.rs`, `invocations.rs` and `serving_endpoints.rs`, which are one subject in three files.
const SERVING: Table = &[
    ("GET /health", Level::Real, OPEN),
    ("GET /ready", Level::Real, OPEN),
    ("POST /serving-endpoints/{name}/invocations", Level::Real, MODEL_SERVING),
    ("POST /serving-endpoints/{name}/served-models/{served}/invocations", Level::Real, MODEL_SERVING),
    ("POST /serving-endpoints/chat/completions", Level::Real, MODEL_SERVING),
    ("POST /serving-endpoints/completions", Level::Real, MODEL_SERVING),
    ("POST /serving-endpoints/responses", Level::Real, MODEL_SERVING),
    ("POST /serving-endpoints/embeddings", Level::Real, MODEL_SERVING),
    ("POST /serving-endpoints/v1/chat/completions", Level::Real, MODEL_SERVING),
    ("GET /serving-endpoints/models", Level::Real, MODEL_SERVING),
    ("GET /api/2.0/serving-endpoints", Level::Real, MODEL_SERVING),
    ("POST /api/2.0/serving-endpoints", Level::Real, MODEL_SERVING),
    ("GET /api/2.0/serving-endpoints/{name}", Level::Real, MODEL_SERVING),
    ("DELETE /api/2.0/serving-endpoints/{name}", Level::Real, MODEL_SERVING),
    ("PUT /api/2.0/serving-endpoints/{name}/config", Level::Real, MODEL_SERVING),
    ("PATCH /api/2.0/serving-endpoints/{name}/tags", Level::Real, MODEL_SERVING),
    ("PATCH /api/2.0/serving-endpoints/{name}/description", Level::Real, MODEL_SERVING),
    ("GET /api/2.0/serving-endpoints/{name}/metrics", Level::ShapeOnly, MODEL_SERVING),
    ("GET /api/2.0/serving-endpoints/{name}/openapi", Level::ShapeOnly, MODEL_SERVING),
    ("GET /api/2.0/serving-endpoints/{name}/served-models/{served}/logs", Level::Real, MODEL_SERVING),
    ("GET /api/2.0/serving-endpoints/{name}/served-models/{served}/build-logs", Level::Real, MODEL_SERVING),
    ("PUT /api/2.0/serving-endpoints/{name}/rate-limits", Level::Refused, MODEL_SERVING),
    ("PUT /api/2.0/serving-endpoints/{name}/ai-gateway", Level::Refused, MODEL_SERVING),
    ("PATCH /api/2.0/serving-endpoints/{name}/notifications", Level::Refused, MODEL_SERVING),
    ("PATCH /api/2.0/serving-endpoints/{name}/telemetry-config", Level::Refused, MODEL_SERVING),
    ("PATCH /api/2.0/serving-endpoints/{name}/budget-policy", Level::Refused, MODEL_SERVING),
    ("POST /api/2.0/serving-endpoints/pt", Level::Refused, MODEL_SERVING),
    ("PUT /api/2.0/serving-endpoints/pt/{name}/config", Level::Refused, MODEL_SERVING),
];

const MODEL_SERVING: &str = "model-serving";

/// One row, taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// The method, or `ANY`.
    pub method: &'static str,
    /// The path, as axum writes it: `{name}` is one segment, `{*rest}` all that follow.
    pub path: &'static str,
    /// How true it is.
    pub level: Level,
    /// The API scope, `any` or `open`.
    pub scope: &'static str,
}

/// The rows of some tables, by path and method.
pub fn rows(tables: &[Table]) -> Vec<Row> {
    let mut rows: Vec<Row> = (tables.iter().copied().flatten())
        .map(|(route, level, scope)| {
            let (method, path) = route.split_once(' ').unwrap_or(("ANY", route));
            Row { method, path, level: *level, scope }
        })
        .collect();
    rows.sort_by_key(|row| (row.path, row.method));
    rows
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_row_names_one_route_and_no_route_is_named_twice() {
        let mut seen = HashSet::new();
        for row in rows(TABLES) {
            assert!(["GET", "POST", "PUT", "PATCH", "DELETE", "ANY"].contains(&row.method), "{row:?}");
            assert!(row.path.starts_with('/') && !row.path.contains(' ') && !row.scope.is_empty(), "{row:?}");
            assert!(seen.insert((row.method, row.path)), "{row:?} is there twice");
            assert!(row.method != "ANY" || row.level == Level::Refused, "{row:?}");
        }
    }
}
