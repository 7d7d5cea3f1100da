//! What clients read: an endpoint as JSON, and its OpenAPI document.

use brickyard_catalog::{Level, Securable};
use brickyard_identity::Caller;
use brickyard_serving::{
    AgentSource, DeployedEntity, EndpointView, Failure, Origin, VersionedConfig, WorkloadSize,
};
use brickyard_types::EnvironmentValue;
use serde_json::{Map, Value, json};

use crate::workspace::Workspace;

/// How an entity is doing.
#[derive(Clone, Copy)]
enum State<'a> {
    Creating,
    Ready,
    Failed(&'a str),
}

/// One endpoint, as its caller may see it.
pub fn endpoint(workspace: &Workspace, caller: &Caller, view: &EndpointView) -> Value {
    let endpoint = &view.endpoint;
    let mut shown = Map::new();
    let mut set = |key: &str, value: Value| shown.insert(key.to_owned(), value);
    set("name", json!(endpoint.name));
    set("id", json!(endpoint.id));
    set("creator", json!(endpoint.creator.name));
    set("creation_timestamp", json!(endpoint.created_at.as_millisecond()));
    set("last_updated_timestamp", json!(endpoint.updated_at.as_millisecond()));
    let config_update = match (&endpoint.pending, &endpoint.failure) {
        (Some(_), _) => "IN_PROGRESS",
        (None, Some(_)) => "UPDATE_FAILED",
        (None, None) => "NOT_UPDATING",
    };
    let ready = if view.ready { "READY" } else { "NOT_READY" };
    set("state", json!({ "ready": ready, "config_update": config_update }));
    let level = workspace.catalog.level(caller.principal(), &Securable::from(&endpoint.reference()));
    // Paths of this machine are for those who may read the logs as well.
    let manages = level.is_some_and(|level| level.covers(Level::CanManage));
    let told = |failure| if manages { Failure::cause(failure) } else { failure.reason.as_str() };
    if let Some(config) = &endpoint.active {
        let state = match (&view.reason, view.ready) {
            (_, true) => State::Ready,
            (Some(failure), false) => State::Failed(told(failure)),
            (None, false) => State::Creating,
        };
        set("config", versioned(config, state, "config_version"));
    }
    if let Some(config) = &endpoint.pending {
        set("pending_config", versioned(config, State::Creating, "config_version"));
    } else if let Some(config) = &endpoint.failed {
        let reason = endpoint.failure.as_ref().map_or("", told);
        set("pending_config", versioned(config, State::Failed(reason), "config_version"));
    }
    if let Some(level) = level {
        set("permission_level", json!(level.as_str()));
    }
    if let Some(task) = endpoint.task() {
        set("task", json!(task));
    }
    if endpoint.origin == Origin::BuiltIn {
        set("endpoint_type", json!("FOUNDATION_MODEL_API"));
    }
    // databricks' chat template tells from this key whether an agent acts on behalf of its user.
    let scopes: Vec<_> = (endpoint.config().into_iter().flat_map(|config| &config.entities))
        .filter_map(|entity| entity.policy.user_scopes.as_ref())
        .flat_map(|scopes| scopes.iter().map(ToString::to_string))
        .collect();
    if !scopes.is_empty() {
        set("auth_policy", json!({ "user_auth_policy": { "api_scopes": scopes } }));
    }
    set("tags", json!(endpoint.tags));
    set("description", json!(endpoint.description));
    set("route_optimized", json!(false));
    Value::Object(shown)
}

fn versioned(config: &VersionedConfig, state: State<'_>, version: &str) -> Value {
    let entities: Vec<_> = config.entities.iter().map(|deployed| entity(deployed, state)).collect();
    let models: Vec<_> = (config.entities.iter())
        .filter(|deployed| matches!(deployed.entity.source, AgentSource::Model { .. }))
        .map(|deployed| model(deployed, state))
        .collect();
    let routes: Vec<_> = (config.routes.iter())
        .map(|route| {
            json!({
                "served_model_name": route.entity,
                "served_entity_name": route.entity,
                "traffic_percentage": route.percentage,
            })
        })
        .collect();
    json!({
        version: config.version,
        "start_time": config.started_at.as_millisecond(),
        "served_entities": entities,
        "served_models": models,
        "traffic_config": { "routes": routes },
    })
}

