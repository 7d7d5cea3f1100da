//! The catalog as a value: whose directory it asks, and where its state is.

use brickyard_identity::Identity;
use brickyard_store::{Reading, Slot, Store};

use crate::permissions::Permissions;
use crate::unity::Unity;

/// Who may do what in one workspace. Clones are handles to the same catalog.
#[derive(Clone)]
pub struct Catalog {
    store: Store,
    slot: Slot<Permissions>,
    unity: Slot<Unity>,
    identity: Identity,
}

impl Catalog {
    /// A catalog over an open store, with the slots that the store's builder gave for [`Permissions`] and [`Unity`].
    pub fn open(store: Store, slot: Slot<Permissions>, unity: Slot<Unity>, identity: Identity) -> Self {
        Self { store, slot, unity, identity }
    }

    /// Unity Catalog as it is now.
    pub fn unity(&self) -> Reading<Unity> {
        self.store.read(self.unity)
    }

    /// Where Unity Catalog is, for owners who commit grants together with their own state.
    pub fn unity_slot(&self) -> Slot<Unity> {
        self.unity
    }

    /// The rights as they are now.
    pub fn permissions(&self) -> Reading<Permissions> {
        self.store.read(self.slot)
    }

    /// Where the rights are, for owners who commit them together with their own state.
    pub fn slot(&self) -> Slot<Permissions> {
        self.slot
    }

    /// Whose directory it asks.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Catalog")
    }
}
