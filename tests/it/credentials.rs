//! Which credentials an agent is given: exactly those declared, for exactly this call, and nothing of the caller's own.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use brickyard_testkit::{Kit, Reply};
use brickyard_types::{Clock, ManualClock, SignedDuration};
use serde_json::{Value, json};

use crate::agents::{Answer, Guest, claims, tells};

const ANA: &str = "ana@example.com";
const ALL_POLICIES: &str = "{system_auth_policy: {resources: {api_version: '1', databricks: {serving_endpoint: [{name: travel-model}]}}}, \
    user_auth_policy: {api_scopes: [serving.serving-endpoints, sql]}}";

/// A workspace with an agent at `url` that declares everything, and one that declares nothing.
fn workspace(url: &str) -> String {
    format!(
        r#"
workspace: {{id: "42", admins: [admin@example.com]}}
users:
  - {{user_name: ana@example.com, personal_access_tokens: [{{value: dapi000000000000000000000000000000aa}}]}}
  - {{user_name: ben@example.com}}
  - {{user_name: carol@example.com}}
secret_scopes:
  - {{scope: travel, secrets: [{{key: weather, value: sunshine}}], acls: [{{principal: carol@example.com, permission: READ}}]}}
serving_endpoints:
  - name: guest
    creator: carol@example.com
    config:
      served_entities:
        - name: guest
          url: {url}
          auth_policy: {ALL_POLICIES}
          environment_vars: {{GREETING: good morning, WEATHER_KEY: "{{{{secrets/travel/weather}}}}"}}
    permissions: [{{group_name: users, permission_level: CAN_QUERY}}]
  - name: next
    creator: carol@example.com
    config: {{served_entities: [{{name: next, url: "{url}", auth_policy: {ALL_POLICIES}}}]}}
    permissions: [{{group_name: users, permission_level: CAN_QUERY}}]
  - name: plain
    creator: carol@example.com
    config: {{served_entities: [{{name: plain, url: "{url}"}}]}}
    permissions: [{{group_name: users, permission_level: CAN_QUERY}}]
  - name: travel-model
    creator: admin@example.com
    config: {{served_entities: [{{name: travel-model, scripted: {{task: llm/v1/chat, rules: [{{say: Hello.}}]}}}}]}}
    permissions: [{{user_name: carol@example.com, permission_level: CAN_QUERY}}]
"#
    )
}

fn chat() -> Value {
    json!({"messages": [{"role": "user", "content": "hello"}]})
}

async fn invoke(kit: &Kit, endpoint: &str, token: &str) -> Reply {
    kit.invoke(endpoint, token, &chat()).await
}

