//! `/api/2.0/sql/sessions`: what the SQL connector opens before its first statement.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use brickyard_sql::{Session, Speaker};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{not_there, use_warehouse};
use crate::access::Access;
use crate::errors::ApiError;
use crate::http::json::Json as StrictJson;
use crate::workspace::Workspace;

#[derive(Deserialize)]
pub(super) struct Open {
    warehouse_id: Option<String>,
    catalog: Option<String>,
    schema: Option<String>,
    session_confs: Option<BTreeMap<String, Value>>,
}

pub(super) async fn open(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    StrictJson(body): StrictJson<Open>,
) -> Result<Json<Value>, ApiError> {
    let warehouse = body.warehouse_id.filter(|id| !id.is_empty());
    let warehouse =
        warehouse.ok_or_else(|| ApiError::invalid_parameter("Missing required field: warehouse_id"))?;
    for (name, value) in body.session_confs.iter().flatten() {
        configured(name, value)?;
    }
    let permit = use_warehouse(&workspace, &access, &warehouse)?;
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let speaker = Speaker::Caller(access.caller().clone());
    let session = Session::new(speaker, filled(body.catalog), filled(body.schema)).lasting();
    let id = workspace.statements.open_session(&permit, session).map_err(|error| not_there(&error))?;
    Ok(Json(json!({ "session_id": id })))
}

/// The connector sends a body with the same two ids, which says nothing new.
pub(super) async fn end(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let who = access.caller().principal().id;
    workspace.statements.end_session(&id, who).map_err(|error| not_there(&error))?;
    Ok(Json(json!({})))
}

/// Settings that say how it is here anyway, or that change no result, are taken; others are refused by name.
fn configured(name: &str, value: &Value) -> Result<(), ApiError> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let fine = match name.to_ascii_uppercase().as_str() {
        "ANSI_MODE" => text.eq_ignore_ascii_case("true"),
        "TIMEZONE" => ["UTC", "Etc/UTC", "Z", "+00:00"].contains(&text.as_str()),
        "ENABLE_PHOTON" | "MAX_FILE_PARTITION_BYTES" | "USE_CACHED_RESULT" | "QUERY_TAGS" => true,
        "STATEMENT_TIMEOUT" => text == "0",
        "LEGACY_TIME_PARSER_POLICY" => text.eq_ignore_ascii_case("exception"),
        "READ_ONLY_EXTERNAL_METASTORE" => text.eq_ignore_ascii_case("false"),
        _ => false,
    };
    if fine {
        return Ok(());
    }
    let name: String = name.chars().take(80).collect();
    let value: String = text.chars().take(80).collect();
    Err(ApiError::not_emulated(format_args!("The session setting {name} = {value}")))
}
