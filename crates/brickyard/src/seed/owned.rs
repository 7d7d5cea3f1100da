//! What the configuration made on this state, and what becomes of it when the configuration names it no more.
//!
//! The configuration owns what it made: the next start without it takes it away again. What was there before the
//! configuration named it stays when it no longer does. Users and service principals are deactivated, not deleted:
//! what they made stays theirs, and naming them again brings them back. An endpoint that a REST call has changed since,
//! and what still holds or serves something of others, is kept, and the ready line says so. SQL is statements and not a
//! list of things: nothing of it is undone.

use std::collections::BTreeSet;

use brickyard_catalog::{Grantee, ManageEndpoint, ManageSecretScope, ManageWarehouse, WriteSecret};
use brickyard_serving::{AgentSource, Origin};
use brickyard_store::State;
use brickyard_types::{EndpointName, Jti, Principal, PrincipalId, SecretRef, SecretScopeName};
use serde::{Deserialize, Serialize};

use super::{SeedError, at};
use crate::workspace::Workspace;

/// A thing that the configuration can make. The order of the variants is the order in which things go.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thing {
    /// A serving endpoint.
    Endpoint(EndpointName),
    /// One version of a registered model: `catalog.schema.model` and the version.
    Model(String, String),
    /// A SQL warehouse, by its id.
    Warehouse(String),
    /// An entry of a secret scope's access list, by the name in it.
    ScopeAcl(SecretScopeName, String),
    /// A secret.
    Secret(SecretRef),
    /// A secret scope.
    SecretScope(SecretScopeName),
    /// That somebody is in a group: the group, and who.
    Member(PrincipalId, PrincipalId),
    /// A personal access token of somebody.
    Token(PrincipalId, Jti),
    /// A client secret of a service principal.
    ClientSecret(PrincipalId, Jti),
    /// That a user or service principal is active.
    Active(PrincipalId),
}

/// What the configuration made.
#[derive(Clone, Default, Debug)]
pub struct Owned(imbl::OrdSet<Thing>);

/// What can happen to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnedChange {
    /// The configuration made it.
    Made(Thing),
    /// It is gone.
    Gone(Thing),
}

impl State for Owned {
    const OWNER: &'static str = "seed_owned";
    type Change = OwnedChange;

    fn apply(&mut self, change: &OwnedChange) {
        match change {
            OwnedChange::Made(thing) => self.0.insert(thing.clone()),
            OwnedChange::Gone(thing) => self.0.remove(thing),
        };
    }
}

/// How far the configuration has been applied.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// What could not be.
    pub errors: Vec<SeedError>,
    named: BTreeSet<Thing>,
    made: BTreeSet<Thing>,
}

impl Applied {
    /// The configuration names `thing`, and made it just now if it was `new`.
    pub(super) fn names(&mut self, thing: Thing, new: bool) {
        if new {
            self.made.insert(thing.clone());
        }
        self.named.insert(thing);
    }
}

/// What became of a thing that the configuration names no more.
enum Fate {
    Gone,
    /// It stays, and why.
    Kept(String),
}

impl Workspace {
    /// Takes away the endpoints that the configuration made and names no more, before any of them is started.
    pub(super) async fn take_endpoints_away(&self, admin: &Principal, done: &mut Applied) {
        let gone: Vec<_> = (self.serving.endpoints().into_iter())
            .filter(|view| view.endpoint.origin == Origin::Config)
            .map(|view| Thing::Endpoint(view.endpoint.name.clone()))
            .filter(|thing| !done.named.contains(thing))
            .collect();
        for thing in gone {
            self.take_away(thing, admin, done).await;
        }
    }

    /// Writes down what the configuration made, and takes away what it made before and names no more. Where something
    /// of it could not be applied it is not known what it names, so nothing goes.
    pub(super) async fn take_away_unnamed(&self, admin: &Principal, done: &mut Applied) {
        let known = self.store.read(self.owned).0.clone();
        let made = std::mem::take(&mut done.made).into_iter().filter(|thing| !known.contains(thing));
        self.own(made.map(OwnedChange::Made).collect(), done).await;
        if !done.errors.is_empty() {
            return;
        }
        let gone: Vec<_> = known.iter().filter(|thing| !done.named.contains(thing)).cloned().collect();
        for thing in gone {
            self.take_away(thing, admin, done).await;
        }
    }

    async fn own(&self, changes: Vec<OwnedChange>, done: &mut Applied) {
        if changes.is_empty() {
            return;
        }
        let committed = self.store.commit(|tx| {
            for change in &changes {
                tx.change(self.owned, change.clone());
            }
            Ok::<_, std::convert::Infallible>(())
        });
        if let Err(error) = committed.await {
            done.errors.push(at("what the configuration made", error));
        }
    }

