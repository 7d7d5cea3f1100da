//! `/api/2.0/token`: one's own personal access tokens; `/api/2.0/token-management`: everybody's, for whoever manages
//! tokens.
//!
//! Shapes: databricks-sdk `service/settings.py` (`w.tokens`, `w.token_management`). A token's text is in one answer, the
//! one that makes it, and in none that a cache may keep.
//!
//! **Rule:** what is made here outlives the token that asked for it. So it never opens more ([`scopes_for`]), and who
//! holds a token of an agent's invocation (the user's, cut down, or the endpoint's own) makes nothing that lasts.

mod management;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, HeaderName};
use axum::routing::{delete, get, patch, post};
use axum::{Json, Router};
use brickyard_catalog::{UseTokens, family};
use brickyard_identity::{
    Caller, CredentialsError, IdentityError, PatChange, PersonalAccessToken, TokenKind, is_known_scope,
};
use brickyard_types::{ErrorCode, Jti, Principal, PrincipalId, Scope, ScopeSet, SignedDuration};
use serde::Deserialize;
use serde_json::{Value, json};

use super::fidelity::Level;
use crate::access::{Access, Guard};
use crate::errors::ApiError;
use crate::http::json::Json as StrictJson;
use crate::workspace::Workspace;

const SCOPE: &str = "authentication";

/// How true these routes are.
pub const FIDELITY: &[(&str, Level, &str)] = &[
    ("POST /api/2.0/token/create", Level::Real, SCOPE),
    ("GET /api/2.0/token/list", Level::Real, SCOPE),
    ("POST /api/2.0/token/delete", Level::Real, SCOPE),
    ("PATCH /api/2.0/token/{token_id}", Level::Real, SCOPE),
    ("GET /api/2.0/token-management/tokens", Level::Real, SCOPE),
    ("GET /api/2.0/token-management/tokens/{token_id}", Level::Real, SCOPE),
    ("PATCH /api/2.0/token-management/tokens/{token_id}", Level::Real, SCOPE),
    ("DELETE /api/2.0/token-management/tokens/{token_id}", Level::Real, SCOPE),
    ("POST /api/2.0/token-management/on-behalf-of/tokens", Level::Real, SCOPE),
];

/// As documented: so many personal access tokens somebody may have.
const MOST: usize = 600;
const LONGEST_COMMENT: usize = 1024;

/// The routes.
pub fn routes(workspace: &Arc<Workspace>) -> Router {
    let guarded = Guard { workspace: Arc::clone(workspace), family: &family::TOKENS };
    let one = get(management::one).patch(management::update).merge(delete(management::remove));
    Router::new()
        .route("/api/2.0/token/create", post(create))
        .route("/api/2.0/token/list", get(list))
        .route("/api/2.0/token/delete", post(remove))
        .route("/api/2.0/token/{token_id}", patch(update))
        .route("/api/2.0/token-management/tokens", get(management::list))
        .route("/api/2.0/token-management/tokens/{token_id}", one)
        .route("/api/2.0/token-management/on-behalf-of/tokens", post(management::create))
        .route_layer(guarded)
        .with_state(Arc::clone(workspace))
}

