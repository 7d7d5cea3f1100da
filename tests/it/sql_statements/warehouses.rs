//! Warehouses: made, changed, stopped, given away, and what each permission level opens.

use brickyard_testkit::Kit;
use reqwest::Method;
use serde_json::{Value, json};

use super::{STATEMENTS, YAML, run};

const WAREHOUSES: &str = "/api/2.0/sql/warehouses";

#[tokio::test]
async fn a_warehouse_is_made_listed_changed_stopped_and_woken_by_a_statement() {
    let kit = Kit::start(YAML).await;
    let (admin, ana, ben) =
        (kit.token("admin@example.com"), kit.token("ana@example.com"), kit.token("ben@example.com"));
    assert_eq!(kit.post(WAREHOUSES, &ana, &json!({"name": "mine"})).await.status, 403);
    let made = kit.post(WAREHOUSES, &admin, &json!({"name": "big", "cluster_size": "Large"})).await;
    let path = format!("{WAREHOUSES}/{}", made.json()["id"].as_str().expect("an id"));
    let twice = kit.post(WAREHOUSES, &admin, &json!({"name": "big"})).await;
    assert_eq!(twice.json()["error_code"], "RESOURCE_ALREADY_EXISTS");
    let shown = kit.get(&path, &admin).await.json();
    assert_eq!(
        (&shown["name"], &shown["cluster_size"], &shown["state"]),
        (&json!("big"), &json!("Large"), &json!("RUNNING"))
    );
    assert_eq!(shown["creator_name"], "admin@example.com");
    let names = async |token: &str| -> Vec<Value> {
        let list = kit.get(WAREHOUSES, token).await.json();
        list["warehouses"].as_array().expect("a list").iter().map(|one| one["name"].clone()).collect()
    };
    assert_eq!(names(&ana).await, [json!("Small")]);
    assert!(names(&ben).await.is_empty());
    assert_eq!(kit.get(&path, &ana).await.status, 403);
    assert_eq!(kit.post(&format!("{path}/edit"), &admin, &json!({"name": "huge"})).await.status, 200);
    assert_eq!(kit.get(&path, &admin).await.json()["cluster_size"], "Large");
    assert_eq!(kit.post(&format!("{WAREHOUSES}/w1/stop"), &ana, &json!({})).await.status, 403);
    assert_eq!(kit.post(&format!("{WAREHOUSES}/w1/stop"), &admin, &json!({})).await.status, 200);
    assert_eq!(kit.get(&format!("{WAREHOUSES}/w1"), &ana).await.json()["state"], "STOPPED");
    run(&kit, "ana@example.com", json!({"statement": "SELECT 1"})).await;
    assert_eq!(kit.get(&format!("{WAREHOUSES}/w1"), &ana).await.json()["state"], "RUNNING");
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
async fn the_list_of_warehouses_comes_at_once_or_in_pages() {
    let yaml = "workspace: {admins: [admin@example.com]}\nusers: [{user_name: ana@example.com}]\nsql_warehouses: [\
                {id: a}, {id: b, permissions: [{user_name: ana@example.com, permission_level: CAN_VIEW}]}, {id: c}, \
                {id: d, permissions: [{user_name: ana@example.com, permission_level: CAN_USE}]}, {id: e}]";
    let kit = Kit::start(yaml).await;
    for (who, query, pages) in [
        ("admin@example.com", "", &["a b c d e"][..]),
        ("admin@example.com", "page_size=2", &["a b", "c d", "e"]),
        ("admin@example.com", "page_size=0", &["a b c d e"]),
        ("ana@example.com", "page_size=1", &["b", "d"]),
    ] {
        let token = kit.token(who);
        let (mut found, mut next) = (Vec::new(), String::new());
        loop {
            let page = kit.get(&format!("{WAREHOUSES}?{query}{next}"), &token).await.json();
            let ids =
                page["warehouses"].as_array().expect("a list").iter().filter_map(|one| one["id"].as_str());
            found.push(ids.collect::<Vec<_>>().join(" "));
            match page.get("next_page_token") {
                Some(token) => next = format!("&page_token={}", token.as_str().expect("a token")),
                None => break,
            }
        }
        assert_eq!(found, pages, "{who} {query}");
    }
    for wrong in ["page_size=-1", "page_size=many", "page_token=%25"] {
        assert_eq!(
            kit.get(&format!("{WAREHOUSES}?{wrong}"), &kit.token("ana@example.com")).await.status,
            400
        );
    }
}

const LEVELS: [&str; 5] = ["CAN_VIEW", "CAN_MONITOR", "CAN_USE", "CAN_MANAGE", "IS_OWNER"];

/// The whole policy of a warehouse on one page.
#[tokio::test]
async fn each_permission_level_opens_what_databricks_says_and_no_more() {
    let person = |level: &str| format!("{}@example.com", level.to_lowercase());
    let people: String = LEVELS.iter().map(|level| format!("{{user_name: {}}}, ", person(level))).collect();
    let yaml = format!(
        "workspace: {{admins: [admin@example.com]}}\n\
         users: [{{user_name: nobody@example.com}}, {{user_name: late@example.com}}, {people}]\n\
         sql_warehouses: [{{id: w1, name: Small}}]\n"
    );
    let kit = Kit::start(&yaml).await;
    let admin = kit.token("admin@example.com");
    let permissions = "/api/2.0/permissions/warehouses/w1";
    let entry = |who: String, level: &str| json!({"user_name": who, "permission_level": level});
    let all: Vec<Value> = LEVELS.iter().map(|level| entry(person(level), level)).collect();
    let set = kit.put(permissions, &admin, &json!({"access_control_list": all})).await;
    assert_eq!(set.status, 200, "{}", set.text);

    let one = format!("{WAREHOUSES}/w1");
    let late = json!({"access_control_list": [entry("late@example.com".to_owned(), "CAN_VIEW")]});
    let actions = [
        ("see", Method::GET, one.clone(), None),
        (
            "run",
            Method::POST,
            STATEMENTS.to_owned(),
            Some(json!({"statement": "SELECT 1", "warehouse_id": "w1"})),
        ),
        ("start", Method::POST, format!("{one}/start"), Some(json!({}))),
        ("stop", Method::POST, format!("{one}/stop"), Some(json!({}))),
        ("edit", Method::POST, format!("{one}/edit"), Some(json!({"auto_stop_mins": 20}))),
        ("read acl", Method::GET, permissions.to_owned(), None),
        ("change acl", Method::PATCH, permissions.to_owned(), Some(late)),
    ];
    let line = |first: &str, cells: Vec<String>| {
        let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:<11}")).collect();
        format!("{first:<12}{}", cells.concat().trim_end())
    };
    let mut page = vec![line("", actions.iter().map(|(name, ..)| (*name).to_owned()).collect())];
    for level in ["nobody"].iter().chain(&LEVELS) {
        let token = kit.token(&person(level));
        let mut cells = Vec::new();
        for (_, method, path, body) in &actions {
            let reply = kit.request(method.clone(), path, &token, body.as_ref()).await;
            cells.push(reply.status.to_string());
        }
        let listed = kit.get(WAREHOUSES, &token).await.json()["warehouses"].as_array().map_or(0, Vec::len);
        assert_eq!(listed, usize::from(*level != "nobody"), "{level}: who may see it has it in the list");
        page.push(line(level, cells));
    }
    insta::assert_snapshot!(page.join("\n"), @"
                see        run        start      stop       edit       read acl   change acl
    nobody      403        403        403        403        403        403        403
    CAN_VIEW    200        403        403        403        403        403        403
    CAN_MONITOR 200        403        403        403        403        403        403
    CAN_USE     200        200        200        403        403        403        403
    CAN_MANAGE  200        200        200        200        200        200        200
    IS_OWNER    200        200        200        200        200        200        200
    ");

    // What is set replaces what was there; whoever made it and the admins keep theirs.
    let only = json!({"access_control_list": [entry("late@example.com".to_owned(), "CAN_USE")]});
    let set = kit.put(permissions, &admin, &only).await.json();
    let mut held: Vec<String> = (set["access_control_list"].as_array().expect("a list").iter())
        .map(|one| {
            let who = one["user_name"].as_str().or(one["group_name"].as_str()).unwrap_or_default();
            let levels = one["all_permissions"].as_array().expect("permissions").iter();
            let levels: Vec<&str> = levels.filter_map(|one| one["permission_level"].as_str()).collect();
            format!("{who} {}", levels.join("+"))
        })
        .collect();
    held.sort();
    assert_eq!(held, ["admin@example.com IS_OWNER", "admins CAN_MANAGE", "late@example.com CAN_USE"]);
    for level in LEVELS {
        assert_eq!(kit.get(&one, &kit.token(&person(level))).await.status, 403, "{level}");
    }
    let refused = kit
        .patch(
            permissions,
            &admin,
            &json!({"access_control_list": [entry("late@example.com".to_owned(), "CAN_QUERY")]}),
        )
        .await;
    assert_eq!(
        refused.refusal(),
        "400 \"INVALID_PARAMETER_VALUE\" CAN_QUERY is not a permission level of a SQL warehouse; its levels are CAN_VIEW, CAN_MONITOR, CAN_USE, CAN_MANAGE, IS_OWNER"
    );
}
