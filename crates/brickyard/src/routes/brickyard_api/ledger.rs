//! What happened and why: `ledger`, `ledger/stream`, `explain`.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use brickyard_catalog::AdministerWorkspace;
use brickyard_ledger::{Decision, Entry, Filter, Ledger, Method};
use brickyard_types::{EndpointName, ErrorCode, RequestId, Timestamp};
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::admin;
use crate::access::Access;
use crate::config::parse_duration;
use crate::errors::ApiError;
use crate::http::sse::sse;
use crate::workspace::Workspace;

/// Entries of a page that asks for no number.
const PAGE: usize = 100;
/// Entries of a page at most.
const LONGEST_PAGE: usize = 1000;

/// What a reader asks for. An unknown name is refused: a filter that is misspelt and ignored shows too much.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    endpoint: Option<String>,
    principal: Option<String>,
    method: Option<String>,
    decision: Option<String>,
    since: Option<String>,
    page_token: Option<String>,
    max_results: Option<usize>,
}

type Query0 = Result<Query<Asked>, QueryRejection>;

/// `GET /_brickyard/ledger`: newest first.
pub(super) async fn list(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    asked: Query0,
) -> Result<Json<Value>, ApiError> {
    let asked = query(asked)?;
    let filter = filter(&asked, workspace.clock.now())?;
    let before = match &asked.page_token {
        None => None,
        Some(token) => Some(
            token
                .parse()
                .map_err(|_| ApiError::invalid_parameter("page_token is not one that this ledger gave"))?,
        ),
    };
    let limit = asked.max_results.filter(|count| *count > 0).unwrap_or(PAGE).min(LONGEST_PAGE);
    admin(&access)?;
    let (entries, next) = workspace.ledger.query(&filter, limit, before);
    let mut body = json!({ "entries": entries });
    if let Some(next) = next {
        body["next_page_token"] = next.to_string().into();
    }
    Ok(Json(body))
}

/// `GET /_brickyard/ledger/stream`: entries from now on, as they are written, until the reader goes, or may no longer
/// read, or the server ends.
pub(super) async fn follow(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    asked: Query0,
) -> Result<Response, ApiError> {
    let asked = query(asked)?;
    let filter = filter(&asked, workspace.clock.now())?;
    if asked.page_token.is_some() || asked.max_results.is_some() {
        return Err(ApiError::invalid_parameter(
            "a stream has no pages: leave page_token and max_results out",
        ));
    }
    admin(&access)?;
    let entries = workspace.ledger.follow();
    Ok(sse(stream::unfold(Some(Follower { workspace, access, filter, entries }), next)))
}

struct Follower {
    workspace: Arc<Workspace>,
    access: Access,
    filter: Filter,
    entries: broadcast::Receiver<Arc<Entry>>,
}

type Event = Result<Bytes, &'static str>;

async fn next(follower: Option<Follower>) -> Option<(Event, Option<Follower>)> {
    let mut follower = follower?;
    loop {
        let event = match follower.entries.recv().await {
            Ok(entry) if follower.wants(&entry) => serde_json::to_vec(&*entry),
            Ok(_) => continue,
            // A slow reader is told what it missed rather than slowing everybody down.
            Err(RecvError::Lagged(missed)) => serde_json::to_vec(&json!({ "missed": missed })),
            Err(RecvError::Closed) => return None,
        };
        return Some(match (follower.may_still(), event) {
            (true, Ok(event)) => (Ok(event.into()), Some(follower)),
            (true, Err(_)) => (Err("an entry could not be written"), None),
            (false, _) => (Err("the token has expired, or its holder is no workspace admin any more"), None),
        });
    }
}

impl Follower {
    /// The request that opened the stream is no news to whoever made it.
    fn wants(&self, entry: &Entry) -> bool {
        entry.request_id != self.access.request_id() && self.filter.admits(entry)
    }

    /// A stream can outlive the token that opened it, and the right.
    fn may_still(&self) -> bool {
        let caller = self.access.caller();
        caller.expires_at().is_none_or(|end| self.workspace.clock.now() < end)
            && self.workspace.catalog.authorize(caller, AdministerWorkspace(())).is_ok()
    }
}

/// `GET /_brickyard/explain/{request_id}`: JSON, or the tree as text for `Accept: text/plain`.
pub(super) async fn explain(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    admin(&access)?;
    let parsed: Option<RequestId> = id.parse().ok();
    let found = parsed.and_then(|id| workspace.ledger.explain(&id));
    let explanation = found.ok_or_else(|| unknown(&workspace.ledger, &id))?;
    Ok(match wants_text(&headers) {
        true => ([(CONTENT_TYPE, "text/plain; charset=utf-8")], explanation.to_string()).into_response(),
        false => Json(explanation).into_response(),
    })
}

