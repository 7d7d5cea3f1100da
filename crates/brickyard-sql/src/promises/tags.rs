//! Tags: set by who manages an object or may apply tags to it, and read by who may know about it.

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
async fn who_may_apply_tags_tags_and_changes_nothing_else() {
    let w = Workspace::with_sales().await;
    w.set_up("CREATE VIEW main.sales.seen AS SELECT 1 AS one").await;
    let tagging = [
        "ALTER TABLE main.sales.orders SET TAGS ('a' = 'b', 'c' = 'd')",
        "ALTER TABLE main.sales.orders UNSET TAGS ('c')",
        "ALTER TABLE main.sales.orders ALTER COLUMN email SET TAGS ('a' = 'b')",
        "ALTER VIEW main.sales.seen SET TAGS ('a' = 'b')",
        "ALTER SCHEMA main.sales SET TAGS ('a' = 'b')",
        "ALTER CATALOG main SET TAGS ('a' = 'b')",
    ];
    let may = async |statements: &[usize]| {
        for (at, statement) in tagging.iter().enumerate() {
            match (w.ask(&w.ana, statement).await, statements.contains(&at)) {
                (Ok(_), true) => {}
                (Err(refused), false) => {
                    assert!(refused.contains("does not have APPLY TAG on"), "{statement}: {refused}")
                }
                (answered, _) => panic!("{statement}: {answered:?}"),
            }
        }
    };
    for (grant, statements) in [
        ("GRANT SELECT ON SCHEMA main.sales TO `ana@x`", &[][..]),
        ("GRANT APPLY TAG ON TABLE main.sales.orders TO `ana@x`", &[0, 1, 2]),
        ("GRANT APPLY TAG ON SCHEMA main.sales TO `ana@x`", &[0, 1, 2, 3, 4]),
        ("GRANT APPLY TAG ON CATALOG main TO `ana@x`", &[0, 1, 2, 3, 4, 5]),
    ] {
        w.set_up(grant).await;
        may(statements).await;
    }
    let shown = w.sorted(&w.ana, "SELECT * FROM main.information_schema.table_tags").await;
    assert_eq!(shown, ["main|sales|orders|a|b", "main|sales|seen|a|b"]);
    let shown = w.sorted(&w.ana, "SELECT * FROM main.information_schema.column_tags").await;
    assert_eq!(shown, ["main|sales|orders|email|a|b"]);
    for statement in [
        "COMMENT ON TABLE main.sales.orders IS 'x'",
        "ALTER TABLE main.sales.orders DROP ROW FILTER",
        "GRANT APPLY TAG ON TABLE main.sales.orders TO `bob@x`",
    ] {
        let refused = w.ask(&w.ana, statement).await.unwrap_err();
        assert!(refused.contains("does not have MANAGE on"), "{statement}: {refused}");
    }
    // The way there is asked for, too.
    w.set_up("REVOKE USE CATALOG ON CATALOG main FROM `account users`").await;
    let refused = w.ask(&w.ana, tagging[0]).await.unwrap_err();
    assert!(refused.contains("USE CATALOG on Catalog 'main'"), "{refused}");
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
