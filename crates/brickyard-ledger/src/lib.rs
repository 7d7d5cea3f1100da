//! **What happened and why**: one entry a request, linked to the invocation that caused it.
//!
//! The ledger holds the newest requests in memory (a ring of fixed size), with the decision traces that
//! the catalog made. `explain`, the REST ledger, its stream and the console are readers of these
//! entries; none of them decides anything again.
//!
//! ```text
//!   caller --POST /invocations--> entry R1 (credentials given: on_behalf_of_user jti J, passthrough by worker W)
//!                                   agent --GET /scim/Me, token J-----> entry R2 caused by R1
//!                                   agent --POST /invocations, W's----> entry R3 caused by R1
//! ```
//!
//! **Invariant:** no entry holds a credential: tokens appear by their `jti`, secrets by their name.

mod attribution;
mod entry;
mod explain;
mod nearest;
mod ring;

pub use attribution::Attribution;
pub use entry::{CredentialGiven, Decision, Entry, Kind, Method, Outcome};
pub use explain::Explanation;
pub use ring::{Filter, Ledger};
