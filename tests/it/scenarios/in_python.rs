//! The scenarios of agents in Python. They share one workspace, because each process that loads mlflow takes seconds.

use std::process::Stdio;
use std::sync::Arc;

use brickyard_testkit::{Kit, Reply};
use brickyard_types::{Clock, ManualClock, SignedDuration};
use serde_json::{Value, json};

use super::{ANA, BEN};
use crate::agents::{Logged, python, tells};

const PEOPLE_WRITE: &str = include_str!("../agents/people_write.py");
const EAGER: &str = include_str!("../agents/eager.py");

const BOTH_POLICIES: &str = "
auth_policy:
  system_auth_policy:
    resources:
      api_version: '1'
      databricks: {serving_endpoint: [{name: travel-model}]}
  user_auth_policy: {api_scopes: [serving.serving-endpoints, 'iam.current-user:read']}";

/// What `log_model(resources=[...])` leaves: the layout before there were policies.
const RESOURCES: &str = "
resources:
  api_version: '1'
  databricks: {serving_endpoint: [{name: travel-model}, {name: guide-model, on_behalf_of_user: true}]}";

const ROBOT: &str = "7f1c0de0-0000-4000-8000-000000000001";

fn workspace(models: &Logged) -> String {
    let models = models.path().display();
    format!(
        r#"
workspace: {{admins: [admin@example.com]}}
users:
  - {{user_name: admin@example.com, personal_access_tokens: [{{value: dapi000000000000000000000000000000ad}}]}}
  - {{user_name: ana@example.com, groups: [analysts]}}
  - {{user_name: ben@example.com}}
  - {{user_name: carol@example.com, personal_access_tokens: [{{value: dapi000000000000000000000000000000ca}}]}}
groups: [{{display_name: analysts}}]
service_principals:
  - display_name: robot
    application_id: {ROBOT}
    secrets: [{{value: dose00000000000000000000000000000001}}]
secret_scopes:
  - scope: keys
    secrets:
      - {{key: admin, value: dapi000000000000000000000000000000ad}}
      - {{key: robot, value: dose00000000000000000000000000000001}}
    acls: [{{principal: carol@example.com, permission: READ}}]
registered_models:
  - {{name: main.agents.people-write, versions: [{{version: "1", source: {models}/people_write}}]}}
  - name: main.agents.bare
    versions: [{{version: "1", source: {models}/bare}}, {{version: "2", source: {models}/people_write}}]
  - {{name: main.agents.eager, versions: [{{version: "1", source: {models}/eager}}]}}
  - {{name: main.agents.older, versions: [{{version: "1", source: {models}/older}}]}}
serving_endpoints:
  - name: people-write
    creator: carol@example.com
    config:
      served_entities:
        - entity_name: main.agents.people-write
          entity_version: "1"
          environment_vars:
            ADMIN_TOKEN: "{{{{secrets/keys/admin}}}}"
            ROBOT_ID: {ROBOT}
            ROBOT_SECRET: "{{{{secrets/keys/robot}}}}"
    permissions: [{{group_name: users, permission_level: CAN_QUERY}}]
  - name: bare
    creator: carol@example.com
    config: {{served_entities: [{{entity_name: main.agents.bare, entity_version: "1"}}]}}
    permissions: [{{group_name: users, permission_level: CAN_QUERY}}]
  - name: eager
    creator: carol@example.com
    config: {{served_entities: [{{entity_name: main.agents.eager, entity_version: "1"}}]}}
    permissions: [{{group_name: users, permission_level: CAN_QUERY}}]
  - name: older
    creator: carol@example.com
    config: {{served_entities: [{{entity_name: main.agents.older, entity_version: "1"}}]}}
    permissions: [{{group_name: users, permission_level: CAN_QUERY}}]
  - name: travel-model
    creator: admin@example.com
    config: {{served_entities: [{{name: travel-model, scripted: {{task: llm/v1/chat, rules: [{{say: Hello from the travel model.}}]}}}}]}}
    permissions: [{{user_name: carol@example.com, permission_level: CAN_QUERY}}]
  - name: guide-model
    creator: admin@example.com
    config: {{served_entities: [{{name: guide-model, scripted: {{task: llm/v1/chat, rules: [{{say: Hello from the guide.}}]}}}}]}}
    permissions: [{{group_name: analysts, permission_level: CAN_QUERY}}]
"#
    )
}

