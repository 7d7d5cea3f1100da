//! Unity Catalog over REST: who sees what, who changes what, and in which words the others are refused.

mod changes;
mod functions;
mod information_schema;
mod new_tables;

use std::collections::BTreeMap;
use std::sync::Arc;

use brickyard_catalog::family;
use brickyard_catalog::unity::{
    Column, ColumnMask, CreateObject, Detail, NewObject, Object, ObjectKind, PolicyArgument, RowFilter,
    TableDetail, TableKind, Target,
};
use brickyard_testkit::{Kit, Reply};
use brickyard_types::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

const ADMIN: &str = "admin@example.com";
const ANA: &str = "ana@example.com";
const BEN: &str = "ben@example.com";
const CAROL: &str = "carol@example.com";

const YAML: &str = r#"
workspace: {id: "42", admins: [admin@example.com]}
users:
  - {user_name: admin@example.com}
  - {user_name: ana@example.com, groups: [analysts]}
  - {user_name: ben@example.com}
  - {user_name: carol@example.com}
groups: [{display_name: analysts}]
"#;

const UC: &str = "/api/2.1/unity-catalog";

fn column(name: &str, data_type: &str) -> Column {
    Column {
        name: name.to_owned(),
        data_type: data_type.parse().expect("a type"),
        nullable: true,
        comment: None,
        mask: None,
        default: None,
        identity: None,
        tags: Default::default(),
    }
}

/// Makes a table as its owner, without SQL.
async fn table(kit: &Kit, owner: &str, name: &str, detail: impl FnOnce(&mut TableDetail)) -> Arc<Object> {
    let (schema, name) = name.rsplit_once('.').expect("a full name");
    let catalog = &kit.workspace.catalog;
    let schema = {
        let unity = catalog.unity();
        unity.find(ObjectKind::Schema, &schema.parse().expect("a name")).expect("a schema").reference()
    };
    let action =
        CreateObject { parent: Target::new(schema, &family::SQL_STATEMENTS), kind: ObjectKind::Table };
    let permit = catalog.authorize_creator(&kit.principal(owner), action).expect("a permit");
    let mut table = TableDetail {
        table_kind: TableKind::Managed,
        columns: vec![column("id", "bigint"), column("ssn", "string"), column("region", "string")],
        view_query: None,
        view_context: (None, None),
        row_filter: None,
        location: None,
        format: Some("DELTA".to_owned()),
        options: BTreeMap::new(),
        primary_key: Vec::new(),
        primary_key_name: None,
        foreign_keys: Vec::new(),
    };
    detail(&mut table);
    let new = NewObject {
        name: name.to_owned(),
        uid: format!("uid-of-{name}").into(),
        comment: None,
        properties: BTreeMap::new(),
        detail: Detail::Table(table),
        at: Timestamp::UNIX_EPOCH,
    };
    catalog.create_object(&permit, new).await.expect("a table")
}

fn function(schema: &str, name: &str) -> Value {
    json!({"function_info": {
        "name": name, "catalog_name": "main", "schema_name": schema, "data_type": "LONG", "full_data_type": "BIGINT",
        "input_params": {"parameters": [
            {"name": "b", "type_text": "bigint", "type_name": "LONG", "position": 1},
            {"name": "a", "type_text": "bigint", "type_name": "LONG", "position": 0, "comment": "first"},
        ]},
        "routine_body": "SQL", "routine_definition": "a + b", "parameter_style": "S", "is_deterministic": true,
        "sql_data_access": "CONTAINS_SQL", "is_null_call": false, "security_type": "DEFINER", "specific_name": name,
    }})
}

async fn grant(kit: &Kit, what: &str, principal: &str, privileges: &[&str]) {
    let body = json!({"changes": [{"principal": principal, "add": privileges}]});
    let reply = kit.patch(&format!("{UC}/permissions/{what}"), &kit.token(ADMIN), &body).await;
    assert_eq!(reply.status, 200, "{what}: {}", reply.text);
}

