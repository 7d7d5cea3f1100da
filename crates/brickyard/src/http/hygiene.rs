//! Requests that no honest client sends, and that two readers could understand in two ways. They are refused before
//! anything else looks at them, and the connection is closed, because what follows on it may be part of the trick.
//!
//! What hyper already refuses (two different lengths, folded headers, bad chunk sizes, control characters) is not
//! repeated. What it tolerates or repairs silently is noticed by the accept loop in the raw bytes and arrives here as
//! [`RawFault`].

use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Version, header};
use brickyard_types::ErrorCode;

use crate::accept::RawFault;
use crate::errors::ApiError;

fn refused(message: &'static str) -> ApiError {
    ApiError::bad_request(message).closing()
}

/// Lets a well-formed request through.
///
/// # Errors
/// 400, or 405 and 501 for methods, 417 for expectations, 421 for somebody else's target, 431 for a head that is too
/// large; all of them close the connection.
pub fn check<B>(request: Request<B>, own_hosts: &[String]) -> Result<Request<B>, ApiError> {
    if let Some(fault) = request.extensions().get::<RawFault>() {
        return Err(refused(fault.message()));
    }
    method(request.method())?;
    let headers = request.headers();
    head_size(request.uri().path(), headers)?;
    only_one_authorization(headers)?;
    host(&request, own_hosts)?;
    framing(headers)?;
    if let Some(query) = request.uri().query() {
        no_token_in(query)?;
    }
    Ok(request)
}

fn method(method: &Method) -> Result<(), ApiError> {
    match *method {
        Method::GET
        | Method::POST
        | Method::PUT
        | Method::PATCH
        | Method::DELETE
        | Method::HEAD
        | Method::OPTIONS => Ok(()),
        Method::TRACE | Method::CONNECT => Err(ApiError::method_not_allowed(method).closing()),
        _ => Err(ApiError::of(ErrorCode::NotImplemented, "Unknown HTTP method").closing()),
    }
}

/// The largest head, exactly. The accept loop stops reading near it ([`crate::accept::AcceptLimits::header_bytes`]), but
/// how near depends on how the bytes arrive.
const LARGEST_HEAD: usize = 64 << 10;

fn head_size(path: &str, headers: &HeaderMap) -> Result<(), ApiError> {
    // Each line has a colon, a space and its end.
    let lines = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    if path.len() + lines.sum::<usize>() > LARGEST_HEAD {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        let message = "The request's head is larger than the limit of 64 KiB";
        return Err(ApiError::new(status, ErrorCode::BadRequest, message).closing());
    }
    Ok(())
}

fn only_one_authorization(headers: &HeaderMap) -> Result<(), ApiError> {
    if headers.get_all(header::AUTHORIZATION).iter().nth(1).is_some() {
        return Err(refused("More than one Authorization header"));
    }
    Ok(())
}

/// One `Host`, of the form `name[:port]`; the target and it name the same place, and that place is brickyard.
fn host<B>(request: &Request<B>, own_hosts: &[String]) -> Result<(), ApiError> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(refused("More than one Host header"));
    }
    if host.is_some_and(|host| !is_host(host.as_bytes())) {
        return Err(refused("Host is not of the form name[:port]"));
    }
    let target = request.uri().authority();
    match request.version() {
        // HTTP/2 has the authority as a field of its own; `host` may repeat it and must then agree.
        Version::HTTP_2 => match (target, host) {
            (None, None) => Err(refused("Host is missing")),
            (Some(target), _) if !is_host(target.as_str().as_bytes()) => {
                Err(refused(":authority is not of the form name[:port]"))
            }
            (Some(target), Some(host)) if !same(target.as_str(), host) => {
                Err(refused(":authority and Host differ"))
            }
            _ => Ok(()),
        },
        Version::HTTP_11 if host.is_none() => Err(refused("Host is missing")),
        _ => {
            let Some(target) = target else { return Ok(()) };
            if host.is_some_and(|host| !same(target.as_str(), host)) {
                return Err(refused("The request target and Host differ"));
            }
            if own_hosts.iter().any(|own| own.eq_ignore_ascii_case(target.as_str())) {
                return Ok(());
            }
            let message = "The request target names another host; brickyard is not a proxy";
            Err(ApiError::new(StatusCode::MISDIRECTED_REQUEST, ErrorCode::BadRequest, message).closing())
        }
    }
}

fn same(target: &str, host: &HeaderValue) -> bool {
    target.as_bytes().eq_ignore_ascii_case(host.as_bytes())
}

