//! The workers of one served entity, and who gets one.
//!
//! ```text
//!   predict --> idle worker? --yes--> lease --> ANSWER | CHUNK* END | ERROR --> idle again
//!                  | no                 | caller leaves: cancel, follow to the end, 1.1 s at most --> idle, or killed
//!                  v                    | died, out of step, too late: killed
//!        queue (bounded), grow            \--> every ended worker is replaced, with back-off
//!                  ^-- the next request is written to a worker by whoever gives it back (order.rs)
//! ```
//!
//! **Rules.** One request at a time in a worker. A worker is idle only after the last frame of its last request was
//! seen. At least one worker is alive or being started, unless the entity may sleep (`sleep_after`). A model that cannot be loaded again and again answers
//! `Unavailable` at once instead of letting callers wait.

mod idle;
mod lease;
mod members;
mod order;

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use brickyard_types::{BearerToken, Entropy, RequestId, Secret, SignedDuration, Timestamp, WorkerId};
use bytes::Bytes;
use futures_core::Stream;
use tokio::time::Instant;

use crate::environment::InvalidVariable;
use crate::log_ring::LogRing;
use crate::worker::ReadyReport;
use members::Members;
use order::Order;

/// How the workers of one served entity are started and used.
#[derive(Debug, Clone)]
pub struct WorkerSpec {
    /// The served entity's name; part of each worker's id.
    pub served_entity: String,
    /// The endpoint's name, as the agent's traces show it.
    pub endpoint_name: String,
    /// The interpreter of the agent's environment.
    pub python: PathBuf,
    /// The logged model's folder.
    pub model_dir: PathBuf,
    /// Where the agent finds its workspace: `http://host:port`.
    pub host_url: String,
    /// A folder for the workers' private folders; made (0700) if missing.
    pub run_dir: PathBuf,
    /// brickyard's own folder, which the agent is kept out of (see `brickyard-sandbox`); `None` keeps it out of nothing.
    pub closed: Option<PathBuf>,
    /// The served entity's `environment_vars`, secrets resolved.
    pub environment: Vec<(String, Secret)>,
    /// Fork workers from a process that has imported what every agent imports. Without it each one starts its own
    /// interpreter, as everywhere but on Linux, where the libraries of other systems do not stand a fork.
    pub forked: bool,
    /// Workers at the start: one, as a rule.
    pub initial_workers: usize,
    /// The workload size: 4, 16 or 64.
    pub max_workers: usize,
    /// Requests that may wait for a worker.
    pub max_queue: usize,
    /// How long a model may take to load.
    pub load_timeout: Duration,
    /// How long a request may take, waiting included.
    pub predict_timeout: Duration,
    /// A request that has waited this long is a reason to start another worker.
    pub grow_after: Duration,
    /// Workers above `initial_workers` that were not needed for so long end.
    pub shrink_after: SignedDuration,
    /// After so long without a request all workers end, and the next request starts one; `None` is never.
    pub sleep_after: Option<SignedDuration>,
    /// The largest request or answer, in bytes.
    pub max_frame: usize,
}

impl WorkerSpec {
    /// A spec with the defaults: one worker at first, four at most, 297 s a request, frames of 64 MiB.
    pub fn new(served_entity: impl Into<String>, endpoint_name: impl Into<String>) -> Self {
        Self {
            served_entity: served_entity.into(),
            endpoint_name: endpoint_name.into(),
            python: PathBuf::new(),
            model_dir: PathBuf::new(),
            host_url: String::new(),
            run_dir: PathBuf::new(),
            closed: None,
            environment: Vec::new(),
            forked: cfg!(target_os = "linux"),
            initial_workers: 1,
            max_workers: 4,
            max_queue: 256,
            load_timeout: Duration::from_secs(600),
            predict_timeout: Duration::from_secs(297),
            grow_after: Duration::from_millis(10),
            shrink_after: SignedDuration::from_mins(5),
            sleep_after: None,
            max_frame: 64 * 1024 * 1024,
        }
    }
}

/// Where workers get their system token from. Each worker has its own, so that a call can be traced to it.
pub trait SystemTokens: Send + Sync + 'static {
    /// The token that `worker` should hold now.
    fn issue(&self, worker: &WorkerId) -> BearerToken;
    /// `worker` has ended: its tokens are not needed any more.
    fn retire(&self, worker: &WorkerId);
}

/// Told which worker takes a request.
pub type OnWorker = Box<dyn FnOnce(&WorkerId) + Send>;

