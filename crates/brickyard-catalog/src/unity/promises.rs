//! What Unity Catalog promises, played in carol's small lake.

#[cfg(feature = "oracle")]
mod cedar_oracle;
mod lake;
mod lifetimes;
mod people;
mod policy_matrix;
mod rights;
