//! Securables: the things that rights hang on.

use std::fmt;

use brickyard_types::{EndpointId, EndpointName, SecretScopeName};
use serde::{Deserialize, Serialize};

use crate::level::Level;

/// A serving endpoint, by the id that rights hang on and the name that people know it by. A deleted endpoint's id is
/// never used again, so a right never passes to a new endpoint of the same name.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct EndpointRef {
    /// The id.
    pub id: EndpointId,
    /// The name.
    pub name: EndpointName,
}

/// A SQL warehouse, by its id, which is never used again, and its name.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct WarehouseRef {
    /// The id, as the REST API has it.
    pub id: std::sync::Arc<str>,
    /// The name.
    pub name: std::sync::Arc<str>,
}

impl From<&WarehouseRef> for Securable {
    fn from(warehouse: &WarehouseRef) -> Self {
        Self::SqlWarehouse(warehouse.clone())
    }
}

/// One thing that rights hang on.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Securable {
    /// The workspace itself: creating things in it takes `CAN_USE`, administering it `CAN_MANAGE`.
    Workspace,
    /// A serving endpoint.
    ServingEndpoint {
        /// The id.
        id: EndpointId,
        /// The name.
        name: EndpointName,
    },
    /// A secret scope. Its secrets have no rights of their own.
    SecretScope(SecretScopeName),
    /// A SQL warehouse.
    SqlWarehouse(WarehouseRef),
    /// The use of personal access tokens (`authorization/tokens`).
    Tokens,
}

impl Securable {
    /// What kind of thing.
    pub fn kind(&self) -> SecurableKind {
        match self {
            Self::Workspace => SecurableKind::Workspace,
            Self::ServingEndpoint { .. } => SecurableKind::ServingEndpoint,
            Self::SecretScope(_) => SecurableKind::SecretScope,
            Self::SqlWarehouse(_) => SecurableKind::SqlWarehouse,
            Self::Tokens => SecurableKind::Tokens,
        }
    }

    /// What its rights are filed under.
    pub fn key(&self) -> SecurableKey {
        match self {
            Self::Workspace => SecurableKey::Workspace,
            Self::ServingEndpoint { id, .. } => SecurableKey::ServingEndpoint(*id),
            Self::SecretScope(name) => SecurableKey::secret_scope(name),
            Self::SqlWarehouse(warehouse) => SecurableKey::SqlWarehouse(warehouse.id.clone()),
            Self::Tokens => SecurableKey::Tokens,
        }
    }

    /// Its name, if it has one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Workspace | Self::Tokens => None,
            Self::ServingEndpoint { name, .. } => Some(name.as_str()),
            Self::SecretScope(name) => Some(name.as_str()),
            Self::SqlWarehouse(warehouse) => Some(&warehouse.name),
        }
    }
}

impl From<&EndpointRef> for Securable {
    fn from(endpoint: &EndpointRef) -> Self {
        Self::ServingEndpoint { id: endpoint.id, name: endpoint.name.clone() }
    }
}

impl fmt::Display for Securable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind().words())?;
        match self.name() {
            Some(name) => write!(f, " {name}"),
            None => Ok(()),
        }
    }
}

/// What rights are filed under in the journal. A secret scope's name is lower-cased: to Databricks `Travel` and
/// `travel` are one scope.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // the variants are those of `Securable`
pub enum SecurableKey {
    Workspace,
    ServingEndpoint(EndpointId),
    SecretScope(SecretScopeName),
    SqlWarehouse(std::sync::Arc<str>),
    Tokens,
}

impl SecurableKey {
    fn secret_scope(name: &SecretScopeName) -> Self {
        let folded = if name.as_str().bytes().any(|b| b.is_ascii_uppercase()) {
            name.as_str().to_ascii_lowercase().parse().ok()
        } else {
            None
        };
        Self::SecretScope(folded.unwrap_or_else(|| name.clone()))
    }

    /// What kind of thing.
    pub fn kind(&self) -> SecurableKind {
        match self {
            Self::Workspace => SecurableKind::Workspace,
            Self::ServingEndpoint(_) => SecurableKind::ServingEndpoint,
            Self::SecretScope(_) => SecurableKind::SecretScope,
            Self::SqlWarehouse(_) => SecurableKind::SqlWarehouse,
            Self::Tokens => SecurableKind::Tokens,
        }
    }
}

/// What kind of thing a securable is, with the table of its levels.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)] // the variants are those of `Securable`
pub enum SecurableKind {
    Workspace,
    ServingEndpoint,
    SecretScope,
    SqlWarehouse,
    Tokens,
}

