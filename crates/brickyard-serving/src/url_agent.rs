//! An agent that somebody else runs, reached over HTTP.
//!
//! It gets what a hosted agent gets, per request, in headers:
//!
//! | header | what |
//! |---|---|
//! | `X-Forwarded-Access-Token` | the user's narrowed token (the header Databricks Apps use) |
//! | `X-Forwarded-User`, `X-Forwarded-Email`, `X-Forwarded-Preferred-Username` | who calls |
//! | `X-Brickyard-Passthrough-Token` | the endpoint's service principal's token |
//! | `X-Brickyard-Secret-<NAME>` | the manual credential of environment variable NAME, base64 |
//! | `X-Brickyard-Environment-<NAME>` | the plain environment variable NAME, base64 |
//! | `X-Request-Id` | the invocation's id |
//!
//! Nothing of the caller's own headers goes along, redirects are not followed, and no proxy is used: a credential
//! reaches the configured address or nothing.

use std::time::Duration;

use base64::Engine;
use brickyard_identity::ServicePrincipalToken;
use brickyard_types::Secret;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use crate::call::{Chunks, PredictionBody};
use crate::error::ServingError;
use crate::seal::Invocation;

/// The longest line of a stream that is still read, in bytes.
const LONGEST_LINE: usize = 16 << 20;

/// A client for one address.
pub(crate) struct UrlAgent {
    client: reqwest::Client,
    address: String,
    environment: HeaderMap,
    timeout: Duration,
    answer_limit: usize,
}

impl UrlAgent {
    /// A client for `url`, with the entity's environment as headers.
    ///
    /// # Errors
    /// Text that names the address or variable and the reason.
    pub fn new(
        url: &str,
        plain: &[(String, String)],
        secrets: &[(String, Secret)],
        timeout: Duration,
        answer_limit: usize,
    ) -> Result<Self, String> {
        if !url.starts_with("http://") {
            return Err(format!("url {url:?}: only http:// addresses are reached"));
        }
        let client = (reqwest::Client::builder())
            .no_proxy()
            // No certificate is ever looked at, and a machine may have none to read.
            .tls_certs_only([])
            .redirect(reqwest::redirect::Policy::none())
            .timeout(timeout)
            .connect_timeout(Duration::from_secs(15))
            .build()
            .map_err(|error| format!("url {url:?}: {error}"))?;
        let mut environment = HeaderMap::new();
        let both = (plain.iter().map(|(name, value)| ("environment", name, value.as_bytes())))
            .chain(secrets.iter().map(|(name, value)| ("secret", name, value.expose())));
        for (kind, name, value) in both {
            let header = HeaderName::from_bytes(format!("x-brickyard-{kind}-{name}").as_bytes())
                .map_err(|_| format!("environment_vars.{name}: the name cannot be an HTTP header"))?;
            let encoded = base64::engine::general_purpose::STANDARD.encode(value);
            let mut value = HeaderValue::from_str(&encoded)
                .map_err(|error| format!("environment_vars.{name}: {error}"))?;
            value.set_sensitive(true);
            environment.insert(header, value);
        }
        Ok(Self {
            client,
            address: format!("{}/invocations", url.trim_end_matches('/')),
            environment,
            timeout,
            answer_limit,
        })
    }

