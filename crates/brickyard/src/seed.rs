//! Seeding: the configuration, applied by the same roads that the API takes. Applying it again changes nothing that is
//! the same already, so a restart on kept state and a first start are one thing.
//!
//! ```text
//! users, groups ─▶ secrets ─▶ SQL warehouses ─▶ *.sql ─▶ models ─▶ endpoints
//! ```

mod ran;
mod sql;
mod warehouses;

use std::collections::BTreeMap;
use std::sync::Arc;

use brickyard_agents::AuthPolicy;
use brickyard_catalog::{
    CreateEndpoint as MayCreate, CreateSecretScope, Grant, Grantee, Level, ManageEndpoint, ManagePermissions,
    ManageSecretScope, Permit, Securable, WriteSecret,
};
use brickyard_identity::{IdentityError, ImportedPat, NewUser};
use brickyard_models::builtin::foundation_models;
use brickyard_secrets::InitialManager;
use brickyard_serving::{
    AgentSource, CreateEndpoint, DeployError, Origin, RegisteredVersion, Route, ServedEntity, Tag,
    WorkloadSize,
};
use brickyard_types::{EnvironmentValue, GroupName, Principal, PrincipalId, SecretRef, UserName};

use crate::config::{
    Config, EndpointConfig, EndpointPermission, PrincipalRef, ScopePermission, ServedEntityConfig, ServedKind,
};
use crate::routes::serving_endpoints::policy;
use crate::workspace::Workspace;

pub use ran::{SeedChange, SeedsRan};

/// What of the configuration could not be applied: its place and the reason.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct SeedError {
    /// Where in the configuration.
    pub place: String,
    /// Why not.
    pub reason: String,
    /// True if a workspace without it must not start: a statement failed, and what it should have forbidden is open.
    pub fatal: bool,
}

impl SeedError {
    fn fatal(self) -> Self {
        Self { fatal: true, ..self }
    }
}

fn at(place: impl std::fmt::Display, reason: impl std::fmt::Display) -> SeedError {
    SeedError { place: place.to_string(), reason: reason.to_string(), fatal: false }
}

/// The administrator of a workspace whose configuration names none.
pub const DEFAULT_ADMIN: &str = "admin@localhost";

