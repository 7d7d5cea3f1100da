//! Values: put, read, list, delete, each with its permit.

use std::fmt;
use std::sync::Arc;

use brickyard_catalog::{Catalog, ListSecrets, Permit, ReadSecret, WriteSecret};
use brickyard_identity::MasterKey;
use brickyard_store::{CommitError, Slot, Store, StoreError};
use brickyard_types::{
    Clock, Entropy, Secret, SecretKey, SecretRef, SecretScopeName, Timestamp, WorkspaceId,
};

use crate::sealed::{Sealed, place};
use crate::state::{Entry, SecretChange, SecretVault};

/// The documented limits; the profile may set others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SecretLimits {
    /// The longest value, in bytes.
    pub value_bytes: usize,
    /// How many secrets a scope may hold.
    pub secrets_per_scope: usize,
    /// How many scopes a workspace may have.
    pub scopes: usize,
}

impl Default for SecretLimits {
    fn default() -> Self {
        Self { value_bytes: 128 * 1024, secrets_per_scope: 1000, scopes: 1000 }
    }
}

/// Why something was not done with a secret. No variant can hold a value.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SecretsError {
    /// No scope of that name.
    #[error("secret scope {0} does not exist")]
    ScopeNotFound(SecretScopeName),
    /// The name is taken, perhaps in another spelling.
    #[error("secret scope {existing} already exists; scope names differ in more than case")]
    ScopeExists {
        /// The scope that is there.
        existing: SecretScopeName,
    },
    /// No secret of that name.
    #[error("secret {0} does not exist")]
    NotFound(SecretRef),
    /// A key that differs from an existing one in case only.
    #[error("secret key {key} differs from the existing key {existing} in case only; use {existing}")]
    CaseTwin {
        /// The refused key.
        key: SecretKey,
        /// The key that is there.
        existing: SecretKey,
    },
    /// The value is too long.
    #[error("the value of secret {secret} has {found} bytes; at most {limit} are allowed")]
    TooLong {
        /// The secret.
        secret: SecretRef,
        /// How long it is.
        found: usize,
        /// How long it may be.
        limit: usize,
    },
    /// The scope is full.
    #[error("secret scope {scope} holds {limit} secrets, the most that a scope may hold; delete one first")]
    TooManySecrets {
        /// The scope.
        scope: SecretScopeName,
        /// How many it may hold.
        limit: usize,
    },
    /// The workspace has all the scopes that it may have.
    #[error("the workspace has {limit} secret scopes, the most that it may have; delete one first")]
    TooManyScopes {
        /// How many it may have.
        limit: usize,
    },
    /// What is stored is not what was sealed under this name with this master key.
    #[error(
        "secret {0} cannot be opened: its stored value was changed, or sealed with another master key; put it again"
    )]
    Unreadable(SecretRef),
    /// The journal could not keep it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<CommitError<SecretsError>> for SecretsError {
    fn from(error: CommitError<SecretsError>) -> Self {
        match error {
            CommitError::Refused(refused) => refused,
            CommitError::Store(error) => Self::Store(error),
        }
    }
}

/// What a listing says of a secret: never its value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecretInfo {
    /// The key.
    pub key: SecretKey,
    /// When it was last put; milliseconds count.
    pub last_updated: Timestamp,
}

impl From<&Entry> for SecretInfo {
    fn from(entry: &Entry) -> Self {
        Self { key: entry.key.clone(), last_updated: entry.updated_at }
    }
}

/// The secrets of one workspace. Clones are handles to the same ones.
#[derive(Clone)]
pub struct Secrets(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) slot: Slot<SecretVault>,
    pub(crate) catalog: Catalog,
    pub(crate) limits: SecretLimits,
    workspace: WorkspaceId,
    master: Arc<MasterKey>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

impl Secrets {
    /// The secrets in an open store, with the slot that the store's builder gave for [`SecretVault`].
    #[allow(clippy::too_many_arguments)] // what a workspace is made of; each is needed once
    pub fn open(
        store: Store,
        slot: Slot<SecretVault>,
        catalog: Catalog,
        workspace: WorkspaceId,
        limits: SecretLimits,
        master: Arc<MasterKey>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self(Arc::new(Inner { store, slot, catalog, limits, workspace, master, clock, entropy }))
    }

