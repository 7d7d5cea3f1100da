//! `/api/2.0/preview/scim/v2`: who is who, in the words of SCIM 2.0 (RFC 7643, RFC 7644) as Databricks speaks them; and
//! the client secrets of service principals, which hang on the same ids.
//!
//! ```text
//!  GET  .../Me                      any valid token: who am I, and X-Databricks-Org-Id
//!  GET  .../Users|Groups|...        scope access-management (or :read), permit ReadDirectory; one's own record: no permit
//!  POST PUT PATCH DELETE            scope access-management, permit ManageDirectory; one request is one commit
//! ```
//! **Rules kept here:**
//! - The hidden service principal of an endpoint is in no listing and under no id: not to read, not to change, not to
//!   put into a group. (It learns of itself by `Me`.)
//! - An attribute that has no effect here (entitlements, roles) is refused by name instead of being taken and forgotten.
//! - A page beyond the end is empty: the SDK asks on until it gets one.
//! - A SCIM error always has a `scimType`; the SDK prints `None` where it is missing.

mod attributes;
mod edits;
mod filter;
mod listing;
mod patch;
mod record;
mod resources;
mod secrets;

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get, post};
use brickyard_catalog::{ApiFamily, family};
use serde_json::{Map, Value};

use self::listing::ListQuery;
use self::record::{Kind, Projection};
use super::fidelity::Level;
use crate::access::{Access, Guard};
use crate::errors::ApiError;
use crate::http::{body_limit, json};
use crate::workspace::Workspace;

const SCOPE: &str = "access-management";

/// How true these routes are.
pub const FIDELITY: &[(&str, Level, &str)] = &[
    ("GET /api/2.0/preview/scim/v2/Me", Level::Real, "any"),
    ("GET /api/2.0/preview/scim/v2/Users", Level::Real, SCOPE),
    ("POST /api/2.0/preview/scim/v2/Users", Level::Real, SCOPE),
    ("GET /api/2.0/preview/scim/v2/Users/{id}", Level::Real, SCOPE),
    ("PUT /api/2.0/preview/scim/v2/Users/{id}", Level::Real, SCOPE),
    ("PATCH /api/2.0/preview/scim/v2/Users/{id}", Level::Real, SCOPE),
    ("DELETE /api/2.0/preview/scim/v2/Users/{id}", Level::Real, SCOPE),
    ("GET /api/2.0/preview/scim/v2/Groups", Level::Real, SCOPE),
    ("POST /api/2.0/preview/scim/v2/Groups", Level::Real, SCOPE),
    ("GET /api/2.0/preview/scim/v2/Groups/{id}", Level::Real, SCOPE),
    ("PUT /api/2.0/preview/scim/v2/Groups/{id}", Level::Real, SCOPE),
    ("PATCH /api/2.0/preview/scim/v2/Groups/{id}", Level::Real, SCOPE),
    ("DELETE /api/2.0/preview/scim/v2/Groups/{id}", Level::Real, SCOPE),
    ("GET /api/2.0/preview/scim/v2/ServicePrincipals", Level::Real, SCOPE),
    ("POST /api/2.0/preview/scim/v2/ServicePrincipals", Level::Real, SCOPE),
    ("GET /api/2.0/preview/scim/v2/ServicePrincipals/{id}", Level::Real, SCOPE),
    ("PUT /api/2.0/preview/scim/v2/ServicePrincipals/{id}", Level::Real, SCOPE),
    ("PATCH /api/2.0/preview/scim/v2/ServicePrincipals/{id}", Level::Real, SCOPE),
    ("DELETE /api/2.0/preview/scim/v2/ServicePrincipals/{id}", Level::Real, SCOPE),
    ("GET /api/2.0/accounts/servicePrincipals/{id}/credentials/secrets", Level::Real, SCOPE),
    ("POST /api/2.0/accounts/servicePrincipals/{id}/credentials/secrets", Level::Real, SCOPE),
    ("DELETE /api/2.0/accounts/servicePrincipals/{id}/credentials/secrets/{secret_id}", Level::Real, SCOPE),
    ("GET /api/2.0/accounts/{account_id}/servicePrincipals/{id}/credentials/secrets", Level::Real, SCOPE),
    ("POST /api/2.0/accounts/{account_id}/servicePrincipals/{id}/credentials/secrets", Level::Real, SCOPE),
    (
        "DELETE /api/2.0/accounts/{account_id}/servicePrincipals/{id}/credentials/secrets/{secret_id}",
        Level::Real,
        SCOPE,
    ),
    ("ANY /api/2.0/accounts/servicePrincipals/{id}/federationPolicies", Level::Refused, SCOPE),
    ("ANY /api/2.0/accounts/servicePrincipals/{id}/federationPolicies/{policy_id}", Level::Refused, SCOPE),
    ("ANY /api/2.0/accounts/{account_id}/servicePrincipals/{id}/federationPolicies", Level::Refused, SCOPE),
    (
        "ANY /api/2.0/accounts/{account_id}/servicePrincipals/{id}/federationPolicies/{policy_id}",
        Level::Refused,
        SCOPE,
    ),
];

