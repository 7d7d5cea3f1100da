//! `/connections`.
//!
//! **Rule:** an option is a secret unless it is in [`PUBLIC_OPTIONS`]. Secrets are sealed with the workspace's master key before
//! anything is written, no answer shows them, and no message repeats an option's value.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use brickyard_catalog::family;
use brickyard_catalog::unity::{ConnectionDetail, Detail, Object, ObjectId, ObjectKind, ObjectRef};
use brickyard_sql::outside::{CONNECTION_TYPES, PUBLIC_OPTIONS};
use brickyard_types::Secret;
use serde_json::{Map, Value};

use super::change::{Wanted, change, drop_it, make_as, uid};
use super::lookup::{create_in, manage, see};
use super::paging::{Page, Sent, asked, needed};
use super::wire::item;
use super::{Answer, done, listed, paged};
use crate::access::Access;
use crate::errors::ApiError;
use crate::http::json::Json as StrictJson;
use crate::outside;
use crate::workspace::Workspace;

const KIND: ObjectKind = ObjectKind::Connection;

/// A secret option of a connection, opened. `None` if there is no such option.
///
/// # Errors
/// If it does not open: it was sealed with another master key.
pub fn secret_option(
    workspace: &Workspace,
    connection: &Object,
    option: &str,
) -> Result<Option<Secret>, ApiError> {
    outside::open(workspace.id, &workspace.master, connection, option)
        .map_err(|reason| ApiError::internal(&reason))
}

/// Sorts options into what is shown and what is sealed, into `detail`.
fn take_options(
    workspace: &Workspace,
    connection: &str,
    rest: &Map<String, Value>,
    detail: &mut ConnectionDetail,
) -> Result<(), ApiError> {
    for field in ["options", "secrets"] {
        let options = match rest.get(field) {
            None | Some(Value::Null) => continue,
            Some(Value::Object(options)) => options,
            Some(_) => return Err(ApiError::invalid_parameter(format!("{field} is not an object"))),
        };
        for (key, value) in options {
            let Value::String(value) = value else {
                return Err(ApiError::invalid_parameter(format!("The option {key} is not a string")));
            };
            let public = field == "options" && PUBLIC_OPTIONS.contains(&key.to_ascii_lowercase().as_str());
            if public {
                detail.options.insert(key.clone(), value.clone());
            } else {
                let (id, master, entropy) = (workspace.id, &workspace.master, &*workspace.entropy);
                let sealed = outside::seal(id, master, entropy, connection, key, value.as_bytes());
                detail.sealed.insert(key.clone(), sealed);
            }
        }
    }
    Ok(())
}

pub(super) async fn list(State(workspace): State<Arc<Workspace>>, access: Access, sent: Sent) -> Answer {
    let page = Page::by_max_results(&asked(sent)?)?;
    let (items, next) = listed(&workspace, &access, ObjectId::METASTORE, KIND, &page, true);
    let items: Vec<Value> = items.iter().map(|object| item(&workspace, object)).collect();
    Ok(paged("connections", items, next))
}

pub(super) async fn read(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(name): Path<String>,
) -> Answer {
    let object = see(&workspace, &access, KIND, &name, &family::UC_CONNECTIONS)?;
    Ok(Json(item(&workspace, &object)))
}

pub(super) async fn create(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    StrictJson(wanted): StrictJson<Wanted>,
) -> Answer {
    needed("name", wanted.name.as_ref())?;
    let connection_type = match wanted.rest.get("connection_type") {
        Some(Value::String(word)) if CONNECTION_TYPES.contains(&word.as_str()) => word.clone(),
        Some(_) => return Err(ApiError::invalid_parameter("connection_type is no type of connection")),
        None => return Err(ApiError::invalid_parameter("Missing required field: connection_type")),
    };
    let permit = create_in(&access, ObjectRef::metastore(), KIND, &family::UC_CONNECTIONS)?;
    wanted.nothing_else(&["options"])?;
    let uid = uid(&workspace);
    let mut detail = ConnectionDetail { connection_type, options: BTreeMap::new(), sealed: BTreeMap::new() };
    take_options(&workspace, &uid, &wanted.rest, &mut detail)?;
    if detail.connection_type == "HTTP" && !detail.options.contains_key("host") {
        return Err(ApiError::invalid_parameter("Missing required option: host"));
    }
    let made = make_as(&workspace, &permit, wanted, uid, Detail::Connection(detail)).await?;
    Ok(Json(item(&workspace, &made)))
}

/// Options that are not named stay as they are: nobody can send back a secret that is never shown.
pub(super) async fn update(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(name): Path<String>,
    StrictJson(wanted): StrictJson<Wanted>,
) -> Answer {
    let (before, permit) = manage(&workspace, &access, KIND, &name, &family::UC_CONNECTIONS)?;
    wanted.nothing_else(&["options"])?;
    let mut more = None;
    if let Some(detail) = before.connection() {
        let mut detail = detail.clone();
        take_options(&workspace, &before.uid, &wanted.rest, &mut detail)?;
        more = (Some(&detail) != before.connection()).then_some(Detail::Connection(detail));
    }
    let after = change(&workspace, &permit, &before, wanted, more).await?;
    Ok(Json(item(&workspace, &after)))
}

pub(super) async fn delete(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(name): Path<String>,
) -> Answer {
    let (_, permit) = manage(&workspace, &access, KIND, &name, &family::UC_CONNECTIONS)?;
    drop_it(&workspace, &permit, true).await?;
    Ok(done())
}
