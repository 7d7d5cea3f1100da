//! `/permissions`, `/effective-permissions` and their paged forms of SDK 0.156, `/privilege-assignments` and
//! `/effective-privilege-assignments`.
//!
//! Who manages an object reads everybody's grants on it; who only sees it reads their own, their groups' included.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use brickyard_catalog::family;
use brickyard_catalog::unity::{
    GrantChange, ManageObject, ObjectKind, ObjectRef, PrivilegeSet, ReadGrants, SeeObject, Target,
    UnityPrivilege,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::lookup::{find, not_found, refused};
use super::paging::{Asked, Page, Sent, asked};
use super::wire::metastore_id;
use super::{Answer, paged};
use crate::access::Access;
use crate::errors::ApiError;
use crate::http::json::Json as StrictJson;
use crate::workspace::Workspace;

type Named = Path<(String, String)>;

/// The types of Databricks that brickyard has no objects of.
const NOT_HERE: [&str; 13] = [
    "clean_room",
    "credential",
    "external_location",
    "external_metadata",
    "mcp_service",
    "model_service",
    "pipeline",
    "provider",
    "recipient",
    "share",
    "staging_table",
    "storage_credential",
    "volume",
];

#[derive(Deserialize)]
pub(super) struct Update {
    changes: Option<Vec<Change>>,
}

#[derive(Deserialize)]
struct Change {
    principal: Option<String>,
    #[serde(default)]
    add: Vec<String>,
    #[serde(default)]
    remove: Vec<String>,
}

/// The object that a type and a name stand for. Types are written in any case, as both SDKs send what they are given.
fn target(workspace: &Workspace, access: &Access, kind: &str, name: &str) -> Result<ObjectRef, ApiError> {
    let word = kind.to_ascii_lowercase();
    let kind = match word.as_str() {
        "metastore" if name == metastore_id(workspace.id) => return Ok(ObjectRef::metastore()),
        "metastore" => {
            return Err(not_found(ObjectKind::Metastore, &name.chars().take(200).collect::<String>()));
        }
        "catalog" => ObjectKind::Catalog,
        "schema" => ObjectKind::Schema,
        "table" => ObjectKind::Table,
        "function" => ObjectKind::Function,
        "connection" => ObjectKind::Connection,
        known if NOT_HERE.contains(&known) => {
            return Err(ApiError::not_emulated(format_args!("The securable type {known}")));
        }
        _ => {
            let shown: String = kind.chars().take(80).collect();
            return Err(ApiError::invalid_parameter(format!("{shown:?} is not a securable type")));
        }
    };
    Ok(find(workspace, access, kind, name, &family::UC_GRANTS)?.reference())
}

/// Everybody's with a right to manage, else the caller's own. Only the question that counted goes to the ledger: that
/// somebody manages nothing is no refusal here.
fn shown<T>(
    workspace: &Workspace,
    access: &Access,
    on: ObjectRef,
    all: impl Fn(&brickyard_catalog::Permit<ReadGrants>) -> T,
    own: impl Fn(&brickyard_catalog::Permit<SeeObject>) -> T,
) -> Result<T, ApiError> {
    let target = Target::new(on, &family::UC_GRANTS);
    if let Ok(permit) = workspace.catalog.authorize(access.caller(), ReadGrants(target.clone())) {
        access.record(permit.trace().clone());
        return Ok(all(&permit));
    }
    Ok(own(&access.authorize(SeeObject(target))?))
}

/// The name that a principal's grants are shown by; 404 for nobody's.
fn only(workspace: &Workspace, asked: &Asked) -> Result<Option<String>, ApiError> {
    match asked.principal.as_deref() {
        None | Some("") => Ok(None),
        Some(name) => {
            let id = workspace.catalog.grantee(name).map_err(refused)?;
            Ok(Some(workspace.catalog.grantee_name(id)))
        }
    }
}

type Grants = BTreeMap<String, Vec<Value>>;

fn granted(
    workspace: &Workspace,
    access: &Access,
    on: ObjectRef,
    only: Option<&str>,
) -> Result<Grants, ApiError> {
    let catalog = &workspace.catalog;
    let grants =
        shown(workspace, access, on, |permit| catalog.grants(permit), |permit| catalog.own_grants(permit))?;
    let grants = grants.into_iter().filter(|grant| only.is_none_or(|only| grant.name == only));
    Ok(grants
        .map(|grant| (grant.name, grant.privileges.iter().map(|one| one.as_str().into()).collect()))
        .collect())
}

fn effective(
    workspace: &Workspace,
    access: &Access,
    on: ObjectRef,
    only: Option<&str>,
) -> Result<Grants, ApiError> {
    let catalog = &workspace.catalog;
    let held = shown(
        workspace,
        access,
        on,
        |permit| catalog.effective_grants(permit),
        |permit| catalog.own_effective_grants(permit),
    )?;
    let mut grants = Grants::new();
    for held in held.into_iter().filter(|held| only.is_none_or(|only| held.name == only)) {
        let mut item = json!({"privilege": held.privilege.as_str()});
        if let (Some(from), Value::Object(item)) = (held.inherited_from, &mut item) {
            item.insert("inherited_from_type".to_owned(), from.kind.word().into());
            item.insert("inherited_from_name".to_owned(), from.full_name.as_ref().into());
        }
        grants.entry(held.name).or_default().push(item);
    }
    Ok(grants)
}

fn assignments(grants: Grants, page: &Page) -> Json<Value> {
    let list = grants.into_iter().map(|(name, privileges)| {
        let item = json!({"principal": name, "privileges": privileges});
        (name, item)
    });
    let (items, next) = page.cut(list, |_| true);
    paged("privilege_assignments", items, next)
}

/// How a form of the route says how long its pages are, and which of the grants it lists.
struct Form {
    page: fn(&Asked) -> Result<Page, ApiError>,
    grants: fn(&Workspace, &Access, ObjectRef, Option<&str>) -> Result<Grants, ApiError>,
}

impl Form {
    fn answer(&self, workspace: &Workspace, access: &Access, kind: &str, name: &str, sent: Sent) -> Answer {
        let asked = asked(sent)?;
        let page = (self.page)(&asked)?;
        let on = target(workspace, access, kind, name)?;
        let only = only(workspace, &asked)?;
        Ok(assignments((self.grants)(workspace, access, on, only.as_deref())?, &page))
    }
}

/// `/permissions`
pub(super) async fn read(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path((kind, name)): Named,
    sent: Sent,
) -> Answer {
    Form { page: Page::by_max_results, grants: granted }.answer(&workspace, &access, &kind, &name, sent)
}

/// `/privilege-assignments`
pub(super) async fn read_paged(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path((kind, name)): Named,
    sent: Sent,
) -> Answer {
    Form { page: Page::by_page_size, grants: granted }.answer(&workspace, &access, &kind, &name, sent)
}

/// `/effective-permissions`
pub(super) async fn read_effective(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path((kind, name)): Named,
    sent: Sent,
) -> Answer {
    Form { page: Page::by_max_results, grants: effective }.answer(&workspace, &access, &kind, &name, sent)
}

/// `/effective-privilege-assignments`
pub(super) async fn read_effective_paged(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path((kind, name)): Named,
    sent: Sent,
) -> Answer {
    Form { page: Page::by_page_size, grants: effective }.answer(&workspace, &access, &kind, &name, sent)
}

pub(super) async fn update(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path((kind, name)): Named,
    StrictJson(body): StrictJson<Update>,
) -> Answer {
    let on = target(&workspace, &access, &kind, &name)?;
    let permit = access.authorize(ManageObject(Target::new(on.clone(), &family::UC_GRANTS)))?;
    let mut changes = Vec::new();
    for change in body.changes.unwrap_or_default() {
        let principal = change.principal.filter(|name| !name.is_empty());
        let principal =
            principal.ok_or_else(|| ApiError::invalid_parameter("Missing required field: principal"))?;
        changes.push(GrantChange {
            principal,
            add: privileges(&change.add)?,
            remove: privileges(&change.remove)?,
        });
    }
    workspace.catalog.change_grants(&permit, &changes).await.map_err(refused)?;
    // Who gave its own right to manage away sees what is left to it, or nothing.
    let grants = granted(&workspace, &access, on, None).unwrap_or_default();
    let page = Page::by_max_results(&Asked::default())?;
    Ok(assignments(grants, &page))
}

fn privileges(words: &[String]) -> Result<PrivilegeSet, ApiError> {
    let read = |word: &String| {
        let short: String = word.chars().take(80).collect();
        short.parse::<UnityPrivilege>().map_err(|error| ApiError::invalid_parameter(format!("{error}.")))
    };
    words.iter().map(read).collect()
}
