//! `/api/2.0/permissions/{type}/{id}`: access lists of workspace objects.
//!
//! Shapes: databricks-sdk `service/iam.py` and its aliases (`w.serving_endpoints.get_permissions`, ...), which all come
//! here. `{id}` of an endpoint is its id, not its name.
//!
//! Somebody who may not see the object is refused by the id that they gave: its name is not told. A list that names a
//! hidden service principal is accepted and has no effect on it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use brickyard_catalog::{
    AccessEntry, AccessError, Grant, GrantError, Grantee, LevelAction, ManagePermissions, Permit,
    ReadPermissions, Securable, SecurableKind, family, permission_levels,
};
use brickyard_store::CommitError;
use brickyard_types::EndpointId;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::fidelity::Level;
use crate::access::{Access, Guard};
use crate::errors::ApiError;
use crate::http::json::Json as StrictJson;
use crate::workspace::Workspace;

const SCOPE: &str = "access-management";

/// How true these routes are.
pub const FIDELITY: &[(&str, Level, &str)] = &[
    ("GET /api/2.0/permissions/{type}/{id}", Level::Real, SCOPE),
    ("PUT /api/2.0/permissions/{type}/{id}", Level::Real, SCOPE),
    ("PATCH /api/2.0/permissions/{type}/{id}", Level::Real, SCOPE),
    ("GET /api/2.0/permissions/{type}/{id}/permissionLevels", Level::Real, SCOPE),
    ("GET /api/2.0/permissions/sql/warehouses/{id}", Level::Real, SCOPE),
    ("PUT /api/2.0/permissions/sql/warehouses/{id}", Level::Real, SCOPE),
    ("PATCH /api/2.0/permissions/sql/warehouses/{id}", Level::Real, SCOPE),
    ("GET /api/2.0/permissions/sql/warehouses/{id}/permissionLevels", Level::Real, SCOPE),
];

/// The types of the real API that brickyard has no objects of.
const NOT_HERE: [&str; 28] = [
    "alerts",
    "alertsv2",
    "apps",
    "clusters",
    "cluster-policies",
    "dashboards",
    "database-instances",
    "database-projects",
    "dbsql-dashboards",
    "directories",
    "experiments",
    "files",
    "genie",
    "instance-pools",
    "jobs",
    "knowledge-assistants",
    "notebooks",
    "pipelines",
    "queries",
    "registered-models",
    "repos",
    "sql-alerts",
    "sql-dashboards",
    "sql-queries",
    "sql",
    "supervisor-agents",
    "vector-search-endpoints",
    "vector-search-indexes",
];

/// The routes.
pub fn routes(workspace: &Arc<Workspace>) -> Router {
    let guarded = Guard { workspace: Arc::clone(workspace), family: &family::PERMISSIONS };
    Router::new()
        .route("/api/2.0/permissions/{type}/{id}", get(read).put(set).patch(update))
        .route("/api/2.0/permissions/{type}/{id}/permissionLevels", get(levels))
        .route("/api/2.0/permissions/sql/warehouses/{id}", get(read).put(set).patch(update))
        .route("/api/2.0/permissions/sql/warehouses/{id}/permissionLevels", get(levels))
        .route_layer(guarded)
        .with_state(Arc::clone(workspace))
}

type Answer = Result<Json<Value>, ApiError>;

/// The object that a path names: `/{type}/{id}`, or `/sql/warehouses/{id}`, the older name of `/warehouses/{id}`.
#[derive(Deserialize)]
struct Named {
    #[serde(rename = "type", default = "warehouses")]
    kind: String,
    id: String,
}

fn warehouses() -> String {
    "warehouses".to_owned()
}

/// A list to set or to add.
#[derive(Deserialize)]
struct Wanted {
    access_control_list: Option<Vec<WantedEntry>>,
}

#[derive(Deserialize)]
struct WantedEntry {
    user_name: Option<String>,
    group_name: Option<String>,
    service_principal_name: Option<String>,
    permission_level: Option<String>,
}

async fn read(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(Named { kind, id }): Path<Named>,
) -> Answer {
    let thing = find(&workspace, &kind, &id)?;
    let permit = reach(&workspace, &access, &id, ReadPermissions(thing.clone()))?;
    Ok(shown(&thing, &workspace.catalog.access_list(&permit)))
}

async fn set(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(Named { kind, id }): Path<Named>,
    StrictJson(wanted): StrictJson<Wanted>,
) -> Answer {
    change(&workspace, &access, &kind, &id, wanted, true).await
}

async fn update(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(Named { kind, id }): Path<Named>,
    StrictJson(wanted): StrictJson<Wanted>,
) -> Answer {
    change(&workspace, &access, &kind, &id, wanted, false).await
}

