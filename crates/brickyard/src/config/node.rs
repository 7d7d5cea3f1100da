//! One YAML file as a tree whose every value knows its [`Place`].
//!
//! YAML has more in it than a configuration needs, and each extra is a way to be misread. What is accepted is
//! what JSON could say: maps with text keys, lists, text, numbers, true, false, null. Anchors work, within bounds.
//!
//! | hazard | answer |
//! |---|---|
//! | a key twice | refused, each by its path |
//! | a key that is not text (`1:`, `[a]:`, `null:`) | refused |
//! | tags (`!env X`), merge keys (`<<`) | refused |
//! | anchors that unfold into millions of values | refused at [`MOST_VALUES`] |
//! | nesting, several documents, not UTF-8 | refused by the parser, with the line |
//!
//! No `Debug`: a tree holds the secrets of the file.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{
    DeserializeSeed, EnumAccess, Error, IgnoredAny, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde_json::Number;

use super::problem::{Place, Problem, Problems, shown};

/// A file may unfold into this many values; a workspace of 10,000 endpoints needs a fifth.
const MOST_VALUES: usize = 1_500_000;

/// A value and where it stands.
#[derive(Clone)]
pub(super) struct Node {
    pub place: Place,
    pub value: Value,
}

/// What a YAML value can be here.
#[derive(Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    /// In the order of the file; keys are unique.
    Map(Vec<(String, Node)>),
}

impl Value {
    /// The kind, for messages: never the value.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

impl Node {
    /// The same as JSON: for the parts whose shape another crate owns.
    pub(super) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(flag) => (*flag).into(),
            Value::Number(number) => number.clone().into(),
            Value::Text(text) => text.as_str().into(),
            Value::List(list) => list.iter().map(Self::to_json).collect(),
            Value::Map(map) => map.iter().map(|(key, node)| (key.clone(), node.to_json())).collect(),
        }
    }
}

/// Reads the text of one file. `None` if it is not YAML at all, or has nothing in it.
pub(super) fn read(file: &str, text: &str, problems: &Problems) -> Option<Node> {
    read_within(MOST_VALUES, file, text, problems)
}

fn read_within(most: usize, file: &str, text: &str, problems: &Problems) -> Option<Node> {
    let place = Place::file(file);
    // A file of comments is an empty configuration, not an error.
    if text.lines().all(|line| matches!(line.trim().chars().next(), None | Some('#')) || line.trim() == "---")
    {
        return None;
    }
    let budget = Cell::new(most);
    let seed = Seed { place, budget: &budget, problems };
    match seed.deserialize(serde_yaml_ng::Deserializer::from_str(text)) {
        Ok(node) => Some(node),
        Err(error) => {
            problems.note(Problem {
                file: file.to_owned(),
                position: error.location().map(|at| (at.line(), at.column())),
                key: String::new(),
                reason: reason(&error),
            });
            None
        }
    }
}

/// The parser's text without the position, which the problem carries already.
fn reason(error: &serde_yaml_ng::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or(&text);
    match text {
        "recursion limit exceeded" => "nested too deeply, or an anchor holds itself".to_owned(),
        "repetition limit exceeded" => "anchors unfold into too many values".to_owned(),
        text if text.contains("more than one document") => {
            "one document a file: remove the second `---`".to_owned()
        }
        text => format!("not YAML: {text}"),
    }
}

#[derive(Clone)]
struct Seed<'a> {
    place: Place,
    budget: &'a Cell<usize>,
    problems: &'a Problems,
}

impl Seed<'_> {
    fn at(&self, place: Place) -> Self {
        Self { place, ..*self }
    }

    fn node(self, value: Value) -> Node {
        Node { place: self.place, value }
    }

    /// Notes the problem and goes on as if nothing stood here.
    fn refuse(self, reason: &str) -> Node {
        self.problems.at(&self.place, reason);
        self.node(Value::Null)
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Node;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        let Some(left) = self.budget.get().checked_sub(1) else {
            return Err(D::Error::custom("anchors unfold into too many values"));
        };
        self.budget.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(self.node(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(self.node(Value::Null))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Node, E> {
        Ok(self.node(Value::Bool(flag)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
        Ok(self.node(Value::Number(number.into())))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
        Ok(self.node(Value::Number(number.into())))
    }

    fn visit_u128<E>(self, _: u128) -> Result<Node, E> {
        Ok(self.refuse("the number is too large; if text is meant, put it in quotes"))
    }

    fn visit_i128<E>(self, _: i128) -> Result<Node, E> {
        Ok(self.refuse("the number is too large; if text is meant, put it in quotes"))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Node, E> {
        Ok(match Number::from_f64(number) {
            Some(number) => self.node(Value::Number(number)),
            None => self.refuse("not a finite number; if text is meant, put it in quotes"),
        })
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(self.node(Value::Text(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(node) = items.next_element_seed(self.at(self.place.index(list.len())))? {
            list.push(node);
        }
        Ok(self.node(Value::List(list)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map: Vec<(String, Node)> = Vec::new();
        let mut seen = HashSet::new();
        // A key is read as a value of its own, so that one that is no text can be named and passed over.
        while let Some(key) = entries.next_key_seed(self.clone())? {
            let Value::Text(key) = key.value else {
                self.problems.at(
                    &self.place,
                    format!("a key must be text, not {}; put it in quotes", key.value.kind()),
                );
                entries.next_value::<IgnoredAny>()?;
                continue;
            };
            let place = self.place.key(&key);
            if key == "<<" {
                self.problems.at(&self.place, "merge keys (<<) are not read; write the fields out");
                entries.next_value::<IgnoredAny>()?;
            } else if seen.insert(key.clone()) {
                let node = entries.next_value_seed(self.at(place))?;
                map.push((key, node));
            } else {
                self.problems.at(&place, format!("the key {} stands here twice", shown(&key)));
                entries.next_value::<IgnoredAny>()?;
            }
        }
        Ok(self.node(Value::Map(map)))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Node, A::Error> {
        let (_, content) = tagged.variant::<IgnoredAny>()?;
        content.newtype_variant::<IgnoredAny>()?;
        Ok(self.refuse("YAML tags (!...) are not read"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_cannot_unfold_without_bound_and_nesting_cannot_overflow() {
        let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (one, other) in "abcdefgh".chars().zip("bcdefghi".chars()) {
            bomb.push_str(&format!("{other}: &{other} [{}]\n", vec![format!("*{one}"); 9].join(", ")));
        }
        // Quadratic: one long list, named many times.
        let long = format!("a: &a [{}]\nb: [{}]\n", "x,".repeat(500), "*a,".repeat(500));
        let nested = format!("users: {}", "[".repeat(1_000));
        for (text, reason) in [
            (bomb, "anchors unfold into too many values"),
            (long, "anchors unfold into too many values"),
            (nested, "nested too deeply, or an anchor holds itself"),
            ("a: &a [*a]".to_owned(), "nested too deeply, or an anchor holds itself"),
        ] {
            let problems = Problems::default();
            assert!(read_within(10_000, "c.yaml", &text, &problems).is_none());
            let told = problems.finish(Some(())).expect_err("refused").to_string();
            assert!(told.ends_with(reason), "{told}");
        }
    }
}