/// Calls a method of the agent, and gives what it returned.
async fn call(kit: &Kit, endpoint: &str, who: &str, method: &str) -> (Reply, Value) {
    let (reply, text) = kit.ask(endpoint, &kit.token(who), method).await;
    let value = serde_json::from_str(&text).unwrap_or(Value::Null);
    (reply, value)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_in_python_fail_as_they_do_in_production_and_explain_says_why() {
    let Some(python) = python() else { return };
    let models = Logged::new();
    models.responses_agent("people_write", PEOPLE_WRITE, BOTH_POLICIES);
    models.responses_agent("bare", PEOPLE_WRITE, "");
    models.responses_agent("eager", EAGER, BOTH_POLICIES);
    models.responses_agent("older", PEOPLE_WRITE, RESOURCES);
    let clock = Arc::new(ManualClock::at("2026-11-23T12:00:00Z".parse().expect("a time")));
    let kit = Kit::builder(&workspace(&models)).clock(clock.clone()).python(&python).start().await;

    what_the_doctor_says_before_any_of_it_is_deployed(&models);
    p1_a_users_client_at_module_load(&kit).await;
    p2_a_fallback_to_the_endpoints_own_rights(&kit).await;
    p7_forgotten_resources(&kit).await;
    p8_a_transitive_dependency(&kit).await;
    p13_two_lookups_of_the_users_token(&kit).await;
    p14_an_evaluation_acts_as_somebody_else(&kit, &python).await;
    p16_no_declared_dependency_no_token_file(&kit).await;
    p28_an_error_inside_a_stream(&kit).await;
    the_older_layout_lends_its_resources_and_the_user_without_a_scope(&kit, &models).await;
    p16_declared_and_deployed_again(&kit).await;
    p17_rotation(&kit, &clock).await;
    a_manual_service_principal_outlives_its_first_token(&kit, &clock).await;
    kit.stop().await;
}

/// 1, 2, 7 and 16 are seen in the code already, without running it.
fn what_the_doctor_says_before_any_of_it_is_deployed(models: &Logged) {
    let found = |model: &str| -> Vec<&'static str> {
        let report = brickyard::doctor::judge(&models.path().join(model), None).expect("a model");
        report.findings.iter().map(|finding| finding.rule).collect()
    };
    assert!(found("eager").contains(&"user-client-too-early"), "{:?}", found("eager"));
    assert!(found("people_write").contains(&"fail-open"), "{:?}", found("people_write"));
    let bare = found("bare");
    assert!(bare.contains(&"nothing-declared") && bare.contains(&"user-policy-missing"), "{bare:?}");
}

/// The user's client is built while the module loads: ai-bridge's own error, as the endpoint's state.
async fn p1_a_users_client_at_module_load(kit: &Kit) {
    let admin = kit.token("admin@example.com");
    let endpoint = kit.get("/api/2.0/serving-endpoints/eager", &admin).await.json();
    assert_eq!(endpoint["state"], json!({"ready": "NOT_READY", "config_update": "UPDATE_FAILED"}));
    let state = &endpoint["pending_config"]["served_entities"][0]["state"];
    assert_eq!(state["deployment"], "DEPLOYMENT_FAILED");
    tells(
        state["deployment_state_message"].as_str().expect("a message"),
        &[
            "served entity 'eager-1': the model could not be loaded",
            "Unable to detect credentials for user authorization",
            "predict()",
        ],
    );
    let logs = kit.get("/api/2.0/serving-endpoints/eager/served-models/eager-1/logs", &admin).await.json();
    tells(
        logs["logs"].as_str().expect("logs"),
        &[
            "Traceback (most recent call last):",
            "agent.py\", line 9",
            "Unable to detect credentials for user authorization",
        ],
    );
    let (reply, _) = kit.ask("eager", &kit.token(ANA), "hello").await;
    assert_eq!(reply.status, 404, "it will not come up by itself: {}", reply.text);
    tells(
        &kit.explain(reply.request_id()),
        &["FAILED 404", "Unable to detect credentials for user authorization"],
    );
}

