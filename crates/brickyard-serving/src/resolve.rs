//! From what was asked for to what will be deployed, or everything that stands against it.

use std::sync::Arc;

use brickyard_agents::{LoggedModel, check_variable_name};
use brickyard_catalog::{UserScopes, declarable};
use brickyard_models::Scripted;
use brickyard_models::builtin::foundation_model;
use brickyard_types::{DeclaredResource, EnvironmentValue, Principal};

use crate::endpoint::{AgentSource, DeployedEntity, Policy, Route, ServedEntity, VersionedConfig};
use crate::error::DeployError;
use crate::plaintext_credential::plaintext_credential;
use crate::serving::Inner;

impl Inner {
    /// Turns what was asked for into what will be deployed, or says everything that stands against it.
    pub(crate) fn resolve(
        &self,
        creator: &Principal,
        entities: &[ServedEntity],
        routes: &[Route],
        version: u64,
    ) -> Result<VersionedConfig, DeployError> {
        let limit = self.settings.max_entities;
        if entities.is_empty() {
            return Err(DeployError::Invalid("served_entities cannot be empty".to_owned()));
        }
        if entities.len() > limit {
            // databricks-agents matches this text.
            return Err(DeployError::Invalid(format!(
                "served_models cannot contain more than {limit} elements"
            )));
        }
        let now = self.clock.now();
        let mut deployed: Vec<DeployedEntity> = Vec::with_capacity(entities.len());
        for entity in entities {
            if deployed.iter().any(|other| other.entity.name == entity.name) {
                return Err(DeployError::Invalid(format!(
                    "served entity name '{}' is used twice",
                    entity.name
                )));
            }
            self.check_environment(entity)?;
            self.check_concurrency(entity)?;
            let (policy, task) = self.declared(entity)?;
            deployed.push(DeployedEntity {
                entity: entity.clone(),
                policy,
                task,
                system_principal: None,
                creator: Arc::clone(&creator.name),
                created_at: now,
            });
        }
        let routes = check_routes(routes, &deployed)?;
        let mut missing = Vec::new();
        for entity in &deployed {
            match self.creator_rights(creator, entity) {
                Ok(_) => {}
                Err(DeployError::MissingRights(rights)) => missing.extend(rights.missing),
                Err(error) => return Err(error),
            }
            if let AgentSource::Model { name, .. } = &entity.entity.source {
                missing.extend(self.model_right(creator, name).err());
            }
        }
        if !missing.is_empty() {
            let creator = creator.name.to_string();
            return Err(crate::creator::MissingRights { creator, missing }.into());
        }
        Ok(VersionedConfig { version, entities: deployed, routes, started_at: now })
    }

    fn check_environment(&self, entity: &ServedEntity) -> Result<(), DeployError> {
        let limit = self.settings.max_environment_variables;
        if entity.environment.len() > limit {
            let count = entity.environment.len();
            return Err(DeployError::Invalid(format!(
                "served entity '{}' has {count} environment variables; the limit is {limit}",
                entity.name
            )));
        }
        for (variable, value) in &entity.environment {
            check_variable_name(variable).map_err(|error| DeployError::InvalidVariable {
                variable: variable.clone(),
                reason: error.to_string(),
            })?;
            let plain = match EnvironmentValue::parse(value) {
                Ok(EnvironmentValue::Plain(plain)) => plain,
                Ok(EnvironmentValue::Secret(_)) => continue,
                Err(source) => {
                    return Err(DeployError::InvalidReference { variable: variable.clone(), source });
                }
            };
            if plain.contains('\0') {
                let reason = "a value cannot hold a NUL".to_owned();
                return Err(DeployError::InvalidVariable { variable: variable.clone(), reason });
            }
            if self.settings.refuse_plaintext_credentials
                && let Some(why) = plaintext_credential(variable, &plain)
            {
                let reason = format!("{why} (or set workspace.refuse_plaintext_credentials: false)");
                return Err(DeployError::InvalidVariable { variable: variable.clone(), reason });
            }
        }
        Ok(())
    }

