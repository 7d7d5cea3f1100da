//! Actions: what somebody may be permitted to do.
//!
//! An action is a small value: its name, the thing it is done to, the level that this takes, and the API family
//! through which it is reached. A value of an action asks; only a [`Permit`](crate::Permit) of it allows.

use std::fmt;

use brickyard_types::{SecretRef, SecretScopeName};

use crate::api_scopes::{ApiFamily, family};
use crate::level::Level;
use crate::securable::{EndpointRef, Securable, WarehouseRef};
use crate::unity::{ObjectRef, Requirement};

/// Something that takes a permit.
pub trait Action: Clone + fmt::Debug + Send + Sync + 'static {
    /// What the permit is about.
    type On;

    /// Its name, for the trace.
    const NAME: &'static str;

    /// The API through which it is reached: the caller's token must hold one of its scopes.
    fn family(&self) -> &'static ApiFamily;

    /// What the permit is about.
    fn on(&self) -> &Self::On;

    /// The thing whose rights decide, and what it takes on it.
    fn asks(&self) -> Asks;
}

/// The thing whose rights decide, and what it takes on it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Asks {
    /// A level on a workspace object.
    Level(Securable, Level),
    /// A privilege, or more, on an object of Unity Catalog.
    Unity(ObjectRef, Requirement),
}

/// An action on a workspace object.
pub trait LevelAction: Action {
    /// The thing whose rights decide.
    fn securable(&self) -> Securable;
}

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident($on:ty): $needs:expr, through $family:ident, on $securable:expr;)+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, PartialEq, Eq, Debug)]
            pub struct $name(pub $on);

            impl Action for $name {
                type On = $on;
                const NAME: &'static str = stringify!($name);

                fn family(&self) -> &'static ApiFamily {
                    &family::$family
                }

                fn on(&self) -> &$on {
                    &self.0
                }

                fn asks(&self) -> Asks {
                    let needs: fn(&$on) -> Level = $needs;
                    Asks::Level(self.securable(), needs(&self.0))
                }
            }

            impl LevelAction for $name {
                fn securable(&self) -> Securable {
                    let securable: fn(&$on) -> Securable = $securable;
                    securable(&self.0)
                }
            }
        )+
    };
}

actions! {
    /// See an endpoint: its description, logs, metrics.
    ViewEndpoint(EndpointRef): |_| Level::CanView, through SERVING_ENDPOINTS, on |endpoint| endpoint.into();
    /// Invoke an endpoint.
    QueryEndpoint(EndpointRef): |_| Level::CanQuery, through SERVING_INVOCATIONS, on |endpoint| endpoint.into();
    /// Change or delete an endpoint.
    ManageEndpoint(EndpointRef): |_| Level::CanManage, through SERVING_ENDPOINTS, on |endpoint| endpoint.into();
    /// Make an endpoint.
    CreateEndpoint(()): |()| Level::CanUse, through SERVING_ENDPOINTS, on |()| Securable::Workspace;

    /// See a SQL warehouse: its description and state.
    ViewWarehouse(WarehouseRef): |_| Level::CanView, through SQL_WAREHOUSES_READ, on |warehouse| warehouse.into();
    /// Run statements on a SQL warehouse.
    UseWarehouse(WarehouseRef): |_| Level::CanUse, through SQL_STATEMENTS, on |warehouse| warehouse.into();
    /// Start a SQL warehouse.
    StartWarehouse(WarehouseRef): |_| Level::CanUse, through SQL_WAREHOUSES, on |warehouse| warehouse.into();
    /// Change, stop or delete a SQL warehouse.
    ManageWarehouse(WarehouseRef): |_| Level::CanManage, through SQL_WAREHOUSES, on |warehouse| warehouse.into();
    /// Make a SQL warehouse. (On Databricks an entitlement of its own; here the workspace's admins have it.)
    CreateWarehouse(()): |()| Level::CanManage, through SQL_WAREHOUSES, on |()| Securable::Workspace;

    /// See the names of all secret scopes.
    ListSecretScopes(()): |()| Level::CanUse, through SECRETS, on |()| Securable::Workspace;
    /// Make a secret scope.
    CreateSecretScope(SecretScopeName): |_| Level::CanUse, through SECRETS, on |_| Securable::Workspace;
    /// See the keys of a scope's secrets.
    ListSecrets(SecretScopeName): |_| Level::Read, through SECRETS, on |scope| Securable::SecretScope(scope.clone());
    /// Read one secret's value.
    ReadSecret(SecretRef): |_| Level::Read, through SECRETS, on |secret| Securable::SecretScope(secret.scope.clone());
    /// Write or delete one secret.
    WriteSecret(SecretRef): |_| Level::Write, through SECRETS, on |secret| Securable::SecretScope(secret.scope.clone());
    /// See and change a scope's access list, or delete the scope.
    ManageSecretScope(SecretScopeName): |_| Level::Manage, through SECRETS, on |scope| Securable::SecretScope(scope.clone());

    /// See a thing's access list.
    ReadPermissions(Securable): |thing| thing.kind().top(), through PERMISSIONS, on Securable::clone;
    /// Change a thing's access list.
    ManagePermissions(Securable): |thing| thing.kind().top(), through PERMISSIONS, on Securable::clone;

    /// Make, list and delete one's own personal access tokens.
    UseTokens(()): |()| Level::CanUse, through TOKENS, on |()| Securable::Tokens;
    /// See and delete everybody's personal access tokens.
    ManageTokens(()): |()| Level::CanManage, through TOKENS, on |()| Securable::Tokens;

    /// Look users, groups and service principals up.
    ReadDirectory(()): |()| Level::CanUse, through DIRECTORY_READ, on |()| Securable::Workspace;
    /// Change users, groups and service principals.
    ManageDirectory(()): |()| Level::CanManage, through DIRECTORY, on |()| Securable::Workspace;
    /// Use brickyard's own API.
    AdministerWorkspace(()): |()| Level::CanManage, through BRICKYARD, on |()| Securable::Workspace;
}
