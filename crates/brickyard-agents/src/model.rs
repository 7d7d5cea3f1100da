//! Reads a logged model: the folder that `mlflow.pyfunc.log_model` wrote.
//!
//! The folder comes from somebody else's machine. Nothing in it is believed: the code path is reduced to a file
//! name, links may not lead outside, files have a largest size, and every refusal names the file, the key and the
//! reason. Nothing of the model is executed here.

mod auth_policy;

use std::fs;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde_yaml_ng::{Mapping, Value};

pub use auth_policy::AuthPolicy;

const MLMODEL: &str = "MLmodel";
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// What a logged model says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedModel {
    /// The folder, as it was given.
    pub dir: PathBuf,
    /// `metadata.task`, e.g. `agent/v1/responses`; a plain `PythonModel` has none.
    pub task: Option<String>,
    /// `flavors.python_function.loader_module`.
    pub loader_module: String,
    /// The agent's code, a file inside `dir`, of a model that was logged from code.
    pub code: Option<PathBuf>,
    /// The Python that logged it, e.g. `3.11.7`.
    pub python_version: Option<String>,
    /// True if the model has `predict_stream`.
    pub streamable: bool,
    /// The requirements, a line each, as mlflow wrote them.
    pub requirements: Vec<String>,
    /// The file that `requirements` were read from.
    pub requirements_file: Option<PathBuf>,
    /// Names of the environment variables that the code read when it was logged.
    pub env_vars: Vec<String>,
    /// The mlflow that logged it.
    pub mlflow_version: Option<String>,
    /// True if a signature was logged with it.
    pub has_signature: bool,
    /// The credentials that it declared to need.
    pub auth_policy: AuthPolicy,
}

/// A logged model that cannot be served, and why.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file is missing or cannot be read.
    #[error("{}: {reason}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// A key of a file has a value that cannot be used.
    #[error("{}: {key}: {reason}", file.display())]
    Key {
        /// In which file.
        file: PathBuf,
        /// Which key, dotted.
        key: String,
        /// Why.
        reason: String,
    },
}

impl LoggedModel {
    /// Reads the model in `dir`.
    ///
    /// # Errors
    /// If a file is missing, too large, leads outside the folder, or holds something that cannot be served.
    pub fn read(dir: &Path) -> Result<Self, ModelError> {
        let folder = Folder { dir };
        let text = folder.read(MLMODEL)?.ok_or_else(|| {
            folder.file_error(MLMODEL, "not found; a folder written by mlflow.pyfunc.log_model is needed")
        })?;
        let document: Value = serde_yaml_ng::from_str(&text)
            .map_err(|error| folder.file_error(MLMODEL, format!("not valid YAML: {error}")))?;
        let Value::Mapping(document) = document else {
            return Err(folder.file_error(MLMODEL, "a mapping is needed at the top"));
        };
        let keys = Keys { folder: &folder, document: &document };

        let flavor =
            match keys.mapping("flavors", &document)?.and_then(|flavors| flavors.get("python_function")) {
                Some(Value::Mapping(flavor)) => flavor,
                _ => {
                    return Err(folder.key_error(
                        "flavors.python_function",
                        "missing; only models with the python_function flavor can be served",
                    ));
                }
            };
        let flavor_text = |key: &str| keys.text(&format!("flavors.python_function.{key}"), flavor.get(key));
        let loader_module = flavor_text("loader_module")?
            .ok_or_else(|| folder.key_error("flavors.python_function.loader_module", "missing"))?;
        let code = match flavor_text("model_code_path")? {
            Some(path) => Some(folder.code(&path)?),
            None => None,
        };
        let streamable = match flavor.get("streamable") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(streamable)) => *streamable,
            Some(_) => {
                return Err(folder.key_error("flavors.python_function.streamable", "true or false is needed"));
            }
        };
        let metadata = keys.mapping("metadata", &document)?;
        let (requirements, requirements_file) = folder.requirements()?;
        Ok(Self {
            dir: dir.to_owned(),
            task: keys.text("metadata.task", metadata.and_then(|metadata| metadata.get("task")))?,
            loader_module,
            code,
            python_version: flavor_text("python_version")?,
            streamable,
            requirements,
            requirements_file,
            env_vars: keys.names("env_vars")?,
            mlflow_version: keys.text("mlflow_version", document.get("mlflow_version"))?,
            has_signature: matches!(document.get("signature"), Some(Value::Mapping(signature)) if !signature.is_empty()),
            auth_policy: keys.auth_policy()?,
        })
    }
}

/// The model's folder, and the only way to a file in it.
struct Folder<'a> {
    dir: &'a Path,
}