    async fn take_away(&self, thing: Thing, admin: &Principal, done: &mut Applied) {
        match self.fate(&thing, admin).await {
            Ok(Fate::Gone) => {
                tracing::info!(?thing, "the configuration names it no more: gone");
                self.own(vec![OwnedChange::Gone(thing)], done).await;
            }
            Ok(Fate::Kept(why)) => {
                tracing::warn!(?thing, %why, "the configuration names it no more: kept");
                self.kept.lock().push(why);
            }
            Err(reason) => {
                done.errors.push(at(format!("{thing:?}, which the configuration names no more"), reason));
            }
        }
    }

    async fn fate(&self, thing: &Thing, admin: &Principal) -> Result<Fate, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        match thing {
            Thing::Endpoint(name) => {
                let Some(view) = self.serving.endpoint(name) else { return Ok(Fate::Gone) };
                if view.endpoint.changed {
                    return Ok(Fate::Kept(format!("endpoint {name}, which a REST call has changed")));
                }
                let manage = ManageEndpoint(view.endpoint.reference());
                let permit = self.catalog.authorize_creator(admin, manage).map_err(|error| text(&error))?;
                self.serving.delete(&permit).await.map_err(|error| text(&error))?;
            }
            Thing::Model(name, version) => {
                if let Some(endpoint) = self.endpoint_that_serves(name, version) {
                    let why = format!("model {name} version {version}, which endpoint {endpoint} serves");
                    return Ok(Fate::Kept(why));
                }
                self.serving.unregister_model(name, version).await.map_err(|error| text(&error))?;
            }
            Thing::Warehouse(id) => {
                let Some(warehouse) = self.warehouses.find(id) else { return Ok(Fate::Gone) };
                let permit = (self.catalog.authorize_creator(admin, ManageWarehouse(warehouse)))
                    .map_err(|error| text(&error))?;
                self.warehouses.delete(&permit).await.map_err(|error| text(&error))?;
            }
            Thing::ScopeAcl(scope, name) => {
                let permit = (self.catalog.authorize_creator(admin, ManageSecretScope(scope.clone())))
                    .map_err(|error| text(&error))?;
                // Without the scope, the name or the entry there is nothing left to take.
                let _ = self.catalog.delete_scope_acl(&permit, &Grantee::Anyone(name.clone())).await;
            }
            Thing::Secret(reference) => {
                let permit = (self.catalog.authorize_creator(admin, WriteSecret(reference.clone())))
                    .map_err(|error| text(&error))?;
                let _ = self.secrets.delete(&permit).await;
            }
            Thing::SecretScope(scope) => {
                if !self.secrets.scope_exists(scope) {
                    return Ok(Fate::Gone);
                }
                let list = brickyard_catalog::ListSecrets(scope.clone());
                let listed = self.catalog.authorize_creator(admin, list).map_err(|error| text(&error))?;
                if self.secrets.list(&listed).is_ok_and(|left| !left.is_empty()) {
                    let why = format!("secret scope {scope}, which holds secrets of others");
                    return Ok(Fate::Kept(why));
                }
                let permit = (self.catalog.authorize_creator(admin, ManageSecretScope(scope.clone())))
                    .map_err(|error| text(&error))?;
                self.secrets.delete_scope(&permit).await.map_err(|error| text(&error))?;
            }
            Thing::Member(group, member) => {
                let is_member = self.identity.directory().is_member(*member, *group);
                if is_member {
                    // In it through another group: that one's members are not this entry's.
                    let _ = self.identity.remove_member(*group, *member).await;
                }
            }
            Thing::Token(owner, id) => {
                let _ = self.identity.delete_pat(Some(*owner), *id).await;
            }
            Thing::ClientSecret(owner, id) => {
                let _ = self.identity.delete_secret(*owner, *id).await;
            }
            Thing::Active(id) => {
                if self.identity.directory().by_id(*id).is_some() {
                    self.identity.set_active(*id, false).await.map_err(|error| text(&error))?;
                }
            }
        }
        Ok(Fate::Gone)
    }

    fn endpoint_that_serves(&self, model: &str, wanted: &str) -> Option<EndpointName> {
        let serves = |source: &AgentSource| matches!(source, AgentSource::Model { name, version, .. } if name == model && version == wanted);
        let mut endpoints = self.serving.endpoints().into_iter();
        let found = endpoints.find(|view| {
            let configs = view.endpoint.active.iter().chain(&view.endpoint.pending);
            configs.flat_map(|config| &config.entities).any(|deployed| serves(&deployed.entity.source))
        });
        found.map(|view| view.endpoint.name.clone())
    }
}
