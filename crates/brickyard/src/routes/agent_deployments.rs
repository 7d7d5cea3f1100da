//! `/api/2.0/agents/deployments`: which endpoint serves which version of an agent, as `databricks.agents` asks.
//!
//! Nothing is kept: a deployment is an endpoint that serves a registered model. There is no review app.
//! Shapes: databricks-agents 1.13 `client/rest_client.py`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use brickyard_catalog::{ManageEndpoint, Securable};
use brickyard_serving::{AgentSource, Endpoint};
use brickyard_types::EndpointName;
use serde::Deserialize;
use serde_json::{Value, json};

use super::fidelity::{ANY_SCOPE, Level};
use super::not_emulated::ANYBODY;
use crate::access::{Access, Guard};
use crate::errors::ApiError;
use crate::http::json::Json as StrictJson;
use crate::workspace::Workspace;

/// How true these routes are.
pub const FIDELITY: &[(&str, Level, &str)] = &[
    ("GET /api/2.0/agents/deployments", Level::ShapeOnly, ANY_SCOPE),
    ("POST /api/2.0/agents/deployments", Level::ShapeOnly, ANY_SCOPE),
    ("GET /api/2.0/agents/deployments/{model}", Level::ShapeOnly, ANY_SCOPE),
    ("DELETE /api/2.0/agents/deployments/{model}", Level::ShapeOnly, ANY_SCOPE),
    ("GET /api/2.0/agents/deployments/{model}/versions/{version}", Level::ShapeOnly, ANY_SCOPE),
    ("DELETE /api/2.0/agents/deployments/{model}/versions/{version}", Level::ShapeOnly, ANY_SCOPE),
];

/// The routes.
pub fn routes(workspace: &Arc<Workspace>) -> Router {
    let guarded = Guard { workspace: Arc::clone(workspace), family: &ANYBODY };
    Router::new()
        .route("/api/2.0/agents/deployments", get(all).post(deployed))
        .route("/api/2.0/agents/deployments/{model}", get(of_model).delete(forget_model))
        .route("/api/2.0/agents/deployments/{model}/versions/{version}", get(one).delete(forget))
        .route_layer(guarded)
        .with_state(Arc::clone(workspace))
}

type Answer = Result<Json<Value>, ApiError>;
type Here = State<Arc<Workspace>>;

#[derive(Deserialize)]
struct Deployed {
    model_name: String,
    model_version: Value,
    endpoint_name: String,
    served_entity_name: String,
}

/// A client says what it has deployed. It is held against what is served.
async fn deployed(State(workspace): Here, access: Access, StrictJson(body): StrictJson<Deployed>) -> Answer {
    let name = body.endpoint_name.parse::<EndpointName>().ok();
    let view = name.and_then(|name| workspace.serving.endpoint(&name)).ok_or_else(|| {
        ApiError::does_not_exist(format!("Endpoint with name '{}' does not exist.", body.endpoint_name))
    })?;
    access.authorize(ManageEndpoint(view.endpoint.reference()))?;
    let version = body.model_version.as_str().map_or_else(|| body.model_version.to_string(), str::to_owned);
    let found = rows(&workspace, &view.endpoint)
        .into_iter()
        .find(|row| row.is(&body.model_name, Some(&version)) && row.entity == body.served_entity_name);
    match found {
        Some(row) => Ok(Json(json!({ "deployed_chain": row.shown() }))),
        None => Err(ApiError::invalid_state(format!(
            "Endpoint '{}' does not serve version {version} of model {} as '{}'.",
            body.endpoint_name, body.model_name, body.served_entity_name
        ))),
    }
}

async fn all(State(workspace): Here, access: Access) -> Answer {
    Ok(listed(&seen(&workspace, &access)))
}

async fn of_model(State(workspace): Here, access: Access, Path(model): Path<String>) -> Answer {
    let mut found = seen(&workspace, &access);
    found.retain(|row| row.is(&model, None));
    Ok(listed(&found))
}

async fn one(
    State(workspace): Here,
    access: Access,
    Path((model, version)): Path<(String, String)>,
) -> Answer {
    let mut found = seen(&workspace, &access);
    found.retain(|row| row.is(&model, Some(&version)));
    Ok(listed(&found))
}

async fn forget_model(State(workspace): Here, access: Access, Path(model): Path<String>) -> Answer {
    forgotten(&workspace, &access, &model, None)
}

async fn forget(
    State(workspace): Here,
    access: Access,
    Path((model, version)): Path<(String, String)>,
) -> Answer {
    forgotten(&workspace, &access, &model, Some(&version))
}

/// A deployment is gone when its endpoint no longer serves it, and not before.
fn forgotten(workspace: &Workspace, access: &Access, model: &str, version: Option<&str>) -> Answer {
    match seen(workspace, access).iter().find(|row| row.is(model, version)) {
        None => Ok(Json(json!({}))),
        Some(row) => Err(ApiError::invalid_state(format!(
            "Endpoint '{}' still serves version {} of model {model}: delete the endpoint, or the served entity.",
            row.endpoint, row.version
        ))),
    }
}

/// One deployment.
struct Row {
    model: String,
    version: String,
    endpoint: String,
    entity: String,
    host: String,
}

impl Row {
    fn is(&self, model: &str, version: Option<&str>) -> bool {
        self.model == model && version.is_none_or(|version| self.version == version)
    }

    fn shown(&self) -> Value {
        let path = format!("{}/serving-endpoints/{}", self.host, self.endpoint);
        json!({
            "model_name": self.model,
            "model_version": self.version,
            "endpoint_name": self.endpoint,
            "served_entity_name": self.entity,
            "query_endpoint": format!("{path}/served-models/{}/invocations", self.entity),
            "workspace_url": self.host,
            // There is none; the client has its own words for that.
            "review_app_url": "",
        })
    }
}

fn listed(rows: &[Row]) -> Json<Value> {
    Json(json!({ "chain_deployments": rows.iter().map(Row::shown).collect::<Vec<_>>() }))
}

/// The deployments on endpoints that the caller may see.
fn seen(workspace: &Workspace, access: &Access) -> Vec<Row> {
    (workspace.serving.endpoints().iter())
        .filter(|view| {
            workspace.catalog.can_see(access.caller(), &Securable::from(&view.endpoint.reference()))
        })
        .flat_map(|view| rows(workspace, &view.endpoint))
        .collect()
}

/// What an endpoint serves, or will when its update is done.
fn rows(workspace: &Workspace, endpoint: &Endpoint) -> Vec<Row> {
    let config = endpoint.pending.as_ref().or(endpoint.active.as_ref()).or(endpoint.failed.as_ref());
    (config.into_iter().flat_map(|config| &config.entities))
        .filter_map(|deployed| {
            let AgentSource::Model { name, version, .. } = &deployed.entity.source else { return None };
            Some(Row {
                model: name.clone(),
                version: version.clone(),
                endpoint: endpoint.name.to_string(),
                entity: deployed.entity.name.to_string(),
                host: workspace.host.clone(),
            })
        })
        .collect()
}
