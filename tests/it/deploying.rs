//! Deploying: what is refused and how, the states on the way, and what serves meanwhile.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use brickyard_testkit::{Kit, Reply};
use serde_json::{Value, json};

use crate::agents::{Logged, tells};

mod agents_deploy;
mod asleep;
mod connections;
mod limits;
mod older_python_agents;
mod refusals;
mod sql_credentials;
mod sql_resources;
mod without_python;

const ENDPOINTS: &str = "/api/2.0/serving-endpoints";
const CAROL: &str = "carol@example.com";
const ANA: &str = "ana@example.com";

const WORKSPACE: &str = r#"
workspace: {admins: [admin@example.com]}
users: [{user_name: ana@example.com}, {user_name: carol@example.com}]
secret_scopes:
  - {scope: open, secrets: [{key: key, value: sunshine}], acls: [{principal: carol@example.com, permission: READ}]}
  - {scope: closed, secrets: [{key: key, value: rain}]}
serving_endpoints:
  - name: mine
    creator: carol@example.com
    config: {served_entities: [{name: mine, scripted: {task: llm/v1/chat, rules: [{say: mine}]}}]}
  - name: first
    creator: admin@example.com
    config: {served_entities: [{name: first, scripted: {task: llm/v1/chat, rules: [{say: first}]}}]}
  - name: second
    creator: admin@example.com
    config: {served_entities: [{name: second, scripted: {task: llm/v1/chat, rules: [{say: second}]}}]}
"#;

/// A served entity that says its own name.
fn entity(name: &str) -> Value {
    json!({"name": name, "scripted": {"task": "llm/v1/chat", "rules": [{"say": name}]}})
}

fn declaring(name: &str, resources: Value) -> Value {
    let mut entity = entity(name);
    entity["auth_policy"] = json!({"system_auth_policy": {"resources": {"api_version": "1", "databricks": resources}}, "user_auth_policy": {}});
    entity
}

async fn create(kit: &Kit, who: &str, name: &str, entities: Vec<Value>) -> Reply {
    kit.post(ENDPOINTS, &kit.token(who), &json!({"name": name, "config": {"served_entities": entities}}))
        .await
}

async fn state(kit: &Kit, name: &str) -> Value {
    kit.get(&format!("{ENDPOINTS}/{name}"), &kit.token("admin@example.com")).await.json()
}

async fn ready(kit: &Kit, name: &str) {
    kit.until("the endpoint is ready", async |kit| {
        state(kit, name).await["state"] == json!({"ready": "READY", "config_update": "NOT_UPDATING"})
    })
    .await;
}

async fn said(kit: &Kit, name: &str) -> String {
    let body = json!({"messages": [{"role": "user", "content": "hello"}]});
    let reply = kit.invoke(name, &kit.token("admin@example.com"), &body).await;
    reply.json()["choices"][0]["message"]["content"].as_str().unwrap_or(&reply.text).to_owned()
}

/// Traffic shares are exact over a hundred calls; a path that names the entity does not count.
#[tokio::test]
async fn traffic_goes_where_the_shares_say_and_a_path_can_name_the_entity() {
    let kit = Kit::start(WORKSPACE).await;
    let traffic = json!({"routes": [{"served_entity_name": "a", "traffic_percentage": 70}, {"served_entity_name": "b", "traffic_percentage": 30}, {"served_entity_name": "c", "traffic_percentage": 0}]});
    let config =
        json!({"served_entities": [entity("a"), entity("b"), entity("c")], "traffic_config": traffic});
    let carol = kit.token(CAROL);
    assert_eq!(kit.post(ENDPOINTS, &carol, &json!({"name": "shared", "config": config})).await.status, 200);
    ready(&kit, "shared").await;
    let mut counted = std::collections::BTreeMap::new();
    for _ in 0..100 {
        *counted.entry(said(&kit, "shared").await).or_insert(0) += 1;
    }
    assert_eq!(counted, [("a".to_owned(), 70), ("b".to_owned(), 30)].into());
    let body = json!({"messages": [{"role": "user", "content": "hello"}]});
    let reply = kit.post("/serving-endpoints/shared/served-models/c/invocations", &carol, &body).await;
    assert_eq!((reply.status, reply.header("served-model-name")), (200, "c"));
    let reply = kit.post("/serving-endpoints/shared/served-models/d/invocations", &carol, &body).await;
    assert_eq!(
        reply.refusal(),
        "404 \"RESOURCE_DOES_NOT_EXIST\" Served entity 'd' does not exist in endpoint 'shared'."
    );
    kit.stop().await;
}

/// An interpreter that is started and does nothing until a line comes out of the pipe; then it ends.
fn slow_interpreter(dir: &Path) -> std::path::PathBuf {
    let pipe = dir.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    let script = dir.join("slow");
    std::fs::write(&script, format!("#!/bin/sh\nread line < {}\nexit 3\n", pipe.display())).expect("written");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("executable");
    script
}

