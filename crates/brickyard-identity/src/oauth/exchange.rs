//! Tokens for tokens (RFC 8693), and for named endpoints (`jwt-bearer`). Always narrower.

use brickyard_types::{BearerToken, ScopeSet};

use super::{Client, GrantedToken, OAuthError, OAuthForm, requested_scopes};
use crate::authenticate::PAT_PREFIX;
use crate::caller::{Caller, Facts, MAX_CHAIN, TokenKind};
use crate::identity::Identity;
use crate::issuer::whole_seconds;

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const PERSONAL_ACCESS_TOKEN: &str = "urn:databricks:params:oauth:token-type:personal-access-token";

fn invalid(reason: impl Into<String>) -> OAuthError {
    OAuthError::InvalidRequest(reason.into())
}

impl Identity {
    /// `grant_type=urn:ietf:params:oauth:grant-type:token-exchange`.
    pub(super) fn exchange(
        &self,
        client: Option<&Client>,
        form: &OAuthForm,
    ) -> Result<GrantedToken, OAuthError> {
        let kind = form.required("subject_token_type")?;
        match (kind, client) {
            (PERSONAL_ACCESS_TOKEN, _) | (ACCESS_TOKEN | JWT, Some(_)) => {}
            (JWT, None) => {
                return Err(invalid(
                    "workload identity federation is not supported by brickyard yet: no federation policy can be made; \
                     authenticate the client with a secret",
                ));
            }
            // Without this, a stolen token would make more tokens (RFC 8693 section 5).
            (ACCESS_TOKEN, None) => return Err(OAuthError::InvalidClient),
            _ => {
                return Err(invalid(format!(
                    "subject_token_type must be {ACCESS_TOKEN}, {JWT} or {PERSONAL_ACCESS_TOKEN}"
                )));
            }
        }
        let subject_token = form.required("subject_token")?;
        match form.get("requested_token_type") {
            None | Some(ACCESS_TOKEN) => {}
            Some(_) => return Err(invalid(format!("requested_token_type must be {ACCESS_TOKEN}"))),
        }
        match (form.get("actor_token"), form.get("actor_token_type")) {
            (None, None) => {}
            (Some(_), Some(_)) => {
                return Err(invalid("actor_token is not accepted: no token here says who may act (may_act)"));
            }
            _ => return Err(invalid("actor_token and actor_token_type come together or not at all")),
        }
        self.check_target(form)?;
        let subject = self
            .authenticate(&BearerToken::new(subject_token))
            .map_err(|reason| invalid(format!("subject_token is not accepted: {reason}")))?;
        if (subject.kind() == TokenKind::PersonalAccessToken) != (kind == PERSONAL_ACCESS_TOKEN) {
            return Err(invalid("subject_token is not of subject_token_type"));
        }
        let allowed = match client {
            None => subject.scopes().clone(),
            Some(client) => subject.scopes().intersect(client.scopes()),
        };
        let scopes = narrowed(form, client, &subject, allowed)?;
        let client_id = client.map_or(subject.client_id(), Client::client_id);
        let granted = self.derived(&subject, client_id, scopes, form)?;
        Ok(GrantedToken { issued_token_type: Some(ACCESS_TOKEN), ..granted })
    }

    /// `grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer`: a control-plane token for one that queries the named
    /// endpoints and does nothing else.
    pub(super) fn data_plane(
        &self,
        client: Option<&Client>,
        form: &OAuthForm,
    ) -> Result<GrantedToken, OAuthError> {
        let assertion = form.required("assertion")?;
        let grant = |reason: String| OAuthError::InvalidGrant(reason);
        if assertion.starts_with(PAT_PREFIX) {
            return Err(grant("assertion must be an access token of this workspace".to_owned()));
        }
        self.check_target(form)?;
        let subject = self
            .authenticate(&BearerToken::new(assertion))
            .map_err(|reason| grant(format!("assertion is not accepted: {reason}")))?;
        if self.authorization_details(form)?.is_empty() {
            return Err(OAuthError::InvalidAuthorizationDetails(
                "authorization_details is missing: copy it from the endpoint's data_plane_info".to_owned(),
            ));
        }
        let serving: ScopeSet = "model-serving".parse().into_iter().collect();
        let scopes = narrowed(form, client, &subject, subject.scopes().intersect(&serving))?;
        let client_id = client.map_or(subject.client_id(), Client::client_id);
        self.derived(&subject, client_id, scopes, form)
    }

    /// A token made from `subject`.
    fn derived(
        &self,
        subject: &Caller,
        client_id: &str,
        scopes: ScopeSet,
        form: &OAuthForm,
    ) -> Result<GrantedToken, OAuthError> {
        let too_long = || {
            invalid(format!(
                "subject_token was itself exchanged {MAX_CHAIN} times; start from the first token"
            ))
        };
        let origins = subject.next_origins().ok_or_else(too_long)?;
        let asked = self.authorization_details(form)?;
        let details = match subject.authorization_details() {
            [] => asked,
            held if asked.is_empty() => held.to_vec(),
            held if asked.iter().all(|detail| held.contains(detail)) => asked,
            _ => {
                let reason = "authorization_details go beyond those of the subject token";
                return Err(OAuthError::InvalidAuthorizationDetails(reason.to_owned()));
            }
        };
        let now = whole_seconds(self.now());
        let acts = subject.act_chain().to_vec();
        let facts = Facts {
            kind: crate::authenticate::kind_of(subject.principal().kind, &acts),
            acts,
            origins,
            details,
            worker: subject.worker().cloned(),
            ..self.blank(subject.principal().clone(), client_id, scopes, now)
        };
        self.granted(facts, self.inner.config.access_token_ttl, subject.expires_at(), now)
    }
}

/// What the form asks for, if both the subject's token and the client allow it; all that both allow if it asks for
/// nothing in particular.
fn narrowed(
    form: &OAuthForm,
    client: Option<&Client>,
    subject: &Caller,
    allowed: ScopeSet,
) -> Result<ScopeSet, OAuthError> {
    let scopes = match requested_scopes(form)? {
        None => allowed,
        Some(requested) => {
            let beyond: ScopeSet =
                requested.iter().filter(|scope| !subject.scopes().covers(scope.as_str())).cloned().collect();
            if !beyond.is_empty() {
                return Err(OAuthError::InvalidScope(format!("the subject token does not have {beyond}")));
            }
            if let Some(client) = client {
                client.check(&requested)?;
            }
            if !allowed.covers_all(&requested) {
                return Err(OAuthError::InvalidScope(format!("only {allowed} can be asked for here")));
            }
            requested
        }
    };
    if scopes.is_empty() {
        return Err(OAuthError::InvalidScope("nothing is left of the subject token's scopes".to_owned()));
    }
    Ok(scopes)
}
