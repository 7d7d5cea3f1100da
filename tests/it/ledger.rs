//! What the ledger shows over HTTP: entries as they are written, and pages of those that were.

use std::sync::Arc;

use brickyard_testkit::Kit;
use brickyard_types::{Clock, ManualClock, SignedDuration, SystemClock};
use reqwest::Response;
use serde_json::{Value, json};

const ADMIN: &str = "admin@example.com";
const ANA: &str = "ana@example.com";

const WORKSPACE: &str = r#"
workspace: {admins: [admin@example.com]}
users: [{user_name: ana@example.com}]
serving_endpoints:
  - name: echo
    config: {served_entities: [{scripted: {task: llm/v1/chat, rules: [{say: hello}]}, name: echo}]}
    permissions: [{group_name: users, permission_level: CAN_QUERY}]
  - name: closed
    config: {served_entities: [{scripted: {task: llm/v1/chat, rules: [{say: hello}]}, name: closed}]}
"#;

fn hello() -> Value {
    json!({"messages": [{"role": "user", "content": "hello"}]})
}

/// A stream of events, read one at a time.
struct Events {
    response: Response,
    text: String,
}

impl Events {
    /// What follows `data: ` in the next event; nothing at the end.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let data = event.strip_prefix("data: ").expect("data lines only").to_owned();
                self.text = rest.to_owned();
                return Some(data);
            }
            let chunk = self.response.chunk().await.expect("a readable stream")?;
            self.text.push_str(std::str::from_utf8(&chunk).expect("text"));
        }
    }
}

async fn follow(kit: &Kit, token: &str, filter: &str) -> Events {
    let request = kit.client.get(format!("{}/_brickyard/ledger/stream{filter}", kit.url)).bearer_auth(token);
    let response = request.send().await.expect("a response");
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (200, &"text/event-stream".parse().expect("a value"))
    );
    Events { response, text: String::new() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_sees_each_request_as_it_is_answered_for_as_long_as_the_token_counts() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let kit = Kit::builder(WORKSPACE).clock(Arc::clone(&clock)).start().await;
    let brief = kit.scoped_token(ADMIN, "all-apis", SignedDuration::from_mins(10));
    let mut all = follow(&kit, &brief, "").await;
    let mut refused = follow(&kit, &brief, "?decision=refused").await;
    let (answered, denied) = (
        kit.invoke("echo", &kit.token(ANA), &hello()).await,
        kit.invoke("closed", &kit.token(ANA), &hello()).await,
    );
    assert_eq!((answered.status, denied.status), (200, 403));
    // The other stream's own request is news to this one; the requests of people come in their order.
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let entry: Value = serde_json::from_str(&all.next().await.expect("an entry")).expect("JSON");
        if !entry["endpoint"].is_null() {
            seen.push((entry["request_id"].clone(), entry["endpoint"].clone(), entry["status"].clone()));
        }
    }
    assert_eq!(
        seen,
        [
            (json!(answered.request_id()), json!("echo"), json!(200)),
            (json!(denied.request_id()), json!("closed"), json!(403)),
        ]
    );
    let entry: Value = serde_json::from_str(&refused.next().await.expect("an entry")).expect("JSON");
    assert_eq!(entry["request_id"], denied.request_id());

    clock.advance(SignedDuration::from_mins(11));
    kit.invoke("closed", &kit.token(ANA), &hello()).await;
    let told = refused.next().await.expect("the end, told");
    assert!(told.contains("error") && told.contains("the token has expired"), "{told}");
    while let Some(last) = refused.next().await {
        assert_eq!(last, "[DONE]");
    }
    drop((all, refused));
    kit.stop().await;
}

#[tokio::test]
async fn pages_of_the_ledger_follow_each_other_without_a_gap() {
    let kit = Kit::start(WORKSPACE).await;
    let (admin, ana) = (kit.token(ADMIN), kit.token(ANA));
    let mut asked = Vec::new();
    for _ in 0..7 {
        asked.push(kit.invoke("echo", &ana, &hello()).await.request_id().to_owned());
    }
    asked.reverse();
    let (mut read, mut page, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let path = format!("/_brickyard/ledger?endpoint=echo&max_results=3{page}");
        let answer = kit.get(&path, &admin).await.json();
        let entries = answer["entries"].as_array().expect("entries").clone();
        read.extend(entries.iter().map(|entry| entry["request_id"].as_str().expect("an id").to_owned()));
        pages += 1;
        match answer["next_page_token"].as_str() {
            Some(next) => page = format!("&page_token={next}"),
            None => break,
        }
    }
    assert_eq!((read, pages >= 3), (asked, true));
    kit.stop().await;
}
