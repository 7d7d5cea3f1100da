//! Where this crate's three states are in the store.

use brickyard_store::{Builder, Slot};

use crate::{Credentials, Directory, KeyRing};

/// The places of the three states, made once when the store is built. Plain functions that work inside somebody
/// else's transaction take it, so that an endpoint and its hidden principal come and go in one commit.
#[derive(Clone, Copy, Debug)]
pub struct IdentitySlots {
    directory: Slot<Directory>,
    credentials: Slot<Credentials>,
    keys: Slot<KeyRing>,
}

impl IdentitySlots {
    /// Registers the three owners.
    pub fn register(builder: &mut Builder) -> Self {
        Self { directory: builder.own(), credentials: builder.own(), keys: builder.own() }
    }

    /// Users, groups, service principals.
    pub fn directory(&self) -> Slot<Directory> {
        self.directory
    }

    /// Personal access tokens, client secrets, revoked tokens.
    pub fn credentials(&self) -> Slot<Credentials> {
        self.credentials
    }

    /// Signing keys.
    pub fn keys(&self) -> Slot<KeyRing> {
        self.keys
    }
}