#[tokio::test]
async fn an_agent_elsewhere_gets_the_documented_headers_and_nothing_of_the_callers() {
    let guest = Guest::start().await;
    let kit = Kit::start(&workspace(&guest.url)).await;
    let ana = kit.token(ANA);
    let reply = kit
        .client
        .post(format!("{}/serving-endpoints/guest/invocations", kit.url))
        .bearer_auth(&ana)
        .header("cookie", "session=anas")
        .header("user-agent", "anas-browser")
        .header("x-custom", "anas")
        .header("x-forwarded-for", "10.0.0.1")
        .header("x-forwarded-user", "admin@example.com")
        .header("x-forwarded-access-token", "forged")
        .header("x-brickyard-secret-weather_key", "Zm9yZ2Vk")
        .header("x-databricks-org-id", "1")
        .header("accept-encoding", "gzip")
        .json(&chat())
        .send()
        .await
        .expect("a response");
    assert_eq!(reply.status(), 200);
    let request_id = reply.headers()["x-request-id"].to_str().expect("text").to_owned();
    assert_eq!(reply.text().await.expect("text"), r#"{"said":"hello"}"#);

    let received = guest.last();
    assert_eq!(received.line, "POST /invocations HTTP/1.1");
    assert_eq!(received.body, chat().to_string());
    assert_eq!(
        received.names(),
        [
            "accept",
            "content-length",
            "content-type",
            "host",
            "x-brickyard-environment-greeting",
            "x-brickyard-passthrough-token",
            "x-brickyard-secret-weather_key",
            "x-forwarded-access-token",
            "x-forwarded-email",
            "x-forwarded-preferred-username",
            "x-forwarded-user",
            "x-request-id",
        ]
    );
    assert_eq!(received.header("x-request-id"), request_id);
    assert_eq!(received.header("x-forwarded-user"), ANA);
    assert_eq!(received.header("x-forwarded-email"), ANA);
    assert_eq!(received.header("x-forwarded-preferred-username"), ANA);
    // base64 of "good morning" and "sunshine"
    assert_eq!(received.header("x-brickyard-environment-greeting"), "Z29vZCBtb3JuaW5n");
    assert_eq!(received.header("x-brickyard-secret-weather_key"), "c3Vuc2hpbmU=");
    let all = format!("{received:?}");
    for of_the_caller in [ana.as_str(), "anas", "10.0.0.1", "forged", "Zm9yZ2Vk"] {
        assert!(!all.contains(of_the_caller), "{of_the_caller} arrived");
    }
    kit.stop().await;
}

#[tokio::test]
async fn an_agent_that_declares_nothing_gets_no_credential() {
    let guest = Guest::start().await;
    let kit = Kit::start(&workspace(&guest.url)).await;
    assert_eq!(invoke(&kit, "plain", &kit.token(ANA)).await.status, 200);
    assert_eq!(
        guest.last().names(),
        [
            "accept",
            "content-length",
            "content-type",
            "host",
            "x-forwarded-email",
            "x-forwarded-preferred-username",
            "x-forwarded-user",
            "x-request-id"
        ]
    );
    kit.stop().await;
}

/// `sub` is the caller, `scope` what both have, `act` the endpoint, `exp` never later than the caller's.
#[tokio::test]
async fn the_users_token_is_the_callers_cut_down_to_what_was_declared() {
    let guest = Guest::start().await;
    let clock = Arc::new(ManualClock::at("2026-11-23T12:00:00Z".parse().expect("a time")));
    let kit = Kit::builder(&workspace(&guest.url)).clock(clock.clone()).start().await;
    let id = kit.get("/api/2.0/serving-endpoints/guest", &kit.token("admin@example.com")).await.json()["id"]
        .clone();
    let now = clock.now().as_second();
    let pat = "dapi000000000000000000000000000000aa".to_owned();
    let of = |scopes: &str, life| kit.scoped_token(ANA, scopes, life);
    let (hour, minute) = (SignedDuration::from_hours(1), SignedDuration::from_mins(1));
    // A call takes 297 s at most; the token outlives it by a minute, unless the caller's ends before.
    for (token, scope, ends_in) in [
        (of("all-apis", hour), "serving.serving-endpoints sql", 357),
        (of("all-apis", minute), "serving.serving-endpoints sql", 60),
        (of("model-serving", hour), "serving.serving-endpoints", 357),
        (
            of("serving.serving-endpoints sql.warehouses", hour),
            "serving.serving-endpoints sql.warehouses",
            357,
        ),
        (of("serving.serving-endpoints genie files", hour), "serving.serving-endpoints", 357),
        (pat, "serving.serving-endpoints sql", 357),
    ] {
        let reply = invoke(&kit, "guest", &token).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        let given = claims(guest.last().header("x-forwarded-access-token"));
        assert_eq!(given["iss"], format!("{}/oidc", kit.url));
        assert_eq!(given["aud"], "42");
        assert_eq!(given["sub"], ANA);
        assert_eq!(given["scope"], scope);
        assert_eq!(given["act"], json!({"sub": id, "endpoint_name": "guest"}));
        assert_eq!((given["iat"].as_i64(), given["exp"].as_i64()), (Some(now), Some(now + ends_in)));
        let system = claims(guest.last().header("x-brickyard-passthrough-token"));
        assert_eq!(
            (&system["scope"], &system["act"], system["exp"].as_i64()),
            (&json!("all-apis"), &Value::Null, Some(now + 3600))
        );
        assert_ne!(system["sub"], ANA);
    }
    kit.stop().await;
}

/// `workspace.tokens.signing_algorithm`: what the issuer signs with, what it publishes, and what the agent is given.
#[tokio::test]
async fn tokens_are_signed_as_the_configuration_says() {
    let (id, secret) = ("7f1c0de0-0000-4000-8000-000000000001", "dose00000000000000000000000000000001");
    let guest = Guest::start().await;
    for (algorithm, key_type) in [("ES256", "EC"), ("RS256", "RSA"), ("EdDSA", "OKP")] {
        let tokens = format!("workspace: {{tokens: {{signing_algorithm: {algorithm}}}, ");
        let robot = format!(
            "service_principals: [{{display_name: robot, application_id: {id}, secrets: [{{value: {secret}}}]}}]\n"
        );
        let kit = Kit::start(&(workspace(&guest.url).replace("workspace: {", &tokens) + &robot)).await;
        let form = kit.client.post(format!("{}/oidc/v1/token", kit.url)).basic_auth(id, Some(secret));
        let granted = form.form(&[("grant_type", "client_credentials"), ("scope", "all-apis")]).send().await;
        let granted: Value = granted.expect("a response").json().await.expect("JSON");
        let machine = granted["access_token"].as_str().unwrap_or_else(|| panic!("{granted}")).to_owned();
        let me = kit.get("/api/2.0/preview/scim/v2/Me", &machine).await;
        assert_eq!((me.status, &me.json()["userName"]), (200, &json!(id)), "{algorithm}");

        assert_eq!(invoke(&kit, "guest", &machine).await.status, 200);
        let received = guest.last();
        let keys = kit.get("/oidc/jwks.json", "").await.json();
        for token in [
            machine.as_str(),
            received.header("x-forwarded-access-token"),
            received.header("x-brickyard-passthrough-token"),
        ] {
            let header = header_of(token);
            assert_eq!(header["alg"], algorithm);
            let key = keys["keys"].as_array().expect("keys").iter().find(|key| key["kid"] == header["kid"]);
            let key = key.unwrap_or_else(|| panic!("{header} is not among {keys}"));
            assert_eq!((&key["alg"], &key["kty"]), (&json!(algorithm), &json!(key_type)));
            let me = kit.get("/api/2.0/preview/scim/v2/Me", token).await;
            assert_eq!(me.status, 200, "{algorithm}: {}", me.text);
        }
        kit.stop().await;
    }
}

/// The header of a JWT, as anybody can read it.
fn header_of(token: &str) -> Value {
    let header = token.split('.').next().expect("a first part");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).expect("base64url")).expect("JSON")
}

