//! **Secrets**: scopes of named values, sealed at rest, read only with a permit.
//!
//! Floor 3. Who may do what to a scope is the catalog's state ([`brickyard_catalog`]); this crate keeps the values and
//! asks for the proof.
//!
//! ```text
//! put(&Permit<WriteSecret>, Secret) ──▶ seal under workspace/scope/key/version ──▶ journal: ciphertext only
//! read(&Permit<ReadSecret>)         ◀── open, or an error that names the secret ◀── snapshot: ciphertext only
//! ```
//! Rules kept here:
//!
//! - **No plain value at rest**, neither in the journal nor in the snapshot in memory: a value is opened for the one
//!   read that asked for it.
//! - **A ciphertext is good in one place.** Its name and version are authenticated with it (AES-256-GCM-SIV), and a
//!   version is never used twice in a workspace: a blob moved to another row, or an old one put back, does not open.
//! - **Never garbage.** A changed bit, a truncated blob or another master key is an error, and an alarm in the log.
//! - **A value is data.** Nothing in it is looked at, so a reference inside a secret is never expanded.
//! - **Names are case-insensitive**, as Databricks says: the twin of a scope or key is refused, not made.

mod scopes;
mod sealed;
mod secrets;
mod state;

#[cfg(test)]
mod promises;

pub use scopes::{InitialManager, ScopeInfo};
pub use secrets::{SecretInfo, SecretLimits, Secrets, SecretsError};
pub use state::{SecretChange, SecretVault};
