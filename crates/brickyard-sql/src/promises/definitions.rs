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
    workspace
        .set_up(
            "GRANT ALL PRIVILEGES ON CATALOG main TO `ada@x`;
             CREATE FUNCTION main.sales.number(x INT) RETURNS INT RETURN x + 1;
             CREATE FUNCTION main.sales.listed(x ARRAY<INT>) RETURNS ARRAY<INT> RETURN x;
             CREATE FUNCTION main.sales.as_list(x STRING) RETURNS ARRAY<STRING> RETURN array(x);
             CREATE FUNCTION main.sales.nothing() RETURNS STRING RETURN 'x';
             CREATE FUNCTION main.sales.partly(x STRING, n INT) RETURNS STRING RETURN left(x, n);
             CREATE FUNCTION main.sales.rows(x STRING) RETURNS TABLE (x STRING) RETURN SELECT x;
             CREATE FUNCTION main.sales.above(x INT, n INT) RETURNS BOOLEAN RETURN x > n",
        )
        .await;
    for (policy, why) in [
        ("SET ROW FILTER main.sales.number ON (amount)", "a row filter returns BOOLEAN"),
        ("SET ROW FILTER main.sales.sees ON (region, id)", "it takes 1 arguments, not 2"),
        ("SET ROW FILTER main.sales.above ON (amount)", "it takes 2 arguments, not 1"),
        ("SET ROW FILTER main.sales.above ON (amount, 'many')", "'many' is no int"),
        ("SET ROW FILTER main.sales.rows ON (region)", "returns one value, not rows"),
        ("SET ROW FILTER main.sales.sees ON (nowhere)", "nowhere"),
        ("SET ROW FILTER main.sales.absent ON (region)", "ROUTINE_NOT_FOUND"),
        ("DROP COLUMN region", "A row filter or column mask uses the column 'region'"),
        (
            "ALTER COLUMN region SET MASK main.sales.listed",
            "it takes array<int> where the column 'region' is string",
        ),
        (
            "ALTER COLUMN region SET MASK main.sales.as_list",
            "it returns array<string>, and the column 'region' is string",
        ),
        ("ALTER COLUMN region SET MASK main.sales.nothing", "takes the column as its first parameter"),
        ("ALTER COLUMN region SET MASK main.sales.partly", "it takes 2 arguments, not 1"),
        ("ALTER COLUMN region SET MASK main.sales.partly USING COLUMNS ('x')", "'x' is no int"),
        ("ALTER COLUMN region SET MASK main.sales.partly USING COLUMNS (nowhere)", "nowhere"),
        ("ALTER COLUMN region SET MASK main.sales.rows", "returns one value, not rows"),
        ("ALTER COLUMN nowhere SET MASK main.sales.hidden", "nowhere"),
    ] {
        let refused =
            workspace.ask(ada, &format!("ALTER TABLE main.sales.orders {policy}")).await.unwrap_err();
        assert!(refused.contains(why), "{policy}: {refused}");
    }
    // What was refused changed nothing.
    let rows = workspace.sorted(ada, "SELECT region, email FROM main.sales.orders").await;
    assert_eq!(rows, ["EMEA|redacted", "EMEA|redacted"]);
}

