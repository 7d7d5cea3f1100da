//! A typed handle to one owner's place in a snapshot.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::state::{ErasedState, State};

/// Where one owner's state is in every snapshot of a store. Made by [`Builder::own`](crate::Builder::own)
/// and good for the store which that builder opens.
pub struct Slot<S: State> {
    index: usize,
    state: PhantomData<fn() -> S>,
}

impl<S: State> Slot<S> {
    pub(crate) fn at(index: usize) -> Self {
        Self { index, state: PhantomData }
    }

    pub(crate) fn index(self) -> usize {
        self.index
    }

    /// This owner's state among `states`.
    ///
    /// Panics when the slot came from the builder of another store: that is a wiring mistake which no
    /// caller could handle, and it shows at the first read.
    pub(crate) fn find(self, states: &[Arc<dyn ErasedState>]) -> &S {
        let found = states.get(self.index).and_then(|state| {
            let state: &dyn Any = &**state;
            state.downcast_ref::<S>()
        });
        match found {
            Some(state) => state,
            None => panic!("the slot of `{}` was made by the builder of another store", S::OWNER),
        }
    }
}

impl<S: State> Clone for Slot<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: State> Copy for Slot<S> {}

impl<S: State> fmt::Debug for Slot<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slot({} at {})", S::OWNER, self.index)
    }
}
