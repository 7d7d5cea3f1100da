//! The Statement Execution API and the warehouses behind it, as clients call them.

mod function_tools;
mod results;
mod waiting;
mod warehouses;

use brickyard_testkit::Kit;
use brickyard_types::SignedDuration;
use serde_json::{Value, json};

const YAML: &str = r#"
workspace: {admins: [admin@example.com]}
users: [{user_name: admin@example.com}, {user_name: ana@example.com}, {user_name: ben@example.com}]
sql_warehouses:
  - id: w1
    name: Small
    permissions: [{user_name: ana@example.com, permission_level: CAN_USE}]
"#;
const STATEMENTS: &str = "/api/2.0/sql/statements";

async fn run(kit: &Kit, who: &str, body: Value) -> Value {
    let mut body = body;
    body["warehouse_id"] = json!("w1");
    let reply = kit.post(STATEMENTS, &kit.token(who), &body).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.json()
}

#[tokio::test]
async fn a_statement_answers_in_the_sdks_shape_with_and_without_a_slash() {
    let kit = Kit::start(YAML).await;
    let mut answer = run(&kit, "ana@example.com", json!({"statement": "SELECT 1 AS n, 'a' AS s"})).await;
    let id = answer["statement_id"].take();
    assert_eq!(
        answer,
        json!({
            "statement_id": null,
            "status": {"state": "SUCCEEDED"},
            "manifest": {
                "format": "JSON_ARRAY",
                "schema": {"column_count": 2, "columns": [
                    {"name": "n", "position": 0, "type_name": "INT", "type_text": "INT"},
                    {"name": "s", "position": 1, "type_name": "STRING", "type_text": "STRING"},
                ]},
                "total_chunk_count": 1, "total_row_count": 1, "total_byte_count": 11, "truncated": false,
                "chunks": [{"chunk_index": 0, "row_offset": 0, "row_count": 1, "byte_count": 11}],
            },
            "result": {"chunk_index": 0, "row_offset": 0, "row_count": 1, "byte_count": 11, "data_array": [["1", "a"]]},
        })
    );
    let ana = kit.token("ana@example.com");
    let path = format!("{STATEMENTS}/{}", id.as_str().expect("an id"));
    assert_eq!(kit.get(&path, &ana).await.json()["result"]["data_array"], json!([["1", "a"]]));
    assert_eq!(kit.get(&format!("{path}/result/chunks/0"), &ana).await.json()["row_count"], 1);
    assert_eq!(kit.get(&format!("{path}/result/chunks/1"), &ana).await.status, 400);
    let body = json!({"statement": "SELECT 1", "warehouse_id": "w1"});
    assert_eq!(kit.post(&format!("{STATEMENTS}/"), &ana, &body).await.status, 200);
    // Somebody else's is not there, and neither is one that was closed.
    let ben = kit.token("ben@example.com");
    for (method, path) in
        [("GET", path.clone()), ("POST", format!("{path}/cancel")), ("DELETE", path.clone())]
    {
        let method = method.parse().expect("a method");
        let reply = kit.request(method, &path, &ben, None).await;
        assert_eq!(reply.json()["error_code"], "RESOURCE_DOES_NOT_EXIST", "{path}");
    }
    assert_eq!(kit.delete(&path, &ana).await.status, 200);
    assert_eq!(kit.get(&path, &ana).await.json()["status"], json!({"state": "CLOSED"}));
}

