//! Statements that take long: waited for, polled, cancelled. Nothing here waits for the clock: a service outside the
//! workspace answers when the test says so, and where a wait is to be over, the test turns time on.

use std::time::Duration;

use brickyard_testkit::Kit;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{STATEMENTS, YAML, run};

const ADMIN: &str = "admin@example.com";
const ANA: &str = "ana@example.com";

/// Nobody lives to see its end.
const ENDLESS: &str = "SELECT sum(id % 7) FROM range(1000000000000)";

async fn polled(kit: &Kit, who: &str, id: &Value) -> Value {
    let reply = kit.get(&format!("{STATEMENTS}/{}", id.as_str().expect("an id")), &kit.token(who)).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_nobody_waits_for_runs_until_it_has_succeeded() {
    let outside = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = outside.local_addr().expect("an address").port();
    let connection = format!(
        "CREATE CONNECTION slow TYPE HTTP OPTIONS (host 'http://127.0.0.1', port '{port}', bearer_token 'sesame')"
    );
    let kit = Kit::builder(YAML).sql(connection).start().await;
    let statement = "SELECT http_request(conn => 'slow', method => 'GET', path => '/rows').text AS said";
    let started = run(&kit, ADMIN, json!({"statement": statement, "wait_timeout": "0s"})).await;
    let (mut service, _) = outside.accept().await.expect("it is asked");
    for answer in [&started, &polled(&kit, ADMIN, &started["statement_id"]).await] {
        assert_eq!(
            answer,
            &json!({"statement_id": started["statement_id"], "status": {"state": "RUNNING"}}),
            "neither manifest nor result"
        );
    }
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") {
        asked.push(service.read_u8().await.expect("a request"));
    }
    let asked = String::from_utf8(asked).expect("text").to_lowercase();
    assert!(asked.starts_with("get /rows ") && asked.contains("authorization: bearer sesame"), "{asked}");
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\ndone";
    service.write_all(answer).await.expect("it is read");
    kit.until("the statement succeeds", async |kit| {
        let now = polled(kit, ADMIN, &started["statement_id"]).await;
        if now["status"] == json!({"state": "RUNNING"}) {
            return false;
        }
        assert_eq!(
            (&now["status"], &now["result"]["data_array"], &now["manifest"]["total_row_count"]),
            (&json!({"state": "SUCCEEDED"}), &json!([["done"]]), &json!(1)),
            "{now}"
        );
        true
    })
    .await;
}

/// The answer to a statement whose `wait_timeout` is over. Time stands still but for the steps that are taken here, one
/// a round trip, until there is an answer: no clock runs against the statement or the connection.
async fn out_of_patience(kit: &Kit, on_wait_timeout: &str) -> Value {
    tokio::time::pause();
    let body = json!({"statement": ENDLESS, "wait_timeout": "5s", "on_wait_timeout": on_wait_timeout});
    let answered = run(kit, ANA, body);
    tokio::pin!(answered);
    let answer = loop {
        let step = async {
            kit.get("/health", "").await;
            tokio::time::advance(Duration::from_millis(500)).await;
        };
        tokio::select! {
            answer = &mut answered => break answer,
            () = step => {}
        }
    };
    tokio::time::resume();
    answer
}

#[tokio::test]
async fn a_statement_that_outlasts_its_wait_runs_on_or_is_cancelled_as_was_asked() {
    let kit = Kit::start(YAML).await;
    let ana = kit.token(ANA);
    let cancelled = out_of_patience(&kit, "CANCEL").await;
    let id = &cancelled["statement_id"];
    assert_eq!(cancelled, json!({"statement_id": id, "status": {"state": "CANCELED"}}));
    assert_eq!(polled(&kit, ANA, id).await, cancelled);

    let running = out_of_patience(&kit, "CONTINUE").await;
    let id = &running["statement_id"];
    let path = format!("{STATEMENTS}/{}", id.as_str().expect("an id"));
    assert_eq!(running, json!({"statement_id": id, "status": {"state": "RUNNING"}}));
    assert_eq!(polled(&kit, ANA, id).await, running);
    let early = kit.get(&format!("{path}/result/chunks/0"), &ana).await;
    assert_eq!(
        early.refusal(),
        format!(
            "400 \"INVALID_STATE\" The statement {} is RUNNING and has no result to fetch.",
            id.as_str().expect("an id")
        )
    );
    // Twice: who cancels what has ended changes nothing.
    for _ in 0..2 {
        let reply = kit.post(&format!("{path}/cancel"), &ana, &json!({})).await;
        assert_eq!((reply.status, reply.json()), (200, json!({})));
        assert_eq!(polled(&kit, ANA, id).await, json!({"statement_id": id, "status": {"state": "CANCELED"}}));
    }
    assert_eq!(kit.delete(&path, &ana).await.status, 200);
    assert_eq!(polled(&kit, ANA, id).await["status"], json!({"state": "CLOSED"}));
    // Its work has ended too: this test and the server are one thread.
    let after = run(&kit, ANA, json!({"statement": "SELECT 1"})).await;
    assert_eq!(after["result"]["data_array"], json!([["1"]]));
}
