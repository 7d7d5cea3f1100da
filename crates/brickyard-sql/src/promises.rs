//! What the warehouse promises, each in its user's voice.

mod changes;
mod definitions;
mod functions_and_views;
mod http_requests;
mod information_schema;
mod policies;
mod rights;
mod workspace;
