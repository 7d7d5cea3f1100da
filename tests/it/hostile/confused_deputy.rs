//! **C. Confused deputy, cross-request, workers.** The credentials that agents are given, in the wrong hands or for the
//! wrong purpose, and workers that do what no honest worker does. (Whole crowds are in `isolation.rs`.)

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use brickyard_ledger::{Filter, Outcome};
use brickyard_testkit::Kit;
use brickyard_types::SignedDuration;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::stage::{ADMIN, ANA, CLIENT_ID, CLIENT_SECRET, Stage, signature};
use super::wire::{form, json as json_request, request};

const OUTSIDE: &str = "/serving-endpoints/outside/invocations";
const ECHO: &str = "/serving-endpoints/echo/invocations";
const ME: &str = "/api/2.0/preview/scim/v2/Me";

fn said(text: &str) -> String {
    json!({ "input": [{ "role": "user", "content": text }] }).to_string()
}

/// What the last invocation handed to the agent: the caller's narrowed token, and the endpoint's own.
fn handed(stage: &Stage) -> (String, String) {
    let seen = stage.agent.last();
    (seen.one("x-forwarded-access-token").to_owned(), seen.one("x-brickyard-passthrough-token").to_owned())
}

/// C06 to C11, C14, C16.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c_a_credential_does_what_was_declared_for_whom_it_was_declared() {
    let second = "  - name: second\n    config:\n      served_entities:\n        - url: AGENT\n          auth_policy: {system_auth_policy: \
                  {resources: {api_version: '1', databricks: {serving_endpoint: [{name: quiet}]}}}}\n    permissions: \
                  [{group_name: analysts, permission_level: CAN_QUERY}]\n  - name: quiet\n    config: {served_entities: [{scripted: \
                  {task: llm/v1/chat, rules: [{say: hello}]}}]}\n";
    let mut stage = Stage::set(second).await;
    let (ana, admin) = (stage.ana.clone(), stage.admin.clone());
    stage.kit.post(OUTSIDE, &ana, &json!({})).await;
    let (user, system) = handed(&stage);
    assert!(signature(&user) != signature(&ana), "the caller's own token goes nowhere");

    // C07: the user's token opens what the agent declared, and nothing that the user could do beyond.
    stage.entry("C07 declared", &json_request("POST", ECHO, &user, said("x")), 200).await;
    stage.entry("C07 declared", &json_request("GET", ME, &user, ""), 200).await;
    for (method, path, body) in [
        ("GET", "/api/2.0/secrets/scopes/list", ""),
        ("GET", "/api/2.0/secrets/get?scope=travel&key=weather-token", ""),
        ("POST", "/api/2.0/token/create", "{}"),
        ("GET", "/api/2.0/token/list", ""),
        ("GET", "/api/2.0/preview/scim/v2/Users", ""),
        ("GET", "/api/2.0/permissions/authorization/tokens", ""),
        ("POST", "/api/2.0/sql/statements", "{}"),
        ("GET", "/api/2.0/genie/spaces", ""),
        ("GET", "/_brickyard/ledger", ""),
        ("POST", "/_brickyard/tokens", r#"{"as":"admin@example.com"}"#),
    ] {
        let answer = stage.entry(&format!("C07 {path}"), &json_request(method, path, &user, body), 403).await;
        let entry = stage
            .kit
            .workspace
            .ledger
            .get(&answer.header("x-request-id").parse().expect("an id"))
            .expect("an audit row");
        let row = serde_json::to_value(&*entry).expect("JSON");
        assert_eq!(
            (&row["decision"], &row["principal"], &row["acting_endpoint"]),
            (&json!("refused"), &json!(ANA), &json!("outside")),
            "C07"
        );
    }
    let exchange = |token: &str, scope: &str| {
        let pairs = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("subject_token", token),
            ("scope", scope),
            ("client_id", CLIENT_ID),
            ("client_secret", CLIENT_SECRET),
        ];
        request(
            "POST",
            "/oidc/v1/token",
            &[("Content-Type", "application/x-www-form-urlencoded")],
            form(&pairs).as_bytes(),
        )
    };
    for scope in ["all-apis", "secrets", "sql", "model-serving", "serving.serving-endpoints secrets"] {
        stage.entry(&format!("C07 exchange for {scope}"), &exchange(&user, scope), 400).await;
    }

    // C08: the endpoint's own token opens what was declared, whatever the creator could.
    stage.entry("C08 declared", &json_request("POST", ECHO, &system, said("x")), 200).await;
    for path in ["/serving-endpoints/quiet/invocations", "/serving-endpoints/second/invocations", OUTSIDE] {
        stage
            .entry(&format!("C08 {path}"), &json_request("POST", path, &system, "{}"), &[403, 404][..])
            .await;
    }
    for (method, path, body) in [
        ("GET", "/api/2.0/secrets/get?scope=travel&key=weather-token", ""),
        ("POST", "/api/2.0/secrets/put", r#"{"scope":"travel","key":"x","string_value":"y"}"#),
        ("POST", "/api/2.0/token/create", "{}"),
        ("DELETE", "/api/2.0/serving-endpoints/echo", ""),
        ("POST", "/api/2.0/preview/scim/v2/Users", r#"{"userName":"mallory@example.com"}"#),
        ("GET", "/_brickyard/ledger", ""),
        ("POST", "/_brickyard/rotate", "{}"),
    ] {
        stage
            .entry(&format!("C08 {path}"), &json_request(method, path, &system, body), &[403, 404][..])
            .await;
    }

    // C11: an agent with another agent's token is that other one, and nothing more.
    stage.kit.post("/serving-endpoints/second/invocations", &ana, &json!({})).await;
    let others = stage.agent.last().one("x-brickyard-passthrough-token").to_owned();
    stage.entry("C11", &json_request("POST", ECHO, &others, said("x")), &[403, 404][..]).await;
    let about = |asker: &str, token: &str| {
        let bearer = format!("Bearer {asker}");
        let headers =
            [("Authorization", bearer.as_str()), ("Content-Type", "application/x-www-form-urlencoded")];
        request("POST", "/oidc/v1/introspect", &headers, form(&[("token", token)]).as_bytes())
    };
    for (asker, token) in [(&system, &others), (&others, &system), (&others, &user), (&ana, &system)] {
        let answer = stage.entry("C11 introspect another's", &about(asker, token), 200).await;
        assert_eq!(answer.text(), r#"{"active":false}"#, "C11");
    }

    // C09: who may not query is refused before anything runs.
    for who in ["bob@example.com", CLIENT_ID] {
        let token = stage.kit.token(who);
        for path in [OUTSIDE, ECHO, "/serving-endpoints/outside/served-models/outside/invocations"] {
            stage
                .entry(
                    &format!("C09 {who} {path}"),
                    &json_request("POST", path, &token, said("x")),
                    &[403, 404][..],
                )
                .await;
        }
        let named = json!({ "model": "echo", "input": "x" }).to_string();
        stage
            .entry(
                "C09 by model",
                &json_request("POST", "/serving-endpoints/responses", &token, named),
                &[403, 404][..],
            )
            .await;
    }

    // C14: what was done for Ana is nobody else's to read.
    let of_ana = stage.kit.post(OUTSIDE, &ana, &json!({})).await.request_id().to_owned();
    for who in ["bob@example.com", "carol@example.com", ANA] {
        let token = stage.kit.token(who);
        for path in [
            format!("/_brickyard/explain/{of_ana}"),
            "/_brickyard/ledger".to_owned(),
            "/_brickyard/ledger?principal=ana@example.com".to_owned(),
            "/_brickyard/ledger/stream".to_owned(),
        ] {
            stage.entry(&format!("C14 {who} {path}"), &json_request("GET", &path, &token, ""), 403).await;
        }
    }
    for path in [
        "/api/2.0/serving-endpoints/outside/served-models/outside/logs",
        "/api/2.0/serving-endpoints/outside/metrics",
    ] {
        let token = stage.kit.token("bob@example.com");
        stage
            .entry(&format!("C14 bob {path}"), &json_request("GET", path, &token, ""), &[403, 404][..])
            .await;
    }

    // C16: the same words of two people, and of one with less, are answered to each of them.
    let narrow = stage.kit.scoped_token(ANA, "serving.serving-endpoints", SignedDuration::from_hours(1));
    let carol = stage.kit.token("carol@example.com");
    let first = stage.entry("C16", &json_request("POST", ECHO, &ana, said("whoami")), 200).await;
    stage.entry("C16 narrower", &json_request("POST", ECHO, &narrow, said("whoami")), 200).await;
    let other = stage.entry("C16 another", &json_request("POST", ECHO, &carol, said("whoami")), 200).await;
    assert!(!other.text().contains(ANA), "{}", other.text());
    drop(first);
    stage.kit.post(OUTSIDE, &narrow, &json!({})).await;
    let (less, _) = handed(&stage);
    let answer = stage.entry("C16 the narrower token's Me", &json_request("GET", ME, &less, ""), 200).await;
    assert_eq!(answer.json()["userName"], ANA);

    // C06: a kept token is still Ana's, is written down as the agent's doing, and dies with hers or in minutes.
    let kept = stage.entry("C06 kept", &json_request("GET", ME, &user, ""), 200).await;
    assert_eq!(kept.json()["userName"], ANA, "C06");
    let entry =
        stage.kit.workspace.ledger.get(&kept.header("x-request-id").parse().expect("an id")).expect("a row");
    assert!(entry.caused_by.is_some(), "C06: the audit shows which invocation it came from");
    let short = stage.kit.token(ANA);
    stage.kit.post(OUTSIDE, &short, &json!({})).await;
    let (of_short, _) = handed(&stage);
    stage.entry("C06 before", &json_request("GET", ME, &of_short, ""), 200).await;
    let revoke = request(
        "POST",
        "/oidc/v1/revoke",
        &[("Content-Type", "application/x-www-form-urlencoded")],
        form(&[("token", &short)]).as_bytes(),
    );
    stage.entry("C06 her own token revoked", &revoke, 200).await;
    stage.entry("C06 after", &json_request("GET", ME, &of_short, ""), 403).await;

    // C10: the creator may no longer: the endpoint lends nothing, and what it had lent opens nothing.
    let id = stage.kit.get("/api/2.0/serving-endpoints/echo", &admin).await.json()["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let list =
        json!({ "access_control_list": [{ "group_name": "analysts", "permission_level": "CAN_QUERY" }] });
    let path = format!("/api/2.0/permissions/serving-endpoints/{id}");
    stage.kit.put(&path, &admin, &list).await;
    stage.kit.until("C10", async |kit| kit.post(OUTSIDE, &ana, &json!({})).await.status == 403).await;
    let calls = stage.agent.calls();
    let refused = stage.kit.post(OUTSIDE, &ana, &json!({})).await;
    assert_eq!((refused.status, stage.agent.calls()), (403, calls), "C10: {}", refused.text);
    let late = stage.kit.post(ECHO, &system, &serde_json::from_str::<Value>(&said("x")).expect("JSON")).await;
    assert!(
        [403, 404].contains(&late.status),
        "C10: what was lent before still opens: {} {}",
        late.status,
        late.text
    );
    let list = json!({ "access_control_list": [{ "user_name": "carol@example.com", "permission_level": "CAN_QUERY" }] });
    stage.kit.patch(&path, &admin, &list).await;
    stage
        .kit
        .until("C10 given back", async |kit| kit.post(OUTSIDE, &ana, &json!({})).await.status == 200)
        .await;

    // C06, C07: and at the end of its minutes it is over, while hers lives on.
    stage.clock.advance(SignedDuration::from_mins(7));
    stage.entry("C06 minutes later", &json_request("GET", ME, &user, ""), 403).await;
    // Deleting the endpoint ends what was made for it: at the APIs, at the exchange, at introspection.
    stage.kit.post(OUTSIDE, &ana, &json!({})).await;
    stage.kit.post("/serving-endpoints/second/invocations", &ana, &json!({})).await;
    let others = stage.agent.last().one("x-brickyard-passthrough-token").to_owned();
    stage.prepare("DELETE", "/api/2.0/serving-endpoints/second", &Value::Null).await;
    stage.entry("C11 of a deleted endpoint", &json_request("GET", ME, &others, ""), 403).await;
    let answer = stage.entry("C11 of a deleted endpoint, introspected", &about(&admin, &others), 200).await;
    assert_eq!(answer.text(), r#"{"active":false}"#, "C11");
    stage.entry("C11 of a deleted endpoint, exchanged", &exchange(&others, "sql"), 400).await;
    eprintln!("C06-C11, C14, C16: {} entries", stage.entries);
}

/// An interpreter that plays workers: honest ones and others.
fn interpreter(folder: &Path) -> Option<PathBuf> {
    let python = std::process::Command::new("python3")
        .args(["-c", "import sys; print(sys.executable)"])
        .output()
        .ok()?;
    let python = String::from_utf8(python.stdout).ok()?;
    let (script, launcher) = (folder.join("fake.py"), folder.join("python"));
    std::fs::write(
        &script,
        include_str!("../../../crates/brickyard-agents/tests-python/fake_interpreter.py"),
    )
    .expect("written");
    let text = format!(
        "#!/bin/sh\nif [ \"$1\" = -c ]; then echo 3.11.0; echo '{}'; exit 0; fi\nexec '{}' '{}' \"$@\"\n",
        launcher.display(),
        python.trim(),
        script.display()
    );
    std::fs::write(&launcher, text).expect("written");
    std::fs::set_permissions(&launcher, std::fs::Permissions::from_mode(0o755)).expect("executable");
    Some(launcher)
}

fn lives(pid: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" Z")))
}

/// C12: what lies in the data folder is closed to agents, also to one that knows where it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c_an_agent_cannot_open_the_journal_the_master_key_or_a_managed_table() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(launcher) = interpreter(folder.path()) else {
        eprintln!("SKIPPED: no python3");
        return;
    };
    let model = crate::load::logged_agent(folder.path());
    // Not below /tmp, where everybody writes and nothing can be closed.
    let data = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let yaml = format!(
        "workspace: {{admins: [{ADMIN}]}}\nserving_endpoints:\n  - {{name: echo, creator: {ADMIN}, config: {{served_entities: [{{name: \
         echo, scripted: {{task: llm/v1/chat, rules: [{{say: hello}}]}}}}]}}}}\n  - name: worker\n    creator: {ADMIN}\n    config: {{served_entities: \
         [{{entity_name: main.agents.fake, entity_version: \"1\", python: {}, workload_size: Small}}]}}\nregistered_models: [{{name: \
         main.agents.fake, versions: [{{version: \"1\", source: {}}}]}}]\n",
        launcher.display(),
        model.display()
    );
    let kit = Kit::builder(&yaml)
        .data_dir(data.path())
        .sql("CREATE CATALOG main; CREATE TABLE main.default.t AS SELECT 1 AS id;")
        .start()
        .await;
    let mut files = Vec::new();
    files_below(data.path(), &mut files);
    let named = |part: &str| files.iter().any(|path| path.to_string_lossy().contains(part));
    assert!(named("journal.sqlite3") && named("master.key") && named(".parquet"), "{files:?}");
    let body = json!({ "do": "open", "paths": files });
    let reply = kit.post("/serving-endpoints/worker/invocations", &kit.token(ADMIN), &body).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let opened = reply.json();
    for path in &files {
        let path = path.to_str().expect("text");
        assert_eq!(opened[path], "PermissionError", "C12 {path}");
    }
    eprintln!("C12: {} files of the data folder, none opened", files.len());
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() { files_below(&path, found) } else { found.push(path) }
    }
}

