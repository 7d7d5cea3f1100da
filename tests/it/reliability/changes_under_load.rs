//! Signing keys, system tokens and configurations change under load, and no request fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use brickyard_testkit::Kit;
use serde_json::{Value, json};

use crate::load::{
    Chance, PEOPLE, body, canary, foreign, logged_agent, name, played_python, python, python_endpoint, scale,
    tokens, workspace,
};

/// What is asked of an endpoint: the body, given the caller's canary.
type Ask = fn(&mut Chance, &str) -> Value;

/// What updates an endpoint: the body of its next configuration.
type Next = fn(usize) -> Value;

fn scripted(version: usize) -> Value {
    json!({ "served_entities": [{
        // Every other update is another entity of another name, with all the traffic.
        "name": format!("echo-{}", version % 2),
        "auth_policy": { "user_auth_policy": { "api_scopes": ["serving.serving-endpoints"] } },
        "scripted": {
            "task": "agent/v1/responses",
            "rules": [{ "when": { "user": "(?P<words>.+)" }, "say": format!("{{words}} said version {version}") }],
        },
    }] })
}

fn of_python(version: usize) -> Value {
    json!({ "served_entities": [{
        "name": "canary",
        "entity_name": "main.agents.canary",
        "entity_version": "1",
        "workload_size": "Small",
        "environment_vars": { "VERSION": version.to_string() },
    }] })
}

/// Updates `endpoint` so often; the next update begins when the one before is over.
async fn update(kit: &Kit, admin: &str, endpoint: &str, times: usize, next: Next) {
    for version in 0..times {
        let path = format!("/api/2.0/serving-endpoints/{endpoint}");
        let reply = kit.put(&format!("{path}/config"), admin, &next(version)).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        loop {
            let state = kit.get(&path, admin).await.json()["state"].clone();
            match state["config_update"].as_str() {
                Some("IN_PROGRESS") => tokio::time::sleep(Duration::from_millis(20)).await,
                Some("NOT_UPDATING") => break,
                _ => panic!("update {version} of {endpoint}: {state}"),
            }
        }
    }
}

/// Asks each of `endpoints` in turn until told to stop; every request must be answered as it should.
async fn ask_on(
    kit: Arc<Kit>,
    tokens: Arc<[String]>,
    client: usize,
    stop: Arc<AtomicBool>,
    (endpoint, ask): (&'static str, Ask),
) -> usize {
    let (mut chance, mut number) = (Chance::of(client), 0);
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        let person = chance.below(PEOPLE);
        let own = canary(person, number);
        let asked = ask(&mut chance, &own);
        let reply = kit.invoke(endpoint, &tokens[person], &asked).await;
        assert_eq!(
            reply.status,
            200,
            "{endpoint}, request {number}: {}\n{}",
            reply.text,
            kit.explain(reply.request_id())
        );
        assert!(reply.text.contains(&own) && !reply.text.contains("{\"error\":"), "{}", reply.text);
        assert_eq!(foreign(&reply.text, person), None, "{} was answered: {}", name(person), reply.text);
    }
    number
}

/// Rotates everything that rotates until told to stop.
async fn rotate_on(kit: Arc<Kit>, admin: String, stop: Arc<AtomicBool>, rotations: Arc<AtomicUsize>) {
    let pause = Duration::from_millis(scale(200, 2_000) as u64);
    while !stop.load(Ordering::Relaxed) {
        let reply = kit.post("/_brickyard/rotate", &admin, &json!({})).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        rotations.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(pause).await;
    }
}

async fn no_request_fails(kit: Kit, asked: (&'static str, Ask), clients: usize, updates: usize, next: Next) {
    let endpoint = asked.0;
    let kit = Arc::new(kit);
    let tokens: Arc<[String]> = tokens(&kit).into();
    let admin = kit.token("admin@example.com");
    let (stop, rotations) = <(Arc<AtomicBool>, Arc<AtomicUsize>)>::default();
    let asking: Vec<_> = (0..clients)
        .map(|client| {
            tokio::spawn(ask_on(Arc::clone(&kit), Arc::clone(&tokens), client, Arc::clone(&stop), asked))
        })
        .collect();
    let rotating =
        tokio::spawn(rotate_on(Arc::clone(&kit), admin.clone(), Arc::clone(&stop), Arc::clone(&rotations)));
    update(&kit, &admin, endpoint, updates, next).await;
    // However quick the updates were, keys go under some load too.
    while rotations.load(Ordering::Relaxed) < scale(10, 150) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut answered = 0;
    for client in asking {
        answered += client.await.expect("every request was answered");
    }
    rotating.await.expect("every rotation was done");
    let rotations = rotations.load(Ordering::Relaxed);
    println!(
        "{endpoint}: {answered} requests, all answered, over {updates} updates and {rotations} rotations of everything"
    );
    Arc::into_inner(kit).expect("nobody else holds it").stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_of_a_scripted_agent_fails_while_keys_rotate_and_its_configuration_changes() {
    let kit = Kit::start(&workspace(None, "")).await;
    let ask: Ask = |chance, own| body(own, chance.one_in(4));
    no_request_fails(kit, ("echo", ask), 16, scale(50, 200), scripted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_falls_between_the_processes_of_an_old_version_and_a_new_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let model = logged_agent(dir.path());
    let yaml = workspace(Some(&model), &python_endpoint("canary", ""));
    let kit = Kit::builder(&yaml).python(played_python(dir.path())).start().await;
    let ask: Ask = |chance, own| {
        let wait = ["0", "0.002", "0.02"][chance.below(3)].parse::<f64>().expect("a number");
        match chance.one_in(4) {
            true => json!({ "chunks": 2, "text": own, "for": wait, "stream": true }),
            false => json!({ "do": "echo", "text": own, "for": wait }),
        }
    };
    no_request_fails(kit, ("canary", ask), 8, scale(50, 200), of_python).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_of_a_python_agent_fails_while_keys_rotate_and_its_configuration_changes() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let model = logged_agent(dir.path());
    let yaml = workspace(Some(&model), &python_endpoint("canary", ""));
    let kit = Kit::builder(&yaml).python(python).start().await;
    let ask: Ask = |chance, own| {
        let word = ["echo", "me", "model", "slow"][chance.below(4)];
        body(&format!("{word} {own}"), chance.one_in(4))
    };
    no_request_fails(kit, ("canary", ask), 4, scale(1, 50), of_python).await;
}
