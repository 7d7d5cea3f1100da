//! What can go wrong in here, as facts; the face gives them their status and Databricks' words.

use brickyard_agents::{ModelError, PredictError};
use brickyard_catalog::{Denied, InvalidUserScopes};
use brickyard_models::ScriptedFailure;
use brickyard_store::StoreError;
use brickyard_types::{EndpointName, InvalidSecretRef, ResourceType, ServedName};

use crate::creator::MissingRights;
use crate::failure::Failure;

/// Why a call was not answered.
#[derive(Debug, thiserror::Error)]
pub enum ServingError {
    /// No endpoint of that name.
    #[error("Endpoint '{0}' does not exist.")]
    NoSuchEndpoint(EndpointName),
    /// The endpoint has no such entity.
    #[error("Served entity '{entity}' does not exist in endpoint '{endpoint}'.")]
    NoSuchEntity {
        /// The endpoint.
        endpoint: EndpointName,
        /// The entity asked for.
        entity: ServedName,
    },
    /// Nothing of it answers yet, or any more.
    #[error("Endpoint '{endpoint}' is not ready: {}", failure.as_ref().map_or("it is being deployed", |failure| &failure.reason))]
    NotReady {
        /// The endpoint.
        endpoint: EndpointName,
        /// Why it will not become ready by itself; `None` while it is on its way.
        failure: Option<Box<Failure>>,
    },
    /// The caller may not.
    #[error("refused")]
    Denied(Box<Denied>),
    /// The body is larger than the endpoint takes.
    #[error("the request is larger than {limit} bytes")]
    TooLarge {
        /// In bytes.
        limit: usize,
    },
    /// The endpoint's creator lost a right that it lends to the agent; nothing is run with less than declared.
    #[error("the endpoint's creator no longer holds what the agent declared: {missing}")]
    Withdrawn {
        /// What is missing.
        missing: String,
    },
    /// The narrowed token could not be made.
    #[error("the user's token cannot be narrowed: {0}")]
    UserToken(String),
    /// The agent's process could not answer.
    #[error(transparent)]
    Worker(#[from] PredictError),
    /// The script could not answer, or was told to fail.
    #[error("the script did not answer")]
    Script(ScriptedFailure),
    /// The agent behind a URL took longer than a call may.
    #[error("the request was not answered within {} seconds", after.as_secs())]
    TooLate {
        /// The limit.
        after: std::time::Duration,
    },
    /// The agent behind a URL could not answer.
    #[error("the agent at its own address failed: {reason}")]
    Upstream {
        /// Its status, if it answered at all.
        status: Option<u16>,
        /// What went wrong.
        reason: String,
        /// Its own JSON answer, passed on as it is.
        body: Option<bytes::Bytes>,
    },
}

impl ServingError {
    /// All that is known, for the ledger: what is for the endpoint's managers and for readers of its logs as well.
    pub(crate) fn in_full(&self) -> String {
        match self {
            Self::Denied(denied) => denied.to_string(),
            Self::NotReady { endpoint, failure: Some(failure) } => {
                format!("Endpoint '{endpoint}' is not ready: {failure}")
            }
            other => other.to_string(),
        }
    }
}

/// Why an endpoint was not created or updated.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// The name is taken.
    #[error("Endpoint with name '{0}' already exists.")]
    AlreadyExists(EndpointName),
    /// No endpoint of that name.
    #[error("Endpoint '{0}' does not exist.")]
    NoSuchEndpoint(EndpointName),
    /// One update at a time.
    #[error("Endpoint '{0}' is currently updating.")]
    Updating(EndpointName),
    /// The caller may not.
    #[error("refused")]
    Denied(Box<Denied>),
    /// The model version is not registered.
    #[error("Model '{name}' version '{version}' does not exist.")]
    NoSuchModel {
        /// `catalog.schema.model`.
        name: String,
        /// The version.
        version: String,
    },
    /// The model folder cannot be read.
    #[error("Model '{name}' version '{version}' cannot be served: {source}")]
    UnreadableModel {
        /// `catalog.schema.model`.
        name: String,
        /// The version.
        version: String,
        /// File, key and reason.
        source: ModelError,
    },
    /// The agent asks its users for scopes that Model Serving does not allow.
    #[error("invalid user API scopes")]
    InvalidUserScopes {
        /// Which model.
        model: String,
        /// The offenders, and what is allowed.
        scopes: InvalidUserScopes,
    },
    /// A declared resource of a kind that brickyard does not stand in for.
    #[error("brickyard does not stand in for resources of type {kind} yet (declared: {name})")]
    UnsupportedResource {
        /// The kind.
        kind: ResourceType,
        /// Its name.
        name: String,
    },
    /// The creator lacks rights, all of them listed.
    #[error(transparent)]
    MissingRights(#[from] MissingRights),
    /// A configuration that cannot be.
    #[error("{0}")]
    Invalid(String),
    /// An environment variable that cannot be.
    #[error("environment_vars.{variable}: {reason}")]
    InvalidVariable {
        /// Its name.
        variable: String,
        /// Why not.
        reason: String,
    },
    /// A malformed secret reference.
    #[error("environment_vars.{variable}: {source}")]
    InvalidReference {
        /// The variable's name.
        variable: String,
        /// What is wrong with it.
        source: InvalidSecretRef,
    },
    /// The workspace is full.
    #[error("the workspace has {0} endpoints already, and may have no more")]
    TooMany(usize),
    /// The journal could not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}
