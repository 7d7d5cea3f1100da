//! Bringing up: from a committed configuration to agents that answer, and from an old version to none.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use brickyard_agents::{BuildLog, LogRing};
use brickyard_identity::directory;
use brickyard_models::builtin::foundation_model;
use brickyard_types::{EndpointName, ScopeSet, ServedName};

use crate::endpoint::{AgentSource, DeployedEntity, Endpoint, VersionedConfig};
use crate::endpoints::EndpointChange;
use crate::error::DeployError;
use crate::failure::Failure;
use crate::live::{Agent, Lent, LiveEndpoint, LiveEntity};
use crate::serving::{EntityLogs, Inner};
use crate::traffic::Traffic;
use crate::url_agent::UrlAgent;

/// How often a retired entity is looked at.
const LOOK: Duration = Duration::from_millis(10);

impl Inner {
    /// Brings the active configuration back after a restart.
    pub(crate) async fn recover(self: &Arc<Self>, endpoint: &Endpoint) {
        let Some(active) = &endpoint.active else { return };
        match self.build(endpoint, active).await {
            Ok(live) => {
                self.down.lock().remove(&endpoint.name);
                self.live.put(Arc::new(live));
            }
            Err(reason) => {
                tracing::warn!(endpoint = %endpoint.name, %reason, "the endpoint did not come back");
                self.down.lock().insert(endpoint.name.clone(), reason);
            }
        }
    }

    /// Brings the pending configuration up, and moves the traffic to it.
    pub(crate) async fn activate(self: &Arc<Self>, endpoint: &Endpoint) {
        let Some(pending) = endpoint.pending.clone() else { return };
        let built = self.build(endpoint, &pending).await;
        let failure = built.as_ref().err().cloned();
        let committed = self.store.commit(|tx| {
            let current = tx.get(self.slots.endpoints).get(&endpoint.name).cloned();
            // Deleted, or deleted and made anew, while it was on its way.
            let Some(current) = current.filter(|current| current.id == endpoint.id) else { return Ok(None) };
            let mut next = (*current).clone();
            let Some(pending) = next.pending.take() else { return Ok(None) };
            let (stays, goes) = match &failure {
                None => (pending, next.active.take()),
                Some(_) => match next.active.take() {
                    Some(active) => (active, Some(pending)),
                    // A first deployment that failed is kept as it was asked for, to be seen and updated.
                    None => {
                        for entity in &pending.entities {
                            self.dismiss(tx, entity);
                        }
                        next.failure.clone_from(&failure);
                        next.failed = Some(pending);
                        tx.change(self.slots.endpoints, EndpointChange::Put(Box::new(next)));
                        return Ok(Some(()));
                    }
                },
            };
            for entity in goes.iter().flat_map(|config| &config.entities) {
                let kept = stays.entities.iter().any(|stay| stay.system_principal == entity.system_principal);
                if !kept && failure.is_some() {
                    self.dismiss(tx, entity);
                }
            }
            if failure.is_some() {
                next.failed.clone_from(&goes);
            }
            next.active = Some(stays);
            next.failure.clone_from(&failure);
            next.updated_at = self.clock.now();
            tx.change(self.slots.endpoints, EndpointChange::Put(Box::new(next)));
            Ok::<_, DeployError>(Some(()))
        });
        let current = committed.await;
        match (current, built) {
            (Ok(Some(())), Ok(live)) => {
                self.down.lock().remove(&endpoint.name);
                let live = Arc::new(live);
                if let Some(before) = self.live.put(Arc::clone(&live)) {
                    let gone: Vec<_> = (before.entities.iter())
                        .filter(|old| !live.entities.iter().any(|new| Arc::ptr_eq(old, new)))
                        .cloned()
                        .collect();
                    self.retire(gone);
                }
                // The built-in ones are there in every workspace: twenty lines that tell nobody anything.
                if endpoint.origin == crate::endpoint::Origin::BuiltIn {
                    tracing::debug!(endpoint = %endpoint.name, "the endpoint is ready");
                } else {
                    tracing::info!(endpoint = %endpoint.name, version = live.version, "the endpoint is ready");
                }
            }
            (Ok(Some(())), Err(reason)) => {
                tracing::warn!(endpoint = %endpoint.name, %reason, "the endpoint was not brought up");
                if self.live.get(&endpoint.name).is_none() {
                    self.down.lock().insert(endpoint.name.clone(), reason);
                }
            }
            (Ok(None), Ok(live)) => self.retire(live.entities),
            (Ok(None), Err(_)) => {}
            (Err(error), built) => {
                tracing::error!(endpoint = %endpoint.name, %error, "the deployment could not be written down");
                if let Ok(live) = built {
                    let reused = self.live.get(&endpoint.name);
                    let fresh = live.entities.into_iter().filter(|new| {
                        reused
                            .as_ref()
                            .is_none_or(|live| !live.entities.iter().any(|old| Arc::ptr_eq(old, new)))
                    });
                    self.retire(fresh.collect());
                }
            }
        }
    }

