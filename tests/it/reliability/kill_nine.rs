//! `kill -9` of brickyard itself while people write: whatever was acknowledged is there afterwards, whatever was not is
//! there whole or not at all, and no secret is on the disk in a form that can be read.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::{Client, Method};
use serde_json::{Value, json};

mod in_sql;

use crate::load::process::Brickyard;
use crate::load::{Chance, scale};

const WRITERS: usize = 8;
const ADMIN: &str = "dapi000000000000000000000000000000ad";
const WAREHOUSE: &str = "w";
/// In every secret; what is looked for on the disk.
const MARK: &str = "whisper-7f3a9c";

/// Who writes: each has a token from the configuration, a secret scope and an endpoint of their own.
fn writer(number: usize) -> (String, String) {
    (format!("writer-{number}@example.com"), format!("dapi{number:032x}"))
}

fn config() -> String {
    let mut text = format!(
        "workspace: {{admins: [admin@example.com]}}\nsql_warehouses: [{{id: {WAREHOUSE}}}]\nusers:\n  - user_name: admin@example.com\n    \
         personal_access_tokens: [{{value: {ADMIN}}}]\n"
    );
    for number in 0..WRITERS {
        let (name, token) = writer(number);
        text.push_str(&format!("  - {{user_name: {name}, personal_access_tokens: [{{value: {token}}}]}}\n"));
    }
    text
}

/// A client of one running brickyard.
#[derive(Clone)]
struct Workspace {
    url: String,
    client: Client,
}

impl Workspace {
    fn at(url: &str) -> Self {
        Self { url: url.to_owned(), client: Client::builder().no_proxy().build().expect("a client") }
    }

