//! What goes wrong for people with agents today, played: each scenario reproduces it, and `explain` names the link that
//! failed and the one-line fix. Those that need no Python are here, the others in `in_python`.

use std::sync::Arc;

use brickyard_testkit::Kit;
use brickyard_types::{ManualClock, SignedDuration};
use serde_json::{Value, json};

use crate::agents::{Guest, tells};

mod in_python;

const ANA: &str = "ana@example.com";
const BEN: &str = "ben@example.com";

fn echo(name: &str, scopes: &str) -> Value {
    json!({
        "name": name,
        "config": {"served_entities": [{
            "name": name,
            "scripted": {"task": "agent/v1/responses", "rules": [{"identities": true}]},
            "auth_policy": {"system_auth_policy": {}, "user_auth_policy": {"api_scopes": scopes.split(' ').collect::<Vec<_>>()}},
        }]},
    })
}

const PEOPLE: &str = r#"
workspace: {admins: [admin@example.com], strict_current_user: true}
users:
  - {user_name: ana@example.com, personal_access_tokens: [{value: dapi000000000000000000000000000000aa, scopes: [sql]}]}
  - {user_name: carol@example.com}
service_principals:
  - display_name: nightly
    application_id: 7f1c0de0-0000-4000-8000-000000000001
    secrets: [{value: dose00000000000000000000000000000001}]
serving_endpoints:
  - name: echo
    creator: carol@example.com
    config:
      served_entities:
        - name: echo
          auth_policy: {system_auth_policy: {}, user_auth_policy: {api_scopes: [serving.serving-endpoints]}}
          scripted: {task: agent/v1/responses, rules: [{identities: true}]}
    permissions: [{group_name: users, permission_level: CAN_QUERY}]
"#;

/// 4, 5 and 6: scope names that the platform does not take, and what to write instead.
#[tokio::test]
async fn p4_5_6_a_refused_api_scope_comes_with_what_to_write_instead() {
    let kit = Kit::start(PEOPLE).await;
    let carol = kit.token("carol@example.com");
    for (number, (scope, hint)) in [
        ("files.files", "hint: files.files: volumes and files cannot be reached on behalf of the user in Model Serving (Databricks Apps can)"),
        ("all-apis", "hint: all-apis is never allowed: name each API that the agent reaches"),
        ("genie.spaces", "hint: genie.spaces: write dashboards.genie"),
        ("catalog.tables:read", "hint: catalog.tables:read: write unity-catalog"),
        ("ai-search", "hint: ai-search: write vector-search and mcp.vectorsearch"),
    ]
    .into_iter()
    .enumerate()
    {
        let reply = kit.post("/api/2.0/serving-endpoints", &carol, &echo(&format!("refused-{number}"), scope)).await;
        assert_eq!(reply.status, 400, "{scope}: {}", reply.text);
        let begins = format!("Invalid user API scope(s) specified for model: refused-{number}. Invalid scopes: {scope}. Allowed scopes are: sql, ");
        tells(reply.json()["message"].as_str().expect("a message"), &[&begins]);
        tells(&kit.explain(reply.request_id()), &["FAILED 400 POST /api/2.0/serving-endpoints", hint, "fix: "]);
    }
    // Short and dotted names, and the one that was refused in the summer of 2026, are accepted as they are.
    for (number, scope) in
        ["genie", "dashboards.genie", "sql", "sql.statement-execution", "ai-gateway"].into_iter().enumerate()
    {
        let reply =
            kit.post("/api/2.0/serving-endpoints", &carol, &echo(&format!("allowed-{number}"), scope)).await;
        assert_eq!(reply.status, 200, "{scope}: {}", reply.text);
        assert_eq!(reply.json()["auth_policy"], json!({"user_auth_policy": {"api_scopes": [scope]}}));
    }
    kit.stop().await;
}

/// 5 and 6 as they were in May 2026: short names, `ai-gateway` among them, were refused.
#[tokio::test]
async fn p5_6_an_older_profile_refuses_short_names_and_says_which_dotted_one_to_write() {
    let kit = Kit::start(&PEOPLE.replace("workspace: {", "workspace: {profile: databricks-2026-05, ")).await;
    let carol = kit.token("carol@example.com");
    let reply = kit
        .post("/api/2.0/serving-endpoints", &carol, &echo("older", "genie ai-gateway iam.current-user:read"))
        .await;
    let begins = "Invalid user API scope(s) specified for model: older. Invalid scopes: ai-gateway, genie. \
        Allowed scopes are: sql.statement-execution, ";
    assert_eq!(reply.status, 400, "{}", reply.text);
    tells(reply.json()["message"].as_str().expect("a message"), &[begins]);
    let hints = ["hint: ai-gateway: write serving.serving-endpoints", "hint: genie: write dashboards.genie"];
    tells(&kit.explain(reply.request_id()), &hints);
    let reply = kit
        .post(
            "/api/2.0/serving-endpoints",
            &carol,
            &echo("newer", "dashboards.genie serving.serving-endpoints"),
        )
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    kit.stop().await;
}

