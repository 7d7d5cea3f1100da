//! **One table from errors to responses.** Every refusal that leaves brickyard is an [`ApiError`], and every
//! [`ApiError`] is made by one of the constructors below, so the wire texts that clients match on stand in one file.
//!
//! Four shapes exist, because Databricks has four: the REST envelope (`error_code`, `message`, `details`), the OAuth
//! one of RFC 6749 (`error`, `error_description`), the SCIM one, and the plain text of older gateways.
//!
//! A response learns the id of its request late: `IntoResponse` renders the error without it and leaves the error in
//! the response's extensions; the outermost layer of the HTTP stack (`http/request_id.rs`) renders it again with the
//! id, and adds `x-brickyard-explain` where brickyard itself refused. So no handler has to carry the id around.
//!
//! **Rule:** a message says what the caller did and what to change. Causes inside brickyard go to the log, under the
//! same id, and never into a message.

use std::borrow::Cow;
use std::fmt;

use axum::body::Body;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use brickyard_types::{ErrorCode, RequestId};
use serde::Serialize;
use serde_json::{Value, json};

/// The header that says where the reason of a refusal can be read.
pub const EXPLAIN: HeaderName = HeaderName::from_static("x-brickyard-explain");
const REASON_PHRASE: HeaderName = HeaderName::from_static("x-databricks-reason-phrase");

/// Texts that the SDK takes for a passing trouble and tries again for five minutes, with an inoffensive spelling each
/// (it compares case). They may come in with a name that somebody chose.
const RETRIED_BY_THE_SDK: &[(&str, &str)] = &[
    ("Unexpected error", "unexpected error"),
    (
        "Please try again later or try a faster operation.",
        "please try again later or try a faster operation.",
    ),
    ("RPC token bucket limit has been exceeded", "rpc token bucket limit has been exceeded"),
    ("ClusterNotReadyException", "cluster not ready"),
    ("UnknownWorkerEnvironmentException", "unknown worker environment"),
    ("does not have any associated worker environments", "has no worker environment"),
    ("There is no worker environment with id", "no worker environment with id"),
    ("Unknown worker environment", "unknown worker environment"),
];

/// What stands in `error_code`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Code {
    /// One of the words that every client knows.
    Word(ErrorCode),
    /// A word of one API only, e.g. `TABLE_DOES_NOT_EXIST`.
    Text(&'static str),
    /// The HTTP status as an integer: how the gateway before the APIs refuses tokens and scopes.
    Status,
}

impl From<ErrorCode> for Code {
    fn from(code: ErrorCode) -> Self {
        Self::Word(code)
    }
}

/// The body's layout.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shape {
    Envelope,
    OAuth(&'static str),
    Scim(&'static str),
    Text,
}

/// A refusal or failure, ready to be sent. Small (one pointer), so that it travels well in a `Result`.
#[derive(Clone, Debug)]
pub struct ApiError(Box<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    status: StatusCode,
    code: Code,
    shape: Shape,
    message: Cow<'static, str>,
    details: Vec<Value>,
    headers: HeaderMap,
    explain: bool,
    /// The message ends with the request's id, once there is one.
    ends_with_id: bool,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.status.as_u16(), self.0.message)
    }
}

impl std::error::Error for ApiError {}

/// The HTTP status of each word.
fn status_of(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::BadRequest | ErrorCode::InvalidParameterValue | ErrorCode::InvalidState => {
            StatusCode::BAD_REQUEST
        }
        ErrorCode::ResourceAlreadyExists | ErrorCode::ResourceLimitExceeded => StatusCode::BAD_REQUEST,
        ErrorCode::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorCode::PermissionDenied => StatusCode::FORBIDDEN,
        ErrorCode::ResourceDoesNotExist | ErrorCode::EndpointNotFound => StatusCode::NOT_FOUND,
        ErrorCode::ResourceConflict => StatusCode::CONFLICT,
        ErrorCode::RequestLimitExceeded | ErrorCode::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        ErrorCode::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::NotImplemented => StatusCode::NOT_IMPLEMENTED,
        ErrorCode::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
    }
}

