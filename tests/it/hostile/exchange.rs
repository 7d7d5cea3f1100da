//! **X. Issuer and exchange.** The answers are RFC 6749's and RFC 8693's, and none of them may be kept by a cache.

mod clients;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use brickyard_types::SignedDuration;
use serde_json::{Value, json};

use crate::load::scale;

use super::stage::{ADMIN, ANA, CLIENT_ID, CLIENT_SECRET, PAT, Stage};
use super::wire::{Answer, encoded, form, json as json_request, request};

const TOKEN: &str = "/oidc/v1/token";
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const EXCHANGE: (&str, &str) = ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange");
const CREDENTIALS: (&str, &str) = ("grant_type", "client_credentials");
const OF_ACCESS_TOKEN: (&str, &str) = ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token");
const OF_PAT: (&str, &str) =
    ("subject_token_type", "urn:databricks:params:oauth:token-type:personal-access-token");

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

/// A form with, perhaps, an `Authorization` header.
fn ask(authorization: Option<&str>, pairs: &[(&str, &str)]) -> Vec<u8> {
    raw(TOKEN, authorization, form(pairs).as_bytes())
}

fn raw(path: &str, authorization: Option<&str>, body: &[u8]) -> Vec<u8> {
    let mut headers = vec![FORM];
    headers.extend(authorization.map(|value| ("Authorization", value)));
    request("POST", path, &headers, body)
}

