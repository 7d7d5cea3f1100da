//! The body of an OAuth request: `application/x-www-form-urlencoded`, read strictly and within small bounds.
//!
//! Two readers of a lenient form can see two requests. So: no bytes that a form would have encoded (controls,
//! anything that is not ASCII), no broken percent code, no text that is not UTF-8, each parameter once
//! ([`OAuthForm`] sees to that), nothing in the query string. A million parameters cost what the first few cost.

use axum::http::{HeaderMap, header};
use brickyard_identity::{OAuthError, OAuthForm};

/// The largest form that is read. The longest honest one carries a subject token of 8 KiB.
pub(super) const LARGEST: usize = 64 << 10;

/// More than any form may hold, so that [`OAuthForm::read`] is the one to say so.
const MOST: usize = 64;

/// True for exactly one `Content-Type`: the form's, in UTF-8 if it names a charset.
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else { return false };
    if value.as_bytes() == b"application/x-www-form-urlencoded" {
        return true;
    }
    let Ok(text) = value.to_str() else { return false };
    let text = text.to_ascii_lowercase();
    let mut parts = text.split(';').map(str::trim);
    parts.next() == Some("application/x-www-form-urlencoded")
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, value)) => name == "charset" && matches!(value.trim_matches('"'), "utf-8" | "utf8"),
            None => parameter.is_empty(),
        })
}

/// Reads a form's bytes.
///
/// # Errors
/// `invalid_request` with the rule that it breaks; what it holds is not repeated.
pub(super) fn read(body: &[u8]) -> Result<OAuthForm, OAuthError> {
    if body.len() > LARGEST {
        return refuse("the form is longer than 64 KiB");
    }
    let mut pairs = Vec::new();
    for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).take(MOST) {
        let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &[][..]),
        };
        pairs.push((decode(name)?, decode(value)?));
    }
    OAuthForm::read(pairs)
}

fn refuse<T>(reason: &str) -> Result<T, OAuthError> {
    Err(OAuthError::InvalidRequest(reason.to_owned()))
}

fn decode(text: &[u8]) -> Result<String, OAuthError> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let Some((&[high, low], after)) = rest.split_first_chunk::<2>() else {
                    return refuse("a percent code in the form is not two hexadecimal digits");
                };
                let (Some(high), Some(low)) = (digit(high), digit(low)) else {
                    return refuse("a percent code in the form is not two hexadecimal digits");
                };
                rest = after;
                high << 4 | low
            }
            b' '..=b'~' => byte,
            _ => return refuse("the form holds bytes that must be percent-encoded"),
        });
    }
    String::from_utf8(decoded).or_else(|_| refuse("the form holds text that is not UTF-8"))
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(body: &str, name: &str) -> Option<String> {
        read(body.as_bytes()).expect(body).get(name).map(str::to_owned)
    }

    #[test]
    fn honest_forms_are_read_as_they_were_meant() {
        for (body, name, expected) in [
            ("grant_type=client_credentials&scope=all-apis", "grant_type", Some("client_credentials")),
            ("scope=genie+sql", "scope", Some("genie sql")),
            ("scope=genie%20sql", "scope", Some("genie sql")),
            ("a=1%2B1%3d2%26", "a", Some("1+1=2&")),
            ("a=b=c", "a", Some("b=c")),
            ("authorization_details=%5B%7B%22a%22%3A1%7D%5D", "authorization_details", Some("[{\"a\":1}]")),
            ("name=%C3%A4", "name", Some("\u{e4}")),
            ("&a=1&&", "a", Some("1")),
            ("a", "a", Some("")),
            ("", "a", None),
        ] {
            assert_eq!(value(body, name).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn a_form_that_two_readers_could_read_differently_is_refused() {
        let many = "x=1&".repeat(1_000_000);
        let distinct: String = (0..40).map(|number| format!("p{number}=1&")).collect();
        let long_name = format!("{}=1", "k".repeat(1 << 20));
        let ampersands = "&".repeat(LARGEST + 1);
        for bad in [
            "scope=a&scope=b",
            "scope=a&%73cope=b",
            "grant_type=x&grant_type=x",
            "a=%",
            "a=%4",
            "a=%zz",
            "a=%+1",
            "a=%ff",
            "a=%c3",
            "a=%ed%a0%80",
            "a=%00",
            "%00=a",
            "a=\u{e4}",
            "a=1\r\n",
            "a=\u{1}",
            "{\"grant_type\":\"client_credentials\"}\n",
            &many,
            &distinct,
            &long_name,
            &ampersands,
        ] {
            let shown = &bad[..bad.len().min(40)];
            assert!(read(bad.as_bytes()).is_err(), "{shown:?}");
        }
    }

    #[test]
    fn a_body_says_that_it_is_a_form() {
        for (content_type, fine) in [
            ("application/x-www-form-urlencoded", true),
            ("Application/X-WWW-Form-Urlencoded; charset=UTF-8", true),
            ("application/x-www-form-urlencoded;charset=utf-16", false),
            ("application/x-www-form-urlencoded; boundary=x", false),
            ("application/json", false),
            ("multipart/form-data; boundary=x", false),
            ("text/plain", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, content_type.parse().expect("a value"));
            assert_eq!(is_form(&headers), fine, "{content_type}");
        }
        assert!(!is_form(&HeaderMap::new()));
    }
}
