//! Client secrets of service principals: several valid at once, each with an end and, if wanted, fewer scopes.

use brickyard_types::{
    Entropy, Jti, PrincipalId, PrincipalKind, ScopeSet, Secret, SignedDuration, Timestamp,
};

use crate::credentials::{CredentialsChange, CredentialsError, ServicePrincipalSecret};
use crate::error::IdentityError;
use crate::identity::Identity;
use crate::personal_access_tokens::{end_of, is_credential_text, random_text};

/// Databricks allows five; a rotation needs two.
const MOST: usize = 5;
const PREFIX: &str = "dose";
/// What an OAuth secret lives when nothing is said: two years, as documented.
const DEFAULT_LIFETIME: SignedDuration = SignedDuration::from_hours(730 * 24);

/// A client secret that was just made. The text will not be seen again.
#[derive(Clone, Debug)]
pub struct CreatedSecret {
    /// The text.
    pub secret: Secret,
    /// What is kept of it.
    pub info: ServicePrincipalSecret,
}

impl Identity {
    /// Makes a client secret; without a lifetime it lives two years.
    ///
    /// # Errors
    /// If there is no such service principal, it is an endpoint's own, or it has five secrets.
    pub async fn create_secret(
        &self,
        service_principal: PrincipalId,
        lifetime: Option<SignedDuration>,
        scopes: Option<ScopeSet>,
    ) -> Result<CreatedSecret, IdentityError> {
        let entropy: &dyn Entropy = &*self.inner.entropy;
        let secret = Secret::from(random_text(PREFIX, entropy));
        let now = self.now();
        let expires_at = end_of(Some(lifetime.unwrap_or(DEFAULT_LIFETIME)), now)?;
        let info = self.kept(service_principal, &secret, expires_at, scopes, now);
        self.add_secret(info.clone()).await?;
        Ok(CreatedSecret { secret, info })
    }

    /// Takes a client secret of the configuration over; it has no end unless one is given. The same text again
    /// changes nothing. Answers its id.
    ///
    /// # Errors
    /// If the text is too short to be one, there is no such service principal, or it has five secrets.
    pub async fn import_secret(
        &self,
        service_principal: PrincipalId,
        value: &Secret,
        expires_at: Option<Timestamp>,
        scopes: Option<ScopeSet>,
    ) -> Result<Jti, IdentityError> {
        if !value.expose_str().is_some_and(is_credential_text) {
            return Err(CredentialsError::NotASecret.into());
        }
        let info = self.kept(service_principal, value, expires_at, scopes, self.now());
        self.add_secret(info).await
    }

    fn kept(
        &self,
        owner: PrincipalId,
        text: &Secret,
        expires_at: Option<Timestamp>,
        scopes: Option<ScopeSet>,
        created_at: Timestamp,
    ) -> ServicePrincipalSecret {
        let id = Jti::random(&*self.inner.entropy);
        let hash = self.inner.pepper.client_secret(text.expose());
        ServicePrincipalSecret { id, owner, hash, created_at, expires_at, scopes }
    }

    async fn add_secret(&self, secret: ServicePrincipalSecret) -> Result<Jti, IdentityError> {
        let slots = self.inner.slots;
        self.commit(|tx| {
            match tx.get(slots.directory()).by_id(secret.owner).map(|entry| &entry.principal) {
                None => return Err(CredentialsError::NoSuchPrincipal(secret.owner)),
                Some(owner) if owner.kind != PrincipalKind::ServicePrincipal => {
                    return Err(CredentialsError::NotAServicePrincipal(owner.name.to_string()));
                }
                Some(_) => {}
            }
            let known: Vec<_> = tx.get(slots.credentials()).secrets_of(secret.owner).collect();
            let same =
                |known: &&&ServicePrincipalSecret| known.hash == secret.hash && known.scopes == secret.scopes;
            if let Some(same) = known.iter().find(same) {
                return Ok(same.id);
            }
            if known.len() >= MOST {
                return Err(CredentialsError::TooMany(MOST));
            }
            let id = secret.id;
            tx.change(slots.credentials(), CredentialsChange::SecretCreated(secret));
            Ok(id)
        })
        .await
    }

    /// The client secrets of one service principal, oldest first.
    pub fn secrets_of(&self, service_principal: PrincipalId) -> Vec<ServicePrincipalSecret> {
        self.credentials().secrets_of(service_principal).cloned().collect()
    }

    /// Deletes a client secret. Tokens that were made with it live on to their end.
    ///
    /// # Errors
    /// If the service principal has no such secret.
    pub async fn delete_secret(&self, service_principal: PrincipalId, id: Jti) -> Result<(), IdentityError> {
        let slot = self.inner.slots.credentials();
        self.commit(|tx| {
            if !tx.get(slot).secrets_of(service_principal).any(|secret| secret.id == id) {
                return Err(CredentialsError::NotFound { kind: "secret", id });
            }
            tx.change(slot, CredentialsChange::SecretDeleted { owner: service_principal, id });
            Ok(())
        })
        .await
    }
}
