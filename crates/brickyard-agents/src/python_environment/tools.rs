//! Finds Python and `uv` on the developer's machine, and runs them with a log.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Command;

use super::{BuildError, BuildLog, developer_command};

/// The oldest Python that the worker's side runs on.
const OLDEST: (u32, u32) = (3, 10);

/// A Python that was asked who it is.
#[derive(Debug, Clone)]
pub(super) struct Interpreter {
    pub(super) path: PathBuf,
    pub(super) version: String,
}

impl Interpreter {
    /// Asks the interpreter at `path` (a path, or a name on the search path).
    pub(super) async fn at(path: &Path) -> Result<Self, String> {
        // A launcher (a shim) is not the interpreter: what counts is the file that it starts.
        let mut command = developer_command(path);
        command.args(["-c", "import sys; print('%d.%d.%d' % sys.version_info[:3]); print(sys.executable)"]);
        let output = command.output().await.map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines = text.lines();
        let (Some(version), Some(executable), true) = (lines.next(), lines.next(), output.status.success())
        else {
            return Err(format!("it did not answer ({})", output.status));
        };
        let mut numbers = version.split('.').filter_map(|number| number.parse::<u32>().ok());
        match (numbers.next(), numbers.next()) {
            (Some(major), Some(minor)) if (major, minor) >= OLDEST => {
                Ok(Self { path: executable.into(), version: version.to_owned() })
            }
            _ => Err(format!("it is Python {version}; 3.10 or newer is needed")),
        }
    }

    /// The Python of the minor version that logged the model, else any that is new enough.
    pub(super) async fn find(
        wanted: Option<&str>,
        home: Option<&Path>,
        log: &BuildLog,
    ) -> Result<Self, BuildError> {
        let minor = wanted.and_then(|version| {
            let mut parts = version
                .split('.')
                .filter(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
            Some(format!("{}.{}", parts.next()?, parts.next()?))
        });
        let mut candidates: Vec<PathBuf> = Vec::new();
        if let Some(minor) = &minor {
            candidates.push(format!("python{minor}").into());
        }
        candidates.extend(["python3".into(), "python".into()]);
        if let Some(minor) = &minor {
            // uv knows of interpreters that are not on the search path; it must not fetch one.
            for uv in Uv::usual(home) {
                let mut find = uv.command();
                find.args(["python", "find", "--no-python-downloads", "--no-project", minor]);
                if let Ok(output) = find.output().await
                    && output.status.success()
                {
                    candidates.insert(1, String::from_utf8_lossy(&output.stdout).trim().into());
                    break;
                }
            }
        }
        let mut other = None;
        for candidate in &candidates {
            let Ok(found) = Self::at(candidate).await else { continue };
            match &minor {
                Some(minor) if !found.version.starts_with(&format!("{minor}.")) => {
                    other.get_or_insert(found);
                }
                _ => return Ok(found),
            }
        }
        let Some(found) = other else {
            let tried: Vec<String> = candidates.iter().map(|path| path.display().to_string()).collect();
            return Err(BuildError::NoPython { tried: tried.join(", ") });
        };
        log.line(format!(
            "The model was logged with Python {}, which is not on this machine; using Python {} instead.",
            wanted.unwrap_or("of an unknown version"),
            found.version
        ));
        Ok(found)
    }
}

/// How to call `uv`.
#[derive(Debug, Clone)]
pub(super) struct Uv {
    program: PathBuf,
    first: Vec<OsString>,
}

impl Uv {
    fn usual(home: Option<&Path>) -> Vec<Self> {
        let plain = |program: PathBuf| Self { program, first: Vec::new() };
        let mut all = vec![plain("uv".into())];
        all.extend(home.map(|home| plain(home.join(".local/bin/uv"))));
        all.push(Self { program: "python3".into(), first: vec!["-m".into(), "uv".into()] });
        all
    }

