//! Who is idle, who waits, who is being started: the pool's one lock, held for moments and never across an await.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use brickyard_types::{Entropy, Timestamp, WorkerId};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::idle::{Idle, Look};
use super::lease::Lease;
use super::order::Order;
use super::{PoolStats, PredictError, StartError, SystemTokens, WorkerSpec};
use crate::log_ring::LogRing;
use crate::worker::{self, Births, Control, PrivateFolder, Process, ReadyReport, Worker};

/// From so many failures in a row on callers are turned away instead of waiting.
const BREAK_AFTER: u32 = 2;
/// Being killed from outside says little about the model, unless it goes on (a model too large for the machine).
const PARDONED: u32 = 6;
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

pub(super) struct Members {
    pub(super) spec: WorkerSpec,
    pub(super) logs: Arc<LogRing>,
    tokens: Option<Arc<dyn SystemTokens>>,
    entropy: Arc<dyn Entropy>,
    /// Its workers' private folders are in it, and nobody else's.
    folder: PathBuf,
    births: Births,
    state: Mutex<State>,
    /// Told when a request has left its worker.
    left: Notify,
    closing: CancellationToken,
    /// Reapers, log readers, starters and settlers: at most a few for each of `max_workers`.
    pub(super) tasks: TaskTracker,
    pub(super) runtime: tokio::runtime::Handle,
}

#[derive(Default)]
struct State {
    idle: Vec<Worker>,
    waiting: VecDeque<Waiter>,
    members: HashMap<WorkerId, Member>,
    starting: usize,
    in_flight: usize,
    failures: u32,
    /// Workers that somebody else killed before their first answer, since the last answer.
    felled: u32,
    reason: String,
    unneeded: Idle,
    /// No new requests.
    draining: bool,
    started: u64,
    ended: u64,
}

/// A request that waits for a worker.
struct Waiter {
    order: Order,
    turn: oneshot::Sender<Result<Lease, PredictError>>,
}

struct Member {
    control: Arc<Control>,
    ready: bool,
}

impl State {
    fn ready(&self) -> usize {
        self.members.values().filter(|member| member.ready).count()
    }

    fn broken(&self) -> bool {
        self.failures >= BREAK_AFTER && self.ready() == 0
    }
}

impl Members {
    pub(super) fn new(
        spec: WorkerSpec,
        tokens: Option<Arc<dyn SystemTokens>>,
        entropy: Arc<dyn Entropy>,
        logs: Arc<LogRing>,
    ) -> Result<Arc<Self>, StartError> {
        let io_error = |what| move |source| StartError::Io { what, source };
        let name = format!("{:08x}", random(&*entropy) as u32);
        let folder = worker::pool_folder(&spec.run_dir, &name).map_err(io_error("the workers' folder"))?;
        let tasks = TaskTracker::new();
        let births = Births::new(&spec, folder.clone(), Arc::clone(&logs), tasks.clone())
            .map_err(io_error("the place where workers are started"))?;
        Ok(Arc::new(Self {
            spec,
            logs,
            tokens,
            entropy,
            folder,
            births,
            state: Mutex::default(),
            left: Notify::new(),
            closing: CancellationToken::new(),
            tasks,
            runtime: tokio::runtime::Handle::current(),
        }))
    }

    pub(super) fn random(&self) -> u64 {
        random(&*self.entropy)
    }