fn entity(deployed: &DeployedEntity, state: State<'_>) -> Value {
    let mut shown = fields(deployed, state);
    match &deployed.entity.source {
        AgentSource::Model { name, version, python } => {
            shown.insert("entity_name".into(), json!(name));
            shown.insert("entity_version".into(), json!(version));
            if let Some(python) = python {
                shown.insert("python".into(), json!(python));
            }
        }
        AgentSource::Foundation { name } => {
            shown.insert("foundation_model".into(), json!({ "name": name, "display_name": name }));
        }
        AgentSource::Url { url } => {
            shown.insert("url".into(), json!(url));
        }
        AgentSource::Scripted { script } => {
            shown.insert("scripted".into(), json!(script));
        }
    }
    if !matches!(deployed.entity.source, AgentSource::Model { .. })
        && let Some(policy) = &deployed.entity.policy
    {
        shown.insert("auth_policy".into(), auth_policy(policy));
    }
    Value::Object(shown)
}

/// The shape that mlflow writes and that a create reads.
fn auth_policy(policy: &brickyard_serving::Policy) -> Value {
    let mut resources: Map<String, Value> = Map::new();
    for resource in &policy.resources {
        let list = resources.entry(resource.kind.as_str()).or_insert_with(|| json!([]));
        if let Value::Array(list) = list {
            list.push(json!({ "name": resource.name }));
        }
    }
    let mut shown = json!({ "system_auth_policy": {}, "user_auth_policy": {} });
    if !resources.is_empty() {
        shown["system_auth_policy"] = json!({ "resources": { "api_version": "1", "databricks": resources } });
    }
    if let Some(scopes) = &policy.user_scopes {
        let scopes: Vec<_> = scopes.iter().map(ToString::to_string).collect();
        shown["user_auth_policy"] = json!({ "api_scopes": scopes });
    }
    shown
}

/// The older mirror of a model entity.
fn model(deployed: &DeployedEntity, state: State<'_>) -> Value {
    let mut shown = fields(deployed, state);
    if let AgentSource::Model { name, version, .. } = &deployed.entity.source {
        shown.insert("model_name".into(), json!(name));
        shown.insert("model_version".into(), json!(version));
    }
    Value::Object(shown)
}

fn fields(deployed: &DeployedEntity, state: State<'_>) -> Map<String, Value> {
    let entity = &deployed.entity;
    let (deployment, message) = match state {
        State::Creating => ("DEPLOYMENT_CREATING", ""),
        State::Ready => ("DEPLOYMENT_READY", ""),
        State::Failed(reason) => ("DEPLOYMENT_FAILED", reason),
    };
    let size = match entity.workload_size {
        WorkloadSize::Small => "Small",
        WorkloadSize::Medium => "Medium",
        WorkloadSize::Large => "Large",
    };
    let mut shown = Map::new();
    shown.insert("name".into(), json!(entity.name));
    shown.insert("workload_size".into(), json!(size));
    if let Some(least) = entity.min_concurrency {
        shown.insert("min_provisioned_concurrency".into(), json!(least));
    }
    if let Some(most) = entity.max_concurrency {
        shown.insert("max_provisioned_concurrency".into(), json!(most));
    }
    shown.insert("workload_type".into(), json!(entity.workload_type.as_deref().unwrap_or("CPU")));
    shown.insert("scale_to_zero_enabled".into(), json!(entity.scale_to_zero));
    shown.insert("creator".into(), json!(deployed.creator));
    shown.insert("creation_timestamp".into(), json!(deployed.created_at.as_millisecond()));
    shown.insert("state".into(), json!({ "deployment": deployment, "deployment_state_message": message }));
    if !entity.environment.is_empty() {
        // References as they were written; what they stand for is in no answer.
        let variables: Map<String, Value> = (entity.environment.iter())
            .map(|(name, value)| {
                let shown = match EnvironmentValue::parse(value) {
                    Ok(EnvironmentValue::Secret(reference)) => reference.to_string(),
                    _ => value.clone(),
                };
                (name.clone(), Value::String(shown))
            })
            .collect();
        shown.insert("environment_vars".into(), Value::Object(variables));
    }
    shown
}

/// `GET .../openapi`: what can be asked of one endpoint.
pub fn openapi(workspace: &Workspace, view: &EndpointView) -> Value {
    let name = view.endpoint.name.as_str();
    let required = match view.endpoint.task() {
        Some("agent/v1/responses" | "llm/v1/embeddings") => json!(["input"]),
        Some("llm/v1/completions") => json!(["prompt"]),
        Some(_) => json!(["messages"]),
        None => json!([]),
    };
    let path = format!("/serving-endpoints/{name}/invocations");
    json!({
        "openapi": "3.1.0",
        "info": { "title": name, "version": "1" },
        "servers": [{ "url": workspace.host }],
        "paths": { path: { "post": {
            "requestBody": { "required": true, "content": { "application/json": {
                "schema": { "type": "object", "required": required } } } },
            "responses": { "200": { "description": "The answer", "content": { "application/json": { "schema": {} } } } },
        } } },
    })
}
