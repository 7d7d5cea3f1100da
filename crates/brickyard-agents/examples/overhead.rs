//! What lending a worker costs: `overhead PYTHON MODEL_DIR [WORKERS] [NAME=VALUE]...`
//!
//! Prints requests a second through the pool, with one caller and with 32, for the same body each time. Compare with
//! `predict` called in a loop inside Python (`tests-python/loop.py PYTHON MODEL_DIR`).
#![allow(clippy::print_stdout)]

use std::sync::Arc;
use std::time::Instant;

use brickyard_agents::{Answer, Job, LogRing, WorkerPool, WorkerSpec};
use brickyard_types::{RequestId, Secret, SystemClock, SystemEntropy};

const BODY: &str = r#"{"input":[{"role":"user","content":"hello"}]}"#;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [python, model, rest @ ..] = arguments.as_slice() else {
        return Err("PYTHON MODEL_DIR are needed".into());
    };
    let workers = rest.first().map_or(Ok(1), |text| text.parse())?;
    let run_dir = std::env::temp_dir().join("brickyard-overhead");
    let spec = WorkerSpec {
        python: python.into(),
        model_dir: model.into(),
        host_url: "http://127.0.0.1:1".to_owned(),
        run_dir,
        initial_workers: workers,
        max_workers: workers,
        environment: rest
            .iter()
            .skip(1)
            .filter_map(|pair| pair.split_once('='))
            .map(|(n, v)| (n.to_owned(), Secret::from(v)))
            .collect(),
        ..WorkerSpec::new("overhead", "overhead")
    };
    let logs = Arc::new(LogRing::new(Arc::new(SystemClock)));
    let pool = WorkerPool::start(spec, None, Arc::new(SystemEntropy), logs).await?;
    for _ in 0..200 {
        ask(&pool).await?;
    }
    for round in 0..3 {
        for callers in [1, 32] {
            let each = 2000 / callers;
            let from = Instant::now();
            let work = (0..callers).map(|_| {
                let pool = Arc::clone(&pool);
                tokio::spawn(async move {
                    for _ in 0..each {
                        ask(&pool).await.map_err(|error| error.to_string())?;
                    }
                    Ok::<(), String>(())
                })
            });
            for caller in futures_util::future::join_all(work).await {
                caller??;
            }
            let took = from.elapsed().as_secs_f64();
            println!("round {round}: {callers} callers: {:.0} requests/s", f64::from(each * callers) / took);
        }
    }
    pool.shutdown().await;
    Ok(())
}

async fn ask(pool: &WorkerPool) -> Result<(), brickyard_agents::PredictError> {
    let job = Job {
        request_id: RequestId::random(&SystemEntropy),
        content_type: None,
        body: BODY.into(),
        stream: false,
        user_token: None,
        return_trace: false,
        on_worker: None,
    };
    let Answer::Json { .. } = pool.predict(job).await? else { return Ok(()) };
    Ok(())
}
