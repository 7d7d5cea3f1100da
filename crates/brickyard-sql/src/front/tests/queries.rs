//! Queries: what is read, and how tightly operators bind.

use datafusion::sql::sqlparser::ast::{Expr, SetExpr};

use super::*;

/// The expression with brackets around every operator, so that its tree can be read.
fn tree(sql: &str) -> String {
    fn shown(expr: &Expr) -> String {
        match expr {
            Expr::BinaryOp { left, op, right } => format!("({} {op} {})", shown(left), shown(right)),
            Expr::UnaryOp { op, expr } => format!("({op}{})", shown(expr)),
            Expr::IsDistinctFrom(left, right) => format!("({} <distinct> {})", shown(left), shown(right)),
            Expr::IsNotDistinctFrom(left, right) => format!("({} <same> {})", shown(left), shown(right)),
            Expr::IsNull(inner) => format!("({} <null>)", shown(inner)),
            Expr::Between { expr, low, high, .. } => {
                format!("({} in {}..{})", shown(expr), shown(low), shown(high))
            }
            Expr::Cast { expr, data_type, .. } => format!("({}::{data_type})", shown(expr)),
            Expr::JsonAccess { value, path } => format!("({}{path})", shown(value)),
            Expr::Nested(inner) => shown(inner),
            other => other.to_string(),
        }
    }
    shown(&parse_expression(sql).unwrap_or_else(|error| panic!("{sql}\n{error}")))
}

#[test]
fn operators_bind_as_in_databricks() {
    for (sql, expected) in [
        ("a AND b OR c AND d", "((a AND b) OR (c AND d))"),
        ("NOT a = b AND c", "((NOT(a = b)) AND c)"),
        ("owner IS DISTINCT FROM 'x' AND public", "((owner <distinct> 'x') AND public)"),
        ("a IS NOT DISTINCT FROM b OR c", "((a <same> b) OR c)"),
        ("a = b IS NULL", "((a = b) <null>)"),
        ("a BETWEEN 1 AND 2 AND b", "((a in 1..2) AND b)"),
        ("1 + 2 || 'x'", "((1 + 2) || 'x')"),
        ("a || b || c", "((a || b) || c)"),
        ("1 + 7 DIV 2 * 3", "(1 + ((7 DIV 2) * 3))"),
        ("~a * b", "((~a) * b)"),
        ("-a * b", "((-a) * b)"),
        ("a | b ^ c & d << 1 + 2", "(a | (b ^ (c & (d << (1 + 2)))))"),
        ("a + b:c.d", "(a + (b:c.d))"),
        ("b:c::int + 1", "(((b:c)::INT) + 1)"),
        ("json:a = :a", "((json:a) = :a)"),
        ("a + b = c - d", "((a + b) = (c - d))"),
        ("a <=> b AND c != d", "((a <=> b) AND (c <> d))"),
        ("a OR NOT b OR c", "((a OR (NOTb)) OR c)"),
    ] {
        assert_eq!(tree(sql), expected, "{sql}");
    }
}

#[test]
fn what_agents_write_is_read() {
    for (sql, expected) in [
        ("SELECT * EXCEPT (a, b) FROM t", "SELECT * EXCEPT (a, b) FROM t"),
        ("TABLE main.sales.`my orders`", "SELECT * FROM main.sales.`my orders`"),
        ("FROM t |> WHERE a > 1 |> SELECT b", "FROM t |> WHERE a > 1 |> SELECT b"),
        ("SELECT a /* x /* y */ z */, b -- c\nFROM t", "SELECT a, b FROM t"),
        ("SELECT /*+ BROADCAST(t) */ a FROM t", "SELECT a FROM t"),
        ("SELECT IDENTIFIER(:f)(:a, :b)", "SELECT IDENTIFIER(:f)(:a, :b)"),
        ("SELECT * FROM IDENTIFIER('a.' || :s) x", "SELECT * FROM IDENTIFIER('a.' || :s) x"),
        ("SELECT * FROM IDENTIFIER(:f)(1) x", "SELECT * FROM IDENTIFIER(:f)(1) x"),
        ("SELECT f(a => 1), main.s.f(b => 'x')", "SELECT f(a => 1), main.s.f(b => 'x')"),
        ("SELECT a:b[0].c, raw:['x y'] FROM t", "SELECT a:b[0].c, raw:['x y'] FROM t"),
        (
            "SELECT INTERVAL '1 day', INTERVAL 3 DAYS -2 HOURS",
            "SELECT INTERVAL '1 day', INTERVAL '3 DAYS -2 HOURS'",
        ),
        ("SELECT d - INTERVAL 7 DAYS", "SELECT d - INTERVAL 7 DAYS"),
        ("SELECT transform(a, (x, i) -> x + i)", "SELECT transform(a, (x, i) -> x + i)"),
        ("SELECT 'a' 'b'", "SELECT 'ab'"),
        (
            "SELECT a FROM t QUALIFY row_number() OVER (ORDER BY b) = 1",
            "SELECT a FROM t QUALIFY row_number() OVER (ORDER BY b) = 1",
        ),
        ("SELECT x FROM t LATERAL VIEW explode(a) e AS x", "SELECT x FROM t LATERAL VIEW explode(a) e AS x"),
        (
            "SELECT * FROM t PIVOT (sum(a) FOR r IN ('EU' AS eu))",
            "SELECT * FROM t PIVOT(sum(a) FOR r IN ('EU' AS eu))",
        ),
        ("SELECT * FROM VALUES (1, 'a') AS t(x, y)", "SELECT * FROM (VALUES (1, 'a')) AS t (x, y)"),
        ("SELECT start, end, date, value, year FROM t", "SELECT start, end, date, value, year FROM t"),
        ("SELECT 2a, `a``b` FROM t1", "SELECT 2a, `a``b` FROM t1"),
        ("SELECT * FROM a LEFT ANTI JOIN b USING (x)", "SELECT * FROM a LEFT ANTI JOIN b USING(x)"),
        (
            "SELECT first(x) IGNORE NULLS, first_value(x IGNORE NULLS) OVER () FROM t",
            "SELECT first(x) IGNORE NULLS, first_value(x IGNORE NULLS) OVER () FROM t",
        ),
    ] {
        assert_eq!(query(sql), expected, "{sql}");
    }
}

