//! The configuration: what of it cannot be applied is seen where it is looked for, and what it names no more goes.

use brickyard_testkit::Kit;
use serde_json::{Value, json};

use crate::agents::{Logged, tells};

const ENDPOINTS: &str = "/api/2.0/serving-endpoints";
const ADMIN: &str = "admin@example.com";
const ANA: &str = "ana@example.com";
const BEN: &str = "ben@example.com";

const PEOPLE: &str = r#"
workspace: {admins: [admin@example.com]}
users: [{user_name: ana@example.com}, {user_name: ben@example.com}, {user_name: carol@example.com}]
secret_scopes: [{scope: closed, secrets: [{key: key, value: rain}]}]
"#;

async fn told(kit: &Kit, name: &str) -> Value {
    kit.get(&format!("{ENDPOINTS}/{name}"), &kit.token(ADMIN)).await.json()
}

fn hello() -> Value {
    json!({"messages": [{"role": "user", "content": "hello"}]})
}

/// An endpoint `name` of Carol's that Ana may query, with more in its served entity.
fn endpoint(name: &str, more: &str) -> String {
    format!(
        "  - {{name: {name}, creator: carol@example.com, permissions: [{{user_name: ana@example.com, permission_level: CAN_QUERY}}], \
         config: {{served_entities: [{{name: {name}, scripted: {{task: llm/v1/chat, rules: [{{say: {name}}}]}}{more}}}]}}}}\n"
    )
}

fn declaring(resources: &str) -> String {
    format!(
        ", auth_policy: {{system_auth_policy: {{resources: {{api_version: \"1\", databricks: {{{resources}}}}}}}, user_auth_policy: {{}}}}"
    )
}

#[tokio::test]
async fn an_endpoint_that_was_refused_is_there_and_says_why_to_those_who_may_ask() {
    let models = Logged::new();
    models.responses_agent("good", "", "");
    std::fs::create_dir(models.path().join("bad")).expect("made");
    std::fs::write(models.path().join("bad/MLmodel"), "flavors: 7\n").expect("written");
    let folder = models.path().display();
    let table = [
        (
            "secret",
            endpoint("secret", ", environment_vars: {KEY: \"{{secrets/closed/key}}\"}"),
            "environment_vars.KEY {{secrets/closed/key}}: User does not have permission 'Read' on Scope closed.",
            "fix: databricks secrets put-acl closed carol@example.com READ",
        ),
        (
            "scope",
            endpoint("scope", ", auth_policy: {system_auth_policy: {}, user_auth_policy: {api_scopes: [jobs]}}"),
            "Invalid user API scope(s) specified for model: scope. Invalid scopes: jobs.",
            "fix: ",
        ),
        (
            "model",
            "  - {name: model, creator: carol@example.com, permissions: [{user_name: ana@example.com, permission_level: CAN_QUERY}], \
             config: {served_entities: [{entity_name: main.agents.bad, entity_version: \"1\"}]}}\n"
                .to_owned(),
            "Model 'main.agents.bad' version '1' cannot be served: MLmodel: flavors: a mapping is needed",
            "FAILED 404",
        ),
        (
            "needy",
            endpoint("needy", &declaring("serving_endpoint: [{name: nowhere}]")),
            "serving_endpoint nowhere: Endpoint 'nowhere' does not exist.",
            "FAILED 404",
        ),
    ];
    let all: String = table.iter().map(|(_, yaml, ..)| yaml.as_str()).collect();
    let yaml = format!(
        "{PEOPLE}registered_models: [{{name: main.agents.bad, versions: [{{version: \"1\", source: {folder}/bad}}]}}]\nserving_endpoints:\n{all}"
    );
    let mut kit = Kit::builder(&yaml).allow_refusals().start().await;
    for round in 0..2 {
        for (name, _, reason, explained) in &table {
            let shown = told(&kit, name).await;
            let state = json!({"ready": "NOT_READY", "config_update": "UPDATE_FAILED"});
            assert_eq!(
                (&shown["state"], &shown["creator"]),
                (&state, &json!("carol@example.com")),
                "{shown}"
            );
            let entity = &shown["pending_config"]["served_entities"][0]["state"];
            assert_eq!(entity["deployment"], "DEPLOYMENT_FAILED", "{shown}");
            let reply = kit.invoke(name, &kit.token(ANA), &hello()).await;
            assert_eq!(reply.status, 404, "{}", reply.text);
            tells(&reply.text, &[&format!("Endpoint '{name}' is not ready: "), reason]);
            assert!(!reply.text.contains(&folder.to_string()), "no path of this machine: {}", reply.text);
            let tree = kit.explain(reply.request_id());
            tells(&tree, &[reason.split(": MLmodel").next().unwrap_or_default()]);
            tells(&tree, &[explained]);
            // Whoever may not query it learns nothing of it.
            let reply = kit.invoke(name, &kit.token(BEN), &hello()).await;
            assert_eq!(reply.status, 403, "{}", reply.text);
            assert!(!reply.text.contains(reason), "{}", reply.text);
        }
        if round == 0 {
            kit = kit.restart().await;
        }
    }
    // Once the reason is gone, so is the failure.
    let mended = yaml.replace("{{secrets/closed/key}}", "sunshine");
    let kit = kit.restart_with(&mended).await;
    assert_eq!(
        told(&kit, "secret").await["state"],
        json!({"ready": "READY", "config_update": "NOT_UPDATING"})
    );
    assert_eq!(kit.invoke("secret", &kit.token(ANA), &hello()).await.status, 200);
    kit.stop().await;
}

