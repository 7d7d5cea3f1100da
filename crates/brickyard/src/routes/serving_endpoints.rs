//! `/api/2.0/serving-endpoints`: the control plane of serving endpoints.
//!
//! Shapes and paths: databricks-sdk 0.94 to 0.156 `service/serving.py`, `mlflow.deployments`, `databricks.agents`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post, put};
use axum::{Json, Router};
use brickyard_catalog::{
    CreateEndpoint as MayCreate, ManageEndpoint, Permit, Securable, ViewEndpoint, family,
};
use brickyard_serving::{CreateEndpoint, DeployError, EndpointView, Origin, Tag};
use brickyard_types::{EndpointName, ServedName};
use serde_json::{Value, json};

use crate::access::{Access, Guard, refusal};
use crate::errors::ApiError;
use crate::http::json::Json as StrictJson;
use crate::workspace::Workspace;

mod beyond;
mod read;
mod wire;

pub use read::policy;
use read::{ConfigBody, CreateBody, DescriptionBody, TagsBody};

/// The routes.
pub fn routes(workspace: &Arc<Workspace>) -> Router {
    let guarded = Guard { workspace: Arc::clone(workspace), family: &family::SERVING_ENDPOINTS };
    Router::new()
        .route("/api/2.0/serving-endpoints", post(create).get(list))
        // mlflow.deployments asks with the slash.
        .route("/api/2.0/serving-endpoints/", post(create).get(list))
        .route("/api/2.0/serving-endpoints/{name}", get(one).delete(remove))
        .route("/api/2.0/serving-endpoints/{name}/config", put(update_config))
        .route("/api/2.0/serving-endpoints/{name}/tags", patch(tags))
        .route("/api/2.0/serving-endpoints/{name}/description", patch(description))
        .route("/api/2.0/serving-endpoints/{name}/rate-limits", put(not_emulated))
        .route("/api/2.0/serving-endpoints/{name}/ai-gateway", put(not_emulated))
        .route("/api/2.0/serving-endpoints/{name}/notifications", patch(not_emulated))
        .route("/api/2.0/serving-endpoints/{name}/telemetry-config", patch(not_emulated))
        .route("/api/2.0/serving-endpoints/{name}/budget-policy", patch(not_emulated))
        .route("/api/2.0/serving-endpoints/pt", post(not_emulated))
        .route("/api/2.0/serving-endpoints/pt/{name}/config", put(not_emulated))
        .route("/api/2.0/serving-endpoints/{name}/metrics", get(metrics))
        .route("/api/2.0/serving-endpoints/{name}/openapi", get(openapi))
        .route("/api/2.0/serving-endpoints/{name}/served-models/{served}/logs", get(logs))
        .route("/api/2.0/serving-endpoints/{name}/served-models/{served}/build-logs", get(build_logs))
        .layer(guarded)
        .with_state(Arc::clone(workspace))
}

type Answer = Result<Json<Value>, ApiError>;

async fn create(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    StrictJson(body): StrictJson<CreateBody>,
) -> Answer {
    let permit: Permit<MayCreate> = access.authorize(MayCreate(()))?;
    body.beyond.refuse(workspace.refuse_inference_tables)?;
    let config = body.config.ok_or_else(|| ApiError::invalid_parameter("config is required"))?;
    let (entities, routes) = config.read()?;
    let request = CreateEndpoint {
        name: body.name.parse().map_err(|error| ApiError::invalid_parameter(format!("{error}")))?,
        entities,
        routes,
        tags: body.tags.unwrap_or_default().into_iter().map(Tag::from).collect(),
        description: body.description.unwrap_or_default(),
    };
    let name = request.name.clone();
    workspace
        .serving
        .create(&permit, request, Origin::Api)
        .await
        .map_err(|error| refused(&access, &error))?;
    shown(&workspace, &access, &name)
}

async fn list(State(workspace): State<Arc<Workspace>>, access: Access) -> Answer {
    let visible: Vec<_> = (workspace.serving.endpoints().iter())
        .filter(|view| {
            workspace.catalog.can_see(access.caller(), &Securable::from(&view.endpoint.reference()))
        })
        .map(|view| wire::endpoint(&workspace, access.caller(), view))
        .collect();
    Ok(Json(json!({ "endpoints": visible })))
}

async fn one(State(workspace): State<Arc<Workspace>>, access: Access, Path(name): Path<String>) -> Answer {
    let view = find(&workspace, &name)?;
    access.authorize(ViewEndpoint(view.endpoint.reference()))?;
    Ok(Json(wire::endpoint(&workspace, access.caller(), &view)))
}

async fn remove(State(workspace): State<Arc<Workspace>>, access: Access, Path(name): Path<String>) -> Answer {
    let view = find(&workspace, &name)?;
    let permit = access.authorize(ManageEndpoint(view.endpoint.reference()))?;
    workspace.serving.delete(&permit).await.map_err(|error| deploy_error(&error))?;
    Ok(Json(json!({})))
}

async fn update_config(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(name): Path<String>,
    StrictJson(body): StrictJson<ConfigBody>,
) -> Answer {
    let view = find(&workspace, &name)?;
    let permit = access.authorize(ManageEndpoint(view.endpoint.reference()))?;
    let (entities, routes) = body.read()?;
    (workspace.serving.update(&permit, entities, routes, Origin::Api).await)
        .map_err(|error| refused(&access, &error))?;
    shown(&workspace, &access, &view.endpoint.name)
}

