//! `/oidc/v1/introspect` (RFC 7662) and `/oidc/v1/revoke` (RFC 7009), without HTTP.

use brickyard_types::{BearerToken, Jti, Principal, ScopeSet, Timestamp};

use super::{OAuthError, OAuthForm};
use crate::caller::{Act, Caller, TokenKind};
use crate::credentials::CredentialsChange;
use crate::identity::Identity;

/// What an introspection says. There is one inactive answer: unknown, expired, revoked and somebody else's tokens
/// cannot be told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Introspection {
    /// Not a token that the asker may know of.
    Inactive,
    /// A token that counts.
    Active {
        /// Whose.
        principal: Principal,
        /// The client that it was issued to.
        client_id: String,
        /// What it opens.
        scope: ScopeSet,
        /// Its id.
        jti: Jti,
        /// When it was made.
        issued_at: Timestamp,
        /// When it ends.
        expires_at: Option<Timestamp>,
        /// Who acts for the principal.
        act: Option<Act>,
        /// What kind it is.
        kind: TokenKind,
    },
}

/// Who asks.
enum Asker {
    Client(Principal),
    Bearer(Caller),
}

impl Asker {
    fn principal(&self) -> &Principal {
        match self {
            Self::Client(principal) => principal,
            Self::Bearer(caller) => caller.principal(),
        }
    }
}

impl Identity {
    fn asker(&self, authorization: Option<&str>, form: &OAuthForm) -> Result<Option<Asker>, OAuthError> {
        if let Some((scheme, token)) = authorization.and_then(|header| header.split_once(' '))
            && scheme.eq_ignore_ascii_case("bearer")
        {
            if form.get("client_secret").is_some() {
                return Err(OAuthError::InvalidRequest(
                    "authenticate in the header or in the form, not in both".to_owned(),
                ));
            }
            let caller =
                self.authenticate(&BearerToken::new(token)).map_err(|_| OAuthError::InvalidClient)?;
            return Ok(Some(Asker::Bearer(caller)));
        }
        Ok(self.client_of(authorization, form)?.map(|client| Asker::Client(client.principal().clone())))
    }

    /// Says what a token is to whoever it belongs to, to the client that it was issued to, and to an admin. The asker
    /// authenticates as a client, or with a bearer token.
    ///
    /// # Errors
    /// If the asker does not authenticate, or no token is given.
    pub fn introspect(
        &self,
        authorization: Option<&str>,
        form: &OAuthForm,
    ) -> Result<Introspection, OAuthError> {
        let asker = self.asker(authorization, form)?.ok_or(OAuthError::InvalidClient)?;
        let token = BearerToken::new(form.required("token")?);
        let Ok(caller) = self.authenticate(&token) else { return Ok(Introspection::Inactive) };
        let asking = asker.principal();
        let own = caller.principal() == asking || *caller.client_id() == *asking.name;
        if !own && !self.directory().is_admin(asking.id) {
            return Ok(Introspection::Inactive);
        }
        Ok(Introspection::Active {
            principal: caller.principal().clone(),
            client_id: caller.client_id().to_owned(),
            scope: caller.scopes().clone(),
            jti: caller.jti(),
            issued_at: caller.issued_at(),
            expires_at: caller.expires_at(),
            act: caller.act().cloned(),
            kind: caller.kind(),
        })
    }

    /// Revokes an access token, or deletes a personal access token, and with it everything that was made from it.
    /// Durable and effective when this answers. A text that is no token (any more) is revoked already.
    ///
    /// Showing the token is proof enough; a client that also authenticates must do so rightly.
    ///
    /// # Errors
    /// If no token is given, the authentication is wrong, or the journal fails.
    pub async fn revoke_token(
        &self,
        authorization: Option<&str>,
        form: &OAuthForm,
    ) -> Result<(), OAuthError> {
        self.asker(authorization, form)?;
        let token = BearerToken::new(form.required("token")?);
        match self.authenticate(&token) {
            Ok(caller) => {
                self.revoke(&caller).await.map_err(|error| OAuthError::ServerError(error.to_string()))
            }
            Err(_) => Ok(()),
        }
    }

    /// Revokes the token that made this caller, and everything that was made from it.
    ///
    /// # Errors
    /// If the journal fails.
    pub async fn revoke(&self, caller: &Caller) -> Result<(), crate::IdentityError> {
        let jti = caller.jti();
        if caller.kind() == TokenKind::PersonalAccessToken {
            return match self.delete_pat(None, jti).await {
                // Somebody else was quicker.
                Err(crate::IdentityError::Credentials(crate::CredentialsError::NotFound { .. })) => Ok(()),
                other => other,
            };
        }
        let at = self.now();
        let end = caller.expires_at().unwrap_or(at).max(at);
        // A token counts until its end and the leeway; a minute more costs nothing.
        let until = end.saturating_add(brickyard_types::SignedDuration::from_mins(1)).unwrap_or(end);
        let slot = self.inner.slots.credentials();
        self.commit(|tx| {
            tx.change(slot, CredentialsChange::TokenRevoked { jti, until, at });
            Ok::<(), crate::CredentialsError>(())
        })
        .await
    }
}
