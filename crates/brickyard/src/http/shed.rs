//! So many requests at once; the next one is refused at once, which costs microseconds and keeps the memory flat.
//!
//! The refusal is 429 `RESOURCE_EXHAUSTED` with `Retry-After`. The SDK treats 429 and 503 alike (it waits and tries
//! again), but 503 also says "this endpoint is not ready" elsewhere in the API, and load balancers take a 503 for a
//! sick server; a busy one is not sick.
//!
//! The text begins as the profile says; Databricks' page gives its beginning only.
//!
//! A request counts until its response has been handed over; an open stream counts until it ends.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use axum::http::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tower::layer::layer_fn;
use tower::{Layer, Service};

use crate::errors::ApiError;

/// The layer's service.
#[derive(Clone)]
pub struct Shed<S> {
    inner: S,
    places: Places,
}

#[derive(Clone)]
struct Places {
    taken: Arc<AtomicUsize>,
    limit: usize,
    too_many: &'static str,
}

/// A place among the running requests, given back when dropped.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Places {
    fn take(&self) -> Option<Place> {
        let place = Place(self.taken.clone());
        (self.taken.fetch_add(1, Ordering::Relaxed) < self.limit).then_some(place)
    }
}

impl Shed<()> {
    /// The layer: `limit` requests at once. The refusal of one more begins with `too_many`.
    pub fn layer<S>(limit: usize, too_many: &'static str) -> impl Layer<S, Service = Shed<S>> + Clone {
        let places = Places { taken: Arc::default(), limit, too_many };
        layer_fn(move |inner| Shed { inner, places: places.clone() })
    }
}

impl<S, B> Service<Request<B>> for Shed<S>
where
    S: Service<Request<B>, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Placed<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.places.take() {
            Some(place) => Placed::Running { inner: self.inner.call(request), place: Some(place) },
            None => Placed::Full { limit: self.places.limit, too_many: self.places.too_many },
        }
    }
}

pin_project! {
    /// The future.
    #[project = PlacedState]
    #[allow(missing_docs, private_interfaces)]
    pub enum Placed<F> {
        Running { #[pin] inner: F, place: Option<Place> },
        Full { limit: usize, too_many: &'static str },
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Placed<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            PlacedState::Full { limit, too_many } => {
                let message = format!("{too_many}: {limit} are running");
                Poll::Ready(Ok(ApiError::overloaded(message).into_response()))
            }
            PlacedState::Running { inner, place } => {
                let Ok(response) = ready!(inner.poll(cx));
                let place = place.take();
                if response.body().size_hint().exact().is_some() {
                    return Poll::Ready(Ok(response)); // complete already: the place is free again here
                }
                Poll::Ready(Ok(response.map(|body| Body::new(Counted { body, _place: place }))))
            }
        }
    }
}

/// A stream that keeps its place until it ends.
struct Counted {
    body: Body,
    _place: Option<Place>,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
