//! **Agent processes**: what a logged model is, what its process may see, and how one is lent to a request.
//!
//! Floor 4. [`LoggedModel`] reads an `MLmodel`; [`PythonEnvironments`] builds the interpreter that it asked for;
//! [`WorkerPool`] keeps processes that have it loaded and lends one process to one request at a time. The other
//! half of the conversation is `python/brickyard_worker.py`, which runs inside the agent's own environment. On Linux it is
//! forked from `python/brickyard_template.py`, which has imported what every agent imports.
//!
//! ```text
//!  WorkerPool --lends--> Worker --frames over a socketpair--> brickyard_worker.py --calls--> predict()
//!      |                   |                                        |
//!      | replaces, grows   | stdout, stderr -> LogRing              | SERVING_CREDENTIALS_DIR, user token lookups
//! ```
//!
//! **Invariant:** a worker goes back to the idle ones only when the answer of its last request has been seen to the
//! end. Whatever else happens (a wrong id, a second answer, silence after a cancellation) ends the process group,
//! and a new process takes its place: no byte of one request's answer can reach another request.
//!
//! **Invariant:** the agent's process starts from an empty environment ([`environment`]).

pub mod attribution;
pub mod environment;
mod frames;
mod log_ring;
mod model;
mod pool;
mod python_environment;
mod worker;

pub use attribution::pid_of_local_peer;
pub use environment::{InvalidVariable, check_variable_name};
pub use log_ring::LogRing;
pub use model::{AuthPolicy, LoggedModel, ModelError};
pub use pool::{
    AgentError, Answer, Chunks, Job, OnWorker, PoolStats, PredictError, StartError, SystemTokens, WorkerPool,
    WorkerSpec,
};
pub use python_environment::{BuildError, BuildLog, EnvironmentRequest, PythonEnvironments};
pub use worker::ReadyReport;
