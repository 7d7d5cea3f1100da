//! What a journal must be able to do, and what it keeps.

use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::StoreError;

/// A backend's answer, in its own time.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// One change of one owner, as it is written.
#[derive(Clone, Serialize, Deserialize)]
pub struct Record {
    /// Whose change it is: [`State::OWNER`](crate::State::OWNER).
    pub owner: Cow<'static, str>,
    /// The change as JSON, kept byte for byte.
    pub body: Box<RawValue>,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The body is the owner's business; logs get its size.
        write!(f, "Record({}, {} bytes)", self.owner, self.body.get().len())
    }
}

/// What one commit wrote: all of it is in the journal, or none.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Its place in the journal: 1 for the first, and no number is left out.
    pub sequence: u64,
    /// Its changes in the order they were made, of one owner or of several.
    pub records: Vec<Record>,
}

/// An append-only journal. One writer task owns it, so every method may take it exclusively.
///
/// **For a journal that several processes share** (a database server): [`append`](Self::append) refuses a
/// sequence number that is taken, which is how a process learns that it is behind, and
/// [`read_from`](Self::read_from) with the first number not yet seen is how it follows.
///
/// **Compaction** is not here yet. It would be two more methods, with bodies that keep today's backends
/// correct: one that stores each owner's state at a sequence number and forgets the commits up to it, and
/// one that hands the newest of those back, after which `read_from` goes on at the next number. It also
/// needs a way to write a state, which [`State`](crate::State) does not ask for.
pub trait Backend: Send + 'static {
    /// What errors call this journal: a file, a database.
    fn name(&self) -> String;

    /// Writes `commits`, which follow the last one written without a gap, all or none of them. They are
    /// durable when it answers. After a failure the next call starts again at the same sequence number.
    fn append<'a>(&'a mut self, commits: &'a [Commit]) -> Answer<'a, ()>;

    /// The commits from `sequence` on, oldest first, as many as are handy to hold at once; none when there
    /// are no more. What is damaged is refused, not skipped.
    fn read_from(&mut self, sequence: u64) -> Answer<'_, Vec<Commit>>;

    /// Lets go of everything held, so that the same journal can be opened again at once.
    fn close(self: Box<Self>) -> Answer<'static, ()>;
}

impl Backend for Box<dyn Backend> {
    fn name(&self) -> String {
        (**self).name()
    }

    fn append<'a>(&'a mut self, commits: &'a [Commit]) -> Answer<'a, ()> {
        (**self).append(commits)
    }

    fn read_from(&mut self, sequence: u64) -> Answer<'_, Vec<Commit>> {
        (**self).read_from(sequence)
    }

    fn close(self: Box<Self>) -> Answer<'static, ()> {
        (*self).close()
    }
}
