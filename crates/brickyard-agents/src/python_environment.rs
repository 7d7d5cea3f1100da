//! Builds the Python environment that a logged model asks for, once for each content.
//!
//! ```text
//!  requirements + python + platform --hash--> <data>/environments/<hash>/bin/python      there: used as it is
//!                                              <data>/environments/<hash>.<n>.building   else: built here, renamed
//!  requirements ----------------------hash--> <data>/environments/<hash>.known           which of them, without asking
//! ```
//!
//! A build belongs to the developer, not to the agent: `uv` runs with the developer's own proxy, certificates and
//! package index settings. Only agents start from an empty environment.

mod build_log;
mod known;
mod tools;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

pub use build_log::BuildLog;
use known::Known;
use tools::{Interpreter, Uv};

use crate::model::LoggedModel;

/// Counted up when the way of building changes, so that older environments are not taken for new ones.
const FORMAT: &str = "2";

/// What every agent imports; run as a program, it keeps what makes these imports shorter.
pub(crate) const IMPORTS: &str = include_str!("../python/brickyard_imports.py");
/// Where it is kept in an environment; `brickyard_imports.py` looks there.
const KEPT: &str = "brickyard-kept-imports";

/// Why there is no environment.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// No interpreter of a usable version is there.
    #[error(
        "no Python 3.10 or newer was found (tried {tried}); install one, or name one with `python:` or BRICKYARD_PYTHON"
    )]
    NoPython {
        /// What was tried.
        tried: String,
    },
    /// The interpreter that was named cannot be used.
    #[error("the Python interpreter {} cannot be used: {reason}", python.display())]
    Interpreter {
        /// Which.
        python: PathBuf,
        /// Why.
        reason: String,
    },
    /// `uv` is not there and could not be installed.
    #[error(
        "uv was not found and could not be installed: {reason}; install it, or name an interpreter with `python:` or BRICKYARD_PYTHON"
    )]
    NoUv {
        /// Why.
        reason: String,
    },
    /// The model names no requirements.
    #[error("{} has neither requirements.txt nor python_env.yaml with dependencies; log the model again, or name an interpreter with `python:`", dir.display())]
    NoRequirements {
        /// The model's folder.
        dir: PathBuf,
    },
    /// A step of the build failed.
    #[error("{step} failed ({status}); the build log says:\n{log}")]
    Step {
        /// Which.
        step: String,
        /// How.
        status: String,
        /// The end of the build log.
        log: String,
    },
    /// The disk or the operating system refused.
    #[error("{what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl BuildError {
    /// What happened, for those who are not to read the log.
    pub fn without_log(&self) -> String {
        match self {
            Self::Step { step, status, .. } => format!("{step} failed ({status})"),
            other => other.to_string(),
        }
    }

    /// The end of the build log.
    pub fn log(&self) -> Option<&str> {
        if let Self::Step { log, .. } = self { Some(log) } else { None }
    }
}

/// What an agent needs to run.
#[derive(Debug, Clone)]
pub struct EnvironmentRequest<'a> {
    /// The model.
    pub model: &'a LoggedModel,
    /// An interpreter to use as it is, instead of building (`python:`, `BRICKYARD_PYTHON`).
    pub python: Option<&'a Path>,
}

/// The cache of built environments.
#[derive(Debug, Clone)]
pub struct PythonEnvironments {
    root: PathBuf,
    home: Option<PathBuf>,
}

impl PythonEnvironments {
    /// Environments under `<data_dir>/environments`. `home` is the developer's, where `uv` may be installed.
    pub fn new(data_dir: &Path, home: Option<PathBuf>) -> Self {
        Self { root: data_dir.join("environments"), home }
    }

