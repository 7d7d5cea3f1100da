//! A worker's process, however it was born: started from the interpreter, or forked from the template.

use std::io;
use std::process::ExitStatus;

use tokio::io::AsyncRead;
use tokio::process::Child;

use super::template::Forked;

/// A process that is this worker's alone. Dropped before its end it is ended.
pub(crate) enum Process {
    /// A child of ours.
    Started(Child),
    /// A child of the template's.
    Forked(Forked),
}

/// An output of a process, to be read.
pub(crate) type Pipe = Box<dyn AsyncRead + Send + Unpin>;

impl Process {
    /// Its number; `None` if it has ended and been buried already.
    pub(crate) fn pid(&self) -> Option<u32> {
        match self {
            Self::Started(child) => child.id(),
            Self::Forked(forked) => Some(forked.pid),
        }
    }

    /// Where its standard output and error come out; once.
    pub(crate) fn take_outputs(&mut self) -> Vec<Pipe> {
        match self {
            Self::Started(child) => take_outputs(child),
            Self::Forked(forked) => forked.outputs.drain(..).map(|pipe| Box::new(pipe) as Pipe).collect(),
        }
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// If nobody can say how it ended.
    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        match self {
            Self::Started(child) => child.wait().await,
            Self::Forked(forked) => forked.ended().await,
        }
    }

    /// Nothing is done with its number any more.
    pub(crate) async fn bury(self) {
        if let Self::Forked(forked) = self {
            forked.bury().await;
        }
    }
}

/// Where a child's standard output and error come out; once.
pub(super) fn take_outputs(child: &mut Child) -> Vec<Pipe> {
    let out = child.stdout.take().map(|pipe| Box::new(pipe) as Pipe);
    let err = child.stderr.take().map(|pipe| Box::new(pipe) as Pipe);
    out.into_iter().chain(err).collect()
}