    /// Asks the agent.
    pub async fn predict(
        &self,
        invocation: &Invocation,
        system: Option<&ServicePrincipalToken>,
    ) -> Result<PredictionBody, ServingError> {
        let mut headers = self.environment.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let name = &invocation.call.caller.principal().name;
        for header in ["x-forwarded-user", "x-forwarded-email", "x-forwarded-preferred-username"] {
            headers.insert(HeaderName::from_static(header), header_value(name)?);
        }
        headers.insert("x-request-id", header_value(&invocation.call.request_id.to_string())?);
        if let Some(user) = &invocation.user {
            headers.insert("x-forwarded-access-token", secret_value(user.token().expose())?);
        }
        if let Some(system) = system {
            headers.insert("x-brickyard-passthrough-token", secret_value(system.token.expose())?);
        }
        let request = self.client.post(&self.address).headers(headers).body(invocation.call.body.clone());
        let response = request.send().await.map_err(|error| failed(&error, self.timeout))?;
        let status = response.status();
        let streams = (response.headers().get(CONTENT_TYPE))
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with("text/event-stream"));
        if status.is_success() && streams {
            return Ok(PredictionBody::Stream(events(response, self.timeout)));
        }
        let body = self.read(response).await?;
        if status.is_success() {
            return match serde_json::from_slice::<&serde_json::value::RawValue>(&body) {
                Ok(_) => Ok(PredictionBody::Json(body)),
                Err(_) => Err(ServingError::Upstream {
                    status: Some(status.as_u16()),
                    reason: "its answer is not JSON".to_owned(),
                    body: None,
                }),
            };
        }
        let json = serde_json::from_slice::<&serde_json::value::RawValue>(&body).is_ok();
        Err(ServingError::Upstream {
            status: Some(status.as_u16()),
            reason: format!("it answered {status}"),
            body: json.then_some(body),
        })
    }

    /// The whole answer, if it is not longer than an answer may be.
    async fn read(&self, mut response: reqwest::Response) -> Result<Bytes, ServingError> {
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error, self.timeout))? {
            if body.len() + chunk.len() > self.answer_limit {
                let reason = format!("its answer is longer than {} bytes", self.answer_limit);
                return Err(ServingError::Upstream { status: None, reason, body: None });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }
}

fn header_value(text: &str) -> Result<HeaderValue, ServingError> {
    HeaderValue::from_str(text)
        .map_err(|_| ServingError::UserToken("a name cannot be an HTTP header".to_owned()))
}

fn secret_value(text: &str) -> Result<HeaderValue, ServingError> {
    let mut value = header_value(text)?;
    value.set_sensitive(true);
    Ok(value)
}

fn failed(error: &reqwest::Error, timeout: Duration) -> ServingError {
    // An address that takes no connection has a time of its own, which is not the call's.
    let reason = if error.is_connect() {
        "it cannot be reached"
    } else if error.is_timeout() {
        return ServingError::TooLate { after: timeout };
    } else {
        "its answer broke off"
    };
    ServingError::Upstream { status: None, reason: reason.to_owned(), body: None }
}

/// The JSON behind the `data:` lines of an event stream, until `[DONE]`.
fn events(response: reqwest::Response, timeout: Duration) -> Chunks {
    let state = (response.bytes_stream().boxed(), BytesMut::new(), false);
    Box::pin(futures_util::stream::unfold(state, move |(mut bytes, mut buffer, mut ended)| async move {
        loop {
            if let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                let line = buffer.split_to(end + 1).freeze();
                let line = line.trim_ascii();
                let Some(data) = line.strip_prefix(b"data:") else { continue };
                let data = data.trim_ascii();
                if data == b"[DONE]" {
                    return None;
                }
                return Some((Ok(Bytes::copy_from_slice(data)), (bytes, buffer, ended)));
            }
            if ended {
                return None;
            }
            match bytes.next().await {
                Some(Ok(chunk)) if buffer.len() + chunk.len() <= LONGEST_LINE => {
                    buffer.extend_from_slice(&chunk)
                }
                Some(Ok(_)) => {
                    let reason = "a line of its stream is too long".to_owned();
                    let error = ServingError::Upstream { status: None, reason, body: None };
                    return Some((Err(error), (bytes, BytesMut::new(), true)));
                }
                Some(Err(error)) => {
                    return Some((Err(failed(&error, timeout)), (bytes, BytesMut::new(), true)));
                }
                None => {
                    ended = true;
                    buffer.extend_from_slice(b"\n");
                }
            }
        }
    }))
}
