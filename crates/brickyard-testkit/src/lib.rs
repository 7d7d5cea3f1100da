//! **A whole workspace inside one test process**: the real store, issuer, catalog, stacks and socket, on a clock that
//! the test holds.
//!
//! Beside the floors: it may use all of them, none of them uses it. It has no back door: tokens come from the real
//! issuer, requests go over a real socket, and a restart is a new workspace on the same journal.
//!
//! ```no_run
//! # async fn example() {
//! use brickyard_testkit::Kit;
//! let kit = Kit::start("users: [{user_name: ana@example.com}]").await;
//! let ana = kit.token("ana@example.com");
//! let me = kit.get("/api/2.0/preview/scim/v2/Me", &ana).await;
//! assert_eq!(me.status, 200);
//! # }
//! ```

mod kit;
mod reply;

pub use kit::{Builder, Kit};
pub use reply::Reply;
