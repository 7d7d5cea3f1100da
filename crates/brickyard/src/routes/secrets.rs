//! `/api/2.0/secrets`: scopes, values, access lists.
//!
//! Shapes: databricks-sdk `service/workspace.py` (`w.secrets`, `w.dbutils.secrets`), databricks-cli. A value goes in as
//! text or base64 and comes out as base64, whichever it was.
//!
//! **Rule:** a value is in no message, so nothing here hands a body's content to an error: a value of the wrong type is
//! refused by the name of its field. What somebody may read of a scope is the catalog's; that a scope exists is no secret
//! (everybody may list the names), whether a key exists is one.

use std::sync::Arc;

use axum::extract::Query;
use axum::extract::State;
use axum::extract::rejection::QueryRejection;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, HeaderName};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use brickyard_catalog::{
    AccessError, Action, CreateSecretScope, Grant, GrantError, Grantee, Level as Permission,
    ListSecretScopes, ListSecrets, ManageSecretScope, Permit, ReadSecret, WriteSecret, family,
};
use brickyard_secrets::{InitialManager, SecretsError};
use brickyard_store::CommitError;
use brickyard_types::{InvalidName, Secret, SecretKey, SecretRef, SecretScopeName};
use serde::Deserialize;
use serde_json::{Value, json};

use super::fidelity::Level;
use crate::access::{Access, Guard};
use crate::errors::{ApiError, Code};
use crate::http::json::Json as StrictJson;
use crate::workspace::Workspace;

/// How true these routes are.
pub const FIDELITY: &[(&str, Level, &str)] = &[
    ("POST /api/2.0/secrets/scopes/create", Level::Real, "secrets"),
    ("GET /api/2.0/secrets/scopes/list", Level::Real, "secrets"),
    ("POST /api/2.0/secrets/scopes/delete", Level::Real, "secrets"),
    ("POST /api/2.0/secrets/put", Level::Real, "secrets"),
    ("POST /api/2.0/secrets/delete", Level::Real, "secrets"),
    ("GET /api/2.0/secrets/get", Level::Real, "secrets"),
    ("GET /api/2.0/secrets/list", Level::Real, "secrets"),
    ("POST /api/2.0/secrets/acls/put", Level::Real, "secrets"),
    ("POST /api/2.0/secrets/acls/delete", Level::Real, "secrets"),
    ("GET /api/2.0/secrets/acls/get", Level::Real, "secrets"),
    ("GET /api/2.0/secrets/acls/list", Level::Real, "secrets"),
];

/// The routes.
pub fn routes(workspace: &Arc<Workspace>) -> Router {
    let guarded = Guard { workspace: Arc::clone(workspace), family: &family::SECRETS };
    Router::new()
        .route("/api/2.0/secrets/scopes/create", post(create_scope))
        .route("/api/2.0/secrets/scopes/list", get(list_scopes))
        .route("/api/2.0/secrets/scopes/delete", post(delete_scope))
        .route("/api/2.0/secrets/put", post(put_secret))
        .route("/api/2.0/secrets/delete", post(delete_secret))
        .route("/api/2.0/secrets/get", get(get_secret))
        .route("/api/2.0/secrets/list", get(list_secrets))
        .route("/api/2.0/secrets/acls/put", post(put_acl))
        .route("/api/2.0/secrets/acls/delete", post(delete_acl))
        .route("/api/2.0/secrets/acls/get", get(get_acl))
        .route("/api/2.0/secrets/acls/list", get(list_acls))
        .route_layer(guarded)
        .with_state(Arc::clone(workspace))
}

type Answer = Result<Json<Value>, ApiError>;
type Asked = Result<Query<Named>, QueryRejection>;

/// What is named, in a query or a body. Fields that nobody knows are ignored, as Databricks does.
#[derive(Deserialize)]
struct Named {
    scope: Option<String>,
    key: Option<String>,
    principal: Option<String>,
    permission: Option<String>,
}

#[derive(Deserialize)]
struct CreateScope {
    scope: Option<String>,
    initial_manage_principal: Option<String>,
    scope_backend_type: Option<String>,
    backend_azure_keyvault: Option<Value>,
}

/// The values are read as any JSON first: serde's own message would repeat one of the wrong type.
#[derive(Deserialize)]
struct PutSecret {
    scope: Option<String>,
    key: Option<String>,
    string_value: Option<Value>,
    bytes_value: Option<Value>,
}

