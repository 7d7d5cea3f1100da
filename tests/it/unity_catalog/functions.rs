//! Functions that REST makes: called, changed, given away, dropped.

use brickyard_testkit::Kit;
use serde_json::{Value, json};

use super::{ADMIN, ANA, BEN, CAROL, UC, function, grant, shown};

const YAML: &str = r#"
workspace: {admins: [admin@example.com]}
users: [{user_name: admin@example.com}, {user_name: ana@example.com}, {user_name: ben@example.com}, {user_name: carol@example.com}]
sql_warehouses: [{id: w1, permissions: [{group_name: users, permission_level: CAN_USE}]}]
"#;

const SQL: &str = "
CREATE CATALOG main;
CREATE SCHEMA main.s;
CREATE TABLE main.s.t AS SELECT * FROM VALUES (1L, 'one'), (2L, 'two') AS v(id, word);
GRANT USE CATALOG, USE SCHEMA ON CATALOG main TO `account users`;
GRANT CREATE FUNCTION, SELECT ON SCHEMA main.s TO `carol@example.com`;
";

/// The rows, or the message of what is wrong.
async fn ask(kit: &Kit, who: &str, statement: &str) -> Value {
    let body = json!({"statement": statement, "warehouse_id": "w1"});
    let answer = kit.post("/api/2.0/sql/statements", &kit.token(who), &body).await.json();
    let said = if answer["status"]["state"] == "SUCCEEDED" {
        &answer["result"]["data_array"]
    } else {
        &answer["status"]["error"]["message"]
    };
    said.clone()
}

#[tokio::test]
async fn a_function_that_rest_made_is_called_in_sql_by_whoever_may_execute_it() {
    let kit = Kit::builder(YAML).sql(SQL).start().await;
    let carol = kit.token(CAROL);
    let mut python = function("s", "shout");
    for (key, value) in [
        ("data_type", json!("STRING")),
        ("full_data_type", json!("STRING")),
        ("routine_body", json!("EXTERNAL")),
        ("external_language", json!("Python")),
        ("routine_definition", json!("return word.upper() + mark")),
        (
            "input_params",
            json!({"parameters": [
                {"name": "word", "type_text": "string", "type_name": "STRING", "position": 0},
                {"name": "mark", "type_text": "string", "type_name": "STRING", "position": 1, "parameter_default": "'!'"},
            ]}),
        ),
    ] {
        python["function_info"][key] = value;
    }
    let mut rows = function("s", "words");
    for (key, value) in [
        ("data_type", json!("TABLE_TYPE")),
        ("full_data_type", json!("TABLE_TYPE")),
        (
            "return_params",
            json!({"parameters": [{"name": "word", "type_text": "string", "type_name": "STRING", "position": 0}]}),
        ),
        ("routine_definition", json!("SELECT word FROM t WHERE id BETWEEN a AND b ORDER BY id")),
        ("sql_data_access", json!("READS_SQL_DATA")),
    ] {
        rows["function_info"][key] = value;
    }
    let mut broken = function("s", "broken");
    broken["function_info"]["routine_definition"] = json!("a + nothing");
    for body in [function("s", "f"), python, rows, broken] {
        let reply = kit.post(&format!("{UC}/functions"), &carol, &body).await;
        assert_eq!(reply.status, 200, "{body}: {}", reply.text);
    }
    for name in ["f", "shout", "words", "broken"] {
        grant(&kit, &format!("function/main.s.{name}"), ANA, &["EXECUTE"]).await;
    }
    // `words` reads the table with Carol's right; neither Ana nor Ben may read it.
    for (statement, rows) in [
        ("SELECT main.s.f(40, 2)", json!([["42"]])),
        ("SELECT main.s.f(a => 40, b => 2)", json!([["42"]])),
        ("SELECT main.s.shout('hey')", json!([["HEY!"]])),
        ("SELECT main.s.shout('hey', '?')", json!([["HEY?"]])),
        ("SELECT * FROM main.s.words(1, 2)", json!([["one"], ["two"]])),
    ] {
        assert_eq!(ask(&kit, ANA, statement).await, rows, "{statement}");
        let refused = ask(&kit, BEN, statement).await;
        assert!(refused.to_string().contains("User does not have EXECUTE on Routine or Model"), "{refused}");
    }
    let refused = ask(&kit, ANA, "SELECT * FROM main.s.t").await;
    assert!(refused.to_string().contains("User does not have SELECT on Table 'main.s.t'."), "{refused}");
    let wrong = ask(&kit, ANA, "SELECT main.s.broken(1, 2)").await;
    assert!(wrong.to_string().contains("nothing"), "{wrong}");
}

#[tokio::test]
async fn a_function_is_changed_and_dropped_by_whoever_manages_it() {
    let kit = Kit::builder(YAML).sql(SQL).start().await;
    let (admin, ana, ben, carol) = (kit.token(ADMIN), kit.token(ANA), kit.token(BEN), kit.token(CAROL));
    kit.post(&format!("{UC}/functions"), &carol, &function("s", "f")).await;
    let path = format!("{UC}/functions/main.s.f");
    grant(&kit, "function/main.s.f", ANA, &["EXECUTE"]).await;
    let no_manage = r#"403 "PERMISSION_DENIED" User does not have MANAGE on Routine or Model 'main.s.f'."#;
    let give = json!({"owner": ANA});
    assert_eq!(shown(&kit.patch(&path, &ana, &give).await), no_manage);
    assert_eq!(shown(&kit.delete(&path, &ana).await), no_manage);
    assert_eq!(
        shown(&kit.patch(&format!("{UC}/functions/main.s.g"), &carol, &give).await),
        r#"404 "ROUTINE_DOES_NOT_EXIST" Routine or Model 'main.s.g' does not exist."#
    );
    let nobody = kit.patch(&path, &carol, &json!({"owner": "nobody@example.com"})).await;
    assert_eq!(
        shown(&nobody),
        r#"404 "PRINCIPAL_DOES_NOT_EXIST" Could not find principal with name nobody@example.com"#
    );
    // The owner may give it away, and holds nothing of it then.
    let given = kit.patch(&path, &carol, &give).await;
    assert_eq!((given.status, &given.json()["owner"]), (200, &json!(ANA)), "{}", given.text);
    assert_eq!(given.json()["updated_by"], CAROL);
    assert_eq!(kit.get(&path, &ana).await.json()["owner"], ANA);
    let refused = ask(&kit, CAROL, "SELECT main.s.f(1, 2)").await;
    assert!(refused.to_string().contains("User does not have EXECUTE on Routine or Model"), "{refused}");
    assert_eq!(ask(&kit, ANA, "SELECT main.s.f(1, 2)").await, json!([["3"]]));

    assert_eq!(shown(&kit.delete(&path, &ben).await), no_manage);
    let gone = kit.delete(&format!("{path}?force=true"), &ana).await;
    assert_eq!((gone.status, gone.json()), (200, json!({})));
    assert_eq!(
        shown(&kit.get(&path, &admin).await),
        r#"404 "ROUTINE_DOES_NOT_EXIST" Routine or Model 'main.s.f' does not exist."#
    );
    let absent = ask(&kit, ANA, "SELECT main.s.f(1, 2)").await;
    assert!(absent.to_string().contains("UNRESOLVED_ROUTINE"), "{absent}");
    // Its grants went with it: one that comes later under the same name is not Ana's.
    kit.post(&format!("{UC}/functions"), &carol, &function("s", "f")).await;
    assert_eq!(kit.get(&path, &ana).await.status, 403);
}
