//! **Endpoints, versions, traffic, and the serving stack**: turns a [`Call`] into a [`Prediction`].
//!
//! No HTTP is in here (floor 5). An endpoint is a name, an owner and a configuration of served entities; deploying one
//! checks its *creator* against everything it declares, gives it a hidden service principal with exactly those rights,
//! starts its agents, and only then lets traffic through. A call then walks the seven layers of [`stack`].
//!
//! ```text
//!   create / update -> deploy.rs: check the creator, commit, start the agents -> live.rs: what answers now
//!   Call -> stack.rs: Record, Admit, OnBehalfOfUser, Passthrough, Manual, Seal, Agents -> Prediction
//!   upkeep.rs: rotates system tokens, and withdraws what the creator may no longer give
//! ```
//!
//! **Invariant:** an agent runs only inside an [`Invocation`], and only [`seal`](crate::seal) makes one.

mod admit;
mod agents;
mod bring_up;
mod call;
mod creator;
mod deploy;
mod endpoint;
mod endpoints;
mod error;
mod failure;
mod known_trouble;
mod live;
mod manual;
mod metrics;
mod notes;
mod on_behalf_of_user;
mod passthrough;
mod plaintext_credential;
mod record;
mod registered_models;
mod resolve;
mod scripts;
mod seal;
mod serving;
mod stack;
mod system_rights;
mod traffic;
mod upkeep;
mod url_agent;
mod workers;

pub use admit::Admitted;
pub use call::{Call, CallOptions, Prediction, PredictionBody};
pub use creator::{Missing, MissingRights};
pub use endpoint::{
    AgentSource, DeployedEntity, Endpoint, Origin, Policy, Route, ServedEntity, Tag, VersionedConfig,
    WorkloadSize,
};
pub use endpoints::Endpoints;
pub use error::{DeployError, ServingError};
pub use failure::Failure;
pub use live::{LiveEndpoint, LiveEntity};
pub use plaintext_credential::{LooksLikeACredential, plaintext_credential};
pub use registered_models::{ModelChange, RegisteredModels, RegisteredVersion};
pub use seal::Invocation;
pub use serving::{
    CreateEndpoint, EndpointView, EntityState, FindWarehouse, Serving, ServingSlots, Settings,
};
