//! The router: one family a file, named after the path segment it serves. Each family states the API scope that opens
//! it; the few routes that need no token are in [`OPEN`].

use std::sync::Arc;

use axum::Router;

use crate::workspace::Workspace;

pub mod agent_deployments;
pub mod brickyard_api;
pub mod external_function;
pub mod fidelity;
pub mod health;
pub mod invocations;
pub mod not_emulated;
pub mod oidc;
mod paging;
pub mod permissions;
pub mod registered_models;
pub mod scim;
pub mod secrets;
pub mod serving_endpoints;
pub mod serving_errors;
pub mod sql_statements;
pub mod sql_warehouses;
pub mod token;
pub mod unity_catalog;
pub mod well_known;

/// Every route that answers without a token, and nothing else does. A test prints this list and tries all others.
pub const OPEN: &[&str] = &[
    "GET /health",
    "GET /ready",
    "GET /.well-known/databricks-config",
    "GET /.well-known/oauth-authorization-server/oidc",
    "GET /oidc/.well-known/oauth-authorization-server",
    "GET /oidc/.well-known/openid-configuration",
    "GET /oidc/accounts/{account_id}/.well-known/oauth-authorization-server",
    "GET /oidc/accounts/{account_id}/.well-known/openid-configuration",
    "GET /oidc/jwks.json",
    "GET /oidc/v1/authorize",
    "POST /oidc/v1/token",
    "POST /oidc/v1/introspect",
    "POST /oidc/v1/revoke",
    "POST /oidc/accounts/{account_id}/v1/token",
    "GET /sql/results/{statement_id}/{chunk_index}",
];

/// All routes of a workspace.
pub fn router(workspace: &Arc<Workspace>) -> Router {
    Router::new()
        .merge(health::routes(workspace))
        .merge(well_known::routes(workspace))
        .merge(oidc::routes(workspace))
        .merge(invocations::routes(workspace))
        .merge(serving_endpoints::routes(workspace))
        .merge(scim::routes(workspace))
        .merge(token::routes(workspace))
        .merge(secrets::routes(workspace))
        .merge(permissions::routes(workspace))
        .merge(sql_statements::routes(workspace))
        .merge(sql_warehouses::routes(workspace))
        .merge(unity_catalog::routes(workspace))
        .merge(registered_models::routes(workspace))
        .merge(agent_deployments::routes(workspace))
        .merge(external_function::routes(workspace))
        .merge(brickyard_api::routes(workspace))
        .merge(not_emulated::routes(workspace))
        .fallback(crate::errors::no_api)
        .method_not_allowed_fallback(crate::errors::no_api)
}
