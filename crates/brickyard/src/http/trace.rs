//! One span a request, with fields instead of prose: id, method, path. The query is left out, because tokens have been
//! seen in queries. A span costs nothing unless somebody listens (`brickyard::http=debug`); a failure (5xx) is told at
//! `error` in any case, with the id that the caller was given.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::http::Request;
use axum::response::Response;
use brickyard_types::RequestId;
use pin_project_lite::pin_project;
use tower::layer::layer_fn;
use tower::{Layer, Service};
use tracing::Span;

/// The layer's service.
#[derive(Clone)]
pub struct Trace<S> {
    inner: S,
}

impl Trace<()> {
    /// The layer.
    pub fn layer<S>() -> impl Layer<S, Service = Trace<S>> + Clone {
        layer_fn(|inner| Trace { inner })
    }
}

impl<S, B> Service<Request<B>> for Trace<S>
where
    S: Service<Request<B>, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Traced<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let id = request.extensions().get::<RequestId>().copied();
        // `?` on the path: what a caller chose is escaped, so it cannot forge a line.
        let span = tracing::debug_span!(
            target: "brickyard::http",
            "request",
            id = id.map(tracing::field::display),
            method = %request.method(),
            path = ?request.uri().path(),
        );
        let inner = span.in_scope(|| self.inner.call(request));
        Traced { inner, span, id }
    }
}

pin_project! {
    /// The future, inside its span.
    pub struct Traced<F> {
        #[pin]
        inner: F,
        span: Span,
        id: Option<RequestId>,
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Traced<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let _inside = this.span.enter();
        let Ok(response) = ready!(this.inner.poll(cx));
        let status = response.status().as_u16();
        // 501 and 503 are answers that brickyard means: a route that is not there, an endpoint that is not ready.
        if response.status().is_server_error() && !matches!(status, 501 | 503) {
            let id = this.id.map(tracing::field::display);
            tracing::error!(target: "brickyard::http", id, status, "answered with a failure");
        } else {
            tracing::debug!(target: "brickyard::http", status, "answered");
        }
        Poll::Ready(Ok(response))
    }
}