#[tokio::test]
async fn a_refused_change_leaves_what_serves_and_says_why() {
    let good = format!("{PEOPLE}serving_endpoints:\n{}", endpoint("one", ""));
    let bad = format!(
        "{PEOPLE}serving_endpoints:\n{}",
        endpoint("one", ", environment_vars: {KEY: \"{{secrets/closed/key}}\"}")
    );
    let kit = Kit::start(&good).await.restart_with(&bad).await;
    let shown = told(&kit, "one").await;
    assert_eq!(shown["state"], json!({"ready": "READY", "config_update": "UPDATE_FAILED"}), "{shown}");
    tells(&shown.to_string(), &["on Scope closed"]);
    assert_eq!(kit.invoke("one", &kit.token(ANA), &hello()).await.status, 200);
    let kit = kit.restart_with(&good).await;
    let shown = told(&kit, "one").await;
    assert_eq!(shown["state"], json!({"ready": "READY", "config_update": "NOT_UPDATING"}), "{shown}");
    kit.stop().await;
}

#[tokio::test]
async fn endpoints_that_declare_each_other_are_deployed_together() {
    let yaml = format!(
        "{PEOPLE}serving_endpoints:\n{}{}{}",
        endpoint("ping", &declaring("serving_endpoint: [{name: pong}]")),
        endpoint("pong", &declaring("serving_endpoint: [{name: ping}]")),
        endpoint("self", &declaring("serving_endpoint: [{name: self}]")),
    );
    let kit = Kit::start(&yaml).await;
    for name in ["ping", "pong", "self"] {
        let reply = kit.invoke(name, &kit.token(ANA), &hello()).await;
        assert_eq!(reply.status, 200, "{name}: {}", reply.text);
    }
    kit.stop().await;
}

const MORE: &str = r#"
workspace: {admins: [admin@example.com, ben@example.com]}
users:
  - {user_name: ana@example.com, groups: [analysts], personal_access_tokens: [{value: dapi000000000000000000000000000000aa}, {value: dapi000000000000000000000000000000ab}]}
  - {user_name: ben@example.com}
  - {user_name: carol@example.com}
  - {user_name: dan@example.com, personal_access_tokens: [{value: dapi000000000000000000000000000000dd}]}
service_principals:
  - {display_name: robot, application_id: 7f1c0de0-0000-4000-8000-000000000009, secrets: [{value: dose00000000000000000000000000000009}]}
groups: [{display_name: analysts}]
secret_scopes:
  - {scope: mixed, secrets: [{key: ours, value: rain}], acls: [{principal: ana@example.com, permission: READ}]}
  - {scope: gone, secrets: [{key: ours, value: rain}]}
sql_warehouses: [{id: w1, name: First}, {id: w2, name: Second}]
"#;

const LESS: &str = r#"
workspace: {admins: [admin@example.com]}
users:
  - {user_name: ana@example.com, personal_access_tokens: [{value: dapi000000000000000000000000000000aa}]}
  - {user_name: ben@example.com}
  - {user_name: carol@example.com}
