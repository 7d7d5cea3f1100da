//! Writing JSON by hand: the answers' shapes are fixed, so no tree of values is built to print them.

use std::fmt::{Display, Write};

use bytes::Bytes;

/// A JSON text in the making. What is `raw` must be JSON already; what is `text` is quoted and escaped.
pub(crate) struct JsonText(String);

impl JsonText {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(String::with_capacity(bytes))
    }

    /// Appends a piece of JSON as it is.
    pub(crate) fn raw(&mut self, json: &str) -> &mut Self {
        self.0.push_str(json);
        self
    }

    /// Appends a string with its quotes.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.text2("", text)
    }

    /// Appends one string made of a prefix and a text, with its quotes.
    pub(crate) fn text2(&mut self, prefix: &str, text: &str) -> &mut Self {
        self.0.push('"');
        escape_into(&mut self.0, prefix);
        escape_into(&mut self.0, text);
        self.0.push('"');
        self
    }

    /// Appends a number; its `Display` must be a JSON number.
    pub(crate) fn number(&mut self, number: impl Display) -> &mut Self {
        // Writing to a String cannot fail.
        let _ = write!(self.0, "{number}");
        self
    }

    /// The text that was written; what is left is empty.
    pub(crate) fn take(&mut self) -> Bytes {
        Bytes::from(std::mem::take(&mut self.0).into_bytes())
    }
}

/// Appends `text` as the inside of a JSON string.
pub(crate) fn escape_into(out: &mut String, text: &str) {
    let mut written = 0;
    for (index, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..=0x1f => "",
            _ => continue,
        };
        // Only ASCII is escaped, so both ends of the slice are character boundaries.
        out.push_str(&text[written..index]);
        if escape.is_empty() {
            let _ = write!(out, "\\u{byte:04x}");
        } else {
            out.push_str(escape);
        }
        written = index + 1;
    }
    out.push_str(&text[written..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_reads_back_the_same(text in any::<String>()) {
            let mut json = JsonText::with_capacity(0);
            json.text(&text);
            prop_assert_eq!(serde_json::from_slice::<String>(&json.take()).expect("JSON"), text);
        }
    }

    #[test]
    fn control_characters_are_escaped() {
        let mut json = JsonText::with_capacity(0);
        json.text("a\u{0}\u{1f}\"\\\n\u{7f}é😀");
        assert_eq!(json.take(), "\"a\\u0000\\u001f\\\"\\\\\\n\u{7f}é😀\"".as_bytes());
    }
}
