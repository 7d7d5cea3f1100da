//! Which environment was built for a model's requirements before.
//!
//! To name an environment one has to know the interpreter, and to know that one has to run two or three programs: half a
//! second in which no agent starts. So a build leaves a note, `<data>/environments/<hash of what was asked>.known`, with
//! the environment's name. It counts for as long as that environment's interpreter is there; a newer patch release of
//! Python on the search path does not build everything anew.

use std::path::{Path, PathBuf};

use super::{FORMAT, Interpreter, digest};
use crate::model::LoggedModel;

/// The note of one model's requirements.
pub(super) struct Known<'a> {
    root: &'a Path,
    note: PathBuf,
    /// The minor version of Python that was asked for, as `3.11.`.
    minor: Option<String>,
}

impl<'a> Known<'a> {
    pub(super) fn of(root: &'a Path, model: &LoggedModel) -> Self {
        let wanted = model.python_version.as_deref();
        let place = (std::env::consts::OS, std::env::consts::ARCH);
        let asked = format!("{FORMAT}\n{wanted:?}\n{}\n{}\n", place.0, place.1);
        let note = root.join(format!("{}.known", digest(asked, &model.requirements)));
        let minor = wanted.map(|wanted| wanted.split('.').take(2).map(|part| format!("{part}.")).collect());
        Self { root, note, minor }
    }

    /// The environment's name and its interpreter, if both are there.
    pub(super) fn environment(&self) -> Option<(String, PathBuf)> {
        let name = std::fs::read_to_string(&self.note).ok()?;
        // A note that was cut, or that somebody wrote, leads nowhere else.
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let python = self.root.join(&name).join("bin/python");
        python.exists().then_some((name, python))
    }

    /// Remembers what was built. Not if it was built with another Python than the model asks for: that one may come.
    pub(super) fn remember(&self, name: &str, interpreter: &Interpreter) {
        if self.minor.as_ref().is_none_or(|minor| interpreter.version.starts_with(minor)) {
            // Without the note the next start asks again.
            let _ = std::fs::write(&self.note, name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(dir: &Path) -> LoggedModel {
        let text = "flavors: {python_function: {loader_module: x, python_version: 3.11.1}}\n";
        std::fs::write(dir.join("MLmodel"), text).expect("written");
        std::fs::write(dir.join("requirements.txt"), "requests\n").expect("written");
        LoggedModel::read(dir).expect("a model")
    }

    fn built(root: &Path, name: &str) -> PathBuf {
        let python = root.join(name).join("bin/python");
        std::fs::create_dir_all(python.parent().expect("a folder")).expect("made");
        std::fs::write(&python, "").expect("written");
        python
    }

    fn interpreter(version: &str) -> Interpreter {
        Interpreter { path: "/usr/bin/python3".into(), version: version.to_owned() }
    }

    #[test]
    fn an_environment_is_known_for_as_long_as_its_interpreter_is_there() {
        let dir = tempfile::TempDir::new().expect("a folder");
        let (root, model) = (dir.path(), model(dir.path()));
        let known = Known::of(root, &model);
        assert_eq!(known.environment(), None);
        let python = built(root, "0a1b");
        known.remember("0a1b", &interpreter("3.11.9"));
        assert_eq!(Known::of(root, &model).environment(), Some(("0a1b".to_owned(), python.clone())));
        std::fs::remove_file(python).expect("removed");
        assert_eq!(known.environment(), None);
    }

    #[test]
    fn a_substitute_for_the_python_that_was_asked_for_is_not_remembered() {
        let dir = tempfile::TempDir::new().expect("a folder");
        let model = model(dir.path());
        built(dir.path(), "0a1b");
        for other in ["3.1.1", "3.12.0"] {
            Known::of(dir.path(), &model).remember("0a1b", &interpreter(other));
            assert_eq!(Known::of(dir.path(), &model).environment(), None, "{other}");
        }
    }

    #[test]
    fn a_note_leads_nowhere_but_to_an_environment() {
        let dir = tempfile::TempDir::new().expect("a folder");
        let model = model(dir.path());
        built(dir.path(), "elsewhere");
        for note in ["", "elsewhere", "../../usr", "0a1b"] {
            Known::of(dir.path(), &model).remember(note, &interpreter("3.11.0"));
            assert_eq!(Known::of(dir.path(), &model).environment(), None, "{note:?}");
        }
    }
}
