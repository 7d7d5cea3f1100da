//! Subqueries wherever an expression may stand, with SQL's three truths: TRUE, FALSE, and NULL for what nobody knows.

use super::workspace::Workspace;

/// `t` and `u`, with a NULL in each column that is compared.
const TABLES: &str = "CREATE CATALOG main; CREATE SCHEMA main.s;
    CREATE TABLE main.s.t AS SELECT * FROM VALUES (1, 2), (2, 3), (3, NULL), (NULL, 2) AS t(a, b);
    CREATE TABLE main.s.u AS SELECT * FROM VALUES (1, 2), (2, 9), (9, NULL) AS u(x, y);
    CREATE TABLE main.s.full AS SELECT * FROM VALUES (1), (2) AS f(x);
    CREATE TABLE main.s.none (x INT);
    CREATE TABLE main.s.nothing AS SELECT CAST(NULL AS INT) AS x;";

/// The query, and its rows in the order of their text.
const ANSWERS: &[(&str, &[&str])] = &[
    // IN, with NULL on neither side, on one, and on both.
    ("SELECT a, a IN (SELECT x FROM full) FROM t", &["1|true", "2|true", "3|false", "NULL|NULL"]),
    ("SELECT a, a NOT IN (SELECT x FROM full) FROM t", &["1|false", "2|false", "3|true", "NULL|NULL"]),
    ("SELECT b, b IN (SELECT y FROM u) FROM t", &["2|true", "2|true", "3|NULL", "NULL|NULL"]),
    ("SELECT b, NOT (b IN (SELECT y FROM u)) FROM t", &["2|false", "2|false", "3|NULL", "NULL|NULL"]),
    ("SELECT a, a IN (SELECT x FROM none) FROM t", &["1|false", "2|false", "3|false", "NULL|false"]),
    ("SELECT a, a NOT IN (SELECT x FROM none) FROM t", &["1|true", "2|true", "3|true", "NULL|true"]),
    ("SELECT a, a IN (SELECT x FROM nothing) FROM t", &["1|NULL", "2|NULL", "3|NULL", "NULL|NULL"]),
    (
        "SELECT 1 IN (SELECT x FROM full), NULL IN (SELECT x FROM none), 7 IN (SELECT y FROM u)",
        &["true|false|NULL"],
    ),
    ("SELECT CAST(NULL AS INT) IN (SELECT x FROM full)", &["NULL"]),
    ("SELECT a + 1 IN (SELECT x + 1 FROM full) AS c FROM t", &["NULL", "false", "true", "true"]),
    ("SELECT a IN (SELECT a FROM t) AS c FROM t", &["NULL", "true", "true", "true"]),
    // Correlated.
    (
        "SELECT a, b IN (SELECT y FROM u WHERE u.x = t.a) FROM t",
        &["1|true", "2|false", "3|false", "NULL|false"],
    ),
    (
        "SELECT a, b NOT IN (SELECT y FROM u WHERE u.x > t.a) FROM t",
        &["1|NULL", "2|NULL", "3|NULL", "NULL|true"],
    ),
    ("SELECT a FROM t WHERE b NOT IN (SELECT y FROM u WHERE u.x = t.a)", &["2", "3", "NULL"]),
    // A value of no row is NULL, whatever its column says.
    ("SELECT (SELECT 'one' WHERE false)", &["NULL"]),
    ("SELECT (SELECT 1 FROM full WHERE x > 7) IS NULL, (SELECT 1 WHERE false) IS NULL", &["true|true"]),
    ("SELECT a FROM t WHERE (SELECT 1 FROM none) IS NULL AND a = 1", &["1"]),
    ("SELECT (SELECT 'one' WHERE false) || 'x', coalesce((SELECT 2 WHERE false), 3)", &["NULL|3"]),
    ("SELECT (SELECT count(*) FROM none), (SELECT 1)", &["0|1"]),
    // EXISTS.
    (
        "SELECT a, EXISTS (SELECT 1 FROM u WHERE u.x = t.a) FROM t",
        &["1|true", "2|true", "3|false", "NULL|false"],
    ),
    (
        "SELECT a, NOT EXISTS (SELECT 1 FROM u WHERE u.x < t.a AND u.y IS NOT NULL) FROM t",
        &["1|true", "2|false", "3|false", "NULL|true"],
    ),
    ("SELECT EXISTS (SELECT 1 FROM full), EXISTS (SELECT 1 FROM none) AS n", &["true|false"]),
    (
        "SELECT EXISTS (SELECT 1 FROM full WHERE x = 1), EXISTS (SELECT 1 FROM full WHERE x = 7)",
        &["true|false"],
    ),
    ("SELECT count(*) FROM t WHERE NOT EXISTS (SELECT 1 FROM full WHERE x > a) OR a = 1", &["4"]),
    // Inside of other expressions.
    (
        "SELECT CASE WHEN a IN (SELECT x FROM full) THEN 'in' WHEN EXISTS (SELECT 1 FROM u WHERE u.x = 3 * t.a) \
         THEN 'three' ELSE 'out' END AS c FROM t",
        &["in", "in", "out", "three"],
    ),
    (
        "SELECT coalesce(b IN (SELECT y FROM u), false) AND a = 1 AS c FROM t",
        &["NULL", "false", "false", "true"],
    ),
    ("SELECT (SELECT max(x) FROM full) IN (SELECT x FROM u) AS c", &["true"]),
    (
        "SELECT a FROM t WHERE (a IN (SELECT x FROM full)) = EXISTS (SELECT 1 FROM u WHERE u.y = t.b)",
        &["1", "3"],
    ),
    ("SELECT a FROM t WHERE (b IN (SELECT y FROM u)) IS NULL", &["2", "3"]),
    ("SELECT a FROM t WHERE a = 3 OR b NOT IN (SELECT y FROM u)", &["3"]),
    ("SELECT a FROM t WHERE NOT (a = 3 OR b IN (SELECT x FROM full))", &["2"]),
    ("SELECT x FROM (SELECT a IN (SELECT x FROM full) AS x FROM t) WHERE x", &["true", "true"]),
    // In aggregates, HAVING, windows and ORDER BY.
    ("SELECT sum(CASE WHEN a IN (SELECT x FROM full) THEN b ELSE 100 END) AS c FROM t", &["205"]),
    (
        "SELECT a IN (SELECT x FROM full) AS k, count(*) FROM t GROUP BY a IN (SELECT x FROM full)",
        &["NULL|1", "false|1", "true|2"],
    ),
    ("SELECT b, count(*) FROM t GROUP BY b HAVING b IN (SELECT y FROM u) OR count(*) > 7", &["2|2"]),
    ("SELECT b FROM t GROUP BY b HAVING NOT EXISTS (SELECT 1 FROM u WHERE u.y = t.b)", &["3", "NULL"]),
    ("SELECT b FROM t GROUP BY b HAVING count(*) NOT IN (SELECT x FROM full WHERE x > 1)", &["3", "NULL"]),
    (
        "SELECT a, count(*) OVER (PARTITION BY EXISTS (SELECT 1 FROM u WHERE u.x = t.a)) AS n FROM t",
        &["1|2", "2|2", "3|2", "NULL|2"],
    ),
    ("SELECT max((SELECT max(y) FROM u WHERE u.x = t.a)) AS m FROM t", &["9"]),
    // Of an outer join a row is kept.
    ("SELECT t.a, u.x FROM t JOIN u ON t.a = u.x AND t.b IN (SELECT y FROM u)", &["1|1"]),
    (
        "SELECT t.a, u.x FROM t LEFT JOIN u ON t.a = u.x AND t.b IN (SELECT x FROM full)",
        &["1|1", "2|NULL", "3|NULL", "NULL|NULL"],
    ),
    (
        "SELECT t.a, u.x FROM t RIGHT JOIN u ON t.a = u.x AND EXISTS (SELECT 1 FROM full f WHERE f.x = u.x + 1)",
        &["1|1", "NULL|2", "NULL|9"],
    ),
    // One value of the rows below.
    ("SELECT a, (SELECT max(y) FROM u WHERE u.x <= t.a) AS m FROM t", &["1|2", "2|9", "3|9", "NULL|NULL"]),
    ("SELECT a, (SELECT count(*) FROM u WHERE u.x < t.a) AS n FROM t", &["1|0", "2|1", "3|2", "NULL|0"]),
    (
        "SELECT a, (SELECT coalesce(sum(u.y), -1) + 1 FROM u WHERE u.x < t.a) FROM t",
        &["1|0", "2|3", "3|12", "NULL|0"],
    ),
    (
        "SELECT a, (SELECT sum(u.y * t.a) FROM u WHERE u.x = t.a) AS s FROM t",
        &["1|2", "2|18", "3|NULL", "NULL|NULL"],
    ),
    ("SELECT a FROM t WHERE b > (SELECT min(y) FROM u WHERE u.x <> t.a)", &["2"]),
    ("SELECT o.a, (SELECT count(*) FROM t WHERE t.a < o.a) FROM t o", &["1|0", "2|1", "3|2", "NULL|0"]),
    (
        "SELECT a, (SELECT count(DISTINCT y) FILTER (WHERE y > 2) FROM u WHERE u.x <= t.a) AS n FROM t",
        &["1|0", "2|1", "3|1", "NULL|0"],
    ),
];

