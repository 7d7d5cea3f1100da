//! Scopes: create, list, delete. A scope and its access list come and go in one commit.

use brickyard_catalog::{
    CreateSecretScope, Level, ListSecretScopes, ManageSecretScope, Permit, Securable, permissions,
};
use brickyard_types::{PrincipalId, SecretScopeName};

use crate::secrets::{Secrets, SecretsError};
use crate::state::SecretChange;

/// Who may manage a new scope.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum InitialManager {
    /// Whoever creates it.
    #[default]
    Creator,
    /// Everybody in the workspace (`initial_manage_principal: users`).
    Users,
}

/// What a listing says of a scope.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScopeInfo {
    /// Its name, as its creator spelled it.
    pub name: SecretScopeName,
    /// Who created it.
    pub creator: PrincipalId,
}

impl Secrets {
    /// Creates the scope that the permit names. `MANAGE` is an ordinary entry of its access list, as at Databricks: it
    /// can be taken from the creator too, and an admin can give it back.
    ///
    /// # Errors
    /// If the name is taken in any spelling, or the workspace has all the scopes it may have.
    pub async fn create_scope(
        &self,
        permit: &Permit<CreateSecretScope>,
        manager: InitialManager,
    ) -> Result<(), SecretsError> {
        let (inner, name, creator) = (&self.0, permit.on(), permit.principal().id);
        let users = inner.catalog.identity().directory().users_group();
        let managing = match manager {
            InitialManager::Creator => creator,
            // Every opened workspace has the group; without it the scope is the creator's.
            InitialManager::Users => users.unwrap_or(creator),
        };
        let permissions_slot = inner.catalog.slot();
        let created = inner.store.commit(|tx| {
            let vault = tx.get(inner.slot);
            if let Some(existing) = vault.scope(name) {
                return Err(SecretsError::ScopeExists { existing: existing.name.clone() });
            }
            if vault.scope_count() >= inner.limits.scopes {
                return Err(SecretsError::TooManyScopes { limit: inner.limits.scopes });
            }
            tx.change(inner.slot, SecretChange::ScopeCreated { scope: name.clone(), creator });
            let securable = Securable::SecretScope(name.clone());
            permissions::object_created(
                tx,
                permissions_slot,
                &securable,
                None,
                vec![(managing, Level::Manage)],
            );
            Ok(())
        });
        created.await.map_err(Into::into)
    }

    /// Deletes a scope with all its secrets and rights.
    ///
    /// # Errors
    /// If it is not there.
    pub async fn delete_scope(&self, permit: &Permit<ManageSecretScope>) -> Result<(), SecretsError> {
        let (inner, name) = (&self.0, permit.on());
        let permissions_slot = inner.catalog.slot();
        let deleted = inner.store.commit(|tx| {
            tx.get(inner.slot).scope(name).ok_or_else(|| SecretsError::ScopeNotFound(name.clone()))?;
            tx.change(inner.slot, SecretChange::ScopeDeleted { scope: name.clone() });
            permissions::object_deleted(tx, permissions_slot, &Securable::SecretScope(name.clone()));
            Ok(())
        });
        deleted.await.map_err(Into::into)
    }

    /// All scopes, by name: everybody in the workspace may know the names.
    pub fn list_scopes(&self, _permit: &Permit<ListSecretScopes>) -> Vec<ScopeInfo> {
        let vault = self.0.store.read(self.0.slot);
        vault.scopes().map(|scope| ScopeInfo { name: scope.name.clone(), creator: scope.creator }).collect()
    }

    /// True if there is a scope of that name. A name is no secret, so this takes no permit.
    pub fn scope_exists(&self, name: &SecretScopeName) -> bool {
        self.0.store.read(self.0.slot).scope(name).is_some()
    }
}
