//! Why a call was not answered: from the serving crate's facts to Databricks' status and words.
//!
//! What an agent's own code answered goes out as it came (mlflow's error object, with its stack trace): it is the
//! agent's developer who reads it.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use brickyard_agents::PredictError;
use brickyard_models::ScriptedFailure;
use brickyard_serving::ServingError;
use brickyard_types::ErrorCode;
use bytes::Bytes;
use serde_json::json;

use crate::access::refusal;
use crate::errors::ApiError;
use crate::profile::Profile;

/// What a client sees of an error.
enum Seen {
    /// One of brickyard's own refusals.
    Ours(ApiError),
    /// What the agent answered, as it is.
    Theirs(StatusCode, Bytes),
}

/// The status that a client sees, for the ledger.
pub fn status_of(error: &ServingError) -> u16 {
    match seen(error, Profile::newest()) {
        Seen::Ours(error) => error.status().as_u16(),
        Seen::Theirs(status, _) => status.as_u16(),
    }
}

/// The response for an error.
pub fn response(error: &ServingError, profile: &Profile) -> Response {
    match seen(error, profile) {
        Seen::Ours(error) => error.into_response(),
        Seen::Theirs(status, body) => {
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = status;
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
    }
}

/// The one table.
fn seen(error: &ServingError, profile: &Profile) -> Seen {
    Seen::Ours(match error {
        ServingError::NoSuchEndpoint(_) | ServingError::NoSuchEntity { .. } => {
            ApiError::does_not_exist(error.to_string())
        }
        // The SDK tries a 503 again for minutes: right while an endpoint comes up, wrong once it failed.
        ServingError::NotReady { failure: None, .. } => {
            ApiError::unavailable(error.to_string()).retry_after(1)
        }
        ServingError::NotReady { .. } => ApiError::does_not_exist(error.to_string()),
        ServingError::Denied(denied) => refusal(denied),
        ServingError::TooLarge { limit } => ApiError::body_too_large(*limit),
        ServingError::Withdrawn { .. } | ServingError::UserToken(_) => {
            ApiError::permission_denied(error.to_string()).explained()
        }
        ServingError::Worker(error) => return worker(error, profile),
        ServingError::Script(failure) => return script(failure),
        ServingError::Upstream { status: Some(status @ 400..=499), reason, body } => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY);
            match body {
                Some(body) => return Seen::Theirs(status, body.clone()),
                None => ApiError::new(status, ErrorCode::BadRequest, format!("The agent refused: {reason}")),
            }
        }
        ServingError::TooLate { .. } => ApiError::deadline_exceeded(error.to_string()),
        ServingError::Upstream { .. } => ApiError::bad_gateway(error.to_string()),
    })
}

fn script(failure: &ScriptedFailure) -> Seen {
    match failure {
        ScriptedFailure::BadRequest { message } => Seen::Ours(ApiError::bad_request(message.clone())),
        ScriptedFailure::Scripted { status, error_code, message, .. } => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let body = json!({ "error_code": error_code, "message": message }).to_string();
            Seen::Theirs(status, body.into())
        }
        ScriptedFailure::NoRule { .. } => Seen::Ours(ApiError::bad_request(failure.to_string())),
    }
}

fn worker(error: &PredictError, profile: &Profile) -> Seen {
    Seen::Ours(match error {
        PredictError::Overloaded => ApiError::too_many_requests(profile.too_many_in_entity.value),
        PredictError::Unavailable { .. } => ApiError::unavailable(error.to_string()).retry_after(5),
        PredictError::DeadlineExceeded { .. } => ApiError::deadline_exceeded(error.to_string()),
        PredictError::WorkerDied { .. } | PredictError::OutOfStep { .. } => {
            ApiError::bad_gateway(error.to_string())
        }
        PredictError::TooLarge { limit } => ApiError::body_too_large(*limit),
        PredictError::UnsupportedMediaType { message } => ApiError::unsupported_media_type(message.clone()),
        // mlflow's scoring server answers every error of the model's with 400.
        PredictError::Agent(agent) => return Seen::Theirs(StatusCode::BAD_REQUEST, agent.body.clone()),
    })
}
