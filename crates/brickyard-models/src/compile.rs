//! From the words of a configuration to a [`Scripted`], or to an error that names the rule, the key and the reason.

use thiserror::Error;

use crate::config::{RuleConfig, ScriptedConfig, Task};
use crate::rule::{Action, Pattern, Rule};
use crate::template::{Names, Source, Template};

const DEFAULT_DIMENSIONS: u32 = 1024;
const MAX_DIMENSIONS: u32 = 4096;

/// A scripted agent or model, ready to answer. It holds no state: share it freely.
#[derive(Debug)]
pub struct Scripted {
    pub(crate) task: Task,
    pub(crate) rules: Vec<Rule>,
    pub(crate) dimensions: u32,
    /// Whether any rule asks which tools are offered; if not, nobody reads them.
    pub(crate) reads_tools: bool,
}

/// What is wrong with a [`ScriptedConfig`], in the configuration's own terms.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScriptError {
    /// A rule is wrong.
    #[error("rules[{rule}].{key}: {reason}")]
    Rule {
        /// Which rule, counted from 0.
        rule: usize,
        /// The key in the rule.
        key: &'static str,
        /// Why, and what to do.
        reason: String,
    },
    /// A key beside the rules is wrong.
    #[error("{key}: {reason}")]
    Key {
        /// The key.
        key: &'static str,
        /// Why, and what to do.
        reason: String,
    },
}

impl Scripted {
    /// Checks and compiles a configuration.
    pub fn compile(config: &ScriptedConfig) -> Result<Self, ScriptError> {
        let wrong = |key, reason: String| Err(ScriptError::Key { key, reason });
        let task = config.task;
        match config.dimensions {
            Some(_) if task != Task::LlmEmbeddings => {
                return wrong(
                    "dimensions",
                    format!("only llm/v1/embeddings has them, not {task}; leave it out"),
                );
            }
            Some(dimensions) if !(1..=MAX_DIMENSIONS).contains(&dimensions) => {
                return wrong("dimensions", format!("must be 1 to {MAX_DIMENSIONS}, not {dimensions}"));
            }
            _ => {}
        }
        if config.rules.is_empty() && task != Task::LlmEmbeddings {
            return wrong("rules", "is empty, so nothing could be answered; add a rule".to_owned());
        }
        let rules = config.rules.iter().enumerate().map(|(index, rule)| {
            compile_rule(task, rule).map_err(|(key, reason)| ScriptError::Rule { rule: index, key, reason })
        });
        let rules = rules.collect::<Result<Vec<_>, _>>()?;
        let reads_tools = rules.iter().any(|rule| rule.offered.is_some());
        Ok(Self { task, rules, dimensions: config.dimensions.unwrap_or(DEFAULT_DIMENSIONS), reads_tools })
    }

    /// The task that it answers.
    pub fn task(&self) -> Task {
        self.task
    }
}

