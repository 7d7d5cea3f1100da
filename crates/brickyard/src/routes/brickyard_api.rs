//! `/_brickyard/`: brickyard's own API. Why something was allowed or refused, tokens for testing, rotation, and what is
//! emulated how well.
//!
//! **Rule:** every route of it takes a workspace admin's token with `all-apis`: what it shows is about everybody, and what
//! it hands out is anybody's. An agent's user token never opens it, since no declarable scope does.
//!
//! | file | what it serves |
//! |---|---|
//! | `ledger.rs` | the ledger, its stream, one request explained |
//! | `tokens.rs` | a token for any principal |
//! | `rotate.rs` | new signing keys and system tokens, now |
//! | `openapi.rs` | the list of routes, plain and as an OpenAPI document |

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{Method, Uri};
use axum::routing::{get, post};
use brickyard_catalog::{AdministerWorkspace, Permit, family};

use super::fidelity::Level;
use crate::access::{Access, Guard};
use crate::errors::ApiError;
use crate::workspace::Workspace;

mod ledger;
mod openapi;
mod rotate;
mod tokens;

const SCOPE: &str = "all-apis";

/// How true these routes are.
pub const FIDELITY: &[(&str, Level, &str)] = &[
    ("GET /_brickyard/explain/{request_id}", Level::Real, SCOPE),
    ("GET /_brickyard/ledger", Level::Real, SCOPE),
    ("GET /_brickyard/ledger/stream", Level::Real, SCOPE),
    ("POST /_brickyard/tokens", Level::Real, SCOPE),
    ("POST /_brickyard/rotate", Level::Real, SCOPE),
    ("GET /_brickyard/fidelity", Level::Real, SCOPE),
    ("GET /_brickyard/openapi.json", Level::Real, SCOPE),
    ("GET /_brickyard/clock", Level::Refused, SCOPE),
    ("PUT /_brickyard/clock", Level::Refused, SCOPE),
    ("GET /_brickyard/faults", Level::Refused, SCOPE),
    ("POST /_brickyard/faults", Level::Refused, SCOPE),
    ("DELETE /_brickyard/faults", Level::Refused, SCOPE),
    ("POST /_brickyard/reset", Level::Refused, SCOPE),
    ("POST /_brickyard/snapshots", Level::Refused, SCOPE),
    ("POST /_brickyard/snapshots/{name}/restore", Level::Refused, SCOPE),
    ("GET /_brickyard/coverage", Level::Refused, SCOPE),
    ("GET /_brickyard/least-privilege/{endpoint}", Level::Refused, SCOPE),
];

/// The routes.
pub fn routes(workspace: &Arc<Workspace>) -> Router {
    let guarded = Guard { workspace: Arc::clone(workspace), family: &family::BRICKYARD };
    Router::new()
        .route("/_brickyard/explain/{request_id}", get(ledger::explain))
        .route("/_brickyard/ledger", get(ledger::list))
        .route("/_brickyard/ledger/stream", get(ledger::follow))
        .route("/_brickyard/tokens", post(tokens::mint))
        .route("/_brickyard/rotate", post(rotate::rotate))
        .route("/_brickyard/fidelity", get(openapi::fidelity))
        .route("/_brickyard/openapi.json", get(openapi::document))
        .route("/_brickyard/clock", get(later).put(later))
        .route("/_brickyard/faults", get(later).post(later).delete(later))
        .route("/_brickyard/reset", post(later))
        .route("/_brickyard/snapshots", post(later))
        .route("/_brickyard/snapshots/{name}/restore", post(later))
        .route("/_brickyard/coverage", get(later))
        .route("/_brickyard/least-privilege/{endpoint}", get(later))
        .route_layer(guarded)
        .with_state(Arc::clone(workspace))
}

/// The proof that a workspace admin is on the line.
fn admin(access: &Access) -> Result<Permit<AdministerWorkspace>, ApiError> {
    access.authorize(AdministerWorkspace(()))
}

/// What the interface promises and this version does not have.
async fn later(State(_): State<Arc<Workspace>>, access: Access, method: Method, uri: Uri) -> ApiError {
    match admin(&access) {
        Ok(_) => ApiError::not_emulated(format_args!("{method} {}", uri.path())),
        Err(refusal) => refusal,
    }
}
