//! Where a credential of the configuration comes from: `value`, `env` or `file`, exactly one.

use std::path::Path;

use brickyard_types::Secret;

use super::fields::Fields;

/// The keys that a secret's source may have.
pub(super) const KEYS: [&str; 3] = ["value", "env", "file"];

/// A secret's value is at most 128 KB, as Databricks has it; a file beyond is the wrong file.
const LARGEST: usize = 128 * 1024;

/// The process' environment as the configuration may see it. Only `main` knows the real one.
pub trait Environment: Send + Sync {
    /// The value of a variable, if it is set and is text.
    fn variable(&self, name: &str) -> Option<String>;
}

/// An environment without variables.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEnvironment;

impl Environment for NoEnvironment {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }
}

impl<S: std::hash::BuildHasher + Send + Sync> Environment for std::collections::HashMap<String, String, S> {
    fn variable(&self, name: &str) -> Option<String> {
        self.get(name).cloned()
    }
}

/// Reads the secret that an object names. `folder` is the one of the YAML file: paths start there.
pub(super) fn read(fields: &Fields<'_>, folder: &Path, environment: &dyn Environment) -> Option<Secret> {
    let given: Vec<&str> = KEYS.into_iter().filter(|key| fields.node(key).is_some()).collect();
    let [key] = given[..] else {
        let found = if given.is_empty() { "none".to_owned() } else { given.join(" and ") };
        fields.problems.at(fields.place, format!("exactly one of value, env, file is needed; found {found}"));
        return None;
    };
    let text = fields.text(key)?;
    let secret = match key {
        "env" => match environment.variable(text) {
            Some(value) => Secret::from(value),
            None => {
                fields.refuse(
                    key,
                    format!("the environment variable {} is not set", super::problem::shown(text)),
                );
                return None;
            }
        },
        "file" => from_file(fields, &folder.join(text))?,
        _ => Secret::from(text),
    };
    if secret.expose().is_empty() || secret.expose().len() > LARGEST {
        fields.refuse(key, "a secret of 1 byte to 128 KB is needed");
        return None;
    }
    Some(secret)
}

fn from_file(fields: &Fields<'_>, path: &Path) -> Option<Secret> {
    let bytes = match std::fs::metadata(path) {
        // Reading a pipe or a device may never end.
        Ok(about) if !about.is_file() => {
            fields.refuse("file", format!("{} is not a file", path.display()));
            return None;
        }
        Ok(about) if about.len() > LARGEST as u64 => {
            fields.refuse("file", format!("{} is larger than 128 KB", path.display()));
            return None;
        }
        Ok(_) => std::fs::read(path),
        Err(error) => Err(error),
    };
    match bytes {
        Ok(mut bytes) => {
            // Editors and `echo` end a file with one line break that is not part of the secret.
            if bytes.ends_with(b"\n") {
                bytes.pop();
                if bytes.ends_with(b"\r") {
                    bytes.pop();
                }
            }
            Some(Secret::new(bytes))
        }
        Err(error) => {
            fields.refuse("file", format!("{} cannot be read: {error}", path.display()));
            None
        }
    }
}
