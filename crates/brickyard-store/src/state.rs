//! What an owner gives the store to keep, and how the store holds it without knowing its type.

use std::any::Any;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// One owner's state: an immutable value that changes turn into the next one.
///
/// Every commit that touches an owner clones its state once, so `Clone` must be cheap: build it from
/// persistent maps (such as `imbl`'s) or from `Arc`s, not from `HashMap`s.
pub trait State: Clone + Default + Send + Sync + 'static {
    /// The owner's name in the journal. It is written with every record: never rename or reuse one.
    const OWNER: &'static str;

    /// What can happen to this state. It is written as JSON and read again by every later version of the
    /// program, so a variant once released stays readable.
    type Change: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// Turns this state into the next one. Total: a change was validated before it was committed, and at
    /// replay there is nobody left to tell. The same changes in the same order give the same state: no
    /// clock, no chance and no I/O in here.
    fn apply(&mut self, change: &Self::Change);
}

/// A [`State`] whose type has been forgotten. The slot remembers it.
pub(crate) trait ErasedState: Any + Send + Sync {
    /// The owner's name in the journal.
    fn owner(&self) -> &'static str;

    /// A copy that nobody else holds yet.
    fn duplicate(&self) -> Arc<dyn ErasedState>;

    /// Decodes one record's body and applies it. Nothing is applied when it does not decode. Live
    /// commits and replay both come through here, so they cannot differ.
    fn replay(&mut self, body: &str) -> Result<(), serde_json::Error>;
}

impl<S: State> ErasedState for S {
    fn owner(&self) -> &'static str {
        S::OWNER
    }

    fn duplicate(&self) -> Arc<dyn ErasedState> {
        Arc::new(self.clone())
    }

    fn replay(&mut self, body: &str) -> Result<(), serde_json::Error> {
        let change: S::Change = serde_json::from_str(body)?;
        self.apply(&change);
        Ok(())
    }
}

/// The state to change in place: copied first if a snapshot or another transaction still shows it.
pub(crate) fn make_mut(state: &mut Arc<dyn ErasedState>) -> &mut dyn ErasedState {
    if Arc::get_mut(state).is_none() {
        let copy = (**state).duplicate();
        *state = copy;
    }
    Arc::get_mut(state).expect("a copy made just now has one holder")
}
