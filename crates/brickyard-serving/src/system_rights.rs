//! The hidden service principals of an endpoint's versions, and their rights: the declared resources and nothing else.

use brickyard_catalog::{Level, Securable, permissions};
use brickyard_identity::directory;
use brickyard_store::Transaction;
use brickyard_types::{EndpointName, Principal, ResourceType};

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
            if resource.kind == ResourceType::ServingEndpoint
                && let Ok(name) = resource.name.parse::<EndpointName>()
                && let Some(target) = tx.get(self.slots.endpoints).get(&name).cloned()
            {
                let securable = Securable::from(&target.reference());
                permissions::grant_direct(
                    tx,
                    self.slots.permissions,
                    &securable,
                    principal.id,
                    Level::CanQuery,
                );
            }
        }
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
                permissions::principal_removed(tx, self.slots.permissions, id);
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

    pub(crate) fn revoke(&self, tx: &mut Transaction, principal: &Principal, entity: &DeployedEntity) {
        for resource in entity.policy.passthrough() {
            if resource.kind == ResourceType::ServingEndpoint
                && let Ok(name) = resource.name.parse::<EndpointName>()
                && let Some(target) = tx.get(self.slots.endpoints).get(&name).cloned()
            {
                let securable = Securable::from(&target.reference());
                permissions::revoke_direct(tx, self.slots.permissions, &securable, principal.id);
            }
        }
    }
}