/// `except Exception: WorkspaceClient()`: Ben is answered with rights that are not his.
async fn p2_a_fallback_to_the_endpoints_own_rights(kit: &Kit) {
    let (reply, said) = call(kit, "people-write", BEN, "ask_anyhow travel-model").await;
    assert_eq!(said, "Hello from the travel model.", "{}", reply.text);
    tells(
        &kit.explain(reply.request_id()),
        &[
            "ALLOWED 200 POST /serving-endpoints/people-write/invocations",
            "gave on_behalf_of_user: ben@example.com, scopes: iam.current-user:read serving.serving-endpoints",
            "gave passthrough: ",
            "REFUSED 403 POST /serving-endpoints/travel-model/invocations",
            "as ben@example.com by on-behalf-of-user token (on_behalf_of_user)",
            "[NO] workspace_permission: needs CAN_QUERY",
            "fix: grant CAN_QUERY",
            "ALLOWED 200 POST /serving-endpoints/travel-model/invocations",
            "by passthrough token (passthrough)",
            "FALLS BACK: POST /serving-endpoints/travel-model/invocations was refused to ben@example.com (on_behalf_of_user) and then asked as ",
        ],
    );
    // The same agent without the fallback says no, as it should.
    let (reply, _) = call(kit, "people-write", BEN, "ask_as_the_user travel-model").await;
    assert_eq!(reply.status, 400, "{}", reply.text);
    tells(
        reply.json()["stack_trace"].as_str().expect("a trace"),
        &["PermissionDenied: User does not have permission 'Query' on Endpoint travel-model"],
    );
}

/// `resources=[...]` was forgotten: PERMISSION_DENIED, and the error does not say why.
async fn p7_forgotten_resources(kit: &Kit) {
    let (reply, _) = call(kit, "people-write", ANA, "ask_as_the_endpoint guide-model").await;
    assert_eq!(reply.status, 400, "{}", reply.text);
    let trace = reply.json()["stack_trace"].as_str().expect("a trace").to_owned();
    tells(&trace, &["PermissionDenied: User does not have permission 'Query' on Endpoint guide-model"]);
    assert!(!trace.contains("resources=["), "the hint is in explain, not in what clients match on");
    tells(
        &kit.explain(reply.request_id()),
        &[
            "FAILED 400 POST /serving-endpoints/people-write/invocations",
            "REFUSED 403 POST /serving-endpoints/guide-model/invocations",
            "[NO] declared: needs ",
            "has not declared",
            "fix: declare it when logging the model: resources=[DatabricksServingEndpoint(endpoint_name=\"guide-model\")]",
        ],
    );
}

/// Retrieval needs the embedding model too; that everybody may use it does not count for an endpoint's own principal.
async fn p8_a_transitive_dependency(kit: &Kit) {
    let ana = kit.token(ANA);
    let asked = kit.invoke("databricks-gte-large-en", &ana, &json!({"input": ["a guide to Lisbon"]})).await;
    assert_eq!(asked.status, 200, "Ana herself may: {}", asked.text);
    let (reply, _) = call(kit, "people-write", ANA, "embed databricks-gte-large-en").await;
    tells(
        reply.json()["stack_trace"].as_str().expect("a trace"),
        &["User does not have permission 'Query' on Endpoint databricks-gte-large-en"],
    );
    tells(
        &kit.explain(reply.request_id()),
        &[
            "[NO] declared: ",
            "resources=[DatabricksServingEndpoint(endpoint_name=\"databricks-gte-large-en\")]",
        ],
    );
}

/// Two places hold the user's token, and tools run in threads: each finds the caller's, one after the other.
async fn p13_two_lookups_of_the_users_token(kit: &Kit) {
    for who in [ANA, BEN, ANA, BEN] {
        let (reply, said) = call(kit, "people-write", who, "every_lookup_of_the_user").await;
        assert_eq!(said, json!([who, who, who]), "{}", reply.text);
        let explained = kit.explain(reply.request_id());
        let as_user = format!("as {who} by on-behalf-of-user token (on_behalf_of_user)");
        assert_eq!(explained.matches(&as_user).count(), 3, "{explained}");
    }
}

/// Outside of serving the user's client silently is the developer's own. Ana's token makes the evaluation Ana's.
async fn p14_an_evaluation_acts_as_somebody_else(kit: &Kit, python: &std::path::Path) {
    let evaluation = "from databricks.sdk import WorkspaceClient\n\
        from databricks_ai_bridge import ModelServingUserCredentials\n\
        print(WorkspaceClient(credentials_strategy=ModelServingUserCredentials()).current_user.me().user_name)";
    let developer = tokio::process::Command::new(python)
        .args(["-c", evaluation])
        .env_clear()
        .env("DATABRICKS_HOST", &kit.url)
        .env("DATABRICKS_TOKEN", "dapi000000000000000000000000000000ca")
        .env("DATABRICKS_CONFIG_FILE", "/nonexistent")
        .env("NO_PROXY", "127.0.0.1")
        .stderr(Stdio::piped())
        .output()
        .await
        .expect("python");
    assert_eq!(
        String::from_utf8_lossy(&developer.stdout).trim(),
        "carol@example.com",
        "{}",
        String::from_utf8_lossy(&developer.stderr)
    );

    let admin = kit.token("admin@example.com");
    let minted =
        kit.post("/_brickyard/tokens", &admin, &json!({"as": ANA, "scopes": "all-apis", "ttl": "10m"})).await;
    let persona = minted.json()["token"].as_str().expect("a token").to_owned();
    let (reply, said) = kit.ask("people-write", &persona, "who_is_the_user").await;
    assert_eq!(said, "\"ana@example.com\"");
    tells(
        &kit.explain(reply.request_id()),
        &[
            "as ana@example.com by OAuth access token",
            "GET /api/2.0/preview/scim/v2/Me",
            "as ana@example.com by on-behalf-of-user token",
        ],
    );
}

