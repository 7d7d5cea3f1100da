//! **The command line**: six commands, one table of exit codes.
//!
//! ```text
//!  serve    run.rs       the workspace, until SIGTERM
//!  check    check.rs     the configuration alone; binds nothing
//!  doctor   doctor.rs    one logged model, before it is deployed
//!  token, explain, invoke -> client.rs   a running server, over the same HTTP as everybody
//! ```
//!
//! Exit codes: 0 done, 1 failed, 64 bad usage or configuration. What a script may read goes to standard output; every error goes
//! to standard error and says what to do.
//!
//! **Rule:** a flag wins over its `BRICKYARD_*` variable; client commands fall back on `DATABRICKS_HOST` and `DATABRICKS_TOKEN`.

pub mod arguments;
mod check;
mod client;
pub mod credentials;
mod explain;
mod invoke;
mod sse;
#[cfg(test)]
mod tests;
mod token;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use clap::error::ErrorKind;

use crate::config::{ConfigError, Environment};
use arguments::{Arguments, Command};

pub use arguments::{DEFAULT_LOG, DoctorOptions, LogFormat, ServeOptions, StatePlace};

/// Bad usage or configuration (`EX_USAGE` of sysexits).
const USAGE: u8 = 64;

/// Why a command ended without doing what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Bad usage or configuration: exit code 64.
    #[error("{0}")]
    Usage(String),
    /// It was tried and did not work: exit code 1.
    #[error("{0}")]
    Failed(String),
    /// Nobody reads the output any more (`brickyard explain ... | head`): no error.
    #[error("the output was closed")]
    Closed,
}

impl Failure {
    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => USAGE,
            Self::Failed(_) => 1,
            Self::Closed => 0,
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

/// Errors of writing the output.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::Closed
        } else {
            Self::Failed(format!("cannot write: {error}"))
        }
    }
}

/// The whole program. `arguments` begin with the program's name.
pub fn main(arguments: impl IntoIterator<Item = OsString>, environment: Arc<dyn Environment>) -> ExitCode {
    let (mut out, mut err) = (io::stdout(), io::stderr());
    ExitCode::from(run(arguments, environment, &mut out, &mut err))
}

/// The program with its two outputs as arguments. Answers the exit code.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    environment: Arc<dyn Environment>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            let text = error.render();
            // There is nobody left to tell that this could not be written.
            let _ = if asked { write!(out, "{text}") } else { write!(err, "{text}") };
            return if asked { 0 } else { USAGE };
        }
    };
    match dispatch(arguments.command, environment, out).and_then(|()| Ok(out.flush()?)) {
        Ok(()) => 0,
        Err(failure) => {
            if !matches!(failure, Failure::Closed) {
                let _ = writeln!(err, "brickyard: {failure}");
            }
            failure.code()
        }
    }
}

/// Bytes of stack of each thread that serves; what is not used is not taken. SQL looks for 3 MiB before it goes deeper, and
/// on the usual 2 MiB each small statement would have to map a new stack, several times.
const STACK: usize = 8 << 20;

fn dispatch(command: Command, environment: Arc<dyn Environment>, out: &mut dyn Write) -> Result<(), Failure> {
    match command {
        Command::Serve(serve) => {
            let options = serve.options(environment)?;
            crate::huge_pages::forgo();
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.thread_stack_size(STACK);
            runtime(builder)?.block_on(crate::run::serve(options))
        }
        Command::Check(check) => check::run(&check.config, &*environment, out),
        Command::Doctor(doctor) => crate::doctor::run(&doctor.options(environment), out),
        Command::Token(token) => client()?.block_on(token::run(&token, &*environment, out)),
        Command::Explain(explain) => client()?.block_on(explain::run(&explain, &*environment, out)),
        Command::Invoke(invoke) => client()?.block_on(invoke::run(&invoke, &*environment, out)),
    }
}

fn client() -> Result<tokio::runtime::Runtime, Failure> {
    runtime(tokio::runtime::Builder::new_current_thread())
}

fn runtime(mut builder: tokio::runtime::Builder) -> Result<tokio::runtime::Runtime, Failure> {
    builder
        .enable_all()
        .build()
        .map_err(|error| Failure::Failed(format!("cannot start the runtime: {error}")))
}
