//! The same Python agent, asked by everybody at once, while its workers are killed under it.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use brickyard_testkit::{Kit, Reply};
use brickyard_types::WorkerId;
use serde_json::Value;
use tokio::sync::watch;

use super::crowd::{ask, ask_and_leave, check_ledger, check_own};
use crate::load::{
    Chance, PEOPLE, body, canary, foreign, kill, logged_agent, name, python, python_endpoint, scale, tokens,
    workspace,
};

const CLIENTS: usize = 12;

/// Every name that the agent believed to act as, in an answer or in the events of a stream.
fn believed(reply: &Reply) -> Vec<String> {
    let mut texts = Vec::new();
    if reply.header("content-type").starts_with("text/event-stream") {
        assert!(reply.text.ends_with("data: [DONE]\n\n"), "an unfinished stream: {}", reply.text);
        for event in reply.text.lines().filter_map(|line| line.strip_prefix("data: {")) {
            let event: Value = serde_json::from_str(&format!("{{{event}")).expect("JSON");
            let text = event["delta"].as_str().or_else(|| event["item"]["content"][0]["text"].as_str());
            texts.extend(text.map(ToOwned::to_owned));
        }
    } else {
        texts.extend(reply.json()["output"][0]["content"][0]["text"].as_str().map(ToOwned::to_owned));
    }
    let of = |text: &String| -> Vec<String> {
        let said: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let users = said["users"].as_array().expect("users").iter();
        users.map(|user| user.as_str().expect("a name").to_owned()).collect()
    };
    texts.iter().flat_map(of).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_anybody_else_in_a_python_agent_whose_workers_are_killed() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let model = logged_agent(dir.path());
    let yaml = workspace(Some(&model), &python_endpoint("canary", ""));
    let kit = Arc::new(Kit::builder(&yaml).python(python).start().await);
    let tokens: Arc<[String]> = tokens(&kit).into();
    let (requests, least_kills, most_kills) = (scale(2_000, 100_000), scale(3, 20), scale(6, usize::MAX));

    let (killed, at_work) = <(Arc<Mutex<HashSet<WorkerId>>>, Arc<Mutex<HashSet<WorkerId>>>)>::default();
    let (kills, kills_seen) = watch::channel(0_usize);
    let killer = {
        let (kit, killed, at_work) = (Arc::clone(&kit), Arc::clone(&killed), Arc::clone(&at_work));
        tokio::spawn(async move {
            let (mut chance, mut newborn) = (Chance::of(CLIENTS), false);
            while *kills.borrow() < most_kills {
                tokio::time::sleep(Duration::from_secs(2)).await;
                let mut workers = kit.workspace.serving.worker_processes();
                // Mostly one that answers people, now and then one that is just being born, but never two of those in a
                // row: on a machine that takes longer than two seconds for a birth, nobody would be answered at all.
                let wanted = !newborn && chance.one_in(3);
                workers.retain(|(worker, _)| at_work.lock().expect("whole").contains(worker) != wanted);
                if workers.is_empty() {
                    continue;
                }
                newborn = wanted;
                let (worker, pid) = &workers[chance.below(workers.len())];
                killed.lock().expect("whole").insert(worker.clone());
                kill(*pid);
                kills.send_modify(|kills| *kills += 1);
            }
        })
    };

    let (next, left, answered, failed) =
        <(Arc<AtomicUsize>, Arc<AtomicUsize>, Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    let clients = (0..CLIENTS).map(|client| {
        let (kit, tokens) = (Arc::clone(&kit), Arc::clone(&tokens));
        let (killed, at_work) = (Arc::clone(&killed), Arc::clone(&at_work));
        let (next, left, answered, failed) =
            (Arc::clone(&next), Arc::clone(&left), Arc::clone(&answered), Arc::clone(&failed));
        let kills_seen = kills_seen.clone();
        tokio::spawn(async move {
            let mut chance = Chance::of(client);
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= requests && *kills_seen.borrow() >= least_kills {
                    return;
                }
                if number.is_multiple_of(1_000) {
                    eprintln!("{number} of {requests} requests, {} workers killed", *kills_seen.borrow());
                }
                let person = chance.below(PEOPLE);
                let (token, own) = (&tokens[person], canary(person, number));
                let word = match chance.below(200) {
                    0 => "sdk",
                    1..20 => "me",
                    20..40 => "model",
                    40..100 => "slow",
                    _ => "echo",
                };
                let body = body(&format!("{word} {own}"), chance.one_in(5));
                if chance.one_in(10) {
                    let heard =
                        ask_and_leave(&kit, "canary", token, &body, Duration::from_millis(60), &mut chance)
                            .await;
                    assert_eq!(foreign(&heard, person), None, "{} was answered: {heard}", name(person));
                    left.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                let reply = ask(&kit, "canary", token, &body).await;
                check_own(&kit, person, &reply);
                let entry =
                    kit.workspace.ledger.get(&reply.request_id().parse().expect("an id")).expect("kept");
                let broken = reply.status >= 500 || reply.text.contains("{\"error\":");
                if broken {
                    let explained = kit.explain(reply.request_id());
                    let on_killed = entry
                        .worker
                        .as_ref()
                        .is_some_and(|worker| killed.lock().expect("whole").contains(worker));
                    assert!(
                        on_killed,
                        "a request failed that was on no killed worker: {}\n{explained}",
                        reply.text
                    );
                    failed.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                assert_eq!(reply.status, 200, "{word}: {}", reply.text);
                assert!(reply.text.contains(&own), "{own} asked, and was answered: {}", reply.text);
                let believed = believed(&reply);
                assert!(
                    !believed.is_empty() && believed.iter().all(|who| *who == name(person)),
                    "{believed:?}"
                );
                at_work.lock().expect("whole").extend(entry.worker.clone());
                answered.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    for client in futures_util::future::join_all(clients).await {
        client.expect("a client that was satisfied");
    }
    killer.abort();
    let _ = killer.await;
    let kills = *kills_seen.borrow();
    let checked = check_ledger(&kit);
    let (left, answered, failed) =
        (left.load(Ordering::Relaxed), answered.load(Ordering::Relaxed), failed.load(Ordering::Relaxed));
    println!(
        "{} requests of {PEOPLE} people: {answered} answered, {left} left early, {failed} failed on {kills} killed \
         workers, {checked} ledger entries",
        left + answered + failed
    );
    assert!(
        failed <= kills,
        "{failed} requests failed of {kills} killed workers, which run one request each"
    );
    // The logs that an endpoint's manager reads never hold a token.
    let logs =
        kit.workspace.serving.logs(&"canary".parse().expect("a name"), &"canary-1".parse().expect("a name"));
    assert!(!logs.unwrap_or_default().contains("eyJ"), "a token was logged");
    Arc::into_inner(kit).expect("nobody else holds it").stop().await;
}
