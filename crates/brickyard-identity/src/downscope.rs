//! A user's token for one invocation: the caller's rights, cut down to what the agent declared.
//!
//! ```text
//!  scopes = the caller's ∩ the declared         never wider than either
//!  exp    = min(the caller's, the latest)       never later
//!  sub    = the caller                          act = the endpoint, what acted before inside it
//! ```
//!
//! The narrowed [`Caller`] and its `jti` exist at once, so that the ledger can name the credential. The signature
//! is made only when somebody asks for the text: many agents never call anything as the user.

use std::sync::OnceLock;

use brickyard_types::{BearerToken, Jti, ScopeSet, Timestamp};

use crate::authenticate::Unauthenticated;
use crate::caller::{Act, Caller, Facts, MAX_CHAIN, TokenKind};
use crate::identity::Identity;
use crate::issuer::whole_seconds;

/// Why a token could not be cut down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DownscopeError {
    /// The caller's token, or the time allowed, is over.
    #[error("the caller's token ends now")]
    Expired,
    /// Endpoints calling endpoints calling endpoints.
    #[error("a user's token may pass through at most {MAX_CHAIN} endpoints")]
    ChainTooLong,
    /// No key can sign, so the token could never be shown.
    #[error("no signing key can be used now")]
    NoSigningKey,
}

/// The user's credential of one invocation. Only [`Identity::downscope`] makes one.
pub struct DownscopedToken {
    identity: Identity,
    caller: Caller,
    token: OnceLock<BearerToken>,
}

impl std::fmt::Debug for DownscopedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DownscopedToken")
            .field("caller", &self.caller)
            .field("signed", &self.is_signed())
            .finish()
    }
}

impl DownscopedToken {
    /// Who its bearer is.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Its id.
    pub fn jti(&self) -> Jti {
        self.caller.jti()
    }

    /// When it ends.
    pub fn expires_at(&self) -> Timestamp {
        self.caller.expires_at().unwrap_or(self.caller.issued_at())
    }

    /// What it opens.
    pub fn scopes(&self) -> &ScopeSet {
        self.caller.scopes()
    }

    /// True once somebody has asked for the text.
    pub fn is_signed(&self) -> bool {
        self.token.get().is_some()
    }

    /// The text, signed at the first call.
    pub fn token(&self) -> &BearerToken {
        self.token.get_or_init(|| {
            self.identity.sign(&self.caller).unwrap_or_else(|error| {
                // A key could sign when this value was made. Should none any more (all revoked in between, or no
                // memory), the agent gets a text that opens nothing, which is what it then is entitled to.
                tracing::error!(%error, jti = %self.caller.jti(), "a user's token could not be signed");
                BearerToken::new("unsigned")
            })
        })
    }
}

impl Identity {
    /// Cuts the caller's rights down for one invocation of one endpoint.
    ///
    /// # Errors
    /// If nothing of the caller's time is left, or too many endpoints already act for the user.
    pub fn downscope(
        &self,
        caller: &Caller,
        declared: &ScopeSet,
        act: &Act,
        latest: Timestamp,
    ) -> Result<DownscopedToken, DownscopeError> {
        let now = self.now();
        if caller.act_chain().len() >= MAX_CHAIN {
            return Err(DownscopeError::ChainTooLong);
        }
        let origins = caller.next_origins().ok_or(DownscopeError::ChainTooLong)?;
        self.signing_key().map_err(|_| DownscopeError::NoSigningKey)?;
        let longest = now.saturating_add(self.inner.config.max_token_lifetime).unwrap_or(Timestamp::MAX);
        let end = caller.expires_at().map_or(latest, |end| end.min(latest)).min(longest);
        let expires_at = whole_seconds(end);
        // The caller's own token was accepted with the same leeway.
        if expires_at.saturating_add(self.inner.config.leeway).unwrap_or(Timestamp::MAX) <= now {
            return Err(DownscopeError::Expired);
        }
        let narrowed = Facts {
            principal: caller.principal().clone(),
            scopes: caller.scopes().intersect(declared),
            kind: TokenKind::OnBehalfOfUser,
            acts: std::iter::once(act).chain(caller.act_chain()).cloned().collect(),
            origins,
            jti: Jti::random(&*self.inner.entropy),
            client_id: caller.facts().client_id.clone(),
            issued_at: whole_seconds(now).min(expires_at),
            expires_at: Some(expires_at),
            worker: None,
            details: caller.authorization_details().to_vec(),
        };
        Ok(DownscopedToken { identity: self.clone(), caller: Caller::new(narrowed), token: OnceLock::new() })
    }

    /// Whether what this caller's token proves is still true: not over, nobody disabled, nothing revoked (a signing
    /// key apart). For work that goes on after the request that authenticated it.
    ///
    /// # Errors
    /// If the token would be refused now.
    pub fn recheck(&self, caller: &Caller) -> Result<(), Unauthenticated> {
        let entry = crate::verified::Verified::new(caller.clone(), None, u64::MAX);
        self.still_counts(&entry, self.now())
    }
}
