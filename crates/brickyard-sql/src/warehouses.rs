//! SQL warehouses: the objects that rights to run statements hang on. All of them are this one process; a stopped one
//! starts at its next statement, as at Databricks.

mod state;

use std::fmt;
use std::sync::Arc;

use brickyard_catalog::{
    Catalog, CreateWarehouse, ManageWarehouse, Permit, Securable, StartWarehouse, UseWarehouse,
    ViewWarehouse, WarehouseRef, permissions,
};
use brickyard_identity::Caller;
use brickyard_store::{CommitError, Slot, Store, StoreError, Transaction};
use brickyard_types::{Clock, Entropy, Principal, Timestamp};

pub use state::{Warehouse, WarehouseChange, WarehouseSpec, WarehouseState};

/// The most warehouses that a workspace may have (Databricks: 1000 on a workspace).
const MOST: usize = 1000;

/// Why something was not done with a warehouse.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WarehouseError {
    /// No warehouse of that id.
    #[error("SQL warehouse {0} does not exist")]
    NotFound(Arc<str>),
    /// The name is taken.
    #[error("SQL warehouse with name `{0}` already exists")]
    NameTaken(Arc<str>),
    /// The workspace has all that it may have.
    #[error("the workspace has {MOST} SQL warehouses, the most that it may have; delete one first")]
    TooMany,
    /// The journal could not keep it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<CommitError<WarehouseError>> for WarehouseError {
    fn from(error: CommitError<WarehouseError>) -> Self {
        match error {
            CommitError::Refused(refused) => refused,
            CommitError::Store(error) => Self::Store(error),
        }
    }
}

/// The warehouses of one workspace. Clones are handles to the same ones.
#[derive(Clone)]
pub struct Warehouses(Arc<Inner>);

struct Inner {
    store: Store,
    slot: Slot<WarehouseState>,
    catalog: Catalog,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl fmt::Debug for Warehouses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Warehouses")
    }
}

impl Warehouses {
    /// The warehouses in an open store, with the slot that the store's builder gave for [`WarehouseState`].
    pub fn open(
        store: Store,
        slot: Slot<WarehouseState>,
        catalog: Catalog,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self(Arc::new(Inner { store, slot, catalog, clock, entropy }))
    }

    /// What to ask a permit for; `None` if there is no such warehouse.
    pub fn find(&self, id: &str) -> Option<WarehouseRef> {
        self.0.store.read(self.0.slot).get(id).map(Warehouse::reference)
    }

    /// One warehouse.
    ///
    /// # Errors
    /// If it is gone.
    pub fn get(&self, permit: &Permit<ViewWarehouse>) -> Result<Warehouse, WarehouseError> {
        let id = &permit.on().id;
        let state = self.0.store.read(self.0.slot);
        state.get(id).cloned().ok_or_else(|| WarehouseError::NotFound(Arc::clone(id)))
    }

    /// The warehouses that somebody may see, by id.
    pub fn list(&self, caller: &Caller) -> Vec<Warehouse> {
        let state = self.0.store.read(self.0.slot);
        let visible = |warehouse: &&Warehouse| {
            self.0.catalog.can_see(caller, &Securable::SqlWarehouse(warehouse.reference()))
        };
        state.all().filter(visible).cloned().collect()
    }

    /// Makes a warehouse, which runs.
    ///
    /// # Errors
    /// If the name is taken or there are too many.
    pub async fn create(
        &self,
        permit: &Permit<CreateWarehouse>,
        spec: WarehouseSpec,
    ) -> Result<WarehouseRef, WarehouseError> {
        let mut bytes = [0u8; 8];
        self.0.entropy.fill(&mut bytes);
        let id: Arc<str> = format!("{:016x}", u64::from_be_bytes(bytes)).into();
        self.put(id, spec, permit.principal()).await
    }

    /// The warehouse of a configuration, with the id that it says: made if it is not there, else given this name. Its
    /// rights and its owner stay what they are then.
    ///
    /// # Errors
    /// If another warehouse has the name.
    pub async fn seed(
        &self,
        id: &str,
        name: &str,
        owner: &Principal,
    ) -> Result<WarehouseRef, WarehouseError> {
        let known = self.0.store.read(self.0.slot).get(id).cloned();
        let Some(known) = known else {
            return self.put(id.into(), WarehouseSpec::named(name), owner).await;
        };
        if &*known.spec.name == name {
            return Ok(known.reference());
        }
        self.replace(&known.reference(), WarehouseSpec { name: name.into(), ..known.spec }).await
    }

