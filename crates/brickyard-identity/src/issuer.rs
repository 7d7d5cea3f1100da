//! Making tokens. Everything that is signed here goes through [`Identity::sign`].

use brickyard_types::{BearerToken, Jti, Principal, ScopeSet, SignedDuration, Timestamp};

use crate::authenticate::kind_of;
use crate::caller::{Caller, Facts};
use crate::identity::Identity;
use crate::jwt::{ActClaim, Audience, Claims};
use crate::signing_key::SigningFailed;

/// A token that was just made, and who it makes its bearer.
#[derive(Clone, Debug)]
pub struct MintedToken {
    /// The text.
    pub token: BearerToken,
    /// What the text proves.
    pub caller: Caller,
}

/// Why no token was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// Nobody, or nobody active, of that name.
    #[error("{0} is not an active principal of this workspace")]
    NoSuchPrincipal(String),
    /// A lifetime that is not allowed.
    #[error("a token lives at least one second and at most {0} seconds here")]
    Lifetime(i64),
    /// The token would not be accepted for its size.
    #[error("the token would be longer than 8 KiB; ask for fewer scopes")]
    TooLong,
    /// Nothing can be signed.
    #[error(transparent)]
    Signing(#[from] SigningFailed),
}

impl Identity {
    /// A token for any principal: for tests, for the command line, for the creators that the configuration names.
    /// The caller of this function decides whether that is allowed.
    ///
    /// # Errors
    /// If the principal is not there or not active, or the lifetime is not allowed.
    pub fn mint(
        &self,
        principal: &Principal,
        scopes: ScopeSet,
        ttl: SignedDuration,
    ) -> Result<MintedToken, MintError> {
        let longest = self.inner.config.max_token_lifetime;
        if ttl < SignedDuration::from_secs(1) || ttl > longest {
            return Err(MintError::Lifetime(longest.as_secs()));
        }
        let now = whole_seconds(self.now());
        let facts = Facts {
            principal: self.active(principal)?,
            scopes,
            kind: kind_of(principal.kind, &[]),
            acts: Vec::new(),
            origins: Vec::new(),
            jti: Jti::random(&*self.inner.entropy),
            client_id: principal.name.clone(),
            issued_at: now,
            expires_at: Some(whole_seconds(now.saturating_add(ttl).unwrap_or(Timestamp::MAX))),
            worker: None,
            details: Vec::new(),
        };
        self.issue(Caller::new(facts))
    }

    /// The principal as the directory has it, if it is there and active.
    pub(crate) fn active(&self, principal: &Principal) -> Result<Principal, MintError> {
        match self.directory().by_id(principal.id) {
            Some(entry) if entry.active && entry.principal == *principal => Ok(entry.principal.clone()),
            _ => Err(MintError::NoSuchPrincipal(principal.name.to_string())),
        }
    }

    /// Signs and remembers.
    pub(crate) fn issue(&self, caller: Caller) -> Result<MintedToken, MintError> {
        let token = self.sign(&caller)?;
        if token.expose().len() > crate::jwt::MAX_TOKEN {
            return Err(MintError::TooLong);
        }
        Ok(MintedToken { token, caller })
    }

    /// The one place where a token's text is made. It goes to the cache of verified tokens: what was signed here a
    /// moment ago is not verified.
    pub(crate) fn sign(&self, caller: &Caller) -> Result<BearerToken, SigningFailed> {
        let key = self.signing_key()?;
        let token = key.sign(&self.claims(caller.facts()))?;
        self.remember(&token, caller, &key.kid, self.now());
        Ok(token)
    }

    fn claims(&self, facts: &Facts) -> Claims {
        let act = facts.acts.iter().rev().fold(None, |inner, act| {
            let (sub, endpoint_name) = (act.endpoint_id, act.endpoint_name.clone());
            Some(Box::new(ActClaim { sub, endpoint_name, act: inner }))
        });
        Claims {
            iss: self.inner.issuer.to_string(),
            aud: Audience(self.inner.audience.to_string()),
            sub: facts.principal.name.to_string(),
            uid: facts.principal.id,
            client_id: facts.client_id.to_string(),
            scope: facts.scopes.to_string(),
            iat: facts.issued_at.as_second(),
            // Whoever has a token has an end: only personal access tokens may have none, and they are not signed.
            exp: facts.expires_at.unwrap_or(facts.issued_at).as_second(),
            nbf: None,
            jti: facts.jti,
            act,
            origin: facts.origins.clone(),
            worker: facts.worker.as_ref().map(|worker| worker.0.to_string()),
            authorization_details: facts.details.clone(),
        }
    }
}

/// Tokens count in whole seconds; cutting them here keeps the [`Caller`] equal to what the text says.
pub(crate) fn whole_seconds(moment: Timestamp) -> Timestamp {
    Timestamp::from_second(moment.as_second()).unwrap_or(moment)
}