/// The states as the API shows them: an update that takes long and then fails, while the old version serves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_an_update_is_under_way_and_after_it_failed_the_old_version_serves() {
    let models = Logged::new();
    models.responses_agent("agent", "", "");
    let slow = slow_interpreter(models.path());
    let folder = models.path().display();
    let yaml = format!(
        "{WORKSPACE}\nregistered_models: [{{name: main.agents.slow, versions: [{{version: \"1\", source: {folder}/agent}}]}}]"
    );
    let kit = Kit::start(&yaml).await;
    let carol = kit.token(CAROL);
    let one = format!("{ENDPOINTS}/mine");
    let before = kit.get(&one, &carol).await.json();
    assert_eq!(before["state"], json!({"ready": "READY", "config_update": "NOT_UPDATING"}));
    assert_eq!(before["config"]["config_version"], 1);
    assert_eq!(before.get("pending_config"), None);

    let entity_two = json!({"entity_name": "main.agents.slow", "entity_version": "1", "python": slow});
    let updating =
        kit.put(&format!("{one}/config"), &carol, &json!({"served_entities": [entity_two]})).await.json();
    assert_eq!(updating["state"], json!({"ready": "READY", "config_update": "IN_PROGRESS"}));
    assert_eq!(updating["config"]["served_entities"][0]["name"], "mine");
    assert_eq!(updating["pending_config"]["config_version"], 2);
    assert_eq!(updating["pending_config"]["served_entities"][0]["name"], "slow-1");
    assert_eq!(
        updating["pending_config"]["served_entities"][0]["state"],
        json!({"deployment": "DEPLOYMENT_CREATING", "deployment_state_message": ""})
    );
    assert_eq!(said(&kit, "mine").await, "mine");
    let again =
        kit.put(&format!("{one}/config"), &carol, &json!({"served_entities": [entity("third")]})).await;
    assert_eq!(again.refusal(), "409 \"RESOURCE_CONFLICT\" Endpoint 'mine' is currently updating.");

    let pipe = models.path().join("pipe");
    tokio::task::spawn_blocking(move || std::fs::write(pipe, "go\n"))
        .await
        .expect("no panic")
        .expect("written");
    kit.until("the update ends", async |kit| {
        state(kit, "mine").await["state"]["config_update"] != "IN_PROGRESS"
    })
    .await;
    let failed = kit.get(&one, &carol).await.json();
    assert_eq!(failed["state"], json!({"ready": "READY", "config_update": "UPDATE_FAILED"}));
    assert_eq!(failed["config"]["served_entities"][0]["state"]["deployment"], "DEPLOYMENT_READY");
    let told = &failed["pending_config"]["served_entities"][0]["state"];
    assert_eq!(told["deployment"], "DEPLOYMENT_FAILED");
    tells(
        told["deployment_state_message"].as_str().expect("a message"),
        &["served entity 'slow-1': the Python interpreter ", "/slow cannot be used: ", "exit status: 3"],
    );
    assert_eq!(said(&kit, "mine").await, "mine");

    // The next update starts from what serves, and clears the failure.
    assert_eq!(
        kit.put(&format!("{one}/config"), &carol, &json!({"served_entities": [entity("third")]}))
            .await
            .status,
        200
    );
    ready(&kit, "mine").await;
    let after = kit.get(&one, &carol).await.json();
    assert_eq!((&after["config"]["config_version"], after.get("pending_config")), (&json!(2), None));
    assert_eq!(said(&kit, "mine").await, "third");
    kit.stop().await;
}

