//! `GET /health`: the process is up. `GET /ready`: the configuration is in, and everything in it is READY or has
//! failed with a reason, and brickyard is not stopping.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::access::is_late;
use crate::workspace::Workspace;

/// The routes; both are open.
pub fn routes(workspace: &Arc<Workspace>) -> Router {
    Router::new()
        .route("/health", get(async || Json(json!({ "status": "ok" }))))
        .route("/ready", get(ready))
        .with_state(Arc::clone(workspace))
}

async fn ready(State(workspace): State<Arc<Workspace>>, request: Request) -> (StatusCode, Json<Value>) {
    if is_late(&request) {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "stopping" })));
    }
    match workspace.not_ready() {
        None => (StatusCode::OK, Json(json!({ "status": "ready" }))),
        // Open to anybody, so it says that something is missing and not what.
        Some(_) => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "starting" }))),
    }
}
