//! **State is a log**: an immutable snapshot in memory, and an append-only journal of typed changes.
//!
//! Floor 1. A crate that has state writes a [`State`]: a value that is cheap to clone and a type of
//! change that turns it into the next value. It registers with a [`Builder`], gets a [`Slot`] back, and
//! from then on reads and commits through the [`Store`]. The store knows nothing of what it keeps.
//!
//! ```text
//!  commit(|tx| ..)      the head: every commit so far          the journal          the published snapshot
//!  ───────────────▶  lock, decide, apply, queue, unlock ──▶ one writer appends ──▶ swap ──▶ answer ──▶ read()
//!                          (synchronous, no I/O)             all that is queued     (lock-free readers)
//! ```
//!
//! The rules kept here, which all others rely on:
//!
//! - **Atomic across owners.** One commit is one sequence number, however many owners it changes.
//! - **Acknowledged means durable.** [`Store::commit`] answers after the backend has, never before.
//! - **Readers see only what is durable**, and a writer reads its own commit once it is answered.
//! - **A decision cannot race.** The closure sees every earlier commit, durable or not yet.
//! - **Live is replay.** A change reaches the state in memory through the very bytes that are written,
//!   decoded again: what a restart would read is what is live now, or the commit is refused.
//! - **Refuse rather than guess.** A journal that is damaged, gapped or not understood does not open.
//!
//! **Absent on purpose:** deleting, rewriting and compacting. See [`Backend`] for where they would go.

mod backend;
mod builder;
mod error;
mod head;
mod memory;
mod slot;
mod snapshot;
mod sqlite;
mod state;
mod store;
mod transaction;
mod writer;

#[cfg(test)]
mod promises;

pub use backend::{Answer, Backend, Commit, Record};
pub use builder::Builder;
pub use error::{CommitError, StoreError};
pub use memory::MemoryJournal;
pub use slot::Slot;
pub use snapshot::{Reading, Snapshot};
pub use sqlite::SqliteJournal;
pub use state::State;
pub use store::Store;
pub use transaction::Transaction;
