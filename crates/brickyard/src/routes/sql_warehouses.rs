//! `/api/2.0/sql/warehouses` and the workspace's warehouse settings.
//!
//! Shapes: databricks-sdk `service/sql.py` (`w.warehouses`). A warehouse's size and clusters are kept and shown; all
//! warehouses are this one process.

mod wire;

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use brickyard_catalog::{
    CreateWarehouse, LevelAction, ManageWarehouse, Permit, StartWarehouse, ViewWarehouse, WarehouseRef,
    family,
};
use brickyard_sql::warehouses::{WarehouseError, WarehouseSpec};
use serde::Deserialize;
use serde_json::{Value, json};

use super::fidelity::Level;
use super::paging::Page;
use crate::access::{Access, Guard};
use crate::errors::ApiError;
use crate::http::json::Json as StrictJson;
use crate::workspace::Workspace;

const SCOPE: &str = "sql";

/// How true these routes are.
pub const FIDELITY: &[(&str, Level, &str)] = &[
    ("GET /api/2.0/sql/warehouses", Level::Real, SCOPE),
    ("POST /api/2.0/sql/warehouses", Level::Real, SCOPE),
    ("GET /api/2.0/sql/warehouses/{id}", Level::Real, SCOPE),
    ("DELETE /api/2.0/sql/warehouses/{id}", Level::Real, SCOPE),
    ("POST /api/2.0/sql/warehouses/{id}/edit", Level::Real, SCOPE),
    ("POST /api/2.0/sql/warehouses/{id}/start", Level::Real, SCOPE),
    ("POST /api/2.0/sql/warehouses/{id}/stop", Level::Real, SCOPE),
    ("GET /api/2.0/sql/config/warehouses", Level::ShapeOnly, SCOPE),
    ("PUT /api/2.0/sql/config/warehouses", Level::Refused, SCOPE),
];

/// The routes.
pub fn routes(workspace: &Arc<Workspace>) -> Router {
    let guarded = |family| Guard { workspace: Arc::clone(workspace), family };
    let reading = Router::new()
        .route("/api/2.0/sql/warehouses", get(list))
        .route("/api/2.0/sql/warehouses/{id}", get(read))
        .route("/api/2.0/sql/config/warehouses", get(config))
        .route_layer(guarded(&family::SQL_WAREHOUSES_READ));
    let changing = Router::new()
        .route("/api/2.0/sql/warehouses", post(create))
        .route("/api/2.0/sql/warehouses/{id}", delete(remove))
        .route("/api/2.0/sql/warehouses/{id}/edit", post(edit))
        .route("/api/2.0/sql/warehouses/{id}/start", post(start))
        .route("/api/2.0/sql/warehouses/{id}/stop", post(stop))
        .route("/api/2.0/sql/config/warehouses", put(configure))
        .route_layer(guarded(&family::SQL_WAREHOUSES));
    reading.merge(changing).with_state(Arc::clone(workspace))
}

type Answer = Result<Json<Value>, ApiError>;

/// Which page of the list. (`run_as_user_id` is ignored by Databricks too.)
#[derive(Deserialize)]
struct Asked {
    page_size: Option<i64>,
    page_token: Option<String>,
}

/// All of them at once, unless pages are asked for: SDK 0.94 reads one page.
async fn list(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Answer {
    let Query(asked) = asked
        .map_err(|error| ApiError::invalid_parameter(format!("Invalid query: {}", error.body_text())))?;
    let page = Page::of("page_size", asked.page_size, usize::MAX, asked.page_token.as_deref())?;
    let found = workspace.warehouses.list(access.caller());
    let keyed = found.into_iter().map(|one| (one.id.to_string(), one));
    let (found, next) = page.cut(keyed, |_| true);
    let shown: Vec<Value> = found.iter().map(|one| wire::shown(&workspace, one)).collect();
    let mut list = json!({ "warehouses": shown });
    if let Some(next) = next {
        list["next_page_token"] = json!(next);
    }
    Ok(Json(list))
}

async fn read(State(workspace): State<Arc<Workspace>>, access: Access, Path(id): Path<String>) -> Answer {
    let permit = reach(&workspace, &access, &id, ViewWarehouse)?;
    let found = workspace.warehouses.get(&permit).map_err(|error| refused(&error))?;
    Ok(Json(wire::shown(&workspace, &found)))
}

async fn create(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    StrictJson(wanted): StrictJson<wire::Wanted>,
) -> Answer {
    let spec = wanted.over(WarehouseSpec::named(""))?;
    let permit = access.authorize(CreateWarehouse(()))?;
    let made = workspace.warehouses.create(&permit, spec).await.map_err(|error| refused(&error))?;
    Ok(Json(json!({ "id": made.id })))
}

async fn edit(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(id): Path<String>,
    StrictJson(wanted): StrictJson<wire::Wanted>,
) -> Answer {
    let permit = reach(&workspace, &access, &id, ManageWarehouse)?;
    let spec = workspace.warehouses.to_edit(&permit).map_err(|error| refused(&error))?;
    workspace.warehouses.edit(&permit, wanted.over(spec)?).await.map_err(|error| refused(&error))?;
    Ok(Json(json!({})))
}

async fn remove(State(workspace): State<Arc<Workspace>>, access: Access, Path(id): Path<String>) -> Answer {
    let permit = reach(&workspace, &access, &id, ManageWarehouse)?;
    workspace.warehouses.delete(&permit).await.map_err(|error| refused(&error))?;
    Ok(Json(json!({})))
}

async fn start(State(workspace): State<Arc<Workspace>>, access: Access, Path(id): Path<String>) -> Answer {
    let permit = reach(&workspace, &access, &id, StartWarehouse)?;
    workspace.warehouses.start(&permit).await.map_err(|error| refused(&error))?;
    Ok(Json(json!({})))
}

async fn stop(State(workspace): State<Arc<Workspace>>, access: Access, Path(id): Path<String>) -> Answer {
    let permit = reach(&workspace, &access, &id, ManageWarehouse)?;
    workspace.warehouses.stop(&permit).await.map_err(|error| refused(&error))?;
    Ok(Json(json!({})))
}

/// Settings that nobody can change here: no data access configuration, no instance profile.
async fn config(_: Access) -> Answer {
    let types = ["CLASSIC", "PRO"].map(|kind| json!({"warehouse_type": kind, "enabled": true}));
    Ok(Json(json!({"security_policy": "DATA_ACCESS_CONTROL", "enabled_warehouse_types": types})))
}

async fn configure(_: Access) -> ApiError {
    ApiError::not_emulated("Changing the settings of all SQL warehouses")
}

/// Permission for an action on a warehouse that is there.
fn reach<A: LevelAction>(
    workspace: &Workspace,
    access: &Access,
    id: &str,
    action: fn(WarehouseRef) -> A,
) -> Result<Permit<A>, ApiError> {
    let found = workspace.warehouses.find(id).ok_or_else(|| no_warehouse(id))?;
    access.authorize(action(found))
}

/// No warehouse of that id.
pub(super) fn no_warehouse(id: &str) -> ApiError {
    let id: String = id.chars().take(80).collect();
    ApiError::does_not_exist(format!("SQL warehouse {id} does not exist."))
}

/// Why something was not done with a warehouse.
pub(super) fn refused(error: &WarehouseError) -> ApiError {
    match error {
        WarehouseError::NotFound(id) => no_warehouse(id),
        WarehouseError::NameTaken(_) => ApiError::already_exists(format!("{error}.")),
        WarehouseError::TooMany => ApiError::limit_exceeded(error.to_string()),
        WarehouseError::Store(cause) => ApiError::internal(cause),
    }
}
