//! `/api/2.0/token-management`: everybody's personal access tokens, and tokens made for service principals.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use brickyard_catalog::ManageTokens;
use brickyard_identity::PersonalAccessToken;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, NewToken, Once, Update, change, info, make, refused, token_id};
use crate::access::Access;
use crate::errors::ApiError;
use crate::http::json::Json as StrictJson;
use crate::workspace::Workspace;

#[derive(Deserialize)]
pub(super) struct Created {
    created_by_id: Option<u64>,
    created_by_username: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct NewTokenFor {
    application_id: Option<String>,
    #[serde(flatten)]
    token: NewToken,
}

pub(super) async fn list(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    query: Result<Query<Created>, QueryRejection>,
) -> Answer {
    let Query(created) = query.map_err(|error| ApiError::invalid_parameter(error.body_text()))?;
    access.authorize(ManageTokens(()))?;
    let directory = workspace.identity.directory();
    // Nobody of that name has made no token.
    let by_name = (created.created_by_username.as_deref())
        .map(|name| directory.by_name(name).map(|entry| entry.principal.id.0).unwrap_or_default());
    let credentials = workspace.identity.credentials();
    let mut tokens: Vec<&PersonalAccessToken> = (credentials.tokens())
        .filter(|token| created.created_by_id.is_none_or(|id| id == token.owner.0))
        .filter(|token| by_name.is_none_or(|id| id == token.owner.0))
        .collect();
    tokens.sort_by_key(|token| (token.created_at, token.id));
    let tokens: Vec<Value> = tokens.into_iter().map(|token| shown(&workspace, token)).collect();
    Ok(Json(json!({ "token_infos": tokens })))
}

pub(super) async fn one(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(id): Path<String>,
) -> Answer {
    access.authorize(ManageTokens(()))?;
    let credentials = workspace.identity.credentials();
    let token = token_id(&id).ok().and_then(|id| credentials.token(id));
    let token =
        token.ok_or_else(|| ApiError::does_not_exist(format!("Token with id '{id}' does not exist.")))?;
    Ok(Json(json!({ "token_info": shown(&workspace, token) })))
}

pub(super) async fn update(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(id): Path<String>,
    StrictJson(body): StrictJson<Update>,
) -> Answer {
    access.authorize(ManageTokens(()))?;
    let token = change(&workspace, &access, None, &id, body).await?;
    Ok(Json(shown(&workspace, &token)))
}

pub(super) async fn remove(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(id): Path<String>,
) -> Answer {
    access.authorize(ManageTokens(()))?;
    workspace.identity.delete_pat(None, token_id(&id)?).await.map_err(|error| refused(&error))?;
    Ok(Json(json!({})))
}

/// A token for a service principal, which cannot log in and make one.
pub(super) async fn create(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    StrictJson(body): StrictJson<NewTokenFor>,
) -> Once {
    access.authorize(ManageTokens(()))?;
    let application_id =
        body.application_id.ok_or_else(|| ApiError::invalid_parameter("application_id is required"))?;
    let owner = (workspace.identity.directory().service_principal(&application_id))
        .filter(|entry| !entry.is_system())
        .map(|entry| entry.principal.clone());
    let owner = owner.ok_or_else(|| {
        let id: String = application_id.chars().take(80).collect();
        ApiError::does_not_exist(format!("Service principal with application id '{id}' does not exist."))
    })?;
    make(&workspace, &access, &owner, body.token).await
}

/// What a manager sees of a token.
fn shown(workspace: &Workspace, token: &PersonalAccessToken) -> Value {
    let mut shown = info(token);
    shown["owner_id"] = token.owner.0.into();
    shown["workspace_id"] = workspace.id.0.into();
    let directory = workspace.identity.directory();
    // Who asked for a service principal's token is not kept; a user's token is the user's own making.
    if let Some(owner) = directory.by_id(token.owner).filter(|entry| !entry.principal.is_service_principal())
    {
        shown["created_by_id"] = token.owner.0.into();
        shown["created_by_username"] = owner.principal.name.as_ref().into();
    }
    shown
}
