//! The top-level keys, and which of them brickyard does not stand in for yet.
//!
//! A collection that is known but not built is accepted while it is empty and refused by name when it is not: a
//! configuration that names a Genie space must not start a workspace that has none.

use super::fields;
use super::files::Merged;
use super::node::Value;
use super::problem::Problems;

/// The collections that are built.
const BUILT: [&str; 8] = [
    "workspace",
    "users",
    "service_principals",
    "groups",
    "secret_scopes",
    "sql_warehouses",
    "registered_models",
    "serving_endpoints",
];

/// The collections that are not, and what they are called.
const NOT_YET: [(&str, &str); 5] = [
    ("vector_search_endpoints", "vector search endpoints"),
    ("vector_search_indexes", "vector search indexes"),
    ("genie_spaces", "Genie spaces"),
    ("connections", "connections"),
    ("database_instances", "database instances"),
];

fn all() -> Vec<&'static str> {
    BUILT.into_iter().chain(NOT_YET.map(|(key, _)| key)).collect()
}

/// The collection of this name.
pub(super) fn known(key: &str) -> Option<&'static str> {
    all().into_iter().find(|name| *name == key)
}

/// What to say about another name.
pub(super) fn unknown(key: &str) -> String {
    fields::unknown_key(key, &all())
}

/// Refuses each collection that is not built and not empty.
pub(super) fn refuse_not_yet(merged: &Merged, problems: &Problems) {
    for (key, what) in NOT_YET {
        let Some(node) = merged.section(key) else { continue };
        let empty = match &node.value {
            Value::Null => true,
            Value::List(list) => list.is_empty(),
            Value::Map(map) => map.is_empty(),
            _ => false,
        };
        if !empty {
            problems.at(&node.place, format!("brickyard does not stand in for {what} yet; remove them"));
        }
    }
}
