//! Answering one request: read it, find the first rule that matches, write what it says in the task's shape.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use brickyard_types::Timestamp;
use bytes::Bytes;
use serde::Serialize;
use thiserror::Error;

use crate::compile::Scripted;
use crate::config::Task;
use crate::reply::{Envelope, Reply};
use crate::request::Request;
use crate::rule::{Action, Matched};

/// One request to a scripted agent or model, with everything that its answer may depend on.
#[derive(Clone, Copy)]
pub struct ScriptedCall<'a> {
    /// The JSON body.
    pub body: &'a [u8],
    /// The endpoint's name, which answers show as `model`.
    pub model: &'a str,
    /// The id of the request: the ids in the answer are made from it.
    pub request_id: &'a str,
    /// When the request was accepted.
    pub created_at: Timestamp,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// The credentials that the invocation was given; asked only if a rule says `identities`.
    pub identities: &'a dyn Fn() -> Vec<IdentityShown>,
}

impl fmt::Debug for ScriptedCall<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The body is the caller's own business.
        f.debug_struct("ScriptedCall")
            .field("model", &self.model)
            .field("request_id", &self.request_id)
            .finish()
    }
}

/// One credential that an invocation was given, as far as it may be shown. There is no room for a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IdentityShown {
    /// `passthrough`, `on_behalf_of_user` or `manual`.
    pub method: &'static str,
    /// Whom it stands for.
    pub principal: String,
    /// Its scopes, separated by spaces.
    pub scopes: String,
    /// When it expires, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The environment variable, for `manual`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// An answer, and how long to wait before it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptedAnswer {
    /// The caller waits; this crate has no clock.
    pub wait: Duration,
    /// The answer.
    pub content: ScriptedContent,
}

/// The body of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptedContent {
    /// One JSON document; for embeddings also when a stream was asked for.
    Json(Bytes),
    /// The JSON of each chunk, in order, without SSE framing and without `[DONE]`.
    Stream(Vec<Bytes>),
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScriptedFailure {
    /// The body is not a request for this task.
    #[error("{message}")]
    BadRequest {
        /// What is wrong with it.
        message: String,
    },
    /// A rule says that this request fails.
    #[error("{error_code}: {message}")]
    Scripted {
        /// The HTTP status that the rule names.
        status: u16,
        /// The `error_code` that the rule names.
        error_code: String,
        /// The `message` that the rule names.
        message: String,
        /// How long to wait before the failure is given.
        wait: Duration,
    },
    /// No rule matches, and none stands last without `when`.
    #[error(
        "None of the {rules} rules of the scripted endpoint '{model}' ({task}) matches this request. \
         Add a last rule without `when` to its configuration."
    )]
    NoRule {
        /// The endpoint's name.
        model: String,
        /// The endpoint's task.
        task: Task,
        /// How many rules were tried.
        rules: usize,
    },
}

impl Scripted {
    /// Answers one request. The same call is always answered by the same bytes.
    pub fn answer(&self, call: &ScriptedCall<'_>) -> Result<ScriptedAnswer, ScriptedFailure> {
        let mut request = Request::read(self.task, call.body)?;
        if self.task == Task::LlmEmbeddings && !self.rules.is_empty() {
            request.user = Some(Cow::Owned(request.inputs.join("\n")));
        }
        let request = &request;
        let offered = if self.reads_tools { request.offered()? } else { Vec::new() };
        let found =
            self.rules.iter().find_map(|rule| Some((rule, rule.matches(request, &offered, call.model)?)));
        let Some((rule, matched)) = found else {
            if self.task == Task::LlmEmbeddings {
                return Ok(ScriptedAnswer { wait: Duration::ZERO, content: self.embeddings(call, request) });
            }
            return Err(ScriptedFailure::NoRule {
                model: call.model.to_owned(),
                task: self.task,
                rules: self.rules.len(),
            });
        };
        let content = match &rule.action {
            Action::Embed => self.embeddings(call, request),
            Action::Fail { status, error_code, message } => {
                return Err(ScriptedFailure::Scripted {
                    status: *status,
                    error_code: error_code.clone(),
                    message: message.clone(),
                    wait: rule.wait,
                });
            }
            Action::Say(template) => {
                let text = template.fill(|source| matched.of(source));
                self.reply(call, request, &Reply::Text { text, custom_outputs: None })
            }
            Action::Call { name, arguments } => {
                self.reply(call, request, &tool_call(name, arguments, &matched))
            }
            Action::Identities => {
                let shown = identities_text(call);
                let custom_outputs = self.task.is_agent().then(|| shown.clone());
                self.reply(call, request, &Reply::Text { text: Cow::Owned(shown), custom_outputs })
            }
        };
        Ok(ScriptedAnswer { wait: rule.wait, content })
    }

    fn reply(&self, call: &ScriptedCall<'_>, request: &Request<'_>, reply: &Reply<'_>) -> ScriptedContent {
        let envelope = Envelope::new(call, request.text_length);
        match call.stream {
            true => ScriptedContent::Stream(envelope.stream(self.task, reply)),
            false => ScriptedContent::Json(envelope.json(self.task, reply)),
        }
    }

    fn embeddings(&self, call: &ScriptedCall<'_>, request: &Request<'_>) -> ScriptedContent {
        let envelope = Envelope::new(call, request.text_length);
        ScriptedContent::Json(envelope.embeddings(&request.inputs, self.dimensions))
    }
}

fn tool_call<'t>(
    name: &'t str,
    arguments: &'t crate::template::Template,
    matched: &Matched<'t>,
) -> Reply<'t> {
    Reply::Call { name, arguments: arguments.fill_json(|source| matched.of(source)) }
}

fn identities_text(call: &ScriptedCall<'_>) -> String {
    #[derive(Serialize)]
    struct Shown {
        identities: Vec<IdentityShown>,
    }
    // A struct of texts and times has no map with keys that JSON could refuse.
    serde_json::to_string(&Shown { identities: (call.identities)() }).unwrap_or_default()
}

#[cfg(test)]
mod tests;
