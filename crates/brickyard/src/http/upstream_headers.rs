//! What an agent or an upstream may say in headers: the type of its answer, and nothing else. Its `Set-Cookie` would
//! be set for brickyard's own origin, its `Server` and its hop-by-hop fields are about another connection, and its
//! `x-brickyard-*` would speak in brickyard's name.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::errors::ApiError;

/// The headers of an agent's response that go on to the caller: `Content-Type`, or JSON where it sent none.
///
/// # Errors
/// 502 if it sent several different lengths or types: two readers would see two answers.
pub fn from_agent(theirs: &HeaderMap) -> Result<HeaderMap, ApiError> {
    for name in [header::CONTENT_LENGTH, header::CONTENT_TYPE] {
        let mut values = theirs.get_all(&name).iter();
        let first = values.next();
        if values.any(|other| Some(other) != first) {
            return Err(ApiError::bad_gateway(format!("The agent answered with several {name} headers")));
        }
    }
    let json = HeaderValue::from_static("application/json");
    let content_type = theirs.get(header::CONTENT_TYPE).cloned().unwrap_or(json);
    Ok(HeaderMap::from_iter([(header::CONTENT_TYPE, content_type)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_sets_no_cookie_and_no_header_of_ours() {
        let mut theirs = HeaderMap::new();
        for name in
            ["set-cookie", "server", "connection", "x-brickyard-explain", "x-request-id", "content-type"]
        {
            theirs.insert(name, HeaderValue::from_static("text/plain"));
        }
        let ours = from_agent(&theirs).expect("an answer");
        assert_eq!(ours.keys().map(|name| name.as_str()).collect::<Vec<_>>(), ["content-type"]);
    }

    #[test]
    fn two_lengths_are_no_answer() {
        let mut theirs = HeaderMap::new();
        theirs.append("content-length", HeaderValue::from_static("5"));
        theirs.append("content-length", HeaderValue::from_static("6"));
        assert_eq!(from_agent(&theirs).expect_err("refused").status(), 502);
    }
}
