//! Server-sent events in the one form that every client of Model Serving reads: `data: <json>` lines and nothing else
//! (`mlflow.deployments` raises on `event:` and on comments), ended by `data: [DONE]`.
//!
//! A failure after the first byte cannot change the status. It is sent as `{"error": "..."}` at the top level, which
//! makes the OpenAI and mlflow clients raise, and the stream is ended properly.
//!
//! Dropping the body drops the stream, so a client that goes away cancels the work.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::{BufMut, Bytes, BytesMut};
use futures_core::Stream;
use http_body::Frame;
use pin_project_lite::pin_project;
use serde_json::json;

const DONE: &[u8] = b"data: [DONE]\n\n";

/// A response that sends each item of `events` (one JSON value each) as an event. The text of the first error is sent to the client, so
/// it has to be fit for that; the stream ends with it.
pub fn sse<S, E>(events: S) -> Response
where
    S: Stream<Item = Result<Bytes, E>> + Send + 'static,
    E: std::fmt::Display,
{
    let mut response = Response::new(Body::new(Events { events: Some(events) }));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// The bytes of one event. A line break in JSON text is white space (inside strings it is escaped), so a space is the
/// same JSON on one line, and no agent can forge an event of its own.
fn event(json: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(json.len() + 8);
    frame.put_slice(b"data: ");
    let start = frame.len();
    frame.put_slice(json);
    for byte in &mut frame[start..] {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    frame.put_slice(b"\n\n");
    frame.freeze()
}

/// The events that end a stream that failed.
pub(super) fn last_words(error: &str) -> Bytes {
    let mut bytes = BytesMut::from(&event(json!({"error": error}).to_string().as_bytes())[..]);
    bytes.put_slice(DONE);
    bytes.freeze()
}

pin_project! {
    struct Events<S> {
        #[pin]
        events: Option<S>,
    }
}

impl<S, E> HttpBody for Events<S>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: std::fmt::Display,
{
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let mut slot = self.project().events;
        let Some(events) = slot.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let frame = match std::task::ready!(events.poll_next(cx)) {
            Some(Ok(json)) => event(&json),
            Some(Err(error)) => {
                slot.set(None);
                last_words(&error.to_string())
            }
            None => {
                slot.set(None);
                Bytes::from_static(DONE)
            }
        };
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.events.is_none()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    async fn text(response: Response) -> String {
        let bytes = axum::body::to_bytes(response.into_body(), 4096).await.expect("a body");
        String::from_utf8(bytes.to_vec()).expect("text")
    }

    #[tokio::test]
    async fn a_reader_sees_data_lines_and_done() {
        let items =
            [&b"{\"a\":1}"[..], b"{\n\"b\": 2}"].map(|item| Ok::<_, String>(Bytes::from_static(item)));
        let response = sse(stream::iter(items));
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(text(response).await, "data: {\"a\":1}\n\ndata: { \"b\": 2}\n\ndata: [DONE]\n\n");
    }

    #[tokio::test]
    async fn a_failure_in_the_middle_is_told_and_ends_the_stream() {
        let items = [Ok(Bytes::from_static(b"1")), Err("agent died"), Ok(Bytes::from_static(b"2"))];
        let text = text(sse(stream::iter(items))).await;
        assert_eq!(text, "data: 1\n\ndata: {\"error\":\"agent died\"}\n\ndata: [DONE]\n\n");
    }
}