async fn change(
    workspace: &Workspace,
    access: &Access,
    kind: &str,
    id: &str,
    wanted: Wanted,
    replace: bool,
) -> Answer {
    let grants = grants(wanted)?;
    let thing = find(workspace, kind, id)?;
    let permit = reach(workspace, access, id, ManagePermissions(thing.clone()))?;
    let catalog = &workspace.catalog;
    let changed = match replace {
        true => catalog.set_access(&permit, &grants).await,
        false => catalog.merge_access(&permit, &grants).await,
    };
    changed.map_err(|error| refused(&error))?;
    Ok(shown(&thing, &catalog.access_list_to_manage(&permit)))
}

async fn levels(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(Named { kind, id }): Path<Named>,
) -> Answer {
    let thing = find(&workspace, &kind, &id)?;
    reach(&workspace, &access, &id, ReadPermissions(thing.clone()))?;
    let levels = permission_levels(thing.kind()).iter();
    let levels: Vec<Value> = levels
        .map(|(level, description)| json!({"permission_level": level, "description": description}))
        .collect();
    Ok(Json(json!({ "permission_levels": levels })))
}

/// The object behind a path.
fn find(workspace: &Workspace, kind: &str, id: &str) -> Result<Securable, ApiError> {
    match (SecurableKind::of_permissions_path(kind), id) {
        (Some(SecurableKind::ServingEndpoint), id) => {
            // Databricks' own words, as people see them who pass a name.
            let invalid = || {
                ApiError::invalid_parameter(format!("'{}' is not a valid Inference Endpoint ID.", cut(id)))
            };
            let endpoint = id.parse::<EndpointId>().map_err(|_| invalid())?;
            let view = workspace.serving.endpoint_by_id(&endpoint).ok_or_else(|| nothing(id))?;
            Ok(Securable::from(&view.endpoint.reference()))
        }
        (Some(SecurableKind::Tokens), "tokens") => Ok(Securable::Tokens),
        (Some(SecurableKind::Tokens), "passwords") => {
            Err(ApiError::not_emulated("The permissions of authorization/passwords"))
        }
        (Some(SecurableKind::SqlWarehouse), id) => {
            let warehouse = workspace.warehouses.find(id).ok_or_else(|| nothing(id))?;
            Ok(Securable::SqlWarehouse(warehouse))
        }
        (Some(_), _) => Err(nothing(id)),
        (None, _) if NOT_HERE.contains(&kind) => {
            Err(ApiError::not_emulated(format_args!("The permissions API for {kind}")))
        }
        (None, _) => Err(ApiError::invalid_parameter(format!(
            "'{}' is not an object type of the permissions API",
            cut(kind)
        ))),
    }
}

/// Permission to do `action`. The refusal of the catalog names the thing, which is not for everybody.
fn reach<A: LevelAction>(
    workspace: &Workspace,
    access: &Access,
    id: &str,
    action: A,
) -> Result<Permit<A>, ApiError> {
    let thing = action.securable();
    access.authorize(action).map_err(|refusal| match workspace.catalog.can_see(access.caller(), &thing) {
        true => refusal,
        false => {
            ApiError::permission_denied(format!("User does not have permission 'Manage' on '{}'.", cut(id)))
        }
    })
}

fn nothing(id: &str) -> ApiError {
    ApiError::does_not_exist(format!("'{}' does not exist.", cut(id)))
}

fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

fn grants(wanted: Wanted) -> Result<Vec<Grant>, ApiError> {
    let entries = wanted.access_control_list.unwrap_or_default();
    entries.into_iter().map(grant).collect()
}

fn grant(entry: WantedEntry) -> Result<Grant, ApiError> {
    let grantee = match (entry.user_name, entry.group_name, entry.service_principal_name) {
        (Some(name), None, None) => Grantee::User(name),
        (None, Some(name), None) => Grantee::Group(name),
        (None, None, Some(name)) => Grantee::ServicePrincipal(name),
        _ => {
            let message = "Each entry of access_control_list has exactly one of user_name, group_name and service_principal_name";
            return Err(ApiError::invalid_parameter(message));
        }
    };
    let level =
        entry.permission_level.ok_or_else(|| ApiError::invalid_parameter("permission_level is required"))?;
    let level = level.parse().map_err(|error| ApiError::invalid_parameter(format!("{error}")))?;
    Ok(Grant { grantee, level })
}

