//! Requests that wait for a worker: whose turn it is, and that nobody's answer is another's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use brickyard_agents::Job;
use brickyard_types::{BearerToken, Entropy, SeededEntropy};
use futures_util::future::join_all;
use serde_json::json;

use crate::fake::{job, start};

#[tokio::test]
async fn the_next_request_begins_when_its_worker_is_back_and_waits_for_nobodys_task() {
    let fake = start(|_| {}).await;
    let begun = Arc::new(AtomicBool::new(false));
    let tell = Arc::clone(&begun);
    let first = fake.ask(json!({"do": "echo", "text": "first", "for": 0.05}));
    let second = fake.run(Job {
        user_token: Some(BearerToken::new("second's")),
        on_worker: Some(Box::new(move |_| tell.store(true, Ordering::SeqCst))),
        ..job(json!({"do": "echo", "text": "second"}))
    });
    let (mut first, mut second) = (std::pin::pin!(first), std::pin::pin!(second));
    // The first holds the only worker, the second waits in the queue.
    assert!(
        futures_util::poll!(first.as_mut()).is_pending() && futures_util::poll!(second.as_mut()).is_pending()
    );
    assert!(!begun.load(Ordering::SeqCst));
    assert_eq!(first.await.expect("an answer")["echo"], "first");
    assert!(begun.load(Ordering::SeqCst), "nobody has looked at the second since");
    let second = second.await.expect("an answer");
    assert_eq!((&second["echo"], &second["token"]), (&json!("second"), &json!("second's")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_who_leave_the_queue_at_any_moment_never_get_each_others_answers() {
    let fake = start(|_| {}).await;
    let chance = SeededEntropy::new(11);
    let dice = |sides: u64| {
        let mut bytes = [0; 8];
        chance.fill(&mut bytes);
        u64::from_le_bytes(bytes) % sides
    };
    let answered = join_all((0..6).map(async |caller| {
        let mut answered = 0;
        for round in 0..100 {
            let mine = format!("mine {caller} {round}");
            let body = json!({"do": "echo", "text": mine, "for": (dice(2) as f64) * 0.001});
            let work = fake.run(Job { user_token: Some(BearerToken::new(mine.clone())), ..job(body) });
            let patience = if dice(4) == 0 { 60_000_000 } else { dice(8000) };
            if let Ok(answer) = tokio::time::timeout(Duration::from_micros(patience), work).await {
                let answer = answer.expect("an answer");
                assert_eq!((&answer["echo"], &answer["token"]), (&json!(mine), &json!(mine)));
                answered += 1;
            }
        }
        answered
    }))
    .await;
    assert!(answered.iter().sum::<i32>() >= 60, "{answered:?}");
    fake.until("all of them are settled", |stats| stats.in_flight == 0 && stats.idle == stats.ready).await;
    assert_eq!(fake.pool.stats().ended, 0, "no worker had to be killed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_no_socket_takes_at_once_arrives_whole_from_the_queue() {
    let fake = start(|_| {}).await;
    join_all((0..3).map(async |caller| {
        let text = format!("{caller}").repeat(3_000_000);
        let answer = fake.ask(json!({"do": "echo", "text": text})).await.expect("an answer");
        assert!(answer["echo"] == text, "{caller}");
    }))
    .await;
}
