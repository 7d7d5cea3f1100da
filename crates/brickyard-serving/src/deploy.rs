//! Deploying: from a request to something that answers. Endpoints of the configuration take the same road.
//!
//! ```text
//!   resolve   read each MLmodel; refuse scopes and resources that cannot be
//!   check     the creator's rights, all of them (creator.rs)
//!   commit    endpoint + its permissions + its hidden service principals, in one commit
//!   bring up  environments, processes (a task); traffic moves when all entities are ready
//!   retire    the version before: finish its calls, stop it, delete its service principals
//! ```

use std::sync::Arc;

use brickyard_catalog::{CreateEndpoint as MayCreate, ManageEndpoint, Permit, Securable, permissions};
use brickyard_store::CommitError;
use brickyard_types::{EndpointId, EndpointName, Principal, Timestamp};

use crate::endpoint::{DeployedEntity, Endpoint, Origin, Policy, Route, ServedEntity, Tag, VersionedConfig};
use crate::endpoints::EndpointChange;
use crate::error::DeployError;
use crate::failure::Failure;
use crate::live::Agent;
use crate::registered_models::{ModelChange, RegisteredVersion};
use crate::serving::{CreateEndpoint, Serving};

/// What a change of an endpoint's description carries.
type Edit<'a> = &'a (dyn Fn(&mut Endpoint) + Send + Sync);

impl Serving {
    /// Makes an endpoint and begins to bring it up; it is READY later.
    ///
    /// # Errors
    /// Everything that is wrong with the request, before anything is changed.
    pub async fn create(
        &self,
        permit: &Permit<MayCreate>,
        request: CreateEndpoint,
        origin: Origin,
    ) -> Result<Arc<Endpoint>, DeployError> {
        let inner = &self.inner;
        let creator = permit.principal();
        if inner.store.read(inner.slots.endpoints).get(&request.name).is_some() {
            return Err(DeployError::AlreadyExists(request.name));
        }
        let id = EndpointId::random(&*inner.entropy);
        let config = inner.resolve(creator, &request.entities, &request.routes, 1)?;
        let now = inner.clock.now();
        let mut endpoint =
            Endpoint { pending: Some(config), ..unconfigured(id, creator, request, origin, now) };
        let limit = inner.settings.max_endpoints;
        let committed = inner.store.commit(|tx| {
            let endpoints = tx.get(inner.slots.endpoints);
            if endpoints.get(&endpoint.name).is_some() {
                return Err(DeployError::AlreadyExists(endpoint.name.clone()));
            }
            if endpoints.len() >= limit {
                return Err(DeployError::TooMany(limit));
            }
            let securable = Securable::from(&endpoint.reference());
            let owner = Some(endpoint.creator.id);
            permissions::object_created(tx, inner.slots.permissions, &securable, owner, Vec::new());
            inner.appoint(tx, &mut endpoint)?;
            tx.change(inner.slots.endpoints, EndpointChange::Put(Box::new(endpoint.clone())));
            Ok(Arc::new(endpoint.clone()))
        });
        let endpoint = committed.await.map_err(flat)?;
        self.bring_up(endpoint.name.clone());
        Ok(endpoint)
    }

    /// Writes an endpoint down that cannot be deployed, as FAILED with the reason: whoever looks for it, or calls it,
    /// finds more than that it is not there. If it is there already, this is an update that failed. Nothing is started
    /// and nobody is given anything, so what was asked for is taken as it is.
    ///
    /// # Errors
    /// If an update of it is under way, or the journal cannot be written.
    pub async fn write_failed(
        &self,
        _permit: &Permit<MayCreate>,
        creator: &Principal,
        request: CreateEndpoint,
        origin: Origin,
        failure: Failure,
    ) -> Result<(), DeployError> {
        let inner = &self.inner;
        let (id, now) = (EndpointId::random(&*inner.entropy), inner.clock.now());
        let asked = |entity: ServedEntity| DeployedEntity {
            policy: entity.policy.clone().unwrap_or_else(Policy::none),
            entity,
            task: None,
            system_principal: None,
            creator: Arc::clone(&creator.name),
            created_at: now,
        };
        let entities: Vec<_> = request.entities.iter().cloned().map(asked).collect();
        let committed = inner.store.commit(|tx| {
            let known = tx.get(inner.slots.endpoints).get(&request.name).cloned();
            let next = |before: Option<&VersionedConfig>| VersionedConfig {
                version: before.map_or(0, |config| config.version) + 1,
                entities: entities.clone(),
                routes: request.routes.clone(),
                started_at: now,
            };
            let endpoint = match known.as_deref() {
                Some(known) if known.pending.is_some() => return Err(DeployError::Updating(request.name)),
                Some(known) if known.failure.as_ref() == Some(&failure) => return Ok(()),
                Some(known) => Endpoint {
                    failed: Some(next(known.active.as_ref())),
                    failure: Some(failure),
                    updated_at: now,
                    ..known.clone()
                },
                None => {
                    let endpoint = Endpoint {
                        failed: Some(next(None)),
                        failure: Some(failure),
                        ..unconfigured(id, creator, request, origin, now)
                    };
                    let securable = Securable::from(&endpoint.reference());
                    let owner = Some(creator.id);
                    permissions::object_created(tx, inner.slots.permissions, &securable, owner, Vec::new());
                    endpoint
                }
            };
            tx.change(inner.slots.endpoints, EndpointChange::Put(Box::new(endpoint)));
            Ok(())
        });
        committed.await.map_err(flat)
    }