/// Nothing is declared, so nothing is mounted, and three libraries have three ways to say it.
async fn p16_no_declared_dependency_no_token_file(kit: &Kit) {
    let (reply, said) = call(kit, "bare", ANA, "token_file").await;
    assert_eq!(said, false, "{}", reply.text);
    let no_resource =
        "hint: the model declares no resource, so it has no token of its own: log it with resources=[...]";
    let no_user = "hint: the model declares no user policy: log it with auth_policy=AuthPolicy(user_auth_policy=UserAuthPolicy(api_scopes=[...]))";
    for (method, error, hint) in [
        ("default_client", "default auth: cannot configure default credentials", no_resource),
        (
            "credentials_of_mlflow",
            "Reading Databricks credential configuration in model serving failed",
            no_resource,
        ),
        ("who_is_the_user", "Unable to detect credentials for user authorization", no_user),
    ] {
        let (reply, _) = call(kit, "bare", ANA, method).await;
        assert_eq!(reply.status, 400, "{method}: {}", reply.text);
        assert!(reply.text.contains(error), "{method}: {}", reply.text);
        tells(&kit.explain(reply.request_id()), &["FAILED 400", hint, "fix: the model declares no "]);
    }
}

/// The version with declarations: the old one answers until the new one is ready, and then the same call works.
async fn p16_declared_and_deployed_again(kit: &Kit) {
    let carol = kit.token("carol@example.com");
    let path = "/api/2.0/serving-endpoints/bare";
    let config = json!({"served_entities": [{"entity_name": "main.agents.bare", "entity_version": 2}]});
    let updating = kit.put(&format!("{path}/config"), &carol, &config).await;
    assert_eq!(
        updating.json()["state"],
        json!({"ready": "READY", "config_update": "IN_PROGRESS"}),
        "{}",
        updating.text
    );
    let (reply, said) = call(kit, "bare", ANA, "token_file").await;
    assert_eq!(
        (reply.header("served-model-name"), said),
        ("bare-1", json!(false)),
        "the old version still serves"
    );
    kit.until("the new version serves", async |kit| {
        kit.get(path, &carol).await.json()["state"]["config_update"] == "NOT_UPDATING"
    })
    .await;
    let endpoint = kit.get(path, &carol).await.json();
    assert_eq!(endpoint["state"], json!({"ready": "READY", "config_update": "NOT_UPDATING"}));
    assert_eq!(endpoint["config"]["served_entities"][0]["entity_version"], "2");
    let (reply, said) = call(kit, "bare", ANA, "ask_as_the_endpoint travel-model").await;
    assert_eq!((reply.header("served-model-name"), said), ("bare-2", json!("Hello from the travel model.")));
}

/// Clients cache a token for five minutes, and rotation happens whenever it does.
async fn p17_rotation(kit: &Kit, clock: &ManualClock) {
    let (reply, said) = call(kit, "people-write", ANA, "rotate_in_the_middle travel-model").await;
    let hello = "Hello from the travel model.";
    assert_eq!(said, json!([hello, hello, hello, true]), "{}", reply.text);

    let (reply, before) = call(kit, "people-write", ANA, "which_tokens travel-model").await;
    assert_eq!(before["remembered"], before["new"], "{}", reply.text);
    // Just before half its life nothing changes; after it, the next tick replaces the file.
    clock.advance(SignedDuration::from_mins(31));
    kit.until("a new system token", async |kit| {
        let (_, now) = call(kit, "people-write", ANA, "which_tokens travel-model").await;
        assert_eq!(now["remembered"], before["remembered"], "the SDK's five minutes are not over");
        now["new"] != before["new"]
    })
    .await;
    // The one that was rotated out is good for the other half of its life, and not for longer.
    clock.advance(SignedDuration::from_mins(28));
    let (_, now) = call(kit, "people-write", ANA, "which_tokens travel-model").await;
    assert_eq!(now["remembered"], before["remembered"]);
    clock.advance(SignedDuration::from_mins(5));
    let (reply, _) = call(kit, "people-write", ANA, "which_tokens travel-model").await;
    assert_eq!(reply.status, 400, "{}", reply.text);
    tells(&reply.text, &["PermissionDenied: Invalid access token."]);
    assert!(clock.now() > "2026-11-23T13:00:00Z".parse().expect("a time"));
}

