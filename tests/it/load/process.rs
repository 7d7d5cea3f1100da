//! The built binary as a process of its own, for what cannot be seen from inside: its end.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A running `brickyard serve`.
pub struct Brickyard {
    /// Where it answers.
    pub url: String,
    /// What it said when it was ready.
    pub ready: Value,
    /// How long it took from its birth to its ready line.
    pub ready_after: Duration,
    child: Child,
    log: PathBuf,
}

/// What a machine has that brickyard finds; by default what this one has.
#[derive(Default)]
pub struct Machine {
    /// The one folder of the search path.
    pub programs: Option<PathBuf>,
    /// More environment variables.
    pub variables: Vec<(&'static str, PathBuf)>,
}

/// `BRICKYARD_BIN`, or the binary beside this test's own.
pub fn binary() -> PathBuf {
    let named = std::env::var_os("BRICKYARD_BIN").map(PathBuf::from);
    let beside = || {
        let own = std::env::current_exe().expect("the test's own path");
        own.ancestors().nth(2).expect("target/<profile>/deps/<test>").join("brickyard")
    };
    let binary = named.unwrap_or_else(beside);
    assert!(
        binary.exists(),
        "{} is missing: `cargo build --bin brickyard` (make test does)",
        binary.display()
    );
    binary
}

impl Brickyard {
    /// Starts it on a free port with this configuration and this state, and waits until it says that it is ready.
    pub async fn start(config: &Path, data: &Path, python: Option<&Path>) -> Self {
        let brickyard = Self::start_on(config, data, python, &Machine::default()).await;
        assert_eq!(brickyard.ready["failed"], serde_json::json!([]), "{}", brickyard.ready);
        brickyard
    }

    /// The same on another machine than this one. What fails to come up is in the ready line.
    pub async fn start_on(config: &Path, data: &Path, python: Option<&Path>, machine: &Machine) -> Self {
        let own = || std::env::var_os("PATH").unwrap_or_default();
        let path = machine.programs.as_ref().map_or_else(own, |folder| folder.clone().into_os_string());
        let log = data.with_extension("log");
        let append = || std::fs::OpenOptions::new().create(true).append(true).open(&log).expect("a log");
        let mut command = Command::new(binary());
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json", "--config"])
            .arg(config)
            .arg("--data-dir")
            .arg(data)
            .env_clear()
            .env("HOME", data.with_extension("home"))
            .env("PATH", path)
            .envs(machine.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(append())
            .kill_on_drop(true);
        if let Some(python) = python {
            command.env("BRICKYARD_PYTHON", python);
        }
        let born = Instant::now();
        let mut child = command.spawn().expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let ready = loop {
            let Some(line) = lines.next_line().await.expect("readable") else {
                let log = std::fs::read_to_string(&log).unwrap_or_default();
                panic!("brickyard ended before it was ready:\n{log}");
            };
            let said: Value = serde_json::from_str(&line).unwrap_or_default();
            if said["event"] == "ready" {
                break said;
            }
        };
        let url = ready["url"].as_str().expect("a url").to_owned();
        // Whoever does not read the pipe of a process should not be what stops it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { url, ready, ready_after: born.elapsed(), child, log }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("not waited for yet")
    }

    /// Ends it at once and waits for the kernel to be done with it.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("killed");
    }

    /// How it ended, once it does.
    pub async fn ended(&mut self) -> ExitStatus {
        self.child.wait().await.expect("waited for")
    }

    /// What it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}
