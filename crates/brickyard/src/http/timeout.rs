//! An answer has to *begin* in time. A response whose head is out is not cut: an event stream may go on for as long as
//! its agent and its reader do.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::Request;
use axum::response::{IntoResponse, Response};
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tower::layer::layer_fn;
use tower::{Layer, Service};

use crate::errors::ApiError;

/// The layer's service.
#[derive(Clone)]
pub struct Timeout<S> {
    inner: S,
    after: Duration,
}

impl Timeout<()> {
    /// The layer.
    pub fn layer<S>(after: Duration) -> impl Layer<S, Service = Timeout<S>> + Clone {
        layer_fn(move |inner| Timeout { inner, after })
    }
}

impl<S, B> Service<Request<B>> for Timeout<S>
where
    S: Service<Request<B>, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Timed<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Timed { inner: self.inner.call(request), after: self.after, timer: None }
    }
}

pin_project! {
    /// The future. Most answers are ready at the first look and never start the timer.
    pub struct Timed<F> {
        #[pin]
        inner: F,
        after: Duration,
        #[pin]
        timer: Option<Sleep>,
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Timed<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Poll::Ready(answer) = this.inner.poll(cx) {
            return Poll::Ready(answer);
        }
        if this.timer.is_none() {
            this.timer.set(Some(sleep(*this.after)));
        }
        match this.timer.as_mut().as_pin_mut().map(|timer| timer.poll(cx)) {
            Some(Poll::Ready(())) => {
                let message = format!("No answer within {} seconds", this.after.as_secs());
                Poll::Ready(Ok(ApiError::deadline_exceeded(message).into_response()))
            }
            _ => Poll::Pending,
        }
    }
}
