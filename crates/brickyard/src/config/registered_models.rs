//! `registered_models:`: the logged MLflow models that endpoints may serve, by name and version.

use std::collections::HashMap;
use std::path::PathBuf;

use super::directory;
use super::fields::{Fields, nearest};
use super::files::{Merged, absolute, folder_of};
use super::problem::{Place, Problems, shown};

/// One version of a model: a folder with an `MLmodel`.
#[derive(Debug, Clone)]
pub struct ModelVersionConfig {
    /// The version, digits.
    pub version: String,
    /// The folder, absolute.
    pub source: PathBuf,
    /// Where the configuration says so: for what is found out about the folder later.
    pub place: Place,
}

/// A registered model.
#[derive(Debug, Clone)]
pub struct RegisteredModelConfig {
    /// The name: `catalog.schema.model`, or one part.
    pub name: String,
    /// Its versions.
    pub versions: Vec<ModelVersionConfig>,
}

/// Which versions there are, for the served entities. Holds those whose folder is wrong, too.
#[derive(Default)]
pub(super) struct ModelNames(HashMap<String, HashMap<String, PathBuf>>);

impl ModelNames {
    /// The folder of a version; what is missing is noted at the fields that name it.
    pub(super) fn expect(&self, entity: &Fields<'_>, name: &str, version: &str) -> Option<PathBuf> {
        let Some(versions) = self.0.get(name) else {
            let known: Vec<&str> = self.0.keys().map(String::as_str).collect();
            let hint =
                nearest(name, &known).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            entity.refuse("entity_name", format!("no model {} in registered_models{hint}", shown(name)));
            return None;
        };
        let found = versions.get(version);
        if found.is_none() {
            let mut known: Vec<&str> = versions.keys().map(String::as_str).collect();
            known.sort_unstable();
            let known = if known.is_empty() {
                "it has none".to_owned()
            } else {
                format!("it has {}", known.join(", "))
            };
            entity.refuse(
                "entity_version",
                format!("the model {name} has no version {}; {known}", shown(version)),
            );
        }
        found.cloned()
    }
}

/// Reads the section.
pub(super) fn read(merged: &Merged, problems: &Problems) -> (Vec<RegisteredModelConfig>, ModelNames) {
    let (mut models, mut names) = (Vec::new(), ModelNames::default());
    for node in directory::items(merged, "registered_models", problems) {
        let Some(fields) = Fields::of(node, &["name", "versions"], problems) else { continue };
        let mut versions: Vec<ModelVersionConfig> = Vec::new();
        let mut sources = HashMap::new();
        for node in fields.list("versions") {
            let Some(fields) = Fields::of(node, &["version", "source"], problems) else { continue };
            let version = fields.present("version").and_then(|_| fields.text_or_number("version"));
            let source = fields.present("source").and_then(|_| fields.text("source"));
            let (Some(version), Some(source)) = (version, source) else { continue };
            if version.is_empty() || version.len() > 18 || !version.bytes().all(|b| b.is_ascii_digit()) {
                fields.refuse("version", format!("{} is not a version: digits are needed", shown(&version)));
                continue;
            }
            let folder = folder_of(&node.place).join(source);
            if !folder.is_dir() {
                fields.refuse("source", format!("no folder {}", folder.display()));
            } else if !folder.join("MLmodel").is_file() {
                fields.refuse(
                    "source",
                    format!("no MLmodel in {}; name the folder of a logged MLflow model", folder.display()),
                );
            }
            if sources.insert(version.clone(), absolute(&folder)).is_some() {
                fields.refuse("version", format!("the version {version} is listed twice"));
            } else {
                versions.push(ModelVersionConfig {
                    version,
                    source: absolute(&folder),
                    place: fields.place_of("source"),
                });
            }
        }
        let Some(name) = fields.present("name").and_then(|_| fields.text("name")) else { continue };
        if !is_model_name(name) {
            fields.refuse("name", format!("{} is not a model name; write catalog.schema.model", shown(name)));
        } else if names.0.insert(name.to_owned(), sources).is_some() {
            fields.refuse(
                "name",
                format!("the model {name} is listed twice; put all versions under one entry"),
            );
        } else {
            models.push(RegisteredModelConfig { name: name.to_owned(), versions });
        }
    }
    (models, names)
}

/// One part or three, of letters, digits, dashes and underscores: it becomes part of the served entity's name.
fn is_model_name(name: &str) -> bool {
    let part =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    name.len() <= 250 && matches!(name.split('.').count(), 1 | 3) && name.split('.').all(part)
}
