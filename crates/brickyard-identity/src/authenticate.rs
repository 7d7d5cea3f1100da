//! From a token's text to a [`Caller`]: the one place where text becomes somebody.
//!
//! Two roads that never cross. `dapi...` is hashed and looked up. Everything else is a JWT or nothing (see
//! `jwt.rs`). Then both must still *count*: not over, principal there and active, neither the token nor one it was
//! made from revoked, key trusted. The last part is asked on every request, the first only once for each token.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use brickyard_store::Snapshot;
use brickyard_types::{
    BearerToken, Jti, PrincipalKind, ScopeSet, ShownToken, SignedDuration, Timestamp, WorkerId,
};

use crate::caller::{Act, Caller, Facts, MAX_CHAIN, TokenKind};
use crate::credentials::PersonalAccessToken;
use crate::identity::Identity;
use crate::jwt::{Claims, MAX_TOKEN, Presented};
use crate::verified::{Verified, digest_of};

/// How a personal access token begins.
pub(crate) const PAT_PREFIX: &str = "dapi";

/// Why a token is refused. To whoever shows the token, all of these are one answer; the reason is for the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unauthenticated {
    /// Longer than any token made here.
    #[error("the token is longer than 8 KiB")]
    TooLong,
    /// Not in the one accepted form.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// `typ` is not `at+jwt`.
    #[error("the token is not an access token (typ at+jwt)")]
    Type,
    /// No key of that name.
    #[error("the token names a signing key that this workspace does not have")]
    UnknownKey,
    /// The key is revoked or has not begun.
    #[error("the token's signing key is revoked or not valid yet")]
    UntrustedKey,
    /// `alg` is not the key's own.
    #[error("the token's algorithm is not that of its key")]
    Algorithm,
    /// Signed by somebody else, or changed.
    #[error("the token's signature is wrong")]
    Signature,
    /// `iss` is not exactly ours.
    #[error("the token was issued by somebody else")]
    Issuer,
    /// `aud` is not exactly this workspace.
    #[error("the token is for another workspace")]
    Audience,
    /// Over.
    #[error("the token has expired")]
    Expired,
    /// `nbf` or `iat` in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// Lives longer than any token may.
    #[error("the token's lifetime is longer than this workspace allows")]
    TooLongLived,
    /// No personal access token of that text.
    #[error("the personal access token is unknown or was deleted")]
    UnknownToken,
    /// It, or a token it was made from, was revoked.
    #[error("the token was revoked")]
    Revoked,
    /// Nobody of that name.
    #[error("the token's principal does not exist")]
    UnknownPrincipal,
    /// Disabled.
    #[error("the token's principal is disabled")]
    Disabled,
}

impl Identity {
    /// Who shows this token. Never blocks; a token seen before costs one SHA-256 and a few lookups.
    ///
    /// # Errors
    /// If the token is not one of this workspace's, or does not count (any more, or yet).
    pub fn authenticate(&self, token: &BearerToken) -> Result<Caller, Unauthenticated> {
        self.authenticate_shown(token.shown())
    }

    /// The same, of a token that is not copied to be looked at.
    ///
    /// # Errors
    /// The same.
    pub fn authenticate_shown(&self, token: ShownToken<'_>) -> Result<Caller, Unauthenticated> {
        let text = token.expose();
        // Before anything is computed over it.
        if text.len() > MAX_TOKEN {
            return Err(Unauthenticated::TooLong);
        }
        let now = self.now();
        let digest = digest_of(text);
        if let Some(entry) = self.inner.verified.get(&digest) {
            match self.still_counts(&entry, now) {
                Ok(()) => return Ok(entry.caller.clone()),
                Err(reason) => {
                    self.inner.verified.remove(&digest);
                    // A personal access token may only have got other scopes: it is looked up again.
                    if !text.starts_with(PAT_PREFIX) {
                        return Err(reason);
                    }
                }
            }
        }
        let snapshot = self.inner.store.snapshot();
        let (caller, kid) = if text.starts_with(PAT_PREFIX) {
            (self.look_up(text, &snapshot)?, None)
        } else {
            let (caller, kid) = self.verify(text, &snapshot, now)?;
            (caller, Some(kid))
        };
        // Remembered as counting at no version: the first check below is the full one.
        let entry = Verified::new(caller, kid, NEVER);
        self.still_counts(&entry, now)?;
        let caller = entry.caller.clone();
        self.inner.verified.insert(digest, entry, now);
        Ok(caller)
    }