/// `main.s` of Carol's with a table `t` and a function `f`; analysts may read `t`; Ben may use the schema.
async fn workspace() -> Kit {
    let kit = Kit::start(YAML).await;
    let admin = kit.token(ADMIN);
    let carol = kit.token(CAROL);
    for (path, who, body) in [
        ("catalogs", &admin, json!({"name": "main", "comment": "all of it"})),
        ("catalogs", &admin, json!({"name": "closed"})),
    ] {
        let reply = kit.post(&format!("{UC}/{path}"), who, &body).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
    }
    grant(&kit, "catalog/main", CAROL, &["USE_CATALOG", "CREATE_SCHEMA"]).await;
    let reply =
        kit.post(&format!("{UC}/schemas"), &carol, &json!({"name": "s", "catalog_name": "main"})).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    table(&kit, CAROL, "main.s.t", |_| {}).await;
    table(&kit, CAROL, "main.s.u", |_| {}).await;
    let reply = kit.post(&format!("{UC}/functions"), &carol, &function("s", "f")).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    grant(&kit, "catalog/main", "account users", &["USE_CATALOG"]).await;
    for who in ["analysts", BEN] {
        grant(&kit, "SCHEMA/main.s", who, &["USE_SCHEMA"]).await;
    }
    grant(&kit, "table/main.s.t", "analysts", &["SELECT"]).await;
    grant(&kit, "function/main.s.f", "analysts", &["EXECUTE"]).await;
    kit
}

fn shown(reply: &Reply) -> String {
    if reply.status < 400 { reply.status.to_string() } else { reply.refusal() }
}

