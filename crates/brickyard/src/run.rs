//! `brickyard serve`: from options to a workspace that answers, until it is told to stop.
//!
//! ```text
//!   load the configuration -> bind -> open the workspace -> answer (503 on /ready) -> seed -> wait for endpoints -> ready line
//!   SIGTERM or Ctrl-C -> no new connections -> finish what runs, streams included -> stop the workers -> exit 0
//! ```
//! The listener is bound before the workspace opens, because the issuer's name is the address; it answers before the
//! configuration is in, because agents that start while seeding call back.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use brickyard_identity::MasterKey;
use brickyard_store::MemoryJournal;
use brickyard_types::{BearerToken, Entropy, ScopeSet, SystemClock, SystemEntropy};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use crate::accept::{AcceptLimits, Shutdown, serve as accept};
use crate::cli::{DEFAULT_LOG, Failure, LogFormat, ServeOptions, StatePlace, credentials};
use crate::config::{self, Config};
use crate::http::{HttpLimits, StackParts, stack};
use crate::seed::DEFAULT_ADMIN;
use crate::workspace::{Storage, Workspace, WorkspaceOptions};

/// How long running requests may take once brickyard was told to stop.
const DRAIN: Duration = Duration::from_secs(30);

/// A workspace that answers on a socket.
pub struct Running {
    /// The workspace.
    pub workspace: Arc<Workspace>,
    /// Where it listens.
    pub address: SocketAddr,
    /// Ends it.
    pub shutdown: Shutdown,
    server: tokio::task::JoinHandle<crate::accept::Drained>,
}

impl Running {
    /// Lets running requests finish and stops everything.
    pub async fn stop(self) {
        self.shutdown.begin();
        // A server task that panicked has nothing left to drain.
        let _ = self.server.await;
        self.workspace.close(DRAIN).await;
    }
}

/// What a crash leaves on the disk would hold the master key, and every secret that is open.
fn write_no_core_files() {
    use nix::sys::resource::{Resource, setrlimit};
    if let Err(error) = setrlimit(Resource::RLIMIT_CORE, 0, 0) {
        tracing::warn!("a crash may write secrets to the disk: core files cannot be switched off: {error}");
    }
}

/// Opens a workspace and answers on `listener`. Nothing is seeded yet.
///
/// # Errors
/// If the workspace cannot be opened.
pub async fn start(listener: TcpListener, mut options: WorkspaceOptions) -> Result<Running, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::Failed(error.to_string());
    let address = listener.local_addr().map_err(|error| failed(&error))?;
    if options.host.is_empty() {
        options.host = format!("http://{}", spoken(address));
    }
    let entropy = Arc::clone(&options.entropy);
    let own_hosts = own_hosts(&options.host, address);
    let limits = HttpLimits { own_hosts, ..HttpLimits::of(options.profile) };
    let workspace = Workspace::open(options).await.map_err(|error| failed(&error))?;
    let shutdown = Shutdown::new(DRAIN);
    let parts = StackParts { entropy, limits, last_call: shutdown.last_call().clone() };
    let service = stack(crate::routes::router(&workspace), parts);
    let server = tokio::spawn(accept(vec![listener], service, AcceptLimits::default(), shutdown.clone()));
    Ok(Running { workspace, address, shutdown, server })
}

/// An address as clients write it: who listens on every interface is reached on this machine by `localhost`.
fn spoken(address: SocketAddr) -> String {
    if address.ip().is_unspecified() { format!("localhost:{}", address.port()) } else { address.to_string() }
}

/// The names under which an absolute request target may mean this server.
fn own_hosts(host: &str, address: SocketAddr) -> Vec<String> {
    let mut names = vec![
        host.trim_start_matches("http://").trim_start_matches("https://").to_ascii_lowercase(),
        address.to_string(),
    ];
    names.extend(["localhost", "127.0.0.1", "[::1]"].map(|name| format!("{name}:{}", address.port())));
    names
}

