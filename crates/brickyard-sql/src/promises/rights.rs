//! Who may do what, and how a refusal reads.

use brickyard_types::SqlType;

use super::workspace::Workspace;
use crate::Parameter;

#[tokio::test]
async fn a_refusal_names_the_first_right_that_is_missing_from_the_top() {
    let w = Workspace::empty().await;
    w.set_up(
        "CREATE CATALOG main; CREATE SCHEMA main.s; CREATE TABLE main.s.t (a INT); INSERT INTO main.s.t VALUES (7)",
    )
    .await;
    let steps = [
        ("User does not have USE CATALOG on Catalog 'main'.", "GRANT USE CATALOG ON CATALOG main TO `ana@x`"),
        ("User does not have USE SCHEMA on Schema 'main.s'.", "GRANT USE SCHEMA ON SCHEMA main.s TO `ana@x`"),
        ("User does not have SELECT on Table 'main.s.t'.", "GRANT SELECT ON TABLE main.s.t TO `ana@x`"),
    ];
    for (refusal, grant) in steps {
        let mut traces = Vec::new();
        let error = w.ask_with(&w.ana, "SELECT a FROM main.s.t", &[], &mut traces).await.unwrap_err();
        assert_eq!(
            error,
            format!("[INSUFFICIENT_PERMISSIONS] Insufficient privileges:\n{refusal} SQLSTATE: 42501")
        );
        let fix = traces.last().unwrap().first_failing().unwrap().fix().unwrap();
        assert_eq!(fix, grant, "the fix is the grant");
        w.set_up(&fix).await;
    }
    assert_eq!(w.sorted(&w.ana, "SELECT a FROM main.s.t").await, ["7"]);
}

#[tokio::test]
async fn a_table_in_a_schema_that_may_not_be_used_is_not_told_from_one_that_is_not_there() {
    let w = Workspace::with_sales().await;
    let there = w.ask(&w.ana, "SELECT * FROM main.private.orders").await.unwrap_err();
    w.set_up("CREATE TABLE main.private.orders (a INT)").await;
    let now = w.ask(&w.ana, "SELECT * FROM main.private.orders").await.unwrap_err();
    assert_eq!(there, now);
}

#[tokio::test]
async fn parameters_are_values_and_never_sql() {
    let w = Workspace::with_sales().await;
    let named = |name: &str, value: &str, data_type| Parameter {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        data_type,
    };
    let nasty = [named("r", "EMEA' OR '1'='1", SqlType::String)];
    let ids = "SELECT id FROM main.sales.orders WHERE region = :r";
    assert!(w.ask_with(&w.bob, ids, &nasty, &mut Vec::new()).await.unwrap().is_empty());
    let typed = [named("a", "25", SqlType::Int), named("t", "main.sales.orders", SqlType::String)];
    let text = "SELECT id FROM IDENTIFIER(:t) WHERE amount > :a ORDER BY id";
    assert_eq!(w.ask_with(&w.bob, text, &typed, &mut Vec::new()).await.unwrap(), ["3", "4"]);
    let inside = [named("t", "main.sales.orders; DROP TABLE main.sales.orders", SqlType::String)];
    assert!(w.ask_with(&w.ada, "SELECT * FROM IDENTIFIER(:t)", &inside, &mut Vec::new()).await.is_err());
    let missing = w.ask(&w.bob, ids).await.unwrap_err();
    assert!(missing.starts_with("[UNBOUND_SQL_PARAMETER]"), "{missing}");
    let two = w.ask(&w.ada, "SELECT 1; DROP TABLE main.sales.orders").await;
    assert!(two.is_err());
    assert_eq!(w.sorted(&w.bob, "SELECT count(*) FROM main.sales.orders").await, ["4"]);
}

