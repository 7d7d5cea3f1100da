//! Who asks at the token endpoint: a service principal and one of its secrets, in the header or in the form.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use brickyard_types::{Principal, PrincipalKind, ScopeSet, Secret};

use super::{OAuthError, OAuthForm};
use crate::identity::Identity;

const LONGEST_HEADER: usize = 4 * 1024;
const LONGEST_ID: usize = 256;

/// A service principal that showed a right secret.
#[derive(Clone, Debug)]
pub struct Client {
    principal: Principal,
    scopes: ScopeSet,
}

impl Client {
    /// Who.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Its application id.
    pub fn client_id(&self) -> &str {
        &self.principal.name
    }

    /// What its secret lets it ask for.
    pub fn scopes(&self) -> &ScopeSet {
        &self.scopes
    }

    /// Refuses what its secret does not allow.
    pub(super) fn check(&self, requested: &ScopeSet) -> Result<(), OAuthError> {
        let beyond: ScopeSet =
            requested.iter().filter(|scope| !self.scopes.covers(scope.as_str())).cloned().collect();
        if beyond.is_empty() {
            return Ok(());
        }
        Err(OAuthError::ScopesNotAssigned { scopes: beyond, client: self.client_id().to_owned() })
    }
}

struct Shown {
    id: String,
    secret: Secret,
}

/// The id and secret of a `Basic` header. Anything that is not exactly that is a failed authentication.
fn basic(header: &str) -> Option<Shown> {
    if header.len() > LONGEST_HEADER {
        return None;
    }
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Secret::new(STANDARD.decode(encoded.trim_matches(' ')).ok()?);
    let (id, secret) = decoded.expose_str()?.split_once(':')?;
    Some(Shown { id: id.to_owned(), secret: secret.into() })
}

impl Identity {
    /// The client behind a request, if it shows anything of one.
    ///
    /// # Errors
    /// If it authenticates in two ways at once, or wrongly.
    pub(super) fn client_of(
        &self,
        authorization: Option<&str>,
        form: &OAuthForm,
    ) -> Result<Option<Client>, OAuthError> {
        if form.get("client_assertion").is_some() || form.get("client_assertion_type").is_some() {
            return Err(OAuthError::InvalidClient);
        }
        let secret = form.get("client_secret");
        let shown = match (authorization, secret) {
            (Some(_), Some(_)) => {
                return Err(OAuthError::InvalidRequest(
                    "authenticate in the header or in the form, not in both".to_owned(),
                ));
            }
            (Some(header), None) => {
                let shown = basic(header).ok_or(OAuthError::InvalidClient)?;
                if form.get("client_id").is_some_and(|id| id != shown.id) {
                    return Err(OAuthError::InvalidRequest("client_id is not that of the header".to_owned()));
                }
                shown
            }
            (None, Some(secret)) => {
                Shown { id: form.required("client_id")?.to_owned(), secret: secret.into() }
            }
            (None, None) => return Ok(None),
        };
        self.authenticate_client(&shown.id, &shown.secret).map(Some)
    }

    /// Checks a client's secret. An unknown client, a disabled one and a wrong secret are one answer, found with the
    /// same work.
    ///
    /// # Errors
    /// If it is not right, or there were too many wrong ones.
    pub fn authenticate_client(&self, client_id: &str, secret: &Secret) -> Result<Client, OAuthError> {
        if client_id.len() > LONGEST_ID || secret.expose().len() > LONGEST_HEADER {
            return Err(OAuthError::InvalidClient);
        }
        let hash = self.inner.pepper.client_secret(secret.expose());
        let now = self.now();
        let snapshot = self.inner.store.snapshot();
        let found = snapshot
            .get(self.inner.slots.directory())
            .service_principal(client_id)
            .filter(|entry| entry.active && entry.principal.kind == PrincipalKind::ServicePrincipal)
            .and_then(|entry| {
                let known =
                    snapshot.get(self.inner.slots.credentials()).secrets_of(entry.principal.id).find(
                        |known| known.hash.matches(&hash) && known.expires_at.is_none_or(|end| now < end),
                    )?;
                let scopes = known.scopes.clone().unwrap_or_else(ScopeSet::all_apis);
                Some(Client { principal: entry.principal.clone(), scopes })
            });
        match found {
            Some(client) => Ok(client),
            None => match self.inner.failures.failed(client_id, now) {
                Ok(()) => Err(OAuthError::InvalidClient),
                Err(retry_after) => Err(OAuthError::TooManyFailures { retry_after }),
            },
        }
    }
}
