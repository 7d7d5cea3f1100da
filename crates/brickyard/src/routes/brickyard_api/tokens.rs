//! `POST /_brickyard/tokens`: a real token, by the real issuer, for any principal of the workspace: so that a test, or
//! somebody at a terminal, can be Ana for an hour.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, HeaderName};
use brickyard_identity::{Directory, MintError, is_known_scope};
use brickyard_types::{Principal, Scope, ScopeSet, SignedDuration};
use serde::Deserialize;
use serde_json::{Value, json};

use super::admin;
use crate::access::Access;
use crate::config::parse_duration;
use crate::errors::ApiError;
use crate::http::json::Json as StrictJson;
use crate::workspace::Workspace;

/// Who, for what, for how long. An unknown field is refused: a scope that is misspelt must not mean all of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    r#as: String,
    scopes: Option<Scopes>,
    ttl: Option<Ttl>,
}

/// One text with spaces between, or a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scopes {
    Text(String),
    List(Vec<String>),
}

/// `1h`, or seconds.
#[derive(Deserialize)]
#[serde(untagged)]
enum Ttl {
    Text(String),
    Seconds(u32),
}

/// The route.
pub(super) async fn mint(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    StrictJson(wanted): StrictJson<Wanted>,
) -> Result<([(HeaderName, &'static str); 1], Json<Value>), ApiError> {
    let scopes = scopes(wanted.scopes)?;
    let ttl = ttl(wanted.ttl, workspace.identity.config().access_token_ttl)?;
    admin(&access)?;
    let principal = find(&workspace.identity.directory(), &wanted.r#as)?;
    let minted = workspace.identity.mint(&principal, scopes, ttl).map_err(|error| refused(&error))?;
    let caller = &minted.caller;
    let body = json!({
        "token": minted.token.expose(),
        "token_type": "Bearer",
        "expires_in": ttl.as_secs(),
        "expires_at": caller.expires_at(),
        "scope": caller.scopes(),
        "principal": caller.principal().name,
        "jti": caller.jti(),
    });
    Ok(([(CACHE_CONTROL, "no-store")], Json(body)))
}

/// A user by name, or a service principal by application id or by its display name, if only one has it.
fn find(directory: &Directory, name: &str) -> Result<Principal, ApiError> {
    if let Some(entry) = directory.by_name(name) {
        return Ok(entry.principal.clone());
    }
    let named: Vec<&Principal> = (directory.service_principals())
        .filter(|entry| *entry.display_name == *name)
        .map(|entry| &entry.principal)
        .collect();
    let shown: String = name.chars().take(80).collect();
    match named[..] {
        [one] => Ok(one.clone()),
        [] => Err(ApiError::does_not_exist(format!(
            "Nobody is called {shown:?}: a user's name, or a service principal's application id or display name is needed"
        ))),
        _ => {
            let ids: Vec<&str> = named.iter().take(10).map(|principal| &*principal.name).collect();
            let ids = ids.join(", ");
            Err(ApiError::invalid_parameter(format!(
                "Several service principals are called {shown:?}; use an application id: {ids}"
            )))
        }
    }
}

fn scopes(wanted: Option<Scopes>) -> Result<ScopeSet, ApiError> {
    let words: Vec<String> = match wanted {
        None => return Ok(ScopeSet::all_apis()),
        Some(Scopes::Text(text)) => text.split_whitespace().map(str::to_owned).collect(),
        Some(Scopes::List(list)) => list,
    };
    let known = |word: &String| match word.parse::<Scope>() {
        Ok(scope) if is_known_scope(word) => Ok(scope),
        _ => Err(ApiError::invalid_parameter(format!(
            "Invalid scope: {:?}",
            word.chars().take(80).collect::<String>()
        ))),
    };
    words.iter().map(known).collect()
}

fn ttl(wanted: Option<Ttl>, default: SignedDuration) -> Result<SignedDuration, ApiError> {
    match wanted {
        None => Ok(default),
        Some(Ttl::Seconds(seconds)) => Ok(SignedDuration::from_secs(seconds.into())),
        Some(Ttl::Text(text)) => {
            parse_duration(&text).map_err(|error| ApiError::invalid_parameter(format!("ttl: {error}")))
        }
    }
}

fn refused(error: &MintError) -> ApiError {
    match error {
        MintError::NoSuchPrincipal(_) => ApiError::invalid_state(error.to_string()),
        MintError::Lifetime(_) | MintError::TooLong => ApiError::invalid_parameter(error.to_string()),
        MintError::Signing(cause) => ApiError::internal(cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(String, SignedDuration), ApiError> {
        let wanted: Wanted = crate::http::json::parse(text.as_bytes())?;
        Ok((scopes(wanted.scopes)?.to_string(), ttl(wanted.ttl, SignedDuration::from_hours(1))?))
    }

    #[test]
    fn a_token_is_for_everything_for_an_hour_unless_less_is_asked_for() {
        for (text, scopes, seconds) in [
            (r#"{"as": "ana"}"#, "all-apis", 3600),
            (r#"{"as": "ana", "scopes": "sql genie", "ttl": "90s"}"#, "genie sql", 90),
            (r#"{"as": "ana", "scopes": ["sql"], "ttl": 60}"#, "sql", 60),
            (r#"{"as": "ana", "scopes": []}"#, "", 3600),
        ] {
            assert_eq!(
                read(text).expect(text),
                (scopes.to_owned(), SignedDuration::from_secs(seconds)),
                "{text}"
            );
        }
        for bad in [
            "{}",
            r#"{"as": "ana", "scope": "sql"}"#,
            r#"{"as": "ana", "scopes": "sql everything"}"#,
            r#"{"as": "ana", "ttl": "soon"}"#,
            r#"{"as": "ana", "ttl": -1}"#,
        ] {
            assert_eq!(read(bad).expect_err(bad).status(), 400, "{bad}");
        }
    }
}
