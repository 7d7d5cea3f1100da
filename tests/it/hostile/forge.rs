//! Tokens that brickyard did not make: with keys of our own, and with the real one, as somebody has it who stole the
//! data folder with its master key. With the real key nothing but the rule in question can refuse a token.

use std::path::Path;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use brickyard_identity::MasterKey;
use brickyard_types::SystemEntropy;
use serde_json::{Value, json};

/// A private key, and the name it goes by.
pub struct SigningKey {
    pub kid: String,
    pair: EcdsaKeyPair,
    private: Vec<u8>,
}

impl SigningKey {
    /// A key of our own under a name of our choice.
    pub fn own(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let pkcs8 = pair.to_pkcs8v1().expect("PKCS #8").as_ref().to_vec();
        Self { kid: kid.to_owned(), pair, private: private_number(&pkcs8) }
    }

    /// The real one of that name: out of the journal, opened with the master key that lies beside it.
    pub fn stolen_from(data_dir: &Path, kid: &str) -> Self {
        let master = MasterKey::open_or_create(data_dir, &SystemEntropy).expect("the master key");
        let mut journal = Vec::new();
        for file in ["journal.sqlite3", "journal.sqlite3-wal"] {
            journal.extend(std::fs::read(data_dir.join(file)).unwrap_or_default());
        }
        let (name, marker) = (format!("\"kid\":\"{kid}\""), b"\"sealed\":\"");
        let places = (0..journal.len()).filter(|place| journal[*place..].starts_with(name.as_bytes()));
        let sealed = places.filter_map(|place| {
            let near = &journal[place..(place + 600).min(journal.len())];
            let begin = near.windows(marker.len()).position(|bytes| bytes == marker)? + marker.len();
            let end = near[begin..].iter().position(|byte| *byte == b'"')? + begin;
            STANDARD_NO_PAD.decode(&near[begin..end]).ok()
        });
        let aad = format!("identity/signing-key/{kid}");
        let opened = sealed.filter_map(|sealed| master.open(aad.as_bytes(), &sealed).ok()).next();
        let opened = opened.expect("the sealed key is in the journal");
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, opened.expose()).expect("a key");
        Self { kid: kid.to_owned(), pair, private: private_number(opened.expose()) }
    }

    /// The private number: what must never be seen.
    pub fn private(&self) -> &[u8] {
        &self.private
    }

    /// The uncompressed public point.
    pub fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// The public key as a JWK.
    pub fn jwk(&self) -> Value {
        let (x, y) = self.public()[1..].split_at(32);
        json!({ "kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y) })
    }

    /// r and s over `message`.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(&SystemRandom::new(), message).expect("a signature").as_ref().to_vec()
    }

    /// A compact token of these bytes.
    pub fn token(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        let input = input(header, payload);
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(self.sign(input.as_bytes())))
    }
}

/// The number inside a PKCS #8 key of P-256: version 1, then 32 bytes.
fn private_number(pkcs8: &[u8]) -> Vec<u8> {
    let marker = [2, 1, 1, 4, 32];
    let place = pkcs8.windows(5).position(|bytes| bytes == marker).expect("an EC key") + 5;
    pkcs8[place..place + 32].to_vec()
}

/// What is signed.
pub fn input(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload))
}

/// A token with an HS256 signature.
pub fn hs256(header: &Value, payload: &Value, key: &[u8]) -> String {
    let input = input(header.to_string(), payload.to_string());
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), input.as_bytes());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// A P-256 public point as DER (SubjectPublicKeyInfo).
pub fn spki(point: &[u8]) -> Vec<u8> {
    const HEAD: [u8; 26] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
        0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];
    [&HEAD[..], point].concat()
}

/// DER as PEM.
pub fn pem(der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> =
        (0..text.len()).step_by(64).map(|at| &text[at..(at + 64).min(text.len())]).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

/// The order of the curve.
pub const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The other signature that is as good: n - s instead of s.
pub fn twin(signature: &[u8]) -> Vec<u8> {
    let mut twin = signature.to_vec();
    let mut borrow = 0i16;
    for place in (0..32).rev() {
        let difference = i16::from(ORDER[place]) - i16::from(signature[32 + place]) - borrow;
        borrow = i16::from(difference < 0);
        twin[32 + place] = u8::try_from(difference.rem_euclid(256)).expect("a byte");
    }
    twin
}