/// C04, C05, C12, C13, B10: workers that misbehave, seen from outside.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c_a_worker_that_misbehaves_harms_its_own_request_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(launcher) = interpreter(folder.path()) else {
        eprintln!("SKIPPED: no python3");
        return;
    };
    let model = crate::load::logged_agent(folder.path());
    let more = format!(
        "  - name: worker\n    creator: {ADMIN}\n    config:\n      served_entities:\n        - entity_name: main.agents.fake\n          \
         entity_version: \"1\"\n          python: {}\n          workload_size: Small\n          environment_vars: {{WEATHER_TOKEN: \
         \"{{{{secrets/travel/other}}}}\"}}\n    permissions: [{{group_name: users, permission_level: CAN_QUERY}}]\nregistered_models:\n  - name: \
         main.agents.fake\n    versions: [{{version: \"1\", source: {}}}]\n",
        launcher.display(),
        model.display()
    );
    let mut stage = Stage::set(&more).await;
    let (ana, bob) = (stage.ana.clone(), stage.kit.token("bob@example.com"));
    let path = "/serving-endpoints/worker/invocations";
    let ask = |token: &str, body: Value| json_request("POST", path, token, body.to_string());
    let first = stage.kit.post(path, &ana, &json!({ "do": "echo", "text": "first" })).await;
    assert_eq!((first.status, &first.json()["echo"]), (200, &json!("first")), "{}", first.text);

    let table: Vec<(&str, Value, &'static [u16])> = vec![
        ("C04 dies", json!({ "do": "die" }), &[502]),
        ("C04 answers with another's id", json!({ "do": "wrong id" }), &[502]),
        ("C04 answers with another kind", json!({ "do": "wrong kind" }), &[502]),
        ("C04 answers with noise", json!({ "do": "noise" }), &[502]),
        ("C04 hangs up", json!({ "do": "close" }), &[502]),
        ("C04 answers twice", json!({ "do": "twice" }), &[200]),
        ("C04 answers twice, later", json!({ "do": "twice later" }), &[200]),
        ("C04 leaves", json!({ "do": "exit" }), &[400]),
        ("C05 floods its output", json!({ "do": "flood", "megabytes": 20 }), &[200]),
        ("C05 writes a line without end", json!({ "do": "raise", "text": "x".repeat(1_000_000) }), &[400]),
        (
            "C05 writes escapes",
            json!({ "do": "raise", "text": "\u{1b}[2J\r\nHTTP/1.1 200 OK\r\n\r\n\u{0}" }),
            &[400],
        ),
        (
            "H20 answers with CRLF",
            json!({ "do": "echo", "text": "\r\nSet-Cookie: a=b\r\n\r\n<script>" }),
            &[200],
        ),
        ("B03 is asked what it cannot hold", json!({ "do": "no such thing" }), &[400]),
    ];
    for (what, body, expected) in table {
        let late = body["do"] == "twice later";
        let before = stage.kit.workspace.serving.worker_processes();
        stage.entry(what, &ask(&ana, body), expected).await;
        if late {
            // The second answer is nobody's, whenever it comes, and the worker that gave it goes.
            stage
                .kit
                .until("the worker is replaced", async |kit| {
                    kit.post(path, &bob, &json!({ "do": "echo", "text": "x" })).await;
                    let now = kit.workspace.serving.worker_processes();
                    before.iter().any(|worker| !now.contains(worker))
                })
                .await;
        }
        // The next one on that worker, of somebody else, gets their own answer, or none; and the one after it an answer.
        let mine = format!("of bob after {what}");
        let mut answered = false;
        for _ in 0..5 {
            let reply = stage.kit.post(path, &bob, &json!({ "do": "echo", "text": mine })).await;
            if reply.status == 200 {
                assert_eq!(reply.json()["echo"], mine, "{what}");
                answered = true;
                break;
            }
            assert!([502, 503].contains(&reply.status), "{what}: {} {}", reply.status, reply.text);
        }
        assert!(answered, "{what}: nobody else is answered");
    }

    // C12: what the process sees is what Model Serving gives.
    let seen = stage.entry("C12, B11", &ask(&ana, json!({ "do": "environment" })), 200).await.json();
    let names: Vec<&String> = seen["environ"].as_object().expect("variables").keys().collect();
    for foreign in [
        "CARGO",
        "CARGO_MANIFEST_DIR",
        "NEXTEST",
        "RUST_BACKTRACE",
        "HTTP_PROXY",
        "AWS_SECRET_ACCESS_KEY",
        "BRICKYARD_DATA_DIR",
    ] {
        assert!(!names.iter().any(|name| *name == foreign), "C12: {foreign} in {names:?}");
    }
    let data_dir = stage.data_dir().display().to_string();
    assert!(!seen.to_string().contains(&data_dir), "C12: the data folder is named to the agent: {seen}");
    assert!(!seen["fds"].as_str().expect("text").contains("journal"), "C12: {}", seen["fds"]);

    // B10: a client that goes away in the middle of a stream.
    let authority = stage.kit.url.trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(authority).await.expect("a connection");
    let body = json!({ "do": "stream", "chunks": 1000, "for": 0.05, "stream": true });
    stream.write_all(&ask(&ana, body)).await.expect("sent");
    let mut read = Vec::new();
    while !read.windows(6).any(|six| six == b"data: ") {
        assert_ne!(stream.read_buf(&mut read).await.expect("bytes"), 0, "{}", String::from_utf8_lossy(&read));
    }
    drop(stream);
    stage
        .kit
        .until("B10 the work is cancelled", async |kit| {
            let (entries, _) = kit.workspace.ledger.query(&Filter::default(), 20, None);
            entries.iter().any(|entry| entry.outcome == Outcome::Cancelled)
        })
        .await;
    stage.entry("B10 the next", &ask(&ana, json!({ "do": "echo", "text": "next" })), 200).await;

    // C13: children end with the endpoint, those that left the group too.
    let children = stage.entry("C13", &ask(&ana, json!({ "do": "children" })), 200).await.json();
    let pids: Vec<u64> = children["pids"].as_array().expect("ids").iter().filter_map(Value::as_u64).collect();
    assert!(pids.len() == 3 && pids.iter().all(|pid| lives(*pid)), "{pids:?}");
    stage.prepare("DELETE", "/api/2.0/serving-endpoints/worker", &Value::Null).await;
    stage.kit.until("C13 no orphan", async |_| pids.iter().all(|pid| !lives(*pid))).await;
    stage.entry("C13 the endpoint is gone", &ask(&ana, json!({ "do": "echo" })), 404).await;
    eprintln!("C04, C05, C12, C13, B10: {} entries", stage.entries);
}
