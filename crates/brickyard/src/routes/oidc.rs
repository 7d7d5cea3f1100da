//! `/oidc/v1/token`, `/introspect`, `/revoke`: OAuth 2.0 over HTTP. What a grant means is the identity crate's; here is
//! how it is asked for and how it is refused.
//!
//! These routes need no bearer token: who asks is in the request (a client's secret, or the token itself). So they are
//! the strictest readers of the house: one content type, one small form ([`form`]), no parameter in the query string, and
//! no answer that a cache may keep. They send no CORS header: no page of another origin reads a token here.
//!
//! Every one of them leaves a ledger entry like any other request: an agent that refreshes a service principal's token by
//! itself (the *manual* method) is seen doing so.

mod form;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Path, Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, PRAGMA};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use brickyard_identity::oauth::Introspection;
use brickyard_identity::{Caller, GrantedToken, OAuthError, OAuthForm, TokenKind};
use brickyard_ledger::{Decision, Entry, Kind, Method, Outcome};
use brickyard_types::{RequestId, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

use super::fidelity::Level;
use super::well_known::is_own_account;
use crate::accept::Ends;
use crate::errors::ApiError;
use crate::http::body_limit;
use crate::workspace::Workspace;

/// How true these routes are.
pub const FIDELITY: &[(&str, Level, &str)] = &[
    ("POST /oidc/v1/token", Level::Real, "open"),
    ("POST /oidc/accounts/{account_id}/v1/token", Level::Real, "open"),
    ("POST /oidc/v1/introspect", Level::Real, "open"),
    ("POST /oidc/v1/revoke", Level::Real, "open"),
    ("GET /oidc/v1/authorize", Level::Refused, "open"),
];

/// The routes. They need no token.
pub fn routes(workspace: &Arc<Workspace>) -> Router {
    Router::new()
        .route("/oidc/v1/token", post(token))
        .route("/oidc/accounts/{account_id}/v1/token", post(account_token))
        .route("/oidc/v1/introspect", post(introspect))
        .route("/oidc/v1/revoke", post(revoke))
        .route("/oidc/v1/authorize", get(authorize))
        .with_state(Arc::clone(workspace))
}

async fn token(State(workspace): State<Arc<Workspace>>, request: Request) -> Response {
    let asked = Asked::read(&workspace, request).await;
    let granted = asked.answer.and_then(|(authorization, form)| {
        let granted = workspace.identity.grant(authorization.as_deref(), &form);
        granted.and_then(|granted| still_acting(&workspace, granted)).map_err(|error| refusal(&error))
    });
    let caller = granted.as_ref().ok().map(|granted| granted.caller.clone());
    let answer = granted.map(|granted| fresh(&TokenAnswer::of(&granted)));
    asked.context.finish(&workspace, caller, answer)
}

/// A user's token of an endpoint that was deleted ended with the endpoint: nothing is made from it.
fn still_acting(workspace: &Workspace, granted: GrantedToken) -> Result<GrantedToken, OAuthError> {
    match granted.caller.act() {
        Some(act) if workspace.serving.endpoint_by_id(&act.endpoint_id).is_none() => {
            let reason =
                format!("subject_token is not accepted: its endpoint {} was deleted", act.endpoint_name);
            Err(OAuthError::InvalidRequest(reason))
        }
        _ => Ok(granted),
    }
}

async fn account_token(
    state: State<Arc<Workspace>>,
    Path(account): Path<String>,
    request: Request,
) -> Response {
    match is_own_account(&state.0, &account) {
        Ok(()) => token(state, request).await,
        Err(error) => error.into_response(),
    }
}

async fn introspect(State(workspace): State<Arc<Workspace>>, request: Request) -> Response {
    let asked = Asked::read(&workspace, request).await;
    let answer = asked.answer.and_then(|(authorization, form)| {
        let said = workspace
            .identity
            .introspect(authorization.as_deref(), &form)
            .map_err(|error| refusal(&error))?;
        Ok(fresh(&introspection(&workspace, &said)))
    });
    asked.context.finish(&workspace, None, answer)
}

async fn revoke(State(workspace): State<Arc<Workspace>>, request: Request) -> Response {
    let asked = Asked::read(&workspace, request).await;
    let answer = match asked.answer {
        Ok((authorization, form)) => (workspace.identity.revoke_token(authorization.as_deref(), &form).await)
            .map(|()| [(CACHE_CONTROL, "no-store")].into_response())
            .map_err(|error| refusal(&error)),
        Err(error) => Err(error),
    };
    asked.context.finish(&workspace, None, answer)
}

async fn authorize() -> ApiError {
    ApiError::not_emulated("The authorization code flow (GET /oidc/v1/authorize)")
}

/// A request of this family, read: what it shows of a client and its form, or why not.
struct Asked {
    context: Context,
    answer: Result<(Option<String>, OAuthForm), ApiError>,
}

impl Asked {
    async fn read(workspace: &Workspace, request: Request) -> Self {
        let (parts, body) = request.into_parts();
        let context = Context::of(workspace, &parts);
        let answer = match permissible(&parts) {
            Err(error) => Err(error),
            Ok(authorization) => match body_limit::collect(body, form::LARGEST).await {
                Ok(body) => {
                    form::read(&body).map(|form| (authorization, form)).map_err(|error| refusal(&error))
                }
                Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                    Err(malformed(StatusCode::BAD_REQUEST, "the form is longer than 64 KiB").closing())
                }
                Err(error) => Err(error),
            },
        };
        Self { context, answer }
    }
}