#[tokio::test]
async fn everybody_is_answered_by_their_privileges_and_refused_in_databricks_words() {
    let kit = workspace().await;
    let get = Method::GET;
    let nothing = Value::Null;
    let comment = json!({"comment": "mine"});
    let table: [(&Method, &str, &Value, &str, &str); 42] = [
        (&get, "catalogs/main", &nothing, ANA, "200"),
        (
            &get,
            "catalogs/closed",
            &nothing,
            ANA,
            r#"403 "PERMISSION_DENIED" User does not have USE CATALOG on Catalog 'closed'."#,
        ),
        (
            &get,
            "catalogs/none",
            &nothing,
            ANA,
            r#"404 "CATALOG_DOES_NOT_EXIST" Catalog 'none' does not exist."#,
        ),
        (
            &get,
            "catalogs/a.b",
            &nothing,
            ANA,
            r#"400 "INVALID_PARAMETER_VALUE" 'a.b' is not the full name of a catalog: catalog"#,
        ),
        (&get, "schemas/main.s", &nothing, ANA, "200"),
        (
            &get,
            "schemas/main.default",
            &nothing,
            ANA,
            r#"403 "PERMISSION_DENIED" User does not have USE SCHEMA on Schema 'main.default'."#,
        ),
        (
            &get,
            "schemas/main.none",
            &nothing,
            ANA,
            r#"404 "SCHEMA_DOES_NOT_EXIST" Schema 'main.none' does not exist."#,
        ),
        (
            &get,
            "schemas/closed.none",
            &nothing,
            ANA,
            r#"403 "PERMISSION_DENIED" User does not have USE CATALOG on Catalog 'closed'."#,
        ),
        (&get, "tables/main.s.t", &nothing, ANA, "200"),
        (&get, "tables/MAIN.S.T", &nothing, ANA, "200"),
        (
            &get,
            "tables/main.s.u",
            &nothing,
            ANA,
            r#"403 "PERMISSION_DENIED" User does not have SELECT on Table 'main.s.u'."#,
        ),
        (
            &get,
            "tables/main.s.none",
            &nothing,
            ANA,
            r#"404 "TABLE_DOES_NOT_EXIST" Table 'main.s.none' does not exist."#,
        ),
        (
            &get,
            "tables/main.default.none",
            &nothing,
            ANA,
            r#"403 "PERMISSION_DENIED" User does not have USE SCHEMA on Schema 'main.default'."#,
        ),
        (
            &get,
            "tables/main.none.none",
            &nothing,
            ANA,
            r#"404 "SCHEMA_DOES_NOT_EXIST" Schema 'main.none' does not exist."#,
        ),
        (
            &get,
            "tables/none.none.none",
            &nothing,
            ANA,
            r#"404 "CATALOG_DOES_NOT_EXIST" Catalog 'none' does not exist."#,
        ),
        (
            &get,
            "tables/main.s",
            &nothing,
            ANA,
            r#"400 "INVALID_PARAMETER_VALUE" 'main.s' is not the full name of a table: catalog.schema.table"#,
        ),
        (
            &get,
            "tables/main.s.t",
            &nothing,
            BEN,
            r#"403 "PERMISSION_DENIED" User does not have SELECT on Table 'main.s.t'."#,
        ),
        (&get, "tables/main.s.t", &nothing, CAROL, "200"),
        (&get, "tables/main.s.t/exists", &nothing, ANA, "200"),
        (&get, "tables/main.s.none/exists", &nothing, ANA, "200"),
        (
            &get,
            "tables/main.s.t/exists",
            &nothing,
            BEN,
            r#"403 "PERMISSION_DENIED" User does not have SELECT on Table 'main.s.t'."#,
        ),
        (&get, "functions/main.s.f", &nothing, ANA, "200"),
        (
            &get,
            "functions/main.s.f",
            &nothing,
            BEN,
            r#"403 "PERMISSION_DENIED" User does not have EXECUTE on Routine or Model 'main.s.f'."#,
        ),
        (
            &get,
            "functions/main.s.none",
            &nothing,
            ANA,
            r#"404 "ROUTINE_DOES_NOT_EXIST" Routine or Model 'main.s.none' does not exist."#,
        ),
        (
            &get,
            "connections/none",
            &nothing,
            ANA,
            r#"404 "CONNECTION_DOES_NOT_EXIST" Connection 'none' does not exist."#,
        ),
        (
            &get,
            "volumes",
            &nothing,
            ANA,
            r#"501 "NOT_IMPLEMENTED" GET /api/2.1/unity-catalog/volumes is not emulated by brickyard"#,
        ),
        (
            &Method::POST,
            "catalogs",
            &json!({"name": "x"}),
            ANA,
            r#"403 "PERMISSION_DENIED" User does not have CREATE CATALOG on the metastore."#,
        ),
        (
            &Method::POST,
            "catalogs",
            &json!({"name": "Main"}),
            ADMIN,
            r#"400 "CATALOG_ALREADY_EXISTS" Catalog 'Main' already exists."#,
        ),
        (
            &Method::POST,
            "catalogs",
            &json!({"name": "a b"}),
            ADMIN,
            r#"400 "INVALID_PARAMETER_VALUE" "a b" is not a name of Unity Catalog: one to three parts of 1 to 255 characters, without control characters, spaces, dots or slashes"#,
        ),
        (
            &Method::POST,
            "catalogs",
            &json!({"name": "x", "share_name": "y"}),
            ADMIN,
            r#"501 "NOT_IMPLEMENTED" The field share_name is not emulated by brickyard"#,
        ),
        (
            &Method::POST,
            "catalogs",
            &json!({}),
            ADMIN,
            r#"400 "INVALID_PARAMETER_VALUE" Missing required field: name"#,
        ),
        (
            &Method::POST,
            "schemas",
            &json!({"name": "x", "catalog_name": "main"}),
            ANA,
            r#"403 "PERMISSION_DENIED" User does not have CREATE SCHEMA on Catalog 'main'."#,
        ),
        (
            &Method::POST,
            "tables",
            &json!({}),
            ADMIN,
            r#"400 "INVALID_PARAMETER_VALUE" Missing required field: name"#,
        ),
        (
            &Method::PATCH,
            "tables/main.s.t",
            &comment,
            ANA,
            r#"403 "PERMISSION_DENIED" User does not have MANAGE on Table 'main.s.t'."#,
        ),
        (&Method::PATCH, "tables/main.s.t", &comment, CAROL, "200"),
        (
            &Method::PATCH,
            "tables/main.s.t",
            &json!({}),
            CAROL,
            r#"400 "INVALID_PARAMETER_VALUE" Nothing to update"#,
        ),
        (
            &Method::PATCH,
            "tables/main.s.t",
            &json!({"owner": "nobody@example.com"}),
            CAROL,
            r#"404 "PRINCIPAL_DOES_NOT_EXIST" Could not find principal with name nobody@example.com"#,
        ),
        (
            &Method::DELETE,
            "schemas/main.s",
            &nothing,
            ANA,
            r#"403 "PERMISSION_DENIED" User does not have MANAGE on Schema 'main.s'."#,
        ),
        (
            &Method::DELETE,
            "schemas/main.s",
            &nothing,
            CAROL,
            r#"400 "INVALID_STATE" Schema 'main.s' is not empty: delete what is in it, or use force=true."#,
        ),
        (&Method::DELETE, "schemas/main.s?force=true", &nothing, CAROL, "200"),
        (
            &get,
            "tables/main.s.t",
            &nothing,
            CAROL,
            r#"404 "SCHEMA_DOES_NOT_EXIST" Schema 'main.s' does not exist."#,
        ),
        (&Method::DELETE, "catalogs/main", &nothing, ADMIN, "200"),
    ];
    for (method, path, body, who, expected) in table {
        let body = (!body.is_null()).then_some(body);
        let reply = kit.request(method.clone(), &format!("{UC}/{path}"), &kit.token(who), body).await;
        assert_eq!(shown(&reply), expected, "{who}: {method} {path}");
    }
}

