//! One process: its birth, one conversation at a time, and its end.
//!
//! All three pipes are watched together, so that neither a large request, nor a flood of prints, nor a process that
//! says nothing can hold the caller beyond its deadline.

use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use brickyard_sandbox::Sandbox;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use super::wire::{self, Ready};
use super::{PythonFunction, PythonFunctionError, PythonSettings};

/// The worker's side; it needs the standard library only.
const SCRIPT: &str = include_str!("../../python/brickyard_functions.py");
/// `<u32 length><16 bytes of identity>`, as in the script.
const HEADER: usize = 20;
/// The values for one request, at most; the script knows it too.
const LARGEST_FRAME: usize = 64 << 20;
/// How much of the end of what a body prints is kept.
const KEPT_OUTPUT: usize = 2048;
/// An interpreter on a cold disk takes its time.
const START: Duration = Duration::from_secs(60);
/// How long the words of a process that ends may take to arrive.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Definitions that a process may hold before it is replaced.
const MOST_DEFINITIONS: usize = 256;

/// Why there is no answer. The process is not to be used again.
#[derive(Debug)]
pub(super) enum Trouble {
    TimedOut,
    Closed,
    OutOfStep(String),
}

/// A running process.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) owner: u64,
    child: Child,
    requests: ChildStdin,
    answers: ChildStdout,
    /// `None` once the process has closed it.
    output: Option<ChildStderr>,
    tail: VecDeque<u8>,
    defined: HashMap<PythonFunction, u32>,
    next: u32,
    ended: Option<String>,
    folder: TempDir,
}

impl Worker {
    pub(super) fn start(
        settings: &PythonSettings,
        interpreter: &Path,
        owner: u64,
    ) -> Result<Self, PythonFunctionError> {
        let failed = |reason: String| PythonFunctionError::Start {
            interpreter: interpreter.display().to_string(),
            reason,
        };
        let mut worker =
            Self::spawn(settings, interpreter, owner).map_err(|error| failed(error.to_string()))?;
        let ready = worker.receive(&[], [0; 16], Instant::now() + START).and_then(|answer| {
            serde_json::from_slice::<Ready>(&answer).map_err(|error| Trouble::OutOfStep(error.to_string()))
        });
        match ready {
            Ok(ready) => {
                if !ready.memory_limited {
                    tracing::warn!("this platform does not limit the memory of Python functions");
                }
                tracing::debug!(python = ready.python, pid = worker.child.id(), "a Python worker is ready");
                Ok(worker)
            }
            Err(trouble) => {
                let how = match trouble {
                    Trouble::TimedOut => format!("it was not ready after {} s", START.as_secs()),
                    Trouble::Closed => worker.how_it_ended(),
                    Trouble::OutOfStep(what) => what,
                };
                Err(failed(format!("{how}; {}", worker.last_output())))
            }
        }
    }

