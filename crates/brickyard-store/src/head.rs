//! The head: the newest state, durable or not, and the commits on their way to the journal.
//!
//! One mutex orders everything that decides: a commit is validated, numbered and queued under it, so the
//! queue's order is the sequence's order. It is never held across an await or any I/O.

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};

use crate::backend::Commit;
use crate::error::{CommitError, StoreError};
use crate::snapshot::Snapshot;
use crate::transaction::Transaction;

/// How many commits may wait for the journal. Beyond it, committing waits: a slow disk must not become
/// unbounded memory.
const ROOM: usize = 1024;

/// What the store's handles and its writer share.
pub(crate) struct Shared {
    /// The newest durable snapshot. Readers take it without a lock; only the writer replaces it.
    pub(crate) published: ArcSwap<Snapshot>,
    pub(crate) room: Arc<Semaphore>,
    pub(crate) wake: Notify,
    head: Mutex<Head>,
}

struct Head {
    newest: Arc<Snapshot>,
    queue: Vec<Queued>,
    closing: bool,
}

/// One commit waiting for the journal. It owes nothing to its caller: who goes away is not answered.
pub(crate) struct Queued {
    pub(crate) commit: Commit,
    pub(crate) answer: oneshot::Sender<Result<(), StoreError>>,
    pub(crate) room: OwnedSemaphorePermit,
}

/// What the closure's verdict came to.
pub(crate) enum Decided<T> {
    /// Nothing was changed: done.
    Unchanged(T),
    /// In the queue; the receiver hears when it is durable.
    Queued(T, oneshot::Receiver<Result<(), StoreError>>),
}

/// What the writer does next.
pub(crate) enum Work {
    /// Append these; they lead to this snapshot.
    Append(Vec<Queued>, Arc<Snapshot>),
    /// Sleep until woken.
    Wait,
    /// Nothing is left and nothing will come.
    Stop,
}

impl Shared {
    pub(crate) fn starting_at(replayed: Snapshot) -> Self {
        let newest = Arc::new(replayed);
        Self {
            published: ArcSwap::new(newest.clone()),
            room: Arc::new(Semaphore::new(ROOM)),
            wake: Notify::new(),
            head: Mutex::new(Head { newest, queue: Vec::new(), closing: false }),
        }
    }

    /// Runs `decide` against the head and queues what it changed.
    pub(crate) fn decide<T, E>(
        &self,
        room: OwnedSemaphorePermit,
        decide: impl FnOnce(&mut Transaction) -> Result<T, E>,
    ) -> Result<Decided<T>, CommitError<E>> {
        let mut head = self.head.lock();
        if head.closing {
            return Err(CommitError::Store(StoreError::Closed));
        }
        let mut transaction = Transaction::on(&head.newest);
        let value = decide(&mut transaction).map_err(CommitError::Refused)?;
        let Some((records, next)) = transaction.finish()? else {
            return Ok(Decided::Unchanged(value));
        };
        let (answer, answered) = oneshot::channel();
        let commit = Commit { sequence: next.sequence, records };
        head.queue.push(Queued { commit, answer, room });
        head.newest = Arc::new(next);
        drop(head);
        self.wake.notify_one();
        Ok(Decided::Queued(value, answered))
    }

    /// Everything queued so far, for one append.
    pub(crate) fn work(&self) -> Work {
        let mut head = self.head.lock();
        if !head.queue.is_empty() {
            Work::Append(std::mem::take(&mut head.queue), head.newest.clone())
        } else if head.closing {
            Work::Stop
        } else {
            Work::Wait
        }
    }

    /// Forgets every commit that is not durable, and hands back those still queued: they were decided on a
    /// state that never came to be.
    pub(crate) fn fall_back(&self) -> Vec<Queued> {
        let mut head = self.head.lock();
        head.newest = self.published.load_full();
        std::mem::take(&mut head.queue)
    }

    /// Takes no more commits; the writer finishes those it has.
    pub(crate) fn stop(&self) {
        self.head.lock().closing = true;
        self.room.close();
        self.wake.notify_one();
    }
}
