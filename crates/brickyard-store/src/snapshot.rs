//! All owners' states as they were after one commit, and the cheap way to look at one of them.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use arc_swap::Guard;

use crate::slot::Slot;
use crate::state::{ErasedState, State};

/// Every owner's state after one commit. It never changes: hold it as long as a consistent view is
/// needed, at the price of keeping what later commits have replaced.
pub struct Snapshot {
    pub(crate) sequence: u64,
    pub(crate) states: Vec<Arc<dyn ErasedState>>,
}

impl Snapshot {
    /// One owner's state in this snapshot.
    pub fn get<S: State>(&self, slot: Slot<S>) -> &S {
        slot.find(&self.states)
    }

    /// The sequence number of the last commit in it; 0 when there was none.
    pub fn version(&self) -> u64 {
        self.sequence
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owners: Vec<_> = self.states.iter().map(|state| state.owner()).collect();
        f.debug_struct("Snapshot").field("version", &self.sequence).field("owners", &owners).finish()
    }
}

/// One owner's durable state, read without a lock. It stays as it was when it was read: take a new one to
/// see later commits, and a [`Snapshot`] when two owners must agree.
pub struct Reading<S: State> {
    snapshot: Guard<Arc<Snapshot>>,
    slot: Slot<S>,
}

impl<S: State> Reading<S> {
    pub(crate) fn new(snapshot: Guard<Arc<Snapshot>>, slot: Slot<S>) -> Self {
        Self { snapshot, slot }
    }
}

impl<S: State> Deref for Reading<S> {
    type Target = S;

    fn deref(&self) -> &S {
        self.snapshot.get(self.slot)
    }
}

impl<S: State + fmt::Debug> fmt::Debug for Reading<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        S::fmt(self, f)
    }
}
