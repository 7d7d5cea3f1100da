//! Texts that are deep, long or nonsense.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

/// Parses, and copies, compares and drops what came out of it, on a test's small stack.
/// An answer, of either kind, is the promise.
fn survives(sql: &str) -> Result<(), ErrorClass> {
    parse_one(sql).map(|statement| assert!(statement.clone() == statement)).map_err(|error| {
        assert!(!error.to_string().is_empty());
        error.class
    })
}

#[test]
fn nesting_of_any_kind_is_an_error_and_never_the_end_of_the_process() {
    let deep = 10_000;
    let nested = |open: &str, middle: &str, close: &str| {
        format!("{}{middle}{}", open.repeat(deep), close.repeat(deep))
    };
    for text in [
        format!("SELECT {}", nested("(", "1", ")")),
        format!("SELECT {}", nested("f(", "1", ")")),
        format!("SELECT {}", nested("NOT ", "a", "")),
        format!("SELECT {}", nested("- ", "1", "")),
        format!("SELECT {}", nested("~", "1", "")),
        format!("SELECT {}", nested("!", "a", "")),
        format!("SELECT {}", nested("CASE WHEN ", "a", " THEN 1 END")),
        format!("SELECT {}", nested("CASE ", "a", " WHEN 1 THEN 1 END")),
        format!("SELECT {}", nested("CAST(", "a", " AS INT)")),
        format!("SELECT {}", nested("CEIL(", "a", ")")),
        format!("SELECT {}", nested("CEIL(", "a", "")),
        format!("SELECT {}", nested("x -> ", "1", "")),
        format!("SELECT {}", nested("INTERVAL ", "1", " DAY")),
        format!("SELECT {}", nested("a[", "1", "]")),
        format!("SELECT {}", nested("[", "1", "]")),
        format!("SELECT {}", nested("{", "1", "}")),
        format!("SELECT {}", nested("EXISTS (SELECT ", "1", ")")),
        format!("SELECT a IN {}", nested("(SELECT a IN ", "(1)", ")")),
        format!("SELECT CAST(a AS {}", nested("ARRAY<", "INT", ">)")),
        format!("SELECT a::{}", nested("STRUCT<a: ", "INT", ">")),
        format!("SELECT a::{}", nested("MAP<INT, ", "INT", ">")),
        format!("SELECT a::{}", nested("int[", "", "]")),
        format!("SELECT * FROM {}", nested("(", "t", ")")),
        format!("SELECT * FROM {}", nested("(SELECT * FROM ", "t", ")")),
        format!("SELECT * FROM {}", nested("t JOIN (", "t", ") ON a")),
        format!("SELECT * FROM {}", nested("LATERAL (SELECT * FROM ", "t", ")")),
        nested("(", "SELECT 1", ")"),
        nested("EXPLAIN ", "SELECT 1", ""),
        nested("WITH x AS (", "SELECT 1", ") SELECT 1"),
        format!("SELECT {}", nested("/* ", "", "*/")),
        format!("CREATE TABLE t (a {})", nested("ARRAY<", "INT", ">")),
        format!("CREATE TABLE t (a {})", nested("(", "INT", ")")),
        format!("ALTER TABLE t SET ROW FILTER f ON {}", nested("(", "a", ")")),
        format!("GRANT {} ON t TO x", nested("a ", "", "")),
        format!("CREATE FUNCTION f() RETURN {}", nested("(", "1", ")")),
        format!("CREATE FUNCTION f() RETURN {}", nested("(", "SELECT 1", ")")),
    ] {
        let start = Instant::now();
        let outcome = survives(&text);
        assert!(start.elapsed() < Duration::from_secs(10), "{:.40} {outcome:?} {:?}", text, start.elapsed());
    }
}

