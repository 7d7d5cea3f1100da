//! The six things that can be done with users, groups and service principals, each the same for all three.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use brickyard_catalog::{ManageDirectory, ReadDirectory};
use brickyard_identity::DirectoryError;
use brickyard_store::CommitError;
use brickyard_types::PrincipalId;

use super::attributes::{Edit, How, read_all};
use super::edits::{Change, refused};
use super::listing::page;
use super::patch::read_patch;
use super::record::{Kind, Projection, Record, id_of};
use super::{Asked, ScimObject, asked, not_found, shown};
use crate::access::Access;
use crate::errors::ApiError;
use crate::workspace::Workspace;

type Answer = Result<Response, ApiError>;
type Here = State<Arc<Workspace>>;

pub(super) async fn list(kind: Kind, State(workspace): Here, access: Access, query: Asked) -> Answer {
    let query = asked(query)?;
    access.authorize(ReadDirectory(()))?;
    Ok(shown(StatusCode::OK, &page(&workspace.identity.directory(), kind, &query)?))
}

pub(super) async fn one(
    kind: Kind,
    State(workspace): Here,
    access: Access,
    Path(id): Path<String>,
    query: Asked,
) -> Answer {
    let projection = Projection::of(&asked(query)?);
    let own = id_of(&id) == Some(access.caller().principal().id);
    if !own {
        access.authorize(ReadDirectory(()))?;
    }
    let directory = workspace.identity.directory();
    let record = id_of(&id).and_then(|id| Record::find(&directory, kind, id));
    let record = record.ok_or_else(|| not_found(kind.word(), &id))?;
    Ok(shown(StatusCode::OK, &record.shown(&directory, &projection)))
}

pub(super) async fn create(
    kind: Kind,
    State(workspace): Here,
    access: Access,
    ScimObject(body): ScimObject,
) -> Answer {
    access.authorize(ManageDirectory(()))?;
    let edits = read_all(kind, How::Add, body)?;
    let entropy = Arc::clone(&workspace.entropy);
    let id = change(&workspace, kind, |mut change| change.create(edits, &*entropy)).await?;
    Ok(as_it_is(&workspace, kind, id, StatusCode::CREATED))
}

pub(super) async fn replace(
    kind: Kind,
    State(workspace): Here,
    access: Access,
    Path(id): Path<String>,
    ScimObject(body): ScimObject,
) -> Answer {
    access.authorize(ManageDirectory(()))?;
    let id = known(kind, &id)?;
    let mut edits = read_all(kind, How::Replace, body)?;
    // A group is replaced as a whole: without members it has none. What else is left out stays as it is.
    if kind == Kind::Group && !edits.iter().any(|edit| matches!(edit, Edit::Members(..))) {
        edits.push(Edit::Members(How::Replace, Vec::new()));
    }
    change(&workspace, kind, |mut change| change.edit(id, edits)).await?;
    Ok(as_it_is(&workspace, kind, id, StatusCode::OK))
}

pub(super) async fn patch(
    kind: Kind,
    State(workspace): Here,
    access: Access,
    Path(id): Path<String>,
    ScimObject(body): ScimObject,
) -> Answer {
    access.authorize(ManageDirectory(()))?;
    let id = known(kind, &id)?;
    let edits = read_patch(kind, body)?;
    change(&workspace, kind, |mut change| change.edit(id, edits)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn remove(
    kind: Kind,
    State(workspace): Here,
    access: Access,
    Path(id): Path<String>,
) -> Answer {
    access.authorize(ManageDirectory(()))?;
    let id = known(kind, &id)?;
    let (rights, unity) = (workspace.catalog.slot(), workspace.catalog.unity_slot());
    change(&workspace, kind, |mut change| change.remove(id, rights, unity)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn known(kind: Kind, id: &str) -> Result<PrincipalId, ApiError> {
    id_of(id).ok_or_else(|| not_found(kind.word(), id))
}

async fn change<T>(
    workspace: &Workspace,
    kind: Kind,
    decide: impl FnOnce(Change<'_>) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let slots = workspace.identity.slots();
    let committed = workspace.store.commit(|tx| {
        let administered = tx.get(slots.directory()).is_administered();
        let done = decide(Change { tx, slots, kind })?;
        // Of the whole request: one that puts another admin in the place of the last is fine.
        if administered && !tx.get(slots.directory()).is_administered() {
            return Err(refused(&DirectoryError::LastAdmin));
        }
        Ok(done)
    });
    committed.await.map_err(|error| match error {
        CommitError::Refused(error) => error,
        CommitError::Store(error) => ApiError::internal(&error),
    })
}

/// The record after a change; somebody else may have deleted it since.
fn as_it_is(workspace: &Workspace, kind: Kind, id: PrincipalId, status: StatusCode) -> Response {
    let directory = workspace.identity.directory();
    match Record::find(&directory, kind, id) {
        Some(record) => shown(status, &record.shown(&directory, &Projection::default())),
        None => not_found(kind.word(), &id.to_string()).into_response(),
    }
}