#[test]
fn numbers_say_their_type() {
    for (sql, expected) in [
        ("12", "12"),
        ("12L", "12L"),
        ("12S", "CAST(12 AS SMALLINT)"),
        ("12Y", "CAST(12 AS TINYINT)"),
        ("1e3", "1e3"),
        (".5", ".5"),
        ("5.", "5."),
        ("1.5F", "CAST(1.5 AS FLOAT)"),
        ("1e3D", "CAST(1e3 AS DOUBLE)"),
        ("1.50BD", "CAST(1.50 AS DECIMAL(3,2))"),
        ("0.001BD", "CAST(0.001 AS DECIMAL(3,3))"),
    ] {
        assert_eq!(parse_expression(sql).unwrap().to_string(), expected, "{sql}");
    }
    for sql in ["1.5L", "1.5x", "1e3BD", "1.2.3"] {
        assert!(parse_expression(sql).is_err(), "{sql}");
    }
}

#[test]
fn strings_have_sparks_escapes() {
    for (sql, expected) in [
        (r"'a''b'", "a'b"),
        (r"'a\'b'", "a'b"),
        (r#""a""b""#, "a\"b"),
        (r"'\n\t\r\b\0\Z\\'", "\n\t\r\u{8}\0\u{1a}\\"),
        (r"'\%\_\x\q'", r"\%\_xq"),
        (r"'\101\u00e9\U0001F600\uD83D\uDE00'", "Aé😀😀"),
        (r"'\uD83D \u12'", "\u{fffd} u12"),
        (r"r'a\nb'", r"a\nb"),
        (r#"R"it's""#, "it's"),
        (r"'é\'ü'", "é'ü"),
        ("'-- no comment /*'", "-- no comment /*"),
        ("'a;b'", "a;b"),
        ("'?'", "?"),
    ] {
        let Statement::Set { value, .. } = parsed(&format!("SET x = {sql}")) else { panic!("{sql}") };
        assert_eq!(value.as_deref(), Some(expected), "{sql}");
    }
}

#[test]
fn the_body_of_a_function_is_an_expression_or_a_query() {
    for (sql, is_query) in [
        ("a + 1", false),
        ("(a + 1) * 2", false),
        ("SELECT a FROM t", true),
        ("(SELECT a FROM t)", true),
        ("((SELECT 1) UNION (SELECT 2))", true),
        ("(SELECT 1) UNION ALL (SELECT 2)", true),
        ("(SELECT max(a) FROM t) + 1", false),
        ("WITH x AS (SELECT 1) SELECT * FROM x", true),
        ("VALUES (1), (2)", true),
        ("TABLE main.s.t", true),
        ("table", false),
        ("CASE WHEN is_account_group_member('a') THEN ssn ELSE '***' END", false),
    ] {
        let body = parse_body(sql).unwrap_or_else(|error| panic!("{sql}\n{error}"));
        assert_eq!(matches!(body, FunctionBody::Query(_)), is_query, "{sql}");
    }
    assert!(parse_body("a b").is_err());
    assert!(parse_body("SELECT 1; DROP TABLE t").is_err());
}

#[test]
fn a_query_is_not_an_expression_and_no_statement_is_a_query() {
    assert!(parse_query("VALUES (1)").is_ok_and(|query| matches!(*query.body, SetExpr::Values(_))));
    for sql in ["DROP TABLE t", "a + 1", "SELECT 1 SELECT 2", ""] {
        assert!(parse_query(sql).is_err(), "{sql}");
    }
    for sql in ["SELECT 1", "a b", "a,", "a;b", ""] {
        assert!(parse_expression(sql).is_err(), "{sql}");
    }
}

#[test]
fn what_the_planner_would_drop_is_refused_by_its_name() {
    for (sql, feature, at) in [
        ("SELECT 1 FROM t FOR UPDATE", "FOR UPDATE and FOR SHARE", 0),
        ("SELECT a INTO u FROM t", "SELECT INTO", 0),
        ("SELECT 1 UNION SELECT 2 ORDER BY ALL", "ORDER BY ALL", 0),
        ("SELECT * FROM (SELECT 1) t(a INT)", "types and positions", 15),
        ("WITH x AS (SELECT 1) INSERT INTO t SELECT 1", "INSERT", 0),
        ("SELECT * FROM a WHERE b IN (DELETE FROM c)", "DELETE", 28),
        ("SELECT * FROM (TABLE t) WHERE x", "", 0),
        ("SELECT 1 UNION TABLE t", "TABLE t inside a query", 0),
    ] {
        let error = parse_one(sql).unwrap_err();
        assert!(error.message.contains(feature), "{sql}: {error}");
        if error.class == ErrorClass::Unsupported {
            assert_eq!(error.column, at + 1, "{sql}: {error}");
        }
    }
}
