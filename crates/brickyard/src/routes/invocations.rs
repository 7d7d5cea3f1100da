//! `POST /serving-endpoints/...`: the border. Wire on this side, [`Call`] and [`Prediction`](brickyard_serving::Prediction) on the other.
//!
//! | path | the endpoint is named |
//! |---|---|
//! | `/serving-endpoints/{name}/invocations` | in the path |
//! | `/serving-endpoints/{name}/served-models/{served}/invocations` | in the path, with the entity |
//! | `/serving-endpoints/chat/completions`, `/responses`, `/embeddings`, `/completions` | in the body's `model` |

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequest, Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use axum::routing::{get, post};
use brickyard_catalog::{Securable, family};
use brickyard_serving::{Call, CallOptions, PredictionBody, ServingError};
use brickyard_types::{EndpointName, ServedName};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tower::ServiceExt;

use crate::access::{Access, Guard};
use crate::errors::ApiError;
use crate::http::body_limit;
use crate::http::json::is_json;
use crate::http::sse::sse;
use crate::routes::serving_errors;
use crate::workspace::Workspace;

const SERVED: HeaderName = HeaderName::from_static("served-model-name");

/// The routes.
pub fn routes(workspace: &Arc<Workspace>) -> Router {
    let guarded = Guard { workspace: Arc::clone(workspace), family: &family::SERVING_INVOCATIONS };
    Router::new()
        .route("/serving-endpoints/{name}/invocations", post(invoke))
        .route("/serving-endpoints/{name}/served-models/{served}/invocations", post(invoke_served))
        .route("/serving-endpoints/chat/completions", post(openai))
        .route("/serving-endpoints/completions", post(openai))
        .route("/serving-endpoints/responses", post(openai))
        .route("/serving-endpoints/embeddings", post(openai))
        .route("/serving-endpoints/v1/chat/completions", post(openai))
        .route("/serving-endpoints/models", get(models))
        .layer(guarded)
        .with_state(Arc::clone(workspace))
}

async fn invoke(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let endpoint = endpoint_name(&name)?;
    let body = read(&workspace, Some(&endpoint), request).await?;
    answer(&workspace, &access, endpoint, None, body, "POST /serving-endpoints/{name}/invocations").await
}

async fn invoke_served(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path((name, served)): Path<(String, String)>,
    request: Request,
) -> Result<Response, ApiError> {
    let endpoint = endpoint_name(&name)?;
    let served: ServedName = served
        .parse()
        .map_err(|_| ApiError::does_not_exist(format!("Served model '{served}' does not exist.")))?;
    let body = read(&workspace, Some(&endpoint), request).await?;
    let route = "POST /serving-endpoints/{name}/served-models/{served}/invocations";
    answer(&workspace, &access, endpoint, Some(served), body, route).await
}

#[derive(Deserialize)]
struct Model<'a> {
    #[serde(borrow)]
    model: Option<std::borrow::Cow<'a, str>>,
}

async fn openai(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    request: Request,
) -> Result<Response, ApiError> {
    let route = match request.uri().path() {
        "/serving-endpoints/chat/completions" => "POST /serving-endpoints/chat/completions",
        "/serving-endpoints/completions" => "POST /serving-endpoints/completions",
        "/serving-endpoints/responses" => "POST /serving-endpoints/responses",
        "/serving-endpoints/embeddings" => "POST /serving-endpoints/embeddings",
        _ => "POST /serving-endpoints/v1/chat/completions",
    };
    let (body, _) = read(&workspace, None, request).await?;
    let model: Model<'_> = serde_json::from_slice(&body).map_err(|_| invalid_json())?;
    let name =
        model.model.ok_or_else(|| ApiError::bad_request("The field 'model' must name a serving endpoint"))?;
    let endpoint = endpoint_name(&name)?;
    answer(&workspace, &access, endpoint, None, (body, None), route).await
}

/// `GET /serving-endpoints/models`: what the caller may see, as OpenAI lists models.
async fn models(State(workspace): State<Arc<Workspace>>, access: Access) -> axum::Json<serde_json::Value> {
    let data: Vec<_> = (workspace.serving.endpoints().iter())
        .filter(|view| {
            workspace.catalog.can_see(access.caller(), &Securable::from(&view.endpoint.reference()))
        })
        .map(|view| {
            json!({
                "id": view.endpoint.name,
                "object": "model",
                "created": view.endpoint.created_at.as_second(),
                "owned_by": view.endpoint.creator.name,
            })
        })
        .collect();
    axum::Json(json!({ "object": "list", "data": data }))
}

