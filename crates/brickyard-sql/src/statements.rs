//! Statements that run and have run: submitted, waited for, polled, cancelled, read in chunks, forgotten.
//!
//! No HTTP in it. **Rules:** a statement is its submitter's: to everybody else it is not there, as an id that never was.
//! What it answered is kept for an hour and bounded in memory: older results make room for newer ones. What cannot run yet
//! waits its turn.
//!
//! Source: Statement Execution API of databricks-sdk, `service/sql.py`: results for one hour, the status for twelve,
//! links for at most 15 minutes.

mod arrow_chunk;
pub(crate) mod json_text;
mod kept;
mod links;
#[cfg(test)]
mod promises;
mod result;
mod sessions;
mod submitted;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use brickyard_catalog::{Permit, Trace, UseWarehouse};
use brickyard_types::{Clock, Entropy, PrincipalId, SignedDuration, Timestamp};
use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

pub use result::{Chunk, Column, Format, ResultSet, Sizes, Wanted};
pub use submitted::Submitted;

use crate::engine::{Answer, Sql};
use crate::error::SqlError;
use crate::session::{Parameter, Session};
use kept::Kept;
use links::Signer;
use result::Memory;
use sessions::Sessions;

/// Whoever runs statements: the engine, or a test.
#[async_trait]
pub trait Runner: Send + Sync + 'static {
    /// As [`Sql::run`].
    async fn run(
        &self,
        session: &Session,
        statement: &str,
        parameters: &[Parameter],
        traces: &mut Vec<Trace>,
    ) -> Result<Answer, SqlError>;
}

#[async_trait]
impl Runner for Sql {
    async fn run(
        &self,
        session: &Session,
        statement: &str,
        parameters: &[Parameter],
        traces: &mut Vec<Trace>,
    ) -> Result<Answer, SqlError> {
        Sql::run(self, session, statement, parameters, traces).await
    }
}

/// How much is kept, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct StatementLimits {
    /// Statements, running and ended.
    pub statements: usize,
    /// Running statements.
    pub running: usize,
    /// Statements that wait until others have ended (Databricks: at most 1,000 queries in a warehouse's queue).
    pub waiting: usize,
    /// A result, after its statement ended.
    pub results: SignedDuration,
    /// A status, after its statement ended.
    pub statuses: SignedDuration,
    /// A link.
    pub links: SignedDuration,
    /// Results' sizes.
    pub sizes: Sizes,
}

impl Default for StatementLimits {
    fn default() -> Self {
        Self {
            statements: 5000,
            running: 200,
            waiting: 1000,
            results: SignedDuration::from_hours(1),
            statuses: SignedDuration::from_hours(12),
            links: SignedDuration::from_mins(15),
            sizes: Sizes::default(),
        }
    }
}

/// Why a statement was not taken, or is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// No statement of that id, or somebody else's.
    #[error("The statement {0} was not found.")]
    NotFound(String),
    /// No session of that id, or somebody else's.
    #[error("The session {0} was not found.")]
    NoSession(String),
    /// It has no such chunk.
    #[error("The statement {statement} has no chunk {chunk}: its result has {chunks}.")]
    NoChunk {
        /// Which statement.
        statement: String,
        /// Which chunk.
        chunk: usize,
        /// How many there are.
        chunks: usize,
    },
    /// It has no result: it runs, failed, or its result was closed.
    #[error("The statement {statement} is {state} and has no result to fetch.")]
    NoResult {
        /// Which statement.
        statement: String,
        /// Its state.
        state: &'static str,
    },
    /// The link is none, or its time is over.
    #[error("The link has expired or was changed: get a new one from the statement.")]
    BadLink,
    /// Too much at a time.
    #[error("brickyard runs {0} at a time; wait until some have ended")]
    Busy(&'static str),
}

/// Where a statement is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // the API's own words
pub enum StatementState {
    Pending,
    Running,
    Succeeded,
    Failed,
    Canceled,
    Closed,
}

impl StatementState {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Canceled => "CANCELED",
            Self::Closed => "CLOSED",
        }
    }
}

/// Why a statement failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// A word of the API's `ServiceErrorCode`.
    pub code: &'static str,
    /// What the client sees.
    pub message: String,
    /// Five characters.
    pub sql_state: String,
}

