//! The privileges, and which can be granted on what.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::object::ObjectKind;

macro_rules! privileges {
    ($($variant:ident $word:literal on [$($kind:ident),*];)+) => {
        /// A privilege of Unity Catalog.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        #[repr(u8)]
        #[allow(missing_docs)] // the words are Databricks' own
        pub enum UnityPrivilege {
            $($variant),+
        }

        impl UnityPrivilege {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in the REST API: `USE_CATALOG`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }

            /// The kinds of object that it says something about: there it can be granted, and above them, from where
            /// it is inherited.
            const fn applies_to(self) -> &'static [ObjectKind] {
                match self {
                    $(Self::$variant => &[$(ObjectKind::$kind),*]),+
                }
            }
        }
    };
}

privileges! {
    UseCatalog "USE_CATALOG" on [Catalog];
    UseSchema "USE_SCHEMA" on [Schema];
    Select "SELECT" on [Table];
    Modify "MODIFY" on [Table];
    Refresh "REFRESH" on [Table];
    Execute "EXECUTE" on [Function];
    UseConnection "USE_CONNECTION" on [Connection];
    Browse "BROWSE" on [Catalog];
    ApplyTag "APPLY_TAG" on [Catalog, Schema, Table, Function];
    Manage "MANAGE" on [Catalog, Schema, Table, Function, Connection];
    CreateCatalog "CREATE_CATALOG" on [Metastore];
    CreateConnection "CREATE_CONNECTION" on [Metastore];
    CreateExternalLocation "CREATE_EXTERNAL_LOCATION" on [Metastore];
    CreateStorageCredential "CREATE_STORAGE_CREDENTIAL" on [Metastore];
    CreateSchema "CREATE_SCHEMA" on [Catalog];
    CreateTable "CREATE_TABLE" on [Schema];
    CreateMaterializedView "CREATE_MATERIALIZED_VIEW" on [Schema];
    CreateFunction "CREATE_FUNCTION" on [Schema];
    CreateModel "CREATE_MODEL" on [Schema];
    CreateModelVersion "CREATE_MODEL_VERSION" on [Schema];
    CreateVolume "CREATE_VOLUME" on [Schema];
    ReadVolume "READ_VOLUME" on [Schema];
    WriteVolume "WRITE_VOLUME" on [Schema];
    ExternalUseSchema "EXTERNAL_USE_SCHEMA" on [Schema];
    AllPrivileges "ALL_PRIVILEGES" on [Catalog, Schema, Table, Function, Connection];
}

impl UnityPrivilege {
    /// The words in SQL: `USE CATALOG`.
    pub fn spoken(self) -> String {
        self.as_str().replace('_', " ")
    }

    /// True if it can be granted on such an object: where it applies, and above, whence it is inherited. Nothing is
    /// inherited from the metastore.
    pub fn grantable_on(self, kind: ObjectKind) -> bool {
        self.applies_to()
            .iter()
            .any(|on| *on == kind || (kind != ObjectKind::Metastore && kind.contains(*on)))
    }

    /// True if `ALL PRIVILEGES` includes it. Managing, and reading from outside, are always granted by name.
    pub fn in_all(self) -> bool {
        !matches!(self, Self::Manage | Self::AllPrivileges | Self::ExternalUseSchema)
    }
}

/// Text that names no privilege.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is not a privilege of Unity Catalog")]
pub struct UnknownPrivilege(pub String);

impl FromStr for UnityPrivilege {
    type Err = UnknownPrivilege;

    /// Reads both spellings, in any case: `USE CATALOG`, `use_catalog`; and the older word `USAGE` is not one.
    fn from_str(text: &str) -> Result<Self, UnknownPrivilege> {
        let folded: Vec<_> =
            text.split(|c: char| c == '_' || c.is_whitespace()).filter(|part| !part.is_empty()).collect();
        let folded = folded.join("_").to_ascii_uppercase();
        Self::ALL
            .iter()
            .copied()
            .find(|one| one.as_str() == folded)
            .ok_or_else(|| UnknownPrivilege(text.to_owned()))
    }
}

impl fmt::Display for UnityPrivilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.spoken())
    }
}

/// A set of privileges, as one word.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PrivilegeSet(u64);

impl PrivilegeSet {
    /// The set without any.
    pub const EMPTY: Self = Self(0);

    /// The set of one.
    pub const fn only(privilege: UnityPrivilege) -> Self {
        Self(1 << privilege as u8)
    }

    /// True if it is in the set by name.
    pub const fn contains(self, privilege: UnityPrivilege) -> bool {
        self.0 & Self::only(privilege).0 != 0
    }

    /// True if the set gives it: by name, or by `ALL PRIVILEGES`.
    pub fn gives(self, privilege: UnityPrivilege) -> bool {
        self.contains(privilege) || (privilege.in_all() && self.contains(UnityPrivilege::AllPrivileges))
    }

    /// True without any.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Both sets' privileges.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in this set and not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What is in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Its privileges, in the order of [`UnityPrivilege::ALL`].
    pub fn iter(self) -> impl Iterator<Item = UnityPrivilege> {
        UnityPrivilege::ALL.iter().copied().filter(move |one| self.contains(*one))
    }
}

impl FromIterator<UnityPrivilege> for PrivilegeSet {
    fn from_iter<I: IntoIterator<Item = UnityPrivilege>>(privileges: I) -> Self {
        privileges.into_iter().fold(Self::EMPTY, |set, one| set.with(Self::only(one)))
    }
}

impl fmt::Debug for PrivilegeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Written as a list of words: the numbers behind them may change.
impl Serialize for PrivilegeSet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for PrivilegeSet {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<UnityPrivilege>::deserialize(deserializer)?.into_iter().collect())
    }
}
