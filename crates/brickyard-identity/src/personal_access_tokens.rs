//! Personal access tokens: made here, imported from the configuration, listed, deleted. The text is shown once and
//! kept nowhere.

use std::sync::Arc;

use brickyard_types::{
    BearerToken, Entropy, Jti, Principal, PrincipalId, ScopeSet, Secret, SignedDuration, Timestamp,
};

use crate::authenticate::PAT_PREFIX;
use crate::credentials::{CredentialsChange, CredentialsError, PersonalAccessToken};
use crate::error::IdentityError;
use crate::identity::Identity;

const SHORTEST: usize = 12;
const LONGEST: usize = 512;

/// A personal access token that was just made. The text will not be seen again.
#[derive(Clone, Debug)]
pub struct CreatedPat {
    /// The text.
    pub token: BearerToken,
    /// What is kept of it.
    pub info: PersonalAccessToken,
}

/// A personal access token that the configuration gives to somebody.
#[derive(Clone, Debug)]
pub struct ImportedPat {
    /// Whose it is.
    pub owner: PrincipalId,
    /// Its text.
    pub value: Secret,
    /// For people to read.
    pub comment: String,
    /// When it ends, if ever.
    pub expires_at: Option<Timestamp>,
    /// What it opens; `all-apis` when absent.
    pub scopes: Option<ScopeSet>,
}

impl ImportedPat {
    /// A token for everything, without an end.
    pub fn new(owner: PrincipalId, value: Secret) -> Self {
        Self { owner, value, comment: String::new(), expires_at: None, scopes: None }
    }
}

/// `prefix` and 128 random bits in hexadecimal.
pub(crate) fn random_text(prefix: &str, entropy: &dyn Entropy) -> String {
    format!("{prefix}{}", Jti::random(entropy))
}

