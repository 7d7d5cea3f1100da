//! What Databricks has and brickyard does not emulate yet: 501, which says so, instead of 404, which would say that
//! there is no such thing.
//!
//! Who asks comes first all the same: a token that is none is refused, and one whose scopes would not open the real API
//! is refused in the real words. So an agent that forgot to declare `genie` learns that here, and learns with the scope
//! that brickyard has no Genie yet.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::any;
use brickyard_catalog::{ApiFamily, family};

use super::fidelity::Level;
use crate::access::{Access, Guard};
use crate::errors::ApiError;
use crate::workspace::Workspace;

/// The prefixes, which are also the routes. A path that ends in `{*rest}` stands for its stem as well.
pub const FIDELITY: &[(&str, Level, &str)] = &[
    ("ANY /ai-gateway/{*rest}", Level::Refused, "model-serving"),
    ("ANY /api/2.0/agents/{*rest}", Level::Refused, "any"),
    ("ANY /api/2.0/ai-search/{*rest}", Level::Refused, "vector-search"),
    ("ANY /api/2.0/apps/{*rest}", Level::Refused, "apps"),
    ("ANY /api/2.0/database/{*rest}", Level::Refused, "postgres"),
    ("ANY /api/2.0/fs/{*rest}", Level::Refused, "files"),
    ("ANY /api/2.0/genie/{*rest}", Level::Refused, "genie"),
    ("ANY /api/2.0/jobs/{*rest}", Level::Refused, "jobs"),
    ("ANY /api/2.0/managed-evals/{*rest}", Level::Refused, "any"),
    ("ANY /api/2.0/mcp/ai-search/{*rest}", Level::Refused, "ai-search"),
    ("ANY /api/2.0/mcp/external/{*rest}", Level::Refused, "unity-catalog"),
    ("ANY /api/2.0/mcp/functions/{*rest}", Level::Refused, "unity-catalog"),
    ("ANY /api/2.0/mcp/genie/{*rest}", Level::Refused, "genie"),
    ("ANY /api/2.0/mcp/sql/{*rest}", Level::Refused, "sql"),
    ("ANY /api/2.0/mcp/vector-search/{*rest}", Level::Refused, "ai-search"),
    ("ANY /api/2.0/mlflow/{*rest}", Level::Refused, "mlflow"),
    ("ANY /api/2.0/postgres/{*rest}", Level::Refused, "postgres"),
    ("ANY /api/2.0/sql/{*rest}", Level::Refused, "sql"),
    ("ANY /api/2.0/vector-search/{*rest}", Level::Refused, "vector-search"),
    ("ANY /api/2.0/workspace/{*rest}", Level::Refused, "workspace"),
    ("ANY /api/2.1/jobs/{*rest}", Level::Refused, "jobs"),
    ("ANY /api/2.1/unity-catalog/{*rest}", Level::Refused, "unity-catalog"),
    ("ANY /api/2.2/jobs/{*rest}", Level::Refused, "jobs"),
    ("ANY /api/3.0/mlflow/{*rest}", Level::Refused, "mlflow"),
    ("ANY /serving-endpoints/v1/completions", Level::Refused, "model-serving"),
    ("ANY /serving-endpoints/v1/embeddings", Level::Refused, "model-serving"),
    ("ANY /serving-endpoints/v1/models", Level::Refused, "model-serving"),
    ("ANY /serving-endpoints/v1/responses", Level::Refused, "model-serving"),
    ("ANY /sql/1.0/{*rest}", Level::Refused, "sql"),
];

macro_rules! here_only {
    ($($id:ident = $name:literal, accepts [$($scope:literal),*], prints $printed:literal;)+) => {
        $(pub(super) static $id: ApiFamily = ApiFamily {
            name: $name,
            routes: &[],
            accepted: &[$($scope),*],
            printed: $printed,
            documented: false,
        };)+
    };
}

// Families of which the catalog's gate table says nothing: each has the coarse scope of Databricks' REST reference.
here_only! {
    ANYBODY = "an API that is not emulated", accepts [], prints "";
    FILES = "files", accepts ["files.files", "files"], prints "files";
    JOBS = "jobs", accepts ["jobs"], prints "jobs";
    WORKSPACE_FILES = "workspace files", accepts ["workspace.workspace", "workspace"], prints "workspace";
    SQL_OBJECTS = "SQL queries, alerts and dashboards", accepts ["sql"], prints "sql";
    UC_OBJECTS = "Unity Catalog", accepts ["unity-catalog"], prints "unity-catalog";
    VECTOR_SEARCH = "vector search", accepts ["vector-search"], prints "vector-search";
}