    /// Starts the agents of one configuration.
    async fn build(
        self: &Arc<Self>,
        endpoint: &Endpoint,
        config: &VersionedConfig,
    ) -> Result<LiveEndpoint, Failure> {
        let before = self.live.get(&endpoint.name);
        let mut entities = Vec::with_capacity(config.entities.len());
        for deployed in &config.entities {
            let unchanged = endpoint.active.as_ref().is_some_and(|active| active.entities.contains(deployed));
            // A secret that has another value since reaches the agent with the next update, also one that changes nothing.
            let running = (before.iter().flat_map(|live| &live.entities))
                .find(|live| unchanged && live.name == deployed.entity.name)
                .filter(|live| self.has_the_same_secrets(endpoint, deployed, live));
            let entity = match running {
                Some(running) => Arc::clone(running),
                None => match self.start_entity(endpoint, deployed).await {
                    Ok(entity) => Arc::new(entity),
                    Err(reason) => {
                        let started: Vec<_> = entities
                            .into_iter()
                            .filter(|new| {
                                before
                                    .as_ref()
                                    .is_none_or(|live| !live.entities.iter().any(|old| Arc::ptr_eq(old, new)))
                            })
                            .collect();
                        self.retire(started);
                        return Err(reason.of_entity(deployed.entity.name.as_str()));
                    }
                },
            };
            entities.push(entity);
        }
        let share = |entity: &DeployedEntity| {
            let mut routes = config.routes.iter();
            routes.find(|route| route.entity == entity.entity.name).map_or(0, |route| route.percentage)
        };
        let shares: Vec<u8> = config.entities.iter().map(share).collect();
        Ok(LiveEndpoint {
            id: endpoint.id,
            name: endpoint.name.clone(),
            creator: endpoint.creator.clone(),
            version: config.version,
            entities,
            traffic: Traffic::new(&shares),
        })
    }

    /// False if a secret behind the environment has another value than the one that the running agent was given.
    fn has_the_same_secrets(
        &self,
        endpoint: &Endpoint,
        deployed: &DeployedEntity,
        live: &LiveEntity,
    ) -> bool {
        if live.secrets.is_empty() {
            return true;
        }
        let now = (self.creator_rights(&endpoint.creator, deployed).ok())
            .and_then(|rights| self.environment(deployed, &rights).ok());
        // Rights that the creator has lost are not this update's business: they stop the agent by themselves.
        now.is_none_or(|now| now.secrets == live.secrets)
    }

