//! The serving stack: seven layers, one a line, in the order a call meets them.
//!
//! Each layer takes the type that the one above gives, so removing or reordering one does not compile.

use std::sync::Arc;

use tower::{Layer, Service};

use crate::admit::AdmitLayer;
use crate::agents::Agents;
use crate::call::{Call, Prediction};
use crate::error::ServingError;
use crate::manual::ManualLayer;
use crate::on_behalf_of_user::OnBehalfOfUserLayer;
use crate::passthrough::PassthroughLayer;
use crate::record::RecordLayer;
use crate::seal::SealLayer;
use crate::serving::Inner;

/// The whole stack of one workspace.
pub(crate) fn stack(
    serving: &Arc<Inner>,
) -> impl Service<Call, Response = Prediction, Error = ServingError, Future: Send> + Clone + use<> {
    let stack = (
        RecordLayer(Arc::clone(serving)), // around all: who, as whom, decision, outcome
        AdmitLayer(Arc::clone(serving)),  // Call -> Admitted
        OnBehalfOfUserLayer(Arc::clone(serving)), // the caller's token, narrowed
        PassthroughLayer,                 // the endpoint's own principal
        ManualLayer,                      // the secrets behind the environment
        SealLayer,                        // -> Invocation
    );
    stack.layer(Agents(Arc::clone(serving))) // Invocation -> Prediction
}
