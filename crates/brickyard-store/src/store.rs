//! The store: read, commit, close.

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

use crate::backend::Backend;
use crate::builder::Builder;
use crate::error::{CommitError, StoreError};
use crate::head::{Decided, Shared};
use crate::slot::Slot;
use crate::snapshot::{Reading, Snapshot};
use crate::state::State;
use crate::transaction::Transaction;
use crate::writer;

/// All durable state of one workspace. Clones are handles to the same store; when the last one is dropped
/// the writer finishes what is queued and lets go of the journal ([`close`](Self::close) waits for that).
#[derive(Clone)]
pub struct Store {
    handle: Arc<Handle>,
}

struct Handle {
    shared: Arc<Shared>,
    writer_ended: watch::Receiver<()>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

impl Store {
    /// Where a store begins: register its owners, then open it.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn start(replayed: Snapshot, backend: Box<dyn Backend>) -> Self {
        let shared = Arc::new(Shared::starting_at(replayed));
        let writer_ended = writer::start(shared.clone(), backend);
        Self { handle: Arc::new(Handle { shared, writer_ended }) }
    }

    /// One owner's durable state. Lock-free, and cheap enough to call on every request.
    pub fn read<S: State>(&self, slot: Slot<S>) -> Reading<S> {
        Reading::new(self.handle.shared.published.load(), slot)
    }

    /// Every owner's durable state after one and the same commit.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.handle.shared.published.load_full()
    }

    /// The sequence number of the newest durable commit; 0 when there was none.
    pub fn version(&self) -> u64 {
        self.handle.shared.published.load().sequence
    }

    /// Decides and keeps one commit.
    ///
    /// `decide` runs at once, alone, against the newest state (which may be ahead of what [`read`](Self::read)
    /// shows), so what it checks is still true when its changes are applied. It must be quick and must not block:
    /// every other commit waits for it. What the caller needs to know afterwards, it returns.
    ///
    /// Answers when the changes are durable and published; a closure that changes nothing is answered at
    /// once. Dropping the future before its first poll does nothing; dropping it later does not take a queued
    /// commit back.
    pub async fn commit<T, E, F>(&self, decide: F) -> Result<T, CommitError<E>>
    where
        F: FnOnce(&mut Transaction) -> Result<T, E>,
    {
        let shared = &self.handle.shared;
        let room = shared.room.clone().acquire_owned().await.map_err(|_| StoreError::Closed)?;
        match shared.decide(room, decide)? {
            Decided::Unchanged(value) => Ok(value),
            Decided::Queued(value, answered) => match answered.await {
                Ok(Ok(())) => Ok(value),
                Ok(Err(error)) => Err(CommitError::Store(error)),
                Err(_writer_gone) => Err(CommitError::Store(StoreError::Closed)),
            },
        }
    }

    /// Takes no more commits, writes those that are queued, and lets go of the journal. Reading still works.
    /// When it returns, the same journal can be opened again.
    pub async fn close(&self) {
        self.handle.shared.stop();
        let mut ended = self.handle.writer_ended.clone();
        // Nothing is ever sent: the channel closes when the writer is gone.
        while ended.changed().await.is_ok() {}
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("version", &self.version()).finish_non_exhaustive()
    }
}