    /// Status and body; `None` if no whole answer came.
    async fn call(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<Value>,
    ) -> Option<(u16, Value)> {
        let mut request = self.client.request(method, format!("{}{path}", self.url)).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        let text = response.text().await.ok()?;
        Some((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    async fn get(&self, path: &str, token: &str) -> (u16, Value) {
        self.call(Method::GET, path, token, None).await.expect("an answer")
    }

    async fn post(&self, path: &str, token: &str, body: Value) -> Option<(u16, Value)> {
        self.call(Method::POST, path, token, Some(body)).await
    }
}

/// What one writer did and what came of it.
#[derive(Default)]
struct Written {
    /// Secrets by key.
    secrets: BTreeMap<String, String>,
    /// The secret of the request that was never answered.
    secret_in_doubt: Option<(String, String)>,
    /// Personal access tokens, by value.
    tokens: Vec<String>,
    tokens_in_doubt: usize,
    /// The level that everybody has on the writer's endpoint, and the one that was asked for last.
    level: Option<&'static str>,
    level_in_doubt: Option<&'static str>,
    /// Endpoints, with whether they are there.
    endpoints: BTreeMap<String, bool>,
    endpoint_in_doubt: Option<String>,
    /// Acknowledged writes.
    acknowledged: usize,
}

fn scope(number: usize) -> String {
    format!("scope-{number}")
}

fn endpoint(name: &str) -> Value {
    let rules = json!([{ "say": format!("I am {name}") }]);
    let entity = json!({ "name": "e", "scripted": { "task": "agent/v1/responses", "rules": rules } });
    json!({ "name": name, "config": { "served_entities": [entity] } })
}

async fn id_of(workspace: &Workspace, name: &str) -> String {
    let (status, view) = workspace.get(&format!("/api/2.0/serving-endpoints/{name}"), ADMIN).await;
    assert_eq!(status, 200, "{view}");
    view["id"].as_str().expect("an id").to_owned()
}

async fn prepare(workspace: &Workspace) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..WRITERS {
        let made =
            workspace.post("/api/2.0/secrets/scopes/create", ADMIN, json!({ "scope": scope(number) })).await;
        assert_eq!(made.expect("an answer").0, 200);
        let name = format!("keep-{number}");
        assert_eq!(
            workspace.post("/api/2.0/serving-endpoints", ADMIN, endpoint(&name)).await.expect("an answer").0,
            200
        );
        ids.push(id_of(workspace, &name).await);
    }
    ids
}

/// Writes until brickyard is gone.
async fn write(workspace: Workspace, number: usize, round: usize, id: String) -> Written {
    let mut chance = Chance::of(round * WRITERS + number);
    let mut written = Written::default();
    let (_, own) = writer(number);
    for step in 0.. {
        let unique = format!("{round}-{number}-{step}");
        let acknowledged = match chance.below(4) {
            0 => {
                let (key, value) = (format!("key-{unique}"), format!("{MARK} of {unique}"));
                written.secret_in_doubt = Some((key.clone(), value.clone()));
                let body = json!({ "scope": scope(number), "key": key, "string_value": value });
                let answer = workspace.post("/api/2.0/secrets/put", ADMIN, body).await;
                if answer.is_some() {
                    written.secret_in_doubt = None;
                    written.secrets.insert(key, value);
                }
                answer
            }
            1 => {
                written.tokens_in_doubt = 1;
                let body = json!({ "comment": unique, "lifetime_seconds": 3600 });
                let answer = workspace.post("/api/2.0/token/create", &own, body).await;
                if let Some((_, token)) = &answer {
                    written.tokens_in_doubt = 0;
                    written.tokens.push(token["token_value"].as_str().expect("a token").to_owned());
                }
                answer
            }
            2 => {
                let level = ["CAN_VIEW", "CAN_QUERY", "CAN_MANAGE"][chance.below(3)];
                written.level_in_doubt = Some(level);
                let body =
                    json!({ "access_control_list": [{ "group_name": "users", "permission_level": level }] });
                let path = format!("/api/2.0/permissions/serving-endpoints/{id}");
                let answer = workspace.call(Method::PUT, &path, ADMIN, Some(body)).await;
                if answer.is_some() {
                    written.level = written.level_in_doubt.take();
                }
                answer
            }
            _ => {
                let present =
                    written.endpoints.iter().find(|(_, there)| **there).map(|(name, _)| name.clone());
                let (name, answer) = match present {
                    Some(name) if chance.one_in(2) => {
                        written.endpoint_in_doubt = Some(name.clone());
                        let path = format!("/api/2.0/serving-endpoints/{name}");
                        (name, workspace.call(Method::DELETE, &path, ADMIN, None).await)
                    }
                    _ => {
                        let name = format!("e-{unique}");
                        written.endpoint_in_doubt = Some(name.clone());
                        let answer =
                            workspace.post("/api/2.0/serving-endpoints", ADMIN, endpoint(&name)).await;
                        (name, answer)
                    }
                };
                if answer.is_some() {
                    written.endpoint_in_doubt = None;
                    let there = written.endpoints.get(&name).copied().unwrap_or(false);
                    written.endpoints.insert(name, !there);
                }
                answer
            }
        };
        match acknowledged {
            Some((200, _)) => written.acknowledged += 1,
            Some((status, body)) => panic!("a write was refused: {status} {body}"),
            None => return written,
        }
    }
    written
}

/// Holds a restarted brickyard against what one writer was told.
async fn check(workspace: &Workspace, number: usize, id: &str, written: &Written, known_tokens: &mut usize) {
    let (name, own) = writer(number);
    let value_of = async |key: &str| {
        let (status, found) =
            workspace.get(&format!("/api/2.0/secrets/get?scope={}&key={key}", scope(number)), ADMIN).await;
        (status == 200).then(|| {
            let value = STANDARD.decode(found["value"].as_str().expect("a value")).expect("base64");
            String::from_utf8(value).expect("text")
        })
    };
    for (key, value) in &written.secrets {
        assert_eq!(value_of(key).await.as_ref(), Some(value), "the acknowledged secret {key}");
    }
    if let Some((key, value)) = &written.secret_in_doubt {
        let found = value_of(key).await;
        assert!(found.is_none() || found.as_ref() == Some(value), "half a secret: {found:?}");
    }
    for token in &written.tokens {
        let (status, me) = workspace.get("/api/2.0/preview/scim/v2/Me", token).await;
        assert_eq!((status, &me["userName"]), (200, &json!(name)), "an acknowledged token");
    }
    let (_, listed) = workspace.get("/api/2.0/token/list", &own).await;
    let listed = listed["token_infos"].as_array().map_or(0, Vec::len);
    let least = *known_tokens + written.tokens.len();
    assert!(
        (least..=least + written.tokens_in_doubt).contains(&listed),
        "{listed} tokens of {name}, at least {least}"
    );
    *known_tokens = listed;
    let (status, list) = workspace.get(&format!("/api/2.0/permissions/serving-endpoints/{id}"), ADMIN).await;
    assert_eq!(status, 200, "{list}");
    let entries = list["access_control_list"].as_array().expect("a list").iter();
    let level = entries
        .filter(|entry| entry["group_name"] == "users")
        .find_map(|entry| entry["all_permissions"][0]["permission_level"].as_str().map(ToOwned::to_owned));
    if written.level.is_some() || written.level_in_doubt.is_some() {
        let level = level.as_deref();
        let known = level == written.level || (level.is_some() && level == written.level_in_doubt);
        // Without an acknowledged level this round, the one of an earlier round stays.
        assert!(
            known || written.level.is_none(),
            "{level:?}, told {:?}, asked {:?}",
            written.level,
            written.level_in_doubt
        );
    }
    let doubt = written.endpoint_in_doubt.as_ref();
    for name in written.endpoints.keys().chain(doubt) {
        let (status, view) = workspace.get(&format!("/api/2.0/serving-endpoints/{name}"), ADMIN).await;
        if doubt != Some(name) {
            assert_eq!(status == 200, written.endpoints[name], "endpoint {name}: {view}");
        }
        if status != 200 {
            assert_eq!(status, 404, "{view}");
            continue;
        }
        // Whole: it has its owner, becomes ready, and answers.
        let id = view["id"].as_str().expect("an id");
        let (status, list) =
            workspace.get(&format!("/api/2.0/permissions/serving-endpoints/{id}"), ADMIN).await;
        assert!(status == 200 && list.to_string().contains("admin@example.com"), "{list}");
        let body = json!({ "input": [{ "role": "user", "content": "hello" }] });
        let path = format!("/serving-endpoints/{name}/invocations");
        let answered = async {
            loop {
                match workspace.post(&path, ADMIN, body.clone()).await.expect("an answer") {
                    (503, _) => tokio::time::sleep(Duration::from_millis(5)).await,
                    other => return other,
                }
            }
        };
        let (status, answer) = answered.await;
        assert!(status == 200 && answer.to_string().contains(&format!("I am {name}")), "{status} {answer}");
    }
}

/// Takes away what one round of a writer made: endpoints, tokens and secrets are limited in number.
async fn make_room(workspace: &Workspace, number: usize, written: &Written) {
    let there = written.endpoints.iter().filter(|(_, there)| **there).map(|(name, _)| name);
    for name in there.chain(&written.endpoint_in_doubt) {
        let path = format!("/api/2.0/serving-endpoints/{name}");
        workspace.call(Method::DELETE, &path, ADMIN, None).await.expect("an answer");
    }
    for key in written.secrets.keys() {
        let body = json!({ "scope": scope(number), "key": key });
        assert_eq!(workspace.post("/api/2.0/secrets/delete", ADMIN, body).await.expect("an answer").0, 200);
    }
    let (_, own) = writer(number);
    let (_, listed) = workspace.get("/api/2.0/token/list", &own).await;
    // The comment of the configuration's token is no number of a round.
    let of_a_round = |token: &&Value| {
        token["comment"]
            .as_str()
            .is_some_and(|comment| comment.starts_with(|first: char| first.is_ascii_digit()))
    };
    for token in listed["token_infos"].as_array().expect("tokens").iter().filter(of_a_round) {
        let body = json!({ "token_id": token["token_id"] });
        assert_eq!(workspace.post("/api/2.0/token/delete", &own, body).await.expect("an answer").0, 200);
    }
}

/// Every file of `dir`, whole.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if let Ok(bytes) = std::fs::read(&path) {
            found.push((path.display().to_string(), bytes));
        }
    }
    found
}