/// The general forms.
impl ApiError {
    /// An error with the REST envelope and the status that belongs to `code`.
    pub fn of(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(status_of(code), code, message)
    }

    /// An error with the REST envelope.
    pub fn new(status: StatusCode, code: impl Into<Code>, message: impl Into<Cow<'static, str>>) -> Self {
        let mut message = message.into();
        for (bad, good) in RETRIED_BY_THE_SDK {
            if message.contains(bad) {
                message = message.replace(bad, good).into();
            }
        }
        Self(Box::new(Parts {
            status,
            code: code.into(),
            shape: Shape::Envelope,
            message,
            details: Vec::new(),
            headers: HeaderMap::new(),
            explain: false,
            ends_with_id: false,
        }))
    }

    /// An OAuth error (RFC 6749 section 5.2); never cached.
    pub fn oauth(status: StatusCode, error: &'static str, description: impl Into<Cow<'static, str>>) -> Self {
        let mut this = Self::new(status, Code::Status, description)
            .with_header(header::CACHE_CONTROL, "no-store")
            .with_header(header::PRAGMA, "no-cache");
        this.0.shape = Shape::OAuth(error);
        if status == StatusCode::UNAUTHORIZED && error == "invalid_client" {
            return this.with_header(header::WWW_AUTHENTICATE, "Basic realm=\"oidc\"");
        }
        this
    }

    /// A SCIM error. `scim_type` is always sent: the SDK prints `None` where it is missing.
    pub fn scim(status: StatusCode, scim_type: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        let mut this = Self::new(status, Code::Status, detail);
        this.0.shape = Shape::Scim(scim_type);
        this
    }

    /// A plain text answer, as the older gateways give.
    pub fn text(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        let mut this = Self::new(status, Code::Status, message);
        this.0.shape = Shape::Text;
        this
    }

    /// Adds a response header; one that cannot be a header value is left out.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.0.headers.insert(name, value);
        }
        self
    }

    /// Adds an entry to `details`; it names its type in `@type`.
    #[must_use]
    pub fn with_detail(mut self, detail: Value) -> Self {
        self.0.details.push(detail);
        self
    }

    /// Says in how many seconds to try again.
    #[must_use]
    pub fn retry_after(self, seconds: u32) -> Self {
        self.with_header(header::RETRY_AFTER, &seconds.to_string())
    }

    /// Marks a decision of brickyard whose trace can be read: the response gets `x-brickyard-explain`.
    #[must_use]
    pub fn explained(mut self) -> Self {
        self.0.explain = true;
        self
    }

    /// Closes the HTTP/1 connection after the answer: what follows on it cannot be trusted or is not wanted.
    #[must_use]
    pub fn closing(self) -> Self {
        self.with_header(header::CONNECTION, "close")
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// What stands in `error_code`, for the ledger.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

/// Who: tokens and scopes.
impl ApiError {
    /// No `Authorization`, or a scheme that is not served.
    pub fn no_credential() -> Self {
        Self::gateway(
            StatusCode::UNAUTHORIZED,
            "Credential was not sent or was of an unsupported type for this API.",
        )
        .with_header(header::WWW_AUTHENTICATE, "Bearer realm=\"brickyard\"")
    }

    /// A token that is malformed, expired, revoked, of somebody else: always the same words.
    pub fn invalid_token() -> Self {
        Self::gateway(StatusCode::FORBIDDEN, "Invalid access token.")
    }

    /// A good OAuth token without the scope that the API needs. On the wire, ` [ReqId: <id>]` follows.
    pub fn missing_oauth_scope(scope: &str) -> Self {
        Self::missing_scope(format!("Provided OAuth token does not have required scopes: {scope}"))
    }

    /// A good personal access token without the scope that the API needs. On the wire, ` [ReqId: <id>]` follows.
    pub fn missing_pat_scope(scope: &str) -> Self {
        Self::missing_scope(format!("Provided access token does not have required scopes: {scope}"))
    }

    fn missing_scope(message: String) -> Self {
        let mut this = Self::gateway(StatusCode::FORBIDDEN, message);
        this.0.ends_with_id = true;
        this
    }

    /// The refusal of model serving's ingress.
    pub fn invalid_scope() -> Self {
        Self::gateway(StatusCode::FORBIDDEN, "Invalid scope")
    }

    /// The plain-text refusal of some gateways (SQL warehouses, Postgres).
    pub fn invalid_scope_text(scope: &str) -> Self {
        Self::text(StatusCode::FORBIDDEN, format!("Invalid scope, required scopes: {scope}")).explained()
    }

    /// A refusal before the API itself: the code is the status as an integer, the reason is repeated as a header.
    fn gateway(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        let this = Self::new(status, Code::Status, message).explained();
        let reason = this.0.message.clone();
        this.with_header(REASON_PHRASE, &reason)
    }
}

/// May: permissions.
impl ApiError {
    /// A permission is missing.
    pub fn permission_denied(message: impl Into<Cow<'static, str>>) -> Self {
        Self::of(ErrorCode::PermissionDenied, message).explained()
    }

    /// A Unity Catalog privilege is missing: `privilege_missing("SELECT", "Table", "main.s.t")`.
    pub fn privilege_missing(privilege: &str, kind: &str, name: &str) -> Self {
        Self::permission_denied(format!("User does not have {privilege} on {kind} '{name}'."))
    }

    /// CAN_USE on a SQL warehouse is missing.
    pub fn warehouse_denied(principal: &str) -> Self {
        Self::permission_denied(format!(
            "{principal} is not authorized to use this SQL Endpoint. Please contact your administrator."
        ))
    }

    /// A permission level is missing, in Genie's words: `level_missing("Can View")`.
    pub fn level_missing(level: &str) -> Self {
        Self::permission_denied(format!("You need \"{level}\" permission to perform this action."))
    }

    /// An entitlement is missing: `entitlement_missing("/sqlanalytics")`.
    pub fn entitlement_missing(path: &str) -> Self {
        Self::permission_denied(format!("You need the aclPath entitlement: {path}"))
    }

    /// No such object, or one that the caller may not see: the same words for both.
    pub fn does_not_exist(message: impl Into<Cow<'static, str>>) -> Self {
        Self::of(ErrorCode::ResourceDoesNotExist, message).explained()
    }

    /// No such Unity Catalog object; `code` is e.g. `TABLE_DOES_NOT_EXIST`.
    pub fn catalog_object_does_not_exist(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, Code::Text(code), message).explained()
    }
}

