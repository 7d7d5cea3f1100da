//! What a `PATCH` changes, and what a `POST` says of any object.

use std::collections::BTreeMap;
use std::sync::Arc;

use brickyard_catalog::Permit;
use brickyard_catalog::unity::{Alteration, CreateObject, Detail, ManageObject, NewObject, Object};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::lookup::refused;
use crate::errors::ApiError;
use crate::workspace::Workspace;

/// Fields of Databricks that brickyard knows and does not act on. Others are ignored, as Databricks does.
const NOT_HERE: [&str; 17] = [
    "columns",
    "connection_name",
    "custom_max_retention_hours",
    "enable_predictive_optimization",
    "environment_settings",
    "external_name",
    "isolation_mode",
    "managed_encryption_settings",
    "options",
    "provider_name",
    "provisioning_info",
    "read_only",
    "routine_dependencies",
    "share_name",
    "sql_path",
    "storage_location",
    "storage_root",
];

/// What can be changed of an object, and be said of a new one.
#[derive(Deserialize, Default)]
pub(super) struct Wanted {
    pub name: Option<String>,
    pub catalog_name: Option<String>,
    pub new_name: Option<String>,
    pub owner: Option<String>,
    pub comment: Option<String>,
    pub properties: Option<BTreeMap<String, String>>,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl Wanted {
    /// Refuses by name what would have an effect on Databricks and has none here; `taken` is what the route acts on.
    pub(super) fn nothing_else(&self, taken: &[&str]) -> Result<(), ApiError> {
        only(&self.rest, taken)
    }

    /// The changes that every kind of object has.
    fn changes(self, before: &Object) -> Vec<Alteration> {
        let mut changes = Vec::new();
        if let Some(properties) = self.properties {
            let gone = before.properties.keys().filter(|key| !properties.contains_key(*key)).cloned();
            changes.push(Alteration::UnsetProperties(gone.collect()));
            changes.push(Alteration::SetProperties(properties));
        }
        changes.extend(
            self.comment.map(|comment| Alteration::Comment(Some(comment).filter(|text| !text.is_empty()))),
        );
        changes.extend(self.owner.filter(|owner| !owner.is_empty()).map(Alteration::Owner));
        changes.extend(self.new_name.filter(|name| !name.is_empty()).map(Alteration::Rename));
        changes
    }
}

/// Refuses by name the fields that are not emulated, except those that are `taken`.
pub(super) fn only(rest: &Map<String, Value>, taken: &[&str]) -> Result<(), ApiError> {
    let says = |value: &Value| !matches!(value, Value::Null | Value::Bool(false));
    let found = rest.iter().find(|(key, value)| {
        NOT_HERE.contains(&key.as_str()) && !taken.contains(&key.as_str()) && says(value)
    });
    match found {
        None => Ok(()),
        Some((key, _)) => Err(ApiError::not_emulated(format_args!("The field {key}"))),
    }
}

/// Changes an object: what `wanted` says, and `more`.
pub(super) async fn change(
    workspace: &Workspace,
    permit: &Permit<ManageObject>,
    before: &Object,
    wanted: Wanted,
    more: Option<Detail>,
) -> Result<Arc<Object>, ApiError> {
    let mut changes = wanted.changes(before);
    changes.extend(more.map(Alteration::Detail));
    if changes.is_empty() {
        return Err(ApiError::invalid_parameter("Nothing to update"));
    }
    workspace.catalog.alter_object(permit, changes, workspace.clock.now()).await.map_err(refused)
}

/// Makes an object.
pub(super) async fn make(
    workspace: &Workspace,
    permit: &Permit<CreateObject>,
    wanted: Wanted,
    detail: Detail,
) -> Result<Arc<Object>, ApiError> {
    make_as(workspace, permit, wanted, uid(workspace), detail).await
}

/// Makes an object whose UUID is known.
pub(super) async fn make_as(
    workspace: &Workspace,
    permit: &Permit<CreateObject>,
    wanted: Wanted,
    uid: Arc<str>,
    detail: Detail,
) -> Result<Arc<Object>, ApiError> {
    let new = NewObject {
        name: wanted.name.unwrap_or_default(),
        uid,
        comment: wanted.comment.filter(|text| !text.is_empty()),
        properties: wanted.properties.unwrap_or_default(),
        detail,
        at: workspace.clock.now(),
    };
    workspace.catalog.create_object(permit, new).await.map_err(refused)
}

/// Drops an object, and the files of its managed tables.
pub(super) async fn drop_it(
    workspace: &Workspace,
    permit: &Permit<ManageObject>,
    cascade: bool,
) -> Result<(), ApiError> {
    workspace.sql.drop_object(permit, cascade).await.map_err(refused)
}

/// A UUID that nothing else has.
pub(super) fn uid(workspace: &Workspace) -> Arc<str> {
    let mut bytes = [0; 16];
    workspace.entropy.fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string().into()
}
