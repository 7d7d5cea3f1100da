//! The promises.

mod agents;
mod credentials;
mod deploying;
mod house;
mod isolation;
mod load;
mod reliability;
mod scenarios;
