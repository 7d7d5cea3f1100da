//! Seeding: the configuration, applied by the same roads that the API takes. Applying it again changes nothing that is
//! the same already, so a restart on kept state and a first start are one thing.
//!
//! ```text
//! users, groups ─▶ secrets ─▶ SQL warehouses ─▶ *.sql ─▶ models ─▶ endpoints
//! ```

mod endpoints;
mod owned;
mod ran;
mod sql;
mod warehouses;

use std::sync::Arc;

use brickyard_catalog::{CreateSecretScope, Grant, Grantee, Level, ManageSecretScope, WriteSecret};
use brickyard_identity::directory::ADMINS;
use brickyard_identity::{IdentityError, ImportedPat, NewUser};
use brickyard_secrets::InitialManager;
use brickyard_serving::RegisteredVersion;
use brickyard_types::{GroupName, Principal, PrincipalId, SecretRef, UserName};

use crate::config::{Config, PrincipalRef, ScopePermission};
use crate::workspace::Workspace;

pub(crate) use owned::Applied;
use owned::Thing;
pub use owned::{Owned, OwnedChange};
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
        let mut done = Applied::default();
        *self.awaited.lock() =
            config.serving_endpoints.iter().map(|endpoint| endpoint.name.clone()).collect();
        for endpoint in &config.serving_endpoints {
            done.names(Thing::Endpoint(endpoint.name.clone()), false);
        }
        let Some(admin) = self.seed_rights(config, &mut done).await else { return Err(done.errors) };
        self.seed_models(config, &mut done).await;
        self.take_endpoints_away(&admin, &mut done).await;
        self.take_away_unnamed(&admin, &mut done).await;
        self.serving.start().await;
        self.seed_foundation_models(&admin, &mut done).await;
        self.seed_endpoints(config, &admin, &mut done).await;
        self.seeding_done();
        if done.errors.is_empty() { Ok(()) } else { Err(done.errors) }
    }

    async fn seed_models(&self, config: &Config, done: &mut Applied) {
        for model in &config.registered_models {
            for version in &model.versions {
                let version = RegisteredVersion {
                    name: model.name.clone(),
                    version: version.version.clone(),
                    source: version.source.clone(),
                };
                let place = format!("registered_models {}", version.name);
                let thing = Thing::Model(version.name.clone(), version.version.clone());
                match self.serving.register_model(version).await {
                    Ok(new) => done.names(thing, new),
                    Err(error) => done.errors.push(at(place, error)),
                }
            }
        }
    }

    /// Everybody, and everything that rights hang on but the endpoints. Answers who administers the workspace, or
    /// nobody if a workspace without what failed must not start.
    pub(crate) async fn seed_rights(&self, config: &Config, done: &mut Applied) -> Option<Principal> {
        let admin = match self.seed_directory(config, done).await {
            Ok(admin) => admin,
            Err(error) => {
                done.errors.push(error);
                return None;
            }
        };
        self.seed_secrets(config, &admin, done).await;
        self.seed_warehouses(config, &admin, done).await;
        if let Err(error) = self.seed_sql(config, &admin).await {
            done.errors.push(error);
            return None;
        }
        Some(admin)
    }

    async fn seed_directory(&self, config: &Config, done: &mut Applied) -> Result<Principal, SeedError> {
        let identity = &self.identity;
        // Whoever administers the workspace owns what nobody in particular made.
        let owner = match config.workspace.admins.first() {
            Some(name) => name.clone(),
            None => DEFAULT_ADMIN.parse::<UserName>().map_err(|error| at(DEFAULT_ADMIN, error))?,
        };
        let (owner, new) = self.user(NewUser { admin: true, ..NewUser::named(owner) }).await?;
        done.names(Thing::Active(owner.id), new);
        self.administer("workspace admins", owner.id, new, done).await;
        for group in &config.groups {
            if let Err(error) = self.group(&group.display_name).await {
                done.errors.push(error);
            }
        }
        for user in &config.users {
            let mut new = NewUser::named(user.user_name.clone());
            new.display_name.clone_from(&user.display_name);
            new.admin = config.workspace.admins.contains(&user.user_name);
            let place = format!("users {}", user.user_name);
            let admin = new.admin;
            let (principal, new) = match self.user(new).await {
                Ok(found) => found,
                Err(error) => {
                    done.errors.push(error);
                    continue;
                }
            };
            self.activate(&place, principal.id, user.active, new, done).await;
            if admin {
                self.administer(&place, principal.id, new, done).await;
            }
            for group in &user.groups {
                self.join(&place, group, principal.id, done).await;
            }
            let tokens = (user.personal_access_tokens.iter())
                .map(|token| ImportedPat {
                    comment: token.comment.clone().unwrap_or_else(|| "from the configuration".to_owned()),
                    expires_at: token.lifetime.map(|life| self.clock.now() + life),
                    scopes: token.scopes.clone(),
                    ..ImportedPat::new(principal.id, token.value.clone())
                })
                .collect();
            let before: Vec<_> = identity.pats_of(principal.id).iter().map(|token| token.id).collect();
            match identity.import_pats(tokens).await {
                Ok(ids) => ids
                    .into_iter()
                    .for_each(|id| done.names(Thing::Token(principal.id, id), !before.contains(&id))),
                Err(error) => done.errors.push(at(format!("{place} personal_access_tokens"), error)),
            }
        }
        for one in &config.service_principals {
            let place = format!("service_principals {}", one.display_name);
            let known = identity
                .directory()
                .service_principal(&one.application_id)
                .map(|known| known.principal.clone());
            let (principal, new) = match known {
                Some(principal) => (principal, false),
                None => match identity
                    .create_service_principal(&one.display_name, Some(&one.application_id))
                    .await
                {
                    Ok(principal) => (principal, true),
                    Err(error) => {
                        done.errors.push(at(&place, error));
                        continue;
                    }
                },
            };
            self.activate(&place, principal.id, one.active, new, done).await;
            for group in &one.groups {
                self.join(&place, group, principal.id, done).await;
            }
            for secret in &one.secrets {
                let expires_at = secret.lifetime.map(|life| self.clock.now() + life);
                let before: Vec<_> = identity.secrets_of(principal.id).iter().map(|one| one.id).collect();
                match identity.import_secret(principal.id, &secret.value, expires_at, None).await {
                    Ok(id) => {
                        done.names(Thing::ClientSecret(principal.id, id), !before.contains(&id));
                    }
                    Err(error) => done.errors.push(at(format!("{place} secrets"), error)),
                }
            }
        }
        for group in &config.groups {
            for member in &group.members {
                let place = format!("groups {}", group.display_name);
                match self.principal_id(member) {
                    Some(member) => self.join(&place, &group.display_name, member, done).await,
                    None => done.errors.push(at(&place, format!("no principal {member:?}"))),
                }
            }
        }
        Ok(owner)
    }

    /// The user, and whether it was made just now.
    async fn user(&self, new: NewUser) -> Result<(Principal, bool), SeedError> {
        if let Some(known) = self.identity.directory().user(&new.user_name) {
            return Ok((known.principal.clone(), false));
        }
        let place = format!("users {}", new.user_name);
        let new = self.identity.create_user(new).await.map_err(|error| at(place, error))?;
        Ok((new, true))
    }

    /// Whoever was made as an admin is in the group already.
    async fn administer(&self, place: &str, id: PrincipalId, new: bool, done: &mut Applied) {
        let Some(admins) = self.identity.directory().admins_group() else { return };
        if new {
            return done.names(Thing::Member(admins, id), true);
        }
        if let Ok(name) = ADMINS.parse() {
            self.join(place, &name, id, done).await;
        }
    }

    async fn activate(&self, place: &str, id: PrincipalId, active: bool, new: bool, done: &mut Applied) {
        let before = self.identity.directory().by_id(id).is_some_and(|entry| entry.active);
        match self.identity.set_active(id, active).await {
            Ok(()) if active => done.names(Thing::Active(id), new || !before),
            Ok(()) => {}
            Err(error) => done.errors.push(at(place, error)),
        }
    }

    async fn group(&self, name: &GroupName) -> Result<PrincipalId, SeedError> {
        if let Some(known) = self.identity.directory().group(name) {
            return Ok(known.id);
        }
        self.identity.create_group(name).await.map_err(|error| at(format!("groups {name}"), error))
    }

    async fn join(&self, place: &str, group: &GroupName, member: PrincipalId, done: &mut Applied) {
        let group_id = match self.group(group).await {
            Ok(id) => id,
            Err(error) => return done.errors.push(error),
        };
        if self.identity.directory().is_member(member, group_id) {
            return done.names(Thing::Member(group_id, member), false);
        }
        match self.identity.add_member(group_id, member).await {
            Ok(()) => done.names(Thing::Member(group_id, member), true),
            // Everybody is in `users` without being added.
            Err(IdentityError::Directory(_)) if group.as_str() == "users" => {}
            Err(error) => done.errors.push(at(place, error)),
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

    async fn seed_secrets(&self, config: &Config, admin: &Principal, done: &mut Applied) {
        for scope in &config.secret_scopes {
            let place = format!("secret_scopes {}", scope.scope);
            let new = !self.secrets.scope_exists(&scope.scope);
            if new {
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
                    done.errors.push(at(&place, reason));
                    continue;
                }
            }
            done.names(Thing::SecretScope(scope.scope.clone()), new);
            for secret in &scope.secrets {
                let reference = SecretRef { scope: scope.scope.clone(), key: secret.key.clone() };
                done.names(Thing::Secret(reference.clone()), true);
                let place = format!("{place} {}", secret.key);
                let written = match self.catalog.authorize_creator(admin, WriteSecret(reference)) {
                    Ok(permit) => {
                        self.secrets.put(&permit, &secret.value).await.map_err(|error| error.to_string())
                    }
                    Err(denied) => Err(denied.to_string()),
                };
                if let Err(reason) = written {
                    done.errors.push(at(place, reason));
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
                        let name = grant.grantee.name().to_owned();
                        done.names(Thing::ScopeAcl(scope.scope.clone(), name), true);
                        if let Err(error) = self.catalog.put_scope_acl(&permit, &grant).await {
                            done.errors.push(at(&place, error));
                        }
                    }
                }
                Err(denied) => done.errors.push(at(&place, denied)),
            }
        }
    }
}

fn grantee(principal: &PrincipalRef) -> Grantee {
    match principal {
        PrincipalRef::User(name) => Grantee::User(name.to_string()),
        PrincipalRef::ServicePrincipal(id) => Grantee::ServicePrincipal(id.to_string()),
        PrincipalRef::Group(name) => Grantee::Group(name.to_string()),
    }
}
