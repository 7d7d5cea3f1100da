//! What the warehouse promises, each in its user's voice.

mod changes;
mod definitions;
mod functions_and_views;
mod policies;
mod rights;
mod time;
mod workspace;
