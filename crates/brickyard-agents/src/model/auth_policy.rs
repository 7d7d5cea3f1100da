//! What an agent declared that it needs: the system's resources and the user's scopes.

use std::collections::BTreeMap;

use brickyard_types::{DeclaredResource, ResourceType};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_yaml_ng::Value;

/// The `auth_policy:` of an `MLmodel`, the older `resources:` beside it, or the same `auth_policy:` in the
/// configuration of an entity that has no `MLmodel`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuthPolicy {
    /// `user_auth_policy.api_scopes`: what the agent may do with the caller's token.
    pub api_scopes: Vec<String>,
    /// `system_auth_policy.resources`, or the older `resources:`, in a fixed order and without repeats.
    pub resources: Vec<DeclaredResource>,
    /// True if the agent acts for the user at all: it gave a `user_auth_policy` (perhaps without a scope), or a
    /// resource of the older layout says `on_behalf_of_user`.
    pub user_auth: bool,
}

impl AuthPolicy {
    /// Reads the older layout: `{api_version, databricks: {<type>: [{name, on_behalf_of_user}]}}`.
    pub(super) fn from_resources(value: &Value) -> Result<Self, String> {
        let resources = Resources::deserialize(value)
            .map_err(|error| super::reason::<Resources>(value, &error))?
            .declared()?;
        let user_auth = resources.iter().any(|resource| resource.on_behalf_of_user);
        Ok(Self { api_scopes: Vec::new(), resources, user_auth })
    }
}

impl<'de> Deserialize<'de> for AuthPolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let policy = Policy::deserialize(deserializer)?;
        let resources = match policy.system_auth_policy.and_then(|system| system.resources) {
            Some(resources) => resources
                .declared()
                .map_err(|reason| D::Error::custom(format!("system_auth_policy.resources: {reason}")))?,
            None => Vec::new(),
        };
        let scopes = policy.user_auth_policy.and_then(|user| user.api_scopes);
        let user_auth = scopes.is_some() || resources.iter().any(|resource| resource.on_behalf_of_user);
        let mut api_scopes = Vec::new();
        for scope in scopes.into_iter().flatten() {
            if !api_scopes.contains(&scope) {
                api_scopes.push(scope);
            }
        }
        Ok(Self { api_scopes, resources, user_auth })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    system_auth_policy: Option<SystemPolicy>,
    user_auth_policy: Option<UserPolicy>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SystemPolicy {
    resources: Option<Resources>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserPolicy {
    api_scopes: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Resources {
    api_version: Option<ApiVersion>,
    #[serde(default)]
    databricks: BTreeMap<String, Vec<Item>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ApiVersion {
    Text(String),
    Number(u64),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    name: String,
    on_behalf_of_user: Option<bool>,
}

impl Resources {
    fn declared(self) -> Result<Vec<DeclaredResource>, String> {
        match self.api_version {
            Some(ApiVersion::Number(1)) => {}
            Some(ApiVersion::Text(version)) if version == "1" => {}
            Some(ApiVersion::Text(other)) => {
                return Err(format!("api_version: {other:?} is not known, '1' is"));
            }
            Some(ApiVersion::Number(other)) => {
                return Err(format!("api_version: {other} is not known, '1' is"));
            }
            None => return Err("api_version: missing, '1' is needed".to_owned()),
        }
        let mut declared = Vec::new();
        for (kind, items) in self.databricks {
            let kind: ResourceType = kind.parse().map_err(|unknown: String| {
                let known: Vec<&str> = ResourceType::ALL.iter().map(|kind| kind.as_str()).collect();
                format!("databricks.{unknown}: no such resource type; known are {}", known.join(", "))
            })?;
            for item in items {
                if item.name.is_empty() || item.name.len() > 1024 || item.name.chars().any(char::is_control) {
                    return Err(format!("databricks.{kind}.name: {:?} is not a name", item.name));
                }
                declared.push(DeclaredResource {
                    kind,
                    name: item.name,
                    on_behalf_of_user: item.on_behalf_of_user.unwrap_or(false),
                });
            }
        }
        declared.sort();
        declared.dedup();
        Ok(declared)
    }
}
