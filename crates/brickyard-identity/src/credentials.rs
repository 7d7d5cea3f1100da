//! What principals hold and show again: personal access tokens, client secrets; and which tokens are revoked.
//!
//! Only keyed hashes are kept. A lookup costs the same with one token and with a million.

use std::sync::Arc;

use brickyard_store::{State, Transaction};
use brickyard_types::{Jti, PrincipalId, ScopeSet, Timestamp};
use imbl::{HashMap, OrdSet};
use serde::{Deserialize, Serialize};

use crate::caller::Origin;
use crate::keyed_hash::KeyedHash;
use crate::slots::IdentitySlots;

/// A personal access token, without its text.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PersonalAccessToken {
    /// What the REST API calls `token_id`.
    pub id: Jti,
    /// Whose it is.
    pub owner: PrincipalId,
    /// What its text hashes to.
    pub hash: KeyedHash,
    /// For people to read.
    pub comment: Arc<str>,
    /// When it was made or imported.
    pub created_at: Timestamp,
    /// When it ends, if ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// What it opens; `all-apis` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<ScopeSet>,
}

/// A client secret of a service principal, without its text. Several may be valid at once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServicePrincipalSecret {
    /// Its id.
    pub id: Jti,
    /// The service principal.
    pub owner: PrincipalId,
    /// What its text hashes to.
    pub hash: KeyedHash,
    /// When it was made or imported.
    pub created_at: Timestamp,
    /// When it ends, if ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// What a client that shows it may ask for; anything when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<ScopeSet>,
}

/// A change as the journal keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum CredentialsChange {
    /// A personal access token was made or imported.
    TokenCreated(PersonalAccessToken),
    /// A personal access token was deleted.
    TokenDeleted {
        /// Its id.
        id: Jti,
    },
    /// A client secret was made or imported.
    SecretCreated(ServicePrincipalSecret),
    /// A client secret was deleted.
    SecretDeleted {
        /// The service principal.
        owner: PrincipalId,
        /// Its id.
        id: Jti,
    },
    /// An access token, and all that was made from it, was revoked.
    TokenRevoked {
        /// Its `jti`.
        jti: Jti,
        /// When it would have ended: from then on nobody needs to remember it.
        until: Timestamp,
        /// When it was revoked.
        at: Timestamp,
    },
    /// All credentials of a deleted principal.
    PrincipalForgotten {
        /// Who.
        id: PrincipalId,
    },
}

/// A change to credentials that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// Nobody, or nobody active, of that id.
    #[error("principal {0} does not exist")]
    NoSuchPrincipal(PrincipalId),
    /// Only service principals that somebody created have client secrets.
    #[error("{0} is not a service principal that can have client secrets")]
    NotAServicePrincipal(String),
    /// Hidden principals get their tokens from the rotation.
    #[error("service principal {0} belongs to a serving endpoint: its tokens come and go with its workers")]
    System(String),
    /// A lifetime that makes no sense.
    #[error("a lifetime is at least one second, and ends before the year 10000")]
    Lifetime,
    /// The text is no personal access token.
    #[error(
        "a personal access token is `dapi` and more, 12 to 512 printable ASCII characters without spaces"
    )]
    NotAPersonalAccessToken,
    /// The text is no client secret.
    #[error("a client secret has 12 to 512 printable ASCII characters without spaces")]
    NotASecret,
    /// The same text already belongs to somebody.
    #[error("this personal access token already belongs to another principal; give each its own")]
    AlreadyInUse,
    /// No such token or secret of that owner.
    #[error("{kind} {id} does not exist")]
    NotFound {
        /// `token` or `secret`.
        kind: &'static str,
        /// Its id.
        id: Jti,
    },
    /// Enough.
    #[error("a service principal has at most {0} client secrets; delete one first")]
    TooMany(usize),
}

/// The state of all credentials.
#[derive(Clone, Default)]
pub struct Credentials {
    tokens: HashMap<KeyedHash, Arc<PersonalAccessToken>>,
    token_ids: HashMap<Jti, Arc<PersonalAccessToken>>,
    tokens_of: HashMap<PrincipalId, OrdSet<Jti>>,
    secrets_of: HashMap<PrincipalId, Arc<[Arc<ServicePrincipalSecret>]>>,
    revoked: HashMap<Jti, Timestamp>,
    revoked_by_end: OrdSet<(Timestamp, Jti)>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("tokens", &self.tokens.len())
            .field("revoked", &self.revoked.len())
            .finish_non_exhaustive()
    }
}