type Wrong = (&'static str, String);

fn compile_rule(task: Task, config: &RuleConfig) -> Result<Rule, Wrong> {
    let has_tools = !matches!(task, Task::LlmCompletions | Task::LlmEmbeddings);
    let when = config.when.clone().unwrap_or_default();
    if config.when.is_some() && when.user.is_none() && when.tool.is_none() && when.offered.is_none() {
        return Err(("when", "names no condition; leave it out for a rule that always matches".to_owned()));
    }
    for (key, given) in [
        ("when.tool", when.tool.is_some()),
        ("when.offered", when.offered.is_some()),
        ("call", config.call.is_some()),
    ] {
        if given && !has_tools {
            return Err((key, format!("{task} knows no tools")));
        }
    }
    let user = compile_pattern("when.user", when.user.as_deref())?;
    let tool = compile_pattern("when.tool", when.tool.as_deref())?;
    let names = names(user.as_ref(), tool.as_ref())?;
    let action = compile_action(task, config, &names)?;
    Ok(Rule { user, tool, offered: when.offered, wait: config.wait.unwrap_or_default(), action })
}

fn compile_pattern(key: &'static str, regex: Option<&str>) -> Result<Option<Pattern>, Wrong> {
    regex.map(Pattern::compile).transpose().map_err(|reason| (key, reason))
}

/// What a template of this rule may name. A named group comes before a word of brickyard's own.
fn names(user: Option<&Pattern>, tool: Option<&Pattern>) -> Result<Names, Wrong> {
    let groups = |pattern: Option<&Pattern>, source: fn(usize) -> Source| -> Names {
        pattern
            .into_iter()
            .flat_map(Pattern::names)
            .map(|(number, name)| (name.to_owned(), source(number)))
            .collect()
    };
    let mut names = groups(user, Source::UserGroup);
    for (name, source) in groups(tool, Source::ToolGroup) {
        if names.iter().any(|(known, _)| *known == name) {
            return Err(("when.tool", format!("(?P<{name}>...) is also a group of `when.user`; rename one")));
        }
        names.push((name, source));
    }
    names.push(("user".to_owned(), Source::User));
    if tool.is_some() {
        names.push(("tool".to_owned(), Source::Tool));
    }
    names.push(("model".to_owned(), Source::Model));
    Ok(names)
}

fn compile_action(task: Task, config: &RuleConfig, names: &Names) -> Result<Action, Wrong> {
    let given = [
        ("say", config.say.is_some()),
        ("call", config.call.is_some()),
        ("identities", config.identities),
        ("fail", config.fail.is_some()),
    ];
    let mut given = given.into_iter().filter(|(_, given)| *given).map(|(key, _)| key);
    let first = given.next();
    if let (Some(first), Some(second)) = (first, given.next()) {
        return Err((second, format!("stands beside `{first}`; a rule does one of the two")));
    }
    if task == Task::LlmEmbeddings {
        match first {
            None if config.wait.is_none() => {
                return Err((
                    "wait",
                    "is missing, and so is `fail`: this rule would change nothing".to_owned(),
                ));
            }
            None => return Ok(Action::Embed),
            Some(key @ ("say" | "identities")) => {
                return Err((key, format!("{task} answers with vectors; only `wait` and `fail` apply")));
            }
            Some(_) => {}
        }
    }
    if let Some(text) = &config.say {
        return Template::text(text, names).map(Action::Say).map_err(|reason| ("say", reason));
    }
    if let Some(call) = &config.call {
        if call.name.is_empty() {
            return Err(("call.name", "is empty".to_owned()));
        }
        let arguments =
            Template::json(&call.arguments, names).map_err(|reason| ("call.arguments", reason))?;
        return Ok(Action::Call { name: call.name.clone(), arguments });
    }
    if let Some(fail) = &config.fail {
        if !(400..=599).contains(&fail.status) {
            return Err(("fail.status", format!("must be 400 to 599, not {}", fail.status)));
        }
        if fail.error_code.is_empty() {
            return Err(("fail.error_code", "is empty".to_owned()));
        }
        let (error_code, message) = (fail.error_code.clone(), fail.message.clone());
        return Ok(Action::Fail { status: fail.status, error_code, message });
    }
    if config.identities {
        return Ok(Action::Identities);
    }
    Err(("say", "is missing: a rule needs one of `say`, `call`, `identities` and `fail`".to_owned()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The example of the interface.
    pub(crate) const EXAMPLE: &str = r#"
task: llm/v1/chat
rules:
  - when: {tool: "(?P<answer>.+)"}
    say: "It is {answer}."
  - when: {user: "weather in (?P<city>\\w+)", offered: get_weather}
    call: {name: get_weather, arguments: {city: "{city}"}}
  - when: {user: "whoami"}
    identities: true
  - when: {user: "boom"}
    fail: {status: 500, error_code: INTERNAL_ERROR, message: "boom"}
  - wait: 0s
    say: "I do not know."
"#;

    pub(crate) fn scripted(yaml: &str) -> Scripted {
        Scripted::compile(&serde_yaml_ng::from_str(yaml).expect("reads")).expect("compiles")
    }

    #[test]
    fn what_is_wrong_is_named_by_rule_key_and_reason() {
        for (yaml, expected) in [
            ("{task: llm/v1/chat}", "rules: is empty"),
            ("{task: llm/v1/chat, rules: [{say: x}], dimensions: 3}", "dimensions: only llm/v1/embeddings"),
            ("{task: llm/v1/embeddings, dimensions: 0}", "dimensions: must be 1 to 4096, not 0"),
            ("{task: llm/v1/chat, rules: [{say: x}, {}]}", "rules[1].say: is missing"),
            (
                "{task: llm/v1/chat, rules: [{say: x, identities: true}]}",
                "rules[0].identities: stands beside `say`",
            ),
            ("{task: llm/v1/chat, rules: [{when: {}, say: x}]}", "rules[0].when: names no condition"),
            ("{task: llm/v1/chat, rules: [{when: {user: '('}, say: x}]}", "rules[0].when.user: is no regex"),
            (
                "{task: llm/v1/chat, rules: [{when: {user: 'a(?P<a>.)'}, say: '{b}'}]}",
                "rules[0].say: {b} is not captured",
            ),
            ("{task: llm/v1/chat, rules: [{say: '{tool}'}]}", "rules[0].say: {tool} is not captured"),
            (
                "{task: llm/v1/chat, rules: [{call: {name: f, arguments: {a: [{b: '{c}'}]}}}]}",
                "rules[0].call.arguments: {c} is not captured",
            ),
            ("{task: llm/v1/chat, rules: [{call: {name: ''}}]}", "rules[0].call.name: is empty"),
            (
                "{task: llm/v1/chat, rules: [{when: {user: '(?P<a>.)', tool: '(?P<a>.)'}, say: x}]}",
                "rules[0].when.tool: (?P<a>...) is also",
            ),
            (
                "{task: llm/v1/chat, rules: [{fail: {status: 200, error_code: X, message: x}}]}",
                "rules[0].fail.status: must be 400 to 599, not 200",
            ),
            (
                "{task: llm/v1/completions, rules: [{call: {name: f}}]}",
                "rules[0].call: llm/v1/completions knows no tools",
            ),
            ("{task: llm/v1/completions, rules: [{when: {tool: x}, say: x}]}", "rules[0].when.tool: "),
            (
                "{task: llm/v1/embeddings, rules: [{say: x}]}",
                "rules[0].say: llm/v1/embeddings answers with vectors",
            ),
            ("{task: llm/v1/embeddings, rules: [{}]}", "rules[0].wait: is missing"),
        ] {
            let config = serde_yaml_ng::from_str(yaml).expect(yaml);
            let error = Scripted::compile(&config).expect_err(yaml).to_string();
            assert!(error.starts_with(expected), "{yaml}: {error}");
        }
    }

    #[test]
    fn the_example_of_the_interface_compiles() {
        assert_eq!(scripted(EXAMPLE).task(), Task::LlmChat);
    }
}