/// Text that can stand in a header and was not typed by accident.
pub(crate) fn is_credential_text(text: &str) -> bool {
    (SHORTEST..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// True for text that could be a personal access token: `dapi` and more.
pub fn is_personal_access_token(text: &str) -> bool {
    text.starts_with(PAT_PREFIX) && is_credential_text(text)
}

/// True for text that could be a client secret.
pub fn is_client_secret(text: &str) -> bool {
    is_credential_text(text)
}

/// When something that is made at `now` ends.
pub(crate) fn end_of(
    lifetime: Option<SignedDuration>,
    now: Timestamp,
) -> Result<Option<Timestamp>, CredentialsError> {
    match lifetime {
        None => Ok(None),
        Some(lifetime) if lifetime < SignedDuration::from_secs(1) => Err(CredentialsError::Lifetime),
        Some(lifetime) => now.checked_add(lifetime).map(Some).map_err(|_| CredentialsError::Lifetime),
    }
}

/// What of a personal access token is to be another; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct PatChange {
    /// For people to read.
    pub comment: Option<String>,
    /// What it opens; `Some(None)` is everything.
    pub scopes: Option<Option<ScopeSet>>,
}

impl Identity {
    /// Makes a personal access token for a user or service principal. Without a lifetime it has no end; without
    /// scopes it opens everything.
    ///
    /// # Errors
    /// If the principal is not there or is an endpoint's own, or the lifetime is not one.
    pub async fn create_pat(
        &self,
        owner: &Principal,
        comment: &str,
        lifetime: Option<SignedDuration>,
        scopes: Option<ScopeSet>,
    ) -> Result<CreatedPat, IdentityError> {
        let created_at = self.now();
        let token = BearerToken::new(random_text(PAT_PREFIX, &*self.inner.entropy));
        let info = PersonalAccessToken {
            id: Jti::random(&*self.inner.entropy),
            owner: owner.id,
            hash: self.inner.pepper.personal_access_token(token.expose()),
            comment: comment.into(),
            created_at,
            expires_at: end_of(lifetime, created_at)?,
            scopes,
        };
        self.add_tokens(vec![info.clone()]).await?;
        Ok(CreatedPat { token, info })
    }

    /// Takes a token of the configuration over. The same text for the same principal again changes nothing but its scopes.
    ///
    /// # Errors
    /// If the text is no personal access token, or is somebody else's.
    pub async fn import_pat(&self, token: ImportedPat) -> Result<(), IdentityError> {
        self.import_pats(vec![token]).await.map(|_| ())
    }

    /// [`import_pat`](Self::import_pat) for many, all or none, in one commit. Answers their ids.
    ///
    /// # Errors
    /// If one of the texts is no personal access token, or is somebody else's.
    pub async fn import_pats(&self, tokens: Vec<ImportedPat>) -> Result<Vec<Jti>, IdentityError> {
        let created_at = self.now();
        let mut new = Vec::with_capacity(tokens.len());
        for token in tokens {
            let text = token
                .value
                .expose_str()
                .filter(|text| is_personal_access_token(text))
                .ok_or(CredentialsError::NotAPersonalAccessToken)?;
            new.push(PersonalAccessToken {
                id: Jti::random(&*self.inner.entropy),
                owner: token.owner,
                hash: self.inner.pepper.personal_access_token(text),
                comment: Arc::from(token.comment),
                created_at,
                expires_at: token.expires_at,
                scopes: token.scopes,
            });
        }
        self.add_tokens(new).await
    }

    /// Changes the comment or the scopes of a personal access token, effective at once: whatever was made from it and
    /// opens more than it does now is nothing any more. With an owner only that owner's.
    ///
    /// # Errors
    /// If there is no such token.
    pub async fn change_pat(
        &self,
        owner: Option<PrincipalId>,
        id: Jti,
        change: PatChange,
    ) -> Result<PersonalAccessToken, IdentityError> {
        let slot = self.inner.slots.credentials();
        self.commit(|tx| match tx.get(slot).token(id) {
            Some(token) if owner.is_none_or(|owner| owner == token.owner) => {
                let mut changed = token.clone();
                if let Some(comment) = change.comment {
                    changed.comment = comment.into();
                }
                if let Some(scopes) = change.scopes {
                    changed.scopes = scopes;
                }
                // The state is keyed by id and hash, so the same token again replaces it.
                tx.change(slot, CredentialsChange::TokenCreated(changed.clone()));
                Ok(changed)
            }
            _ => Err(CredentialsError::NotFound { kind: "token", id }),
        })
        .await
    }

    async fn add_tokens(&self, tokens: Vec<PersonalAccessToken>) -> Result<Vec<Jti>, IdentityError> {
        let slots = self.inner.slots;
        self.commit(|tx| {
            let mut ids = Vec::with_capacity(tokens.len());
            for token in tokens {
                match tx.get(slots.directory()).by_id(token.owner) {
                    None => return Err(CredentialsError::NoSuchPrincipal(token.owner)),
                    Some(owner) if owner.is_system() => {
                        return Err(CredentialsError::System(owner.principal.name.to_string()));
                    }
                    Some(_) => {}
                }
                match tx.get(slots.credentials()).token_by_hash(&token.hash) {
                    Some(known) if known.owner == token.owner && known.scopes == token.scopes => {
                        ids.push(known.id);
                    }
                    // The configuration names other scopes than it, or the API, did before.
                    Some(known) if known.owner == token.owner => {
                        let changed = PersonalAccessToken { scopes: token.scopes, ..known.clone() };
                        ids.push(changed.id);
                        tx.change(slots.credentials(), CredentialsChange::TokenCreated(changed));
                    }
                    Some(_) => return Err(CredentialsError::AlreadyInUse),
                    None => {
                        ids.push(token.id);
                        tx.change(slots.credentials(), CredentialsChange::TokenCreated(token));
                    }
                }
            }
            Ok(ids)
        })
        .await
    }

    /// The personal access tokens of one principal, oldest first; ended ones too, until they are deleted.
    pub fn pats_of(&self, owner: PrincipalId) -> Vec<PersonalAccessToken> {
        let mut tokens: Vec<_> = self.credentials().tokens_of(owner).cloned().collect();
        tokens.sort_by_key(|token| (token.created_at, token.id));
        tokens
    }

    /// Deletes a personal access token, effective at once, with everything that was made from it. With an owner
    /// only that owner's.
    ///
    /// # Errors
    /// If there is no such token.
    pub async fn delete_pat(&self, owner: Option<PrincipalId>, id: Jti) -> Result<(), IdentityError> {
        let slot = self.inner.slots.credentials();
        self.commit(|tx| match tx.get(slot).token(id) {
            Some(token) if owner.is_none_or(|owner| owner == token.owner) => {
                tx.change(slot, CredentialsChange::TokenDeleted { id });
                Ok(())
            }
            _ => Err(CredentialsError::NotFound { kind: "token", id }),
        })
        .await
    }
}
