//! One request as its worker will read it, written down before the worker is there: whoever gives a worker back hands it
//! the next request in the same moment, and the agent does not wait until the next caller's task has had its turn.

use brickyard_types::RequestId;
use bytes::Bytes;
use serde::Serialize;
use zeroize::Zeroizing;

use super::{Job, OnWorker, PredictError};
use crate::frames::Kind;
use crate::worker::Worker;

/// See the module.
pub(super) struct Order {
    /// Length and text of the header. The user's token is in it.
    head: Zeroizing<Vec<u8>>,
    body: Bytes,
    on_worker: Option<OnWorker>,
    pub(super) flight: u64,
}

#[derive(Serialize)]
struct Header<'a> {
    request_id: RequestId,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    stream: bool,
    return_trace: bool,
    user_token: Option<&'a str>,
}

impl Order {
    /// Writes `job` down. `flight` is the number that its answer will carry.
    pub(super) fn new(job: Job, flight: u64, limit: usize) -> Result<Self, PredictError> {
        let token = job.user_token.as_ref().map(|token| token.expose());
        let header = Header {
            request_id: job.request_id,
            content_type: job.content_type.as_deref(),
            stream: job.stream,
            return_trace: job.return_trace,
            user_token: token,
        };
        // Room for all of it, so that no copy of a token stays behind in memory that was outgrown.
        let room =
            256 + token.map_or(0, str::len) + job.content_type.as_ref().map_or(0, |kind| kind.len() * 6);
        let mut head = Zeroizing::new(Vec::with_capacity(room));
        head.extend_from_slice(&[0; 4]);
        serde_json::to_writer(&mut *head, &header)
            .map_err(|error| PredictError::Unavailable { reason: error.to_string() })?;
        let size = u32::try_from(head.len() - 4).unwrap_or(u32::MAX).to_le_bytes();
        head[..4].copy_from_slice(&size);
        if job.body.len() + head.len() > limit {
            return Err(PredictError::TooLarge { limit });
        }
        Ok(Self { head, body: job.body, on_worker: job.on_worker, flight })
    }

    /// Hands it to `worker`, as far as its socket takes it without waiting. Says first whose it is, so that nothing the
    /// agent does is without an invocation.
    pub(super) fn begin(mut self, worker: &mut Worker) {
        if let Some(tell) = self.on_worker.take() {
            tell(&worker.control.id);
        }
        // What is wrong with the socket, or with a frame's size, is said by whoever waits for the answer.
        let _ = worker.channel.begin(self.flight, Kind::Predict, &self.head, &self.body);
    }
}