/// The answer: one item a principal, whose permissions may be granted and inherited.
fn shown(thing: &Securable, list: &[AccessEntry]) -> Json<Value> {
    let object_id = match thing {
        Securable::ServingEndpoint { id, .. } => format!("/serving-endpoints/{id}"),
        Securable::Tokens => "/authorization/tokens".to_owned(),
        // `find` makes no other.
        Securable::SqlWarehouse(warehouse) => format!("/sql/warehouses/{}", warehouse.id),
        Securable::Workspace | Securable::SecretScope(_) => "/".to_owned(),
    };
    let mut items: Vec<(&Grantee, Map<String, Value>, Vec<Value>)> = Vec::new();
    for entry in list {
        let mut permission = json!({"permission_level": entry.level, "inherited": entry.inherited});
        if let Some(from) = &entry.inherited_from {
            permission["inherited_from_object"] = json!([from]);
        }
        if let Some((.., permissions)) = items.iter_mut().find(|(grantee, ..)| **grantee == entry.grantee) {
            permissions.push(permission);
            continue;
        }
        let key = match &entry.grantee {
            Grantee::Group(_) => "group_name",
            Grantee::ServicePrincipal(_) => "service_principal_name",
            Grantee::User(_) | Grantee::Anyone(_) => "user_name",
        };
        let mut item = Map::new();
        item.insert(key.to_owned(), json!(entry.grantee.name()));
        if let Some(display_name) = &entry.display_name {
            item.insert("display_name".to_owned(), json!(display_name));
        }
        items.push((&entry.grantee, item, vec![permission]));
    }
    let items: Vec<Value> = (items.into_iter())
        .map(|(_, mut item, permissions)| {
            item.insert("all_permissions".to_owned(), json!(permissions));
            Value::Object(item)
        })
        .collect();
    Json(
        json!({"object_id": object_id, "object_type": thing.kind().object_type(), "access_control_list": items}),
    )
}

fn refused(error: &AccessError) -> ApiError {
    match error {
        CommitError::Refused(
            error @ (GrantError::UnknownPrincipal { .. } | GrantError::Gone(_) | GrantError::NoEntry(_)),
        ) => ApiError::does_not_exist(error.to_string().chars().take(400).collect::<String>()),
        CommitError::Refused(error @ GrantError::WrongLevel { .. }) => {
            ApiError::invalid_parameter(error.to_string())
        }
        CommitError::Store(cause) => ApiError::internal(cause),
    }
}

#[cfg(test)]
mod tests {
    use brickyard_catalog::Level as Permission;

    use super::*;

    fn wanted(text: &str) -> Result<Vec<Grant>, ApiError> {
        crate::http::json::parse::<Wanted>(text.as_bytes()).and_then(grants)
    }

    #[test]
    fn an_entry_names_one_principal_and_one_level() {
        let list =
            r#"{"access_control_list": [{"user_name": "ana@example.com", "permission_level": "CAN_QUERY"}]}"#;
        let expected =
            Grant { grantee: Grantee::User("ana@example.com".into()), level: Permission::CanQuery };
        assert_eq!(wanted(list).expect("a list"), [expected]);
        assert!(wanted("{}").expect("no list").is_empty());
        for (bad, start) in [
            (r#"{"access_control_list": [{"permission_level": "CAN_QUERY"}]}"#, "Each entry"),
            (
                r#"{"access_control_list": [{"user_name": "a", "group_name": "b", "permission_level": "CAN_QUERY"}]}"#,
                "Each entry",
            ),
            (r#"{"access_control_list": [{"user_name": "a"}]}"#, "permission_level is required"),
            (
                r#"{"access_control_list": [{"user_name": "a", "permission_level": "CAN_FLY"}]}"#,
                "\"CAN_FLY\" is not",
            ),
        ] {
            let error = wanted(bad).expect_err(bad);
            assert_eq!(error.status(), 400);
            assert!(error.message().starts_with(start), "{error}");
        }
    }

    #[test]
    fn a_principal_with_two_permissions_is_one_item() {
        let id: EndpointId = "0123456789abcdef0123456789abcdef".parse().expect("an id");
        let thing = Securable::ServingEndpoint { id, name: "guide".parse().expect("a name") };
        let entry = |grantee: Grantee, level, inherited: bool| AccessEntry {
            display_name: matches!(grantee, Grantee::User(_)).then(|| "Ana".to_owned()),
            grantee,
            level,
            inherited,
            inherited_from: inherited.then(|| "/serving-endpoints/".to_owned()),
        };
        let admins = Grantee::Group("admins".into());
        let list = [
            entry(Grantee::User("ana@example.com".into()), Permission::CanManage, false),
            entry(admins.clone(), Permission::CanView, false),
            entry(admins, Permission::CanManage, true),
        ];
        let Json(body) = shown(&thing, &list);
        assert_eq!(
            body,
            json!({
                "object_id": "/serving-endpoints/0123456789abcdef0123456789abcdef",
                "object_type": "serving-endpoint",
                "access_control_list": [
                    {"user_name": "ana@example.com", "display_name": "Ana",
                     "all_permissions": [{"permission_level": "CAN_MANAGE", "inherited": false}]},
                    {"group_name": "admins", "all_permissions": [
                        {"permission_level": "CAN_VIEW", "inherited": false},
                        {"permission_level": "CAN_MANAGE", "inherited": true, "inherited_from_object": ["/serving-endpoints/"]}]}
                ]
            })
        );
    }
}
