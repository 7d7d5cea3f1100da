//! The foundation models that exist in every workspace without being configured.
//!
//! Their names are those that public examples use. What answers under them is a script: a chat model says
//! a tool's result, or repeats what it heard and says that it is built in; an embedding model hashes words.
//! Nobody should take either for the real model, so each answer names brickyard.

use std::sync::LazyLock;

use crate::config::{RuleConfig, ScriptedConfig, Task, WhenConfig};

/// A foundation model that brickyard brings along.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundationModel {
    /// The endpoint's name, such as `databricks-gte-large-en`.
    pub name: &'static str,
    /// The name for people.
    pub display_name: &'static str,
    /// What it does.
    pub task: Task,
    /// The length of its vectors, for an embedding model.
    pub dimensions: Option<u32>,
    /// The script that answers for it.
    pub scripted: ScriptedConfig,
}

const EMBEDDINGS: [(&str, &str); 3] = [
    ("databricks-gte-large-en", "GTE Large (En)"),
    ("databricks-bge-large-en", "BGE Large (En)"),
    ("databricks-qwen3-embedding-0-6b", "Qwen3 Embedding 0.6B"),
];

const CHAT: [(&str, &str); 20] = [
    ("databricks-meta-llama-3-3-70b-instruct", "Meta Llama 3.3 70B Instruct"),
    ("databricks-meta-llama-3-1-405b-instruct", "Meta Llama 3.1 405B Instruct"),
    ("databricks-meta-llama-3-1-70b-instruct", "Meta Llama 3.1 70B Instruct"),
    ("databricks-meta-llama-3-1-8b-instruct", "Meta Llama 3.1 8B Instruct"),
    ("databricks-llama-4-maverick", "Llama 4 Maverick"),
    ("databricks-claude-3-7-sonnet", "Claude 3.7 Sonnet"),
    ("databricks-claude-sonnet-4", "Claude Sonnet 4"),
    ("databricks-claude-sonnet-4-5", "Claude Sonnet 4.5"),
    ("databricks-claude-opus-4", "Claude Opus 4"),
    ("databricks-claude-opus-4-1", "Claude Opus 4.1"),
    ("databricks-claude-haiku-4-5", "Claude Haiku 4.5"),
    ("databricks-gpt-oss-20b", "GPT OSS 20B"),
    ("databricks-gpt-oss-120b", "GPT OSS 120B"),
    ("databricks-gpt-5", "GPT-5"),
    ("databricks-gpt-5-mini", "GPT-5 mini"),
    ("databricks-gpt-5-nano", "GPT-5 nano"),
    ("databricks-gemma-3-12b", "Gemma 3 12B"),
    ("databricks-gemini-2-5-flash", "Gemini 2.5 Flash"),
    ("databricks-gemini-2-5-pro", "Gemini 2.5 Pro"),
    ("databricks-qwen3-next-80b-a3b-instruct", "Qwen3-Next 80B A3B Instruct"),
];

/// All built-in foundation models: the embedding models, then the chat models.
pub fn foundation_models() -> &'static [FoundationModel] {
    static MODELS: LazyLock<Vec<FoundationModel>> = LazyLock::new(|| {
        let embeddings = EMBEDDINGS.map(|(name, display_name)| embedding_model(name, display_name));
        embeddings
            .into_iter()
            .chain(CHAT.map(|(name, display_name)| chat_model(name, display_name)))
            .collect()
    });
    &MODELS
}

/// The built-in foundation model of this name.
pub fn foundation_model(name: &str) -> Option<&'static FoundationModel> {
    foundation_models().iter().find(|model| model.name == name)
}

fn embedding_model(name: &'static str, display_name: &'static str) -> FoundationModel {
    let (task, dimensions) = (Task::LlmEmbeddings, Some(1024));
    let scripted = ScriptedConfig { task, rules: Vec::new(), dimensions };
    FoundationModel { name, display_name, task, dimensions, scripted }
}

fn chat_model(name: &'static str, display_name: &'static str) -> FoundationModel {
    let task = Task::LlmChat;
    // The empty regex matches every tool result and costs nothing.
    let any_result = WhenConfig { tool: Some(String::new()), ..WhenConfig::default() };
    let say = |text: String| RuleConfig { say: Some(text), ..RuleConfig::default() };
    let rules = vec![
        RuleConfig { when: Some(any_result), ..say("{tool}".to_owned()) },
        say(format!("{name} (brickyard built-in) heard: {{user}}")),
    ];
    let scripted = ScriptedConfig { task, rules, dimensions: None };
    FoundationModel { name, display_name, task, dimensions: None, scripted }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scripted;

    #[test]
    fn every_built_in_compiles_under_a_name_of_its_own() {
        let models = foundation_models();
        for model in models {
            Scripted::compile(&model.scripted).expect(model.name);
            assert_eq!(models.iter().filter(|other| other.name == model.name).count(), 1, "{}", model.name);
            assert_eq!(foundation_model(model.name), Some(model));
        }
    }
}
