//! One worker process: its private folder, its birth, its group, and its certain end.
//!
//! The process leads its own group. It has three descriptors: one end of a socketpair as standard input (the worker
//! moves it away before any agent code runs) and two pipes that are read for as long as it lives. Nothing about it is
//! on the command line but the interpreter and the script; everything else travels in the first frame or in its
//! environment.

mod births;
mod private_folder;
mod process;
mod remains;
mod spawner;
mod template;

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use brickyard_types::WorkerId;
use bytes::Bytes;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::frames::{Channel, FrameError, Kind};
use crate::log_ring::LogRing;
use crate::pool::{StartError, WorkerSpec};

use births::Birth;
pub(crate) use births::Births;
use private_folder::Scripts;
pub(crate) use private_folder::{PrivateFolder, pool_folder};
pub(crate) use process::Process;
pub(crate) use remains::end_remains;

/// How long a process may take to end after its socket was closed ...
const BY_ITSELF: Duration = Duration::from_millis(500);
/// ... and how long the kernel may take to report the end of one that was killed.
const BURIED: Duration = Duration::from_secs(2);
/// How long its last words may take to be read once it has ended.
pub(crate) const LAST_WORDS: Duration = Duration::from_millis(100);

/// What a worker says about the model that it loaded.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct ReadyReport {
    /// `metadata.task`.
    #[serde(default)]
    pub task: Option<String>,
    /// True if `predict_stream` can be called.
    #[serde(default)]
    pub streamable: bool,
    /// The agent's own mlflow.
    #[serde(default)]
    pub mlflow_version: Option<String>,
    /// The agent's own Python.
    #[serde(default)]
    pub python_version: Option<String>,
}

/// A process with the model loaded, and the channel to it. Whoever holds it is the only one who talks to it.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) channel: Channel,
    pub(crate) control: Arc<Control>,
}

/// What others may do with a worker while somebody holds it: watch it, interrupt it, end it.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) id: WorkerId,
    pub(crate) pid: u32,
    pub(crate) folder: PrivateFolder,
    /// Cancelled when the process has ended.
    pub(crate) exited: CancellationToken,
    how: OnceLock<String>,
    /// False once the process was waited for: from then on its number may belong to somebody else.
    alive: Mutex<bool>,
    /// True after its first answer: it works, whatever happens later.
    pub(crate) answered: AtomicBool,
    /// True if brickyard ended it for a reason that says nothing about the agent.
    pub(crate) dismissed: AtomicBool,
    /// True once brickyard itself has sent it SIGKILL.
    killed: AtomicBool,
    /// True if SIGKILL ended it and brickyard had not sent that: an operator did, or the kernel for want of memory.
    felled: AtomicBool,
}

impl Control {
    fn group(&self) -> Option<Pid> {
        i32::try_from(self.pid).ok().map(Pid::from_raw)
    }

