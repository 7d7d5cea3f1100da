//! From owners and a journal to a store: register, replay, open.

use std::collections::HashMap;
use std::sync::Arc;

use crate::backend::{Backend, Commit};
use crate::error::StoreError;
use crate::slot::Slot;
use crate::snapshot::Snapshot;
use crate::state::{ErasedState, State, make_mut};
use crate::store::Store;

/// Collects the owners of a store, then opens it.
#[derive(Default)]
pub struct Builder {
    states: Vec<Arc<dyn ErasedState>>,
}

impl Builder {
    /// Registers the owner `S`, whose state starts as its default.
    pub fn own<S: State>(&mut self) -> Slot<S> {
        let slot = Slot::at(self.states.len());
        self.states.push(Arc::new(S::default()));
        slot
    }

    /// Replays the journal and opens the store on it. Must be called within a tokio runtime, on which the
    /// store's one writer task then lives.
    ///
    /// Refuses a journal that is damaged, has a gap, or holds a record that no registered owner can read.
    pub async fn open(self, backend: impl Backend) -> Result<Store, StoreError> {
        let mut backend: Box<dyn Backend> = Box::new(backend);
        match self.replay(backend.as_mut()).await {
            Ok(snapshot) => Ok(Store::start(snapshot, backend)),
            Err(error) => {
                // The reason for refusing says more than a failure to close would.
                let _ = backend.close().await;
                Err(error)
            }
        }
    }

    async fn replay(self, backend: &mut dyn Backend) -> Result<Snapshot, StoreError> {
        let mut places = HashMap::new();
        for (index, state) in self.states.iter().enumerate() {
            if places.insert(state.owner(), index).is_some() {
                return Err(StoreError::DuplicateOwner { owner: state.owner() });
            }
        }
        let mut snapshot = Snapshot { sequence: 0, states: self.states };
        loop {
            let page = backend.read_from(snapshot.sequence + 1).await?;
            if page.is_empty() {
                break;
            }
            for commit in page {
                apply(&mut snapshot, &places, &commit, backend)?;
            }
        }
        tracing::debug!(journal = backend.name(), version = snapshot.sequence, "replayed the journal");
        Ok(snapshot)
    }
}

fn apply(
    snapshot: &mut Snapshot,
    places: &HashMap<&'static str, usize>,
    commit: &Commit,
    backend: &dyn Backend,
) -> Result<(), StoreError> {
    let expected = snapshot.sequence + 1;
    let sequence = commit.sequence;
    if sequence != expected {
        return Err(StoreError::Gap { journal: backend.name(), expected, found: sequence });
    }
    for record in &commit.records {
        let owner = record.owner.as_ref();
        let Some(&index) = places.get(owner) else {
            let owner = owner.to_owned();
            return Err(StoreError::UnknownOwner { journal: backend.name(), sequence, owner });
        };
        make_mut(&mut snapshot.states[index]).replay(record.body.get()).map_err(|error| {
            StoreError::Undecodable {
                journal: backend.name(),
                sequence,
                owner: owner.to_owned(),
                reason: error.to_string(),
            }
        })?;
    }
    snapshot.sequence = sequence;
    Ok(())
}
