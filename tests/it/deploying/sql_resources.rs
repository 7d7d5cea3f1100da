//! Tables, functions and SQL warehouses as declared resources: the creator is checked, the service principal gets just
//! those, and loses them with the endpoint or with the creator's right.

use brickyard_catalog::unity::{ExecuteFunction, ObjectKind, ReadGrants, SelectTable, Target};
use brickyard_catalog::{Asker, UseWarehouse, family};
use brickyard_testkit::Kit;
use brickyard_types::Principal;
use serde_json::{Value, json};

use super::{CAROL, ENDPOINTS, create, declaring, ready, state};

const WORKSPACE: &str = r#"
workspace: {admins: [admin@example.com]}
users: [{user_name: ana@example.com}, {user_name: carol@example.com}]
sql_warehouses:
  - {id: demo, name: Demo, permissions: [{user_name: carol@example.com, permission_level: CAN_USE}]}
  - {id: closed}
"#;

const SALES: &str = "
CREATE CATALOG IF NOT EXISTS main;
CREATE SCHEMA IF NOT EXISTS main.sales;
USE main.sales;
CREATE TABLE IF NOT EXISTS orders (id INT);
CREATE TABLE IF NOT EXISTS refunds (id INT);
CREATE TABLE IF NOT EXISTS salaries (id INT);
CREATE OR REPLACE FUNCTION twice(x INT) RETURNS INT RETURN x * 2;
CREATE OR REPLACE FUNCTION hidden(x INT) RETURNS INT RETURN x;
GRANT USE CATALOG ON CATALOG main TO `carol@example.com`;
GRANT USE SCHEMA ON SCHEMA main.sales TO `carol@example.com`;
GRANT SELECT ON TABLE orders TO `carol@example.com`;
GRANT SELECT ON TABLE refunds TO `carol@example.com`;
GRANT EXECUTE ON FUNCTION twice TO `carol@example.com`;
-- What everybody may, a service principal that declared nothing may not.
GRANT SELECT ON TABLE refunds TO `users`;
";

fn declared() -> Value {
    json!({"sql_warehouse": [{"name": "demo"}], "table": [{"name": "main.sales.orders"}], "function": [{"name": "main.sales.twice"}]})
}

fn system_principal(kit: &Kit, endpoint: &str) -> Principal {
    let view = kit.workspace.serving.endpoint(&endpoint.parse().expect("a name")).expect("an endpoint");
    let config = view.endpoint.active.clone().expect("active");
    config.entities[0].system_principal.clone().expect("a service principal")
}

fn selects(kit: &Kit, who: &Principal, table: &str) -> Result<(), String> {
    let catalog = &kit.workspace.catalog;
    let object = catalog
        .unity()
        .find(ObjectKind::Table, &table.parse().expect("a name"))
        .expect("a table")
        .reference();
    let action = SelectTable(Target::new(object, &family::SQL_STATEMENTS));
    catalog.authorize_as(&Asker::Principal(who), action).map(|_| ()).map_err(|denied| denied.message())
}

fn executes(kit: &Kit, who: &Principal) -> bool {
    let catalog = &kit.workspace.catalog;
    let path = "main.sales.twice".parse().expect("a name");
    let object = catalog.unity().find(ObjectKind::Function, &path).expect("a function").reference();
    let action = ExecuteFunction(Target::new(object, &family::SQL_STATEMENTS));
    catalog.authorize_as(&Asker::Principal(who), action).is_ok()
}

fn uses(kit: &Kit, who: &Principal, warehouse: &str) -> bool {
    let warehouse = kit.workspace.warehouses.find(warehouse).expect("a warehouse");
    kit.workspace.catalog.authorize_as(&Asker::Principal(who), UseWarehouse(warehouse)).is_ok()
}

#[tokio::test]
async fn a_creator_who_may_not_read_a_declared_table_is_told_so_with_all_else_that_is_missing() {
    let kit = Kit::builder(WORKSPACE).sql(SALES).start().await;
    let wanted = json!({
        "sql_warehouse": [{"name": "closed"}, {"name": "nowhere"}],
        "table": [{"name": "main.sales.salaries"}, {"name": "main.sales.nothing"}, {"name": "orders"}],
        "function": [{"name": "main.sales.thrice"}, {"name": "main.sales.hidden"}],
    });
    let refused = create(&kit, CAROL, "greedy", vec![declaring("greedy", wanted)]).await.refusal();
    for part in [
        "table main.sales.salaries: User does not have SELECT on Table 'main.sales.salaries'.",
        "table main.sales.nothing: Table 'main.sales.nothing' does not exist.",
        "table orders: Table 'orders' does not exist.",
        "function main.sales.thrice: Function 'main.sales.thrice' does not exist.",
        "function main.sales.hidden: User does not have EXECUTE on Routine or Model 'main.sales.hidden'.",
        "sql_warehouse nowhere: SQL warehouse 'nowhere' does not exist.",
        "sql_warehouse closed: ",
    ] {
        assert!(refused.contains(part), "{part} in {refused}");
    }
    assert_eq!(kit.get(&format!("{ENDPOINTS}/greedy"), &kit.token(CAROL)).await.status, 404);
    kit.stop().await;
}

