//! Second layer: the endpoint exists and the caller may query it. `Call -> Admitted`.
//!
//! *Who* was settled before the border (a [`Caller`](brickyard_identity::Caller) is proof of a verified token); this is *may*.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use brickyard_catalog::{EndpointRef, Permit, QueryEndpoint};
use futures_util::future::Either;
use tower::{Layer, Service};

use crate::call::{Call, Prediction};
use crate::error::ServingError;
use crate::live::{LiveEndpoint, LiveEntity};
use crate::serving::Inner;

/// A call that the catalog permitted, and the entity that will answer it.
pub struct Admitted {
    /// The call.
    pub call: Call,
    /// The proof.
    pub permit: Permit<QueryEndpoint>,
    /// The endpoint.
    pub endpoint: Arc<LiveEndpoint>,
    /// The entity.
    pub entity: Arc<LiveEntity>,
}

/// Makes [`Admit`].
#[derive(Clone)]
pub(crate) struct AdmitLayer(pub Arc<Inner>);

impl<S> Layer<S> for AdmitLayer {
    type Service = Admit<S>;
    fn layer(&self, inner: S) -> Admit<S> {
        Admit { serving: Arc::clone(&self.0), inner }
    }
}

/// The layer.
#[derive(Clone)]
pub(crate) struct Admit<S> {
    serving: Arc<Inner>,
    inner: S,
}

impl<S> Admit<S> {
    fn admit(&self, call: Call) -> Result<Admitted, ServingError> {
        let Some(endpoint) = self.serving.live.get(&call.endpoint) else {
            return Err(self.serving.why_not_live(&call));
        };
        let reference = EndpointRef { id: endpoint.id, name: endpoint.name.clone() };
        let permit =
            (self.serving.catalog.authorize(&call.caller, QueryEndpoint(reference))).map_err(|denied| {
                call.notes.trace(denied.trace().clone());
                ServingError::Denied(Box::new(denied))
            })?;
        call.notes.trace(permit.trace().clone());
        let Some(entity) = endpoint.choose(call.served.as_ref()).cloned() else {
            return Err(match call.served {
                Some(entity) => ServingError::NoSuchEntity { endpoint: call.endpoint, entity },
                None => {
                    let failure = Some(Box::new("no entity has traffic".to_owned().into()));
                    ServingError::NotReady { endpoint: call.endpoint, failure }
                }
            });
        };
        call.notes.entity(Arc::clone(&entity));
        if call.body.len() > entity.payload_limit {
            return Err(ServingError::TooLarge { limit: entity.payload_limit });
        }
        Ok(Admitted { call, permit, endpoint, entity })
    }
}

impl<S> Service<Call> for Admit<S>
where
    S: Service<Admitted, Response = Prediction, Error = ServingError>,
{
    type Response = Prediction;
    type Error = ServingError;
    type Future = Either<Ready<Result<Prediction, ServingError>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ServingError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        match self.admit(call) {
            Ok(admitted) => Either::Right(self.inner.call(admitted)),
            Err(error) => Either::Left(ready(Err(error))),
        }
    }
}
