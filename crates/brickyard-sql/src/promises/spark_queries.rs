//! Whole queries that mean in Spark what DataFusion plans otherwise, or not at all. The answers are Spark's own.

use super::workspace::Workspace;

const T: &str = "VALUES (1, 2), (2, 3), (4, NULL) AS t(a, b)";

/// The query, its rows, and the types of its columns.
const ANSWERS: &[(&str, &[&str], &str)] = &[
    // Rows of values.
    ("SELECT a FROM {t} WHERE (a, b) IN ((1, 2), (3, 4))", &["1"], "int"),
    ("SELECT a FROM {t} WHERE (a, b) NOT IN ((1, 2), (3, 4)) ORDER BY a", &["2", "4"], "int"),
    ("SELECT a FROM {t} WHERE (a, b) IN ((4, NULL))", &["4"], "int"),
    ("SELECT a FROM {t} WHERE (a, b) IN (SELECT 1, 2)", &["1"], "int"),
    (
        "SELECT a FROM {t} WHERE (a, b) IN (SELECT x, y FROM VALUES (2, 3), (4, NULL) AS u(x, y))",
        &["2"],
        "int",
    ),
    // What is unknown is not there, and not missing either.
    ("SELECT a FROM {t} WHERE (a, b) NOT IN (SELECT 4, 2) ORDER BY a", &["1", "2"], "int"),
    ("SELECT a FROM {t} WHERE NOT ((a, b) IN (SELECT 4, 2)) ORDER BY a", &["1", "2"], "int"),
    ("SELECT a FROM {t} WHERE (a, b) NOT IN (SELECT 1, CAST(NULL AS INT)) ORDER BY a", &["2", "4"], "int"),
    ("SELECT a FROM {t} WHERE a = 1 OR (a, b) IN (SELECT 2, 3) ORDER BY a", &["1", "2"], "int"),
    // The fields of a struct.
    ("SELECT s.* FROM (SELECT named_struct('x', 1, 'Y', 'z') AS s)", &["1|z"], "int, string"),
    (
        "SELECT q.s.*, 7 AS n FROM (SELECT named_struct('x', 1, 'y', 2) AS s) AS q",
        &["1|2|7"],
        "int, int, int",
    ),
    ("SELECT s.* EXCEPT (x) FROM (SELECT named_struct('x', 1, 'y', 2) AS s)", &["2"], "int"),
    ("SELECT sum(x) FROM (SELECT s.* FROM (SELECT named_struct('x', 1, 'y', 2) AS s))", &["1"], "bigint"),
    // Aggregates of what is in order.
    (
        "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY x) FROM VALUES (1), (2), (3), (4) AS t(x)",
        &["2.0"],
        "double",
    ),
    (
        "SELECT percentile_disc(0.25) WITHIN GROUP (ORDER BY x DESC) FROM VALUES (1), (2), (3), (4) AS t(x)",
        &["4.0"],
        "double",
    ),
    (
        "SELECT percentile_cont(0.25) WITHIN GROUP (ORDER BY x) FROM VALUES (1), (2), (3), (4) AS t(x)",
        &["1.75"],
        "double",
    ),
    (
        "SELECT percentile_cont(array(0.25, 0.5)) WITHIN GROUP (ORDER BY x) FROM VALUES (1), (2), (3), (4) AS t(x)",
        &["[1.75, 2.5]"],
        "array<double>",
    ),
    (
        "SELECT percentile(x, 0.3), median(x) FROM VALUES (2), (1), (4), (5), (NULL) AS t(x)",
        &["1.9|3.0"],
        "double, double",
    ),
    (
        "SELECT percentile(x, array(0.3, 0.5)) FROM VALUES (2), (1), (4), (5) AS t(x)",
        &["[1.9, 3.0]"],
        "array<double>",
    ),
    (
        "SELECT percentile(x, 0.5) FILTER (WHERE x > 1) FROM VALUES (2), (1), (4), (5) AS t(x)",
        &["4.0"],
        "double",
    ),
    (
        "SELECT percentile_approx(x, 0.5), approx_percentile(x, array(0.5, 0.9), 100) FROM VALUES (2), (1), (4), (5) AS t(x)",
        &["2|[2, 5]"],
        "int, array<int>",
    ),
    (
        "SELECT g, median(x) FROM VALUES ('a', 1), ('a', 2), ('b', NULL) AS t(g, x) GROUP BY g ORDER BY g",
        &["a|1.5", "b|NULL"],
        "string, double",
    ),
    (
        "SELECT listagg(x, ',') WITHIN GROUP (ORDER BY x DESC) FROM VALUES ('a'), ('b') AS t(x)",
        &["b,a"],
        "string",
    ),
    (
        "SELECT listagg(x) WITHIN GROUP (ORDER BY x) FROM VALUES ('a'), ('b'), (NULL) AS t(x)",
        &["ab"],
        "string",
    ),
    (
        "SELECT string_agg(x, ', ') WITHIN GROUP (ORDER BY y) FROM VALUES ('a', 2), ('b', 1) AS t(x, y)",
        &["b, a"],
        "string",
    ),
    (
        "SELECT listagg(DISTINCT x, ', ') WITHIN GROUP (ORDER BY x) FROM VALUES ('a'), ('b'), ('a') AS t(x)",
        &["a, b"],
        "string",
    ),
    (
        "SELECT mode(x) AS a, mode() WITHIN GROUP (ORDER BY x) AS b, mode() WITHIN GROUP (ORDER BY x DESC) AS c FROM VALUES (2), (1) AS t(x)",
        &["1|1|2"],
        "int, int, int",
    ),
    (
        "SELECT sum(x), avg(x), stddev_pop(x) FROM VALUES ('1'), ('1') AS t(x)",
        &["2.0|1.0|0.0"],
        "double, double, double",
    ),
    ("SELECT sum(DISTINCT x), avg(x) FROM VALUES ('1'), ('2') AS t(x)", &["3.0|1.5"], "double, double"),
    // Two types in one column.
    (
        "SELECT DATE'2024-01-01' AS x UNION ALL SELECT TIMESTAMP'2024-01-02 03:04:05' ORDER BY x",
        &["2024-01-01T00:00:00Z", "2024-01-02T03:04:05Z"],
        "timestamp",
    ),
    ("SELECT 1 AS x UNION ALL SELECT '2' ORDER BY x", &["1", "2"], "bigint"),
    ("SELECT 1 AS x UNION ALL SELECT 2.5 ORDER BY x", &["1.0", "2.5"], "decimal(11,1)"),
    ("SELECT 1.25 AS x UNION SELECT 1e0 ORDER BY x", &["1.0", "1.25"], "double"),
    ("SELECT 1L AS x UNION ALL SELECT CAST(1 AS FLOAT)", &["1.0", "1.0"], "double"),
    ("SELECT true AS x UNION ALL SELECT 'false' ORDER BY x", &["false", "true"], "boolean"),
    ("SELECT NULL AS x UNION ALL SELECT 1 ORDER BY x", &["NULL", "1"], "int"),
    ("SELECT array(1) AS x UNION ALL SELECT array(1.5)", &["[1.0]", "[1.5]"], "array<decimal(11,1)>"),
    (
        "SELECT CAST(1 AS DECIMAL(38,10)) AS x UNION SELECT CAST(1 AS DECIMAL(38,2))",
        &["1.00"],
        "decimal(38,2)",
    ),
    ("SELECT 1 AS x INTERSECT SELECT '1'", &["1"], "bigint"),
    ("SELECT 1 AS x EXCEPT SELECT 1.0", &[], "decimal(11,1)"),
    // Whoever reads such a column reads its type.
    ("SELECT x + 1 FROM (SELECT 1 AS x UNION ALL SELECT 2.5) ORDER BY 1", &["2.0", "3.5"], "decimal(12,1)"),
    ("WITH c AS (SELECT 1 AS x UNION ALL SELECT 2.5) SELECT sum(x + 1) FROM c", &["5.5"], "decimal(22,1)"),
    ("SELECT x + 1 FROM (SELECT CASE WHEN false THEN 1 ELSE 2.5 END AS x)", &["3.5"], "decimal(12,1)"),
    (
        "SELECT sum(CASE WHEN x = 1 THEN 1 ELSE 0.5 END) + 1 FROM VALUES (1), (2) AS t(x)",
        &["2.5"],
        "decimal(22,1)",
    ),
    (
        "SELECT CASE WHEN a > 1 THEN 1 ELSE 2.5 END + 1 AS c, count(*) FROM {t} GROUP BY CASE WHEN a > 1 THEN 1 ELSE 2.5 END ORDER BY c",
        &["2.0|2", "3.5|1"],
        "decimal(12,1), bigint",
    ),
    // Views without names for themselves or their columns.
    (
        "SELECT e.col FROM VALUES (array(1, 2)) AS t(a) LATERAL VIEW explode(a) e ORDER BY e.col DESC",
        &["2", "1"],
        "int",
    ),
    (
        "SELECT col FROM VALUES (array(1, 2)) AS t(a) LATERAL VIEW explode(a) ORDER BY col LIMIT 1",
        &["1"],
        "int",
    ),
    ("SELECT col FROM VALUES (array(1, 2)) AS t(a) LATERAL VIEW explode(a) WHERE col > 1", &["2"], "int"),
    (
        "SELECT x FROM VALUES (array(1, 2)) AS t(a) LATERAL VIEW OUTER explode(a) AS x ORDER BY x DESC",
        &["2", "1"],
        "int",
    ),
    (
        "SELECT count(*) FROM VALUES (array(1, 2)) AS t(a) LATERAL VIEW explode(a) e LATERAL VIEW explode(a) f",
        &["4"],
        "bigint",
    ),
];