fn endpoint_name(name: &str) -> Result<EndpointName, ApiError> {
    name.parse().map_err(|_| {
        let shown: String = name.chars().take(80).collect();
        ApiError::does_not_exist(format!("Endpoint '{shown}' does not exist."))
    })
}

/// The body, as far as the endpoint takes one. What is no JSON runs no agent, whoever would answer it; what is JSON
/// goes on byte for byte, unparsed: what its numbers and its doubled keys mean is the agent's to say. So does a table,
/// which only a logged model can read.
async fn read(
    workspace: &Workspace,
    endpoint: Option<&EndpointName>,
    request: Request,
) -> Result<(Bytes, Option<&'static str>), ApiError> {
    let table = endpoint.and_then(|_| table(request.headers()));
    if table.is_none() {
        is_json(request.headers())?;
    }
    let limit = match endpoint {
        Some(name) => workspace.serving.payload_limit(name),
        None => workspace.profile.agent_payload_bytes.value,
    };
    let body = Body::from_request(request, &()).await.map_err(|never| match never {})?;
    let body = body_limit::collect(body, limit).await?;
    if table.is_none() {
        serde_json::from_slice::<&RawValue>(&body).map_err(|_| invalid_json())?;
    }
    Ok((body, table))
}

/// The type of a body that is a table, as mlflow's scoring server reads them.
fn table(headers: &HeaderMap) -> Option<&'static str> {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else { return None };
    let text = value.to_str().ok()?.to_ascii_lowercase();
    match text.split_once(';').map_or((&*text, ""), |(kind, rest)| (kind, rest.trim())) {
        ("text/csv", "" | "charset=utf-8" | "header=present") => Some("text/csv"),
        ("application/vnd.apache.parquet", "") => Some("application/vnd.apache.parquet"),
        _ => None,
    }
}

async fn answer(
    workspace: &Workspace,
    access: &Access,
    endpoint: EndpointName,
    served: Option<ServedName>,
    (body, content_type): (Bytes, Option<&'static str>),
    route: &'static str,
) -> Result<Response, ApiError> {
    let mut call = Call::new(access.request_id(), access.caller().clone(), endpoint, body, route);
    call.options = options(&call.body)?;
    call.content_type = content_type;
    call.served = served;
    call.caused_by = access.caused_by();
    access.recorded_elsewhere();
    match workspace.serving.service().oneshot(call).await {
        Ok(prediction) => {
            let mut response = match prediction.body {
                PredictionBody::Json(json) => {
                    let mut response = Response::new(Body::from(json));
                    let json = HeaderValue::from_static("application/json");
                    response.headers_mut().insert(header::CONTENT_TYPE, json);
                    response
                }
                PredictionBody::Stream(chunks) => sse(futures_util::TryStreamExt::map_err(chunks, spoken)),
            };
            // A served entity's name is letters, digits, dashes, dots and underscores.
            if let Ok(name) = HeaderValue::from_str(&prediction.served_entity) {
                response.headers_mut().insert(SERVED, name);
            }
            Ok(response)
        }
        Err(error) => Ok(serving_errors::response(&error, workspace.profile)),
    }
}

/// An error in the middle of a stream, as its reader is told.
fn spoken(error: ServingError) -> String {
    match &error {
        ServingError::Worker(brickyard_agents::PredictError::Agent(agent)) => agent.message.clone(),
        other => other.to_string(),
    }
}

fn invalid_json() -> ApiError {
    ApiError::bad_request("Invalid input. Ensure that input is a valid JSON formatted string.")
}

#[derive(Deserialize, Default)]
struct Flags {
    #[serde(default)]
    stream: serde_json::Value,
    #[serde(default)]
    databricks_options: Option<DatabricksOptions>,
}

#[derive(Deserialize, Default)]
struct DatabricksOptions {
    #[serde(default)]
    return_trace: bool,
}

/// The options in a body. Most bodies have none, and are not parsed here: whoever answers them parses them anyway.
fn options(body: &[u8]) -> Result<CallOptions, ApiError> {
    let mentions = |word: &[u8]| memchr::memmem::find(body, word).is_some();
    if !mentions(b"\"stream\"") && !mentions(b"\"databricks_options\"") {
        return Ok(CallOptions::default());
    }
    // A body whose keys are doubled, or that is no object, is for the agent's side to refuse in its own words.
    let flags: Flags = serde_json::from_slice(body).unwrap_or_default();
    Ok(CallOptions {
        stream: flags.stream == serde_json::Value::Bool(true),
        return_trace: flags.databricks_options.unwrap_or_default().return_trace,
    })
}