fn is_host(text: &[u8]) -> bool {
    let (name, port) = match text.iter().rposition(|byte| *byte == b':') {
        Some(colon) if !text.ends_with(b"]") => (&text[..colon], Some(&text[colon + 1..])),
        _ => (text, None),
    };
    let name_ok = match name {
        [b'[', inner @ .., b']'] => {
            !inner.is_empty() && inner.iter().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.'))
        }
        _ => {
            !name.is_empty()
                && name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
        }
    };
    let port_ok = port.is_none_or(|port| {
        let digits = port.iter().all(u8::is_ascii_digit);
        digits
            && std::str::from_utf8(port)
                .ok()
                .and_then(|port| port.parse::<u16>().ok())
                .is_some_and(|port| port != 0)
    });
    name_ok && port_ok
}

/// The ways in which the end of a message, or the protocol after it, can be made ambiguous.
fn framing(headers: &HeaderMap) -> Result<(), ApiError> {
    if let Some(coding) = headers.get(header::TRANSFER_ENCODING) {
        let several = headers.get_all(header::TRANSFER_ENCODING).iter().nth(1).is_some();
        if several || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err(refused("Transfer-Encoding can only be chunked"));
        }
        if headers.contains_key(header::CONTENT_LENGTH) {
            return Err(refused("Content-Length and Transfer-Encoding together"));
        }
    }
    if headers.contains_key(header::UPGRADE) {
        return Err(refused("Protocol upgrades are not served"));
    }
    if let Some(expectation) = headers.get(header::EXPECT)
        && !expectation.as_bytes().eq_ignore_ascii_case(b"100-continue")
    {
        let message = "Only the expectation 100-continue is served";
        return Err(ApiError::new(StatusCode::EXPECTATION_FAILED, ErrorCode::BadRequest, message).closing());
    }
    Ok(())
}

/// A token in a query ends up in histories and logs; it is refused even where it would have been good.
fn no_token_in(query: &str) -> Result<(), ApiError> {
    let is_token = |pair: &str| {
        let name = pair.split('=').next().unwrap_or_default();
        name.eq_ignore_ascii_case("access_token")
            || (name.contains('%') && unescaped(name).eq_ignore_ascii_case(b"access_token"))
    };
    if query.split('&').any(is_token) {
        return Err(refused(
            "A token in the query string is not accepted: send it in the Authorization header",
        ));
    }
    Ok(())
}

/// Percent codes decoded; a broken one stays as it is.
fn unescaped(text: &str) -> Vec<u8> {
    let mut rest = text.as_bytes();
    let mut plain = Vec::with_capacity(rest.len());
    while let Some((first, after)) = rest.split_first() {
        let code =
            if *first == b'%' { after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok()) } else { None };
        if let Some(byte) = code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            plain.push(byte);
            rest = &after[2..];
        } else {
            plain.push(*first);
            rest = after;
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_and_perhaps_a_port() {
        for good in
            ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080", "[::1]", "my_box.lan", "h:65535"]
        {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in [
            "", ":80", "h:0", "h:65536", "h:", "u@h", "u:p@h", "a b", "h/x", "[::1", "::1", "h:+1", "h:8 ",
            "a,b", "[]",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn only_brickyard_itself_may_be_named_in_an_absolute_target() {
        let own = ["localhost:8080".to_owned()];
        for (target, host, status) in [
            ("/x", "localhost:8080", 200),
            ("/x", "other-name:8080", 200),
            ("http://localhost:8080/x", "localhost:8080", 200),
            ("http://LOCALHOST:8080/x", "localhost:8080", 200),
            ("http://evil.example/x", "evil.example", 421),
            ("http://evil.example/x", "localhost:8080", 400),
        ] {
            let request = Request::get(target).header("host", host).body(()).expect("a request");
            let got = check(request, &own).map_or_else(|error| error.status().as_u16(), |_| 200);
            assert_eq!(got, status, "{target} {host}");
        }
    }

    #[test]
    fn a_token_in_the_query_is_refused_however_it_is_spelled() {
        for (query, fine) in [
            ("access_token=x", false),
            ("a=1&access_token", false),
            ("access%5ftoken=x", false),
            ("%61ccess_Token=x", false),
            ("page_token=x&max_results=0", true),
            ("my_access_token=x", true),
            ("%zz=%4", true),
        ] {
            assert_eq!(no_token_in(query).is_ok(), fine, "{query}");
        }
    }
}