    pub(super) fn command(&self) -> Command {
        let mut command = developer_command(&self.program);
        command.args(&self.first).env("UV_NO_PROGRESS", "1").env("NO_COLOR", "1");
        // The developer's own environment, if one is active, is not the one to work in.
        command.env_remove("VIRTUAL_ENV");
        command
    }

    async fn works(&self) -> bool {
        let mut command = self.command();
        command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        command.status().await.is_ok_and(|status| status.success())
    }

    /// The machine's `uv`, or one that is installed into `place` with the developer's own pip settings.
    pub(super) async fn find(
        home: Option<&Path>,
        interpreter: &Interpreter,
        place: &Path,
        log: &BuildLog,
    ) -> Result<Self, BuildError> {
        for uv in Self::usual(home) {
            if uv.works().await {
                return Ok(uv);
            }
        }
        let own = Self { program: place.join("bin/uv"), first: Vec::new() };
        if own.works().await {
            return Ok(own);
        }
        log.line("uv is not on this machine; installing it with pip.");
        let no_uv = |error: BuildError| BuildError::NoUv { reason: error.to_string() };
        let mut venv = developer_command(&interpreter.path);
        venv.args(["-m", "venv", "--clear"]).arg(place);
        run("python -m venv", venv, log).await.map_err(no_uv)?;
        let mut install = developer_command(place.join("bin/python"));
        install.args(["-m", "pip", "install", "--disable-pip-version-check", "uv"]);
        run("pip install uv", install, log).await.map_err(no_uv)?;
        if own.works().await {
            Ok(own)
        } else {
            Err(BuildError::NoUv { reason: format!("{} does not run", own.program.display()) })
        }
    }
}

/// What pip is configured to use and `uv` is not told: uv reads none of pip's settings, developers expect that it does.
pub(super) async fn pip_settings(interpreter: &Interpreter) -> Vec<(String, String)> {
    const ASK: &str = "
import json, os, subprocess, sys
names = {'index-url': 'UV_DEFAULT_INDEX', 'extra-index-url': 'UV_INDEX', 'find-links': 'UV_FIND_LINKS', 'cert': 'SSL_CERT_FILE'}
also = {'UV_DEFAULT_INDEX': 'UV_INDEX_URL', 'UV_INDEX': 'UV_EXTRA_INDEX_URL'}
found = {}
out = subprocess.run([sys.executable, '-m', 'pip', 'config', 'list'], capture_output=True, text=True).stdout
for line in out.splitlines():
    key, eq, value = line.partition('=')
    section, _, name = key.rpartition('.')
    target = names.get(name)
    if eq and target and section in ('global', 'install', ':env:'):
        if not os.environ.get(target) and not os.environ.get(also.get(target, target)):
            value = value[1:-1] if value[:1] in '\\'\"' else value
            value = value.replace('\\\\n', ' ').strip()
            found[target] = ','.join(value.split()) if name == 'find-links' else value
print(json.dumps(list(found.items())))
";
    let output = developer_command(&interpreter.path).args(["-c", ASK]).output().await;
    output.ok().and_then(|output| serde_json::from_slice(&output.stdout).ok()).unwrap_or_default()
}

/// Runs one step; every line that it prints goes to the log.
pub(super) async fn run(step: &str, mut command: Command, log: &BuildLog) -> Result<(), BuildError> {
    let failed = |status: String| BuildError::Step { step: step.to_owned(), status, log: log.tail(30) };
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (_, _, status) = tokio::join!(copy(out, log), copy(err, log), child.wait());
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(failed(status.to_string())),
        Err(error) => Err(failed(error.to_string())),
    }
}

async fn copy(pipe: Option<impl AsyncRead + Unpin>, log: &BuildLog) {
    let Some(pipe) = pipe else { return };
    let mut lines = BufReader::new(pipe).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        log.line(String::from_utf8_lossy(&line).trim_end());
    }
}
