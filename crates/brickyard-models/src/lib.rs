//! **Models and agents that answer from rules**, so that a test needs no model provider and no Python.
//!
//! Floor 4. A [`ScriptedConfig`] is what a person writes; [`Scripted::compile`] turns it into something
//! that can only be right (every regex compiled, every `{capture}` known), and [`Scripted::answer`] turns
//! the JSON body of one request into the JSON of one answer:
//!
//! ```text
//! body --request--> last user message, last tool result --rule--> what to say --reply--> JSON in the task's shape
//! ```
//!
//! The foundation models that public examples name are scripted models too: see [`builtin`].
//!
//! **Rule kept:** an answer is a pure function of the configuration and the [`ScriptedCall`], to the byte.
//! There is no clock here, no randomness and no I/O; a `wait` is handed to the caller to wait. Any bytes
//! may come in as a body: the answer is then a [`ScriptedFailure`], never a panic.

mod answer;
pub mod builtin;
mod compile;
mod config;
mod embedding;
mod json_text;
mod reply;
mod request;
mod rule;
mod template;

pub use answer::{IdentityShown, ScriptedAnswer, ScriptedCall, ScriptedContent, ScriptedFailure};
pub use compile::{ScriptError, Scripted};
pub use config::{CallConfig, FailConfig, RuleConfig, ScriptedConfig, Task, WhenConfig};
pub use embedding::embed;
