//! From a name to an object, to a permit, or to the refusal that tells no more than the caller may know.
//!
//! Somebody who asks for what is not there learns that only if they may use what would hold it: the walk down the name is
//! the same as for an object that is there, and ends at the first thing that is missing.

use std::sync::Arc;

use axum::http::StatusCode;
use brickyard_catalog::ApiFamily;
use brickyard_catalog::Permit;
use brickyard_catalog::unity::{
    CreateObject, ExecuteFunction, ManageObject, Object, ObjectKind, ObjectPath, ObjectRef, SeeObject,
    SelectTable, Target, UnityError, UseParents,
};

use crate::access::Access;
use crate::errors::{ApiError, Code};
use crate::workspace::Workspace;

/// What a name led to.
pub(super) enum Found {
    /// It is there; nothing was asked about rights yet.
    Here(Arc<Object>),
    /// Everything above is there and may be used; the object is not.
    Missing(ApiError),
}

/// How many parts the full name of such an object has, from the outermost.
fn kinds_of(kind: ObjectKind) -> &'static [ObjectKind] {
    match kind {
        ObjectKind::Metastore => &[],
        ObjectKind::Catalog => &[ObjectKind::Catalog],
        ObjectKind::Connection => &[ObjectKind::Connection],
        ObjectKind::Schema => &[ObjectKind::Catalog, ObjectKind::Schema],
        ObjectKind::Table => &[ObjectKind::Catalog, ObjectKind::Schema, ObjectKind::Table],
        ObjectKind::Function => &[ObjectKind::Catalog, ObjectKind::Schema, ObjectKind::Function],
    }
}

/// Reads a full name of an object of that kind.
pub(super) fn path_of(kind: ObjectKind, full_name: &str) -> Result<ObjectPath, ApiError> {
    let path: ObjectPath = full_name.parse().map_err(|error| refused(UnityError::Name(error)))?;
    let kinds = kinds_of(kind);
    if path.parts().len() == kinds.len() {
        return Ok(path);
    }
    let form: Vec<_> = kinds.iter().map(|kind| kind.word().to_lowercase()).collect();
    let message =
        format!("'{path}' is not the full name of a {}: {}", kind.word().to_lowercase(), form.join("."));
    Err(ApiError::invalid_parameter(message))
}

/// Looks for an object. If something above it is missing, or may not be used, that is the error.
pub(super) fn look_for(
    workspace: &Workspace,
    access: &Access,
    kind: ObjectKind,
    full_name: &str,
    through: &'static ApiFamily,
) -> Result<Found, ApiError> {
    let path = path_of(kind, full_name)?;
    let unity = workspace.catalog.unity();
    if let Some(object) = unity.find(kind, &path) {
        return Ok(Found::Here(Arc::clone(object)));
    }
    let mut holder: Option<ObjectRef> = None;
    for (index, kind) in kinds_of(kind).iter().enumerate() {
        let here = ObjectPath::new(path.parts()[..=index].to_vec())
            .map_err(|error| refused(UnityError::Name(error)))?;
        if let Some(object) = unity.find(*kind, &here) {
            holder = Some(object.reference());
            continue;
        }
        if let Some(holder) = holder {
            access.authorize(UseParents(Target::new(holder, through)))?;
        }
        let error = not_found(*kind, &here.to_string());
        return if index + 1 == path.parts().len() { Ok(Found::Missing(error)) } else { Err(error) };
    }
    Err(not_found(kind, full_name))
}

/// The object, or 404 after the walk. Rights on the object itself are not asked about.
pub(in crate::routes) fn find(
    workspace: &Workspace,
    access: &Access,
    kind: ObjectKind,
    full_name: &str,
    through: &'static ApiFamily,
) -> Result<Arc<Object>, ApiError> {
    match look_for(workspace, access, kind, full_name, through)? {
        Found::Here(object) => Ok(object),
        Found::Missing(error) => Err(error),
    }
}

