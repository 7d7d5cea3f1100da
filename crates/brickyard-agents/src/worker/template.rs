//! The process that the workers of one pool are forked from (`python/brickyard_template.py`).
//!
//! Importing mlflow and the SDK takes seconds of CPU, and every worker would spend them again: the second one that a
//! burst needs, and the one that takes a dead one's place. The template has spent them once. It runs in its workers'
//! environment and sandbox, has nothing of a request, of the agent's code or of a token, and ends with the last of its
//! pool's workers.
//!
//! A forked worker is no child of ours, so the template says how it ended, and buries it only when it is told to: until
//! then the number cannot become another process's.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::unistd::Pid;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::io::{AsyncBufReadExt, BufReader, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf, pipe};
use tokio::process::Child;
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A running template. It ends when the last one who holds it lets go.
#[derive(Debug)]
pub(crate) struct Template {
    /// Locked while an order is written.
    orders: tokio::sync::Mutex<OwnedWriteHalf>,
    family: Arc<Family>,
    /// Cancelled when the process has ended and was waited for.
    gone: CancellationToken,
    _ends: DropGuard,
}

/// Who is being born, and who lives.
#[derive(Debug, Default)]
struct Family {
    unborn: Mutex<HashMap<u64, oneshot::Sender<io::Result<Born>>>>,
    living: Mutex<HashMap<u32, oneshot::Sender<ExitStatus>>>,
    how: OnceLock<ExitStatus>,
    orders: AtomicU64,
}

#[derive(Debug)]
struct Born {
    pid: u32,
    ended: oneshot::Receiver<ExitStatus>,
}

/// A worker's process that was forked from the template. Dropped before its end it is ended.
#[derive(Debug)]
pub(crate) struct Forked {
    pub(crate) pid: u32,
    pub(crate) outputs: Vec<pipe::Receiver>,
    ended: oneshot::Receiver<ExitStatus>,
    over: bool,
    template: Arc<Template>,
}

/// Why the template gave no worker.
#[derive(Debug)]
pub(crate) enum NoBirth {
    /// The operating system refused something.
    Io(io::Error),
    /// The template has ended; how, if that is known.
    Ended(Option<ExitStatus>),
}

impl From<io::Error> for NoBirth {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Order {
    Birth { id: u64, variables: HashMap<String, String>, folder: String },
    Bury { bury: u32 },
}

impl Template {
    /// Takes charge of a process that was started with the other end of `socket` as its standard input. `said` is over
    /// when its last words have been read. The second value is to be run for as long as it lives, and sees to its end.
    pub(crate) fn new(
        socket: UnixStream,
        child: Child,
        said: impl Future<Output = ()> + Send,
    ) -> (Arc<Self>, impl Future<Output = ()> + Send) {
        let (reading, writing) = socket.into_split();
        let end = CancellationToken::new();
        let gone = CancellationToken::new();
        let family = Arc::new(Family::default());
        let life = live(child, reading, Arc::clone(&family), end.clone(), said);
        let life = {
            let gone = gone.clone();
            async move {
                life.await;
                gone.cancel();
            }
        };
        let template =
            Self { orders: tokio::sync::Mutex::new(writing), family, gone, _ends: end.drop_guard() };
        (Arc::new(template), life)
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.is_cancelled()
    }

    /// A new worker, with `variables` beside the template's own, in `folder`, and with `frames` as its standard input.
    pub(crate) async fn fork(
        self: &Arc<Self>,
        variables: &[(OsString, OsString)],
        folder: &Path,
        frames: OwnedFd,
    ) -> Result<Forked, NoBirth> {
        let ((out_end, out), (err_end, err)) = (pipe::pipe()?, pipe::pipe()?);
        let (out_end, err_end) = (out_end.into_blocking_fd()?, err_end.into_blocking_fd()?);
        let id = self.family.orders.fetch_add(1, Ordering::Relaxed);
        let order = Order::Birth {
            id,
            variables: variables.iter().map(|(name, value)| (text(name), text(value))).collect(),
            folder: text(folder.as_os_str()),
        };
        let (born, mine) = oneshot::channel();
        self.family.unborn.lock().insert(id, born);
        // A template that has ended is seen below.
        let _ = write(&*self.orders.lock().await, &order, &[&frames, &out_end, &err_end]).await;
        drop((frames, out_end, err_end));
        let born = tokio::select! {
            born = mine => born.ok().transpose()?,
            () = self.gone.cancelled() => None,
        };
        let Some(Born { pid, ended }) = born else {
            self.gone.cancelled().await;
            return Err(NoBirth::Ended(self.family.how.get().copied()));
        };
        Ok(Forked { pid, outputs: vec![out, err], ended, over: false, template: Arc::clone(self) })
    }
}

impl Forked {
    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> io::Result<ExitStatus> {
        let status = (&mut self.ended).await;
        self.over = true;
        status.map_err(|_| io::Error::other("the process that it was forked from has ended"))
    }