impl State for Credentials {
    const OWNER: &'static str = "identity.credentials";
    type Change = CredentialsChange;

    fn apply(&mut self, change: &CredentialsChange) {
        match change {
            CredentialsChange::TokenCreated(token) => {
                let token = Arc::new(token.clone());
                self.tokens_of.entry(token.owner).or_default().insert(token.id);
                self.token_ids.insert(token.id, token.clone());
                self.tokens.insert(token.hash, token);
            }
            CredentialsChange::TokenDeleted { id } => {
                let Some(token) = self.token_ids.remove(id) else { return };
                self.tokens.remove(&token.hash);
                if let Some(ids) = self.tokens_of.get_mut(&token.owner) {
                    ids.remove(id);
                }
            }
            CredentialsChange::SecretCreated(secret) => {
                let old = self
                    .secrets_of
                    .get(&secret.owner)
                    .into_iter()
                    .flat_map(|secrets| secrets.iter().cloned());
                let all = old.chain([Arc::new(secret.clone())]).collect();
                self.secrets_of.insert(secret.owner, all);
            }
            CredentialsChange::SecretDeleted { owner, id } => {
                if let Some(secrets) = self.secrets_of.get_mut(owner) {
                    *secrets = secrets.iter().filter(|secret| secret.id != *id).cloned().collect();
                }
            }
            CredentialsChange::TokenRevoked { jti, until, at } => {
                while let Some((end, ended)) =
                    self.revoked_by_end.get_min().copied().filter(|(end, _)| end < at)
                {
                    self.revoked_by_end.remove(&(end, ended));
                    self.revoked.remove(&ended);
                }
                self.revoked.insert(*jti, *until);
                self.revoked_by_end.insert((*until, *jti));
            }
            CredentialsChange::PrincipalForgotten { id } => {
                for id in self.tokens_of.remove(id).unwrap_or_default() {
                    if let Some(token) = self.token_ids.remove(&id) {
                        self.tokens.remove(&token.hash);
                    }
                }
                self.secrets_of.remove(id);
            }
        }
    }
}

impl Credentials {
    /// The personal access token whose text hashes to that.
    pub fn token_by_hash(&self, hash: &KeyedHash) -> Option<&PersonalAccessToken> {
        self.tokens.get(hash).map(|token| &**token)
    }

    /// The personal access token with that id.
    pub fn token(&self, id: Jti) -> Option<&PersonalAccessToken> {
        self.token_ids.get(&id).map(|token| &**token)
    }

    /// The personal access tokens of one principal.
    pub fn tokens_of(&self, owner: PrincipalId) -> impl Iterator<Item = &PersonalAccessToken> {
        self.tokens_of.get(&owner).into_iter().flatten().filter_map(|id| self.token(*id))
    }

    /// Everybody's personal access tokens, in no order.
    pub fn tokens(&self) -> impl Iterator<Item = &PersonalAccessToken> {
        self.token_ids.values().map(|token| &**token)
    }

    /// The client secrets of one service principal, oldest first.
    pub fn secrets_of(&self, owner: PrincipalId) -> impl Iterator<Item = &ServicePrincipalSecret> {
        self.secrets_of.get(&owner).into_iter().flat_map(|secrets| secrets.iter()).map(|secret| &**secret)
    }

    /// True if that access token was revoked.
    pub fn is_revoked(&self, jti: Jti) -> bool {
        !self.revoked.is_empty() && self.revoked.contains_key(&jti)
    }

    /// True while the token that another was made from has not been taken back, and still opens `scopes`.
    pub fn still_stands(&self, origin: Origin, scopes: &ScopeSet) -> bool {
        match origin {
            Origin::Token(jti) => !self.is_revoked(jti),
            Origin::PersonalAccessToken(id) => self
                .token(id)
                .is_some_and(|token| token.scopes.as_ref().is_none_or(|own| own.covers_all(scopes))),
        }
    }
}

/// Forgets all credentials of a principal that is being deleted.
pub(crate) fn forget_principal(tx: &mut Transaction, slots: IdentitySlots, id: PrincipalId) {
    let credentials = tx.get(slots.credentials());
    if credentials.tokens_of.contains_key(&id) || credentials.secrets_of.contains_key(&id) {
        tx.change(slots.credentials(), CredentialsChange::PrincipalForgotten { id });
    }
}
