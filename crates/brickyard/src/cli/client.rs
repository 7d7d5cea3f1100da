//! The HTTP client of the commands that speak to a running server.
//!
//! Plain HTTP, no proxy of the environment, no redirects: the token goes where it was meant to go and nowhere else.

use std::time::Duration;

use brickyard_types::BearerToken;
use reqwest::{Method, RequestBuilder, Response, Url};
use serde_json::Value;

use super::Failure;
use super::arguments::Server;
use super::credentials::{self, LocalServer};
use crate::config::Environment;

/// Where `serve` listens unless it is said.
const DEFAULT_HOST: &str = "http://127.0.0.1:8080";

/// Longer than any server lets a call take (297 s), so that the server's own answer is seen.
const PATIENCE: Duration = Duration::from_secs(330);

/// A server and a credential for it.
#[derive(Clone)]
pub(super) struct Client {
    base: Url,
    token: BearerToken,
    http: reqwest::Client,
}

impl Client {
    /// Finds out which server is meant and as whom it is spoken to.
    pub(super) fn open(server: &Server, environment: &dyn Environment) -> Result<Self, Failure> {
        let variable = |name| environment.variable(name).filter(|value| !value.is_empty());
        let host = server.host.clone().or_else(|| variable("DATABRICKS_HOST"));
        let token = server.token.clone().or_else(|| variable("DATABRICKS_TOKEN"));
        let asked = host.as_deref().map(base_url).transpose()?;
        let (base, token) = match token {
            Some(token) => {
                // Only where the server is, not its token, is of interest now: a file that cannot be used is no reason to stop.
                let local =
                    || credentials::read(&server.data_dir).ok().flatten().map(|local| base_url(&local.host));
                (
                    asked.map(Ok).or_else(local).unwrap_or_else(|| base_url(DEFAULT_HOST))?,
                    BearerToken::new(token),
                )
            }
            None => local_server(server, asked)?,
        };
        if !token.expose().bytes().all(|b| matches!(b, 0x21..=0x7e)) {
            return Err(Failure::Usage(
                "the token has characters that no token has; check --token or DATABRICKS_TOKEN".to_owned(),
            ));
        }
        let mut http = reqwest::Client::builder();
        // A machine may have no certificates, and then needs none.
        if base.scheme() == "http" {
            http = http.tls_certs_only([]);
        }
        let http = http
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(PATIENCE)
            .build()
            .map_err(|error| Failure::Failed(format!("cannot make an HTTP client: {error}")))?;
        Ok(Self { base, token, http })
    }

    /// The same server as somebody else.
    pub(super) fn with_token(&self, token: BearerToken) -> Self {
        Self { base: self.base.clone(), token, http: self.http.clone() }
    }

    /// A request to a path below the server's root, with the token.
    pub(super) fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear().extend(path);
        }
        self.http.request(method, url).bearer_auth(self.token.expose())
    }

    /// Sends it; any answer is one.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        request.send().await.map_err(|error| {
            let server = self.base.origin().ascii_serialization();
            Failure::Failed(if error.is_connect() {
                format!("no server answers at {server}; start one with `brickyard serve`, or name another with --host")
            } else if error.is_timeout() {
                format!("{server} did not answer within {} seconds", PATIENCE.as_secs())
            } else {
                format!("{server} broke off: {}", innermost(&error))
            })
        })
    }

    /// Sends it and reads the body of a good answer; a refusal is a failure.
    pub(super) async fn fetch(&self, request: RequestBuilder) -> Result<String, Failure> {
        let response = self.send(request).await?;
        if response.status().is_success() { text(response).await } else { Err(refused(response).await) }
    }

    /// A token for another principal, from the server's testing road.
    pub(super) async fn token_for(
        &self,
        principal: &str,
        scopes: Option<String>,
        ttl: Option<&str>,
    ) -> Result<BearerToken, Failure> {
        let mut body = serde_json::json!({"as": principal});
        if let Some(scopes) = scopes {
            body["scopes"] = scopes.into();
        }
        if let Some(ttl) = ttl {
            body["ttl"] = ttl.into();
        }
        let answer = self.fetch(self.request(Method::POST, &["_brickyard", "tokens"]).json(&body)).await?;
        // The answer is not repeated in the error: it may hold a token under another name.
        let token = serde_json::from_str::<Value>(&answer)
            .ok()
            .and_then(|answer| Some(answer.get("token")?.as_str()?.to_owned()));
        token
            .map(BearerToken::new)
            .ok_or_else(|| Failure::Failed("the server's answer has no token; is it brickyard?".to_owned()))
    }
}

