//! What the documentation limits a call to, over HTTP: its size, its time, and how many wait.

use brickyard_testkit::{Builder, Kit};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::{Value, json};

use super::{CAROL, WORKSPACE};
use crate::agents::{Logged, tells};
use crate::load::played_python;

/// A workspace whose Python is played: requests say what to `do`, and no model is loaded.
fn played(models: &Logged, entity: &str) -> Builder {
    models.responses_agent("agent", "", "");
    models.python_model("model", "");
    let folder = models.path().display();
    let yaml = format!(
        "{WORKSPACE}\n  - {{name: played, creator: carol@example.com, config: {{served_entities: [{{{entity}}}]}}}}\n\
         registered_models:\n  \
         - {{name: main.models.agent, versions: [{{version: \"1\", source: {folder}/agent}}]}}\n  \
         - {{name: main.models.model, versions: [{{version: \"1\", source: {folder}/model}}]}}\n"
    );
    Kit::builder(&yaml).python(played_python(models.path()))
}

/// A model that is no agent takes 16 MB, and what is larger is refused with that number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_16_mb_is_the_limit_of_a_model_that_is_no_agent() {
    let models = Logged::new();
    let kit = played(&models, "entity_name: main.models.model, entity_version: \"1\"").start().await;
    let padded = |size: usize| {
        let frame = r#"{"do": "echo", "text": "small", "padding": ""}"#;
        let (before, after) = frame.split_at(frame.len() - 2);
        format!("{before}{}{after}", "x".repeat(size - frame.len()))
    };
    let (agents, limit) = (4 << 20, 16 << 20);
    let named = "served-models/model-1/invocations";
    for (path, size, status) in [
        ("invocations", agents + 1, 200),
        ("invocations", limit, 200),
        ("invocations", limit + 1, 413),
        (named, agents + 1, 200),
        (named, limit + 1, 413),
    ] {
        let request = kit.client.post(format!("{}/serving-endpoints/played/{path}", kit.url));
        let request = request.bearer_auth(kit.token(CAROL)).header("content-type", "application/json");
        let reply = request.body(padded(size)).send().await.expect("a response");
        assert_eq!(reply.status().as_u16(), status, "{path} with {size}");
        let reply: Value = reply.json().await.expect("JSON");
        match status {
            200 => assert_eq!(reply["echo"], "small", "{path} with {size}"),
            _ => assert_eq!(reply["message"], "Request body is larger than the limit of 16 MB"),
        }
    }
    // The paths of OpenAI are of agents and language models, whatever they name.
    let request = kit.client.post(format!("{}/serving-endpoints/chat/completions", kit.url));
    let request = request.bearer_auth(kit.token(CAROL)).header("content-type", "application/json");
    let reply = request.body(padded(agents + 1)).send().await.expect("a response");
    assert_eq!(reply.status().as_u16(), 413);
    kit.stop().await;
}

/// One unit of concurrency works on one request, and so many wait for it; the next one is told what to change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_finds_the_queue_full_is_told_to_provision_more() {
    let models = Logged::new();
    let entity = "entity_name: main.models.agent, entity_version: \"1\", max_provisioned_concurrency: 1";
    let kit = played(&models, entity).start().await;
    let (carol, endless) = (kit.token(CAROL), json!({"do": "echo", "for": 600}));
    let mut calls: FuturesUnordered<_> = (0..66).map(|_| kit.invoke("played", &carol, &endless)).collect();
    let refused = calls.next().await.expect("one of 66");
    assert_eq!(
        refused.refusal(),
        "429 \"REQUEST_LIMIT_EXCEEDED\" Too many concurrent requests. Consider increasing the provisioned concurrency of the served \
         entity."
    );
    assert_eq!(refused.header("retry-after"), "1");
    tells(
        &kit.explain(refused.request_id()),
        &["FAILED 429 POST /serving-endpoints/played/invocations", "the queue is full"],
    );
    // Those that wait go away, and with them what was refused to the next one.
    drop(calls);
    kit.until("a request is answered again", async |kit| {
        let reply = kit.invoke("played", &carol, &json!({"do": "echo", "text": "again"})).await;
        assert!(matches!(reply.status, 200 | 429), "{}", reply.text);
        reply.json()["echo"] == "again"
    })
    .await;
    kit.stop().await;
}

/// Here after a second, documented after 297: the agent is ended, and its caller is told, whatever holds the agent up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_longer_than_a_request_may_take_gets_504() {
    let models = Logged::new();
    let kit = played(&models, "entity_name: main.models.agent, entity_version: \"1\"")
        .execution_seconds(1)
        .start()
        .await;
    let carol = kit.token(CAROL);
    let refusal = "504 \"DEADLINE_EXCEEDED\" the request was not answered within 1 seconds";
    for body in [json!({"do": "deaf", "for": 600}), json!({"chunks": 3, "for": 600, "stream": true})] {
        let reply = kit.invoke("played", &carol, &body).await;
        assert_eq!(reply.refusal(), refusal, "{body}");
        tells(
            &kit.explain(reply.request_id()),
            &["FAILED 504 POST /serving-endpoints/played/invocations", "not answered within 1 seconds"],
        );
    }
    // An agent that somebody else runs is held to the same.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", silent.local_addr().expect("an address"));
    super::create(&kit, CAROL, "elsewhere", vec![json!({"name": "elsewhere", "url": url})]).await;
    super::ready(&kit, "elsewhere").await;
    let reply = kit.invoke("elsewhere", &carol, &json!({"input": []})).await;
    assert_eq!(reply.refusal(), refusal);
    kit.stop().await;
}