/// The object, if the caller is shown it: what is known through `BROWSE` alone is shown to who says so.
pub(super) fn see_or_browse(
    workspace: &Workspace,
    access: &Access,
    kind: ObjectKind,
    full_name: &str,
    through: &'static ApiFamily,
    include_browse: bool,
) -> Result<Arc<Object>, ApiError> {
    let object = find(workspace, access, kind, full_name, through)?;
    let target = Target::new(object.reference(), through);
    if !include_browse && workspace.catalog.only_browses(access.caller().principal(), &target.object) {
        // Refused in the words of what would have opened it.
        match kind {
            ObjectKind::Table => access.authorize(SelectTable(target.clone())).map(drop)?,
            ObjectKind::Function => access.authorize(ExecuteFunction(target.clone())).map(drop)?,
            _ => access.authorize(UseParents(target.clone())).map(drop)?,
        }
    }
    access.authorize(SeeObject(target))?;
    Ok(object)
}

/// The object, if the caller may know that it is there.
pub(super) fn see(
    workspace: &Workspace,
    access: &Access,
    kind: ObjectKind,
    full_name: &str,
    through: &'static ApiFamily,
) -> Result<Arc<Object>, ApiError> {
    let object = find(workspace, access, kind, full_name, through)?;
    access.authorize(SeeObject(Target::new(object.reference(), through)))?;
    Ok(object)
}

/// The object, and the permit to change it.
pub(super) fn manage(
    workspace: &Workspace,
    access: &Access,
    kind: ObjectKind,
    full_name: &str,
    through: &'static ApiFamily,
) -> Result<(Arc<Object>, Permit<ManageObject>), ApiError> {
    let object = find(workspace, access, kind, full_name, through)?;
    let permit = access.authorize(ManageObject(Target::new(object.reference(), through)))?;
    Ok((object, permit))
}

/// The permit to make an object of a kind in something.
pub(super) fn create_in(
    access: &Access,
    parent: ObjectRef,
    kind: ObjectKind,
    through: &'static ApiFamily,
) -> Result<Permit<CreateObject>, ApiError> {
    access.authorize(CreateObject { parent: Target::new(parent, through), kind })
}

/// 404 with the word of its kind. (`ROUTINE_DOES_NOT_EXIST` and `CONNECTION_DOES_NOT_EXIST` are inferred from the others.)
pub(super) fn not_found(kind: ObjectKind, full_name: &str) -> ApiError {
    let code = match kind {
        ObjectKind::Metastore => "METASTORE_DOES_NOT_EXIST",
        ObjectKind::Catalog => "CATALOG_DOES_NOT_EXIST",
        ObjectKind::Schema => "SCHEMA_DOES_NOT_EXIST",
        ObjectKind::Table => "TABLE_DOES_NOT_EXIST",
        ObjectKind::Function => "ROUTINE_DOES_NOT_EXIST",
        ObjectKind::Connection => "CONNECTION_DOES_NOT_EXIST",
    };
    ApiError::catalog_object_does_not_exist(code, format!("{} '{full_name}' does not exist.", kind.spoken()))
}

/// What the catalog could not do, on the wire. (The codes of names that are taken are inferred.)
pub(super) fn refused(error: UnityError) -> ApiError {
    let message = format!("{error}.");
    match error {
        UnityError::Name(error) => ApiError::invalid_parameter(error.to_string()),
        UnityError::AlreadyExists { kind, .. } => {
            let code = match kind {
                ObjectKind::Metastore => "METASTORE_ALREADY_EXISTS",
                ObjectKind::Catalog => "CATALOG_ALREADY_EXISTS",
                ObjectKind::Schema => "SCHEMA_ALREADY_EXISTS",
                ObjectKind::Table => "TABLE_ALREADY_EXISTS",
                ObjectKind::Function => "ROUTINE_ALREADY_EXISTS",
                ObjectKind::Connection => "CONNECTION_ALREADY_EXISTS",
            };
            ApiError::new(StatusCode::BAD_REQUEST, Code::Text(code), message)
        }
        UnityError::NotFound { kind, name } => not_found(kind, &name),
        UnityError::NotEmpty { kind, name } => {
            let kind = kind.spoken();
            ApiError::invalid_state(format!(
                "{kind} '{name}' is not empty: delete what is in it, or use force=true."
            ))
        }
        UnityError::NoSuchPrincipal { name } => no_principal(&name),
        UnityError::NotGrantable { .. } => ApiError::invalid_parameter(message),
        UnityError::Store(cause) => ApiError::internal(&cause),
    }
}

/// Nobody is called that.
fn no_principal(name: &str) -> ApiError {
    let name: String = name.chars().take(200).collect();
    let message = format!("Could not find principal with name {name}");
    ApiError::catalog_object_does_not_exist("PRINCIPAL_DOES_NOT_EXIST", message)
}
