//! SQL means what it means in Spark, where DataFusion has another opinion.

use super::workspace::Workspace;

/// What is asked, what is answered, and its type.
const SAME_AS_SPARK: &[(&str, &str, &str)] = &[
    ("1", "1", "int"),
    ("2147483648", "2147483648", "bigint"),
    ("1L", "1", "bigint"),
    ("1.5", "1.5", "decimal(2,1)"),
    ("1e3", "1000.0", "double"),
    ("1/2", "0.5", "double"),
    ("7 div 2", "3", "bigint"),
    ("7 % 3", "1", "int"),
    ("'1' + 1", "2", "bigint"),
    ("try_divide(1, 0)", "NULL", "double"),
    ("array(10, 20)[0]", "10", "int"),
    ("map('a', 1)['a']", "1", "int"),
    ("named_struct('a', 1).a", "1", "int"),
    ("concat('a', NULL)", "NULL", "string"),
    ("substring('hello', -3, 2)", "ll", "string"),
    ("split('a,b', ',')[1]", "b", "string"),
    ("regexp_replace('a1b2', '[0-9]', '')", "ab", "string"),
    ("regexp_extract('a12', '([a-z])([0-9]+)', 2)", "12", "string"),
    ("'abc' RLIKE 'b.'", "true", "boolean"),
    ("'abc' LIKE ANY ('x%', 'a%')", "true", "boolean"),
    ("startswith('abc', 'a')", "true", "boolean"),
    ("NULL <=> NULL", "true", "boolean"),
    ("year(date'2024-02-29')", "2024", "int"),
    ("date_format(date'2024-02-29', 'dd.MM.yyyy')", "29.02.2024", "string"),
    ("date_add('2024-02-28', 1)", "2024-02-29", "date"),
    ("datediff(date'2024-03-01', date'2024-02-28')", "2", "int"),
    ("to_date('31/01/2024', 'dd/MM/yyyy')", "2024-01-31", "date"),
    ("date_trunc('month', timestamp'2024-03-15 10:11:12')", "2024-03-01T00:00:00Z", "timestamp"),
    ("from_unixtime(0)", "1970-01-01 00:00:00", "string"),
    ("get_json_object('{\"a\": [1, 2]}', '$.a[1]')", "2", "string"),
    ("current_user", "ada@x", "string"),
    ("transform(array(1, 2), x -> x + 1)", "[2, 3]", "array<int>"),
    ("sequence(1, 3)", "[1, 2, 3]", "array<bigint>"),
];

#[tokio::test]
async fn an_expression_has_sparks_value_and_type() {
    let w = Workspace::empty().await;
    let mut wrong = Vec::new();
    for (asked, value, data_type) in SAME_AS_SPARK {
        let answer = w.ask(&w.ada, &format!("SELECT {asked} AS v")).await;
        if answer != Ok(vec![(*value).to_owned()]) {
            wrong.push(format!("{asked}: {answer:?}, not {value}"));
        }
        let described =
            w.ask(&w.ada, &format!("DESCRIBE QUERY SELECT {asked} AS v")).await.unwrap_or_default();
        let described = described.first().map(|row| row.split('|').nth(1).unwrap_or_default().to_owned());
        if described.as_deref() != Some(data_type) {
            wrong.push(format!("{asked}: {described:?}, not {data_type}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn what_overflows_or_divides_by_zero_is_an_error() {
    let w = Workspace::empty().await;
    for asked in ["2147483647 + 1", "1 / 0", "1.5 / 0", "5 % 0", "CAST('x' AS INT)"] {
        assert!(w.ask(&w.ada, &format!("SELECT {asked}")).await.is_err(), "{asked}");
    }
}

#[tokio::test]
async fn null_comes_first_and_last_when_descending() {
    let w = Workspace::empty().await;
    let of = "SELECT n FROM VALUES (2), (NULL), (1) AS t(n) ORDER BY n";
    assert_eq!(w.ask(&w.ada, of).await.unwrap(), ["NULL", "1", "2"]);
    assert_eq!(w.ask(&w.ada, &format!("{of} DESC")).await.unwrap(), ["2", "1", "NULL"]);
}

#[tokio::test]
async fn a_clause_that_a_function_has_no_use_for_is_refused_and_not_dropped() {
    let w = Workspace::empty().await;
    for asked in [
        "upper('a') FILTER (WHERE false)",
        "upper('a') OVER ()",
        "upper(DISTINCT 'a')",
        "row_number() FILTER (WHERE false) OVER ()",
    ] {
        let refused = w.ask(&w.ada, &format!("SELECT {asked}")).await.unwrap_err();
        assert!(refused.contains("SQLSTATE"), "{asked}: {refused}");
    }
}

#[tokio::test]
async fn a_range_is_a_table_of_ids() {
    let w = Workspace::empty().await;
    assert_eq!(w.ask(&w.ada, "SELECT id FROM range(3)").await.unwrap(), ["0", "1", "2"]);
    assert_eq!(w.ask(&w.ada, "SELECT r.n + 1 FROM range(1, 3) AS r(n)").await.unwrap(), ["2", "3"]);
    assert_eq!(w.ask(&w.ada, "SELECT sum(value) FROM generate_series(1, 3)").await.unwrap(), ["6"]);
}

#[tokio::test]
async fn the_names_of_a_structs_fields_are_shown_as_they_are() {
    let w = Workspace::empty().await;
    w.set_up(
        "CREATE CATALOG main; CREATE SCHEMA main.s; CREATE TABLE main.s.t (a STRUCT<x: INT, `y z`: STRING>)",
    )
    .await;
    let text = w.ask(&w.ada, "SHOW CREATE TABLE main.s.t").await.unwrap().join("\n");
    assert!(text.contains("a STRUCT<x: INT, `y z`: STRING>"), "{text}");
}