    /// The interpreter for `request`, built if it is not there yet.
    ///
    /// # Errors
    /// If there is no Python, no `uv`, no network, or a requirement that cannot be installed.
    pub async fn prepare(
        &self,
        request: &EnvironmentRequest<'_>,
        log: &BuildLog,
    ) -> Result<PathBuf, BuildError> {
        if let Some(python) = request.python {
            let found = Interpreter::at(python)
                .await
                .map_err(|reason| BuildError::Interpreter { python: python.to_owned(), reason })?;
            log.line(format!(
                "Using the interpreter {} (Python {}) as it is.",
                python.display(),
                found.version
            ));
            return Ok(found.path);
        }
        let model = request.model;
        if model.requirements.is_empty() {
            return Err(BuildError::NoRequirements { dir: model.dir.clone() });
        }
        let known = Known::of(&self.root, model);
        if let Some((hash, python)) = known.environment() {
            log.line(format!("The environment {hash} is there already."));
            return Ok(python);
        }
        let interpreter =
            Interpreter::find(model.python_version.as_deref(), self.home.as_deref(), log).await?;
        let hash = content_hash(model, &interpreter);
        let place = self.root.join(&hash);
        let python = place.join("bin/python");
        if python.exists() {
            log.line(format!("The environment {hash} is there already."));
        } else {
            make_dir(&self.root)?;
            let _turn = self.turn(&hash, log).await?;
            if python.exists() {
                log.line(format!("The environment {hash} was built meanwhile."));
            } else {
                self.build(model, &interpreter, &place, log).await?;
            }
        }
        known.remember(&hash, &interpreter);
        Ok(python)
    }

    async fn build(
        &self,
        model: &LoggedModel,
        interpreter: &Interpreter,
        place: &Path,
        log: &BuildLog,
    ) -> Result<(), BuildError> {
        let uv = Uv::find(self.home.as_deref(), interpreter, &self.root.join("uv-bootstrap"), log).await?;
        let unfinished = Unfinished::new(place);
        let building = unfinished.0.as_path();
        log.line(format!(
            "Building the environment {} with Python {}.",
            place.display(),
            interpreter.version
        ));

        let mut venv = uv.command();
        venv.args(["venv", "--relocatable", "--no-python-downloads", "--no-project", "--python"])
            .arg(&interpreter.path)
            .arg(building);
        tools::run("uv venv", venv, log).await?;

        let requirements = building.join("requirements.txt");
        let mut install = uv.command();
        install
            // Else the first request of the first worker waits while Python compiles what it imports.
            .args(["pip", "install", "--compile-bytecode", "--no-python-downloads", "--python"])
            .arg(building.join("bin/python"));
        // Read where mlflow wrote it: a requirement may be a file beside it.
        let list = match &model.requirements_file {
            Some(file) => file,
            None => {
                std::fs::write(&requirements, model.requirements.join("\n") + "\n").map_err(|source| {
                    BuildError::Io { what: "cannot write", path: requirements.clone(), source }
                })?;
                &requirements
            }
        };
        install.arg("--requirement").arg(absolute(list)?).current_dir(&model.dir);
        for (name, value) in tools::pip_settings(interpreter).await {
            install.env(name, value);
        }
        tools::run("uv pip install", install, log).await?;

        log.line("Importing once what agents import.");
        let mut imports = developer_command(building.join("bin/python"));
        imports.args(["-I", "-c", IMPORTS]).arg(building.join(KEPT));
        // Without what it keeps each start of an agent takes longer; what an agent cannot import, it will say itself.
        if let Err(error) = tools::run("import", imports, log).await {
            log.line(error.to_string());
        }

        std::fs::rename(building, place).map_err(|source| BuildError::Io {
            what: "cannot rename the new environment to",
            path: place.to_owned(),
            source,
        })?;
        log.line("The environment is ready.");
        Ok(())
    }

