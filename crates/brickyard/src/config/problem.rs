//! What is wrong with a configuration: the file, the key and the reason, and *all* of it at once.
//!
//! Somebody who mends a configuration wants one list, not one error a run. So readers never stop at a problem:
//! they note it in [`Problems`] and go on with what is left; only the end of the load turns the list into an error.
//!
//! **Rule:** a reason names keys, types and names of objects, never the value of a field that may hold a secret.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

/// More than this many are counted, not kept: a generated file with one mistake a line stays readable.
const KEPT: usize = 200;

/// Where in the configuration something stands. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Place(Arc<Step>);

#[derive(PartialEq, Eq)]
enum Step {
    File(Arc<str>),
    Key(Place, String),
    Index(Place, usize),
}

impl Place {
    /// The top of a file.
    pub fn file(name: &str) -> Self {
        Self(Arc::new(Step::File(name.into())))
    }

    /// The value of `key` in the map that stands here.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        Self(Arc::new(Step::Key(self.clone(), key.to_owned())))
    }

    /// The element `index` of the list that stands here.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        Self(Arc::new(Step::Index(self.clone(), index)))
    }

    /// The file's name, as it was given or found.
    pub fn file_name(&self) -> &str {
        match &*self.0 {
            Step::File(name) => name,
            Step::Key(parent, _) | Step::Index(parent, _) => parent.file_name(),
        }
    }

    /// The path of keys inside the file: `serving_endpoints[0].config`; empty for the file itself.
    pub fn key_path(&self) -> String {
        match &*self.0 {
            Step::File(_) => String::new(),
            Step::Index(parent, index) => format!("{}[{index}]", parent.key_path()),
            Step::Key(parent, key) => {
                let path = parent.key_path();
                let plain =
                    !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
                match (plain, path.is_empty()) {
                    (true, true) => key.clone(),
                    (true, false) => format!("{path}.{key}"),
                    (false, _) => format!("{path}[{}]", shown(key)),
                }
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.key_path();
        if path.is_empty() {
            f.write_str(self.file_name())
        } else {
            write!(f, "{}: {path}", self.file_name())
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text from a configuration, quoted, cut to 80 characters and without anything that could confuse a terminal.
pub(super) fn shown(text: &str) -> String {
    let cut: String = text.chars().take(80).collect();
    format!("{cut:?}")
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// Line and column, when the text could not even be read as YAML.
    pub position: Option<(usize, usize)>,
    /// The key path inside the file; empty if the whole file is meant.
    pub key: String,
    /// The reason, and what to write instead.
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some((line, column)) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// A configuration that cannot be used: every problem found, in the order of the files.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The problems, at least one.
    pub problems: Vec<Problem>,
    /// How many more were found and not kept.
    pub more: usize,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        if self.more > 0 {
            write!(f, "\n... and {} more", self.more)?;
        }
        Ok(())
    }
}

/// The list that readers add to.
#[derive(Default)]
pub(super) struct Problems(RefCell<(Vec<Problem>, usize)>);

impl Problems {
    /// Notes that the value at `place` is wrong.
    pub(super) fn at(&self, place: &Place, reason: impl Into<String>) {
        self.note(Problem {
            file: place.file_name().to_owned(),
            position: None,
            key: place.key_path(),
            reason: reason.into(),
        });
    }

    /// Notes any problem.
    pub(super) fn note(&self, problem: Problem) {
        let (kept, more) = &mut *self.0.borrow_mut();
        if kept.len() < KEPT { kept.push(problem) } else { *more += 1 }
    }

    /// How many were noted so far.
    pub(super) fn count(&self) -> usize {
        let (kept, more) = &*self.0.borrow();
        kept.len() + more
    }

    /// The end of a load: `value` if nothing was noted.
    pub(super) fn finish<T>(self, value: Option<T>) -> Result<T, ConfigError> {
        let (problems, more) = self.0.into_inner();
        match value {
            Some(value) if problems.is_empty() => Ok(value),
            _ => Err(ConfigError { problems, more }),
        }
    }
}
