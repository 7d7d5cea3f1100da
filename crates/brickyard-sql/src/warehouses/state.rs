//! The state: warehouses by id. Who may do what with one is in the catalog's permissions.

use std::sync::Arc;

use brickyard_catalog::WarehouseRef;
use brickyard_store::State;
use brickyard_types::{PrincipalId, Timestamp};
use imbl::OrdMap;
use serde::{Deserialize, Serialize};

/// All SQL warehouses of a workspace.
#[derive(Clone, Default, Debug)]
pub struct WarehouseState {
    warehouses: OrdMap<Arc<str>, Warehouse>,
}

/// One warehouse. Its size is kept and shown, and has no effect: every warehouse is this process.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Warehouse {
    /// Its id, as in its path.
    pub id: Arc<str>,
    /// What it is.
    pub spec: WarehouseSpec,
    /// Who created it.
    pub creator: PrincipalId,
    /// Under which name.
    pub creator_name: Arc<str>,
    /// When.
    pub created_at: Timestamp,
    /// True after a stop, until a start or a statement.
    pub stopped: bool,
}

/// What can be said of a warehouse. Names and defaults are those of the REST API (`CreateWarehouseRequest`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields are the API's own words
pub struct WarehouseSpec {
    pub name: Arc<str>,
    pub cluster_size: Arc<str>,
    pub warehouse_type: Arc<str>,
    pub enable_serverless_compute: bool,
    pub enable_photon: bool,
    pub min_num_clusters: u32,
    pub max_num_clusters: u32,
    pub auto_stop_mins: u32,
    pub spot_instance_policy: Arc<str>,
    /// Name and value, in the order in which they came.
    pub tags: Vec<(String, String)>,
}

impl WarehouseSpec {
    /// A small serverless warehouse.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.into(),
            cluster_size: "Small".into(),
            warehouse_type: "PRO".into(),
            enable_serverless_compute: true,
            enable_photon: true,
            min_num_clusters: 1,
            max_num_clusters: 1,
            auto_stop_mins: 10,
            spot_instance_policy: "COST_OPTIMIZED".into(),
            tags: Vec::new(),
        }
    }
}

impl Warehouse {
    /// What its rights hang on.
    pub fn reference(&self) -> WarehouseRef {
        WarehouseRef { id: Arc::clone(&self.id), name: Arc::clone(&self.spec.name) }
    }
}

/// What can happen to warehouses, as the journal keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // the fields are what they are called
pub enum WarehouseChange {
    Put { warehouse: Warehouse },
    Edited { id: Arc<str>, spec: WarehouseSpec },
    Deleted { id: Arc<str> },
    Started { id: Arc<str> },
    Stopped { id: Arc<str> },
}

impl State for WarehouseState {
    const OWNER: &'static str = "sql_warehouses";
    type Change = WarehouseChange;

    fn apply(&mut self, change: &WarehouseChange) {
        use WarehouseChange as C;
        match change {
            C::Put { warehouse } => {
                self.warehouses.insert(Arc::clone(&warehouse.id), warehouse.clone());
            }
            C::Edited { id, spec } => {
                if let Some(warehouse) = self.warehouses.get_mut(id) {
                    warehouse.spec = spec.clone();
                }
            }
            C::Deleted { id } => {
                self.warehouses.remove(id);
            }
            C::Started { id } | C::Stopped { id } => {
                if let Some(warehouse) = self.warehouses.get_mut(id) {
                    warehouse.stopped = matches!(change, C::Stopped { .. });
                }
            }
        }
    }
}

impl WarehouseState {
    /// The warehouse with an id.
    pub fn get(&self, id: &str) -> Option<&Warehouse> {
        self.warehouses.get(id)
    }

    /// All, by id.
    pub fn all(&self) -> impl Iterator<Item = &Warehouse> {
        self.warehouses.values()
    }

    pub(super) fn len(&self) -> usize {
        self.warehouses.len()
    }

    pub(super) fn named(&self, name: &str) -> Option<&Warehouse> {
        self.warehouses.values().find(|warehouse| &*warehouse.spec.name == name)
    }
}
