//! **Python bodies** of Unity Catalog functions, run in worker processes with limits of time and memory.
//!
//! The text between `$$` is the body of a Python function whose parameters are the SQL parameters ("CREATE FUNCTION
//! (SQL and Python)" in Databricks' SQL manual). Values travel as their declared types say, in both directions:
//!
//! ```text
//!  arrays --encode--> rows --pipe--> main(a, b) --pipe--> values --decode--> array
//!                            worker, one owner's functions only
//! ```
//!
//! A worker sees its arguments and nothing else of its surroundings: no environment, no descriptors but its pipes, an
//! empty folder. It belongs to one owner for life, so that what a body does to a module reaches no other owner's body.
//! A worker that dies, hangs, runs out of memory or answers out of step is replaced; only the statement that ran there
//! fails. **Not a jail**: a body may read what the account that runs brickyard may read.

mod decode;
mod encode;
mod error;
mod interpreter;
mod pool;
mod scalar_udf;
mod wire;
mod worker;

#[cfg(test)]
mod promises;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use brickyard_types::SqlType;
use datafusion::arrow::array::{Array, ArrayRef, new_empty_array};
use datafusion::arrow::compute::concat;

pub use error::PythonFunctionError;
pub use scalar_udf::scalar_udf;

use self::pool::Pool;
use self::wire::{Kind, Reply, Request};
use self::worker::Trouble;
use crate::arrow_types::stored;

/// The values that one call may return, as bytes on the wire: Arrow's offsets hold no more than twice that.
const LARGEST_RESULT: usize = 1 << 30;

/// How bodies are run.
#[derive(Clone, Debug)]
pub struct PythonSettings {
    /// The interpreter; without one, `python3` is searched on `PATH` at first use.
    pub interpreter: Option<PathBuf>,
    /// Where the workers' empty folders are made.
    pub run_dir: PathBuf,
    /// A folder that no body may look into, but for its worker's own below `run_dir` (see `brickyard-sandbox`).
    pub closed: Option<PathBuf>,
    /// Wall-clock seconds for one call, which is one batch of rows.
    pub seconds_per_batch: u64,
    /// Address space of one worker. Not enforced where the platform cannot (macOS); then a warning is logged.
    pub memory_bytes: u64,
    /// How many processes there may be at a time, over all owners.
    pub workers: usize,
}

impl Default for PythonSettings {
    /// 30 seconds, 1 GiB, 4 processes, in the system's folder for temporary files.
    fn default() -> Self {
        Self {
            interpreter: None,
            run_dir: std::env::temp_dir(),
            closed: None,
            seconds_per_batch: 30,
            memory_bytes: 1 << 30,
            workers: 4,
        }
    }
}

/// A function with a Python body.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PythonFunction {
    /// Whose function it is: a process never runs functions of two owners.
    pub owner: u64,
    /// Its full name, `main.s.f`.
    pub name: Arc<str>,
    /// Names and types, in order.
    pub parameters: Vec<(String, SqlType)>,
    /// The declared type of its values.
    pub returns: SqlType,
    /// The text between `$$`.
    pub body: Arc<str>,
    /// True for `DETERMINISTIC`: equal arguments may be computed once.
    pub deterministic: bool,
}

impl PythonFunction {
    /// `main.s.f(a, b)`, as error messages name it.
    pub fn signature(&self) -> String {
        let names: Vec<&str> = self.parameters.iter().map(|(name, _)| name.as_str()).collect();
        format!("{}({})", self.name, names.join(", "))
    }
}

/// The processes that run Python bodies. A handle: clones share them, and the last one to go ends them.
#[derive(Clone, Debug)]
pub struct PythonFunctions {
    pool: Arc<Pool>,
}

impl PartialEq for PythonFunctions {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.pool, &other.pool)
    }
}

impl Eq for PythonFunctions {}

impl PythonFunctions {
    /// Starts nothing yet: the first call does.
    pub fn new(settings: PythonSettings) -> Self {
        Self { pool: Arc::new(Pool::new(settings)) }
    }