/// A first deployment that fails has no `config`, and stays failed over a restart until it is updated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_deployment_that_fails_stays_failed_until_it_is_updated() {
    let models = Logged::new();
    models.responses_agent("agent", "", "");
    let folder = models.path().display();
    let yaml = format!(
        "{WORKSPACE}\nregistered_models: [{{name: main.agents.broken, versions: [{{version: \"1\", source: {folder}/agent}}]}}]"
    );
    let kit = Kit::start(&yaml).await;
    let broken =
        json!({"entity_name": "main.agents.broken", "entity_version": "1", "python": "/nonexistent/python"});
    let made = create(&kit, CAROL, "broken", vec![broken]).await.json();
    assert_eq!(made["state"], json!({"ready": "NOT_READY", "config_update": "IN_PROGRESS"}));
    kit.until("it fails", async |kit| {
        state(kit, "broken").await["state"]["config_update"] == "UPDATE_FAILED"
    })
    .await;
    let kit = kit.restart().await;
    let failed = state(&kit, "broken").await;
    assert_eq!(failed["state"], json!({"ready": "NOT_READY", "config_update": "UPDATE_FAILED"}));
    assert_eq!(failed.get("config"), None);
    let reply = kit.invoke("broken", &kit.token(CAROL), &json!({"input": []})).await;
    // No 503: the SDK would try that again for five minutes.
    tells(
        &reply.refusal(),
        &[
            "404 \"RESOURCE_DOES_NOT_EXIST\" Endpoint 'broken' is not ready: served entity 'broken-1': Container image \
             creation failed. Please see build logs for more information.",
        ],
    );
    assert!(!reply.text.contains("/nonexistent"), "no path of this machine: {}", reply.text);
    tells(
        &kit.explain(reply.request_id()),
        &["FAILED 404", "the Python interpreter /nonexistent/python cannot be used"],
    );
    // What was printed before the restart is gone; its end is not.
    let logs = format!("{ENDPOINTS}/broken/served-models/broken-1/build-logs");
    tells(&kit.get(&logs, &kit.token(CAROL)).await.text, &["/nonexistent/python"]);
    assert_eq!(kit.get(&logs, &kit.token(ANA)).await.status, 403);
    assert_eq!(
        kit.put(
            &format!("{ENDPOINTS}/broken/config"),
            &kit.token(CAROL),
            &json!({"served_entities": [entity("mended")]})
        )
        .await
        .status,
        200
    );
    ready(&kit, "broken").await;
    assert_eq!(said(&kit, "broken").await, "mended");
    kit.stop().await;
}

#[tokio::test]
async fn endpoints_rights_and_tags_survive_a_restart_on_the_same_journal() {
    let kit = Kit::start(WORKSPACE).await;
    let carol = kit.token(CAROL);
    let body = json!({
        "name": "kept",
        "config": {"served_entities": [declaring("kept", json!({"serving_endpoint": [{"name": "mine"}]}))]},
        "tags": [{"key": "team", "value": "travel"}],
        "description": "stays",
    });
    let made = kit.post(ENDPOINTS, &carol, &body).await.json();
    ready(&kit, "kept").await;
    let acl = json!({"access_control_list": [{"user_name": ANA, "permission_level": "CAN_QUERY"}]});
    assert_eq!(
        kit.patch(
            &format!("/api/2.0/permissions/serving-endpoints/{}", made["id"].as_str().expect("an id")),
            &carol,
            &acl
        )
        .await
        .status,
        200
    );
    let before = state(&kit, "kept").await;
    let kit = kit.restart().await;
    ready(&kit, "kept").await;
    assert_eq!(state(&kit, "kept").await, before);
    let reply = kit
        .invoke("kept", &kit.token(ANA), &json!({"messages": [{"role": "user", "content": "hello"}]}))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    kit.stop().await;
}

