//! Finds Python on the developer's machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::PythonFunctionError;

/// Asked by name if no interpreter is configured.
const USUAL: [&str; 2] = ["python3", "python"];
/// The oldest Python that the worker's side runs on.
const OLDEST: (u32, u32) = (3, 9);

/// The interpreter itself: behind a name on `PATH`, or behind a launcher, which needs an environment that workers do
/// not get.
pub(super) fn find(configured: Option<&Path>) -> Result<PathBuf, PythonFunctionError> {
    let mut tried = Vec::new();
    let candidates =
        configured.map_or_else(|| USUAL.map(PathBuf::from).to_vec(), |path| vec![path.to_owned()]);
    for candidate in candidates {
        match executable(&candidate) {
            Ok(path) => return Ok(path),
            Err(reason) => tried.push(format!("{}: {reason}", candidate.display())),
        }
    }
    Err(PythonFunctionError::NoInterpreter { tried: tried.join("; ") })
}

fn executable(candidate: &Path) -> Result<PathBuf, String> {
    let output = Command::new(candidate)
        .args(["-I", "-c", "import sys; print('%d.%d' % sys.version_info[:2]); print(sys.executable)"])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text.lines();
    let (Some(version), Some(path), true) = (lines.next(), lines.next(), output.status.success()) else {
        return Err(format!("it does not answer like Python ({})", output.status));
    };
    let numbers =
        version.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    if numbers.is_none_or(|version: (u32, u32)| version < OLDEST) {
        return Err(format!("it is Python {version}"));
    }
    Ok(path.into())
}
