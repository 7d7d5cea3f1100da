//! The token endpoint, without HTTP: a form in, a token or a refusal out.
//!
//! | grant | who authenticates | what comes out |
//! |---|---|---|
//! | `client_credentials` | the client, by secret | its own token, scopes within what the secret allows |
//! | token exchange of an access token | the client, by secret | the subject's token, narrowed by the client and the request |
//! | token exchange of a personal access token | nobody: the token is the proof | an access token within its scopes and life |
//! | `jwt-bearer` with `authorization_details` | nobody: the token is the proof | a token for the named endpoints only |
//!
//! What comes out of an exchange has the subject's principal, never more scopes, never a later end, and the
//! subject's own chain of actors; `act` is never read from the form. Workload identity federation, authorization
//! codes and refresh tokens are refused by name.

mod client;
mod exchange;
mod failure_limit;
mod form;
mod introspection;

use brickyard_types::{BearerToken, ScopeSet, SignedDuration, Timestamp};

use crate::caller::{AuthorizationDetail, Caller, Facts};
use crate::identity::Identity;
use crate::issuer::{MintError, whole_seconds};
use crate::scope_vocabulary::known_scopes;

pub use client::Client;
pub(crate) use failure_limit::FailureLimit;
pub use form::OAuthForm;
pub use introspection::Introspection;

/// The grants that [`Identity::grant`] knows, for the discovery document.
pub const GRANT_TYPES: &[&str] = &[CLIENT_CREDENTIALS, TOKEN_EXCHANGE, JWT_BEARER];

const CLIENT_CREDENTIALS: &str = "client_credentials";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A successful answer of the token endpoint.
#[derive(Clone, Debug)]
pub struct GrantedToken {
    /// The token.
    pub access_token: BearerToken,
    /// Always `Bearer`.
    pub token_type: &'static str,
    /// Whole seconds.
    pub expires_in: u64,
    /// What was granted, always said.
    pub scope: ScopeSet,
    /// For an exchange: what kind of token this is (RFC 8693 section 2.2.1).
    pub issued_token_type: Option<&'static str>,
    /// Who its bearer is, for the ledger.
    pub caller: Caller,
}

/// A refusal of the token endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OAuthError {
    /// The request makes no sense, or its subject token is no good.
    #[error("{0}")]
    InvalidRequest(String),
    /// Nobody, or not with that secret: which one is not said.
    #[error("Client authentication failed")]
    InvalidClient,
    /// Too many wrong secrets for this client lately.
    #[error("Too many failed attempts for this client; try again in {retry_after} seconds")]
    TooManyFailures {
        /// Seconds until the next attempt counts.
        retry_after: u64,
    },
    /// The assertion is no good.
    #[error("{0}")]
    InvalidGrant(String),
    /// Not a scope, or more than the subject has.
    #[error("Invalid scope: {0}")]
    InvalidScope(String),
    /// The client's secret does not allow these scopes. The text is Databricks' own: clients match on it.
    #[error("Scopes '{scopes}' are not assigned to the client {client}")]
    ScopesNotAssigned {
        /// What was asked for beyond.
        scopes: ScopeSet,
        /// The client id.
        client: String,
    },
    /// A grant that is not emulated.
    #[error("{0}")]
    UnsupportedGrantType(String),
    /// A token cannot be for that audience or resource.
    #[error("{0}")]
    InvalidTarget(String),
    /// `authorization_details` that cannot be kept to.
    #[error("{0}")]
    InvalidAuthorizationDetails(String),
    /// Nothing can be signed or kept now.
    #[error("The authorization server cannot issue tokens now")]
    ServerError(String),
}

impl OAuthError {
    /// The `error` of RFC 6749 section 5.2 and its extensions; the description is the `Display` text.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::TooManyFailures { .. } => "slow_down",
            Self::InvalidGrant(_) => "invalid_grant",
            Self::InvalidScope(_) => "invalid_scope",
            Self::ScopesNotAssigned { .. } => "access_denied",
            Self::UnsupportedGrantType(_) => "unsupported_grant_type",
            Self::InvalidTarget(_) => "invalid_target",
            Self::InvalidAuthorizationDetails(_) => "invalid_authorization_details",
            Self::ServerError(_) => "server_error",
        }
    }
}

impl From<MintError> for OAuthError {
    fn from(error: MintError) -> Self {
        match error {
            MintError::NoSuchPrincipal(_) => Self::InvalidClient,
            MintError::TooLong => Self::InvalidScope("the token would be longer than 8 KiB".to_owned()),
            MintError::Lifetime(_) | MintError::Signing(_) => Self::ServerError(error.to_string()),
        }
    }
}

