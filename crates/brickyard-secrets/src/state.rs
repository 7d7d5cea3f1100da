//! The state: scopes, and in them sealed values. What the journal keeps of it is ciphertext.

use brickyard_store::State;
use brickyard_types::{PrincipalId, SecretKey, SecretRef, SecretScopeName, Timestamp};
use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use crate::sealed::Sealed;

/// All secret scopes of a workspace.
#[derive(Clone, Default, Debug)]
pub struct SecretVault {
    /// By lower-cased name.
    scopes: OrdMap<String, Scope>,
    last_version: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// As its creator spelled it.
    pub(crate) name: SecretScopeName,
    pub(crate) creator: PrincipalId,
    /// By lower-cased key.
    pub(crate) secrets: OrdMap<String, Entry>,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: SecretKey,
    pub(crate) version: u64,
    pub(crate) updated_at: Timestamp,
    pub(crate) sealed: Sealed,
}

/// What can happen to the vault, as the journal keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // the fields are what they are called
pub enum SecretChange {
    ScopeCreated { scope: SecretScopeName, creator: PrincipalId },
    ScopeDeleted { scope: SecretScopeName },
    Put { secret: SecretRef, version: u64, updated_at: Timestamp, sealed: Sealed },
    Deleted { secret: SecretRef },
}

fn folded(name: &str) -> String {
    name.to_ascii_lowercase()
}

impl State for SecretVault {
    const OWNER: &'static str = "secrets";
    type Change = SecretChange;

    fn apply(&mut self, change: &SecretChange) {
        match change {
            SecretChange::ScopeCreated { scope, creator } => {
                let created = Scope { name: scope.clone(), creator: *creator, secrets: OrdMap::new() };
                self.scopes.insert(folded(scope.as_str()), created);
            }
            SecretChange::ScopeDeleted { scope } => {
                self.scopes.remove(&folded(scope.as_str()));
            }
            SecretChange::Put { secret, version, updated_at, sealed } => {
                self.last_version = self.last_version.max(*version);
                if let Some(scope) = self.scopes.get_mut(&folded(secret.scope.as_str())) {
                    let key = secret.key.clone();
                    let entry =
                        Entry { key, version: *version, updated_at: *updated_at, sealed: sealed.clone() };
                    scope.secrets.insert(folded(secret.key.as_str()), entry);
                }
            }
            SecretChange::Deleted { secret } => {
                if let Some(scope) = self.scopes.get_mut(&folded(secret.scope.as_str())) {
                    scope.secrets.remove(&folded(secret.key.as_str()));
                }
            }
        }
    }
}

impl SecretVault {
    pub(crate) fn scope(&self, name: &SecretScopeName) -> Option<&Scope> {
        self.scopes.get(&folded(name.as_str()))
    }

    pub(crate) fn scopes(&self) -> impl Iterator<Item = &Scope> {
        self.scopes.values()
    }

    pub(crate) fn scope_count(&self) -> usize {
        self.scopes.len()
    }

    /// The version for the next value: higher than every one before it, of whatever secret.
    pub(crate) fn next_version(&self) -> u64 {
        self.last_version + 1
    }
}

impl Scope {
    pub(crate) fn entry(&self, key: &SecretKey) -> Option<&Entry> {
        self.secrets.get(&folded(key.as_str()))
    }
}
