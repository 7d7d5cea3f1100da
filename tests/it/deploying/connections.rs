//! A connection as a declared resource: the agent calls a service outside through it and never sees its credential.

use brickyard_testkit::{Kit, Reply};
use serde_json::{Value, json};

use super::{ANA, CAROL, create, declaring};
use crate::agents::Guest;

const ROUTE: &str = "/api/2.0/external-function";

/// Two agents at `url`: one that declares the connection, and one that declares nothing of it.
fn workspace(url: &str) -> String {
    let policy = "{system_auth_policy: {resources: {api_version: '1', databricks: {uc_connection: [{name: weather}]}}}, \
        user_auth_policy: {api_scopes: [catalog.connections]}}";
    let other = "{system_auth_policy: {resources: {api_version: '1', databricks: {table: [{name: main.sales.orders}]}}}}";
    format!(
        r#"
workspace: {{admins: [admin@example.com]}}
users: [{{user_name: ana@example.com}}, {{user_name: carol@example.com}}]
serving_endpoints:
  - name: forecaster
    creator: carol@example.com
    config: {{served_entities: [{{name: forecaster, url: "{url}", auth_policy: {policy}}}]}}
    permissions: [{{group_name: users, permission_level: CAN_QUERY}}]
  - name: other
    creator: carol@example.com
    config: {{served_entities: [{{name: other, url: "{url}", auth_policy: {other}}}]}}
    permissions: [{{group_name: users, permission_level: CAN_QUERY}}]
"#
    )
}

fn sql(service: &str) -> String {
    let (host, port) = service.rsplit_once(':').expect("a port");
    format!(
        "CREATE CATALOG main;
         CREATE SCHEMA main.sales;
         CREATE TABLE main.sales.orders (id INT);
         GRANT USE CATALOG ON CATALOG main TO `carol@example.com`;
         GRANT USE SCHEMA ON SCHEMA main.sales TO `carol@example.com`;
         GRANT SELECT ON TABLE main.sales.orders TO `carol@example.com`;
         CREATE CONNECTION weather TYPE HTTP OPTIONS (host '{host}', port '{port}', base_path '/v1', bearer_token 'sesame');
         GRANT USE CONNECTION ON CONNECTION weather TO `carol@example.com`;"
    )
}

/// The tokens that an agent was given: its own, and the caller's narrowed one.
async fn tokens(kit: &Kit, agent: &Guest, endpoint: &str) -> (String, String) {
    let body = json!({"messages": [{"role": "user", "content": "hello"}]});
    let reply = kit.invoke(endpoint, &kit.token(ANA), &body).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let received = agent.last();
    let header =
        |name: &str| if received.names().contains(&name) { received.header(name) } else { "" }.to_owned();
    (header("x-brickyard-passthrough-token"), header("x-forwarded-access-token"))
}

async fn ask(kit: &Kit, token: &str, more: Value) -> Reply {
    let mut body = json!({"connection_name": "weather", "method": "GET", "path": "/now"});
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    kit.post(ROUTE, token, &body).await
}

#[tokio::test]
async fn an_agent_calls_a_service_outside_through_the_connection_that_it_declared() {
    let (agent, service) = (Guest::start().await, Guest::start().await);
    let kit = Kit::builder(&workspace(&agent.url)).sql(sql(&service.url)).start().await;
    let (own, anas) = tokens(&kit, &agent, "forecaster").await;

    // What `w.serving_endpoints.http_request` sends: three of the fields are JSON as text.
    let more = json!({"method": "POST", "headers": "{\"X-N\": \"1\"}", "params": "{\"city\": \"Oslo\"}", "json": "{\"days\": 2}"});
    let reply = ask(&kit, &own, more).await;
    assert_eq!((reply.status, reply.text.as_str()), (200, r#"{"said":"hello"}"#));
    assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8");
    let received = service.last();
    assert_eq!(received.line, "POST /v1/now?city=Oslo HTTP/1.1");
    assert_eq!((received.header("authorization"), received.header("x-n")), ("Bearer sesame", "1"));
    assert_eq!(received.body, "{\"days\": 2}");

    // On behalf of Ana it is Ana's right that counts.
    let no = "403 \"PERMISSION_DENIED\" User does not have USE CONNECTION on Connection 'weather'.";
    assert_eq!(ask(&kit, &anas, json!({})).await.refusal(), no);
    let grant = json!({"changes": [{"principal": ANA, "add": ["USE_CONNECTION"]}]});
    let admin = kit.token("admin@example.com");
    let granted = kit.patch("/api/2.1/unity-catalog/permissions/connection/weather", &admin, &grant).await;
    assert_eq!(granted.status, 200, "{}", granted.text);
    assert_eq!(ask(&kit, &anas, json!({"headers": null})).await.status, 200);

    // Another agent of the same creator did not declare it.
    let (others, _) = tokens(&kit, &agent, "other").await;
    assert_eq!(ask(&kit, &others, json!({})).await.refusal(), no);
    kit.stop().await;
}

#[tokio::test]
async fn what_cannot_be_asked_through_a_connection_is_refused_by_name() {
    let service = Guest::start().await;
    let kit = Kit::builder(&workspace("http://127.0.0.1:9")).sql(sql(&service.url)).start().await;
    let admin = kit.token("admin@example.com");
    for (more, refusal) in [
        (json!({"connection_name": "nowhere"}), "Connection 'nowhere' does not exist."),
        (json!({"method": "BREW"}), "the method 'BREW' is not one of GET, POST, PUT, DELETE, PATCH"),
        (json!({"path": "/../admin"}), "stays below the connection's base_path"),
        (json!({"headers": "X-N: 1"}), "headers is not JSON as text"),
        (json!({"headers": "{\"Authorization\": \"Bearer mine\"}"}), "'Authorization' is the connection's"),
        (json!({"params": "{\"a\": [1]}"}), "params: the value of \"a\" is no text"),
        (json!({"json": "{"}), "json is not JSON as text"),
    ] {
        let reply = ask(&kit, &admin, more.clone()).await;
        let message = reply.json()["message"].as_str().expect("a message").to_owned();
        assert!((400..500).contains(&reply.status) && message.contains(refusal), "{more}: {message}");
    }
    assert_eq!(service.asked(), 0, "nobody was called");
    kit.stop().await;
}

#[tokio::test]
async fn a_creator_who_may_not_use_a_declared_connection_is_told_so() {
    let kit = Kit::builder(&workspace("http://127.0.0.1:9")).sql(sql("http://127.0.0.1:9")).start().await;
    let wanted = json!({"uc_connection": [{"name": "weather"}, {"name": "nowhere"}]});
    let refused = create(&kit, ANA, "hers", vec![declaring("hers", wanted.clone())]).await.refusal();
    for part in [
        "uc_connection weather: User does not have USE CONNECTION on Connection 'weather'.",
        "uc_connection nowhere: Connection 'nowhere' does not exist.",
    ] {
        assert!(refused.contains(part), "{part} in {refused}");
    }
    let wanted = json!({"uc_connection": [{"name": "weather"}]});
    let made = create(&kit, CAROL, "hers", vec![declaring("hers", wanted)]).await;
    assert_eq!(made.status, 200, "{}", made.text);
    kit.stop().await;
}