    /// Begins to replace an endpoint's configuration. The old one serves until the new one is ready; the rights are
    /// still the creator's, whoever updates.
    ///
    /// # Errors
    /// As for [`Serving::create`]; and if an update is under way.
    pub async fn update(
        &self,
        permit: &Permit<ManageEndpoint>,
        entities: Vec<ServedEntity>,
        routes: Vec<Route>,
        by: Origin,
    ) -> Result<Arc<Endpoint>, DeployError> {
        let (inner, name) = (&self.inner, &permit.on().name);
        let before = inner.store.read(inner.slots.endpoints).get(name).cloned();
        let before = before.ok_or_else(|| DeployError::NoSuchEndpoint(name.clone()))?;
        if before.pending.is_some() {
            return Err(DeployError::Updating(name.clone()));
        }
        let version = before.active.as_ref().map_or(0, |config| config.version) + 1;
        let mut config = inner.resolve(&before.creator, &entities, &routes, version)?;
        for entity in &mut config.entities {
            // An entity that did not change goes on as it is, with the principal it has.
            let same = (before.active.iter().flat_map(|active| &active.entities))
                .find(|old| old.entity == entity.entity && old.policy == entity.policy);
            if let Some(same) = same {
                *entity = same.clone();
            }
        }
        let committed = inner.store.commit(|tx| {
            let endpoint = tx.get(inner.slots.endpoints).get(name).cloned();
            let mut endpoint = (*endpoint.ok_or_else(|| DeployError::NoSuchEndpoint(name.clone()))?).clone();
            if endpoint.pending.is_some() {
                return Err(DeployError::Updating(name.clone()));
            }
            endpoint.pending = Some(config.clone());
            endpoint.failed = None;
            endpoint.failure = None;
            endpoint.changed = by == Origin::Api;
            endpoint.updated_at = inner.clock.now();
            inner.appoint(tx, &mut endpoint)?;
            tx.change(inner.slots.endpoints, EndpointChange::Put(Box::new(endpoint.clone())));
            Ok(Arc::new(endpoint))
        });
        let endpoint = committed.await.map_err(flat)?;
        self.bring_up(name.clone());
        Ok(endpoint)
    }

    /// Deletes an endpoint: its rights, its tokens and its service principals end with the commit; its calls are
    /// finished in the background.
    pub async fn delete(&self, permit: &Permit<ManageEndpoint>) -> Result<(), DeployError> {
        let (inner, name) = (&self.inner, &permit.on().name);
        let committed = inner.store.commit(|tx| {
            let endpoint = tx.get(inner.slots.endpoints).get(name).cloned();
            let endpoint = endpoint.ok_or_else(|| DeployError::NoSuchEndpoint(name.clone()))?;
            for entity in endpoint.active.iter().chain(&endpoint.pending).flat_map(|config| &config.entities)
            {
                inner.dismiss(tx, entity);
            }
            let securable = Securable::from(&endpoint.reference());
            permissions::object_deleted(tx, inner.slots.permissions, &securable);
            tx.change(inner.slots.endpoints, EndpointChange::Removed(name.clone()));
            Ok(())
        });
        committed.await.map_err(flat)?;
        if let Some(live) = inner.live.remove(name) {
            inner.retire(live.entities.clone());
        }
        inner.logs.lock().retain(|(endpoint, _), _| endpoint != name);
        inner.down.lock().remove(name);
        Ok(())
    }

    /// Adds and deletes tags.
    pub async fn tag(
        &self,
        permit: &Permit<ManageEndpoint>,
        add: Vec<Tag>,
        delete: Vec<String>,
        by: Origin,
    ) -> Result<Arc<Endpoint>, DeployError> {
        self.edit(&permit.on().name, by, &move |endpoint| {
            endpoint
                .tags
                .retain(|tag| !delete.contains(&tag.key) && !add.iter().any(|new| new.key == tag.key));
            endpoint.tags.extend(add.iter().cloned());
            endpoint.tags.sort_by(|one, other| one.key.cmp(&other.key));
        })
        .await
    }

    /// Sets the description.
    pub async fn describe(
        &self,
        permit: &Permit<ManageEndpoint>,
        description: String,
        by: Origin,
    ) -> Result<Arc<Endpoint>, DeployError> {
        let edit = move |endpoint: &mut Endpoint| endpoint.description.clone_from(&description);
        self.edit(&permit.on().name, by, &edit).await
    }

