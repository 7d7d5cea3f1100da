//! Guarded unless written otherwise: the routes that need no token are one list, and every other one is tried here without
//! a token, with a token that is none, and with a token that opens nothing.

use std::collections::BTreeSet;

use brickyard::routes::OPEN;
use brickyard::routes::fidelity::{ANY_SCOPE, Level, Row, TABLES, rows};
use brickyard_testkit::{Kit, Reply};
use brickyard_types::SignedDuration;
use reqwest::Method;
use serde_json::json;

#[test]
fn the_open_routes_are_these() {
    insta::assert_snapshot!(OPEN.join("\n"), @r"
    GET /health
    GET /ready
    GET /.well-known/databricks-config
    GET /.well-known/oauth-authorization-server/oidc
    GET /oidc/.well-known/oauth-authorization-server
    GET /oidc/.well-known/openid-configuration
    GET /oidc/accounts/{account_id}/.well-known/oauth-authorization-server
    GET /oidc/accounts/{account_id}/.well-known/openid-configuration
    GET /oidc/jwks.json
    GET /oidc/v1/authorize
    POST /oidc/v1/token
    POST /oidc/v1/introspect
    POST /oidc/v1/revoke
    POST /oidc/accounts/{account_id}/v1/token
    GET /sql/results/{statement_id}/{chunk_index}
    ");
    let listed: BTreeSet<String> = OPEN.iter().map(|route| (*route).to_owned()).collect();
    let open = rows(TABLES).into_iter().filter(|row| row.scope == "open");
    let of_the_tables: BTreeSet<String> = open.map(|row| format!("{} {}", row.method, row.path)).collect();
    assert_eq!(listed, of_the_tables);
}

/// A row with something in the place of its parameters.
fn tried(row: &Row) -> Vec<(Method, String)> {
    let segments = row.path.split('/').map(|segment| match segment {
        "{type}" => "serving-endpoints",
        "{name}" => "echo",
        "{*rest}" => "any/thing",
        segment if segment.starts_with('{') => "0123456789abcdef0123456789abcdef",
        segment => segment,
    });
    let path = segments.collect::<Vec<_>>().join("/");
    let methods: &[Method] = match row.method {
        "ANY" => &[Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE],
        "GET" => &[Method::GET],
        "POST" => &[Method::POST],
        "PUT" => &[Method::PUT],
        "PATCH" => &[Method::PATCH],
        _ => &[Method::DELETE],
    };
    methods.iter().map(|method| (method.clone(), path.clone())).collect()
}

fn guarded() -> impl Iterator<Item = (Row, Method, String)> {
    let closed = rows(TABLES).into_iter().filter(|row| row.scope != "open");
    closed.flat_map(|row| tried(&row).into_iter().map(move |(method, path)| (row, method, path)))
}

const YAML: &str = r#"
workspace: {admins: [admin@example.com]}
users: [{user_name: admin@example.com}, {user_name: ana@example.com}]
serving_endpoints:
  - name: echo
    config: {served_entities: [{scripted: {task: llm/v1/chat, rules: [{say: hello}]}}]}
    permissions: [{group_name: users, permission_level: CAN_QUERY}]
"#;

async fn ask(kit: &Kit, method: &Method, path: &str, token: &str) -> Reply {
    let body = json!({ "messages": [{ "role": "user", "content": "hello" }], "model": "echo" });
    let body = (*method != Method::GET).then_some(&body);
    kit.request(method.clone(), path, token, body).await
}

#[tokio::test]
async fn every_other_route_asks_who_calls_before_anything_else() {
    let kit = Kit::start(YAML).await;
    let mut tried = 0;
    for (row, method, path) in guarded() {
        let reply = ask(&kit, &method, &path, "").await;
        assert_eq!(reply.status, 401, "{row:?}: {}", reply.text);
        assert_eq!(reply.json()["error_code"], 401, "{row:?}");
        assert_eq!(reply.header("www-authenticate"), "Bearer realm=\"brickyard\"", "{row:?}");
        let reply = ask(&kit, &method, &path, "dapi00000000000000000000000000000000").await;
        assert_eq!(reply.refusal(), "403 403 Invalid access token.", "{row:?}");
        tried += 1;
    }
    assert!(tried > 150, "only {tried}");
    // Nothing answered, and nothing was changed: the endpoint is there.
    let admin = kit.token("admin@example.com");
    assert_eq!(kit.get("/api/2.0/serving-endpoints/echo", &admin).await.status, 200);
}

#[tokio::test]
async fn a_token_without_a_scope_opens_what_every_token_opens_and_nothing_else() {
    let kit = Kit::start(YAML).await;
    // Known scopes that open no family of this API, and none at all.
    for scopes in ["", "apps.apps"] {
        let token = kit.scoped_token("admin@example.com", scopes, SignedDuration::from_hours(1));
        for (row, method, path) in guarded() {
            let reply = ask(&kit, &method, &path, &token).await;
            if row.scope == ANY_SCOPE {
                assert_ne!(reply.status, 401, "{row:?}: {}", reply.text);
                assert!(row.level != Level::Refused || reply.status == 501, "{row:?}: {}", reply.text);
                continue;
            }
            if scopes.starts_with(row.scope) && !scopes.is_empty() {
                assert_eq!(reply.status, 501, "{row:?}: {}", reply.text);
                continue;
            }
            assert_eq!(reply.status, 403, "{row:?} {method}: {}", reply.text);
            let (scope, id) = (row.scope, reply.request_id());
            let says = format!("Provided OAuth token does not have required scopes: {scope} [ReqId: {id}]");
            assert_eq!(
                (&reply.json()["error_code"], &reply.json()["message"]),
                (&json!(403), &json!(says)),
                "{row:?}"
            );
            assert!(reply.header("x-brickyard-explain").contains(reply.request_id()), "{row:?}");
        }
    }
    let admin = kit.token("admin@example.com");
    assert_eq!(kit.get("/api/2.0/serving-endpoints/echo", &admin).await.status, 200);
}

/// What only few clients ask for, answered all the same: each row is marked as real, and is asked for nowhere else.
#[tokio::test]
async fn what_is_marked_as_real_answers() {
    let more = r#"
  - name: text
    config: {served_entities: [{scripted: {task: llm/v1/completions, rules: [{say: and so on}]}}]}
service_principals: [{display_name: nightly, application_id: 7f1c0de0-0000-4000-8000-000000000001}]
secret_scopes:
  - {scope: travel, secrets: [{key: key, value: rain}], acls: [{principal: ana@example.com, permission: READ}]}
"#;
    let kit = Kit::start(&format!("{YAML}{more}")).await;
    let admin = kit.token("admin@example.com");
    let made =
        kit.post("/api/2.0/token/create", &kit.token("ana@example.com"), &json!({"comment": "anas"})).await;
    let anas = made.json()["token_info"]["token_id"].as_str().expect("an id").to_owned();
    let hello = json!([{"role": "user", "content": "hello"}]);
    let nightly = json!({"application_id": "7f1c0de0-0000-4000-8000-000000000001", "comment": "for the night", "lifetime_seconds": 600});
    let ana_may =
        json!({"access_control_list": [{"user_name": "ana@example.com", "permission_level": "CAN_USE"}]});
    let nobody = serde_json::Value::Null;
    let managed = "/api/2.0/token-management/tokens";
    let table = [
        (
            "POST",
            "/serving-endpoints/completions",
            json!({"model": "text", "prompt": "once"}),
            "\"and so on\"",
        ),
        (
            "POST",
            "/serving-endpoints/chat/completions",
            json!({"model": "echo", "messages": hello}),
            "\"hello\"",
        ),
        (
            "POST",
            "/serving-endpoints/v1/chat/completions",
            json!({"model": "echo", "messages": hello}),
            "\"hello\"",
        ),
        ("GET", "/serving-endpoints/models", nobody.clone(), "\"id\":\"echo\""),
        (
            "GET",
            "/api/2.0/secrets/acls/get?scope=travel&principal=ana@example.com",
            nobody.clone(),
            "\"permission\":\"READ\"",
        ),
        ("GET", managed, nobody.clone(), "\"comment\":\"anas\""),
        (
            "GET",
            &format!("{managed}?created_by_username=ana@example.com"),
            nobody.clone(),
            "\"comment\":\"anas\"",
        ),
        ("GET", &format!("{managed}/{anas}"), nobody.clone(), "\"created_by_username\":\"ana@example.com\""),
        ("POST", "/api/2.0/token-management/on-behalf-of/tokens", nightly, "\"token_value\":\"dapi"),
        ("DELETE", &format!("{managed}/{anas}"), nobody.clone(), "{}"),
        ("GET", "/api/2.0/permissions/authorization/tokens", nobody.clone(), "\"object_type\":\"tokens\""),
        ("GET", "/api/2.0/permissions/authorization/tokens/permissionLevels", nobody.clone(), "\"CAN_USE\""),
        ("PATCH", "/api/2.0/permissions/authorization/tokens", ana_may.clone(), "ana@example.com"),
        ("PUT", "/api/2.0/permissions/authorization/tokens", ana_may, "ana@example.com"),
    ];
    for (method, path, body, shows) in &table {
        let body = (!body.is_null()).then_some(body);
        let reply = kit.request(method.parse().expect("a method"), path, &admin, body).await;
        assert_eq!(reply.status, 200, "{method} {path}: {}", reply.text);
        assert!(reply.text.contains(shows), "{method} {path}: {}", reply.text);
    }
    let secret = made.json()["token_value"].as_str().expect("a token").to_owned();
    let reply = kit.get("/api/2.0/preview/scim/v2/Me", &secret).await;
    assert_eq!(reply.refusal(), "403 403 Invalid access token.", "the manager deleted it");
}

/// Never pretend: what is not emulated says so also to whoever may everything, and answers nothing else.
#[tokio::test]
async fn what_is_not_emulated_answers_501_to_an_admin_too() {
    let kit = Kit::start(YAML).await;
    let admin = kit.token("admin@example.com");
    let mut refused = BTreeSet::new();
    for (row, method, path) in guarded().filter(|(row, ..)| row.level == Level::Refused) {
        let reply = ask(&kit, &method, &path, &admin).await;
        assert_eq!(reply.status, 501, "{row:?} {method}: {}", reply.text);
        let body = reply.json();
        assert_eq!(body["error_code"], "NOT_IMPLEMENTED", "{row:?} {method}: {}", reply.text);
        let message = body["message"].as_str().expect("a message");
        assert!(message.contains("brickyard"), "{row:?} {method}: {message}");
        refused.insert(row.path);
    }
    let own: Vec<_> = refused.iter().filter_map(|path| path.strip_prefix("/_brickyard/")).collect();
    assert_eq!(
        own,
        [
            "clock",
            "coverage",
            "faults",
            "least-privilege/{endpoint}",
            "reset",
            "snapshots",
            "snapshots/{name}/restore"
        ]
    );
}

/// The list of routes and the OpenAPI document are of the same tables, and a refused route is in both.
#[tokio::test]
async fn every_route_is_listed_with_its_level_plain_and_as_an_openapi_document() {
    let kit = Kit::start(YAML).await;
    let admin = kit.token("admin@example.com");
    let fidelity = kit.get("/_brickyard/fidelity", &admin).await;
    assert_eq!(fidelity.status, 200, "{}", fidelity.text);
    let listed = fidelity.json()["routes"].as_array().expect("routes").len();
    assert_eq!(listed, rows(TABLES).len());
    let document = kit.get("/_brickyard/openapi.json", &admin).await;
    assert_eq!(document.status, 200, "{}", document.text);
    let document = document.json();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.")), "{document}");
    // A family that is refused as a whole has no operation to describe.
    for row in rows(TABLES).into_iter().filter(|row| row.method != "ANY") {
        let operation = &document["paths"][row.path.replace("{*", "{")][row.method.to_ascii_lowercase()];
        assert_eq!(operation["x-brickyard-fidelity"], row.level.as_str(), "{row:?}");
    }
}

#[tokio::test]
async fn the_open_routes_give_nothing_away_without_a_token() {
    let kit = Kit::start(YAML).await;
    for route in OPEN {
        let (method, path) = route.split_once(' ').expect("a method and a path");
        let account = "00000000-0000-4000-8000-000000000000";
        let path = path.replace("{account_id}", account);
        let method = method.parse().expect("a method");
        let reply = ask(&kit, &method, &path, "").await;
        for private in ["ana@example.com", "admin@example.com", "\"echo\""] {
            assert!(!reply.text.contains(private), "{route}: {}", reply.text);
        }
        assert!(reply.header("access-control-allow-origin").is_empty(), "{route}");
    }
}
