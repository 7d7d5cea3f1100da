//! What an endpoint's creator must be able to do: use every resource that the agent declared, and read every secret
//! that its environment references. The endpoint lends these rights on, so it keeps the permits that prove them.
//!
//! Databricks checks the creator before it issues the endpoint's credentials ("escalation guard"); brickyard answers
//! with *all* that is missing, not with the first.

use std::collections::BTreeMap;
use std::fmt;

use brickyard_catalog::unity::{
    ExecuteFunction, ObjectKind, ObjectRef, SelectTable, Target, Unity, UseConnection, UseParents,
};
use brickyard_catalog::{Action, Denied, Permit, QueryEndpoint, ReadSecret, Trace, UseWarehouse, family};
use brickyard_ledger::{CredentialGiven, Method};
use brickyard_types::{DeclaredResource, EnvironmentValue, Principal, ResourceType, ScopeSet, Secret};

use crate::endpoint::DeployedEntity;
use crate::error::DeployError;
use crate::serving::{Inner, Serving};

/// One right that the creator lacks.
#[derive(Debug, Clone)]
pub struct Missing {
    /// For what: `serving_endpoint travel-model`, `environment_vars.KEY {{secrets/travel/key}}`.
    pub what: String,
    /// Why not.
    pub reason: String,
    /// The decision; `None` if the thing does not exist.
    pub trace: Option<Trace>,
}

impl Missing {
    fn absent(what: String, reason: String) -> Self {
        Self { what, reason, trace: None }
    }

    fn denied(what: String, denied: &Denied) -> Self {
        Self { what, reason: format!("{}.", denied.message()), trace: Some(denied.trace().clone()) }
    }

    /// The one-line fix.
    pub fn fix(&self) -> Option<String> {
        self.trace.as_ref()?.first_failing()?.fix()
    }
}

/// All that the creator lacks.
#[derive(Debug, Clone, thiserror::Error)]
pub struct MissingRights {
    /// Who.
    pub creator: String,
    /// What, in the order of the declarations.
    pub missing: Vec<Missing>,
}

impl fmt::Display for MissingRights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "The endpoint's creator {} lacks rights that the agent needs: ", self.creator)?;
        for (index, missing) in self.missing.iter().enumerate() {
            let separator = if index > 0 { " " } else { "" };
            write!(f, "{separator}{}: {}", missing.what, missing.reason)?;
        }
        Ok(())
    }
}

/// The permits of one entity.
#[derive(Debug, Default)]
pub(crate) struct CreatorRights {
    /// For each declared serving endpoint.
    pub endpoints: Vec<Permit<QueryEndpoint>>,
    /// For each declared SQL warehouse.
    pub warehouses: Vec<Permit<UseWarehouse>>,
    /// For each declared table or view.
    pub tables: Vec<Permit<SelectTable>>,
    /// For each declared function.
    pub functions: Vec<Permit<ExecuteFunction>>,
    /// Connections that the agent goes through.
    pub connections: Vec<Permit<UseConnection>>,
    /// For each environment variable that references a secret.
    pub secrets: Vec<(String, Permit<ReadSecret>)>,
}

impl Serving {
    /// What somebody lacks to deploy an agent that declares these resources.
    pub fn lacking<'a>(
        &self,
        creator: &Principal,
        resources: impl IntoIterator<Item = &'a DeclaredResource>,
    ) -> Vec<Missing> {
        self.inner.lacking(creator, resources)
    }

    /// What somebody lacks to read and deploy a registered model.
    pub fn model_lacks(&self, principal: &Principal, model: &str) -> Option<Missing> {
        self.inner.model_right(principal, model).err()
    }
}

