//! What the layers learn about a call on its way, for the ledger's one entry at its end.

use std::fmt;
use std::sync::Arc;

use brickyard_catalog::Trace;
use brickyard_ledger::CredentialGiven;
use brickyard_types::WorkerId;
use parking_lot::Mutex;

use crate::live::LiveEntity;

/// Filled by the layers, read by [`record`](crate::record).
#[derive(Default)]
pub(crate) struct Notes(Mutex<Noted>);

impl fmt::Debug for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notes").finish_non_exhaustive()
    }
}

/// What was noted.
#[derive(Default)]
pub(crate) struct Noted {
    pub traces: Vec<Trace>,
    pub credentials: Vec<CredentialGiven>,
    pub entity: Option<Arc<LiveEntity>>,
    pub worker: Option<WorkerId>,
    pub hints: Vec<String>,
}

impl Notes {
    pub fn trace(&self, trace: Trace) {
        self.0.lock().traces.push(trace);
    }

    pub fn credential(&self, given: CredentialGiven) {
        self.0.lock().credentials.push(given);
    }

    pub fn hint(&self, hint: String) {
        self.0.lock().hints.push(hint);
    }

    pub fn entity(&self, entity: Arc<LiveEntity>) {
        self.0.lock().entity = Some(entity);
    }

    pub fn worker(&self, worker: WorkerId) {
        self.0.lock().worker = Some(worker);
    }

    pub fn take(&self) -> Noted {
        std::mem::take(&mut *self.0.lock())
    }
}
