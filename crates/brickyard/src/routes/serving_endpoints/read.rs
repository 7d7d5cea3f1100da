//! What clients send: the bodies of create and update, read into the serving crate's types.
//!
//! Callers feed output objects back, so fields that only an answer has are let pass. Fields that would change what is
//! served and that brickyard does not emulate are refused by name.

use std::collections::BTreeMap;
use std::path::PathBuf;

use brickyard_agents::AuthPolicy;
use brickyard_models::ScriptedConfig;
use brickyard_serving::{AgentSource, Policy, Route, ServedEntity, Tag, WorkloadSize};
use brickyard_types::{Scope, ScopeSet};
use serde::Deserialize;
use serde_json::Value;

use super::beyond;
use crate::errors::ApiError;

/// `POST /api/2.0/serving-endpoints`.
#[derive(Debug, Deserialize)]
pub struct CreateBody {
    /// The endpoint's name.
    pub name: String,
    /// What it serves.
    pub config: Option<ConfigBody>,
    /// Tags.
    pub tags: Option<Vec<TagBody>>,
    /// A description.
    pub description: Option<String>,
    /// What is not emulated.
    #[serde(flatten)]
    pub beyond: beyond::OfEndpoint,
}

/// `PUT .../config`, and the `config` of a create.
#[derive(Debug, Deserialize)]
pub struct ConfigBody {
    served_entities: Option<Vec<EntityBody>>,
    served_models: Option<Vec<EntityBody>>,
    traffic_config: Option<TrafficBody>,
    #[serde(flatten)]
    beyond: beyond::OfConfig,
}

/// `PATCH .../tags`.
#[derive(Debug, Deserialize)]
pub struct TagsBody {
    pub add_tags: Option<Vec<TagBody>>,
    pub delete_tags: Option<Vec<String>>,
}

/// `PATCH .../description`.
#[derive(Debug, Deserialize)]
pub struct DescriptionBody {
    pub description: String,
}

/// A tag.
#[derive(Debug, Deserialize)]
pub struct TagBody {
    key: String,
    value: Option<String>,
}

impl From<TagBody> for Tag {
    fn from(tag: TagBody) -> Self {
        Self { key: tag.key, value: tag.value }
    }
}

#[derive(Debug, Deserialize)]
struct TrafficBody {
    #[serde(default)]
    routes: Vec<RouteBody>,
}

#[derive(Debug, Deserialize)]
struct RouteBody {
    served_model_name: Option<String>,
    served_entity_name: Option<String>,
    traffic_percentage: u8,
}

/// A served entity; the same shape in REST and in the configuration.
#[derive(Debug, Deserialize)]
pub struct EntityBody {
    /// Its name; made from model and version if left out.
    pub name: Option<String>,
    /// `catalog.schema.model`; `model_name` is the older word.
    #[serde(alias = "model_name")]
    pub entity_name: Option<String>,
    /// A string from the SDK, a number from `databricks.agents`.
    #[serde(alias = "model_version")]
    pub entity_version: Option<Value>,
    /// Plain text or `{{secrets/scope/key}}`.
    pub environment_vars: Option<BTreeMap<String, String>>,
    /// `Small`, `Medium`, `Large`.
    pub workload_size: Option<String>,
    /// Workers at the start.
    pub min_provisioned_concurrency: Option<u32>,
    /// Workers at most.
    pub max_provisioned_concurrency: Option<u32>,
    /// Shown again, without effect.
    pub workload_type: Option<String>,
    /// Shown again, without effect.
    pub scale_to_zero_enabled: Option<bool>,
    /// Refused by name: not emulated.
    pub external_model: Option<Value>,
    /// A built-in model; answers of ours carry it, so it comes back.
    pub foundation_model: Option<FoundationBody>,
    /// Ours: an agent that somebody else runs.
    pub url: Option<String>,
    /// Ours: rules.
    pub scripted: Option<ScriptedConfig>,
    /// Ours: an existing interpreter.
    pub python: Option<PathBuf>,
    /// Ours: what an entity without an `MLmodel` declares.
    pub auth_policy: Option<AuthPolicy>,
    /// What is not emulated.
    #[serde(flatten)]
    pub beyond: beyond::OfEntity,
}

/// `foundation_model`.
#[derive(Debug, Deserialize)]
pub struct FoundationBody {
    /// Its name.
    pub name: String,
}