#[tokio::test]
async fn comments_and_properties_are_read_back_of_each_kind() {
    let w = Workspace::empty().await;
    w.set_up(
        "CREATE CATALOG main COMMENT 'first'; CREATE SCHEMA main.s COMMENT 'first' WITH DBPROPERTIES ('a' = '1', 'b' = '2');
         CREATE TABLE main.s.t (id INT COMMENT 'first') COMMENT 'first' TBLPROPERTIES ('a' = '1', 'b' = '2');
         CREATE VIEW main.s.v (id COMMENT 'first') COMMENT 'first' TBLPROPERTIES ('a' = '1', 'b' = '2') AS SELECT 1;
         CREATE FUNCTION main.s.f(x INT COMMENT 'first') RETURNS INT COMMENT 'first' RETURN x;
         CREATE CONNECTION c TYPE HTTP OPTIONS (host 'http://localhost') COMMENT 'first'",
    )
    .await;
    let shown = async |statement: &str| w.ask(&w.ada, statement).await.unwrap().join(";");
    let comments = [
        ("CATALOG main", "SELECT comment FROM main.information_schema.catalogs WHERE catalog_name = 'main'"),
        ("SCHEMA main.s", "SELECT comment FROM main.information_schema.schemata WHERE schema_name = 's'"),
        ("TABLE main.s.t", "SELECT comment FROM main.information_schema.tables WHERE table_name = 't'"),
        ("VIEW main.s.v", "SELECT comment FROM main.information_schema.tables WHERE table_name = 'v'"),
        (
            "FUNCTION main.s.f",
            "SELECT comment FROM main.information_schema.routines WHERE routine_name = 'f'",
        ),
        ("COLUMN main.s.t.id", "SELECT comment FROM main.information_schema.columns WHERE table_name = 't'"),
        ("COLUMN main.s.v.id", "SELECT comment FROM main.information_schema.columns WHERE table_name = 'v'"),
    ];
    let described = [
        ("CATALOG main", "DESCRIBE CATALOG main", "Comment|{}"),
        ("SCHEMA main.s", "DESCRIBE SCHEMA main.s", "Comment|{}"),
        ("TABLE main.s.t", "DESCRIBE TABLE EXTENDED main.s.t", "Comment|{}|NULL"),
        ("VIEW main.s.v", "DESCRIBE TABLE EXTENDED main.s.v", "Comment|{}|NULL"),
        ("FUNCTION main.s.f", "DESCRIBE FUNCTION EXTENDED main.s.f", "Comment:     {}"),
        ("CONNECTION c", "DESCRIBE CONNECTION c", "Comment|{}"),
    ];
    let check = async |comment: &str| {
        for (object, query) in comments {
            let meant = if comment.is_empty() { "NULL" } else { comment };
            assert_eq!(shown(query).await, meant, "{object}");
        }
        for (object, statement, line) in described {
            let told = shown(statement).await;
            let there = told.split(';').any(|one| one == line.replace("{}", comment));
            let none = comment.is_empty() && !told.contains("first") && !told.contains("o'ther");
            assert!(there || none, "{object} {comment:?}: {told}");
        }
    };
    check("first").await;
    for (text, comment) in [("'o\\'ther'", "o'ther"), ("NULL", "")] {
        for (object, ..) in comments {
            w.set_up(&format!("COMMENT ON {object} IS {text}")).await;
        }
        w.set_up(&format!("COMMENT ON CONNECTION c IS {text}")).await;
        check(comment).await;
    }
    for (object, query) in
        [("TABLE main.s.t", "SHOW TBLPROPERTIES main.s.t"), ("VIEW main.s.v", "SHOW TBLPROPERTIES main.s.v")]
    {
        assert_eq!(shown(query).await, "a|1;b|2", "{object}");
        w.set_up(&format!("ALTER {object} SET TBLPROPERTIES ('b' = '3', 'c.d' = '4')")).await;
        assert_eq!(shown(query).await, "a|1;b|3;c.d|4", "{object}");
        w.set_up(&format!("ALTER {object} UNSET TBLPROPERTIES ('a', 'c.d')")).await;
        assert_eq!(shown(query).await, "b|3", "{object}");
        let refused = w.ask(&w.ada, &format!("ALTER {object} UNSET TBLPROPERTIES ('a')")).await.unwrap_err();
        assert!(refused.contains("no property 'a'"), "{refused}");
        w.set_up(&format!("ALTER {object} UNSET TBLPROPERTIES IF EXISTS ('a', 'b')")).await;
        assert_eq!(shown(query).await, "", "{object}");
    }
    // A schema's are set, and never unset.
    let schema = "DESCRIBE SCHEMA EXTENDED main.s";
    assert!(shown(schema).await.ends_with("Properties|((a,1), (b,2))"));
    w.set_up("ALTER SCHEMA main.s SET DBPROPERTIES ('b' = '3', 'c.d' = '4')").await;
    assert!(shown(schema).await.ends_with("Properties|((a,1), (b,3), (c.d,4))"));
}
