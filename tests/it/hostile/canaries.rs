//! What must never be seen, in every form in which it could be.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::wire::encoded;

/// What it is, and the bytes of one of its forms.
type Needle = (String, Vec<u8>);

/// Texts to look for.
pub struct Canaries {
    /// By their first two bytes: most places are passed over by one look.
    needles: Box<[Vec<Needle>]>,
}

impl Default for Canaries {
    fn default() -> Self {
        Self { needles: vec![Vec::new(); 1 << 16].into() }
    }
}

impl Canaries {
    /// Adds a credential in all its forms.
    pub fn add(&mut self, name: &str, value: &[u8]) {
        assert!(value.len() >= 16, "{name} is too short to be told from chance");
        let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        self.needle(name, "raw", value.to_vec());
        self.needle(name, "hex", hex.to_uppercase().into_bytes());
        self.needle(name, "hex", hex.into_bytes());
        for (form, engine) in [("base64", STANDARD_NO_PAD), ("base64url", URL_SAFE_NO_PAD)] {
            // Base64 of a longer text shows this one at one of three alignments, its edges mixed with what is around.
            for skip in 0..3 {
                let inner = &value[skip..];
                let whole = inner.len() / 3 * 3;
                self.needle(name, form, engine.encode(&inner[..whole]).into_bytes());
            }
        }
        if let Ok(text) = std::str::from_utf8(value) {
            self.needle(name, "percent-encoded", encoded(text).into_bytes());
            self.needle(name, "percent-encoded", encoded(text).to_lowercase().into_bytes());
            let json = serde_json::to_string(text).expect("JSON");
            self.needle(name, "JSON", json.as_bytes()[1..json.len() - 1].to_vec());
            let ascii: String = text
                .chars()
                .map(|c| if c.is_ascii() { c.to_string() } else { c.escape_unicode().to_string() })
                .collect();
            self.needle(name, "escaped", ascii.into_bytes());
        }
    }

    fn needle(&mut self, name: &str, form: &str, bytes: Vec<u8>) {
        let alike = &mut self.needles[usize::from(bytes[0]) << 8 | usize::from(bytes[1])];
        if alike.iter().all(|(_, known)| *known != bytes) {
            alike.push((format!("{name} ({form})"), bytes));
        }
    }

    /// The name of a credential that stands in `bytes`.
    pub fn seen_in(&self, bytes: &[u8]) -> Option<&str> {
        let mut before = usize::from(*bytes.first()?);
        for (place, byte) in bytes.iter().enumerate().skip(1) {
            let alike = &self.needles[before << 8 | usize::from(*byte)];
            before = usize::from(*byte);
            if !alike.is_empty() {
                let here = &bytes[place - 1..];
                if let Some((name, _)) = alike.iter().find(|(_, needle)| here.starts_with(needle)) {
                    return Some(name);
                }
            }
        }
        None
    }
}

#[test]
fn a_canary_is_seen_in_every_form() {
    use base64::engine::general_purpose::STANDARD;
    let secret = "canary\"7f1c\\9d/e+ =\u{e9}-a0b1";
    let mut canaries = Canaries::default();
    canaries.add("secret", secret.as_bytes());
    for text in [
        secret.to_owned(),
        STANDARD.encode(secret),
        STANDARD.encode(format!("x{secret}y")),
        URL_SAFE_NO_PAD.encode(format!("xy{secret}")),
        encoded(secret),
        serde_json::to_string(secret).expect("JSON"),
        format!("{:02x?}", secret.as_bytes()).replace(['[', ']', ',', ' '], ""),
    ] {
        assert!(canaries.seen_in(format!("before {text} after").as_bytes()).is_some(), "{text}");
    }
    assert_eq!(canaries.seen_in(b"canary"), None);
    assert_eq!(canaries.seen_in(b""), None);
}
