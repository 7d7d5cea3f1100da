//! What the command line promises: exit codes, what is printed where, and where a token is sent.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use brickyard_types::BearerToken;

use super::*;

/// Runs a command; answers exit code, standard output, standard error.
fn brickyard(arguments: &[&str], environment: &[(&str, &str)]) -> (u8, String, String) {
    let environment: HashMap<String, String> =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let arguments = std::iter::once("brickyard").chain(arguments.iter().copied()).map(OsString::from);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run(arguments, Arc::new(environment), &mut out, &mut err);
    (code, String::from_utf8(out).expect("text"), String::from_utf8(err).expect("text"))
}

/// A server that plays brickyard: answers each request by its path, and remembers what it was sent.
struct Played {
    host: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Played {
    fn new(answers: &'static [(&'static str, &'static str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let host = format!("http://{}", listener.local_addr().expect("bound"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut request = Vec::new();
                let mut chunk = [0; 4096];
                while !complete(&request) {
                    match stream.read(&mut chunk) {
                        Ok(read) if read > 0 => request.extend_from_slice(&chunk[..read]),
                        _ => break,
                    }
                }
                let request = String::from_utf8_lossy(&request).into_owned();
                let answer = answers.iter().find(|(start, _)| request.starts_with(start));
                kept.lock().expect("no panic").push(request);
                let missing = "HTTP/1.1 404 Not Found\r\n\r\n{\"error_code\":\"ENDPOINT_NOT_FOUND\",\"message\":\"no\"}";
                let (head, body) =
                    answer.map_or(missing, |(_, answer)| answer).split_once("\r\n\r\n").expect("an answer");
                let _ = write!(
                    stream,
                    "{head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        Self { host, seen }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("no panic").clone()
    }
}

fn complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
    length.is_none_or(|length| length.trim().parse().is_ok_and(|length: usize| body.len() >= length))
}

#[test]
fn bad_usage_is_64_and_says_what_is_wrong_on_standard_error() {
    for (arguments, told) in [
        (&[][..], "Usage"),
        (&["srve"], "a similar subcommand exists: 'serve'"),
        (&["serve", "--listen", "nonsense"], "an address and a port such as 127.0.0.1:8080"),
        (&["serve", "--ephemeral", "--data-dir", "x"], "give one of them"),
        (&["serve", "--log-format", "xml"], "human, json"),
        (&["token"], "--as <NAME>"),
        (&["token", "--as", "a", "--ttl", "soon"], "a duration such as 1h, 30m, 90s or 1h30m is needed"),
        (&["token", "--as", "a", "--scopes", "a  b"], "is not a scope"),
        (&["explain", "../tokens"], "the x-request-id header of a response is needed"),
        (&["invoke", "a/b", "hi"], "endpoint name"),
        (&["explain", "abc", "--host", "https://x.cloud.databricks.com", "--token", "t"], "needs TLS"),
        (&["explain", "abc", "--host", "http://a:b@c", "--token", "t"], "holds a password"),
        (&["explain", "abc", "--data-dir", "/no/such"], "set DATABRICKS_TOKEN or --token"),
        (&["explain", "abc", "--token", "a b"], "characters that no token has"),
        (&["check", "--config", "/no/such.yaml"], "/no/such.yaml: cannot be read: No such file"),
    ] {
        let (code, out, err) = brickyard(arguments, &[]);
        assert_eq!(code, 64, "{arguments:?}: {err}");
        assert_eq!(out, "", "{arguments:?}");
        assert!(err.contains(told), "{arguments:?}: {err}");
    }
}

#[test]
fn help_and_version_are_no_errors() {
    for (arguments, told) in [
        (&["--help"][..], "explain"),
        (&["--version"], "brickyard 0."),
        (&["serve", "--help"], "BRICKYARD_LISTEN"),
    ] {
        let (code, out, err) = brickyard(arguments, &[]);
        assert_eq!((code, err.as_str()), (0, ""));
        assert!(out.contains(told), "{out}");
    }
    let (_, help, _) = brickyard(&["token", "--help"], &[]);
    for variable in [
        "BRICKYARD_AS",
        "BRICKYARD_SCOPES",
        "BRICKYARD_TTL",
        "BRICKYARD_HOST",
        "BRICKYARD_TOKEN",
        "BRICKYARD_DATA_DIR",
    ] {
        assert!(help.contains(variable), "{variable}");
    }
}

#[test]
fn check_says_what_it_read_or_all_that_is_wrong() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.yaml");
    std::fs::write(&path, "users: [{user_name: ana@x}]\ngroups: [{display_name: g}]\n").expect("written");
    let shown = path.display().to_string();
    let (code, out, err) = brickyard(&["check", "--config", &shown], &[]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(
        out.starts_with(&format!("good: {shown}\n"))
            && out.contains("1 user, 0 service principals, 1 group\n"),
        "{out}"
    );
    std::fs::write(&path, "users: [{user_nam: ana@x}]\nx: 1\n").expect("written");
    let (code, _, err) = brickyard(&["check", "--config", &shown], &[]);
    assert_eq!(code, 64);
    assert!(
        err.contains(&format!("{shown}: users[0].user_nam: unknown key; did you mean user_name?\n")),
        "{err}"
    );
    assert!(err.contains("users[0].user_name: missing"), "{err}");
    let scopes = "auth_policy: {user_auth_policy: {api_scopes: [sql, all-apis]}}";
    let endpoint = format!(
        "{{name: e, config: {{served_entities: [{{name: it, url: 'http://127.0.0.1:1', {scopes}}}]}}}}"
    );
    std::fs::write(&path, format!("workspace: {{admins: [a@x]}}\nserving_endpoints: [{endpoint}]\n"))
        .expect("written");
    let (code, _, err) = brickyard(&["check", "--config", &shown], &[]);
    let refused = "serving_endpoints[0].config.served_entities[0]: Invalid user API scope(s) specified for model: it. Invalid scopes: all-apis.";
    assert!(code == 64 && err.contains(refused), "{code} {err}");
}

/// The files of SQL beside a configuration are read before anything runs; what fails when it runs ends the start.
#[test]
fn serve_ends_with_file_line_and_statement_where_sql_of_the_configuration_fails() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("brickyard.yaml"), "workspace: {admins: [a@x]}\n").expect("written");
    std::fs::write(folder.path().join("10-good.sql"), "CREATE CATALOG main;\n").expect("written");
    let shown = folder.path().display().to_string();
    let serve = ["serve", "--config", &shown, "--ephemeral", "--listen", "127.0.0.1:0"];
    for (sql, code, says) in [
        (
            "SELECT 1;\n\nDROP TABLE main.x.y;\nSELECT 2;\n",
            1,
            "20-bad.sql:3 (DROP TABLE main.x.y): [SCHEMA_NOT_FOUND]",
        ),
        ("-- one\n  SELECT 1 / 0;", 1, "20-bad.sql:2 (SELECT 1 / 0): [DIVIDE_BY_ZERO]"),
        (
            "GRANT SELECT ON CATALOG main TO `nobody@x`;",
            1,
            "20-bad.sql:1 (GRANT SELECT ON CATALOG main TO): [PRINCIPAL_DOES_NOT_EXIST]",
        ),
        ("SELECT 1;\nSELEC 2;", 64, "20-bad.sql:2"),
    ] {
        std::fs::write(folder.path().join("20-bad.sql"), sql).expect("written");
        let (ended, _, err) = brickyard(&serve, &[]);
        assert_eq!(ended, code, "{sql}: {err}");
        assert!(err.contains(&format!("{}/{says}", folder.path().display())), "{sql}: {err}");
    }
}

