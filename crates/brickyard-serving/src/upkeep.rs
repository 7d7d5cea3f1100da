//! What goes on beside the calls: system tokens are renewed at half their life, what a creator may no longer lend is
//! withdrawn, and workers that nobody needs end.
//!
//! **Bound:** a right that is taken from a creator stops their endpoints within [`TICK`] of the commit (and at once for
//! the resource itself, since the service principal's own entry is removed in the same tick).

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use brickyard_types::Timestamp;

use crate::endpoint::Endpoint;
use crate::error::DeployError;
use crate::live::{Agent, Lent, LiveEntity};
use crate::serving::{Inner, Serving};

/// How often the task looks.
pub(crate) const TICK: Duration = Duration::from_secs(1);

/// Starts the task; it ends when the workspace stops.
pub(crate) fn spawn(inner: &Arc<Inner>) {
    let inner = Arc::clone(inner);
    let tracker = inner.tasks.clone();
    tracker.spawn(async move {
        let mut seen = inner.store.version();
        let mut renewed = inner.clock.now();
        loop {
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                () = inner.stopping.cancelled() => return,
            }
            let version = inner.store.version();
            if version != seen {
                seen = version;
                inner.recheck_creators().await;
            }
            let now = inner.clock.now();
            inner.end_idle_workers(now);
            let half = inner.settings.passthrough_life / 2;
            if now >= renewed + half || now < renewed {
                renewed = now;
                inner.renew_system_tokens();
            }
        }
    });
}

impl Serving {
    /// Renews every system token now.
    pub fn rotate_system_tokens(&self) {
        self.inner.renew_system_tokens();
    }

    /// Holds every endpoint's creator against what the endpoint lends, now.
    pub async fn recheck_creators(&self) {
        self.inner.recheck_creators().await;
    }
}

impl Inner {
    fn end_idle_workers(&self, now: Timestamp) {
        for endpoint in self.live.all() {
            for entity in &endpoint.entities {
                if let Agent::Workers(pool) = &entity.agent {
                    pool.shrink(now);
                }
            }
        }
    }

    fn renew_system_tokens(&self) {
        self.identity.rotate_passthrough();
        for endpoint in self.live.all() {
            for entity in &endpoint.entities {
                if let (Agent::Workers(pool), Some(_)) = (&entity.agent, &entity.system_principal) {
                    pool.refresh_credentials();
                }
            }
        }
    }

    async fn recheck_creators(&self) {
        for live in self.live.all() {
            let lends = |entity: &Arc<LiveEntity>| {
                entity.system_principal.is_some()
                    || matches!(&**entity.lent.load(), Lent::Whole { manual } if !manual.is_empty())
                    || matches!(&**entity.lent.load(), Lent::Withdrawn { .. })
            };
            if !live.entities.iter().any(lends) {
                continue;
            }
            let endpoint = self.store.read(self.slots.endpoints).get(&live.name).cloned();
            let Some(endpoint) = endpoint.filter(|endpoint| endpoint.id == live.id) else { continue };
            for entity in live.entities.iter().filter(|entity| lends(entity)) {
                self.recheck(&endpoint, entity).await;
            }
        }
    }

    async fn recheck(&self, endpoint: &Endpoint, entity: &LiveEntity) {
        let deployed = (endpoint.active.iter().flat_map(|active| &active.entities))
            .find(|deployed| deployed.entity.name == entity.name);
        let Some(deployed) = deployed else { return };
        let checked = self.creator_rights(&endpoint.creator, deployed);
        match checked {
            Ok(rights) => {
                if matches!(&**entity.lent.load(), Lent::Withdrawn { .. })
                    && let Ok(environment) = self.environment(deployed, &rights)
                {
                    self.lend_again(deployed).await;
                    replace(&entity.lent, Lent::Whole { manual: environment.manual.into() });
                    tracing::info!(endpoint = %endpoint.name, "the creator holds again what the agent declared");
                }
            }
            Err(DeployError::Store(error)) => {
                tracing::error!(%error, "the creator's rights could not be checked")
            }
            Err(error) => {
                if matches!(&**entity.lent.load(), Lent::Withdrawn { .. }) {
                    return;
                }
                let missing = error.to_string();
                tracing::warn!(endpoint = %endpoint.name, %missing, "withdrawn");
                replace(&entity.lent, Lent::Withdrawn { missing: missing.into() });
                self.withdraw(deployed).await;
            }
        }
    }

    async fn lend_again(&self, deployed: &crate::DeployedEntity) {
        let Some(principal) = &deployed.system_principal else { return };
        let done = self.store.commit(|tx| {
            self.grant(tx, principal, deployed);
            Ok::<_, std::convert::Infallible>(())
        });
        if let Err(error) = done.await {
            tracing::error!(%error, "rights could not be given back");
        }
    }

    async fn withdraw(&self, deployed: &crate::DeployedEntity) {
        let Some(principal) = &deployed.system_principal else { return };
        let done = self.store.commit(|tx| {
            self.revoke(tx, principal, deployed);
            Ok::<_, std::convert::Infallible>(())
        });
        if let Err(error) = done.await {
            tracing::error!(%error, "rights could not be withdrawn");
        }
    }
}

fn replace(lent: &ArcSwap<Lent>, value: Lent) {
    lent.store(Arc::new(value));
}
