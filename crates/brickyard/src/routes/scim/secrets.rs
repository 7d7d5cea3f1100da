//! `.../servicePrincipals/{id}/credentials/secrets`: the client secrets with which a service principal gets its tokens.
//!
//! Shapes: databricks-sdk `service/oauth2.py` (`w.service_principal_secrets_proxy`, `a.service_principal_secrets`): the
//! account's path and the workspace's are the same thing here. The errors are the REST envelope, not SCIM's. A secret's
//! text is in the one answer that makes it.
//!
//! **Absent on purpose:** federation policies. No foreign issuer is trusted here, so there is nothing to keep: 501.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::header::{CACHE_CONTROL, HeaderName};
use brickyard_catalog::ManageDirectory;
use brickyard_identity::ServicePrincipalSecret;
use brickyard_types::{PrincipalId, Scope, SignedDuration};
use serde::Deserialize;
use serde_json::{Value, json};

use super::record::{Kind, Record, id_of};
use crate::access::Access;
use crate::errors::ApiError;
use crate::http::json::Json as StrictJson;
use crate::routes::token::{refused, scopes_for};
use crate::routes::well_known::is_own_account;
use crate::workspace::Workspace;

type Answer = Result<Json<Value>, ApiError>;

/// The path of both forms.
#[derive(Deserialize)]
pub(super) struct Place {
    account_id: Option<String>,
    id: String,
    secret_id: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct NewSecret {
    lifetime: Option<String>,
    scopes: Option<Vec<String>>,
}

impl Place {
    /// The service principal, if it is one that people see.
    fn service_principal(&self, workspace: &Workspace) -> Result<PrincipalId, ApiError> {
        if let Some(account) = &self.account_id {
            is_own_account(workspace, account)?;
        }
        let directory = workspace.identity.directory();
        let found =
            id_of(&self.id).filter(|id| Record::find(&directory, Kind::ServicePrincipal, *id).is_some());
        found.ok_or_else(|| {
            let id: String = self.id.chars().take(80).collect();
            ApiError::does_not_exist(format!("Service principal with id {id} does not exist."))
        })
    }
}

pub(super) async fn create(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(place): Path<Place>,
    StrictJson(body): StrictJson<NewSecret>,
) -> Result<([(HeaderName, &'static str); 1], Json<Value>), ApiError> {
    access.authorize(ManageDirectory(()))?;
    let service_principal = place.service_principal(&workspace)?;
    let lifetime = body.lifetime.as_deref().map(seconds).transpose()?;
    let scopes = scopes_for(access.caller(), body.scopes.as_deref())?;
    let made = workspace.identity.create_secret(service_principal, lifetime, scopes).await;
    let made = made.map_err(|error| refused(&error))?;
    let text = made.secret.expose_str().ok_or_else(|| ApiError::internal(&"a client secret is not text"))?;
    let mut answer = shown(&workspace, &made.info);
    answer["secret"] = text.into();
    Ok(([(CACHE_CONTROL, "no-store")], Json(answer)))
}

pub(super) async fn list(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(place): Path<Place>,
) -> Answer {
    access.authorize(ManageDirectory(()))?;
    let service_principal = place.service_principal(&workspace)?;
    let secrets = workspace.identity.secrets_of(service_principal);
    let secrets: Vec<Value> = secrets.iter().map(|secret| shown(&workspace, secret)).collect();
    Ok(Json(json!({ "secrets": secrets })))
}

pub(super) async fn remove(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(place): Path<Place>,
) -> Answer {
    access.authorize(ManageDirectory(()))?;
    let service_principal = place.service_principal(&workspace)?;
    let text = place.secret_id.as_deref().unwrap_or_default();
    let id = text.parse().map_err(|_| {
        let text: String = text.chars().take(80).collect();
        ApiError::does_not_exist(format!("secret {text} does not exist."))
    })?;
    workspace.identity.delete_secret(service_principal, id).await.map_err(|error| refused(&error))?;
    Ok(Json(json!({})))
}

pub(super) async fn no_federation(request: Request) -> ApiError {
    ApiError::not_emulated(format_args!(
        "{} federationPolicies (workload identity federation)",
        request.method()
    ))
}

/// A duration as protobuf's JSON has it: `3600s`.
fn seconds(text: &str) -> Result<SignedDuration, ApiError> {
    let digits = text
        .strip_suffix('s')
        .filter(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()));
    (digits.and_then(|digits| digits.parse().ok()).map(SignedDuration::from_secs)).ok_or_else(|| {
        ApiError::invalid_parameter("lifetime is a number of seconds followed by s, e.g. \"3600s\"")
    })
}

/// What is told of a secret: everything but its text. The hash is keyed, so it can be compared and not turned back.
fn shown(workspace: &Workspace, secret: &ServicePrincipalSecret) -> Value {
    let ended = secret.expires_at.is_some_and(|end| end <= workspace.clock.now());
    let mut shown = json!({
        "id": secret.id,
        "secret_hash": secret.hash,
        "status": if ended { "INACTIVE" } else { "ACTIVE" },
        "create_time": secret.created_at,
        "update_time": secret.created_at,
    });
    if let Some(end) = secret.expires_at {
        shown["expire_time"] = end.to_string().into();
    }
    if let Some(scopes) = &secret.scopes {
        shown["scopes"] = scopes.iter().map(Scope::as_str).collect();
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_whole_seconds() {
        assert_eq!(seconds("3600s").ok(), Some(SignedDuration::from_secs(3600)));
        for bad in ["", "s", "3600", "1.5s", "-1s", "+1s", "1 s", "1h", "99999999999999999999s"] {
            assert!(seconds(bad).is_err(), "{bad:?}");
        }
    }
}