#[tokio::test]
async fn what_is_wrong_inside_a_statement_is_failed_with_status_200() {
    let sql = "CREATE CATALOG main; CREATE SCHEMA main.s; CREATE TABLE main.s.t (a INT);
               GRANT USE CATALOG, USE SCHEMA ON CATALOG main TO `ana@example.com`";
    let kit = Kit::builder(YAML).sql(sql).start().await;
    for (statement, message, sql_state) in [
        (
            "SELECT * FROM main.s.t",
            "[INSUFFICIENT_PERMISSIONS] Insufficient privileges:\nUser does not have SELECT on Table 'main.s.t'. SQLSTATE: 42501",
            "42501",
        ),
        (
            "INSERT INTO main.s.t VALUES (1)",
            "[INSUFFICIENT_PERMISSIONS] Insufficient privileges:\nUser does not have MODIFY on Table 'main.s.t'. SQLSTATE: 42501",
            "42501",
        ),
        (
            "CREATE TABLE main.s.u (a INT)",
            "[INSUFFICIENT_PERMISSIONS] Insufficient privileges:\nUser does not have CREATE TABLE on Schema 'main.s'. SQLSTATE: 42501",
            "42501",
        ),
        (
            "CREATE CATALOG mine",
            "[INSUFFICIENT_PERMISSIONS] Insufficient privileges:\nUser does not have CREATE CATALOG on the metastore. SQLSTATE: 42501",
            "42501",
        ),
        (
            "SELECT * FORM main.s.t",
            "[PARSE_SYNTAX_ERROR] Syntax error at or near 'FORM'. SQLSTATE: 42601 (line 1, pos 9)",
            "42601",
        ),
        (
            "SELECT 1 +",
            "[PARSE_SYNTAX_ERROR] Syntax error at or near end of input. SQLSTATE: 42601 (line 1, pos 10)",
            "42601",
        ),
        (
            "SELECT * FROM main.s.nothing",
            "[TABLE_OR_VIEW_NOT_FOUND] The table or view `main`.`s`.`nothing` cannot be found. Verify the spelling and correctness of the schema and catalog. SQLSTATE: 42P01",
            "42P01",
        ),
    ] {
        let mut answer = run(&kit, "ana@example.com", json!({"statement": statement})).await;
        answer["statement_id"].take();
        let error = json!({"error_code": "BAD_REQUEST", "message": message});
        assert_eq!(
            answer,
            json!({
                "statement_id": null,
                "status": {"state": "FAILED", "error": error, "sql_state": sql_state},
            }),
            "{statement}: neither manifest nor result"
        );
    }
}

#[tokio::test]
async fn a_warehouse_opens_for_those_who_may_use_it() {
    let kit = Kit::start(YAML).await;
    let body = json!({"statement": "SELECT 1", "warehouse_id": "w1"});
    let reply = kit.post(STATEMENTS, &kit.token("ben@example.com"), &body).await;
    assert_eq!(
        reply.refusal(),
        "403 \"PERMISSION_DENIED\" ben@example.com is not authorized to use this SQL Endpoint. Please contact your administrator."
    );
    let ana = kit.token("ana@example.com");
    let unknown = json!({"statement": "SELECT 1", "warehouse_id": "w2"});
    assert_eq!(kit.post(STATEMENTS, &ana, &unknown).await.json()["error_code"], "RESOURCE_DOES_NOT_EXIST");
    let narrow = kit.scoped_token("ana@example.com", "genie", SignedDuration::from_hours(1));
    let reply = kit.post(STATEMENTS, &narrow, &body).await;
    assert_eq!(reply.refusal(), "403 403 Provided OAuth token does not have required scopes: sql");
}

