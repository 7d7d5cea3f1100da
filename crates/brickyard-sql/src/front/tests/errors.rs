//! Errors say what is wrong, where, and in Databricks' words.

use super::*;

#[test]
fn an_error_is_written_as_databricks_writes_it() {
    for (sql, expected) in [
        (
            "SELECT * FORM t",
            "[PARSE_SYNTAX_ERROR] Syntax error at or near 'FORM'. SQLSTATE: 42601 (line 1, pos 9)",
        ),
        ("SELEC 1", "[PARSE_SYNTAX_ERROR] Syntax error at or near 'SELEC'. SQLSTATE: 42601 (line 1, pos 0)"),
        (
            "SELECT (1",
            "[PARSE_SYNTAX_ERROR] Syntax error at or near end of input. SQLSTATE: 42601 (line 1, pos 9)",
        ),
        (
            "SELECT a,\n  'é' b c",
            "[PARSE_SYNTAX_ERROR] Syntax error at or near 'c'. SQLSTATE: 42601 (line 2, pos 8)",
        ),
        (
            "SELECT 1 FROM -- x\n",
            "[PARSE_SYNTAX_ERROR] Syntax error at or near end of input. SQLSTATE: 42601 (line 1, pos 13)",
        ),
        ("SELECT 'abc", "[PARSE_SYNTAX_ERROR] Syntax error at or near '''. SQLSTATE: 42601 (line 1, pos 7)"),
        (
            "CREATE TABLE t (a INT) FOO",
            "[PARSE_SYNTAX_ERROR] Syntax error at or near 'FOO'. SQLSTATE: 42601 (line 1, pos 23)",
        ),
        (
            "",
            "[PARSE_EMPTY_STATEMENT] Syntax error, unexpected empty statement. SQLSTATE: 42617 (line 1, pos 0)",
        ),
        (
            " ; -- x",
            "[PARSE_EMPTY_STATEMENT] Syntax error, unexpected empty statement. SQLSTATE: 42617 (line 1, pos 0)",
        ),
        (
            "SELECT 1 /* x",
            "[UNCLOSED_BRACKETED_COMMENT] Found an unclosed bracketed comment. Please, append */ at the end of \
                           the comment. SQLSTATE: 42601 (line 1, pos 9)",
        ),
        (
            "CREATE TABLE t (a BLOB)",
            "[UNSUPPORTED_DATATYPE] Unsupported data type \"BLOB\". SQLSTATE: 0A000 (line 1, pos 18)",
        ),
        (
            "UNDROP TABLE t",
            "[UNSUPPORTED_FEATURE] The feature is not supported: UNDROP. SQLSTATE: 0A000 (line 1, pos 0)",
        ),
    ] {
        assert_eq!(refused(sql), expected, "{sql}");
    }
}

#[test]
fn a_name_with_a_dash_is_told_to_take_backticks() {
    for sql in
        ["SELECT a FROM my-cat.s.t", "DROP TABLE my-cat.s.t", "GRANT SELECT ON my-cat.s.t TO x", "USE my-cat"]
    {
        let error = parse_one(sql).unwrap_err();
        assert_eq!(error.class, ErrorClass::Identifier, "{sql}");
        assert!(error.message.contains("back quoted as: `my-cat`"), "{error}");
    }
    assert_eq!(query("SELECT a-b FROM t"), "SELECT a - b FROM t");
    assert!(refused("SELECT größe FROM t").contains("back quoted as: `größe`"));
}

#[test]
fn a_second_statement_is_refused() {
    for sql in ["SELECT 1; SELECT 2", "SELECT 1; DROP TABLE t", "SELECT 1;;x", "USE a; --\n b"] {
        assert!(refused(sql).contains("one statement at a time"), "{sql}");
    }
    assert!(refused("BEGIN DECLARE x INT; SET x = 1; END").contains("not supported: BEGIN"));
    for sql in ["SELECT 1;", "SELECT 1 ; ;; -- done\n", "SELECT ';'", "SELECT 1 -- ; SELECT 2"] {
        parsed(sql);
    }
}

#[test]
fn a_script_is_read_statement_by_statement() {
    let script = "-- seed\nCREATE CATALOG a;\n\nUSE a ; ; SELECT ';' -- no; \n;";
    let statements = parse(script).unwrap();
    let texts: Vec<&str> = statements.iter().map(|(_, range)| &script[range.clone()]).collect();
    assert_eq!(texts, ["CREATE CATALOG a", "USE a", "SELECT ';'"]);
    assert_eq!(parse(" -- nothing").unwrap(), []);
    let error = parse("USE a;\nUSE b;\n  USE CATALOG c d;").unwrap_err();
    assert_eq!((error.line, error.column, error.near.as_str()), (3, 17, "d"));
}

