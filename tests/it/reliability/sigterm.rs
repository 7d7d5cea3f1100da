//! SIGTERM: what was accepted is answered, open streams end as they should, the exit code is 0, and no process is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt;
use nix::sys::signal::Signal;
use reqwest::Client;
use serde_json::Value;

use crate::load::process::Brickyard;
use crate::load::{body, logged_agent, processes_of, python, python_endpoint, scale, signal, workspace};

const ADMIN: &str = "dapi000000000000000000000000000000ad";

fn with_token(yaml: &str) -> String {
    yaml.replacen(
        "{user_name: admin@example.com}",
        &format!("{{user_name: admin@example.com, personal_access_tokens: [{{value: {ADMIN}}}]}}"),
        1,
    )
}

fn client() -> Client {
    Client::builder().no_proxy().build().expect("a client")
}

async fn send(
    client: &Client,
    url: &str,
    endpoint: &str,
    body: &Value,
) -> reqwest::Result<reqwest::Response> {
    let url = format!("{url}/serving-endpoints/{endpoint}/invocations");
    client.post(url).bearer_auth(ADMIN).json(body).send().await
}

/// Asks again and again until the door is closed; every request that got in is answered whole.
async fn ask_until_closed(client: Client, url: String, number: usize, answered: Arc<AtomicUsize>) {
    loop {
        let (text, stream) = if number.is_multiple_of(3) {
            ("slow canary-001", true)
        } else {
            ("canary-001", number.is_multiple_of(2))
        };
        let response = match send(&client, &url, "echo", &body(text, stream)).await {
            Ok(response) => response,
            Err(error) if error.is_connect() => return,
            Err(error) => panic!("an accepted request was dropped: {error:?}"),
        };
        // The door stays open for agents at work; everybody else is told.
        if response.status() == 503 {
            let told = response.text().await.expect("a whole answer");
            assert!(told.contains("brickyard is stopping"), "{told}");
            return;
        }
        assert_eq!(response.status(), 200);
        let text = response.text().await.expect("a whole answer");
        assert!(text.contains("canary-001") && !text.contains("{\"error\":"), "{text}");
        assert!(!stream || text.ends_with("data: [DONE]\n\n"), "{text}");
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_brickyard_answers_everything_that_it_accepted() {
    let dir = tempfile::tempdir().expect("a folder");
    let (config, data) = (dir.path().join("workspace.yaml"), dir.path().join("data"));
    std::fs::write(&config, with_token(&workspace(None, ""))).expect("written");
    std::fs::create_dir(&data).expect("made");
    let (rounds, mut total) = (scale(5, 100), 0);
    for _ in 0..rounds {
        let mut brickyard = Brickyard::start(&config, &data, None).await;
        let answered = Arc::new(AtomicUsize::new(0));
        // One client each has its own connections; some share one, as a proxy would.
        let shared = client();
        let clients: Vec<_> = (0..24)
            .map(|number| {
                let client = if number < 8 { shared.clone() } else { client() };
                tokio::spawn(ask_until_closed(client, brickyard.url.clone(), number, Arc::clone(&answered)))
            })
            .collect();
        while answered.load(Ordering::Relaxed) < 500 {
            tokio::task::yield_now().await;
            assert!(clients.iter().all(|client| !client.is_finished()), "{}", brickyard.log());
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        signal(brickyard.pid(), Signal::SIGTERM);
        for client in clients {
            client.await.expect("everything that was accepted was answered");
        }
        let status = brickyard.ended().await;
        assert!(status.success(), "{status}\n{}", brickyard.log());
        total += answered.load(Ordering::Relaxed);
    }
    println!("{rounds} stops under load, {total} requests accepted, all answered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_brickyard_lets_python_agents_finish_and_leaves_no_process() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let (config, data) = (dir.path().join("workspace.yaml"), dir.path().join("data"));
    let model = logged_agent(dir.path());
    let go = dir.path().join("go");
    let variables = format!("          environment_vars: {{GO: {}, SIGNALS: ignored}}", go.display());
    let yaml = workspace(Some(&model), &python_endpoint("canary", &variables));
    std::fs::write(&config, with_token(&yaml)).expect("written");
    std::fs::create_dir(&data).expect("made");
    let rounds = scale(1, 20);
    for _ in 0..rounds {
        let _ = std::fs::remove_file(&go);
        let mut brickyard = Brickyard::start(&config, &data, Some(&python)).await;
        let run = data.canonicalize().expect("there").join("run");
        // Three agents at work: one streams, one will call the workspace on its caller's behalf after the signal.
        let mut open = Vec::new();
        for text in ["ticks canary-001", "callback canary-002"] {
            let client = client();
            let response =
                send(&client, &brickyard.url, "canary", &body(text, true)).await.expect("a stream");
            assert_eq!(response.status(), 200);
            let mut events = response.bytes_stream();
            let first = events.next().await.expect("an event").expect("readable");
            open.push((text, String::from_utf8_lossy(&first).into_owned(), events));
        }
        let workers = processes_of(&run);
        assert!(workers.len() >= 2, "{workers:?} in {}", run.display());
        signal(brickyard.pid(), Signal::SIGTERM);
        // It has heard when nobody new is let in.
        let late = client();
        while late
            .get(format!("{}/ready", brickyard.url))
            .send()
            .await
            .is_ok_and(|ready| ready.status() == 200)
        {
            tokio::task::yield_now().await;
        }
        std::fs::write(&go, "").expect("written");
        for (text, mut read, mut events) in open {
            while let Some(bytes) = events.next().await {
                read.push_str(&String::from_utf8_lossy(&bytes.expect("a stream that is not cut")));
            }
            assert!(read.ends_with("data: [DONE]\n\n"), "{text}: {read}");
            assert!(!read.contains("{\"error\":"), "{text}: {read}");
            assert!(read.contains("response.output_item.done"), "{text}: {read}");
        }
        let status = brickyard.ended().await;
        assert!(status.success(), "{status}\n{}", brickyard.log());
        assert_eq!(processes_of(&run).len(), 0, "workers are left");
        let left = workers
            .iter()
            .filter(|pid| std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|e| !e.is_empty()));
        assert_eq!(left.count(), 0);
    }
    println!("{rounds} stops with open Python streams, each ended as it should, no process left");
}