/// One request for an agent.
pub struct Job {
    /// The invocation's id; the agent's traces carry it.
    pub request_id: RequestId,
    /// The body's media type; `None` is JSON.
    pub content_type: Option<String>,
    /// The body as the caller sent it. `stream` and `databricks_options` are taken out by the worker.
    pub body: Bytes,
    /// Ask for a stream. A body with `"stream": true` asks for one as well.
    pub stream: bool,
    /// What the agent's user credentials will find.
    pub user_token: Option<BearerToken>,
    /// Ask for the trace. A body with `databricks_options.return_trace` asks for it as well.
    pub return_trace: bool,
    /// Told which worker takes the request, before the agent sees it.
    pub on_worker: Option<OnWorker>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job")
            .field("request_id", &self.request_id)
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

/// The chunks of a streamed answer, each one JSON text. Dropping it cancels the work.
pub type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, PredictError>> + Send>>;

/// What an agent answered.
pub enum Answer {
    /// One JSON text.
    Json {
        /// The text.
        body: Bytes,
        /// Who answered.
        worker: WorkerId,
    },
    /// A stream: the caller asked for one, and its first chunk is there.
    Stream {
        /// Who answers.
        worker: WorkerId,
        /// The chunks; an error is the last item.
        chunks: Chunks,
    },
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Json { body, worker } => {
                f.debug_struct("Json").field("body", body).field("worker", worker).finish()
            }
            Self::Stream { worker, .. } => {
                f.debug_struct("Stream").field("worker", worker).finish_non_exhaustive()
            }
        }
    }
}

/// What the agent's own code, or the reading of its input, answered instead of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentError {
    /// mlflow's word, e.g. `BAD_REQUEST` or `INVALID_PARAMETER_VALUE`.
    pub error_code: String,
    /// The message.
    pub message: String,
    /// The agent's stack trace, if its code raised.
    pub stack_trace: Option<String>,
    /// The whole error object as mlflow's scoring server words it (`sqlstate` and `error_class` included).
    pub body: Bytes,
}

impl AgentError {
    /// What the agent's code raised, the last line of its stack trace, in brackets: mlflow's message is always the same.
    fn raised(&self) -> String {
        let last = self.stack_trace.as_deref().and_then(|trace| trace.trim_end().lines().next_back());
        match last {
            Some(line) if !self.message.contains(line) => {
                format!(" ({})", line.chars().take(300).collect::<String>())
            }
            _ => String::new(),
        }
    }
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    /// All workers are busy and the queue is full.
    #[error("all workers are busy and the queue is full")]
    Overloaded,
    /// No worker can be had: the model fails to start, or the endpoint is stopping.
    #[error("no worker is available: {reason}")]
    Unavailable {
        /// Why.
        reason: String,
    },
    /// The process ended while it worked on this request.
    #[error("worker {worker} died while it worked on the request: {reason}")]
    WorkerDied {
        /// Which.
        worker: WorkerId,
        /// How.
        reason: String,
    },
    /// The request took too long; if it had reached an agent, that process was ended.
    #[error("the request was not answered within {} seconds", after.as_secs())]
    DeadlineExceeded {
        /// The limit.
        after: Duration,
    },
    /// The worker did not keep to the protocol and was ended.
    #[error("worker {worker} answered out of step: {what}")]
    OutOfStep {
        /// Which.
        worker: WorkerId,
        /// What it did.
        what: String,
    },
    /// The body is larger than a frame may be.
    #[error("the request is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// The agent, or the reading of its input, answered with an error.
    #[error("{}: {}{}", .0.error_code, .0.message, .0.raised())]
    Agent(Box<AgentError>),
    /// The body's media type is not one that mlflow reads.
    #[error("{message}")]
    UnsupportedMediaType {
        /// The scoring server's words.
        message: String,
    },
}

