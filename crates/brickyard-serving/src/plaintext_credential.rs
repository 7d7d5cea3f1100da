//! Does a plain environment variable look like a credential? Such values belong into a secret scope.

/// Words in a variable's name that say its value is a credential.
const NAMES: [&str; 8] =
    ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "API_KEY", "APIKEY", "PRIVATE_KEY", "ACCESS_KEY"];

/// Names that hold such a word and are no credential.
const HARMLESS: [&str; 4] = ["MAX_TOKENS", "TOKENIZER", "TOKENIZERS_PARALLELISM", "TOKEN_LIMIT"];

/// Why `value` looks like a plain-text credential, or `None`. References to secrets never do.
pub fn plaintext_credential(name: &str, value: &str) -> Option<&'static str> {
    if value.is_empty() || value.starts_with("{{secrets/") {
        return None;
    }
    let shaped = (value.starts_with("dapi") && value.len() >= 20)
        || (value.starts_with("dose") && value.len() >= 36)
        || (value.starts_with("sk-") && value.len() >= 20)
        || (value.starts_with("ghp_") && value.len() >= 36)
        || (value.starts_with("AKIA") && value.len() == 20)
        || value.starts_with("-----BEGIN ")
        || (value.starts_with("eyJ") && value.split('.').count() == 3);
    if shaped {
        return Some("its value has the shape of a credential");
    }
    let name = name.to_ascii_uppercase();
    let harmless = HARMLESS.iter().any(|word| name.contains(word))
        || name.ends_with("_URL")
        || name.ends_with("_PATH")
        || value.parse::<f64>().is_ok()
        || matches!(value.to_ascii_lowercase().as_str(), "true" | "false" | "none" | "null");
    (!harmless && NAMES.iter().any(|word| name.contains(word))).then_some("its name says that its value is a credential")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_in_plain_text_are_seen_and_settings_are_left_alone() {
        for (name, value) in [
            ("WEATHER_TOKEN", "abc"),
            ("ANYTHING", "dapi0123456789abcdef0123456789abcdef"),
            ("OPENAI_API_KEY", "x"),
            ("db_password", "hunter2"),
            ("X", "eyJhbGciOi.eyJzdWIi.c2ln"),
        ] {
            assert!(plaintext_credential(name, value).is_some(), "{name}");
        }
        for (name, value) in [
            ("WEATHER_TOKEN", "{{secrets/travel/weather-token}}"),
            ("MAX_TOKENS", "4096"),
            ("ENABLE_MLFLOW_TRACING", "true"),
            ("TOKEN_URL", "http://x/token"),
            ("GREETING", "hello"),
        ] {
            assert_eq!(plaintext_credential(name, value), None, "{name}");
        }
    }
}
