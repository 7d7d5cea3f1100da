//! Why an identity cannot open or keep a change.

use brickyard_store::{CommitError, StoreError};

use crate::config::InvalidConfig;
use crate::credentials::CredentialsError;
use crate::directory::DirectoryError;
use crate::signing_key::SigningFailed;

/// What can go wrong with who.
#[derive(Debug, Clone, thiserror::Error)]
pub enum IdentityError {
    /// The configuration would weaken what tokens promise.
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    /// The directory refuses.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The credentials refuse.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// No key can sign.
    #[error(transparent)]
    Signing(#[from] SigningFailed),
    /// No key of that name.
    #[error("signing key {0} does not exist")]
    NoSuchKey(String),
    /// The journal could not keep it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<E: Into<IdentityError>> From<CommitError<E>> for IdentityError {
    fn from(error: CommitError<E>) -> Self {
        match error {
            CommitError::Refused(refusal) => refusal.into(),
            CommitError::Store(error) => Self::Store(error),
        }
    }
}
