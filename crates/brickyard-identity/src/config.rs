//! What an identity is told when it opens.

use brickyard_types::{SignedDuration, WorkspaceId};
use serde::{Deserialize, Serialize};

/// How new tokens are signed. A key has one algorithm for life, and only that one verifies with it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum SigningAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    #[default]
    #[serde(rename = "ES256")]
    Es256,
    /// RSA (2048 bits) PKCS#1 v1.5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl SigningAlgorithm {
    /// The `alg` of RFC 7518.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// The facts and limits of one workspace's tokens.
#[derive(Clone, Debug)]
pub struct IdentityConfig {
    /// The workspace: the one audience of its tokens.
    pub workspace_id: WorkspaceId,
    /// The account it belongs to (a UUID).
    pub account_id: String,
    /// Scheme, host and port without a slash at the end; `{host}/oidc` is the issuer.
    pub host: String,
    /// How long a token of `/oidc/v1/token` lives.
    pub access_token_ttl: SignedDuration,
    /// How long a system token lives. It is renewed at half of it, so at least ten minutes.
    pub passthrough_ttl: SignedDuration,
    /// No token may live longer, whoever signed it.
    pub max_token_lifetime: SignedDuration,
    /// For new signing keys.
    pub signing_algorithm: SigningAlgorithm,
    /// How far two clocks may differ; 30 seconds at most.
    pub leeway: SignedDuration,
}

/// A configuration that would weaken what tokens promise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("tokens.{key} is {found}; {rule}")]
pub struct InvalidConfig {
    /// The configuration key.
    pub key: &'static str,
    /// What it is.
    pub found: String,
    /// What it must be.
    pub rule: &'static str,
}

impl IdentityConfig {
    /// The defaults for a workspace at `host`: hour-long tokens signed with ES256, no leeway beyond ten seconds.
    pub fn new(workspace_id: WorkspaceId, account_id: impl Into<String>, host: impl Into<String>) -> Self {
        let hour = SignedDuration::from_hours(1);
        Self {
            workspace_id,
            account_id: account_id.into(),
            host: host.into(),
            access_token_ttl: hour,
            passthrough_ttl: hour,
            max_token_lifetime: SignedDuration::from_hours(24),
            signing_algorithm: SigningAlgorithm::default(),
            leeway: SignedDuration::from_secs(10),
        }
    }

    /// The issuer: exactly what `iss` says.
    pub fn issuer(&self) -> String {
        format!("{}/oidc", self.host)
    }

    pub(crate) fn check(&self) -> Result<(), InvalidConfig> {
        let refuse = |key, found: &dyn std::fmt::Display, rule| {
            Err(InvalidConfig { key, found: found.to_string(), rule })
        };
        if self.host.ends_with('/') || !self.host.contains("://") {
            return refuse("host", &self.host, "it is scheme://host[:port] without a slash at the end");
        }
        if self.leeway.is_negative() || self.leeway > SignedDuration::from_secs(30) {
            return refuse("leeway", &self.leeway, "it is between 0 and 30 seconds");
        }
        if self.passthrough_ttl < SignedDuration::from_mins(10) {
            return refuse(
                "passthrough_ttl",
                &self.passthrough_ttl,
                "it is at least 10 minutes, so that a rotated-out token still works for 5",
            );
        }
        for (key, ttl) in
            [("access_token_ttl", self.access_token_ttl), ("passthrough_ttl", self.passthrough_ttl)]
        {
            if ttl < SignedDuration::from_secs(1) {
                return refuse(key, &ttl, "it is at least one second");
            }
            if ttl > self.max_token_lifetime {
                return refuse(key, &ttl, "it is at most the longest life of a token");
            }
        }
        Ok(())
    }
}
