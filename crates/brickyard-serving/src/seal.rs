//! Sixth layer: all declared, all present. `WithManual -> Invocation`.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use brickyard_identity::DownscopedToken;
use brickyard_ledger::CredentialGiven;
use brickyard_types::Principal;
use futures_util::future::Either;
use tower::{Layer, Service};

use crate::call::{Call, Prediction};
use crate::error::ServingError;
use crate::live::{LiveEndpoint, LiveEntity};
use crate::manual::WithManual;

/// Permitted, and every declared credential is present. An agent is run with one of these and with nothing less.
pub struct Invocation {
    pub(crate) call: Call,
    pub(crate) endpoint: Arc<LiveEndpoint>,
    pub(crate) entity: Arc<LiveEntity>,
    pub(crate) user: Option<DownscopedToken>,
    pub(crate) system: Option<Principal>,
    pub(crate) manual: Arc<[CredentialGiven]>,
}

impl Invocation {
    /// Holds what was declared against what is there.
    ///
    /// # Errors
    /// If a declared credential is missing; a fault of ours, and still never a call with less than declared.
    fn seal(with_manual: WithManual) -> Result<Self, ServingError> {
        let WithManual { with_passthrough, manual } = with_manual;
        let (system, with_user) = (with_passthrough.system, with_passthrough.with_user);
        let (user, admitted) = (with_user.user, with_user.admitted);
        let entity = admitted.entity;
        let missing = if entity.user_scopes.is_some() != user.is_some() {
            Some("the user's token")
        } else if entity.policy.passthrough().next().is_some() != system.is_some() {
            Some("the endpoint's service principal")
        } else {
            None
        };
        match missing {
            Some(what) => Err(ServingError::Withdrawn { missing: what.to_owned() }),
            None => {
                Ok(Self { call: admitted.call, endpoint: admitted.endpoint, entity, user, system, manual })
            }
        }
    }
}

/// Makes [`Seal`].
#[derive(Clone)]
pub(crate) struct SealLayer;

impl<S> Layer<S> for SealLayer {
    type Service = Seal<S>;
    fn layer(&self, inner: S) -> Seal<S> {
        Seal { inner }
    }
}

/// The layer.
#[derive(Clone)]
pub(crate) struct Seal<S> {
    inner: S,
}

impl<S> Service<WithManual> for Seal<S>
where
    S: Service<Invocation, Response = Prediction, Error = ServingError>,
{
    type Response = Prediction;
    type Error = ServingError;
    type Future = Either<Ready<Result<Prediction, ServingError>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ServingError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, with_manual: WithManual) -> Self::Future {
        match Invocation::seal(with_manual) {
            Ok(invocation) => Either::Right(self.inner.call(invocation)),
            Err(error) => Either::Left(ready(Err(error))),
        }
    }
}
