//! A layer made of one function that lets a request through, perhaps changed, or refuses it. The checks that need no
//! future of their own are such functions, so that each can be read and tested without any tower around it.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::http::Request;
use axum::response::{IntoResponse, Response};
use pin_project_lite::pin_project;
use tower::layer::layer_fn;
use tower::{Layer, Service};

use crate::errors::ApiError;

/// The service: `check` first, then the inner one.
#[derive(Clone)]
pub struct Gate<S, F> {
    inner: S,
    check: F,
}

impl Gate<(), ()> {
    /// The layer of `check`.
    pub fn layer<S, F: Clone>(check: F) -> impl Layer<S, Service = Gate<S, F>> + Clone {
        layer_fn(move |inner| Gate { inner, check: check.clone() })
    }
}

impl<S, F, B, C> Service<Request<B>> for Gate<S, F>
where
    F: Fn(Request<B>) -> Result<Request<C>, ApiError>,
    S: Service<Request<C>, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Passing<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match (self.check)(request) {
            Ok(request) => Passing::Through { inner: self.inner.call(request) },
            Err(error) => Passing::Refused { response: Some(error.into_response()) },
        }
    }
}

pin_project! {
    /// The future of a [`Gate`].
    #[project = PassingState]
    #[allow(missing_docs)]
    pub enum Passing<F> {
        Through { #[pin] inner: F },
        Refused { response: Option<Response> },
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Passing<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            PassingState::Through { inner } => inner.poll(cx),
            PassingState::Refused { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response)),
                None => Poll::Pending, // polled after its end, which no executor does
            },
        }
    }
}