    /// Waits for the right to build `hash`; whoever held it before may have built it.
    async fn turn(&self, hash: &str, log: &BuildLog) -> Result<std::fs::File, BuildError> {
        let path = self.root.join(format!("{hash}.lock"));
        let io_error = |source| BuildError::Io { what: "cannot lock", path: path.clone(), source };
        let file = std::fs::File::create(&path).map_err(io_error)?;
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(std::fs::TryLockError::WouldBlock) => {}
                Err(std::fs::TryLockError::Error(error)) => return Err(io_error(error)),
            }
            if !told {
                log.line(format!("Waiting for somebody else who builds the environment {hash}."));
                told = true;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// A folder that is removed unless it was renamed: half an environment is none.
struct Unfinished(PathBuf);

impl Unfinished {
    fn new(place: &Path) -> Self {
        let mut name = place.as_os_str().to_owned();
        name.push(format!(".{}.building", std::process::id()));
        let unfinished = Self(name.into());
        // Left by an earlier process of this number: whoever holds the lock may clear it.
        let _ = std::fs::remove_dir_all(&unfinished.0);
        unfinished
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn make_dir(path: &Path) -> Result<(), BuildError> {
    std::fs::create_dir_all(path).map_err(|source| BuildError::Io {
        what: "cannot make",
        path: path.to_owned(),
        source,
    })
}

fn absolute(path: &Path) -> Result<PathBuf, BuildError> {
    std::path::absolute(path).map_err(|source| BuildError::Io {
        what: "cannot find",
        path: path.to_owned(),
        source,
    })
}

fn content_hash(model: &LoggedModel, interpreter: &Interpreter) -> String {
    let head = format!(
        "{FORMAT}\n{}\n{}\n{}\n{}\n",
        interpreter.version,
        interpreter.path.display(),
        std::env::consts::OS,
        std::env::consts::ARCH
    );
    digest(head, &model.requirements)
}

/// A name for `head` and the requirements: 32 hexadecimal digits.
fn digest(head: String, requirements: &[String]) -> String {
    let mut content = head;
    for line in requirements {
        content.push_str(line);
        content.push('\n');
    }
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, content.as_bytes());
    digest.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// A command that inherits the developer's environment, ends with its future, and asks nobody.
fn developer_command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(std::process::Stdio::null()).kill_on_drop(true);
    command
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn model(dir: &Path, requirements: &str) -> LoggedModel {
        std::fs::write(
            dir.join("MLmodel"),
            "flavors: {python_function: {loader_module: x, python_version: 3.99.1}}\n",
        )
        .expect("written");
        std::fs::write(dir.join("requirements.txt"), requirements).expect("written");
        LoggedModel::read(dir).expect("a model")
    }

    #[tokio::test]
    async fn an_environment_is_built_once_whoever_asks_and_however_often() {
        let dir = tempfile::TempDir::new().expect("a folder");
        let project = dir.path().join("tiny");
        std::fs::create_dir(&project).expect("made");
        // A wheel of our own beside the model: nothing is fetched.
        std::fs::write(project.join("make.py"), WHEEL).expect("written");
        let made = std::process::Command::new("python3")
            .arg("make.py")
            .current_dir(&project)
            .status()
            .expect("python3");
        assert!(made.success());
        assert!(IMPORTS.contains(&format!("FILE = {KEPT:?}")));
        let model = model(&project, "./tiny_agent-1.0-py3-none-any.whl\n");
        let environments = PythonEnvironments::new(dir.path(), None);
        let log = BuildLog::new(None);
        let request = EnvironmentRequest { model: &model, python: None };
        let (one, two) =
            tokio::join!(environments.prepare(&request, &log), environments.prepare(&request, &log));
        let python = one.expect("built");
        assert_eq!(two.expect("built"), python);
        let text = log.text();
        assert_eq!(text.matches("The environment is ready.").count(), 1, "{text}");
        assert!(text.contains("Python 3.99.1"), "{text}");
        let answer =
            std::process::Command::new(&python).args(["-c", "import tiny_agent"]).status().expect("runs");
        assert!(answer.success());
        let kept = python.ancestors().nth(2).expect("the environment").join(KEPT);
        assert!(kept.exists(), "{text}");
        let left: Vec<_> =
            std::fs::read_dir(dir.path().join("environments")).expect("there").flatten().collect();
        assert!(!left.iter().any(|entry| entry.file_name().to_string_lossy().contains("building")));

        // A later brickyard on the same folder builds none.
        let log = BuildLog::new(None);
        let later = PythonEnvironments::new(dir.path(), None);
        assert_eq!(later.prepare(&request, &log).await.expect("there"), python);
        let name = python.ancestors().nth(2).and_then(Path::file_name).expect("a name").to_string_lossy();
        let text = log.text();
        assert!(text.ends_with(&format!("The environment {name} is there already.\n")), "{text}");
    }

    #[test]
    fn other_requirements_and_another_python_are_another_environment() {
        let dir = tempfile::TempDir::new().expect("a folder");
        let python =
            |version: &str, path: &str| Interpreter { version: version.to_owned(), path: path.into() };
        let of = |requirements: &str, interpreter: &Interpreter| {
            content_hash(&model(dir.path(), requirements), interpreter)
        };
        let usual = python("3.11.7", "/usr/bin/python3");
        let first = of("mlflow==3.17.2\n", &usual);
        assert_eq!(of("mlflow==3.17.2\n", &usual), first);
        let all = [
            first,
            of("mlflow==3.17.1\n", &usual),
            of("mlflow==3.17.2\nrequests\n", &usual),
            of("mlflow==3.17.2\n", &python("3.11.8", "/usr/bin/python3")),
            of("mlflow==3.17.2\n", &python("3.11.7", "/opt/bin/python3")),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len(), "{all:?}");
    }

    const WHEEL: &str = "
import zipfile
with zipfile.ZipFile('tiny_agent-1.0-py3-none-any.whl', 'w') as wheel:
    info = 'tiny_agent-1.0.dist-info/'
    wheel.writestr('tiny_agent.py', '')
    wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: tiny-agent\\nVersion: 1.0\\n')
    wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: hand\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr(info + 'RECORD', 'tiny_agent.py,,\\n' + info + 'METADATA,,\\n' + info + 'WHEEL,,\\n' + info + 'RECORD,,\\n')
";

    #[tokio::test]
    async fn a_requirement_that_is_not_there_is_named_in_the_error_and_in_the_log() {
        let dir = tempfile::TempDir::new().expect("a folder");
        let model = model(dir.path(), "./missing-1.0-py3-none-any.whl\n");
        let seen = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let progress = Arc::clone(&seen);
        let log = BuildLog::new(Some(Arc::new(move |line: &str| progress.lock().push(line.to_owned()))));
        let environments = PythonEnvironments::new(dir.path(), None);
        let error = environments.prepare(&EnvironmentRequest { model: &model, python: None }, &log).await;
        let text = error.expect_err("nothing to install").to_string();
        assert!(text.starts_with("uv pip install failed") && text.contains("missing-1.0"), "{text}");
        assert!(seen.lock().iter().any(|line| line.contains("missing-1.0")));
    }

    #[tokio::test]
    async fn a_named_interpreter_is_used_as_it_is_or_refused_by_name() {
        let dir = tempfile::TempDir::new().expect("a folder");
        let model = model(dir.path(), "");
        let environments = PythonEnvironments::new(dir.path(), None);
        let log = BuildLog::new(None);
        let wrong = Path::new("/nowhere/python");
        let error =
            environments.prepare(&EnvironmentRequest { model: &model, python: Some(wrong) }, &log).await;
        assert!(
            error
                .expect_err("not there")
                .to_string()
                .starts_with("the Python interpreter /nowhere/python cannot be used")
        );
        let right = Interpreter::find(None, None, &log).await.expect("python3").path;
        let request = EnvironmentRequest { model: &model, python: Some(&right) };
        assert_eq!(environments.prepare(&request, &log).await.expect("usable"), right);
        let error = environments.prepare(&EnvironmentRequest { model: &model, python: None }, &log).await;
        assert!(matches!(error, Err(BuildError::NoRequirements { .. })));
    }
}
