//! `/api/2.0/sql/statements` and `/api/2.0/sql/sessions`: the Statement Execution API, and the two calls that the SQL
//! connector makes on the side.
//!
//! Shapes: databricks-sdk `service/sql.py` (`w.statement_execution`), databricks-sql-connector's SEA backend. What is wrong
//! with a request, a warehouse or a right on it is refused by status; what is wrong inside a statement is `FAILED`, with
//! status 200. Who did not submit a statement is told that there is none.

mod external_links;
mod request;
mod sessions;
mod wire;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use brickyard_catalog::{DenialKind, Permit, UseWarehouse, family};
use brickyard_sql::statements::{StatementError, StatementView, Submission};
use brickyard_sql::{Session, Speaker};
use serde_json::{Value, json};

use super::fidelity::{ANY_SCOPE, Level, OPEN};
use super::sql_warehouses::{no_warehouse, refused};
use crate::access::{Access, Guard};
use crate::errors::ApiError;
use crate::http::json::Json as StrictJson;
use crate::workspace::Workspace;

const SCOPE: &str = "sql";

/// How true these routes are.
pub const FIDELITY: &[(&str, Level, &str)] = &[
    ("POST /api/2.0/sql/statements", Level::Real, SCOPE),
    ("POST /api/2.0/sql/statements/", Level::Real, SCOPE),
    ("GET /api/2.0/sql/statements/{statement_id}", Level::Real, SCOPE),
    ("DELETE /api/2.0/sql/statements/{statement_id}", Level::Real, SCOPE),
    ("POST /api/2.0/sql/statements/{statement_id}/cancel", Level::Real, SCOPE),
    ("GET /api/2.0/sql/statements/{statement_id}/result/chunks/{chunk_index}", Level::Real, SCOPE),
    ("POST /api/2.0/sql/sessions", Level::Real, SCOPE),
    ("DELETE /api/2.0/sql/sessions/{session_id}", Level::Real, SCOPE),
    ("GET /api/2.0/connector-service/feature-flags/{client}/{version}", Level::ShapeOnly, ANY_SCOPE),
    ("POST /telemetry-ext", Level::ShapeOnly, ANY_SCOPE),
    ("GET /sql/results/{statement_id}/{chunk_index}", Level::Real, OPEN),
];

/// The routes.
pub fn routes(workspace: &Arc<Workspace>) -> Router {
    let guarded = |family| Guard { workspace: Arc::clone(workspace), family };
    let statements = Router::new()
        .route("/api/2.0/sql/statements", post(execute))
        .route("/api/2.0/sql/statements/", post(execute))
        .route("/api/2.0/sql/statements/{statement_id}", get(read).delete(close))
        .route("/api/2.0/sql/statements/{statement_id}/cancel", post(cancel))
        .route("/api/2.0/sql/statements/{statement_id}/result/chunks/{chunk_index}", get(chunk))
        .route("/api/2.0/sql/sessions", post(sessions::open))
        .route("/api/2.0/sql/sessions/{session_id}", axum::routing::delete(sessions::end))
        .route_layer(guarded(&family::SQL_STATEMENTS));
    // Every valid token opens these two, as it opens the question who one is.
    let beside = Router::new()
        .route("/api/2.0/connector-service/feature-flags/{client}/{version}", get(feature_flags))
        .route("/telemetry-ext", post(telemetry))
        .route_layer(guarded(&family::CURRENT_USER));
    let open = Router::new().route("/sql/results/{statement_id}/{chunk_index}", get(external_links::fetch));
    statements.merge(beside).merge(open).with_state(Arc::clone(workspace))
}

async fn execute(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    StrictJson(body): StrictJson<request::Execute>,
) -> Result<Response, ApiError> {
    let asked = request::understand(body)?;
    let permit = use_warehouse(&workspace, &access, &asked.warehouse_id)?;
    let session = session(&workspace, &access, &permit, &asked)?;
    crate::huge_pages::for_statements();
    workspace.warehouses.wake(&permit).await.map_err(|error| refused(&error))?;
    let request::Asked { statement, parameters, wanted, wait, cancel_then, .. } = asked;
    let submission = Submission { statement, parameters, session, wanted };
    let submitted = workspace.statements.submit(&permit, submission).map_err(|error| not_there(&error))?;
    let id = submitted.wait(wait).await;
    if cancel_then {
        workspace.statements.cancel(&id, permit.principal().id).map_err(|error| not_there(&error))?;
    }
    answer(&workspace, &access, &id)
}

