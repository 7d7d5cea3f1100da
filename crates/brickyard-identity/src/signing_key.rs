//! The private half: made here, sealed for the journal, unsealed to sign.

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use brickyard_types::{BearerToken, Entropy, Jti, Timestamp};

use crate::config::SigningAlgorithm;
use crate::jwt::{self, Claims};
use crate::keys::{KeyRecord, KeyRingChange};
use crate::seal::MasterKey;

/// Why nothing could be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigningFailed {
    /// No key is valid at this moment.
    #[error("no signing key is valid now; rotate the signing key")]
    NoKey,
    /// The private part cannot be opened.
    #[error(
        "signing key {0} cannot be unsealed: master.key is not the one that this data directory was made with; restore it"
    )]
    Sealed(Arc<str>),
    /// The library refused.
    #[error("the cryptographic library could not {0}")]
    Library(&'static str),
}

enum Pair {
    Es256(EcdsaKeyPair),
    Rs256(Box<RsaKeyPair>),
    EdDsa(Ed25519KeyPair),
}

/// A private key that is ready to sign.
pub(crate) struct SigningKey {
    pub(crate) kid: Arc<str>,
    header: String,
    pair: Pair,
    random: SystemRandom,
}

fn aad(kid: &str) -> Vec<u8> {
    format!("identity/signing-key/{kid}").into_bytes()
}

/// Makes a new key: what the journal keeps of it. For RSA this takes a while; not for the request's thread.
pub(crate) fn generate(
    algorithm: SigningAlgorithm,
    valid_from: Timestamp,
    master: &MasterKey,
    entropy: &dyn Entropy,
) -> Result<KeyRingChange, SigningFailed> {
    let refused = |_| SigningFailed::Library("make a key");
    let (public, private) = match algorithm {
        SigningAlgorithm::Es256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(refused)?;
            (pair.public_key().as_ref().to_vec(), pair.to_pkcs8v1().map_err(refused)?.as_ref().to_vec())
        }
        SigningAlgorithm::EdDsa => {
            let pair = Ed25519KeyPair::generate().map_err(refused)?;
            (pair.public_key().as_ref().to_vec(), pair.to_pkcs8().map_err(refused)?.as_ref().to_vec())
        }
        SigningAlgorithm::Rs256 => {
            use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(refused)?;
            let private: Pkcs8V1Der<'_> = pair.as_der().map_err(refused)?;
            (pair.public_key().as_ref().to_vec(), private.as_ref().to_vec())
        }
    };
    let private = zeroize::Zeroizing::new(private);
    let kid: Arc<str> = Jti::random(entropy).to_string().into();
    let sealed = master.seal(&aad(&kid), &private, entropy);
    Ok(KeyRingChange::Added { kid, algorithm, public, sealed, valid_from })
}

impl SigningKey {
    /// Opens the private part of `record`.
    pub(crate) fn unseal(record: &KeyRecord, master: &MasterKey) -> Result<Self, SigningFailed> {
        let kid = record.kid.clone();
        let private =
            master.open(&aad(&kid), &record.sealed).map_err(|_| SigningFailed::Sealed(kid.clone()))?;
        let refused = |_| SigningFailed::Library("read a signing key");
        let pair = match record.algorithm {
            SigningAlgorithm::Es256 => Pair::Es256(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private.expose())
                    .map_err(refused)?,
            ),
            SigningAlgorithm::Rs256 => {
                Pair::Rs256(Box::new(RsaKeyPair::from_pkcs8(private.expose()).map_err(refused)?))
            }
            SigningAlgorithm::EdDsa => {
                Pair::EdDsa(Ed25519KeyPair::from_pkcs8(private.expose()).map_err(refused)?)
            }
        };
        let header = jwt::encoded_header(record.algorithm.as_str(), &kid);
        Ok(Self { kid, header, pair, random: SystemRandom::new() })
    }

    /// Signs `claims`.
    pub(crate) fn sign(&self, claims: &Claims) -> Result<BearerToken, SigningFailed> {
        let input = jwt::signing_input(&self.header, claims);
        let signature = self.sign_message(input.as_bytes())?;
        Ok(BearerToken::new(jwt::finish(input, &signature)))
    }

    pub(crate) fn sign_message(&self, message: &[u8]) -> Result<Vec<u8>, SigningFailed> {
        let refused = |_| SigningFailed::Library("sign");
        match &self.pair {
            Pair::Es256(pair) => {
                let signature = pair.sign(&self.random, message).map_err(refused)?;
                Ok(signature.as_ref().to_vec())
            }
            Pair::EdDsa(pair) => {
                let signature = pair.try_sign(message).map_err(refused)?;
                Ok(signature.as_ref().to_vec())
            }
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &self.random, message, &mut signature).map_err(refused)?;
                Ok(signature)
            }
        }
    }
}
