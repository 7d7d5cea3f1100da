//! **May**: securables, workspace permissions, API scopes, and the one place that decides.
//!
//! Floor 2. It knows who somebody is (`brickyard-identity`) and answers what they may. Nothing else in brickyard
//! compares a level or a scope: whoever guards something asks for a [`Permit`].
//!
//! ```text
//! Caller + action ──▶ Catalog::authorize ──▶ Permit<A>   read(&permit): the proof is the argument
//!                                       └──▶ Denied      which link failed, and the one-line fix
//!                       both carry the Trace: token ─▶ API scope ─▶ [declared] ─▶ workspace permission
//! ```
//! Rules kept here:
//!
//! - **One place decides** (`authorize.rs`), and only that place can make a [`Permit`] or a [`Denied`].
//! - **A decision is a trace.** Ledger, `explain`, hints and reports read that one value.
//! - **Facts below, faces above.** What a refusal is called on the wire is not known here; the parts of Databricks'
//!   sentences are ([`Denied::message`]).
//! - **Tables are data**: route families and scopes ([`api_scopes`], [`user_scopes`]), what can be declared ([`mod@declarable`]), levels.

pub mod access_list;
mod action;
pub mod api_scopes;
mod authorize;
mod catalog;
pub mod declarable;
mod level;
pub mod permissions;
mod securable;
mod trace;
pub mod unity;
pub mod user_scopes;

#[cfg(test)]
mod promises;

pub use access_list::{AccessEntry, AccessError, Grant, GrantError, Grantee, permission_levels};
pub use action::{
    Action, AdministerWorkspace, Asks, CreateEndpoint, CreateSecretScope, CreateWarehouse, LevelAction,
    ListSecretScopes, ListSecrets, ManageDirectory, ManageEndpoint, ManagePermissions, ManageSecretScope,
    ManageTokens, ManageWarehouse, QueryEndpoint, ReadDirectory, ReadPermissions, ReadSecret, StartWarehouse,
    UseTokens, UseWarehouse, ViewEndpoint, ViewWarehouse, WriteSecret,
};
pub use api_scopes::{ApiFamily, family};
pub use authorize::{Asker, DenialKind, Denied, Permit};
pub use catalog::Catalog;
pub use declarable::{DECLARABLE, Declarable, Privilege, declarable};
pub use level::{Level, UnknownLevel};
pub use permissions::{Acl, PermissionChange, Permissions};
pub use securable::{EndpointRef, Securable, SecurableKey, SecurableKind, WarehouseRef};
pub use trace::{Check, Held, Link, Through, Trace};
pub use user_scopes::{InvalidUserScopes, UserScopes};