    /// Ends the process and everything in its group, now.
    pub(crate) fn kill(&self) {
        let alive = self.alive.lock();
        if let (true, Some(group)) = (*alive, self.group()) {
            self.killed.store(true, Ordering::Release);
            // It may have ended by itself in this moment.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }

    /// Sees to the end of a process whose socket is closed. As a rule it is ending by itself, and how it does says more
    /// than a SIGKILL of ours would.
    pub(crate) async fn end_after_closing(&self) {
        if tokio::time::timeout(BY_ITSELF, self.exited.cancelled()).await.is_err() {
            self.kill();
            let _ = tokio::time::timeout(BURIED, self.exited.cancelled()).await;
        }
    }

    /// Ends it for a reason that says nothing about the agent (its caller left, the pool stops).
    pub(crate) fn dismiss(&self) {
        self.dismissed.store(true, Ordering::Release);
        self.kill();
    }

    /// Tells the worker to look at its socket while the agent's code runs.
    pub(crate) fn interrupt(&self) {
        let alive = self.alive.lock();
        if let (true, Some(process)) = (*alive, self.group()) {
            let _ = kill(process, Signal::SIGUSR1);
        }
    }

    pub(crate) fn is_alive(&self) -> bool {
        *self.alive.lock()
    }

    /// How it ended, for people.
    pub(crate) fn how(&self) -> String {
        self.how.get().cloned().unwrap_or_else(|| "its connection was closed".to_owned())
    }

    /// True if somebody else than brickyard killed it.
    pub(crate) fn felled(&self) -> bool {
        self.felled.load(Ordering::Acquire)
    }

    /// Why it never had the model loaded.
    pub(crate) fn exited_early(&self, logs: &LogRing) -> StartError {
        StartError::Exited { status: self.how(), log: logs.tail(&self.id, 20), felled: self.felled() }
    }

    /// Called once, as soon as it is known how the process ended: takes its whole group along, and signals nothing any
    /// more. Whoever waits for `exited` is told later, when its last words have been read.
    pub(crate) fn reaped(&self, status: &io::Result<ExitStatus>) {
        let mut alive = self.alive.lock();
        if let Some(group) = self.group() {
            let _ = killpg(group, Signal::SIGKILL);
        }
        *alive = false;
        drop(alive);
        let signal = status.as_ref().ok().and_then(ExitStatusExt::signal);
        if signal == Some(Signal::SIGKILL as i32) && !self.killed.load(Ordering::Acquire) {
            self.felled.store(true, Ordering::Release);
        }
        let how = match status {
            Ok(status) => status.to_string(),
            Err(error) => format!("it could not be waited for: {error}"),
        };
        let _ = self.how.set(how);
    }
}

#[derive(Serialize)]
struct Start<'a> {
    model_dir: &'a std::path::Path,
    endpoint_name: &'a str,
    served_entity: &'a str,
    max_frame: usize,
}

/// A process that was started and has not reported yet.
pub(crate) struct Newborn {
    pub(crate) channel: Channel,
    pub(crate) control: Arc<Control>,
    pub(crate) process: Process,
}

/// A process for `spec` in its private `folder`. `name` is a fresh name for another private folder.
pub(crate) async fn start(
    spec: &WorkerSpec,
    id: WorkerId,
    folder: PrivateFolder,
    births: &Births,
    name: &str,
) -> Result<Newborn, StartError> {
    let (ours, frames) =
        births::socketpair().map_err(|source| StartError::Io { what: "a socketpair", source })?;
    let born = births.bear(spec, Birth { id: &id, folder: &folder, frames }, name);
    let Ok(born) = tokio::time::timeout(spec.load_timeout, born).await else {
        // What it imports does not come to an end.
        births.release();
        return Err(StartError::TimedOut { after: spec.load_timeout });
    };
    let process = born?;
    let pid = process.pid().ok_or_else(|| StartError::Exited {
        status: "at once".to_owned(),
        log: String::new(),
        felled: false,
    })?;
    let control = Arc::new(Control {
        id,
        pid,
        folder,
        exited: CancellationToken::new(),
        how: OnceLock::new(),
        alive: Mutex::new(true),
        answered: AtomicBool::new(false),
        dismissed: AtomicBool::new(false),
        killed: AtomicBool::new(false),
        felled: AtomicBool::new(false),
    });
    Ok(Newborn { channel: Channel::new(ours, spec.max_frame), control, process })
}

/// Sends the first frame and waits until the model is loaded.
pub(crate) async fn load(
    channel: &mut Channel,
    control: &Control,
    spec: &WorkerSpec,
    id: u64,
    logs: &LogRing,
) -> Result<ReadyReport, StartError> {
    let start = Start {
        model_dir: &spec.model_dir,
        endpoint_name: &spec.endpoint_name,
        served_entity: &spec.served_entity,
        max_frame: spec.max_frame,
    };
    let start =
        serde_json::to_vec(&start).map_err(|error| StartError::OutOfStep { what: error.to_string() })?;
    let conversation = async {
        channel.send(id, Kind::Start, &start, &Bytes::new()).await?;
        channel.receive().await
    };
    let frame = tokio::select! {
        biased;
        frame = tokio::time::timeout(spec.load_timeout, conversation) => {
            frame.map_err(|_| StartError::TimedOut { after: spec.load_timeout })?
        }
        () = control.exited.cancelled() => Err(FrameError::Closed),
    };
    let frame = match frame {
        Ok(frame) => frame,
        Err(FrameError::Closed | FrameError::Io(_)) => {
            control.end_after_closing().await;
            return Err(control.exited_early(logs));
        }
        Err(other) => return Err(StartError::OutOfStep { what: other.to_string() }),
    };
    match frame.kind {
        Kind::Ready if frame.id == id => serde_json::from_slice(&frame.payload)
            .map_err(|error| StartError::OutOfStep { what: format!("its report cannot be read: {error}") }),
        Kind::LoadFailed if frame.id == id => {
            let failure: LoadFailure = serde_json::from_slice(&frame.payload).unwrap_or_default();
            Err(StartError::Load { message: failure.message, traceback: failure.traceback })
        }
        kind => Err(StartError::OutOfStep { what: format!("{kind:?} came where its report was due") }),
    }
}

#[derive(Deserialize, Default)]
struct LoadFailure {
    #[serde(default)]
    message: String,
    #[serde(default)]
    traceback: String,
}
