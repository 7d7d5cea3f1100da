//! Every request gets an id of its own, made here and never taken from outside: a caller who could choose it could
//! make two requests look like one in the ledger. The id is an extension of the request ([`RequestId`]), the header
//! `x-request-id` of the response, and stands in the error body.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::http::{HeaderName, HeaderValue, Request};
use axum::response::Response;
use brickyard_types::{Entropy, RequestId};
use pin_project_lite::pin_project;
use tower::layer::layer_fn;
use tower::{Layer, Service};

use crate::errors::ApiError;

/// The header that tells a client the id.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The outermost layer.
#[derive(Clone)]
pub struct RequestIds<S> {
    inner: S,
    entropy: Arc<dyn Entropy>,
}

impl RequestIds<()> {
    /// Ids from `entropy`.
    pub fn layer<S>(entropy: Arc<dyn Entropy>) -> impl Layer<S, Service = RequestIds<S>> + Clone {
        layer_fn(move |inner| RequestIds { inner, entropy: entropy.clone() })
    }
}

impl<S, B> Service<Request<B>> for RequestIds<S>
where
    S: Service<Request<B>, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Stamped<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let id = RequestId::random(&*self.entropy);
        request.extensions_mut().insert(id);
        Stamped { inner: self.inner.call(request), id }
    }
}

pin_project! {
    /// The future: the inner response, with the id on it.
    pub struct Stamped<F> {
        #[pin]
        inner: F,
        id: RequestId,
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Stamped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(mut response) = ready!(this.inner.poll(cx));
        ApiError::stamp(&mut response, *this.id);
        if let Ok(id) = HeaderValue::try_from(this.id.to_string()) {
            response.headers_mut().insert(X_REQUEST_ID, id);
        }
        Poll::Ready(Ok(response))
    }
}
