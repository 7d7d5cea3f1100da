//! **The face of brickyard**: the public HTTP, the configuration, the command line and the process. Floor 6: everything
//! below is a library that knows nothing of HTTP.

pub mod accept;
pub mod errors;
pub mod http;
