//! The promises.

mod house;