impl Workspace {
    /// Applies `config`. Endpoints are being brought up when this returns; `/ready` waits for them.
    ///
    /// # Errors
    /// All that could not be applied. Everything else is, unless a statement of SQL failed: then nothing is served.
    pub async fn seed(self: &Arc<Self>, config: &Config) -> Result<(), Vec<SeedError>> {
        let mut errors = Vec::new();
        let Some(admin) = self.seed_rights(config, &mut errors).await else { return Err(errors) };
        for model in &config.registered_models {
            for version in &model.versions {
                let version = RegisteredVersion {
                    name: model.name.clone(),
                    version: version.version.clone(),
                    source: version.source.clone(),
                };
                let place = format!("registered_models {}", version.name);
                if let Err(error) = self.serving.register_model(version).await {
                    errors.push(at(place, error));
                }
            }
        }
        self.serving.start().await;
        self.seed_foundation_models(&admin, &mut errors).await;
        self.seed_endpoints(config, &admin, &mut errors).await;
        self.seeding_done();
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Everybody, and everything that rights hang on but the endpoints. Answers who administers the workspace, or
    /// nobody if a workspace without what failed must not start.
    pub(crate) async fn seed_rights(
        &self,
        config: &Config,
        errors: &mut Vec<SeedError>,
    ) -> Option<Principal> {
        let admin = match self.seed_directory(config, errors).await {
            Ok(admin) => admin,
            Err(error) => {
                errors.push(error);
                return None;
            }
        };
        self.seed_secrets(config, &admin, errors).await;
        self.seed_warehouses(config, &admin, errors).await;
        if let Err(error) = self.seed_sql(config, &admin).await {
            errors.push(error);
            return None;
        }
        Some(admin)
    }

    async fn seed_directory(
        &self,
        config: &Config,
        errors: &mut Vec<SeedError>,
    ) -> Result<Principal, SeedError> {
        let identity = &self.identity;
        // Whoever administers the workspace owns what nobody in particular made.
        let owner = match config.workspace.admins.first() {
            Some(name) => name.clone(),
            None => DEFAULT_ADMIN.parse::<UserName>().map_err(|error| at(DEFAULT_ADMIN, error))?,
        };
        let owner = self.user(NewUser { admin: true, ..NewUser::named(owner) }).await?;
        for group in &config.groups {
            if let Err(error) = self.group(&group.display_name).await {
                errors.push(error);
            }
        }
        for user in &config.users {
            let mut new = NewUser::named(user.user_name.clone());
            new.display_name.clone_from(&user.display_name);
            new.admin = config.workspace.admins.contains(&user.user_name);
            let place = format!("users {}", user.user_name);
            let principal = match self.user(new).await {
                Ok(principal) => principal,
                Err(error) => {
                    errors.push(error);
                    continue;
                }
            };
            if let Err(error) = identity.set_active(principal.id, user.active).await {
                errors.push(at(&place, error));
            }
            for group in &user.groups {
                self.join(&place, group, principal.id, errors).await;
            }
            let tokens = (user.personal_access_tokens.iter())
                .map(|token| ImportedPat {
                    comment: token.comment.clone().unwrap_or_else(|| "from the configuration".to_owned()),
                    expires_at: token.lifetime.map(|life| self.clock.now() + life),
                    scopes: token.scopes.clone(),
                    ..ImportedPat::new(principal.id, token.value.clone())
                })
                .collect();
            if let Err(error) = identity.import_pats(tokens).await {
                errors.push(at(format!("{place} personal_access_tokens"), error));
            }
        }
        for one in &config.service_principals {
            let place = format!("service_principals {}", one.display_name);
            let known = identity
                .directory()
                .service_principal(&one.application_id)
                .map(|known| known.principal.clone());
            let principal = match known {
                Some(principal) => principal,
                None => match identity
                    .create_service_principal(&one.display_name, Some(&one.application_id))
                    .await
                {
                    Ok(principal) => principal,
                    Err(error) => {
                        errors.push(at(&place, error));
                        continue;
                    }
                },
            };
            if let Err(error) = identity.set_active(principal.id, one.active).await {
                errors.push(at(&place, error));
            }
            for group in &one.groups {
                self.join(&place, group, principal.id, errors).await;
            }
            for secret in &one.secrets {
                let expires_at = secret.lifetime.map(|life| self.clock.now() + life);
                if let Err(error) =
                    identity.import_secret(principal.id, &secret.value, expires_at, None).await
                {
                    errors.push(at(format!("{place} secrets"), error));
                }
            }
        }
        for group in &config.groups {
            for member in &group.members {
                let place = format!("groups {}", group.display_name);
                match self.principal_id(member) {
                    Some(member) => self.join(&place, &group.display_name, member, errors).await,
                    None => errors.push(at(&place, format!("no principal {member:?}"))),
                }
            }
        }
        Ok(owner)
    }

    async fn user(&self, new: NewUser) -> Result<Principal, SeedError> {
        if let Some(known) = self.identity.directory().user(&new.user_name) {
            return Ok(known.principal.clone());
        }
        let place = format!("users {}", new.user_name);
        self.identity.create_user(new).await.map_err(|error| at(place, error))
    }

    async fn group(&self, name: &GroupName) -> Result<PrincipalId, SeedError> {
        if let Some(known) = self.identity.directory().group(name) {
            return Ok(known.id);
        }
        self.identity.create_group(name).await.map_err(|error| at(format!("groups {name}"), error))
    }

    async fn join(&self, place: &str, group: &GroupName, member: PrincipalId, errors: &mut Vec<SeedError>) {
        let joined = match self.group(group).await {
            Ok(group) if self.identity.directory().is_member(member, group) => Ok(()),
            Ok(group) => self.identity.add_member(group, member).await,
            Err(error) => return errors.push(error),
        };
        match joined {
            Ok(()) => {}
            // Everybody is in `users` without being added.
            Err(IdentityError::Directory(_)) if group.as_str() == "users" => {}
            Err(error) => errors.push(at(place, error)),
        }
    }

    fn principal_id(&self, principal: &PrincipalRef) -> Option<PrincipalId> {
        let directory = self.identity.directory();
        match principal {
            PrincipalRef::User(name) => directory.user(name).map(|entry| entry.principal.id),
            PrincipalRef::ServicePrincipal(id) => {
                directory.service_principal(id).map(|entry| entry.principal.id)
            }
            PrincipalRef::Group(name) => directory.group(name).map(|group| group.id),
        }
    }

    pub(crate) fn principal(&self, principal: &PrincipalRef) -> Option<Principal> {
        let id = self.principal_id(principal)?;
        self.identity.directory().by_id(id).map(|entry| entry.principal.clone())
    }

    async fn seed_secrets(&self, config: &Config, admin: &Principal, errors: &mut Vec<SeedError>) {
        for scope in &config.secret_scopes {
            let place = format!("secret_scopes {}", scope.scope);
            if !self.secrets.scope_exists(&scope.scope) {
                let made = match self.catalog.authorize_creator(admin, CreateSecretScope(scope.scope.clone()))
                {
                    Ok(permit) => self
                        .secrets
                        .create_scope(&permit, InitialManager::Creator)
                        .await
                        .map_err(|error| error.to_string()),
                    Err(denied) => Err(denied.to_string()),
                };
                if let Err(reason) = made {
                    errors.push(at(&place, reason));
                    continue;
                }
            }
            for secret in &scope.secrets {
                let reference = SecretRef { scope: scope.scope.clone(), key: secret.key.clone() };
                let place = format!("{place} {}", secret.key);
                let written = match self.catalog.authorize_creator(admin, WriteSecret(reference)) {
                    Ok(permit) => {
                        self.secrets.put(&permit, &secret.value).await.map_err(|error| error.to_string())
                    }
                    Err(denied) => Err(denied.to_string()),
                };
                if let Err(reason) = written {
                    errors.push(at(place, reason));
                }
            }
            match self.catalog.authorize_creator(admin, ManageSecretScope(scope.scope.clone())) {
                Ok(permit) => {
                    for entry in &scope.acls {
                        let level = match entry.level {
                            ScopePermission::Read => Level::Read,
                            ScopePermission::Write => Level::Write,
                            ScopePermission::Manage => Level::Manage,
                        };
                        let grant = Grant { grantee: grantee(&entry.principal), level };
                        if let Err(error) = self.catalog.put_scope_acl(&permit, &grant).await {
                            errors.push(at(&place, error));
                        }
                    }
                }
                Err(denied) => errors.push(at(&place, denied)),
            }
        }
    }

    /// The foundation endpoints that exist in every workspace, and that `users` may query.
    async fn seed_foundation_models(&self, admin: &Principal, errors: &mut Vec<SeedError>) {
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
            if let Err(reason) = self.make(admin, request, Origin::BuiltIn, &[users]).await {
                errors.push(at(model.name, reason));
            }
        }
    }

