//! What is said, in the shape of a task. One file a family of shapes.
//!
//! All ids come from the request's id, so that they are unique among requests and the same for the same one.

mod chat;
mod chat_agent;
mod completions;
mod embeddings;
mod responses;

use std::borrow::Cow;

use bytes::Bytes;

use crate::answer::ScriptedCall;
use crate::config::Task;

/// How many pieces one text is streamed in, at most (about).
const MAX_PIECES: usize = 64;

/// What is said.
#[derive(Debug)]
pub(crate) enum Reply<'a> {
    Text {
        text: Cow<'a, str>,
        /// JSON text, for agents.
        custom_outputs: Option<String>,
    },
    Call {
        name: &'a str,
        /// JSON text.
        arguments: String,
    },
}

impl Reply<'_> {
    fn custom_outputs(&self) -> Option<&str> {
        match self {
            Self::Text { custom_outputs, .. } => custom_outputs.as_deref(),
            Self::Call { .. } => None,
        }
    }

    fn text_length(&self) -> usize {
        match self {
            Self::Text { text, .. } => text.chars().count(),
            Self::Call { arguments, .. } => arguments.chars().count(),
        }
    }
}

/// What stands around every reply.
pub(crate) struct Envelope<'a> {
    model: &'a str,
    request_id: &'a str,
    created: i64,
    prompt_tokens: usize,
}

impl<'a> Envelope<'a> {
    pub(crate) fn new(call: &ScriptedCall<'a>, text_length: usize) -> Self {
        let created = call.created_at.as_second();
        Self { model: call.model, request_id: call.request_id, created, prompt_tokens: tokens(text_length) }
    }

    /// The whole reply.
    pub(crate) fn json(&self, task: Task, reply: &Reply<'_>) -> Bytes {
        match task {
            Task::LlmChat | Task::ChatModel => self.chat(reply),
            Task::LlmCompletions | Task::LlmEmbeddings => self.completion(reply),
            Task::AgentResponses => self.response(reply),
            Task::AgentChat => self.chat_agent(reply),
        }
    }

    /// The reply's chunks.
    pub(crate) fn stream(&self, task: Task, reply: &Reply<'_>) -> Vec<Bytes> {
        match task {
            Task::LlmChat | Task::ChatModel => self.chat_chunks(reply),
            Task::LlmCompletions | Task::LlmEmbeddings => self.completion_chunks(reply),
            Task::AgentResponses => self.response_events(reply),
            Task::AgentChat => self.chat_agent_chunks(reply),
        }
    }

    /// The tokens of the prompt, of the reply, and of both.
    fn usage(&self, reply: &Reply<'_>) -> [usize; 3] {
        let completion = tokens(reply.text_length());
        [self.prompt_tokens, completion, self.prompt_tokens + completion]
    }
}

/// About four characters a token.
fn tokens(text_length: usize) -> usize {
    (text_length + 1) / 4
}

/// A text as pieces of whole words, at least one: a few words each if the text is long.
fn pieces(text: &str) -> Vec<&str> {
    let enough = text.len() / MAX_PIECES;
    let mut pieces = Vec::new();
    let mut start = 0;
    for (at, space) in text.match_indices(char::is_whitespace) {
        let end = at + space.len();
        if end - start > enough {
            pieces.push(&text[start..end]);
            start = end;
        }
    }
    if start < text.len() || pieces.is_empty() {
        pieces.push(&text[start..]);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_are_few_and_whole(text in "[a é\n]{0,400}") {
            let pieces = pieces(&text);
            prop_assert!(!pieces.is_empty() && pieces.len() <= MAX_PIECES + 1);
            prop_assert_eq!(pieces.concat(), text);
        }
    }

    #[test]
    fn a_short_text_streams_word_by_word() {
        assert_eq!(pieces("It is sunny."), ["It ", "is ", "sunny."]);
        assert_eq!(pieces(""), [""]);
    }
}