/// Names requests that may be meant. There is nothing about this refusal itself that could be explained.
fn unknown(ledger: &Ledger, id: &str) -> ApiError {
    let (near, alike) = ledger.nearest(id, 3);
    let near: Vec<_> = near.iter().map(|entry| invocation(entry)).collect();
    let hint = match (near.as_slice(), alike) {
        ([], _) => "it has no invocations yet".to_owned(),
        (near, true) => format!("did you mean {}?", near.join(" or ")),
        (near, false) => format!("the newest invocations are {}", near.join(", ")),
    };
    let id: String = id.chars().take(80).collect();
    let message = format!(
        "The ledger has no request '{id}': it knows the newest requests since the server began, by their x-request-id; {hint}"
    );
    ApiError::of(ErrorCode::ResourceDoesNotExist, message)
}

/// `0123... (guide, asked by ana@example.com at 2026-08-01T12:00:00Z, 200)`.
fn invocation(entry: &Entry) -> String {
    let endpoint = entry.endpoint.as_ref().map_or("no endpoint", |name| name.as_str());
    let caller = entry.caller.as_ref().map_or("nobody", |caller| &caller.principal().name);
    let at = entry.at.strftime("%Y-%m-%dT%H:%M:%SZ");
    format!("{} ({endpoint}, asked by {caller} at {at}, {})", entry.request_id, entry.status)
}

/// True if the client would rather have text than JSON: whichever it names first.
fn wants_text(headers: &HeaderMap) -> bool {
    let named = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let mut types = named.map(|one| one.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    types
        .find(|one| matches!(one.as_str(), "text/plain" | "text/*" | "application/json" | "*/*"))
        .is_some_and(|one| one.starts_with("text/"))
}

fn query(asked: Query0) -> Result<Asked, ApiError> {
    let refused =
        |error: QueryRejection| ApiError::invalid_parameter(format!("Invalid query: {}", error.body_text()));
    asked.map(|Query(asked)| asked).map_err(refused)
}

fn filter(asked: &Asked, now: Timestamp) -> Result<Filter, ApiError> {
    let invalid = |text: String| ApiError::invalid_parameter(text);
    let endpoint = asked.endpoint.as_deref().map(str::parse::<EndpointName>).transpose();
    let method = asked.method.as_deref().map(|word| {
        let all = [Method::Passthrough, Method::OnBehalfOfUser, Method::Manual];
        all.into_iter()
            .find(|method| method.as_str() == word)
            .ok_or("method is passthrough, on_behalf_of_user or manual")
    });
    let decision = asked.decision.as_deref().map(|word| match word {
        "allowed" => Ok(Decision::Allowed),
        "refused" => Ok(Decision::Refused),
        _ => Err("decision is allowed or refused"),
    });
    let since = asked.since.as_deref().map(|text| {
        let ago = || parse_duration(text).ok().and_then(|ago| now.checked_sub(ago).ok());
        text.parse::<Timestamp>()
            .ok()
            .or_else(ago)
            .ok_or("since is a time such as 2026-08-01T12:00:00Z, or how long ago, such as 10m")
    });
    Ok(Filter {
        endpoint: endpoint.map_err(|error| invalid(error.to_string()))?,
        principal: asked.principal.clone(),
        method: method.transpose().map_err(|text| invalid(text.to_owned()))?,
        decision: decision.transpose().map_err(|text| invalid(text.to_owned()))?,
        since: since.transpose().map_err(|text| invalid(text.to_owned()))?,
    })
}

#[cfg(test)]
mod tests {
    use axum::http::Uri;

    use super::*;

    fn read(text: &str) -> Result<Filter, ApiError> {
        let uri: Uri = format!("/_brickyard/ledger?{text}").parse().expect("a target");
        let now = "2026-08-01T12:00:00Z".parse().expect("a time");
        query(Query::try_from_uri(&uri)).and_then(|asked| filter(&asked, now))
    }

    #[test]
    fn a_reader_narrows_by_name_and_a_slip_is_refused() {
        let found = read("endpoint=guide&principal=ana@example.com&method=manual&decision=refused&since=10m")
            .expect("a filter");
        assert_eq!(found.endpoint.expect("an endpoint").as_str(), "guide");
        assert_eq!(found.principal.as_deref(), Some("ana@example.com"));
        assert_eq!((found.method, found.decision), (Some(Method::Manual), Some(Decision::Refused)));
        assert_eq!(found.since.expect("a time").to_string(), "2026-08-01T11:50:00Z");
        assert_eq!(
            read("since=2026-07-01T00:00:00Z").expect("a filter").since.expect("a time").to_string(),
            "2026-07-01T00:00:00Z"
        );
        assert!(read("").expect("a filter").endpoint.is_none());
        for bad in [
            "endpoints=x",
            "endpoint=a%20b",
            "method=obo",
            "decision=no",
            "since=yesterday",
            "decision=allowed&decision=refused",
        ] {
            assert_eq!(read(bad).map(|_| ()).expect_err(bad).status(), 400, "{bad}");
        }
    }

    #[test]
    fn explain_is_json_unless_text_is_asked_for() {
        for (accept, text) in [
            ("text/plain", true),
            ("text/plain; charset=utf-8, application/json", true),
            ("application/json, text/plain", false),
            ("*/*", false),
            ("text/html", false),
            ("TEXT/PLAIN", true),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, accept.parse().expect("a value"))]);
            assert_eq!(wants_text(&headers), text, "{accept}");
        }
        assert!(!wants_text(&HeaderMap::new()));
    }
}
