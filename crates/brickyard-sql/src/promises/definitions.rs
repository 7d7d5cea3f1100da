//! What is made, what is shown of it, and to whom.

use super::workspace::Workspace;

#[tokio::test]
async fn a_csv_file_is_a_table_with_or_without_declaring_it() {
    let workspace = Workspace::empty().await;
    workspace.file("people.csv", "id,name,since\n1,Ana,2024-01-02\n2,\"Bob, jr\",\n");
    workspace
        .set_up(
            "CREATE CATALOG main; CREATE SCHEMA main.s;
             CREATE TABLE main.s.people (id BIGINT, name STRING, since DATE) USING csv LOCATION 'people.csv';
             CREATE TABLE main.s.copy AS SELECT * FROM read_files('people.csv', format => 'csv', header => true);
             GRANT ALL PRIVILEGES ON CATALOG main TO `ada@x`;",
        )
        .await;
    for table in ["main.s.people", "main.s.copy"] {
        let rows = workspace.sorted(&workspace.ada, &format!("SELECT * FROM {table}")).await;
        assert_eq!(rows, ["1|Ana|2024-01-02", "2|Bob, jr|NULL"], "{table}");
    }
    let refused =
        workspace.ask(&workspace.ada, "SELECT * FROM read_files('../x.csv', format => 'csv')").await;
    assert!(refused.unwrap_err().contains("UNAUTHORIZED_ACCESS"));
}

#[tokio::test]
async fn lists_show_only_what_somebody_may_know_about() {
    let workspace = Workspace::with_sales().await;
    workspace.set_up("CREATE TABLE main.sales.secret (id INT)").await;
    assert_eq!(
        workspace.ask(&workspace.ana, "SHOW TABLES IN main.sales").await.unwrap(),
        ["sales|orders|false"]
    );
    assert_eq!(
        workspace.ask(&workspace.ana, "SHOW SCHEMAS IN main").await.unwrap(),
        ["information_schema", "sales"]
    );
    assert!(workspace.ask(&workspace.ana, "DESCRIBE TABLE main.sales.secret").await.is_err());
    let both = workspace.sorted(&workspace.ada, "SHOW TABLES IN main.sales LIKE '*e*'").await;
    assert_eq!(both, ["sales|orders|false", "sales|secret|false"]);
    let text = workspace.ask(&workspace.ada, "SHOW CREATE TABLE main.sales.orders").await.unwrap().join("\n");
    assert!(
        text.contains("MASK main.sales.hidden") && text.contains("ROW FILTER main.sales.sees ON (region)"),
        "{text}"
    );
}

#[tokio::test]
async fn only_who_manages_an_object_grants_changes_or_drops_it() {
    let workspace = Workspace::with_sales().await;
    let ana = &workspace.ana;
    for statement in [
        "GRANT SELECT ON TABLE main.sales.orders TO `bob@x`",
        "ALTER TABLE main.sales.orders DROP ROW FILTER",
        "DROP TABLE main.sales.orders",
        "INSERT INTO main.sales.orders VALUES (9, 'EMEA', 1, 'z')",
        "UPDATE main.sales.orders SET amount = 0",
        "TRUNCATE TABLE main.sales.orders",
        "CREATE TABLE main.sales.mine (id INT)",
        "COMMENT ON TABLE main.sales.orders IS 'x'",
    ] {
        let refused = workspace.ask(ana, statement).await.unwrap_err();
        assert!(refused.contains("INSUFFICIENT_PERMISSIONS"), "{statement}: {refused}");
    }
    let own = workspace.ask(ana, "SHOW GRANTS ON TABLE main.sales.orders").await.unwrap();
    assert_eq!(own, ["account users|SELECT|TABLE|main.sales.orders"]);
}

#[tokio::test]
async fn a_policy_takes_a_function_that_fits() {
    let workspace = Workspace::with_sales().await;
    let ada = &workspace.ada;
    workspace.set_up("GRANT ALL PRIVILEGES ON CATALOG main TO `ada@x`").await;
    workspace.set_up("CREATE FUNCTION main.sales.number(x INT) RETURNS INT RETURN x + 1").await;
    for statement in [
        "ALTER TABLE main.sales.orders SET ROW FILTER main.sales.number ON (amount)",
        "ALTER TABLE main.sales.orders SET ROW FILTER main.sales.sees ON (region, id)",
        "ALTER TABLE main.sales.orders SET ROW FILTER main.sales.sees ON (nowhere)",
        "ALTER TABLE main.sales.orders SET ROW FILTER main.sales.absent ON (region)",
        "ALTER TABLE main.sales.orders DROP COLUMN region",
    ] {
        assert!(workspace.ask(ada, statement).await.is_err(), "{statement}");
    }
}
