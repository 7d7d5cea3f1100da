//! Grants, connections, and what stays when a name or an owner changes.

use std::sync::Arc;

use brickyard_catalog::unity::ObjectKind;
use brickyard_testkit::{Kit, Reply};
use serde_json::json;

use super::{ADMIN, ANA, BEN, CAROL, UC, YAML, grant, shown, shown_error, workspace};

#[tokio::test]
async fn grants_are_read_by_whoever_manages_and_ones_own_by_whoever_sees() {
    let kit = workspace().await;
    let read = async |path: &str, who: &str| kit.get(&format!("{UC}/{path}"), &kit.token(who)).await;
    let assignments = |reply: &Reply| reply.json()["privilege_assignments"].clone();

    grant(&kit, "TABLE/main.s.t", BEN, &["MODIFY", "SELECT"]).await;
    let all = json!([
        {"principal": "analysts", "privileges": ["SELECT"]},
        {"principal": BEN, "privileges": ["SELECT", "MODIFY"]},
    ]);
    for kind in ["table", "TABLE", "Table"] {
        assert_eq!(assignments(&read(&format!("permissions/{kind}/main.s.t"), CAROL).await), all, "{kind}");
    }
    assert_eq!(assignments(&read("privilege-assignments/table/main.s.t", CAROL).await), all);
    let own = json!([{"principal": "analysts", "privileges": ["SELECT"]}]);
    assert_eq!(assignments(&read("permissions/table/main.s.t", ANA).await), own);
    let mine = format!("permissions/table/main.s.t?principal={BEN}");
    assert_eq!(
        assignments(&read(&mine, CAROL).await),
        json!([{"principal": BEN, "privileges": ["SELECT", "MODIFY"]}])
    );
    assert_eq!(
        assignments(&read("permissions/catalog/main", BEN).await),
        json!([{"principal": "account users", "privileges": ["USE_CATALOG"]}])
    );

    grant(&kit, "schema/main.s", "analysts", &["SELECT"]).await;
    for route in ["effective-permissions", "effective-privilege-assignments"] {
        let reply = read(&format!("{route}/table/main.s.t?principal=analysts"), CAROL).await;
        let expected = json!([{"principal": "analysts", "privileges": [
            {"privilege": "SELECT"},
            {"privilege": "SELECT", "inherited_from_type": "SCHEMA", "inherited_from_name": "main.s"},
        ]}]);
        assert_eq!(assignments(&reply), expected, "{route}");
    }
    let path = "privilege-assignments/table/main.s.t?page_size=1";
    let first = read(path, CAROL).await.json();
    let token = first["next_page_token"].as_str().expect("a next page").to_owned();
    let second = read(&format!("{path}&page_token={token}"), CAROL).await;
    assert_eq!(assignments(&second)[0]["principal"], BEN);

    // That somebody is shown their own is no refusal.
    let reply = read("permissions/table/main.s.t", ANA).await;
    assert!(!kit.explain(reply.request_id()).contains("MANAGE"), "{}", kit.explain(reply.request_id()));

    let change = |principal: &str, add: &str| json!({"changes": [{"principal": principal, "add": [add]}]});
    for (path, who, body, expected) in [
        (
            "permissions/table/main.s.t",
            ANA,
            change(ANA, "SELECT"),
            r#"403 "PERMISSION_DENIED" User does not have MANAGE on Table 'main.s.t'."#,
        ),
        (
            "permissions/table/main.s.t",
            CAROL,
            change("x@y.z", "SELECT"),
            r#"404 "PRINCIPAL_DOES_NOT_EXIST" Could not find principal with name x@y.z"#,
        ),
        (
            "permissions/table/main.s.t",
            CAROL,
            change(ANA, "EXECUTE"),
            r#"400 "INVALID_PARAMETER_VALUE" Privilege EXECUTE is not applicable to Table 'main.s.t'."#,
        ),
        (
            "permissions/table/main.s.t",
            CAROL,
            change(ANA, "FLY"),
            r#"400 "INVALID_PARAMETER_VALUE" "FLY" is not a privilege of Unity Catalog."#,
        ),
        (
            "permissions/volume/main.s.v",
            CAROL,
            change(ANA, "SELECT"),
            r#"501 "NOT_IMPLEMENTED" The securable type volume is not emulated by brickyard"#,
        ),
        (
            "permissions/chair/main.s.v",
            CAROL,
            change(ANA, "SELECT"),
            r#"400 "INVALID_PARAMETER_VALUE" "chair" is not a securable type"#,
        ),
        (
            "permissions/metastore/elsewhere",
            ADMIN,
            change(ANA, "CREATE_CATALOG"),
            r#"404 "METASTORE_DOES_NOT_EXIST" Metastore 'elsewhere' does not exist."#,
        ),
        (
            "permissions/metastore/00000000-0000-4000-8001-00000000002a",
            ADMIN,
            change(ANA, "CREATE_CATALOG"),
            "200",
        ),
    ] {
        let reply = kit.patch(&format!("{UC}/{path}"), &kit.token(who), &body).await;
        assert_eq!(shown(&reply), expected, "{who}: {path}");
    }
    let reply = kit.post(&format!("{UC}/catalogs"), &kit.token(ANA), &json!({"name": "anas"})).await;
    assert_eq!(
        (reply.status, &reply.json()["owner"]),
        (200, &json!(ANA)),
        "the grant counts: {}",
        reply.text
    );
    let back = json!({"changes": [{"principal": BEN, "remove": ["SELECT", "MODIFY"]}]});
    let reply = kit.patch(&format!("{UC}/permissions/table/main.s.t"), &kit.token(CAROL), &back).await;
    assert_eq!(assignments(&reply), own);
}