impl Folder<'_> {
    fn file_error(&self, file: &str, reason: impl Into<String>) -> ModelError {
        ModelError::File { file: self.dir.join(file), reason: reason.into() }
    }

    fn key_error(&self, key: &str, reason: impl Into<String>) -> ModelError {
        ModelError::Key { file: self.dir.join(MLMODEL), key: key.to_owned(), reason: reason.into() }
    }

    /// Where `name` really is, if it exists: never outside the folder.
    fn inside(&self, name: &str) -> Result<Option<PathBuf>, ModelError> {
        let path = self.dir.join(name);
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.file_error(name, error.to_string())),
            Ok(_) => {}
        }
        let real = path.canonicalize().map_err(|error| self.file_error(name, error.to_string()))?;
        let root = self.dir.canonicalize().map_err(|error| self.file_error("", error.to_string()))?;
        if !real.starts_with(&root) {
            return Err(self.file_error(name, "is a link that leads outside the model's folder"));
        }
        if !real.is_file() {
            return Err(self.file_error(name, "is not a file"));
        }
        Ok(Some(path))
    }

    fn read(&self, name: &str) -> Result<Option<String>, ModelError> {
        let Some(path) = self.inside(name)? else { return Ok(None) };
        let file = fs::File::open(&path).map_err(|error| self.file_error(name, error.to_string()))?;
        let mut bytes = Vec::new();
        file.take(MAX_FILE + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| self.file_error(name, error.to_string()))?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(self.file_error(name, format!("is larger than {MAX_FILE} bytes")));
        }
        String::from_utf8(bytes).map(Some).map_err(|_| self.file_error(name, "is not UTF-8 text"))
    }

    /// The code file. mlflow writes the absolute path of the author's machine; its last part is what was copied.
    fn code(&self, written: &str) -> Result<PathBuf, ModelError> {
        const KEY: &str = "flavors.python_function.model_code_path";
        // The author may have worked on another system than this one.
        let base = written.rsplit(['/', '\\']).next().unwrap_or_default();
        let mut parts = Path::new(base).components();
        if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
            return Err(self.key_error(KEY, format!("{written:?} does not end in the name of a file")));
        }
        match self.inside(base)? {
            Some(path) => Ok(path),
            None => Err(self.key_error(KEY, format!("the file {base:?} is not in the model's folder"))),
        }
    }

    fn requirements(&self) -> Result<(Vec<String>, Option<PathBuf>), ModelError> {
        if let Some(text) = self.read("requirements.txt")? {
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            return Ok((lines.map(str::to_owned).collect(), Some(self.dir.join("requirements.txt"))));
        }
        let Some(text) = self.read("python_env.yaml")? else { return Ok((Vec::new(), None)) };
        let environment: PythonEnv = serde_yaml_ng::from_str(&text)
            .map_err(|error| self.file_error("python_env.yaml", format!("not valid: {error}")))?;
        Ok((environment.dependencies.into_iter().filter(|line| !line.starts_with("-r ")).collect(), None))
    }
}

#[derive(Deserialize)]
struct PythonEnv {
    #[serde(default)]
    dependencies: Vec<String>,
}

struct Keys<'a> {
    folder: &'a Folder<'a>,
    document: &'a Mapping,
}

impl<'a> Keys<'a> {
    fn mapping(&self, key: &str, of: &'a Mapping) -> Result<Option<&'a Mapping>, ModelError> {
        match of.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Mapping(mapping)) => Ok(Some(mapping)),
            Some(_) => Err(self.folder.key_error(key, "a mapping is needed")),
        }
    }

    fn text(&self, key: &str, value: Option<&Value>) -> Result<Option<String>, ModelError> {
        match value {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            // `python_version: 3.11` is a number to YAML.
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(self.folder.key_error(key, "a text is needed")),
        }
    }

    fn names(&self, key: &str) -> Result<Vec<String>, ModelError> {
        match self.document.get(key) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(value) => {
                Vec::deserialize(value).map_err(|_| self.folder.key_error(key, "a list of names is needed"))
            }
        }
    }

    fn auth_policy(&self) -> Result<AuthPolicy, ModelError> {
        let given = |key| self.document.get(key).filter(|value| !value.is_null());
        match (given("auth_policy"), given("resources")) {
            (Some(_), Some(_)) => Err(self
                .folder
                .key_error("resources", "given beside auth_policy; a model has one of the two")),
            (Some(policy), None) => AuthPolicy::deserialize(policy)
                .map_err(|error| self.folder.key_error("auth_policy", reason::<AuthPolicy>(policy, &error))),
            (None, Some(resources)) => AuthPolicy::from_resources(resources)
                .map_err(|reason| self.folder.key_error("resources", reason)),
            (None, None) => Ok(AuthPolicy::default()),
        }
    }
}

/// The error with the path to the value that it is about, which only a reader of text keeps.
fn reason<T: serde::de::DeserializeOwned>(value: &Value, error: &serde_yaml_ng::Error) -> String {
    let again =
        serde_yaml_ng::to_string(value).ok().and_then(|text| serde_yaml_ng::from_str::<T>(&text).err());
    let text = again.map_or_else(|| error.to_string(), |again| again.to_string());
    // The line numbers would be those of the text made here.
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod promises;
