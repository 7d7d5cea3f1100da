//! A journal in memory: as durable as the process.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::backend::{Answer, Backend, Commit};
use crate::error::StoreError;

/// A journal that lives as long as one of its clones. Opening a clone is a restart on the same journal.
#[derive(Debug, Clone, Default)]
pub struct MemoryJournal {
    commits: Arc<Mutex<Vec<Commit>>>,
}

impl MemoryJournal {
    /// An empty journal.
    pub fn new() -> Self {
        Self::default()
    }

    /// All that was written, oldest first.
    pub fn commits(&self) -> Vec<Commit> {
        self.commits.lock().clone()
    }
}

impl Backend for MemoryJournal {
    fn name(&self) -> String {
        "the journal in memory".to_owned()
    }

    fn append<'a>(&'a mut self, commits: &'a [Commit]) -> Answer<'a, ()> {
        Box::pin(async move {
            let mut written = self.commits.lock();
            for (next, commit) in (written.len() as u64 + 1..).zip(commits) {
                if commit.sequence != next {
                    return Err(StoreError::Conflict { journal: self.name(), sequence: commit.sequence });
                }
            }
            written.extend_from_slice(commits);
            Ok(())
        })
    }

    fn read_from(&mut self, sequence: u64) -> Answer<'_, Vec<Commit>> {
        const PAGE: usize = 1024;
        Box::pin(async move {
            let written = self.commits.lock();
            let start = usize::try_from(sequence.saturating_sub(1)).unwrap_or(usize::MAX);
            Ok(written.iter().skip(start).take(PAGE).cloned().collect())
        })
    }

    fn close(self: Box<Self>) -> Answer<'static, ()> {
        Box::pin(async { Ok(()) })
    }
}