#[tokio::test]
async fn a_token_opens_what_its_scopes_name() {
    let kit = workspace().await;
    let says = r#"403 403 Provided OAuth token does not have required scopes: unity-catalog"#;
    for (scopes, method, path, expected) in [
        ("catalog.tables:read", Method::GET, "tables/main.s.t", "200"),
        ("catalog.tables:read", Method::DELETE, "tables/main.s.t", says),
        ("catalog.tables:read", Method::GET, "catalogs/main", says),
        ("catalog.catalogs:read", Method::GET, "catalogs/main", "200"),
        ("catalog.catalogs:read", Method::PATCH, "catalogs/main", says),
        ("catalog.schemas:read", Method::GET, "schemas/main.s", "200"),
        ("catalog.connections", Method::GET, "connections", "200"),
        ("catalog.connections", Method::GET, "functions/main.s.f", says),
        ("unity-catalog", Method::GET, "functions/main.s.f", "200"),
        ("unity-catalog", Method::GET, "permissions/table/main.s.t", "200"),
        ("sql", Method::GET, "permissions/table/main.s.t", says),
    ] {
        let token = kit.scoped_token(ANA, scopes, SignedDuration::from_hours(1));
        let reply = kit.request(method.clone(), &format!("{UC}/{path}"), &token, None).await;
        assert_eq!(shown(&reply), expected, "{scopes}: {method} {path}");
    }
}