/// `text` as it may stand somewhere: plain, as hex, and as base64 at each of the three alignments.
fn disguises(text: &str) -> Vec<Vec<u8>> {
    let mut all = vec![text.as_bytes().to_vec()];
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    all.extend([hex.clone().into_bytes(), hex.to_uppercase().into_bytes()]);
    for lead in 0..3 {
        let shifted: Vec<u8> = std::iter::repeat_n(b'x', lead).chain(text.bytes()).collect();
        for encoded in [STANDARD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
            // The first and the last group also hold what stands beside the text.
            let sure = &encoded[if lead == 0 { 0 } else { 4 }..];
            all.push(sure.as_bytes()[..sure.len() / 4 * 4 - 4].to_vec());
        }
    }
    all
}

/// Where a secret can be read, if somewhere.
fn readable_secret(dir: &Path, tokens: &HashSet<String>) -> Option<String> {
    let marks: Vec<_> = disguises(MARK).into_iter().chain(disguises(&ADMIN[4..])).collect();
    let mut begins = [false; 256];
    for mark in &marks {
        begins[usize::from(mark[0])] = true;
    }
    for (name, bytes) in files(dir) {
        // One pass: the folder grows with every round.
        let mut digits = 0;
        for (at, byte) in bytes.iter().enumerate() {
            if begins[usize::from(*byte)]
                && let Some(mark) = marks.iter().find(|mark| bytes[at..].starts_with(mark))
            {
                return Some(format!("{name} holds {:?}", String::from_utf8_lossy(mark)));
            }
            digits = if byte.is_ascii_hexdigit() { digits + 1 } else { 0 };
            if digits >= 32 {
                let text = std::str::from_utf8(&bytes[at - 31..=at]).expect("ASCII");
                if tokens.contains(text) {
                    return Some(format!("{name} holds a personal access token"));
                }
            }
        }
    }
    None
}