/// What was asked: bodies, parameters, state.
impl ApiError {
    /// The request cannot be understood.
    pub fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::of(ErrorCode::BadRequest, message)
    }

    /// A parameter has a value that cannot be.
    pub fn invalid_parameter(message: impl Into<Cow<'static, str>>) -> Self {
        Self::of(ErrorCode::InvalidParameterValue, message)
    }

    /// Not possible in the object's present state.
    pub fn invalid_state(message: impl Into<Cow<'static, str>>) -> Self {
        Self::of(ErrorCode::InvalidState, message)
    }

    /// Something with this name is there already.
    pub fn already_exists(message: impl Into<Cow<'static, str>>) -> Self {
        Self::of(ErrorCode::ResourceAlreadyExists, message)
    }

    /// Somebody else is changing it.
    pub fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::of(ErrorCode::ResourceConflict, message)
    }

    /// A quota of the workspace is used up; trying again does not help.
    pub fn limit_exceeded(message: impl Into<Cow<'static, str>>) -> Self {
        Self::of(ErrorCode::ResourceLimitExceeded, message)
    }

    /// Too much at a time: 429, which clients try again after the pause that `Retry-After` names.
    pub fn too_many_requests(message: impl Into<Cow<'static, str>>) -> Self {
        Self::of(ErrorCode::RequestLimitExceeded, message).retry_after(1)
    }

    /// No such route.
    pub fn no_api(method: &Method, uri: &Uri) -> Self {
        let path: String = uri.path().chars().take(200).collect();
        Self::of(ErrorCode::EndpointNotFound, format!("No API found for '{method} {path}'"))
    }

    /// A route that Databricks has and brickyard knows, and does not emulate: it says so.
    pub fn not_emulated(what: impl fmt::Display) -> Self {
        Self::of(ErrorCode::NotImplemented, format!("{what} is not emulated by brickyard"))
    }

    /// 405 for a method that no route has.
    pub fn method_not_allowed(method: &Method) -> Self {
        let message = format!("Method {method} is not allowed");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::BadRequest, message)
            .with_header(header::ALLOW, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
    }

    /// The body is larger than `limit` bytes. The rest is not read, so the connection ends.
    pub fn body_too_large(limit: usize) -> Self {
        let message = match limit >> 20 {
            0 => format!("Request body is larger than the limit of {limit} bytes"),
            mega => format!("Request body is larger than the limit of {mega} MB"),
        };
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::BadRequest, message).closing()
    }

    /// The body came too slowly, or stopped coming.
    pub fn body_too_slow() -> Self {
        let message = "Request body did not arrive in time";
        Self::new(StatusCode::REQUEST_TIMEOUT, ErrorCode::BadRequest, message).closing()
    }

    /// The body's type or encoding is not served.
    pub fn unsupported_media_type(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, ErrorCode::BadRequest, message)
    }
}

