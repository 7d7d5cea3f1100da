//! From `--config` paths to one tree for each top-level key.
//!
//! A path is a file or a folder; of a folder, every `*.yaml` and `*.sql` in name order (not of folders inside it: they
//! hold agents and data). Files are merged by top-level key: lists are concatenated, maps are merged, and a scalar that
//! two files give differently is a problem that names both. Values keep the place they came from.

use std::path::{Path, PathBuf};

use super::collections;
use super::node::{self, Node, Value};
use super::problem::{Place, Problem, Problems};
use super::seed_files::{self, SeedFile};

/// A configuration file larger than this is the wrong file.
const LARGEST: u64 = 32 * 1024 * 1024;

/// The merged tree: a top-level key and its value, in the order of first appearance.
#[derive(Default)]
pub(super) struct Merged {
    pub files: Vec<PathBuf>,
    pub sections: Vec<(&'static str, Node)>,
    pub seeds: Vec<SeedFile>,
}

impl Merged {
    /// The value of one top-level key.
    pub(super) fn section(&self, key: &str) -> Option<&Node> {
        self.sections.iter().find(|(name, _)| *name == key).map(|(_, node)| node)
    }

    /// Adds one file's text.
    pub(super) fn add(&mut self, file: &str, text: &str, problems: &Problems) {
        let Some(Node { place, value }) = node::read(file, text, problems) else { return };
        let map = match value {
            Value::Map(map) => map,
            Value::Null => return,
            other => {
                return problems.at(&place, format!("a map of collections is needed, not {}", other.kind()));
            }
        };
        for (key, node) in map {
            let Some(known) = collections::known(&key) else {
                problems.at(&node.place, collections::unknown(&key));
                continue;
            };
            match self.sections.iter_mut().find(|(name, _)| *name == known) {
                Some((_, old)) => merge(old, node, problems),
                None => self.sections.push((known, node)),
            }
        }
    }
}

fn merge(old: &mut Node, new: Node, problems: &Problems) {
    match (&mut old.value, new.value) {
        (_, Value::Null) => {}
        (Value::Null, value) => *old = Node { place: new.place, value },
        (Value::List(list), Value::List(more)) => list.extend(more),
        (Value::Map(map), Value::Map(more)) => {
            for (key, node) in more {
                match map.iter_mut().find(|(name, _)| *name == key) {
                    Some((_, old)) => merge(old, node, problems),
                    None => map.push((key, node)),
                }
            }
        }
        (Value::Bool(one), Value::Bool(other)) if *one == other => {}
        (Value::Number(one), Value::Number(other)) if *one == other => {}
        (Value::Text(one), Value::Text(other)) if *one == other => {}
        _ => problems
            .at(&new.place, format!("{} gives another value; keep one of the two", old.place.file_name())),
    }
}

/// Reads and merges everything that `paths` name.
pub(super) fn load(paths: &[PathBuf], problems: &Problems) -> Merged {
    let mut merged = Merged::default();
    for file in paths.iter().flat_map(|path| expand(path, problems)) {
        // The same file by two roads is one file, not a list of duplicates.
        if merged.files.contains(&file) {
            continue;
        }
        if let Some(text) = text(&file, problems) {
            if is_sql(&file) {
                merged.seeds.extend(seed_files::read(&file, &text, problems));
            } else {
                merged.add(&file.display().to_string(), &text, problems);
            }
        }
        merged.files.push(file);
    }
    merged
}

fn whole_file(path: &Path, problems: &Problems, reason: impl Into<String>) {
    let file = path.display().to_string();
    problems.note(Problem { file, position: None, key: String::new(), reason: reason.into() });
}

fn expand(path: &Path, problems: &Problems) -> Vec<PathBuf> {
    match std::fs::metadata(path) {
        Err(error) => {
            whole_file(path, problems, format!("cannot be read: {error}"));
            return Vec::new();
        }
        Ok(about) if !about.is_dir() => {
            return vec![path.to_owned()];
        }
        Ok(_) => {}
    }
    let entries = match std::fs::read_dir(path).and_then(|entries| entries.collect::<Result<Vec<_>, _>>()) {
        Ok(entries) => entries,
        Err(error) => {
            whole_file(path, problems, format!("cannot be listed: {error}"));
            return Vec::new();
        }
    };
    let mut files: Vec<PathBuf> =
        entries.into_iter().map(|entry| entry.path()).filter(|file| file.is_file()).collect();
    files.sort();
    files.retain(|file| {
        let hidden = file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let extension = file.extension().and_then(|extension| extension.to_str());
        if hidden {
            return false;
        }
        if extension == Some("yml") {
            whole_file(
                file,
                problems,
                "only *.yaml and *.sql are read from a folder; rename it, or it would be left out silently",
            );
        }
        matches!(extension, Some("yaml" | "sql"))
    });
    files
}

fn is_sql(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "sql")
}

fn text(file: &Path, problems: &Problems) -> Option<String> {
    let bytes = match std::fs::metadata(file) {
        Ok(about) if !about.is_file() => Err("is not a file".to_owned()),
        Ok(about) if about.len() > LARGEST => Err("is larger than 32 MB".to_owned()),
        Ok(_) => std::fs::read(file).map_err(|error| format!("cannot be read: {error}")),
        Err(error) => Err(format!("cannot be read: {error}")),
    };
    match bytes.and_then(|bytes| {
        String::from_utf8(bytes)
            .map_err(|error| format!("is not UTF-8 (byte {})", error.utf8_error().valid_up_to()))
    }) {
        Ok(text) => Some(text),
        Err(reason) => {
            whole_file(file, problems, reason);
            None
        }
    }
}

/// The folder that a place's file is in: relative paths start there.
pub(super) fn folder_of(place: &Place) -> PathBuf {
    Path::new(place.file_name()).parent().map(Path::to_owned).unwrap_or_default()
}

/// The same path for a process that stands elsewhere. Links are kept: they are the user's own.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