/// Why no worker could be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The operating system refused something.
    #[error("{what} could not be made: {source}")]
    Io {
        /// What.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// An environment variable cannot be set.
    #[error(transparent)]
    Variable(#[from] InvalidVariable),
    /// The interpreter could not be started.
    #[error("the interpreter {} could not be started: {source}", python.display())]
    Spawn {
        /// Which.
        python: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The model's own code, or mlflow, refused to load it.
    #[error("the model could not be loaded: {message}")]
    Load {
        /// The exception's last line.
        message: String,
        /// All of it.
        traceback: String,
    },
    /// The process ended before the model was loaded.
    #[error("the worker ended while it loaded the model ({status}); its last output:\n{log}")]
    Exited {
        /// How.
        status: String,
        /// The end of its log.
        log: String,
        /// True if somebody else than brickyard killed it.
        felled: bool,
    },
    /// The model took too long.
    #[error("the model was not loaded within {} seconds", after.as_secs())]
    TimedOut {
        /// The limit.
        after: Duration,
    },
    /// The process did not speak the worker protocol.
    #[error("the worker did not report as expected: {what}")]
    OutOfStep {
        /// What it did.
        what: String,
    },
    /// The pool was stopped meanwhile.
    #[error("the pool is stopping")]
    Stopping,
}

impl StartError {
    /// What happened, for those who are not to read the log.
    pub fn without_log(&self) -> String {
        match self {
            Self::Exited { status, .. } => format!("the worker ended while it loaded the model ({status})"),
            other => other.to_string(),
        }
    }

    /// The end of the log.
    pub fn log(&self) -> Option<&str> {
        match self {
            Self::Exited { log, .. } => Some(log),
            Self::Load { traceback, .. } => Some(traceback),
            _ => None,
        }
    }
}

/// A moment of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolStats {
    /// Workers that wait for a request.
    pub idle: usize,
    /// Workers with the model loaded, idle ones included.
    pub ready: usize,
    /// Workers that load the model, or wait to be started again.
    pub starting: usize,
    /// Requests that wait for a worker.
    pub waiting: usize,
    /// Requests that hold a worker.
    pub in_flight: usize,
    /// Workers started so far.
    pub started: u64,
    /// Workers that ended so far.
    pub ended: u64,
    /// Starts, or first requests, that failed in a row.
    pub failures: u32,
}

/// The workers of one served entity. Dropping it ends them all.
pub struct WorkerPool {
    members: Arc<Members>,
    ready: ReadyReport,
}

impl WorkerPool {
    /// Starts the first workers and waits until the model is loaded in each.
    ///
    /// # Errors
    /// If the model cannot be loaded; then no process is left.
    pub async fn start(
        spec: WorkerSpec,
        tokens: Option<Arc<dyn SystemTokens>>,
        entropy: Arc<dyn Entropy>,
        logs: Arc<LogRing>,
    ) -> Result<Arc<Self>, StartError> {
        let initial = spec.initial_workers.clamp(1, spec.max_workers.max(1));
        let members = Members::new(spec, tokens, entropy, logs)?;
        // From here on a dropped future ends what was started.
        let mut pool = Self { members: Arc::clone(&members), ready: ReadyReport::default() };
        let started = futures_util::future::join_all((0..initial).map(|_| members.start_one())).await;
        let mut failure = None;
        for worker in started {
            match worker {
                Ok((worker, report)) => {
                    pool.ready = report;
                    members.give_back(worker);
                }
                Err(error) => failure = Some(error),
            }
        }
        if let Some(error) = failure {
            members.shutdown().await;
            return Err(error);
        }
        Ok(Arc::new(pool))
    }

    /// What the first worker said about the model.
    pub fn ready(&self) -> &ReadyReport {
        &self.ready
    }

    /// Answers one request. Dropping the future, or the stream that it gave, cancels the work.
    ///
    /// # Errors
    /// See [`PredictError`].
    pub async fn predict(&self, job: Job) -> Result<Answer, PredictError> {
        let after = self.members.spec.predict_timeout;
        let deadline = Instant::now() + after;
        let order = Order::new(job, self.members.random(), self.members.spec.max_frame)?;
        let lease = tokio::time::timeout_at(deadline, self.members.lend(order))
            .await
            .map_err(|_| PredictError::DeadlineExceeded { after })??;
        lease.answer(deadline).await
    }

    /// Gives every worker a new system token; each file is replaced in one step.
    pub fn refresh_credentials(&self) {
        self.members.refresh_credentials();
    }

    /// Ends workers that nobody has needed for long. To be called now and then with the time.
    pub fn shrink(&self, now: Timestamp) {
        self.members.shrink(now);
    }

    /// Lets running and waiting requests finish, takes no new ones, then ends all workers.
    pub async fn drain(&self) {
        self.members.finish().await;
        self.members.shutdown().await;
    }

    /// Ends all workers now. Their requests fail.
    pub async fn shutdown(&self) {
        self.members.shutdown().await;
    }

    /// A moment of the pool.
    pub fn stats(&self) -> PoolStats {
        self.members.stats()
    }

    /// The processes, each the leader of its group.
    pub fn pids(&self) -> Vec<(WorkerId, u32)> {
        self.members.pids()
    }

    /// What the workers printed.
    pub fn logs(&self) -> &Arc<LogRing> {
        &self.members.logs
    }
}

impl Drop for WorkerPool {
    fn drop(&mut self) {
        self.members.close();
    }
}

impl std::fmt::Debug for WorkerPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkerPool").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
