//! `/api/2.0/external-function`: a request to a service outside through an HTTP connection, without a statement.
//!
//! The agent names the connection and never sees its credential. The answer's status is lost on the way: what the service
//! outside answered is the body of a 200, whatever it was, and only what brickyard refuses has a status of its own.
//! Source: databricks-sdk `mixins/open_ai_client.py` (`w.serving_endpoints.http_request`).

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use brickyard_catalog::family;
use brickyard_catalog::unity::{ObjectKind, Target, UseConnection};
use brickyard_sql::SqlError;
use brickyard_sql::outside::Call;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::fidelity::Level;
use super::unity_catalog::lookup::find;
use crate::access::{Access, Guard};
use crate::errors::ApiError;
use crate::http::json::Json as StrictJson;
use crate::workspace::Workspace;

const ROUTE: &str = "/api/2.0/external-function";
const MCP_SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// How true this route is.
pub const FIDELITY: &[(&str, Level, &str)] =
    &[("POST /api/2.0/external-function", Level::Real, "unity-catalog")];

/// The route.
pub fn routes(workspace: &Arc<Workspace>) -> Router {
    let guard = Guard { workspace: Arc::clone(workspace), family: &family::EXTERNAL_FUNCTION };
    Router::new().route(ROUTE, post(call)).route_layer(guard).with_state(Arc::clone(workspace))
}

/// The last three are JSON as text.
#[derive(Deserialize)]
struct Asked {
    connection_name: String,
    method: String,
    path: String,
    headers: Option<String>,
    params: Option<String>,
    json: Option<String>,
}

async fn call(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    StrictJson(asked): StrictJson<Asked>,
) -> Result<Response, ApiError> {
    let through = &family::EXTERNAL_FUNCTION;
    let object = find(&workspace, &access, ObjectKind::Connection, &asked.connection_name, through)?;
    let permit = access.authorize(UseConnection(Target::new(object.reference(), through)))?;
    let connection = workspace.sql.connection(&permit, &object).map_err(|error| unusable(&error))?;
    let headers = entries("headers", asked.headers.as_deref())?;
    let query = entries("params", asked.params.as_deref())?;
    if let Some(json) = &asked.json {
        serde_json::from_str::<serde::de::IgnoredAny>(json).map_err(|error| not_json("json", &error))?;
    }
    // The thread waits for the service outside.
    let answered = tokio::task::spawn_blocking(move || {
        let call = Call { method: &asked.method, path: &asked.path, query, headers, json: asked.json };
        connection.send(call)
    });
    let answered = answered.await.map_err(|error| ApiError::internal(&error))?;
    let answered = answered.map_err(ApiError::invalid_parameter)?;
    let mut response = answered.text.into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if let Some(session) = answered.mcp_session.and_then(|session| HeaderValue::try_from(session).ok()) {
        response.headers_mut().insert(MCP_SESSION, session);
    }
    Ok(response)
}

/// Names and values of a JSON object that is sent as text.
fn entries(field: &str, text: Option<&str>) -> Result<Vec<(String, String)>, ApiError> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let object: Option<Map<String, Value>> =
        serde_json::from_str(text).map_err(|error| not_json(field, &error))?;
    let plain = |(name, value): (String, Value)| match value {
        Value::String(text) => Some(Ok((name, text))),
        Value::Number(_) | Value::Bool(_) => Some(Ok((name, value.to_string()))),
        Value::Null => None,
        _ => Some(Err(ApiError::invalid_parameter(format!("{field}: the value of {name:?} is no text")))),
    };
    object.into_iter().flatten().filter_map(plain).collect()
}

fn not_json(field: &str, error: &serde_json::Error) -> ApiError {
    ApiError::invalid_parameter(format!("{field} is not JSON as text: {error}"))
}

/// A connection of another type, without an address, or with a credential that is not emulated.
fn unusable(error: &SqlError) -> ApiError {
    match error {
        SqlError::Condition { condition: "UNSUPPORTED_FEATURE", .. } => {
            ApiError::not_emulated("a connection with another credential than bearer_token")
        }
        _ => ApiError::invalid_parameter(error.message()),
    }
}
