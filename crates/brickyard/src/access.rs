//! Who is on the line, what they asked to be allowed, and the one ledger entry that a request leaves.
//!
//! A [`Guard`] stands before every route that is not in [`OPEN`](crate::routes::OPEN): it turns the `Authorization`
//! header into a [`Caller`], checks the API scope of the route's family, and hands the handler an [`Access`]. A handler
//! asks [`Access::authorize`] for what it needs and gets the proof; the traces of all those questions, the answer's
//! status and the reason of a refusal become the entry.

mod guarded;

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::{FromRequestParts, MatchedPath, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use brickyard_catalog::{Action, ApiFamily, DenialKind, Denied, Permit, Trace, family};
use brickyard_identity::{Caller, TokenKind, Unauthenticated};
use brickyard_ledger::{Decision, Entry, Kind, Method, Outcome};
use brickyard_types::{EndpointName, RequestId, ShownToken};
use parking_lot::Mutex;

use crate::accept::Ends;
use crate::errors::ApiError;
use crate::workspace::Workspace;

pub use self::guarded::{Guarded, Guarding};

/// Somebody known, calling one route.
#[derive(Clone)]
pub struct Access(Arc<Facts>);

struct Facts {
    workspace: Arc<Workspace>,
    caller: Caller,
    request_id: RequestId,
    traces: Mutex<Vec<Trace>>,
    hints: Mutex<Vec<String>>,
    cause: Option<(RequestId, Method)>,
    /// Set when another layer writes this request's entry.
    recorded: AtomicBool,
}

impl Access {
    /// Who calls.
    pub fn caller(&self) -> &Caller {
        &self.0.caller
    }

    /// This request's id.
    pub fn request_id(&self) -> RequestId {
        self.0.request_id
    }

    /// Asks the catalog; the question and its answer go to the ledger.
    ///
    /// # Errors
    /// Databricks' refusal.
    pub fn authorize<A: Action>(&self, action: A) -> Result<Permit<A>, ApiError> {
        match self.0.workspace.catalog.authorize(&self.0.caller, action) {
            Ok(permit) => {
                self.0.traces.lock().push(permit.trace().clone());
                Ok(permit)
            }
            Err(denied) => {
                self.0.traces.lock().push(denied.trace().clone());
                Err(refusal(&denied))
            }
        }
    }

    /// Writes down a decision that was not asked for here: an endpoint's creator was refused something.
    pub fn record(&self, trace: Trace) {
        self.0.traces.lock().push(trace);
    }

    /// Writes down what to do about a failure that no decision explains.
    pub fn hint(&self, hint: String) {
        self.0.hints.lock().push(hint);
    }

    /// The invocation whose agent made this request, and with which method's credential.
    pub fn caused_by(&self) -> Option<(RequestId, Method)> {
        self.0.cause
    }

    /// The serving stack writes this request's entry, not the guard.
    pub fn recorded_elsewhere(&self) {
        self.0.recorded.store(true, Ordering::Relaxed);
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Access {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        // The guard put it there; a route outside the guard that asks who calls is refused.
        parts.extensions.get::<Self>().cloned().ok_or_else(ApiError::no_credential)
    }
}

/// The catalog's no in Databricks' words.
pub fn refusal(denied: &Denied) -> ApiError {
    let error = match denied.kind() {
        DenialKind::MissingScope { family, token: TokenKind::PersonalAccessToken } => {
            ApiError::missing_pat_scope(family.printed)
        }
        DenialKind::MissingScope { family, .. } => ApiError::missing_oauth_scope(family.printed),
        DenialKind::OutsideToken => ApiError::invalid_scope(),
        DenialKind::MissingPermission { .. }
        | DenialKind::Invisible { .. }
        | DenialKind::NotDeclared { .. }
        | DenialKind::MissingPrivilege { .. }
        | DenialKind::CreatorGone => ApiError::permission_denied(format!("{}.", denied.message())),
    };
    error.explained()
}

/// The token of the `Authorization` header.
///
/// # Errors
/// Without one, or with a credential of another kind. That there is one header at most was checked at the door.
fn bearer(headers: &HeaderMap) -> Result<ShownToken<'_>, ApiError> {
    let value = headers.get(header::AUTHORIZATION).ok_or_else(ApiError::no_credential)?;
    let bytes = value.as_bytes();
    let (scheme, token) = bytes.split_at_checked(7).ok_or_else(ApiError::no_credential)?;
    // Without a way out of the middle, so that a token's hundreds of bytes are looked at many at a time.
    let graphic = token.iter().fold(true, |all, byte| all & byte.is_ascii_graphic() & (*byte != b','));
    if !scheme.eq_ignore_ascii_case(b"bearer ") || token.is_empty() || !graphic {
        return Err(ApiError::no_credential());
    }
    std::str::from_utf8(token).map(ShownToken::new).map_err(|_| ApiError::no_credential())
}

/// What stands before a route family: the workspace, and the scope that opens the family.
#[derive(Clone)]
pub struct Guard {
    /// The workspace.
    pub workspace: Arc<Workspace>,
    /// Whose routes these are.
    pub family: &'static ApiFamily,
}

impl Guard {
    /// Lets a request in, with its [`Access`] on it, or answers it here and now.
    pub(crate) fn enter(&self, request: &mut Request) -> Result<Unfinished, Box<Response>> {
        let workspace = &self.workspace;
        let at = workspace.clock.now();
        let request_id = request.extensions().get::<RequestId>().copied();
        let request_id = request_id.unwrap_or_else(|| RequestId::random(&*workspace.entropy));
        let known = bearer(request.headers()).map_err(Nobody::Shown).and_then(|token| who(workspace, token));
        let caller = match known {
            Ok(caller) => caller,
            Err(nobody) => {
                let (error, hints) = nobody.told();
                let response = error.explained().into_response();
                let line = refused_line(request);
                record(workspace, at, request_id, None, &line, None, Vec::new(), hints, &response);
                return Err(Box::new(response));
            }
        };
        let family = opens(self.family, workspace, &caller);
        if !family.accepts(caller.scopes())
            && let Err(denied) = workspace.catalog.require_scope(&caller, family)
        {
            let response = refusal(&denied).into_response();
            let cause = caused_by(workspace, &caller, request);
            let line = refused_line(request);
            let traces = vec![denied.into_trace()];
            record(workspace, at, request_id, Some(caller), &line, cause, traces, Vec::new(), &response);
            return Err(Box::new(response));
        }
        let cause = caused_by(workspace, &caller, request);
        if cause.is_none() && is_late(request) {
            let response = ApiError::unavailable("brickyard is stopping").into_response();
            let line = refused_line(request);
            record(workspace, at, request_id, Some(caller), &line, None, Vec::new(), Vec::new(), &response);
            return Err(Box::new(response));
        }
        let facts = Facts {
            workspace: Arc::clone(workspace),
            caller,
            request_id,
            traces: Mutex::default(),
            hints: Mutex::default(),
            cause,
            recorded: AtomicBool::new(false),
        };
        let access = Access(Arc::new(facts));
        request.extensions_mut().insert(access.clone());
        Ok(Unfinished { at, access, line: request_line(request) })
    }
}

/// The family that decides: the route's own, but where agents have to ask more carefully who their user is.
fn opens(family: &'static ApiFamily, workspace: &Workspace, caller: &Caller) -> &'static ApiFamily {
    let strict = workspace.strict_current_user
        && caller.kind() == TokenKind::OnBehalfOfUser
        && std::ptr::eq(family, &family::CURRENT_USER);
    if strict { &family::CURRENT_USER_STRICT } else { family }
}

/// Why nobody is on the line. The client hears one answer for every bad token; the ledger hears which it was.
enum Nobody {
    /// No credential of a kind that is served.
    Shown(ApiError),
    /// A token that does not count.
    Refused(Unauthenticated),
    /// A user's token of an endpoint that is gone: its tokens ended with it.
    EndpointGone(EndpointName),
}

impl Nobody {
    fn told(self) -> (ApiError, Vec<String>) {
        match self {
            Self::Shown(error) => (error, Vec::new()),
            Self::Refused(reason) => {
                let fix = match reason {
                    Unauthenticated::Expired => {
                        "get a new one; who needs access for longer signs in with a client id and secret, and is given new tokens"
                    }
                    Unauthenticated::Issuer | Unauthenticated::Audience => "use a token of this workspace",
                    Unauthenticated::Disabled => "enable its principal",
                    _ => "get a new one",
                };
                (ApiError::invalid_token(), vec![format!("{reason}: {fix}")])
            }
            Self::EndpointGone(name) => {
                let hint = format!(
                    "the token was minted for endpoint {name}, which was deleted: ask an endpoint that is there"
                );
                (ApiError::invalid_token(), vec![hint])
            }
        }
    }
}

fn who(workspace: &Workspace, token: ShownToken<'_>) -> Result<Caller, Nobody> {
    let caller = workspace.identity.authenticate_shown(token).map_err(Nobody::Refused)?;
    match caller.act() {
        Some(act) if workspace.serving.endpoint_by_id(&act.endpoint_id).is_none() => {
            Err(Nobody::EndpointGone(act.endpoint_name.clone()))
        }
        _ => Ok(caller),
    }
}

/// Method and path, for the entry.
struct Line {
    route: Cow<'static, str>,
    path: Option<String>,
    invocation: bool,
    endpoint: Option<EndpointName>,
}

/// The same of a request that goes no further: nobody after this one says which endpoint was meant.
fn refused_line(request: &Request) -> Line {
    let endpoint = request.uri().path().strip_prefix("/serving-endpoints/").and_then(|rest| {
        let (name, rest) = rest.split_once('/')?;
        if rest.ends_with("invocations") { name.parse().ok() } else { None }
    });
    Line { endpoint, ..request_line(request) }
}

fn request_line(request: &Request) -> Line {
    let path = request.uri().path();
    let invocation = path.starts_with("/serving-endpoints/");
    if invocation && path.ends_with("/invocations") {
        // Written by the serving stack, which knows the endpoint.
        return Line {
            route: Cow::Borrowed("POST /serving-endpoints/{name}/invocations"),
            path: None,
            invocation,
            endpoint: None,
        };
    }
    let method = request.method();
    let route = request.extensions().get::<MatchedPath>().map_or(path, MatchedPath::as_str);
    Line {
        route: Cow::Owned(format!("{method} {route}")),
        path: Some(format!("{method} {path}")),
        invocation,
        endpoint: None,
    }
}

/// The invocation whose agent made this request: by its token, or else by the process behind the connection.
fn caused_by(workspace: &Workspace, caller: &Caller, request: &Request) -> Option<(RequestId, Method)> {
    let attribution = workspace.ledger.attribution();
    match caller.kind() {
        TokenKind::OnBehalfOfUser | TokenKind::Passthrough => attribution.of(caller),
        TokenKind::PersonalAccessToken | TokenKind::AccessToken => {
            if !attribution.anything_runs() {
                return None;
            }
            let ends = request.extensions().get::<Ends>()?;
            Some((workspace.invocation_behind(ends)?, Method::Manual))
        }
    }
}

/// True for a request on a connection that was opened when the shutdown had begun. Agents that finish their work are
/// let in; for everybody else the door is closed.
pub fn is_late(request: &Request) -> bool {
    request.extensions().get::<Ends>().is_some_and(|ends| ends.late)
}

/// The entry of a request that runs.
pub(crate) struct Unfinished {
    at: brickyard_types::Timestamp,
    access: Access,
    line: Line,
}

impl Unfinished {
    pub(crate) fn finish(self, response: &Response) {
        let facts = &self.access.0;
        if facts.recorded.load(Ordering::Relaxed) {
            return;
        }
        let traces = std::mem::take(&mut *facts.traces.lock());
        let hints = std::mem::take(&mut *facts.hints.lock());
        let caller = Some(facts.caller.clone());
        record(
            &facts.workspace,
            self.at,
            facts.request_id,
            caller,
            &self.line,
            facts.cause,
            traces,
            hints,
            response,
        );
    }
}

#[expect(clippy::too_many_arguments, reason = "the parts of one entry, in one place")]
fn record(
    workspace: &Workspace,
    at: brickyard_types::Timestamp,
    request_id: RequestId,
    caller: Option<Caller>,
    line: &Line,
    caused_by: Option<(RequestId, Method)>,
    traces: Vec<Trace>,
    hints: Vec<String>,
    response: &Response,
) {
    let status = response.status();
    let error = response.extensions().get::<ApiError>();
    let refused = caller.is_none() || traces.iter().any(|trace| !trace.passed());
    let message = || error.map_or_else(|| status.to_string(), |error| error.message().to_owned());
    let (decision, outcome) = if refused {
        (Decision::Refused, Outcome::Refused { message: message() })
    } else if status.is_client_error() || status.is_server_error() {
        (Decision::Allowed, Outcome::Failed { message: message() })
    } else {
        (Decision::Allowed, Outcome::Answered)
    };
    workspace.ledger.record(Entry {
        request_id,
        at,
        took: Duration::try_from(workspace.clock.now().duration_since(at)).unwrap_or_default(),
        kind: if line.invocation { Kind::Invocation } else { Kind::Api },
        route: line.route.clone(),
        path: line.path.clone(),
        caller,
        endpoint: line.endpoint.clone(),
        served_entity: None,
        worker: None,
        caused_by,
        decision,
        traces,
        credentials: Vec::new(),
        outcome,
        hints,
        status: status.as_u16(),
    });
}
