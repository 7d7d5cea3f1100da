//! JSON bodies of the control plane, read strictly: the declared type is JSON in UTF-8, no object has the same key
//! twice (two readers would take two different values), nesting is bounded by `serde_json` (128), and every failure is
//! the REST envelope with a reason.
//!
//! The body of an invocation is *not* read here: its bytes go to the agent as they came ([`super::body_limit::collect`]).

use std::collections::HashSet;
use std::fmt;

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::body_limit;
use crate::errors::ApiError;

/// The extractor: `Json(body): Json<CreateEndpoint>`.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        is_json(request.headers())?;
        // The stack's own limit is around this body already.
        let bytes = body_limit::collect(request.into_body(), usize::MAX).await?;
        parse(&bytes).map(Self)
    }
}

/// Checks the declared type: `application/json` or `application/<something>+json`, in UTF-8.
///
/// # Errors
/// 415 otherwise, also for a body without a type.
pub fn is_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let advice = || ApiError::unsupported_media_type("Content-Type must be application/json (UTF-8)");
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else { return Err(advice()) };
    if value.as_bytes() == b"application/json" {
        return Ok(());
    }
    let text = value.to_str().map_err(|_| advice())?.to_ascii_lowercase();
    let mut parts = text.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    let json = media_type == "application/json"
        || media_type.strip_prefix("application/").is_some_and(|subtype| subtype.ends_with("+json"));
    let utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) => {
            name.trim() != "charset" || matches!(value.trim().trim_matches('"'), "utf-8" | "utf8")
        }
        None => parameter.is_empty(),
    });
    if json && utf8 { Ok(()) } else { Err(advice()) }
}

/// Reads a control-plane body.
///
/// # Errors
/// 400 with the place and the reason.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let refused = |error: &serde_json::Error| ApiError::bad_request(format!("Invalid JSON body: {error}"));
    if bytes.is_empty() {
        return Err(ApiError::bad_request("Invalid JSON body: it is empty"));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    Unambiguous.deserialize(&mut reader).and_then(|()| reader.end()).map_err(|error| refused(&error))?;
    serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        // The JSON is good, its content is not.
        serde_json::error::Category::Data => ApiError::invalid_parameter(format!("Invalid request: {error}")),
        _ => refused(&error),
    })
}

/// Walks any value and fails on an object with a repeated key.
struct Unambiguous;

impl<'de> DeserializeSeed<'de> for Unambiguous {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unambiguous {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Unambiguous)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut seen: HashSet<String> = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if seen.contains(&key) {
                let key: String = key.chars().take(80).collect();
                return Err(A::Error::custom(format_args!("duplicate key {key:?}")));
            }
            entries.next_value_seed(Unambiguous)?;
            seen.insert(key);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn text_that_is_not_one_unambiguous_value_is_refused_with_a_reason() {
        let deep = "[".repeat(100_000);
        for bad in [
            "",
            " ",
            "{",
            "{\"a\":1,}",
            "{'a':1}",
            "[1,]",
            "nul",
            "NaN",
            "01",
            "1e999",
            "\"\u{1}\"",
            "\u{feff}{}",
            "{} {}",
            "{\"a\":1,\"a\":2}",
            "{\"x\":[{\"a\":1,\"\\u0061\":2}]}",
            "[\"\\ud800\"]",
            &deep,
        ] {
            let error = parse::<Value>(bad.as_bytes()).expect_err(&bad[..bad.len().min(20)]);
            assert_eq!(error.status(), 400);
            assert!(error.message().starts_with("Invalid JSON body: "), "{error}");
        }
        assert_eq!(parse::<Value>(b"[\"\xff\"]").expect_err("not UTF-8").status(), 400);
        for good in ["{}", "null", "[1,-0,1e3]", "{\"a\":{\"a\":1}}", " {\"b\":\"\\ud83d\\ude00\"} "] {
            assert!(parse::<Value>(good.as_bytes()).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_body_says_that_it_is_json() {
        for (content_type, fine) in [
            ("application/json", true),
            ("Application/JSON; charset=UTF-8", true),
            ("application/json;charset=\"utf-8\"", true),
            ("application/scim+json", true),
            ("application/json; charset=utf-16", false),
            ("application/x-www-form-urlencoded", false),
            ("text/json", false),
            ("application/jsonx", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("content-type", content_type.parse().expect("a value"));
            assert_eq!(is_json(&headers).is_ok(), fine, "{content_type}");
        }
        assert!(is_json(&HeaderMap::new()).is_err());
    }
}
