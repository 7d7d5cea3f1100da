//! Why a call was not answered: from the serving crate's facts to Databricks' status and words.

use axum::http::StatusCode;
use brickyard_agents::PredictError;
use brickyard_models::ScriptedFailure;
use brickyard_serving::ServingError;

use crate::access::refusal;
use crate::errors::ApiError;

/// The status that a client sees, for the ledger.
pub fn status_of(error: &ServingError) -> u16 {
    api_error(error).status().as_u16()
}

/// The one table.
pub fn api_error(error: &ServingError) -> ApiError {
    match error {
        ServingError::NoSuchEndpoint(_) | ServingError::NoSuchEntity { .. } => ApiError::does_not_exist(error.to_string()),
        // The SDK tries a 503 again for minutes: right while an endpoint comes up, wrong once it failed.
        ServingError::NotReady { reason, .. } if reason == "it is being deployed" => {
            ApiError::unavailable(error.to_string()).retry_after(1)
        }
        ServingError::NotReady { .. } => ApiError::does_not_exist(error.to_string()),
        ServingError::Denied(denied) => refusal(denied),
        ServingError::TooLarge { limit } => ApiError::body_too_large(*limit),
        ServingError::Withdrawn { .. } | ServingError::UserToken(_) => {
            ApiError::permission_denied(error.to_string()).explained()
        }
        ServingError::Worker(error) => worker(error),
        ServingError::Script(failure) => script(failure),
        ServingError::Upstream { status: Some(status @ 400..=499), reason, body } => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY);
            match body {
                Some(body) => ApiError::agents_own(status, body.clone()),
                None => ApiError::new(status, brickyard_types::ErrorCode::BadRequest, format!("The agent refused: {reason}")),
            }
        }
        ServingError::Upstream { .. } => ApiError::bad_gateway(error.to_string()),
    }
}

fn script(failure: &ScriptedFailure) -> ApiError {
    match failure {
        ScriptedFailure::BadRequest { message } => ApiError::bad_request(message.clone()),
        ScriptedFailure::Scripted { status, error_code, message, .. } => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            ApiError::scripted(status, error_code, message)
        }
        ScriptedFailure::NoRule { .. } => ApiError::bad_request(failure.to_string()),
    }
}

fn worker(error: &PredictError) -> ApiError {
    match error {
        PredictError::Overloaded => ApiError::too_many_requests(
            "Too many concurrent requests. Consider increasing the provisioned concurrency of the served entity.",
        ),
        other => ApiError::internal(other),
    }
}