#[tokio::test]
async fn a_service_principal_holds_just_what_its_endpoint_declared_until_the_endpoint_is_gone() {
    let kit = Kit::builder(WORKSPACE).sql(SALES).start().await;
    let made = create(&kit, CAROL, "seller", vec![declaring("seller", declared())]).await;
    assert_eq!(made.status, 200, "{}", made.text);
    ready(&kit, "seller").await;
    let kit = kit.restart().await;
    ready(&kit, "seller").await;
    let principal = system_principal(&kit, "seller");
    assert_eq!(selects(&kit, &principal, "main.sales.orders"), Ok(()));
    assert!(executes(&kit, &principal) && uses(&kit, &principal, "demo"));
    assert_eq!(
        selects(&kit, &principal, "main.sales.refunds"),
        Err("User does not have SELECT on Table 'main.sales.refunds'".to_owned()),
        "carol may read it, and so may everybody in `users`"
    );
    assert!(!uses(&kit, &principal, "closed"));
    assert_eq!(kit.delete(&format!("{ENDPOINTS}/seller"), &kit.token(CAROL)).await.status, 200);
    assert!(selects(&kit, &principal, "main.sales.orders").is_err());
    assert!(!executes(&kit, &principal) && !uses(&kit, &principal, "demo"));
    kit.stop().await;
}

#[tokio::test]
async fn a_right_that_its_creator_lost_stops_the_endpoint_and_comes_back_with_it() {
    let kit = Kit::builder(WORKSPACE).sql(SALES).start().await;
    create(&kit, CAROL, "seller", vec![declaring("seller", declared())]).await;
    ready(&kit, "seller").await;
    let principal = system_principal(&kit, "seller");
    let ask = json!({"messages": [{"role": "user", "content": "hello"}]});
    let admin = kit.token("admin@example.com");
    assert_eq!(kit.invoke("seller", &admin, &ask).await.status, 200);

    run(&kit, "REVOKE SELECT ON TABLE main.sales.orders FROM `carol@example.com`").await;
    kit.workspace.serving.recheck_creators().await;
    let refused = kit.invoke("seller", &admin, &ask).await;
    assert!(refused.status >= 400, "{}", refused.text);
    assert!(refused.text.contains("does not have SELECT on Table"), "{}", refused.text);
    assert!(selects(&kit, &principal, "main.sales.orders").is_err());

    run(&kit, "GRANT SELECT ON TABLE main.sales.orders TO `carol@example.com`").await;
    kit.workspace.serving.recheck_creators().await;
    assert_eq!(kit.invoke("seller", &admin, &ask).await.status, 200);
    assert_eq!(selects(&kit, &principal, "main.sales.orders"), Ok(()));
    assert!(uses(&kit, &principal, "demo"));
    assert_eq!(state(&kit, "seller").await["state"]["ready"], "READY");
    kit.stop().await;
}

/// Runs one statement as the metastore admin.
async fn run(kit: &Kit, statement: &str) {
    use brickyard_sql::{Session, Speaker};
    let session = Session::new(Speaker::Configuration(kit.principal("admin@example.com")), None, None);
    let ran = kit.workspace.sql.run(&session, statement, &[], &mut Vec::new()).await;
    assert!(ran.is_ok(), "{statement}: {:?}", ran.err());
}

#[tokio::test]
async fn a_user_who_is_deleted_takes_their_grants_along() {
    let kit = Kit::builder(WORKSPACE).sql(SALES).start().await;
    let carol = kit.principal(CAROL);
    assert_eq!(selects(&kit, &carol, "main.sales.orders"), Ok(()));
    let path = format!("/api/2.0/preview/scim/v2/Users/{}", carol.id);
    assert_eq!(kit.delete(&path, &kit.token("admin@example.com")).await.status, 204);
    let catalog = &kit.workspace.catalog;
    let path = "main.sales.orders".parse().expect("a name");
    let orders = catalog.unity().find(ObjectKind::Table, &path).expect("a table").reference();
    let read = ReadGrants(Target::new(orders, &family::UC_GRANTS));
    let permit = catalog.authorize_creator(&kit.principal("admin@example.com"), read).expect("the admin");
    assert!(catalog.grants(&permit).is_empty(), "{:?}", catalog.grants(&permit));
    kit.stop().await;
}
