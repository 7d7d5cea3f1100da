//! Temporary views and variables: names of one session, which grant nothing and stand in for nothing.

use super::workspace::Workspace;
use crate::{Parameter, Session, Speaker};

fn session(who: &brickyard_types::Principal) -> Session {
    Session::new(Speaker::Configuration(who.clone()), Some("main".to_owned()), Some("sales".to_owned()))
        .lasting()
}

/// Runs statements one after the other, and answers the last one's rows.
async fn said(w: &Workspace, session: &Session, statements: &[&str]) -> Result<Vec<String>, String> {
    let mut last = Ok(Vec::new());
    for statement in statements {
        last = w.ask_in(session, statement, &[], &mut Vec::new()).await;
        if let Err(error) = &last {
            return Err(format!("{statement}: {error}"));
        }
    }
    last
}

#[tokio::test]
async fn a_temporary_view_is_read_until_its_session_ends_and_by_nobody_else() {
    let w = Workspace::with_sales().await;
    let ana = session(&w.ana);
    let made = "CREATE TEMP VIEW mine (Number, What COMMENT 'of it') AS SELECT id, amount FROM orders";
    assert_eq!(said(&w, &ana, &[made, "SELECT sum(what) FROM MINE"]).await.unwrap(), ["30"]);
    assert_eq!(said(&w, &ana, &["DESCRIBE mine"]).await.unwrap(), ["number|bigint|NULL", "what|int|of it"]);
    assert_eq!(said(&w, &ana, &["SHOW VIEWS"]).await.unwrap(), ["|mine|true"]);
    assert_eq!(said(&w, &ana, &["SHOW TABLES LIKE 'm*'"]).await.unwrap(), ["|mine|true"]);
    let again = said(&w, &ana, &["CREATE TEMPORARY VIEW Mine AS SELECT 1"]).await.unwrap_err();
    assert!(again.contains("TEMP_TABLE_OR_VIEW_ALREADY_EXISTS"), "{again}");
    let also =
        ["CREATE OR REPLACE TEMP VIEW over AS SELECT number + 1 AS n FROM mine", "SELECT max(n) FROM over"];
    assert_eq!(said(&w, &ana, &also).await.unwrap(), ["3"]);
    for other in [session(&w.ana), session(&w.bob)] {
        let lost = said(&w, &other, &["SELECT * FROM mine"]).await.unwrap_err();
        assert!(lost.contains("TABLE_OR_VIEW_NOT_FOUND"), "{lost}");
    }
    let gone = said(&w, &ana, &["DROP VIEW mine", "SELECT * FROM mine"]).await.unwrap_err();
    assert!(gone.contains("TABLE_OR_VIEW_NOT_FOUND"), "{gone}");
    let below = said(&w, &ana, &["SELECT * FROM over"]).await.unwrap_err();
    assert!(below.contains("TABLE_OR_VIEW_NOT_FOUND"), "{below}");
}

#[tokio::test]
async fn a_temporary_view_shows_what_its_speaker_may_see_now() {
    let w = Workspace::with_sales().await;
    let ana = session(&w.ana);
    let made = "CREATE TEMP VIEW v AS SELECT id, email FROM orders";
    assert_eq!(said(&w, &ana, &[made, "SELECT DISTINCT email FROM v"]).await.unwrap(), ["redacted"]);
    let made = "CREATE TEMP VIEW w AS SELECT * FROM v WHERE 1 / (id - 3) <> 7";
    assert_eq!(said(&w, &ana, &[made, "SELECT count(*) FROM w"]).await.unwrap(), ["2"]);
    w.set_up("REVOKE SELECT ON TABLE main.sales.orders FROM `account users`").await;
    for name in ["v", "w"] {
        let denied = said(&w, &ana, &[&format!("SELECT * FROM {name}")]).await.unwrap_err();
        assert!(denied.contains("does not have SELECT"), "{denied}");
    }
    let denied = said(&w, &ana, &["CREATE TEMP VIEW x AS SELECT * FROM orders"]).await.unwrap_err();
    assert!(denied.contains("does not have SELECT"), "{denied}");
}

