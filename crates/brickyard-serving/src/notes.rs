//! What the layers learn about a call on its way, for the ledger's one entry at its end.

use std::sync::Arc;

use brickyard_catalog::Trace;
use brickyard_ledger::CredentialGiven;
use brickyard_types::WorkerId;
use parking_lot::Mutex;

/// Filled by the layers, read by [`record`](crate::record).
#[derive(Debug, Default)]
pub(crate) struct Notes(Mutex<Noted>);

/// What was noted.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    pub traces: Vec<Trace>,
    pub credentials: Vec<CredentialGiven>,
    pub served_entity: Option<Arc<str>>,
    pub worker: Option<WorkerId>,
}

impl Notes {
    pub fn trace(&self, trace: Trace) {
        self.0.lock().traces.push(trace);
    }

    pub fn credential(&self, given: CredentialGiven) {
        self.0.lock().credentials.push(given);
    }

    pub fn entity(&self, name: Arc<str>) {
        self.0.lock().served_entity = Some(name);
    }

    pub fn worker(&self, worker: WorkerId) {
        self.0.lock().worker = Some(worker);
    }

    pub fn take(&self) -> Noted {
        std::mem::take(&mut *self.0.lock())
    }
}