    /// Starts one worker and waits until it has the model loaded.
    pub(super) async fn start_one(self: &Arc<Self>) -> Result<(Worker, ReadyReport), StartError> {
        let name = format!("{:08x}", self.random() as u32);
        let id = WorkerId(format!("{}-{name}", self.spec.served_entity).into());
        let folder = PrivateFolder::create(&self.folder, &name)
            .map_err(|source| StartError::Io { what: "a worker's private folder", source })?;
        if let Some(tokens) = &self.tokens {
            folder
                .write_token(&tokens.issue(&id))
                .map_err(|source| StartError::Io { what: "the system token's file", source })?;
        }
        let spare = format!("{:08x}", self.random() as u32);
        let newborn = worker::start(&self.spec, id.clone(), folder, &self.births, &spare).await?;
        let worker::Newborn { mut channel, control, process } = newborn;
        // A starter that is dropped must not leave a process that nobody knows.
        let unwanted = Unwanted(Some(Arc::clone(&control)));
        {
            let mut state = self.state.lock();
            state.started += 1;
            state.members.insert(id, Member { control: Arc::clone(&control), ready: false });
        }
        self.watch(process, Arc::clone(&control));
        if self.closing.is_cancelled() {
            return Err(StartError::Stopping);
        }
        let report = worker::load(&mut channel, &control, &self.spec, self.random(), &self.logs).await?;
        {
            let mut state = self.state.lock();
            // Gone in this very moment: its reaper has already been here.
            let Some(member) = state.members.get_mut(&control.id) else {
                return Err(control.exited_early(&self.logs));
            };
            member.ready = true;
        }
        unwanted.keep();
        Ok((Worker { channel, control }, report))
    }

    /// Reads what the worker prints, and buries it when it ends.
    fn watch(self: &Arc<Self>, mut process: Process, control: Arc<Control>) {
        let read =
            |pipe| self.tasks.spawn_on(Arc::clone(&self.logs).drain(control.id.clone(), pipe), &self.runtime);
        let mut readers: Vec<_> = process.take_outputs().into_iter().map(read).collect();
        let members = Arc::clone(self);
        let reaper = async move {
            let status = process.wait().await;
            control.reaped(&status);
            process.bury().await;
            // What it printed last explains its end: read it before anybody is told.
            let read_out = futures_util::future::join_all(readers.iter_mut());
            let _ = tokio::time::timeout(worker::LAST_WORDS, read_out).await;
            control.exited.cancel();
            members.buried(&control);
            let burial = tokio::task::spawn_blocking({
                let control = Arc::clone(&control);
                move || {
                    worker::end_remains(control.folder.credentials());
                    control.folder.remove();
                }
            });
            let _ = burial.await;
            for reader in readers {
                reader.abort();
            }
        };
        self.tasks.spawn_on(reaper, &self.runtime);
    }

    /// A worker has ended: forget it, and start another one if it had been of use.
    fn buried(self: &Arc<Self>, control: &Arc<Control>) {
        if let Some(tokens) = &self.tokens {
            tokens.retire(&control.id);
        }
        let mut state = self.state.lock();
        state.ended += 1;
        let member = state.members.remove(&control.id);
        let idle = state.idle.iter().position(|worker| worker.control.id == control.id);
        let idle = idle.map(|index| state.idle.swap_remove(index));
        // Without `ready` its starter is told by the closed channel, and starts the next one itself.
        if member.is_some_and(|member| member.ready) && !self.closing.is_cancelled() {
            if !control.answered.load(Ordering::Acquire) && !control.dismissed.load(Ordering::Acquire) {
                let reason = format!("a worker ended before its first answer: {}", control.how());
                self.note_failure(&mut state, reason, control.felled());
            }
            self.start_another(&mut state);
        }
        drop(state);
        drop(idle);
    }

    fn note_failure(&self, state: &mut State, reason: String, felled: bool) {
        tracing::warn!(served_entity = %self.spec.served_entity, reason, "a worker failed");
        if felled && state.felled < PARDONED {
            state.felled += 1;
            return;
        }
        state.failures = state.failures.saturating_add(1);
        state.reason = reason;
        if state.broken() {
            for waiter in state.waiting.drain(..) {
                let _ = waiter.turn.send(Err(PredictError::Unavailable { reason: state.reason.clone() }));
            }
        }
    }

    fn start_another(self: &Arc<Self>, state: &mut State) {
        if state.ready() + state.starting >= self.spec.max_workers.max(1) {
            return;
        }
        state.starting += 1;
        let members = Arc::clone(self);
        self.tasks.spawn_on(async move { members.keep_starting().await }, &self.runtime);
    }