#[tokio::test]
async fn each_call_has_a_token_of_its_own_and_the_ledger_knows_it_by_its_jti() {
    let guest = Guest::start().await;
    let kit = Kit::start(&workspace(&guest.url)).await;
    let first = invoke(&kit, "guest", &kit.token(ANA)).await;
    let (of_ana, system) = (guest.last(), guest.last().header("x-brickyard-passthrough-token").to_owned());
    let second = invoke(&kit, "guest", &kit.token("ben@example.com")).await;
    let of_ben = guest.last();
    let jti = |received: &crate::agents::Received| {
        claims(received.header("x-forwarded-access-token"))["jti"].as_str().expect("an id").to_owned()
    };
    assert_ne!(jti(&of_ana), jti(&of_ben));
    assert_eq!(claims(of_ben.header("x-forwarded-access-token"))["sub"], "ben@example.com");

    // What the agent does with Ana's token belongs to Ana's call, also after Ben's began.
    let me = kit.get("/api/2.0/preview/scim/v2/Me", of_ana.header("x-forwarded-access-token")).await;
    assert_eq!(me.json()["userName"], ANA);
    let secrets = kit.get("/api/2.0/secrets/scopes/list", of_ana.header("x-forwarded-access-token")).await;
    assert_eq!(secrets.refusal(), "403 403 Provided OAuth token does not have required scopes: secrets");
    tells(
        &kit.explain(first.request_id()),
        &[
            "gave on_behalf_of_user: ana@example.com",
            &jti(&of_ana),
            "gave passthrough: ",
            "gave manual WEATHER_KEY: unknown to this workspace (a service outside)",
            "ALLOWED 200 GET /api/2.0/preview/scim/v2/Me",
            "as ana@example.com by on-behalf-of-user token (on_behalf_of_user)",
            &jti(&of_ana),
            "REFUSED 403 GET /api/2.0/secrets/scopes/list",
            "fix: secrets cannot be reached on behalf of the user: use manual authentication",
        ],
    );
    assert!(!kit.explain(second.request_id()).contains("ana@example.com"));

    // The endpoint's own principal: the declared resource, and nothing else, whoever called.
    assert_eq!(invoke(&kit, "travel-model", &system).await.status, 200);
    let undeclared = invoke(&kit, "plain", &system).await;
    assert_eq!(
        undeclared.refusal(),
        "403 \"PERMISSION_DENIED\" User does not have permission 'Query' on Endpoint plain."
    );
    kit.stop().await;
}

/// An agent that calls an agent as its user: the second sees who acted before it, and no more scopes than the first.
#[tokio::test]
async fn a_users_token_through_two_agents_says_who_acted() {
    let guest = Guest::start().await;
    let kit = Kit::start(&workspace(&guest.url)).await;
    assert_eq!(
        invoke(&kit, "guest", &kit.scoped_token(ANA, "model-serving", SignedDuration::from_hours(1)))
            .await
            .status,
        200
    );
    let first = guest.last().header("x-forwarded-access-token").to_owned();
    assert_eq!(invoke(&kit, "next", &first).await.status, 200);
    let second = claims(guest.last().header("x-forwarded-access-token"));
    assert_eq!((&second["sub"], &second["scope"]), (&json!(ANA), &json!("serving.serving-endpoints")));
    assert_eq!(second["act"]["endpoint_name"], "next");
    assert_eq!(second["act"]["act"]["endpoint_name"], "guest");
    assert!(second["exp"].as_i64() <= claims(&first)["exp"].as_i64());
    kit.stop().await;
}

