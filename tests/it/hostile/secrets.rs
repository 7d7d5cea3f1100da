//! **S. Secrets**: kept sealed, read only where they may be, never expanded, never repeated.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use brickyard_testkit::Kit;
use brickyard_types::SystemEntropy;
use serde_json::{Value, json};

use super::stage::{ADMIN, CALLED, Expected, SECRET, Stage};
use super::wire::{encoded, json as json_request};

const CREATE: &str = "/api/2.0/serving-endpoints";
const PUT: &str = "/api/2.0/secrets/put";

/// The body that creates an endpoint with one environment variable.
fn endpoint(name: &str, url: &str, value: &str) -> Value {
    let entity = json!({ "name": name, "url": url, "environment_vars": { "WEATHER": value } });
    json!({ "name": name, "config": { "served_entities": [entity] } })
}

/// S01 to S03, S05 to S07: references.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s_a_reference_is_one_exact_form_and_needs_the_right_to_read() {
    let mut stage = Stage::set("").await;
    let (admin, url) = (stage.admin.clone(), stage.agent.url.clone());
    for (number, bad) in [
        "{{secrets/scope}}",
        "{{secrets/a/b/c}}",
        "{{ secrets/travel/weather-token }}",
        "{{secrets/travel/weather-token}} ",
        " {{secrets/travel/weather-token}}",
        "x{{secrets/travel/weather-token}}",
        "{{secrets/travel/weather-token}}x",
        "{{secrets/travel/weather-token}}{{secrets/travel/other}}",
        "{{secrets/{{secrets/travel/other}}/x}}",
        "{{secrets/travel/weather-token",
        "{{secrets/travel/weather-token}",
        "{{{secrets/travel/weather-token}}}",
        "{{secrets//weather-token}}",
        "{{secrets/travel/}}",
        "{{secrets/}}",
        "{{secrets}}",
        "{{secrets/../travel/weather-token}}",
        "{{secrets/./x}}",
        "{{secrets/travel/weather token}}",
        "{{secrets/travel/weather-token\0}}",
        "{{secrets/travel%2Fweather-token}}",
        "{{secrets/trav\u{e9}l/x}}",
        "{{\tsecrets/travel/weather-token}}",
        "{{secrets/travel/weather-token}}\n",
        "a {{secrets/travel/weather-token}} b",
    ]
    .into_iter()
    .enumerate()
    {
        let body = endpoint(&format!("bad-{number}"), &url, bad).to_string();
        let answer =
            stage.entry(&format!("S01 {bad:?}"), &json_request("POST", CREATE, &admin, body), 400).await;
        assert_eq!(answer.json()["error_code"], "INVALID_PARAMETER_VALUE", "S01 {bad}: {}", answer.text());
        let update = json!({ "served_entities": endpoint("echo", &url, bad)["config"]["served_entities"] })
            .to_string();
        let path = "/api/2.0/serving-endpoints/echo/config";
        stage.entry(&format!("S01 {bad:?}, updated"), &json_request("PUT", path, &admin, update), 400).await;
    }
    // S01 from the configuration: the same grammar.
    let yaml = "serving_endpoints: [{name: x, config: {served_entities: [{url: 'http://h', environment_vars: {A: '{{ secrets/a/b }}'}}]}}]";
    assert!(brickyard::config::from_text("t.yaml", yaml, &brickyard::config::NoEnvironment).is_err());

    // S02, S07: the creator's right, and that it is there.
    for (number, (who, value, status)) in [
        ("ana@example.com", "{{secrets/travel/weather-token}}", &[403][..]),
        ("bob@example.com", "{{secrets/travel/weather-token}}", &[403]),
        ("ana@example.com", "{{secrets/nowhere/x}}", &[403, 404]),
        (ADMIN, "{{secrets/travel/absent}}", &[400, 403, 404]),
        (ADMIN, "{{secrets/nowhere/x}}", &[400, 403, 404]),
        (ADMIN, "{{secrets/TRAVEL/absent}}", &[400, 403, 404]),
    ]
    .into_iter()
    .enumerate()
    {
        let token = stage.kit.token(who);
        let body = endpoint(&format!("no-{number}"), &url, value).to_string();
        let statuses: &'static [u16] = Box::leak(status.into());
        let answer = stage
            .entry(&format!("S02, S07 {who} {value}"), &json_request("POST", CREATE, &token, body), statuses)
            .await;
        assert!(
            stage.kit.get(&format!("{CREATE}/no-{number}"), &admin).await.status == 404,
            "{}",
            answer.text()
        );
    }

    // S06: what a secret holds is not read again: the agent got the text of it, braces and all (every CALLED entry of
    // section H asserts it). Here: put through REST, served to an agent, unchanged.
    let nested = "{{secrets/travel/weather-token}}";
    stage.prepare("POST", PUT, &json!({ "scope": "travel", "key": "nested", "string_value": nested })).await;
    stage.prepare("POST", CREATE, &endpoint("nested", &url, "{{secrets/travel/nested}}")).await;
    let path = "/serving-endpoints/nested/invocations";
    stage
        .kit
        .until("the endpoint is ready", async |kit| kit.post(path, &admin, &json!({})).await.status == 200)
        .await;
    stage.entry("S06", &json_request("POST", path, &admin, "{}"), CALLED).await;
    stage.kit.post(path, &admin, &json!({})).await;
    assert_eq!(stage.agent.last().one("x-brickyard-secret-weather"), STANDARD.encode(nested), "S06");
    // What the endpoint shows of itself is the reference.
    let shown =
        stage.entry("S06 shown", &json_request("GET", &format!("{CREATE}/nested"), &admin, ""), 200).await;
    assert!(shown.text().contains("{{secrets/travel/nested}}"), "{}", shown.text());

    // S05: nowhere else is a reference resolved.
    let reference = "{{secrets/travel/weather-token}}";
    for (path, expected) in [
        ("/serving-endpoints/outside/invocations", CALLED),
        ("/serving-endpoints/echo/invocations", 200.into()),
    ] {
        let body = json!({ "input": [{ "role": "user", "content": reference }], "custom_inputs": { "x": reference } }).to_string();
        let ana = stage.ana.clone();
        let answer = stage.entry("S05 in a body", &json_request("POST", path, &ana, body), expected).await;
        assert!(answer.text().contains(reference), "S05: {}", answer.text());
    }
    let described = json!({ "description": reference }).to_string();
    let path = "/api/2.0/serving-endpoints/echo/description";
    stage.entry("S05 in a description", &json_request("PATCH", path, &admin, described), 200).await;
    let comment = json!({ "comment": reference, "lifetime_seconds": 60 }).to_string();
    stage
        .entry("S05 in a comment", &json_request("POST", "/api/2.0/token/create", &admin, comment), 200)
        .await;

    // S03, S07: READ withdrawn, or the secret deleted, after deployment: the next call fails closed, and says what is
    // missing without its value.
    let carol = json!({ "scope": "travel", "principal": "carol@example.com" });
    stage.prepare("POST", CREATE, &endpoint("later", &url, "{{secrets/travel/nested}}")).await;
    stage.prepare("POST", "/api/2.0/secrets/delete", &json!({ "scope": "travel", "key": "nested" })).await;
    let path = "/serving-endpoints/nested/invocations";
    stage
        .kit
        .until("S07 fails closed", async |kit| kit.post(path, &admin, &json!({})).await.status != 200)
        .await;
    let answer = stage
        .entry("S07 deleted after deployment", &json_request("POST", path, &admin, "{}"), &[403, 404][..])
        .await;
    assert!(answer.text().contains("nested"), "S07: {}", answer.text());
    let ana = stage.ana.clone();
    let outside = "/serving-endpoints/outside/invocations";
    stage.prepare("POST", "/api/2.0/secrets/acls/delete", &carol).await;
    stage
        .kit
        .until("S03 fails closed", async |kit| kit.post(outside, &ana, &json!({})).await.status != 200)
        .await;
    let calls = stage.agent.calls();
    let reply = stage.kit.post(outside, &ana, &json!({})).await;
    assert_eq!((reply.status, stage.agent.calls()), (403, calls), "S03: {}", reply.text);
    let again = json!({ "scope": "travel", "principal": "carol@example.com", "permission": "READ" });
    stage.prepare("POST", "/api/2.0/secrets/acls/put", &again).await;
    stage
        .kit
        .until("S03 given back", async |kit| kit.post(outside, &ana, &json!({})).await.status == 200)
        .await;
    stage.nothing_leaked("S03");
    eprintln!("S01-S03, S05-S07: {} entries", stage.entries);
}

