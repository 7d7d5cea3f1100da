//! A workspace as one value: its state, clock, keys and ledger. One process may hold many; a test has one each.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use brickyard_agents::{PythonEnvironments, pid_of_local_peer};
use brickyard_catalog::{Catalog, Permissions};
use brickyard_identity::{
    Identity, IdentityConfig, IdentityError, IdentitySlots, MasterKey, SealError, SigningAlgorithm,
};
use brickyard_ledger::Ledger;
use brickyard_secrets::{SecretLimits, Secrets};
use brickyard_serving::{Serving, ServingSlots, Settings};
use brickyard_sql::statements::{StatementLimits, Statements};
use brickyard_sql::warehouses::{WarehouseState, Warehouses};
use brickyard_sql::{Sql, SqlError, SqlOptions};
use brickyard_store::{MemoryJournal, Slot, SqliteJournal, Store, StoreError};
use brickyard_types::{Clock, EndpointName, Entropy, RequestId, SignedDuration, WorkspaceId};

use crate::accept::Ends;
use crate::profile::Profile;
use crate::routes::serving_errors::status_of;
use crate::seed::{Owned, SeedsRan};

/// How many requests the ledger remembers.
const LEDGER: usize = 50_000;

/// Where state lives.
#[derive(Clone)]
pub enum Storage {
    /// In memory, on a journal that outlives the workspace value (a test "restarts" on it).
    Memory(MemoryJournal, Arc<MasterKey>),
    /// In this folder.
    Directory(PathBuf),
}

/// What a workspace is opened with.
#[derive(Clone)]
pub struct WorkspaceOptions {
    /// Its id.
    pub id: WorkspaceId,
    /// Scheme, host and port, no slash: the issuer's prefix, and what agents call back to.
    pub host: String,
    /// Where state lives.
    pub storage: Storage,
    /// Environments and workers' folders; a temporary folder when state is in memory.
    pub scratch: PathBuf,
    /// Lifetimes and algorithm of tokens.
    pub access_token_ttl: SignedDuration,
    /// See [`IdentityConfig`].
    pub passthrough_ttl: SignedDuration,
    /// See [`IdentityConfig`].
    pub signing_algorithm: SigningAlgorithm,
    /// What relative paths in `read_files` and `LOCATION` start from: the configuration's folder.
    pub files: PathBuf,
    /// Limits and texts.
    pub profile: &'static Profile,
    /// Refuse plain-text credentials in `environment_vars`.
    pub refuse_plaintext_credentials: bool,
    /// Refuse endpoints that ask for an inference table.
    pub refuse_inference_tables: bool,
    /// Agents need a scope of their own to ask who their user is.
    pub strict_current_user: bool,
    /// What all running SQL statements may hold in memory together, in bytes.
    pub sql_memory: usize,
    /// An interpreter for all agents.
    pub python: Option<PathBuf>,
    /// The developer's home, where `uv` may be installed.
    pub home: Option<PathBuf>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
}

/// Why a workspace could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The journal.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The identity side.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The master key.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The SQL engine.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// A folder.
    #[error("{path}: {source}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// One workspace.
pub struct Workspace {
    /// Its id.
    pub id: WorkspaceId,
    /// Scheme, host and port.
    pub host: String,
    /// Who.
    pub identity: Identity,
    /// May.
    pub catalog: Catalog,
    /// Secrets.
    pub secrets: Secrets,
    /// What happened and why.
    pub ledger: Arc<Ledger>,
    /// Endpoints and the serving stack.
    pub serving: Serving,
    /// The SQL engine.
    pub sql: Sql,
    /// SQL warehouses.
    pub warehouses: Warehouses,
    /// SQL statements that run and have run.
    pub statements: Statements,
    /// Refuse endpoints that ask for an inference table.
    pub refuse_inference_tables: bool,
    /// Agents need a scope of their own to ask who their user is.
    pub strict_current_user: bool,
    /// The journal.
    pub store: Store,
    /// Limits and texts.
    pub profile: &'static Profile,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// Seals what is secret in connections.
    pub(crate) master: Arc<MasterKey>,
    /// The endpoints of the configuration: `/ready` waits for them.
    pub(crate) awaited: parking_lot::Mutex<Vec<EndpointName>>,
    /// Which files of SQL ran already.
    pub(crate) seeds_ran: Slot<SeedsRan>,
    /// What the configuration made.
    pub(crate) owned: Slot<Owned>,
    /// What the configuration made and names no more, and what is kept all the same.
    pub(crate) kept: parking_lot::Mutex<Vec<String>>,
    seeded: AtomicBool,
}

