//! The bodies of a connection's requests and responses, as the stack and hyper see them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep_until};
use tower::BoxError;

use super::pace::{InFlight, Pace, Patience};
use crate::http::body_limit::BodyRefused;

/// A request's body. Fails with [`BodyRefused::TooSlow`] when its sender loses our patience.
pub struct RequestBody {
    incoming: Incoming,
    pace: Arc<Pace>,
    patience: Patience,
    /// Boxed, because most bodies are there with their head and never wait.
    timer: Option<Pin<Box<Sleep>>>,
}

impl RequestBody {
    pub(super) fn new(incoming: Incoming, pace: &Arc<Pace>) -> Self {
        if incoming.is_end_stream() {
            pace.head_comes();
        } else {
            pace.body_begins();
        }
        Self { incoming, pace: pace.clone(), patience: pace.patience(), timer: None }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.incoming).poll_frame(cx) {
            let moved =
                frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Bytes::len);
            this.patience.moved(moved);
            if frame.is_none() || this.incoming.is_end_stream() {
                this.pace.head_comes();
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        if let Some(until) = this.patience.blocked() {
            match &mut this.timer {
                Some(timer) => timer.as_mut().reset(until),
                None => this.timer = Some(Box::pin(sleep_until(until))),
            }
        }
        match this.timer.as_mut().map(|timer| timer.as_mut().poll(cx)) {
            Some(Poll::Ready(())) => Poll::Ready(Some(Err(BodyRefused::TooSlow.into()))),
            _ => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

pin_project! {
    /// A response's body: while it lives, its request runs.
    pub struct ResponseBody<B> {
        #[pin]
        body: B,
        handed: Handed,
    }
}

impl<B> ResponseBody<B> {
    pub(super) fn new(body: B, running: Option<InFlight>) -> Self {
        Self { body, handed: Handed { frame: false, running } }
    }
}

/// Whether a frame is with hyper and waits there for room.
struct Handed {
    frame: bool,
    running: Option<InFlight>,
}

impl Handed {
    fn out(&mut self) {
        if let Some(running) = self.running.as_ref().filter(|running| running.pace().is_http2()) {
            running.pace().handed();
            self.frame = true;
        }
    }

    fn back(&mut self) {
        if let (true, Some(running)) = (std::mem::take(&mut self.frame), &self.running) {
            running.pace().taken();
        }
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        self.back();
    }
}

impl<B: Body<Data = Bytes>> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        this.handed.back();
        let frame = this.body.poll_frame(cx);
        if let Poll::Ready(Some(Ok(_))) = &frame {
            this.handed.out();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