#[test]
fn a_token_is_all_that_token_prints() {
    let server = Played::new(&[(
        "POST /_brickyard/tokens ",
        "HTTP/1.1 200 OK\r\n\r\n{\"token\":\"eyJ.a.b\",\"other\":1}",
    )]);
    let arguments = ["token", "--as", "ana@example.com", "--scopes", "sql genie", "--ttl", "1h"];
    let environment = [("DATABRICKS_HOST", server.host.as_str()), ("DATABRICKS_TOKEN", "dapi-admin")];
    assert_eq!(brickyard(&arguments, &environment), (0, "eyJ.a.b\n".to_owned(), String::new()));
    let seen = &server.seen()[0];
    assert!(seen.contains("authorization: Bearer dapi-admin\r\n"), "{seen}");
    assert!(seen.ends_with(r#"{"as":"ana@example.com","scopes":"genie sql","ttl":"1h"}"#), "{seen}");
}

#[test]
fn a_refusal_is_1_with_the_servers_words_and_the_way_to_the_reason() {
    let server = Played::new(&[(
        "POST /_brickyard/tokens ",
        "HTTP/1.1 403 Forbidden\r\nx-request-id: abc123\r\nx-brickyard-explain: /_brickyard/explain/abc123\r\n\r\n{\"error_code\":\"PERMISSION_DENIED\",\"message\":\"not an admin\"}",
    )]);
    let (code, out, err) = brickyard(&["token", "--as", "ana", "--host", &server.host, "--token", "t"], &[]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert_eq!(
        err,
        "brickyard: the server answered 403: PERMISSION_DENIED: not an admin\nwhy: brickyard explain abc123\n"
    );
}

#[test]
fn without_a_server_the_error_says_how_to_start_one() {
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").port();
    let (code, _, err) =
        brickyard(&["explain", "abc", "--host", &format!("localhost:{port}"), "--token", "t"], &[]);
    assert_eq!(code, 1);
    assert!(err.contains("start one with `brickyard serve`"), "{err}");
}

#[test]
fn on_a_laptop_no_setup_is_needed_and_the_local_token_goes_nowhere_else() {
    let server = Played::new(&[("GET /_brickyard/explain/abc ", "HTTP/1.1 200 OK\r\n\r\nthe tree\n")]);
    let folder = tempfile::tempdir().expect("a folder");
    credentials::write(folder.path(), &server.host, &BearerToken::new("local-admin")).expect("written");
    let data_dir = folder.path().display().to_string();
    let explain = ["explain", "abc", "--data-dir", &data_dir];
    assert_eq!(brickyard(&explain, &[]), (0, "the tree\n".to_owned(), String::new()));
    let seen = &server.seen()[0];
    assert!(
        seen.contains("authorization: Bearer local-admin\r\n") && seen.contains("accept: text/plain\r\n"),
        "{seen}"
    );

    let localhost = server.host.replace("127.0.0.1", "localhost");
    assert_eq!(
        brickyard(&explain, &[("DATABRICKS_HOST", &localhost)]).0,
        0,
        "another name of the same server"
    );

    let other = Played::new(&[]);
    let (code, _, err) = brickyard(&explain, &[("DATABRICKS_HOST", &other.host)]);
    assert_eq!(code, 64);
    assert!(err.contains("no token for http://127.0.0.1:"), "{err}");
    assert!(other.seen().is_empty());
}

#[test]
fn invoke_as_somebody_prints_the_answer_and_then_the_tree() {
    let server = Played::new(&[
        (
            "GET /api/2.0/serving-endpoints/concierge ",
            "HTTP/1.1 200 OK\r\n\r\n{\"task\":\"agent/v1/responses\"}",
        ),
        ("POST /_brickyard/tokens ", "HTTP/1.1 200 OK\r\n\r\n{\"token\":\"anas\"}"),
        (
            "POST /serving-endpoints/concierge/invocations ",
            "HTTP/1.1 200 OK\r\nx-request-id: r1\r\n\r\n{\"output\":[]}",
        ),
        ("GET /_brickyard/explain/r1 ", "HTTP/1.1 200 OK\r\n\r\nana@x -> concierge"),
    ]);
    let (code, out, err) = brickyard(
        &["invoke", "concierge", "--as", "ana@x", "hello", "--host", &server.host, "--token", "own"],
        &[],
    );
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out, "{\n  \"output\": []\n}\n\nana@x -> concierge\n");
    let seen = server.seen();
    let call = seen.iter().find(|request| request.contains("/invocations")).expect("called");
    assert!(call.contains("authorization: Bearer anas\r\n"), "as ana: {call}");
    assert!(call.ends_with(r#"{"input":[{"content":"hello","role":"user"}]}"#), "{call}");
    let tree = seen.iter().find(|request| request.contains("/explain/")).expect("explained");
    assert!(tree.contains("authorization: Bearer own\r\n"), "as ourselves: {tree}");
}

#[test]
fn invoke_streams_what_comes_and_explains_a_refused_call_too() {
    let server = Played::new(&[
        (
            "POST /serving-endpoints/good/invocations ",
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: r1\r\n\r\ndata: {\"a\":1}\n\ndata: [DONE]\n\n",
        ),
        (
            "POST /serving-endpoints/bad/invocations ",
            "HTTP/1.1 403 Forbidden\r\nx-request-id: r2\r\n\r\n{\"error_code\":\"PERMISSION_DENIED\",\"message\":\"no\"}",
        ),
        ("GET /_brickyard/explain/", "HTTP/1.1 200 OK\r\n\r\nthe tree"),
    ]);
    let server_flags = ["--host", &server.host, "--token", "own"];
    let call = |endpoint| {
        let arguments: Vec<&str> =
            ["invoke", endpoint, "--stream", "{\"input\": \"x\"}"].into_iter().chain(server_flags).collect();
        brickyard(&arguments, &[])
    };
    assert_eq!(call("good"), (0, "{\"a\":1}\n\nthe tree\n".to_owned(), String::new()));
    assert!(server.seen()[0].ends_with(r#"{"input":"x","stream":true}"#));
    let (code, out, err) = call("bad");
    assert_eq!((code, out.as_str()), (1, "\nthe tree\n"));
    assert!(err.contains("403: PERMISSION_DENIED: no"), "{err}");
}

#[test]
fn text_takes_the_shape_of_the_endpoints_task() {
    for (task, expected) in [
        ("agent/v1/responses", r#"{"input":[{"content":"hi","role":"user"}]}"#),
        ("agent/v2/chat", r#"{"messages":[{"content":"hi","role":"user"}]}"#),
        ("llm/v1/chat", r#"{"messages":[{"content":"hi","role":"user"}]}"#),
        ("llm/v1/embeddings", r#"{"input":"hi"}"#),
        ("llm/v1/completions", r#"{"prompt":"hi"}"#),
    ] {
        assert_eq!(invoke::wrap(Some(task), "hi").expect("known").to_string(), expected);
    }
    assert_eq!(invoke::wrap(None, "hi"), None);
    assert!(invoke::object("{\"a\": ").is_err(), "what begins like an object and is none is a slip");
    assert!(invoke::object("\"text\"").expect("text").is_none());
}
