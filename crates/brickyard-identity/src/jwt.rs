//! JSON Web Tokens in the one form that is spoken here: compact, three segments, `at+jwt` (RFC 9068), signed.
//!
//! ```text
//!  size ─▶ 3 segments ─▶ header {alg, kid, typ}, nothing else ─▶ key by kid ─▶ its own alg? ─▶ signature ─▶ claims
//! ```
//!
//! The order is the rule: nothing of the payload is read before the signature is verified, and `kid` is never more
//! than the key of a map lookup. Every header member that has ever moved a verifier to trust the token about itself
//! (`jwk`, `jku`, `x5c`, `crit`, `b64`, `zip`, ...) is refused by not being one of the three. Claims are refused
//! the same way: this issuer writes all of them, so an unknown one (`cnf`, say) means a token that asks for a
//! check nobody here makes.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use brickyard_types::{EndpointId, EndpointName, Jti, PrincipalId};
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::authenticate::Unauthenticated;
use crate::caller::{AuthorizationDetail, Origin};
use crate::keys::KeyRecord;

/// Longer text is not looked at.
pub(crate) const MAX_TOKEN: usize = 8 * 1024;
/// The one type of token (RFC 9068 section 2.1).
pub(crate) const TYPE: &str = "at+jwt";
const MAX_KID: usize = 128;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header<'a> {
    #[serde(borrow)]
    pub(crate) alg: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) kid: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) typ: Cow<'a, str>,
}

/// Exactly what this issuer writes. Integers where the RFC allows any number: nothing here needs a fraction.
#[derive(Serialize, Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) aud: Audience,
    pub(crate) sub: String,
    /// The id behind the name: a name that is given again does not bring its old tokens back.
    pub(crate) uid: PrincipalId,
    pub(crate) client_id: String,
    pub(crate) scope: String,
    pub(crate) iat: i64,
    pub(crate) exp: i64,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub(crate) nbf: Option<i64>,
    pub(crate) jti: Jti,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub(crate) act: Option<Box<ActClaim>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) origin: Vec<Origin>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub(crate) worker: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) authorization_details: Vec<AuthorizationDetail>,
}

/// `act` (RFC 8693 section 4.1): who acts now, and inside it who acted before.
#[derive(Serialize, Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActClaim {
    pub(crate) sub: EndpointId,
    pub(crate) endpoint_name: EndpointName,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub(crate) act: Option<Box<ActClaim>>,
}

/// A claim that is there must hold a value: `null` is not "absent".
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Text, or an array that holds just that one text. An array that also names somebody else is refused: a token that
/// two parties accept can be carried from one to the other.
#[derive(Clone, Debug)]
pub(crate) struct Audience(pub(crate) String);

impl Serialize for Audience {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One(PhantomData<()>);
        impl<'de> Visitor<'de> for One {
            type Value = Audience;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one audience")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Audience, E> {
                Ok(Audience(text.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Audience, A::Error> {
                let one: Option<String> = items.next_element()?;
                match (one, items.next_element::<String>()?) {
                    (Some(one), None) => Ok(Audience(one)),
                    _ => Err(de::Error::custom("not one audience")),
                }
            }
        }
        deserializer.deserialize_any(One(PhantomData))
    }
}

/// A token in three decoded-enough parts. Nothing about it is known to be true.
pub(crate) struct Presented<'a> {
    alg: String,
    kid: String,
    signed: &'a str,
    payload: &'a str,
    signature: &'a str,
}

/// Base64url without padding, white space or stray bits: one text for each value.
fn decode(segment: &str) -> Result<Vec<u8>, Unauthenticated> {
    URL_SAFE_NO_PAD.decode(segment).map_err(|_| Unauthenticated::Malformed("a segment is not base64url"))
}

/// One JSON object in UTF-8 and nothing around it. (A derived reader would also take an array of the fields.)
fn object<'a, T: Deserialize<'a>>(bytes: &'a [u8], what: &'static str) -> Result<T, Unauthenticated> {
    let malformed = Unauthenticated::Malformed(what);
    if bytes.first() != Some(&b'{') || bytes.last() != Some(&b'}') {
        return Err(malformed);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| malformed)?;
    serde_json::from_str(text).map_err(|_| malformed)
}

impl<'a> Presented<'a> {
    /// Reads the header of `token` and where its other parts are.
    pub(crate) fn read(token: &'a str) -> Result<Self, Unauthenticated> {
        if token.len() > MAX_TOKEN {
            return Err(Unauthenticated::TooLong);
        }
        let mut segments = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (segments.next(), segments.next(), segments.next(), segments.next())
        else {
            return Err(Unauthenticated::Malformed("a token has three segments"));
        };
        if header.is_empty() || payload.is_empty() || signature.is_empty() {
            return Err(Unauthenticated::Malformed("a segment is empty"));
        }
        let bytes = decode(header)?;
        let read: Header<'_> = object(&bytes, "the header is not exactly alg, kid and typ")?;
        if read.typ != TYPE {
            return Err(Unauthenticated::Type);
        }
        if read.kid.is_empty() || read.kid.len() > MAX_KID {
            return Err(Unauthenticated::UnknownKey);
        }
        let signed = &token[..header.len() + 1 + payload.len()];
        Ok(Self { alg: read.alg.into_owned(), kid: read.kid.into_owned(), signed, payload, signature })
    }

    /// The name of the key, to look up and for nothing else.
    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// The claims, if `key` signed them with its own algorithm.
    pub(crate) fn verify(self, key: &KeyRecord) -> Result<Claims, Unauthenticated> {
        if self.alg != key.algorithm.as_str() {
            return Err(Unauthenticated::Algorithm);
        }
        let signature = decode(self.signature)?;
        if !key.verifies(self.signed.as_bytes(), &signature) {
            return Err(Unauthenticated::Signature);
        }
        object(&decode(self.payload)?, "the claims are not those of an access token")
    }
}

/// `base64url(header)` of every token that a key signs.
pub(crate) fn encoded_header(alg: &str, kid: &str) -> String {
    let header = Header { alg: alg.into(), kid: kid.into(), typ: TYPE.into() };
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header).expect("three texts are always JSON"))
}

/// `header.payload`, ready to be signed.
pub(crate) fn signing_input(encoded_header: &str, claims: &Claims) -> String {
    // Room for the usual token, which else is moved three times while it grows.
    let mut payload = Vec::with_capacity(768);
    serde_json::to_writer(&mut payload, claims).expect("texts, numbers and lists of them are always JSON");
    let mut text = String::with_capacity(encoded_header.len() + payload.len() * 4 / 3 + 128);
    text.push_str(encoded_header);
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(&payload, &mut text);
    text
}

/// Puts the signature behind what it signs.
pub(crate) fn finish(mut signing_input: String, signature: &[u8]) -> String {
    signing_input.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut signing_input);
    signing_input
}
