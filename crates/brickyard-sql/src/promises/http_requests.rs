//! Calling out through a connection. The service outside is a small HTTP server of the test, or a stand-in.

use std::sync::Arc;

use brickyard_catalog::unity::{Object, SealedOption};
use brickyard_catalog::{Permit, ReadSecret};
use brickyard_types::{Secret, SqlType};
use parking_lot::Mutex;

use super::workspace::Workspace;
use crate::Parameter;
use crate::outside::{HttpRequest, HttpResponse, Outside};

const TOKEN: &str = "xoxb-very-secret";

/// Seals by turning text around, and answers every request with what it was.
#[derive(Default)]
struct Echo {
    bearers: Mutex<Vec<String>>,
}

impl Outside for Echo {
    fn seal(&self, connection: &str, option: &str, value: &[u8]) -> SealedOption {
        let turned: String = String::from_utf8_lossy(value).chars().rev().collect();
        SealedOption(format!("{connection}/{option}/{turned}"))
    }

    fn open(&self, connection: &Object, option: &str) -> Result<Option<Secret>, String> {
        let Some(sealed) = connection.connection().and_then(|detail| detail.sealed.get(option)) else {
            return Ok(None);
        };
        let turned =
            sealed.0.strip_prefix(&format!("{}/{option}/", connection.uid)).ok_or("it does not open")?;
        Ok(Some(Secret::new(turned.chars().rev().collect::<String>())))
    }

    fn secret(&self, permit: &Permit<ReadSecret>) -> Result<Secret, String> {
        if permit.on().key.as_str() == "slack" {
            Ok(Secret::new(TOKEN))
        } else {
            Err("it is not there".to_owned())
        }
    }

    fn send(&self, request: HttpRequest) -> Result<HttpResponse, String> {
        let bearer = request.bearer.as_ref().and_then(|bearer| bearer.expose_str().map(str::to_owned));
        self.bearers.lock().extend(bearer);
        if request.url.contains("/down") {
            return Err("nobody answered in time".to_owned());
        }
        let status = if request.url.contains("/missing") { 404 } else { 200 };
        let text = format!(
            "{} {} {:?} {:?} {:?}",
            request.method, request.url, request.query, request.headers, request.json
        );
        Ok(HttpResponse { status, text, mcp_session: None })
    }
}

async fn workspace() -> (Workspace, Arc<Echo>) {
    let w = Workspace::with_sales().await;
    let echo = Arc::new(Echo::default());
    w.sql.connect(echo.clone());
    w.set_up(&format!(
        "CREATE CONNECTION slack TYPE HTTP OPTIONS (host 'https://slack.example', port '443', base_path '/api/', bearer_token '{TOKEN}') COMMENT 'chat';
         GRANT USE CONNECTION ON CONNECTION slack TO `bob@x`"
    ))
    .await;
    (w, echo)
}

#[tokio::test]
async fn a_request_is_made_through_the_connection_with_its_token() {
    let (w, echo) = workspace().await;
    let plain = "SELECT http_request(conn => 'slack', method => 'GET', path => '/users.list').status_code";
    assert_eq!(w.ask(&w.bob, plain).await.unwrap(), ["200"]);
    assert_eq!(*echo.bearers.lock(), [TOKEN]);
    let all = "SELECT r.status_code, r.text FROM (SELECT http_request(json => '{\"a\":1}', PARAMS => map('q', 'x y'), \
               headers => map('Accept', 'a/b', 'X-N', '1'), path => 'chat', Method => 'post', conn => 'Slack') AS r)";
    assert_eq!(
        w.ask(&w.bob, all).await.unwrap(),
        [
            r#"200|POST https://slack.example:443/api/chat [("q", "x y")] [("Accept", "a/b"), ("X-N", "1")] Some("{\"a\":1}")"#
        ]
    );
    let named = [Parameter { name: "c".into(), value: Some("slack".into()), data_type: SqlType::String }];
    let marker = "SELECT http_request(conn => :c, method => 'GET', path => '/missing').status_code";
    assert_eq!(w.ask_with(&w.bob, marker, &named, &mut Vec::new()).await.unwrap(), ["404"]);
    let rows = "SELECT http_request(conn => 'slack', method => 'GET', path => concat('/o/', id)).status_code FROM main.sales.orders";
    assert_eq!(w.ask(&w.bob, rows).await.unwrap().len(), 4, "one request a row");
}

#[tokio::test]
async fn nobody_calls_out_without_use_connection_except_through_a_function_of_its_owner() {
    let (w, echo) = workspace().await;
    let direct = "SELECT http_request(conn => 'slack', method => 'GET', path => '/x').status_code";
    let mut traces = Vec::new();
    let refused = w.ask_with(&w.ana, direct, &[], &mut traces).await.unwrap_err();
    assert!(refused.contains("USE CONNECTION on Connection 'slack'"), "{refused}");
    assert!(traces.last().unwrap().first_failing().is_some(), "the refusal is in the trace");
    assert!(echo.bearers.lock().is_empty(), "nothing was sent");
    w.set_up(
        "CREATE FUNCTION main.sales.ping(p STRING) RETURNS INT
             RETURN http_request(conn => 'slack', method => 'GET', path => '/' || p).status_code;
         GRANT EXECUTE ON FUNCTION main.sales.ping TO `ana@x`",
    )
    .await;
    assert_eq!(w.ask(&w.ana, "SELECT main.sales.ping('missing')").await.unwrap(), ["404"]);
    assert!(w.ask(&w.ana, direct).await.is_err(), "the function lends nothing to the rest of the statement");
    assert!(w.ask(&w.ana, &direct.replace("slack", "nothing")).await.is_err());
}

