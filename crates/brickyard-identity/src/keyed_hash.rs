//! How credentials that somebody will show again are kept: HMAC-SHA-256 under a key that is not in the journal.
//!
//! A slow password hash would guard words that people choose. These texts are made by machines (128 random bits
//! and more), so a keyed hash is enough, and it costs under a microsecond for each try.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::seal::MasterKey;

/// The keyed hash of a credential. Without the master key it says nothing about it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyedHash([u8; 32]);

impl KeyedHash {
    /// Whether both are of the same text, in a time that does not depend on where they differ.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for KeyedHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyedHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[keyed hash]")
    }
}

impl FromStr for KeyedHash {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const NOT: &str = "not a keyed hash: 64 hexadecimal digits are needed";
        if text.len() != 64 || !text.is_ascii() {
            return Err(NOT);
        }
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).map_err(|_| NOT)?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for KeyedHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyedHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The keys of the keyed hashes, one for each kind of credential: one kind's hash is never another's.
pub(crate) struct Pepper {
    personal_access_token: hmac::Key,
    client_secret: hmac::Key,
}

impl Pepper {
    pub(crate) fn of(master: &MasterKey) -> Self {
        let key = |purpose| hmac::Key::new(hmac::HMAC_SHA256, &master.derive(purpose));
        Self { personal_access_token: key("personal-access-token"), client_secret: key("client-secret") }
    }

    pub(crate) fn personal_access_token(&self, text: &str) -> KeyedHash {
        hash(&self.personal_access_token, text)
    }

    pub(crate) fn client_secret(&self, text: &[u8]) -> KeyedHash {
        hash(&self.client_secret, text)
    }
}

fn hash(key: &hmac::Key, text: impl AsRef<[u8]>) -> KeyedHash {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(hmac::sign(key, text.as_ref()).as_ref());
    KeyedHash(bytes)
}
