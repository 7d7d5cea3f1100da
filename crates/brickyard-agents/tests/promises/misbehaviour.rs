//! A worker that misbehaves is replaced; its request gets an error, nobody else's does.

use brickyard_agents::{Answer, PredictError};
use futures_util::StreamExt;
use serde_json::json;

use crate::fake::{job, start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_breaks_the_protocol_is_replaced_and_only_its_request_fails() {
    let fake = start(|_| {}).await;
    let table = [
        ("die", "died while it worked on the request: exit status: 3"),
        ("wrong id", "answered out of step: it answered another request"),
        ("wrong kind", "answered out of step: Ready came where an answer was due"),
        ("noise", "answered out of step: the worker announced a frame of 4294967295 bytes"),
        ("close", "died while it worked on the request"),
    ];
    for (index, (what, says)) in table.into_iter().enumerate() {
        assert_eq!(fake.echo("before").await, "before");
        let error = fake.ask(json!({"do": what})).await.expect_err(what).to_string();
        assert!(error.contains(says), "{what}: {error}");
        assert_eq!(fake.echo("after").await, "after", "{what}");
        assert_eq!(fake.pool.stats().started, index as u64 + 2, "{what}");
    }
    assert_eq!(fake.pool.stats().failures, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_answer_is_nobodys() {
    let fake = start(|_| {}).await;
    for round in 0..5 {
        let first = fake.ask(json!({"do": "twice"})).await.expect("the first answer");
        assert_eq!(first["echo"], "first");
        let mine = format!("mine {round}");
        match fake.ask(json!({"do": "echo", "text": mine})).await {
            Ok(answer) => assert_eq!(answer["echo"], mine.as_str()),
            // The second answer came after the next request had been sent: refused by its id.
            Err(error) => assert!(matches!(error, PredictError::OutOfStep { .. }), "{error}"),
        }
        assert_eq!(fake.ask(json!({"do": "twice later"})).await.expect("early")["echo"], "early");
        tokio::time::sleep(std::time::Duration::from_millis(120)).await;
        assert_eq!(fake.echo("clean").await, "clean");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_inside_a_stream_ends_the_stream_and_the_worker() {
    let fake = start(|_| {}).await;
    let answer = fake.pool.predict(job(json!({"do": "answer inside a stream"}))).await.expect("a stream");
    let Answer::Stream { mut chunks, .. } = answer else { panic!("a stream") };
    assert_eq!(chunks.next().await.expect("one").expect("one"), "\"one\"");
    assert!(matches!(chunks.next().await, Some(Err(PredictError::OutOfStep { .. }))));
    assert!(chunks.next().await.is_none());
    assert_eq!(fake.echo("after").await, "after");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_agent_raises_is_an_error_of_its_request_and_the_worker_stays() {
    let fake = start(|_| {}).await;
    for what in ["raise", "exit"] {
        let error = fake.ask(json!({"do": what, "text": "of its own"})).await.expect_err(what);
        let PredictError::Agent(error) = error else { panic!("{error}") };
        assert_eq!(error.error_code, "BAD_REQUEST");
        assert!(error.message.starts_with("Encountered an unexpected error while evaluating the model."));
        let trace = error.stack_trace.expect("a trace");
        assert!(trace.contains("of its own") || trace.contains("SystemExit: bye"), "{trace}");
    }
    let error =
        fake.run(brickyard_agents::Job { body: "{".into(), ..job(json!({})) }).await.expect_err("no JSON");
    assert!(
        error.to_string().starts_with("BAD_REQUEST: Invalid input. Ensure that input is a valid JSON"),
        "{error}"
    );
    let error =
        fake.run(brickyard_agents::Job { body: "[1]".into(), ..job(json!({})) }).await.expect_err("a list");
    assert!(error.to_string().contains("Received a list."), "{error}");
    let deep = "[".repeat(200_000);
    let error =
        fake.run(brickyard_agents::Job { body: deep.into(), ..job(json!({})) }).await.expect_err("deep");
    assert!(matches!(error, PredictError::Agent(_)), "{error}");
    assert_eq!(fake.pool.stats().started, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_on_standard_output_stops_nobody() {
    let fake = start(|_| {}).await;
    assert_eq!(
        fake.ask(json!({"do": "flood", "megabytes": 100})).await.expect("an answer")["echo"],
        "flooded"
    );
    assert_eq!(fake.echo("after").await, "after");
    assert!(fake.pool.logs().text().len() <= 1 << 20);
    assert_eq!(fake.pool.stats().started, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hang_ends_with_its_deadline_and_the_worker_is_replaced() {
    let fake = start(|spec| spec.predict_timeout = std::time::Duration::from_millis(1500)).await;
    let error = fake.ask(json!({"do": "deaf", "for": 600})).await.expect_err("too late");
    assert!(matches!(error, PredictError::DeadlineExceeded { .. }), "{error}");
    assert_eq!(fake.echo("after").await, "after");
    assert_eq!(fake.pool.stats().started, 2);
    let small = start(|spec| spec.max_frame = 64 * 1024).await;
    let error = small.ask(json!({"do": "echo", "text": "x".repeat(70_000)})).await.expect_err("too large");
    assert!(matches!(error, PredictError::TooLarge { .. }), "{error}");
    assert_eq!(small.echo("after").await, "after");
}
