//! What the catalog promises, played in a small workspace.

mod access_lists;
mod decisions;
mod grants;
mod policy_matrix;
pub(crate) mod workspace;