    fn look_up(&self, text: &str, snapshot: &Snapshot) -> Result<Caller, Unauthenticated> {
        let hash = self.inner.pepper.personal_access_token(text);
        let token = snapshot
            .get(self.inner.slots.credentials())
            .token_by_hash(&hash)
            .ok_or(Unauthenticated::UnknownToken)?;
        let owner = snapshot
            .get(self.inner.slots.directory())
            .by_id(token.owner)
            .ok_or(Unauthenticated::UnknownPrincipal)?;
        Ok(Caller::new(Facts {
            principal: owner.principal.clone(),
            scopes: token.scopes.clone().unwrap_or_else(ScopeSet::all_apis),
            kind: TokenKind::PersonalAccessToken,
            acts: Vec::new(),
            origins: Vec::new(),
            jti: token.id,
            client_id: owner.principal.name.clone(),
            issued_at: token.created_at,
            expires_at: token.expires_at,
            worker: None,
            details: Vec::new(),
        }))
    }

    fn verify(
        &self,
        text: &str,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Result<(Caller, Arc<str>), Unauthenticated> {
        let presented = Presented::read(text)?;
        let key =
            snapshot.get(self.inner.slots.keys()).key(presented.kid()).ok_or(Unauthenticated::UnknownKey)?;
        if !key.is_trusted_at(now) {
            return Err(Unauthenticated::UntrustedKey);
        }
        #[cfg(test)]
        self.inner.checked.fetch_add(1, Ordering::Relaxed);
        let claims = presented.verify(key)?;
        Ok((self.read(claims, snapshot, now)?, key.kid.clone()))
    }

    /// What verified claims say, if they may say it.
    fn read(&self, claims: Claims, snapshot: &Snapshot, now: Timestamp) -> Result<Caller, Unauthenticated> {
        if claims.iss != *self.inner.issuer {
            return Err(Unauthenticated::Issuer);
        }
        if claims.aud.0 != *self.inner.audience {
            return Err(Unauthenticated::Audience);
        }
        let moment = |seconds| {
            Timestamp::from_second(seconds).map_err(|_| Unauthenticated::Malformed("a time is out of range"))
        };
        let (issued_at, expires_at) = (moment(claims.iat)?, moment(claims.exp)?);
        let latest = now.saturating_add(self.inner.config.leeway).unwrap_or(Timestamp::MAX);
        let begins = claims.nbf.map_or(Ok(issued_at), moment)?;
        if issued_at > latest || begins > latest {
            return Err(Unauthenticated::NotYetValid);
        }
        let life = expires_at.duration_since(issued_at);
        if life > self.inner.config.max_token_lifetime {
            return Err(Unauthenticated::TooLongLived);
        }
        if life < SignedDuration::ZERO {
            return Err(Unauthenticated::Expired);
        }
        let scopes = ScopeSet::parse(&claims.scope)
            .map_err(|_| Unauthenticated::Malformed("scope is not a list of scopes"))?;
        let mut acts = Vec::new();
        let mut ahead = claims.act;
        while let Some(act) = ahead {
            if acts.len() >= MAX_CHAIN {
                return Err(Unauthenticated::Malformed("the chain of actors is too long"));
            }
            acts.push(Act { endpoint_id: act.sub, endpoint_name: act.endpoint_name });
            ahead = act.act;
        }
        if claims.origin.len() > MAX_CHAIN {
            return Err(Unauthenticated::Malformed("the chain of origins is too long"));
        }
        let principal = snapshot
            .get(self.inner.slots.directory())
            .by_name(&claims.sub)
            .map(|entry| &entry.principal)
            .filter(|principal| principal.id == claims.uid)
            .ok_or(Unauthenticated::UnknownPrincipal)?;
        Ok(Caller::new(Facts {
            kind: kind_of(principal.kind, &acts),
            principal: principal.clone(),
            scopes,
            acts,
            origins: claims.origin,
            jti: claims.jti,
            client_id: claims.client_id.into(),
            issued_at,
            expires_at: Some(expires_at),
            worker: claims.worker.map(|name| WorkerId(name.into())),
            details: claims.authorization_details,
        }))
    }

    /// Asks of a verified token whether it counts at this moment.
    pub(crate) fn still_counts(&self, entry: &Verified, now: Timestamp) -> Result<(), Unauthenticated> {
        let caller = &entry.caller;
        if let Some(end) = caller.expires_at() {
            // A personal access token is looked up here, by this clock: no leeway to give.
            let looked_up = caller.kind() == TokenKind::PersonalAccessToken;
            let leeway = if looked_up { SignedDuration::ZERO } else { self.inner.config.leeway };
            if end.saturating_add(leeway).unwrap_or(Timestamp::MAX) <= now {
                return Err(Unauthenticated::Expired);
            }
        }
        let snapshot = self.inner.store.snapshot();
        if entry.counted_at.load(Ordering::Relaxed) == snapshot.version() {
            return Ok(());
        }
        self.counts_in(entry, &snapshot, now)?;
        entry.counted_at.store(snapshot.version(), Ordering::Relaxed);
        Ok(())
    }

    fn counts_in(
        &self,
        entry: &Verified,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Result<(), Unauthenticated> {
        let caller = &entry.caller;
        let slots = self.inner.slots;
        if let Some(kid) = &entry.kid {
            match snapshot.get(slots.keys()).key(kid) {
                None => return Err(Unauthenticated::UnknownKey),
                Some(key) if !key.is_trusted_at(now) => return Err(Unauthenticated::UntrustedKey),
                Some(_) => {}
            }
        }
        // An id may mean somebody else after a reset: the whole principal is compared.
        match snapshot.get(slots.directory()).by_id(caller.principal().id) {
            Some(found) if found.principal == *caller.principal() => {
                if !found.active {
                    return Err(Unauthenticated::Disabled);
                }
            }
            _ => return Err(Unauthenticated::UnknownPrincipal),
        }
        let credentials = snapshot.get(slots.credentials());
        if caller.kind() == TokenKind::PersonalAccessToken {
            let all = ScopeSet::all_apis();
            let same = |token: &PersonalAccessToken| token.scopes.as_ref().unwrap_or(&all) == caller.scopes();
            if !credentials.token(caller.jti()).is_some_and(same) {
                return Err(Unauthenticated::UnknownToken);
            }
        } else if credentials.is_revoked(caller.jti()) {
            return Err(Unauthenticated::Revoked);
        }
        if caller.origins().iter().any(|origin| !credentials.still_stands(*origin, caller.scopes())) {
            return Err(Unauthenticated::Revoked);
        }
        Ok(())
    }

    /// Puts a token made here where [`authenticate`](Self::authenticate) finds it: it is never verified.
    pub(crate) fn remember(&self, token: &BearerToken, caller: &Caller, kid: &Arc<str>, now: Timestamp) {
        let entry = Verified::new(caller.clone(), Some(kid.clone()), NEVER);
        self.inner.verified.insert(digest_of(token.expose()), entry, now);
    }

    /// True if this access token was revoked; says nothing about its ancestors.
    pub fn is_revoked(&self, jti: Jti) -> bool {
        self.inner.store.read(self.inner.slots.credentials()).is_revoked(jti)
    }
}

/// No version of a store: they begin at 0 and do not get here.
const NEVER: u64 = u64::MAX;

/// A token is what its contents make it, not what it says of itself.
pub(crate) fn kind_of(principal: PrincipalKind, acts: &[Act]) -> TokenKind {
    match principal {
        _ if !acts.is_empty() => TokenKind::OnBehalfOfUser,
        PrincipalKind::SystemServicePrincipal(_) => TokenKind::Passthrough,
        _ => TokenKind::AccessToken,
    }
}