#[test]
fn positional_markers_are_told_to_take_a_name() {
    let error = refused("SELECT * FROM t WHERE a = ?");
    assert!(error.starts_with("[UNSUPPORTED_FEATURE]") && error.contains("such as :id"), "{error}");
}

#[test]
fn a_bare_mail_address_is_told_to_take_backticks() {
    for principal in ["ana@example.com", "a.b", "8a1f-22", "123-abc"] {
        for sql in
            [format!("GRANT SELECT ON t TO {principal}"), format!("ALTER TABLE t OWNER TO {principal}")]
        {
            assert!(refused(&sql).contains("backtick") || refused(&sql).contains("back quoted"), "{sql}");
        }
    }
}

#[test]
fn what_is_not_supported_is_refused_by_its_name() {
    for (sql, feature) in [
        ("CREATE MATERIALIZED VIEW v AS SELECT 1", "CREATE MATERIALIZED VIEW"),
        ("CREATE TEMPORARY FUNCTION f() RETURN 1", "CREATE TEMPORARY FUNCTION"),
        ("CREATE STREAMING TABLE t", "CREATE STREAMING TABLE"),
        ("CREATE VOLUME v", "CREATE VOLUME"),
        ("CREATE EXTERNAL LOCATION l URL 'x'", "CREATE EXTERNAL LOCATION"),
        ("CREATE FOREIGN CATALOG c", "CREATE FOREIGN CATALOG"),
        ("CREATE SCHEMA s MANAGED LOCATION 'x'", "MANAGED LOCATION"),
        ("CREATE TABLE t LIKE u USING csv", "LIKE"),
        ("CREATE TABLE t SHALLOW CLONE u", "SHALLOW"),
        ("CREATE TABLE t (a INT GENERATED ALWAYS AS (b + 1))", "GENERATED"),
        ("ALTER TABLE t ADD COLUMN a BIGINT GENERATED ALWAYS AS IDENTITY", "GENERATED"),
        ("CREATE TABLE t (a INT, CHECK (a > 0))", "CHECK"),
        ("CREATE TABLE t (a INT, CONSTRAINT c CHECK (a > 0))", "ADD CONSTRAINT"),
        ("CREATE FUNCTION f() RETURNS INT LANGUAGE SCALA RETURN 1", "LANGUAGE"),
        ("CREATE FUNCTION f() RETURNS INT LANGUAGE PYTHON HANDLER 'x' AS $$$$", "HANDLER"),
        ("ALTER TABLE t ALTER COLUMN a.b COMMENT 'x'", "field of a struct"),
        ("INSERT INTO t PARTITION (a = 1) SELECT 1", "INSERT .. PARTITION"),
        ("INSERT INTO t REPLACE USING (a) SELECT 1", "INSERT .. REPLACE"),
        ("INSERT OVERWRITE DIRECTORY 'x' SELECT 1", "DIRECTORY"),
        ("UPDATE t SET a = 1 FROM u", "UPDATE .. FROM"),
        ("DELETE FROM t USING u", "DELETE .. USING"),
        ("MERGE WITH SCHEMA EVOLUTION INTO t USING u ON a WHEN MATCHED THEN DELETE", "SCHEMA EVOLUTION"),
        ("TRUNCATE TABLE t PARTITION (a = 1)", "PARTITION"),
        ("DROP TABLE t PURGE", "PURGE"),
        ("DROP TABLE t CASCADE", "CASCADE"),
        ("DROP VOLUME v", "DROP VOLUME"),
        ("DESCRIBE HISTORY t LIMIT 1", "DESCRIBE HISTORY"),
        ("DESCRIBE t a.b", "field of a column"),
        ("DESCRIBE TABLE t AS JSON", "AS JSON"),
        ("SHOW VOLUMES", "SHOW VOLUMES"),
        ("SHOW PARTITIONS t", "SHOW PARTITIONS"),
        ("GRANT SELECT ON ANY FILE TO x", "ANY FILE"),
        ("GRANT SELECT ON SHARE s TO x", "SHARE"),
        ("GRANT SELECT (a) ON t TO x", "privileges on columns"),
        ("GRANT SELECT ON t TO x WITH GRANT OPTION", "WITH GRANT OPTION"),
        ("EXPLAIN DROP TABLE t", "EXPLAIN"),
        ("SET x", "without a value"),
        ("COPY INTO t FROM 'x' FILEFORMAT = CSV VALIDATE ALL", "VALIDATE"),
        ("BEGIN SELECT 1", "BEGIN"),
        ("EXECUTE IMMEDIATE 'SELECT :x' USING 1", "without a name"),
        ("VACUUM t RETAIN 1 HOURS", "RETAIN"),
        ("OPTIMIZE t WHERE a = 1", "OPTIMIZE .. WHERE"),
        ("REFRESH FUNCTION f", "REFRESH"),
        ("DENY SELECT ON t TO x", "DENY"),
    ] {
        let error = refused(sql);
        assert!(error.starts_with("[UNSUPPORTED_FEATURE]") && error.contains(feature), "{sql}: {error}");
        assert!(error.contains("SQLSTATE: 0A000"), "{error}");
    }
}