/// What went wrong here.
impl ApiError {
    /// A bug or a broken part. The cause is logged, under the request's id, and not told.
    pub fn internal(cause: &dyn fmt::Display) -> Self {
        tracing::error!(cause = %cause.to_string().escape_debug(), "a request failed inside brickyard");
        Self::of(ErrorCode::InternalError, "brickyard failed; its log says why, under this request's id")
    }

    /// 429 because brickyard itself has enough to do. See `http/shed.rs`.
    pub fn overloaded(message: impl Into<Cow<'static, str>>) -> Self {
        Self::of(ErrorCode::ResourceExhausted, message).retry_after(1)
    }

    /// Not now; clients try again by themselves.
    pub fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::of(ErrorCode::TemporarilyUnavailable, message).retry_after(1)
    }

    /// No answer in time.
    pub fn deadline_exceeded(message: impl Into<Cow<'static, str>>) -> Self {
        Self::of(ErrorCode::DeadlineExceeded, message)
    }

    /// Somebody behind brickyard (an agent, an upstream) gave an answer that is none: 502.
    pub fn bad_gateway(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, ErrorCode::InternalError, message)
    }

    /// The caller went away: 499, seen by the ledger only.
    pub fn cancelled() -> Self {
        Self::of(ErrorCode::Cancelled, "The caller went away")
    }
}

/// The fallback of the router, for unknown paths and for unknown methods on known paths.
pub async fn no_api(method: Method, uri: Uri) -> ApiError {
    ApiError::no_api(&method, &uri)
}

#[derive(Serialize)]
struct Envelope<'a> {
    error_code: Value,
    message: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<Value>,
}