impl Inner {
    /// Checks `creator` against what `entity` declares and references.
    ///
    /// # Errors
    /// All that is missing.
    pub(crate) fn creator_rights(
        &self,
        creator: &Principal,
        entity: &DeployedEntity,
    ) -> Result<CreatorRights, DeployError> {
        let mut rights = CreatorRights::default();
        let mut missing = Vec::new();
        for resource in entity.policy.passthrough() {
            let checked = match resource.kind {
                ResourceType::ServingEndpoint => {
                    self.endpoint_right(creator, resource).map(|permit| rights.endpoints.push(permit))
                }
                ResourceType::SqlWarehouse => {
                    self.warehouse_right(creator, resource).map(|permit| rights.warehouses.push(permit))
                }
                ResourceType::Table => {
                    self.object_right(creator, resource, SelectTable).map(|permit| rights.tables.push(permit))
                }
                ResourceType::Function => self
                    .object_right(creator, resource, ExecuteFunction)
                    .map(|permit| rights.functions.push(permit)),
                ResourceType::UcConnection => self
                    .object_right(creator, resource, UseConnection)
                    .map(|permit| rights.connections.push(permit)),
                kind => return Err(DeployError::UnsupportedResource { kind, name: resource.name.clone() }),
            };
            missing.extend(checked.err());
        }
        for (variable, value) in &entity.entity.environment {
            let reference = match EnvironmentValue::parse(value) {
                Ok(EnvironmentValue::Secret(reference)) => reference,
                Ok(EnvironmentValue::Plain(_)) => continue,
                Err(source) => {
                    return Err(DeployError::InvalidReference { variable: variable.clone(), source });
                }
            };
            let what = format!("environment_vars.{variable} {reference}");
            match self.catalog.authorize_creator(creator, ReadSecret(reference)) {
                Ok(permit) => match self.secrets.read(&permit) {
                    Ok(_) => rights.secrets.push((variable.clone(), permit)),
                    Err(error) => missing.push(Missing::absent(what, format!("{error}."))),
                },
                Err(denied) => missing.push(Missing::denied(what, &denied)),
            }
        }
        if missing.is_empty() {
            Ok(rights)
        } else {
            Err(MissingRights { creator: creator.name.to_string(), missing }.into())
        }
    }