#[test]
fn what_is_left_over_or_missing_is_an_error() {
    for sql in [
        "DROP TABLE t u",
        "DROP TABLE",
        "DROP METASTORE x",
        "CREATE",
        "CREATE TABLE a.b.c.d (x INT)",
        "CREATE TABLE t (a INT,)",
        "CREATE TABLE t (a)",
        "CREATE TABLE t (a ARRAY<INT)",
        "CREATE TABLE t (a INT) COMMENT 'x' COMMENT 'y'",
        "CREATE TABLE t (a INT) TBLPROPERTIES ('a' = 'b', a = 'c')",
        "CREATE OR REPLACE TABLE IF NOT EXISTS t (a INT)",
        "CREATE EXTERNAL TABLE t (a INT)",
        "CREATE VIEW v",
        "CREATE VIEW v AS DROP TABLE t",
        "CREATE FUNCTION f RETURN 1",
        "CREATE FUNCTION f() RETURNS INT AS $$ 1 $$",
        "CREATE FUNCTION f() LANGUAGE PYTHON AS $$ 1 $$",
        "CREATE FUNCTION f() RETURNS INT LANGUAGE PYTHON RETURN 1",
        "CREATE FUNCTION f() RETURN 1 COMMENT 'x'",
        "CREATE FUNCTION f() RETURN DROP TABLE t",
        "CREATE CONNECTION c OPTIONS (a 'b')",
        "CREATE OR REPLACE CATALOG c",
        "ALTER TABLE t SET ROW FILTER f",
        "ALTER TABLE t SET ROW FILTER f ON region",
        "ALTER TABLE t SET ROW FILTER f ON (upper(region))",
        "ALTER TABLE t ADD COLUMNS ()",
        "ALTER VIEW v SET ROW FILTER f ON (a)",
        "ALTER VIEW v ADD COLUMN a INT",
        "ALTER SCHEMA s ADD COLUMN a INT",
        "GRANT ON t TO x",
        "GRANT SELECT, ON t TO x",
        "GRANT SELECT ON t",
        "GRANT SELECT ON t TO x, y",
        "REVOKE SELECT ON t TO x",
        "SHOW GRANTS `x`",
        "SHOW TABLES LIKE",
        "COMMENT ON COLUMN c IS 'x'",
        "COMMENT ON TABLE t IS x",
        "INSERT t VALUES (1)",
        "INSERT INTO t",
        "INSERT INTO t (a) BY NAME SELECT 1",
        "UPDATE t WHERE a = 1",
        "DELETE t",
        "MERGE INTO t USING u ON a",
        "MERGE INTO t USING u ON a WHEN NOT MATCHED THEN DELETE",
        "MERGE INTO t USING u ON a WHEN NOT MATCHED BY SOURCE THEN UPDATE SET *",
        "MERGE INTO t USING u ON a WHEN NOT MATCHED THEN INSERT (a, b) VALUES (1)",
        "USE",
        "EXPLAIN EXPLAIN SELECT 1",
        "SELECT 1 FROM",
        "SELECT @x",
        "SELECT $$x$$",
        "SELECT ${x}",
        "SELECT ``",
        "SELECT f(a) -> b",
        "SELECT a ~ b",
        "SELECT a XOR b c",
    ] {
        let error = parse_one(sql).map(|statement| panic!("{sql}\n{statement:?}")).unwrap_err();
        assert!(matches!(error.class, ErrorClass::Syntax | ErrorClass::Unsupported), "{sql}: {error}");
    }
}
