//! What the parser promises. Texts come from anyone.

mod errors;
mod hostile;
mod queries;
mod statements;

use super::*;
use crate::statement::{Name, NameOrMarker};

/// One statement that must parse.
fn parsed(sql: &str) -> Statement {
    parse_one(sql).unwrap_or_else(|error| panic!("{sql}\n{error}"))
}

/// The error of one statement that must not parse.
fn refused(sql: &str) -> String {
    match parse_one(sql) {
        Ok(statement) => panic!("{sql}\n{statement:?}"),
        Err(error) => error.to_string(),
    }
}

/// A query as `sqlparser` writes it back, with brackets where it saw them.
fn query(sql: &str) -> String {
    match parsed(sql) {
        Statement::Query(query) => query.to_string(),
        other => panic!("{sql}\n{other:?}"),
    }
}

fn name(text: &str) -> NameOrMarker {
    NameOrMarker::Name(Name(text.split('.').map(str::to_owned).collect()))
}
