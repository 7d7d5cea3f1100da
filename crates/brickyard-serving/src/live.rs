//! What answers now: the running side of every endpoint, read without a lock by each call.

use std::sync::Arc;

use arc_swap::ArcSwap;
use brickyard_agents::WorkerPool;
use brickyard_ledger::CredentialGiven;
use brickyard_models::Scripted;
use brickyard_types::{EndpointId, EndpointName, Principal, ScopeSet, Secret, ServedName};

use crate::endpoint::Policy;
use crate::metrics::Metrics;
use crate::traffic::Traffic;
use crate::url_agent::UrlAgent;

/// The thing that answers.
pub(crate) enum Agent {
    /// Rules.
    Scripted(Arc<Scripted>),
    /// Worker processes.
    Workers(Arc<WorkerPool>),
    /// Somebody else's process, over HTTP.
    Url(UrlAgent),
}

/// What an entity may hand its agent besides the user's token. Replaced as a whole when the creator's rights change.
#[derive(Debug, Clone)]
pub(crate) enum Lent {
    /// Everything declared is there.
    Whole {
        /// The manual credentials, as the ledger shows them.
        manual: Arc<[CredentialGiven]>,
    },
    /// The creator lost a right since: nothing runs.
    Withdrawn {
        /// What is missing.
        missing: Arc<str>,
    },
}

/// One served entity that is up.
pub struct LiveEntity {
    /// Its name.
    pub name: ServedName,
    /// The same, shared with every ledger entry.
    pub(crate) shared_name: Arc<str>,
    /// What it declared.
    pub policy: Policy,
    /// The declared user scopes.
    pub(crate) user_scopes: Option<ScopeSet>,
    /// Its hidden service principal.
    pub system_principal: Option<Principal>,
    /// What its tokens carry: everything, since the catalog lets it do what was declared and nothing else.
    pub(crate) system_scopes: ScopeSet,
    pub(crate) agent: Agent,
    /// The secrets that its agent was started with.
    pub(crate) secrets: Vec<(String, Secret)>,
    pub(crate) lent: ArcSwap<Lent>,
    pub(crate) metrics: Metrics,
    /// The largest body it takes, in bytes.
    pub(crate) payload_limit: usize,
}

/// One endpoint that is up.
pub struct LiveEndpoint {
    /// Its id.
    pub id: EndpointId,
    /// Its name.
    pub name: EndpointName,
    /// Whose rights it stands on.
    pub creator: Principal,
    /// The version of its configuration.
    pub version: u64,
    /// Its entities, in the configuration's order.
    pub entities: Vec<Arc<LiveEntity>>,
    pub(crate) traffic: Traffic,
}

impl LiveEndpoint {
    /// The entity for one call: the one asked for, else by the traffic's shares.
    pub(crate) fn choose(&self, served: Option<&ServedName>) -> Option<&Arc<LiveEntity>> {
        match served {
            Some(name) => self.entities.iter().find(|entity| entity.name == *name),
            None => self.entities.get(self.traffic.pick()?),
        }
    }
}

/// Everything that is up.
#[derive(Default)]
pub(crate) struct Live(ArcSwap<imbl::HashMap<EndpointName, Arc<LiveEndpoint>>>);

impl Live {
    /// The endpoint, if it is up.
    pub fn get(&self, name: &EndpointName) -> Option<Arc<LiveEndpoint>> {
        self.0.load().get(name).cloned()
    }

    /// Puts `endpoint` in the place of what had its name, which is returned.
    pub fn put(&self, endpoint: Arc<LiveEndpoint>) -> Option<Arc<LiveEndpoint>> {
        let before = self.0.rcu(|map| map.update(endpoint.name.clone(), Arc::clone(&endpoint)));
        before.get(&endpoint.name).cloned()
    }

    /// Takes the endpoint down and returns it.
    pub fn remove(&self, name: &EndpointName) -> Option<Arc<LiveEndpoint>> {
        let before = self.0.rcu(|map| map.without(name));
        before.get(name).cloned()
    }

    /// True if something that is up acts as `principal`.
    pub fn acts_as(&self, principal: &Principal) -> bool {
        let up = self.0.load();
        up.values()
            .flat_map(|live| &live.entities)
            .any(|one| one.system_principal.as_ref() == Some(principal))
    }

    /// All that is up.
    pub fn all(&self) -> Vec<Arc<LiveEndpoint>> {
        self.0.load().values().cloned().collect()
    }
}
