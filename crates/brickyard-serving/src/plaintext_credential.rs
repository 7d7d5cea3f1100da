//! Is this environment variable a credential in plain text?
//!
//! Whoever may see an endpoint sees its `environment_vars`, and so does every log of the request that created it. A
//! credential belongs in a secret scope, and the variable says `{{secrets/<scope>/<key>}}`. Both roads to an endpoint (REST and
//! configuration) ask this one pure function, so that they agree; `workspace.refuse_plaintext_credentials: false` switches it off.
//!
//! It judges by the name (`WEATHER_TOKEN`, `OPENAI_API_KEY`) and by the shape of the value (`dapi...`, a JWT). A name alone is
//! easily wrong, so words that only *speak of* a credential (`MAX_TOKENS`, `TOKEN_URL`, `SECRET_SCOPE`) and values that cannot be
//! one (true, false, short numbers) pass.

use std::fmt;

/// Why a variable is taken for a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LooksLikeACredential {
    /// The variable's name says so.
    Name,
    /// The value has the shape of the named thing.
    Value(&'static str),
}

impl fmt::Display for LooksLikeACredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("the name says that it holds a credential")?,
            Self::Value(what) => write!(f, "the value looks like {what}")?,
        }
        f.write_str(
            ", and it is in plain text; put it into a secret scope and write {{secrets/<scope>/<key>}}",
        )
    }
}

/// Judges a variable whose value is plain text (not a secret reference).
pub fn plaintext_credential(name: &str, value: &str) -> Option<LooksLikeACredential> {
    let harmless =
        value.is_empty() || matches!(value.to_ascii_lowercase().as_str(), "true" | "false" | "none" | "null");
    if harmless || (value.len() <= 6 && value.bytes().all(|b| b.is_ascii_digit())) {
        return None;
    }
    shape(value)
        .map(LooksLikeACredential::Value)
        .or_else(|| names_a_credential(name).then_some(LooksLikeACredential::Name))
}

fn names_a_credential(name: &str) -> bool {
    /// What a credential is called.
    const CREDENTIAL: [&str; 10] = [
        "TOKEN",
        "SECRET",
        "PASSWORD",
        "PASSWD",
        "PASSPHRASE",
        "PWD",
        "APIKEY",
        "CREDENTIAL",
        "CREDENTIALS",
        "PAT",
    ];
    /// What stands last in a name that only says something about one.
    const ABOUT: [&str; 24] = [
        "URL",
        "URI",
        "ENDPOINT",
        "HOST",
        "NAME",
        "SCOPE",
        "SCOPES",
        "PATH",
        "FILE",
        "DIR",
        "ID",
        "TYPE",
        "LIMIT",
        "COUNT",
        "SIZE",
        "TTL",
        "SECONDS",
        "EXPIRY",
        "LIFETIME",
        "BUDGET",
        "HEADER",
        "PREFIX",
        "ALGORITHM",
        "VERSION",
    ];
    /// What stands before `KEY` when nothing is locked by it.
    const OPEN_KEYS: [&str; 8] =
        ["PRIMARY", "PARTITION", "SORT", "PUBLIC", "FOREIGN", "CACHE", "JOIN", "ROW"];
    let upper = name.to_ascii_uppercase();
    let words: Vec<&str> =
        upper.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let Some((last, before)) = words.split_last() else { return false };
    if ABOUT.contains(last) {
        return false;
    }
    let key = matches!(*last, "KEY" | "KEYS") && before.last().is_some_and(|word| !OPEN_KEYS.contains(word));
    key || words.iter().any(|word| CREDENTIAL.contains(word) || word.ends_with("APIKEY"))
}

