//! Values that must never be seen: no `Display`, no `Serialize`, wiped when dropped.

use std::fmt;

use zeroize::Zeroizing;

/// Secret bytes (a password, a key, a token of a service outside). Holding one proves nothing, but it
/// cannot be printed or serialized; [`Secret::expose`] is the word to search for in a review.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The bytes themselves, for the one place that needs them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text, when they are UTF-8.
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

/// What stood behind `Authorization: Bearer`, or was just minted: text that somebody may show as a
/// credential. Nothing is verified about it.
#[derive(Clone, PartialEq, Eq)]
pub struct BearerToken(Zeroizing<String>);

impl BearerToken {
    /// Takes the text over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The token's text.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The same token, where it stands.
    pub fn shown(&self) -> ShownToken<'_> {
        ShownToken(&self.0)
    }
}

/// A [`BearerToken`] where it stands, in a request's head: looked at for a moment, neither copied nor wiped.
#[derive(Clone, Copy)]
pub struct ShownToken<'a>(&'a str);

impl<'a> ShownToken<'a> {
    /// This text, as a credential.
    pub fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// The token's text.
    pub fn expose(self) -> &'a str {
        self.0
    }
}

impl fmt::Debug for ShownToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}
