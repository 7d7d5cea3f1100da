//! `/api/2.1/unity-catalog`: catalogs, schemas, tables, functions, connections and grants over REST.
//!
//! Shapes: databricks-sdk `service/catalog.py` (0.94 and 0.156). How a table is made here is
//! in `unity_catalog/new_table.rs`; views are made by SQL.
//!
//! Rules kept here:
//!
//! - **A list shows what the caller sees**, and is empty where that is nothing. One object that the caller may not see
//!   is refused in the words of the first privilege that is missing: on what would hold it whether or not it exists, on
//!   itself only if it does (`unity_catalog/lookup.rs`).
//! - **What is known through `BROWSE` alone** is shown where `include_browse` asks for it, says `browse_only`, and never has
//!   the text of a view or function.
//! - **What Databricks would act on and brickyard does not is refused by the name of the field.**
//! - **No answer shows a secret of a connection** (`unity_catalog/connections.rs`).
//!
//! Dropping a managed table here removes its folder, too; an external table's files are left to whoever owns them.

mod catalogs;
mod change;
pub mod connections;
mod functions;
mod information_schema;
pub(super) mod lookup;
mod new_table;
mod paging;
mod permissions;
mod schemas;
mod tables;
mod wire;

use std::sync::Arc;

use axum::routing::{delete, get, patch, post};
use axum::{Json, Router};
use brickyard_catalog::unity::{Object, ObjectId, ObjectKind};
use brickyard_catalog::{ApiFamily, family};
use brickyard_types::Principal;
use serde_json::{Value, json};

use super::fidelity::Level;
use crate::access::{Access, Guard};
use crate::errors::ApiError;
use crate::workspace::Workspace;
use paging::Page;

const SCOPE: &str = "unity-catalog";

/// How true these routes are.
pub const FIDELITY: &[(&str, Level, &str)] = &[
    ("GET /api/2.1/unity-catalog/catalogs", Level::Real, SCOPE),
    ("POST /api/2.1/unity-catalog/catalogs", Level::Real, SCOPE),
    ("GET /api/2.1/unity-catalog/catalogs/{name}", Level::Real, SCOPE),
    ("PATCH /api/2.1/unity-catalog/catalogs/{name}", Level::Real, SCOPE),
    ("DELETE /api/2.1/unity-catalog/catalogs/{name}", Level::Real, SCOPE),
    ("GET /api/2.1/unity-catalog/schemas", Level::Real, SCOPE),
    ("POST /api/2.1/unity-catalog/schemas", Level::Real, SCOPE),
    ("GET /api/2.1/unity-catalog/schemas/{full_name}", Level::Real, SCOPE),
    ("PATCH /api/2.1/unity-catalog/schemas/{full_name}", Level::Real, SCOPE),
    ("DELETE /api/2.1/unity-catalog/schemas/{full_name}", Level::Real, SCOPE),
    ("GET /api/2.1/unity-catalog/tables", Level::Real, SCOPE),
    ("POST /api/2.1/unity-catalog/tables", Level::Real, SCOPE),
    ("GET /api/2.1/unity-catalog/tables/{full_name}", Level::Real, SCOPE),
    ("PATCH /api/2.1/unity-catalog/tables/{full_name}", Level::Real, SCOPE),
    ("DELETE /api/2.1/unity-catalog/tables/{full_name}", Level::Real, SCOPE),
    ("GET /api/2.1/unity-catalog/tables/{full_name}/exists", Level::Real, SCOPE),
    ("GET /api/2.1/unity-catalog/table-summaries", Level::Real, SCOPE),
    ("GET /api/2.1/unity-catalog/functions", Level::Real, SCOPE),
    ("POST /api/2.1/unity-catalog/functions", Level::Real, SCOPE),
    ("GET /api/2.1/unity-catalog/functions/{full_name}", Level::Real, SCOPE),
    ("PATCH /api/2.1/unity-catalog/functions/{full_name}", Level::Real, SCOPE),
    ("DELETE /api/2.1/unity-catalog/functions/{full_name}", Level::Real, SCOPE),
    ("GET /api/2.1/unity-catalog/connections", Level::Real, SCOPE),
    ("POST /api/2.1/unity-catalog/connections", Level::Real, SCOPE),
    ("GET /api/2.1/unity-catalog/connections/{name}", Level::Real, SCOPE),
    ("PATCH /api/2.1/unity-catalog/connections/{name}", Level::Real, SCOPE),
    ("DELETE /api/2.1/unity-catalog/connections/{name}", Level::Real, SCOPE),
    ("GET /api/2.1/unity-catalog/permissions/{securable_type}/{full_name}", Level::Real, SCOPE),
    ("PATCH /api/2.1/unity-catalog/permissions/{securable_type}/{full_name}", Level::Real, SCOPE),
    ("GET /api/2.1/unity-catalog/effective-permissions/{securable_type}/{full_name}", Level::Real, SCOPE),
    ("GET /api/2.1/unity-catalog/privilege-assignments/{securable_type}/{full_name}", Level::Real, SCOPE),
    (
        "GET /api/2.1/unity-catalog/effective-privilege-assignments/{securable_type}/{full_name}",
        Level::Real,
        SCOPE,
    ),
    ("GET /api/2.1/unity-catalog/metastore_summary", Level::ShapeOnly, SCOPE),
    ("GET /api/2.1/unity-catalog/current-metastore-assignment", Level::Real, SCOPE),
];

