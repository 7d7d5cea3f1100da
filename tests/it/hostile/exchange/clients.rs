//! X01 to X05, X17 to X23, X27: who asks, and in which form.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::agents;

use super::super::forge::{SigningKey, hs256};
use super::super::stage::{ANA, CLIENT_ID, CLIENT_SECRET, OTHER_ID, OTHER_SECRET, PAT, Stage};
use super::super::wire::{form, request};
use super::{
    CLIENT, CREDENTIALS, EXCHANGE, FORM, INVALID, OF_ACCESS_TOKEN, SCOPE, TARGET, TOKEN, ask, basic, raw,
};

/// X01 to X05, X17 to X23, X29: who asks, and in which form.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x_a_client_shows_its_secret_once_in_one_place() {
    let mut stage = Stage::set("").await;
    let good = basic(CLIENT_ID, CLIENT_SECRET);
    let ana = stage.ana.clone();
    let subject = [EXCHANGE, OF_ACCESS_TOKEN, ("subject_token", ana.as_str())];
    let endless = "A".repeat(30_000);
    let megabyte = format!("Basic {}", "A".repeat(1 << 20));
    let bearer = format!("Bearer {}", stage.admin);
    let mut answers = std::collections::BTreeSet::new();
    for (what, header) in [
        ("X01 nothing", None),
        ("X02 wrong secret", Some(basic(CLIENT_ID, "dose00000000000000000000000000000000"))),
        ("X02 another client's secret", Some(basic(CLIENT_ID, OTHER_SECRET))),
        ("X02 an empty secret", Some(basic(CLIENT_ID, ""))),
        ("X02 a secret and more", Some(basic(CLIENT_ID, &format!("{CLIENT_SECRET}0")))),
        ("X02 capitals", Some(basic(CLIENT_ID, &CLIENT_SECRET.to_uppercase()))),
        ("L05 unknown client", Some(basic("00000000-1111-4222-8333-444455556666", CLIENT_SECRET))),
        ("a user", Some(basic(ANA, PAT))),
        ("a client by its display name", Some(basic("robot", CLIENT_SECRET))),
        ("a client's id in capitals", Some(basic(&CLIENT_ID.to_uppercase(), CLIENT_SECRET))),
        ("X03 bad base64", Some("Basic !!!".to_owned())),
        ("X03 base64 of another alphabet", Some("Basic ___-".to_owned())),
        ("X03 no colon", Some(format!("Basic {}", STANDARD.encode(CLIENT_ID)))),
        (
            "X03 percent-encoded colon",
            Some(format!("Basic {}", STANDARD.encode(format!("{CLIENT_ID}%3A{CLIENT_SECRET}")))),
        ),
        ("X03 UTF-8", Some(basic(CLIENT_ID, "\u{e9}\u{1f980}"))),
        ("X03 not UTF-8", Some(format!("Basic {}", STANDARD.encode([0xff, b':', 0xfe])))),
        ("X03 NUL", Some(basic(CLIENT_ID, "a\0b"))),
        ("X03 long", Some(format!("Basic {endless}"))),
        ("X03 no scheme", Some(good.trim_start_matches("Basic ").to_owned())),
        ("X03 another scheme", Some(good.replacen("Basic", "Digest", 1))),
        ("a bearer token", Some(bearer.clone())),
        ("empty", Some(String::new())),
    ] {
        for (grant, pairs) in [("client_credentials", &[CREDENTIALS][..]), ("exchange", &subject)] {
            let answer =
                stage.refuses(&format!("{what}, {grant}"), &ask(header.as_deref(), pairs), CLIENT).await;
            answers.insert(answer.text());
        }
    }
    assert_eq!(answers.len(), 1, "L05: one answer for all of them: {answers:?}");
    stage.entry("X03 1 MB", &ask(Some(&megabyte), &[CREDENTIALS]), 431).await;
    let both = [CREDENTIALS, ("client_id", CLIENT_ID), ("client_secret", CLIENT_SECRET)];
    stage.refuses("X02 in both places", &ask(Some(&good), &both), INVALID).await;
    stage
        .refuses(
            "X02 another id in the form",
            &ask(Some(&good), &[CREDENTIALS, ("client_id", OTHER_ID)]),
            INVALID,
        )
        .await;
    stage
        .refuses(
            "X02 secret without id",
            &ask(None, &[CREDENTIALS, ("client_secret", CLIENT_SECRET)]),
            INVALID,
        )
        .await;
    stage.grants("in the header", &ask(Some(&good), &[CREDENTIALS])).await;
    stage.grants("in the form", &ask(None, &both)).await;

    for (what, pairs, expected) in [
        ("X04 missing", vec![("scope", "sql")], INVALID),
        ("X04 empty", vec![("grant_type", "")], (400, "unsupported_grant_type")),
        (
            "X04 password",
            vec![("grant_type", "password"), ("username", ANA), ("password", "x")],
            (400, "unsupported_grant_type"),
        ),
        ("X04 implicit", vec![("grant_type", "implicit")], (400, "unsupported_grant_type")),
        (
            "X04 code",
            vec![("grant_type", "authorization_code"), ("code", "x")],
            (400, "unsupported_grant_type"),
        ),
        (
            "X04 refresh",
            vec![("grant_type", "refresh_token"), ("refresh_token", "x")],
            (400, "unsupported_grant_type"),
        ),
        (
            "X04 device",
            vec![("grant_type", "urn:ietf:params:oauth:grant-type:device_code")],
            (400, "unsupported_grant_type"),
        ),
        ("X04 other case", vec![("grant_type", "Client_Credentials")], (400, "unsupported_grant_type")),
        ("X04 trailing space", vec![("grant_type", "client_credentials ")], (400, "unsupported_grant_type")),
        ("X04 repeated", vec![CREDENTIALS, CREDENTIALS], INVALID),
        ("X04 repeated, different", vec![CREDENTIALS, ("grant_type", "password")], INVALID),
        ("X17 scope twice", vec![CREDENTIALS, ("scope", "sql"), ("scope", "genie")], INVALID),
        ("X17 unknown parameter twice", vec![CREDENTIALS, ("x", "1"), ("x", "2")], INVALID),
        ("X21 NUL", vec![CREDENTIALS, ("x", "a\0b")], INVALID),
        ("assume_group", vec![CREDENTIALS, ("assume_group", "1")], INVALID),
        ("X08 case", vec![CREDENTIALS, ("scope", "SQL")], SCOPE),
        ("X08 double space", vec![CREDENTIALS, ("scope", "sql  genie")], SCOPE),
        ("X08 leading space", vec![CREDENTIALS, ("scope", " sql")], SCOPE),
        ("X08 star", vec![CREDENTIALS, ("scope", "*")], SCOPE),
        ("X08 empty", vec![CREDENTIALS, ("scope", "")], SCOPE),
        ("X08 prefix", vec![CREDENTIALS, ("scope", "sql.statements")], SCOPE),
        ("X08 comma", vec![CREDENTIALS, ("scope", "sql,genie")], SCOPE),
        ("X08 tab", vec![CREDENTIALS, ("scope", "sql\tgenie")], SCOPE),
        ("X08 newline", vec![CREDENTIALS, ("scope", "sql\ngenie")], SCOPE),
        ("X08 look-alike", vec![CREDENTIALS, ("scope", "all\u{2010}apis")], SCOPE),
        ("X15 audience unknown", vec![CREDENTIALS, ("audience", "other")], TARGET),
        ("X15 audience of another workspace", vec![CREDENTIALS, ("audience", "999")], TARGET),
        ("X15 resource relative", vec![CREDENTIALS, ("resource", "/relative")], TARGET),
        ("X15 resource elsewhere", vec![CREDENTIALS, ("resource", "http://evil.example")], TARGET),
        (
            "X15 audience twice",
            vec![CREDENTIALS, ("audience", "1234567890123456"), ("audience", "999")],
            TARGET,
        ),
        (
            "details of another kind",
            vec![CREDENTIALS, ("authorization_details", r#"[{"type":"unity_catalog_permission"}]"#)],
            (400, "invalid_authorization_details"),
        ),
        (
            "details deep",
            vec![CREDENTIALS, ("authorization_details", "[[[[[[[[[[[[[[[[")],
            (400, "invalid_authorization_details"),
        ),
        (
            "X23 an assertion",
            vec![
                CREDENTIALS,
                ("client_assertion", "e30.e30.AA"),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ],
            CLIENT,
        ),
        (
            "X23 its type alone",
            vec![
                CREDENTIALS,
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ],
            CLIENT,
        ),
    ] {
        stage.refuses(what, &ask(Some(&good), &pairs), expected).await;
    }
    // X23: assertions that are signed: by nobody known, for another endpoint, with a MAC.
    let mine = SigningKey::own("mine");
    let claims = json!({ "iss": CLIENT_ID, "sub": CLIENT_ID, "aud": "http://evil.example/token", "jti": "1", "exp": stage.now() + 60 });
    let signed = mine.token(r#"{"alg":"ES256","kid":"mine","typ":"JWT"}"#, claims.to_string());
    let mac = hs256(&json!({ "alg": "HS256" }), &claims, CLIENT_SECRET.as_bytes());
    for assertion in [signed.as_str(), &mac] {
        let kind = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        let pairs = [CREDENTIALS, kind, ("client_assertion", assertion), ("client_id", CLIENT_ID)];
        stage.refuses("X23 a signed assertion", &ask(None, &pairs), CLIENT).await;
    }
    // X27: there is no federation: an external issuer's token is refused before anybody is asked about it.
    let trap = stage.trap.url.clone();
    let claims = json!({ "iss": trap, "sub": ANA, "aud": "x", "exp": stage.now() + 60 }).to_string();
    let external = mine.token(
        json!({ "alg": "ES256", "kid": "mine", "jku": format!("{trap}/jwks.json") }).to_string(),
        claims,
    );
    let jwt = ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt");
    stage
        .refuses("X27 an external token", &ask(None, &[EXCHANGE, jwt, ("subject_token", &external)]), INVALID)
        .await;
    stage
        .refuses(
            "X27 with a client",
            &ask(Some(&good), &[EXCHANGE, jwt, ("subject_token", &external)]),
            INVALID,
        )
        .await;

    // X17, X18, X21: the form itself.
    let line = form(&[CREDENTIALS]);
    stage.refuses("X17 in the query", &raw(&format!("{TOKEN}?{line}"), Some(&good), b""), INVALID).await;
    stage
        .refuses(
            "X17 some in the query",
            &raw(&format!("{TOKEN}?scope=sql"), Some(&good), line.as_bytes()),
            INVALID,
        )
        .await;
    for (what, content_type) in [
        ("X18 JSON", "application/json"),
        ("X18 UTF-16", "application/x-www-form-urlencoded; charset=utf-16"),
        ("X18 multipart", "multipart/form-data; boundary=x"),
        ("X18 text", "text/plain"),
        ("X18 twice", "application/x-www-form-urlencoded, application/json"),
    ] {
        let headers = [("Content-Type", content_type), ("Authorization", good.as_str())];
        stage
            .refuses(what, &request("POST", TOKEN, &headers, line.as_bytes()), (415, "invalid_request"))
            .await;
    }
    let untyped = request("POST", TOKEN, &[("Authorization", good.as_str())], line.as_bytes());
    stage.refuses("X18 no type", &untyped, (415, "invalid_request")).await;
    let many = "x=1&".repeat(250_000);
    let long_key = format!("{}=1", "k".repeat(1 << 20));
    let distinct: String = (0..40).map(|number| format!("p{number}=1&")).collect();
    for (what, body) in [
        ("X21 a million bytes of parameters", many.as_bytes()),
        ("X21 a key of a megabyte", long_key.as_bytes()),
        ("X21 too many", distinct.as_bytes()),
        ("X21 %00", b"grant_type=client_credentials&x=%00"),
        ("X21 a lone percent", b"grant_type=client_credentials&x=%"),
        ("X21 half a code", b"grant_type=client_credentials&x=%4"),
        ("X21 no digits", b"grant_type=client_credentials&x=%zz"),
        ("X21 not UTF-8", b"grant_type=client_credentials&x=%ff"),
        ("X21 overlong", b"grant_type=client_credentials&x=%c1%a1"),
        ("X21 raw bytes", b"grant_type=client_credentials&x=\xff\xfe"),
        ("X21 a newline", b"grant_type=client_credentials\n"),
        ("X21 semicolons", b"grant_type=client_credentials;scope=sql"),
        ("X21 escaped repetition", b"scope=sql&%73cope=genie&grant_type=client_credentials"),
        ("X21 empty", b""),
        ("X21 ampersands", &[b'&'; 70_000]),
    ] {
        let answer = stage.entry(what, &raw(TOKEN, Some(&good), body), 400).await;
        assert!(answer.json()["error"].is_string(), "{what}: {}", answer.text());
        assert_eq!(answer.header("cache-control"), "no-store", "{what}");
    }

    // X22: too many wrong secrets for one client are told to slow down; the right one and other clients go on.
    let mut limited = 0;
    for number in 0..60 {
        let wrong = basic(OTHER_ID, &format!("dose{number:032}"));
        let answer = stage.entry("X22", &ask(Some(&wrong), &[CREDENTIALS]), &[401, 429][..]).await;
        limited += usize::from(answer.status == 429);
        assert!(answer.status == 401 || !answer.header("retry-after").is_empty(), "{}", answer.head);
    }
    assert!(limited > 10, "{limited}");
    stage.grants("X22 the right secret", &ask(Some(&basic(OTHER_ID, OTHER_SECRET)), &[CREDENTIALS])).await;
    stage
        .refuses(
            "X22 another client's failure",
            &ask(Some(&basic("7f1c0de0-0000-4000-8000-0000000000ff", "x")), &[CREDENTIALS]),
            CLIENT,
        )
        .await;
    stage.grants("X22 another client", &ask(Some(&good), &[CREDENTIALS])).await;

    // C17: whose attempts are counted is not what a header says: nobody gets new ones by another address.
    for (name, value) in [
        ("X-Forwarded-For", "203.0.113.7"),
        ("Forwarded", "for=203.0.113.7"),
        ("X-Real-IP", "203.0.113.7"),
        ("X-Forwarded-User", ANA),
        ("X-Databricks-Org-Id", "42"),
        ("X-Request-Id", "another"),
    ] {
        let form = form(&[CREDENTIALS]);
        let as_who = |authorization: &str| {
            request("POST", TOKEN, &[FORM, (name, value), ("Authorization", authorization)], form.as_bytes())
        };
        let wrong = as_who(&basic(OTHER_ID, "dose00000000000000000000000000000001"));
        let answer = stage.entry(&format!("C17 {name}"), &wrong, 429).await;
        assert!(!answer.header("retry-after").is_empty(), "C17 {name}: {}", answer.head);
        // Nor does whoever writes another's name there use up what that one has.
        stage.grants(&format!("C17 {name}, honest"), &as_who(&good)).await;
    }

    // X29: a key that two people share leads nobody to the other's answer.
    let mut subjects = Vec::new();
    for client in [&good, &basic(OTHER_ID, OTHER_SECRET), &good] {
        let shared = [FORM, ("Idempotency-Key", "one"), ("Authorization", client.as_str())];
        let bytes = request("POST", TOKEN, &shared, form(&[CREDENTIALS]).as_bytes());
        let granted = stage.grants("X29 a grant", &bytes).await;
        subjects.push(agents::claims(granted["access_token"].as_str().expect("text")));
    }
    assert_eq!([&subjects[0]["sub"], &subjects[1]["sub"]], [CLIENT_ID, OTHER_ID]);
    assert_ne!(subjects[0]["jti"], subjects[2]["jti"], "X29: nor to one's own of before");
    let bob = stage.kit.token("bob@example.com");
    for (who, token) in [(ANA, stage.ana.clone()), ("bob@example.com", bob)] {
        let bearer = format!("Bearer {token}");
        let shared = [("Idempotency-Key", "one"), ("Authorization", bearer.as_str())];
        let bytes = request("GET", "/api/2.0/preview/scim/v2/Me", &shared, b"");
        let me = stage.entry("X29 who am I", &bytes, 200).await;
        assert_eq!(me.json()["userName"], who, "X29");
    }
    eprintln!("X, clients and forms: {} entries", stage.entries);
}
