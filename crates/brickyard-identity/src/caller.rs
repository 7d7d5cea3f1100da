//! The proof that a token was verified, and what the token said.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use brickyard_types::{EndpointId, EndpointName, Jti, Principal, ScopeSet, Timestamp, WorkerId};
use serde::{Deserialize, Serialize};

/// How many actors (`act` in `act`), and how many ancestors, a token may have.
pub const MAX_CHAIN: usize = 5;

/// What kind of credential the caller showed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// `dapi...`: looked up, not parsed.
    PersonalAccessToken,
    /// An OAuth access token of a user or service principal.
    AccessToken,
    /// A user's token cut down for one invocation of one endpoint (it carries `act`).
    OnBehalfOfUser,
    /// The token of an endpoint's hidden service principal.
    Passthrough,
}

/// The endpoint that acts for the token's subject.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Act {
    /// Its id.
    pub endpoint_id: EndpointId,
    /// Its name when the token was made.
    pub endpoint_name: EndpointName,
}

/// The token that another one was made from. When it is revoked, so is everything made from it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Origin {
    /// An access token, by its `jti`.
    Token(Jti),
    /// A personal access token, by its id.
    PersonalAccessToken(Jti),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(jti) => jti.fmt(f),
            Self::PersonalAccessToken(jti) => write!(f, "pat:{jti}"),
        }
    }
}

impl FromStr for Origin {
    type Err = <Jti as FromStr>::Err;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("pat:") {
            Some(id) => id.parse().map(Self::PersonalAccessToken),
            None => text.parse().map(Self::Token),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What a data-plane token is for (RFC 9396, in Databricks' words): nothing but these actions on this object.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorizationDetail {
    /// Only `workspace_permission` is known here.
    pub r#type: String,
    /// Only `serving-endpoints` is known here.
    pub object_type: String,
    /// `/serving-endpoints/<endpoint id>`.
    pub object_path: String,
    /// Only `query_inference_endpoint` is known here.
    pub actions: Vec<String>,
}

/// Somebody whose token was verified. Holding one is the proof; it is made where a token is verified and where one
/// is minted, and nowhere else. Cheap to clone.
///
/// It is a fact about one moment: hold it for one request, not longer.
#[derive(Clone)]
pub struct Caller(Arc<Facts>);

#[derive(Clone)]
pub(crate) struct Facts {
    pub(crate) principal: Principal,
    pub(crate) scopes: ScopeSet,
    pub(crate) kind: TokenKind,
    /// Outermost first. Only the first one decides (RFC 8693 section 4.1); the others are history.
    pub(crate) acts: Vec<Act>,
    /// Nearest first.
    pub(crate) origins: Vec<Origin>,
    pub(crate) jti: Jti,
    pub(crate) client_id: Arc<str>,
    pub(crate) issued_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) worker: Option<WorkerId>,
    pub(crate) details: Vec<AuthorizationDetail>,
}

impl Caller {
    pub(crate) fn new(facts: Facts) -> Self {
        Self(Arc::new(facts))
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.0
    }

    /// Whose token it is (`sub`).
    pub fn principal(&self) -> &Principal {
        &self.0.principal
    }

    /// What the token opens.
    pub fn scopes(&self) -> &ScopeSet {
        &self.0.scopes
    }

    /// What kind of credential it was.
    pub fn kind(&self) -> TokenKind {
        self.0.kind
    }

    /// The endpoint that acts for the principal, if one does.
    pub fn act(&self) -> Option<&Act> {
        self.0.acts.first()
    }

    /// All actors, the present one first. Only the first may decide anything.
    pub fn act_chain(&self) -> &[Act] {
        &self.0.acts
    }

    /// The token's id: what the ledger and revocation know it by.
    pub fn jti(&self) -> Jti {
        self.0.jti
    }

    /// The tokens it was made from, the nearest first.
    pub fn origins(&self) -> &[Origin] {
        &self.0.origins
    }

    /// The OAuth client that the token was issued to; for a token without one, the principal's own name.
    pub fn client_id(&self) -> &str {
        &self.0.client_id
    }

    /// When the token was made.
    pub fn issued_at(&self) -> Timestamp {
        self.0.issued_at
    }

    /// When it ends; a personal access token may have no end.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.0.expires_at
    }

    /// The worker that a passthrough token was issued to.
    pub fn worker(&self) -> Option<&WorkerId> {
        self.0.worker.as_ref()
    }

    /// When not empty, the token is good for these actions and nothing else.
    pub fn authorization_details(&self) -> &[AuthorizationDetail] {
        &self.0.details
    }

    /// This token as the origin of another.
    pub(crate) fn as_origin(&self) -> Origin {
        match self.0.kind {
            TokenKind::PersonalAccessToken => Origin::PersonalAccessToken(self.0.jti),
            _ => Origin::Token(self.0.jti),
        }
    }

    /// The origins of a token made from this one, or `None` when the chain is full.
    pub(crate) fn next_origins(&self) -> Option<Vec<Origin>> {
        if self.0.origins.len() >= MAX_CHAIN {
            return None;
        }
        Some(std::iter::once(self.as_origin()).chain(self.0.origins.iter().copied()).collect())
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("principal", &self.0.principal.name)
            .field("kind", &self.0.kind)
            .field("scopes", &self.0.scopes)
            .field("jti", &self.0.jti)
            .finish_non_exhaustive()
    }
}