/// Which family a request belongs to: the first row that matches. `*` is one segment, `**` all that follow; no method
/// means every method.
static GATES: &[(Option<Method>, &str, &ApiFamily)] = &[
    (Some(Method::GET), "/api/2.0/vector-search/endpoints/*/indexes", &family::VECTOR_SEARCH_READ),
    (None, "/api/2.0/vector-search/endpoints/*/indexes", &family::VECTOR_SEARCH_WRITE),
    (None, "/api/2.0/vector-search/endpoints/**", &family::VECTOR_SEARCH_ENDPOINTS),
    (Some(Method::GET), "/api/2.0/vector-search/indexes/**", &family::VECTOR_SEARCH_READ),
    (None, "/api/2.0/vector-search/indexes/*/query", &family::VECTOR_SEARCH_READ),
    (None, "/api/2.0/vector-search/indexes/*/query-next-page", &family::VECTOR_SEARCH_READ),
    (None, "/api/2.0/vector-search/indexes/*/scan", &family::VECTOR_SEARCH_READ),
    (None, "/api/2.0/vector-search/indexes/**", &family::VECTOR_SEARCH_WRITE),
    (None, "/api/2.0/vector-search/**", &VECTOR_SEARCH),
    (None, "/api/2.0/ai-search/**", &VECTOR_SEARCH),
    (None, "/api/2.0/genie/**", &family::GENIE),
    (None, "/api/2.0/sql/statements/**", &family::SQL_STATEMENTS),
    (None, "/api/2.0/sql/sessions/**", &family::SQL_STATEMENTS),
    (Some(Method::GET), "/api/2.0/sql/warehouses/**", &family::SQL_WAREHOUSES_READ),
    (None, "/api/2.0/sql/warehouses/**", &family::SQL_WAREHOUSES),
    (None, "/api/2.0/sql/**", &SQL_OBJECTS),
    (None, "/sql/1.0/**", &family::SQL_THRIFT),
    (Some(Method::GET), "/api/2.1/unity-catalog/tables/**", &family::UC_TABLES),
    (None, "/api/2.1/unity-catalog/functions/**", &family::UC_FUNCTIONS),
    (Some(Method::GET), "/api/2.1/unity-catalog/catalogs/**", &family::UC_CATALOGS),
    (Some(Method::GET), "/api/2.1/unity-catalog/schemas/**", &family::UC_CATALOGS),
    (None, "/api/2.1/unity-catalog/connections/**", &family::UC_CONNECTIONS),
    (None, "/api/2.1/unity-catalog/permissions/**", &family::UC_GRANTS),
    (None, "/api/2.1/unity-catalog/**", &UC_OBJECTS),
    (None, "/api/2.0/mcp/functions/**", &family::MCP_FUNCTIONS),
    (None, "/api/2.0/mcp/vector-search/**", &family::MCP_VECTOR_SEARCH),
    (None, "/api/2.0/mcp/ai-search/**", &family::MCP_VECTOR_SEARCH),
    (None, "/api/2.0/mcp/genie/**", &family::MCP_GENIE),
    (None, "/api/2.0/mcp/sql/**", &family::MCP_SQL),
    (None, "/api/2.0/mcp/external/**", &family::MCP_EXTERNAL),
    (None, "/api/2.0/database/**", &family::LAKEBASE),
    (None, "/api/2.0/postgres/**", &family::LAKEBASE),
    (None, "/api/2.0/apps/**", &family::APPS),
    (None, "/api/2.0/mlflow/**", &family::MLFLOW),
    (None, "/api/3.0/mlflow/**", &family::MLFLOW),
    (None, "/api/2.0/fs/**", &FILES),
    (None, "/api/2.0/workspace/**", &WORKSPACE_FILES),
    (None, "/api/2.0/jobs/**", &JOBS),
    (None, "/api/2.1/jobs/**", &JOBS),
    (None, "/api/2.2/jobs/**", &JOBS),
    (None, "/ai-gateway/**", &family::SERVING_INVOCATIONS),
    (None, "/serving-endpoints/v1/**", &family::SERVING_INVOCATIONS),
    (None, "/**", &ANYBODY),
];