/// What is wrong before the body is looked at. The header is handed on as it came: what it means is the identity's.
fn permissible(parts: &Parts) -> Result<Option<String>, ApiError> {
    if parts.uri.query().is_some_and(|query| !query.is_empty()) {
        let message = "parameters go in the body, not in the query string, where they would be logged";
        return Err(malformed(StatusCode::BAD_REQUEST, message));
    }
    if !form::is_form(&parts.headers) {
        let message = "Content-Type must be application/x-www-form-urlencoded";
        return Err(malformed(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    authorization(&parts.headers)
}

fn authorization(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => match value.to_str() {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err(refusal(&OAuthError::InvalidClient)),
        },
        _ => Err(malformed(StatusCode::BAD_REQUEST, "more than one Authorization header")),
    }
}

fn malformed(status: StatusCode, message: &'static str) -> ApiError {
    ApiError::oauth(status, "invalid_request", message)
}

/// A refusal in the words of RFC 6749. databricks-ai-search tells two of them apart by status and text and then asks
/// for less: 403 `... are not assigned to the client ...`, and 400 `Invalid scope: ...`.
fn refusal(error: &OAuthError) -> ApiError {
    let status = match error {
        OAuthError::InvalidRequest(_)
        | OAuthError::InvalidGrant(_)
        | OAuthError::InvalidScope(_)
        | OAuthError::UnsupportedGrantType(_)
        | OAuthError::InvalidTarget(_)
        | OAuthError::InvalidAuthorizationDetails(_) => StatusCode::BAD_REQUEST,
        OAuthError::InvalidClient => StatusCode::UNAUTHORIZED,
        OAuthError::ScopesNotAssigned { .. } => StatusCode::FORBIDDEN,
        OAuthError::TooManyFailures { .. } => StatusCode::TOO_MANY_REQUESTS,
        OAuthError::ServerError(cause) => {
            tracing::error!(cause = %cause.escape_debug(), "no token could be issued");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    let refused = ApiError::oauth(status, error.code(), error.to_string());
    match error {
        OAuthError::TooManyFailures { retry_after } => {
            refused.retry_after(u32::try_from(*retry_after).unwrap_or(1))
        }
        _ => refused,
    }
}

/// RFC 6749 section 5.1. `expires_in` and `token_type` are required by databricks-sdk.
#[derive(Serialize)]
struct TokenAnswer<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u64,
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_token_type: Option<&'static str>,
}

impl<'a> TokenAnswer<'a> {
    fn of(granted: &'a GrantedToken) -> Self {
        Self {
            access_token: granted.access_token.expose(),
            token_type: granted.token_type,
            expires_in: granted.expires_in,
            scope: granted.scope.to_string(),
            issued_token_type: granted.issued_token_type,
        }
    }
}

/// RFC 7662 section 2.2.
fn introspection(workspace: &Workspace, said: &Introspection) -> Value {
    let Introspection::Active { principal, client_id, scope, jti, issued_at, expires_at, act, kind } = said
    else {
        return json!({ "active": false });
    };
    // A user's token of an endpoint that was deleted ended with the endpoint.
    if act.as_ref().is_some_and(|act| workspace.serving.endpoint_by_id(&act.endpoint_id).is_none()) {
        return json!({ "active": false });
    }
    let mut answer = json!({
        "active": true,
        "sub": principal.name,
        "username": principal.name,
        "client_id": client_id,
        "scope": scope.to_string(),
        "token_type": "Bearer",
        "jti": jti,
        "iat": issued_at.as_second(),
    });
    if let Some(end) = expires_at {
        answer["exp"] = end.as_second().into();
    }
    if let Some(act) = act {
        answer["act"] = json!({ "sub": act.endpoint_id });
    }
    if *kind != TokenKind::PersonalAccessToken {
        answer["iss"] = workspace.identity.config().issuer().into();
        answer["aud"] = workspace.id.to_string().into();
    }
    answer
}

/// An answer that no cache keeps.
fn fresh(body: &impl Serialize) -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")];
    match serde_json::to_vec(body) {
        Ok(body) => (headers, body).into_response(),
        Err(error) => ApiError::internal(&error).into_response(),
    }
}

/// What the ledger is told of a request of this family.
struct Context {
    at: Timestamp,
    request_id: RequestId,
    route: Cow<'static, str>,
    caused_by: Option<(RequestId, Method)>,
}

impl Context {
    fn of(workspace: &Workspace, parts: &Parts) -> Self {
        let request_id = parts.extensions.get::<RequestId>().copied();
        let path = parts.extensions.get::<MatchedPath>().map_or(parts.uri.path(), MatchedPath::as_str);
        let runs = workspace.ledger.attribution().anything_runs();
        // Which process is behind a connection is looked up only while some agent runs.
        let ends = parts.extensions.get::<Ends>().filter(|_| runs);
        Self {
            at: workspace.clock.now(),
            request_id: request_id.unwrap_or_else(|| RequestId::random(&*workspace.entropy)),
            route: format!("{} {path}", parts.method).into(),
            caused_by: ends.and_then(|ends| Some((workspace.invocation_behind(ends)?, Method::Manual))),
        }
    }

    fn finish(
        self,
        workspace: &Workspace,
        caller: Option<Caller>,
        answer: Result<Response, ApiError>,
    ) -> Response {
        let (decision, outcome) = match &answer {
            Ok(_) => (Decision::Allowed, Outcome::Answered),
            Err(error) if error.status().is_server_error() => {
                (Decision::Allowed, Outcome::Failed { message: error.message().to_owned() })
            }
            Err(error) => (Decision::Refused, Outcome::Refused { message: error.message().to_owned() }),
        };
        let response = answer.unwrap_or_else(IntoResponse::into_response);
        workspace.ledger.record(Entry {
            request_id: self.request_id,
            at: self.at,
            took: Duration::try_from(workspace.clock.now().duration_since(self.at)).unwrap_or_default(),
            kind: Kind::Api,
            route: self.route,
            path: None,
            caller,
            endpoint: None,
            served_entity: None,
            worker: None,
            caused_by: self.caused_by,
            decision,
            traces: Vec::new(),
            credentials: Vec::new(),
            outcome,
            hints: Vec::new(),
            status: response.status().as_u16(),
        });
        response
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};

    use super::*;

    fn parts(uri: &str, headers: &[(&'static str, &str)]) -> Parts {
        let mut request = axum::http::Request::post(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    #[test]
    fn only_a_form_without_a_query_is_looked_at() {
        const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
        for (uri, headers, status) in [
            ("/oidc/v1/token", &[FORM][..], None),
            ("/oidc/v1/token?", &[FORM], None),
            ("/oidc/v1/token?grant_type=client_credentials", &[FORM], Some(400)),
            ("/oidc/v1/token?x", &[FORM], Some(400)),
            ("/oidc/v1/token", &[], Some(415)),
            ("/oidc/v1/token", &[("content-type", "application/json")], Some(415)),
            ("/oidc/v1/token", &[FORM, FORM], Some(415)),
            ("/oidc/v1/token", &[FORM, ("authorization", "Basic YTpi")], None),
            ("/oidc/v1/token", &[FORM, ("authorization", "Basic \u{e4}")], Some(401)),
            (
                "/oidc/v1/token",
                &[FORM, ("authorization", "Basic YTpi"), ("authorization", "Basic YTpi")],
                Some(400),
            ),
        ] {
            let refused = permissible(&parts(uri, headers)).err().map(|error| error.status().as_u16());
            assert_eq!(refused, status, "{uri} {headers:?}");
        }
    }

    #[test]
    fn each_refusal_has_the_status_that_clients_match_on() {
        let scopes: brickyard_types::ScopeSet = "all-apis".parse().into_iter().collect();
        for (error, status) in [
            (OAuthError::InvalidRequest("x".into()), 400),
            (OAuthError::InvalidClient, 401),
            (OAuthError::TooManyFailures { retry_after: 3 }, 429),
            (OAuthError::InvalidGrant("x".into()), 400),
            (OAuthError::InvalidScope("x".into()), 400),
            (OAuthError::ScopesNotAssigned { scopes, client: "c".into() }, 403),
            (OAuthError::UnsupportedGrantType("x".into()), 400),
            (OAuthError::InvalidTarget("x".into()), 400),
            (OAuthError::InvalidAuthorizationDetails("x".into()), 400),
            (OAuthError::ServerError("x".into()), 500),
        ] {
            let response = refusal(&error).into_response();
            assert_eq!(response.status().as_u16(), status, "{error}");
            assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
            assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
            assert_eq!(response.headers().contains_key(WWW_AUTHENTICATE), status == 401);
            assert_eq!(response.headers().contains_key(RETRY_AFTER), status == 429);
            assert!(!response.headers().contains_key("access-control-allow-origin"));
        }
    }
}