/// The table that a policy, a view or a function asks is the one that its owner meant.
#[tokio::test]
async fn no_policy_view_or_function_reads_a_temporary_view_or_a_variable() {
    let w = Workspace::with_sales().await;
    w.set_up(
        "CREATE TABLE main.sales.allowed (who STRING, region STRING);
         INSERT INTO main.sales.allowed VALUES ('ana@x', 'AMER');
         USE SCHEMA main.sales;
         CREATE FUNCTION main.sales.listed(r STRING) RETURNS BOOLEAN
             RETURN EXISTS (SELECT 1 FROM main.sales.allowed a WHERE a.who = current_user() AND a.region = r);
         ALTER TABLE main.sales.orders SET ROW FILTER main.sales.listed ON (region);
         GRANT USE SCHEMA, SELECT, EXECUTE, CREATE TABLE, CREATE FUNCTION ON SCHEMA main.sales TO `account users`;",
    )
    .await;
    let ada = session(&w.ada);
    // Written with one part, in the schema where the session is.
    let owned = [
        "CREATE OR REPLACE FUNCTION listed(r STRING) RETURNS BOOLEAN
             RETURN EXISTS (SELECT 1 FROM allowed WHERE who = current_user() AND region = r)",
        "CREATE VIEW of_all AS SELECT count(*) AS n FROM allowed",
        "CREATE FUNCTION how_many() RETURNS BIGINT RETURN (SELECT count(*) FROM allowed)",
        "CREATE FUNCTION rows_of() RETURNS TABLE (r STRING) RETURN SELECT region FROM allowed",
    ];
    said(&w, &ada, &owned).await.unwrap();
    let ana = session(&w.ana);
    let stands_in = "CREATE TEMP VIEW allowed AS
        SELECT 'ana@x' AS who, r AS region FROM VALUES ('EMEA'), ('AMER'), ('APAC') AS t(r)";
    said(&w, &ana, &[stands_in, "DECLARE VARIABLE region STRING DEFAULT 'EMEA'"]).await.unwrap();
    assert_eq!(said(&w, &ana, &["SELECT count(*) FROM allowed"]).await.unwrap(), ["3"]);
    assert_eq!(said(&w, &ana, &["SELECT id FROM orders"]).await.unwrap(), ["3"]);
    assert_eq!(said(&w, &ana, &["SELECT n FROM of_all"]).await.unwrap(), ["1"]);
    assert_eq!(said(&w, &ana, &["SELECT how_many()"]).await.unwrap(), ["1"]);
    assert_eq!(said(&w, &ana, &["SELECT * FROM rows_of()"]).await.unwrap(), ["AMER"]);
    // A row that is changed or inserted meets the same table.
    for (kept, why) in [
        ("CREATE VIEW kept AS SELECT * FROM allowed", "INVALID_TEMP_OBJ_REFERENCE"),
        (
            "CREATE FUNCTION kept() RETURNS BIGINT RETURN (SELECT count(*) FROM allowed)",
            "INVALID_TEMP_OBJ_REFERENCE",
        ),
        ("CREATE VIEW kept AS SELECT session.region AS r", "region"),
        ("CREATE FUNCTION kept() RETURNS STRING RETURN region", "region"),
        ("CREATE TABLE kept (a STRING DEFAULT region)", "region"),
    ] {
        let refused = said(&w, &ana, &[kept]).await.unwrap_err();
        assert!(refused.contains(why), "{refused}");
    }
}

