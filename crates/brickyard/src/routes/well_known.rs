//! What a client reads before it has a token: where the workspace's authorization server is, what it can do, and the
//! public keys of its tokens.
//!
//! databricks-sdk asks `/.well-known/databricks-config` at every construction (from 0.101 on nothing else will do), older
//! ones ask `/oidc/.well-known/oauth-authorization-server`, RFC 8414 clients insert the well-known segment before the
//! issuer's path. All get the same answer.
//!
//! **Rule:** every address is made from the configured host. No header of a request (`Host`, `X-Forwarded-Host`,
//! `Forwarded`) can move the issuer or the token endpoint: the documents are written once, before the first request.
//! They name what brickyard does and nothing else: no grant that it refuses, no response type.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use brickyard_identity::{IdentityConfig, KNOWN_SCOPES, oauth::GRANT_TYPES};
use bytes::Bytes;
use serde_json::{Value, json};

use super::fidelity::Level;
use crate::errors::ApiError;
use crate::workspace::Workspace;

/// How true these routes are.
pub const FIDELITY: &[(&str, Level, &str)] = &[
    ("GET /.well-known/databricks-config", Level::Real, "open"),
    ("GET /.well-known/oauth-authorization-server/oidc", Level::Real, "open"),
    ("GET /oidc/.well-known/oauth-authorization-server", Level::Real, "open"),
    ("GET /oidc/.well-known/openid-configuration", Level::ShapeOnly, "open"),
    ("GET /oidc/accounts/{account_id}/.well-known/oauth-authorization-server", Level::Real, "open"),
    ("GET /oidc/accounts/{account_id}/.well-known/openid-configuration", Level::ShapeOnly, "open"),
    ("GET /oidc/jwks.json", Level::Real, "open"),
];

/// How long somebody may keep the keys: short, because a revoked key should soon be forgotten everywhere.
const KEYS_MAY_BE_KEPT: &str = "public, max-age=60";

/// The routes. They need no token.
pub fn routes(workspace: &Arc<Workspace>) -> Router {
    let config = workspace.identity.config();
    let databricks = fixed(&databricks_config(config));
    let oauth = fixed(&authorization_server(config));
    let openid = fixed(&openid_configuration(config));
    let always = |document: &Bytes| {
        let document = document.clone();
        get(move || async move { document_of(document) })
    };
    let of_the_account = |document: &Bytes| {
        let document = document.clone();
        get(move |State(workspace): State<Arc<Workspace>>, Path(account): Path<String>| async move {
            is_own_account(&workspace, &account).map(|()| document_of(document))
        })
    };
    Router::new()
        .route("/.well-known/databricks-config", always(&databricks))
        .route("/.well-known/oauth-authorization-server/oidc", always(&oauth))
        .route("/oidc/.well-known/oauth-authorization-server", always(&oauth))
        .route("/oidc/.well-known/openid-configuration", always(&openid))
        .route("/oidc/accounts/{account_id}/.well-known/oauth-authorization-server", of_the_account(&oauth))
        .route("/oidc/accounts/{account_id}/.well-known/openid-configuration", of_the_account(&openid))
        .route("/oidc/jwks.json", get(keys))
        .with_state(Arc::clone(workspace))
}

/// There is one account; every other is unknown here.
///
/// # Errors
/// 404 for another one.
pub(super) fn is_own_account(workspace: &Workspace, account: &str) -> Result<(), ApiError> {
    if account == workspace.identity.config().account_id {
        return Ok(());
    }
    let account: String = account.chars().take(80).collect();
    Err(ApiError::does_not_exist(format!("Account '{account}' does not exist.")))
}

fn fixed(document: &Value) -> Bytes {
    document.to_string().into()
}

fn document_of(body: Bytes) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

async fn keys(State(workspace): State<Arc<Workspace>>) -> Response {
    // Asked for anew each time: a rotated or revoked key shows at once. A `Jwk` has no field for a private member.
    let keys = json!({ "keys": workspace.identity.jwks() }).to_string();
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, KEYS_MAY_BE_KEPT)], keys).into_response()
}

/// What databricks-sdk reads first.
fn databricks_config(config: &IdentityConfig) -> Value {
    let issuer = config.issuer();
    json!({
        "oidc_endpoint": issuer,
        "account_id": config.account_id,
        "workspace_id": config.workspace_id.to_string(),
        "cloud": "AWS",
        "host_type": "workspace",
        "token_federation_default_oidc_audiences": [format!("{issuer}/v1/token")],
    })
}

/// RFC 8414.
fn authorization_server(config: &IdentityConfig) -> Value {
    let issuer = config.issuer();
    json!({
        "issuer": issuer,
        // The SDK reads it as a required member; behind it is a 501.
        "authorization_endpoint": format!("{issuer}/v1/authorize"),
        "token_endpoint": format!("{issuer}/v1/token"),
        "introspection_endpoint": format!("{issuer}/v1/introspect"),
        "revocation_endpoint": format!("{issuer}/v1/revoke"),
        "jwks_uri": format!("{issuer}/jwks.json"),
        "response_types_supported": [],
        "grant_types_supported": GRANT_TYPES,
        "scopes_supported": KNOWN_SCOPES,
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "authorization_details_types_supported": ["workspace_permission"],
    })
}

/// OpenID Connect Discovery: the same with its required members. No ID token is ever issued; the document serves those
/// who look for the keys and the issuer here.
fn openid_configuration(config: &IdentityConfig) -> Value {
    let mut document = authorization_server(config);
    document["subject_types_supported"] = json!(["public"]);
    document["id_token_signing_alg_values_supported"] = json!([config.signing_algorithm.as_str()]);
    document
}

#[cfg(test)]
mod tests {
    use brickyard_types::WorkspaceId;

    use super::*;

    #[test]
    fn every_address_is_below_the_issuer_and_every_grant_is_one_that_is_served() {
        let config = IdentityConfig::new(WorkspaceId(1_234_567_890), "account", "http://localhost:8080");
        let databricks = databricks_config(&config);
        assert_eq!(databricks["oidc_endpoint"], "http://localhost:8080/oidc");
        assert_eq!(databricks["workspace_id"], "1234567890");
        assert_eq!(
            databricks["token_federation_default_oidc_audiences"][0],
            "http://localhost:8080/oidc/v1/token"
        );
        for document in [authorization_server(&config), openid_configuration(&config)] {
            let members = document.as_object().expect("an object");
            let addresses: Vec<_> = (members.iter())
                .filter(|(name, _)| name.ends_with("_endpoint") || name.ends_with("_uri"))
                .collect();
            assert_eq!(addresses.len(), 5);
            for (name, address) in addresses {
                assert!(address.as_str().expect("text").starts_with("http://localhost:8080/oidc/"), "{name}");
            }
            assert_eq!(document["issuer"], "http://localhost:8080/oidc");
            let grants = document["grant_types_supported"].as_array().expect("a list");
            assert!(grants.iter().all(|grant| grant != "authorization_code" && grant != "refresh_token"));
        }
    }
}
