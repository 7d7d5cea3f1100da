//! `/tables` and `/table-summaries`. How a table is made is in `new_table.rs`; views are made by SQL.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use brickyard_catalog::family;
use brickyard_catalog::unity::{Object, ObjectKind, SeeObject, Target};
use serde_json::{Value, json};

use super::change::{Wanted, change, drop_it};
use super::information_schema;
use super::lookup::{Found, find, look_for, manage, see_or_browse};
use super::paging::{Page, Sent, asked, needed};
use super::wire::{Omit, item, item_for, table_type};
use super::{Answer, done, listed, paged};
use crate::access::Access;
use crate::errors::ApiError;
use crate::http::json::Json as StrictJson;
use crate::workspace::Workspace;

const KIND: ObjectKind = ObjectKind::Table;

pub(super) async fn list(State(workspace): State<Arc<Workspace>>, access: Access, sent: Sent) -> Answer {
    let asked = asked(sent)?;
    let page = Page::by_max_results(&asked)?;
    let catalog = needed("catalog_name", asked.catalog_name.as_ref())?;
    let schema = needed("schema_name", asked.schema_name.as_ref())?;
    let schema = format!("{catalog}.{schema}");
    let omit = Omit {
        columns: asked.omit_columns.unwrap_or(false),
        properties: asked.omit_properties.unwrap_or(false),
        username: asked.omit_username.unwrap_or(false),
        ..Omit::default()
    };
    if let Some(catalog) =
        information_schema::asked_for(&workspace, &access, ObjectKind::Schema, &schema, &family::UC_TABLES)?
    {
        let (items, next) = page.cut(information_schema::tables(&catalog), |_| true);
        let items = items.iter().map(|object| information_schema::shown(&workspace, object, omit));
        return Ok(paged("tables", items.collect(), next));
    }
    let schema = find(&workspace, &access, ObjectKind::Schema, &schema, &family::UC_TABLES)?;
    let (items, next) = listed(&workspace, &access, schema.id, KIND, &page, asked.browses());
    let items: Vec<Value> = items.iter().map(|object| item_for(&workspace, &access, object, omit)).collect();
    Ok(paged("tables", items, next))
}

pub(super) async fn read(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(name): Path<String>,
    sent: Sent,
) -> Answer {
    let browses = asked(sent)?.browses();
    if let Some(object) = in_information_schema(&workspace, &access, &name)? {
        return Ok(Json(information_schema::shown(&workspace, &object, Omit::default())));
    }
    let object = see_or_browse(&workspace, &access, KIND, &name, &family::UC_TABLES, browses)?;
    Ok(Json(item_for(&workspace, &access, &object, Omit::default())))
}

/// A view of a catalog's information schema, if the name is one.
fn in_information_schema(
    workspace: &Workspace,
    access: &Access,
    name: &str,
) -> Result<Option<Object>, ApiError> {
    let catalog = information_schema::asked_for(workspace, access, KIND, name, &family::UC_TABLES)?;
    let Some(catalog) = catalog else { return Ok(None) };
    let wanted = name.rsplit('.').next().unwrap_or_default().trim_matches('`').to_lowercase();
    let found = information_schema::tables(&catalog).into_iter().find(|(name, _)| *name == wanted);
    Ok(found.map(|(_, object)| object))
}

pub(super) async fn exists(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(name): Path<String>,
) -> Answer {
    if in_information_schema(&workspace, &access, &name)?.is_some() {
        return Ok(Json(json!({ "table_exists": true })));
    }
    let there = match look_for(&workspace, &access, KIND, &name, &family::UC_TABLES)? {
        Found::Here(object) => {
            access.authorize(SeeObject(Target::new(object.reference(), &family::UC_TABLES)))?;
            true
        }
        Found::Missing(_) => false,
    };
    Ok(Json(json!({ "table_exists": there })))
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
) -> Answer {
    let (_, permit) = manage(&workspace, &access, KIND, &name, &family::UC_WRITE)?;
    drop_it(&workspace, &permit, true).await?;
    Ok(done())
}

/// Every table of a catalog, in few words; names may be cut down by SQL `LIKE` patterns.
pub(super) async fn summaries(State(workspace): State<Arc<Workspace>>, access: Access, sent: Sent) -> Answer {
    let asked = asked(sent)?;
    let page = Page::by_max_results(&asked)?;
    let catalog = needed("catalog_name", asked.catalog_name.as_ref())?;
    let catalog = find(&workspace, &access, ObjectKind::Catalog, catalog, &family::UC_TABLES)?;
    let unity = workspace.catalog.unity();
    let fits = |pattern: Option<&String>, name: &str| pattern.is_none_or(|pattern| is_like(pattern, name));
    let mut tables: Vec<(String, Arc<Object>)> = Vec::new();
    for schema in unity.children_of_kind(catalog.id, ObjectKind::Schema) {
        if !fits(asked.schema_name_pattern.as_ref(), &schema.name) {
            continue;
        }
        for table in unity.children_of_kind(schema.id, KIND) {
            if fits(asked.table_name_pattern.as_ref(), &table.name) {
                tables.push((table.full_name.to_lowercase(), Arc::clone(table)));
            }
        }
    }
    tables.sort_by(|(one, _), (other, _)| one.cmp(other));
    let who = access.caller().principal();
    let (items, next) = page.cut(tables, |table| workspace.catalog.sees(who, &table.reference()));
    let items = items.iter().map(|object| {
        let kind = object.table().map(|table| table_type(table.table_kind));
        json!({"full_name": object.full_name, "table_type": kind})
    });
    Ok(paged("tables", items.collect(), next))
}

/// SQL's `LIKE` without case: `%` is any text, `_` any character. Walks back to the last `%` only, so no pattern is slow.
fn is_like(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let name: Vec<char> = name.to_lowercase().chars().collect();
    let (mut at, mut from) = (0, 0);
    let mut last: Option<(usize, usize)> = None;
    while from < name.len() {
        match pattern.get(at) {
            Some('%') => {
                last = Some((at, from));
                at += 1;
            }
            Some(wanted) if *wanted == '_' || *wanted == name[from] => {
                at += 1;
                from += 1;
            }
            _ => match last {
                None => return false,
                Some((percent, eaten)) => {
                    last = Some((percent, eaten + 1));
                    at = percent + 1;
                    from = eaten + 1;
                }
            },
        }
    }
    pattern[at..].iter().all(|rest| *rest == '%')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_that_of_sqls_like() {
        for (pattern, name, fits) in [
            ("%", "", true),
            ("", "", true),
            ("", "a", false),
            ("ord%", "Orders", true),
            ("%ers", "orders", true),
            ("%d_r%", "orders", true),
            ("_rders", "orders", true),
            ("_", "ab", false),
            ("%a%b%", "xxaxxbxx", true),
            ("%a%b%", "xxbxxaxx", false),
        ] {
            assert_eq!(is_like(pattern, name), fits, "{pattern} {name}");
        }
    }
}
