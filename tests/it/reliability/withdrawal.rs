//! What was deleted or withdrawn is refused, and what is given again works again.

use std::sync::Arc;

use brickyard_testkit::Kit;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::load::body;

/// A request that an agent outside got, and the way to let it answer.
struct Held {
    user_token: String,
    system_token: String,
    answer: oneshot::Sender<()>,
}

/// An agent that somebody else runs: it shows each request to the test, and answers when it is told to.
async fn agent_outside() -> (String, mpsc::Receiver<Held>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (show, shown) = mpsc::channel(1);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(hold(BufReader::new(stream), show.clone()));
        }
    });
    (url, shown)
}

async fn hold(mut stream: BufReader<tokio::net::TcpStream>, show: mpsc::Sender<Held>) -> Option<()> {
    loop {
        let (mut user_token, mut system_token, mut length) = (String::new(), String::new(), 0);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            let Some((name, value)) = line.trim().split_once(':') else {
                if line.trim().is_empty() { break } else { continue }
            };
            match name {
                "x-forwarded-access-token" => user_token = value.trim().to_owned(),
                "x-brickyard-passthrough-token" => system_token = value.trim().to_owned(),
                "content-length" => length = value.trim().parse().ok()?,
                _ => {}
            }
        }
        stream.read_exact(&mut vec![0; length]).await.ok()?;
        let (answer, told) = oneshot::channel();
        show.send(Held { user_token, system_token, answer }).await.ok()?;
        told.await.ok()?;
        let answer =
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{\"held\": 1}";
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}

fn config(url: &str) -> String {
    format!(
        r#"
workspace: {{admins: [admin@example.com]}}
users: [{{user_name: admin@example.com}}, {{user_name: ana@example.com}}, {{user_name: carol@example.com}}]
secret_scopes:
  - scope: travel
    secrets: [{{key: weather, value: sunshine}}]
    acls: [{{principal: carol@example.com, permission: READ}}]
serving_endpoints:
  - name: model
    creator: admin@example.com
    config: {{served_entities: [{{name: model, scripted: {{task: agent/v1/responses, rules: [{{say: yes}}]}}}}]}}
    permissions: [{{user_name: carol@example.com, permission_level: CAN_QUERY}}]
  - name: outside
    creator: carol@example.com
    config:
      served_entities:
        - name: outside
          url: {url}
          environment_vars: {{WEATHER: "{{{{secrets/travel/weather}}}}"}}
          auth_policy:
            system_auth_policy: {{resources: {{api_version: "1", databricks: {{serving_endpoint: [{{name: model}}]}}}}}}
            user_auth_policy: {{api_scopes: ["iam.current-user:read"]}}
    permissions: [{{group_name: users, permission_level: CAN_QUERY}}]
"#
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_agent_holds_is_worth_nothing_once_its_endpoint_is_deleted() {
    let (url, mut shown) = agent_outside().await;
    let kit = Arc::new(Kit::start(&config(&url)).await);
    let (ana, admin) = (kit.token("ana@example.com"), kit.token("admin@example.com"));
    let call = tokio::spawn({
        let (kit, ana) = (Arc::clone(&kit), ana.clone());
        async move { kit.invoke("outside", &ana, &body("hello", false)).await }
    });
    let held = shown.recv().await.expect("a request");
    let me = "/api/2.0/preview/scim/v2/Me";
    assert_eq!(kit.get(me, &held.user_token).await.json()["userName"], "ana@example.com");
    let asked = kit.invoke("model", &held.system_token, &body("hello", false)).await;
    assert_eq!(asked.status, 200, "{}", asked.text);

    assert_eq!(kit.delete("/api/2.0/serving-endpoints/outside", &admin).await.status, 200);
    let of_user = kit.get(me, &held.user_token).await;
    let of_system = kit.invoke("model", &held.system_token, &body("hello", false)).await;
    assert_eq!(
        (of_user.refusal(), of_system.refusal()),
        ("403 403 Invalid access token.".to_owned(), "403 403 Invalid access token.".to_owned()),
        "the tokens of a deleted endpoint"
    );
    // The user's own token is the user's own; and the call that was accepted is answered.
    assert_eq!(kit.get(me, &ana).await.status, 200);
    held.answer.send(()).expect("the agent waits");
    assert_eq!(call.await.expect("an answer").status, 200);
    assert_eq!(kit.invoke("outside", &ana, &body("hello", false)).await.status, 404);

    // The name is free again, and what the old endpoint lent does not come back with it.
    let again =
        json!({ "name": "outside", "config": { "served_entities": [{ "name": "outside", "url": url }] } });
    let made = kit.post("/api/2.0/serving-endpoints", &admin, &again).await;
    assert_eq!(made.status, 200, "{}", made.text);
    assert_eq!(kit.get(me, &held.user_token).await.status, 403);
    Arc::into_inner(kit).expect("nobody else holds it").stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_stops_when_its_creator_may_no_longer_lend_and_works_again_when_they_may() {
    let (url, mut shown) = agent_outside().await;
    let kit = Kit::start(&config(&url)).await;
    let (ana, admin) = (kit.token("ana@example.com"), kit.token("admin@example.com"));
    let answers = tokio::spawn(async move {
        let mut tokens = Vec::new();
        while let Some(held) = shown.recv().await {
            tokens.push(held.system_token);
            let _ = held.answer.send(());
        }
        tokens
    });
    let status = async |kit: &Kit| kit.invoke("outside", &ana, &body("hello", false)).await.status;
    assert_eq!(status(&kit).await, 200);

    let acl = json!({ "scope": "travel", "principal": "carol@example.com" });
    assert_eq!(kit.post("/api/2.0/secrets/acls/delete", &admin, &acl).await.status, 200);
    kit.until("carol may not read the secret, so her endpoint is refused", async |kit| {
        status(kit).await == 403
    })
    .await;
    let refused = kit.invoke("outside", &ana, &body("hello", false)).await;
    assert!(refused.text.contains("{{secrets/travel/weather}}"), "{}", refused.text);
    let mut acl = acl;
    acl["permission"] = json!("READ");
    assert_eq!(kit.post("/api/2.0/secrets/acls/put", &admin, &acl).await.status, 200);
    kit.until("carol may read it again", async |kit| status(kit).await == 200).await;

    let id = kit.get("/api/2.0/serving-endpoints/model", &admin).await.json()["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let permissions = format!("/api/2.0/permissions/serving-endpoints/{id}");
    let nobody = json!({ "access_control_list": [] });
    assert_eq!(kit.put(&permissions, &admin, &nobody).await.status, 200);
    kit.until("carol may not query the model", async |kit| status(kit).await == 403).await;
    let carol = json!({ "access_control_list": [{ "user_name": "carol@example.com", "permission_level": "CAN_QUERY" }] });
    assert_eq!(kit.put(&permissions, &admin, &carol).await.status, 200);
    kit.until("carol may query it again", async |kit| status(kit).await == 200).await;
    // And so may her endpoint.
    kit.stop().await;
    drop(answers);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoints_principal_loses_what_its_creator_loses() {
    let (url, mut shown) = agent_outside().await;
    let kit = Arc::new(Kit::start(&config(&url)).await);
    let (ana, admin) = (kit.token("ana@example.com"), kit.token("admin@example.com"));
    let call = tokio::spawn({
        let (kit, ana) = (Arc::clone(&kit), ana.clone());
        async move { kit.invoke("outside", &ana, &body("hello", false)).await }
    });
    let held = shown.recv().await.expect("a request");
    let ask = async |kit: &Kit| kit.invoke("model", &held.system_token, &body("hello", false)).await.status;
    assert_eq!(ask(&kit).await, 200);
    let id = kit.get("/api/2.0/serving-endpoints/model", &admin).await.json()["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let permissions = format!("/api/2.0/permissions/serving-endpoints/{id}");
    assert_eq!(kit.put(&permissions, &admin, &json!({ "access_control_list": [] })).await.status, 200);
    kit.until("the system principal may not query the model", async |kit| ask(kit).await == 403).await;
    let carol = json!({ "access_control_list": [{ "user_name": "carol@example.com", "permission_level": "CAN_QUERY" }] });
    assert_eq!(kit.put(&permissions, &admin, &carol).await.status, 200);
    kit.until("it may again", async |kit| ask(kit).await == 200).await;
    held.answer.send(()).expect("the agent waits");
    assert_eq!(call.await.expect("an answer").status, 200);
    Arc::into_inner(kit).expect("nobody else holds it").stop().await;
}