#[tokio::test]
async fn a_subquery_is_true_false_or_unknown_wherever_it_stands() {
    let w = Workspace::empty().await;
    w.set_up(TABLES).await;
    let mut wrong = Vec::new();
    for (query, rows) in ANSWERS {
        let session =
            crate::Session::new(crate::Speaker::Configuration(w.ada.clone()), None, Some("s".to_owned()));
        let answer = w.ask_in(&session, query, &[], &mut Vec::new()).await.map(|mut rows| {
            rows.sort();
            rows
        });
        let meant: Vec<String> = rows.iter().map(ToString::to_string).collect();
        if answer.as_ref() != Ok(&meant) {
            wrong.push(format!("{query}: {answer:?}, not {rows:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn rows_are_put_in_the_order_of_a_subquery() {
    let w = Workspace::empty().await;
    w.set_up(TABLES).await;
    for (query, rows) in [
        ("SELECT a FROM main.s.t ORDER BY a IN (SELECT x FROM main.s.full), a", ["NULL", "3", "1", "2"]),
        (
            "SELECT a FROM main.s.t ORDER BY EXISTS (SELECT 1 FROM main.s.u WHERE u.x = t.a) DESC, a DESC",
            ["2", "1", "3", "NULL"],
        ),
        // By a column that is not selected.
        (
            "SELECT a FROM main.s.t ORDER BY EXISTS (SELECT 1 FROM main.s.u WHERE u.y = t.b), a",
            ["2", "3", "NULL", "1"],
        ),
        (
            "SELECT a FROM main.s.t ORDER BY (SELECT count(*) FROM main.s.u WHERE u.x < t.a) DESC, a",
            ["3", "2", "NULL", "1"],
        ),
    ] {
        assert_eq!(w.ask(&w.ada, query).await.as_deref(), Ok(&rows.map(str::to_owned)[..]), "{query}");
    }
}

#[tokio::test]
async fn a_subquery_that_nobody_can_answer_here_is_refused_by_its_name() {
    let w = Workspace::empty().await;
    w.set_up(TABLES).await;
    for (query, why) in [
        (
            "SELECT 1 FROM main.s.t LEFT JOIN main.s.u ON EXISTS (SELECT 1 FROM main.s.full f WHERE f.x = t.a + u.x)",
            "both of its sides",
        ),
        (
            "SELECT count(*) FROM main.s.t GROUP BY ROLLUP(a IN (SELECT x FROM main.s.full))",
            "ROLLUP, CUBE or GROUPING SETS",
        ),
        ("SELECT (SELECT y FROM main.s.u WHERE u.x < t.a ORDER BY y LIMIT 1) FROM main.s.t", "JOIN"),
    ] {
        let refused = w.ask(&w.ada, query).await;
        assert!(refused.as_ref().is_err_and(|refused| refused.contains(why)), "{query}: {refused:?}");
    }
}