impl ConfigBody {
    /// The typed entities and routes.
    pub fn read(self) -> Result<(Vec<ServedEntity>, Vec<Route>), ApiError> {
        self.beyond.refuse()?;
        let entities = match (self.served_entities, self.served_models) {
            (Some(entities), Some(_) | None) | (None, Some(entities)) => entities,
            (None, None) => return Err(ApiError::invalid_parameter("served_entities is required")),
        };
        let entities = entities.into_iter().map(EntityBody::read).collect::<Result<Vec<_>, _>>()?;
        let mut routes = Vec::new();
        for route in self.traffic_config.map(|traffic| traffic.routes).unwrap_or_default() {
            let name = route.served_entity_name.or(route.served_model_name);
            let name = name.ok_or_else(|| ApiError::invalid_parameter("a route needs served_entity_name"))?;
            let entity = name.parse().map_err(|error| ApiError::invalid_parameter(format!("{error}")))?;
            routes.push(Route { entity, percentage: route.traffic_percentage });
        }
        Ok((entities, routes))
    }
}

impl EntityBody {
    /// The typed entity.
    pub fn read(self) -> Result<ServedEntity, ApiError> {
        let invalid = |message: String| ApiError::invalid_parameter(message);
        if self.external_model.is_some() {
            return Err(ApiError::not_emulated("served entities with external_model"));
        }
        self.beyond.refuse()?;
        let version = match self.entity_version {
            Some(Value::String(text)) => Some(text),
            Some(Value::Number(number)) => Some(number.to_string()),
            None | Some(Value::Null) => None,
            Some(_) => return Err(invalid("entity_version is a string".to_owned())),
        };
        let sources = usize::from(self.url.is_some())
            + usize::from(self.scripted.is_some())
            + usize::from(self.foundation_model.is_some())
            + usize::from(version.is_some());
        if sources != 1 {
            return Err(invalid(
                "a served entity has exactly one of entity_name with entity_version, foundation_model, url, scripted".to_owned(),
            ));
        }
        let (source, default_name) = if let Some(url) = self.url {
            (AgentSource::Url { url }, self.entity_name.clone())
        } else if let Some(script) = self.scripted {
            (AgentSource::Scripted { script }, self.entity_name.clone())
        } else if let Some(foundation) = self.foundation_model {
            (AgentSource::Foundation { name: foundation.name.clone() }, Some(foundation.name))
        } else {
            let name =
                self.entity_name.clone().ok_or_else(|| invalid("entity_name is required".to_owned()))?;
            let version = version.unwrap_or_default();
            let short = name.rsplit('.').next().unwrap_or(&name);
            let served = format!("{short}-{version}");
            (AgentSource::Model { name, version, python: self.python }, Some(served))
        };
        if self.auth_policy.is_some()
            && !matches!(source, AgentSource::Url { .. } | AgentSource::Scripted { .. })
        {
            return Err(invalid(
                "auth_policy belongs into the MLmodel; only url and scripted entities carry it here"
                    .to_owned(),
            ));
        }
        let name = self.name.filter(|name| !name.is_empty()).or(default_name);
        let name = name.ok_or_else(|| invalid("a served entity without a model needs a name".to_owned()))?;
        let name = name.replace(['.', ':'], "-").parse().map_err(|error| invalid(format!("{error}")))?;
        let workload_size = match self.workload_size.as_deref() {
            None | Some("Small") => WorkloadSize::Small,
            Some("Medium") => WorkloadSize::Medium,
            Some("Large") => WorkloadSize::Large,
            Some(other) => {
                return Err(invalid(format!("workload_size {other:?} is not one of Small, Medium, Large")));
            }
        };
        Ok(ServedEntity {
            name,
            source,
            environment: self.environment_vars.unwrap_or_default(),
            workload_size,
            min_concurrency: self.min_provisioned_concurrency,
            max_concurrency: self.max_provisioned_concurrency,
            workload_type: self.workload_type,
            scale_to_zero: self.scale_to_zero_enabled.unwrap_or(false),
            policy: self.auth_policy.map(policy).transpose()?,
        })
    }
}

/// The sets behind an `auth_policy`. Scopes that are no scopes at all are refused here; those that Model Serving does not
/// allow, when the endpoint is deployed.
pub fn policy(auth_policy: AuthPolicy) -> Result<Policy, ApiError> {
    let scopes = || -> Result<ScopeSet, ApiError> {
        let parsed = auth_policy.api_scopes.iter().map(|text| text.parse::<Scope>());
        Ok(ScopeSet::new(
            parsed
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| ApiError::invalid_parameter(error.to_string()))?,
        ))
    };
    let user_scopes = if auth_policy.user_auth { Some(scopes()?) } else { None };
    Ok(Policy { user_scopes, resources: auth_policy.resources })
}
