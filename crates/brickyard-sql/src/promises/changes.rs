//! What changes rows and definitions, and what it leaves alone.

use super::workspace::Workspace;

#[tokio::test]
async fn an_update_sees_what_its_speaker_sees_and_leaves_hidden_rows_and_masked_values_alone() {
    let workspace = Workspace::with_sales().await;
    workspace.set_up("GRANT MODIFY ON TABLE main.sales.orders TO `account users`").await;
    let ana = &workspace.ana;
    let touched = workspace.ask(ana, "UPDATE main.sales.orders SET amount = amount + 1").await.unwrap();
    assert_eq!(touched, ["2"]);
    // A condition meets the mask, not the value.
    let touched = workspace.ask(ana, "DELETE FROM main.sales.orders WHERE email = 'a@x'").await.unwrap();
    assert_eq!(touched, ["0"]);
    let all = workspace.sorted(&workspace.bob, "SELECT id, amount, email FROM main.sales.orders").await;
    assert_eq!(all, ["1|11|a@x", "2|21|b@x", "3|30|c@x", "4|40|d@x"]);
    let touched = workspace.ask(ana, "DELETE FROM main.sales.orders").await.unwrap();
    assert_eq!(touched, ["2"]);
    assert_eq!(workspace.sorted(&workspace.bob, "SELECT id FROM main.sales.orders").await, ["3", "4"]);
}

#[tokio::test]
async fn rows_are_inserted_by_place_by_name_and_with_defaults() {
    let workspace = Workspace::empty().await;
    workspace
        .set_up(
            "CREATE CATALOG main; CREATE SCHEMA main.s;
             CREATE TABLE main.s.t (a INT NOT NULL, b STRING DEFAULT 'none', c DOUBLE);
             INSERT INTO main.s.t VALUES (1, 'x', 1.5);
             INSERT INTO main.s.t (c, a) VALUES (2.5, 2);
             INSERT INTO main.s.t BY NAME SELECT 'y' AS b, 3 AS a;",
        )
        .await;
    let ada = &workspace.ada;
    workspace.set_up("GRANT ALL PRIVILEGES ON CATALOG main TO `ada@x`").await;
    assert_eq!(workspace.sorted(ada, "SELECT * FROM main.s.t").await, ["1|x|1.5", "2|none|2.5", "3|y|NULL"]);
    let refused = workspace.ask(ada, "INSERT INTO main.s.t (b) VALUES ('z')").await.unwrap_err();
    assert!(refused.contains("NOT_NULL"), "{refused}");
    let refused = workspace.ask(ada, "INSERT INTO main.s.t VALUES (1, 'x')").await.unwrap_err();
    assert!(refused.contains("ARITY"), "{refused}");
    let refused = workspace.ask(ada, "INSERT INTO main.s.t VALUES ('one', 'x', 1)").await.unwrap_err();
    assert!(!refused.is_empty());
    assert_eq!(workspace.sorted(ada, "SELECT a FROM main.s.t").await, ["1", "2", "3"]);
}

#[tokio::test]
async fn columns_are_added_renamed_and_dropped_without_losing_values() {
    let workspace = Workspace::empty().await;
    workspace
        .set_up(
            "CREATE CATALOG main; CREATE SCHEMA main.s;
             CREATE TABLE main.s.t AS SELECT 1 AS a, 'x' AS b;
             ALTER TABLE main.s.t ADD COLUMN c STRING;
             UPDATE main.s.t SET c = 'new';
             ALTER TABLE main.s.t RENAME COLUMN b TO d;
             ALTER TABLE main.s.t DROP COLUMN a;
             ALTER TABLE main.s.t ADD COLUMN a INT;
             GRANT ALL PRIVILEGES ON CATALOG main TO `ada@x`;",
        )
        .await;
    assert_eq!(workspace.sorted(&workspace.ada, "SELECT d, c, a FROM main.s.t").await, ["x|new|NULL"]);
    let shown = workspace.ask(&workspace.ada, "DESCRIBE TABLE main.s.t").await.unwrap();
    assert_eq!(shown, ["d|string|NULL", "c|string|NULL", "a|int|NULL"]);
}

#[tokio::test]
async fn a_merge_updates_deletes_and_inserts_in_one_commit() {
    let workspace = Workspace::empty().await;
    workspace
        .set_up(
            "CREATE CATALOG main; CREATE SCHEMA main.s;
             CREATE TABLE main.s.t (id INT, v STRING);
             INSERT INTO main.s.t VALUES (1, 'a'), (2, 'b'), (3, 'c');
             CREATE TABLE main.s.u (id INT, v STRING, gone BOOLEAN);
             INSERT INTO main.s.u VALUES (1, 'A', false), (2, 'B', true), (4, 'D', false);
             GRANT ALL PRIVILEGES ON CATALOG main TO `ada@x`;",
        )
        .await;
    let merge = "MERGE INTO main.s.t AS t USING main.s.u AS u ON t.id = u.id
                 WHEN MATCHED AND u.gone THEN DELETE
                 WHEN MATCHED THEN UPDATE SET v = u.v
                 WHEN NOT MATCHED THEN INSERT (id, v) VALUES (u.id, u.v)";
    let answer = workspace.ask(&workspace.ada, merge).await.unwrap();
    assert_eq!(answer, ["3|1|1|1"]);
    assert_eq!(workspace.sorted(&workspace.ada, "SELECT * FROM main.s.t").await, ["1|A", "3|c", "4|D"]);
}

#[tokio::test]
async fn a_query_sees_what_was_written_since_the_last_one_also_by_another_writer_of_the_folder() {
    let workspace = Workspace::empty().await;
    workspace
        .set_up("CREATE CATALOG main; CREATE SCHEMA main.s; CREATE TABLE main.s.t AS SELECT 1 AS a UNION ALL SELECT 2")
        .await;
    let rows = async || workspace.sorted(&workspace.ada, "SELECT a FROM main.s.t").await;
    assert_eq!(rows().await, ["1", "2"]);
    workspace.set_up("INSERT INTO main.s.t VALUES (3)").await;
    assert_eq!((rows().await, rows().await), (vec!["1".into(), "2".into(), "3".into()], rows().await));
    let folder = workspace.tables().pop().unwrap();
    let url = deltalake_core::ensure_table_uri(folder.to_str().unwrap()).unwrap();
    let table = deltalake_core::open_table(url).await.unwrap();
    table.delete().with_predicate("a = 2").await.unwrap();
    assert_eq!(rows().await, ["1", "3"]);
    workspace.set_up("DROP TABLE main.s.t; CREATE TABLE main.s.t AS SELECT 'new' AS a").await;
    assert_eq!(rows().await, ["new"]);
}
