//! `POST /_brickyard/rotate`: what happens by itself after half a token's life, now.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::admin;
use crate::access::Access;
use crate::errors::ApiError;
use crate::http::{body_limit, json};
use crate::workspace::Workspace;

/// What to rotate. Without a body, or with an empty one, both; if anything is named, what is named.
#[derive(Deserialize, Default, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Wanted {
    passthrough: Option<bool>,
    signing_keys: Option<bool>,
}

impl Wanted {
    fn both(&self) -> (bool, bool) {
        match (self.passthrough, self.signing_keys) {
            (None, None) => (true, true),
            (passthrough, signing_keys) => (passthrough.unwrap_or(false), signing_keys.unwrap_or(false)),
        }
    }
}

/// The route. A new signing key signs from now on, the one before still verifies. Each worker's token file is replaced;
/// the token before stays valid to its end.
pub(super) async fn rotate(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    let headers = request.headers().clone();
    let body = body_limit::collect(request.into_body(), usize::MAX).await?;
    let wanted: Wanted = if body.is_empty() {
        Wanted::default()
    } else {
        json::is_json(&headers)?;
        json::parse(&body)?
    };
    let (passthrough, signing_keys) = wanted.both();
    admin(&access)?;
    let mut rotated = json!({ "passthrough": passthrough, "signing_keys": signing_keys });
    if signing_keys {
        let kid =
            workspace.identity.rotate_signing_key().await.map_err(|error| ApiError::internal(&error))?;
        rotated["signing_key"] = json!(kid);
    }
    if passthrough {
        // First the rule that the tokens in use are old, then the workers that ask for new ones.
        workspace.identity.rotate_passthrough();
        workspace.serving.rotate_system_tokens();
    }
    Ok(Json(rotated))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_named_is_everything_and_something_named_is_that() {
        for (text, both) in [
            ("{}", (true, true)),
            (r#"{"signing_keys": true}"#, (false, true)),
            (r#"{"passthrough": true}"#, (true, false)),
            (r#"{"passthrough": true, "signing_keys": true}"#, (true, true)),
            (r#"{"passthrough": false, "signing_keys": false}"#, (false, false)),
        ] {
            assert_eq!(json::parse::<Wanted>(text.as_bytes()).expect(text).both(), both, "{text}");
        }
        assert!(json::parse::<Wanted>(br#"{"keys": true}"#).is_err());
    }
}
