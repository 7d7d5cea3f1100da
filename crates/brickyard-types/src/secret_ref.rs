//! `{{secrets/<scope>/<key>}}`, as served entities reference secrets in `environment_vars`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::names::{InvalidName, SecretKey, SecretScopeName};

/// The name of one secret.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct SecretRef {
    /// The scope.
    pub scope: SecretScopeName,
    /// The key in it.
    pub key: SecretKey,
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{{secrets/{}/{}}}}}", self.scope, self.key)
    }
}

/// A value that looks like a reference and is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecretRef {
    /// Braces, but not of the one allowed form. (Databricks documents references only as the whole value.)
    #[error("a secret reference is the whole value and has the form {{{{secrets/<scope>/<key>}}}}")]
    Form,
    /// The form is right, a name is not.
    #[error(transparent)]
    Name(#[from] InvalidName),
}

/// The value of an environment variable as the endpoint's configuration holds it. Never expanded twice: what a
/// secret holds is data.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EnvironmentValue {
    /// The text itself.
    Plain(String),
    /// A secret, read when the process starts.
    Secret(SecretRef),
}

impl EnvironmentValue {
    /// Reads a configured value.
    ///
    /// # Errors
    /// If the text holds `{{secrets` or `{{ secrets` but is not exactly one reference.
    pub fn parse(text: &str) -> Result<Self, InvalidSecretRef> {
        let inner = text.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")).unwrap_or_default();
        let mut parts = inner.split('/');
        if let (Some("secrets"), Some(scope), Some(key), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        {
            return Ok(Self::Secret(SecretRef { scope: scope.parse()?, key: key.parse()? }));
        }
        let squeezed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        if squeezed.contains("{{secrets") {
            return Err(InvalidSecretRef::Form);
        }
        Ok(Self::Plain(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_exactly_one_form_and_anything_close_is_refused() {
        let good = EnvironmentValue::parse("{{secrets/travel/weather-token}}");
        assert!(
            matches!(good, Ok(EnvironmentValue::Secret(r)) if r.to_string() == "{{secrets/travel/weather-token}}")
        );
        for plain in ["", "text", "{{other}}", "{secrets/a/b}", "a {{b}} c"] {
            assert_eq!(EnvironmentValue::parse(plain), Ok(EnvironmentValue::Plain(plain.to_owned())));
        }
        for bad in [
            "{{secrets/scope}}",
            "{{secrets/a/b/c}}",
            "{{ secrets/a/b }}",
            "{{secrets/a/b}} ",
            "x{{secrets/a/b}}",
            "{{secrets/a/b}}{{secrets/c/d}}",
            "{{secrets/{{secrets/a/b}}/c}}",
            "{{secrets/a/b",
            "{{secrets/../b}}",
            "{{secrets/a/b\0}}",
            "{{{secrets/a/b}}}",
            "{{x {{secrets/a/b}}",
        ] {
            assert!(EnvironmentValue::parse(bad).is_err(), "{bad:?}");
        }
    }
}
