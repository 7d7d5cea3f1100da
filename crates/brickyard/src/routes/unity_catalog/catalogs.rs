//! `/catalogs`. A new catalog has a schema `default`, as on Databricks.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use brickyard_catalog::family;
use brickyard_catalog::unity::{Detail, ObjectId, ObjectKind, ObjectRef};
use serde_json::{Value, json};

use super::change::{Wanted, change, drop_it, make};
use super::lookup::{create_in, manage, see_or_browse};
use super::paging::{Page, Sent, asked, needed};
use super::wire::{Omit, item, item_for};
use super::{Answer, done, listed};
use crate::access::Access;
use crate::http::json::Json as StrictJson;
use crate::workspace::Workspace;

const KIND: ObjectKind = ObjectKind::Catalog;

pub(super) async fn list(State(workspace): State<Arc<Workspace>>, access: Access, sent: Sent) -> Answer {
    let asked = asked(sent)?;
    let page = Page::by_max_results(&asked)?;
    let (items, next) = listed(&workspace, &access, ObjectId::METASTORE, KIND, &page, asked.browses());
    let items: Vec<Value> =
        items.iter().map(|object| item_for(&workspace, &access, object, Omit::default())).collect();
    Ok(super::paged("catalogs", items, next))
}

pub(super) async fn read(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(name): Path<String>,
    sent: Sent,
) -> Answer {
    let browses = asked(sent)?.browses();
    let object = see_or_browse(&workspace, &access, KIND, &name, &family::UC_CATALOGS, browses)?;
    Ok(Json(item_for(&workspace, &access, &object, Omit::default())))
}

pub(super) async fn create(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    StrictJson(wanted): StrictJson<Wanted>,
) -> Answer {
    needed("name", wanted.name.as_ref())?;
    let permit = create_in(&access, ObjectRef::metastore(), KIND, &family::UC_WRITE)?;
    wanted.nothing_else(&[])?;
    let made = make(&workspace, &permit, wanted, Detail::Catalog).await?;
    let permit = create_in(&access, made.reference(), ObjectKind::Schema, &family::UC_WRITE)?;
    let default = Wanted { name: Some("default".to_owned()), ..Wanted::default() };
    make(&workspace, &permit, default, Detail::Schema).await?;
    Ok(Json(item(&workspace, &made)))
}

pub(super) async fn update(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(name): Path<String>,
    StrictJson(wanted): StrictJson<Wanted>,
) -> Answer {
    let (before, permit) = manage(&workspace, &access, KIND, &name, &family::UC_WRITE)?;
    wanted.nothing_else(&[])?;
    let after = change(&workspace, &permit, &before, wanted, None).await?;
    Ok(Json(item(&workspace, &after)))
}

pub(super) async fn delete(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(name): Path<String>,
    sent: Sent,
) -> Answer {
    let force = asked(sent)?.force.unwrap_or(false);
    let (object, permit) = manage(&workspace, &access, KIND, &name, &family::UC_WRITE)?;
    // A catalog that holds nothing but its empty `default` is empty.
    let inside = workspace.catalog.unity().descendants(object.id);
    let empty = inside.iter().all(|inner| inner.kind == ObjectKind::Schema && &*inner.name == "default");
    drop_it(&workspace, &permit, force || empty).await?;
    Ok(done())
}

/// The metastore in a few words. Who reaches it sees no more than its name.
pub(super) async fn metastore_summary(State(workspace): State<Arc<Workspace>>, _: Access) -> Answer {
    Ok(Json(json!({
        "metastore_id": super::wire::metastore_id(workspace.id),
        "name": "brickyard",
        "owner": "admins",
        "privilege_model_version": "1.0",
        "delta_sharing_scope": "INTERNAL",
    })))
}

/// Which metastore the workspace has.
pub(super) async fn metastore_assignment(State(workspace): State<Arc<Workspace>>, _: Access) -> Answer {
    Ok(Json(json!({
        "metastore_id": super::wire::metastore_id(workspace.id),
        "workspace_id": workspace.id.0,
    })))
}
