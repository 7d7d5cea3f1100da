//! The configuration's endpoints, and the foundation endpoints of every workspace.

use std::collections::BTreeMap;

use brickyard_agents::AuthPolicy;
use brickyard_catalog::{
    CreateEndpoint as MayCreate, Grant, Grantee, Level, ManageEndpoint, ManagePermissions, Permit, Securable,
};
use brickyard_models::builtin::foundation_models;
use brickyard_serving::{
    AgentSource, CreateEndpoint, DeployError, Failure, Origin, Route, ServedEntity, Tag, WorkloadSize,
};
use brickyard_types::{EndpointName, EnvironmentValue, Principal};

use super::owned::Applied;
use super::{at, grantee};
use crate::config::{
    Config, EndpointConfig, EndpointPermission, RouteConfig, ServedEntityConfig, ServedKind,
};
use crate::routes::serving_endpoints::policy;
use crate::workspace::Workspace;

impl Workspace {
    /// The foundation endpoints that exist in every workspace, and that `users` may query.
    pub(super) async fn seed_foundation_models(&self, admin: &Principal, done: &mut Applied) {
        for model in foundation_models() {
            let Ok(name) = model.name.parse() else { continue };
            if self.serving.endpoint(&name).is_some() {
                continue;
            }
            let Ok(served) = model.name.parse() else { continue };
            let entity = ServedEntity {
                name: served,
                source: AgentSource::Foundation { name: model.name.to_owned() },
                environment: BTreeMap::new(),
                workload_size: WorkloadSize::Small,
                min_concurrency: None,
                max_concurrency: None,
                workload_type: None,
                scale_to_zero: false,
                policy: None,
            };
            let request = CreateEndpoint {
                name,
                entities: vec![entity],
                routes: Vec::new(),
                tags: Vec::new(),
                description: String::new(),
            };
            let users = Grant { grantee: Grantee::Group("users".to_owned()), level: Level::CanQuery };
            if let Err(failure) = self.make(admin, request, Origin::BuiltIn, &[users]).await {
                done.errors.push(at(model.name, failure));
            }
        }
    }

    /// Endpoints that declare each other as resources come in any order: whoever waits for another is tried again. Who
    /// waits in vain is written down as FAILED; since it exists then, who declares it may go on, also in a circle.
    pub(super) async fn seed_endpoints(&self, config: &Config, admin: &Principal, done: &mut Applied) {
        let mut waiting: Vec<&EndpointConfig> = config.serving_endpoints.iter().collect();
        let mut written = false;
        loop {
            let before = waiting.len();
            let mut still = Vec::new();
            for endpoint in waiting {
                if let Err(failure) = self.seed_endpoint(endpoint, admin).await {
                    still.push((endpoint, failure));
                }
            }
            let stuck = still.len() == before;
            if stuck {
                for (endpoint, failure) in &still {
                    if let Err(error) = self.write_failed(endpoint, admin, failure).await {
                        done.errors.push(at(&endpoint.place, error));
                    }
                }
            }
            if still.is_empty() || (stuck && written) {
                let place = |endpoint: &EndpointConfig| format!("{} ({})", endpoint.place, endpoint.name);
                done.errors
                    .extend(still.iter().map(|(endpoint, failure)| at(place(endpoint), said(failure))));
                return;
            }
            written |= stuck;
            waiting = still.into_iter().map(|(endpoint, _)| endpoint).collect();
        }
    }

    /// So that whoever looks for the endpoint, or calls it, learns why it does not serve.
    async fn write_failed(
        &self,
        endpoint: &EndpointConfig,
        admin: &Principal,
        failure: &Failure,
    ) -> Result<(), Failure> {
        let creator = self.principal(&endpoint.creator).unwrap_or_else(|| admin.clone());
        let permit: Permit<MayCreate> =
            self.catalog.authorize_creator(admin, MayCreate(())).map_err(|denied| denied.to_string())?;
        let mut request = plain(endpoint);
        // Without what cannot be read of it.
        request.entities = (endpoint.served_entities.iter())
            .map(|config| entity(config).unwrap_or_else(|_| bare(config)))
            .collect();
        let written = self.serving.write_failed(&permit, &creator, request, Origin::Config, failure.clone());
        written.await.map_err(|error| Failure::from(&error))?;
        self.permit(admin, &endpoint.name, &grants(endpoint)).await
    }

