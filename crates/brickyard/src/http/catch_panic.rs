//! A bug in one request is one `INTERNAL_ERROR`. The connection, its other requests and the process live on. What the
//! panic said is not told to the caller; the process' panic hook has printed it.

use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::http::Request;
use axum::response::{IntoResponse, Response};
use pin_project_lite::pin_project;
use tower::layer::layer_fn;
use tower::{Layer, Service};

use crate::errors::ApiError;

/// The layer's service.
#[derive(Clone)]
pub struct CatchPanic<S> {
    inner: S,
}

impl CatchPanic<()> {
    /// The layer.
    pub fn layer<S>() -> impl Layer<S, Service = CatchPanic<S>> + Clone {
        layer_fn(|inner| CatchPanic { inner })
    }
}

fn panicked() -> Response {
    ApiError::internal(&"a handler panicked").into_response()
}

impl<S, B> Service<Request<B>> for CatchPanic<S>
where
    S: Service<Request<B>, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Caught<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // Unwind safety: the request and its future are dropped with the panic, and nothing here sees them again.
        let inner = catch_unwind(AssertUnwindSafe(|| self.inner.call(request))).ok();
        Caught { inner }
    }
}

pin_project! {
    /// The future. Without an inner one the call itself has panicked.
    pub struct Caught<F> {
        #[pin]
        inner: Option<F>,
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Caught<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut slot = self.project().inner;
        let Some(inner) = slot.as_mut().as_pin_mut() else { return Poll::Ready(Ok(panicked())) };
        match catch_unwind(AssertUnwindSafe(|| inner.poll(cx))) {
            Ok(polled) => polled,
            Err(_) => {
                slot.set(None); // drops what the panicked future held before the caller hears of it
                Poll::Ready(Ok(panicked()))
            }
        }
    }
}
