//! `POST /tables`: a managed Delta table of the columns that are sent. Everything else is made by SQL, and refused here by name.
//! Shapes: databricks-sdk `service/catalog.py` (`w.tables.create`).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use brickyard_catalog::family;
use brickyard_catalog::unity::{Column, Detail, ObjectKind, TableDetail, TableKind};
use brickyard_sql::SqlError;
use brickyard_types::SqlType;
use serde::Deserialize;
use serde_json::Value;

use super::Answer;
use super::change::{Wanted, make_as, uid};
use super::lookup::{create_in, find, refused};
use super::paging::needed;
use super::wire::item;
use crate::access::Access;
use crate::errors::ApiError;
use crate::http::json::Json as StrictJson;
use crate::workspace::Workspace;

const KIND: ObjectKind = ObjectKind::Table;

/// What of a table is made by SQL only.
const BY_SQL: [&str; 5] =
    ["row_filter", "storage_credential_name", "table_constraints", "view_definition", "view_dependencies"];

#[derive(Deserialize)]
struct Wire {
    name: Option<String>,
    type_text: Option<String>,
    type_name: Option<String>,
    nullable: Option<bool>,
    comment: Option<String>,
    mask: Option<Value>,
    partition_index: Option<Value>,
}

pub(super) async fn create(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    StrictJson(wanted): StrictJson<Wanted>,
) -> Answer {
    needed("name", wanted.name.as_ref())?;
    let catalog = needed("catalog_name", wanted.catalog_name.as_ref())?;
    let text = |field: &str| match wanted.rest.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(ApiError::invalid_parameter(format!("{field} is not a string"))),
    };
    let schema = text("schema_name")?;
    let schema = format!("{catalog}.{}", needed("schema_name", schema.as_ref())?);
    let schema = find(&workspace, &access, ObjectKind::Schema, &schema, &family::UC_WRITE)?;
    let permit = create_in(&access, schema.reference(), KIND, &family::UC_WRITE)?;
    match text("table_type")?.as_deref() {
        Some("MANAGED") => {}
        None => return Err(ApiError::invalid_parameter("Missing required field: table_type")),
        Some("EXTERNAL" | "VIEW" | "MATERIALIZED_VIEW" | "STREAMING_TABLE" | "FOREIGN" | "METRIC_VIEW") => {
            return Err(ApiError::not_emulated(
                "Making anything but a MANAGED table through the REST API (use a SQL statement); it",
            ));
        }
        Some(_) => return Err(ApiError::invalid_parameter("table_type is no type of table")),
    }
    if text("data_source_format")?.is_some_and(|format| format != "DELTA") {
        return Err(ApiError::not_emulated("A managed table of another data_source_format than DELTA"));
    }
    wanted.nothing_else(&["columns"])?;
    if let Some(field) =
        BY_SQL.iter().find(|field| wanted.rest.get(**field).is_some_and(|value| !value.is_null()))
    {
        return Err(ApiError::not_emulated(format_args!("The field {field} (use a SQL statement)")));
    }
    let columns = columns(wanted.rest.get("columns"))?;
    let unity = workspace.catalog.unity();
    let taken = wanted.name.as_deref().and_then(|name| unity.child(schema.id, KIND, name));
    if let Some(taken) = taken {
        let name = taken.full_name.to_string();
        return Err(refused(brickyard_catalog::unity::UnityError::AlreadyExists { kind: KIND, name }));
    }
    drop(unity);
    let uid = uid(&workspace);
    workspace.sql.lay_out(&uid, &columns).await.map_err(|error| unfit(&error))?;
    let detail = TableDetail {
        table_kind: TableKind::Managed,
        columns,
        view_query: None,
        view_context: (None, None),
        row_filter: None,
        location: None,
        format: Some("DELTA".to_owned()),
        options: BTreeMap::new(),
        primary_key: Vec::new(),
        primary_key_name: None,
        foreign_keys: Vec::new(),
    };
    match make_as(&workspace, &permit, wanted, Arc::clone(&uid), Detail::Table(detail)).await {
        Ok(made) => Ok(Json(item(&workspace, &made))),
        Err(error) => {
            workspace.sql.forget_files(&uid).await;
            Err(error)
        }
    }
}

/// The columns in the order of the list.
fn columns(sent: Option<&Value>) -> Result<Vec<Column>, ApiError> {
    let sent = sent.filter(|sent| !sent.is_null()).cloned().unwrap_or_else(|| Value::Array(Vec::new()));
    let sent: Vec<Wire> = serde_json::from_value(sent)
        .map_err(|_| ApiError::invalid_parameter("columns is not a list of columns"))?;
    sent.into_iter().map(column).collect()
}

fn column(wire: Wire) -> Result<Column, ApiError> {
    let name = wire.name.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| ApiError::invalid_parameter("Missing required field: columns.name"))?;
    let set = |value: Option<Value>| value.is_some_and(|value| !value.is_null());
    if set(wire.mask) || set(wire.partition_index) {
        return Err(ApiError::not_emulated(
            "A column's mask or partition_index in the REST API (use a SQL statement); it",
        ));
    }
    let text = wire.type_text.or(wire.type_name).ok_or_else(|| {
        ApiError::invalid_parameter(format!("Missing required field: columns.type_text (of {name:?})"))
    })?;
    let data_type: SqlType = text.parse().map_err(|_| {
        ApiError::invalid_parameter(format!("The type of the column {name:?} is no SQL type"))
    })?;
    Ok(Column {
        name,
        data_type,
        nullable: wire.nullable.unwrap_or(true),
        comment: wire.comment.filter(|comment| !comment.is_empty()),
        mask: None,
        default: None,
        identity: None,
        tags: Default::default(),
    })
}

/// Columns that no table can have.
fn unfit(error: &SqlError) -> ApiError {
    match error {
        SqlError::Condition { .. } => ApiError::invalid_parameter(error.message()),
        other => ApiError::internal(&other),
    }
}