/// Status and `error` of a refusal.
type Refusal = (u16, &'static str);

const INVALID: Refusal = (400, "invalid_request");
const CLIENT: Refusal = (401, "invalid_client");
const SCOPE: Refusal = (400, "invalid_scope");
const TARGET: Refusal = (400, "invalid_target");

impl Stage {
    async fn refuses(&mut self, what: &str, bytes: &[u8], (status, error): Refusal) -> Answer {
        let answer = self.entry(what, bytes, status).await;
        let body = answer.json();
        assert_eq!(body["error"], error, "{what}: {}", answer.text());
        assert!(body.get("access_token").is_none(), "{what}");
        assert_eq!(answer.header("cache-control"), "no-store", "{what}: {}", answer.head);
        assert_eq!(answer.header("pragma"), "no-cache", "{what}");
        assert_eq!(!answer.header("www-authenticate").is_empty(), status == 401, "{what}: {}", answer.head);
        assert_eq!(answer.header("access-control-allow-origin"), "", "{what}");
        answer
    }

    /// Grants; gives the body, with the new token among the canaries of all that follows.
    async fn grants(&mut self, what: &str, bytes: &[u8]) -> Value {
        let answer = self.entry(what, bytes, 200).await;
        let body = answer.json();
        assert!(body["access_token"].is_string() && body["scope"].is_string(), "{what}: {}", answer.text());
        assert_eq!(
            (&body["token_type"], answer.header("cache-control")),
            (&json!("Bearer"), "no-store"),
            "{what}"
        );
        let token = body["access_token"].as_str().expect("text").to_owned();
        self.canaries.add("a granted token", super::stage::signature(&token).as_bytes());
        body
    }
}

/// X05 to X16, X20, X28: always narrower, never longer, never somebody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x_an_exchanged_token_is_always_less() {
    let mut stage = Stage::set("").await;
    let good = basic(CLIENT_ID, CLIENT_SECRET);
    let ten = SignedDuration::from_mins(10);
    let subject = stage.kit.scoped_token(ANA, "sql genie", ten);
    let with = |extra: &[(&str, &str)]| {
        let fixed = [EXCHANGE, OF_ACCESS_TOKEN, ("subject_token", subject.as_str())];
        ask(Some(&good), &[&fixed[..], extra].concat())
    };
    let granted = stage.grants("as it is", &with(&[])).await;
    assert_eq!(granted["scope"], "genie sql");
    assert_eq!(granted["issued_token_type"], "urn:ietf:params:oauth:token-type:access_token");
    assert!(granted["expires_in"].as_u64().expect("seconds") <= 600, "X16: {granted}");
    let narrow = stage.grants("X10 narrower", &with(&[("scope", "sql.warehouses")])).await;
    assert_eq!(narrow["scope"], "sql.warehouses");

    for (what, extra, expected) in [
        ("X07 more", &[("scope", "sql genie model-serving")][..], SCOPE),
        ("X07 everything", &[("scope", "all-apis")], SCOPE),
        ("X07 another", &[("scope", "secrets")], SCOPE),
        ("X08 prefix", &[("scope", "sq")], SCOPE),
        ("X08 star", &[("scope", "sql.*")], SCOPE),
        ("X08 empty", &[("scope", "")], SCOPE),
        ("X13 actor without type", &[("actor_token", "x")], INVALID),
        ("X13 type without actor", &[("actor_token_type", "x")], INVALID),
        (
            "X13 an actor",
            &[("actor_token", "x"), ("actor_token_type", "urn:ietf:params:oauth:token-type:access_token")],
            INVALID,
        ),
        ("X15 audience unknown", &[("audience", "nobody")], TARGET),
        ("X15 audience of another workspace", &[("audience", "42")], TARGET),
        ("X15 audience empty", &[("audience", "")], TARGET),
        ("X15 resource with a fragment", &[("resource", "http://127.0.0.1#x")], TARGET),
        ("X15 resource relative", &[("resource", "oidc")], TARGET),
        ("X15 many resources", &[("resource", "http://a"), ("resource", "http://b")], TARGET),
        (
            "X20 a refresh token",
            &[("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token")],
            INVALID,
        ),
        (
            "X20 an ID token",
            &[("requested_token_type", "urn:ietf:params:oauth:token-type:id_token")],
            INVALID,
        ),
        ("X20 SAML", &[("requested_token_type", "urn:ietf:params:oauth:token-type:saml2")], INVALID),
        ("X17 subject twice", &[("subject_token", "x")], INVALID),
    ] {
        stage.refuses(what, &with(extra), expected).await;
    }
    // X14: what a form claims about actors is not heard.
    let granted = stage
        .grants("X14 act in the form", &with(&[("act", r#"{"sub":"x"}"#), ("may_act", "x"), ("sub", ADMIN)]))
        .await;
    let ask_about = form(&[("token", granted["access_token"].as_str().expect("text"))]);
    let about = raw("/oidc/v1/introspect", Some(&format!("Bearer {}", stage.admin)), ask_about.as_bytes());
    let said = stage.entry("X14 introspected", &about, 200).await.json();
    assert_eq!((&said["sub"], said.get("act")), (&json!(ANA), None), "{said}");

    // X12: a token is of one kind only.
    let ana = stage.ana.clone();
    for (what, kind, token) in [
        ("X12 PAT as access token", OF_ACCESS_TOKEN.1, PAT),
        ("X12 access token as PAT", OF_PAT.1, ana.as_str()),
        ("X12 ID token", "urn:ietf:params:oauth:token-type:id_token", ana.as_str()),
        ("X12 refresh token", "urn:ietf:params:oauth:token-type:refresh_token", ana.as_str()),
        ("X12 unknown", "x", ana.as_str()),
        ("X12 a client secret", OF_ACCESS_TOKEN.1, CLIENT_SECRET),
        ("X12 PAT as JWT", "urn:ietf:params:oauth:token-type:jwt", PAT),
    ] {
        let pairs = [EXCHANGE, ("subject_token_type", kind), ("subject_token", token)];
        stage.refuses(what, &ask(Some(&good), &pairs), INVALID).await;
    }
    stage.refuses("X12 no type", &ask(Some(&good), &[EXCHANGE, ("subject_token", &ana)]), INVALID).await;
    stage.refuses("X12 no token", &ask(Some(&good), &[EXCHANGE, OF_ACCESS_TOKEN]), INVALID).await;
    let assertion = [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", PAT)];
    stage.refuses("X12 PAT as assertion", &ask(Some(&good), &assertion), (400, "invalid_grant")).await;
    let assertion =
        [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", ana.as_str())];
    stage
        .refuses(
            "an assertion for everything",
            &ask(Some(&good), &assertion),
            (400, "invalid_authorization_details"),
        )
        .await;

    // X05, X06: a client secret that opens less than its principal.
    let robot = stage.kit.principal(CLIENT_ID).id;
    let made =
        stage.kit.workspace.identity.create_secret(robot, None, Some("genie".parse().into_iter().collect()));
    let made = made.await.expect("a secret");
    let secret = made.secret.expose_str().expect("text").to_owned();
    stage.canaries.add("a narrow client secret", secret.as_bytes());
    let few = basic(CLIENT_ID, &secret);
    let denied = (403, "access_denied");
    stage
        .refuses("X06 wider than the client", &ask(Some(&few), &[CREDENTIALS, ("scope", "sql")]), denied)
        .await;
    stage.refuses("X06 everything", &ask(Some(&few), &[CREDENTIALS, ("scope", "all-apis")]), denied).await;
    let granted = stage
        .grants("X06 narrowed", &ask(Some(&few), &[EXCHANGE, OF_ACCESS_TOKEN, ("subject_token", &subject)]))
        .await;
    assert_eq!(granted["scope"], "genie");
    let only_sql = stage.kit.scoped_token(ANA, "sql", ten);
    let nothing = ask(Some(&few), &[EXCHANGE, OF_ACCESS_TOKEN, ("subject_token", &only_sql)]);
    stage.refuses("X05 nothing in common", &nothing, SCOPE).await;

    // X11: a chain ends.
    let mut token = subject.clone();
    let mut lengths = Vec::new();
    let refused = loop {
        let bytes = ask(Some(&good), &[EXCHANGE, OF_ACCESS_TOKEN, ("subject_token", &token)]);
        let answer = stage.entry("X11", &bytes, &[200, 400][..]).await;
        if answer.status == 400 {
            break answer;
        }
        token = answer.json()["access_token"].as_str().expect("text").to_owned();
        lengths.push(token.len());
        assert!(lengths.len() <= 5, "X11: {lengths:?}");
    };
    assert_eq!((refused.json()["error"].as_str(), lengths.len()), (Some("invalid_request"), 5), "X11");

    // X09, X28: what was made from a token dies with it, before the answer to its revocation.
    let revoke = raw("/oidc/v1/revoke", None, form(&[("token", &subject)]).as_bytes());
    stage.entry("X28 revoke the first", &revoke, 200).await;
    stage
        .entry(
            "X28 the last of the chain",
            &json_request("GET", "/api/2.0/preview/scim/v2/Me", &token, ""),
            403,
        )
        .await;
    stage.refuses("X09 a revoked subject", &with(&[]), INVALID).await;
    let bytes = ask(Some(&good), &[EXCHANGE, OF_ACCESS_TOKEN, ("subject_token", &token)]);
    stage.refuses("X28 the last of the chain as subject", &bytes, INVALID).await;
    let expired = stage.kit.scoped_token(ANA, "sql", SignedDuration::from_mins(1));
    stage.clock.advance(SignedDuration::from_mins(3));
    let bytes = ask(Some(&good), &[EXCHANGE, OF_ACCESS_TOKEN, ("subject_token", &expired)]);
    stage.refuses("X09 an expired subject", &bytes, INVALID).await;
    let granted = stage
        .grants(
            "a PAT for a token",
            &ask(None, &[EXCHANGE, OF_PAT, ("subject_token", PAT), ("scope", "sql")]),
        )
        .await;
    assert_eq!(granted["scope"], "sql");
    stage
        .refuses(
            "X01 a PAT that is none",
            &ask(None, &[EXCHANGE, OF_PAT, ("subject_token", "dapi0")]),
            INVALID,
        )
        .await;
    eprintln!("X, exchanges: {} entries", stage.entries);
}

/// X28: exchanges raced with a revocation: nothing that is issued counts once the revocation is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x28_no_token_survives_the_revocation_of_its_subject() {
    let mut stage = Stage::set("").await;
    let good = basic(CLIENT_ID, CLIENT_SECRET);
    for _ in 0..scale(30, 10_000) {
        let subject = stage.kit.scoped_token(ANA, "sql", SignedDuration::from_mins(10));
        let pairs = [EXCHANGE, OF_ACCESS_TOKEN, ("subject_token", subject.as_str())];
        let send = |path: &str, body: String, authorization: Option<&str>| {
            let request =
                stage.kit.client.post(format!("{}{path}", stage.kit.url)).header(FORM.0, FORM.1).body(body);
            let request = match authorization {
                Some(value) => request.header("authorization", value),
                None => request,
            };
            async move { request.send().await.expect("an answer").text().await.expect("text") }
        };
        let exchange = || send(TOKEN, form(&pairs), Some(&good));
        let revoke = send("/oidc/v1/revoke", form(&[("token", &subject)]), None);
        let (one, two, three, _) = tokio::join!(exchange(), exchange(), exchange(), revoke);
        for made in [one, two, three] {
            let made: Value = serde_json::from_str(&made).expect("JSON");
            let Some(token) = made["access_token"].as_str() else { continue };
            let me = stage.kit.get("/api/2.0/preview/scim/v2/Me", token).await;
            assert_eq!(me.status, 403, "{made}: {}", me.text);
        }
    }
    stage.nothing_leaked("X28");
}

/// X19, X24 to X26, and introspection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x_the_issuer_says_the_same_to_everybody() {
    let mut stage = Stage::set("").await;
    let config = stage.kit.workspace.identity.config().clone();
    let account = config.account_id.clone();
    let honest: Vec<(String, String)> = {
        let mut honest = Vec::new();
        for path in [
            "/.well-known/databricks-config".to_owned(),
            "/.well-known/oauth-authorization-server/oidc".to_owned(),
            "/oidc/.well-known/oauth-authorization-server".to_owned(),
            "/oidc/.well-known/openid-configuration".to_owned(),
            format!("/oidc/accounts/{account}/.well-known/oauth-authorization-server"),
            "/oidc/jwks.json".to_owned(),
        ] {
            honest.push((stage.kit.get(&path, "").await.text, path));
        }
        honest
    };
    for (text, path) in &honest {
        for (name, value) in [
            ("X-Forwarded-Host", "evil.example"),
            ("X-Forwarded-Proto", "https"),
            ("Forwarded", "host=evil.example;proto=https"),
            ("X-Forwarded-Prefix", "/evil"),
            ("X-Original-URL", "/evil"),
            ("Origin", "https://evil.example"),
        ] {
            let bytes = request("GET", path, &[(name, value)], b"");
            let answer = stage.entry(&format!("X24 {name} {path}"), &bytes, 200).await;
            assert_eq!(answer.text(), *text, "X24 {name} {path}");
            assert!(answer.header("access-control-allow-origin").is_empty(), "X26 {path}");
        }
        let evil = format!("GET {path} HTTP/1.1\r\nHost: evil.example\r\n\r\n");
        let answer = stage.entry(&format!("X24 Host {path}"), evil.as_bytes(), 200).await;
        assert_eq!(answer.text(), *text, "X24 Host {path}");
    }
    // X25.
    let keys = stage.kit.get("/oidc/jwks.json", "").await.json();
    for key in keys["keys"].as_array().expect("keys") {
        let members: Vec<&str> = key.as_object().expect("a key").keys().map(String::as_str).collect();
        assert!(
            members.iter().all(|name| ["kty", "use", "alg", "kid", "crv", "x", "y"].contains(name)),
            "X25 {members:?}"
        );
    }
    // X26.
    let good = basic(CLIENT_ID, CLIENT_SECRET);
    let headers = [FORM, ("Authorization", good.as_str()), ("Origin", "https://evil.example")];
    let answer =
        stage.entry("X26", &request("POST", TOKEN, &headers, form(&[CREDENTIALS]).as_bytes()), 200).await;
    assert!(answer.header("access-control-allow-origin").is_empty(), "X26");
    let headers = [("Origin", "https://evil.example"), ("Access-Control-Request-Method", "POST")];
    let answer =
        stage.entry("X26 preflight", &request("OPTIONS", TOKEN, &headers, b""), &[404, 405][..]).await;
    assert!(answer.header("access-control-allow-origin").is_empty(), "X26");

    // X19: no user takes a service principal's name, nor the other way round.
    for name in [
        CLIENT_ID.to_owned(),
        CLIENT_ID.to_uppercase(),
        CLIENT_ID.replace('-', ""),
        format!("{{{CLIENT_ID}}}"),
        format!("urn:uuid:{CLIENT_ID}"),
    ] {
        let body = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name });
        let bytes =
            json_request("POST", "/api/2.0/preview/scim/v2/Users", &stage.admin.clone(), body.to_string());
        stage.entry(&format!("X19 a user called {name}"), &bytes, &[400, 409][..]).await;
    }
    for id in [ANA, CLIENT_ID, &CLIENT_ID.to_uppercase(), "not-a-uuid", ""] {
        let body = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServicePrincipal"], "displayName": "x", "applicationId": id });
        let bytes = json_request(
            "POST",
            "/api/2.0/preview/scim/v2/ServicePrincipals",
            &stage.admin.clone(),
            body.to_string(),
        );
        stage.entry(&format!("X19 a service principal {id:?}"), &bytes, &[400, 409][..]).await;
    }

    // RFC 7662: who asks authenticates; the reasons why a token is inactive cannot be told apart.
    let foreign = stage.kit.token("bob@example.com");
    let revoked = stage.kit.token(ANA);
    let caller = stage.kit.post("/oidc/v1/revoke", "", &Value::Null).await.status;
    assert_eq!(caller, 415);
    stage.entry("revoke", &raw("/oidc/v1/revoke", None, form(&[("token", &revoked)]).as_bytes()), 200).await;
    for (what, token) in
        [("unknown", "x"), ("unknown PAT", "dapi0"), ("revoked", &revoked), ("foreign", &foreign)]
    {
        for authorization in [good.clone(), format!("Bearer {}", stage.ana)] {
            let bytes =
                raw("/oidc/v1/introspect", Some(&authorization), form(&[("token", token)]).as_bytes());
            let answer = stage.entry(&format!("introspect {what}"), &bytes, 200).await;
            assert_eq!(answer.text(), r#"{"active":false}"#, "{what}");
        }
    }
    let body = form(&[("token", &stage.ana)]);
    stage
        .refuses(
            "introspect without authentication",
            &raw("/oidc/v1/introspect", None, body.as_bytes()),
            CLIENT,
        )
        .await;
    let wrong = basic(CLIENT_ID, "x");
    stage
        .refuses(
            "introspect with a wrong secret",
            &raw("/oidc/v1/introspect", Some(&wrong), body.as_bytes()),
            CLIENT,
        )
        .await;
    stage
        .refuses("revoke with a wrong secret", &raw("/oidc/v1/revoke", Some(&wrong), body.as_bytes()), CLIENT)
        .await;
    stage.refuses("introspect nothing", &raw("/oidc/v1/introspect", Some(&good), b""), INVALID).await;
    let query = format!("/oidc/v1/introspect?token={}", encoded(&foreign));
    stage.refuses("introspect by query", &raw(&query, Some(&good), b""), INVALID).await;
    let elsewhere = "/oidc/accounts/00000000-0000-4000-8000-ffffffffffff/v1/token";
    stage.entry("another account", &raw(elsewhere, Some(&good), form(&[CREDENTIALS]).as_bytes()), 404).await;
    eprintln!("X, the issuer: {} entries", stage.entries);
}
