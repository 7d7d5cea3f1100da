//! The Statement Execution API and the warehouses behind it, as clients call them.

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
    let kit = Kit::builder(YAML).allow_refusals().start().await;
    let answer =
        run(&kit, "ana@example.com", json!({"statement": "SELECT * FROM main.default.nothing"})).await;
    assert_eq!(answer["status"]["state"], "FAILED", "{answer}");
    assert_eq!(answer["status"]["error"]["error_code"], "BAD_REQUEST", "{answer}");
    assert!(answer["status"]["sql_state"].is_string() && answer.get("manifest").is_none(), "{answer}");
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
    let path = format!("{sessions}/{id}");
    assert_eq!(kit.delete(&path, &kit.token("ben@example.com")).await.status, 404);
    assert_eq!(kit.delete(&path, &ana).await.status, 200);
    let mut gone = statement;
    gone["warehouse_id"] = json!("w1");
    assert_eq!(kit.post(STATEMENTS, &ana, &gone).await.status, 404);
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
async fn a_warehouse_is_made_listed_changed_stopped_and_woken_by_a_statement() {
    let kit = Kit::start(YAML).await;
    let (admin, ana, ben) =
        (kit.token("admin@example.com"), kit.token("ana@example.com"), kit.token("ben@example.com"));
    let warehouses = "/api/2.0/sql/warehouses";
    assert_eq!(kit.post(warehouses, &ana, &json!({"name": "mine"})).await.status, 403);
    let made = kit.post(warehouses, &admin, &json!({"name": "big", "cluster_size": "Large"})).await;
    let path = format!("{warehouses}/{}", made.json()["id"].as_str().expect("an id"));
    let twice = kit.post(warehouses, &admin, &json!({"name": "big"})).await;
    assert_eq!(twice.json()["error_code"], "RESOURCE_ALREADY_EXISTS");
    let shown = kit.get(&path, &admin).await.json();
    assert_eq!(
        (&shown["name"], &shown["cluster_size"], &shown["state"]),
        (&json!("big"), &json!("Large"), &json!("RUNNING"))
    );
    assert_eq!(shown["creator_name"], "admin@example.com");
    let names = async |token: &str| -> Vec<Value> {
        let list = kit.get(warehouses, token).await.json();
        list["warehouses"].as_array().expect("a list").iter().map(|one| one["name"].clone()).collect()
    };
    assert_eq!(names(&ana).await, [json!("Small")]);
    assert!(names(&ben).await.is_empty());
    assert_eq!(kit.get(&path, &ana).await.status, 403);
    assert_eq!(kit.post(&format!("{path}/edit"), &admin, &json!({"name": "huge"})).await.status, 200);
    assert_eq!(kit.get(&path, &admin).await.json()["cluster_size"], "Large");
    assert_eq!(kit.post(&format!("{warehouses}/w1/stop"), &ana, &json!({})).await.status, 403);
    assert_eq!(kit.post(&format!("{warehouses}/w1/stop"), &admin, &json!({})).await.status, 200);
    assert_eq!(kit.get(&format!("{warehouses}/w1"), &ana).await.json()["state"], "STOPPED");
    run(&kit, "ana@example.com", json!({"statement": "SELECT 1"})).await;
    assert_eq!(kit.get(&format!("{warehouses}/w1"), &ana).await.json()["state"], "RUNNING");
    assert_eq!(kit.delete(&path, &admin).await.status, 200);
    assert_eq!(kit.get(&path, &admin).await.status, 404);
    // What was made and what was given away is there after a restart.
    let kit = kit.restart().await;
    run(&kit, "ana@example.com", json!({"statement": "SELECT 1"})).await;
}

#[tokio::test]
async fn the_permissions_of_a_warehouse_have_two_addresses() {
    let kit = Kit::start(YAML).await;
    let (admin, ben) = (kit.token("admin@example.com"), kit.token("ben@example.com"));
    let list =
        json!({"access_control_list": [{"user_name": "ben@example.com", "permission_level": "CAN_USE"}]});
    let changed = kit.patch("/api/2.0/permissions/warehouses/w1", &admin, &list).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let read = kit.get("/api/2.0/permissions/sql/warehouses/w1", &admin).await.json();
    assert_eq!(read, changed.json());
    assert!(read.to_string().contains("IS_OWNER"), "{read}");
    let body = json!({"statement": "SELECT 1", "warehouse_id": "w1"});
    assert_eq!(kit.post(STATEMENTS, &ben, &body).await.status, 200);
    assert_eq!(kit.get("/api/2.0/permissions/sql/warehouses/w1/permissionLevels", &admin).await.status, 200);
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