async fn create_scope(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    StrictJson(body): StrictJson<CreateScope>,
) -> Answer {
    let scope = scope_name(body.scope.as_deref())?;
    match body.scope_backend_type.as_deref() {
        None | Some("DATABRICKS") if body.backend_azure_keyvault.is_none() => {}
        None | Some("DATABRICKS" | "AZURE_KEYVAULT") => {
            return Err(ApiError::not_emulated("A secret scope with the backend AZURE_KEYVAULT"));
        }
        Some(_) => {
            return Err(ApiError::invalid_parameter("scope_backend_type is DATABRICKS or AZURE_KEYVAULT"));
        }
    }
    let manager = match body.initial_manage_principal.as_deref() {
        None => InitialManager::Creator,
        Some("users") => InitialManager::Users,
        Some(_) => {
            return Err(ApiError::invalid_parameter(
                "The only initial_manage_principal that is allowed is users",
            ));
        }
    };
    let permit = access.authorize(CreateSecretScope(scope))?;
    workspace.secrets.create_scope(&permit, manager).await.map_err(|error| refused(&error))?;
    Ok(done())
}

async fn list_scopes(State(workspace): State<Arc<Workspace>>, access: Access) -> Answer {
    let permit = access.authorize(ListSecretScopes(()))?;
    let scopes = workspace.secrets.list_scopes(&permit);
    let scopes: Vec<Value> =
        scopes.iter().map(|scope| json!({"name": scope.name, "backend_type": "DATABRICKS"})).collect();
    Ok(Json(json!({ "scopes": scopes })))
}

async fn delete_scope(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    StrictJson(body): StrictJson<Named>,
) -> Answer {
    let scope = scope_name(body.scope.as_deref())?;
    let permit = reach(&workspace, &access, &scope, ManageSecretScope(scope.clone()))?;
    workspace.secrets.delete_scope(&permit).await.map_err(|error| refused(&error))?;
    Ok(done())
}

async fn put_secret(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    StrictJson(body): StrictJson<PutSecret>,
) -> Answer {
    let secret = secret_name(body.scope.as_deref(), body.key.as_deref())?;
    let value = value(body.string_value, body.bytes_value)?;
    let permit = reach(&workspace, &access, &secret.scope, WriteSecret(secret.clone()))?;
    workspace.secrets.put(&permit, &value).await.map_err(|error| refused(&error))?;
    Ok(done())
}

async fn delete_secret(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    StrictJson(body): StrictJson<Named>,
) -> Answer {
    let secret = secret_name(body.scope.as_deref(), body.key.as_deref())?;
    let permit = reach(&workspace, &access, &secret.scope, WriteSecret(secret.clone()))?;
    workspace.secrets.delete(&permit).await.map_err(|error| refused(&error))?;
    Ok(done())
}

