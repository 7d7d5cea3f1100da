//! **The face of brickyard**: the public HTTP, the configuration, the command line and the process. Floor 6: everything
//! below is a library that knows nothing of HTTP.

pub mod accept;
pub mod access;
pub mod cli;
pub mod config;
pub mod doctor;
pub mod errors;
pub mod http;
mod huge_pages;
pub mod outside;
pub mod profile;
pub mod routes;
pub mod run;
pub mod seed;
pub mod workspace;