#[tokio::test]
async fn a_temporary_view_is_no_table() {
    let w = Workspace::with_sales().await;
    w.set_up("GRANT ALL PRIVILEGES ON SCHEMA main.sales TO `account users`").await;
    let ana = session(&w.ana);
    said(&w, &ana, &["CREATE TABLE t (a INT)", "CREATE TEMP VIEW t AS SELECT 7 AS a"]).await.unwrap();
    assert_eq!(said(&w, &ana, &["SELECT a FROM t"]).await.unwrap(), ["7"]);
    assert_eq!(
        said(&w, &ana, &["INSERT INTO sales.t VALUES (1)", "SELECT a FROM sales.t"]).await.unwrap(),
        ["1"]
    );
    for refused in [
        "INSERT INTO t VALUES (1)",
        "UPDATE t SET a = 1",
        "DELETE FROM t",
        "MERGE INTO t USING sales.t AS u ON t.a = u.a WHEN MATCHED THEN DELETE",
        "DROP TABLE t",
        "ALTER TABLE t ADD COLUMN b INT",
        "GRANT SELECT ON TABLE t TO `bob@x`",
        "CREATE TABLE other LIKE t",
        "TRUNCATE TABLE t",
    ] {
        let error = said(&w, &ana, &[refused]).await.unwrap_err();
        assert!(error.contains("temporary view"), "{refused}: {error}");
    }
    for (refused, why) in [
        ("SELECT * FROM t VERSION AS OF 0", "temporary view"),
        ("CREATE TEMP VIEW main.sales.x AS SELECT 1", "TEMP_VIEW_NAME_TOO_MANY_NAME_PARTS"),
        ("CREATE OR REPLACE TEMP VIEW x AS SELECT * FROM x", "TABLE_OR_VIEW_NOT_FOUND"),
        ("CREATE TEMP VIEW IF NOT EXISTS x AS SELECT 1", "IF NOT EXISTS"),
        ("CREATE GLOBAL TEMPORARY VIEW x AS SELECT 1", "GLOBAL TEMPORARY"),
    ] {
        let error = said(&w, &ana, &[refused]).await.unwrap_err();
        assert!(error.contains(why), "{refused}: {error}");
    }
    // Each over the other does not go round.
    let round = ["CREATE TEMP VIEW a AS SELECT 1 AS x", "CREATE TEMP VIEW b AS SELECT * FROM a"];
    said(&w, &ana, &round).await.unwrap();
    let looped =
        said(&w, &ana, &["CREATE OR REPLACE TEMP VIEW a AS SELECT * FROM b", "SELECT * FROM a"]).await;
    assert!(looped.unwrap_err().contains("RECURSION_LIMIT_EXCEEDED"));
}

#[tokio::test]
async fn what_would_end_with_its_statement_is_refused_with_the_way_to_keep_it() {
    let w = Workspace::with_sales().await;
    for statement in ["CREATE TEMP VIEW v AS SELECT 1", "DECLARE VARIABLE x INT"] {
        let refused = w.ask(&w.ana, statement).await.unwrap_err();
        assert!(refused.contains("/api/2.0/sql/sessions"), "{refused}");
    }
}