    /// The function's values for `rows` rows. Blocks until they are there, at most until the time limit.
    ///
    /// # Errors
    /// If the body raises, returns something else than it declared, or breaks a limit; if there is no Python.
    pub fn call(
        &self,
        function: &PythonFunction,
        args: &[ArrayRef],
        rows: usize,
    ) -> Result<ArrayRef, PythonFunctionError> {
        encode::supported(function)?;
        let columns = encode::columns(function, args, rows)?;
        let returns = stored(&function.returns);
        if rows == 0 {
            return Ok(new_empty_array(&returns));
        }
        let mut lease = self.pool.lease(function.owner)?;
        let deadline = self.deadline();
        let (mut row, mut received) = (0, 0);
        let mut parts: Vec<ArrayRef> = Vec::new();
        let mut keep = true;
        while row < rows {
            let (number, definition) = lease.worker.define(function);
            let (request, taken) = Request::call(number, definition, &columns, row, rows);
            let answer = (lease.worker.converse(&request, deadline))
                .map_err(|trouble| self.lost(function, &mut lease, trouble))?;
            received += answer.len();
            if received > LARGEST_RESULT {
                let error = "the values for one batch of rows are larger than 1 GiB".to_owned();
                return Err(PythonFunctionError::Result { function: function.signature(), error });
            }
            let reply = Reply::read(&answer);
            let values = match reply {
                Ok(Reply { error: None, values, leave, .. }) if values.len() == taken => {
                    keep &= !leave;
                    decode::array(&values, &function.returns, &returns).map_err(|what| what.0)
                }
                Ok(Reply { error: Some(kind), message, stack, leave, .. }) => {
                    if kind == Kind::Syntax {
                        lease.worker.forget(function);
                    }
                    if !leave && keep {
                        lease.keep();
                    }
                    return Err(self.told(function, kind, message, stack));
                }
                Ok(Reply { values, .. }) => Err(format!("{} values came for {taken} rows", values.len())),
                Err(error) => Err(error),
            };
            match values {
                Ok(part) => parts.push(part),
                Err(what) => return Err(self.lost(function, &mut lease, Trouble::OutOfStep(what))),
            }
            row += taken;
        }
        if keep {
            lease.keep();
        }
        let parts: Vec<&dyn Array> = parts.iter().map(|part| part.as_ref()).collect();
        match parts.as_slice() {
            [only] => Ok(only.slice(0, only.len())),
            _ => concat(&parts).map_err(|error| PythonFunctionError::Result {
                function: function.signature(),
                error: error.to_string(),
            }),
        }
    }

    /// Compiles the body without running anything of it: what `CREATE FUNCTION` may ask.
    ///
    /// # Errors
    /// If the body or a parameter's name is not Python, a type has no Python counterpart, or there is no Python.
    pub fn check(&self, function: &PythonFunction) -> Result<(), PythonFunctionError> {
        encode::supported(function)?;
        let mut lease = self.pool.lease(function.owner)?;
        let answer = (lease.worker.converse(&Request::check(function), self.deadline()))
            .map_err(|trouble| self.lost(function, &mut lease, trouble))?;
        match Reply::read(&answer) {
            Ok(Reply { error: None, leave, .. }) => {
                if !leave {
                    lease.keep();
                }
                Ok(())
            }
            Ok(Reply { error: Some(Kind::Syntax), message, stack, leave, .. }) => {
                if !leave {
                    lease.keep();
                }
                let function = function.name.to_string();
                Err(PythonFunctionError::Syntax { function, error: message, place: place(stack) })
            }
            Ok(Reply { error: Some(kind), message, stack, .. }) => {
                Err(self.told(function, kind, message, stack))
            }
            Err(what) => Err(self.lost(function, &mut lease, Trouble::OutOfStep(what))),
        }
    }

    fn deadline(&self) -> Instant {
        let now = Instant::now();
        let seconds = self.pool.settings.seconds_per_batch;
        // A limit beyond what the clock can count is no limit; a year stands for it.
        now.checked_add(Duration::from_secs(seconds)).unwrap_or(now + Duration::from_secs(365 * 24 * 3600))
    }

    /// What a worker that still works says of the body.
    fn told(
        &self,
        function: &PythonFunction,
        kind: Kind,
        error: String,
        stack: String,
    ) -> PythonFunctionError {
        let function = function.signature();
        match kind {
            Kind::Code | Kind::Syntax => PythonFunctionError::UserCode { function, error, stack },
            Kind::Memory => PythonFunctionError::OutOfMemory { function },
            Kind::Input => PythonFunctionError::Input { function, error },
            Kind::Result => PythonFunctionError::Result { function, error },
        }
    }

    /// What became of a worker that cannot be used again. The lease ends it when it is dropped.
    fn lost(
        &self,
        function: &PythonFunction,
        lease: &mut pool::Lease<'_>,
        trouble: Trouble,
    ) -> PythonFunctionError {
        let how = match trouble {
            Trouble::TimedOut => None,
            Trouble::Closed => Some(lease.worker.how_it_ended()),
            Trouble::OutOfStep(what) => Some(format!("its answer cannot be read: {what}")),
        };
        let output = lease.worker.last_output();
        tracing::warn!(function = %function.name, how = how.as_deref().unwrap_or("too slow"), "a Python worker is replaced");
        let function = function.signature();
        match how {
            None => PythonFunctionError::TimedOut {
                function,
                seconds: self.pool.settings.seconds_per_batch,
                output,
            },
            Some(how) => PythonFunctionError::Lost { function, how, output },
        }
    }
}

/// `  File "<udfbody>", line 3\n    code` as `(line 3 of the body: code)`; the worker may send anything.
fn place(stack: String) -> String {
    let mut lines = stack.lines();
    let line = lines.next().and_then(|first| first.rsplit_once(", ")).map(|(_, line)| line.trim().to_owned());
    match (line, lines.next()) {
        (Some(line), Some(code)) => format!(" ({line} of the body: {})", code.trim()),
        _ => String::new(),
    }
}