    /// What `creator` lacks of these resources. Types that brickyard does not stand in for are passed over: whoever asks
    /// has refused them by name.
    pub(crate) fn lacking<'a>(
        &self,
        creator: &Principal,
        resources: impl IntoIterator<Item = &'a DeclaredResource>,
    ) -> Vec<Missing> {
        let lacks = |resource: &DeclaredResource| match resource.kind {
            ResourceType::ServingEndpoint => self.endpoint_right(creator, resource).err(),
            ResourceType::SqlWarehouse => self.warehouse_right(creator, resource).err(),
            ResourceType::Table => self.object_right(creator, resource, SelectTable).err(),
            ResourceType::Function => self.object_right(creator, resource, ExecuteFunction).err(),
            ResourceType::UcConnection => self.object_right(creator, resource, UseConnection).err(),
            _ => None,
        };
        resources.into_iter().filter_map(lacks).collect()
    }

    /// `EXECUTE` on the registered model that is deployed. A model is no object of Unity Catalog here and nothing can be
    /// granted on it alone, so it is its schema, or the catalog, that gives it. A model in a schema or catalog that nobody
    /// made is only a name: where there is nothing to use, nobody lacks the use of it.
    pub(crate) fn model_right(&self, creator: &Principal, name: &str) -> Result<(), Missing> {
        let Some((schema, _)) = name.rsplit_once('.') else { return Ok(()) };
        let unity = self.catalog.unity();
        let find = |kind, name: &str| {
            let found = unity.find(kind, &name.parse().ok()?)?;
            Some(Target::new(found.reference(), &family::SQL_STATEMENTS))
        };
        let lacks = |denied: Denied| Missing::denied(format!("registered model {name}"), &denied);
        if let Some(schema) = find(ObjectKind::Schema, schema) {
            self.catalog.authorize_creator(creator, ExecuteFunction(schema)).map_err(lacks)?;
        } else if let Some((catalog, _)) = schema.split_once('.')
            && let Some(catalog) = find(ObjectKind::Catalog, catalog)
        {
            self.catalog.authorize_creator(creator, UseParents(catalog)).map_err(lacks)?;
        }
        Ok(())
    }

    fn endpoint_right(
        &self,
        creator: &Principal,
        resource: &DeclaredResource,
    ) -> Result<Permit<QueryEndpoint>, Missing> {
        let endpoints = self.store.read(self.slots.endpoints);
        let named = resource.name.parse().ok().and_then(|name| endpoints.get(&name).cloned());
        let endpoint = named.ok_or_else(|| {
            Missing::absent(spoken(resource), format!("Endpoint '{}' does not exist.", resource.name))
        })?;
        self.right(creator, resource, QueryEndpoint(endpoint.reference()))
    }

    fn warehouse_right(
        &self,
        creator: &Principal,
        resource: &DeclaredResource,
    ) -> Result<Permit<UseWarehouse>, Missing> {
        let warehouse = (self.settings.warehouse)(&resource.name).ok_or_else(|| {
            Missing::absent(spoken(resource), format!("SQL warehouse '{}' does not exist.", resource.name))
        })?;
        self.right(creator, resource, UseWarehouse(warehouse))
    }

    fn object_right<A: Action>(
        &self,
        creator: &Principal,
        resource: &DeclaredResource,
        action: impl FnOnce(Target) -> A,
    ) -> Result<Permit<A>, Missing> {
        let object = declared_object(&self.catalog.unity(), resource).ok_or_else(|| {
            let kind = match resource.kind {
                ResourceType::Function => "Function",
                ResourceType::UcConnection => "Connection",
                _ => "Table",
            };
            Missing::absent(spoken(resource), format!("{kind} '{}' does not exist.", resource.name))
        })?;
        self.right(creator, resource, action(Target::new(object, &family::SQL_STATEMENTS)))
    }

    fn right<A: Action>(
        &self,
        creator: &Principal,
        resource: &DeclaredResource,
        action: A,
    ) -> Result<Permit<A>, Missing> {
        (self.catalog.authorize_creator(creator, action))
            .map_err(|denied| Missing::denied(spoken(resource), &denied))
    }

    /// The values behind an entity's environment: plain ones, and secrets read with the creator's permits.
    pub(crate) fn environment(
        &self,
        entity: &DeployedEntity,
        rights: &CreatorRights,
    ) -> Result<Environment, String> {
        let mut environment = Environment::default();
        for (variable, value) in &entity.entity.environment {
            if let Ok(EnvironmentValue::Plain(value)) = EnvironmentValue::parse(value) {
                environment.plain.insert(variable.clone(), value);
            }
        }
        for (variable, permit) in &rights.secrets {
            let secret = (self.secrets.read(permit))
                .map_err(|error| format!("environment_vars.{variable}: {error}"))?;
            environment.manual.push(self.describe(variable, &secret));
            environment.secrets.push((variable.clone(), secret));
        }
        Ok(environment)
    }

    /// Whose credential a secret is, if this workspace knows it: a personal access token, or a service principal's
    /// secret. Anything else is for a service outside.
    fn describe(&self, variable: &str, secret: &Secret) -> CredentialGiven {
        let owner = self.identity.owner_of_secret(secret);
        CredentialGiven {
            method: Method::Manual,
            principal: owner.as_ref().map_or_else(
                || "unknown to this workspace (a service outside)".into(),
                |owner| owner.principal.name.clone(),
            ),
            scopes: owner.map_or_else(ScopeSet::empty, |owner| owner.scopes),
            expires_at: None,
            jti: None,
            variable: Some(variable.to_owned()),
        }
    }
}

/// `table main.sales.orders`.
fn spoken(resource: &DeclaredResource) -> String {
    format!("{} {}", resource.kind, resource.name)
}

/// The object of Unity Catalog that a declaration names, if there is one.
pub(crate) fn declared_object(unity: &Unity, resource: &DeclaredResource) -> Option<ObjectRef> {
    let kind = match resource.kind {
        ResourceType::Table => ObjectKind::Table,
        ResourceType::Function => ObjectKind::Function,
        ResourceType::UcConnection => ObjectKind::Connection,
        _ => return None,
    };
    let path = resource.name.parse().ok()?;
    unity.find(kind, &path).map(|object| object.reference())
}

/// What an agent's process gets of its endpoint's environment.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    pub plain: BTreeMap<String, String>,
    pub secrets: Vec<(String, Secret)>,
    pub manual: Vec<CredentialGiven>,
}
