//! Why a configuration does not serve, told to each reader as far as it is theirs to know.
//!
//! | who | sees |
//! |---|---|
//! | whoever calls, or sees the endpoint | `reason`: Databricks' words, and which log says more |
//! | whoever manages the endpoint | `cause`: what happened exactly, with the paths of this machine |
//! | whoever may read the logs, and `explain` | `log`: the end of the log |

use std::fmt;

use brickyard_agents::{BuildError, ModelError, StartError};
use serde::{Deserialize, Serialize};

use crate::creator::Missing;
use crate::error::DeployError;

/// Why a configuration does not serve.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct Failure {
    /// For everybody who may know that the endpoint is there.
    pub reason: String,
    /// The same, exactly; `None` if the reason is all there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The end of the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// What to do about it, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// A journal of before there were several readers has the reason alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Reason(String),
    Whole { reason: String, cause: Option<String>, log: Option<String>, fix: Option<String> },
}

impl From<Written> for Failure {
    fn from(written: Written) -> Self {
        match written {
            Written::Reason(reason) => reason.into(),
            Written::Whole { reason, cause, log, fix } => Self { reason, cause, log, fix },
        }
    }
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self { reason, ..Self::default() }
    }
}

impl Failure {
    /// For whoever manages the endpoint.
    pub fn cause(&self) -> &str {
        self.cause.as_deref().unwrap_or(&self.reason)
    }

    /// Says which entity it is about.
    #[must_use]
    pub(crate) fn of_entity(mut self, name: &str) -> Self {
        for told in std::iter::once(&mut self.reason).chain(&mut self.cause) {
            *told = format!("served entity '{name}': {told}");
        }
        self
    }
}

/// All of it: for the terminal of whoever runs brickyard, and for `explain`.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.cause())?;
        match &self.log {
            Some(log) => write!(f, "; the log says:\n{log}"),
            None => Ok(()),
        }
    }
}

impl From<&DeployError> for Failure {
    fn from(error: &DeployError) -> Self {
        let joined = |fixes: Vec<String>| (!fixes.is_empty()).then(|| fixes.join("; "));
        match error {
            DeployError::Denied(denied) => Self {
                reason: denied.to_string(),
                fix: denied.trace().first_failing().and_then(|link| link.fix()),
                ..Self::default()
            },
            DeployError::InvalidUserScopes { model, scopes } => {
                Self { reason: scopes.message(model), fix: joined(scopes.hints()), ..Self::default() }
            }
            DeployError::MissingRights(rights) => Self {
                reason: rights.to_string(),
                fix: joined(rights.missing.iter().filter_map(Missing::fix).collect()),
                ..Self::default()
            },
            DeployError::UnreadableModel { name, version, source } => Self {
                reason: format!("Model '{name}' version '{version}' cannot be served: {}", short(source)),
                cause: Some(error.to_string()),
                ..Self::default()
            },
            other => other.to_string().into(),
        }
    }
}

/// File, key and reason, without the folder of this machine.
fn short(error: &ModelError) -> String {
    let named = |file: &std::path::Path| file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match error {
        ModelError::File { file, reason } => format!("{}: {reason}", named(file)),
        ModelError::Key { file, key, reason } => format!("{}: {key}: {reason}", named(file)),
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        Self {
            reason: "Container image creation failed. Please see build logs for more information.".to_owned(),
            cause: Some(error.without_log()),
            log: error.log().map(str::to_owned),
            fix: None,
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self {
            reason: "Failed to load the model. Please see service logs for more information.".to_owned(),
            cause: Some(error.without_log()),
            log: error.log().map(str::to_owned),
            fix: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_of_an_older_journal_is_read() {
        let old: Failure = serde_json::from_str("\"no Python\"").expect("a text");
        assert_eq!((old.reason.as_str(), old.cause()), ("no Python", "no Python"));
        let new = Failure { reason: "a".into(), cause: Some("b".into()), log: Some("c".into()), fix: None };
        let text = serde_json::to_string(&new).expect("JSON");
        assert_eq!(serde_json::from_str::<Failure>(&text).expect("the same"), new);
    }

    #[test]
    fn who_calls_reads_neither_paths_nor_logs() {
        let built: Failure = BuildError::Step {
            step: "uv pip install".into(),
            status: "exit status: 1".into(),
            log: "/home/me/wheel is missing".into(),
        }
        .into();
        let built = built.of_entity("one");
        assert_eq!(
            built.reason,
            "served entity 'one': Container image creation failed. Please see build logs for more information."
        );
        assert_eq!(built.cause(), "served entity 'one': uv pip install failed (exit status: 1)");
        assert!(built.to_string().contains("/home/me/wheel is missing"), "{built}");
        let broken = DeployError::UnreadableModel {
            name: "m".into(),
            version: "1".into(),
            source: ModelError::Key {
                file: "/home/me/agent/MLmodel".into(),
                key: "flavors".into(),
                reason: "a mapping is needed".into(),
            },
        };
        let broken = Failure::from(&broken);
        assert_eq!(
            broken.reason,
            "Model 'm' version '1' cannot be served: MLmodel: flavors: a mapping is needed"
        );
        assert!(broken.cause().contains("/home/me/agent/MLmodel"), "{broken}");
    }
}
