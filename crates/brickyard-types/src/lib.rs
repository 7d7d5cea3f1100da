//! **The words of brickyard**: names, ids, principals, scopes, secrets, time and chance, error codes.
//!
//! Floor 0. Nothing here decides anything and nothing here does I/O; every other crate speaks with
//! these words. What a value of a type proves is said at the type.
//!
//! **Invariant:** a value that holds a credential ([`Secret`], [`BearerToken`]) has no `Display`, no
//! `Serialize`, and a `Debug` that says `[REDACTED]`.

mod chance;
mod clock;
mod error_code;
mod ids;
mod names;
mod principal;
mod resource;
mod scopes;
mod secret;
mod secret_ref;
mod sql_type;

pub use chance::{Entropy, SeededEntropy, SystemEntropy};
pub use clock::{Clock, ManualClock, SystemClock};
pub use error_code::ErrorCode;
pub use ids::{AlreadyRandom, EndpointId, Jti, PrincipalId, RandomIdMap, RequestId, WorkerId, WorkspaceId};
pub use jiff::{SignedDuration, Timestamp};
pub use names::{EndpointName, GroupName, InvalidName, SecretKey, SecretScopeName, ServedName, UserName};
pub use principal::{Principal, PrincipalKind};
pub use resource::{DeclaredResource, ResourceType};
pub use scopes::{ALL_APIS, InvalidScope, Scope, ScopeSet};
pub use secret::{BearerToken, Secret, ShownToken};
pub use secret_ref::{EnvironmentValue, InvalidSecretRef, SecretRef};
pub use sql_type::{InvalidSqlType, SqlType, StructField, spark_field};
