//! All endpoints: the state that the journal rebuilds.

use std::sync::Arc;

use brickyard_store::State;
use brickyard_types::{EndpointId, EndpointName};
use serde::{Deserialize, Serialize};

use crate::endpoint::Endpoint;

/// Every endpoint of the workspace, by name.
#[derive(Clone, Default)]
pub struct Endpoints {
    by_name: imbl::OrdMap<EndpointName, Arc<Endpoint>>,
    by_id: imbl::HashMap<EndpointId, EndpointName>,
}

/// What can happen to them. An endpoint is written whole: it is small, and a reader of the journal sees what was.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointChange {
    /// Created or changed.
    Put(Box<Endpoint>),
    /// Deleted.
    Removed(EndpointName),
}

impl State for Endpoints {
    const OWNER: &'static str = "serving_endpoints";
    type Change = EndpointChange;

    fn apply(&mut self, change: &EndpointChange) {
        match change {
            EndpointChange::Put(endpoint) => {
                self.by_id.insert(endpoint.id, endpoint.name.clone());
                self.by_name.insert(endpoint.name.clone(), Arc::new((**endpoint).clone()));
            }
            EndpointChange::Removed(name) => {
                if let Some(gone) = self.by_name.remove(name) {
                    self.by_id.remove(&gone.id);
                }
            }
        }
    }
}

impl Endpoints {
    /// The endpoint of that name.
    pub fn get(&self, name: &EndpointName) -> Option<&Arc<Endpoint>> {
        self.by_name.get(name)
    }

    /// The endpoint with that id.
    pub fn by_id(&self, id: &EndpointId) -> Option<&Arc<Endpoint>> {
        self.by_name.get(self.by_id.get(id)?)
    }

    /// All, in name order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.by_name.values()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}
