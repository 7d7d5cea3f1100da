//! The promises.

#![expect(clippy::print_stdout, reason = "a test prints the numbers that it counted")]

mod agents;
mod cli;
mod credentials;
mod deploying;
mod hostile;
mod house;
mod isolation;
mod ledger;
mod load;
mod open_routes;
mod reliability;
mod scenarios;
mod seeding;
mod sql_logic;
mod sql_statements;
mod unity_catalog;