/// Which scope does this token need? The refusal names it, and explain says where to put it.
#[tokio::test]
async fn p22_a_token_without_the_scope_is_told_which_one_it_needs() {
    let kit = Kit::start(PEOPLE).await;
    let reply = kit.ask("echo", "dapi000000000000000000000000000000aa", "hello").await.0;
    assert_eq!(reply.refusal(), "403 403 Provided access token does not have required scopes: model-serving");
    assert_eq!(reply.header("x-brickyard-explain"), format!("/_brickyard/explain/{}", reply.request_id()));
    tells(
        &kit.explain(reply.request_id()),
        &[
            "REFUSED 403 POST /serving-endpoints/echo/invocations",
            "as ana@example.com by personal access token",
            "[NO] api_scope: needs serving.serving-endpoints or model-serving or ai-gateway (for serving invocations), has sql",
            "fix: create the personal access token with the scope model-serving",
        ],
    );
    let token = kit.scoped_token(ANA, "sql genie", SignedDuration::from_hours(1));
    let reply = kit.ask("echo", &token, "hello").await.0;
    assert_eq!(reply.refusal(), "403 403 Provided OAuth token does not have required scopes: model-serving");
    tells(
        &kit.explain(reply.request_id()),
        &["has genie sql", "fix: request the token with scope=model-serving"],
    );
    // Whoever looks for what was refused at an endpoint finds those calls too.
    let path = "/_brickyard/ledger?endpoint=echo&decision=refused";
    let ledger = kit.get(path, &kit.token("admin@example.com")).await.json();
    assert_eq!(ledger["entries"].as_array().expect("entries").len(), 2, "{ledger}");
    kit.stop().await;
}

/// An agent elsewhere that acts on behalf of its user, with these scopes.
async fn guest(kit: &Kit, url: &str, name: &str, scopes: &[&str]) {
    let entity = json!({"name": name, "url": url, "auth_policy": {"system_auth_policy": {}, "user_auth_policy": {"api_scopes": scopes}}});
    let body = json!({"name": name, "config": {"served_entities": [entity]}});
    let admin = kit.token("admin@example.com");
    let made = kit.post("/api/2.0/serving-endpoints", &admin, &body).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let users = json!({"access_control_list": [{"group_name": "users", "permission_level": "CAN_QUERY"}]});
    let id = made.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(
        kit.put(&format!("/api/2.0/permissions/serving-endpoints/{id}"), &admin, &users).await.status,
        200
    );
    kit.until("it is ready", async |kit| {
        kit.get(&format!("/api/2.0/serving-endpoints/{name}"), &admin).await.json()["state"]["ready"]
            == "READY"
    })
    .await;
}

/// `current_user.me()` on behalf of the user: refused without a scope of its own, where the workspace is that strict.
#[tokio::test]
async fn p3_who_am_i_needs_a_scope_that_explain_names() {
    let kit = Kit::start(PEOPLE).await;
    let agent = Guest::start().await;
    guest(&kit, &agent.url, "without", &["sql"]).await;
    guest(&kit, &agent.url, "with", &["sql", "iam.current-user:read"]).await;
    let me = "/api/2.0/preview/scim/v2/Me";

    let (asked, _) = kit.ask("without", &kit.token(ANA), "hello").await;
    let reply = kit.get(me, agent.last().header("x-forwarded-access-token")).await;
    assert_eq!(reply.refusal(), "403 403 Provided OAuth token does not have required scopes: iam");
    tells(
        &kit.explain(asked.request_id()),
        &[
            "ALLOWED 200 POST /serving-endpoints/without/invocations",
            "REFUSED 403 GET /api/2.0/preview/scim/v2/Me",
            "[NO] api_scope: needs iam.current-user:read or iam.access-control:read (for current user), has sql",
            "fix: declare it when logging the model: UserAuthPolicy(api_scopes=[\"iam.current-user:read\"])",
        ],
    );

    kit.ask("with", &kit.token(ANA), "hello").await;
    assert_eq!(kit.get(me, agent.last().header("x-forwarded-access-token")).await.json()["userName"], ANA);
    // Only agents are held to it: every other token opens it, as documented.
    assert_eq!(kit.get(me, &kit.scoped_token(ANA, "sql", SignedDuration::from_hours(1))).await.status, 200);
    kit.stop().await;
}

