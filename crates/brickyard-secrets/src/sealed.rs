//! A sealed value: bytes that say nothing, and that open in one place only.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use brickyard_identity::{MasterKey, SealError};
use brickyard_types::{Entropy, Secret, SecretRef, WorkspaceId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The ciphertext of one version of one secret; base64 in the journal.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Arc<[u8]>);

/// The place where a sealed value opens. Names hold no `/`, so two places never read the same. They are lower-cased,
/// because `Travel` and `travel` are one scope.
pub(crate) fn place(workspace: WorkspaceId, secret: &SecretRef, version: u64) -> String {
    let scope = secret.scope.as_str().to_ascii_lowercase();
    let key = secret.key.as_str().to_ascii_lowercase();
    format!("brickyard/secret/{workspace}/{scope}/{key}/{version}")
}

impl Sealed {
    pub(crate) fn seal(master: &MasterKey, place: &str, value: &Secret, entropy: &dyn Entropy) -> Self {
        Self(master.seal(place.as_bytes(), value.expose(), entropy).into())
    }

    pub(crate) fn open(&self, master: &MasterKey, place: &str) -> Result<Secret, SealError> {
        master.open(place.as_bytes(), &self.0)
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    #[cfg(test)]
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} sealed bytes]", self.0.len())
    }
}

impl Serialize for Sealed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Sealed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        BASE64.decode(text.as_bytes()).map(|bytes| Self(bytes.into())).map_err(serde::de::Error::custom)
    }
}