const ORG_ID: HeaderName = HeaderName::from_static("x-databricks-org-id");

/// The routes.
pub fn routes(workspace: &Arc<Workspace>) -> Router {
    let behind = |family: &'static ApiFamily, routes: Router<Arc<Workspace>>| {
        let guarded = Guard { workspace: Arc::clone(workspace), family };
        routes.route_layer(guarded).with_state(Arc::clone(workspace))
    };
    let mut reads = Router::new();
    let mut writes = Router::new();
    for kind in Kind::ALL {
        let (all, one) = (
            format!("/api/2.0/preview/scim/v2/{}", kind.path()),
            format!("/api/2.0/preview/scim/v2/{}/{{id}}", kind.path()),
        );
        reads = reads
            .route(&all, get(move |workspace, access, query| resources::list(kind, workspace, access, query)))
            .route(
                &one,
                get(move |workspace, access, id, query| resources::one(kind, workspace, access, id, query)),
            );
        let changed = post(move |workspace, access, body| resources::create(kind, workspace, access, body));
        let change = delete(move |workspace, access, id| resources::remove(kind, workspace, access, id))
            .put(move |workspace, access, id, body| resources::replace(kind, workspace, access, id, body))
            .patch(move |workspace, access, id, body| resources::patch(kind, workspace, access, id, body));
        writes = writes.route(&all, changed).route(&one, change);
    }
    for account in ["/api/2.0/accounts", "/api/2.0/accounts/{account_id}"] {
        let below = format!("{account}/servicePrincipals/{{id}}");
        writes = writes
            .route(&format!("{below}/credentials/secrets"), get(secrets::list).post(secrets::create))
            .route(&format!("{below}/credentials/secrets/{{secret_id}}"), delete(secrets::remove))
            .route(&format!("{below}/federationPolicies"), any(secrets::no_federation))
            .route(&format!("{below}/federationPolicies/{{policy_id}}"), any(secrets::no_federation));
    }
    Router::new()
        .merge(behind(&family::CURRENT_USER, Router::new().route("/api/2.0/preview/scim/v2/Me", get(me))))
        .merge(behind(&family::DIRECTORY_READ, reads))
        .merge(behind(&family::DIRECTORY, writes))
}

/// Who am I. A service principal is shown as a user whose name is its application id.
async fn me(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    query: Asked,
) -> Result<Response, ApiError> {
    let projection = Projection::of(&asked(query)?);
    let directory = workspace.identity.directory();
    // Whoever was deleted between the guard and here has no valid token any more.
    let own = directory.by_id(access.caller().principal().id).ok_or_else(ApiError::invalid_token)?;
    let mut response = shown(StatusCode::OK, &projection.apply(record::current_user(&directory, own)));
    if let Ok(id) = workspace.id.to_string().try_into() {
        response.headers_mut().insert(ORG_ID, id);
    }
    Ok(response)
}

type Asked = Result<Query<ListQuery>, QueryRejection>;

fn asked(query: Asked) -> Result<ListQuery, ApiError> {
    query.map(|Query(query)| query).map_err(|error| invalid_value(error.body_text()))
}

/// A SCIM resource or list.
fn shown(status: StatusCode, body: &Value) -> Response {
    (status, [(CONTENT_TYPE, "application/scim+json")], body.to_string()).into_response()
}

/// A body of this family: a JSON object, whose faults are told as SCIM errors.
struct ScimObject(Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for ScimObject {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let told = |error: ApiError| match error.status() {
            StatusCode::BAD_REQUEST | StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                ApiError::scim(error.status(), "invalidSyntax", error.message().to_owned())
            }
            _ => error,
        };
        json::is_json(request.headers()).map_err(told)?;
        let body = body_limit::collect(request.into_body(), usize::MAX).await?;
        match json::parse(&body).map_err(told)? {
            Value::Object(object) => Ok(Self(object)),
            _ => Err(ApiError::scim(
                StatusCode::BAD_REQUEST,
                "invalidSyntax",
                "The body must be a JSON object",
            )),
        }
    }
}

fn invalid_value(detail: impl Into<String>) -> ApiError {
    ApiError::scim(StatusCode::BAD_REQUEST, "invalidValue", detail.into())
}

fn invalid_path(detail: impl Into<String>) -> ApiError {
    ApiError::scim(StatusCode::BAD_REQUEST, "invalidPath", detail.into())
}

fn immutable(detail: impl Into<String>) -> ApiError {
    ApiError::scim(StatusCode::BAD_REQUEST, "mutability", detail.into())
}

/// Nobody of that id: the same words for who is not there and for who is hidden.
fn not_found(word: &str, id: &str) -> ApiError {
    let id: String = id.chars().take(80).collect();
    ApiError::scim(StatusCode::NOT_FOUND, "noTarget", format!("{word} with id {id} not found."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_record_has_the_six_routes_that_the_table_names() {
        for kind in Kind::ALL {
            let rows: Vec<_> = (FIDELITY.iter())
                .filter(|(route, ..)| route.contains(&format!("/scim/v2/{}", kind.path())))
                .collect();
            assert_eq!(rows.len(), 6, "{kind:?}");
        }
    }
}