    async fn put(
        &self,
        id: Arc<str>,
        spec: WarehouseSpec,
        owner: &Principal,
    ) -> Result<WarehouseRef, WarehouseError> {
        let inner = &self.0;
        let now = inner.clock.now();
        let warehouse = Warehouse {
            id,
            spec,
            creator: owner.id,
            creator_name: Arc::clone(&owner.name),
            created_at: Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now),
            stopped: false,
        };
        let reference = warehouse.reference();
        let rights = inner.catalog.slot();
        let made = inner.store.commit(|tx| {
            let state = tx.get(inner.slot);
            if state.named(&warehouse.spec.name).is_some() {
                return Err(WarehouseError::NameTaken(Arc::clone(&warehouse.spec.name)));
            }
            if state.len() >= MOST {
                return Err(WarehouseError::TooMany);
            }
            let securable = Securable::SqlWarehouse(warehouse.reference());
            permissions::object_created(tx, rights, &securable, Some(warehouse.creator), Vec::new());
            tx.change(inner.slot, WarehouseChange::Put { warehouse });
            Ok(())
        });
        made.await?;
        Ok(reference)
    }

    /// What a warehouse is, for whoever changes it.
    ///
    /// # Errors
    /// If it is gone.
    pub fn to_edit(&self, permit: &Permit<ManageWarehouse>) -> Result<WarehouseSpec, WarehouseError> {
        let id = &permit.on().id;
        let state = self.0.store.read(self.0.slot);
        let found = state.get(id).ok_or_else(|| WarehouseError::NotFound(Arc::clone(id)))?;
        Ok(found.spec.clone())
    }

    /// Changes what a warehouse is.
    ///
    /// # Errors
    /// If it is gone, or another one has the name.
    pub async fn edit(
        &self,
        permit: &Permit<ManageWarehouse>,
        spec: WarehouseSpec,
    ) -> Result<WarehouseRef, WarehouseError> {
        self.replace(permit.on(), spec).await
    }

    async fn replace(
        &self,
        warehouse: &WarehouseRef,
        spec: WarehouseSpec,
    ) -> Result<WarehouseRef, WarehouseError> {
        let name = Arc::clone(&spec.name);
        let edited = self.change(warehouse, |tx, slot| {
            let id = Arc::clone(&warehouse.id);
            match tx.get(slot).named(&spec.name) {
                Some(other) if other.id != id => return Err(WarehouseError::NameTaken(spec.name)),
                _ => {}
            }
            tx.change(slot, WarehouseChange::Edited { id, spec });
            Ok(())
        });
        edited.await?;
        Ok(WarehouseRef { id: Arc::clone(&warehouse.id), name })
    }

    /// Deletes a warehouse with all rights on it.
    ///
    /// # Errors
    /// If it is gone already.
    pub async fn delete(&self, permit: &Permit<ManageWarehouse>) -> Result<(), WarehouseError> {
        let rights = self.0.catalog.slot();
        let warehouse = permit.on();
        let deleted = self.change(warehouse, |tx, slot| {
            tx.change(slot, WarehouseChange::Deleted { id: Arc::clone(&warehouse.id) });
            permissions::object_deleted(tx, rights, &Securable::SqlWarehouse(warehouse.clone()));
            Ok(())
        });
        deleted.await
    }

    /// Starts a warehouse; one that runs is left alone.
    ///
    /// # Errors
    /// If it is gone.
    pub async fn start(&self, permit: &Permit<StartWarehouse>) -> Result<(), WarehouseError> {
        self.set_stopped(permit.on(), false).await
    }

    /// Starts a stopped warehouse because somebody runs a statement on it.
    ///
    /// # Errors
    /// If it is gone.
    pub async fn wake(&self, permit: &Permit<UseWarehouse>) -> Result<(), WarehouseError> {
        self.set_stopped(permit.on(), false).await
    }

    /// Stops a warehouse. What runs on it goes on.
    ///
    /// # Errors
    /// If it is gone.
    pub async fn stop(&self, permit: &Permit<ManageWarehouse>) -> Result<(), WarehouseError> {
        self.set_stopped(permit.on(), true).await
    }

    async fn set_stopped(&self, warehouse: &WarehouseRef, stopped: bool) -> Result<(), WarehouseError> {
        // Every statement comes through here: a warehouse that is as wanted costs no commit.
        match self.0.store.read(self.0.slot).get(&warehouse.id) {
            Some(found) if found.stopped == stopped => return Ok(()),
            _ => {}
        }
        let changed = self.change(warehouse, |tx, slot| {
            let id = Arc::clone(&warehouse.id);
            let change =
                if stopped { WarehouseChange::Stopped { id } } else { WarehouseChange::Started { id } };
            tx.change(slot, change);
            Ok(())
        });
        changed.await
    }

    /// One commit on a warehouse that is there.
    async fn change<F>(&self, warehouse: &WarehouseRef, change: F) -> Result<(), WarehouseError>
    where
        F: FnOnce(&mut Transaction, Slot<WarehouseState>) -> Result<(), WarehouseError>,
    {
        let slot = self.0.slot;
        let committed = self.0.store.commit(|tx| {
            if tx.get(slot).get(&warehouse.id).is_none() {
                return Err(WarehouseError::NotFound(Arc::clone(&warehouse.id)));
            }
            change(tx, slot)
        });
        Ok(committed.await?)
    }
}
