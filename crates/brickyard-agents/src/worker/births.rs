//! How the workers of one pool come into the world: forked from the pool's template, or started by themselves.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use brickyard_sandbox::Sandbox;
use brickyard_types::WorkerId;
use nix::sys::signal::Signal;
use parking_lot::Mutex;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio_util::task::TaskTracker;

use super::process::{Process, take_outputs};
use super::spawner::Spawner;
use super::template::{NoBirth, Template};
use super::{PrivateFolder, Scripts, end_remains};
use crate::environment::{self, Surroundings};
use crate::log_ring::LogRing;
use crate::pool::{StartError, WorkerSpec};

/// Who is to be born.
pub(crate) struct Birth<'a> {
    pub(crate) id: &'a WorkerId,
    pub(crate) folder: &'a PrivateFolder,
    /// Its end of the socketpair.
    pub(crate) frames: OwnedFd,
}

/// Where workers come from. Each pool has its own: what one may not open is closed to all of them, and their
/// environment differs in their private folders alone.
pub(crate) struct Births {
    spawner: Spawner,
    scripts: Scripts,
    /// The private folders of the pool's processes are in it.
    folder: PathBuf,
    logs: Arc<LogRing>,
    tasks: TaskTracker,
    current: Mutex<Current>,
    /// Held while a template is started: one is enough.
    starting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Current {
    template: Option<Parent>,
    /// No other one is kept.
    closed: bool,
}

#[derive(Clone)]
struct Parent {
    template: Arc<Template>,
    variables: Arc<[(OsString, OsString)]>,
    /// The worker that it was started for; in the log its output is that one's.
    first: WorkerId,
}

impl Births {
    /// # Errors
    /// If the scripts cannot be written, or the thread that starts processes cannot be started or give up what is closed.
    pub(crate) fn new(
        spec: &WorkerSpec,
        folder: PathBuf,
        logs: Arc<LogRing>,
        tasks: TaskTracker,
    ) -> io::Result<Self> {
        let scripts = Scripts::write(&spec.run_dir)?;
        let sandbox = spec.closed.as_ref().map(|closed| {
            // An environment is for every agent with the same requirements: none changes it for the others.
            let environment = spec.python.ancestors().nth(2).unwrap_or(&spec.python);
            Sandbox::around(closed)
                .may_read(&scripts.folder)
                .may_read(environment)
                .may_read(&spec.model_dir)
                .may_write(&folder)
        });
        let spawner = Spawner::new(sandbox)?;
        let (current, starting) = (Mutex::default(), tokio::sync::Mutex::default());
        Ok(Self { spawner, scripts, folder, logs, tasks, current, starting })
    }

    /// A process that runs the worker's script. `name` is a fresh name for a private folder, of the same length each time.
    pub(crate) async fn bear(
        &self,
        spec: &WorkerSpec,
        birth: Birth<'_>,
        name: &str,
    ) -> Result<Process, StartError> {
        let variables = variables(spec, birth.folder)?;
        if !spec.forked {
            let command = command(spec, &self.scripts.worker, variables, birth.folder, birth.frames);
            return Ok(Process::Started(self.spawn(spec, command).await?));
        }
        let parent = self.parent(spec, birth.id, name).await?;
        let own: Vec<_> =
            variables.into_iter().filter(|variable| !parent.variables.contains(variable)).collect();
        match parent.template.fork(&own, birth.folder.home(), birth.frames).await {
            Ok(forked) => Ok(Process::Forked(forked)),
            Err(NoBirth::Io(source)) => Err(StartError::Io { what: "a worker", source }),
            Err(NoBirth::Ended(status)) => Err(StartError::Exited {
                status: status.map_or_else(|| "nobody knows how".to_owned(), |status| status.to_string()),
                log: self.logs.tail(&parent.first, 20),
                felled: status.and_then(|status| status.signal()) == Some(Signal::SIGKILL as i32),
            }),
        }
    }

    /// The template that runs, or a new one.
    async fn parent(&self, spec: &WorkerSpec, first: &WorkerId, name: &str) -> Result<Parent, StartError> {
        let _one = self.starting.lock().await;
        if let Some(parent) = &self.current.lock().template
            && !parent.template.is_gone()
        {
            return Ok(parent.clone());
        }
        let io_error = |what| move |source| StartError::Io { what, source };
        let folder = PrivateFolder::create(&self.folder, name).map_err(io_error("a private folder"))?;
        let (ours, theirs) = socketpair().map_err(io_error("a socketpair"))?;
        let variables = variables(spec, &folder)?;
        let command = command(spec, &self.scripts.template, variables.clone(), &folder, theirs);
        let mut child = self.spawn(spec, command).await?;
        let drain = |pipe| self.tasks.spawn(Arc::clone(&self.logs).drain(first.clone(), pipe));
        let readers: Vec<_> = take_outputs(&mut child).into_iter().map(drain).collect();
        let said = async {
            futures_util::future::join_all(readers).await;
        };
        let (template, life) = Template::new(ours, child, said);
        self.tasks.spawn(async move {
            life.await;
            let burial = tokio::task::spawn_blocking(move || {
                end_remains(folder.credentials());
                folder.remove();
            });
            let _ = burial.await;
        });
        let parent = Parent { template, variables: variables.into(), first: first.clone() };
        let mut current = self.current.lock();
        if !current.closed {
            current.template = Some(parent.clone());
        }
        Ok(parent)
    }

    async fn spawn(&self, spec: &WorkerSpec, command: Command) -> Result<Child, StartError> {
        self.spawner
            .spawn(command)
            .await
            .map_err(|source| StartError::Spawn { python: spec.python.clone(), source })
    }

    /// The template ends with the last of its workers; whoever is born later gets a new one.
    pub(crate) fn release(&self) {
        self.current.lock().template = None;
    }

    /// As [`Self::release`], and no new one is kept.
    pub(crate) fn close(&self) {
        let mut current = self.current.lock();
        *current = Current { template: None, closed: true };
    }
}

/// Two ends: ours, and the one that becomes a process's standard input.
pub(super) fn socketpair() -> io::Result<(UnixStream, OwnedFd)> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    Ok((UnixStream::from_std(ours)?, theirs.into()))
}

fn variables(spec: &WorkerSpec, folder: &PrivateFolder) -> Result<Vec<(OsString, OsString)>, StartError> {
    let around = Surroundings {
        python: &spec.python,
        host_url: &spec.host_url,
        home: folder.home(),
        temporary: folder.temporary(),
        credentials: folder.credentials(),
    };
    Ok(environment::of_worker(&around, &spec.environment)?)
}

fn command(
    spec: &WorkerSpec,
    script: &Path,
    variables: Vec<(OsString, OsString)>,
    folder: &PrivateFolder,
    stdin: OwnedFd,
) -> Command {
    let mut command = Command::new(&spec.python);
    command
        .arg(script)
        .env_clear()
        .envs(variables)
        .current_dir(folder.home())
        .stdin(Stdio::from(stdin))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    command
}