    async fn edit(
        &self,
        name: &EndpointName,
        by: Origin,
        edit: Edit<'_>,
    ) -> Result<Arc<Endpoint>, DeployError> {
        let inner = &self.inner;
        let committed = inner.store.commit(|tx| {
            let endpoint = tx.get(inner.slots.endpoints).get(name).cloned();
            let mut endpoint = (*endpoint.ok_or_else(|| DeployError::NoSuchEndpoint(name.clone()))?).clone();
            edit(&mut endpoint);
            endpoint.changed = by == Origin::Api;
            endpoint.updated_at = inner.clock.now();
            tx.change(inner.slots.endpoints, EndpointChange::Put(Box::new(endpoint.clone())));
            Ok(Arc::new(endpoint))
        });
        committed.await.map_err(flat)
    }

    /// Registers a model version. Answers true if there was none of that name and version.
    pub async fn register_model(&self, version: RegisteredVersion) -> Result<bool, DeployError> {
        let inner = &self.inner;
        let committed = inner.store.commit(|tx| {
            let known = tx.get(inner.slots.models).get(&version.name, &version.version).cloned();
            if known.as_ref() != Some(&version) {
                tx.change(inner.slots.models, ModelChange::Registered(version.clone()));
            }
            Ok::<_, DeployError>(known.is_none())
        });
        committed.await.map_err(flat)
    }

    /// Forgets a model version. What serves it goes on until it is started again.
    pub async fn unregister_model(&self, name: &str, version: &str) -> Result<(), DeployError> {
        let inner = &self.inner;
        let committed = inner.store.commit(|tx| {
            if tx.get(inner.slots.models).get(name, version).is_some() {
                let (name, version) = (name.to_owned(), version.to_owned());
                tx.change(inner.slots.models, ModelChange::Removed { name, version });
            }
            Ok::<_, DeployError>(())
        });
        committed.await.map_err(flat)
    }

    /// True if a model of the endpoint declares something else by now than when it was deployed: its folder was logged
    /// anew under the same version.
    pub fn declarations_changed(&self, endpoint: &Endpoint) -> bool {
        let deployed = endpoint.pending.as_ref().or(endpoint.active.as_ref());
        (deployed.iter().flat_map(|config| &config.entities)).any(|deployed| {
            (self.inner.declared(&deployed.entity))
                .is_ok_and(|(policy, task)| policy != deployed.policy || task != deployed.task)
        })
    }

    /// Brings up everything that the journal holds, after a start.
    pub async fn start(&self) {
        self.inner.dismiss_orphans().await;
        let names: Vec<_> = {
            let endpoints = self.inner.store.read(self.inner.slots.endpoints);
            endpoints.iter().map(|endpoint| endpoint.name.clone()).collect()
        };
        for name in names {
            self.bring_up(name);
        }
        crate::upkeep::spawn(&self.inner);
    }

    /// Ends: lets calls finish for at most `patience`, then stops every process.
    pub async fn stop(&self, patience: std::time::Duration) {
        self.inner.stopping.cancel();
        let all = self.inner.live.all();
        let drained = async {
            for entity in all.iter().flat_map(|endpoint| &endpoint.entities) {
                if let Agent::Workers(pool) = &entity.agent {
                    pool.drain().await;
                }
            }
            self.inner.tasks.close();
            self.inner.tasks.wait().await;
        };
        if tokio::time::timeout(patience, drained).await.is_err() {
            for entity in all.iter().flat_map(|endpoint| &endpoint.entities) {
                if let Agent::Workers(pool) = &entity.agent {
                    pool.shutdown().await;
                }
            }
        }
    }

    /// Starts the task that brings an endpoint up. Endpoints without processes are up when this returns.
    fn bring_up(&self, name: EndpointName) {
        let inner = &self.inner;
        let Some(endpoint) = inner.store.read(inner.slots.endpoints).get(&name).cloned() else { return };
        let inner = Arc::clone(inner);
        let tracker = inner.tasks.clone();
        let stopping = inner.stopping.clone();
        tracker.spawn(async move {
            let work = async {
                if endpoint.active.is_some() && inner.live.get(&name).is_none() {
                    inner.recover(&endpoint).await;
                }
                if endpoint.pending.is_some() {
                    inner.activate(&endpoint).await;
                }
            };
            tokio::select! {
                () = work => {}
                () = stopping.cancelled() => {}
            }
        });
    }
}

/// A new endpoint without any configuration yet.
fn unconfigured(
    id: EndpointId,
    creator: &Principal,
    request: CreateEndpoint,
    origin: Origin,
    now: Timestamp,
) -> Endpoint {
    Endpoint {
        id,
        name: request.name,
        creator: creator.clone(),
        origin,
        changed: false,
        created_at: now,
        updated_at: now,
        active: None,
        pending: None,
        failed: None,
        failure: None,
        tags: request.tags,
        description: request.description,
    }
}

fn flat(error: CommitError<DeployError>) -> DeployError {
    match error {
        CommitError::Refused(error) => error,
        CommitError::Store(error) => DeployError::Store(error),
    }
}