    fn spawn(settings: &PythonSettings, interpreter: &Path, owner: u64) -> io::Result<Self> {
        std::fs::create_dir_all(&settings.run_dir)?;
        let folder = tempfile::Builder::new().prefix("function-").tempdir_in(&settings.run_dir)?;
        let home = folder.path().canonicalize()?;
        let mut command = Command::new(interpreter);
        command
            // Isolated, but with the interpreter's own packages: bodies import them.
            .args(["-I", "-B", "-X", "utf8", "-c", SCRIPT])
            .args([
                settings.memory_bytes.to_string(),
                settings.seconds_per_batch.to_string(),
                LARGEST_FRAME.to_string(),
            ])
            .env_clear()
            // Without it, `~` is the home of the developer, with their credentials.
            .env("HOME", &home)
            .env("TMPDIR", &home)
            // A pool of threads for each core takes more address space than the limit leaves.
            .env("OMP_NUM_THREADS", "1")
            .env("OPENBLAS_NUM_THREADS", "1")
            .current_dir(&home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let sandbox = settings.closed.as_ref().map(|closed| Sandbox::around(closed).may_write(&home));
        let mut child = start_in(sandbox, command)?;
        let (Some(requests), Some(answers), Some(output)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(io::Error::other("its pipes are missing"));
        };
        let worker = Self {
            owner,
            child,
            requests,
            answers,
            output: Some(output),
            tail: VecDeque::new(),
            defined: HashMap::new(),
            next: 0,
            ended: None,
            folder,
        };
        never_block(&worker.requests)?;
        never_block(&worker.answers)?;
        worker.output.as_ref().map_or(Ok(()), never_block)?;
        Ok(worker)
    }

    /// The function's number here, and its definition if the process has not seen it.
    pub(super) fn define(&mut self, function: &PythonFunction) -> (u32, Option<Value>) {
        if let Some(number) = self.defined.get(function) {
            return (*number, None);
        }
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.defined.insert(function.clone(), number);
        (number, Some(wire::definition(function)))
    }

    /// The process could not compile it, and so does not have it.
    pub(super) fn forget(&mut self, function: &PythonFunction) {
        self.defined.remove(function);
    }

    /// False if it holds so much that a new one is better.
    pub(super) fn reusable(&self) -> bool {
        self.defined.len() < MOST_DEFINITIONS
    }

    /// True if it can be spoken to. One that speaks unasked, or has ended, is out of step.
    pub(super) fn is_quiet(&mut self) -> bool {
        match self.ready(false, Duration::ZERO) {
            Ok(ready) if !ready.answers => {
                self.read_output();
                // Nobody is told what was printed for somebody else's call.
                self.tail.clear();
                true
            }
            _ => false,
        }
    }

    /// One request and its answer.
    pub(super) fn converse(&mut self, request: &[u8], deadline: Instant) -> Result<Vec<u8>, Trouble> {
        let identity = uuid::Uuid::new_v4().into_bytes();
        let length = u32::try_from(request.len())
            .map_err(|_| Trouble::OutOfStep("one row is larger than 4 GiB".to_owned()))?;
        let mut frame = Vec::with_capacity(HEADER + request.len());
        frame.extend_from_slice(&length.to_le_bytes());
        frame.extend_from_slice(&identity);
        frame.extend_from_slice(request);
        self.receive(&frame, identity, deadline)
    }

    /// Sends `frame` and reads the answer of that identity.
    fn receive(&mut self, frame: &[u8], identity: [u8; 16], deadline: Instant) -> Result<Vec<u8>, Trouble> {
        let out_of_step = |what: &str| Trouble::OutOfStep(what.to_owned());
        let mut unsent = frame;
        let mut received = Vec::new();
        let mut piece = vec![0; 64 << 10];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Trouble::TimedOut);
            }
            let ready = self.ready(!unsent.is_empty(), left).map_err(|_| Trouble::Closed)?;
            if ready.output {
                self.read_output();
            }
            if ready.requests {
                match self.requests.write(unsent) {
                    Ok(sent) => unsent = &unsent[sent..],
                    Err(error) if is_temporary(&error) => {}
                    Err(_) => return Err(Trouble::Closed),
                }
            }
            if !ready.answers {
                continue;
            }
            match self.answers.read(&mut piece) {
                Ok(0) => return Err(Trouble::Closed),
                Ok(read) => received.extend_from_slice(&piece[..read]),
                Err(error) if is_temporary(&error) => continue,
                Err(_) => return Err(Trouble::Closed),
            }
            let Some((header, answer)) = received.split_at_checked(HEADER) else { continue };
            let (length, whose) = header.split_at(4);
            if whose != identity {
                return Err(out_of_step("something else than the worker wrote to its channel"));
            }
            let length = length.try_into().map(u32::from_le_bytes).unwrap_or(u32::MAX);
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if length > LARGEST_FRAME || answer.len() > length {
                return Err(out_of_step("its length is wrong"));
            }
            if answer.len() == length {
                if !unsent.is_empty() {
                    return Err(out_of_step("it came before the whole request was sent"));
                }
                received.drain(..HEADER);
                return Ok(received);
            }
        }
    }

    /// Waits until one of the pipes can be used, at most so long.
    fn ready(&self, sending: bool, patience: Duration) -> io::Result<ReadyPipes> {
        // Rounded up: a wait of no milliseconds at all would spin.
        let patience = patience.as_millis().saturating_add(u128::from(!patience.is_zero()));
        let patience = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
        let mut pipes = vec![PollFd::new(self.answers.as_fd(), PollFlags::POLLIN)];
        if let Some(output) = &self.output {
            pipes.push(PollFd::new(output.as_fd(), PollFlags::POLLIN));
        }
        if sending {
            pipes.push(PollFd::new(self.requests.as_fd(), PollFlags::POLLOUT));
        }
        match poll(&mut pipes, patience) {
            Ok(_) => {}
            Err(nix::errno::Errno::EINTR) => return Ok(ReadyPipes::default()),
            Err(error) => return Err(error.into()),
        }
        let mut ready = pipes.iter().map(|pipe| pipe.any().unwrap_or(true));
        Ok(ReadyPipes {
            answers: ready.next().unwrap_or(false),
            output: self.output.is_some() && ready.next().unwrap_or(false),
            requests: sending && ready.next().unwrap_or(false),
        })
    }

    /// Takes what was printed, without waiting for more.
    fn read_output(&mut self) {
        let mut piece = [0; 16 << 10];
        // A body may print faster than this reads: the caller looks at the clock in between.
        for _ in 0..16 {
            let Some(output) = &mut self.output else { return };
            match output.read(&mut piece) {
                Ok(0) => self.output = None,
                Ok(read) => {
                    self.tail.extend(&piece[..read]);
                    self.tail.drain(..self.tail.len().saturating_sub(KEPT_OUTPUT));
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.output = None,
            }
        }
    }

    /// The end of what was printed.
    pub(super) fn last_output(&mut self) -> String {
        self.read_output();
        String::from_utf8_lossy(self.tail.make_contiguous()).trim().to_owned()
    }

    /// Ends it, if it has not ended by itself, and says how it did.
    pub(super) fn how_it_ended(&mut self) -> String {
        let deadline = Instant::now() + LAST_WORDS;
        while self.output.is_some() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.ready(false, left).is_err() {
                break;
            }
            self.read_output();
        }
        // A process on its way out keeps its own status.
        self.end();
        self.ended.clone().unwrap_or_default()
    }

    fn end(&mut self) {
        if self.ended.is_some() {
            return;
        }
        // Not waited for yet: the number is still its own.
        if let Ok(group) = i32::try_from(self.child.id()) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        // It may have left its group.
        let _ = self.child.kill();
        self.ended = Some(match self.child.wait() {
            Ok(status) => status.to_string(),
            Err(error) => format!("it could not be waited for: {error}"),
        });
        end_remains(self.folder.path());
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}

