//! How true each route is: one table a route file, gathered here, shown by `GET /_brickyard/fidelity` and turned into
//! the OpenAPI document.
//!
//! **Rule:** a route that is not in a table does not exist. Each route file keeps its table beside its `routes` function,
//! so that whoever adds a route sees both.

use super::{brickyard_api, not_emulated, permissions, secrets};

/// How much of the real thing stands behind a route.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Level {
    /// It does what Databricks does, as far as the reference knows.
    Real,
    /// The answer has the right shape; some of its content has no effect or is made up.
    ShapeOnly,
    /// It answers 501 and says so.
    Refused,
}

impl Level {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Real, Self::ShapeOnly, Self::Refused];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::ShapeOnly => "shape_only",
            Self::Refused => "refused",
        }
    }
}

/// The table of one route file: `METHOD path` (`ANY` stands for every method), the level, and the API scope that a
/// refusal prints, `any` where every valid token will do, or `open` where none is asked for.
pub type Table = &'static [(&'static str, Level, &'static str)];

/// The scope column of a route that takes no token.
pub const OPEN: &str = "open";
/// The scope column of a route that every valid token opens.
pub const ANY_SCOPE: &str = "any";

/// Every table, one line a route file.
pub static TABLES: &[Table] =
    &[brickyard_api::FIDELITY, not_emulated::FIDELITY, permissions::FIDELITY, secrets::FIDELITY];

/// One row, taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// The method, or `ANY`.
    pub method: &'static str,
    /// The path, as axum writes it: `{name}` is one segment, `{*rest}` all that follow.
    pub path: &'static str,
    /// How true it is.
    pub level: Level,
    /// The API scope, `any` or `open`.
    pub scope: &'static str,
}

/// The rows of some tables, by path and method.
pub fn rows(tables: &[Table]) -> Vec<Row> {
    let mut rows: Vec<Row> = (tables.iter().copied().flatten())
        .map(|(route, level, scope)| {
            let (method, path) = route.split_once(' ').unwrap_or(("ANY", route));
            Row { method, path, level: *level, scope }
        })
        .collect();
    rows.sort_by_key(|row| (row.path, row.method));
    rows
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_row_names_one_route_and_no_route_is_named_twice() {
        let mut seen = HashSet::new();
        for row in rows(TABLES) {
            assert!(["GET", "POST", "PUT", "PATCH", "DELETE", "ANY"].contains(&row.method), "{row:?}");
            assert!(row.path.starts_with('/') && !row.path.contains(' ') && !row.scope.is_empty(), "{row:?}");
            assert!(seen.insert((row.method, row.path)), "{row:?} is there twice");
            assert!(row.method != "ANY" || row.level == Level::Refused, "{row:?}");
        }
    }
}
