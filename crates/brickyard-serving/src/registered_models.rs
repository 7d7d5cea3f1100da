//! Registered models: which logged model folder a `catalog.schema.model` and a version stand for. Who may deploy one is
//! said by its schema (`creator.rs`).

use std::path::PathBuf;

use brickyard_store::State;
use serde::{Deserialize, Serialize};

/// One version of one registered model.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RegisteredVersion {
    /// `catalog.schema.model`.
    pub name: String,
    /// Its version, as text.
    pub version: String,
    /// The folder with the `MLmodel`, absolute.
    pub source: PathBuf,
}

/// What can happen to them. (A version alone, as older journals have it, was registered.)
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ModelChange {
    /// Registered, or its folder is another.
    Registered(RegisteredVersion),
    /// Gone.
    Removed {
        /// `catalog.schema.model`.
        name: String,
        /// Its version.
        version: String,
    },
}

/// All registered versions.
#[derive(Clone, Default)]
pub struct RegisteredModels(imbl::OrdMap<(String, String), RegisteredVersion>);

impl State for RegisteredModels {
    const OWNER: &'static str = "registered_models";
    type Change = ModelChange;

    fn apply(&mut self, change: &ModelChange) {
        match change {
            ModelChange::Registered(version) => {
                self.0.insert((version.name.clone(), version.version.clone()), version.clone());
            }
            ModelChange::Removed { name, version } => {
                self.0.remove(&(name.clone(), version.clone()));
            }
        }
    }
}

impl RegisteredModels {
    /// The version, if it is registered.
    pub fn get(&self, name: &str, version: &str) -> Option<&RegisteredVersion> {
        self.0.get(&(name.to_owned(), version.to_owned()))
    }

    /// All, in order of name and version.
    pub fn iter(&self) -> impl Iterator<Item = &RegisteredVersion> {
        self.0.values()
    }
}