/// S04, S08, S09: names, who may read, and how much.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s_a_secret_is_read_by_who_may_read_it() {
    let mut stage = Stage::set("").await;
    let admin = stage.admin.clone();
    let long = "a".repeat(129);
    for name in [
        "..",
        ".",
        "../x",
        "%2e%2e",
        "a/b",
        "a\\b",
        "a b",
        " a",
        "a ",
        "",
        "a\0",
        "a\nb",
        "a\r\n",
        &long,
        "\u{e9}",
        "\u{ff41}",
        "\u{430}",
        "a'b",
        "a\"b",
        "{{a}}",
        "a;b",
        "a:b",
        "a*",
        "~",
        "$HOME",
        "\u{202e}a",
        "\u{1f600}",
        "a%00",
    ] {
        for body in [
            json!({ "scope": name, "key": "k", "string_value": "v" }),
            json!({ "scope": "travel", "key": name, "string_value": "v" }),
        ] {
            let answer = stage
                .entry(&format!("S04 {name:?}"), &json_request("POST", PUT, &admin, body.to_string()), 400)
                .await;
            assert_eq!(
                answer.json()["error_code"],
                "INVALID_PARAMETER_VALUE",
                "S04 {name:?}: {}",
                answer.text()
            );
        }
        let scope = json!({ "scope": name }).to_string();
        stage
            .entry(
                &format!("S04 {name:?}"),
                &json_request("POST", "/api/2.0/secrets/scopes/create", &admin, scope),
                400,
            )
            .await;
        let path = format!("/api/2.0/secrets/get?scope=travel&key={}", encoded(name));
        stage.entry(&format!("S04 {name:?}"), &json_request("GET", &path, &admin, ""), 400).await;
    }
    for twin in ["TRAVEL", "Travel", "tRAVEL"] {
        let scope = json!({ "scope": twin }).to_string();
        let answer = stage
            .entry(
                &format!("S04 {twin}"),
                &json_request("POST", "/api/2.0/secrets/scopes/create", &admin, scope),
                400,
            )
            .await;
        assert_eq!(answer.json()["error_code"], "RESOURCE_ALREADY_EXISTS", "{}", answer.text());
    }

    // S08: who has no READ gets keys at the most, and never a value.
    stage
        .prepare(
            "POST",
            "/api/2.0/secrets/acls/put",
            &json!({ "scope": "travel", "principal": "bob@example.com", "permission": "READ" }),
        )
        .await;
    let bob = stage.kit.token("bob@example.com");
    let ana = stage.ana.clone();
    let narrow = stage.kit.scoped_token(
        ADMIN,
        "model-serving sql unity-catalog",
        brickyard_types::SignedDuration::from_hours(1),
    );
    let get = "/api/2.0/secrets/get?scope=travel&key=weather-token";
    for (who, token, status) in [("Ana", &ana, 403), ("an admin's token of another scope", &narrow, 403)] {
        for path in [
            get,
            "/api/2.0/secrets/list?scope=travel",
            "/api/2.0/secrets/acls/list?scope=travel",
            "/api/2.0/secrets/acls/get?scope=travel&principal=bob@example.com",
        ] {
            stage.entry(&format!("S08 {who} {path}"), &json_request("GET", path, token, ""), status).await;
        }
        for (path, body) in [
            (PUT, json!({ "scope": "travel", "key": "weather-token", "string_value": "stolen" })),
            ("/api/2.0/secrets/delete", json!({ "scope": "travel", "key": "weather-token" })),
            (
                "/api/2.0/secrets/acls/put",
                json!({ "scope": "travel", "principal": "ana@example.com", "permission": "MANAGE" }),
            ),
            ("/api/2.0/secrets/acls/delete", json!({ "scope": "travel", "principal": "carol@example.com" })),
            ("/api/2.0/secrets/scopes/delete", json!({ "scope": "travel" })),
        ] {
            stage
                .entry(
                    &format!("S08 {who} {path}"),
                    &json_request("POST", path, token, body.to_string()),
                    status,
                )
                .await;
        }
    }
    for (path, body) in [
        (PUT, json!({ "scope": "travel", "key": "weather-token", "string_value": "stolen" })),
        (
            "/api/2.0/secrets/acls/put",
            json!({ "scope": "travel", "principal": "bob@example.com", "permission": "MANAGE" }),
        ),
    ] {
        stage
            .entry(&format!("S08 READ only {path}"), &json_request("POST", path, &bob, body.to_string()), 403)
            .await;
    }
    let listed = stage
        .entry("S08 list", &json_request("GET", "/api/2.0/secrets/list?scope=travel", &bob, ""), 200)
        .await;
    assert!(listed.text().contains("weather-token"), "{}", listed.text());
    // Who may read reads exactly what was put (outside the stage: here the secret is in the answer).
    let read = stage.kit.get(get, &bob).await;
    assert_eq!(read.json()["value"], STANDARD.encode(SECRET), "{}", read.text);
    assert_eq!(read.header("cache-control"), "no-store");

    // S09: the edge, and exact bytes.
    let most = 128 << 10;
    for (what, value, expected) in [
        ("empty", Vec::new(), Expected::from(200)),
        ("binary", (0..=255).collect(), 200.into()),
        ("not UTF-8", vec![0xff, 0xfe, 0], 200.into()),
        ("128 KB", vec![b'x'; most], 200.into()),
        ("128 KB + 1", vec![b'x'; most + 1], 400.into()),
        ("1 MB", vec![b'x'; 1 << 20], 400.into()),
    ] {
        let body =
            json!({ "scope": "travel", "key": "edge", "bytes_value": STANDARD.encode(&value) }).to_string();
        let answer =
            stage.entry(&format!("S09 {what}"), &json_request("POST", PUT, &admin, body), expected).await;
        if answer.status == 200 {
            let kept = stage.kit.get("/api/2.0/secrets/get?scope=travel&key=edge", &admin).await.json();
            assert_eq!(
                STANDARD.decode(kept["value"].as_str().expect("text")).expect("base64"),
                value,
                "S09 {what}"
            );
        }
    }
    for (what, body) in [
        (
            "both",
            json!({ "scope": "travel", "key": "k", "string_value": SECRET, "bytes_value": STANDARD.encode(SECRET) }),
        ),
        ("neither", json!({ "scope": "travel", "key": "k" })),
        ("bad base64", json!({ "scope": "travel", "key": "k", "bytes_value": format!("{SECRET}!") })),
        ("an object", json!({ "scope": "travel", "key": "k", "string_value": { "a": SECRET } })),
        ("a list", json!({ "scope": "travel", "key": "k", "bytes_value": [SECRET] })),
        ("a number", json!({ "scope": "travel", "key": "k", "string_value": 42 })),
    ] {
        // No refusal repeats what was to be kept: the entry looks for it.
        stage
            .entry(&format!("S09, S13 {what}"), &json_request("POST", PUT, &admin, body.to_string()), 400)
            .await;
    }
    eprintln!("S04, S08, S09: {} entries", stage.entries);
}

