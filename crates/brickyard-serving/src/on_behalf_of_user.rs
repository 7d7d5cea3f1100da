//! Third layer: the caller's token, cut down to what the agent declared. `Admitted -> WithUser`.
//!
//! A no-op unless the agent declared `user_auth_policy`. The narrowed token lives for one invocation; it is signed when
//! an agent asks for its text, since a script never does.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use brickyard_identity::{Act, DownscopedToken};
use brickyard_ledger::{CredentialGiven, Method};
use futures_util::future::Either;
use tower::{Layer, Service};

use crate::admit::Admitted;
use crate::call::Prediction;
use crate::error::ServingError;
use crate::serving::Inner;

/// An admitted call with the user's credential, if one was declared.
pub(crate) struct WithUser {
    pub admitted: Admitted,
    pub user: Option<DownscopedToken>,
}

/// Makes [`OnBehalfOfUser`].
#[derive(Clone)]
pub(crate) struct OnBehalfOfUserLayer(pub Arc<Inner>);

impl<S> Layer<S> for OnBehalfOfUserLayer {
    type Service = OnBehalfOfUser<S>;
    fn layer(&self, inner: S) -> OnBehalfOfUser<S> {
        OnBehalfOfUser { serving: Arc::clone(&self.0), inner }
    }
}

/// The layer.
#[derive(Clone)]
pub(crate) struct OnBehalfOfUser<S> {
    serving: Arc<Inner>,
    inner: S,
}

impl<S> OnBehalfOfUser<S> {
    fn narrow(&self, admitted: Admitted) -> Result<WithUser, ServingError> {
        let Some(declared) = &admitted.entity.user_scopes else {
            return Ok(WithUser { admitted, user: None });
        };
        let act = Act { endpoint_id: admitted.endpoint.id, endpoint_name: admitted.endpoint.name.clone() };
        let latest = self.serving.clock.now() + self.serving.settings.user_token_life;
        let token = (self.serving.identity.downscope(&admitted.call.caller, declared, &act, latest))
            .map_err(|error| ServingError::UserToken(error.to_string()))?;
        admitted.call.notes.credential(CredentialGiven {
            method: Method::OnBehalfOfUser,
            principal: Arc::clone(&token.caller().principal().name),
            scopes: token.scopes().clone(),
            expires_at: Some(token.expires_at()),
            jti: Some(token.jti()),
            variable: None,
        });
        Ok(WithUser { admitted, user: Some(token) })
    }
}

impl<S> Service<Admitted> for OnBehalfOfUser<S>
where
    S: Service<WithUser, Response = Prediction, Error = ServingError>,
{
    type Response = Prediction;
    type Error = ServingError;
    type Future = Either<Ready<Result<Prediction, ServingError>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ServingError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, admitted: Admitted) -> Self::Future {
        match self.narrow(admitted) {
            Ok(with_user) => Either::Right(self.inner.call(with_user)),
            Err(error) => Either::Left(ready(Err(error))),
        }
    }
}
