//! Who may use which process, and how many there are.

use std::collections::VecDeque;
use std::path::PathBuf;

use parking_lot::{Condvar, Mutex};

use super::worker::Worker;
use super::{PythonFunctionError, PythonSettings, interpreter};

#[derive(Debug)]
pub(super) struct Pool {
    pub(super) settings: PythonSettings,
    interpreter: Mutex<Option<PathBuf>>,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The one that rests longest is first.
    idle: VecDeque<Worker>,
    /// Idle, lent, and on their way.
    alive: usize,
}

/// The place of one process in the pool. Given back when it is dropped, whatever happened.
struct Place<'a>(&'a Pool);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.state.lock().alive -= 1;
        self.0.freed.notify_one();
    }
}

/// A process for one caller alone. It ends with the lease, unless it is kept.
pub(super) struct Lease<'a> {
    // In this order: the process has ended before its place is free.
    pub(super) worker: Worker,
    place: Place<'a>,
}

impl Lease<'_> {
    /// It may be lent again.
    pub(super) fn keep(self) {
        if !self.worker.reusable() {
            return;
        }
        let Self { worker, place } = self;
        let pool = place.0;
        // The place goes with the process.
        std::mem::forget(place);
        pool.state.lock().idle.push_back(worker);
        pool.freed.notify_one();
    }
}

impl Pool {
    pub(super) fn new(settings: PythonSettings) -> Self {
        Self { settings, interpreter: Mutex::default(), state: Mutex::default(), freed: Condvar::new() }
    }

    /// A process that belongs to `owner`. Waits while all are busy: each is for a limited time.
    pub(super) fn lease(&self, owner: u64) -> Result<Lease<'_>, PythonFunctionError> {
        let place = match self.find(owner) {
            (place, Some(mut worker)) if worker.owner == owner => {
                if worker.is_quiet() {
                    return Ok(Lease { worker, place });
                }
                place
            }
            // Another owner's, which has rested longest, makes room; it ends here, outside the lock.
            (place, _) => place,
        };
        let interpreter = self.interpreter()?;
        Ok(Lease { worker: Worker::start(&self.settings, &interpreter, owner)?, place })
    }

    fn find(&self, owner: u64) -> (Place<'_>, Option<Worker>) {
        let mut state = self.state.lock();
        loop {
            // The latest used of them: the others may rest long enough to make room.
            let own = state.idle.iter().rposition(|worker| worker.owner == owner);
            if let Some(worker) = own.and_then(|at| state.idle.remove(at)) {
                return (Place(self), Some(worker));
            }
            if state.alive < self.settings.workers.max(1) {
                state.alive += 1;
                return (Place(self), None);
            }
            if let Some(other) = state.idle.pop_front() {
                return (Place(self), Some(other));
            }
            self.freed.wait(&mut state);
        }
    }

    /// Looked for until it is found: it may be installed while brickyard runs.
    fn interpreter(&self) -> Result<PathBuf, PythonFunctionError> {
        let mut known = self.interpreter.lock();
        if let Some(path) = &*known {
            return Ok(path.clone());
        }
        let found = interpreter::find(self.settings.interpreter.as_deref())?;
        *known = Some(found.clone());
        Ok(found)
    }
}
