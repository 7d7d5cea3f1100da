//! What the warehouse promises, each in its user's voice.

mod changes;
mod copy;
mod copy_into;
mod definitions;
mod foreign_tables;
mod functions_and_views;
mod hostile_statements;
mod http_requests;
mod identity;
mod information_schema;
mod plans;
mod policies;
mod read_files;
mod rights;
mod section_r;
mod single_row;
mod spark;
mod spark_queries;
mod subqueries;
mod tags;
mod temporary;
mod time;
mod workspace;

/// Tables that are read from memory.
pub(crate) type InMemory = parking_lot::Mutex<
    std::collections::HashMap<
        brickyard_catalog::unity::ObjectId,
        std::sync::Arc<dyn datafusion::catalog::TableProvider>,
    >,
>;
