//! The promises.

mod agents;
mod credentials;
mod deploying;
mod hostile;
mod house;
mod isolation;
mod load;
mod open_routes;
mod reliability;
mod scenarios;
