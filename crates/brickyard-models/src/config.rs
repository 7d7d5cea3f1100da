//! What a person writes under `scripted:`; the same shape in YAML and over the REST API.
//!
//! These types only carry words. Whether the words make sense together is [`crate::Scripted::compile`]'s
//! business, which can name the rule and the key that are wrong.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The task of an endpoint: which request it reads and in which shape it answers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Task {
    /// `llm/v1/chat`: OpenAI chat completions.
    #[serde(rename = "llm/v1/chat")]
    LlmChat,
    /// `llm/v1/completions`: OpenAI text completions.
    #[serde(rename = "llm/v1/completions")]
    LlmCompletions,
    /// `llm/v1/embeddings`: OpenAI embeddings.
    #[serde(rename = "llm/v1/embeddings")]
    LlmEmbeddings,
    /// `agent/v1/responses`: mlflow's ResponsesAgent.
    #[serde(rename = "agent/v1/responses")]
    AgentResponses,
    /// `agent/v2/chat`: mlflow's ChatAgent.
    #[serde(rename = "agent/v2/chat")]
    AgentChat,
    /// `agent/v1/chat`: mlflow's ChatModel.
    #[serde(rename = "agent/v1/chat")]
    ChatModel,
}

impl Task {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::LlmChat,
        Self::LlmCompletions,
        Self::LlmEmbeddings,
        Self::AgentResponses,
        Self::AgentChat,
        Self::ChatModel,
    ];

    /// The word on the wire and in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LlmChat => "llm/v1/chat",
            Self::LlmCompletions => "llm/v1/completions",
            Self::LlmEmbeddings => "llm/v1/embeddings",
            Self::AgentResponses => "agent/v1/responses",
            Self::AgentChat => "agent/v2/chat",
            Self::ChatModel => "agent/v1/chat",
        }
    }

    /// Whether this is an agent's task (`agent/...`), whose answers may carry `custom_outputs`.
    pub fn is_agent(self) -> bool {
        matches!(self, Self::AgentResponses | Self::AgentChat | Self::ChatModel)
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A scripted agent or model: its task, and the rules that it answers by, in order.
#[derive(Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ScriptedConfig {
    /// What it reads and in which shape it answers.
    pub task: Task,
    /// The first rule that matches answers. Embeddings need none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleConfig>,
    /// The length of the vectors, for embeddings only (1024 if it is not said).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<u32>,
}

/// One rule: when it applies, and one of `say`, `call`, `identities` and `fail`.
#[derive(Deserialize, Serialize, Clone, Debug, Default, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct RuleConfig {
    /// All that is named must hold; without `when` the rule always matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<WhenConfig>,
    /// Time to let pass before the answer, such as `250ms` or `2s`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional"
    )]
    pub wait: Option<Duration>,
    /// A text. `{name}` is what the named group of a `when` regex captured; `{user}` is the whole last
    /// user message, `{tool}` the whole tool result, `{model}` the endpoint's name. `{{name}}` is a plain `{name}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub say: Option<String>,
    /// A tool call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallConfig>,
    /// Says which credentials the invocation was given: who, scopes and expiry; never a token.
    #[serde(default, skip_serializing_if = "is_false")]
    pub identities: bool,
    /// An error instead of an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail: Option<FailConfig>,
}

/// The conditions of a rule. A regex may match anywhere in the text.
#[derive(Deserialize, Serialize, Clone, Debug, Default, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct WhenConfig {
    /// A regex for the last user message (the prompt, for completions; the inputs, for embeddings).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// A regex for the tool result, which must be the last message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// The name of a tool that the request must offer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered: Option<String>,
}

/// A tool call to answer with.
#[derive(Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct CallConfig {
    /// The tool's name.
    pub name: String,
    /// Its arguments; the same `{name}` as in `say` may stand in any text within.
    #[serde(default)]
    pub arguments: serde_json::Map<String, serde_json::Value>,
}

/// An error to answer with.
#[derive(Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct FailConfig {
    /// The HTTP status, 400 to 599.
    pub status: u16,
    /// The `error_code` of the error's body.
    pub error_code: String,
    /// The `message` of the error's body.
    pub message: String,
}

fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_interface_reads_and_writes_back_the_same() {
        let config: ScriptedConfig = serde_yaml_ng::from_str(crate::compile::tests::EXAMPLE).expect("reads");
        assert_eq!(config.task, Task::LlmChat);
        assert_eq!(config.rules.len(), 5);
        assert_eq!(config.rules[4].wait, Some(Duration::ZERO));
        let json = serde_json::to_string(&config).expect("writes");
        assert_eq!(serde_json::from_str::<ScriptedConfig>(&json).expect("reads again"), config);
    }

    #[test]
    fn a_misspelt_key_is_named() {
        for (yaml, word) in [
            ("{task: llm/v1/chat, rule: []}", "rule"),
            ("{task: llm/v1/chat, rules: [{says: x}]}", "says"),
            ("{task: llm/v1/chat, rules: [{when: {users: x}, say: x}]}", "users"),
            ("{task: llm/v2/chat, rules: []}", "llm/v2/chat"),
            ("{task: llm/v1/chat, rules: [{wait: soon, say: x}]}", "wait"),
            ("{task: llm/v1/chat, rules: [{wait: -1s, say: x}]}", "wait"),
        ] {
            let error = serde_yaml_ng::from_str::<ScriptedConfig>(yaml).expect_err(yaml).to_string();
            assert!(error.contains(word), "{yaml}: {error}");
        }
    }

    #[test]
    fn each_task_has_one_word() {
        for task in Task::ALL {
            assert_eq!(serde_json::to_string(&task).expect("writes"), format!("\"{task}\""));
        }
    }
}
