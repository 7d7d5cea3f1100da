//! Reading a request's body: once, borrowed, and only what a rule can ask about.
//!
//! Kept: the last user message, the tool result if that is the last message, the texts to embed, and the
//! offered tools as unread JSON. Everything else is checked to be JSON and dropped, as mlflow drops what the
//! signature does not name.
//!
//! **Rule kept:** one body has one meaning. A key that stands twice at the top level is refused, because the
//! caller and an agent could otherwise read two different requests.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::DeserializeSeed;
use serde_json::value::RawValue;

use crate::answer::ScriptedFailure;
use crate::config::Task;

mod body;

/// mlflow's scoring server says this of anything that is no JSON.
const NOT_JSON: &str = "Invalid input. Ensure that input is a valid JSON formatted string.";
/// Python's own JSON reader gives up at about a thousand; nobody means to nest this deep.
const MAX_DEPTH: usize = 512;
/// How many texts one embeddings request may carry, as in OpenAI's API.
const MAX_INPUTS: usize = 2048;

/// What the rules can ask about one request.
#[derive(Debug, Default)]
pub(crate) struct Request<'a> {
    /// The last user message, or the prompt.
    pub(crate) user: Option<Cow<'a, str>>,
    /// The tool's result, if the last message is one.
    pub(crate) tool: Option<Cow<'a, str>>,
    /// The texts to embed.
    pub(crate) inputs: Vec<Cow<'a, str>>,
    /// How much text was sent, in characters.
    pub(crate) text_length: usize,
    tools: Option<&'a RawValue>,
}

impl<'a> Request<'a> {
    /// Reads the body of a request for `task`.
    pub(crate) fn read(task: Task, body: &'a [u8]) -> Result<Self, ScriptedFailure> {
        // serde_json does not look for broken UTF-8 in what it skips, so the whole body is checked first.
        let text = std::str::from_utf8(body).map_err(|_| bad_request(NOT_JSON))?;
        if is_too_deep(body) {
            return Err(bad_request("Invalid input. The JSON is nested too deeply."));
        }
        let mut json = serde_json::Deserializer::from_str(text);
        let mut read = body::Seed(task)
            .deserialize(&mut json)
            .and_then(|read| json.end().map(|()| read))
            .map_err(|error| refusal(task, &error))?;
        if let Some(key) = read.duplicate() {
            let key: String = key.chars().take(64).collect();
            return Err(bad_request(format!("Invalid input. The key '{key}' is given more than once.")));
        }
        let request = read.request;
        if task == Task::LlmEmbeddings && !(1..=MAX_INPUTS).contains(&request.inputs.len()) {
            let message = format!("Invalid input. 'input' must hold 1 to {MAX_INPUTS} texts.");
            return Err(bad_request(message));
        }
        Ok(request)
    }

    /// The names of the tools that the request offers.
    pub(crate) fn offered(&self) -> Result<Vec<Cow<'a, str>>, ScriptedFailure> {
        #[derive(Deserialize)]
        struct Tool<'a> {
            #[serde(borrow)]
            name: Option<body::Text<'a>>,
            #[serde(borrow)]
            function: Option<Function<'a>>,
        }
        #[derive(Deserialize)]
        struct Function<'a> {
            #[serde(borrow)]
            name: Option<body::Text<'a>>,
        }
        let Some(tools) = self.tools else { return Ok(Vec::new()) };
        let tools: Option<Vec<Tool<'a>>> = serde_json::from_str(tools.get())
            .map_err(|_| bad_request("Invalid input. 'tools' must be a list of tools, each with a name."))?;
        // Chat completions nest the name in `function`; the responses API does not.
        let names =
            tools.into_iter().flatten().filter_map(|tool| tool.function.and_then(|f| f.name).or(tool.name));
        Ok(names.map(|name| name.0).collect())
    }
}

fn bad_request(message: impl Into<String>) -> ScriptedFailure {
    ScriptedFailure::BadRequest { message: message.into() }
}

/// The parser's own words may repeat the caller's text, however long; these do not.
fn refusal(task: Task, error: &serde_json::Error) -> ScriptedFailure {
    if !error.is_data() {
        return bad_request(NOT_JSON);
    }
    let expected = match task {
        Task::LlmChat | Task::AgentChat | Task::ChatModel => {
            "'messages': a list of objects, each with a 'role' and a 'content' (a text, or a list of parts)"
        }
        Task::AgentResponses => {
            "'input': a list of items, each with a 'type', or with a 'role' and a 'content' (a text, or a list of parts)"
        }
        Task::LlmCompletions => "'prompt': a text, or a list of one text",
        Task::LlmEmbeddings => "'input': a text, or a list of texts",
    };
    bad_request(format!(
        "Failed to enforce schema of data: the body must be a JSON object with {expected} (line {} column {}).",
        error.line(),
        error.column()
    ))
}

/// Whether brackets nest deeper than [`MAX_DEPTH`]. Nearly every body is answered by its length or by the
/// count of brackets, which is one pass without branches.
fn is_too_deep(body: &[u8]) -> bool {
    let opens = |byte: &&u8| matches!(byte, b'[' | b'{');
    if body.len() <= MAX_DEPTH || body.iter().filter(opens).count() <= MAX_DEPTH {
        return false;
    }
    let (mut depth, mut in_text, mut escaped) = (0usize, false, false);
    for byte in body {
        match (in_text, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_text = !in_text,
            (false, b'[' | b'{') => depth += 1,
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests;