/// What ends a user's token: its own end, the caller's being disabled, the caller's token being revoked, the endpoint's end.
#[tokio::test]
async fn an_agents_tokens_end_with_what_they_stand_on() {
    let guest = Guest::start().await;
    let clock = Arc::new(ManualClock::at("2026-11-23T12:00:00Z".parse().expect("a time")));
    let kit = Kit::builder(&workspace(&guest.url)).clock(clock.clone()).start().await;
    let admin = kit.token("admin@example.com");
    let me = "/api/2.0/preview/scim/v2/Me";
    let ended = "403 403 Invalid access token.";

    // Its own end.
    invoke(&kit, "guest", &kit.token(ANA)).await;
    let token = guest.last().header("x-forwarded-access-token").to_owned();
    assert_eq!(kit.get(me, &token).await.status, 200);
    clock.advance(SignedDuration::from_mins(7));
    let reply = kit.get(me, &token).await;
    assert_eq!(reply.refusal(), ended);
    tells(&kit.explain(reply.request_id()), &["hint: the token has expired"]);

    // The personal access token that it was made from.
    let made =
        kit.post("/api/2.0/token/create", &kit.token(ANA), &json!({"lifetime_seconds": 600})).await.json();
    invoke(&kit, "guest", made["token_value"].as_str().expect("a token")).await;
    let token = guest.last().header("x-forwarded-access-token").to_owned();
    assert_eq!(kit.get(me, &token).await.status, 200);
    let id = &made["token_info"]["token_id"];
    assert_eq!(
        kit.post("/api/2.0/token/delete", &kit.token(ANA), &json!({"token_id": id})).await.status,
        200
    );
    let reply = kit.get(me, &token).await;
    assert_eq!(reply.refusal(), ended);
    tells(&kit.explain(reply.request_id()), &["hint: the token was revoked"]);

    // The user.
    invoke(&kit, "guest", &kit.token("ben@example.com")).await;
    let token = guest.last().header("x-forwarded-access-token").to_owned();
    kit.workspace.identity.set_active(kit.principal("ben@example.com").id, false).await.expect("disabled");
    let reply = kit.get(me, &token).await;
    assert_eq!(reply.refusal(), ended);
    tells(
        &kit.explain(reply.request_id()),
        &["hint: the token's principal is disabled: enable its principal"],
    );

    // The endpoint: its principal's token and the user's token of the call that runs.
    invoke(&kit, "guest", &kit.token(ANA)).await;
    let received = guest.last();
    let (user, system) =
        (received.header("x-forwarded-access-token"), received.header("x-brickyard-passthrough-token"));
    assert_eq!(kit.get(me, user).await.status, 200);
    assert_eq!(kit.get(me, system).await.status, 200);
    assert_eq!(kit.delete("/api/2.0/serving-endpoints/guest", &admin).await.status, 200);
    assert_eq!(kit.get(me, system).await.refusal(), ended);
    let reply = kit.get(me, user).await;
    assert_eq!(reply.refusal(), ended);
    tells(
        &kit.explain(reply.request_id()),
        &["hint: the token was minted for endpoint guest, which was deleted"],
    );
    kit.stop().await;
}

/// What the creator may no longer lend, the endpoint no longer hands out; what is given back works again.
#[tokio::test]
async fn a_right_taken_from_the_creator_stops_the_endpoint_that_lends_it() {
    let guest = Guest::start().await;
    let kit = Kit::start(&workspace(&guest.url)).await;
    let (admin, ana) = (kit.token("admin@example.com"), kit.token(ANA));
    let acl = |level| json!({"scope": "travel", "principal": "carol@example.com", "permission": level});
    assert_eq!(kit.post("/api/2.0/secrets/acls/delete", &admin, &acl("READ")).await.status, 200);
    kit.workspace.serving.recheck_creators().await;
    let asked = guest.asked();
    let reply = invoke(&kit, "guest", &ana).await;
    assert_eq!(reply.status, 403, "{}", reply.text);
    tells(
        &reply.text,
        &[
            "PERMISSION_DENIED",
            "the endpoint's creator no longer holds what the agent declared",
            "WEATHER_KEY {{secrets/travel/weather}}",
        ],
    );
    assert_eq!(guest.asked(), asked, "nothing runs with less than was declared");
    tells(&kit.explain(reply.request_id()), &["REFUSED 403", "no longer holds"]);
    assert_eq!(kit.post("/api/2.0/secrets/acls/put", &admin, &acl("READ")).await.status, 200);
    kit.workspace.serving.recheck_creators().await;
    assert_eq!(invoke(&kit, "guest", &ana).await.status, 200);
    kit.stop().await;
}