#[tokio::test]
async fn a_link_is_fetched_without_a_token_for_a_quarter_of_an_hour() {
    let clock = std::sync::Arc::new(brickyard_types::ManualClock::at(
        brickyard_types::Timestamp::from_second(1_790_000_000).expect("a time"),
    ));
    let kit = Kit::builder(YAML).clock(std::sync::Arc::clone(&clock)).start().await;
    for (format, fetched) in [("JSON_ARRAY", Some(r#"[["1"]]"#)), ("ARROW_STREAM", None)] {
        let body = json!({"statement": "SELECT 1", "disposition": "EXTERNAL_LINKS", "format": format});
        let answer = run(&kit, "ana@example.com", body).await;
        let link = answer["result"]["external_links"][0]["external_link"].as_str().expect("a link");
        let path = link.strip_prefix(&kit.url).expect("a link to here");
        let reply = kit.get(path, "").await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert!(fetched.is_none_or(|fetched| reply.text == fetched), "{}", reply.text);
        let changed = path.replace("/0?", "/1?");
        assert_eq!(kit.get(&changed, "").await.status, 403);
        clock.advance(SignedDuration::from_mins(15));
        assert_eq!(kit.get(path, "").await.status, 403);
    }
}

#[tokio::test]
async fn a_session_remembers_where_it_is_and_is_its_openers() {
    let kit = Kit::start(YAML).await;
    let ana = kit.token("ana@example.com");
    let sessions = "/api/2.0/sql/sessions";
    let opened =
        kit.post(sessions, &ana, &json!({"warehouse_id": "w1", "schema": "information_schema"})).await;
    let id = opened.json()["session_id"].as_str().expect("an id").to_owned();
    let statement = json!({"statement": "SELECT current_schema()", "session_id": id});
    let answer = run(&kit, "ana@example.com", statement.clone()).await;
    assert_eq!(answer["result"]["data_array"], json!([["information_schema"]]), "{answer}");
    let strange = json!({"warehouse_id": "w1", "session_confs": {"spark.sql.magic": "on"}});
    assert_eq!(kit.post(sessions, &ana, &strange).await.status, 501);
    // C15 of the corpus: whoever learns its id is told that there is none.
    let mut anothers = statement.clone();
    anothers["warehouse_id"] = json!("w1");
    assert_eq!(kit.post(STATEMENTS, &kit.token("admin@example.com"), &anothers).await.status, 404);
    let path = format!("{sessions}/{id}");
    assert_eq!(kit.delete(&path, &kit.token("ben@example.com")).await.status, 404);
    assert_eq!(kit.delete(&path, &ana).await.status, 200);
    let mut gone = statement;
    gone["warehouse_id"] = json!("w1");
    assert_eq!(kit.post(STATEMENTS, &ana, &gone).await.status, 404);
}

/// Which rows a name has depends on where the session is; where it may not go, it does not.
#[tokio::test]
async fn names_are_looked_up_where_the_sessions_last_use_said() {
    let sql = "CREATE CATALOG main; CREATE SCHEMA main.s; CREATE TABLE main.s.t AS SELECT 'main' AS held;
               CREATE CATALOG other; CREATE SCHEMA other.s; CREATE TABLE other.s.t AS SELECT 'other' AS held;
               CREATE CATALOG closed; CREATE SCHEMA closed.s;
               GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG main TO `ana@example.com`;
               GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG other TO `ana@example.com`";
    let kit = Kit::builder(YAML).sql(sql).start().await;
    let ana = kit.token("ana@example.com");
    let opened = kit.post("/api/2.0/sql/sessions", &ana, &json!({"warehouse_id": "w1"})).await;
    let id = opened.json()["session_id"].as_str().expect("an id").to_owned();
    let said = async |text: &str| {
        let answer = run(&kit, "ana@example.com", json!({"statement": text, "session_id": id})).await;
        match answer["status"]["state"].as_str() {
            Some("SUCCEEDED") => answer["result"]["data_array"].to_string(),
            _ => answer["status"]["error"]["message"].as_str().unwrap_or_default().to_owned(),
        }
    };
    for (statement, answer) in [
        ("USE main.s", "null"),
        ("SELECT held FROM t", r#"[["main"]]"#),
        ("USE CATALOG other", "null"),
        ("SELECT current_catalog(), current_schema()", r#"[["other","default"]]"#),
        ("USE SCHEMA s", "null"),
        ("SELECT held FROM t", r#"[["other"]]"#),
        ("SELECT held FROM main.s.t", r#"[["main"]]"#),
        (
            "USE CATALOG closed",
            "[INSUFFICIENT_PERMISSIONS] Insufficient privileges:\nUser does not have USE CATALOG on Catalog 'closed'. SQLSTATE: 42501",
        ),
        (
            "USE closed.s",
            "[INSUFFICIENT_PERMISSIONS] Insufficient privileges:\nUser does not have USE CATALOG on Catalog 'closed'. SQLSTATE: 42501",
        ),
        ("SELECT held FROM t", r#"[["other"]]"#),
    ] {
        assert_eq!(said(statement).await, answer, "{statement}");
    }
    // Another statement of hers, outside the session, is where it always was.
    let outside =
        run(&kit, "ana@example.com", json!({"statement": "SELECT current_catalog(), current_schema()"}))
            .await;
    assert_eq!(outside["result"]["data_array"], json!([["main", "default"]]));
}

#[tokio::test]
async fn a_temporary_view_and_a_variable_stay_in_their_session() {
    let kit = Kit::start(YAML).await;
    let ana = kit.token("ana@example.com");
    let opened = kit.post("/api/2.0/sql/sessions", &ana, &json!({"warehouse_id": "w1"})).await;
    let id = opened.json()["session_id"].as_str().expect("an id").to_owned();
    let said = |text: &str| json!({"statement": text, "session_id": id});
    for made in
        ["CREATE TEMP VIEW v AS SELECT 1 AS x UNION ALL SELECT 2", "DECLARE VARIABLE least INT DEFAULT 1"]
    {
        let answer = run(&kit, "ana@example.com", said(made)).await;
        assert_eq!(answer["status"]["state"], "SUCCEEDED", "{answer}");
    }
    let mut read = said("SELECT x FROM v WHERE x > least");
    assert_eq!(run(&kit, "ana@example.com", read.clone()).await["result"]["data_array"], json!([["2"]]));
    // A statement that says where its names are looked up is of the same session.
    read["schema"] = json!("information_schema");
    assert_eq!(run(&kit, "ana@example.com", read).await["result"]["data_array"], json!([["2"]]));
    let outside = run(&kit, "ana@example.com", json!({"statement": "SELECT x FROM v"})).await;
    assert_eq!(outside["status"]["state"], "FAILED", "{outside}");
    let refused = run(&kit, "ana@example.com", json!({"statement": "CREATE TEMP VIEW v AS SELECT 1"})).await;
    let message = refused["status"]["error"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("POST /api/2.0/sql/sessions"), "{refused}");
}

#[tokio::test]
async fn more_statements_than_run_at_a_time_wait_their_turn_and_are_answered() {
    let kit = Kit::start(YAML).await;
    // 200 run at a time. Each of these has a connection of its own, and two ends of it are in this process.
    let asked = (0..300).map(|n| {
        let kit = &kit;
        async move {
            let body = json!({"statement": format!("SELECT {n}"), "wait_timeout": "50s"});
            (n, run(kit, "ana@example.com", body).await)
        }
    });
    for (n, answer) in futures_util::future::join_all(asked).await {
        assert_eq!(answer["result"]["data_array"], json!([[n.to_string()]]), "{answer}");
    }
}

#[tokio::test]
async fn a_table_that_is_dropped_over_rest_leaves_no_files() {
    let data = tempfile::tempdir().expect("a folder");
    let kit = Kit::builder(YAML).data_dir(data.path()).start().await;
    let admin = kit.token("admin@example.com");
    let folders = || {
        std::fs::read_dir(data.path().join("tables"))
            .map_or(0, |entries| entries.filter_map(Result::ok).count())
    };
    for statement in [
        "CREATE CATALOG c",
        "CREATE SCHEMA c.s",
        "CREATE TABLE c.s.one AS SELECT 1 AS n",
        "CREATE TABLE c.s.two AS SELECT 2 AS n",
    ] {
        let answer = run(&kit, "admin@example.com", json!({"statement": statement})).await;
        assert_eq!(answer["status"]["state"], "SUCCEEDED", "{answer}");
    }
    assert_eq!(folders(), 2);
    let reply = kit.delete("/api/2.1/unity-catalog/tables/c.s.one", &admin).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(folders(), 1);
    let reply = kit.delete("/api/2.1/unity-catalog/catalogs/c?force=true", &admin).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(folders(), 0);
}

#[tokio::test]
async fn what_is_explained_of_a_statement_says_which_policies_applied() {
    let kit = Kit::builder(YAML)
        .sql(
            "CREATE CATALOG c; CREATE SCHEMA c.s; CREATE TABLE c.s.t (id INT, email STRING); INSERT INTO c.s.t VALUES (1, 'a');
             CREATE FUNCTION c.s.seen(id INT) RETURNS BOOLEAN RETURN id < 5;
             CREATE FUNCTION c.s.hidden(email STRING) RETURNS STRING RETURN 'redacted';
             ALTER TABLE c.s.t SET ROW FILTER c.s.seen ON (id); ALTER TABLE c.s.t ALTER COLUMN email SET MASK c.s.hidden;
             GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG c TO `ana@example.com`",
        )
        .start()
        .await;
    let body = json!({"statement": "SELECT * FROM c.s.t", "warehouse_id": "w1"});
    let reply = kit.post(STATEMENTS, &kit.token("ana@example.com"), &body).await;
    assert_eq!(reply.json()["result"]["data_array"], json!([["1", "redacted"]]), "{}", reply.text);
    let explained = kit.explain(reply.request_id());
    for line in [
        "[ok] privilege: needs SELECT on Table 'c.s.t', has SELECT on Catalog 'c'",
        "[ok] row_filter: needs row filter on Table 'c.s.t', has applied c.s.seen",
        "[ok] column_mask: needs mask on column email of Table 'c.s.t', has applied c.s.hidden",
    ] {
        assert!(explained.lines().any(|one| one.trim() == line), "{line}:\n{explained}");
    }
}
