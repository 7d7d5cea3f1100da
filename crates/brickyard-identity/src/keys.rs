//! The key ring: which keys signed, which sign now, which will.
//!
//! ```text
//!            rotate                     lifetime over
//!   valid ───────────▶ retained ───────────────────────▶ forgotten
//!     │                   │
//!     └────── revoke ─────┴──▶ revoked: nothing it signed is accepted, from this moment
//! ```
//!
//! A *valid* key signs and verifies from its `valid_from` on, a *retained* one only verifies, a *revoked* one does
//! neither. The newest valid key signs. Private parts are sealed with the master key under the key's own id.

use std::sync::Arc;

use aws_lc_rs::signature::{self, ParsedPublicKey, VerificationAlgorithm};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use brickyard_store::State;
use brickyard_types::Timestamp;
use imbl::HashMap;
use serde::{Deserialize, Serialize};

use crate::config::SigningAlgorithm;

/// What a key may still do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyStatus {
    /// Signs and verifies, from its `valid_from` on.
    Valid,
    /// Verifies what it signed before it was replaced.
    Retained {
        /// When it was replaced.
        since: Timestamp,
    },
    /// Neither.
    Revoked,
}

/// One signing key.
#[derive(Clone, Debug)]
pub struct KeyRecord {
    /// Its name in token headers and the JWKS.
    pub kid: Arc<str>,
    /// The only algorithm it is used with.
    pub algorithm: SigningAlgorithm,
    /// What it may do.
    pub status: KeyStatus,
    /// Before this moment it does nothing.
    pub valid_from: Timestamp,
    pub(crate) sealed: Arc<[u8]>,
    public: Arc<[u8]>,
    parsed: Option<Arc<ParsedPublicKey>>,
}

/// A public key as RFC 7517 has it. There is no field for a private member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs)] // the members are RFC 7517's own
pub struct Jwk {
    pub kty: &'static str,
    pub r#use: &'static str,
    pub alg: &'static str,
    pub kid: Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crv: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
}

fn verification(algorithm: SigningAlgorithm) -> &'static dyn VerificationAlgorithm {
    match algorithm {
        SigningAlgorithm::Es256 => &signature::ECDSA_P256_SHA256_FIXED,
        SigningAlgorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        SigningAlgorithm::EdDsa => &signature::ED25519,
    }
}

impl KeyRecord {
    fn new(
        kid: Arc<str>,
        algorithm: SigningAlgorithm,
        public: Arc<[u8]>,
        sealed: Arc<[u8]>,
        valid_from: Timestamp,
    ) -> Self {
        // A public part that does not parse verifies nothing: a change is applied without judging it.
        let parsed = ParsedPublicKey::new(verification(algorithm), &*public).ok().map(Arc::new);
        Self { kid, algorithm, status: KeyStatus::Valid, valid_from, sealed, public, parsed }
    }

    /// True if this key made `signature` over `message`. Says nothing about whether it may still be used.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.parsed.as_ref().is_some_and(|key| key.verify_sig(message, signature).is_ok())
    }

    /// True if what this key signed is accepted at `now`.
    pub fn is_trusted_at(&self, now: Timestamp) -> bool {
        self.status != KeyStatus::Revoked && self.valid_from <= now
    }

    /// The public part for the world.
    pub fn jwk(&self) -> Jwk {
        let text = |bytes: &[u8]| Some(URL_SAFE_NO_PAD.encode(bytes));
        let (kty, crv, [x, y, n, e]) = match self.algorithm {
            SigningAlgorithm::Es256 => {
                // An uncompressed point: 4, x, y.
                let (x, y) =
                    self.public.get(1..65).unwrap_or_default().split_at_checked(32).unwrap_or_default();
                ("EC", Some("P-256"), [text(x), text(y), None, None])
            }
            SigningAlgorithm::EdDsa => ("OKP", Some("Ed25519"), [text(&self.public), None, None, None]),
            SigningAlgorithm::Rs256 => {
                let (n, e) = rsa_numbers(&self.public).unwrap_or_default();
                ("RSA", None, [None, None, text(n), text(e)])
            }
        };
        Jwk { kty, r#use: "sig", alg: self.algorithm.as_str(), kid: self.kid.clone(), crv, x, y, n, e }
    }
}

