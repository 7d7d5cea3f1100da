//! One worker, lent to one request; and what becomes of it when the request ends in whatever way.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use brickyard_types::WorkerId;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::members::Members;
use super::order::Order;
use super::{AgentError, Answer, PredictError};
use crate::frames::{Frame, FrameError, Kind};
use crate::worker::Worker;

/// After a cancellation an agent may finish by itself for so long before its code is interrupted ...
const FINISH: Duration = Duration::from_millis(100);
/// ... and then has so long to confirm that it stopped.
const CONFIRM: Duration = Duration::from_secs(1);

/// The right to use one worker. However it is dropped, the worker ends up idle and quiet, or ended.
pub(super) struct Lease {
    worker: Option<Worker>,
    members: Arc<Members>,
    /// The request that was sent and whose last frame was not seen yet.
    flight: Option<u64>,
}

impl Lease {
    pub(super) fn new(worker: Worker, members: Arc<Members>, in_flight: &mut usize) -> Self {
        *in_flight += 1;
        Self { worker: Some(worker), members, flight: None }
    }

    /// Hands the request to the worker. Not under the pool's lock.
    pub(super) fn begin(&mut self, order: Order) {
        if let Some(worker) = &mut self.worker {
            self.flight = Some(order.flight);
            order.begin(worker);
        }
    }

    /// Waits for the first frame of the request that was begun.
    pub(super) async fn answer(mut self, deadline: Instant) -> Result<Answer, PredictError> {
        let (Some(worker), Some(flight)) = (&mut self.worker, self.flight) else {
            return Err(self.condemn("no worker was lent").await);
        };
        let id = worker.control.id.clone();
        if worker.channel.is_cut() {
            match tokio::time::timeout_at(deadline, worker.channel.finish()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(self.failed(error).await),
                Err(_) => return Err(self.too_late()),
            }
        }
        let first = self.next(flight, deadline).await?;
        match first.kind {
            Kind::Answer => {
                self.done();
                Ok(Answer::Json { body: first.payload, worker: id })
            }
            Kind::Error => {
                self.done();
                Err(self.told(&first.payload))
            }
            _ => Ok(Answer::Stream { worker: id, chunks: self.chunks(first, flight, deadline) }),
        }
    }

    /// The stream that starts with `first`.
    fn chunks(self, first: Frame, flight: u64, deadline: Instant) -> super::Chunks {
        let state = (self, Some(first));
        Box::pin(futures_util::stream::unfold(Some(state), move |state| async move {
            let (mut lease, first) = state?;
            let frame = match first {
                Some(first) => Ok(first),
                None => lease.next(flight, deadline).await,
            };
            match frame {
                Ok(frame) if frame.kind == Kind::Chunk => Some((Ok(frame.payload), Some((lease, None)))),
                Ok(frame) if frame.kind == Kind::End => {
                    lease.done();
                    None
                }
                Ok(frame) if frame.kind == Kind::Error => {
                    lease.done();
                    Some((Err(lease.told(&frame.payload)), None))
                }
                Ok(frame) => {
                    Some((Err(lease.condemn(format!("{:?} came inside a stream", frame.kind)).await), None))
                }
                Err(error) => Some((Err(error), None)),
            }
        }))
    }

    /// The next frame of this request; anything else ends the worker.
    async fn next(&mut self, flight: u64, deadline: Instant) -> Result<Frame, PredictError> {
        let Some(worker) = &mut self.worker else { return Err(self.condemn("the worker is gone").await) };
        let exited = worker.control.exited.clone();
        let frame = tokio::select! {
            biased;
            frame = worker.channel.receive() => frame,
            () = exited.cancelled() => Err(FrameError::Closed),
            () = tokio::time::sleep_until(deadline) => return Err(self.too_late()),
        };
        match frame {
            Ok(frame) if frame.id != flight => {
                Err(self.condemn("it answered another request than the current one").await)
            }
            Ok(frame) if matches!(frame.kind, Kind::Answer | Kind::Chunk | Kind::End | Kind::Error) => {
                Ok(frame)
            }
            Ok(frame) => Err(self.condemn(format!("{:?} came where an answer was due", frame.kind)).await),
            Err(error) => Err(self.failed(error).await),
        }
    }

    fn done(&mut self) {
        self.flight = None;
        if let Some(worker) = &self.worker {
            self.members.answered(&worker.control);
        }
    }