groups: [{display_name: analysts}]
sql_warehouses: [{id: w1, name: First}]
"#;

#[tokio::test]
async fn what_the_configuration_made_and_names_no_more_goes_at_the_next_start() {
    let with = format!(
        "{MORE}serving_endpoints:\n{}{}{}",
        endpoint("stays", ""),
        endpoint("goes", ""),
        endpoint("changed", "")
    );
    let without = format!("{LESS}serving_endpoints:\n{}", endpoint("stays", ""));
    let kit = Kit::start(&with).await;
    let carol = kit.token("carol@example.com");
    let body = json!({"name": "theirs", "config": {"served_entities": [{"name": "theirs", "scripted": {"task": "llm/v1/chat", "rules": [{"say": "hi"}]}}]}});
    assert_eq!(kit.post(ENDPOINTS, &carol, &body).await.status, 200);
    let tags = json!({"add_tags": [{"key": "team", "value": "travel"}]});
    assert_eq!(kit.patch(&format!("{ENDPOINTS}/changed/tags"), &carol, &tags).await.status, 200);
    let admin = kit.token(ADMIN);
    let secret = json!({"scope": "mixed", "key": "theirs", "string_value": "sun"});
    assert_eq!(kit.post("/api/2.0/secrets/put", &admin, &secret).await.status, 200);
    let own = kit.post("/api/2.0/token/create", &kit.token(ANA), &json!({"comment": "mine"})).await.json();
    let own = own["token_value"].as_str().expect("a token").to_owned();
    let me = "/api/2.0/preview/scim/v2/Me";
    for token in ["dapi000000000000000000000000000000ab", "dapi000000000000000000000000000000dd"] {
        assert_eq!(kit.get(me, token).await.status, 200);
    }

    let kit = kit.restart_with(&without).await;
    let admin = kit.token(ADMIN);
    for (name, status) in [("stays", 200), ("goes", 404), ("changed", 200), ("theirs", 200)] {
        assert_eq!(kit.get(&format!("{ENDPOINTS}/{name}"), &admin).await.status, status, "{name}");
    }
    assert_eq!(
        kit.workspace.kept(),
        [
            "endpoint changed, which a REST call has changed",
            "secret scope mixed, which holds secrets of others"
        ]
    );
    // A token that was taken out opens nothing, nor does one of somebody who was.
    for (token, status) in [
        ("dapi000000000000000000000000000000aa", 200),
        ("dapi000000000000000000000000000000ab", 403),
        ("dapi000000000000000000000000000000dd", 403),
        (own.as_str(), 200),
    ] {
        assert_eq!(kit.get(me, token).await.status, status, "{token}");
    }
    let groups = kit.get(me, &kit.token(ANA)).await.text;
    assert!(!groups.contains("analysts"), "{groups}");
    let rotated = kit.post("/_brickyard/rotate", &kit.token(BEN), &json!({})).await;
    assert_eq!(rotated.status, 403, "no admin any more: {}", rotated.text);
    let scopes = kit.get("/api/2.0/secrets/scopes/list", &admin).await.text;
    assert!(scopes.contains("mixed") && !scopes.contains("gone"), "{scopes}");
    let keys = kit.get("/api/2.0/secrets/list?scope=mixed", &admin).await.text;
    assert!(keys.contains("theirs") && !keys.contains("ours"), "{keys}");
    let acls = kit.get("/api/2.0/secrets/acls/list?scope=mixed", &admin).await.text;
    assert!(!acls.contains(ANA), "{acls}");
    let warehouses = kit.get("/api/2.0/sql/warehouses", &admin).await.text;
    assert!(warehouses.contains("First") && !warehouses.contains("Second"), "{warehouses}");

    // Named again, everything is as it was.
    let kit = kit.restart_with(&with).await;
    let admin = kit.token(ADMIN);
    for name in ["stays", "goes", "changed", "theirs"] {
        assert_eq!(told(&kit, name).await["state"]["ready"], "READY", "{name}");
    }
    assert_eq!(kit.get(me, "dapi000000000000000000000000000000dd").await.status, 200);
    assert_eq!(kit.workspace.kept(), Vec::<String>::new());
    assert_eq!(kit.get("/api/2.0/secrets/list?scope=gone", &admin).await.status, 200);
    // And goes again: being named twice does not make it somebody else's.
    let kit = kit.restart_with(&without).await;
    assert_eq!(kit.get(me, "dapi000000000000000000000000000000dd").await.status, 403);
    assert_eq!(kit.get(&format!("{ENDPOINTS}/changed"), &kit.token(ADMIN)).await.status, 404);
    kit.stop().await;
}