/// `resources:` instead of `auth_policy:`: what is declared for the endpoint is the endpoint's, and what is declared on
/// behalf of the user is reached with a token of the user's, which no scope opens anything to, as the doctor foretold.
async fn the_older_layout_lends_its_resources_and_the_user_without_a_scope(kit: &Kit, models: &Logged) {
    let report = brickyard::doctor::judge(&models.path().join("older"), None).expect("a model");
    assert!(report.findings.iter().any(|finding| finding.rule == "scope-not-declared"), "{report}");

    let (reply, said) = call(kit, "older", ANA, "ask_as_the_endpoint travel-model").await;
    assert_eq!(said, "Hello from the travel model.", "{}", reply.text);
    let (reply, _) = call(kit, "older", ANA, "ask_as_the_endpoint guide-model").await;
    tells(
        &kit.explain(reply.request_id()),
        &["REFUSED 403 POST /serving-endpoints/guide-model/invocations", "[NO] declared: needs "],
    );
    let (reply, said) = call(kit, "older", ANA, "who_is_the_user").await;
    assert_eq!(said, ANA, "{}", reply.text);
    let (reply, _) = call(kit, "older", ANA, "ask_as_the_user guide-model").await;
    tells(
        &reply.text,
        &["PermissionDenied: Provided OAuth token does not have required scopes: model-serving"],
    );
    tells(
        &kit.explain(reply.request_id()),
        &[
            "gave on_behalf_of_user: ana@example.com",
            "REFUSED 403 POST /serving-endpoints/guide-model/invocations",
            "as ana@example.com by on-behalf-of-user token (on_behalf_of_user)",
            "[NO] api_scope: needs serving.serving-endpoints",
            "fix: declare it when logging the model: UserAuthPolicy(api_scopes=[\"serving.serving-endpoints\"])",
        ],
    );
}

/// The SDK asks for another token when its own has ended, and nobody tells it to.
async fn a_manual_service_principal_outlives_its_first_token(kit: &Kit, clock: &ManualClock) {
    let (reply, first) = call(kit, "people-write", ANA, "who_is_the_robot 0").await;
    assert_eq!(first["name"], ROBOT, "{}", reply.text);
    tells(
        &kit.explain(reply.request_id()),
        &[
            &format!("gave manual ROBOT_SECRET: {ROBOT}"),
            &format!("as {ROBOT} by OAuth access token (manual)"),
        ],
    );
    let (_, again) = call(kit, "people-write", ANA, "who_is_the_robot 0").await;
    assert_eq!(again, first, "one token for its whole life");
    clock.advance(SignedDuration::from_mins(61));
    let (reply, _) = call(kit, "people-write", ANA, "who_is_the_robot 0").await;
    tells(&reply.text, &["PermissionDenied: Invalid access token."]);
    let (reply, later) = call(kit, "people-write", ANA, "who_is_the_robot 61").await;
    assert_eq!((&later["name"], later["token"] == first["token"]), (&json!(ROBOT), false), "{}", reply.text);
}

/// HTTP 200, and then the error is inside the stream: top-level `error`, which makes clients raise.
async fn p28_an_error_inside_a_stream(kit: &Kit) {
    let body = json!({"input": [{"role": "user", "content": "hello"}], "stream": true});
    let reply = kit.invoke("people-write", &kit.token(ANA), &body).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, "text/event-stream"));
    let events: Vec<&str> = reply.text.split_terminator("\n\n").collect();
    assert_eq!(events.len(), 3, "{}", reply.text);
    tells(events[0], &["data: {", "so far, "]);
    tells(events[1], &["data: {\"error\":"]);
    assert_eq!(events[2], "data: [DONE]");
    tells(
        &kit.explain(reply.request_id()),
        &["FAILED 200 POST /serving-endpoints/people-write/invocations", "failed: "],
    );
}
