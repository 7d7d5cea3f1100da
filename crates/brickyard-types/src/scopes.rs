//! API scopes and their algebra: what covers what, and what is left when two sets meet.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The scope that covers every other.
pub const ALL_APIS: &str = "all-apis";

/// Pairs of names for one thing: the coarse scope that Databricks' REST reference prints, and the fine ones that an
/// agent declares. The coarse one covers the fine one. (`sql` over `sql.*` is documented; the others are inferred
/// from refusals that name the coarse scope.)
const FINE: &[(&str, &[&str])] = &[
    ("model-serving", &["serving.serving-endpoints"]),
    (
        "vector-search",
        &["vectorsearch.vector-search-indexes", "vectorsearch.vector-search-endpoints", "mcp.vectorsearch"],
    ),
    ("genie", &["dashboards.genie", "mcp.genie"]),
    ("sql", &["sql.statement-execution", "sql.warehouses", "sql.warehouses:read", "mcp.sql"]),
    (
        "unity-catalog",
        &[
            "catalog.connections",
            "catalog.catalogs:read",
            "catalog.schemas:read",
            "catalog.tables:read",
            "mcp.functions",
            "mcp.external",
        ],
    ),
    ("apps", &["apps.apps"]),
    ("workspace", &["workspace.workspace"]),
    ("access-management", &["iam.access-control:read", "iam.current-user:read"]),
];

/// Text that is not a scope: RFC 6749 section 3.3 allows printable ASCII without space, quote and backslash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a scope: printable ASCII without spaces, quotes and backslashes is needed, 128 characters at most"
)]
pub struct InvalidScope(pub String);

/// One API scope. Compared exactly: no case folding, no wildcard.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope(Arc<str>);

impl Scope {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True if a token with `self` may do what `needed` opens.
    pub fn covers(&self, needed: &str) -> bool {
        let own = self.as_str();
        own == needed
            || own == ALL_APIS
            || FINE.iter().any(|(coarse, fine)| *coarse == own && fine.contains(&needed))
    }
}

impl FromStr for Scope {
    type Err = InvalidScope;
    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        let allowed = |b: u8| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if (1..=128).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidScope(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A set of scopes, sorted and without repeats. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ScopeSet(Arc<[Scope]>);

impl ScopeSet {
    /// A set of these.
    pub fn new(scopes: impl IntoIterator<Item = Scope>) -> Self {
        let mut scopes: Vec<Scope> = scopes.into_iter().collect();
        scopes.sort();
        scopes.dedup();
        Self(scopes.into())
    }

    /// No scope at all.
    pub fn empty() -> Self {
        Self::new([])
    }

    /// The set `all-apis`.
    pub fn all_apis() -> Self {
        Self(Arc::new([Scope(ALL_APIS.into())]))
    }

    /// Reads a space-separated list: single spaces between exact tokens, as RFC 6749 has it. The empty text is the
    /// empty set.
    pub fn parse(text: &str) -> Result<Self, InvalidScope> {
        if text.is_empty() {
            return Ok(Self::empty());
        }
        text.split(' ').map(str::parse).collect::<Result<Vec<_>, _>>().map(Self::new)
    }

    /// The scopes, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }

    /// True without any scope.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if some scope of this set covers `needed`.
    pub fn covers(&self, needed: &str) -> bool {
        self.0.iter().any(|scope| scope.covers(needed))
    }

    /// True if everything that `other` opens, `self` opens too.
    pub fn covers_all(&self, other: &Self) -> bool {
        other.iter().all(|scope| self.covers(scope.as_str()))
    }

    /// What both sets open: each scope of one that the other covers. Never wider than either.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        // As a rule one opens all of the other, and nothing has to be put together.
        for (wide, narrow) in [(self, other), (other, self)] {
            let named =
                |scope: &Scope| narrow.0.binary_search(scope).is_ok() || !narrow.covers(scope.as_str());
            if wide.covers_all(narrow) && wide.iter().all(named) {
                return narrow.clone();
            }
        }
        Self::new(
            (self.iter().filter(|scope| other.covers(scope.as_str())))
                .chain(other.iter().filter(|scope| self.covers(scope.as_str())))
                .cloned(),
        )
    }
}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self::new(scopes)
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Debug for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

/// On the wire and in the journal a set is its space-separated text, as in a JWT's `scope`.
impl Serialize for ScopeSet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ScopeSet {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> ScopeSet {
        ScopeSet::parse(text).expect("a valid list")
    }

    #[test]
    fn what_two_sets_share_is_never_wider_than_either() {
        let table = [
            ("all-apis", "sql", "sql"),
            ("sql", "sql.statement-execution genie", "sql.statement-execution"),
            ("sql.statement-execution", "sql", "sql.statement-execution"),
            ("sql.statements", "sql", ""),
            ("sql", "sql.statements", ""),
            ("genie", "sql", ""),
            ("all-apis", "all-apis", "all-apis"),
            ("model-serving", "serving.serving-endpoints sql", "serving.serving-endpoints"),
        ];
        for (one, other, shared) in table {
            assert_eq!(set(one).intersect(&set(other)), set(shared), "{one} with {other}");
            assert_eq!(set(other).intersect(&set(one)), set(shared), "{other} with {one}");
        }
    }

    #[test]
    fn a_list_is_exact_tokens_with_single_spaces() {
        for bad in ["sql  genie", " sql", "sql ", "a\tb", "a\"b", "a\\b", "sql,gen\u{e9}", "a\0b"] {
            assert!(ScopeSet::parse(bad).is_err(), "{bad:?}");
        }
        assert!(!set("SQL").covers("sql"));
        assert!(!set("*").covers("sql"));
    }
}