/// What the value is, if its shape says so.
fn shape(value: &str) -> Option<&'static str> {
    const PREFIXES: [(&str, usize, &str); 12] = [
        ("dapi", 20, "a Databricks personal access token"),
        ("dose", 20, "a Databricks OAuth secret"),
        ("dkea", 20, "a Databricks token"),
        ("sk-", 16, "an API key"),
        ("ghp_", 20, "a GitHub token"),
        ("gho_", 20, "a GitHub token"),
        ("github_pat_", 20, "a GitHub token"),
        ("glpat-", 16, "a GitLab token"),
        ("xoxb-", 16, "a Slack token"),
        ("xoxp-", 16, "a Slack token"),
        ("hf_", 20, "a Hugging Face token"),
        ("AKIA", 20, "an AWS access key"),
    ];
    let word = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    // Also inside a header or a connection string: `Bearer dapi...`.
    for part in value.split(|c: char| !(word(c) || c == '.')) {
        let jwt = part.starts_with("eyJ") && part.split('.').count() == 3 && part.len() >= 30;
        if jwt {
            return Some("a JWT");
        }
        if let Some((.., what)) = PREFIXES.iter().find(|(prefix, least, _)| {
            part.starts_with(prefix)
                && part.len() >= *least
                && part.chars().all(word)
                && part.chars().any(|c| c.is_ascii_digit())
        }) {
            return Some(what);
        }
    }
    if value.contains("-----BEGIN") && value.contains("PRIVATE KEY") {
        return Some("a private key");
    }
    let authority = value.split_once("://").and_then(|(_, rest)| rest.split(['/', '?', '#']).next());
    match authority.and_then(|a| a.rsplit_once('@')).and_then(|(user, _)| user.split_once(':')) {
        Some((_, password)) if !password.is_empty() => Some("a URL with a password"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_known_by_name_or_by_shape() {
        let jwt = format!("eyJ{}.eyJ{}.{}", "a".repeat(20), "b".repeat(20), "c".repeat(20));
        let pat = format!("dapi{}", "0123456789abcdef".repeat(2));
        for (name, value) in [
            ("WEATHER_TOKEN", "hunter22"),
            ("weather_token", "hunter22"),
            ("OPENAI_API_KEY", "abc"),
            ("OPENAI_APIKEY", "abc"),
            ("SERVICE_KEY", "abc"),
            ("DATABRICKS_CLIENT_SECRET", "abc"),
            ("DB_PASSWORD", "abc"),
            ("SECRET_KEY_BASE", "abcdef"),
            ("GITHUB_PAT", "abc"),
            ("HARMLESS", &jwt),
            ("HARMLESS", &pat),
            ("HARMLESS", &format!("Bearer {pat}")),
            ("HARMLESS", "sk-proj-abcdefgh12345678"),
            ("HARMLESS", "-----BEGIN RSA PRIVATE KEY-----\nabc"),
            ("DATABASE_URL", "postgres://user:pass@host/db"),
        ] {
            assert!(plaintext_credential(name, value).is_some(), "{name}={value}");
        }
    }

    #[test]
    fn what_only_speaks_of_a_credential_passes() {
        for (name, value) in [
            ("MAX_TOKENS", "4096"),
            ("TOKENIZERS_PARALLELISM", "false"),
            ("TOKEN_URL", "http://localhost/oidc/v1/token"),
            ("TOKEN_LIMIT", "100000000"),
            ("SECRET_SCOPE", "travel"),
            ("DATABRICKS_CLIENT_ID", "7f1c0000-0000-4000-8000-000000000000"),
            ("DATABRICKS_HOST", "http://localhost:8080"),
            ("PRIMARY_KEY", "id"),
            ("ENABLE_TOKEN_CACHE", "true"),
            ("WEATHER_TOKEN", ""),
            ("ENABLE_MLFLOW_TRACING", "true"),
            ("MONKEY", "see"),
            ("MODEL", "task-force-sk-ull"),
            ("PATTERN", "a.b.c"),
            ("URL", "http://user@host/"),
        ] {
            assert_eq!(plaintext_credential(name, value), None, "{name}={value}");
        }
    }
}