    async fn start_entity(
        self: &Arc<Self>,
        endpoint: &Endpoint,
        deployed: &DeployedEntity,
    ) -> Result<LiveEntity, Failure> {
        let rights =
            self.creator_rights(&endpoint.creator, deployed).map_err(|error| Failure::from(&error))?;
        let environment = self.environment(deployed, &rights)?;
        let logs = self.logs_of(&endpoint.name, &deployed.entity.name);
        let is_agent = deployed
            .task
            .as_deref()
            .is_some_and(|task| task.starts_with("agent/") || task.starts_with("llm/"));
        let timeout = self.settings.predict_timeout;
        let limit = self.settings.model_payload_limit;
        let payload_limit = match &deployed.entity.source {
            AgentSource::Model { .. } if !is_agent => limit,
            _ => self.settings.agent_payload_limit,
        };
        let plain: Vec<_> = environment.plain.into_iter().collect();
        let secrets = environment.secrets.clone();
        let agent = match &deployed.entity.source {
            AgentSource::Scripted { script } => Agent::Scripted(self.scripts.compile(script)?),
            AgentSource::Foundation { name } => {
                let model =
                    foundation_model(name).ok_or_else(|| format!("there is no foundation model {name:?}"))?;
                Agent::Scripted(self.scripts.compile(&model.scripted)?)
            }
            AgentSource::Url { url } => {
                Agent::Url(UrlAgent::new(url, &plain, &environment.secrets, timeout, 64 << 20)?)
            }
            AgentSource::Model { name, version, python } => {
                let model = self.logged_model(name, version).map_err(|error| Failure::from(&error))?;
                let python = self.interpreter(&model, python.as_deref(), &logs.build).await?;
                let environment = plain
                    .into_iter()
                    .map(|(name, value)| (name, value.into()))
                    .chain(environment.secrets)
                    .collect();
                Agent::Workers(
                    self.start_workers(endpoint, deployed, &model, python, environment, &logs.run).await?,
                )
            }
        };
        Ok(LiveEntity {
            name: deployed.entity.name.clone(),
            shared_name: deployed.entity.name.as_str().into(),
            policy: deployed.policy.clone(),
            user_scopes: deployed.policy.user_scopes.clone(),
            system_principal: deployed.system_principal.clone(),
            system_scopes: ScopeSet::all_apis(),
            agent,
            secrets,
            lent: ArcSwap::from_pointee(Lent::Whole { manual: environment.manual.into() }),
            metrics: crate::metrics::Metrics::default(),
            payload_limit,
        })
    }

    fn logs_of(&self, endpoint: &EndpointName, entity: &ServedName) -> EntityLogs {
        let fresh = || EntityLogs {
            build: build_log(endpoint),
            run: Arc::new(LogRing::new(Arc::clone(&self.clock))),
        };
        self.logs.lock().entry((endpoint.clone(), entity.clone())).or_insert_with(fresh).clone()
    }

    /// Lets entities finish their calls and stops them, then deletes their service principals.
    pub(crate) fn retire(self: &Arc<Self>, entities: Vec<Arc<LiveEntity>>) {
        for entity in entities {
            let inner = Arc::clone(self);
            self.tasks.spawn(async move {
                let_go(&entity, inner.settings.predict_timeout).await;
                if let Agent::Workers(pool) = &entity.agent {
                    pool.drain().await;
                }
                let Some(principal) = &entity.system_principal else { return };
                if inner.live.acts_as(principal) {
                    return;
                }
                let gone = inner.store.commit(|tx| {
                    inner.strip(tx, principal.id);
                    // Deleting the endpoint took it away already.
                    let _ = directory::delete_principal(tx, inner.slots.identity, principal.id);
                    Ok::<_, std::convert::Infallible>(())
                });
                if let Err(error) = gone.await {
                    tracing::error!(principal = %principal, %error, "a service principal was not deleted");
                }
            });
        }
    }
}

/// Waits until no call holds the entity any more. A call that was admitted just before the traffic moved may not have
/// asked for a worker yet, and a pool that drains lends none.
async fn let_go(entity: &Arc<LiveEntity>, longest_call: Duration) {
    let alone = async {
        while Arc::strong_count(entity) > 1 {
            tokio::time::sleep(LOOK).await;
        }
    };
    // Whoever holds it longer than a call may take is no call.
    let _ = tokio::time::timeout(longest_call, alone).await;
}

/// A build log that whoever watches the terminal sees, too.
fn build_log(endpoint: &EndpointName) -> BuildLog {
    let endpoint = endpoint.clone();
    BuildLog::new(Some(Arc::new(move |line: &str| tracing::info!(%endpoint, "{line}"))))
}