/// Modulus and exponent of a DER `RSAPublicKey` (RFC 8017 A.1.1), without leading zeros.
fn rsa_numbers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
        let (&[found, first], rest) = bytes.split_first_chunk::<2>()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x83 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (digits.iter().fold(0, |sum, digit| (sum << 8) | usize::from(*digit)), rest)
            }
            _ => return None,
        };
        (found == tag).then(|| rest.split_at_checked(length))?
    }
    let (sequence, _) = element(der, 0x30)?;
    let (modulus, rest) = element(sequence, 0x02)?;
    let (exponent, _) = element(rest, 0x02)?;
    Some((modulus.strip_prefix(&[0]).unwrap_or(modulus), exponent))
}

/// Bytes as the journal keeps them.
mod as_base64 {
    use super::{Engine, STANDARD_NO_PAD};
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD_NO_PAD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD_NO_PAD.decode(text).map_err(serde::de::Error::custom)
    }
}

/// A change as the journal keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum KeyRingChange {
    /// A key came.
    Added {
        /// Its name.
        kid: Arc<str>,
        /// Its algorithm.
        algorithm: SigningAlgorithm,
        /// The public part, as the signature library has it.
        #[serde(with = "as_base64")]
        public: Vec<u8>,
        /// The private part, sealed.
        #[serde(with = "as_base64")]
        sealed: Vec<u8>,
        /// When it begins to count.
        valid_from: Timestamp,
    },
    /// A key was replaced.
    Retained {
        /// Which.
        kid: Arc<str>,
        /// When.
        since: Timestamp,
    },
    /// A key is not to be trusted any more.
    Revoked {
        /// Which.
        kid: Arc<str>,
    },
    /// No token that a retained key signed can be alive.
    Forgotten {
        /// Which.
        kid: Arc<str>,
    },
}

/// The state of all signing keys.
#[derive(Clone, Default, Debug)]
pub struct KeyRing {
    keys: HashMap<Arc<str>, Arc<KeyRecord>>,
    /// The few that sign or will sign, so that choosing one does not look at every key of the past.
    valid: Vec<Arc<KeyRecord>>,
}

impl State for KeyRing {
    const OWNER: &'static str = "identity.keys";
    type Change = KeyRingChange;

    fn apply(&mut self, change: &KeyRingChange) {
        match change {
            KeyRingChange::Added { kid, algorithm, public, sealed, valid_from } => {
                let (public, sealed) = (public.as_slice().into(), sealed.as_slice().into());
                let key = KeyRecord::new(kid.clone(), *algorithm, public, sealed, *valid_from);
                self.keys.insert(kid.clone(), Arc::new(key));
            }
            KeyRingChange::Retained { kid, since } => self.set(kid, KeyStatus::Retained { since: *since }),
            KeyRingChange::Revoked { kid } => self.set(kid, KeyStatus::Revoked),
            KeyRingChange::Forgotten { kid } => {
                self.keys.remove(kid);
            }
        }
        self.valid = self.keys.values().filter(|key| key.status == KeyStatus::Valid).cloned().collect();
    }
}

impl KeyRing {
    fn set(&mut self, kid: &str, status: KeyStatus) {
        if let Some(key) = self.keys.get_mut(kid) {
            Arc::make_mut(key).status = status;
        }
    }

    /// The key of that name, whatever its status.
    pub fn key(&self, kid: &str) -> Option<&Arc<KeyRecord>> {
        self.keys.get(kid)
    }

    /// Every key, in no order.
    pub fn keys(&self) -> impl Iterator<Item = &KeyRecord> {
        self.keys.values().map(|key| &**key)
    }

    /// The key that signs at `now`: the newest valid one that has begun.
    pub fn signing_at(&self, now: Timestamp) -> Option<&Arc<KeyRecord>> {
        self.valid
            .iter()
            .filter(|key| key.valid_from <= now)
            .max_by(|one, other| (one.valid_from, &one.kid).cmp(&(other.valid_from, &other.kid)))
    }

    /// The keys that the world should verify with, those that have not begun yet included.
    pub fn jwks(&self) -> Vec<Jwk> {
        let mut keys: Vec<&Arc<KeyRecord>> =
            self.keys.values().filter(|key| key.status != KeyStatus::Revoked).collect();
        keys.sort_by(|one, other| (other.valid_from, &other.kid).cmp(&(one.valid_from, &one.kid)));
        keys.into_iter().map(|key| key.jwk()).collect()
    }
}
