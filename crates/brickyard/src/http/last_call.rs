//! When brickyard stops, running requests are finished. An event stream may be longer than the patience of whoever
//! stops it; shortly before the end each open one gets an error event and `[DONE]`, so that its reader knows that the
//! answer is incomplete. (`mlflow` and `openai` clients raise on a top-level `error`.)

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use axum::http::{Request, header};
use axum::response::Response;
use bytes::Bytes;
use http_body::Frame;
use pin_project_lite::pin_project;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tower::layer::layer_fn;
use tower::{Layer, Service};

use super::sse;

/// The layer's service.
#[derive(Clone)]
pub struct LastCall<S> {
    inner: S,
    /// Shared by our own count: cloning a token takes its lock, and most requests never ask it.
    token: Arc<CancellationToken>,
}

impl LastCall<()> {
    /// The layer; `token` fires when streams have to end.
    pub fn layer<S>(token: CancellationToken) -> impl Layer<S, Service = LastCall<S>> + Clone {
        let token = Arc::new(token);
        layer_fn(move |inner| LastCall { inner, token: Arc::clone(&token) })
    }
}

impl<S, B> Service<Request<B>> for LastCall<S>
where
    S: Service<Request<B>, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Watched<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Watched { inner: self.inner.call(request), token: Arc::clone(&self.token) }
    }
}

pin_project! {
    /// The future.
    pub struct Watched<F> {
        #[pin]
        inner: F,
        token: Arc<CancellationToken>,
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Watched<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(response) = ready!(this.inner.poll(cx));
        let content_type = response.headers().get(header::CONTENT_TYPE);
        if !content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream")) {
            return Poll::Ready(Ok(response));
        }
        let stop = CancellationToken::clone(this.token).cancelled_owned();
        Poll::Ready(Ok(response.map(|body| Body::new(Ending { body: Some(body), stop }))))
    }
}

pin_project! {
    struct Ending {
        body: Option<Body>,
        #[pin]
        stop: WaitForCancellationFutureOwned,
    }
}

impl HttpBody for Ending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.project();
        let Some(body) = this.body else { return Poll::Ready(None) };
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        ready!(this.stop.poll(cx));
        *this.body = None; // cancels the work behind the stream
        Poll::Ready(Some(Ok(Frame::data(sse::last_words("brickyard is stopping; the answer is incomplete")))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }
}