#[tokio::test]
async fn what_an_agent_elsewhere_answers_is_passed_on_or_named() {
    let guest = Guest::start().await;
    let kit = Kit::start(&workspace(&guest.url)).await;
    let ana = kit.token(ANA);
    let table = [
        (Answer::json(200, "[1]"), "200", "[1]"),
        // The agent's own refusal, in its own words.
        (Answer::json(422, r#"{"detail":"no city"}"#), "422", r#"{"detail":"no city"}"#),
        (Answer::json(429, r#"{"error":"slow down"}"#), "429", r#"{"error":"slow down"}"#),
        (Answer::text(404, "text/html", "<p>no</p>"), "404", "The agent refused: it answered 404 Not Found"),
        (
            Answer::text(200, "text/plain", "hello"),
            "502",
            "the agent at its own address failed: its answer is not JSON",
        ),
        (
            Answer::json(500, r#"{"detail":"a secret"}"#),
            "502",
            "the agent at its own address failed: it answered 500 Internal Server Error",
        ),
        // A redirect would carry the credentials to somebody else.
        (
            Answer::json(307, "{}"),
            "502",
            "the agent at its own address failed: it answered 307 Temporary Redirect",
        ),
        (
            Answer::json(200, r#"{"half":"#).breaking_off(),
            "502",
            "the agent at its own address failed: its answer broke off",
        ),
    ];
    for (answer, status, said) in table {
        guest.answers(answer);
        let asked = guest.asked();
        let reply = invoke(&kit, "plain", &ana).await;
        assert_eq!(guest.asked(), asked + 1, "asked once, whatever it answers");
        assert_eq!(reply.status.to_string(), status, "{}", reply.text);
        assert!(reply.json()["message"] == said || reply.text == said, "{} is not {said}", reply.text);
    }
    kit.stop().await;
}

#[tokio::test]
async fn an_agent_that_is_not_there_is_a_502_that_says_so() {
    let kit = Kit::start(&workspace("http://127.0.0.1:1")).await;
    let reply = invoke(&kit, "plain", &kit.token(ANA)).await;
    assert_eq!(
        reply.refusal(),
        "502 \"INTERNAL_ERROR\" the agent at its own address failed: it cannot be reached"
    );
    tells(
        &kit.explain(reply.request_id()),
        &["FAILED 502", "failed: the agent at its own address failed: it cannot be reached"],
    );
    kit.stop().await;
}

/// mlflow.deployments reads `data:` lines and nothing else, so nothing else leaves, whatever the agent sends.
#[tokio::test]
async fn a_stream_is_data_lines_and_done() {
    let guest = Guest::start().await;
    let kit = Kit::start(&workspace(&guest.url)).await;
    let mut body = chat();
    body["stream"] = json!(true);
    let sent = ": a comment\r\nevent: response.output_text.delta\r\nid: 1\r\ndata: {\"delta\":\"a\"}\r\n\r\nretry: 5\ndata:{\"delta\":\"b\"}\n\ndata: [DONE]\n\ndata: {\"after\":\"the end\"}\n\n";
    let broken = Answer::text(200, "text/event-stream", "data: {\"delta\":\"a\"}\n\n").breaking_off();
    for (answer, received) in [
        (
            Answer::text(200, "text/event-stream; charset=utf-8", sent),
            "data: {\"delta\":\"a\"}\n\ndata: {\"delta\":\"b\"}\n\ndata: [DONE]\n\n",
        ),
        (
            Answer::text(200, "text/event-stream", "data: {\"unfinished\":1}"),
            "data: {\"unfinished\":1}\n\ndata: [DONE]\n\n",
        ),
        (Answer::text(200, "text/event-stream", ""), "data: [DONE]\n\n"),
        (
            broken,
            "data: {\"delta\":\"a\"}\n\ndata: {\"error\":\"the agent at its own address failed: its answer broke off\"}\n\ndata: [DONE]\n\n",
        ),
    ] {
        guest.answers(answer);
        let reply = kit.invoke("plain", &kit.token(ANA), &body).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, "text/event-stream"));
        assert_eq!(reply.text, received);
    }
    kit.stop().await;
}
