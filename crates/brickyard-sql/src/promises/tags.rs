//! Tags: set by who manages an object, and read by who may know about it.

use super::workspace::Workspace;

#[tokio::test]
async fn tags_are_set_unset_and_shown_to_who_may_know_of_the_object() {
    let w = Workspace::with_sales().await;
    w.set_up(
        "ALTER CATALOG main SET TAGS ('cost' = 'x');
         ALTER SCHEMA main.sales SET TAGS ('team' = 'blue', 'old');
         ALTER SCHEMA main.private SET TAGS ('hidden' = 'yes');
         ALTER TABLE main.sales.orders SET TAGS ('pii' = 'yes', 'team' = 'red');
         ALTER TABLE main.sales.orders ALTER COLUMN email SET TAGS ('pii' = 'email', 'gone' = '1');
         ALTER TABLE main.sales.orders ALTER COLUMN email UNSET TAGS ('gone', 'nobody');
         ALTER TABLE main.sales.orders SET TAGS ('team' = 'green');
         ALTER SCHEMA main.sales UNSET TAGS ('old');
         ALTER TABLE main.sales.orders RENAME COLUMN amount TO sum;",
    )
    .await;
    for (relation, rows) in [
        ("catalog_tags", "main|cost|x"),
        ("schema_tags", "main|sales|team|blue"),
        ("table_tags", "main|sales|orders|pii|yes;main|sales|orders|team|green"),
        ("column_tags", "main|sales|orders|email|pii|email"),
    ] {
        let shown = w.sorted(&w.ana, &format!("SELECT * FROM main.information_schema.{relation}")).await;
        assert_eq!(shown.join(";"), rows, "{relation}");
    }
    let all = w.sorted(&w.ada, "SELECT schema_name FROM main.information_schema.schema_tags").await;
    assert_eq!(all, ["private", "sales"]);
    // Rows are read as before.
    assert_eq!(
        w.sorted(&w.ana, "SELECT id, email FROM main.sales.orders").await,
        ["1|redacted", "2|redacted"]
    );
}

#[tokio::test]
async fn who_does_not_manage_an_object_tags_nothing() {
    let w = Workspace::with_sales().await;
    for statement in [
        "ALTER TABLE main.sales.orders SET TAGS ('a' = 'b')",
        "ALTER TABLE main.sales.orders ALTER COLUMN email SET TAGS ('a' = 'b')",
        "ALTER SCHEMA main.sales UNSET TAGS ('a')",
    ] {
        let denied = w.ask(&w.ana, statement).await.unwrap_err();
        assert!(denied.contains("Insufficient privileges") || denied.contains("PERMISSION"), "{denied}");
    }
    for (statement, why) in [
        ("ALTER TABLE main.sales.orders SET TAGS ('a.b' = 'c')", "a name has 1 to 255 characters"),
        ("ALTER TABLE main.sales.orders SET TAGS ('a' = 'c', 'a')", "given twice"),
        ("ALTER TABLE main.sales.orders ALTER COLUMN nobody SET TAGS ('a')", "nobody"),
    ] {
        let refused = w.ask(&w.ada, statement).await.unwrap_err();
        assert!(refused.contains(why), "{refused}");
    }
}