#[tokio::test]
async fn the_small_routes_of_an_endpoint() {
    let kit = Kit::start(WORKSPACE).await;
    let (carol, ana) = (kit.token(CAROL), kit.token(ANA));
    let one = format!("{ENDPOINTS}/mine");
    // Tags: added, replaced by key, deleted; shown in the order of their keys.
    let tags = json!({"add_tags": [{"key": "b", "value": "1"}, {"key": "a"}]});
    assert_eq!(
        kit.patch(&format!("{one}/tags"), &carol, &tags).await.json(),
        json!({"tags": [{"key": "a"}, {"key": "b", "value": "1"}]})
    );
    let tags = json!({"add_tags": [{"key": "b", "value": "2"}], "delete_tags": ["a", "absent"]});
    assert_eq!(
        kit.patch(&format!("{one}/tags"), &carol, &tags).await.json(),
        json!({"tags": [{"key": "b", "value": "2"}]})
    );
    assert_eq!(state(&kit, "mine").await["tags"], json!([{"key": "b", "value": "2"}]));
    assert_eq!(
        kit.patch(&format!("{one}/description"), &carol, &json!({"description": "good"})).await.json()["description"],
        "good"
    );

    // Permissions: by the id; who may nothing does not see it, who may query does not manage it.
    let id = state(&kit, "mine").await["id"].as_str().expect("an id").to_owned();
    let body = json!({"messages": [{"role": "user", "content": "hello"}]});
    assert_eq!(
        kit.invoke("mine", &ana, &body).await.refusal(),
        "403 \"PERMISSION_DENIED\" User does not have permission 'Query' on Endpoint mine."
    );
    let listed = kit.get(ENDPOINTS, &ana).await.json();
    assert!(
        !listed["endpoints"].as_array().expect("a list").iter().any(|endpoint| endpoint["name"] == "mine")
    );
    let acl = json!({"access_control_list": [{"user_name": ANA, "permission_level": "CAN_QUERY"}]});
    assert_eq!(
        kit.patch(&format!("/api/2.0/permissions/serving-endpoints/{id}"), &carol, &acl).await.status,
        200
    );
    assert_eq!(kit.invoke("mine", &ana, &body).await.status, 200);
    assert_eq!(kit.get(&one, &ana).await.json()["permission_level"], "CAN_QUERY");
    for reply in [
        kit.delete(&one, &ana).await,
        kit.patch(&format!("{one}/tags"), &ana, &tags).await,
        kit.put(&format!("{one}/config"), &ana, &json!({"served_entities": [entity("anas")]})).await,
        kit.get(&format!("{one}/served-models/mine/logs"), &ana).await,
    ] {
        assert_eq!(
            reply.refusal(),
            "403 \"PERMISSION_DENIED\" User does not have permission 'Manage' on Endpoint mine."
        );
    }

    // Logs, build logs, metrics, OpenAPI.
    assert_eq!(kit.get(&format!("{one}/served-models/mine/logs"), &carol).await.json(), json!({"logs": ""}));
    assert_eq!(
        kit.get(&format!("{one}/served-models/mine/build-logs"), &carol).await.json(),
        json!({"logs": ""})
    );
    assert_eq!(
        kit.get(&format!("{one}/served-models/other/logs"), &carol).await.refusal(),
        "404 \"RESOURCE_DOES_NOT_EXIST\" Served model 'other' does not exist in endpoint 'mine'."
    );
    kit.invoke("mine", &ana, &json!({"messages": "no list"})).await;
    let metrics = kit.get(&format!("{one}/metrics"), &carol).await;
    assert!(metrics.header("content-type").starts_with("text/plain"));
    let labels = "{endpoint_name=\"mine\",served_entity_name=\"mine\"}";
    tells(
        &metrics.text,
        &[
            &format!("request_count_total{labels} 2\n"),
            &format!("request_4xx_count_total{labels} 1\n"),
            &format!("request_5xx_count_total{labels} 0\n"),
        ],
    );
    let openapi = kit.get(&format!("{one}/openapi"), &carol).await.json();
    assert_eq!(openapi["openapi"], "3.1.0");
    assert!(openapi["paths"]["/serving-endpoints/mine/invocations"]["post"].is_object());

    // What Databricks has and brickyard has not says so.
    let reply = kit.put(&format!("{one}/rate-limits"), &carol, &json!({})).await;
    assert_eq!(
        reply.refusal(),
        "501 \"NOT_IMPLEMENTED\" PUT /api/2.0/serving-endpoints/mine/rate-limits is not emulated by brickyard"
    );
    kit.stop().await;
}

#[tokio::test]
async fn deleting_ends_an_endpoint_its_rights_and_what_others_borrowed_through_it() {
    let kit = Kit::start(WORKSPACE).await;
    let carol = kit.token(CAROL);
    create(
        &kit,
        CAROL,
        "borrower",
        vec![declaring("borrower", json!({"serving_endpoint": [{"name": "mine"}]}))],
    )
    .await;
    ready(&kit, "borrower").await;
    let id = state(&kit, "mine").await["id"].as_str().expect("an id").to_owned();
    assert_eq!(said(&kit, "borrower").await, "borrower");

    assert_eq!(kit.delete(&format!("{ENDPOINTS}/mine"), &carol).await.status, 200);
    let gone = "404 \"RESOURCE_DOES_NOT_EXIST\" ";
    assert_eq!(
        kit.delete(&format!("{ENDPOINTS}/mine"), &carol).await.refusal(),
        format!("{gone}Endpoint with name 'mine' does not exist.")
    );
    assert_eq!(
        kit.get(&format!("{ENDPOINTS}/mine"), &carol).await.refusal(),
        format!("{gone}Endpoint with name 'mine' does not exist.")
    );
    let body = json!({"messages": [{"role": "user", "content": "hello"}]});
    assert_eq!(
        kit.invoke("mine", &carol, &body).await.refusal(),
        format!("{gone}Endpoint 'mine' does not exist.")
    );
    assert_eq!(kit.get(&format!("/api/2.0/permissions/serving-endpoints/{id}"), &carol).await.status, 404);
    // Who declared it is not run with less than was declared.
    kit.workspace.serving.recheck_creators().await;
    tells(
        &said(&kit, "borrower").await,
        &["PERMISSION_DENIED", "serving_endpoint mine: Endpoint 'mine' does not exist."],
    );
    // The name is free again; whoever held rights on the old one holds none on the new one.
    assert_eq!(create(&kit, "admin@example.com", "mine", vec![entity("new")]).await.status, 200);
    ready(&kit, "mine").await;
    assert_eq!(
        kit.invoke("mine", &carol, &body).await.refusal(),
        "403 \"PERMISSION_DENIED\" User does not have permission 'Query' on Endpoint mine."
    );
    kit.stop().await;
}
