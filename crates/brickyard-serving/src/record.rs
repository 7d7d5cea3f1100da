//! First layer, around all: one ledger entry for each call, whatever becomes of it.
//!
//! The entry is written when the answer is complete: for a stream at its last chunk. A caller who goes away drops the
//! future or the stream, and the entry says so.

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use brickyard_identity::Caller;
use brickyard_ledger::{Decision, Entry, Kind, Method, Outcome};
use brickyard_types::{EndpointName, RequestId, Timestamp};
use bytes::Bytes;
use futures_core::Stream;
use tower::{Layer, Service};

use crate::call::{Call, Chunks, Prediction, PredictionBody};
use crate::error::ServingError;
use crate::known_trouble::{Trouble, trouble};
use crate::notes::Notes;
use crate::serving::Inner;

/// Makes [`Record`].
#[derive(Clone)]
pub(crate) struct RecordLayer(pub Arc<Inner>);

impl<S> Layer<S> for RecordLayer {
    type Service = Record<S>;
    fn layer(&self, inner: S) -> Record<S> {
        Record { serving: Arc::clone(&self.0), inner }
    }
}

/// The layer.
#[derive(Clone)]
pub(crate) struct Record<S> {
    serving: Arc<Inner>,
    inner: S,
}

impl<S> Service<Call> for Record<S>
where
    S: Service<Call, Response = Prediction, Error = ServingError, Future: Send + 'static>,
{
    type Response = Prediction;
    type Error = ServingError;
    type Future = Pin<Box<dyn Future<Output = Result<Prediction, ServingError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ServingError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let record = Open::new(&self.serving, &call);
        let answer = self.inner.call(call);
        Box::pin(async move {
            match answer.await {
                Ok(Prediction { body: PredictionBody::Stream(chunks), served_entity, worker }) => {
                    let recorded: Chunks = Box::pin(Recorded { chunks, record: Some(record) });
                    Ok(Prediction { body: PredictionBody::Stream(recorded), served_entity, worker })
                }
                Ok(prediction) => {
                    record.close(Outcome::Answered, Decision::Allowed, 200);
                    Ok(prediction)
                }
                Err(error) => {
                    record.fail(&error);
                    Err(error)
                }
            }
        })
    }
}

/// An entry that is not written yet. Dropped unwritten, it says that the caller went away.
struct Open {
    serving: Arc<Inner>,
    request_id: RequestId,
    at: Timestamp,
    caller: Option<Caller>,
    endpoint: EndpointName,
    route: &'static str,
    caused_by: Option<(RequestId, Method)>,
    notes: Arc<Notes>,
    trouble: Option<Trouble>,
    written: bool,
}

impl Open {
    fn new(serving: &Arc<Inner>, call: &Call) -> Self {
        Self {
            serving: Arc::clone(serving),
            request_id: call.request_id,
            at: serving.clock.now(),
            caller: Some(call.caller.clone()),
            endpoint: call.endpoint.clone(),
            route: call.route,
            caused_by: call.caused_by,
            notes: Arc::clone(&call.notes),
            trouble: None,
            written: false,
        }
    }

    fn fail(mut self, error: &ServingError) {
        self.trouble = trouble(error);
        let refused = matches!(
            error,
            ServingError::Denied(_)
                | ServingError::NoSuchEndpoint(_)
                | ServingError::Withdrawn { .. }
                | ServingError::TooLarge { .. }
        );
        let message = error.in_full();
        let status = (self.serving.settings.status_of)(error);
        if refused {
            self.close(Outcome::Refused { message }, Decision::Refused, status);
        } else {
            self.close(Outcome::Failed { message }, Decision::Allowed, status);
        }
    }

    fn close(mut self, outcome: Outcome, decision: Decision, status: u16) {
        self.write(outcome, decision, status);
    }

    fn write(&mut self, outcome: Outcome, decision: Decision, status: u16) {
        if std::mem::replace(&mut self.written, true) {
            return;
        }
        let noted = self.notes.take();
        let took = Duration::try_from(self.serving.clock.now().duration_since(self.at)).unwrap_or_default();
        if let Some(entity) = &noted.entity {
            entity.metrics.observe(status, took);
        }
        let known = self.trouble.iter().map(|trouble| trouble.hint(&noted.credentials));
        let hints = known.chain(noted.hints).collect();
        self.serving.ledger.record(Entry {
            request_id: self.request_id,
            at: self.at,
            took,
            kind: Kind::Invocation,
            route: Cow::Borrowed(self.route),
            path: None,
            caller: self.caller.take(),
            endpoint: Some(self.endpoint.clone()),
            served_entity: noted.entity.map(|entity| Arc::clone(&entity.shared_name)),
            worker: noted.worker,
            caused_by: self.caused_by,
            decision,
            traces: noted.traces,
            credentials: noted.credentials,
            outcome,
            hints,
            status,
        });
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.write(Outcome::Cancelled, Decision::Allowed, 499);
    }
}

/// A stream that writes its entry when it ends.
struct Recorded {
    chunks: Chunks,
    record: Option<Open>,
}

impl Stream for Recorded {
    type Item = Result<Bytes, ServingError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.chunks.as_mut().poll_next(cx);
        match &next {
            Poll::Ready(None) => {
                if let Some(record) = self.record.take() {
                    record.close(Outcome::Answered, Decision::Allowed, 200);
                }
            }
            Poll::Ready(Some(Err(error))) => {
                if let Some(mut record) = self.record.take() {
                    record.trouble = trouble(error);
                    let message = error.to_string();
                    record.close(Outcome::Failed { message }, Decision::Allowed, 200);
                }
            }
            _ => {}
        }
        next
    }
}
