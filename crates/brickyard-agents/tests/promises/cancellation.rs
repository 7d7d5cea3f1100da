//! A cancelled request never leaves its answer for the next one.

use std::time::Duration;

use brickyard_agents::{Answer, Job};
use brickyard_types::{BearerToken, Entropy, SeededEntropy};
use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::fake::{job, start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_cancelled_at_any_moment_leave_nothing_behind() {
    let fake = start(|spec| spec.max_workers = 2).await;
    let chance = SeededEntropy::new(7);
    let dice = |sides: u64| {
        let mut bytes = [0; 8];
        chance.fill(&mut bytes);
        u64::from_le_bytes(bytes) % sides
    };
    let mut answered = 0;
    for round in 0..1000 {
        let mine = format!("mine {round}");
        let stream = dice(3) == 0;
        let mut body = json!({"do": "echo", "text": mine, "for": (dice(3) as f64) * 0.001});
        if stream {
            body["stream"] = Value::Bool(true);
            body["chunks"] = json!(5);
        }
        let job = Job { user_token: Some(BearerToken::new(mine.clone())), ..job(body) };
        let patience = Duration::from_micros(dice(4000));
        let patience = if dice(10) == 0 { Duration::from_secs(60) } else { patience };
        let check = |text: &[u8]| {
            let value: Value = serde_json::from_slice(text).expect("JSON");
            let text = if stream { &value["text"] } else { &value["echo"] };
            assert_eq!((text, &value["token"]), (&json!(mine), &json!(mine)), "round {round}");
        };
        let work = async {
            match fake.pool.predict(job).await.expect("an answer") {
                Answer::Json { body, .. } => check(&body),
                Answer::Stream { mut chunks, .. } => {
                    while let Some(chunk) = chunks.next().await {
                        check(&chunk.expect("a chunk"));
                    }
                }
            }
        };
        if tokio::time::timeout(patience, work).await.is_ok() {
            answered += 1;
        }
    }
    assert!(answered >= 50, "{answered}");
    fake.until("all of them are settled", |stats| stats.in_flight == 0 && stats.idle == stats.ready).await;
    assert_eq!(fake.pool.stats().ended, 0, "no worker had to be killed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_works_on_is_interrupted_and_its_worker_kept() {
    let fake = start(|_| {}).await;
    for body in [
        json!({"do": "echo", "for": 600}),
        json!({"do": "spin", "for": 600}),
        json!({"chunks": 1000, "for": 0.02, "stream": true}),
        json!({"chunks": 2, "for": 600, "stream": true}),
    ] {
        let work = async {
            match fake.pool.predict(job(body.clone())).await.expect("an answer") {
                Answer::Json { .. } => {}
                Answer::Stream { mut chunks, .. } => while chunks.next().await.is_some() {},
            }
        };
        assert!(tokio::time::timeout(Duration::from_millis(100), work).await.is_err());
        assert_eq!(fake.echo("after").await, "after", "{body}");
    }
    assert_eq!(fake.pool.stats().started, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_ignores_its_cancellation_is_ended() {
    let fake = start(|_| {}).await;
    let work = fake.ask(json!({"do": "deaf", "for": 600}));
    assert!(tokio::time::timeout(Duration::from_millis(50), work).await.is_err());
    assert_eq!(fake.echo("after").await, "after");
    let stats = fake.pool.stats();
    assert_eq!((stats.started, stats.ended, stats.failures), (2, 1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_leaves_the_queue_takes_nobodys_turn() {
    let fake = start(|spec| spec.max_queue = 3).await;
    let slow = fake.ask(json!({"do": "echo", "text": "slow", "for": 0.4}));
    let rest = async {
        fake.until("the worker is busy", |stats| stats.idle == 0).await;
        let two = async { tokio::join!(fake.echo("one"), fake.echo("two")) };
        let leaves = tokio::time::timeout(Duration::from_millis(100), fake.ask(json!({"do": "echo"})));
        let full = async {
            fake.until("three wait", |stats| stats.waiting == 3).await;
            fake.ask(json!({"do": "echo"})).await.expect_err("the queue is full").to_string()
        };
        tokio::join!(leaves, two, full)
    };
    let (slow, (left, (one, two), full)) = tokio::join!(slow, rest);
    assert_eq!(slow.expect("slow")["echo"], "slow");
    assert!(left.is_err());
    assert_eq!((one, two), (json!("one"), json!("two")));
    assert_eq!(full, "all workers are busy and the queue is full");
}
