//! An HTTP connection of Unity Catalog that somebody may use, opened: where it leads, and its credential.

use std::fmt;
use std::sync::Arc;

use brickyard_catalog::Permit;
use brickyard_catalog::unity::{Object, UseConnection};
use brickyard_types::Secret;

use crate::error::SqlError;
use crate::outside::{HttpRequest, HttpResponse, Outside};

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "DELETE", "PATCH"];

/// A connection that its holder was allowed to use. Its credential is put on a request at the last moment.
pub struct HttpConnection {
    name: String,
    /// Scheme, host, port and base path, without a slash at the end.
    base: String,
    bearer: Option<Secret>,
    outside: Arc<dyn Outside>,
}

/// One request through a connection, as it was asked for.
#[derive(Debug, Default)]
pub struct Call<'a> {
    /// `GET`, `POST`, `PUT`, `DELETE` or `PATCH`, in any case.
    pub method: &'a str,
    /// Below the connection's base path.
    pub path: &'a str,
    /// The query, not yet encoded.
    pub query: Vec<(String, String)>,
    /// Headers beside the connection's own.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub json: Option<String>,
}

impl HttpConnection {
    /// Opens the connection that the permit is for.
    ///
    /// # Errors
    /// If it is of another type, has no usable address, or has a credential that is not a bearer token.
    pub fn open(
        permit: &Permit<UseConnection>,
        object: &Object,
        outside: Arc<dyn Outside>,
    ) -> Result<Self, SqlError> {
        if permit.on().id != object.id {
            return Err(unusable(format_args!("{} is not what may be used", object.full_name)));
        }
        let Some(detail) = object.connection().filter(|detail| detail.connection_type == "HTTP") else {
            return Err(unusable(format_args!("{} is no HTTP connection", object.full_name)));
        };
        let option = |wanted: &str| {
            let found = detail.options.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| value.trim())
        };
        let Some(host) = option("host").filter(|host| !host.is_empty()) else {
            return Err(unusable(format_args!("{} has no option host", object.full_name)));
        };
        let sealed = |wanted: &str| detail.sealed.keys().find(|name| name.eq_ignore_ascii_case(wanted));
        let bearer = match sealed("bearer_token") {
            Some(name) => outside
                .open(object, name)
                .map_err(|reason| unusable(format_args!("{}: {reason}", object.full_name)))?,
            None if !detail.sealed.is_empty() || option("client_id").is_some() => {
                return Err(SqlError::unsupported(format_args!(
                    "HTTP connections with another credential than bearer_token ({})",
                    object.full_name
                )));
            }
            None => None,
        };
        let host = if host.contains("://") { host.to_owned() } else { format!("https://{host}") };
        let mut base = host.trim_end_matches('/').to_owned();
        if let Some(port) = option("port").filter(|port| !port.is_empty()) {
            if port.parse::<u16>().is_err() {
                return Err(unusable(format_args!("{}: '{port}' is no port", object.full_name)));
            }
            base = format!("{base}:{port}");
        }
        if let Some(path) =
            option("base_path").map(|path| path.trim_matches('/')).filter(|path| !path.is_empty())
        {
            base = format!("{base}/{path}");
        }
        Ok(Self { name: object.full_name.to_string(), base, bearer, outside })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends a request and waits for its answer, whatever its status.
    ///
    /// # Errors
    /// A text for people: what cannot be asked through a connection, or why nobody answered.
    pub fn send(&self, call: Call<'_>) -> Result<HttpResponse, String> {
        let request = HttpRequest {
            method: known_method(call.method)?,
            url: format!("{}{}", self.base, checked_path(call.path)?),
            query: call.query,
            headers: checked_headers(call.headers, self.bearer.is_some())?,
            json: call.json,
            bearer: self.bearer.clone(),
        };
        self.outside
            .send(request)
            .map_err(|reason| format!("http_request through the connection {} failed: {reason}", self.name))
    }
}

impl fmt::Debug for HttpConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpConnection").field("name", &self.name).finish_non_exhaustive()
    }
}

fn unusable(reason: fmt::Arguments<'_>) -> SqlError {
    SqlError::condition("INVALID_HTTP_REQUEST", "22KD1", format!("The connection cannot be used: {reason}."))
}

fn known_method(method: &str) -> Result<&'static str, String> {
    let known = METHODS.into_iter().find(|known| known.eq_ignore_ascii_case(method));
    known.ok_or_else(|| format!("http_request: the method '{method}' is not one of {}", METHODS.join(", ")))
}

/// A path below the connection's base path, with one slash before it.
fn checked_path(path: &str) -> Result<String, String> {
    let plain = path.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase().replace("%2e", ".");
    let wrong = if plain.contains('\\') || plain.contains("%5c") || plain.contains("%2f") {
        "the path holds a backslash or an encoded slash"
    } else if plain.split('/').any(|segment| segment == ".." || segment == ".") {
        "the path must not hold '.' or '..': it stays below the connection's base_path"
    } else if path.chars().any(|c| c.is_control() || c.is_whitespace()) {
        "the path holds white space or control characters: encode them"
    } else {
        return Ok(match path.trim_start_matches('/') {
            "" if path.is_empty() => String::new(),
            rest => format!("/{rest}"),
        });
    };
    Err(format!("http_request: {wrong}"))
}

fn checked_headers(
    headers: Vec<(String, String)>,
    credential: bool,
) -> Result<Vec<(String, String)>, String> {
    for (name, _) in &headers {
        let lower = name.to_ascii_lowercase();
        let own = (lower == "authorization" && credential)
            || matches!(lower.as_str(), "host" | "content-length" | "transfer-encoding" | "connection");
        if own {
            return Err(format!("http_request: the header '{name}' is the connection's and cannot be given"));
        }
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_below_the_base_path() {
        for (path, below) in
            [("/x", "/x"), ("x/y?a=..", "/x/y?a=.."), ("//evil.example/x", "/evil.example/x")]
        {
            assert_eq!(checked_path(path).unwrap(), below);
        }
        for path in ["/../x", "/a/%2E%2e/b", "..", "/a\\..\\b", "/a%2f..", "/a b", "/a\r\nHost: x"] {
            assert!(checked_path(path).is_err(), "{path}");
        }
    }
}