#[test]
fn a_long_chain_parses_or_is_too_complex() {
    for links in [95, 290, 2_000, 10_000] {
        for (first, link) in [
            ("SELECT a", " AND a"),
            ("SELECT a", " OR a"),
            ("SELECT a", " AND b OR c"),
            ("SELECT a", " + 1"),
            ("SELECT a", " || 'x'"),
            ("SELECT a", " = 1"),
            ("SELECT a", "::int"),
            ("SELECT a", " IS NULL"),
            ("SELECT a", " IS DISTINCT FROM 1"),
            ("SELECT a", " BETWEEN 1 AND 2"),
            ("SELECT a", " LIKE 'x'"),
            ("SELECT a", " IN (1)"),
            ("SELECT a", " DIV then"),
            ("SELECT a", " + x.and"),
            ("SELECT a", " + x.end"),
            ("SELECT a", " + when"),
            ("SELECT a", " + f(1) OVER and"),
            ("SELECT a", " + CASE WHEN 1 THEN 2 END"),
            ("SELECT a", " + case"),
            ("SELECT case", " + end + case"),
            ("SELECT a", ":b"),
            ("SELECT a", "[1]"),
            ("SELECT a", ".b"),
            ("SELECT a", " COLLATE b"),
            ("SELECT a", ", a"),
            ("SELECT 1", " UNION ALL SELECT 1"),
            ("SELECT 1, 2", " UNION ALL SELECT 1, 2"),
            ("SELECT * FROM a", " JOIN b ON a.x = b.x"),
            ("SELECT * FROM a", " PIVOT (sum(x) FOR y IN (1))"),
            ("SELECT * FROM a", ", b"),
            ("FROM a", " |> WHERE x > 1"),
            ("SELECT * FROM a", " LATERAL VIEW explode(x) y AS z"),
        ] {
            let text = format!("{first}{}", link.repeat(links));
            let outcome = survives(&text);
            let nonsense = link.contains("case") || link.contains("COLLATE");
            assert!(
                outcome.is_ok() || nonsense || links > 95 && outcome == Err(ErrorClass::TooComplex),
                "{link}: {outcome:?}"
            );
        }
    }
}

#[test]
fn a_filter_of_2000_comparisons_parses() {
    let text = format!("SELECT * FROM t WHERE {}a = 1", "a = 1 OR ".repeat(1_999));
    assert_eq!(survives(&text), Ok(()));
    let text = format!("SELECT * FROM t WHERE a IN ({}1)", "1, ".repeat(100_000));
    assert_eq!(survives(&text), Ok(()));
    let whens = "WHEN a = 1 AND b = 2 THEN c + 1 ".repeat(1_000);
    assert_eq!(survives(&format!("SELECT CASE {whens} ELSE 0 END FROM t")), Ok(()));
}

#[test]
fn chains_inside_chains_do_not_add_up_unnoticed() {
    let mut text = "1".to_owned();
    for _ in 0..100 {
        text = format!("({text}){}", " + 1".repeat(1_000));
    }
    assert_eq!(survives(&format!("SELECT {text}")), Err(ErrorClass::TooComplex));
    let mut text = "1".to_owned();
    for _ in 0..100 {
        text = format!("f({text}){}", " + 1".repeat(1_000));
    }
    assert_eq!(survives(&format!("SELECT {text}")), Err(ErrorClass::TooComplex));
}

#[test]
fn what_sqlparser_reads_twice_does_not_double_with_every_level() {
    for (open, middle, close) in [
        ("((SELECT * FROM ", "x y z", ")) t"),
        ("(((SELECT * FROM ", "x y z", "))) t"),
        ("((SELECT * FROM ", "t", ") a JOIN b)"),
        ("((SELECT 1 FROM ", "", ""),
        ("(SELECT * FROM ", "x y z", ") t"),
        ("(a JOIN ", "x y z", ")"),
        ("((VALUES (1)) JOIN ", "x y z", ")"),
        ("((SELECT * FROM t WHERE a IN ((SELECT a FROM ", "x y z", ")))) t"),
    ] {
        for levels in [4, 10, 20, 60] {
            let text = format!("SELECT * FROM {}{middle}{}", open.repeat(levels), close.repeat(levels));
            let start = Instant::now();
            let _ = survives(&text);
            assert!(start.elapsed() < Duration::from_secs(10), "{open} {levels} {:?}", start.elapsed());
        }
    }
    for open in [
        "CEIL(",
        "TRIM(",
        "SUBSTRING(",
        "CAST(",
        "CASE WHEN ",
        "EXTRACT(DAY FROM ",
        "OVERLAY(",
        "POSITION(",
        "CONVERT(",
        "STRUCT(",
        "INTERVAL (",
        "EXISTS((",
        "ARRAY(",
        "f(x, ",
        "f(x => ",
        "(x, ",
        "a IN (",
        "a IN ((SELECT ",
        "date(",
        "NOT (",
        "LAMBDA x : ",
        "x -> (",
        "MAP {",
        "EXISTS (SELECT ",
        "FLOOR(CASE WHEN ",
        "(SELECT (",
        "f(SELECT ",
        "IDENTIFIER(",
        "f(TABLE(",
        "GROUPING SETS (",
        "json_object(",
        "f(DISTINCT (",
    ] {
        for levels in [10, 30, 120] {
            let start = Instant::now();
            let _ = survives(&format!("SELECT {} x y z", open.repeat(levels)));
            assert!(start.elapsed() < Duration::from_secs(10), "{open} {levels} {:?}", start.elapsed());
        }
    }
}