/// S10 to S13: at rest. What the crates below promise of each value is held here against the folder of a whole server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s_a_stolen_or_damaged_folder_gives_nothing_away() {
    let mut stage = Stage::set("").await;
    let token = stage.kit.post("/api/2.0/token/create", &stage.ana, &json!({})).await.json();
    stage.canaries.add("a new token", token["token_value"].as_str().expect("text").as_bytes());
    for number in 0..20 {
        let value = format!("canary-of-the-flood-{number:04}-7f1c0de0");
        stage.canaries.add("a put secret", value.as_bytes());
        stage
            .prepare(
                "POST",
                PUT,
                &json!({ "scope": "travel", "key": format!("k{number}"), "string_value": value }),
            )
            .await;
        stage.nothing_leaked("S12");
    }
    let master = std::fs::read(stage.data_dir().join("master.key")).expect("the master key");
    let folder = stage.data_dir().to_owned();
    // S12: everywhere but in its own file, and there nobody else may read it.
    use std::os::unix::fs::PermissionsExt;
    let mode = |name: &str| folder.join(name).metadata().expect("there").permissions().mode() & 0o777;
    assert_eq!((mode("master.key"), mode("journal.sqlite3")), (0o600, 0o600), "S12, S14");
    stage.nothing_leaked("S12");
    let copy = tempfile::tempdir().expect("a folder");
    let Stage { kit, canaries, .. } = stage;
    kit.stop().await;
    for name in ["journal.sqlite3", "master.key"] {
        std::fs::copy(folder.join(name), copy.path().join(name)).unwrap_or_default();
    }
    // (The stage's own folder went with it; what was copied is looked at once more, after the last write.)
    let journal = std::fs::read(copy.path().join("journal.sqlite3")).unwrap_or_default();
    let mut with_key = canaries;
    with_key.add("the master key", &master);
    assert_eq!(with_key.seen_in(&journal), None, "S12");

    // S11: another master key opens nothing, and the server does not start on it.
    let fresh = tempfile::tempdir().expect("a folder");
    std::fs::copy(copy.path().join("journal.sqlite3"), fresh.path().join("journal.sqlite3"))
        .unwrap_or_default();
    brickyard_identity::MasterKey::open_or_create(fresh.path(), &SystemEntropy).expect("another key");
    let yaml = "users: [{user_name: ana@example.com}]";
    assert!(journal.len() > 4096, "the journal was copied");
    let start =
        async move { Kit::builder(yaml).data_dir(fresh.path()).allow_refusals().start().await.stop().await };
    assert!(tokio::spawn(start).await.is_err(), "S11: it starts on a journal that its key does not open");
    // S13.
    assert_eq!(format!("{:?}", brickyard_types::Secret::from(SECRET)), "[REDACTED]");
}
