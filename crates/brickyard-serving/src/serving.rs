//! The serving side of one workspace: what it is made of, what it can be asked, and the call that everything is for.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use brickyard_agents::{BuildLog, LogRing, PythonEnvironments};
use brickyard_catalog::{Catalog, Permissions, QueryEndpoint, UserScopes, WarehouseRef};
use brickyard_identity::{Identity, IdentitySlots};
use brickyard_ledger::Ledger;
use brickyard_secrets::Secrets;
use brickyard_store::{Builder, Slot, Store};
use brickyard_types::{Clock, EndpointName, Entropy, ServedName, SignedDuration};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use crate::call::{Call, Prediction};
use crate::endpoint::{Endpoint, Route, ServedEntity, Tag};
use crate::endpoints::Endpoints;
use crate::error::ServingError;
use crate::failure::Failure;
use crate::live::{Live, LiveEndpoint};
use crate::registered_models::RegisteredModels;
use crate::scripts::Scripts;
use crate::stack::stack;

/// Where this crate's state is in the store, and the state of others that it commits together with.
#[derive(Clone, Copy)]
pub struct ServingSlots {
    pub(crate) endpoints: Slot<Endpoints>,
    pub(crate) models: Slot<RegisteredModels>,
    pub(crate) permissions: Slot<Permissions>,
    pub(crate) identity: IdentitySlots,
}

impl ServingSlots {
    /// Registers the owners of this crate.
    pub fn register(builder: &mut Builder, permissions: Slot<Permissions>, identity: IdentitySlots) -> Self {
        Self { endpoints: builder.own(), models: builder.own(), permissions, identity }
    }
}

/// What the profile and the configuration decide.
#[derive(Clone)]
pub struct Settings {
    /// The workspace's address, as agents see it: scheme, host, port, no slash.
    pub host: String,
    /// Where workers have their private folders; emptied at each start.
    pub run_dir: PathBuf,
    /// brickyard's own folder, which agents are kept out of.
    pub closed: PathBuf,
    /// Largest body for agents, foundation and external models, in bytes.
    pub agent_payload_limit: usize,
    /// Largest body for other models, in bytes.
    pub model_payload_limit: usize,
    /// How long one call may take.
    pub predict_timeout: Duration,
    /// How long a model may take to load.
    pub load_timeout: Duration,
    /// Workers above the least number end after so long without being needed.
    pub shrink_after: SignedDuration,
    /// An entity that may scale to zero does after so long without a call.
    pub sleep_after: SignedDuration,
    /// How many calls may wait for a worker, for each unit of concurrency.
    pub queue_per_worker: usize,
    /// `environment_vars` of one served entity.
    pub max_environment_variables: usize,
    /// Units of concurrency of one served entity, each a process.
    pub max_concurrency: usize,
    /// Served entities of one endpoint.
    pub max_entities: usize,
    /// Endpoints of the workspace.
    pub max_endpoints: usize,
    /// The API scopes that a model may declare.
    pub user_scopes: &'static UserScopes,
    /// Refuse credentials in plain text.
    pub refuse_plaintext_credentials: bool,
    /// The interpreter for every agent (`BRICKYARD_PYTHON`), instead of building environments.
    pub python: Option<PathBuf>,
    /// How long a narrowed user token lives at most.
    pub user_token_life: SignedDuration,
    /// How long a system token lives; it is renewed at half of that.
    pub passthrough_life: SignedDuration,
    /// The face's table from errors to HTTP statuses, for the ledger.
    pub status_of: fn(&ServingError) -> u16,
    /// The SQL warehouse of an id. Warehouses are not this crate's; without any, no agent can declare one.
    pub warehouse: FindWarehouse,
}

/// How a SQL warehouse is found by its id.
pub type FindWarehouse = Arc<dyn Fn(&str) -> Option<WarehouseRef> + Send + Sync>;

/// What everything in here shares.
pub(crate) struct Inner {
    pub store: Store,
    pub slots: ServingSlots,
    pub identity: Identity,
    pub catalog: Catalog,
    pub secrets: Secrets,
    pub ledger: Arc<Ledger>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub settings: Settings,
    pub environments: PythonEnvironments,
    pub live: Live,
    pub scripts: Scripts,
    /// Logs of entities, up or on their way, by endpoint and entity.
    pub logs: Mutex<HashMap<(EndpointName, ServedName), EntityLogs>>,
    /// Why an endpoint of the journal is not up.
    pub down: Mutex<HashMap<EndpointName, Failure>>,
    pub tasks: TaskTracker,
    pub stopping: CancellationToken,
}

/// The two logs of an entity.
#[derive(Clone)]
pub(crate) struct EntityLogs {
    pub build: BuildLog,
    pub run: Arc<LogRing>,
}

/// The serving side of one workspace. Cheap to clone.
#[derive(Clone)]
pub struct Serving {
    pub(crate) inner: Arc<Inner>,
}

/// A request to make an endpoint, already typed.
#[derive(Debug, Clone)]
pub struct CreateEndpoint {
    /// Its name.
    pub name: EndpointName,
    /// Its entities.
    pub entities: Vec<ServedEntity>,
    /// Shares of the traffic; empty: all to the first entity.
    pub routes: Vec<Route>,
    /// Tags.
    pub tags: Vec<Tag>,
    /// A description.
    pub description: String,
}

/// How far a served entity is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EntityState {
    /// Its agent is starting.
    Creating,
    /// It answers.
    Ready,
    /// It could not be started.
    Failed,
}

/// An endpoint as somebody who may see it sees it.
#[derive(Clone)]
pub struct EndpointView {
    /// What the journal holds.
    pub endpoint: Arc<Endpoint>,
    /// True if some configuration answers.
    pub ready: bool,
    /// Why nothing does, when nothing does.
    pub reason: Option<Failure>,
}

