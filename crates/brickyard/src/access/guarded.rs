//! A [`Guard`] as a layer: authenticate, check the family's scope, run the route, write the entry. Written by hand, since
//! every request of every family passes here: axum's `from_fn` would put each on the heap three times.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::extract::Request;
use axum::response::Response;
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use super::{Guard, Unfinished};

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { guard: self.clone(), inner }
    }
}

/// The service. See the module.
#[derive(Clone)]
pub struct Guarded<S> {
    guard: Guard,
    inner: S,
}

impl<S> Service<Request> for Guarded<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Guarding<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        match self.guard.enter(&mut request) {
            Ok(unfinished) => {
                Guarding::Running { inner: self.inner.call(request), unfinished: Some(unfinished) }
            }
            Err(response) => Guarding::Refused { response: Some(*response) },
        }
    }
}

pin_project! {
    /// The future of a [`Guarded`].
    #[project = GuardingState]
    #[allow(missing_docs, private_interfaces)]
    pub enum Guarding<F> {
        Running { #[pin] inner: F, unfinished: Option<Unfinished> },
        Refused { response: Option<Response> },
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Guarding<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            GuardingState::Running { inner, unfinished } => {
                let Ok(response) = ready!(inner.poll(cx));
                if let Some(unfinished) = unfinished.take() {
                    unfinished.finish(&response);
                }
                Poll::Ready(Ok(response))
            }
            GuardingState::Refused { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response)),
                None => Poll::Pending, // polled after its end, which no executor does
            },
        }
    }
}