async fn tags(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(name): Path<String>,
    StrictJson(body): StrictJson<TagsBody>,
) -> Answer {
    let view = find(&workspace, &name)?;
    let permit = access.authorize(ManageEndpoint(view.endpoint.reference()))?;
    let add = body.add_tags.unwrap_or_default().into_iter().map(Tag::from).collect();
    let endpoint = (workspace.serving)
        .tag(&permit, add, body.delete_tags.unwrap_or_default(), Origin::Api)
        .await
        .map_err(|error| deploy_error(&error))?;
    Ok(Json(json!({ "tags": endpoint.tags })))
}

async fn description(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(name): Path<String>,
    StrictJson(body): StrictJson<DescriptionBody>,
) -> Answer {
    let view = find(&workspace, &name)?;
    let permit = access.authorize(ManageEndpoint(view.endpoint.reference()))?;
    (workspace.serving.describe(&permit, body.description, Origin::Api).await)
        .map_err(|error| deploy_error(&error))?;
    shown(&workspace, &access, &view.endpoint.name)
}

async fn not_emulated(request: axum::extract::Request) -> ApiError {
    ApiError::not_emulated(format_args!("{} {}", request.method(), request.uri().path()))
}

async fn metrics(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let view = find(&workspace, &name)?;
    access.authorize(ViewEndpoint(view.endpoint.reference()))?;
    let text = workspace.serving.metrics(&view.endpoint.name);
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

async fn openapi(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let view = find(&workspace, &name)?;
    access.authorize(ViewEndpoint(view.endpoint.reference()))?;
    // The SDK asks for text/plain and hands the bytes on; the content is an OpenAPI document either way.
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], wire::openapi(&workspace, &view).to_string())
        .into_response())
}

async fn logs(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path((name, served)): Path<(String, String)>,
) -> Answer {
    let (view, served) = entity(&workspace, &access, &name, &served)?;
    let logs = workspace.serving.logs(&view.endpoint.name, &served).unwrap_or_default();
    Ok(Json(json!({ "logs": logs })))
}

async fn build_logs(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path((name, served)): Path<(String, String)>,
) -> Answer {
    let (view, served) = entity(&workspace, &access, &name, &served)?;
    let logs = workspace.serving.build_logs(&view.endpoint.name, &served);
    // What was printed before a restart is gone, but for the end of what failed.
    let kept = || view.endpoint.failure.as_ref().map(|failure| format!("{failure}\n"));
    let logs = logs.or_else(kept).unwrap_or_default();
    Ok(Json(json!({ "logs": logs })))
}

fn entity(
    workspace: &Workspace,
    access: &Access,
    name: &str,
    served: &str,
) -> Result<(EndpointView, ServedName), ApiError> {
    let view = find(workspace, name)?;
    // Logs hold what the agent printed, of any caller: whoever manages the endpoint reads them.
    access.authorize(ManageEndpoint(view.endpoint.reference()))?;
    let known = [&view.endpoint.active, &view.endpoint.pending, &view.endpoint.failed];
    let known = known.into_iter().flatten().flat_map(|config| &config.entities);
    let found = known.map(|entity| &entity.entity.name).find(|known| known.as_str() == served).cloned();
    match found {
        Some(found) => Ok((view, found)),
        None => Err(ApiError::does_not_exist(format!(
            "Served model '{served}' does not exist in endpoint '{name}'."
        ))),
    }
}

fn find(workspace: &Workspace, name: &str) -> Result<EndpointView, ApiError> {
    let view = name.parse::<EndpointName>().ok().and_then(|name| workspace.serving.endpoint(&name));
    // databricks-agents catches RESOURCE_DOES_NOT_EXIST and nothing else.
    view.ok_or_else(|| ApiError::does_not_exist(format!("Endpoint with name '{name}' does not exist.")))
}

fn shown(workspace: &Workspace, access: &Access, name: &EndpointName) -> Answer {
    let view = find(workspace, name.as_str())?;
    Ok(Json(wire::endpoint(workspace, access.caller(), &view)))
}

/// The refusal of a deployment, and for `explain` what to do about it.
fn refused(access: &Access, error: &DeployError) -> ApiError {
    match error {
        DeployError::MissingRights(rights) => {
            for missing in &rights.missing {
                match &missing.trace {
                    Some(trace) => access.record(trace.clone()),
                    None => access.hint(format!("{}: {}", missing.what, missing.reason)),
                }
            }
        }
        DeployError::InvalidUserScopes { scopes, .. } => {
            scopes.hints().into_iter().for_each(|hint| access.hint(hint))
        }
        _ => {}
    }
    deploy_error(error).explained()
}

/// Why an endpoint cannot be deployed, in Databricks' words where they are known.
pub fn deploy_error(error: &DeployError) -> ApiError {
    match error {
        DeployError::AlreadyExists(_) => ApiError::already_exists(error.to_string()),
        DeployError::NoSuchEndpoint(_) => ApiError::does_not_exist(error.to_string()),
        DeployError::Updating(_) => ApiError::conflict(error.to_string()),
        DeployError::Denied(denied) => refusal(denied),
        DeployError::NoSuchModel { .. } => ApiError::does_not_exist(error.to_string()),
        DeployError::InvalidUserScopes { model, scopes } => {
            ApiError::invalid_parameter(scopes.message(model))
        }
        DeployError::MissingRights(rights) => ApiError::permission_denied(rights.to_string()).explained(),
        DeployError::TooMany(_) => ApiError::limit_exceeded(error.to_string()),
        DeployError::UnreadableModel { .. }
        | DeployError::UnsupportedResource { .. }
        | DeployError::Invalid(_)
        | DeployError::InvalidVariable { .. }
        | DeployError::InvalidReference { .. } => ApiError::invalid_parameter(error.to_string()),
        DeployError::Store(cause) => ApiError::internal(cause),
    }
}
