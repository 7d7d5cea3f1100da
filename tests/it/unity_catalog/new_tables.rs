//! Tables made and dropped over REST, and what somebody reads of their own rights on the metastore.

use reqwest::Method;
use serde_json::{Value, json};

use super::{ADMIN, ANA, BEN, CAROL, UC, grant, shown, shown_error, workspace};

fn wanted(name: &str) -> Value {
    json!({
        "name": name, "catalog_name": "main", "schema_name": "s", "table_type": "MANAGED", "data_source_format": "DELTA",
        "comment": "made by a client",
        "columns": [
            {"name": "id", "type_text": "bigint", "type_name": "LONG", "position": 0, "nullable": false},
            {"name": "price", "type_text": "decimal(10,2)", "type_name": "DECIMAL", "position": 1, "comment": "net"},
        ],
    })
}

#[tokio::test]
async fn a_managed_table_is_made_with_its_columns_and_goes_with_its_schema() {
    let kit = workspace().await;
    let (admin, carol) = (kit.token(ADMIN), kit.token(CAROL));
    let tables = format!("{UC}/tables");
    let made = kit.post(&tables, &carol, &wanted("priced")).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let read = kit.get(&format!("{tables}/main.s.priced"), &carol).await.json();
    assert_eq!((&read["table_type"], &read["data_source_format"]), (&json!("MANAGED"), &json!("DELTA")));
    assert_eq!(
        (&read["columns"][0]["nullable"], &read["columns"][1]["comment"]),
        (&json!(false), &json!("net"))
    );
    assert_eq!(read["columns"][1]["type_text"], "decimal(10,2)");

    let again = kit.post(&tables, &carol, &wanted("Priced")).await;
    assert_eq!(shown(&again), r#"400 "TABLE_ALREADY_EXISTS" Table 'main.s.priced' already exists."#);
    let twice = kit.request(Method::DELETE, &format!("{tables}/main.s.priced"), &carol, None).await;
    assert_eq!(twice.status, 200, "{}", twice.text);
    assert_eq!(kit.post(&tables, &carol, &wanted("priced")).await.status, 200, "the name is free again");
    let gone = kit.delete(&format!("{UC}/schemas/main.s?force=true"), &admin).await;
    assert_eq!(gone.status, 200, "{}", gone.text);
}

#[tokio::test]
async fn a_table_that_cannot_be_made_is_refused_by_name() {
    let kit = workspace().await;
    let carol = kit.token(CAROL);
    let tables = format!("{UC}/tables");
    let with = |field: &str, value: Value| {
        let mut body = wanted("x");
        body[field] = value;
        body
    };
    for (body, says) in [
        (with("table_type", json!("EXTERNAL")), "MANAGED"),
        (with("table_type", json!("CHAIR")), "table_type is no type of table"),
        (with("data_source_format", json!("CSV")), "data_source_format"),
        (with("storage_location", json!("s3://x")), "storage_location"),
        (with("view_definition", json!("SELECT 1")), "view_definition"),
        (with("columns", json!([{"name": "a"}])), "columns.type_text"),
        (with("columns", json!([{"name": "a", "type_text": "chair"}])), "no SQL type"),
        (
            with("columns", json!([{"name": "a", "type_text": "int"}, {"name": "A", "type_text": "int"}])),
            "already exists",
        ),
        (with("columns", json!([{"name": "a", "type_text": "int", "mask": {"function_name": "f"}}])), "mask"),
        (with("schema_name", json!("nothing")), "does not exist"),
    ] {
        let reply = kit.post(&tables, &carol, &body).await;
        assert!(reply.status >= 400 && reply.text.contains(says), "{says}: {}", reply.text);
    }
    let refused = kit.post(&tables, &kit.token(BEN), &wanted("x")).await;
    assert_eq!(shown_error(&refused), "User does not have CREATE TABLE on Schema 'main.s'.");
    let schema = json!({"name": "Information_Schema", "catalog_name": "main"});
    assert_eq!(kit.post(&format!("{UC}/schemas"), &kit.token(ADMIN), &schema).await.status, 400);
}

#[tokio::test]
async fn whoever_may_only_make_catalogs_reads_that_of_the_metastore() {
    let kit = workspace().await;
    let admin = kit.token(ADMIN);
    let summary = kit.get(&format!("{UC}/metastore_summary"), &admin).await.json();
    let metastore = format!("metastore/{}", summary["metastore_id"].as_str().expect("an id"));
    grant(&kit, &metastore, ANA, &["CREATE_CATALOG"]).await;
    grant(&kit, &metastore, BEN, &["CREATE_CONNECTION"]).await;
    let own = kit.get(&format!("{UC}/permissions/{metastore}"), &kit.token(ANA)).await;
    assert_eq!(
        own.json()["privilege_assignments"],
        json!([{"principal": ANA, "privileges": ["CREATE_CATALOG"]}]),
        "{}",
        own.text
    );
    assert_eq!(kit.get(&format!("{UC}/permissions/{metastore}"), &kit.token(CAROL)).await.status, 403);
}
