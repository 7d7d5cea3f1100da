//! Workers are born in a bare environment, grow on demand, are replaced with care, and leave nothing behind.

use std::sync::Arc;
use std::time::Duration;

use brickyard_agents::{Answer, PredictError, StartError, SystemTokens};
use brickyard_types::{Secret, SignedDuration, Timestamp};
use futures_util::StreamExt;
use serde_json::json;

use crate::fake::{job, lives, numbered, start, try_start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_sees_its_environment_and_nothing_of_the_developers() {
    let fake = start(|spec| spec.environment.push(("API_KEY".to_owned(), Secret::from("s3cret")))).await;
    let seen = fake.ask(json!({"do": "environment"})).await.expect("an answer");
    let mut names: Vec<&str> =
        seen["environ"].as_object().expect("a map").keys().map(String::as_str).collect();
    // The interpreter's own, not ours.
    names.retain(|name| !name.starts_with("LC_") && !name.starts_with("__"));
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "API_KEY",
            "DATABRICKS_CONFIG_FILE",
            "DATABRICKS_MODEL_SERVING_HOST_URL",
            "DB_MODEL_SERVING_HOST_URL",
            "HOME",
            "IS_IN_DATABRICKS_MODEL_SERVING_ENV",
            "IS_IN_DB_MODEL_SERVING_ENV",
            "LANG",
            "NO_PROXY",
            "PATH",
            "PYTHONUNBUFFERED",
            "SERVING_CREDENTIALS_DIR",
            "TMPDIR"
        ]
    );
    assert!(!seen["argv"].to_string().contains("s3cret"));
    // A core file would hold the caller's token.
    assert_eq!(seen["core"], json!([0, 0]));
    // A child of the agent has no way to the channel.
    let descriptors = seen["fds"].as_str().expect("a text");
    assert!(!descriptors.contains("socket:"), "{descriptors}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_reads_its_own_token_and_nobody_elses_and_nothing_of_brickyards() {
    // Not below /tmp, where everybody writes and nothing can be closed.
    let dir = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let key = dir.path().join("master.key");
    std::fs::write(&key, "key").expect("written");
    let issuer = || Some(numbered() as Arc<dyn SystemTokens>);
    let inside = |spec: &mut brickyard_agents::WorkerSpec| {
        spec.run_dir = dir.path().join("run");
        spec.closed = Some(dir.path().to_owned());
        // Wherever a model lies, its agent may read it.
        spec.model_dir = dir.path().join("models");
    };
    std::fs::create_dir(dir.path().join("models")).expect("made");
    std::fs::write(dir.path().join("models/MLmodel"), "text").expect("written");
    let one = try_start(inside, issuer()).await.map_err(|(error, _)| error).expect("a pool");
    let two = try_start(inside, issuer()).await.map_err(|(error, _)| error).expect("a pool");
    let mut tokens = Vec::new();
    for fake in [&one, &two] {
        let seen = fake.ask(json!({"do": "environment"})).await.expect("an answer");
        let credentials = seen["environ"]["SERVING_CREDENTIALS_DIR"].as_str().expect("text");
        tokens.push(format!("{credentials}/model-dependencies-oauth-token"));
    }
    let model = dir.path().join("models/MLmodel");
    let paths = json!([key, model, tokens[0], tokens[1], "/etc/hostname"]);
    let opened = one.ask(json!({"do": "open", "paths": paths})).await.expect("an answer");
    let at = |path: &str| opened[path].as_str().expect("text").to_owned();
    let text = |path: &std::path::Path| path.to_str().expect("text").to_owned();
    assert_eq!(at(&text(&model)), "4 bytes");
    assert!(at(&tokens[0]).ends_with(" bytes") && at("/etc/hostname").ends_with(" bytes"), "{opened}");
    if cfg!(target_os = "linux") {
        assert_eq!(
            (at(&text(&key)).as_str(), at(&tokens[1]).as_str()),
            ("PermissionError", "PermissionError")
        );
    }
    one.pool.shutdown().await;
    two.pool.shutdown().await;
    drop((one, two));
    let left: Vec<_> = std::fs::read_dir(dir.path().join("run")).expect("there").flatten().collect();
    assert_eq!(left.len(), 1, "only the script stays: {left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_worker_has_its_own_system_token_and_gets_new_ones_in_place() {
    let tokens = numbered();
    let issuer: Arc<dyn SystemTokens> = Arc::clone(&tokens) as _;
    let fake = try_start(|_| {}, Some(issuer)).await.map_err(|(error, _)| error).expect("a pool");
    let worker = fake.pool.pids()[0].0.clone();
    for number in 1..4 {
        let file = fake.ask(json!({"do": "token file"})).await.expect("the file");
        let token = format!("system token {number} of {worker}");
        assert_eq!(file, json!({"OAUTH_TOKEN": [{"oauthTokenValue": token}]}));
        fake.pool.refresh_credentials();
    }
    fake.pool.shutdown().await;
    assert_eq!(tokens.0.lock().1, [worker]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_an_agent_started_outlives_its_worker() {
    let fake = start(|_| {}).await;
    for round in 0..2 {
        let seen = fake.ask(json!({"do": "children"})).await.expect("an answer");
        let pids: Vec<u64> =
            seen["pids"].as_array().expect("a list").iter().filter_map(|pid| pid.as_u64()).collect();
        assert!(pids.iter().all(|pid| lives(*pid)), "{pids:?}");
        if round == 0 {
            let _ = fake.ask(json!({"do": "die"})).await;
            assert_eq!(fake.echo("after").await, "after");
        } else {
            fake.pool.shutdown().await;
        }
        for _ in 0..200 {
            if !pids.iter().any(|pid| lives(*pid)) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(!pids.iter().any(|pid| lives(*pid)), "{pids:?}");
    }
    let left: Vec<_> = std::fs::read_dir(fake.dir.path().join("run")).expect("there").flatten().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_grow_with_the_queue_up_to_the_workload_size() {
    let fake = start(|spec| spec.max_workers = 3).await;
    assert_eq!(fake.pool.stats().ready, 1);
    let all = futures_util::future::join_all(
        (0..12).map(|number| fake.ask(json!({"do": "echo", "text": number, "for": 0.3}))),
    );
    for (number, answer) in all.await.into_iter().enumerate() {
        assert_eq!(answer.expect("an answer")["echo"], number);
    }
    assert_eq!(fake.pool.stats().started, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_nobody_needs_end_and_the_next_request_starts_one() {
    let at = |minutes: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes);
    let fake = start(|spec| {
        spec.max_workers = 3;
        spec.sleep_after = Some(SignedDuration::from_mins(30));
    })
    .await;
    let all = futures_util::future::join_all(
        (0..12).map(|number| fake.ask(json!({"do": "echo", "text": number, "for": 0.3}))),
    );
    assert!(all.await.iter().all(Result::is_ok));
    fake.until("all are idle", |stats| stats.idle == 3).await;
    fake.pool.shrink(at(0));
    assert_eq!(fake.echo("one is enough").await, "one is enough");
    fake.until("it is back", |stats| stats.idle == 3).await;
    fake.pool.shrink(at(5));
    fake.until("two are gone", |stats| (stats.ready, stats.ended) == (1, 2)).await;
    assert_eq!(fake.echo("and that one is left").await, "and that one is left");
    fake.until("it is back", |stats| stats.idle == 1).await;
    fake.pool.shrink(at(6));
    fake.pool.shrink(at(36));
    fake.until("nobody is left", |stats| (stats.ready, stats.starting, stats.ended) == (0, 0, 3)).await;
    assert_eq!(fake.echo("awake").await, "awake");
    let stats = fake.pool.stats();
    assert_eq!((stats.started, stats.failures), (4, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_cannot_start_says_why() {
    for (how, says) in [("exit", "exit status: 4"), ("hang", "was not loaded within 1 seconds")] {
        let change = |spec: &mut brickyard_agents::WorkerSpec| {
            spec.environment.push(("FAKE_LOAD".to_owned(), Secret::from(how)));
            if how == "hang" {
                spec.load_timeout = Duration::from_secs(1);
            }
        };
        let Err((error, _)) = try_start(change, None).await else { panic!("{how}") };
        assert!(error.to_string().contains(says), "{error}");
        if let StartError::Exited { log, .. } = &error {
            assert!(log.contains("last words"), "{log}");
        }
    }
    let Err((error, _)) = try_start(|spec| spec.python = "/nowhere/python".into(), None).await else {
        panic!("no python")
    };
    assert!(error.to_string().starts_with("the interpreter /nowhere/python could not be started"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_loop_turns_callers_away_at_once() {
    let flag = tempfile::TempDir::new().expect("a folder");
    let path = flag.path().join("loaded").display().to_string();
    let fake =
        start(|spec| spec.environment.push(("FAKE_LOAD_ONCE".to_owned(), Secret::from(path.as_str())))).await;
    let _ = fake.ask(json!({"do": "die"})).await;
    fake.until("the breaker is open", |stats| stats.failures >= 2).await;
    let error = fake.ask(json!({"do": "echo"})).await.expect_err("nobody is there");
    assert!(
        matches!(&error, PredictError::Unavailable { reason } if reason.contains("only the first worker loads")),
        "{error}"
    );
    std::fs::remove_file(path).expect("removed");
    fake.until("it is healed", |stats| stats.ready == 1).await;
    assert_eq!(fake.echo("healed").await, "healed");
    assert_eq!(fake.pool.stats().failures, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_somebody_else_kills_are_replaced_and_nobody_is_turned_away() {
    let fake = start(|_| {}).await;
    // None of them has answered anybody: for all that is known, the model itself could be what kills them.
    for deaths in 1..=4 {
        for (_, pid) in fake.pool.pids() {
            let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).expect("a process id"));
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("killed");
        }
        fake.until("another one is being started", |stats| stats.started > deaths && stats.ended >= deaths)
            .await;
    }
    assert_eq!(fake.echo("answered").await, "answered");
    assert_eq!(fake.pool.stats().failures, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_lets_streams_finish_and_takes_nobody_new() {
    let fake = start(|_| {}).await;
    let body = json!({"chunks": 10, "for": 0.03, "stream": true});
    let Answer::Stream { chunks, .. } = fake.pool.predict(job(body)).await.expect("a stream") else {
        panic!("a stream")
    };
    let waiting = fake.ask(json!({"do": "echo", "text": "waited"}));
    let drain = async {
        fake.until("one waits", |stats| stats.waiting == 1).await;
        fake.pool.drain().await;
    };
    let late = async {
        fake.until("one waits", |stats| stats.waiting == 1).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        fake.ask(json!({"do": "echo"})).await
    };
    let (chunks, waited, (), late) = tokio::join!(chunks.collect::<Vec<_>>(), waiting, drain, late);
    assert_eq!(chunks.len(), 10);
    assert!(chunks.iter().all(Result::is_ok));
    assert_eq!(waited.expect("it was there before")["echo"], "waited");
    assert!(matches!(late, Err(PredictError::Unavailable { .. })));
    assert!(fake.pool.pids().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_fails_says_so_at_its_end() {
    let fake = start(|_| {}).await;
    let body = json!({"chunks": 5, "raise at": 2, "stream": true});
    let Answer::Stream { chunks, .. } = fake.pool.predict(job(body)).await.expect("a stream") else {
        panic!("a stream")
    };
    let chunks: Vec<_> = chunks.collect().await;
    assert_eq!(chunks.len(), 3);
    let Some(Err(PredictError::Agent(error))) = chunks.last() else { panic!("{chunks:?}") };
    assert!(error.stack_trace.as_deref().is_some_and(|trace| trace.contains("in the stream")));
    let body = json!({"chunks": 5, "raise at": 0, "stream": true});
    assert!(matches!(fake.pool.predict(job(body)).await, Err(PredictError::Agent(_))));
    assert_eq!(fake.pool.stats().started, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_pool_takes_its_processes_along() {
    let fake = start(|_| {}).await;
    let pid = u64::from(fake.pool.pids()[0].1);
    assert!(lives(pid));
    drop(fake.pool);
    for _ in 0..500 {
        if !lives(pid) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{pid} lives");
}