impl From<&SqlError> for Failure {
    fn from(error: &SqlError) -> Self {
        let sql_state = error.sql_state().to_owned();
        let code = match sql_state.as_str() {
            "XX000" => "INTERNAL_ERROR",
            "53200" => "RESOURCE_EXHAUSTED",
            _ => "BAD_REQUEST",
        };
        Self { code, message: error.message(), sql_state }
    }
}

/// What is asked to be run.
pub struct Submission {
    /// The text.
    pub statement: String,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// Who runs it, and where names are looked up.
    pub session: Session,
    /// How the result is wanted.
    pub wanted: Wanted,
}

/// A statement as it is at one moment.
#[derive(Clone, Debug)]
pub struct StatementView {
    /// Its id.
    pub id: Arc<str>,
    /// Where it is.
    pub state: StatementState,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// What it answered.
    pub result: Option<Arc<ResultSet>>,
    /// How the result was wanted.
    pub wanted: Wanted,
}

/// A link to one chunk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChunkLink {
    /// Until when.
    pub expires: Timestamp,
    /// What proves it.
    pub signature: String,
}

/// The statements of one workspace. Clones are handles to the same ones.
#[derive(Clone)]
pub struct Statements(Arc<Inner>);

struct Inner {
    runner: Box<dyn Runner>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    limits: StatementLimits,
    memory: Memory,
    signer: Signer,
    sessions: Sessions,
    kept: Kept,
    turns: Arc<Semaphore>,
}

struct Entry {
    id: Arc<str>,
    owner: PrincipalId,
    wanted: Wanted,
    cancel: CancellationToken,
    ended: watch::Sender<bool>,
    now: Mutex<Now>,
}

struct Now {
    state: StatementState,
    failure: Option<Failure>,
    result: Option<Arc<ResultSet>>,
    ended_at: Option<Timestamp>,
    /// Decisions that no request's ledger entry has yet.
    traces: Vec<Trace>,
}

impl std::fmt::Debug for Statements {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Statements")
    }
}

impl Statements {
    /// A registry in front of `runner`.
    pub fn new(
        runner: impl Runner,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        limits: StatementLimits,
    ) -> Self {
        let signer = Signer::new(&*entropy);
        Self(Arc::new(Inner {
            runner: Box::new(runner),
            clock,
            entropy,
            limits,
            memory: Memory::default(),
            signer,
            sessions: Sessions::default(),
            kept: Kept::default(),
            turns: Arc::new(Semaphore::new(limits.running)),
        }))
    }

    /// Takes a statement for the warehouse of the permit. It runs while somebody [`wait`](Submitted::wait)s for it, and
    /// goes on by itself once nobody does.
    ///
    /// # Errors
    /// If too many run.
    pub fn submit(
        &self,
        _permit: &Permit<UseWarehouse>,
        submission: Submission,
    ) -> Result<Submitted, StatementError> {
        self.start(submission)
    }

    fn start(&self, submission: Submission) -> Result<Submitted, StatementError> {
        let Submission { statement, parameters, session, wanted } = submission;
        let inner = &self.0;
        // Who waits is served first come, first served: a free turn is taken only while nobody waits.
        let turn = Arc::clone(&inner.turns).try_acquire_owned().ok();
        let entry = Arc::new(Entry {
            id: inner.new_id(),
            owner: session.speaker().principal().id,
            wanted,
            cancel: CancellationToken::new(),
            ended: watch::Sender::new(false),
            now: Mutex::new(Now {
                state: if turn.is_some() { StatementState::Running } else { StatementState::Pending },
                failure: None,
                result: None,
                ended_at: None,
                traces: Vec::new(),
            }),
        });
        if !inner.kept.keep(&entry, &inner.limits, inner.clock.now()) {
            return Err(StatementError::Busy("that many statements"));
        }
        let inner = Arc::clone(inner);
        let submitted = Arc::clone(&entry);
        let work = Box::pin(async move {
            let work = async {
                let _turn = inner.turn(&entry, turn).await;
                inner.work(&entry, &session, &statement, &parameters).await
            };
            let work = AssertUnwindSafe(work).catch_unwind();
            let outcome = tokio::select! {
                () = entry.cancel.cancelled() => Err(SqlError::Cancelled),
                outcome = work => outcome.unwrap_or_else(|_| {
                    let message = "brickyard failed while it ran this statement; its log says why.";
                    Err(SqlError::condition("INTERNAL_ERROR", "XX000", message))
                }),
            };
            inner.end(&entry, outcome);
        });
        Ok(Submitted::new(submitted, work))
    }