/// The routes.
pub fn routes(workspace: &Arc<Workspace>) -> Router {
    let mut router = Router::new();
    for (route, ..) in FIDELITY {
        let path = route.trim_start_matches("ANY ");
        router = router.route(path, any(refuse));
        if let Some(stem) = path.strip_suffix("/{*rest}") {
            router = router.route(stem, any(refuse));
        }
    }
    router.route_layer(from_fn_with_state(Arc::clone(workspace), guard_by_path)).with_state(())
}

/// The guard of every route, with the family that the path belongs to.
async fn guard_by_path(
    State(workspace): State<Arc<Workspace>>,
    mut request: Request,
    next: Next,
) -> Response {
    let family = family_of(request.method(), request.uri().path());
    match (Guard { workspace, family }).enter(&mut request) {
        Ok(unfinished) => {
            let response = next.run(request).await;
            unfinished.finish(&response);
            response
        }
        Err(response) => *response,
    }
}

/// [`Access`] is asked for as the proof that somebody was authenticated.
async fn refuse(_: Access, method: Method, uri: Uri) -> ApiError {
    let path: String = uri.path().chars().take(200).collect();
    ApiError::not_emulated(format_args!("{method} {path}"))
}

fn family_of(method: &Method, path: &str) -> &'static ApiFamily {
    let gate = GATES
        .iter()
        .find(|(only, pattern, _)| only.as_ref().is_none_or(|only| only == method) && matches(pattern, path));
    gate.map_or(&ANYBODY, |(.., family)| family)
}

fn matches(pattern: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    for wanted in pattern.split('/') {
        match (wanted, segments.next()) {
            ("**", _) => return true,
            ("*", Some(segment)) if !segment.is_empty() => {}
            (wanted, Some(segment)) if wanted == segment => {}
            _ => return false,
        }
    }
    segments.next().is_none()
}

#[cfg(test)]
mod tests {
    use brickyard_types::ScopeSet;

    use super::*;

    #[test]
    fn a_token_needs_the_scope_of_the_real_api() {
        let table = [
            (Method::POST, "/api/2.0/sql/statements", "sql.statement-execution", true),
            (Method::POST, "/api/2.0/sql/statements/01ef/cancel", "sql", true),
            (Method::POST, "/api/2.0/sql/statements", "genie", false),
            (Method::GET, "/api/2.0/sql/warehouses/w", "sql.warehouses:read", true),
            (Method::POST, "/api/2.0/sql/warehouses/w/start", "sql.warehouses:read", false),
            (
                Method::POST,
                "/api/2.0/vector-search/indexes/a.b.c/query",
                "vectorsearch.vector-search-indexes:read",
                true,
            ),
            (
                Method::POST,
                "/api/2.0/vector-search/indexes/a.b.c/upsert-data",
                "vectorsearch.vector-search-indexes:read",
                false,
            ),
            (
                Method::POST,
                "/api/2.0/vector-search/indexes/a.b.c/upsert-data",
                "vectorsearch.vector-search-indexes",
                true,
            ),
            (Method::GET, "/api/2.1/unity-catalog/tables/a.b.c", "catalog.tables:read", true),
            (Method::DELETE, "/api/2.1/unity-catalog/tables/a.b.c", "catalog.tables:read", false),
            (Method::GET, "/api/2.1/unity-catalog/volumes", "sql", false),
            (Method::POST, "/api/2.0/mcp/genie/01ef", "dashboards.genie", false),
            (Method::POST, "/api/2.0/mcp/genie/01ef", "mcp.genie", true),
            (Method::GET, "/api/2.0/fs/files/Volumes/x", "sql genie", false),
            (Method::POST, "/ai-gateway/mlflow/v1/chat/completions", "ai-gateway", true),
            (Method::GET, "/api/2.0/agents/x", "sql", true),
            (Method::GET, "/api/2.0/managed-evals/x", "", true),
        ];
        for (method, path, scopes, opens) in table {
            let scopes = ScopeSet::parse(scopes).expect("scopes");
            assert_eq!(family_of(&method, path).accepts(&scopes), opens, "{method} {path} with {scopes}");
            assert!(family_of(&method, path).accepts(&ScopeSet::all_apis()), "{path}");
        }
    }

    #[test]
    fn the_table_prints_the_scope_that_the_refusal_prints() {
        for (route, _, scope) in FIDELITY {
            let path = route.trim_start_matches("ANY ").replace("{*rest}", "some/thing");
            let printed = family_of(&Method::POST, &path).printed;
            assert_eq!(if printed.is_empty() { "any" } else { printed }, *scope, "{route}");
        }
    }
}
