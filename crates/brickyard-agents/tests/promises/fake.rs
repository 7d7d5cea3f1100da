//! A pool whose workers are played by `tests-python/fake_interpreter.py`.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use brickyard_agents::{
    Answer, Job, LogRing, PredictError, StartError, SystemTokens, WorkerPool, WorkerSpec,
};
use brickyard_types::{BearerToken, RequestId, SystemClock, SystemEntropy, WorkerId};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A pool and its folder.
pub struct Fake {
    pub pool: Arc<WorkerPool>,
    pub dir: TempDir,
}

/// A system token that says whose it is and which it is.
pub struct Numbered(pub parking_lot::Mutex<(u64, Vec<WorkerId>)>);

impl SystemTokens for Numbered {
    fn issue(&self, worker: &WorkerId) -> BearerToken {
        let mut state = self.0.lock();
        state.0 += 1;
        BearerToken::new(format!("system token {} of {worker}", state.0))
    }

    fn retire(&self, worker: &WorkerId) {
        self.0.lock().1.push(worker.clone());
    }
}

pub fn numbered() -> Arc<Numbered> {
    Arc::new(Numbered(parking_lot::Mutex::new((0, Vec::new()))))
}

/// The fake interpreter as an executable file in `dir`.
pub fn interpreter(dir: &Path) -> PathBuf {
    let output =
        Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().expect("python3");
    let python = String::from_utf8(output.stdout).expect("a path");
    let path = dir.join("python");
    let source = include_str!("../../tests-python/fake_interpreter.py");
    std::fs::write(&path, format!("#!{}\n{source}", python.trim())).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("executable");
    path
}

pub fn spec(dir: &Path) -> WorkerSpec {
    WorkerSpec {
        python: interpreter(dir),
        model_dir: dir.to_owned(),
        host_url: "http://127.0.0.1:1".to_owned(),
        run_dir: dir.join("run"),
        max_workers: 1,
        ..WorkerSpec::new("entity-1", "endpoint")
    }
}

pub async fn try_start(
    change: impl FnOnce(&mut WorkerSpec),
    tokens: Option<Arc<dyn SystemTokens>>,
) -> Result<Fake, (StartError, TempDir)> {
    let dir = TempDir::new().expect("a folder");
    let mut spec = spec(dir.path());
    change(&mut spec);
    let logs = Arc::new(LogRing::new(Arc::new(SystemClock)));
    match WorkerPool::start(spec, tokens, Arc::new(SystemEntropy), logs).await {
        Ok(pool) => Ok(Fake { pool, dir }),
        Err(error) => Err((error, dir)),
    }
}

pub async fn start(change: impl FnOnce(&mut WorkerSpec)) -> Fake {
    try_start(change, None).await.map_err(|(error, _)| error).expect("a pool")
}

pub fn job(body: Value) -> Job {
    Job {
        request_id: RequestId::random(&SystemEntropy),
        content_type: None,
        body: body.to_string().into(),
        stream: false,
        user_token: None,
        return_trace: false,
        on_worker: None,
    }
}

impl Fake {
    pub async fn ask(&self, body: Value) -> Result<Value, PredictError> {
        self.run(job(body)).await
    }

    pub async fn run(&self, job: Job) -> Result<Value, PredictError> {
        match self.pool.predict(job).await? {
            Answer::Json { body, .. } => Ok(serde_json::from_slice(&body).expect("JSON")),
            Answer::Stream { .. } => panic!("no stream was asked for"),
        }
    }

    pub async fn echo(&self, text: &str) -> Value {
        self.ask(json!({"do": "echo", "text": text})).await.expect("an echo")["echo"].clone()
    }

    /// Waits until the pool is as `wanted` says; tests' only way to wait.
    pub async fn until(&self, what: &str, wanted: impl Fn(&brickyard_agents::PoolStats) -> bool) {
        for _ in 0..2000 {
            if wanted(&self.pool.stats()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{what}: {:?}\n{}", self.pool.stats(), self.pool.logs().text());
    }
}

/// True if the process is there and not only waits to be buried.
pub fn lives(pid: u64) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" Z")))
}