fn names(reply: &Reply, key: &str) -> Vec<String> {
    let json = reply.json();
    let items = json[key].as_array().unwrap_or_else(|| panic!("a list of {key}: {}", reply.text));
    items.iter().map(|item| item["full_name"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn a_list_shows_what_the_caller_sees_and_is_empty_where_that_is_nothing() {
    let kit = workspace().await;
    for (path, key, who, expected) in [
        ("catalogs", "catalogs", ADMIN, &["closed", "main"][..]),
        ("catalogs", "catalogs", ANA, &["main"]),
        (
            "schemas?catalog_name=main",
            "schemas",
            ADMIN,
            &["main.default", "main.information_schema", "main.s"],
        ),
        ("schemas?catalog_name=main", "schemas", ANA, &["main.information_schema", "main.s"]),
        ("schemas?catalog_name=closed", "schemas", ANA, &[]),
        ("tables?catalog_name=main&schema_name=s&max_results=0", "tables", CAROL, &["main.s.t", "main.s.u"]),
        ("tables?catalog_name=main&schema_name=s&max_results=0", "tables", ANA, &["main.s.t"]),
        ("tables?catalog_name=main&schema_name=s", "tables", BEN, &[]),
        (
            "table-summaries?catalog_name=main&table_name_pattern=%25",
            "tables",
            CAROL,
            &["main.s.t", "main.s.u"],
        ),
        ("table-summaries?catalog_name=main&table_name_pattern=U", "tables", CAROL, &["main.s.u"]),
        ("functions?catalog_name=main&schema_name=s", "functions", ANA, &["main.s.f"]),
        ("functions?catalog_name=main&schema_name=s", "functions", BEN, &[]),
        ("connections?max_results=0", "connections", ANA, &[]),
    ] {
        let reply = kit.get(&format!("{UC}/{path}"), &kit.token(who)).await;
        assert_eq!(names(&reply, key), expected, "{who}: {path}");
        assert!(reply.json().get("next_page_token").is_none(), "{path}");
    }
    let carol = kit.token(CAROL);
    let path = format!("{UC}/tables?catalog_name=main&schema_name=s&max_results=1");
    let first = kit.get(&path, &carol).await;
    assert_eq!(names(&first, "tables"), ["main.s.t"]);
    let token = first.json()["next_page_token"].as_str().expect("a next page").to_owned();
    let second = kit.get(&format!("{path}&page_token={token}"), &carol).await;
    assert_eq!(names(&second, "tables"), ["main.s.u"]);
    assert!(second.json().get("next_page_token").is_none());
    for bad in ["max_results=-1", "max_results=x", "page_token=***"] {
        let reply = kit.get(&format!("{UC}/catalogs?{bad}"), &carol).await;
        assert_eq!(reply.status, 400, "{bad}: {}", reply.text);
    }
}

#[tokio::test]
async fn a_table_is_shown_with_its_filter_and_its_masks() {
    let kit = workspace().await;
    let filter = {
        let unity = kit.workspace.catalog.unity();
        unity.find(ObjectKind::Function, &"main.s.f".parse().expect("a name")).expect("a function").id
    };
    table(&kit, CAROL, "main.s.masked", |table| {
        let function_name = "main.s.old_name".into();
        let arguments = vec![PolicyArgument::Column("region".to_owned())];
        table.row_filter = Some(RowFilter { function: filter, function_name, arguments });
        let arguments =
            vec![PolicyArgument::Column("region".to_owned()), PolicyArgument::Constant("'x'".to_owned())];
        table.columns[1].mask =
            Some(ColumnMask { function: filter, function_name: "main.s.f".into(), arguments });
        table.primary_key = vec!["id".to_owned()];
    })
    .await;
    let shown = kit.get(&format!("{UC}/tables/main.s.masked"), &kit.token(CAROL)).await.json();
    assert_eq!(
        shown,
        json!({
            "name": "masked", "catalog_name": "main", "schema_name": "s", "full_name": "main.s.masked",
            "table_id": "uid-of-masked", "table_type": "MANAGED", "data_source_format": "DELTA",
            "metastore_id": "00000000-0000-4000-8001-00000000002a", "properties": {},
            "owner": CAROL, "created_by": CAROL, "updated_by": CAROL, "created_at": 0, "updated_at": 0,
            "row_filter": {"function_name": "main.s.f", "input_column_names": ["region"]},
            "table_constraints": [{"primary_key_constraint": {"name": "masked_pk", "child_columns": ["id"]}}],
            "columns": [
                {"name": "id", "type_text": "bigint", "type_name": "LONG", "position": 0, "nullable": true,
                 "type_json": "{\"metadata\":{},\"name\":\"id\",\"nullable\":true,\"type\":\"long\"}"},
                {"name": "ssn", "type_text": "string", "type_name": "STRING", "position": 1, "nullable": true,
                 "type_json": "{\"metadata\":{},\"name\":\"ssn\",\"nullable\":true,\"type\":\"string\"}",
                 "mask": {"function_name": "main.s.f", "using_column_names": ["region"],
                          "using_arguments": [{"column": "region"}, {"constant": "'x'"}]}},
                {"name": "region", "type_text": "string", "type_name": "STRING", "position": 2, "nullable": true,
                 "type_json": "{\"metadata\":{},\"name\":\"region\",\"nullable\":true,\"type\":\"string\"}"},
            ],
        })
    );
    let list = format!("{UC}/tables?catalog_name=main&schema_name=s&omit_columns=true&omit_username=true");
    let listed = kit.get(&list, &kit.token(CAROL)).await.json();
    assert!(
        listed["tables"][0].get("columns").is_none() && listed["tables"][0].get("owner").is_none(),
        "{listed}"
    );
}

#[tokio::test]
async fn a_function_is_shown_as_clients_read_it() {
    let kit = workspace().await;
    let carol = kit.token(CAROL);
    let shown = kit.get(&format!("{UC}/functions/main.s.f"), &carol).await.json();
    for (key, expected) in [
        ("data_type", json!("LONG")),
        ("full_data_type", json!("BIGINT")),
        ("routine_body", json!("SQL")),
        ("routine_definition", json!("a + b")),
        ("security_type", json!("DEFINER")),
        ("specific_name", json!("f")),
        ("owner", json!(CAROL)),
    ] {
        assert_eq!(shown[key], expected, "{key}");
    }
    let first = &shown["input_params"]["parameters"][0];
    assert_eq!(
        (&first["name"], &first["position"], &first["type_text"], &first["type_name"], &first["comment"]),
        (&json!("a"), &json!(0), &json!("bigint"), &json!("LONG"), &json!("first"))
    );
    let mut bare = function("s", "bare");
    bare["function_info"]["input_params"] = json!({"parameters": []});
    bare["function_info"]["routine_body"] = json!("EXTERNAL");
    bare["function_info"]["external_language"] = json!("PYTHON");
    bare["function_info"]["routine_definition"] = json!("return 1");
    let bare = kit.post(&format!("{UC}/functions"), &carol, &bare).await.json();
    assert!(bare.get("input_params").is_none(), "UCFunctionToolkit fails on an empty list: {bare}");
    assert_eq!((&bare["routine_body"], &bare["external_language"]), (&json!("EXTERNAL"), &json!("Python")));

    let mut rows = function("s", "rows");
    rows["function_info"]["data_type"] = json!("TABLE_TYPE");
    rows["function_info"]["return_params"] =
        json!({"parameters": [{"name": "n", "type_text": "int", "type_name": "INT", "position": 0}]});
    let rows = kit.post(&format!("{UC}/functions"), &carol, &rows).await.json();
    assert_eq!((&rows["data_type"], &rows["full_data_type"]), (&json!("TABLE_TYPE"), &json!("(n INT)")));
    assert_eq!(rows["return_params"]["parameters"][0]["name"], "n");

    for (field, value, expected) in [
        ("routine_body", json!("JAVA"), 400),
        ("external_language", json!(null), 200),
        ("full_data_type", json!("wat"), 400),
        ("security_type", json!("INVOKER"), 400),
        ("routine_dependencies", json!({"dependencies": []}), 501),
        ("properties", json!("no json"), 400),
    ] {
        let mut body = function("s", &format!("f_{field}"));
        body["function_info"][field] = value;
        let reply = kit.post(&format!("{UC}/functions"), &carol, &body).await;
        assert_eq!(reply.status, expected, "{field}: {}", reply.text);
    }
    let reply = kit.post(&format!("{UC}/functions"), &kit.token(ANA), &function("s", "g")).await;
    assert_eq!(shown_error(&reply), "User does not have CREATE FUNCTION on Schema 'main.s'.");
}

fn shown_error(reply: &Reply) -> String {
    reply.json()["message"].as_str().unwrap_or_default().to_owned()
}