    async fn keep_starting(self: Arc<Self>) {
        loop {
            let failures = self.state.lock().failures;
            let pause = match failures {
                0 | 1 => Duration::ZERO,
                more => Duration::from_millis(500).saturating_mul(1 << (more - 2).min(16)).min(LONGEST_PAUSE),
            };
            let started = tokio::select! {
                biased;
                () = self.closing.cancelled() => Err(StartError::Stopping),
                started = async {
                    tokio::time::sleep(pause).await;
                    self.start_one().await
                } => started,
            };
            match started {
                Ok((worker, _)) => {
                    self.state.lock().starting -= 1;
                    self.give_back(worker);
                    return;
                }
                Err(error) => {
                    let mut state = self.state.lock();
                    if self.closing.is_cancelled() {
                        state.starting -= 1;
                        return;
                    }
                    let felled = matches!(error, StartError::Exited { felled: true, .. });
                    self.note_failure(&mut state, error.without_log(), felled);
                    // Others are there: growing can wait for the next request that has to wait.
                    if state.ready() > 0 {
                        state.starting -= 1;
                        return;
                    }
                }
            }
        }
    }

    /// A worker that has begun with `order`: an idle one, or the first that comes free.
    pub(super) async fn lend(self: &Arc<Self>, order: Order) -> Result<Lease, PredictError> {
        let mut turn = {
            let mut state = self.state.lock();
            if state.draining || self.closing.is_cancelled() {
                return Err(PredictError::Unavailable { reason: "the served entity is stopping".to_owned() });
            }
            while let Some(mut worker) = state.idle.pop() {
                if worker.control.is_alive() && worker.channel.is_quiet() {
                    let left = state.idle.len();
                    state.unneeded.asked(left);
                    let mut lease = Lease::new(worker, Arc::clone(self), &mut state.in_flight);
                    drop(state);
                    lease.begin(order);
                    return Ok(lease);
                }
                // It spoke without being asked, or is about to be buried.
                worker.control.kill();
            }
            state.unneeded.asked(0);
            if state.broken() {
                return Err(PredictError::Unavailable { reason: state.reason.clone() });
            }
            if state.waiting.len() >= self.spec.max_queue {
                state.waiting.retain(|waiter| !waiter.turn.is_closed());
                if state.waiting.len() >= self.spec.max_queue {
                    return Err(PredictError::Overloaded);
                }
            }
            let (turn, mine) = oneshot::channel();
            state.waiting.push_back(Waiter { order, turn });
            mine
        };
        let gone = |_| PredictError::Unavailable { reason: "the served entity is stopping".to_owned() };
        if let Ok(lease) = tokio::time::timeout(self.spec.grow_after, &mut turn).await {
            return lease.map_err(gone)?;
        }
        {
            let mut state = self.state.lock();
            let waiting = state.waiting.iter().filter(|waiter| !waiter.turn.is_closed()).count();
            if state.starting < waiting && !self.closing.is_cancelled() {
                self.start_another(&mut state);
            }
        }
        turn.await.map_err(gone)?
    }

    /// Takes a worker that has nothing to do: for the first who waits, or among the idle ones.
    pub(super) fn give_back(self: &Arc<Self>, mut worker: Worker) {
        if self.closing.is_cancelled() {
            worker.control.dismiss();
            return;
        }
        if !worker.channel.is_quiet() {
            worker.control.kill();
            return;
        }
        let (waiter, mut lease) = {
            let mut state = self.state.lock();
            if !worker.control.is_alive() {
                return;
            }
            // Those whose callers have gone take nobody's turn.
            let next =
                std::iter::from_fn(|| state.waiting.pop_front()).find(|waiter| !waiter.turn.is_closed());
            let Some(waiter) = next else {
                state.idle.push(worker);
                return;
            };
            (waiter, Lease::new(worker, Arc::clone(self), &mut state.in_flight))
        };
        lease.begin(waiter.order);
        // A caller who leaves in this very moment is one who left just after the beginning: the lease sees to it.
        let _ = waiter.turn.send(Ok(lease));
    }

    /// A request has left its worker.
    pub(super) fn left(&self) {
        self.state.lock().in_flight -= 1;
        self.left.notify_waiters();
    }

    /// A worker has answered: whatever failed before is over.
    pub(super) fn answered(&self, control: &Control) {
        if !control.answered.swap(true, Ordering::AcqRel) {
            let mut state = self.state.lock();
            (state.failures, state.felled) = (0, 0);
        }
    }

