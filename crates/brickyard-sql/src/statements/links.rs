//! Links to chunks: fetched without a token, so the link itself is the right to fetch, for a few minutes.

use aws_lc_rs::hmac;
use brickyard_types::{Entropy, Timestamp};

/// Signs links. The key lives as long as the process does, which is as long as the results do.
pub(super) struct Signer(hmac::Key);

impl Signer {
    pub(super) fn new(entropy: &dyn Entropy) -> Self {
        let mut key = [0u8; 32];
        entropy.fill(&mut key);
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }

    pub(super) fn sign(&self, statement: &str, chunk: usize, expires: Timestamp) -> String {
        let tag = hmac::sign(&self.0, &signed(statement, chunk, expires.as_millisecond()));
        tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// True for a signature of exactly this; compared in constant time.
    pub(super) fn verifies(
        &self,
        statement: &str,
        chunk: usize,
        expires: Timestamp,
        signature: &str,
    ) -> bool {
        let digits = signature.as_bytes();
        if digits.len() != 64 {
            return false;
        }
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let Some(tag) = digits.chunks(2).map(byte).collect::<Option<Vec<u8>>>() else { return false };
        hmac::verify(&self.0, &signed(statement, chunk, expires.as_millisecond()), &tag).is_ok()
    }
}

fn signed(statement: &str, chunk: usize, expires: i64) -> Vec<u8> {
    format!("{chunk}/{expires}/{statement}").into_bytes()
}
