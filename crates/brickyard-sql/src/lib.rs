//! **The warehouse**: statements in, rows out, with every grant, row filter and column mask on the way.
//!
//! Floor 3, and the only crate that knows DataFusion.
//!
//! ```text
//! text ─▶ front (parse) ─▶ Run: names -> objects -> authorize ─▶ plan with policies ─▶ optimise ─▶ rows
//!                                            └─▶ Denied, with its trace
//! ```
//! Rules kept here:
//!
//! - **A table's rows come out of `relation.rs` only**, which takes the permit to read it and puts filter and masks
//!   around it before anything is optimised. What is behind a filter is a leaf to the rest of the plan: no predicate,
//!   statistic or error of a hidden row gets out.
//! - **A plan belongs to one statement of one principal.** Nothing is cached across them.
//! - **Definer's rights, invoker's identity**: a view or function reads with its owner's rights, and
//!   `current_user()` inside it is whoever runs the statement.
//! - **The door is independent of the protocol**: [`Sql::run`].

mod arrow_types;
mod barrier;
mod bounded;
mod change;
mod deep;
mod definition;
mod delta;
mod drop;
mod engine;
mod error;
mod from;
mod front;
mod functions;
mod grant;
mod http_request;
mod identity_functions;
mod inferred;
mod information_schema;
mod inline;
mod lost_order;
mod named_arguments;
pub mod outside;
mod planner;
mod policy_errors;
mod python_function;
mod read_files;
mod relation;
mod rewrite;
mod run;
mod session;
mod show;
mod spark;
pub mod statement;
mod subqueries;
mod temporary;
mod upkeep;
mod use_statement;
mod window_keys;

#[cfg(test)]
mod promises;
pub mod statements;
pub mod warehouses;

pub use engine::{Answer, Sql, SqlOptions};
pub use error::SqlError;
pub use front::{SyntaxError, parse, parse_one};
pub use information_schema::described as information_schema_relations;
pub use python_function::PythonFunctionError;
pub use session::{Current, Parameter, Session, Speaker};
