//! The scopes that a client may ask for, as data. A name that is not here is `Invalid scope` at the token endpoint;
//! Databricks' own list grows, and so may this one.

use std::str::FromStr;

use brickyard_types::ScopeSet;

/// Every API scope that is known, coarse ones and dotted ones.
pub const KNOWN_SCOPES: &[&str] = &[
    "access-management",
    "ai-gateway",
    "ai-search",
    "alerts",
    "all-apis",
    "apps",
    "apps.apps",
    "authentication",
    "catalog.catalogs:read",
    "catalog.connections",
    "catalog.schemas:read",
    "catalog.tables:read",
    "clusters",
    "dashboards",
    "dashboards.genie",
    "email",
    "files",
    "files.files",
    "genie",
    "iam",
    "iam.access-control:read",
    "iam.current-user:read",
    "jobs",
    "mcp.external",
    "mcp.functions",
    "mcp.genie",
    "mcp.sql",
    "mcp.vectorsearch",
    "mlflow",
    "model-serving",
    "offline_access",
    "openid",
    "postgres",
    "profile",
    "secrets",
    "serving.serving-endpoints",
    "sharing",
    "sql",
    "sql.alerts",
    "sql.dashboards",
    "sql.queries",
    "sql.query-history",
    "sql.statement-execution",
    "sql.warehouses",
    "sql.warehouses:read",
    "unity-catalog",
    "vector-search",
    "vectorsearch.vector-search-endpoints",
    "vectorsearch.vector-search-indexes",
    "vectorsearch.vector-search-indexes:read",
    "workspace",
    "workspace.workspace",
];

/// True for a scope that a client may ask for. Exact: no case folding, no wildcard, no prefix.
pub fn is_known_scope(text: &str) -> bool {
    KNOWN_SCOPES.binary_search(&text).is_ok()
}

/// Reads a list of known scopes; otherwise the first text in it that is none.
pub(crate) fn known_scopes(text: &str) -> Result<ScopeSet, String> {
    let known = |word: &str| match brickyard_types::Scope::from_str(word) {
        Ok(scope) if is_known_scope(word) => Ok(scope),
        // Only what may stand in an `error_description` (RFC 6749 section 5.2) is given back.
        _ => Err(word.chars().filter(|c| matches!(c, '!' | '#'..='[' | ']'..='~')).take(80).collect()),
    };
    text.split(' ').map(known).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_every_entry_is_a_scope() {
        assert!(KNOWN_SCOPES.is_sorted());
        for scope in KNOWN_SCOPES {
            assert!(is_known_scope(scope) && brickyard_types::Scope::from_str(scope).is_ok(), "{scope}");
        }
        for not in ["", "*", "SQL", "sql.statements", "sq", "all-apis "] {
            assert!(!is_known_scope(not), "{not:?}");
        }
    }
}
