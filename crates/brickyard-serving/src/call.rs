//! What goes into the serving stack and what comes out of it.

use std::pin::Pin;
use std::sync::Arc;

use brickyard_identity::Caller;
use brickyard_ledger::Method;
use brickyard_types::{EndpointName, RequestId, ServedName, WorkerId};
use bytes::Bytes;
use futures_core::Stream;

use crate::error::ServingError;
use crate::notes::Notes;

/// The options of a call that are not the model's business.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallOptions {
    /// `"stream": true`.
    pub stream: bool,
    /// `"databricks_options": {"return_trace": true}`.
    pub return_trace: bool,
}

/// A call as it arrives: somebody known asks an endpoint something. Nothing is permitted yet.
#[derive(Debug)]
pub struct Call {
    /// The request's id; it is the invocation's too.
    pub request_id: RequestId,
    /// Who calls.
    pub caller: Caller,
    /// Which endpoint.
    pub endpoint: EndpointName,
    /// Which served entity, if the path names one (traffic shares do not apply then).
    pub served: Option<ServedName>,
    /// The body, JSON that nobody has changed; or a table, if `content_type` says so.
    pub body: Bytes,
    /// The type of a body that is not JSON (`text/csv`): only a logged model can read one.
    pub content_type: Option<&'static str>,
    /// Options out of the body.
    pub options: CallOptions,
    /// The route it came by, for the ledger.
    pub route: &'static str,
    /// The invocation whose agent makes this call, if the door could tell.
    pub caused_by: Option<(RequestId, Method)>,
    /// What the layers write down on the way.
    pub(crate) notes: Arc<Notes>,
}

impl Call {
    /// A call of `endpoint` by `caller`.
    pub fn new(
        request_id: RequestId,
        caller: Caller,
        endpoint: EndpointName,
        body: Bytes,
        route: &'static str,
    ) -> Self {
        Self {
            request_id,
            caller,
            endpoint,
            served: None,
            body,
            content_type: None,
            options: CallOptions::default(),
            route,
            caused_by: None,
            notes: Arc::default(),
        }
    }
}

/// The chunks of a streamed answer: JSON objects, without any framing.
pub type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, ServingError>> + Send>>;

/// An answer's body.
pub enum PredictionBody {
    /// One JSON value.
    Json(Bytes),
    /// Chunks, as they come. Dropping it cancels the work.
    Stream(Chunks),
}

/// An answer.
pub struct Prediction {
    /// The body.
    pub body: PredictionBody,
    /// Which entity answered (`served-model-name`).
    pub served_entity: Arc<str>,
    /// Which worker ran it, if one did.
    pub worker: Option<WorkerId>,
}
