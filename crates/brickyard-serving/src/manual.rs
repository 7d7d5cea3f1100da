//! Fifth layer: the secrets behind the environment. `WithPassthrough -> WithManual`.
//!
//! A no-op unless the endpoint's environment references secrets. They were read with the creator's permits when the
//! agent started; a permit that was lost since stops the agent here.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use brickyard_ledger::CredentialGiven;
use futures_util::future::Either;
use tower::{Layer, Service};

use crate::call::Prediction;
use crate::error::ServingError;
use crate::live::Lent;
use crate::passthrough::WithPassthrough;

/// A call with everything that the three methods give.
pub(crate) struct WithManual {
    pub with_passthrough: WithPassthrough,
    pub manual: Arc<[CredentialGiven]>,
}

/// Makes [`Manual`].
#[derive(Clone)]
pub(crate) struct ManualLayer;

impl<S> Layer<S> for ManualLayer {
    type Service = Manual<S>;
    fn layer(&self, inner: S) -> Manual<S> {
        Manual { inner }
    }
}

/// The layer.
#[derive(Clone)]
pub(crate) struct Manual<S> {
    inner: S,
}

fn equip(with_passthrough: WithPassthrough) -> Result<WithManual, ServingError> {
    let manual = match &*with_passthrough.lent {
        Lent::Whole { manual } => Arc::clone(manual),
        Lent::Withdrawn { missing } => return Err(ServingError::Withdrawn { missing: missing.to_string() }),
    };
    for given in &*manual {
        with_passthrough.with_user.admitted.call.notes.credential(given.clone());
    }
    Ok(WithManual { with_passthrough, manual })
}

impl<S> Service<WithPassthrough> for Manual<S>
where
    S: Service<WithManual, Response = Prediction, Error = ServingError>,
{
    type Response = Prediction;
    type Error = ServingError;
    type Future = Either<Ready<Result<Prediction, ServingError>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ServingError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, with_passthrough: WithPassthrough) -> Self::Future {
        match equip(with_passthrough) {
            Ok(with_manual) => Either::Right(self.inner.call(with_manual)),
            Err(error) => Either::Left(ready(Err(error))),
        }
    }
}