    /// Nothing is done with its number any more.
    pub(crate) async fn bury(self) {
        let orders = self.template.orders.lock().await;
        // A template that has ended has nobody to bury.
        let _ = write(&orders, &Order::Bury { bury: self.pid }, &[]).await;
    }
}

impl Drop for Forked {
    fn drop(&mut self) {
        if !self.over {
            end_group(self.pid);
        }
    }
}

/// Reads what the template says until it ends, and ends it when nobody holds it any more.
async fn live(
    mut child: Child,
    reading: OwnedReadHalf,
    family: Arc<Family>,
    end: CancellationToken,
    said: impl Future<Output = ()>,
) {
    let mut lines = BufReader::new(reading).lines();
    let listening = async {
        while let Ok(Some(line)) = lines.next_line().await {
            family.heard(&line);
        }
    };
    tokio::select! {
        () = listening => {}
        () = end.cancelled() => {}
    }
    // It may be ending by itself, and then it says more than a signal of ours would.
    let patience = if end.is_cancelled() { Duration::ZERO } else { super::BY_ITSELF };
    let ended = tokio::time::timeout(patience, child.wait()).await;
    let status = match ended {
        Ok(status) => status,
        Err(_) => {
            let _ = child.start_kill();
            child.wait().await
        }
    };
    if let Ok(status) = status {
        let _ = family.how.set(status);
    }
    let _ = tokio::time::timeout(super::LAST_WORDS, said).await;
    family.living.lock().clear();
    family.unborn.lock().clear();
}

impl Family {
    /// `born <order> <pid>`, `unborn <order> <errno>` and `ended <pid> <status>`.
    fn heard(&self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["born", order, pid] if let (Ok(order), Ok(pid)) = (order.parse(), pid.parse()) => {
                let (end, ended) = oneshot::channel();
                self.living.lock().insert(pid, end);
                let starter = self.unborn.lock().remove(&order);
                // Whoever wanted it has gone meanwhile.
                if starter.is_none_or(|starter| starter.send(Ok(Born { pid, ended })).is_err()) {
                    end_group(pid);
                }
            }
            ["unborn", order, error] if let (Ok(order), Ok(error)) = (order.parse(), error.parse()) => {
                if let Some(starter) = self.unborn.lock().remove(&order) {
                    let _ = starter.send(Err(io::Error::from_raw_os_error(error)));
                }
            }
            ["ended", pid, status] if let (Ok(pid), Ok(status)) = (pid.parse(), status.parse()) => {
                if let Some(end) = self.living.lock().remove(&pid) {
                    let _ = end.send(ExitStatus::from_raw(status));
                }
            }
            _ => tracing::error!(line, "the process that workers are forked from said something unknown"),
        }
    }
}

fn end_group(pid: u32) {
    if let Ok(group) = i32::try_from(pid) {
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
}

/// Bytes as one character each: JSON has no bytes, and a path need not be UTF-8.
fn text(value: &OsStr) -> String {
    value.as_bytes().iter().map(|byte| char::from(*byte)).collect()
}

/// Writes one line; the descriptors go with its first byte.
async fn write(socket: &OwnedWriteHalf, order: &Order, descriptors: &[&OwnedFd]) -> io::Result<()> {
    let mut line = serde_json::to_vec(order)?;
    line.push(b'\n');
    let raw: Vec<_> = descriptors.iter().map(|descriptor| descriptor.as_raw_fd()).collect();
    let socket: &UnixStream = socket.as_ref();
    let mut written = 0;
    while written < line.len() {
        socket.writable().await?;
        let rights = [ControlMessage::ScmRights(&raw)];
        let control = if written == 0 && !raw.is_empty() { &rights[..] } else { &[] };
        let sent = socket.try_io(Interest::WRITABLE, || {
            let rest = [IoSlice::new(line.get(written..).unwrap_or_default())];
            Ok(sendmsg::<()>(socket.as_raw_fd(), &rest, control, MsgFlags::MSG_NOSIGNAL, None)?)
        });
        match sent {
            Ok(sent) => written += sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
