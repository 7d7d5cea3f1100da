//! The kinds of agents that came before `ResponsesAgent`, and plain models: logged by a real mlflow, deployed, and asked over
//! HTTP, plain and streamed.

use std::path::Path;

use brickyard_testkit::Kit;
use serde_json::{Value, json};

use super::CAROL;
use crate::agents::python;

/// `(the folder that log_agents.py writes, the endpoint)`.
const KINDS: [(&str, &str); 3] =
    [("chat", "chat-agent"), ("old-chat", "chat-model"), ("plain", "python-model")];

async fn logged(python: &Path, into: &Path) {
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/brickyard-agents/tests-python/log_agents.py");
    let mut command = tokio::process::Command::new(python);
    let logged =
        command.arg(script).arg(into).args(["chat", "old chat", "plain"]).output().await.expect("python");
    assert!(logged.status.success(), "{}", String::from_utf8_lossy(&logged.stderr));
}

/// The events of a stream as JSON, without the end that each one has.
fn events(text: &str) -> Vec<Value> {
    let events =
        text.strip_suffix("data: [DONE]\n\n").unwrap_or_else(|| panic!("an unfinished stream: {text}"));
    let data =
        events.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").expect("data lines only"));
    data.map(|data| serde_json::from_str(data).expect("JSON")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_agent_a_chat_model_and_a_python_model_answer_plain_and_streamed() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    logged(&python, dir.path()).await;
    let mut yaml =
        "workspace: {admins: [admin@example.com]}\nusers: [{user_name: carol@example.com}]\n".to_owned();
    let folder = dir.path().display();
    yaml.push_str("registered_models:\n");
    for (kind, name) in KINDS {
        yaml.push_str(&format!(
            "  - {{name: main.older.{name}, versions: [{{version: \"1\", source: {folder}/{kind}}}]}}\n"
        ));
    }
    yaml.push_str("serving_endpoints:\n");
    for (_, name) in KINDS {
        yaml.push_str(&format!(
            "  - {{name: {name}, creator: carol@example.com, config: {{served_entities: [{{entity_name: main.older.{name}, entity_version: \"1\"}}]}}}}\n"
        ));
    }
    let kit = Kit::builder(&yaml).python(&python).start().await;
    let carol = kit.token(CAROL);
    for (name, task) in [
        ("chat-agent", json!("agent/v2/chat")),
        ("chat-model", json!("agent/v1/chat")),
        ("python-model", Value::Null),
    ] {
        let endpoint = kit.get(&format!("{}/{name}", super::ENDPOINTS), &carol).await.json();
        assert_eq!((&endpoint["state"]["ready"], &endpoint["task"]), (&json!("READY"), &task), "{endpoint}");
    }
    let ask = async |endpoint: &str, body: &Value| {
        let reply = kit.invoke(endpoint, &carol, body).await;
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (200, "application/json"),
            "{endpoint}: {}",
            reply.text
        );
        reply.json()
    };
    let stream = async |endpoint: &str, body: &Value| {
        let mut body = body.clone();
        body["stream"] = json!(true);
        let reply = kit.invoke(endpoint, &carol, &body).await;
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (200, "text/event-stream"),
            "{endpoint}: {}",
            reply.text
        );
        events(&reply.text)
    };
    let hello = json!({"messages": [{"role": "user", "content": "hello"}]});

    assert_eq!(ask("chat-agent", &hello).await["messages"][0]["content"], "you said hello");
    let words = stream("chat-agent", &hello).await;
    assert_eq!(
        words.iter().map(|event| &event["delta"]["content"]).collect::<Vec<_>>(),
        ["you", "said", "hello"]
    );

    assert_eq!(ask("chat-model", &hello).await["choices"][0]["message"]["content"], "you said hello");
    // It was written without a stream, and says so as mlflow does.
    let mut streamed = hello.clone();
    streamed["stream"] = json!(true);
    let reply = kit.invoke("chat-model", &carol, &streamed).await;
    assert!(reply.status == 400 || reply.text.contains("\"error\""), "{} {}", reply.status, reply.text);

    let rows = json!({"dataframe_split": {"columns": ["q"], "data": [["a"], ["b"]]}, "params": {"depth": 3}});
    assert_eq!(
        ask("python-model", &rows).await,
        json!({"predictions": [{"type": "DataFrame", "rows": 2, "params": {"depth": 3}}]})
    );
    assert_eq!(
        stream("python-model", &json!({"inputs": ["a"]})).await,
        [json!({"first": 1}), json!("second")]
    );
    let table = kit.client.post(format!("{}/serving-endpoints/python-model/invocations", kit.url));
    let table = table.bearer_auth(&carol).header("content-type", "text/csv").body("q\na\n");
    let answer: Value = table.send().await.expect("a response").json().await.expect("JSON");
    assert_eq!(answer["predictions"][0]["rows"], 1, "{answer}");
    kit.stop().await;
}
