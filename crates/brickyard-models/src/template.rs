//! Texts with `{captures}`: read once when a configuration is compiled, then only filled in.
//!
//! **Rule kept:** a template can only name what its rule provides, so filling in cannot fail; and the
//! arguments of a tool call stay one JSON object whatever a user says, because a capture only ever lands
//! escaped inside a JSON string.

use std::borrow::Cow;
use std::fmt::Write;

use serde_json::Value;

use crate::json_text::escape_into;

/// Where the text for a placeholder comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// The whole last user message.
    User,
    /// The whole tool result.
    Tool,
    /// The endpoint's name.
    Model,
    /// A group of the `user` regex, by number.
    UserGroup(usize),
    /// A group of the `tool` regex, by number.
    ToolGroup(usize),
}

/// The names that a rule provides, with what each stands for.
pub(crate) type Names = Vec<(String, Source)>;

#[derive(Debug)]
enum Piece {
    Literal(String),
    Capture(Source),
}

/// A compiled template.
#[derive(Debug)]
pub(crate) struct Template(Vec<Piece>);

impl Template {
    /// A template for a text.
    pub(crate) fn text(text: &str, names: &Names) -> Result<Self, String> {
        let mut template = Self(Vec::new());
        template.read(text, names, |out, literal| out.push_str(literal))?;
        Ok(template)
    }

    /// A template for a JSON object, with placeholders in the strings within it.
    pub(crate) fn json(object: &serde_json::Map<String, Value>, names: &Names) -> Result<Self, String> {
        let mut template = Self(Vec::new());
        template.read_object(object, names)?;
        Ok(template)
    }

    /// The text, where `of` knows what each source holds.
    pub(crate) fn fill<'t>(&'t self, of: impl Fn(Source) -> &'t str) -> Cow<'t, str> {
        match self.0.as_slice() {
            [Piece::Literal(text)] => Cow::Borrowed(text),
            [Piece::Capture(source)] => Cow::Borrowed(of(*source)),
            _ => Cow::Owned(self.join(|out, source| out.push_str(of(source)))),
        }
    }

    /// The JSON text, where `of` knows what each source holds.
    pub(crate) fn fill_json<'t>(&'t self, of: impl Fn(Source) -> &'t str) -> String {
        self.join(|out, source| escape_into(out, of(source)))
    }

    fn join(&self, capture: impl Fn(&mut String, Source)) -> String {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Capture(source) => capture(&mut out, *source),
            }
        }
        out
    }

    fn literal(&mut self) -> &mut String {
        if !matches!(self.0.last(), Some(Piece::Literal(_))) {
            self.0.push(Piece::Literal(String::new()));
        }
        match self.0.last_mut() {
            Some(Piece::Literal(text)) => text,
            _ => unreachable!("a literal was just pushed"),
        }
    }

    /// `{name}` is a placeholder and `{{name}}` a plain `{name}`; any other brace stands for itself, so
    /// that JSON can be said without escapes.
    fn read(&mut self, mut text: &str, names: &Names, write: fn(&mut String, &str)) -> Result<(), String> {
        while let Some(at) = text.find('{') {
            let (before, rest) = text.split_at(at);
            write(self.literal(), before);
            if let Some(name) = name_in(rest, "{{", "}}") {
                write(self.literal(), &rest[1..name.len() + 3]);
                text = &rest[name.len() + 4..];
            } else if let Some(name) = name_in(rest, "{", "}") {
                let Some((_, source)) = names.iter().find(|(known, _)| known == name) else {
                    let known: Vec<_> = names.iter().map(|(known, _)| known.as_str()).collect();
                    return Err(format!(
                        "{{{name}}} is not captured by this rule's `when`; known are {} (write {{{{{name}}}}} for the plain text)",
                        known.join(", ")
                    ));
                };
                self.0.push(Piece::Capture(*source));
                text = &rest[name.len() + 2..];
            } else {
                write(self.literal(), "{");
                text = &rest[1..];
            }
        }
        write(self.literal(), text);
        Ok(())
    }

    fn read_object(&mut self, object: &serde_json::Map<String, Value>, names: &Names) -> Result<(), String> {
        self.literal().push('{');
        for (index, (key, value)) in object.iter().enumerate() {
            let out = self.literal();
            out.push_str(if index == 0 { "\"" } else { ",\"" });
            escape_into(out, key);
            out.push_str("\":");
            self.read_value(value, names)?;
        }
        self.literal().push('}');
        Ok(())
    }

    fn read_value(&mut self, value: &Value, names: &Names) -> Result<(), String> {
        match value {
            Value::String(text) => {
                self.literal().push('"');
                self.read(text, names, escape_into)?;
                self.literal().push('"');
            }
            Value::Array(values) => {
                self.literal().push('[');
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        self.literal().push(',');
                    }
                    self.read_value(value, names)?;
                }
                self.literal().push(']');
            }
            Value::Object(object) => self.read_object(object, names)?,
            // Writing to a String cannot fail.
            plain => drop(write!(self.literal(), "{plain}")),
        }
        Ok(())
    }
}

/// The name between the brackets at the start of `text`, if it is one.
fn name_in<'t>(text: &'t str, open: &str, close: &str) -> Option<&'t str> {
    let inside = text.strip_prefix(open)?;
    let end = inside.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inside.len());
    let (name, rest) = inside.split_at(end);
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (is_name && rest.starts_with(close)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names() -> Names {
        vec![("city".to_owned(), Source::UserGroup(1)), ("user".to_owned(), Source::User)]
    }

    fn said(template: &str) -> String {
        let template = Template::text(template, &names()).expect("compiles");
        template.fill(|source| if source == Source::User { "U" } else { "Paris" }).into_owned()
    }

    #[test]
    fn braces_mean_what_they_look_like() {
        for (template, text) in [
            ("", ""),
            ("plain", "plain"),
            ("{city}", "Paris"),
            ("in {city}, {user}{user}!", "in Paris, UU!"),
            ("{{city}}", "{city}"),
            ("{{{city}}}", "{{city}}"),
            ("{\"a\": {\"b\": \"{city}\"}}", "{\"a\": {\"b\": \"Paris\"}}"),
            ("{ city } {} { é{", "{ city } {} { é{"),
            ("{1}", "{1}"),
        ] {
            assert_eq!(said(template), text, "{template}");
        }
    }

    #[test]
    fn an_unknown_capture_is_named_with_those_that_are_known() {
        let error = Template::text("in {citty}", &names()).expect_err("refused");
        assert!(error.contains("{citty}") && error.contains("city, user"), "{error}");
    }

    proptest! {
        #[test]
        fn whatever_is_captured_arguments_stay_valid_json(captured in any::<String>(), key in any::<String>()) {
            let value = serde_json::json!({key.clone(): ["x{city}\"", {"n": [1, null, -0.5], "é\n": "{city}"}]});
            let template = Template::json(value.as_object().expect("object"), &names()).expect("compiles");
            let filled: Value = serde_json::from_str(&template.fill_json(|_| &captured)).expect("JSON");
            prop_assert_eq!(
                filled,
                serde_json::json!({key: [format!("x{captured}\""), {"n": [1, null, -0.5], "é\n": captured}]})
            );
        }

        #[test]
        fn any_template_compiles_or_says_why(text in "[{}a-z_0-9 \"é]{0,24}") {
            if let Ok(template) = Template::text(&text, &names()) {
                template.fill(|_| "x");
            }
        }
    }
}