/// Which scopes does this agent want, and which did its user's token lack? No JWT has to be decoded for that.
#[tokio::test]
async fn p25_the_scopes_of_an_agent_and_those_that_were_missing_can_be_read() {
    let kit = Kit::start(PEOPLE).await;
    let agent = Guest::start().await;
    guest(&kit, &agent.url, "asking", &["serving.serving-endpoints", "sql"]).await;
    let admin = kit.token("admin@example.com");
    let endpoint = kit.get("/api/2.0/serving-endpoints/asking", &admin).await.json();
    assert_eq!(
        endpoint["auth_policy"],
        json!({"user_auth_policy": {"api_scopes": ["serving.serving-endpoints", "sql"]}})
    );

    // Declared by the agent, and not in the token of its caller: the caller has to ask for more.
    let narrow = kit.scoped_token(ANA, "serving.serving-endpoints", SignedDuration::from_hours(1));
    let (asked, _) = kit.ask("asking", &narrow, "hello").await;
    let tree = kit.get(&format!("/_brickyard/explain/{}", asked.request_id()), &admin).await.json();
    assert_eq!(tree["credentials"][0]["method"], "on_behalf_of_user");
    assert_eq!(tree["credentials"][0]["scopes"], "serving.serving-endpoints");
    let token = agent.last().header("x-forwarded-access-token").to_owned();
    assert_eq!(kit.get("/api/2.0/preview/scim/v2/Me", &token).await.status, 403);
    tells(
        &kit.explain(asked.request_id()),
        &["fix: the caller's own token lacks it: request the token with the scope iam.current-user:read too"],
    );

    // All that was refused to agents on behalf of somebody, with the scopes that it took.
    let ledger = kit.get("/_brickyard/ledger?method=on_behalf_of_user&decision=refused", &admin).await.json();
    let links: Vec<_> = (ledger["entries"].as_array().expect("entries").iter())
        .map(|entry| {
            let failing = entry["traces"][0].as_array().expect("links").last().expect("a link").clone();
            (entry["path"].clone(), failing["required"].clone(), failing["held"].clone())
        })
        .collect();
    let needs = "iam.current-user:read or iam.access-control:read (for current user)";
    assert_eq!(
        links,
        [(json!("GET /api/2.0/preview/scim/v2/Me"), json!(needs), json!("serving.serving-endpoints"))]
    );
    kit.stop().await;
}

/// Every documented way to call an agent from outside, and who it makes the caller.
#[tokio::test]
async fn p26_an_agent_is_called_in_every_documented_way() {
    let kit = Kit::start(PEOPLE).await;
    let form = [("grant_type", "client_credentials"), ("scope", "model-serving")];
    let granted = kit.client.post(format!("{}/oidc/v1/token", kit.url)).form(&form);
    let granted = granted
        .basic_auth("7f1c0de0-0000-4000-8000-000000000001", Some("dose00000000000000000000000000000001"));
    let granted: Value = granted.send().await.expect("a response").json().await.expect("JSON");
    let machine = granted["access_token"].as_str().unwrap_or_else(|| panic!("{granted}")).to_owned();
    let made = kit
        .post(
            "/api/2.0/token/create",
            &kit.token(ANA),
            &json!({"lifetime_seconds": 3600, "scopes": ["model-serving"]}),
        )
        .await;
    let personal = made.json()["token_value"].as_str().unwrap_or_else(|| panic!("{}", made.text)).to_owned();
    let user = kit.scoped_token(ANA, "serving.serving-endpoints", SignedDuration::from_hours(1));

    let input = json!([{"role": "user", "content": "hello"}]);
    let machine_name = "7f1c0de0-0000-4000-8000-000000000001";
    for (token, who) in [(&machine, machine_name), (&personal, ANA), (&user, ANA)] {
        for (path, body) in [
            ("/serving-endpoints/echo/invocations", json!({"input": input})),
            ("/serving-endpoints/echo/served-models/echo/invocations", json!({"input": input})),
            ("/serving-endpoints/responses", json!({"model": "echo", "input": input})),
        ] {
            let reply = kit.post(path, token, &body).await;
            assert_eq!(reply.status, 200, "{path} as {who}: {}", reply.text);
            assert_eq!(reply.header("served-model-name"), "echo");
            tells(
                &kit.explain(reply.request_id()),
                &[
                    "ALLOWED 200",
                    &format!("as {who} by "),
                    &format!("gave on_behalf_of_user: {who}, scopes: serving.serving-endpoints"),
                ],
            );
        }
    }
    kit.stop().await;
}

/// A token pasted into a configuration dies after an hour, and every turn after that is refused.
#[tokio::test]
async fn p17_a_pasted_token_dies_after_an_hour_and_explain_says_of_what() {
    let clock = Arc::new(ManualClock::at("2026-11-23T12:00:00Z".parse().expect("a time")));
    let kit = Kit::builder(PEOPLE).clock(clock.clone()).start().await;
    let pasted = kit.token(ANA);
    assert_eq!(kit.ask("echo", &pasted, "hello").await.0.status, 200);
    clock.advance(SignedDuration::from_mins(61));
    for _turn in 0..2 {
        let (reply, _) = kit.ask("echo", &pasted, "hello").await;
        assert_eq!(reply.refusal(), "403 403 Invalid access token.");
        tells(
            &kit.explain(reply.request_id()),
            &[
                "REFUSED 403",
                "as nobody: no token was accepted",
                "hint: the token has expired: get a new one; who needs access for longer signs in with a client id and secret",
            ],
        );
    }
    kit.stop().await;
}