    /// Each unit is a process here: a number of four digits too many would take the machine with it.
    fn check_concurrency(&self, entity: &ServedEntity) -> Result<(), DeployError> {
        let (least, most) = (entity.min_concurrency, entity.max_concurrency);
        let limit = self.settings.max_concurrency;
        if let Some(asked) = least.max(most).filter(|asked| *asked as usize > limit) {
            return Err(DeployError::Invalid(format!(
                "served entity '{}' asks for a provisioned concurrency of {asked}; the limit is {limit}",
                entity.name
            )));
        }
        match (least, most) {
            (Some(least), Some(most)) if least > most => Err(DeployError::Invalid(format!(
                "served entity '{}': min_provisioned_concurrency {least} is more than max_provisioned_concurrency {most}",
                entity.name
            ))),
            _ => Ok(()),
        }
    }

    /// What an entity declares, and its task.
    pub(crate) fn declared(&self, entity: &ServedEntity) -> Result<(Policy, Option<String>), DeployError> {
        let (policy, task, model) = match &entity.source {
            AgentSource::Model { name, version, .. } => {
                let model = self.logged_model(name, version)?;
                let scopes = model.auth_policy.user_auth.then_some(&model.auth_policy.api_scopes);
                let resources = model.auth_policy.resources.clone();
                let policy = checked_policy(name, self.settings.user_scopes, scopes, resources)?;
                (policy, model.task, name.clone())
            }
            AgentSource::Scripted { script } => {
                let policy = entity.policy.clone().unwrap_or_else(Policy::none);
                let compiled =
                    Scripted::compile(script).map_err(|error| DeployError::Invalid(error.to_string()))?;
                (policy, Some(compiled.task().as_str().to_owned()), entity.name.to_string())
            }
            AgentSource::Url { .. } => {
                (entity.policy.clone().unwrap_or_else(Policy::none), None, entity.name.to_string())
            }
            AgentSource::Foundation { name } => {
                let model = foundation_model(name)
                    .ok_or_else(|| DeployError::Invalid(format!("there is no foundation model {name:?}")))?;
                (Policy::none(), Some(model.task.as_str().to_owned()), name.clone())
            }
        };
        let scopes =
            policy.user_scopes.as_ref().map(|set| set.iter().map(ToString::to_string).collect::<Vec<_>>());
        let allowed = self.settings.user_scopes;
        checked_policy(&model, allowed, scopes.as_ref(), policy.resources).map(|policy| (policy, task))
    }

    pub(crate) fn logged_model(&self, name: &str, version: &str) -> Result<LoggedModel, DeployError> {
        let source = self.store.read(self.slots.models).get(name, version).map(|known| known.source.clone());
        let source = source
            .ok_or_else(|| DeployError::NoSuchModel { name: name.to_owned(), version: version.to_owned() })?;
        LoggedModel::read(&source).map_err(|error| DeployError::UnreadableModel {
            name: name.to_owned(),
            version: version.to_owned(),
            source: error,
        })
    }
}

fn checked_policy(
    model: &str,
    allowed: &'static UserScopes,
    scopes: Option<&Vec<String>>,
    resources: Vec<DeclaredResource>,
) -> Result<Policy, DeployError> {
    let user_scopes = match scopes {
        Some(scopes) => Some(
            allowed
                .check(scopes)
                .map_err(|scopes| DeployError::InvalidUserScopes { model: model.to_owned(), scopes })?,
        ),
        None => None,
    };
    for resource in &resources {
        if !declarable(resource.kind).stands_in {
            return Err(DeployError::UnsupportedResource {
                kind: resource.kind,
                name: resource.name.clone(),
            });
        }
    }
    Ok(Policy { user_scopes, resources })
}

fn check_routes(routes: &[Route], entities: &[DeployedEntity]) -> Result<Vec<Route>, DeployError> {
    if routes.is_empty() {
        let first = entities[0].entity.name.clone();
        return if entities.len() == 1 {
            Ok(vec![Route { entity: first, percentage: 100 }])
        } else {
            Err(DeployError::Invalid(
                "traffic_config is needed when there is more than one served entity".to_owned(),
            ))
        };
    }
    for route in routes {
        if !entities.iter().any(|entity| entity.entity.name == route.entity) {
            return Err(DeployError::Invalid(format!(
                "traffic_config names '{}', which is not served",
                route.entity
            )));
        }
        if routes.iter().filter(|other| other.entity == route.entity).count() > 1 {
            return Err(DeployError::Invalid(format!("traffic_config names '{}' twice", route.entity)));
        }
    }
    let sum: u32 = routes.iter().map(|route| u32::from(route.percentage)).sum();
    if sum != 100 {
        return Err(DeployError::Invalid(format!(
            "the traffic percentages sum up to {sum}, and must to 100"
        )));
    }
    Ok(routes.to_vec())
}
