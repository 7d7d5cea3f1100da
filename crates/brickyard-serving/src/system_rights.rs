//! The hidden service principals of an endpoint's versions, and their rights: the declared resources and nothing else.

use brickyard_catalog::unity::{UnityPrivilege, grant_declared, unity_principal_removed};
use brickyard_catalog::{Level, Securable, WarehouseRef, permissions};
use brickyard_identity::directory;
use brickyard_store::Transaction;
use brickyard_types::{DeclaredResource, Principal, PrincipalId, ResourceType};

use crate::creator::declared_object;
use crate::endpoint::{DeployedEntity, Endpoint};
use crate::error::DeployError;
use crate::serving::Inner;

impl Inner {
    /// Gives each pending entity that declared resources its hidden service principal, with exactly those rights.
    pub(crate) fn appoint(&self, tx: &mut Transaction, endpoint: &mut Endpoint) -> Result<(), DeployError> {
        let Some(pending) = &mut endpoint.pending else { return Ok(()) };
        for entity in &mut pending.entities {
            if entity.system_principal.is_some() || entity.policy.passthrough().next().is_none() {
                continue;
            }
            let application_id = directory::new_application_id(&*self.entropy);
            let served = entity.entity.name.as_str();
            let created = directory::create_system_principal(
                tx,
                self.slots.identity,
                endpoint.id,
                served,
                &application_id,
            );
            let principal = created.map_err(|error| DeployError::Invalid(error.to_string()))?;
            self.grant(tx, &principal, entity);
            entity.system_principal = Some(principal);
        }
        Ok(())
    }

    /// The rights of an entity's service principal: the declared resources and nothing else.
    pub(crate) fn grant(&self, tx: &mut Transaction, principal: &Principal, entity: &DeployedEntity) {
        for resource in entity.policy.passthrough() {
            if let Some((securable, level)) = self.workspace_right(tx, resource) {
                permissions::grant_direct(tx, self.slots.permissions, &securable, principal.id, level);
                continue;
            }
            let unity = self.catalog.unity_slot();
            let privilege = match resource.kind {
                ResourceType::Table => UnityPrivilege::Select,
                ResourceType::Function => UnityPrivilege::Execute,
                ResourceType::UcConnection => UnityPrivilege::UseConnection,
                _ => continue,
            };
            if let Some(object) = declared_object(tx.get(unity), resource) {
                grant_declared(tx, unity, object.id, principal.id, privilege);
            }
        }
    }

    /// The workspace object that a declaration names, and what it gives on it.
    fn workspace_right(&self, tx: &Transaction, resource: &DeclaredResource) -> Option<(Securable, Level)> {
        match resource.kind {
            ResourceType::ServingEndpoint => {
                let name = resource.name.parse().ok()?;
                let target = tx.get(self.slots.endpoints).get(&name)?;
                Some((Securable::from(&target.reference()), Level::CanQuery))
            }
            // Rights hang on the id, which is what a declaration names.
            ResourceType::SqlWarehouse => {
                let id: std::sync::Arc<str> = resource.name.as_str().into();
                let name = std::sync::Arc::clone(&id);
                Some((Securable::SqlWarehouse(WarehouseRef { id, name }), Level::CanUse))
            }
            _ => None,
        }
    }

    /// Takes back everything that a principal which is going away was given.
    pub(crate) fn strip(&self, tx: &mut Transaction, principal: PrincipalId) {
        permissions::principal_removed(tx, self.slots.permissions, principal);
        unity_principal_removed(tx, self.catalog.unity_slot(), principal);
    }

    /// Deletes the service principals whose version ended while nobody was there to delete them: a process that was
    /// killed between moving the traffic and retiring the version before.
    pub(crate) async fn dismiss_orphans(&self) {
        let done = self.store.commit(|tx| {
            let endpoints = tx.get(self.slots.endpoints);
            let kept: Vec<_> = endpoints
                .iter()
                .flat_map(|endpoint| endpoint.active.iter().chain(&endpoint.pending))
                .flat_map(|config| &config.entities)
                .filter_map(|entity| entity.system_principal.as_ref().map(|principal| principal.id))
                .collect();
            let directory = tx.get(self.slots.identity.directory());
            let orphans: Vec<_> = directory
                .system_principals()
                .map(|entry| entry.principal.id)
                .filter(|id| !kept.contains(id))
                .collect();
            for id in orphans {
                self.strip(tx, id);
                // It was listed a line above.
                let _ = directory::delete_principal(tx, self.slots.identity, id);
            }
            Ok::<_, std::convert::Infallible>(())
        });
        if let Err(error) = done.await {
            tracing::error!(%error, "service principals of old versions were not deleted");
        }
    }

    /// Takes an entity's service principal away, and its rights with it.
    pub(crate) fn dismiss(&self, tx: &mut Transaction, entity: &DeployedEntity) {
        let Some(principal) = &entity.system_principal else { return };
        self.revoke(tx, principal, entity);
        // Gone already is as good as gone.
        let _ = directory::delete_principal(tx, self.slots.identity, principal.id);
    }

    /// Takes back what the declarations of an entity gave its service principal.
    pub(crate) fn revoke(&self, tx: &mut Transaction, principal: &Principal, entity: &DeployedEntity) {
        for resource in entity.policy.passthrough() {
            if let Some((securable, _)) = self.workspace_right(tx, resource) {
                permissions::revoke_direct(tx, self.slots.permissions, &securable, principal.id);
            }
        }
        // Whatever it holds in Unity Catalog it holds by a declaration.
        unity_principal_removed(tx, self.catalog.unity_slot(), principal.id);
    }
}