    /// Endpoints that declare each other as resources come in any order: whoever waits for another is tried again.
    async fn seed_endpoints(&self, config: &Config, admin: &Principal, errors: &mut Vec<SeedError>) {
        *self.awaited.lock() =
            config.serving_endpoints.iter().map(|endpoint| endpoint.name.clone()).collect();
        let mut waiting: Vec<&EndpointConfig> = config.serving_endpoints.iter().collect();
        loop {
            let before = waiting.len();
            let mut refused = Vec::new();
            let mut still = Vec::new();
            for endpoint in waiting {
                match self.seed_endpoint(endpoint, admin).await {
                    Ok(()) => {}
                    Err(error) => {
                        refused.push(at(format!("{} ({})", endpoint.place, endpoint.name), error));
                        still.push(endpoint);
                    }
                }
            }
            if still.is_empty() || still.len() == before {
                errors.extend(refused);
                return;
            }
            waiting = still;
        }
    }

    async fn seed_endpoint(&self, endpoint: &EndpointConfig, admin: &Principal) -> Result<(), String> {
        let creator =
            self.principal(&endpoint.creator).ok_or("the creator is not a user or service principal")?;
        let entities = (endpoint.served_entities.iter()).map(entity).collect::<Result<Vec<_>, _>>()?;
        let mut routes = Vec::new();
        for route in &endpoint.routes {
            let entity = route.served_name.parse().map_err(|error| format!("{error}"))?;
            routes.push(Route { entity, percentage: route.traffic_percentage });
        }
        let grants: Vec<_> = (endpoint.permissions.iter())
            .map(|entry| Grant {
                grantee: grantee(&entry.principal),
                level: match entry.level {
                    EndpointPermission::CanView => Level::CanView,
                    EndpointPermission::CanQuery => Level::CanQuery,
                    EndpointPermission::CanManage => Level::CanManage,
                },
            })
            .collect();
        let tags: Vec<_> = endpoint
            .tags
            .iter()
            .map(|(key, value)| Tag { key: key.clone(), value: Some(value.clone()) })
            .collect();
        let description = endpoint.description.clone().unwrap_or_default();
        let Some(known) = self.serving.endpoint(&endpoint.name) else {
            let name = endpoint.name.clone();
            let request = CreateEndpoint { name, entities, routes, tags, description };
            return self.make(&creator, request, Origin::Config, &grants).await;
        };
        let manage: Permit<ManageEndpoint> = (self.catalog)
            .authorize_creator(admin, ManageEndpoint(known.endpoint.reference()))
            .map_err(|denied| denied.to_string())?;
        if known.endpoint.creator != creator {
            // A creator never changes: the endpoint is made anew, as one would have to do.
            self.serving.delete(&manage).await.map_err(|error| error.to_string())?;
            let name = endpoint.name.clone();
            let request = CreateEndpoint { name, entities, routes, tags, description };
            return self.make(&creator, request, Origin::Config, &grants).await;
        }
        self.serving.tag(&manage, tags, Vec::new()).await.map_err(|error| error.to_string())?;
        self.permit(admin, &known.endpoint.name, &grants).await?;
        let asked = known.endpoint.pending.as_ref().or(known.endpoint.active.as_ref());
        let same = asked.is_some_and(|config| {
            config.entities.len() == entities.len()
                && config.entities.iter().zip(&entities).all(|(old, new)| old.entity == *new)
                && (routes.is_empty() || config.routes == routes)
        });
        if same && !self.serving.declarations_changed(&known.endpoint) {
            return Ok(());
        }
        match self.serving.update(&manage, entities, routes).await {
            Ok(_) | Err(DeployError::Updating(_)) => Ok(()),
            Err(error) => Err(error_text(&error)),
        }
    }