/// What a configuration says about the workspace itself.
pub fn workspace_options(config: &Config, storage: Storage, scratch: PathBuf) -> WorkspaceOptions {
    let workspace = &config.workspace;
    WorkspaceOptions {
        id: workspace.id,
        host: workspace.host.clone().unwrap_or_default(),
        storage,
        scratch,
        access_token_ttl: workspace.tokens.access_token_ttl,
        passthrough_ttl: workspace.tokens.passthrough_ttl,
        signing_algorithm: workspace.tokens.signing_algorithm,
        files: config.folder(),
        profile: workspace.profile,
        refuse_plaintext_credentials: workspace.refuse_plaintext_credentials,
        refuse_inference_tables: workspace.refuse_inference_tables,
        strict_current_user: workspace.strict_current_user,
        sql_memory: usize::try_from(workspace.sql_memory).unwrap_or(usize::MAX),
        python: None,
        home: None,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
    }
}

/// The command.
///
/// # Errors
/// Bad configuration (64), or a workspace that cannot be opened or seeded (1).
pub async fn serve(options: ServeOptions) -> Result<(), Failure> {
    watch_log(&options);
    write_no_core_files();
    let config = config::load(&options.config, &*options.environment)?;
    let (storage, scratch, data_dir, _temporary) = match &options.state {
        StatePlace::Memory => {
            let entropy: &dyn Entropy = &SystemEntropy;
            let dir = temporary_dir(entropy)?;
            let storage = Storage::Memory(MemoryJournal::new(), Arc::new(MasterKey::ephemeral(entropy)));
            (storage, dir.0.clone(), None, Some(dir))
        }
        StatePlace::Folder(dir) => {
            std::fs::create_dir_all(dir)
                .map_err(|error| Failure::Failed(format!("{}: {error}", dir.display())))?;
            let dir =
                dir.canonicalize().map_err(|error| Failure::Failed(format!("{}: {error}", dir.display())))?;
            (Storage::Directory(dir.clone()), dir.clone(), Some(dir), None)
        }
    };
    let listener = TcpListener::bind(options.listen)
        .await
        .map_err(|error| Failure::Failed(format!("cannot listen on {}: {error}", options.listen)))?;
    let mut opened = workspace_options(&config, storage, scratch);
    opened.python.clone_from(&options.python);
    opened.home = options.environment.variable("HOME").map(PathBuf::from);
    let running = start(listener, opened).await?;
    let stop = stop_signal();
    tokio::pin!(stop);
    let ready = bring_up(&running, &config, data_dir.as_deref(), options.log_format);
    let ended = tokio::select! {
        ready = ready => match ready {
            Ok(()) => tokio::select! {
                () = stop => Ok(()),
                failure = renew_local_token(&running.workspace, &config, data_dir.as_deref()) => Err(failure),
            },
            Err(failure) => Err(failure),
        },
        () = &mut stop => Ok(()),
    };
    tracing::info!("stopping: running requests are finished first");
    if let Some(dir) = &data_dir {
        // The token in it ends with the server.
        let _ = credentials::remove(dir);
    }
    running.stop().await;
    ended
}

