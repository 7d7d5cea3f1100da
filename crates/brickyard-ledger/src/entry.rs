//! One line of the ledger.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use brickyard_catalog::Trace;
use brickyard_identity::{Caller, TokenKind};
use brickyard_types::{EndpointName, Jti, RequestId, ScopeSet, Timestamp, WorkerId};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// How a credential came to an agent. The words are the same in the ledger, in `explain` and in `doctor`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The endpoint's own system service principal.
    Passthrough,
    /// The caller, cut down to the declared API scopes.
    OnBehalfOfUser,
    /// Something the endpoint's configuration named: an environment variable out of a secret scope.
    Manual,
}

impl Method {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passthrough => "passthrough",
            Self::OnBehalfOfUser => "on_behalf_of_user",
            Self::Manual => "manual",
        }
    }
}

/// Whether brickyard let the request through.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Every check passed.
    Allowed,
    /// A check failed; the first failing link of the last trace says which.
    Refused,
}

/// What kind of request this was.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A call of an agent or a model.
    Invocation,
    /// Any other call of the workspace's API.
    Api,
}

/// How a request ended, as facts; the status on the wire is beside it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// It was answered (a stream: to its end).
    Answered,
    /// It was refused before anything ran.
    Refused {
        /// Why, as the client was told.
        message: String,
    },
    /// It ran, or tried to, and failed.
    Failed {
        /// Why.
        message: String,
    },
    /// The caller went away first.
    Cancelled,
}

/// One credential that an invocation was given. Never the credential itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CredentialGiven {
    /// By which of the three methods.
    pub method: Method,
    /// Who it acts as: the principal's name, or `unknown to this workspace` for a service outside.
    pub principal: Arc<str>,
    /// The scopes it carries; on the wire separated by spaces.
    #[serde(skip_serializing_if = "ScopeSet::is_empty")]
    pub scopes: ScopeSet,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The token's id, if it is a token of this workspace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<Jti>,
    /// The environment variable, for manual ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variable: Option<String>,
}

/// One request.
#[derive(Debug)]
pub struct Entry {
    /// Its id (`x-request-id`).
    pub request_id: RequestId,
    /// When it began.
    pub at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// Invocation, or another API call.
    pub kind: Kind,
    /// The route, e.g. `POST /serving-endpoints/{name}/invocations`.
    pub route: Cow<'static, str>,
    /// Method and path as called (without the query), unless route and endpoint say it all.
    pub path: Option<String>,
    /// Who called; `None` if no token was accepted.
    pub caller: Option<Caller>,
    /// The endpoint that was invoked.
    pub endpoint: Option<EndpointName>,
    /// The served entity that answered.
    pub served_entity: Option<std::sync::Arc<str>>,
    /// The worker that ran it.
    pub worker: Option<WorkerId>,
    /// The invocation whose agent made this request, and with which method's credential.
    pub caused_by: Option<(RequestId, Method)>,
    /// Allowed or refused.
    pub decision: Decision,
    /// The traces of the decisions, in the order they were made.
    pub traces: Vec<Trace>,
    /// The credentials that the agent was given.
    pub credentials: Vec<CredentialGiven>,
    /// How it ended.
    pub outcome: Outcome,
    /// What to do about it, a line each, where no failing link says it.
    pub hints: Vec<String>,
    /// The HTTP status that the client saw.
    pub status: u16,
}

impl Entry {
    /// Method and path, as a person reads them.
    pub fn called(&self) -> Cow<'_, str> {
        match (&self.path, &self.endpoint) {
            (Some(path), _) => Cow::Borrowed(path),
            (None, Some(endpoint)) => Cow::Owned(self.route.replace("{name}", endpoint.as_str())),
            (None, None) => Cow::Borrowed(&self.route),
        }
    }
}

/// The word for a token kind.
pub(crate) fn token_kind(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::PersonalAccessToken => "personal access token",
        TokenKind::AccessToken => "OAuth access token",
        TokenKind::OnBehalfOfUser => "on-behalf-of-user token",
        TokenKind::Passthrough => "passthrough token",
    }
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("request_id", &self.request_id)?;
        map.serialize_entry("at", &self.at)?;
        map.serialize_entry("took_ms", &(self.took.as_secs_f64() * 1e3))?;
        map.serialize_entry("kind", &self.kind)?;
        map.serialize_entry("route", &self.route)?;
        map.serialize_entry("path", &self.called())?;
        if let Some(caller) = &self.caller {
            map.serialize_entry("principal", &*caller.principal().name)?;
            map.serialize_entry("token_kind", token_kind(caller.kind()))?;
            map.serialize_entry("jti", &caller.jti())?;
            map.serialize_entry("scopes", caller.scopes())?;
            if let Some(act) = caller.act() {
                map.serialize_entry("acting_endpoint", &act.endpoint_name)?;
            }
        }
        if let Some(endpoint) = &self.endpoint {
            map.serialize_entry("endpoint", endpoint)?;
        }
        if let Some(entity) = &self.served_entity {
            map.serialize_entry("served_entity", entity)?;
        }
        if let Some(worker) = &self.worker {
            map.serialize_entry("worker", worker)?;
        }
        if let Some((cause, method)) = &self.caused_by {
            map.serialize_entry("caused_by", cause)?;
            map.serialize_entry("method", method)?;
        }
        map.serialize_entry("decision", &self.decision)?;
        map.serialize_entry("traces", &self.traces)?;
        map.serialize_entry("credentials", &self.credentials)?;
        map.serialize_entry("outcome", &self.outcome)?;
        if !self.hints.is_empty() {
            map.serialize_entry("hints", &self.hints)?;
        }
        map.serialize_entry("status", &self.status)?;
        map.end()
    }
}