#[tokio::test]
async fn a_parameter_of_each_type_is_a_value_of_that_type_or_null() {
    let w = Workspace::empty().await;
    for (data_type, value, shown) in [
        ("BOOLEAN", "true", "true"),
        ("BOOLEAN", "0", "false"),
        ("TINYINT", "-128", "-128"),
        ("SMALLINT", " 7 ", "7"),
        ("INT", "2147483647", "2147483647"),
        ("bigint", "-9223372036854775808", "-9223372036854775808"),
        ("FLOAT", "1.5", "1.5"),
        ("DOUBLE", "1e3", "1000.0"),
        ("DECIMAL(10,2)", "12.345", "12.35"),
        ("DECIMAL", "12", "12"),
        ("DECIMAL(38,0)", "99999999999999999999999999999999999999", "99999999999999999999999999999999999999"),
        ("STRING", "'; DROP TABLE x; --", "'; DROP TABLE x; --"),
        ("BINARY", "aé", "61c3a9"),
        ("DATE", "2024-02-29", "2024-02-29"),
        ("TIMESTAMP", "2024-02-29 12:30:00.5", "2024-02-29T12:30:00.500Z"),
        ("TIMESTAMP", "2024-02-29T12:30:00+02:00", "2024-02-29T10:30:00Z"),
        ("TIMESTAMP_NTZ", "2024-02-29 12:30:00", "2024-02-29T12:30:00"),
    ] {
        let sql_type: SqlType = data_type.parse().unwrap_or_else(|error| panic!("{data_type}: {error}"));
        let bound = |value: Option<&str>| Parameter {
            name: "x".to_owned(),
            value: value.map(str::to_owned),
            data_type: sql_type.clone(),
        };
        let asks = async |parameter: Parameter| {
            w.ask_with(&w.ana, "SELECT :x, typeof(:x), :x IS NULL", &[parameter], &mut Vec::new()).await
        };
        let answered = asks(bound(Some(value))).await;
        assert_eq!(answered, Ok(vec![format!("{shown}|{sql_type}|false")]), "{data_type} {value}");
        assert_eq!(asks(bound(None)).await, Ok(vec![format!("NULL|{sql_type}|true")]), "{data_type}");
    }
    let day = |value: &str, data_type: SqlType| Parameter {
        name: "d".to_owned(),
        value: Some(value.to_owned()),
        data_type,
    };
    for (text, parameter, shown) in [
        ("SELECT DATE'2024-02-28' + :d", day("2 0:0:0", SqlType::DayTimeInterval), "2024-03-01"),
        ("SELECT date_add(:d, 1)", day("2024-02-28", SqlType::Date), "2024-02-29"),
        (
            "SELECT count(*) FROM VALUES (1.5), (2.5) AS t(x) WHERE x > :d",
            day("1.50", SqlType::Decimal(10, 2)),
            "1",
        ),
        ("SELECT hex(:d), unbase64('YQ==') = :d", day("a", SqlType::Binary), "61|true"),
        ("SELECT CASE WHEN :d THEN 'yes' END", day("TRUE", SqlType::Boolean), "yes"),
        ("SELECT 1 LIMIT :d", day("1", SqlType::Int), "1"),
    ] {
        let answered = w.ask_with(&w.ana, text, std::slice::from_ref(&parameter), &mut Vec::new()).await;
        assert_eq!(answered, Ok(vec![shown.to_owned()]), "{text}");
    }
    // An interval is written in Spark's two ways, and nothing but an interval.
    for (data_type, value, shown) in [
        ("INTERVAL DAY TO SECOND", "1 02:03:04.5", "1 days 2 hours 3 mins 4.500000000 secs"),
        (
            "INTERVAL DAY TO SECOND",
            "INTERVAL '-1 02:03:04' DAY TO SECOND",
            "-1 days -2 hours -3 mins -4.000000000 secs",
        ),
        ("INTERVAL DAY", "INTERVAL '3' DAY", "3 days"),
        ("INTERVAL YEAR TO MONTH", "1-2", "14 mons"),
        ("INTERVAL MONTH", "interval 2 months", "2 mons"),
    ] {
        let parameter = day(value, data_type.parse().unwrap());
        let answered =
            w.ask_with(&w.ana, "SELECT :d", std::slice::from_ref(&parameter), &mut Vec::new()).await;
        assert_eq!(answered, Ok(vec![shown.to_owned()]), "{value}");
        let nothing = Parameter { value: None, ..parameter };
        let answered = w.ask_with(&w.ana, "SELECT :d", &[nothing], &mut Vec::new()).await;
        assert_eq!(answered, Ok(vec!["NULL".to_owned()]), "{data_type}");
    }
    for value in [
        "3",
        "soon",
        "",
        "INTERVAL '1' DAY + INTERVAL '1' DAY",
        "(SELECT INTERVAL '1' DAY)",
        "INTERVAL :d DAY",
    ] {
        let parameter = day(value, SqlType::DayTimeInterval);
        let refused = w.ask_with(&w.ana, "SELECT :d", &[parameter], &mut Vec::new()).await.unwrap_err();
        assert!(refused.contains("INTERVAL"), "{value}: {refused}");
    }
    let nothing = Parameter { name: "x".to_owned(), value: None, data_type: SqlType::Void };
    let answered = w.ask_with(&w.ana, "SELECT :x, coalesce(:x, 5)", &[nothing], &mut Vec::new()).await;
    assert_eq!(answered, Ok(vec!["NULL|5".to_owned()]));
}