    /// A statement as it is now.
    ///
    /// # Errors
    /// If it is not there, or somebody else's.
    pub fn view(&self, id: &str, who: PrincipalId) -> Result<StatementView, StatementError> {
        let entry = self.0.of(id, who)?;
        let now = entry.now.lock();
        Ok(StatementView {
            id: Arc::clone(&entry.id),
            state: now.state,
            failure: now.failure.clone(),
            result: now.result.clone(),
            wanted: entry.wanted.clone(),
        })
    }

    /// The decisions of a statement that nobody has written down yet.
    pub fn take_traces(&self, id: &str) -> Vec<Trace> {
        let entry = self.0.kept.get(id);
        entry.map_or_else(Vec::new, |entry| std::mem::take(&mut entry.now.lock().traces))
    }

    /// Stops a statement; one that has ended is left as it is.
    ///
    /// # Errors
    /// If it is not there, or somebody else's.
    pub fn cancel(&self, id: &str, who: PrincipalId) -> Result<(), StatementError> {
        let entry = self.0.of(id, who)?;
        self.0.end(&entry, Err(SqlError::Cancelled));
        entry.cancel.cancel();
        Ok(())
    }

    /// Stops a statement and drops what it answered.
    ///
    /// # Errors
    /// If it is not there, or somebody else's.
    pub fn close(&self, id: &str, who: PrincipalId) -> Result<(), StatementError> {
        let entry = self.0.of(id, who)?;
        self.0.end(&entry, Err(SqlError::Cancelled));
        entry.cancel.cancel();
        entry.close();
        Ok(())
    }

    /// One chunk of a statement's result.
    ///
    /// # Errors
    /// If there is no result or no such chunk.
    pub fn chunk(&self, view: &StatementView, index: usize) -> Result<Chunk, StatementError> {
        let result = view.result.as_ref().ok_or_else(|| StatementError::NoResult {
            statement: view.id.to_string(),
            state: view.state.as_str(),
        })?;
        result.chunks.get(index).cloned().ok_or_else(|| StatementError::NoChunk {
            statement: view.id.to_string(),
            chunk: index,
            chunks: result.chunks.len(),
        })
    }

    /// A link to one chunk, for whoever may see the statement.
    pub fn link(&self, view: &StatementView, index: usize) -> ChunkLink {
        let now = self.0.clock.now();
        let expires = now.checked_add(self.0.limits.links).unwrap_or(now);
        let signature = self.0.signer.sign(&view.id, index, expires);
        ChunkLink { expires, signature }
    }

    /// The chunk behind a link: the link is the right to fetch it.
    ///
    /// # Errors
    /// If the link is not one of ours, its time is over, or the result is gone.
    pub fn follow(
        &self,
        id: &str,
        index: usize,
        link: &ChunkLink,
    ) -> Result<(Chunk, Format), StatementError> {
        let good = self.0.signer.verifies(id, index, link.expires, &link.signature);
        if !good || link.expires <= self.0.clock.now() {
            return Err(StatementError::BadLink);
        }
        let entry = self.0.kept.get(id);
        let entry = entry.ok_or_else(|| StatementError::NotFound(id.to_owned()))?;
        let view = self.view(id, entry.owner)?;
        Ok((self.chunk(&view, index)?, view.wanted.format))
    }

    /// Opens a session on the warehouse of the permit.
    ///
    /// # Errors
    /// If there are too many.
    pub fn open_session(
        &self,
        permit: &Permit<UseWarehouse>,
        session: Session,
    ) -> Result<Arc<str>, StatementError> {
        let id = self.0.new_id();
        match self.0.sessions.keep(Arc::clone(&id), &permit.on().id, session, self.0.clock.now()) {
            true => Ok(id),
            false => Err(StatementError::Busy("1000 sessions")),
        }
    }

    /// Somebody's own session on the warehouse of the permit.
    ///
    /// # Errors
    /// If it is not there, or somebody else's.
    pub fn session(&self, permit: &Permit<UseWarehouse>, id: &str) -> Result<Arc<Session>, StatementError> {
        let (who, warehouse) = (permit.principal().id, &permit.on().id);
        let found = self.0.sessions.get(id, who, warehouse, self.0.clock.now());
        found.ok_or_else(|| StatementError::NoSession(id.to_owned()))
    }

