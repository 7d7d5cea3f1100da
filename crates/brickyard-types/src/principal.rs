//! Who acts.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::{EndpointId, PrincipalId};

/// What kind of principal this is. Users and service principals have separate name spaces.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalKind {
    /// A person.
    User,
    /// A service principal that somebody created.
    ServicePrincipal,
    /// The hidden service principal of one version of one serving endpoint: in the workspace group `users`, but not
    /// in `account users`, and in no listing.
    SystemServicePrincipal(EndpointId),
}

/// Somebody who can act: the id that rights hang on, and the name that people and tokens (`sub`) use.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Principal {
    /// Unique over users, groups and service principals.
    pub id: PrincipalId,
    /// What kind.
    pub kind: PrincipalKind,
    /// The user name, or the service principal's application id (a UUID).
    pub name: Arc<str>,
}

impl Principal {
    /// True for a service principal, hidden or not.
    pub fn is_service_principal(&self) -> bool {
        !matches!(self.kind, PrincipalKind::User)
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
