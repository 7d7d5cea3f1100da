//! Whose credential a piece of text is: for those who hand secrets on and want to say who acts with them.

use brickyard_types::{BearerToken, Principal, ScopeSet, Secret};

use crate::identity::Identity;

/// Who acts with a credential, and what it opens.
#[derive(Clone, Debug)]
pub struct OwnedCredential {
    /// Whose it is.
    pub principal: Principal,
    /// What it opens.
    pub scopes: ScopeSet,
}

impl Identity {
    /// The owner of a token or client secret of this workspace; `None` for what is no credential here (any more). Looks
    /// at every client secret: meant for when an agent is started, not for requests.
    pub fn owner_of_secret(&self, secret: &Secret) -> Option<OwnedCredential> {
        let text = secret.expose_str()?;
        if let Ok(caller) = self.authenticate(&BearerToken::new(text)) {
            return Some(OwnedCredential {
                principal: caller.principal().clone(),
                scopes: caller.scopes().clone(),
            });
        }
        let hash = self.inner.pepper.client_secret(secret.expose());
        let (directory, credentials) = (self.directory(), self.credentials());
        let (entry, secret) = directory.service_principals().find_map(|entry| {
            let known = credentials.secrets_of(entry.principal.id).find(|known| known.hash.matches(&hash))?;
            Some((entry, known))
        })?;
        let scopes = secret.scopes.clone().unwrap_or_else(ScopeSet::all_apis);
        Some(OwnedCredential { principal: entry.principal.clone(), scopes })
    }
}