impl Serving {
    /// Puts the serving side together. Nothing is started; see [`Serving::start`].
    #[expect(clippy::too_many_arguments, reason = "the parts of a workspace, each needed")]
    pub fn new(
        store: Store,
        slots: ServingSlots,
        identity: Identity,
        catalog: Catalog,
        secrets: Secrets,
        ledger: Arc<Ledger>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        environments: PythonEnvironments,
        settings: Settings,
    ) -> Self {
        let inner = Inner {
            store,
            slots,
            identity,
            catalog,
            secrets,
            ledger,
            clock,
            entropy,
            settings,
            environments,
            live: Live::default(),
            scripts: Scripts::default(),
            logs: Mutex::default(),
            down: Mutex::default(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The service that answers calls: the serving stack. Clone it for each call.
    pub fn service(
        &self,
    ) -> impl Service<Call, Response = Prediction, Error = ServingError, Future: Send> + Clone + use<> {
        stack(&self.inner)
    }

    /// The endpoint of that name.
    pub fn endpoint(&self, name: &EndpointName) -> Option<EndpointView> {
        let endpoint = self.inner.store.read(self.inner.slots.endpoints).get(name).cloned()?;
        Some(self.view(endpoint))
    }

    /// The endpoint with that id.
    pub fn endpoint_by_id(&self, id: &brickyard_types::EndpointId) -> Option<EndpointView> {
        let endpoint = self.inner.store.read(self.inner.slots.endpoints).by_id(id).cloned()?;
        Some(self.view(endpoint))
    }

    /// All endpoints, in name order. Who may see which is the caller's question to the catalog.
    pub fn endpoints(&self) -> Vec<EndpointView> {
        let all: Vec<_> = self.inner.store.read(self.inner.slots.endpoints).iter().cloned().collect();
        all.into_iter().map(|endpoint| self.view(endpoint)).collect()
    }

    fn view(&self, endpoint: Arc<Endpoint>) -> EndpointView {
        let ready = self.inner.live.get(&endpoint.name).is_some();
        let reason = if ready { None } else { self.inner.down.lock().get(&endpoint.name).cloned() };
        EndpointView { endpoint, ready, reason }
    }

    /// The largest body that the endpoint takes, in bytes; for one that is not up, the agents' limit.
    pub fn payload_limit(&self, name: &EndpointName) -> usize {
        let live = self.inner.live.get(name);
        (live.iter().flat_map(|live| live.entities.iter()).map(|entity| entity.payload_limit).max())
            .unwrap_or(self.inner.settings.agent_payload_limit)
    }

    /// What the entity's processes printed.
    pub fn logs(&self, endpoint: &EndpointName, entity: &ServedName) -> Option<String> {
        let logs = self.inner.logs.lock().get(&(endpoint.clone(), entity.clone())).cloned()?;
        Some(logs.run.text())
    }

    /// What building the entity's environment printed.
    pub fn build_logs(&self, endpoint: &EndpointName, entity: &ServedName) -> Option<String> {
        let logs = self.inner.logs.lock().get(&(endpoint.clone(), entity.clone())).cloned()?;
        Some(logs.build.text())
    }

    /// The counters of an endpoint's entities, as Prometheus text.
    pub fn metrics(&self, name: &EndpointName) -> String {
        let mut text = String::new();
        if let Some(live) = self.inner.live.get(name) {
            for entity in &live.entities {
                entity.metrics.write(&mut text, name.as_str(), entity.name.as_str());
            }
        }
        text
    }

    /// What is up.
    pub fn live(&self, name: &EndpointName) -> Option<Arc<LiveEndpoint>> {
        self.inner.live.get(name)
    }

    /// The registered model versions.
    pub fn registered_models(&self) -> Vec<crate::RegisteredVersion> {
        self.inner.store.read(self.inner.slots.models).iter().cloned().collect()
    }

    /// Which worker's process (group) has this id, for calls that only the operating system can attribute.
    pub fn worker_processes(&self) -> Vec<(brickyard_types::WorkerId, u32)> {
        let mut all = Vec::new();
        for endpoint in self.inner.live.all() {
            for entity in &endpoint.entities {
                if let crate::live::Agent::Workers(pool) = &entity.agent {
                    all.extend(pool.pids());
                }
            }
        }
        all
    }
}

impl Inner {
    /// Why a call found nothing that is up: it is not there at all, or not there yet. What is wrong with an endpoint is
    /// told to those who may query it.
    pub(crate) fn why_not_live(&self, call: &Call) -> ServingError {
        let name = &call.endpoint;
        let Some(endpoint) = self.store.read(self.slots.endpoints).get(name).cloned() else {
            return ServingError::NoSuchEndpoint(name.clone());
        };
        match self.catalog.authorize(&call.caller, QueryEndpoint(endpoint.reference())) {
            Ok(permit) => call.notes.trace(permit.trace().clone()),
            Err(denied) => {
                call.notes.trace(denied.trace().clone());
                return ServingError::Denied(Box::new(denied));
            }
        }
        // A first deployment that failed stays failed, also over a restart, until it is updated.
        let failed =
            || endpoint.failure.clone().filter(|_| endpoint.active.is_none() && endpoint.pending.is_none());
        let failure = self.down.lock().get(name).cloned().or_else(failed);
        if let Some(fix) = failure.as_ref().and_then(|failure| failure.fix.clone()) {
            call.notes.hint(fix);
        }
        ServingError::NotReady { endpoint: name.clone(), failure: failure.map(Box::new) }
    }
}
