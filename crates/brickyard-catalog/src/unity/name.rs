//! Names: `catalog.schema.object`, with backticks around parts that are no plain words.

use std::fmt;
use std::str::FromStr;

/// The longest part of a name, in bytes. Source: Databricks' manual, "Names" (255 characters).
const LONGEST: usize = 255;

/// A name of one to three parts. Parts keep their spelling; they are compared without case.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ObjectPath(Vec<String>);

/// Text that is no name.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{0:?} is not a name of Unity Catalog: one to three parts of 1 to 255 characters, without control characters, spaces, dots or slashes"
)]
pub struct InvalidObjectName(pub String);

impl ObjectPath {
    /// A path of these parts.
    ///
    /// # Errors
    /// Without parts, with more than three, or with a part that no object can be called.
    pub fn new(parts: Vec<String>) -> Result<Self, InvalidObjectName> {
        let fits = (1..=3).contains(&parts.len()) && parts.iter().all(|part| is_part(part));
        if fits { Ok(Self(parts)) } else { Err(InvalidObjectName(parts.join("."))) }
    }

    /// Its parts, from the outermost.
    pub fn parts(&self) -> &[String] {
        &self.0
    }

    /// The last part.
    pub fn last(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    /// The parts before the last.
    pub fn parents(&self) -> &[String] {
        &self.0[..self.0.len() - 1]
    }
}

fn is_part(part: &str) -> bool {
    !part.is_empty()
        && part.len() <= LONGEST
        && !part.chars().any(|c| c.is_control() || c == '.' || c == '/' || c == ' ')
}

impl FromStr for ObjectPath {
    type Err = InvalidObjectName;

    /// Reads `a.b.c`, where a part may stand in backticks.
    fn from_str(text: &str) -> Result<Self, InvalidObjectName> {
        let parts = text.split('.').map(|part| {
            let bare = part.strip_prefix('`').and_then(|part| part.strip_suffix('`'));
            bare.unwrap_or(part).replace("``", "`")
        });
        Self::new(parts.collect()).map_err(|_| InvalidObjectName(text.to_owned()))
    }
}

impl fmt::Display for ObjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

/// A name as SQL: in backticks, unless it is a plain word.
pub fn quoted(part: &str) -> String {
    let plain = part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !part.starts_with(|c: char| c.is_ascii_digit())
        && !part.is_empty();
    if plain { part.to_owned() } else { format!("`{}`", part.replace('`', "``")) }
}
