//! The fields of one object of the configuration, read by name and type.
//!
//! An object says once which keys it knows; any other key is a problem that names the nearest known one. Each
//! accessor answers `None` for an absent field *and* for a wrong one (which it has noted): a reader goes on either way.

use std::fmt::Display;
use std::str::FromStr;

use jiff::SignedDuration;

use super::duration;
use super::node::{Node, Value};
use super::problem::{Place, Problems, shown};
use super::size;

/// One object.
pub(super) struct Fields<'a> {
    pub place: &'a Place,
    pub problems: &'a Problems,
    map: &'a [(String, Node)],
}

impl<'a> Fields<'a> {
    /// The fields of `node`, which must be a map with no key but `known`.
    pub(super) fn of(node: &'a Node, known: &[&str], problems: &'a Problems) -> Option<Self> {
        let Value::Map(map) = &node.value else {
            problems.at(&node.place, format!("a map is needed here, not {}", node.value.kind()));
            return None;
        };
        for (key, _) in map.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            problems.at(&node.place.key(key), unknown_key(key, known));
        }
        Some(Self { place: &node.place, problems, map })
    }

    /// The value of `key`; a key without a value (`key:`) is an absent one.
    pub(super) fn node(&self, key: &str) -> Option<&'a Node> {
        self.map
            .iter()
            .find(|(name, node)| name == key && !matches!(node.value, Value::Null))
            .map(|(_, node)| node)
    }

    /// Notes a problem with `key`.
    pub(super) fn refuse(&self, key: &str, reason: impl Into<String>) {
        self.problems.at(&self.place_of(key), reason);
    }

    /// Where `key` stands, or would stand.
    pub(super) fn place_of(&self, key: &str) -> Place {
        self.node(key).map_or_else(|| self.place.key(key), |node| node.place.clone())
    }

    fn wrong(&self, node: &Node, needed: &str) {
        let hint = if needed == "text" && matches!(node.value, Value::Bool(_) | Value::Number(_)) {
            "; put it in quotes"
        } else {
            ""
        };
        self.problems.at(&node.place, format!("{needed} is needed here, not {}{hint}", node.value.kind()));
    }

    /// Text.
    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        let node = self.node(key)?;
        let text = text_of(node);
        if text.is_none() {
            self.wrong(node, "text");
        }
        text
    }

    /// Text, or a whole number written without quotes (ids and versions are often written so).
    pub(super) fn text_or_number(&self, key: &str) -> Option<String> {
        let node = self.node(key)?;
        match &node.value {
            Value::Text(text) => Some(text.clone()),
            Value::Number(number) if number.is_u64() => Some(number.to_string()),
            _ => {
                self.wrong(node, "text");
                None
            }
        }
    }

    /// Text that `T` can be read from.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&self, key: &str) -> Option<T> {
        self.parsed_with(key, str::parse)
    }

    /// Text that `read` makes something of.
    pub(super) fn parsed_with<T, E: Display>(
        &self,
        key: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(key)?;
        read(text).map_err(|error| self.refuse(key, format!("{error}"))).ok()
    }

    /// Text that `T` can be read from, and that must be there.
    pub(super) fn required<T: FromStr<Err: Display>>(&self, key: &str) -> Option<T> {
        self.present(key)?;
        self.parsed(key)
    }

    /// Notes that `key` is missing, if it is.
    pub(super) fn present(&self, key: &str) -> Option<&'a Node> {
        let node = self.node(key);
        if node.is_none() {
            self.refuse(key, "missing");
        }
        node
    }

    /// True or false.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        let node = self.node(key)?;
        match node.value {
            Value::Bool(flag) => Some(flag),
            _ => {
                self.wrong(node, "true or false");
                None
            }
        }
    }

    /// A whole number from 0.
    pub(super) fn whole(&self, key: &str) -> Option<u64> {
        let node = self.node(key)?;
        let number = if let Value::Number(number) = &node.value { number.as_u64() } else { None };
        if number.is_none() {
            self.wrong(node, "a whole number from 0");
        }
        number
    }

    /// A duration such as `1h`, `30m` or `90s`.
    pub(super) fn duration(&self, key: &str) -> Option<SignedDuration> {
        let node = self.node(key)?;
        let Some(text) = text_of(node) else {
            self.wrong(node, "a duration such as 1h, 30m or 90s");
            return None;
        };
        duration::parse(text).map_err(|error| self.refuse(key, error.to_string())).ok()
    }

    /// A duration between two others.
    pub(super) fn duration_within(
        &self,
        key: &str,
        least: SignedDuration,
        most: SignedDuration,
    ) -> Option<SignedDuration> {
        let value = self.duration(key)?;
        if (least..=most).contains(&value) {
            return Some(value);
        }
        self.refuse(key, format!("between {} and {} is needed", duration::show(least), duration::show(most)));
        None
    }

    /// An amount of memory such as `512MiB`, between two others.
    pub(super) fn size_within(&self, key: &str, least: u64, most: u64) -> Option<u64> {
        let value = self.parsed_with(key, size::parse)?;
        if (least..=most).contains(&value) {
            return Some(value);
        }
        self.refuse(key, format!("between {} and {} is needed", size::show(least), size::show(most)));
        None
    }

    /// The elements of a list; none if absent.
    pub(super) fn list(&self, key: &str) -> &'a [Node] {
        match self.node(key) {
            None => &[],
            Some(Node { value: Value::List(list), .. }) => list,
            Some(node) => {
                self.wrong(node, "a list");
                &[]
            }
        }
    }

    /// The entries of a map; none if absent.
    pub(super) fn entries(&self, key: &str) -> &'a [(String, Node)] {
        match self.node(key) {
            None => &[],
            Some(Node { value: Value::Map(map), .. }) => map,
            Some(node) => {
                self.wrong(node, "a map");
                &[]
            }
        }
    }

    /// A list of texts.
    pub(super) fn texts(&self, key: &str) -> Vec<(&'a Place, &'a str)> {
        let text = |node: &'a Node| {
            let text = text_of(node);
            if text.is_none() {
                self.wrong(node, "text");
            }
            Some((&node.place, text?))
        };
        self.list(key).iter().filter_map(text).collect()
    }

    /// One word out of a few.
    pub(super) fn word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.refuse(key, format!("{} is not one of {}", shown(text), all.join(", ")));
        }
        found
    }
}

/// The text of a node, if it is text.
pub(super) fn text_of(node: &Node) -> Option<&str> {
    if let Value::Text(text) = &node.value { Some(text) } else { None }
}

/// What to say about a key that nobody knows.
pub(super) fn unknown_key(key: &str, known: &[&str]) -> String {
    match nearest(key, known) {
        Some(near) => format!("unknown key; did you mean {near}?"),
        None => format!("unknown key; known here: {}", known.join(", ")),
    }
}

/// The known word that was most likely meant, if any is near enough to be worth naming.
pub(super) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    // The distance costs the product of the lengths: a word of a megabyte is not a slip of the hand.
    if word.len() > 100 {
        return None;
    }
    let folded = word.to_ascii_lowercase().replace('-', "_");
    let close = |k: &&&str| strsim::osa_distance(&folded, k) <= (k.len() / 3).max(1);
    let by_distance = known.iter().filter(close).min_by_key(|k| strsim::osa_distance(&folded, k));
    let part = |k: &&&str| folded.len().min(k.len()) >= 4 && (k.contains(&folded) || folded.contains(**k));
    by_distance.or_else(|| known.iter().find(part)).copied()
}