    async fn make(
        &self,
        creator: &Principal,
        request: CreateEndpoint,
        origin: Origin,
        grants: &[Grant],
    ) -> Result<(), String> {
        let name = request.name.clone();
        let permit: Permit<MayCreate> =
            self.catalog.authorize_creator(creator, MayCreate(())).map_err(|denied| denied.to_string())?;
        self.serving.create(&permit, request, origin).await.map_err(|error| error_text(&error))?;
        self.permit(creator, &name, grants).await
    }

    async fn permit(
        &self,
        manager: &Principal,
        name: &brickyard_types::EndpointName,
        grants: &[Grant],
    ) -> Result<(), String> {
        let Some(view) = self.serving.endpoint(name) else { return Err(format!("endpoint {name} is gone")) };
        let securable = Securable::from(&view.endpoint.reference());
        let permit = (self.catalog.authorize_creator(manager, ManagePermissions(securable)))
            .map_err(|denied| denied.to_string())?;
        self.catalog.set_access(&permit, grants).await.map_err(|error| error.to_string())
    }
}

fn grantee(principal: &PrincipalRef) -> Grantee {
    match principal {
        PrincipalRef::User(name) => Grantee::User(name.to_string()),
        PrincipalRef::ServicePrincipal(id) => Grantee::ServicePrincipal(id.to_string()),
        PrincipalRef::Group(name) => Grantee::Group(name.to_string()),
    }
}

fn entity(config: &ServedEntityConfig) -> Result<ServedEntity, String> {
    let source = match &config.kind {
        ServedKind::Model { name, version, python, .. } => {
            AgentSource::Model { name: name.clone(), version: version.clone(), python: python.clone() }
        }
        ServedKind::Url(url) => AgentSource::Url { url: url.clone() },
        ServedKind::Scripted(script) => AgentSource::Scripted { script: script.clone() },
    };
    let declared = match &config.auth_policy {
        Some(value) => {
            let parsed: AuthPolicy = serde_json::from_value(value.clone())
                .map_err(|error| format!("{}.auth_policy: {error}", config.place))?;
            Some(policy(parsed).map_err(|error| error.message().to_owned())?)
        }
        None => None,
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
    Ok(ServedEntity {
        name: config.name.clone(),
        source,
        environment,
        workload_size,
        min_concurrency: config.min_provisioned_concurrency,
        max_concurrency: config.max_provisioned_concurrency,
        workload_type: config.workload_type.clone(),
        scale_to_zero: config.scale_to_zero_enabled,
        policy: declared,
    })
}

fn error_text(error: &DeployError) -> String {
    match error {
        DeployError::Denied(denied) => denied.to_string(),
        DeployError::InvalidUserScopes { model, scopes } => scopes.message(model),
        DeployError::MissingRights(rights) => {
            let fixes = rights.missing.iter().filter_map(brickyard_serving::Missing::fix).collect::<Vec<_>>();
            let separator = if fixes.is_empty() { "" } else { " Fix: " };
            format!("{rights}{separator}{}", fixes.join("; "))
        }
        other => other.to_string(),
    }
}