impl ApiError {
    fn render(&self, id: Option<RequestId>) -> Vec<u8> {
        let Parts { status, code, shape, message, details, .. } = &*self.0;
        let with_id = id.filter(|_| self.0.ends_with_id).map(|id| format!("{message} [ReqId: {id}]"));
        let message = with_id.as_deref().unwrap_or(message);
        let body = match shape {
            Shape::Text => return message.as_bytes().to_vec(),
            Shape::OAuth(error) => serde_json::to_vec(&json!({"error": error, "error_description": message})),
            Shape::Scim(scim_type) => serde_json::to_vec(&json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
                "detail": message,
                "status": status.as_str(),
                "scimType": scim_type,
            })),
            Shape::Envelope => {
                let error_code = match code {
                    Code::Word(word) => word.as_str().into(),
                    Code::Text(text) => (*text).into(),
                    Code::Status => status.as_u16().into(),
                };
                let mut details = details.clone();
                if let (Some(id), false) = (id, *code == Code::Status) {
                    details.push(json!({
                        "@type": "type.googleapis.com/google.rpc.RequestInfo",
                        "request_id": id.to_string(),
                        "serving_data": "",
                    }));
                }
                serde_json::to_vec(&Envelope { error_code, message, details })
            }
        };
        body.unwrap_or_default() // text and numbers always serialize
    }

    /// Gives a response that an `ApiError` became its request's id. Called by the outermost layer only.
    pub(crate) fn stamp(response: &mut Response, id: RequestId) {
        let Some(error) = response.extensions_mut().remove::<Self>() else { return };
        *response.body_mut() = Body::from(error.render(Some(id)));
        response.headers_mut().remove(header::CONTENT_LENGTH);
        if error.0.explain
            && let Ok(place) = HeaderValue::try_from(format!("/_brickyard/explain/{id}"))
        {
            response.headers_mut().insert(EXPLAIN, place);
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let content_type = match self.0.shape {
            Shape::Text => "text/plain; charset=utf-8",
            Shape::Scim(_) => "application/scim+json",
            Shape::Envelope | Shape::OAuth(_) => "application/json",
        };
        let mut response = Response::new(Body::from(self.render(None)));
        *response.status_mut() = self.0.status;
        response.headers_mut().clone_from(&self.0.headers);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(error: ApiError) -> (u16, String) {
        (error.status().as_u16(), String::from_utf8(error.render(None)).expect("text"))
    }

    #[test]
    fn clients_see_the_documented_words() {
        let uri = Uri::from_static("/api/2.0/nothing?x=1");
        let table = [
            (
                ApiError::no_credential(),
                401,
                r#"{"error_code":401,"message":"Credential was not sent or was of an unsupported type for this API."}"#,
            ),
            (ApiError::invalid_token(), 403, r#"{"error_code":403,"message":"Invalid access token."}"#),
            (
                ApiError::missing_oauth_scope("sql"),
                403,
                r#"{"error_code":403,"message":"Provided OAuth token does not have required scopes: sql"}"#,
            ),
            (
                ApiError::missing_pat_scope("files"),
                403,
                r#"{"error_code":403,"message":"Provided access token does not have required scopes: files"}"#,
            ),
            (ApiError::invalid_scope_text("sql"), 403, "Invalid scope, required scopes: sql"),
            (
                ApiError::privilege_missing("SELECT", "Table", "main.s.t"),
                403,
                r#"{"error_code":"PERMISSION_DENIED","message":"User does not have SELECT on Table 'main.s.t'."}"#,
            ),
            (
                ApiError::level_missing("Can View"),
                403,
                r#"{"error_code":"PERMISSION_DENIED","message":"You need \"Can View\" permission to perform this action."}"#,
            ),
            (
                ApiError::no_api(&Method::GET, &uri),
                404,
                r#"{"error_code":"ENDPOINT_NOT_FOUND","message":"No API found for 'GET /api/2.0/nothing'"}"#,
            ),
            (
                ApiError::oauth(StatusCode::BAD_REQUEST, "invalid_scope", "Invalid scope: x"),
                400,
                r#"{"error":"invalid_scope","error_description":"Invalid scope: x"}"#,
            ),
            (
                ApiError::scim(StatusCode::NOT_FOUND, "noTarget", "User 7 not found."),
                404,
                r#"{"detail":"User 7 not found.","schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"scimType":"noTarget","status":"404"}"#,
            ),
        ];
        for (error, status, body) in table {
            assert_eq!(shown(error), (status, body.to_owned()));
        }
    }

    #[test]
    fn no_message_makes_the_sdk_try_a_lost_cause_again() {
        for (text, _) in RETRIED_BY_THE_SDK {
            let error = ApiError::does_not_exist(format!("Endpoint '{text}' does not exist"));
            assert!(RETRIED_BY_THE_SDK.iter().all(|(bad, _)| !error.message().contains(bad)), "{text}");
        }
    }

    #[test]
    fn only_decisions_of_brickyard_point_to_their_explanation() {
        let id: RequestId = "0123456789abcdef0123456789abcdef".parse().expect("an id");
        for (error, explained) in [
            (ApiError::invalid_token(), true),
            (ApiError::permission_denied("no"), true),
            (ApiError::bad_request("no"), false),
        ] {
            let mut response = error.into_response();
            ApiError::stamp(&mut response, id);
            let place = response.headers().get(EXPLAIN).map(|v| v.to_str().expect("text").to_owned());
            assert_eq!(place, explained.then(|| format!("/_brickyard/explain/{id}")));
        }
    }
}