#[derive(Clone, Copy, Default)]
struct ReadyPipes {
    answers: bool,
    output: bool,
    requests: bool,
}

fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Starts the process from a thread of its own, which gives up what the body may not open: there is no way back from that.
fn start_in(sandbox: Option<Sandbox>, mut command: Command) -> io::Result<Child> {
    let Some(sandbox) = sandbox else { return command.spawn() };
    let start = move || {
        // Where nothing can be closed, whoever starts agents has said so.
        sandbox.enter().map_err(io::Error::other)?;
        command.spawn()
    };
    let started = std::thread::Builder::new().name("brickyard-births".to_owned()).spawn(start)?.join();
    started.unwrap_or_else(|_| Err(io::Error::other("the thread that starts it has failed")))
}

/// Our end of a pipe; the process keeps one that waits.
fn never_block(pipe: &impl AsFd) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(pipe, FcntlArg::F_GETFL)?);
    fcntl(pipe, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

/// Ends processes that a body started and moved to a session of their own: the worker's folder is in their
/// environment, and in nobody else's. Only Linux shows it.
fn end_remains(folder: &Path) {
    use std::os::unix::ffi::OsStrExt;

    let Ok(home) = folder.canonicalize() else { return };
    let Ok(processes) = std::fs::read_dir("/proc") else { return };
    let mark = [b"HOME=", home.as_os_str().as_bytes()].concat();
    for process in processes.flatten() {
        let Some(number) = process.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let Ok(environment) = std::fs::read(process.path().join("environ")) else { continue };
        if environment.split(|byte| *byte == 0).any(|variable| variable == mark) {
            let _ = nix::sys::signal::kill(Pid::from_raw(number), Signal::SIGKILL);
        }
    }
}