#[tokio::test]
async fn a_variable_is_used_by_its_name() {
    let w = Workspace::with_sales().await;
    let ana = session(&w.ana);
    let declared = [
        "DECLARE VARIABLE least INT DEFAULT 15",
        "DECLARE OR REPLACE who = current_user()",
        "DECLARE a, b STRING",
        "DECLARE Day DATE = DATE'2024-01-01'",
    ];
    said(&w, &ana, &declared).await.unwrap();
    for (query, rows) in [
        ("SELECT id FROM orders WHERE amount > least", "2"),
        ("SELECT least + 1, session.least, system.session.LEAST", "16|15|15"),
        ("SELECT who, a, day", "ana@x|NULL|2024-01-01"),
        // A column comes first.
        ("SELECT max(least) FROM (SELECT 3 AS least)", "3"),
        ("SELECT max(session.least) FROM (SELECT 3 AS least)", "15"),
        ("SELECT count(*) FROM orders WHERE id IN (SELECT least - 14)", "1"),
        ("SELECT (SELECT max(o.id) FROM orders o WHERE o.amount < least + p.k) FROM VALUES (1) AS p(k)", "1"),
        ("SELECT x FROM VALUES (least) AS t(x)", "15"),
        (
            "SELECT amount > least, count(*) FROM orders WHERE amount > least GROUP BY amount > least",
            "true|1",
        ),
        ("EXECUTE IMMEDIATE 'SELECT :x + least' USING least AS x", "30"),
    ] {
        assert_eq!(said(&w, &ana, &[query]).await.as_deref(), Ok(&[rows.to_owned()][..]), "{query}");
    }
    for (set, query, rows) in [
        ("SET VAR least = 5", "SELECT least", "5"),
        ("SET VAR least = least * 2, a = 'x' || least", "SELECT least, a", "10|x5"),
        ("SET VARIABLE (a, b) = (SELECT 'p', max(id) FROM orders)", "SELECT a, b", "p|2"),
        ("SET VAR a = (SELECT email FROM orders WHERE false)", "SELECT a", "NULL"),
        ("SET VAR session.least = DEFAULT", "SELECT least", "15"),
        (
            "EXECUTE IMMEDIATE 'SELECT max(id), min(email) FROM orders' INTO least, a",
            "SELECT least, a",
            "2|redacted",
        ),
        ("SET VAR a = 'SELECT ' || least", "EXECUTE IMMEDIATE a", "2"),
        (
            "CREATE TEMP VIEW few AS SELECT id FROM orders LIMIT 10",
            "SELECT count(*) FROM few WHERE id = least",
            "1",
        ),
    ] {
        assert_eq!(said(&w, &ana, &[set, query]).await.as_deref(), Ok(&[rows.to_owned()][..]), "{set}");
    }
    for (refused, why) in [
        ("DECLARE VARIABLE least INT", "VARIABLE_ALREADY_EXISTS"),
        ("SET VAR nobody = 1", "UNRESOLVED_VARIABLE"),
        ("SET VAR least = 'x'", "CAST_INVALID_INPUT"),
        ("SET VAR (a, b) = (SELECT 1)", "ASSIGNMENT_ARITY_MISMATCH"),
        ("SET VAR (a) = (SELECT id FROM orders)", "ROW_SUBQUERY_TOO_MANY_ROWS"),
        ("SET VAR a = 1, A = 2", "DUPLICATE_ASSIGNMENTS"),
        ("DECLARE x", "a type or a DEFAULT"),
        ("EXECUTE IMMEDIATE 'DROP TEMPORARY VARIABLE a' INTO a", "INVALID_STATEMENT_FOR_EXECUTE_INTO"),
        ("DROP TEMPORARY VARIABLE nobody", "UNRESOLVED_VARIABLE"),
        ("SELECT nobody", "nobody"),
    ] {
        let error = said(&w, &ana, &[refused]).await.unwrap_err();
        assert!(error.contains(why), "{refused}: {error}");
    }
    said(&w, &ana, &["DROP TEMPORARY VARIABLE IF EXISTS nobody", "DROP TEMPORARY VARIABLE least"])
        .await
        .unwrap();
    assert!(said(&w, &ana, &["SELECT least"]).await.is_err());
}

#[tokio::test]
async fn a_column_made_of_a_variable_has_its_name() {
    let w = Workspace::with_sales().await;
    w.set_up("GRANT ALL PRIVILEGES ON SCHEMA main.sales TO `account users`").await;
    let ana = session(&w.ana);
    let made =
        ["DECLARE x = 7", "CREATE TABLE made AS SELECT x, id FROM orders", "SELECT max(x) FROM sales.made"];
    assert_eq!(said(&w, &ana, &made).await.unwrap(), ["7"]);
    let changed = ["UPDATE made SET id = id + x WHERE id < x", "SELECT max(id) FROM made"];
    assert_eq!(said(&w, &ana, &changed).await.unwrap(), ["9"]);
    assert_eq!(
        said(&w, &ana, &["INSERT INTO made VALUES (x, x)", "SELECT count(*) FROM made"]).await.unwrap(),
        ["3"]
    );
}

#[tokio::test]
async fn a_parameter_is_none_of_a_temporary_views_text() {
    let w = Workspace::with_sales().await;
    let ana = session(&w.ana);
    let given = [Parameter {
        name: "x".to_owned(),
        value: Some("1".to_owned()),
        data_type: brickyard_types::SqlType::Int,
    }];
    let made = w.ask_in(&ana, "CREATE TEMP VIEW v AS SELECT :x AS x", &given, &mut Vec::new()).await;
    assert!(made.unwrap_err().contains("UNBOUND_SQL_PARAMETER"));
}
