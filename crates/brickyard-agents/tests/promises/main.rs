//! What the worker pool promises, kept against real processes.

mod births;
mod cancellation;
mod fake;
mod lifecycle;
mod misbehaviour;
mod mlflow;
mod queue;
mod user_token;
