//! An endpoint as the journal holds it: what was asked for, by whom, and what of it answers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use brickyard_catalog::EndpointRef;
use brickyard_models::ScriptedConfig;
use brickyard_types::{
    DeclaredResource, EndpointId, EndpointName, Principal, ScopeSet, ServedName, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// Who made an endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// brickyard itself: the foundation models that exist in every workspace.
    BuiltIn,
    /// The configuration.
    Config,
    /// A REST call.
    Api,
}

/// The documented workload sizes, and how many requests each runs at once at most
/// (databricks-sdk `ServedEntityInput.workload_size`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs)] // the words are Databricks' own
pub enum WorkloadSize {
    #[default]
    Small,
    Medium,
    Large,
}

impl WorkloadSize {
    /// The upper end of the size's range of concurrent requests: 4, 16, 64.
    pub fn concurrency(self) -> usize {
        match self {
            Self::Small => 4,
            Self::Medium => 16,
            Self::Large => 64,
        }
    }
}

/// Where an entity's answers come from.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentSource {
    /// A logged MLflow model, run in worker processes.
    Model {
        /// `catalog.schema.model`.
        name: String,
        /// Its version.
        version: String,
        /// The interpreter to use instead of an environment built from the model's requirements.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        python: Option<PathBuf>,
    },
    /// An agent that somebody else runs, reached over HTTP.
    Url {
        /// Its address, `http://host:port`.
        url: String,
    },
    /// Rules.
    Scripted {
        /// The rules.
        script: ScriptedConfig,
    },
    /// A foundation model that brickyard brings along.
    Foundation {
        /// Its name, e.g. `databricks-claude-sonnet-4`.
        name: String,
    },
}

/// What an agent declared when it was logged, reduced to sets: the scopes it needs of its caller, and the resources
/// its endpoint's service principal must reach.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Policy {
    /// `user_auth_policy.api_scopes`; `None` if the agent does not act on behalf of its user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_scopes: Option<ScopeSet>,
    /// `system_auth_policy.resources`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<DeclaredResource>,
}

impl Policy {
    /// Nothing declared.
    pub fn none() -> Self {
        Self { user_scopes: None, resources: Vec::new() }
    }

    /// The resources that the system service principal is to reach.
    pub fn passthrough(&self) -> impl Iterator<Item = &DeclaredResource> {
        self.resources.iter().filter(|resource| !resource.on_behalf_of_user)
    }
}

/// One served entity as it was asked for.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ServedEntity {
    /// Its name in the endpoint; traffic routes use it.
    pub name: ServedName,
    /// Where its answers come from.
    pub source: AgentSource,
    /// `environment_vars` as written: plain text or `{{secrets/scope/key}}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// How many workers it may grow to, unless `max_concurrency` says.
    #[serde(default)]
    pub workload_size: WorkloadSize,
    /// How many workers it starts with; one, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_concurrency: Option<u32>,
    /// How many workers it may grow to, in the place of what the size says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrency: Option<u32>,
    /// Kept and shown, without effect here: `CPU`, `GPU_SMALL`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_type: Option<String>,
    /// Whether all its workers may end when nobody calls.
    #[serde(default)]
    pub scale_to_zero: bool,
    /// For entities without an `MLmodel`: what they declare.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
}

/// A share of the traffic.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Route {
    /// Which entity.
    pub entity: ServedName,
    /// How many of a hundred calls.
    pub percentage: u8,
}

/// A tag.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Tag {
    /// Its key.
    pub key: String,
    /// Its value, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// A served entity with what deploying it settled.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct DeployedEntity {
    /// As asked for.
    pub entity: ServedEntity,
    /// What it declared.
    pub policy: Policy,
    /// `agent/v1/responses`, `llm/v1/chat`, ...; `None` for a plain model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// The hidden service principal of this version, if resources were declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_principal: Option<Principal>,
    /// Who brought this entity in, and when.
    pub creator: Arc<str>,
    /// When this entity was brought in.
    pub created_at: Timestamp,
}

/// One version of an endpoint's configuration.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct VersionedConfig {
    /// 1 for the first.
    pub version: u64,
    /// The entities.
    pub entities: Vec<DeployedEntity>,
    /// The shares, in all 100.
    pub routes: Vec<Route>,
    /// When it was asked for.
    pub started_at: Timestamp,
}

/// An endpoint.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Endpoint {
    /// Never reused.
    pub id: EndpointId,
    /// Unique in the workspace.
    pub name: EndpointName,
    /// Whose rights the endpoint stands on; it never changes.
    pub creator: Principal,
    /// Who made it.
    pub origin: Origin,
    /// True if a REST call changed what the configuration made, and the configuration has not been applied since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub changed: bool,
    /// When.
    pub created_at: Timestamp,
    /// When its configuration last changed.
    pub updated_at: Timestamp,
    /// What answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<VersionedConfig>,
    /// What is being brought up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<VersionedConfig>,
    /// What the last update asked for, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<VersionedConfig>,
    /// Why the last update failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Tags, by key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// A description.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

impl ServedEntity {
    /// Workers at the start, and at most: what was asked for, else what the size says. Every worker runs one request
    /// at a time, so a unit of Databricks' provisioned concurrency is a worker here.
    pub fn workers(&self) -> (usize, usize) {
        let most = self.max_concurrency.map_or(self.workload_size.concurrency(), |most| most.max(1) as usize);
        let least = self.min_concurrency.map_or(1, |least| least.max(1) as usize);
        (least.min(most), most)
    }
}

impl Endpoint {
    /// The configuration that answers, else the one on its way.
    pub fn config(&self) -> Option<&VersionedConfig> {
        self.active.as_ref().or(self.pending.as_ref())
    }

    /// What rights on it hang on.
    pub fn reference(&self) -> EndpointRef {
        EndpointRef { id: self.id, name: self.name.clone() }
    }

    /// The task of its first entity.
    pub fn task(&self) -> Option<&str> {
        self.config()?.entities.first()?.task.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_grow_to_the_size_or_to_the_concurrency_that_was_asked_for() {
        let entity = |size, least, most| ServedEntity {
            name: "agent".parse().expect("a name"),
            source: AgentSource::Url { url: "http://127.0.0.1:1".to_owned() },
            environment: BTreeMap::new(),
            workload_size: size,
            min_concurrency: least,
            max_concurrency: most,
            workload_type: None,
            scale_to_zero: false,
            policy: None,
        };
        use WorkloadSize::{Large, Medium, Small};
        for (size, least, most, workers) in [
            (Small, None, None, (1, 4)),
            (Medium, None, None, (1, 16)),
            (Large, None, None, (1, 64)),
            (Large, None, Some(2), (1, 2)),
            (Small, Some(3), None, (3, 4)),
            (Small, Some(8), None, (4, 4)),
            (Small, Some(8), Some(12), (8, 12)),
            (Small, Some(0), Some(0), (1, 1)),
        ] {
            assert_eq!(entity(size, least, most).workers(), workers, "{size:?} {least:?} {most:?}");
        }
    }
}