    /// What an error frame says.
    fn told(&self, payload: &Bytes) -> PredictError {
        #[derive(Deserialize)]
        struct Told<'a> {
            kind: std::borrow::Cow<'a, str>,
            #[serde(borrow)]
            body: &'a RawValue,
        }
        #[derive(Deserialize)]
        struct Body {
            #[serde(default)]
            error_code: String,
            #[serde(default)]
            message: String,
            #[serde(default)]
            stack_trace: Option<String>,
        }
        let read = serde_json::from_slice::<Told<'_>>(payload)
            .and_then(|told| Ok((told.kind, told.body, serde_json::from_str::<Body>(told.body.get())?)));
        match read {
            Ok((kind, body, fields)) if kind == "agent" => PredictError::Agent(Box::new(AgentError {
                error_code: fields.error_code,
                message: fields.message,
                stack_trace: fields.stack_trace,
                body: Bytes::copy_from_slice(body.get().as_bytes()),
            })),
            Ok((kind, _, fields)) if kind == "unsupported_media_type" => {
                PredictError::UnsupportedMediaType { message: fields.message }
            }
            Ok((kind, ..)) => self.out_of_step(format!("an error of the kind {kind:?}")),
            Err(error) => self.out_of_step(format!("an error that cannot be read: {error}")),
        }
    }

    fn name(&self) -> WorkerId {
        self.worker.as_ref().map_or_else(|| WorkerId("gone".into()), |worker| worker.control.id.clone())
    }

    fn out_of_step(&self, what: String) -> PredictError {
        PredictError::OutOfStep { worker: self.name(), what }
    }

    /// Ends a worker that did not keep to the protocol.
    async fn condemn(&mut self, what: impl std::fmt::Display) -> PredictError {
        let error = self.out_of_step(what.to_string());
        self.end();
        error
    }

    async fn failed(&mut self, error: FrameError) -> PredictError {
        match error {
            FrameError::Closed | FrameError::Io(_) => {
                let worker = self.name();
                let mut reason = error.to_string();
                if let Some(control) = self.worker.as_ref().map(|worker| Arc::clone(&worker.control)) {
                    control.end_after_closing().await;
                    reason = control.how();
                }
                self.end();
                PredictError::WorkerDied { worker, reason }
            }
            other => self.condemn(other).await,
        }
    }

    fn too_late(&mut self) -> PredictError {
        if let Some(worker) = &self.worker {
            // A slow answer says little about the next one: no reason for a pause.
            worker.control.dismissed.store(true, Ordering::Release);
        }
        self.end();
        PredictError::DeadlineExceeded { after: self.members.spec.predict_timeout }
    }

    fn end(&mut self) {
        self.flight = None;
        if let Some(worker) = self.worker.take() {
            worker.control.kill();
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.take() {
            match self.flight {
                None => self.members.give_back(worker),
                Some(flight) => {
                    let members = Arc::clone(&self.members);
                    self.members.tasks.spawn_on(settle(members, worker, flight), &self.members.runtime);
                }
            }
        }
        self.members.left();
    }
}

/// Follows a request whose caller has left to its end. Its answer is read here and goes nowhere.
async fn settle(members: Arc<Members>, mut worker: Worker, flight: u64) {
    let confirmed = async {
        // Half a frame was written: the rest will never come.
        if worker.channel.is_cut() {
            return false;
        }
        let nothing = Bytes::new();
        let told = worker.channel.send(flight, Kind::Cancel, b"", &nothing);
        if !matches!(tokio::time::timeout(CONFIRM, told).await, Ok(Ok(()))) {
            return false;
        }
        if let Ok(confirmed) = tokio::time::timeout(FINISH, last_frame(&mut worker, flight)).await {
            return confirmed;
        }
        worker.control.interrupt();
        tokio::time::timeout(CONFIRM, last_frame(&mut worker, flight)).await.unwrap_or(false)
    }
    .await;
    if confirmed {
        members.answered(&worker.control);
        members.give_back(worker);
    } else {
        worker.control.dismiss();
    }
}

/// True when the last frame of `flight` has come; false if anything else came.
async fn last_frame(worker: &mut Worker, flight: u64) -> bool {
    loop {
        match worker.channel.receive().await {
            Ok(frame) if frame.id != flight => return false,
            Ok(frame) => match frame.kind {
                Kind::Chunk => {}
                Kind::Answer | Kind::End | Kind::Error => return true,
                _ => return false,
            },
            Err(_) => return false,
        }
    }
}