const CATALOGS: &str = "/api/2.1/unity-catalog/catalogs";
const CATALOG: &str = "/api/2.1/unity-catalog/catalogs/{name}";
const SCHEMAS: &str = "/api/2.1/unity-catalog/schemas";
const SCHEMA: &str = "/api/2.1/unity-catalog/schemas/{full_name}";
const TABLES: &str = "/api/2.1/unity-catalog/tables";
const TABLE: &str = "/api/2.1/unity-catalog/tables/{full_name}";
const GRANTS: &str = "/api/2.1/unity-catalog/permissions/{securable_type}/{full_name}";

/// The routes: one router for each scope that opens some of them.
pub fn routes(workspace: &Arc<Workspace>) -> Router {
    let guarded = |family: &'static ApiFamily, router: Router<Arc<Workspace>>| {
        let guarded = Guard { workspace: Arc::clone(workspace), family };
        router.route_layer(guarded).with_state(Arc::clone(workspace))
    };
    let read_catalogs = Router::new()
        .route(CATALOGS, get(catalogs::list))
        .route(CATALOG, get(catalogs::read))
        .route(SCHEMAS, get(schemas::list))
        .route(SCHEMA, get(schemas::read));
    let read_tables = Router::new()
        .route(TABLES, get(tables::list))
        .route(TABLE, get(tables::read))
        .route("/api/2.1/unity-catalog/tables/{full_name}/exists", get(tables::exists))
        .route("/api/2.1/unity-catalog/table-summaries", get(tables::summaries));
    let write = Router::new()
        .route(CATALOGS, post(catalogs::create))
        .route(CATALOG, patch(catalogs::update).delete(catalogs::delete))
        .route(SCHEMAS, post(schemas::create))
        .route(SCHEMA, patch(schemas::update).delete(schemas::delete))
        .route(TABLES, post(new_table::create))
        .route(TABLE, delete(tables::delete).patch(tables::update))
        .route("/api/2.1/unity-catalog/metastore_summary", get(catalogs::metastore_summary))
        .route("/api/2.1/unity-catalog/current-metastore-assignment", get(catalogs::metastore_assignment));
    let of_functions = Router::new()
        .route("/api/2.1/unity-catalog/functions", get(functions::list).post(functions::create))
        .route(
            "/api/2.1/unity-catalog/functions/{full_name}",
            get(functions::read).patch(functions::update).delete(functions::delete),
        );
    let of_connections = Router::new()
        .route("/api/2.1/unity-catalog/connections", get(connections::list).post(connections::create))
        .route(
            "/api/2.1/unity-catalog/connections/{name}",
            get(connections::read).patch(connections::update).delete(connections::delete),
        );
    let of_grants = Router::new()
        .route(GRANTS, get(permissions::read).patch(permissions::update))
        .route(
            "/api/2.1/unity-catalog/effective-permissions/{securable_type}/{full_name}",
            get(permissions::read_effective),
        )
        .route(
            "/api/2.1/unity-catalog/privilege-assignments/{securable_type}/{full_name}",
            get(permissions::read_paged),
        )
        .route(
            "/api/2.1/unity-catalog/effective-privilege-assignments/{securable_type}/{full_name}",
            get(permissions::read_effective_paged),
        );
    Router::new()
        .merge(guarded(&family::UC_CATALOGS, read_catalogs))
        .merge(guarded(&family::UC_TABLES, read_tables))
        .merge(guarded(&family::UC_WRITE, write))
        .merge(guarded(&family::UC_FUNCTIONS, of_functions))
        .merge(guarded(&family::UC_CONNECTIONS, of_connections))
        .merge(guarded(&family::UC_GRANTS, of_grants))
}

type Answer = Result<Json<Value>, ApiError>;

fn done() -> Json<Value> {
    Json(json!({}))
}

/// What of one kind is directly in something and the caller is shown, and the token of the next page.
fn listed(
    workspace: &Workspace,
    access: &Access,
    parent: ObjectId,
    kind: ObjectKind,
    page: &Page,
    include_browse: bool,
) -> (Vec<Arc<Object>>, Option<String>) {
    let unity = workspace.catalog.unity();
    let list =
        unity.children_of_kind(parent, kind).map(|object| (object.name.to_lowercase(), Arc::clone(object)));
    let who = access.caller().principal();
    page.cut(list, |object| is_shown(workspace, who, object, include_browse))
}

/// Whether a list shows an object: what is known through `BROWSE` alone is shown to who asks for that.
fn is_shown(workspace: &Workspace, who: &Principal, object: &Object, include_browse: bool) -> bool {
    let (catalog, on) = (&workspace.catalog, object.reference());
    catalog.sees(who, &on) && (include_browse || !catalog.only_browses(who, &on))
}

/// A page of a list. The last one has no token.
fn paged(key: &str, items: Vec<Value>, next: Option<String>) -> Json<Value> {
    let mut page = json!({ key: items });
    if let (Some(next), Value::Object(page)) = (next, &mut page) {
        page.insert("next_page_token".to_owned(), next.into());
    }
    Json(page)
}
