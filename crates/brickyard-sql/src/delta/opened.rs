//! Tables that were opened lately, so that a query does not read a table's log to learn what the last one knew.
//!
//! What is kept is the raw table at one version, as everybody's queries start from it: no policy, no identity, no plan.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use parking_lot::Mutex;

/// So many are kept.
const MOST: usize = 500;

/// The tables that were opened lately, by folder.
#[derive(Default)]
pub(crate) struct Opened(Mutex<HashMap<PathBuf, Known>>);

#[derive(Clone)]
struct Known {
    /// The commit that made the version.
    newest: PathBuf,
    /// The commit that would make the next one.
    next: PathBuf,
    provider: Arc<dyn TableProvider>,
}

impl Opened {
    /// The table, if nobody has written to it since: not here, and not another process.
    pub(super) fn get(&self, folder: &Path) -> Option<Arc<dyn TableProvider>> {
        let known = self.0.lock().get(folder).cloned()?;
        (known.newest.exists() && !known.next.exists()).then_some(known.provider)
    }

    /// Keeps a table at a version.
    pub(super) fn keep(&self, folder: &Path, version: u64, provider: &Arc<dyn TableProvider>) {
        let commit = |version: u64| folder.join("_delta_log").join(format!("{version:020}.json"));
        let known = Known {
            newest: commit(version),
            next: commit(version.saturating_add(1)),
            provider: Arc::clone(provider),
        };
        let mut all = self.0.lock();
        if all.len() >= MOST {
            // Rare, and what is in use is back with its next query.
            all.clear();
        }
        all.insert(folder.to_owned(), known);
    }

    /// Forgets a table that is gone.
    pub(super) fn forget(&self, folder: &Path) {
        self.0.lock().remove(folder);
    }
}
