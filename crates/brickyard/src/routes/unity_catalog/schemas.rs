//! `/schemas`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use brickyard_catalog::family;
use brickyard_catalog::unity::{Detail, Object, ObjectKind, Target, UnityError, UseParents};
use serde_json::Value;

use super::change::{Wanted, change, drop_it, make};
use super::information_schema;
use super::lookup::{create_in, find, manage, refused, see_or_browse};
use super::paging::{Page, Sent, asked, needed};
use super::wire::{Omit, item, item_for};
use super::{Answer, done, is_shown, paged};
use crate::access::Access;
use crate::http::json::Json as StrictJson;
use crate::workspace::Workspace;

const KIND: ObjectKind = ObjectKind::Schema;

pub(super) async fn list(State(workspace): State<Arc<Workspace>>, access: Access, sent: Sent) -> Answer {
    let asked = asked(sent)?;
    let page = Page::by_max_results(&asked)?;
    let catalog = needed("catalog_name", asked.catalog_name.as_ref())?;
    let catalog = find(&workspace, &access, ObjectKind::Catalog, catalog, &family::UC_CATALOGS)?;
    let unity = workspace.catalog.unity();
    let mut all: Vec<_> = unity
        .children_of_kind(catalog.id, KIND)
        .map(|object| (object.name.to_lowercase(), Some(Arc::clone(object))))
        .collect();
    // In every catalog that the caller may look into, though no object stands behind it.
    let entered = UseParents(Target::new(catalog.reference(), &family::UC_CATALOGS));
    if workspace.catalog.authorize(access.caller(), entered).is_ok() {
        all.push((information_schema::NAME.to_owned(), None));
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
    }
    let who = access.caller().principal();
    let (items, next) = page.cut(all, |one: &Option<Arc<Object>>| {
        one.as_ref().is_none_or(|object| is_shown(&workspace, who, object, asked.browses()))
    });
    let shown = |one: &Option<Arc<Object>>| match one {
        Some(object) => item_for(&workspace, &access, object, Omit::default()),
        None => information_schema::schema(&workspace, &catalog),
    };
    let items: Vec<Value> = items.iter().map(shown).collect();
    Ok(paged("schemas", items, next))
}

pub(super) async fn read(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(name): Path<String>,
    sent: Sent,
) -> Answer {
    let browses = asked(sent)?.browses();
    if let Some(catalog) =
        information_schema::asked_for(&workspace, &access, KIND, &name, &family::UC_CATALOGS)?
    {
        return Ok(Json(information_schema::schema(&workspace, &catalog)));
    }
    let object = see_or_browse(&workspace, &access, KIND, &name, &family::UC_CATALOGS, browses)?;
    Ok(Json(item_for(&workspace, &access, &object, Omit::default())))
}

pub(super) async fn create(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    StrictJson(wanted): StrictJson<Wanted>,
) -> Answer {
    needed("name", wanted.name.as_ref())?;
    let catalog = needed("catalog_name", wanted.catalog_name.as_ref())?;
    let catalog = find(&workspace, &access, ObjectKind::Catalog, catalog, &family::UC_WRITE)?;
    let permit = create_in(&access, catalog.reference(), KIND, &family::UC_WRITE)?;
    // It is in every catalog already, and no object.
    if let Some(name) = wanted.name.as_deref().filter(|name| name.eq_ignore_ascii_case("information_schema"))
    {
        let name = format!("{}.{name}", catalog.full_name);
        return Err(refused(UnityError::AlreadyExists { kind: KIND, name }));
    }
    wanted.nothing_else(&[])?;
    let made = make(&workspace, &permit, wanted, Detail::Schema).await?;
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
    let (_, permit) = manage(&workspace, &access, KIND, &name, &family::UC_WRITE)?;
    drop_it(&workspace, &permit, force).await?;
    Ok(done())
}
