//! What an agent's stack trace says when a credential was not where its code looked, and what to do about it.
//!
//! The texts are those of databricks-sdk 0.156, databricks-ai-bridge 0.22, databricks-ai-search 0.81 and mlflow 3.17. Their
//! authors cannot know which of the possible causes it is; whoever holds the declarations can.

use brickyard_agents::PredictError;
use brickyard_ledger::{CredentialGiven, Method};

use crate::error::ServingError;

/// Which credential was looked for in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The endpoint's own.
    NoSystemToken,
    /// The caller's.
    NoUserToken,
}

const SYSTEM: [&str; 2] = [
    "cannot configure default credentials",
    "Reading Databricks credential configuration in model serving failed",
];
const USER: [&str; 3] = [
    "Unable to detect credentials for user authorization",
    "Unable to authenticate using user_credentials in Databricks Model Serving Environment",
    "Unable to read Invokers Token",
];

/// The trouble behind an error of an agent's, if it is a known one.
pub(crate) fn trouble(error: &ServingError) -> Option<Trouble> {
    let ServingError::Worker(PredictError::Agent(agent)) = error else { return None };
    let text = agent.stack_trace.as_deref().unwrap_or(&agent.message);
    if USER.iter().any(|known| text.contains(known)) {
        Some(Trouble::NoUserToken)
    } else if SYSTEM.iter().any(|known| text.contains(known)) {
        Some(Trouble::NoSystemToken)
    } else {
        None
    }
}

impl Trouble {
    /// What to do, given what the invocation was given.
    pub fn hint(self, given: &[CredentialGiven]) -> String {
        let has = |method| given.iter().any(|given| given.method == method);
        let hint = match self {
            Self::NoUserToken if has(Method::OnBehalfOfUser) => {
                "build the client inside predict() or predict_stream(), and in their thread: the user's token is nowhere else"
            }
            Self::NoUserToken => {
                "the model declares no user policy: log it with \
                 auth_policy=AuthPolicy(user_auth_policy=UserAuthPolicy(api_scopes=[...]))"
            }
            Self::NoSystemToken if has(Method::Passthrough) => {
                "the endpoint's own token was there: the client was told to look elsewhere, by its arguments or variables"
            }
            Self::NoSystemToken if has(Method::OnBehalfOfUser) => {
                "the model declares no resource, so it has no token of its own: log it with resources=[...] in its \
                 SystemAuthPolicy, or act as the user with databricks_ai_bridge's ModelServingUserCredentials"
            }
            Self::NoSystemToken => {
                "the model declares no resource, so it has no token of its own: log it with resources=[...]"
            }
        };
        hint.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(method: Method) -> CredentialGiven {
        let (principal, scopes) = ("".into(), brickyard_types::ScopeSet::empty());
        CredentialGiven { method, principal, scopes, expires_at: None, jti: None, variable: None }
    }

    fn raised(text: &str) -> ServingError {
        let agent = brickyard_agents::AgentError {
            error_code: "BAD_REQUEST".to_owned(),
            message: "Encountered an unexpected error while evaluating the model.".to_owned(),
            stack_trace: Some(format!("Traceback (most recent call last):\nValueError: {text}\n")),
            body: bytes::Bytes::new(),
        };
        ServingError::Worker(PredictError::Agent(Box::new(agent)))
    }

    #[test]
    fn a_missing_credential_is_told_from_what_was_declared() {
        let (default, user) = ("default auth: cannot configure default credentials, please check", USER[0]);
        for (text, methods, advice) in [
            (default, &[][..], "log it with resources=[...]"),
            (default, &[Method::OnBehalfOfUser], "databricks_ai_bridge's ModelServingUserCredentials"),
            (default, &[Method::OnBehalfOfUser, Method::Passthrough], "told to look elsewhere"),
            (user, &[Method::Passthrough], "UserAuthPolicy(api_scopes=[...])"),
            (user, &[Method::OnBehalfOfUser], "build the client inside predict()"),
        ] {
            let given: Vec<_> = methods.iter().copied().map(given).collect();
            let hint = trouble(&raised(text)).expect("a known text").hint(&given);
            assert!(hint.contains(advice), "{text} with {methods:?}: {hint}");
        }
        assert_eq!(trouble(&raised("the tool broke")), None);
    }
}
