//! `information_schema` over REST: listed and read like any schema, by whoever may use the catalog.

use serde_json::Value;

use super::{ADMIN, BEN, UC, workspace};

fn names(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(|item| item["name"].as_str()).collect()
}

#[tokio::test]
async fn the_information_schema_is_listed_and_read_though_no_object_stands_behind_it() {
    let kit = workspace().await;
    let admin = kit.token(ADMIN);
    let schemas = kit.get(&format!("{UC}/schemas?catalog_name=main&max_results=0"), &admin).await.json();
    assert!(names(&schemas["schemas"]).contains(&"information_schema"), "{schemas}");
    let schema = kit.get(&format!("{UC}/schemas/main.information_schema"), &admin).await.json();
    assert_eq!(schema["owner"], "System user", "{schema}");
    let list = format!("{UC}/tables?catalog_name=main&schema_name=information_schema&max_results=0");
    let tables = kit.get(&list, &admin).await.json();
    assert!(names(&tables["tables"]).contains(&"row_filters"), "{tables}");
    // Page by page comes the same.
    let (mut paged, mut token) = (Vec::new(), String::new());
    loop {
        let page = format!(
            "{UC}/tables?catalog_name=main&schema_name=information_schema&max_results=5&page_token={token}"
        );
        let page = kit.get(&page, &admin).await.json();
        paged.extend(names(&page["tables"]).into_iter().map(str::to_owned));
        match page["next_page_token"].as_str() {
            Some(next) => token = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(paged, names(&tables["tables"]));
    let table = kit.get(&format!("{UC}/tables/main.information_schema.tables"), &admin).await.json();
    assert_eq!(table["full_name"], "main.information_schema.tables");
    assert_eq!(
        (&table["table_type"], &table["columns"][0]["name"]),
        (&"VIEW".into(), &"table_catalog".into())
    );
    assert_eq!(kit.get(&format!("{UC}/tables/main.information_schema.nothing"), &admin).await.status, 404);
    assert_eq!(kit.delete(&format!("{UC}/schemas/main.information_schema"), &admin).await.status, 404);
}

#[tokio::test]
async fn who_may_not_use_a_catalog_is_shown_no_information_schema() {
    let kit = workspace().await;
    let ben = kit.token(BEN);
    let schemas = kit.get(&format!("{UC}/schemas?catalog_name=closed"), &ben).await;
    assert!(!schemas.text.contains("information_schema"), "{}", schemas.text);
    for path in ["schemas/closed.information_schema", "tables/closed.information_schema.tables"] {
        assert_eq!(kit.get(&format!("{UC}/{path}"), &ben).await.status, 403, "{path}");
    }
}
