//! Logged models without the logging: the folders that `mlflow.pyfunc.log_model(python_model="agent.py", ...)` writes,
//! reduced to what serving reads.

use std::path::{Path, PathBuf};

/// A Python with mlflow, databricks-sdk and databricks-ai-bridge, named by `BRICKYARD_TEST_PYTHON`.
///
/// # Panics
/// Without it where it must be there: in CI.
pub fn python() -> Option<PathBuf> {
    let python = std::env::var_os("BRICKYARD_TEST_PYTHON").map(PathBuf::from);
    if python.is_none() {
        assert_ne!(
            std::env::var("CI").as_deref(),
            Ok("true"),
            "BRICKYARD_TEST_PYTHON names no Python with mlflow"
        );
        eprintln!(
            "SKIPPED: BRICKYARD_TEST_PYTHON names no Python with mlflow, databricks-sdk and databricks-ai-bridge"
        );
    }
    python
}

/// A folder of logged models.
pub struct Logged(tempfile::TempDir);

impl Logged {
    /// An empty one.
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a `ResponsesAgent` logged from `source`, with `policy` as the lines that `auth_policy=` or `resources=` left.
    pub fn responses_agent(&self, name: &str, source: &str, policy: &str) {
        self.write(name, source, &format!("{policy}\n{RESPONSES_AGENT}"));
    }

    /// Writes a `PythonModel` logged from `source` without a signature: a model of no task, which is no agent.
    pub fn python_model(&self, name: &str, source: &str) {
        self.write(name, source, PYTHON_MODEL);
    }

    fn write(&self, name: &str, source: &str, mlmodel: &str) {
        let dir = self.path().join(name);
        std::fs::create_dir(&dir).expect("a new folder");
        std::fs::write(dir.join("agent.py"), source).expect("written");
        std::fs::write(dir.join("MLmodel"), mlmodel).expect("written");
        let requirements = "mlflow==3.17.2\ndatabricks-sdk==0.156.0\ndatabricks-ai-bridge==0.22.0\n";
        std::fs::write(dir.join("requirements.txt"), requirements).expect("written");
    }
}

/// What mlflow 3.17.2 writes for a `ResponsesAgent` that is code (the fields of its signature that a test sends).
const RESPONSES_AGENT: &str = r#"
flavors:
  python_function:
    cloudpickle_version: 3.1.2
    code: null
    loader_module: mlflow.pyfunc.loaders.code_model
    model_code_path: /home/dev/agents/agent.py
    python_version: 3.11.7
    streamable: true
is_signature_from_type_hint: false
metadata:
  task: agent/v1/responses
mlflow_version: 3.17.2
model_uuid: m-dfed9a35a58142f18aa5146ac601687d
signature:
  inputs: '[{"type": "map", "values": {"type": "any"}, "name": "custom_inputs", "required": false}, {"type": "array", "items": {"type": "any"}, "name": "input", "required": true}, {"type": "boolean", "name": "stream", "required": false}]'
  outputs: '[{"type": "object", "properties": {"object": {"type": "string", "required": true}, "output": {"type": "array", "items": {"type": "object", "properties": {"type": {"type": "string", "required": true}}}, "required": true}}, "required": true}]'
  params: null
type_hint_from_example: false
utc_time_created: '2026-11-23 17:23:39.246277'
"#;

/// What mlflow 3.17.2 writes for a `PythonModel` that is code, logged without a signature.
const PYTHON_MODEL: &str = r#"
flavors:
  python_function:
    cloudpickle_version: 3.1.2
    code: null
    loader_module: mlflow.pyfunc.loaders.code_model
    model_code_path: /home/dev/agents/agent.py
    python_version: 3.11.7
    streamable: true
is_signature_from_type_hint: false
mlflow_version: 3.17.2
model_uuid: m-0d3f5b1e8c6a4f0f9a6c5d2b7e1f4a90
type_hint_from_example: false
utc_time_created: '2026-11-23 17:23:39.246277'
"#;