    /// Ends workers that nobody needs any more: those that have been idle longest, since the last one that came back is
    /// the first one lent.
    pub(super) fn shrink(&self, now: Timestamp) {
        let mut state = self.state.lock();
        let look = Look {
            now,
            idle: state.idle.len(),
            ready: state.ready(),
            busy: state.in_flight > 0 || state.starting > 0 || !state.waiting.is_empty(),
        };
        let spare = state.unneeded.spare(look, &self.spec);
        let ended: Vec<Worker> = state.idle.drain(..spare.min(look.idle)).collect();
        for worker in &ended {
            // Whoever is not ready is not replaced when it ends.
            if let Some(member) = state.members.get_mut(&worker.control.id) {
                member.ready = false;
            }
            worker.control.dismiss();
        }
        if state.ready() + state.starting == 0 {
            self.births.release();
        }
        drop(state);
        if !ended.is_empty() {
            tracing::info!(served_entity = %self.spec.served_entity, workers = ended.len(), "idle workers ended");
        }
    }

    pub(super) fn refresh_credentials(&self) {
        let Some(tokens) = &self.tokens else { return };
        let controls: Vec<_> =
            self.state.lock().members.values().map(|member| Arc::clone(&member.control)).collect();
        for control in controls {
            if let Err(error) = control.folder.write_token(&tokens.issue(&control.id)) {
                // Its worker may have ended meanwhile.
                if control.is_alive() {
                    tracing::error!(worker = %control.id, %error, "a system token could not be replaced");
                }
            }
        }
    }

    /// Waits until no request runs or waits; takes no new one.
    pub(super) async fn finish(&self) {
        self.state.lock().draining = true;
        loop {
            let left = self.left.notified();
            tokio::pin!(left);
            left.as_mut().enable();
            {
                let mut state = self.state.lock();
                state.waiting.retain(|waiter| !waiter.turn.is_closed());
                if state.in_flight == 0 && state.waiting.is_empty() {
                    return;
                }
            }
            // Not every way of leaving the queue is told; look again now and then.
            let _ = tokio::time::timeout(Duration::from_millis(100), left).await;
        }
    }

    /// Ends every process, without waiting for their end.
    pub(super) fn close(&self) {
        self.closing.cancel();
        self.births.close();
        self.tasks.close();
        let mut state = self.state.lock();
        state.draining = true;
        let (idle, waiting) = (std::mem::take(&mut state.idle), std::mem::take(&mut state.waiting));
        for member in state.members.values() {
            member.control.dismiss();
        }
        drop(state);
        drop((idle, waiting));
    }

    /// Ends every process and waits until nothing of them is left.
    pub(super) async fn shutdown(&self) {
        self.close();
        self.tasks.wait().await;
        self.leave_nothing();
    }

    /// Each worker takes its own folder away. What is left all the same goes with the next start of brickyard.
    fn leave_nothing(&self) {
        let _ = std::fs::remove_dir(&self.folder);
    }

    pub(super) fn stats(&self) -> PoolStats {
        let state = self.state.lock();
        PoolStats {
            idle: state.idle.len(),
            ready: state.ready(),
            starting: state.starting,
            waiting: state.waiting.iter().filter(|waiter| !waiter.turn.is_closed()).count(),
            in_flight: state.in_flight,
            started: state.started,
            ended: state.ended,
            failures: state.failures,
        }
    }

    pub(super) fn pids(&self) -> Vec<(WorkerId, u32)> {
        let state = self.state.lock();
        let mut pids: Vec<_> =
            state.members.values().map(|member| (member.control.id.clone(), member.control.pid)).collect();
        pids.sort_by_key(|(_, pid)| *pid);
        pids
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        self.leave_nothing();
    }
}

fn random(entropy: &dyn Entropy) -> u64 {
    let mut bytes = [0; 8];
    entropy.fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// A worker that is ended unless somebody keeps it.
struct Unwanted(Option<Arc<Control>>);

impl Unwanted {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Unwanted {
    fn drop(&mut self) {
        if let Some(control) = self.0.take() {
            control.dismiss();
        }
    }
}
