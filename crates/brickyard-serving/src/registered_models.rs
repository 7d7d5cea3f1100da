//! Registered models: which logged model folder a `catalog.schema.model` and a version stand for.

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

/// All registered versions.
#[derive(Clone, Default)]
pub struct RegisteredModels(imbl::OrdMap<(String, String), RegisteredVersion>);

impl State for RegisteredModels {
    const OWNER: &'static str = "registered_models";
    type Change = RegisteredVersion;

    fn apply(&mut self, version: &RegisteredVersion) {
        self.0.insert((version.name.clone(), version.version.clone()), version.clone());
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