/// The credential that the local server left; if a host was asked for, it must be that server.
fn local_server(server: &Server, asked: Option<Url>) -> Result<(Url, BearerToken), Failure> {
    let local = credentials::read(&server.data_dir).map_err(|error| Failure::Failed(error.to_string()))?;
    let Some(LocalServer { host, token }) = local else {
        return Err(Failure::Usage(format!(
            "no token: set DATABRICKS_TOKEN or --token, or name the data folder of a local server with --data-dir ({} has none)",
            server.data_dir.display()
        )));
    };
    let base = base_url(&host)?;
    match asked {
        Some(asked) if !same_server(&asked, &base) => Err(Failure::Usage(format!(
            "no token for {}: the one in {} is for {host}; set DATABRICKS_TOKEN or --token",
            asked.origin().ascii_serialization(),
            server.data_dir.display()
        ))),
        Some(asked) => Ok((asked, token)),
        None => Ok((base, token)),
    }
}

/// The same port of the same host, where all names of the loopback are one.
fn same_server(one: &Url, other: &Url) -> bool {
    let loopback = |url: &Url| matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    one.port_or_known_default() == other.port_or_known_default()
        && (one.host_str() == other.host_str() || (loopback(one) && loopback(other)))
}

/// A server's address; without a scheme, `http://` is meant.
pub(super) fn base_url(text: &str) -> Result<Url, Failure> {
    let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let wrong = |what: &str| {
        let shown: String = text.chars().take(200).collect();
        Failure::Usage(format!(
            "the host {shown:?} {what}; give one such as --host {DEFAULT_HOST} (or DATABRICKS_HOST)"
        ))
    };
    let url = Url::parse(&full).map_err(|_| wrong("is not a URL"))?;
    match url.scheme() {
        "http" if !url.username().is_empty() || url.password().is_some() => Err(wrong("holds a password")),
        "http" => Ok(url),
        "https" => Err(wrong("needs TLS, and brickyard speaks plain HTTP")),
        _ => Err(wrong("is not an http:// URL")),
    }
}

/// The id that `explain` wants.
pub(super) fn request_id(response: &Response) -> Option<String> {
    response.headers().get("x-request-id")?.to_str().ok().map(str::to_owned)
}

/// The whole body as text.
pub(super) async fn text(response: Response) -> Result<String, Failure> {
    response
        .text()
        .await
        .map_err(|error| Failure::Failed(format!("the answer broke off: {}", innermost(&error))))
}

/// A refusal as one line: status, code, message, and, where brickyard has decided something, how to ask why.
pub(super) async fn refused(response: Response) -> Failure {
    let (status, id) = (response.status().as_u16(), request_id(&response));
    let decided = response.headers().contains_key("x-brickyard-explain");
    let body = match text(response).await {
        Ok(body) => body,
        Err(failure) => return failure,
    };
    let body = body.as_str();
    let parsed: Option<Value> = serde_json::from_str(body).ok();
    let field = |names: &[&str]| -> Option<String> {
        names
            .iter()
            .find_map(|name| parsed.as_ref()?.get(*name))
            .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    let code = field(&["error_code", "error"]);
    let message =
        field(&["message", "error_description"]).unwrap_or_else(|| body.chars().take(500).collect());
    let mut line = format!("the server answered {status}");
    for part in
        [code.as_deref().unwrap_or_default(), message.trim()].into_iter().filter(|part| !part.is_empty())
    {
        line.push_str(": ");
        line.push_str(part);
    }
    match id {
        Some(id) if decided => line.push_str(&format!("\nwhy: brickyard explain {id}")),
        Some(id) if status >= 500 => line.push_str(&format!("\nrequest: {id}")),
        _ => {}
    }
    Failure::Failed(line)
}

/// The cause at the bottom: the layers above only say that something below failed.
pub(super) fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