#[test]
fn a_secret_on_the_disk_would_be_seen() {
    let dir = tempfile::tempdir().expect("a folder");
    assert_eq!(readable_secret(dir.path(), &HashSet::new()), None);
    for (lead, text) in ["", "a", "bc", "def"].iter().enumerate() {
        let sentence = format!("{text}{MARK} of 1");
        for bytes in [sentence.clone().into_bytes(), STANDARD.encode(&sentence).into_bytes()] {
            std::fs::write(dir.path().join("file"), bytes).expect("written");
            assert!(readable_secret(dir.path(), &HashSet::new()).is_some(), "unseen behind {lead} letters");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_nine_loses_nothing_that_was_acknowledged_and_leaves_nothing_half_done() {
    let dir = tempfile::tempdir().expect("a folder");
    let (config_file, data) = (dir.path().join("workspace.yaml"), dir.path().join("data"));
    std::fs::write(&config_file, config()).expect("written");
    std::fs::create_dir(&data).expect("made");
    let mut brickyard = Brickyard::start(&config_file, &data, None).await;
    let ids = prepare(&Workspace::at(&brickyard.url)).await;
    in_sql::prepare(&Workspace::at(&brickyard.url)).await;
    let (kills, mut chance) = (scale(10, 500), Chance::of(99));
    let (mut acknowledged, mut starts) = (0, Vec::new());
    let (mut known_tokens, mut all_tokens) = (vec![1; WRITERS], HashSet::new());
    for round in 0..kills {
        let workspace = Workspace::at(&brickyard.url);
        let writers: Vec<_> = (0..WRITERS)
            .map(|number| tokio::spawn(write(workspace.clone(), number, round, ids[number].clone())))
            .collect();
        let in_sql = tokio::spawn(in_sql::write(workspace.clone(), round));
        // The moment of death: chance, not correctness.
        tokio::time::sleep(Duration::from_millis(20 + chance.below(780) as u64)).await;
        brickyard.kill().await;
        let mut written = Vec::new();
        let in_sql = in_sql.await.expect("every statement was acknowledged or cut");
        for writer in writers {
            written.push(writer.await.expect("every write was acknowledged or cut"));
        }
        all_tokens
            .extend(written.iter().flat_map(|written| &written.tokens).map(|token| token[4..].to_owned()));
        assert_eq!(readable_secret(&data, &all_tokens), None);
        if (round + 1).is_multiple_of(50) {
            eprintln!("{} of {kills} kills, {acknowledged} acknowledged writes so far", round + 1);
        }
        brickyard = Brickyard::start(&config_file, &data, None).await;
        starts.push(brickyard.ready_after);
        let workspace = Workspace::at(&brickyard.url);
        for (number, written) in written.iter().enumerate() {
            check(&workspace, number, &ids[number], written, &mut known_tokens[number]).await;
            acknowledged += written.acknowledged;
            make_room(&workspace, number, written).await;
            known_tokens[number] = 1;
        }
        in_sql::check(&workspace, &in_sql).await;
        acknowledged += in_sql.acknowledged;
        in_sql::make_room(&workspace, &in_sql).await;
    }
    starts.sort();
    println!(
        "{kills} kills, {acknowledged} acknowledged writes, none lost, none half; ready again in {:?} (median), {:?} (worst)",
        starts[starts.len() / 2],
        starts[starts.len() - 1]
    );
    assert!(acknowledged > kills, "the writers wrote");
    brickyard.kill().await;
}