#[tokio::test]
async fn a_token_is_in_no_answer_error_or_trace() {
    let (w, _) = workspace().await;
    let mut said = Vec::new();
    for statement in [
        "DESCRIBE CONNECTION slack",
        "DESCRIBE CONNECTION EXTENDED slack",
        "SHOW CONNECTIONS",
        "EXPLAIN SELECT http_request(conn => 'slack', method => 'GET', path => '/x')",
        "SELECT http_request(conn => 'slack', method => 'GET', path => '/down')",
        "SELECT http_request(conn => 'slack', method => 'GET', path => '/x')",
        &format!("CREATE CONNECTION slack TYPE HTTP OPTIONS (host 'https://x', bearer_token '{TOKEN}')"),
        &format!("CREATE CONNECTION other TYPE NOTHING OPTIONS (host 'https://x', bearer_token '{TOKEN}')"),
    ] {
        let mut traces = Vec::new();
        said.push(format!("{:?} {traces:?}", w.ask_with(&w.ada, statement, &[], &mut traces).await));
        said.push(format!("{traces:?}"));
    }
    assert!(said.iter().all(|text| !text.contains(TOKEN)), "{said:?}");
    let unity = w.catalog.unity();
    let slack =
        unity.find(brickyard_catalog::unity::ObjectKind::Connection, &"slack".parse().unwrap()).unwrap();
    let kept = serde_json::to_string(&**slack).unwrap();
    assert!(!kept.contains(TOKEN) && kept.contains("slack.example"), "what the journal keeps is sealed");
}

#[tokio::test]
async fn a_token_comes_from_a_secret_scope_for_who_may_read_it() {
    let (w, echo) = workspace().await;
    w.set_up("GRANT CREATE CONNECTION ON METASTORE TO `ana@x`").await;
    let create = "CREATE CONNECTION IF NOT EXISTS mine TYPE HTTP OPTIONS (host 'https://x', bearer_token secret('s', 'slack'))";
    let refused = w.ask(&w.ana, create).await.unwrap_err();
    assert!(!refused.contains(TOKEN), "{refused}");
    assert!(w.ask(&w.ana, "SELECT http_request(conn => 'mine', method => 'GET', path => '')").await.is_err());
    let public = "CREATE CONNECTION shown TYPE HTTP OPTIONS (host secret('s', 'slack'))";
    assert!(w.ask(&w.ada, public).await.unwrap_err().contains("as a literal"));
    w.set_up("ALTER CONNECTION slack OPTIONS (bearer_token 'new')").await;
    w.ask(&w.bob, "SELECT http_request(conn => 'slack', method => 'GET', path => '')").await.unwrap();
    assert_eq!(*echo.bearers.lock(), ["new"]);
}

#[tokio::test]
async fn what_is_wrong_with_a_call_is_said_by_name() {
    let (w, echo) = workspace().await;
    for (arguments, says) in [
        ("conn => 'slack', method => 'GET'", "needs a value for its parameter `path`"),
        (
            "conn => 'slack', method => 'GET', path => '/', path => '/'",
            "`path` of `http_request` is given twice",
        ),
        ("conn => 'slack', method => 'GET', path => '/', body => 'x'", "no parameter `body`"),
        ("'slack', 'GET', '/'", "named arguments only"),
        ("conn => concat('sl', 'ack'), method => 'GET', path => '/'", "a STRING constant"),
        ("conn => 'slack', method => 'TRACE', path => '/'", "the method 'TRACE'"),
        ("conn => 'slack', method => 'GET', path => '/../x'", "base_path"),
        (
            "conn => 'slack', method => 'GET', path => '/', headers => map('Authorization', 'x')",
            "'Authorization' is the connection's",
        ),
        ("conn => 'slack', method => 'GET', path => '/', headers => 'x'", "headers of http_request is a MAP"),
        ("conn => 'slack', method => 'GET', path => NULL", "may not be NULL"),
        ("conn => 'slack', method => 'GET', path => '/down'", "nobody answered in time"),
        ("conn => 'nothing', method => 'GET', path => '/'", "nothing"),
    ] {
        let refused = w.ask(&w.bob, &format!("SELECT http_request({arguments})")).await.unwrap_err();
        assert!(refused.contains(says), "{arguments}: {refused}");
    }
    assert_eq!(echo.bearers.lock().len(), 1, "only one of them was sent");
    let never = "SELECT CASE WHEN is_member('nobody') THEN get_field(http_request(conn => 'slack', method => 'GET', path => '/x'), 'text') END";
    assert_eq!(w.ask(&w.bob, never).await.unwrap(), ["NULL"]);
    assert_eq!(echo.bearers.lock().len(), 1, "a branch that is not taken sends nothing");
}