async fn read(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    answer(&workspace, &access, &id)
}

async fn cancel(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let who = access.caller().principal().id;
    workspace.statements.cancel(&id, who).map_err(|error| not_there(&error))?;
    Ok(Json(json!({})))
}

async fn close(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let who = access.caller().principal().id;
    workspace.statements.close(&id, who).map_err(|error| not_there(&error))?;
    Ok(Json(json!({})))
}

async fn chunk(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path((id, index)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let view = seen(&workspace, &access, &id)?;
    let index: usize =
        index.parse().map_err(|_| ApiError::invalid_parameter("chunk_index is a number from 0"))?;
    workspace.statements.chunk(&view, index).map_err(|error| not_there(&error))?;
    wire::result_data(&workspace, &view, index)
}

async fn feature_flags(_: Access) -> Json<Value> {
    Json(json!({"flags": [], "ttl_seconds": 900}))
}

/// What clients tell about themselves is taken and thrown away.
async fn telemetry(_: Access, _body: axum::body::Bytes) -> Json<Value> {
    Json(json!({"errors": [], "numProtoSuccess": 0, "numSuccess": 0, "numRealtimeSuccess": 0}))
}

/// Permission to run statements on a warehouse, in the words of a refusing warehouse.
fn use_warehouse(workspace: &Workspace, access: &Access, id: &str) -> Result<Permit<UseWarehouse>, ApiError> {
    let found = workspace.warehouses.find(id).ok_or_else(|| no_warehouse(id))?;
    let denied = match workspace.catalog.authorize(access.caller(), UseWarehouse(found)) {
        Ok(permit) => {
            access.record(permit.trace().clone());
            return Ok(permit);
        }
        Err(denied) => denied,
    };
    access.record(denied.trace().clone());
    Err(match denied.kind() {
        DenialKind::MissingPermission { .. }
        | DenialKind::Invisible { .. }
        | DenialKind::NotDeclared { .. } => ApiError::warehouse_denied(&access.caller().principal().name),
        _ => crate::access::refusal(&denied),
    })
}

/// The session of a statement: the named one, used with this request's token, or one of its own.
fn session(
    workspace: &Workspace,
    access: &Access,
    permit: &Permit<UseWarehouse>,
    asked: &request::Asked,
) -> Result<Session, ApiError> {
    let speaker = Speaker::Caller(access.caller().clone());
    let (catalog, schema) = (asked.catalog.clone(), asked.schema.clone());
    let Some(id) = &asked.session_id else { return Ok(Session::new(speaker, catalog, schema)) };
    let named = workspace.statements.session(permit, id).map_err(|error| not_there(&error))?;
    if catalog.is_none() && schema.is_none() {
        return Ok(named.speaking(speaker));
    }
    Ok(named.speaking_in(speaker, catalog, schema))
}

fn seen(workspace: &Workspace, access: &Access, id: &str) -> Result<StatementView, ApiError> {
    let view = workspace.statements.view(id, access.caller().principal().id);
    let view = view.map_err(|error| not_there(&error))?;
    for trace in workspace.statements.take_traces(id) {
        access.record(trace);
    }
    Ok(view)
}

/// A statement as it is now, with the first chunk of its result.
fn answer(workspace: &Workspace, access: &Access, id: &str) -> Result<Response, ApiError> {
    let view = seen(workspace, access, id)?;
    wire::statement(workspace, &view).map(IntoResponse::into_response)
}

/// A statement, session or chunk that is not there.
fn not_there(error: &StatementError) -> ApiError {
    let message = error.to_string();
    match error {
        StatementError::NotFound(_) | StatementError::NoSession(_) => ApiError::does_not_exist(message),
        StatementError::NoChunk { .. } => ApiError::invalid_parameter(message),
        StatementError::NoResult { .. } => ApiError::invalid_state(message),
        StatementError::BadLink => ApiError::permission_denied(message),
        StatementError::Busy(_) => ApiError::too_many_requests(message),
    }
}