type Answer = Result<Json<Value>, ApiError>;
/// An answer with a token's text in it.
type Once = Result<([(HeaderName, &'static str); 1], Json<Value>), ApiError>;

/// What a new token is to be.
#[derive(Deserialize)]
struct NewToken {
    comment: Option<String>,
    lifetime_seconds: Option<i64>,
    scopes: Option<Vec<String>>,
    autoscope_enabled: Option<bool>,
}

#[derive(Deserialize)]
struct Named {
    token_id: Option<String>,
}

#[derive(Deserialize)]
struct Update {
    token: Option<UpdatedToken>,
    update_mask: Option<String>,
}

#[derive(Deserialize)]
struct UpdatedToken {
    comment: Option<String>,
    scopes: Option<Vec<String>>,
}

async fn create(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    StrictJson(body): StrictJson<NewToken>,
) -> Once {
    access.authorize(UseTokens(()))?;
    let owner = access.caller().principal().clone();
    make(&workspace, &access, &owner, body).await
}

async fn list(State(workspace): State<Arc<Workspace>>, access: Access) -> Answer {
    access.authorize(UseTokens(()))?;
    let now = workspace.clock.now();
    let own = workspace.identity.pats_of(access.caller().principal().id);
    let valid: Vec<Value> =
        (own.iter()).filter(|token| token.expires_at.is_none_or(|end| now < end)).map(info).collect();
    Ok(Json(json!({ "token_infos": valid })))
}

async fn remove(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    StrictJson(body): StrictJson<Named>,
) -> Answer {
    access.authorize(UseTokens(()))?;
    let text = body.token_id.ok_or_else(|| ApiError::invalid_parameter("token_id is required"))?;
    let id = token_id(&text)?;
    let owner = access.caller().principal().id;
    workspace.identity.delete_pat(Some(owner), id).await.map_err(|error| refused(&error))?;
    Ok(Json(json!({})))
}

async fn update(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(id): Path<String>,
    StrictJson(body): StrictJson<Update>,
) -> Answer {
    access.authorize(UseTokens(()))?;
    let owner = access.caller().principal().id;
    change(&workspace, &access, Some(owner), &id, body).await?;
    Ok(Json(json!({})))
}

/// Makes a token for `owner`, asked for by `access`.
async fn make(workspace: &Workspace, access: &Access, owner: &Principal, body: NewToken) -> Once {
    if body.autoscope_enabled == Some(true) {
        return Err(ApiError::not_emulated("autoscope_enabled"));
    }
    let comment = body.comment.unwrap_or_default();
    checked_comment(&comment)?;
    let scopes = scopes_for(access.caller(), body.scopes.as_deref())?;
    let lifetime = body.lifetime_seconds.map(SignedDuration::from_secs);
    if lifetime.is_some_and(|lifetime| lifetime < SignedDuration::from_secs(1)) {
        return Err(ApiError::invalid_parameter(
            "lifetime_seconds is at least 1; leave it out for a token without an end",
        ));
    }
    if workspace.identity.credentials().tokens_of(owner.id).count() >= MOST {
        let message =
            format!("{owner} has {MOST} personal access tokens, which is the limit; delete one first");
        return Err(ApiError::limit_exceeded(message));
    }
    let made = workspace
        .identity
        .create_pat(owner, &comment, lifetime, scopes)
        .await
        .map_err(|error| refused(&error))?;
    let answer = json!({ "token_value": made.token.expose(), "token_info": info(&made.info) });
    Ok(([(CACHE_CONTROL, "no-store")], Json(answer)))
}

/// What a credential that `caller` makes may open: what is asked for, if the caller's own token opens all of it; without
/// a wish, as much as the caller's token does. `None` is everything.
///
/// # Errors
/// For an unknown scope, for more than the caller has, and for the tokens of an agent's invocation, which make nothing.
pub(super) fn scopes_for(caller: &Caller, wished: Option<&[String]>) -> Result<Option<ScopeSet>, ApiError> {
    if caller.act().is_some() || matches!(caller.kind(), TokenKind::OnBehalfOfUser | TokenKind::Passthrough) {
        let message =
            "The token of an agent's invocation cannot make credentials that outlive the invocation.";
        return Err(ApiError::permission_denied(message));
    }
    narrowed(caller.scopes(), wished)
}

fn narrowed(own: &ScopeSet, wished: Option<&[String]>) -> Result<Option<ScopeSet>, ApiError> {
    let everything = own.covers(brickyard_types::ALL_APIS);
    let Some(wished) = wished.filter(|wished| !wished.is_empty()) else {
        return Ok((!everything).then(|| own.clone()));
    };
    let known = |text: &String| match text.parse::<Scope>() {
        Ok(scope) if is_known_scope(text) => Ok(scope),
        _ => {
            let text: String = text.chars().take(80).collect();
            Err(ApiError::invalid_parameter(format!("Invalid scope: {text:?} is not an API scope")))
        }
    };
    let wished: ScopeSet = wished.iter().map(known).collect::<Result<_, _>>()?;
    let beyond: ScopeSet = wished.iter().filter(|scope| !own.covers(scope.as_str())).cloned().collect();
    if beyond.is_empty() {
        return Ok(Some(wished));
    }
    Err(ApiError::of(
        ErrorCode::PermissionDenied,
        format!("The token that asks does not have the scopes: {beyond}"),
    ))
}

fn checked_comment(comment: &str) -> Result<(), ApiError> {
    if comment.len() <= LONGEST_COMMENT {
        return Ok(());
    }
    Err(ApiError::invalid_parameter(format!("comment has at most {LONGEST_COMMENT} bytes")))
}

/// Changes what `update_mask` names of a token. Like a new token, it opens no more than the one that asks.
async fn change(
    workspace: &Workspace,
    access: &Access,
    owner: Option<PrincipalId>,
    id: &str,
    update: Update,
) -> Result<PersonalAccessToken, ApiError> {
    let change = wanted(access.caller(), update)?;
    let id = token_id(id)?;
    workspace.identity.change_pat(owner, id, change).await.map_err(|error| refused(&error))
}

fn wanted(caller: &Caller, update: Update) -> Result<PatChange, ApiError> {
    let mask = update.update_mask.ok_or_else(|| ApiError::invalid_parameter("update_mask is required"))?;
    let fields: Vec<&str> = if mask == "*" { vec!["comment", "scopes"] } else { mask.split(',').collect() };
    let token = update.token.unwrap_or(UpdatedToken { comment: None, scopes: None });
    let mut change = PatChange::default();
    for field in fields {
        match field {
            "comment" => {
                let comment = token.comment.clone().unwrap_or_default();
                checked_comment(&comment)?;
                change.comment = Some(comment);
            }
            // Left out they would mean everything, which nobody asks for by saying nothing.
            "scopes" => match token.scopes.as_deref().filter(|scopes| !scopes.is_empty()) {
                Some(scopes) => change.scopes = Some(scopes_for(caller, Some(scopes))?),
                None => return Err(ApiError::invalid_parameter("token.scopes names at least one scope")),
            },
            _ => return Err(ApiError::invalid_parameter("update_mask names comment or scopes")),
        }
    }
    Ok(change)
}

fn token_id(text: &str) -> Result<Jti, ApiError> {
    text.parse().map_err(|_| {
        let text: String = text.chars().take(80).collect();
        ApiError::does_not_exist(format!("Token with id '{text}' does not exist."))
    })
}

/// What is told of a token.
fn info(token: &PersonalAccessToken) -> Value {
    let mut info = json!({
        "token_id": token.id,
        "creation_time": token.created_at.as_millisecond(),
        "expiry_time": token.expires_at.map_or(-1, |end| end.as_millisecond()),
        "comment": token.comment,
    });
    if let Some(scopes) = &token.scopes {
        info["scopes"] = scopes.iter().map(Scope::as_str).collect();
    }
    info
}

/// Why the identity refuses, for tokens and client secrets.
pub(super) fn refused(error: &IdentityError) -> ApiError {
    match error {
        IdentityError::Credentials(error) => match error {
            CredentialsError::NoSuchPrincipal(_)
            | CredentialsError::NotAServicePrincipal(_)
            | CredentialsError::NotFound { .. } => ApiError::does_not_exist(format!("{error}.")),
            // Who hides from listings is not named by a refusal either; the guard before has said so already.
            CredentialsError::System(_) => {
                ApiError::permission_denied("This principal cannot have credentials of its own.")
            }
            CredentialsError::Lifetime
            | CredentialsError::NotAPersonalAccessToken
            | CredentialsError::NotASecret
            | CredentialsError::AlreadyInUse => ApiError::invalid_parameter(error.to_string()),
            CredentialsError::TooMany(_) => ApiError::limit_exceeded(error.to_string()),
        },
        IdentityError::Directory(_)
        | IdentityError::Config(_)
        | IdentityError::Signing(_)
        | IdentityError::NoSuchKey(_)
        | IdentityError::Store(_) => ApiError::internal(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_token_never_opens_more_than_the_one_that_asks_for_it() {
        for (own, wished, got) in [
            ("all-apis", None, Ok(None)),
            ("all-apis", Some("sql genie"), Ok(Some("genie sql"))),
            ("authentication sql", None, Ok(Some("authentication sql"))),
            ("authentication sql", Some(""), Ok(Some("authentication sql"))),
            ("authentication sql", Some("sql.statement-execution"), Ok(Some("sql.statement-execution"))),
            ("authentication sql", Some("all-apis"), Err(403)),
            ("authentication sql", Some("genie"), Err(403)),
            ("sql.statement-execution", Some("sql"), Err(403)),
            ("all-apis", Some("*"), Err(400)),
            ("all-apis", Some("SQL"), Err(400)),
            ("all-apis", Some("sql.statements"), Err(400)),
        ] {
            let own = ScopeSet::parse(own).expect("scopes");
            let wished: Option<Vec<String>> = wished
                .map(|text| text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect());
            let made = narrowed(&own, wished.as_deref());
            match got {
                Ok(expected) => {
                    let made = made.expect("allowed").map(|scopes| scopes.to_string());
                    assert_eq!(made.as_deref(), expected, "{own} {wished:?}");
                }
                Err(status) => assert_eq!(made.expect_err("too much").status(), status, "{own} {wished:?}"),
            }
        }
    }
}
