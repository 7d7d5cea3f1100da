//! What can go wrong with a journal, each named with its place and its way out.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

/// Why the store could not open, or could not keep a commit. `Clone`, because one failed write answers
/// every commit that was in it.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process (or another store in this one) has the data directory.
    #[error(
        "{} is already open: another brickyard uses it; stop that one, or use another data directory",
        .directory.display()
    )]
    AlreadyOpen {
        /// The data directory.
        directory: PathBuf,
    },

    /// The file system said no.
    #[error("cannot {doing} {}: {source}", .path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What it answered.
        source: Arc<io::Error>,
    },

    /// The database said no.
    #[error("{journal}: cannot {doing}: {source}")]
    Database {
        /// The journal's name.
        journal: String,
        /// What was tried.
        doing: &'static str,
        /// What it answered.
        source: Arc<sqlx::Error>,
    },

    /// The file is something else, or of another version of the program.
    #[error("{journal} is not a journal this brickyard can read: {reason}")]
    NotAJournal {
        /// The journal's name.
        journal: String,
        /// What was found.
        reason: String,
    },

    /// The bytes are not those that were written.
    #[error("{journal} is damaged at sequence {sequence}{}: {reason}; restore it from a copy", owned(.owner))]
    Damaged {
        /// The journal's name.
        journal: String,
        /// The first commit that cannot be trusted.
        sequence: u64,
        /// Whose record it is, where that much can be read.
        owner: Option<String>,
        /// What does not add up.
        reason: String,
    },

    /// A commit is missing from the middle.
    #[error(
        "{journal} has a gap: sequence {expected} is missing ({found} comes next); restore it from a copy"
    )]
    Gap {
        /// The journal's name.
        journal: String,
        /// The sequence number that should have come.
        expected: u64,
        /// The one that did.
        found: u64,
    },

    /// A record of nobody who is registered.
    #[error(
        "{journal}: sequence {sequence} belongs to `{owner}`, which this brickyard does not know; \
         it was written by another version: open it with that one"
    )]
    UnknownOwner {
        /// The journal's name.
        journal: String,
        /// The commit.
        sequence: u64,
        /// The owner it names.
        owner: String,
    },

    /// An intact record that its owner cannot read.
    #[error(
        "{journal}: sequence {sequence} of `{owner}` cannot be read: {reason}; \
         it was written by another version: open it with that one"
    )]
    Undecodable {
        /// The journal's name.
        journal: String,
        /// The commit.
        sequence: u64,
        /// The record's owner.
        owner: String,
        /// What the decoder said.
        reason: String,
    },

    /// Somebody else wrote this sequence number: the journal has more than this store has seen.
    #[error("{journal}: sequence {sequence} is not the next one; the journal has moved on: open it again")]
    Conflict {
        /// The journal's name.
        journal: String,
        /// The sequence number that was to be written.
        sequence: u64,
    },

    /// Two owners with one name.
    #[error("two owners are registered as `{owner}`; give one of them another name")]
    DuplicateOwner {
        /// The name.
        owner: &'static str,
    },

    /// A change whose written form cannot be read back. Nothing was committed.
    #[error("a change of `{owner}` cannot be read back from its JSON: {reason}; nothing was committed")]
    NotReplayable {
        /// Whose change.
        owner: &'static str,
        /// What the encoder or decoder said.
        reason: String,
    },

    /// The store was closed, or its writer has ended. The commit may or may not have been written.
    #[error("the store is closed")]
    Closed,
}

fn owned(owner: &Option<String>) -> String {
    owner.as_ref().map(|owner| format!(" (owner `{owner}`)")).unwrap_or_default()
}

/// Why a commit did not happen.
#[derive(Debug, Clone, Error)]
pub enum CommitError<E> {
    /// The closure said no. Nothing was written.
    #[error(transparent)]
    Refused(E),
    /// The closure said yes, but the store could not keep it.
    #[error(transparent)]
    Store(#[from] StoreError),
}
