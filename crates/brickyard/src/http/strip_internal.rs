//! Identity comes from the token and from nowhere else: headers that brickyard or a proxy before an agent would set are
//! taken away from what arrives outside, under every spelling that some later reader might fold into the same name
//! (`X_Forwarded_User`; header names are lower case here already). Trailers never get this far: bodies drop them.
//!
//! What stays of `x-databricks-*` is what official clients send about themselves.

use axum::http::{HeaderMap, HeaderName, Request, header};

use crate::errors::ApiError;

/// Prefixes of internal names.
const PREFIXES: [&str; 6] =
    ["x-brickyard-", "x-forwarded-", "x-databricks-", "x-original-", "x-rewrite-", "x-envoy-"];

/// Internal names that stand alone.
const NAMES: [&str; 9] = [
    "forwarded",
    "x-request-id",
    "x-real-ip",
    "x-client-ip",
    "x-host",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-mlflow-user-token",
];

/// Sent by official clients; says nothing about who they are to brickyard.
const HARMLESS: [&str; 9] = [
    "x-databricks-workspace-id",
    "x-databricks-org-id",
    "x-databricks-endpoints-api-client",
    "x-databricks-python-sdk-version",
    "x-databricks-metadata-version",
    "x-databricks-traffic-id",
    "x-databricks-session-id",
    "x-databricks-checksum",
    "x-databricks-lineage-identifier",
];

/// What a request cannot ask to be taken away by naming it in `Connection`.
const END_TO_END: [&str; 6] =
    ["authorization", "host", "content-type", "content-length", "transfer-encoding", "accept"];

fn internal(name: &str) -> bool {
    match name.as_bytes() {
        [b'x' | b'f', ..] => {}
        _ => return false,
    }
    let folded;
    let plain = if name.contains('_') {
        folded = name.replace('_', "-");
        &*folded
    } else {
        name
    };
    let listed = PREFIXES.iter().any(|prefix| plain.starts_with(prefix)) || NAMES.contains(&plain);
    listed && !HARMLESS.contains(&name)
}

/// Takes internal headers away, and those that `Connection` names.
///
/// # Errors
/// Never; it has the type of a [`super::gate::Gate`].
#[allow(clippy::unnecessary_wraps)]
pub fn strip<B>(mut request: Request<B>) -> Result<Request<B>, ApiError> {
    let headers = request.headers_mut();
    while let Some(name) = headers.keys().find(|name| internal(name.as_str())).cloned() {
        headers.remove(name);
    }
    if headers.contains_key(header::CONNECTION) {
        strip_hop_by_hop(headers);
    }
    Ok(request)
}

fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|name| {
            !["close", "keep-alive", "te", ""].iter().any(|known| name.eq_ignore_ascii_case(known))
        })
        .filter_map(|name| name.parse().ok())
        .filter(|name: &HeaderName| !END_TO_END.contains(&name.as_str()))
        .collect();
    for name in named {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_claims_an_identity_by_header() {
        for name in [
            "X-Forwarded-Access-Token",
            "x-forwarded-user",
            "X_Forwarded_User",
            "x-forwarded_email",
            "X-Databricks-User",
            "x_databricks_org_id",
            "x-brickyard-explain",
            "X_BRICKYARD_ANYTHING",
            "Forwarded",
            "x-request-id",
            "x-http-method-override",
        ] {
            let request = Request::get("/").header(name, "mallory").body(()).expect("a request");
            assert!(strip(request).expect("let through").headers().is_empty(), "{name}");
        }
    }

    #[test]
    fn what_official_clients_send_arrives() {
        for name in [
            "authorization",
            "x-databricks-org-id",
            "x-databricks-endpoints-api-client",
            "user-agent",
            "x-foo",
        ] {
            let request = Request::get("/").header(name, "1").body(()).expect("a request");
            assert_eq!(strip(request).expect("let through").headers().len(), 1, "{name}");
        }
    }

    #[test]
    fn naming_the_authorization_header_in_connection_does_not_remove_it() {
        let request = Request::get("/")
            .header("connection", "keep-alive, Authorization, X-Foo")
            .header("authorization", "Bearer x")
            .header("x-foo", "1")
            .body(())
            .expect("a request");
        let request = strip(request).expect("let through");
        assert!(request.headers().contains_key("authorization") && !request.headers().contains_key("x-foo"));
    }
}