impl Workspace {
    /// Opens a workspace: replays its journal, unseals its keys. Nothing is served yet.
    ///
    /// # Errors
    /// If the journal is damaged or held by another process, or a key does not open.
    pub async fn open(options: WorkspaceOptions) -> Result<Arc<Self>, OpenError> {
        let mut builder = Store::builder();
        let identity_slots = IdentitySlots::register(&mut builder);
        let permissions = builder.own::<Permissions>();
        let unity = builder.own::<brickyard_catalog::unity::Unity>();
        let secrets_slot = builder.own::<brickyard_secrets::SecretVault>();
        let seeds_ran = builder.own::<SeedsRan>();
        let owned = builder.own::<Owned>();
        let warehouses = builder.own::<WarehouseState>();
        let serving_slots = ServingSlots::register(&mut builder, permissions, identity_slots);
        let (store, master) = match &options.storage {
            Storage::Memory(journal, master) => (builder.open(journal.clone()).await?, Arc::clone(master)),
            Storage::Directory(dir) => {
                make_dir(dir)?;
                let master = MasterKey::open_or_create(dir, &*options.entropy)?;
                (builder.open(SqliteJournal::open(dir).await?).await?, Arc::new(master))
            }
        };
        let account_id = account_of(options.id);
        let mut config = IdentityConfig::new(options.id, account_id, options.host.clone());
        config.access_token_ttl = options.access_token_ttl;
        config.passthrough_ttl = options.passthrough_ttl;
        config.signing_algorithm = options.signing_algorithm;
        let (clock, entropy) = (&options.clock, &options.entropy);
        let identity = Identity::open(
            store.clone(),
            identity_slots,
            config,
            Arc::clone(&master),
            Arc::clone(clock),
            Arc::clone(entropy),
        )
        .await?;
        let catalog = Catalog::open(store.clone(), permissions, unity, identity.clone());
        let secrets = Secrets::open(
            store.clone(),
            secrets_slot,
            catalog.clone(),
            options.id,
            secret_limits(options.profile),
            Arc::clone(&master),
            Arc::clone(clock),
            Arc::clone(entropy),
        );
        let ledger = Arc::new(Ledger::new(LEDGER));
        let run_dir = options.scratch.join("run");
        // What a killed brickyard left of its workers' folders is of no use to anybody.
        let _ = std::fs::remove_dir_all(&run_dir);
        make_dir(&run_dir)?;
        let warehouses = Warehouses::open(
            store.clone(),
            warehouses,
            catalog.clone(),
            Arc::clone(clock),
            Arc::clone(entropy),
        );
        // Tables live where the journal does: one without the other is of no use.
        let tables = match &options.storage {
            Storage::Directory(dir) => dir.join("tables"),
            Storage::Memory(..) => options.scratch.join("tables"),
        };
        make_dir(&tables)?;
        let closed = match &options.storage {
            Storage::Directory(dir) => dir.clone(),
            Storage::Memory(..) => options.scratch.clone(),
        };
        let sql_options = SqlOptions {
            tables,
            files: options.files,
            run_dir: run_dir.clone(),
            closed: Some(closed.clone()),
            python: options.python.clone(),
            memory_bytes: options.sql_memory,
        };
        let sql = Sql::open(catalog.clone(), Arc::clone(clock), Arc::clone(entropy), sql_options)?;
        sql.connect(Arc::new(crate::outside::Beyond {
            workspace: options.id,
            master: Arc::clone(&master),
            entropy: Arc::clone(entropy),
            secrets: secrets.clone(),
        }));
        let statements =
            Statements::new(sql.clone(), Arc::clone(clock), Arc::clone(entropy), StatementLimits::default());
        let execution_time = Duration::from_secs(options.profile.execution_seconds.value);
        let settings = Settings {
            host: options.host.clone(),
            run_dir,
            closed,
            agent_payload_limit: options.profile.agent_payload_bytes.value,
            model_payload_limit: options.profile.model_payload_bytes.value,
            predict_timeout: execution_time,
            load_timeout: Duration::from_secs(600),
            shrink_after: seconds(options.profile.scale_down_seconds.value),
            sleep_after: seconds(options.profile.scale_to_zero_seconds.value),
            queue_per_worker: 64,
            max_environment_variables: options.profile.environment_variables.value,
            max_concurrency: options.profile.provisioned_concurrency.value,
            max_entities: options.profile.served_entities.value,
            max_endpoints: options.profile.endpoints.value,
            user_scopes: options.profile.user_api_scopes.value,
            refuse_plaintext_credentials: options.refuse_plaintext_credentials,
            python: options.python.clone(),
            // A user token outlives the longest call, streams included, and no more.
            user_token_life: SignedDuration::try_from(execution_time + Duration::from_secs(60))
                .unwrap_or(SignedDuration::from_mins(6)),
            passthrough_life: options.passthrough_ttl,
            status_of,
            warehouse: {
                let warehouses = warehouses.clone();
                Arc::new(move |id| warehouses.find(id))
            },
        };
        let environments = PythonEnvironments::new(&options.scratch, options.home);
        let serving = Serving::new(
            store.clone(),
            serving_slots,
            identity.clone(),
            catalog.clone(),
            secrets.clone(),
            Arc::clone(&ledger),
            Arc::clone(clock),
            Arc::clone(entropy),
            environments,
            settings,
        );
        Ok(Arc::new(Self {
            id: options.id,
            host: options.host,
            identity,
            catalog,
            secrets,
            ledger,
            serving,
            sql,
            warehouses,
            statements,
            refuse_inference_tables: options.refuse_inference_tables,
            strict_current_user: options.strict_current_user,
            store,
            profile: options.profile,
            clock: options.clock,
            entropy: options.entropy,
            master,
            awaited: parking_lot::Mutex::default(),
            seeds_ran,
            owned,
            kept: parking_lot::Mutex::default(),
            seeded: AtomicBool::new(false),
        }))
    }