    /// Ends somebody's own session.
    ///
    /// # Errors
    /// If it is not there, or somebody else's.
    pub fn end_session(&self, id: &str, who: PrincipalId) -> Result<(), StatementError> {
        match self.0.sessions.end(id, who) {
            true => Ok(()),
            false => Err(StatementError::NoSession(id.to_owned())),
        }
    }

    /// Stops everything that runs: the workspace closes.
    pub fn stop(&self) {
        for entry in self.0.kept.all() {
            entry.cancel.cancel();
        }
    }
}

impl Inner {
    /// Waits for a statement's turn, if it has none yet.
    async fn turn(&self, entry: &Entry, turn: Option<OwnedSemaphorePermit>) -> Option<OwnedSemaphorePermit> {
        if turn.is_some() {
            return turn;
        }
        // It is never closed.
        let turn = Arc::clone(&self.turns).acquire_owned().await.ok();
        let mut now = entry.now.lock();
        if now.state == StatementState::Pending {
            now.state = StatementState::Running;
        }
        turn
    }

    async fn work(
        &self,
        entry: &Entry,
        session: &Session,
        statement: &str,
        parameters: &[Parameter],
    ) -> Result<ResultSet, SqlError> {
        let mut decisions = Decisions { entry, traces: Vec::new() };
        let answered = self.runner.run(session, statement, parameters, &mut decisions.traces).await;
        drop(decisions);
        let make_room = || self.make_room();
        result::collect(answered?, &entry.wanted, &self.limits.sizes, &self.memory, &make_room).await
    }

    /// Somebody's own statement. A result whose hour is over is closed on the way.
    fn of(&self, id: &str, who: PrincipalId) -> Result<Arc<Entry>, StatementError> {
        let entry = self.kept.get(id);
        let entry = entry.filter(|entry| entry.owner == who && !self.is_over(entry, self.limits.statuses));
        let entry = entry.ok_or_else(|| StatementError::NotFound(id.chars().take(80).collect()))?;
        if self.is_over(&entry, self.limits.results) {
            entry.close();
        }
        Ok(entry)
    }

    fn is_over(&self, entry: &Entry, after: SignedDuration) -> bool {
        let ended_at = entry.now.lock().ended_at;
        ended_at.is_some_and(|ended_at| self.clock.now().duration_since(ended_at) >= after)
    }

    /// Writes down how a statement ended, once.
    fn end(&self, entry: &Arc<Entry>, outcome: Result<ResultSet, SqlError>) {
        let at = self.clock.now();
        if entry.end(outcome, at) {
            self.kept.ended(entry, at);
            entry.ended.send_replace(true);
        }
    }

    /// Drops the oldest results until half of the memory is free.
    fn make_room(&self) {
        let mut ended = self.kept.all();
        ended.retain(|entry| entry.now.lock().result.is_some());
        ended.sort_by_key(|entry| entry.now.lock().ended_at);
        for entry in ended {
            if self.memory.used() <= self.limits.sizes.all / 2 {
                return;
            }
            entry.close();
        }
    }

    /// As Databricks' ids look: a UUID that begins with `01`.
    fn new_id(&self) -> Arc<str> {
        let mut bytes = [0u8; 16];
        self.entropy.fill(&mut bytes);
        bytes[0] = 0x01;
        uuid::Uuid::from_bytes(bytes).to_string().into()
    }
}

/// The decisions of a running statement: the entry has them when the work ends, and also when it is cancelled.
struct Decisions<'e> {
    entry: &'e Entry,
    traces: Vec<Trace>,
}

impl Drop for Decisions<'_> {
    fn drop(&mut self) {
        self.entry.now.lock().traces.append(&mut self.traces);
    }
}

impl Entry {
    /// Writes down how it ended; false if it had ended before.
    fn end(&self, outcome: Result<ResultSet, SqlError>, at: Timestamp) -> bool {
        let mut now = self.now.lock();
        if now.ended_at.is_some() {
            return false;
        }
        now.ended_at = Some(at);
        match outcome {
            Ok(result) => {
                now.state = StatementState::Succeeded;
                now.result = Some(Arc::new(result));
            }
            Err(SqlError::Cancelled) => now.state = StatementState::Canceled,
            Err(error) => {
                now.state = StatementState::Failed;
                now.failure = Some(Failure::from(&error));
            }
        }
        true
    }

    /// Drops the result of a statement that has one.
    fn close(&self) {
        let mut now = self.now.lock();
        if matches!(now.state, StatementState::Succeeded | StatementState::Canceled) {
            now.state = StatementState::Closed;
            now.result = None;
        }
    }
}
