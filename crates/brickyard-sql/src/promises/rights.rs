//! Who may do what, and how a refusal reads.

use brickyard_types::SqlType;

use super::workspace::Workspace;
use crate::Parameter;

#[tokio::test]
async fn a_refusal_names_the_first_right_that_is_missing_from_the_top() {
    let w = Workspace::empty().await;
    w.set_up(
        "CREATE CATALOG main; CREATE SCHEMA main.s; CREATE TABLE main.s.t (a INT); INSERT INTO main.s.t VALUES (7)",
    )
    .await;
    let steps = [
        ("User does not have USE CATALOG on Catalog 'main'.", "GRANT USE CATALOG ON CATALOG main TO `ana@x`"),
        ("User does not have USE SCHEMA on Schema 'main.s'.", "GRANT USE SCHEMA ON SCHEMA main.s TO `ana@x`"),
        ("User does not have SELECT on Table 'main.s.t'.", "GRANT SELECT ON TABLE main.s.t TO `ana@x`"),
    ];
    for (refusal, grant) in steps {
        let mut traces = Vec::new();
        let error = w.ask_with(&w.ana, "SELECT a FROM main.s.t", &[], &mut traces).await.unwrap_err();
        assert_eq!(
            error,
            format!("[INSUFFICIENT_PERMISSIONS] Insufficient privileges:\n{refusal} SQLSTATE: 42501")
        );
        let fix = traces.last().unwrap().first_failing().unwrap().fix().unwrap();
        assert_eq!(fix, grant, "the fix is the grant");
        w.set_up(&fix).await;
    }
    assert_eq!(w.sorted(&w.ana, "SELECT a FROM main.s.t").await, ["7"]);
}

#[tokio::test]
async fn a_table_in_a_schema_that_may_not_be_used_is_not_told_from_one_that_is_not_there() {
    let w = Workspace::with_sales().await;
    let there = w.ask(&w.ana, "SELECT * FROM main.private.orders").await.unwrap_err();
    w.set_up("CREATE TABLE main.private.orders (a INT)").await;
    let now = w.ask(&w.ana, "SELECT * FROM main.private.orders").await.unwrap_err();
    assert_eq!(there, now);
}

#[tokio::test]
async fn parameters_are_values_and_never_sql() {
    let w = Workspace::with_sales().await;
    let named = |name: &str, value: &str, data_type| Parameter {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        data_type,
    };
    let nasty = [named("r", "EMEA' OR '1'='1", SqlType::String)];
    let ids = "SELECT id FROM main.sales.orders WHERE region = :r";
    assert!(w.ask_with(&w.bob, ids, &nasty, &mut Vec::new()).await.unwrap().is_empty());
    let typed = [named("a", "25", SqlType::Int), named("t", "main.sales.orders", SqlType::String)];
    let text = "SELECT id FROM IDENTIFIER(:t) WHERE amount > :a ORDER BY id";
    assert_eq!(w.ask_with(&w.bob, text, &typed, &mut Vec::new()).await.unwrap(), ["3", "4"]);
    let inside = [named("t", "main.sales.orders; DROP TABLE main.sales.orders", SqlType::String)];
    assert!(w.ask_with(&w.ada, "SELECT * FROM IDENTIFIER(:t)", &inside, &mut Vec::new()).await.is_err());
    let missing = w.ask(&w.bob, ids).await.unwrap_err();
    assert!(missing.starts_with("[UNBOUND_SQL_PARAMETER]"), "{missing}");
    let two = w.ask(&w.ada, "SELECT 1; DROP TABLE main.sales.orders").await;
    assert!(two.is_err());
    assert_eq!(w.sorted(&w.bob, "SELECT count(*) FROM main.sales.orders").await, ["4"]);
}

#[tokio::test]
async fn everybody_may_ask_who_they_are() {
    let w = Workspace::empty().await;
    let who = "SELECT current_user(), session_user(), is_member('analysts'), is_account_group_member('account users')";
    assert_eq!(w.ask(&w.bob, who).await.unwrap(), ["bob@x|bob@x|true|true"]);
    assert_eq!(w.ask(&w.ana, who).await.unwrap(), ["ana@x|ana@x|false|true"]);
    assert_eq!(w.ask(&w.ana, "SELECT 1 AS One, current_catalog()").await.unwrap(), ["1|main"]);
}