#[tokio::test]
async fn a_query_has_sparks_answer_and_types() {
    let w = Workspace::empty().await;
    let mut wrong = Vec::new();
    for (query, rows, types) in ANSWERS {
        let query = query.replace("{t}", T);
        let answer = w.ask(&w.ada, &query).await;
        let meant: Vec<String> = rows.iter().map(ToString::to_string).collect();
        if answer.as_ref() != Ok(&meant) {
            wrong.push(format!("{query}: {answer:?}, not {rows:?}"));
        }
        let described = w.ask(&w.ada, &format!("DESCRIBE QUERY {query}")).await.unwrap_or_default();
        let described: Vec<&str> =
            described.iter().map(|row| row.split('|').nth(1).unwrap_or_default()).collect();
        if described.join(", ") != *types {
            wrong.push(format!("{query}: {described:?}, not {types}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The statement, and what its refusal says.
const REFUSALS: &[(&str, &str)] = &[
    ("SELECT regexp_like('2020-02-30', '(') FROM VALUES (1) AS t(a)", "INVALID_PARAMETER_VALUE.PATTERN"),
    ("SELECT regexp_like(a, '(') FROM VALUES ('x') AS t(a)", "INVALID_PARAMETER_VALUE.PATTERN"),
    ("SELECT 1 AS x UNION ALL SELECT 'a'", "CAST_INVALID_INPUT"),
    ("SELECT true AS x UNION ALL SELECT 1", "INCOMPATIBLE_COLUMN_TYPE"),
    ("SELECT DATE'2024-01-01' AS x EXCEPT SELECT 1", "INCOMPATIBLE_COLUMN_TYPE"),
    ("SELECT 'abc' + 1", "CAST_INVALID_INPUT"),
    ("SELECT '1.5' / 2", "CAST_INVALID_INPUT"),
    ("SELECT sum(x) FROM VALUES ('1'), ('x') AS t(x)", "CAST_INVALID_INPUT"),
    ("SELECT '1' + '2'", "DATATYPE_MISMATCH"),
    ("SELECT x = 1 FROM VALUES ('x') AS t(x)", "CAST_INVALID_INPUT"),
    ("SELECT 1 FROM VALUES ('x') AS t(x) WHERE x IN (1, 2)", "CAST_INVALID_INPUT"),
    ("SELECT 1 FROM VALUES (1) AS t(x) WHERE x IN ('1', 'x')", "CAST_INVALID_INPUT"),
    ("SELECT 1 FROM VALUES ('x') AS t(x) WHERE x BETWEEN 1 AND 2", "CAST_INVALID_INPUT"),
    (
        "SELECT 1 FROM VALUES (1) AS t(x) WHERE x IN (SELECT y FROM VALUES ('x') AS u(y))",
        "CAST_INVALID_INPUT",
    ),
    ("SELECT * FROM VALUES (1) AS a(x) JOIN VALUES ('x') AS b(x) USING (x)", "CAST_INVALID_INPUT"),
    ("SELECT CASE x WHEN 'x' THEN 1 ELSE 2 END FROM VALUES (1) AS t(x)", "CAST_INVALID_INPUT"),
    ("SELECT CASE WHEN x THEN 'a' ELSE 1 END FROM VALUES (true) AS t(x)", "CAST_INVALID_INPUT"),
    ("SELECT true = 1", "BINARY_OP_DIFF_TYPES"),
    ("SELECT 1 WHERE (1, 2) IN ((1, 2, 3))", "LENGTH_MISMATCH"),
    ("SELECT 1 WHERE (1, 2) IN (SELECT 1)", "LENGTH_MISMATCH"),
    ("SELECT nobody.* FROM VALUES (1) AS t(x)", "nobody"),
    ("SELECT x.* FROM VALUES (1) AS t(x)", "neither a table nor a struct"),
    ("SELECT INTERVAL '1-12' YEAR TO MONTH", "INVALID_INTERVAL_FORMAT"),
    ("SELECT INTERVAL '1' DAY / 0", "DIVIDE_BY_ZERO"),
    ("SELECT percentile(x, 1.5) FROM VALUES (1) AS t(x)", "between 0 and 1"),
    ("SELECT from_json('{}', 'a INT', map('mode', 'FAILFAST'))", "'mode' = 'FAILFAST'"),
    ("SELECT from_json('{}', 'a INT', map('primitivesAsString', 'true'))", "primitivesAsString"),
    ("SELECT to_json(struct(1), map('pretty', 'true'))", "pretty"),
    // It panicked, and was caught.
    ("SELECT arrays_overlap(map('a', 1), array(1))", "two arrays may overlap"),
];

#[tokio::test]
async fn what_spark_refuses_or_nobody_does_here_is_refused_by_its_name() {
    let w = Workspace::empty().await;
    let mut wrong = Vec::new();
    for (statement, why) in REFUSALS {
        let refused = w.ask(&w.ada, statement).await;
        if !refused.as_ref().is_err_and(|refused| refused.contains(why)) {
            wrong.push(format!("{statement}: {refused:?}, not {why}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_thousand_columns_of_one_name_are_told_apart_at_once() {
    let w = Workspace::empty().await;
    let listed = vec!["1 AS a"; 1_000].join(", ");
    let began = std::time::Instant::now();
    let rows = w.ask(&w.ada, &format!("SELECT {listed}")).await.unwrap();
    assert_eq!(rows[0].split('|').count(), 1_000);
    let also = "SELECT *, x, x, y FROM VALUES (1, 2) AS t(x, y)";
    assert_eq!(w.ask(&w.ada, also).await.unwrap(), ["1|2|1|1|2"]);
    // One expression in two spellings.
    let also = "SELECT mode(x), mode() WITHIN GROUP (ORDER BY x) FROM VALUES (1) AS t(x)";
    assert_eq!(w.ask(&w.ada, also).await.unwrap(), ["1|1"]);
    // A planning for each of them took minutes.
    assert!(began.elapsed().as_secs() < 30, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_version_of_a_table_has_a_short_name() {
    let w = Workspace::empty().await;
    w.set_up(
        "CREATE CATALOG main; CREATE SCHEMA main.s; CREATE TABLE main.s.t (id INT);
         INSERT INTO main.s.t VALUES (1); INSERT INTO main.s.t VALUES (2);",
    )
    .await;
    for (asked, rows) in [
        ("SELECT count(*) FROM main.s.t@v1", "1"),
        ("SELECT count(*) FROM main.s.t@V2 AS x WHERE x.id > 0", "2"),
        ("SELECT count(*) FROM main.s.t@v0 JOIN main.s.t USING (id)", "0"),
    ] {
        assert_eq!(w.ask(&w.ada, asked).await, Ok(vec![rows.to_owned()]), "{asked}");
    }
    let early = w.ask(&w.ada, "SELECT * FROM main.s.t@20010203040506007").await.unwrap_err();
    assert!(early.contains("before the earliest version"), "{early}");
}
