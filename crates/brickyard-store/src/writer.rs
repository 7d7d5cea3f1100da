//! The one task that writes: append, publish, answer, in that order.
//!
//! Append before publish, so readers see only what is durable. Publish before answer, so whoever committed
//! reads its own commit. While one append runs, the queue fills; the next append takes all of it, so a
//! thousand commits cost a few disk flushes.

use std::sync::Arc;

use tokio::sync::watch;

use crate::backend::{Backend, Commit};
use crate::error::StoreError;
use crate::head::{Queued, Shared, Work};
use crate::snapshot::Snapshot;

/// Starts the writer. The receiver's channel closes when it has ended.
pub(crate) fn start(shared: Arc<Shared>, backend: Box<dyn Backend>) -> watch::Receiver<()> {
    let (running, ended) = watch::channel(());
    let writer = Writer { shared, _running: running };
    // Bounded: one task a store, and it ends with the store's last handle.
    tokio::spawn(writer.run(backend));
    ended
}

struct Writer {
    shared: Arc<Shared>,
    _running: watch::Sender<()>,
}

impl Writer {
    async fn run(self, mut backend: Box<dyn Backend>) {
        loop {
            match self.shared.work() {
                Work::Append(batch, newest) => self.append(backend.as_mut(), batch, newest).await,
                Work::Wait => self.shared.wake.notified().await,
                Work::Stop => break,
            }
        }
        let journal = backend.name();
        if let Err(error) = backend.close().await {
            tracing::warn!(%journal, %error, "the journal did not close cleanly; what was acknowledged is in it");
        }
    }

    async fn append(&self, backend: &mut dyn Backend, batch: Vec<Queued>, newest: Arc<Snapshot>) {
        let mut commits: Vec<Commit> = Vec::with_capacity(batch.len());
        let mut waiting = Vec::with_capacity(batch.len());
        for Queued { commit, answer, room } in batch {
            commits.push(commit);
            waiting.push((answer, room));
        }
        let written = backend.append(&commits).await;
        if let Err(error) = &written {
            tracing::error!(%error, commits = commits.len(), "the journal refused an append; its commits are undone");
            waiting.extend(self.shared.fall_back().into_iter().map(|queued| (queued.answer, queued.room)));
        } else {
            self.shared.published.store(newest);
        }
        for (answer, _room) in waiting {
            // The caller may be gone. The commit stands all the same.
            let _ = answer.send(written.clone());
        }
    }
}

/// However the writer ends (closed, panicked, or its runtime gone), nobody waits for it forever.
impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.stop();
        for queued in self.shared.fall_back() {
            let _ = queued.answer.send(Err(StoreError::Closed));
        }
    }
}