#[tokio::test]
async fn a_registered_model_is_deployed_by_those_who_may_execute_what_is_in_its_schema() {
    let models = Logged::new();
    models.responses_agent("agent", "", "");
    let folder = models.path().display();
    let yaml = format!(
        "{PEOPLE}registered_models:\n  - {{name: main.agents.one, versions: [{{version: \"1\", source: {folder}/agent}}]}}\n  \
         - {{name: main.elsewhere.one, versions: [{{version: \"1\", source: {folder}/agent}}]}}\n  \
         - {{name: other.agents.one, versions: [{{version: \"1\", source: {folder}/agent}}]}}\n"
    );
    let kit = Kit::builder(&yaml)
        .sql(
            "CREATE CATALOG main; CREATE SCHEMA main.agents;
             GRANT USE CATALOG ON CATALOG main TO `ana@example.com`; GRANT USE SCHEMA ON SCHEMA main.agents TO `ana@example.com`;
             GRANT USE CATALOG ON CATALOG main TO `carol@example.com`; GRANT USE SCHEMA, EXECUTE ON SCHEMA main.agents TO `carol@example.com`;",
        )
        .start()
        .await;
    for (number, (who, model, refusal)) in [
        (
            BEN,
            "main.agents.one",
            Some("registered model main.agents.one: User does not have USE CATALOG on Catalog 'main'."),
        ),
        (
            ANA,
            "main.agents.one",
            Some("registered model main.agents.one: User does not have EXECUTE on Schema 'main.agents'."),
        ),
        ("carol@example.com", "main.agents.one", None),
        (ADMIN, "main.agents.one", None),
        (
            BEN,
            "main.elsewhere.one",
            Some("registered model main.elsewhere.one: User does not have USE CATALOG on Catalog 'main'."),
        ),
        (ANA, "main.elsewhere.one", None),
        (BEN, "other.agents.one", None),
    ]
    .into_iter()
    .enumerate()
    {
        let entity = json!({"entity_name": model, "entity_version": "1", "python": "/nonexistent/python"});
        let body = json!({"name": format!("e{number}"), "config": {"served_entities": [entity]}});
        let reply = kit.post(ENDPOINTS, &kit.token(who), &body).await;
        match refusal {
            None => assert_eq!(reply.status, 200, "{who} {model}: {}", reply.text),
            Some(words) => {
                assert_eq!(reply.status, 403, "{who} {model}: {}", reply.text);
                tells(&reply.text, &[words]);
            }
        }
        if who == ANA && refusal.is_some() {
            tells(
                &kit.explain(reply.request_id()),
                &["fix: GRANT EXECUTE ON SCHEMA main.agents TO `ana@example.com`"],
            );
        }
    }
    kit.stop().await;
}

/// Asking why with a wrong id is no riddle of its own.
#[tokio::test]
async fn a_request_that_the_ledger_does_not_know_is_answered_with_those_that_may_be_meant() {
    let kit = Kit::start(&format!("{PEOPLE}serving_endpoints:\n{}", endpoint("one", ""))).await;
    let admin = kit.token(ADMIN);
    let unknown = kit.get("/_brickyard/explain/nothing", &admin).await;
    tells(&unknown.text, &["has no request 'nothing'", "it has no invocations yet"]);
    assert_eq!((unknown.status, unknown.header("x-brickyard-explain")), (404, ""));
    let asked = kit.invoke("one", &kit.token(ANA), &hello()).await;
    let id = asked.request_id();
    let _ = kit.get(&format!("{ENDPOINTS}/one"), &admin).await;
    let (cut, wrong) = (&id[..12], "ffffffffffffffffffffffffffffffff");
    for (given, says) in [
        (cut, format!("did you mean {id} (one, asked by ana@example.com at ")),
        (wrong, format!("the newest invocations are {id} (one, asked by ana@example.com at ")),
    ] {
        let reply = kit.get(&format!("/_brickyard/explain/{given}"), &admin).await;
        tells(&reply.text, &[&says, ", 200)"]);
    }
    kit.stop().await;
}