#[tokio::test]
async fn a_connections_secrets_are_sealed_and_never_shown() {
    let kit = workspace().await;
    let admin = kit.token(ADMIN);
    let canary = "canary-3c9e";
    let body = json!({
        "name": "weather", "connection_type": "HTTP", "comment": "outside",
        "options": {"host": "https://api.example.com", "port": "443", "bearer_token": canary, "made_up": canary},
    });
    let made = kit.post(&format!("{UC}/connections"), &admin, &body).await;
    assert_eq!(made.status, 200, "{}", made.text);
    assert_eq!(made.json()["options"], json!({"host": "https://api.example.com", "port": "443"}));
    assert_eq!(made.json()["credential_type"], "BEARER_TOKEN");

    let change = json!({"options": {"port": "8443"}});
    let changed = kit.patch(&format!("{UC}/connections/weather"), &admin, &change).await;
    let read = kit.get(&format!("{UC}/connections/weather"), &admin).await;
    let listed = kit.get(&format!("{UC}/connections"), &admin).await;
    let bad =
        json!({"name": "w", "connection_type": "HTTP", "options": {"host": "h", "bearer_token": [canary]}});
    let refused = kit.post(&format!("{UC}/connections"), &admin, &bad).await;
    assert_eq!(shown(&refused), r#"400 "INVALID_PARAMETER_VALUE" The option bearer_token is not a string"#);
    let object = {
        let unity = kit.workspace.catalog.unity();
        Arc::clone(
            unity.find(ObjectKind::Connection, &"weather".parse().expect("a name")).expect("a connection"),
        )
    };
    for text in [&made.text, &changed.text, &read.text, &listed.text, &refused.text, &format!("{object:?}")] {
        assert!(!text.contains(canary), "{text}");
    }
    assert_eq!(read.json()["options"]["port"], "8443");
    let open = |option| {
        brickyard::routes::unity_catalog::connections::secret_option(&kit.workspace, &object, option)
    };
    let opened = open("bearer_token").expect("it opens").expect("it is there");
    assert_eq!(opened.expose(), canary.as_bytes(), "a secret that is not sent again stays");
    assert!(open("host").expect("no trouble").is_none());

    let ana = kit.token(ANA);
    let path = format!("{UC}/connections/weather");
    assert_eq!(
        shown_error(&kit.get(&path, &ana).await),
        "User does not have USE CONNECTION on Connection 'weather'."
    );
    grant(&kit, "connection/weather", ANA, &["USE_CONNECTION"]).await;
    assert_eq!(kit.get(&path, &ana).await.status, 200);
    assert_eq!(
        shown_error(&kit.delete(&path, &ana).await),
        "User does not have MANAGE on Connection 'weather'."
    );
    assert_eq!(
        shown_error(&kit.post(&format!("{UC}/connections"), &ana, &body).await),
        "User does not have CREATE CONNECTION on the metastore."
    );
    assert_eq!(kit.delete(&path, &admin).await.status, 200);
}

#[tokio::test]
async fn an_object_keeps_its_grants_when_its_name_or_owner_changes() {
    let kit = workspace().await;
    let (admin, carol, ana) = (kit.token(ADMIN), kit.token(CAROL), kit.token(ANA));
    let path = format!("{UC}/catalogs/main");
    let renamed =
        kit.patch(&path, &admin, &json!({"new_name": "prod", "properties": {"a": "b"}})).await.json();
    assert_eq!((&renamed["name"], &renamed["properties"]), (&json!("prod"), &json!({"a": "b"})));
    assert_eq!(kit.get(&format!("{UC}/tables/prod.s.t"), &ana).await.status, 200);
    assert_eq!(shown_error(&kit.get(&path, &ana).await), "Catalog 'main' does not exist.");

    let given = kit.patch(&format!("{UC}/schemas/prod.s"), &carol, &json!({"owner": "analysts"})).await;
    assert_eq!((given.status, &given.json()["owner"]), (200, &json!("analysts")), "{}", given.text);
    // Ana is an analyst; what is inside a schema is managed by whoever owns the schema.
    let reply = kit.delete(&format!("{UC}/tables/prod.s.u"), &ana).await;
    assert_eq!(reply.status, 200, "{}", reply.text);

    let summary = kit.get(&format!("{UC}/metastore_summary"), &ana).await.json();
    let assignment = kit.get(&format!("{UC}/current-metastore-assignment"), &ana).await.json();
    assert_eq!(summary["metastore_id"], assignment["metastore_id"]);
    assert_eq!(assignment["workspace_id"], 42);
}

#[tokio::test]
async fn comments_and_properties_are_read_back_of_each_kind() {
    let kit = workspace().await;
    let admin = kit.token(ADMIN);
    let body = json!({"name": "crm", "connection_type": "HTTP", "options": {"host": "http://localhost"}});
    let made = kit.post(&format!("{UC}/connections"), &admin, &body).await;
    assert_eq!(made.status, 200, "{}", made.text);
    for (path, properties) in [
        ("catalogs/main", json!({"a": "1", "b.c": "2"})),
        ("schemas/main.s", json!({"a": "1", "b.c": "2"})),
        ("tables/main.s.t", json!({"a": "1", "b.c": "2"})),
        ("functions/main.s.f", json!(null)),
        ("connections/crm", json!({"a": "1", "b.c": "2"})),
    ] {
        let path = format!("{UC}/{path}");
        let mut change = json!({"comment": "what it's for"});
        if !properties.is_null() {
            change["properties"] = properties.clone();
        }
        let changed = kit.patch(&path, &admin, &change).await;
        assert_eq!(changed.status, 200, "{path}: {}", changed.text);
        for shown in [changed.json(), kit.get(&path, &admin).await.json()] {
            assert_eq!(shown["comment"], "what it's for", "{path}");
            assert_eq!(shown["properties"], properties, "{path}");
            assert_eq!(shown["updated_by"], ADMIN, "{path}");
        }
        // A change of one thing leaves the others, and properties that are sent take the place of all there were.
        let mut less = json!({"comment": ""});
        if !properties.is_null() {
            less["properties"] = json!({"b.c": "3"});
        }
        assert_eq!(kit.patch(&path, &admin, &less).await.status, 200, "{path}");
        let owned = kit.patch(&path, &admin, &json!({"owner": CAROL})).await;
        assert_eq!(owned.status, 200, "{path}: {}", owned.text);
        let shown = kit.get(&path, &admin).await.json();
        assert_eq!((shown.get("comment"), &shown["owner"]), (None, &json!(CAROL)), "{path}");
        assert_eq!(shown["properties"], less["properties"], "{path}");
    }
}

#[tokio::test]
async fn who_only_browses_is_shown_what_there_is_where_that_is_asked_for_and_no_text_of_it() {
    let kit = Kit::builder(YAML)
        .sql(
            "CREATE CATALOG main; CREATE SCHEMA main.s; CREATE TABLE main.s.t (id INT); CREATE CATALOG closed;
             CREATE VIEW main.s.v AS SELECT 'canary' AS c;
             CREATE FUNCTION main.s.g(x STRING) RETURNS STRING LANGUAGE PYTHON AS $$ return x + 'canary' $$;
             CREATE FUNCTION main.s.h(x STRING) RETURNS BOOLEAN RETURN x = 'canary';
             GRANT USE CATALOG, USE SCHEMA, BROWSE ON CATALOG main TO `ben@example.com`;
             GRANT BROWSE ON CATALOG closed TO `ben@example.com`",
        )
        .start()
        .await;
    let (admin, ben) = (kit.token(ADMIN), kit.token(BEN));
    let read = async |path: &str, token: &str| kit.get(&format!("{UC}/{path}"), token).await;
    let objects = [
        ("catalogs/closed", "User does not have USE CATALOG on Catalog 'closed'."),
        ("schemas/closed.default", "User does not have USE CATALOG on Catalog 'closed'."),
        ("tables/main.s.v", "User does not have SELECT on Table 'main.s.v'."),
        ("functions/main.s.g", "User does not have EXECUTE on Routine or Model 'main.s.g'."),
        ("functions/main.s.h", "User does not have EXECUTE on Routine or Model 'main.s.h'."),
    ];
    for (path, refusal) in objects {
        for asked in ["", "?include_browse=false"] {
            assert_eq!(shown_error(&read(&format!("{path}{asked}"), &ben).await), refusal, "{path}{asked}");
        }
        let shown = read(&format!("{path}?include_browse=true"), &ben).await;
        assert_eq!(
            (shown.status, &shown.json()["browse_only"]),
            (200, &json!(true)),
            "{path}: {}",
            shown.text
        );
        assert!(!shown.text.contains("canary") && !shown.text.contains("_definition"), "{}", shown.text);
        let whole = read(path, &admin).await;
        assert_eq!(whole.json().get("browse_only"), None, "{}", whole.text);
        assert_eq!(whole.text.contains("canary"), whole.text.contains("_definition"), "{}", whole.text);
    }
    for (path, key, without, with) in [
        ("catalogs", "catalogs", 1, 2),
        ("tables?catalog_name=main&schema_name=s", "tables", 0, 2),
        ("functions?catalog_name=main&schema_name=s", "functions", 0, 2),
    ] {
        let join = if path.contains('?') { '&' } else { '?' };
        for (asked, count) in
            [("", without), ("include_browse=false", without), ("include_browse=true", with)]
        {
            let listed = read(&format!("{path}{join}{asked}"), &ben).await;
            assert_eq!(
                listed.json()[key].as_array().map(Vec::len),
                Some(count),
                "{path} {asked}: {}",
                listed.text
            );
            assert!(!listed.text.contains("canary"), "{}", listed.text);
        }
    }
    // Who may use it reads its text: clients run it on their own.
    for (what, privilege) in [("function/main.s.g", "EXECUTE"), ("table/main.s.v", "SELECT")] {
        grant(&kit, what, BEN, &[privilege]).await;
    }
    for path in ["functions/main.s.g", "tables/main.s.v"] {
        let shown = read(path, &ben).await;
        assert!(shown.text.contains("canary") && shown.json().get("browse_only").is_none(), "{}", shown.text);
    }
    // Another privilege shows that it is there, without its text.
    grant(&kit, "function/main.s.h", BEN, &["APPLY_TAG"]).await;
    let shown = read("functions/main.s.h", &ben).await;
    assert_eq!((shown.status, shown.json().get("browse_only")), (200, None), "{}", shown.text);
    assert!(!shown.text.contains("canary"), "{}", shown.text);
}
