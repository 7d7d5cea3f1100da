//! Fourth layer: the endpoint's own service principal. `WithUser -> WithPassthrough`.
//!
//! A no-op unless the agent declared resources. The tokens themselves are with the workers (each has its own, renewed
//! by [`upkeep`](crate::upkeep)); what this layer adds is whose they are, and the refusal once the creator may no
//! longer lend them.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use brickyard_ledger::{CredentialGiven, Method};
use brickyard_types::Principal;
use futures_util::future::Either;
use tower::{Layer, Service};

use crate::call::Prediction;
use crate::error::ServingError;
use crate::live::Lent;
use crate::on_behalf_of_user::WithUser;

/// A call with its user's and its endpoint's identity, as far as they were declared.
pub(crate) struct WithPassthrough {
    pub with_user: WithUser,
    pub system: Option<Principal>,
    /// What the entity may lend now; the manual step reads its own part from the same value.
    pub lent: Arc<Lent>,
}

/// Makes [`Passthrough`].
#[derive(Clone)]
pub(crate) struct PassthroughLayer;

impl<S> Layer<S> for PassthroughLayer {
    type Service = Passthrough<S>;
    fn layer(&self, inner: S) -> Passthrough<S> {
        Passthrough { inner }
    }
}

/// The layer.
#[derive(Clone)]
pub(crate) struct Passthrough<S> {
    inner: S,
}

fn lend(with_user: WithUser) -> Result<WithPassthrough, ServingError> {
    let entity = &with_user.admitted.entity;
    let lent = entity.lent.load_full();
    let system = entity.system_principal.clone();
    if let (Some(_), Lent::Withdrawn { missing }) = (&system, &*lent) {
        return Err(ServingError::Withdrawn { missing: missing.to_string() });
    }
    if let Some(principal) = &system {
        with_user.admitted.call.notes.credential(CredentialGiven {
            method: Method::Passthrough,
            principal: Arc::clone(&principal.name),
            scopes: entity.system_scopes.clone(),
            expires_at: None,
            jti: None,
            variable: None,
        });
    }
    Ok(WithPassthrough { with_user, system, lent })
}

impl<S> Service<WithUser> for Passthrough<S>
where
    S: Service<WithPassthrough, Response = Prediction, Error = ServingError>,
{
    type Response = Prediction;
    type Error = ServingError;
    type Future = Either<Ready<Result<Prediction, ServingError>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ServingError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, with_user: WithUser) -> Self::Future {
        match lend(with_user) {
            Ok(with_passthrough) => Either::Right(self.inner.call(with_passthrough)),
            Err(error) => Either::Left(ready(Err(error))),
        }
    }
}