impl SecurableKind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Workspace, Self::ServingEndpoint, Self::SecretScope, Self::SqlWarehouse, Self::Tokens];

    /// The kind behind `/api/2.0/permissions/{type}`. Secret scopes have their own routes and are not among them.
    pub fn of_permissions_path(path_type: &str) -> Option<Self> {
        match path_type {
            "serving-endpoints" => Some(Self::ServingEndpoint),
            "warehouses" | "sql/warehouses" => Some(Self::SqlWarehouse),
            "authorization/tokens" | "authorization" => Some(Self::Tokens),
            _ => None,
        }
    }

    /// The `{type}` of the permissions API, if the kind is reached there.
    pub fn permissions_path(self) -> Option<&'static str> {
        match self {
            Self::ServingEndpoint => Some("serving-endpoints"),
            Self::SqlWarehouse => Some("warehouses"),
            Self::Tokens => Some("authorization"),
            Self::Workspace | Self::SecretScope => None,
        }
    }

    /// The `object_type` of the permissions API's answer.
    pub fn object_type(self) -> &'static str {
        match self {
            Self::Workspace => "workspace",
            Self::ServingEndpoint => "serving-endpoint",
            Self::SecretScope => "secret-scope",
            Self::SqlWarehouse => "warehouses",
            Self::Tokens => "tokens",
        }
    }

    /// The words for it in a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Self::Workspace => "the workspace",
            Self::ServingEndpoint => "serving endpoint",
            Self::SecretScope => "secret scope",
            Self::SqlWarehouse => "SQL warehouse",
            Self::Tokens => "personal access tokens",
        }
    }

    /// The word in Databricks' refusals: `User does not have permission 'View' on Endpoint <name>`.
    pub fn spoken(self) -> &'static str {
        match self {
            Self::Workspace => "Workspace",
            Self::ServingEndpoint => "Endpoint",
            Self::SecretScope => "Scope",
            Self::SqlWarehouse => "SQL warehouse",
            Self::Tokens => "Tokens",
        }
    }

    /// The level that the creator holds, and that every workspace admin inherits.
    pub fn top(self) -> Level {
        match self {
            Self::SecretScope => Level::Manage,
            Self::Workspace | Self::ServingEndpoint | Self::SqlWarehouse | Self::Tokens => Level::CanManage,
        }
    }

    /// The level that it takes to see the thing at all.
    pub fn least(self) -> Level {
        match self {
            Self::ServingEndpoint | Self::SqlWarehouse => Level::CanView,
            Self::SecretScope => Level::Read,
            Self::Workspace | Self::Tokens => Level::CanUse,
        }
    }

    /// True if whoever holds nothing on such a thing must not learn that it exists. (The names of secret scopes can be
    /// listed by everybody.)
    pub fn is_hidden(self) -> bool {
        matches!(self, Self::ServingEndpoint | Self::SqlWarehouse)
    }

    /// The levels that can be granted, lowest first, and what each allows, for `permissionLevels`.
    pub fn levels(self) -> &'static [(Level, &'static str)] {
        match self {
            Self::ServingEndpoint => &[
                (Level::CanView, "Can view the serving endpoint"),
                (Level::CanQuery, "Can query the serving endpoint"),
                (Level::CanManage, "Can manage the serving endpoint"),
            ],
            Self::SecretScope => &[
                (Level::Read, "Can read and list the secrets of the scope"),
                (Level::Write, "Can read, list and write the secrets of the scope"),
                (Level::Manage, "Can change the access of the scope, and read and write its secrets"),
            ],
            Self::SqlWarehouse => &[
                (Level::CanView, "Can view the SQL warehouse"),
                (Level::CanMonitor, "Can view the SQL warehouse and monitor its queries"),
                (Level::CanUse, "Can run queries on the SQL warehouse"),
                (Level::CanManage, "Can manage the SQL warehouse"),
                (Level::IsOwner, "Is the owner of the SQL warehouse"),
            ],
            Self::Tokens => &[(Level::CanUse, "Can use personal access tokens")],
            Self::Workspace => &[
                (Level::CanUse, "Can use the workspace"),
                (Level::CanManage, "Can administer the workspace"),
            ],
        }
    }

    /// True if `level` can be granted on such a thing.
    pub fn has_level(self, level: Level) -> bool {
        self.levels().iter().any(|(known, _)| *known == level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_spellings_of_one_secret_scope_share_their_rights() {
        let named = |text: &str| Securable::SecretScope(text.parse().unwrap()).key();
        assert_eq!(named("Travel"), named("travel"));
        assert_ne!(named("travel"), named("travel2"));
    }

    #[test]
    fn what_the_creator_holds_covers_every_level_of_the_thing() {
        for kind in SecurableKind::ALL {
            let covered = |level: Level| level == Level::IsOwner || kind.top().covers(level);
            assert!(kind.levels().iter().all(|(level, _)| covered(*level)), "{kind:?}");
            assert!(kind.levels().iter().all(|(level, _)| level.covers(kind.least())), "{kind:?}");
            if let Some(path) = kind.permissions_path() {
                assert_eq!(SecurableKind::of_permissions_path(path), Some(kind));
            }
        }
    }
}
