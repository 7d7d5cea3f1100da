//! Names that people choose. A value proves that the text has the allowed shape, and nothing more.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A name that cannot be accepted, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {text:?} is not valid: {rule}")]
pub struct InvalidName {
    /// What was being named, e.g. `endpoint name`.
    pub kind: &'static str,
    /// The offending text, cut to 80 characters.
    pub text: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(InvalidName { kind: $kind, text: text.chars().take(80).collect(), rule: $rule })
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

fn word(text: &str, max: usize, extra: &str) -> bool {
    (1..=max).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
}

/// Printable text without edge spaces or characters that change how a line is read (controls, bidi
/// marks): one name must not look like another, nor break a log line.
fn plain(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len())
        && text.trim() == text
        && !text.chars().any(|c| {
            c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
        })
}

name!(
    /// The name of a serving endpoint.
    EndpointName, "endpoint name",
    "1 to 63 letters, digits, dashes or underscores, the first a letter or digit",
    |t| word(t, 63, "-_") && t.starts_with(|c: char| c.is_ascii_alphanumeric())
);
name!(
    /// The name of a served entity inside an endpoint.
    ServedName, "served entity name", "1 to 255 letters, digits, dashes, dots or underscores",
    |t| word(t, 255, "-_.") && t != "." && t != ".."
);
name!(
    /// The name of a secret scope.
    SecretScopeName, "secret scope name", "1 to 128 letters, digits, dashes, underscores, dots or @",
    |t| word(t, 128, "-_.@") && t != "." && t != ".."
);
name!(
    /// The key of a secret inside its scope.
    SecretKey, "secret key", "1 to 128 letters, digits, dashes, underscores or dots",
    |t| word(t, 128, "-_.") && t != "." && t != ".."
);
name!(
    /// A user's name, an e-mail address as a rule. Compared byte for byte: `Ana@x` is not `ana@x`, and no
    /// look-alike letter is folded. A name shaped like an application id (UUID) is refused, so that no user
    /// can stand for a service principal (RFC 9068 section 5).
    UserName, "user name", "1 to 255 printable ASCII characters without spaces, not shaped like an application id",
    |t| plain(t, 255) && t.is_ascii() && !t.contains(' ') && uuid::Uuid::try_parse(t).is_err()
);
name!(
    /// A group's name. Two groups exist in every workspace: `users` and `admins`.
    GroupName, "group name", "1 to 255 printable characters, no spaces at the ends",
    |t| plain(t, 255)
);
