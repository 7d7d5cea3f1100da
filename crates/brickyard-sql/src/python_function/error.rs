//! What can go wrong with a Python body, in Databricks' words where they are documented.

/// Why a Python function has no values. Source of classes and templates: "UDF_USER_CODE_ERROR error condition" and
/// "UDF_ERROR error condition" in Databricks' documentation; how a whole message is put together is inferred.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PythonFunctionError {
    /// The body raised an exception, or does not compile.
    #[error(
        "[UDF_USER_CODE_ERROR.GENERIC] Execution of function {function} failed. \n== Error ==\n{error}\n== Stacktrace ==\n{stack} SQLSTATE: 39000"
    )]
    UserCode {
        /// With its parameters: `main.s.f(a, b)`.
        function: String,
        /// `ZeroDivisionError: division by zero`.
        error: String,
        /// The frames of the body.
        stack: String,
    },
    /// The body wanted more memory than there is for it.
    #[error(
        "[UDF_USER_CODE_ERROR.OOM] Execution of function {function} failed. Function ran out of memory during execution.\nThis may be caused by excessive memory usage of the running code. SQLSTATE: 39000"
    )]
    #[allow(missing_docs)]
    OutOfMemory { function: String },
    /// An argument has no counterpart in Python, or does not fit the parameter.
    #[error(
        "[UDF_USER_CODE_ERROR.INPUT_CONVERSION] Execution of function {function} failed. \n== Error ==\n{error} SQLSTATE: 39000"
    )]
    #[allow(missing_docs)]
    Input { function: String, error: String },
    /// The body returned something else than it declared.
    #[error(
        "[UDF_USER_CODE_ERROR.RESULT_CONVERSION] Execution of function {function} failed. Consider changing the function to return a value that fits the return type. \n== Error ==\n{error} SQLSTATE: 39000"
    )]
    #[allow(missing_docs)]
    Result { function: String, error: String },
    /// The process ended, or is not to be trusted any more.
    #[error(
        "[UDF_ERROR.ENV_LOST] Execution of function {function} failed - the execution environment was lost during execution ({how}). This may be caused by the code crashing or the process exiting prematurely.\nLast stderr: {output} SQLSTATE: 39000"
    )]
    Lost {
        /// With its parameters.
        function: String,
        /// `exit status: 3`, `signal: 11 (SIGSEGV)`, or what was wrong with its answer.
        how: String,
        /// The last of what it printed.
        output: String,
    },
    /// The body took too long. Databricks documents no class for it; the exception's name is brickyard's own.
    #[error(
        "[UDF_USER_CODE_ERROR.GENERIC] Execution of function {function} failed. \n== Error ==\nTimeoutError: stopped after {seconds} s, the limit for one batch of rows; make the body finish sooner\n== Stacktrace ==\nLast stderr: {output} SQLSTATE: 39000"
    )]
    TimedOut {
        /// With its parameters.
        function: String,
        /// The limit.
        seconds: u64,
        /// The last of what it printed.
        output: String,
    },
    /// Said by [`check`](super::PythonFunctions::check) only.
    #[error("The Python body of function {function} does not compile: {error}{place}")]
    Syntax {
        /// Its full name.
        function: String,
        /// `SyntaxError: invalid syntax`.
        error: String,
        /// ` (line 3 of the body: retrun a)`, if it is one line's fault.
        place: String,
    },
    /// A declared type that Python bodies cannot have.
    #[error(
        "{what} of function {function} has type {data_type}, which Python functions do not support here; use another type, or LANGUAGE SQL"
    )]
    #[allow(missing_docs)]
    Unsupported { function: String, what: String, data_type: String },
    /// There is no interpreter.
    #[error(
        "Function bodies in Python need an interpreter and none was found (tried {tried}); install Python 3.9 or newer, or name one with BRICKYARD_PYTHON"
    )]
    #[allow(missing_docs)]
    NoInterpreter { tried: String },
    /// The interpreter is there, and a worker did not come up.
    #[error("The process for Python functions could not be started with {interpreter}: {reason}")]
    #[allow(missing_docs)]
    Start { interpreter: String, reason: String },
}