    /// Keeps a value under the permit's name, in place of the one before. Empty and binary values are kept to the byte.
    ///
    /// # Errors
    /// If the scope is gone or full, the value too long, or the key the case twin of another.
    pub async fn put(&self, permit: &Permit<WriteSecret>, value: &Secret) -> Result<(), SecretsError> {
        let (inner, secret) = (&self.0, permit.on());
        let (found, limit) = (value.expose().len(), inner.limits.value_bytes);
        if found > limit {
            return Err(SecretsError::TooLong { secret: secret.clone(), found, limit });
        }
        // The journal keeps what the API shows: milliseconds.
        let now = inner.clock.now();
        let updated_at = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
        let kept = inner.store.commit(|tx| {
            let vault = tx.get(inner.slot);
            let scope = vault
                .scope(&secret.scope)
                .ok_or_else(|| SecretsError::ScopeNotFound(secret.scope.clone()))?;
            match scope.entry(&secret.key) {
                Some(entry) if entry.key != secret.key => {
                    let (key, existing) = (secret.key.clone(), entry.key.clone());
                    return Err(SecretsError::CaseTwin { key, existing });
                }
                None if scope.secrets.len() >= inner.limits.secrets_per_scope => {
                    let limit = inner.limits.secrets_per_scope;
                    return Err(SecretsError::TooManySecrets { scope: secret.scope.clone(), limit });
                }
                _ => {}
            }
            let version = vault.next_version();
            // Sealed here because the version is known here; 128 KB take a fraction of a millisecond.
            let place = place(inner.workspace, secret, version);
            let sealed = Sealed::seal(&inner.master, &place, value, &*inner.entropy);
            tx.change(inner.slot, SecretChange::Put { secret: secret.clone(), version, updated_at, sealed });
            Ok(())
        });
        kept.await.map_err(Into::into)
    }

    /// The value that the permit names.
    ///
    /// # Errors
    /// If it is not there, or what is stored does not open. The latter is also an error in the log: somebody changed
    /// the database, or the master key is another.
    pub fn read(&self, permit: &Permit<ReadSecret>) -> Result<Secret, SecretsError> {
        let (inner, secret) = (&self.0, permit.on());
        let entry = self.entry(secret)?;
        let place = place(inner.workspace, secret, entry.version);
        entry.sealed.open(&inner.master, &place).map_err(|_| {
            tracing::error!(%secret, version = entry.version, "a stored secret does not open: changed, or another master key");
            SecretsError::Unreadable(secret.clone())
        })
    }

    /// Whether the value that the permit names is there, and since when, without opening it.
    ///
    /// # Errors
    /// If it is not there.
    pub fn describe(&self, permit: &Permit<ReadSecret>) -> Result<SecretInfo, SecretsError> {
        self.entry(permit.on()).map(|entry| SecretInfo::from(&entry))
    }

    /// The keys of a scope, by name.
    ///
    /// # Errors
    /// If the scope is not there.
    pub fn list(&self, permit: &Permit<ListSecrets>) -> Result<Vec<SecretInfo>, SecretsError> {
        let vault = self.0.store.read(self.0.slot);
        let scope =
            vault.scope(permit.on()).ok_or_else(|| SecretsError::ScopeNotFound(permit.on().clone()))?;
        Ok(scope.secrets.values().map(SecretInfo::from).collect())
    }

    /// Deletes the value that the permit names.
    ///
    /// # Errors
    /// If it is not there.
    pub async fn delete(&self, permit: &Permit<WriteSecret>) -> Result<(), SecretsError> {
        let (inner, secret) = (&self.0, permit.on());
        let deleted = inner.store.commit(|tx| {
            let scope = tx.get(inner.slot).scope(&secret.scope);
            let scope = scope.ok_or_else(|| SecretsError::ScopeNotFound(secret.scope.clone()))?;
            scope.entry(&secret.key).ok_or_else(|| SecretsError::NotFound(secret.clone()))?;
            tx.change(inner.slot, SecretChange::Deleted { secret: secret.clone() });
            Ok(())
        });
        deleted.await.map_err(Into::into)
    }

    fn entry(&self, secret: &SecretRef) -> Result<Entry, SecretsError> {
        let vault = self.0.store.read(self.0.slot);
        let scope =
            vault.scope(&secret.scope).ok_or_else(|| SecretsError::ScopeNotFound(secret.scope.clone()))?;
        scope.entry(&secret.key).cloned().ok_or_else(|| SecretsError::NotFound(secret.clone()))
    }
}