#[test]
fn a_long_list_of_values_takes_time_in_proportion() {
    let time = |rows: usize| {
        let text = format!("INSERT INTO t VALUES {}(0, 'x')", "(1, 'some text'), ".repeat(rows));
        let start = Instant::now();
        assert_eq!(survives(&text), Ok(()));
        start.elapsed()
    };
    let (short, long) = (time(4_000).max(Duration::from_millis(20)), time(40_000));
    assert!(long < 30 * short, "{short:?} {long:?}");
}

#[test]
fn a_statement_of_too_many_words_is_refused_before_it_is_read() {
    let text = format!("SELECT 1; SELECT {}1", "1,".repeat(50));
    let mut lexer = Lexer::new(&text).unwrap().at_most(100);
    assert_eq!(lexer.statement().unwrap().unwrap().0.tokens.len(), 2);
    assert_eq!(lexer.statement().unwrap_err().class, ErrorClass::TooComplex);
}

fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "SELECT",
        "FROM",
        "WHERE",
        "TABLE",
        "CREATE",
        "ALTER",
        "FUNCTION",
        "RETURNS",
        "RETURN",
        "MASK",
        "ROW",
        "FILTER",
        "ON",
        "SET",
        "UPDATE",
        "DELETE",
        "INSERT",
        "INTO",
        "VALUES",
        "MERGE",
        "USING",
        "WHEN",
        "MATCHED",
        "THEN",
        "GRANT",
        "REVOKE",
        "TO",
        "CATALOG",
        "SCHEMA",
        "VIEW",
        "CONNECTION",
        "AS",
        "WITH",
        "NOT",
        "NULL",
        "AND",
        "OR",
        "CASE",
        "END",
        "ELSE",
        "IN",
        "IS",
        "DISTINCT",
        "LIKE",
        "BETWEEN",
        "INTERVAL",
        "DAY",
        "CAST",
        "INT",
        "ARRAY",
        "MAP",
        "STRUCT",
        "DECIMAL",
        "IDENTIFIER",
        "UNION",
        "ALL",
        "JOIN",
        "LATERAL",
        "EXPLAODE",
        "OVER",
        "GROUP",
        "BY",
        "ORDER",
        "LIMIT",
        "PIVOT",
        "FOR",
        "DESCRIBE",
        "SHOW",
        "COMMENT",
        "USE",
        "EXPLAIN",
        "DEFAULT",
        "COLUMN",
        "COLUMNS",
        "ADD",
        "DROP",
        "RENAME",
        "IF",
        "EXISTS",
        "REPLACE",
        "PRIMARY",
        "KEY",
        "LANGUAGE",
        "PYTHON",
        "OPTIONS",
        "TBLPROPERTIES",
        "OWNER",
        "a",
        "b",
        "t",
        "x.y",
        "`q``q`",
        "`",
        "'s'",
        "'",
        "\"d\"",
        "r'x'",
        "$$ b $$",
        "$a$",
        "1",
        "1.5",
        "2L",
        "1e",
        "3BD",
        ":p",
        "?",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "<",
        ">",
        ">>",
        "<>",
        ",",
        ".",
        ";",
        ":",
        "::",
        "=",
        "=>",
        "->",
        "+",
        "-",
        "*",
        "/",
        "||",
        "|>",
        "@",
        "#",
        "--",
        "/*",
        "*/",
        "\n",
        "é",
        "\\",
        "X'1'",
    ])
}

proptest! {
    #[test]
    fn no_row_of_words_makes_it_panic(words in prop::collection::vec(word(), 0..40), joint in prop::sample::select(vec![" ", ""])) {
        let text = words.join(joint);
        let _ = parse(&text);
        let _ = parse_one(&text);
        let _ = parse_body(&text);
        let _ = parse_expression(&text);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_start_of_a_statement_makes_it_panic(
        (start, _) in prop::sample::select(super::statements::TABLE.to_vec()),
        words in prop::collection::vec(word(), 0..8),
        cut in 0_usize..200,
    ) {
        let cut = (0..=cut.min(start.len())).rev().find(|at| start.is_char_boundary(*at)).unwrap_or(0);
        let _ = parse(&format!("{} {}", &start[..cut], words.join(" ")));
    }

    #[test]
    fn every_error_says_where(words in prop::collection::vec(word(), 1..20)) {
        let text = words.join(" ");
        if let Err(error) = parse(&text) {
            prop_assert!(error.line >= 1 && error.column >= 1);
            prop_assert!(error.line <= text.lines().count() + 1);
            prop_assert!(error.to_string().starts_with('['), "{error}");
        }
    }
}
