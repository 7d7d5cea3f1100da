//! Every statement that is not a query, and what is understood by it.

use std::sync::LazyLock;

use datafusion::sql::sqlparser::ast::{SetExpr, TableFactor};
use regex::{Captures, Regex};

use super::*;
use crate::statement::{Alteration, MergeThen, MergeWhen};

/// What was understood, without what was not said (`None`, `false`, empty lists) and with names as they are written.
fn shown(statement: &Statement) -> String {
    static PATTERNS: LazyLock<[Regex; 3]> = LazyLock::new(|| {
        [
            r"Name\(Name\(\[(.*?)\]\)\)",
            r", \w+: (?:None|false|\[\]|\{\})",
            r"\{ \w+: (?:None|false|\[\]|\{\}), ",
        ]
        .map(|pattern| Regex::new(pattern).unwrap())
    });
    let [names, empty, first] = &*PATTERNS;
    let text = format!("{statement:?}");
    let text =
        names.replace_all(&text, |found: &Captures<'_>| found[1].replace("\", \"", ".").replace('"', ""));
    first.replace_all(&empty.replace_all(&text, ""), "{ ").into_owned()
}

#[test]
fn each_statement_is_understood_as_it_says() {
    for (sql, expected) in TABLE {
        assert_eq!(shown(&parsed(sql)), expected, "{sql}");
    }
}

#[test]
fn words_are_understood_in_any_case_and_with_comments_between_them() {
    for (sql, expected) in TABLE {
        let spaced = sql.replace(" ON ", " /* a */ ON -- b\n").replace(" TABLE ", " Table ");
        assert_eq!(shown(&parsed(&spaced)), expected, "{spaced}");
    }
}

#[test]
fn a_table_has_columns_defaults_policies_and_a_source() {
    let sql = "CREATE OR REPLACE TABLE main.s.t (id BIGINT NOT NULL PRIMARY KEY, r STRING DEFAULT 'EU' NOT NULL COMMENT 'c') \
               COMMENT 'x' USING DELTA AS SELECT 1, 'a'";
    let Statement::CreateTable(table) = parsed(sql) else { panic!() };
    assert!(table.or_replace && table.source.is_some());
    assert_eq!((table.using.as_deref(), table.comment.as_deref()), (Some("delta"), Some("x")));
    assert_eq!(table.primary_key.map(|key| key.columns), Some(vec!["id".to_owned()]));
    assert_eq!(table.columns[1].default.as_ref().unwrap().to_string(), "'EU'");
    assert!(!table.columns[0].nullable && !table.columns[1].nullable);
    assert_eq!(table.columns[1].comment.as_deref(), Some("c"));
    for sql in ["CREATE TABLE t AS TABLE a.b.c", "CREATE TABLE t SELECT 1", "CREATE TABLE t AS (SELECT 1)"] {
        assert!(matches!(parsed(sql), Statement::CreateTable(table) if table.source.is_some()), "{sql}");
    }
}

#[test]
fn a_view_keeps_its_query_as_it_was_written() {
    let sql = "CREATE OR REPLACE VIEW v (a COMMENT 'x', b) COMMENT 'c' TBLPROPERTIES (k = 'v') AS\n SELECT 1, /* keep */ \"2\" ;";
    let Statement::CreateView(view) = parsed(sql) else { panic!() };
    assert_eq!(view.text, "SELECT 1, /* keep */ \"2\"");
    assert_eq!(view.columns, [("a".to_owned(), Some("x".to_owned())), ("b".to_owned(), None)]);
    assert_eq!(*view.query, parse_query(&view.text).map(|_| (*view.query).clone()).unwrap());
    assert_eq!(view.comment.as_deref(), Some("c"));
    let Statement::CreateView(view) = parsed("CREATE VIEW v AS TABLE a.b.c") else { panic!() };
    assert_eq!((view.text.as_str(), view.query.to_string().as_str()), ("TABLE a.b.c", "SELECT * FROM a.b.c"));
    let Statement::Alter { action: Alteration::ViewQuery { text, .. }, .. } =
        parsed("ALTER VIEW v AS SELECT 2")
    else {
        panic!()
    };
    assert_eq!(text, "SELECT 2");
}

#[test]
fn a_name_may_be_given_as_a_parameter() {
    for sql in [
        "CREATE SCHEMA IDENTIFIER('main.' || :s)",
        "CREATE TABLE IDENTIFIER(:t) (a INT)",
        "DROP TABLE IF EXISTS IDENTIFIER(:t)",
        "GRANT EXECUTE ON FUNCTION IDENTIFIER(:f) TO x",
        "INSERT INTO IDENTIFIER(:t) (a) VALUES (1)",
        "UPDATE IDENTIFIER(:t) SET a = 1",
        "DELETE FROM IDENTIFIER(:t) WHERE a = :a",
        "MERGE INTO IDENTIFIER(:t) AS t USING IDENTIFIER(:u) AS u ON t.a = u.a WHEN MATCHED THEN DELETE",
        "ALTER TABLE IDENTIFIER(:t) SET ROW FILTER IDENTIFIER(:f) ON (a)",
        "DESCRIBE IDENTIFIER(:t)",
        "SHOW TABLES IN IDENTIFIER(:s)",
        "USE CATALOG IDENTIFIER(:c)",
    ] {
        assert!(format!("{:?}", parsed(sql)).contains("Identifier("), "{sql}");
    }
    assert_eq!(shown(&parsed("DROP TABLE identifier")), "Drop { kind: Table, name: identifier }");
}

#[test]
fn an_insert_takes_rows_columns_and_queries() {
    for (sql, overwrite, columns, by_name, source) in [
        ("INSERT INTO t VALUES (1, 'a'), (:b, DEFAULT)", false, "", false, "VALUES (1, 'a'), (:b, DEFAULT)"),
        ("INSERT INTO TABLE t (a, `b c`) SELECT 1, 2", false, "a,b c", false, "SELECT 1, 2"),
        ("INSERT OVERWRITE t BY NAME SELECT 1 AS a", true, "", true, "SELECT 1 AS a"),
        ("INSERT OVERWRITE INTO TABLE t SELECT 1", true, "", false, "SELECT 1"),
        ("INSERT INTO t TABLE a.b.c", false, "", false, "SELECT * FROM a.b.c"),
        ("INSERT INTO t (SELECT 1)", false, "", false, "(SELECT 1)"),
        (
            "INSERT INTO t WITH x AS (SELECT 1) SELECT * FROM x",
            false,
            "",
            false,
            "WITH x AS (SELECT 1) SELECT * FROM x",
        ),
    ] {
        let Statement::Insert(insert) = parsed(sql) else { panic!("{sql}") };
        assert_eq!(
            (&insert.table, insert.overwrite, insert.by_name),
            (&name("t"), overwrite, by_name),
            "{sql}"
        );
        assert_eq!(
            (insert.columns.join(","), insert.source.to_string()),
            (columns.to_owned(), source.to_owned()),
            "{sql}"
        );
    }
    let Statement::Insert(insert) = parsed("INSERT INTO table VALUES (1)") else { panic!() };
    assert_eq!(insert.table, name("table"));
}

#[test]
fn an_update_and_a_delete_have_an_alias_and_a_condition() {
    let Statement::Update { table, alias, set, filter } =
        parsed("UPDATE main.s.t AS x SET a = 1, x.b = x.c + 1 WHERE a = :p")
    else {
        panic!()
    };
    assert_eq!((table, alias.as_deref()), (name("main.s.t"), Some("x")));
    let set: Vec<_> = set.iter().map(|(column, value)| format!("{}={value}", column.join("."))).collect();
    assert_eq!(set, ["a=1", "x.b=x.c + 1"]);
    assert_eq!(filter.unwrap().to_string(), "a = :p");
    let Statement::Delete { table, alias, filter } = parsed("DELETE FROM t x WHERE a IN (SELECT 1)") else {
        panic!()
    };
    assert_eq!((table, alias.as_deref(), filter.is_some()), (name("t"), Some("x"), true));
    assert!(matches!(parsed("DELETE FROM t"), Statement::Delete { alias: None, filter: None, .. }));
    assert!(matches!(parsed("UPDATE t SET a = 1"), Statement::Update { alias: None, filter: None, .. }));
}

#[test]
fn a_merge_has_its_clauses_in_order() {
    let sql = "MERGE INTO main.s.t AS t USING (SELECT * FROM s) AS u ON t.id = u.id \
               WHEN MATCHED AND u.gone THEN DELETE \
               WHEN MATCHED THEN UPDATE SET * \
               WHEN MATCHED THEN UPDATE SET a = u.a, t.b = 2 \
               WHEN NOT MATCHED BY TARGET AND u.x > 1 THEN INSERT (id, a) VALUES (u.id, 1) \
               WHEN NOT MATCHED THEN INSERT * \
               WHEN NOT MATCHED BY SOURCE THEN UPDATE SET a = NULL \
               WHEN NOT MATCHED BY SOURCE THEN DELETE";
    let Statement::Merge(merge) = parsed(sql) else { panic!() };
    assert_eq!((&merge.target, merge.alias.as_deref()), (&name("main.s.t"), Some("t")));
    assert!(
        matches!(&merge.source, TableFactor::Derived { subquery, .. } if matches!(*subquery.body, SetExpr::Select(_)))
    );
    assert_eq!(merge.condition.to_string(), "t.id = u.id");
    let clauses: Vec<_> = (merge.clauses.iter())
        .map(|clause| {
            let then = match &clause.then {
                MergeThen::UpdateAll => "UPDATE *".to_owned(),
                MergeThen::Update(set) => format!("UPDATE {}", set.len()),
                MergeThen::Delete => "DELETE".to_owned(),
                MergeThen::InsertAll => "INSERT *".to_owned(),
                MergeThen::Insert { columns, values } => {
                    format!("INSERT {} {}", columns.join(","), values.len())
                }
            };
            (clause.when, clause.condition.is_some(), then)
        })
        .collect();
    let expected = [
        (MergeWhen::Matched, true, "DELETE"),
        (MergeWhen::Matched, false, "UPDATE *"),
        (MergeWhen::Matched, false, "UPDATE 2"),
        (MergeWhen::NotMatched, true, "INSERT id,a 2"),
        (MergeWhen::NotMatched, false, "INSERT *"),
        (MergeWhen::NotMatchedBySource, false, "UPDATE 1"),
        (MergeWhen::NotMatchedBySource, false, "DELETE"),
    ];
    assert_eq!(clauses, expected.map(|(when, condition, then)| (when, condition, then.to_owned())));
}

#[test]
fn explain_and_describe_take_a_query() {
    for sql in [
        "EXPLAIN SELECT 1",
        "EXPLAIN FORMATTED INSERT INTO t VALUES (1)",
        "EXPLAIN COST CREATE TABLE t AS SELECT 1",
    ] {
        assert!(matches!(parsed(sql), Statement::Explain(_)), "{sql}");
    }
    for sql in
        ["DESCRIBE QUERY SELECT 1", "DESC SELECT 1", "DESCRIBE (SELECT 1)", "DESCRIBE QUERY TABLE a.b.c"]
    {
        assert!(matches!(parsed(sql), Statement::DescribeQuery(_)), "{sql}");
    }
    assert_eq!(shown(&parsed("DESCRIBE query")), "Describe { kind: Table, name: query }");
}

pub(super) static TABLE: [(&str, &str); 95] = [
    (
        "CREATE CATALOG IF NOT EXISTS main COMMENT 'x'",
        r#"CreateCatalog(CreateContainer { name: main, if_not_exists: true, comment: Some("x") })"#,
    ),
    (
        "CREATE SCHEMA main.s WITH DBPROPERTIES (a.b = 'c', 'd' = 1)",
        r#"CreateSchema(CreateContainer { name: main.s, properties: {"a.b": "c", "d": "1"} })"#,
    ),
    (
        "CREATE EXTERNAL TABLE t (a INT) LOCATION '/x'",
        r#"CreateTable(CreateTable { name: t, columns: [Column { name: "a", data_type: Int, nullable: true }], location: Some("/x") })"#,
    ),
    (
        "CREATE TABLE t USING CSV OPTIONS (header 'true', path '/x')",
        r#"CreateTable(CreateTable { name: t, using: Some("csv"), options: {"header": "true", "path": "/x"} })"#,
    ),
    (
        "CREATE TABLE t (a DOUBLE PRECISION, b ARRAY<STRUCT<x: INT, y: MAP<STRING,INT>>> NOT NULL, c INTERVAL YEAR TO MONTH)",
        r#"CreateTable(CreateTable { name: t, columns: [Column { name: "a", data_type: Double, nullable: true }, Column { name: "b", data_type: Array(Struct([StructField { name: "x", data_type: Int, nullable: true }, StructField { name: "y", data_type: Map(String, Int), nullable: true }])) }, Column { name: "c", data_type: YearMonthInterval, nullable: true }] })"#,
    ),
    (
        "CREATE TABLE t (a INT, CONSTRAINT k PRIMARY KEY (a) RELY, FOREIGN KEY (a) REFERENCES r (id) NOT ENFORCED)",
        r#"CreateTable(CreateTable { name: t, columns: [Column { name: "a", data_type: Int, nullable: true }], primary_key: Some(PrimaryKey { name: Some("k"), columns: ["a"] }), foreign_keys: [ForeignKey { columns: ["a"], table: r, referenced: ["id"] }] })"#,
    ),
    (
        "CREATE TABLE t (a INT) PARTITIONED BY (b STRING) CLUSTER BY (a) TBLPROPERTIES ('k' = 'v', delta.x = true)",
        r#"CreateTable(CreateTable { name: t, columns: [Column { name: "a", data_type: Int, nullable: true }, Column { name: "b", data_type: String, nullable: true }], partitioned_by: ["b"], cluster_by: ["a"], properties: {"delta.x": "true", "k": "v"} })"#,
    ),
    (
        "CREATE TABLE t (a INT COMMENT 'x' MASK m USING COLUMNS (b, 'x', -42, NULL, DATE '2026-01-01')) WITH ROW FILTER main.s.rf ON (b)",
        r#"CreateTable(CreateTable { name: t, columns: [Column { name: "a", data_type: Int, nullable: true, comment: Some("x"), mask: Some(Mask { function: m, using: [Column("b"), Constant("'x'"), Constant("-42"), Constant("NULL"), Constant("DATE '2026-01-01'")] }) }], row_filter: Some(RowFilter { function: main.s.rf, on: [Column("b")] }) })"#,
    ),
    (
        "CREATE TABLE t (a INT MASK m) ROW FILTER f ON ()",
        r#"CreateTable(CreateTable { name: t, columns: [Column { name: "a", data_type: Int, nullable: true, mask: Some(Mask { function: m }) }], row_filter: Some(RowFilter { function: f }) })"#,
    ),
    (
        "CREATE FUNCTION main.s.f(x INT, y STRING DEFAULT concat('a', 'b') COMMENT 'z') RETURNS INT LANGUAGE SQL DETERMINISTIC COMMENT 'c' CONTAINS SQL RETURN x + 1",
        r#"CreateFunction(CreateFunction { name: main.s.f, parameters: [Parameter { name: "x", data_type: Int }, Parameter { name: "y", data_type: String, default: Some("concat('a', 'b')"), comment: Some("z") }], returns: Scalar(Some(Int)), body: Sql("x + 1"), comment: Some("c"), deterministic: Some(true), data_access: Some("CONTAINS_SQL") })"#,
    ),
    (
        "CREATE OR REPLACE FUNCTION f() RETURNS TABLE (a INT, b STRING COMMENT 'x') READS SQL DATA RETURN SELECT a, /* keep */ b FROM t",
        r#"CreateFunction(CreateFunction { name: f, or_replace: true, returns: Table([Parameter { name: "a", data_type: Int }, Parameter { name: "b", data_type: String, comment: Some("x") }]), body: Sql("SELECT a, /* keep */ b FROM t"), data_access: Some("READS_SQL_DATA") })"#,
    ),
    (
        "CREATE FUNCTION IF NOT EXISTS f(region STRING) RETURN IF(is_account_group_member('admin'), true, region = 'US');",
        r#"CreateFunction(CreateFunction { name: f, if_not_exists: true, parameters: [Parameter { name: "region", data_type: String }], returns: Scalar(None), body: Sql("IF(is_account_group_member('admin'), true, region = 'US')") })"#,
    ),
    (
        "CREATE FUNCTION f() RETURNS TABLE RETURN (SELECT 1)",
        r#"CreateFunction(CreateFunction { name: f, returns: Table([]), body: Sql("(SELECT 1)") })"#,
    ),
    (
        "CREATE FUNCTION f(x INT) RETURNS INT NOT DETERMINISTIC LANGUAGE PYTHON AS $$ return ';' $$",
        r#"CreateFunction(CreateFunction { name: f, parameters: [Parameter { name: "x", data_type: Int }], returns: Scalar(Some(Int)), body: Python(" return ';' "), deterministic: Some(false) })"#,
    ),
    (
        "CREATE FUNCTION f(x INT) RETURNS INT LANGUAGE PYTHON AS $py$ return '$$' $py$",
        r#"CreateFunction(CreateFunction { name: f, parameters: [Parameter { name: "x", data_type: Int }], returns: Scalar(Some(Int)), body: Python(" return '$$' ") })"#,
    ),
    (
        r#"CREATE FUNCTION f(x INT) RETURNS INT LANGUAGE PYTHON AS 'return x\n'"#,
        r#"CreateFunction(CreateFunction { name: f, parameters: [Parameter { name: "x", data_type: Int }], returns: Scalar(Some(Int)), body: Python("return x\n") })"#,
    ),
    (
        "CREATE CONNECTION c TYPE HTTP OPTIONS (host 'https://x', port = '443', bearer_token secret('s','k')) COMMENT 'x'",
        r#"CreateConnection(CreateConnection { name: c, connection_type: "HTTP", options: [("host", Literal("https://x")), ("port", Literal("443")), ("bearer_token", Secret { scope: "s", key: "k" })], comment: Some("x") })"#,
    ),
    (
        "DROP SCHEMA IF EXISTS main.s CASCADE",
        "Drop { kind: Schema, name: main.s, if_exists: true, cascade: true }",
    ),
    ("DROP TABLE function", "Drop { kind: Table, name: function }"),
    ("DROP FUNCTION IF EXISTS `a.b`.`c``d`", "Drop { kind: Function, name: a.b.c`d, if_exists: true }"),
    (
        "ALTER TABLE t SET ROW FILTER main.s.rf ON (region, 'x')",
        r#"Alter { kind: Table, name: t, action: SetRowFilter(RowFilter { function: main.s.rf, on: [Column("region"), Constant("'x'")] }) }"#,
    ),
    ("ALTER TABLE t DROP ROW FILTER", "Alter { kind: Table, name: t, action: DropRowFilter }"),
    (
        "ALTER TABLE t ALTER COLUMN ssn SET MASK m USING COLUMNS (a)",
        r#"Alter { kind: Table, name: t, action: SetMask { column: "ssn", mask: Mask { function: m, using: [Column("a")] } } }"#,
    ),
    (
        "ALTER TABLE t ALTER ssn DROP MASK",
        r#"Alter { kind: Table, name: t, action: DropMask { column: "ssn" } }"#,
    ),
    (
        "ALTER TABLE t ALTER COLUMN a COMMENT 'x'",
        r#"Alter { kind: Table, name: t, action: ColumnComment { column: "a", comment: Some("x") } }"#,
    ),
    (
        "ALTER TABLE t ALTER COLUMN a TYPE BIGINT",
        r#"Alter { kind: Table, name: t, action: ColumnType { column: "a", data_type: Long } }"#,
    ),
    (
        "ALTER TABLE t ALTER COLUMN a SET NOT NULL",
        r#"Alter { kind: Table, name: t, action: ColumnNullable { column: "a" } }"#,
    ),
    (
        "ALTER TABLE t ALTER COLUMN a DROP NOT NULL",
        r#"Alter { kind: Table, name: t, action: ColumnNullable { column: "a", nullable: true } }"#,
    ),
    (
        "ALTER TABLE t ADD COLUMNS (a INT, b STRING COMMENT 'x')",
        r#"Alter { kind: Table, name: t, action: AddColumns([(Column { name: "a", data_type: Int, nullable: true }, None), (Column { name: "b", data_type: String, nullable: true, comment: Some("x") }, None)]) }"#,
    ),
    (
        "ALTER TABLE t DROP COLUMN a",
        r#"Alter { kind: Table, name: t, action: DropColumns { names: ["a"] } }"#,
    ),
    (
        "ALTER TABLE t DROP COLUMNS IF EXISTS (a, b)",
        r#"Alter { kind: Table, name: t, action: DropColumns { names: ["a", "b"], if_exists: true } }"#,
    ),
    (
        "ALTER TABLE t RENAME COLUMN a TO b",
        r#"Alter { kind: Table, name: t, action: RenameColumn { from: "a", to: "b" } }"#,
    ),
    ("ALTER VIEW v RENAME TO main.s.u", "Alter { kind: View, name: v, action: RenameTo(main.s.u) }"),
    (
        "ALTER TABLE t SET TBLPROPERTIES ('a' = 'b')",
        r#"Alter { kind: Table, name: t, action: SetProperties({"a": "b"}) }"#,
    ),
    (
        "ALTER TABLE t UNSET TBLPROPERTIES IF EXISTS (a, b.c)",
        r#"Alter { kind: Table, name: t, action: UnsetProperties { keys: ["a", "b.c"], if_exists: true } }"#,
    ),
    ("ALTER TABLE t OWNER TO `ana@x.com`", r#"Alter { kind: Table, name: t, action: OwnerTo("ana@x.com") }"#),
    ("ALTER SCHEMA s SET OWNER TO admins", r#"Alter { kind: Schema, name: s, action: OwnerTo("admins") }"#),
    ("ALTER FUNCTION f OWNER TO 'a b'", r#"Alter { kind: Function, name: f, action: OwnerTo("a b") }"#),
    (
        "ALTER SCHEMA s SET DBPROPERTIES (a = 'b')",
        r#"Alter { kind: Schema, name: s, action: SetProperties({"a": "b"}) }"#,
    ),
    ("ALTER CATALOG c SET COMMENT NULL", "Alter { kind: Catalog, name: c, action: SetComment(None) }"),
    (
        "ALTER CONNECTION c SET OPTIONS (host 'x')",
        r#"Alter { kind: Connection, name: c, action: SetOptions([("host", Literal("x"))]) }"#,
    ),
    (
        "ALTER TABLE t SET TAGS ('a' = 'b')",
        r#"Alter { kind: Table, name: t, action: SetTags { tags: {"a": "b"} } }"#,
    ),
    (
        "ALTER TABLE t ADD CONSTRAINT c PRIMARY KEY (a)",
        r#"Alter { kind: Table, name: t, action: AddConstraint(PrimaryKey(PrimaryKey { name: Some("c"), columns: ["a"] })) }"#,
    ),
    ("ALTER TABLE t CLUSTER BY (a)", r#"Alter { kind: Table, name: t, action: ClusterBy(["a"]) }"#),
    (
        "ALTER TABLE t ALTER COLUMN a SET TAGS ('x')",
        r#"Alter { kind: Table, name: t, action: SetTags { column: Some("a"), tags: {"x": ""} } }"#,
    ),
    ("TRUNCATE TABLE t", "Truncate { table: t }"),
    ("DESCRIBE TABLE EXTENDED main.s.t", "Describe { kind: Table, name: main.s.t, extended: true }"),
    ("DESC t", "Describe { kind: Table, name: t }"),
    ("DESCRIBE extended", "Describe { kind: Table, name: extended }"),
    ("DESC FORMATTED t", "Describe { kind: Table, name: t, extended: true }"),
    ("DESCRIBE CATALOG EXTENDED main", "Describe { kind: Catalog, name: main, extended: true }"),
    ("DESCRIBE DATABASE s", "Describe { kind: Schema, name: s }"),
    ("DESCRIBE FUNCTION EXTENDED f", "Describe { kind: Function, name: f, extended: true }"),
    ("DESCRIBE CONNECTION c", "Describe { kind: Connection, name: c }"),
    ("SHOW CATALOGS LIKE 'm*'", r#"ShowCatalogs { like: Some("m*") }"#),
    ("SHOW SCHEMAS IN main 'x*'", r#"ShowSchemas { within: Some(main), like: Some("x*") }"#),
    ("SHOW DATABASES", "ShowSchemas { within: None }"),
    ("SHOW TABLES", "ShowTables { within: None }"),
    ("SHOW TABLES FROM main.s LIKE 'a|b'", r#"ShowTables { within: Some(main.s), like: Some("a|b") }"#),
    ("SHOW VIEWS IN s", "ShowViews { within: Some(s) }"),
    ("SHOW FUNCTIONS", "ShowFunctions { scope: All }"),
    (
        "SHOW USER FUNCTIONS IN main.s LIKE main.s.f",
        r#"ShowFunctions { scope: User, within: Some(main.s), like: Some("main.s.f") }"#,
    ),
    ("SHOW SYSTEM FUNCTIONS 'a*'", r#"ShowFunctions { scope: System, like: Some("a*") }"#),
    ("SHOW COLUMNS IN t IN main.s", "ShowColumns { table: main.s.t }"),
    ("SHOW COLUMNS FROM main.s.t", "ShowColumns { table: main.s.t }"),
    ("SHOW CONNECTIONS", "ShowConnections { like: None }"),
    ("SHOW CREATE TABLE t", "ShowCreateTable { table: t }"),
    ("SHOW TBLPROPERTIES t", "ShowTableProperties { table: t }"),
    (
        "SHOW GRANTS `ana@x.com` ON SCHEMA main.s",
        r#"ShowGrants { principal: Some("ana@x.com"), kind: Schema, name: Some(main.s) }"#,
    ),
    ("SHOW GRANTS ON METASTORE", "ShowGrants { kind: Metastore }"),
    (
        "SHOW GRANT users ON main.s.t",
        r#"ShowGrants { principal: Some("users"), kind: Table, name: Some(main.s.t) }"#,
    ),
    ("COMMENT ON TABLE t IS 'x'", r#"Comment { kind: Table, name: t, comment: Some("x") }"#),
    ("COMMENT ON SCHEMA s IS NULL", "Comment { kind: Schema, name: s }"),
    ("COMMENT ON CONNECTION c IS ''", r#"Comment { kind: Connection, name: c, comment: Some("") }"#),
    (
        "COMMENT ON COLUMN main.s.t.c IS 'x'",
        r#"CommentOnColumn { table: main.s.t, column: "c", comment: Some("x") }"#,
    ),
    (
        "GRANT SELECT, MODIFY ON TABLE main.s.t TO `ana@x.com`",
        r#"Grant { privileges: ["SELECT", "MODIFY"], kind: Table, name: Some(main.s.t), principal: "ana@x.com" }"#,
    ),
    (
        "GRANT USE CATALOG ON CATALOG main TO `account users`",
        r#"Grant { privileges: ["USE CATALOG"], kind: Catalog, name: Some(main), principal: "account users" }"#,
    ),
    (
        "GRANT ALL PRIVILEGES ON DATABASE main.s TO admins",
        r#"Grant { privileges: ["ALL PRIVILEGES"], kind: Schema, name: Some(main.s), principal: "admins" }"#,
    ),
    (
        "GRANT CREATE CATALOG ON METASTORE TO x",
        r#"Grant { privileges: ["CREATE CATALOG"], kind: Metastore, principal: "x" }"#,
    ),
    (
        "GRANT select ON main.s.t TO 'b c'",
        r#"Grant { privileges: ["SELECT"], kind: Table, name: Some(main.s.t), principal: "b c" }"#,
    ),
    (
        "GRANT EXECUTE ON FUNCTION main.s.f TO x",
        r#"Grant { privileges: ["EXECUTE"], kind: Function, name: Some(main.s.f), principal: "x" }"#,
    ),
    (
        "GRANT USE CONNECTION ON CONNECTION c TO x",
        r#"Grant { privileges: ["USE CONNECTION"], kind: Connection, name: Some(c), principal: "x" }"#,
    ),
    (
        "REVOKE SELECT, EXTERNAL USE SCHEMA ON VIEW v FROM `x y`",
        r#"Revoke { privileges: ["SELECT", "EXTERNAL USE SCHEMA"], kind: View, name: Some(v), principal: "x y" }"#,
    ),
    ("USE CATALOG main", "UseCatalog(main)"),
    ("USE main.s", "UseSchema(main.s)"),
    ("USE SCHEMA s", "UseSchema(s)"),
    ("USE DATABASE `a-b`", "UseSchema(a-b)"),
    ("USE 'x'", "UseSchema(x)"),
    ("USE catalog", "UseSchema(catalog)"),
    ("SET CATALOG main", "UseCatalog(main)"),
    ("SET TIME ZONE 'UTC'", r#"Set { name: "timezone", value: Some("UTC") }"#),
    ("SET spark.sql.ansi.enabled = false", r#"Set { name: "spark.sql.ansi.enabled", value: Some("false") }"#),
    ("SET x = a b, 'c'", r#"Set { name: "x", value: Some("a b, 'c'") }"#),
    ("RESET x", r#"Set { name: "x" }"#),
    ("RESET", r#"Set { name: "" }"#),
];
