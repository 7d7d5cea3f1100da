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