async fn get_secret(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    asked: Asked,
) -> Result<([(HeaderName, &'static str); 1], Json<Value>), ApiError> {
    let asked = query(asked)?;
    let secret = secret_name(asked.scope.as_deref(), asked.key.as_deref())?;
    let permit = reach(&workspace, &access, &secret.scope, ReadSecret(secret.clone()))?;
    let value = workspace.secrets.read(&permit).map_err(|error| refused(&error))?;
    let body = json!({"key": secret.key, "value": BASE64.encode(value.expose())});
    Ok(([(CACHE_CONTROL, "no-store")], Json(body)))
}

async fn list_secrets(State(workspace): State<Arc<Workspace>>, access: Access, asked: Asked) -> Answer {
    let scope = scope_name(query(asked)?.scope.as_deref())?;
    let permit = reach(&workspace, &access, &scope, ListSecrets(scope.clone()))?;
    let secrets = workspace.secrets.list(&permit).map_err(|error| refused(&error))?;
    let secrets: Vec<Value> = (secrets.iter())
        .map(|secret| json!({"key": secret.key, "last_updated_timestamp": secret.last_updated.as_millisecond()}))
        .collect();
    Ok(Json(json!({ "secrets": secrets })))
}

async fn put_acl(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    StrictJson(body): StrictJson<Named>,
) -> Answer {
    let scope = scope_name(body.scope.as_deref())?;
    let grantee = grantee(body.principal)?;
    let level = match body.permission.as_deref() {
        Some("READ") => Permission::Read,
        Some("WRITE") => Permission::Write,
        Some("MANAGE") => Permission::Manage,
        Some(_) => return Err(ApiError::invalid_parameter("permission is READ, WRITE or MANAGE")),
        None => return Err(missing("permission")),
    };
    let permit = reach(&workspace, &access, &scope, ManageSecretScope(scope.clone()))?;
    let grant = Grant { grantee, level };
    workspace.catalog.put_scope_acl(&permit, &grant).await.map_err(|error| not_granted(&error))?;
    Ok(done())
}

async fn delete_acl(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    StrictJson(body): StrictJson<Named>,
) -> Answer {
    let scope = scope_name(body.scope.as_deref())?;
    let grantee = grantee(body.principal)?;
    let permit = reach(&workspace, &access, &scope, ManageSecretScope(scope.clone()))?;
    workspace.catalog.delete_scope_acl(&permit, &grantee).await.map_err(|error| not_granted(&error))?;
    Ok(done())
}

async fn get_acl(State(workspace): State<Arc<Workspace>>, access: Access, asked: Asked) -> Answer {
    let asked = query(asked)?;
    let scope = scope_name(asked.scope.as_deref())?;
    let wanted = grantee(asked.principal)?;
    let permit = reach(&workspace, &access, &scope, ManageSecretScope(scope.clone()))?;
    let list = workspace.catalog.scope_acl(&permit);
    let found = list.iter().find(|grant| grant.grantee.name() == wanted.name());
    let found = found.ok_or_else(|| no_entry(wanted.name()))?;
    Ok(Json(acl_item(found)))
}

async fn list_acls(State(workspace): State<Arc<Workspace>>, access: Access, asked: Asked) -> Answer {
    let scope = scope_name(query(asked)?.scope.as_deref())?;
    let permit = reach(&workspace, &access, &scope, ManageSecretScope(scope.clone()))?;
    let list = workspace.catalog.scope_acl(&permit);
    // The SDK reads `items`, whatever its docstring says.
    Ok(Json(json!({ "items": list.iter().map(acl_item).collect::<Vec<_>>() })))
}

/// Permission to do `action` in `scope`; a scope that is not there is told to whoever may list the names.
fn reach<A: Action>(
    workspace: &Workspace,
    access: &Access,
    scope: &SecretScopeName,
    action: A,
) -> Result<Permit<A>, ApiError> {
    if !workspace.secrets.scope_exists(scope) {
        access.authorize(ListSecretScopes(()))?;
        return Err(no_scope(scope));
    }
    access.authorize(action)
}

fn done() -> Json<Value> {
    Json(json!({}))
}

fn acl_item(grant: &Grant) -> Value {
    json!({"principal": grant.grantee.name(), "permission": grant.level})
}

fn query(asked: Asked) -> Result<Named, ApiError> {
    asked
        .map(|Query(named)| named)
        .map_err(|error| ApiError::invalid_parameter(format!("Invalid query: {}", error.body_text())))
}

fn missing(field: &str) -> ApiError {
    ApiError::invalid_parameter(format!("Missing required field: {field}"))
}

fn named<T: std::str::FromStr<Err = InvalidName>>(field: &str, text: Option<&str>) -> Result<T, ApiError> {
    match text {
        None | Some("") => Err(missing(field)),
        Some(text) => {
            text.parse().map_err(|error: InvalidName| ApiError::invalid_parameter(error.to_string()))
        }
    }
}

fn scope_name(text: Option<&str>) -> Result<SecretScopeName, ApiError> {
    named("scope", text)
}

fn secret_name(scope: Option<&str>, key: Option<&str>) -> Result<SecretRef, ApiError> {
    Ok(SecretRef { scope: scope_name(scope)?, key: named::<SecretKey>("key", key)? })
}

fn grantee(principal: Option<String>) -> Result<Grantee, ApiError> {
    match principal {
        Some(name) if !name.is_empty() => Ok(Grantee::Anyone(name)),
        _ => Err(missing("principal")),
    }
}

/// The value that was sent: exactly one of the two fields. No message repeats any of it.
fn value(text: Option<Value>, bytes: Option<Value>) -> Result<Secret, ApiError> {
    match (text, bytes) {
        (Some(Value::String(text)), None) => Ok(Secret::from(text)),
        (None, Some(Value::String(encoded))) => {
            let decoded = BASE64.decode(Secret::from(encoded).expose());
            decoded.map(Secret::new).map_err(|_| ApiError::invalid_parameter("bytes_value is not base64"))
        }
        (Some(_), None) => Err(ApiError::invalid_parameter("string_value is not a string")),
        (None, Some(_)) => Err(ApiError::invalid_parameter("bytes_value is not a string")),
        (None, None) => Err(ApiError::invalid_parameter("One of string_value and bytes_value is required")),
        (Some(_), Some(_)) => {
            let message = "Only one of string_value and bytes_value can be given";
            Err(ApiError::new(StatusCode::BAD_REQUEST, Code::Text("MALFORMED_REQUEST"), message))
        }
    }
}

fn no_scope(scope: &SecretScopeName) -> ApiError {
    ApiError::does_not_exist(format!("Scope {scope} does not exist!"))
}

fn no_entry(principal: &str) -> ApiError {
    ApiError::does_not_exist(format!("No ACL entry for the principal {}", short(principal)))
}

/// A name as somebody sent it, cut: it is not known to be a name.
fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

fn refused(error: &SecretsError) -> ApiError {
    match error {
        SecretsError::ScopeNotFound(scope) => no_scope(scope),
        SecretsError::ScopeExists { existing } => {
            ApiError::already_exists(format!("Scope {existing} already exists!"))
        }
        SecretsError::NotFound(secret) => ApiError::does_not_exist(format!(
            "Secret does not exist with scope: {} and key: {}",
            secret.scope, secret.key
        )),
        SecretsError::CaseTwin { .. } | SecretsError::TooLong { .. } => {
            ApiError::invalid_parameter(error.to_string())
        }
        SecretsError::TooManySecrets { .. } | SecretsError::TooManyScopes { .. } => {
            ApiError::limit_exceeded(error.to_string())
        }
        SecretsError::Unreadable(_) => ApiError::internal(error),
        SecretsError::Store(cause) => ApiError::internal(cause),
    }
}

fn not_granted(error: &AccessError) -> ApiError {
    match error {
        CommitError::Refused(GrantError::UnknownPrincipal { .. } | GrantError::Gone(_)) => {
            ApiError::does_not_exist(error_text(error))
        }
        CommitError::Refused(GrantError::NoEntry(principal)) => no_entry(principal),
        CommitError::Refused(GrantError::WrongLevel { .. }) => ApiError::invalid_parameter(error_text(error)),
        CommitError::Store(cause) => ApiError::internal(cause),
    }
}

fn error_text(error: &AccessError) -> String {
    match error {
        CommitError::Refused(refused) => refused.to_string().chars().take(400).collect(),
        CommitError::Store(cause) => cause.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: Option<Value>, bytes: Option<Value>) -> (u16, String) {
        let error = value(text, bytes).expect_err("refused");
        (error.status().as_u16(), error.message().to_owned())
    }

    #[test]
    fn a_value_is_text_or_base64_and_exactly_one_of_them() {
        let table: [(Option<Value>, Option<Value>, &[u8]); 4] = [
            (Some(json!("")), None, b""),
            (Some(json!("{{secrets/a/b}}")), None, b"{{secrets/a/b}}"),
            (None, Some(json!("/+8=")), b"\xff\xef"),
            (None, Some(json!("")), b""),
        ];
        for (text, bytes, expected) in table {
            assert_eq!(value(text, bytes).expect("a value").expose(), expected);
        }
    }

    #[test]
    fn no_refusal_repeats_what_was_to_be_kept() {
        let canary = json!("canary-7f1c");
        for (text, bytes) in [
            (Some(canary.clone()), Some(canary.clone())),
            (None, Some(canary.clone())),
            (Some(json!({"a": canary})), None),
            (None, Some(json!([canary]))),
            (Some(json!(42424242)), None),
        ] {
            let (status, message) = refusal(text, bytes);
            assert_eq!(status, 400);
            assert!(!message.contains("canary") && !message.contains("42424242"), "{message}");
        }
        let body = br#"{"scope":"s","key":"k","string_value":42424242}"#;
        assert!(
            crate::http::json::parse::<PutSecret>(body).is_ok(),
            "the field's type is checked here, not by serde"
        );
    }

    #[test]
    fn a_name_that_cannot_be_is_refused_with_the_rule() {
        for (scope, key, start) in [
            (None, None, "Missing required field: scope"),
            (Some("travel"), None, "Missing required field: key"),
            (Some("a b"), Some("k"), "secret scope name \"a b\" is not valid"),
            (Some("travel"), Some("../k"), "secret key \"../k\" is not valid"),
        ] {
            let error = secret_name(scope, key).expect_err("refused");
            assert!(error.message().starts_with(start), "{error}");
        }
    }
}