#[tokio::test]
async fn a_function_that_a_parameter_names_is_called_by_who_may_execute_it() {
    let w = Workspace::with_sales().await;
    w.set_up(
        "CREATE FUNCTION main.sales.add(a BIGINT, b BIGINT DEFAULT 10) RETURNS BIGINT RETURN a + b;
         CREATE FUNCTION main.sales.above(least INT) RETURNS TABLE (id BIGINT)
             RETURN SELECT id FROM main.sales.orders WHERE amount > least;
         GRANT EXECUTE ON SCHEMA main.sales TO `bob@x`",
    )
    .await;
    let named = |name: &str, value: &str, data_type| Parameter {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        data_type,
    };
    let with = |function: &str| {
        [
            named("f", function, SqlType::String),
            named("a", "1", SqlType::Long),
            named("b", "2", SqlType::Long),
        ]
    };
    for (text, function, rows) in [
        ("SELECT IDENTIFIER(:f)(:a,:b)", "main.sales.add", "3"),
        ("SELECT IDENTIFIER(:f)(:a)", "`main`.sales.`add`", "11"),
        ("SELECT IDENTIFIER(:f)(b => :b, a => :a) AS x", "main.sales.add", "3"),
        (
            "SELECT IDENTIFIER('main.sales.' || :f)(IDENTIFIER('main.sales.' || :f)(:a, :b), 100)",
            "add",
            "103",
        ),
        ("SELECT identifier ( :f ) ( :a , :b )", "main.sales.add", "3"),
        ("SELECT * FROM IDENTIFIER(:f)(25) ORDER BY id", "main.sales.above", "3;4"),
        ("SELECT IDENTIFIER(:f)('x', :a)", "concat", "x1"),
    ] {
        let answered = w.ask_with(&w.bob, text, &with(function), &mut Vec::new()).await;
        assert_eq!(answered.map(|rows| rows.join(";")), Ok(rows.to_owned()), "{text}");
    }
    for (who, text, function, why) in [
        (
            &w.ana,
            "SELECT IDENTIFIER(:f)(:a,:b)",
            "main.sales.add",
            "EXECUTE on Routine or Model 'main.sales.add'",
        ),
        (
            &w.ana,
            "SELECT * FROM IDENTIFIER(:f)(25)",
            "main.sales.above",
            "EXECUTE on Routine or Model 'main.sales.above'",
        ),
        (&w.bob, "SELECT IDENTIFIER(:f)(:a,:b)", "main.sales.none", "`none` cannot be found"),
        (&w.bob, "SELECT IDENTIFIER(:f)(:a,:b)", "main.sales.add(1, 2); --", "INVALID_IDENTIFIER"),
        (&w.bob, "SELECT IDENTIFIER(:f)(:a,:b)", "", "INVALID_IDENTIFIER"),
        (&w.bob, "SELECT IDENTIFIER(:g)(:a,:b)", "main.sales.add", "UNBOUND_SQL_PARAMETER"),
    ] {
        let refused = w.ask_with(who, text, &with(function), &mut Vec::new()).await.unwrap_err();
        assert!(refused.contains(why), "{text} {function}: {refused}");
    }
}

#[tokio::test]
async fn everybody_may_ask_who_they_are() {
    let w = Workspace::empty().await;
    let who = "SELECT current_user(), session_user(), is_member('analysts'), is_account_group_member('account users')";
    assert_eq!(w.ask(&w.bob, who).await.unwrap(), ["bob@x|bob@x|true|true"]);
    assert_eq!(w.ask(&w.ana, who).await.unwrap(), ["ana@x|ana@x|false|true"]);
    assert_eq!(w.ask(&w.ana, "SELECT 1 AS One, current_catalog()").await.unwrap(), ["1|main"]);
}
