//! **Who.** The directory of principals, the keys, the issuer of tokens, and the one place that turns a token's
//! text into a [`Caller`].
//!
//! Floor 1: it knows the words (`brickyard-types`) and the journal (`brickyard-store`), nothing of HTTP and nothing
//! of what anybody may do. *May* is the catalog's word, one floor up.
//!
//! ```text
//!  BearerToken ── authenticate ──▶ Caller ── downscope(declared, act, latest) ──▶ DownscopedToken
//!     text            |         a proof        scopes: both; sub: the caller;        signed only when
//!                     |                        exp: never later                      somebody asks
//!            verified cache: SHA-256 of the text; every hit re-checks expiry, principal, token and key
//! ```
//!
//! The rules kept here:
//!
//! - **A [`Caller`] is a proof.** It exists because a token was verified, or was minted here a moment ago.
//! - **Narrower only.** What is derived from a token never has more scopes and never lives longer, and dies with it:
//!   a token names its ancestors, and a revoked ancestor revokes it.
//! - **One kind of token is never read as another.** A personal access token is looked up, a JWT is parsed; the
//!   parser knows three header members and refuses every other (see `jwt.rs`).
//! - **Nothing secret is stored in the clear.** Tokens and client secrets are kept as HMAC-SHA-256 under a key
//!   derived from the [`MasterKey`]; private signing keys are sealed with it.
//! - **All state is three owners in the journal**: [`Directory`], [`Credentials`], [`KeyRing`]. The cache may be
//!   thrown away at any moment.

mod authenticate;
mod caller;
mod config;
pub mod credentials;
pub mod directory;
mod downscope;
mod error;
mod identity;
mod issuer;
mod jwt;
mod keyed_hash;
mod keys;
pub mod oauth;
mod owner_of_secret;
mod personal_access_tokens;
mod rotation;
mod scope_vocabulary;
mod seal;
mod service_principal_secrets;
mod signing_key;
mod slots;
mod verified;

#[cfg(test)]
mod promises;

pub use authenticate::Unauthenticated;
pub use caller::{Act, AuthorizationDetail, Caller, MAX_CHAIN, Origin, TokenKind};
pub use config::{IdentityConfig, InvalidConfig, SigningAlgorithm};
pub use credentials::{Credentials, CredentialsError, PersonalAccessToken, ServicePrincipalSecret};
pub use directory::{Directory, DirectoryEntry, DirectoryError, Group, NewUser};
pub use downscope::{DownscopeError, DownscopedToken};
pub use error::IdentityError;
pub use identity::Identity;
pub use issuer::{MintError, MintedToken};
pub use keys::{Jwk, KeyRecord, KeyRing, KeyStatus};
pub use oauth::{GrantedToken, OAuthError, OAuthForm};
pub use owner_of_secret::OwnedCredential;
pub use personal_access_tokens::{
    CreatedPat, ImportedPat, PatChange, is_client_secret, is_personal_access_token,
};
pub use rotation::ServicePrincipalToken;
pub use scope_vocabulary::{KNOWN_SCOPES, is_known_scope};
pub use seal::{MasterKey, SealError};
pub use service_principal_secrets::CreatedSecret;
pub use signing_key::SigningFailed;
pub use slots::IdentitySlots;
