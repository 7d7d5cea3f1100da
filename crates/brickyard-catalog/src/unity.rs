//! **Unity Catalog**: securables in three levels, their owners and grants, and what it takes to do something to one.
//!
//! ```text
//! metastore ─▶ catalog ─▶ schema ─▶ table, view, function        USE CATALOG, USE SCHEMA on the way, then the privilege
//!         └──▶ connection
//! ```
//! Rules kept here:
//!
//! - **Privileges inherit downwards**: `SELECT` on a schema is `SELECT` on each of its tables, also of later ones.
//! - **An owner holds every privilege on the object itself, and manages what is inside**; reading what is inside takes a
//!   grant. `MANAGE` manages and reads nothing. `BROWSE` sees and reads nothing; `APPLY TAG`
//!   tags.
//! - **A metastore admin manages everything and reads nothing by that.** The workspace's admins are the metastore's.
//! - **Names are case-insensitive**, rights hang on ids: a new table of an old name starts without the old one's grants.
//! - **Definers**: a view reads its tables with its owner's rights, a function likewise ([`Asker::Definer`]).
//!
//! Source: Databricks' manual, "Unity Catalog privileges and securable objects", "Manage privileges".

mod actions;
mod decide;
mod entries;
mod grants;
mod name;
mod object;
mod privilege;
#[cfg(test)]
mod promises;
mod state;
mod write;

pub use actions::{
    CreateObject, ExecuteFunction, ManageObject, ModifyTable, ReadGrants, SeeObject, SelectTable, TagObject,
    Target, UseConnection, UseParents,
};
pub(crate) use decide::Who;
pub use decide::{HeldPrivilege, PrivilegeSource, Requirement};
pub use grants::{
    ACCOUNT_USERS, EffectivePrivilege, GrantChange, UnityGrant, grant_declared, unity_principal_removed,
};
pub use name::{InvalidObjectName, ObjectPath, quoted};
pub use object::{
    Column, ColumnMask, ConnectionDetail, Detail, ForeignKey, FunctionBody, FunctionDetail,
    FunctionParameter, FunctionReturns, Identity, Object, ObjectId, ObjectKind, ObjectRef, PolicyArgument,
    RowFilter, SealedOption, TableDetail, TableKind,
};
pub use privilege::{PrivilegeSet, UnityPrivilege, UnknownPrivilege};
pub use state::{Unity, UnityChange};
pub use write::{Alteration, NewObject, TagChange, UnityError};
