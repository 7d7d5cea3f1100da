//! `information_schema` of each catalog, which no object stands behind: it is listed and read like a schema and its views.

use std::sync::Arc;

use brickyard_catalog::ApiFamily;
use brickyard_catalog::unity::{
    Column, Detail, Object, ObjectId, ObjectKind, TableDetail, TableKind, Target, UseParents,
};
use serde_json::Value;

use super::lookup::{find, path_of};
use super::wire::{Omit, item_without};
use crate::access::Access;
use crate::errors::ApiError;
use crate::workspace::Workspace;

/// Its name.
pub(super) const NAME: &str = "information_schema";

/// Who it belongs to, in the words of Databricks.
const OWNER: &str = "System user";

/// The catalog, if a name is that of its information schema or of something in it, and the caller may use the catalog.
pub(super) fn asked_for(
    workspace: &Workspace,
    access: &Access,
    kind: ObjectKind,
    full_name: &str,
    through: &'static ApiFamily,
) -> Result<Option<Arc<Object>>, ApiError> {
    let path = path_of(kind, full_name)?;
    let [catalog, schema, ..] = path.parts() else { return Ok(None) };
    if !schema.eq_ignore_ascii_case(NAME) {
        return Ok(None);
    }
    let catalog = find(workspace, access, ObjectKind::Catalog, catalog, through)?;
    access.authorize(UseParents(Target::new(catalog.reference(), through)))?;
    Ok(Some(catalog))
}

/// The schema's item.
pub(super) fn schema(workspace: &Workspace, catalog: &Object) -> Value {
    shown(workspace, &object(catalog, ObjectKind::Schema, NAME, Detail::Schema), Omit::default())
}

/// Its views, by name.
pub(super) fn tables(catalog: &Object) -> Vec<(String, Object)> {
    let mut all: Vec<_> = brickyard_sql::information_schema_relations()
        .map(|(name, columns)| {
            let column = |(name, data_type)| Column {
                name,
                data_type,
                nullable: true,
                comment: None,
                mask: None,
                default: None,
                identity: None,
                tags: Default::default(),
            };
            let detail = TableDetail {
                table_kind: TableKind::View,
                columns: columns.into_iter().map(column).collect(),
                view_query: None,
                view_context: (None, None),
                row_filter: None,
                location: None,
                format: None,
                options: Default::default(),
                primary_key: Vec::new(),
                primary_key_name: None,
                foreign_keys: Vec::new(),
            };
            let full_name = format!("{NAME}.{name}");
            (name.to_owned(), object(catalog, ObjectKind::Table, &full_name, Detail::Table(detail)))
        })
        .collect();
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    all
}

/// The item of one of its views.
pub(super) fn shown(workspace: &Workspace, object: &Object, omit: Omit) -> Value {
    let mut item = item_without(workspace, object, omit);
    if let Value::Object(item) = &mut item {
        for key in ["owner", "created_by", "updated_by"] {
            if let Some(who) = item.get_mut(key) {
                *who = OWNER.into();
            }
        }
    }
    item
}

/// What stands for something that is no object. It never leaves this file but as an item, and nothing hangs on its id.
fn object(catalog: &Object, kind: ObjectKind, below: &str, detail: Detail) -> Object {
    let name = below.rsplit('.').next().unwrap_or(below);
    Object {
        id: ObjectId::METASTORE,
        kind,
        uid: Arc::clone(&catalog.uid),
        name: name.into(),
        full_name: format!("{}.{below}", catalog.full_name).into(),
        parent: catalog.id,
        owner: catalog.owner,
        comment: None,
        properties: Default::default(),
        tags: Default::default(),
        created_at: catalog.created_at,
        created_by: OWNER.into(),
        updated_at: catalog.created_at,
        updated_by: OWNER.into(),
        detail,
    }
}
