//! What a commit's closure works on: the head, and the changes it adds.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::backend::Record;
use crate::error::StoreError;
use crate::slot::Slot;
use crate::snapshot::Snapshot;
use crate::state::{ErasedState, State, make_mut};

/// A commit being decided: it shows the newest state, including commits that are not durable yet and its
/// own changes so far. Dropping it (a refusal, a panic) leaves no mark.
pub struct Transaction {
    sequence: u64,
    states: Vec<Arc<dyn ErasedState>>,
    records: Vec<Record>,
    broken: Option<StoreError>,
}

impl Transaction {
    pub(crate) fn on(head: &Snapshot) -> Self {
        Self { sequence: head.sequence, states: head.states.clone(), records: Vec::new(), broken: None }
    }

    /// One owner's state, with this transaction's changes applied.
    pub fn get<S: State>(&self, slot: Slot<S>) -> &S {
        slot.find(&self.states)
    }

    /// Adds a change and applies it. A change that cannot be read back from what would be written fails the
    /// whole commit with [`StoreError::NotReplayable`]: it would make the journal unreadable.
    pub fn change<S: State>(&mut self, slot: Slot<S>, change: S::Change) {
        // A slot of another store must panic before it can touch a state that is not its own.
        slot.find(&self.states);
        if self.broken.is_some() {
            return;
        }
        let added = serde_json::value::to_raw_value(&change).and_then(|body| {
            make_mut(&mut self.states[slot.index()]).replay(body.get())?;
            Ok(Record { owner: Cow::Borrowed(S::OWNER), body })
        });
        match added {
            Ok(record) => self.records.push(record),
            Err(error) => {
                self.broken = Some(StoreError::NotReplayable { owner: S::OWNER, reason: error.to_string() });
            }
        }
    }

    /// What was decided: the records and the next head, or nothing when nothing was changed.
    pub(crate) fn finish(self) -> Result<Option<(Vec<Record>, Snapshot)>, StoreError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        if self.records.is_empty() {
            return Ok(None);
        }
        let next = Snapshot { sequence: self.sequence + 1, states: self.states };
        Ok(Some((self.records, next)))
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("after", &self.sequence).field("records", &self.records).finish()
    }
}