    /// What the configuration made and names no more, and what is kept all the same, with the reason.
    pub fn kept(&self) -> Vec<String> {
        self.kept.lock().clone()
    }

    /// The configuration is in: `/ready` now depends on the endpoints only.
    pub(crate) fn seeding_done(&self) {
        self.seeded.store(true, Ordering::Release);
    }

    /// What is not ready yet, in words; `None` when everything of the configuration is READY or has failed.
    pub fn not_ready(&self) -> Option<String> {
        if !self.seeded.load(Ordering::Acquire) {
            return Some("the configuration is being applied".to_owned());
        }
        let awaited = self.awaited.lock().clone();
        let waiting: Vec<_> = (awaited.iter())
            .filter(|name| {
                self.serving.endpoint(name).is_some_and(|view| {
                    view.endpoint.pending.is_some()
                        || (!view.ready && view.reason.is_none() && view.endpoint.failure.is_none())
                })
            })
            .map(ToString::to_string)
            .collect();
        if waiting.is_empty() { None } else { Some(format!("being deployed: {}", waiting.join(", "))) }
    }

    /// The invocation that the process behind a connection runs, if it is one of our workers.
    pub(crate) fn invocation_behind(&self, ends: &Ends) -> Option<RequestId> {
        if !ends.remote.ip().is_loopback() {
            return None;
        }
        let workers = self.serving.worker_processes();
        let opened_by = || {
            let pids: Vec<u32> = workers.iter().map(|(_, pid)| *pid).collect();
            pid_of_local_peer(ends.remote, ends.local, &pids)
        };
        let pid = (*ends.opened_by.get_or_init(opened_by))?;
        let (worker, _) = workers.into_iter().find(|(_, candidate)| *candidate == pid)?;
        self.ledger.attribution().running_on(&worker)
    }

    /// Ends: lets calls finish for at most `patience`, then stops every process and closes the journal.
    pub async fn close(&self, patience: Duration) {
        self.serving.stop(patience).await;
        self.statements.stop();
        self.store.close().await;
    }
}

/// The secrets' limits are the profile's.
fn secret_limits(profile: &Profile) -> SecretLimits {
    SecretLimits {
        value_bytes: profile.secret_bytes.value,
        secrets_per_scope: profile.secrets_in_scope.value,
        scopes: profile.secret_scopes.value,
    }
}

fn seconds(count: u64) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(count).unwrap_or(i64::MAX))
}

/// The account that a workspace belongs to: made from its id, so that it is the same at every start.
fn account_of(id: WorkspaceId) -> String {
    format!("00000000-0000-4000-8000-{:012x}", id.0 & 0xffff_ffff_ffff)
}

fn make_dir(path: &std::path::Path) -> Result<(), OpenError> {
    use std::os::unix::fs::DirBuilderExt;
    (std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path))
        .map_err(|source| OpenError::Folder { path: path.to_owned(), source })
}