/// Seeds the workspace, waits for its endpoints, and says so in one line.
async fn bring_up(
    running: &Running,
    config: &Config,
    data_dir: Option<&std::path::Path>,
    format: LogFormat,
) -> Result<(), Failure> {
    let workspace = &running.workspace;
    let mut not_applied = 0;
    if let Err(errors) = workspace.seed(config).await {
        not_applied = errors.len();
        // An endpoint that was refused is FAILED with its reason; the rest of the workspace serves.
        for error in &errors {
            tracing::error!("{error}");
        }
        if let Some(fatal) = errors.iter().find(|error| error.fatal) {
            return Err(Failure::Failed(format!("the workspace was not seeded: {fatal}")));
        }
    }
    write_local_token(workspace, config, data_dir)?;
    while let Some(reason) = workspace.not_ready() {
        tracing::debug!(%reason, "not ready yet");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    say_ready(workspace, not_applied, format);
    Ok(())
}

fn write_local_token(
    workspace: &Workspace,
    config: &Config,
    data_dir: Option<&std::path::Path>,
) -> Result<(), Failure> {
    let Some(dir) = data_dir else { return Ok(()) };
    let token = admin_token(workspace, config)?;
    credentials::write(dir, &workspace.host, &token)
        .map(|_| ())
        .map_err(|error| Failure::Failed(format!("{}: {error}", dir.display())))
}

/// Keeps the token of the commands on this machine alive; ends only if it cannot.
async fn renew_local_token(
    workspace: &Workspace,
    config: &Config,
    data_dir: Option<&std::path::Path>,
) -> Failure {
    let life = Duration::try_from(workspace.identity.config().max_token_lifetime).unwrap_or(DRAIN);
    loop {
        tokio::time::sleep(life / 2).await;
        if let Err(failure) = write_local_token(workspace, config, data_dir) {
            return failure;
        }
    }
}

/// A token for the commands on this machine.
fn admin_token(workspace: &Workspace, config: &Config) -> Result<BearerToken, Failure> {
    let name = config.workspace.admins.first().map_or(DEFAULT_ADMIN.to_owned(), ToString::to_string);
    let principal = name
        .parse()
        .ok()
        .and_then(|name| workspace.identity.directory().user(&name).map(|entry| entry.principal.clone()));
    let principal =
        principal.ok_or_else(|| Failure::Failed(format!("the administrator {name} does not exist")))?;
    let life = workspace.identity.config().max_token_lifetime;
    let minted = workspace.identity.mint(&principal, ScopeSet::all_apis(), life);
    minted.map(|minted| minted.token).map_err(|error| Failure::Failed(error.to_string()))
}

#[expect(clippy::print_stdout, reason = "the one line that people and scripts wait for")]
fn say_ready(workspace: &Workspace, not_applied: usize, format: LogFormat) {
    let endpoints = workspace.serving.endpoints();
    let own: Vec<_> = (endpoints.iter())
        .filter(|view| view.endpoint.origin != brickyard_serving::Origin::BuiltIn)
        .collect();
    // One that is still on its way, as endpoints of an earlier run may be, has not failed.
    let failed: Vec<_> = (own.iter())
        .filter(|view| !view.ready && view.endpoint.pending.is_none())
        .filter(|view| view.reason.is_some() || view.endpoint.failure.is_some())
        .map(|view| view.endpoint.name.to_string())
        .collect();
    let kept = workspace.kept();
    match format {
        LogFormat::Json => {
            let line = serde_json::json!({
                "event": "ready",
                "url": workspace.host,
                "endpoints": own.len(),
                "failed": failed,
                "not_applied": not_applied,
                "kept": kept,
            });
            println!("{line}");
        }
        LogFormat::Human => {
            let mut trouble =
                if failed.is_empty() { String::new() } else { format!("; FAILED: {}", failed.join(", ")) };
            if not_applied > 0 {
                trouble.push_str(&format!(
                    "; NOT APPLIED: {not_applied} of the configuration, see the errors above"
                ));
            }
            if !kept.is_empty() {
                trouble.push_str("; KEPT, though the configuration names it no more: ");
                trouble.push_str(&kept.join(", "));
            }
            println!("brickyard is ready at {} with {} endpoints{trouble}", workspace.host, own.len());
        }
    }
}

async fn stop_signal() {
    let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
    match terminate {
        Ok(mut terminate) => tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        },
        Err(_) => _ = tokio::signal::ctrl_c().await,
    }
}

fn watch_log(options: &ServeOptions) {
    let filter = EnvFilter::try_new(&options.log).unwrap_or_else(|_| EnvFilter::new(DEFAULT_LOG));
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A second workspace in one process keeps the first one's log.
    let _ = match options.log_format {
        LogFormat::Json => builder.json().try_init(),
        LogFormat::Human => {
            builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init()
        }
    };
}

/// A folder that goes away with the process.
pub(crate) struct Temporary(pub(crate) PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn temporary_dir(entropy: &dyn Entropy) -> Result<Temporary, Failure> {
    let name = format!("brickyard-{}", brickyard_types::RequestId::random(entropy));
    let path = std::env::temp_dir().join(name);
    std::fs::create_dir(&path).map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))?;
    Ok(Temporary(path))
}