impl Identity {
    /// Answers `POST /oidc/v1/token`. `authorization` is the header of that name, if there was one.
    ///
    /// # Errors
    /// As RFC 6749 and RFC 8693 have them; see [`OAuthError`].
    pub fn grant(&self, authorization: Option<&str>, form: &OAuthForm) -> Result<GrantedToken, OAuthError> {
        let client = self.client_of(authorization, form)?;
        match form.required("grant_type")? {
            CLIENT_CREDENTIALS => self.client_credentials(&client.ok_or(OAuthError::InvalidClient)?, form),
            TOKEN_EXCHANGE => self.exchange(client.as_ref(), form),
            JWT_BEARER => self.data_plane(client.as_ref(), form),
            "authorization_code" | "refresh_token" => Err(OAuthError::UnsupportedGrantType(
                "authorization_code and refresh_token are not emulated by brickyard; use client_credentials or a personal access token"
                    .to_owned(),
            )),
            _ => Err(OAuthError::UnsupportedGrantType(format!("grant_type must be one of: {}", GRANT_TYPES.join(", ")))),
        }
    }

    fn client_credentials(&self, client: &Client, form: &OAuthForm) -> Result<GrantedToken, OAuthError> {
        if form.get("assume_group").is_some() {
            return Err(OAuthError::InvalidRequest(
                "assume_group is not emulated by brickyard; leave it out".to_owned(),
            ));
        }
        self.check_target(form)?;
        let scopes = match requested_scopes(form)? {
            Some(requested) => {
                client.check(&requested)?;
                requested
            }
            None => client.scopes().clone(),
        };
        let now = whole_seconds(self.now());
        let facts = Facts {
            details: self.authorization_details(form)?,
            ..self.blank(client.principal().clone(), client.client_id(), scopes, now)
        };
        self.granted(facts, self.inner.config.access_token_ttl, None, now)
    }

    /// A token of `principal` with nothing special about it.
    fn blank(
        &self,
        principal: brickyard_types::Principal,
        client_id: &str,
        scopes: ScopeSet,
        now: Timestamp,
    ) -> Facts {
        Facts {
            kind: crate::authenticate::kind_of(principal.kind, &[]),
            principal,
            scopes,
            acts: Vec::new(),
            origins: Vec::new(),
            jti: brickyard_types::Jti::random(&*self.inner.entropy),
            client_id: client_id.into(),
            issued_at: now,
            expires_at: None,
            worker: None,
            details: Vec::new(),
        }
    }

    fn granted(
        &self,
        mut facts: Facts,
        ttl: SignedDuration,
        not_after: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<GrantedToken, OAuthError> {
        let end = now.saturating_add(ttl).unwrap_or(Timestamp::MAX);
        let end = whole_seconds(not_after.map_or(end, |limit| limit.min(end)));
        let expires_in = self.seconds_until(end, now);
        if expires_in == 0 {
            return Err(OAuthError::InvalidRequest("the subject token has expired".to_owned()));
        }
        facts.expires_at = Some(end);
        let scope = facts.scopes.clone();
        let minted = self.issue(Caller::new(facts))?;
        Ok(GrantedToken {
            access_token: minted.token,
            token_type: "Bearer",
            expires_in,
            scope,
            issued_token_type: None,
            caller: minted.caller,
        })
    }

    /// A token is for this workspace. Asking for it by another name is asking for another audience.
    fn check_target(&self, form: &OAuthForm) -> Result<(), OAuthError> {
        let refuse = |what: &str| {
            let host = &self.inner.config.host;
            Err(OAuthError::InvalidTarget(format!("{what} must be left out or be {host}")))
        };
        match form.get("audience") {
            None => {}
            Some(audience) if audience == &*self.inner.audience || audience == self.inner.config.host => {}
            Some(_) => return refuse("audience"),
        }
        match form.get("resource") {
            None => Ok(()),
            Some(resource) if resource.strip_suffix('/').unwrap_or(resource) == self.inner.config.host => {
                Ok(())
            }
            Some(_) => refuse("resource"),
        }
    }

    /// The one kind of detail that can be kept to: querying named endpoints. An empty list is none.
    fn authorization_details(&self, form: &OAuthForm) -> Result<Vec<AuthorizationDetail>, OAuthError> {
        let Some(text) = form.get("authorization_details").filter(|text| !text.is_empty()) else {
            return Ok(Vec::new());
        };
        let refuse = || {
            Err(OAuthError::InvalidAuthorizationDetails(
                "authorization_details must be a JSON array of {type: workspace_permission, object_type: serving-endpoints, \
                 object_path: /serving-endpoints/<id>, actions: [query_inference_endpoint]}; other details are not emulated"
                    .to_owned(),
            ))
        };
        let Ok(details) = serde_json::from_str::<Vec<AuthorizationDetail>>(text) else { return refuse() };
        let known = |detail: &AuthorizationDetail| {
            detail.r#type == "workspace_permission"
                && detail.object_type == "serving-endpoints"
                && detail
                    .object_path
                    .strip_prefix("/serving-endpoints/")
                    .is_some_and(|id| id.parse::<brickyard_types::EndpointId>().is_ok())
                && detail.actions == ["query_inference_endpoint"]
        };
        if details.len() > 8 || !details.iter().all(known) {
            return refuse();
        }
        Ok(details)
    }
}

/// The scopes of the form. Absent means whatever is allowed; empty is no list of scopes.
fn requested_scopes(form: &OAuthForm) -> Result<Option<ScopeSet>, OAuthError> {
    form.get("scope").map(|text| known_scopes(text).map_err(OAuthError::InvalidScope)).transpose()
}
