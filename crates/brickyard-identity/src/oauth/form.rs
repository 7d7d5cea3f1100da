//! The decoded form of an OAuth request. Strict where parsers differ: a parameter is given once or refused
//! (RFC 6749 section 3.1).

use std::fmt;

use brickyard_types::Secret;

use super::OAuthError;

const MOST_PARAMETERS: usize = 32;
const LONGEST_NAME: usize = 64;
const LONGEST_VALUE: usize = 16 * 1024;

/// The parameters of one request: each at most once, none in the query string (whoever reads the request sees to
/// that), values wiped when dropped.
pub struct OAuthForm(Vec<(String, Secret)>);

impl fmt::Debug for OAuthForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl OAuthForm {
    /// Takes decoded pairs over.
    ///
    /// # Errors
    /// If there are too many, one is too long, holds a NUL, or is given twice.
    pub fn read(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, OAuthError> {
        let refuse = |reason: String| Err(OAuthError::InvalidRequest(reason));
        let mut read: Vec<(String, Secret)> = Vec::new();
        for (name, value) in pairs {
            if read.len() == MOST_PARAMETERS {
                return refuse(format!("more than {MOST_PARAMETERS} parameters"));
            }
            if name.len() > LONGEST_NAME || value.len() > LONGEST_VALUE {
                return refuse("a parameter is too long".to_owned());
            }
            if name.contains('\0') || value.contains('\0') {
                return refuse("a parameter holds a NUL".to_owned());
            }
            if read.iter().any(|(known, _)| *known == name) {
                return match name.as_str() {
                    "audience" | "resource" => Err(OAuthError::InvalidTarget(
                        "a token has one audience: name one audience or resource".to_owned(),
                    )),
                    "grant_type" | "scope" | "client_id" | "client_secret" | "subject_token"
                    | "subject_token_type" | "assertion" | "token" => refuse(format!("{name} is repeated")),
                    _ => refuse("a parameter is repeated".to_owned()),
                };
            }
            read.push((name, value.into()));
        }
        Ok(Self(read))
    }

    /// A parameter, if given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).and_then(|(_, value)| value.expose_str())
    }

    /// A parameter that must be given.
    ///
    /// # Errors
    /// If it is absent.
    pub fn required(&self, name: &'static str) -> Result<&str, OAuthError> {
        self.get(name).ok_or_else(|| OAuthError::InvalidRequest(format!("{name} is missing")))
    }
}
