//! Links to chunks: made for whoever sees the statement, fetched by whoever has the link, without a token.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use brickyard_sql::statements::{ChunkLink, Format, StatementError, StatementView};
use brickyard_types::Timestamp;

use super::not_there;
use crate::errors::ApiError;
use crate::workspace::Workspace;

/// The address of a chunk, and until when it is good.
pub(super) fn link(workspace: &Workspace, view: &StatementView, index: usize) -> (String, Timestamp) {
    let ChunkLink { expires, signature } = workspace.statements.link(view, index);
    let (host, id, until) = (&workspace.host, &view.id, expires.as_millisecond());
    (format!("{host}/sql/results/{id}/{index}?expires={until}&signature={signature}"), expires)
}

/// The chunk behind a link.
pub(super) async fn fetch(
    State(workspace): State<Arc<Workspace>>,
    Path((id, index)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    let part = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let expires = part("expires").and_then(|millis| Timestamp::from_millisecond(millis.parse().ok()?).ok());
    let (Some(expires), Some(signature), Ok(index)) = (expires, part("signature"), index.parse()) else {
        return Err(not_there(&StatementError::BadLink));
    };
    let link = ChunkLink { expires, signature: signature.to_owned() };
    let (chunk, format) =
        workspace.statements.follow(&id, index, &link).map_err(|error| not_there(&error))?;
    let content_type = match format {
        Format::JsonArray => "application/json",
        Format::ArrowStream { lz4: false } => "application/vnd.apache.arrow.stream",
        Format::ArrowStream { lz4: true } => "application/octet-stream",
    };
    let body = axum::body::Bytes::from_owner(chunk.body);
    Ok(([(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-store")], body).into_response())
}
