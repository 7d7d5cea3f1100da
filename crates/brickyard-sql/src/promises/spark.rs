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
    ("sequence(1, 3)", "[1, 2, 3]", "array<int>"),
    ("sequence(3, 1)", "[3, 2, 1]", "array<int>"),
    (
        "sequence(date'2024-01-31', date'2024-03-31', interval 1 month)",
        "[2024-01-31, 2024-02-29, 2024-03-31]",
        "array<date>",
    ),
    ("9223372036854775806 + 1", "9223372036854775807", "bigint"),
    ("1 + 1.5", "2.5", "decimal(3,1)"),
    ("1.5 / 0.25", "6.000000", "decimal(9,6)"),
    ("CAST(1.5 AS DECIMAL(10,2)) / CAST(2.25 AS DECIMAL(5,3))", "0.66666667", "decimal(19,8)"),
    ("CAST(1 AS DECIMAL(38,10)) * CAST(1 AS DECIMAL(38,10))", "1.000000", "decimal(38,6)"),
    ("round(2.345, 2)", "2.35", "decimal(4,2)"),
    ("round(1.005D, 2)", "1.01", "double"),
    ("round(1234.5, -2)", "1200", "decimal(5,0)"),
    ("bround(2.5)", "2", "decimal(2,0)"),
    ("ln(0)", "NULL", "double"),
    ("conv('ff', 16, 10)", "255", "string"),
    ("try_add(2147483647, 1)", "NULL", "int"),
    ("size(split('', ','))", "1", "int"),
    ("struct(1, 'a').col2", "a", "string"),
    ("hash('abc')", "1322437556", "int"),
    ("date_format(timestamp'2024-03-05 14:05:09', 'HH:mm:ssXXX')", "14:05:09Z", "string"),
    ("try_mod(5, 0)", "NULL", "int"),
    ("CAST(1700000000 AS TIMESTAMP)", "2023-11-14T22:13:20Z", "timestamp"),
    ("CAST(timestamp'2024-01-01 00:00:00' AS BIGINT)", "1704067200", "bigint"),
    ("CAST(timestamp'2024-01-15 10:11:12.5' AS STRING)", "2024-01-15 10:11:12.5", "string"),
    ("concat('at ', timestamp'2024-01-15 10:11:12')", "at 2024-01-15 10:11:12", "string"),
    ("CAST(1e10 AS STRING)", "1.0E10", "string"),
    ("CAST(array('a', NULL) AS STRING)", "[a, null]", "string"),
    ("CAST(map('a', 1) AS STRING)", "{a -> 1}", "string"),
    ("CAST('2024-1-5' AS DATE)", "2024-01-05", "date"),
    ("CAST('2024' AS DATE)", "2024-01-01", "date"),
    ("CAST(1 AS DECIMAL)", "1", "decimal(10,0)"),
    ("date'2024-01-01' + interval 1 hour", "2024-01-01T01:00:00Z", "timestamp"),
    ("date'2024-01-01' + interval 1 month", "2024-02-01", "date"),
    ("extract(SECOND FROM timestamp'2024-01-01 10:11:12.5')", "12.500000", "decimal(8,6)"),
    ("datediff(MONTH, date'2024-01-31', date'2024-03-01')", "1", "bigint"),
    (
        "timestampdiff(SECOND, timestamp'2024-01-01 00:00:00', timestamp'2024-01-01 00:01:01.5')",
        "61",
        "bigint",
    ),
    ("months_between(date'2024-03-31', date'2024-02-29')", "1.0", "double"),
    ("from_unixtime(1700000000, 'yyyy-MM-dd')", "2023-11-14", "string"),
    ("element_at(array(1, 2, 3), -1)", "3", "int"),
    ("element_at(map('a', 1), 'b')", "NULL", "int"),
    ("try_element_at(array(1), 5)", "NULL", "int"),
    ("get(array(1), 1)", "NULL", "int"),
    ("size(CAST(NULL AS ARRAY<INT>))", "NULL", "int"),
    ("array_position(array(3, 1), 9)", "0", "bigint"),
    ("array_sort(array(3, NULL, 1))", "[1, 3, NULL]", "array<int>"),
    ("sort_array(array(3, NULL, 1), false)", "[3, 1, NULL]", "array<int>"),
    ("array_remove(array(1, 2, 1), 1)", "[2]", "array<int>"),
    ("arrays_overlap(array(1, NULL), array(2))", "NULL", "boolean"),
    ("concat(array(1), array(2))", "[1, 2]", "array<int>"),
    ("reverse(array(1, 2))", "[2, 1]", "array<int>"),
    ("forall(array(1, NULL), x -> x > 0)", "NULL", "boolean"),
    ("aggregate(array(1, 2, 3), 0, (acc, x) -> acc + x, acc -> acc * 10)", "60", "int"),
    ("reduce(array('a', 'b'), '', (acc, x) -> concat(acc, x))", "ab", "string"),
    ("to_json(named_struct('a', 1, 'b', NULL))", "{\"a\":1}", "string"),
    ("from_json('{\"a\":1.5}', 'a INT').a", "NULL", "int"),
    ("from_json('{\"a\":{\"b\":[1,2]}}', 'a STRUCT<b: ARRAY<INT>>').a.b[1]", "2", "int"),
    ("schema_of_json('{\"a\":[1]}')", "STRUCT<a: ARRAY<BIGINT>>", "string"),
    ("json_array_length('[1,2]')", "2", "int"),
    ("typeof(1.5)", "decimal(2,1)", "string"),
    ("format_number(1234567.891, 2)", "1,234,567.89", "string"),
    ("split('a1b2', '[0-9]')", "[a, b, ]", "array<string>"),
    ("split('a,b,c', ',', 2)", "[a, b,c]", "array<string>"),
    ("regexp_extract_all('a1b22', '([0-9]+)')", "[1, 22]", "array<string>"),
    ("locate('l', 'hello', 4)", "4", "int"),
    ("left('hello', -1)", "", "string"),
    ("initcap('foo-bar baz')", "Foo-bar Baz", "string"),
    ("mask('AbCd-123')", "XxXx-nnn", "string"),
    ("CASE WHEN true THEN 1 ELSE 2.5D END", "1.0", "double"),
    ("CASE WHEN false THEN 1 ELSE 2.5 END + 1", "3.5", "decimal(12,1)"),
    ("CASE WHEN false THEN 1 ELSE 3000000000 END + 1", "3000000001", "bigint"),
    ("CASE WHEN true THEN '7' ELSE 1 END", "7", "bigint"),
    ("(1, NULL) IN ((1, NULL))", "true", "boolean"),
    ("(1, NULL) IN ((1, 2))", "false", "boolean"),
    ("date'2024-01-31' + INTERVAL '1-1' YEAR TO MONTH", "2025-02-28", "date"),
    ("date'2024-01-31' + INTERVAL -'1-1' YEAR TO MONTH", "2022-12-31", "date"),
    (
        "timestamp'2024-01-31 00:00:00' + INTERVAL '1 02:03:04' DAY TO SECOND",
        "2024-02-01T02:03:04Z",
        "timestamp",
    ),
    ("timestamp'2024-01-31 00:00:00' + INTERVAL '2:30' HOUR TO MINUTE", "2024-01-31T02:30:00Z", "timestamp"),
    ("date'2024-01-01' + INTERVAL 1 DAY * 3", "2024-01-04", "date"),
    ("date'2024-01-01' + 2 * INTERVAL 3 MONTH", "2024-07-01", "date"),
    ("timestamp'2024-01-01 00:00:00' + INTERVAL 3 DAY / 2", "2024-01-02T12:00:00Z", "timestamp"),
    ("date'2024-01-01' + INTERVAL 3 MONTH * 1.5", "2024-06-01", "date"),
    ("date'2024-01-01' + make_ym_interval(1, 2)", "2025-03-01", "date"),
    ("transform(array(1, 2, 3), (x, i) -> x + i)", "[1, 3, 5]", "array<int>"),
    ("transform(array('a', 'b'), (x, i) -> concat(x, i))", "[a0, b1]", "array<string>"),
    ("filter(array(5, 6, 7), (x, i) -> i > 0)", "[6, 7]", "array<int>"),
    (
        "transform(array(1, 2), (x, i) -> transform(array(10, 20), (y, j) -> x + y + i + j))",
        "[[11, 22], [13, 24]]",
        "array<array<int>>",
    ),
    ("transform(CAST(NULL AS ARRAY<INT>), (x, i) -> x)", "NULL", "array<int>"),
    ("try_add(1, 1.5)", "2.5", "decimal(3,1)"),
    ("try_subtract(CAST(1 AS DECIMAL(10,2)), 1)", "0.00", "decimal(11,2)"),
    ("try_multiply(CAST(1 AS DECIMAL(10,2)), 1)", "1.00", "decimal(12,2)"),
    ("try_divide(CAST(1 AS DECIMAL(10,2)), 3)", "0.333333", "decimal(14,6)"),
    ("try_mod(CAST(1 AS DECIMAL(10,2)), 3)", "1.00", "decimal(3,2)"),
    ("1 = '1'", "true", "boolean"),
    ("1 = '5000000000'", "false", "boolean"),
    ("1.5 = '1.5'", "true", "boolean"),
    ("'10' > 9", "true", "boolean"),
    ("1 IN ('1', '2')", "true", "boolean"),
    ("true = 'true'", "true", "boolean"),
    (
        "from_json('{\"t\":\"26/08/2015\"}', 't TIMESTAMP', map('timestampFormat', 'dd/MM/yyyy')).t",
        "2015-08-26T00:00:00Z",
        "timestamp",
    ),
    (
        "from_json('{\"t\":\"26/08/2015\"}', 't DATE', map('dateFormat', 'dd/MM/yyyy')).t",
        "2015-08-26",
        "date",
    ),
    (
        "to_json(named_struct('t', timestamp'2015-08-26 01:02:03'), map('timestampFormat', 'dd/MM/yyyy HH:mm'))",
        "{\"t\":\"26/08/2015 01:02\"}",
        "string",
    ),
    ("to_json(named_struct('a', NULL), map('ignoreNullFields', 'false'))", "{\"a\":null}", "string"),
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
    for asked in [
        "2147483647 + 1",
        "9223372036854775807 + 1",
        "9223372036854775807L * 2",
        "-9223372036854775808L - 1",
        "CAST(127 AS TINYINT) + CAST(1 AS TINYINT)",
        "CAST(99999999999999999999999999999999999999 AS DECIMAL(38,0)) + 1",
        "sum(x) FROM VALUES (9223372036854775807L), (1L) AS t(x)",
        "g, sum(x) FROM VALUES (1, 9223372036854775807L), (1, 1L) AS t(g, x) GROUP BY g",
    ] {
        let error = w.ask(&w.ada, &format!("SELECT {asked}")).await.unwrap_err();
        assert!(error.contains("ARITHMETIC_OVERFLOW"), "{asked}: {error}");
    }
    for asked in ["1 / 0", "1.5 / 0", "5 % 0"] {
        let error = w.ask(&w.ada, &format!("SELECT {asked}")).await.unwrap_err();
        assert!(error.contains("DIVIDE_BY_ZERO"), "{asked}: {error}");
    }
    for asked in ["CAST('x' AS INT)", "CAST('2024-02-30' AS DATE)", "array(1)[1]", "element_at(array(1), 2)"]
    {
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
    for query in [
        "SELECT 1 EXCEPT ALL SELECT 1",
        "SELECT a FROM (SELECT 1 AS a) x FULL JOIN (SELECT 2 AS a) y USING (a)",
        "SELECT ai_query('m', 'q')",
    ] {
        let refused = w.ask(&w.ada, query).await.unwrap_err();
        assert!(refused.contains("brickyard does not support"), "{query}: {refused}");
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

#[tokio::test]
async fn a_name_of_the_same_list_stands_for_what_it_was_given_to() {
    let w = Workspace::empty().await;
    for (asked, answered) in [
        ("SELECT 2 AS a, a * 3 AS b, b + a", "2|6|8"),
        ("SELECT sum(x) AS s, s / count(*) FROM VALUES (1), (3) AS t(x)", "4|2.0"),
        // A column of the table comes first.
        ("SELECT 1 AS x, x + 1 FROM VALUES (5) AS t(x)", "1|6"),
        ("SELECT y FROM (SELECT x + 1 AS z, z * 2 AS y FROM VALUES (5) AS t(x))", "12"),
    ] {
        assert_eq!(w.ask(&w.ada, asked).await, Ok(vec![answered.to_owned()]), "{asked}");
    }
    // What doubles with each name comes to an end.
    let doubling: Vec<String> = (1..60).map(|n| format!("a{0} + a{0} AS a{n}", n - 1)).collect();
    let refused = w.ask(&w.ada, &format!("SELECT 1 AS a0, {}", doubling.join(", "))).await;
    assert!(refused.is_err());
}

#[tokio::test]
async fn an_answer_may_have_two_columns_of_one_name() {
    let w = Workspace::empty().await;
    assert_eq!(w.ask(&w.ada, "SELECT 1, 1").await.unwrap(), ["1|1"]);
    assert_eq!(
        w.ask(&w.ada, "SELECT x, x AS x, max(x), MAX(x) FROM VALUES (3) AS t(x) GROUP BY x").await.unwrap(),
        ["3|3|3|3"]
    );
}

#[tokio::test]
async fn a_field_of_a_struct_is_found_through_a_subquery() {
    let w = Workspace::empty().await;
    w.set_up("CREATE CATALOG main; CREATE SCHEMA main.s; CREATE TABLE main.s.t AS SELECT 1 AS id, named_struct('p', 2) AS st").await;
    let asked = "SELECT id, st.p FROM (SELECT id, st FROM main.s.t) ORDER BY id";
    assert_eq!(w.ask(&w.ada, asked).await, Ok(vec!["1|2".to_owned()]));
}
