//! Agents that die, flood and do not listen harm nobody but themselves, and leave nothing behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use brickyard_testkit::Kit;
use serde_json::Value;

use crate::load::{body, logged_agent, processes_of, python, python_endpoint, workspace};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_crashes_floods_and_ignores_signals_harms_only_itself() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let model = logged_agent(dir.path());
    let variables = |text: &str| format!("          environment_vars: {{{text}}}");
    let endpoints = [
        python_endpoint("wild", &variables("SIGNALS: ignored")),
        python_endpoint("stillborn", &variables("AT_IMPORT: exit")),
        python_endpoint("calm", ""),
    ];
    let yaml = workspace(Some(&model), &endpoints.concat());
    let kit = Arc::new(Kit::builder(&yaml).python(python).start().await);
    let (ana, admin) = (kit.token("user-001@example.com"), kit.token("admin@example.com"));

    let stop = Arc::new(AtomicBool::new(false));
    let others: Vec<_> = ["echo", "calm"]
        .into_iter()
        .map(|endpoint| {
            let (kit, ana, stop) = (Arc::clone(&kit), ana.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut answered = 0;
                while !stop.load(Ordering::Relaxed) {
                    let reply = kit.invoke(endpoint, &ana, &body("echo canary-001", false)).await;
                    assert_eq!(reply.status, 200, "{endpoint}: {}", reply.text);
                    answered += 1;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                answered
            })
        })
        .collect();
    let ask = async |text: &str| {
        let reply = kit.invoke("wild", &ana, &body(text, false)).await;
        let said = reply.json()["output"][0]["content"][0]["text"].as_str().unwrap_or_default().to_owned();
        (reply, serde_json::from_str::<Value>(&said).unwrap_or_default())
    };

    // Never up: FAILED with the reason, not a loop of processes.
    let stillborn = kit.get("/api/2.0/serving-endpoints/stillborn", &admin).await.json();
    assert_eq!(stillborn["state"]["ready"], "NOT_READY", "{stillborn}");
    assert_eq!(stillborn["state"]["config_update"], "UPDATE_FAILED", "{stillborn}");
    let reply = kit.invoke("stillborn", &ana, &body("echo canary-001", false)).await;
    assert!(reply.status == 404 && reply.text.contains("exit status: 7"), "{}", reply.text);

    for round in 0..3 {
        let (reply, _) = ask("die canary-001").await;
        assert_eq!(reply.status, 502, "{}", reply.text);
        // A model that died on its first request is given a moment before the next try; then it serves again.
        kit.until(&format!("the agent is back after death {round}"), async |_| {
            ask("echo canary-001").await.0.status == 200
        })
        .await;
    }
    let (reply, said) = ask("flood canary-001").await;
    assert_eq!((reply.status, &said["canary"]), (200, &"canary-001".into()), "{}", reply.text);
    let logs = kit.get("/api/2.0/serving-endpoints/wild/served-models/canary-1/logs", &admin).await;
    assert!(logs.status == 200 && logs.text.len() < 4 << 20, "{} bytes of logs", logs.text.len());
    let (_, said) = ask("orphan canary-001").await;
    let orphan = u32::try_from(said["orphan"].as_u64().expect("a process id")).expect("small");
    assert!(std::path::Path::new(&format!("/proc/{orphan}")).exists());

    stop.store(true, Ordering::Relaxed);
    for other in others {
        let answered = other.await.expect("its neighbours are answered");
        println!("a neighbour was answered {answered} times");
        assert!(answered > 0);
    }
    let workers: Vec<u32> = kit.workspace.serving.worker_processes().into_iter().map(|(_, pid)| pid).collect();
    assert!(workers.len() >= 2);
    Arc::into_inner(kit).expect("nobody else holds it").stop().await;
    for pid in workers.into_iter().chain([orphan]) {
        let alive = std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| !environment.is_empty());
        assert!(!alive, "process {pid} is still there");
    }
    let left = processes_of(&std::env::temp_dir().join("nowhere"));
    assert_eq!(left.len(), 0);
}