    async fn seed_endpoint(&self, endpoint: &EndpointConfig, admin: &Principal) -> Result<(), Failure> {
        let creator = self
            .principal(&endpoint.creator)
            .ok_or_else(|| "the creator is not a user or service principal".to_owned())?;
        let mut request = plain(endpoint);
        request.entities = endpoint.served_entities.iter().map(entity).collect::<Result<_, _>>()?;
        let grants = grants(endpoint);
        let Some(known) = self.serving.endpoint(&endpoint.name) else {
            return self.make(&creator, request, Origin::Config, &grants).await;
        };
        let manage: Permit<ManageEndpoint> = (self.catalog)
            .authorize_creator(admin, ManageEndpoint(known.endpoint.reference()))
            .map_err(|denied| denied.to_string())?;
        let refused = |error: DeployError| Failure::from(&error);
        if known.endpoint.creator != creator {
            // A creator never changes: the endpoint is made anew, as one would have to do.
            self.serving.delete(&manage).await.map_err(refused)?;
            return self.make(&creator, request, Origin::Config, &grants).await;
        }
        let CreateEndpoint { entities, routes, tags, description, .. } = request;
        self.serving.tag(&manage, tags, Vec::new(), Origin::Config).await.map_err(refused)?;
        if endpoint.description.is_some() && known.endpoint.description != description {
            self.serving.describe(&manage, description, Origin::Config).await.map_err(refused)?;
        }
        self.permit(admin, &known.endpoint.name, &grants).await?;
        let asked = known.endpoint.pending.as_ref().or(known.endpoint.active.as_ref());
        let same = asked.is_some_and(|config| {
            config.entities.len() == entities.len()
                && config.entities.iter().zip(&entities).all(|(old, new)| old.entity == *new)
                && (routes.is_empty() || config.routes == routes)
        });
        // What failed since, is another configuration than this one, or is tried again.
        if same && known.endpoint.failure.is_none() && !self.serving.declarations_changed(&known.endpoint) {
            return Ok(());
        }
        match self.serving.update(&manage, entities, routes, Origin::Config).await {
            Ok(_) | Err(DeployError::Updating(_)) => Ok(()),
            Err(error) => Err(refused(error)),
        }
    }

    async fn make(
        &self,
        creator: &Principal,
        request: CreateEndpoint,
        origin: Origin,
        grants: &[Grant],
    ) -> Result<(), Failure> {
        let name = request.name.clone();
        let permit: Permit<MayCreate> =
            self.catalog.authorize_creator(creator, MayCreate(())).map_err(|denied| denied.to_string())?;
        self.serving.create(&permit, request, origin).await.map_err(|error| Failure::from(&error))?;
        self.permit(creator, &name, grants).await
    }

    async fn permit(
        &self,
        manager: &Principal,
        name: &EndpointName,
        grants: &[Grant],
    ) -> Result<(), Failure> {
        let Some(view) = self.serving.endpoint(name) else {
            return Err(format!("endpoint {name} is gone").into());
        };
        let securable = Securable::from(&view.endpoint.reference());
        let permit = (self.catalog.authorize_creator(manager, ManagePermissions(securable)))
            .map_err(|denied| denied.to_string())?;
        self.catalog.set_access(&permit, grants).await.map_err(|error| error.to_string().into())
    }
}

/// The reason as whoever runs brickyard reads it, with the fix.
fn said(failure: &Failure) -> String {
    match &failure.fix {
        Some(fix) => format!("{failure} Fix: {fix}"),
        None => failure.to_string(),
    }
}

/// All of a create request but the entities.
fn plain(endpoint: &EndpointConfig) -> CreateEndpoint {
    let route = |route: &RouteConfig| {
        Some(Route { entity: route.served_name.parse().ok()?, percentage: route.traffic_percentage })
    };
    let tag = |(key, value): &(String, String)| Tag { key: key.clone(), value: Some(value.clone()) };
    CreateEndpoint {
        name: endpoint.name.clone(),
        entities: Vec::new(),
        // The configuration's reader has found each of them among the served entities.
        routes: endpoint.routes.iter().filter_map(route).collect(),
        tags: endpoint.tags.iter().map(tag).collect(),
        description: endpoint.description.clone().unwrap_or_default(),
    }
}

fn grants(endpoint: &EndpointConfig) -> Vec<Grant> {
    let level = |level| match level {
        EndpointPermission::CanView => Level::CanView,
        EndpointPermission::CanQuery => Level::CanQuery,
        EndpointPermission::CanManage => Level::CanManage,
    };
    (endpoint.permissions.iter())
        .map(|entry| Grant { grantee: grantee(&entry.principal), level: level(entry.level) })
        .collect()
}

fn entity(config: &ServedEntityConfig) -> Result<ServedEntity, String> {
    let policy = match &config.auth_policy {
        Some(value) => {
            let parsed: AuthPolicy = serde_json::from_value(value.clone())
                .map_err(|error| format!("{}.auth_policy: {error}", config.place))?;
            Some(policy(parsed).map_err(|error| error.message().to_owned())?)
        }
        None => None,
    };
    Ok(ServedEntity { policy, ..bare(config) })
}

/// An entity without what it declares.
fn bare(config: &ServedEntityConfig) -> ServedEntity {
    let source = match &config.kind {
        ServedKind::Model { name, version, python, .. } => {
            AgentSource::Model { name: name.clone(), version: version.clone(), python: python.clone() }
        }
        ServedKind::Url(url) => AgentSource::Url { url: url.clone() },
        ServedKind::Scripted(script) => AgentSource::Scripted { script: script.clone() },
    };
    let environment = (config.environment_vars.iter())
        .map(|(name, value)| {
            let text = match value {
                EnvironmentValue::Plain(text) => text.clone(),
                EnvironmentValue::Secret(reference) => reference.to_string(),
            };
            (name.clone(), text)
        })
        .collect();
    let workload_size = match config.workload_size.as_deref() {
        Some("Medium") => WorkloadSize::Medium,
        Some("Large") => WorkloadSize::Large,
        _ => WorkloadSize::Small,
    };
    ServedEntity {
        name: config.name.clone(),
        source,
        environment,
        workload_size,
        min_concurrency: config.min_provisioned_concurrency,
        max_concurrency: config.max_provisioned_concurrency,
        workload_type: config.workload_type.clone(),
        scale_to_zero: config.scale_to_zero_enabled,
        policy: None,
    }
}
