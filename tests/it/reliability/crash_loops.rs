//! Agents that die, flood and do not listen harm nobody but themselves, and leave nothing behind.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use brickyard_testkit::Kit;
use serde_json::{Value, json};

use crate::load::{body, logged_agent, played_python, python, python_endpoint, scale, workspace};

/// How the agent is asked to misbehave.
struct Words {
    echo: Value,
    die: Value,
    flood: Value,
    /// Answers with the ids of processes that it left behind.
    children: Value,
    /// In the environment of an agent that never comes up, and how its process ends.
    stillborn: (&'static str, &'static str),
}

/// True if a process is there, and not only as a zombie.
fn lives(pid: u64) -> bool {
    std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| !environment.is_empty())
}

async fn harms_only_itself(python: &Path, dir: &Path, words: Words) {
    let model = logged_agent(dir);
    let variables = |text: &str| format!("          environment_vars: {{{text}}}");
    let endpoints = [
        python_endpoint("wild", &variables("SIGNALS: ignored")),
        python_endpoint("stillborn", &variables(words.stillborn.0)),
        python_endpoint("calm", ""),
    ];
    let yaml = workspace(Some(&model), &endpoints.concat());
    let kit = Arc::new(Kit::builder(&yaml).python(python).start().await);
    let (ana, admin) = (kit.token("user-001@example.com"), kit.token("admin@example.com"));

    let stop = Arc::new(AtomicBool::new(false));
    let others: Vec<_> = [("echo", body("hello", false)), ("calm", words.echo.clone())]
        .into_iter()
        .map(|(endpoint, body)| {
            let (kit, ana, stop) = (Arc::clone(&kit), ana.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut answered = 0;
                while !stop.load(Ordering::Relaxed) {
                    let reply = kit.invoke(endpoint, &ana, &body).await;
                    assert_eq!(reply.status, 200, "{endpoint}: {}", reply.text);
                    answered += 1;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                answered
            })
        })
        .collect();
    let ask = async |body: &Value| kit.invoke("wild", &ana, body).await;

    // Never up: FAILED with the reason, not a loop of processes.
    let stillborn = kit.get("/api/2.0/serving-endpoints/stillborn", &admin).await.json();
    assert_eq!(stillborn["state"]["ready"], "NOT_READY", "{stillborn}");
    assert_eq!(stillborn["state"]["config_update"], "UPDATE_FAILED", "{stillborn}");
    let reply = kit.invoke("stillborn", &ana, &words.echo).await;
    assert_eq!(reply.status, 404, "{}", reply.text);
    // How the process ended is for those who manage the endpoint; a caller reads that there is a log.
    assert!(reply.text.contains("service logs") && !reply.text.contains(words.stillborn.1), "{}", reply.text);
    assert!(stillborn["pending_config"].to_string().contains(words.stillborn.1), "{stillborn}");
    assert!(kit.explain(reply.request_id()).contains(words.stillborn.1));

    for death in 0..scale(4, 50) {
        let reply = ask(&words.die).await;
        assert!(matches!(reply.status, 502 | 503), "{}", reply.text);
        // An agent that dies on its first request is given a moment before the next try; then it serves again.
        kit.until(&format!("the agent is back after death {death}"), async |_| {
            ask(&words.echo).await.status == 200
        })
        .await;
    }
    let reply = ask(&words.flood).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let logs = kit.get("/api/2.0/serving-endpoints/wild/served-models/canary-1/logs", &admin).await;
    assert!(
        logs.status == 200 && (1..4 << 20).contains(&logs.text.len()),
        "{} bytes of logs",
        logs.text.len()
    );
    let left = ask(&words.children).await.text;
    let left = &left[left.find("pids").expect("the agent left processes behind")..];
    let left: Vec<u64> =
        left.split(|c: char| !c.is_ascii_digit()).filter_map(|pid| pid.parse().ok()).collect();
    assert!(!left.is_empty() && left.iter().all(|pid| lives(*pid)), "{left:?}");

    stop.store(true, Ordering::Relaxed);
    for other in others {
        let answered = other.await.expect("its neighbours are answered");
        println!("a neighbour was answered {answered} times");
        assert!(answered > 0);
    }
    let workers = kit.workspace.serving.worker_processes();
    assert!(workers.len() >= 2);
    Arc::into_inner(kit).expect("nobody else holds it").stop().await;
    for pid in workers.into_iter().map(|(_, pid)| u64::from(pid)).chain(left) {
        assert!(!lives(pid), "process {pid} is still there");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_crashes_and_floods_harms_only_itself() {
    let dir = tempfile::tempdir().expect("a folder");
    let words = Words {
        echo: json!({ "do": "echo", "text": "hello" }),
        die: json!({ "do": "die" }),
        flood: json!({ "do": "flood", "megabytes": 100 }),
        children: json!({ "do": "children" }),
        stillborn: ("FAKE_LOAD: exit", "exit status: 4"),
    };
    harms_only_itself(&played_python(dir.path()), dir.path(), words).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_crashes_floods_and_ignores_signals_harms_only_itself() {
    // A death costs a start of mlflow each: the short version is the test above.
    if scale(0, 1) == 0 {
        return;
    }
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let words = Words {
        echo: body("echo canary-001", false),
        die: body("die canary-001", false),
        flood: body("flood canary-001", false),
        children: body("orphan canary-001", false),
        stillborn: ("AT_IMPORT: exit", "exit status: 7"),
    };
    harms_only_itself(&python, dir.path(), words).await;
}
