//! Functions and views: the owner's rights, the invoker's identity.

use super::workspace::Workspace;

#[tokio::test]
async fn a_function_reads_with_its_owners_rights_and_asks_as_its_invoker() {
    let w = Workspace::with_sales().await;
    w.set_up(
        "CREATE TABLE main.private.pay (who STRING, pay INT);
         INSERT INTO main.private.pay VALUES ('ana@x', 1), ('bob@x', 2);
         CREATE FUNCTION main.sales.my_pay() RETURNS INT RETURN (
             SELECT max(pay) FROM main.private.pay WHERE who = current_user());
         CREATE FUNCTION main.sales.pay_of(who STRING) RETURNS TABLE (name STRING, pay INT) RETURN
             SELECT p.who, p.pay FROM main.private.pay p WHERE p.who = pay_of.who;
         CREATE FUNCTION main.sales.twice(x INT) RETURNS INT RETURN x * 2;
         GRANT EXECUTE ON FUNCTION main.sales.my_pay TO `account users`;
         GRANT EXECUTE ON FUNCTION main.sales.twice TO `account users`;
         GRANT EXECUTE ON FUNCTION main.sales.pay_of TO `bob@x`;",
    )
    .await;
    assert_eq!(w.ask(&w.ana, "SELECT main.sales.my_pay()").await.unwrap(), ["1"]);
    assert_eq!(w.ask(&w.bob, "SELECT main.sales.my_pay()").await.unwrap(), ["2"]);
    assert_eq!(w.ask(&w.ana, "SELECT main.sales.twice(main.sales.twice(3))").await.unwrap(), ["12"]);
    let all = "SELECT main.sales.twice(amount) AS d FROM main.sales.orders ORDER BY d";
    assert_eq!(w.ask(&w.ana, all).await.unwrap(), ["20", "40"]);
    assert_eq!(w.ask(&w.bob, "SELECT * FROM main.sales.pay_of('ana@x')").await.unwrap(), ["ana@x|1"]);
    let refused = w.ask(&w.ana, "SELECT * FROM main.sales.pay_of('ana@x')").await.unwrap_err();
    assert!(refused.contains("EXECUTE on Routine or Model 'main.sales.pay_of'"), "{refused}");
}

#[tokio::test]
async fn arguments_are_given_by_name_in_any_order_and_defaults_fill_what_is_left_out() {
    let w = Workspace::with_sales().await;
    w.set_up(
        "CREATE FUNCTION main.sales.say(a INT, b STRING DEFAULT concat('x', 'y'), c INT DEFAULT -7, d STRING DEFAULT NULL)
             RETURNS STRING RETURN concat_ws(' ', a, b, c, d);
         CREATE FUNCTION main.sales.pair(a INT, b INT) RETURNS INT RETURN a * 10 + b;
         CREATE FUNCTION main.sales.under(most INT DEFAULT 2, least INT DEFAULT 1) RETURNS TABLE (n INT)
             RETURN SELECT n FROM VALUES (1), (2), (3) AS t(n) WHERE n BETWEEN least AND most ORDER BY n;
         GRANT EXECUTE ON SCHEMA main.sales TO `bob@x`",
    )
    .await;
    for (call, answer) in [
        ("say(1)", "1 xy -7"),
        ("say(1, 'b', 3, 'd')", "1 b 3 d"),
        ("say(1, c => 5)", "1 xy 5"),
        ("say(D => 'd', a => 2)", "2 xy -7 d"),
        ("say(a => id, c => id + 1)", "1 xy 2"),
        ("say(1, d => main.sales.say(a => 2, b => 'in'))", "1 xy -7 2 in -7"),
        ("pair(b => 1, a => 2)", "21"),
        ("pair(2, b => 1)", "21"),
    ] {
        let statement = format!("SELECT main.sales.{call} FROM main.sales.orders WHERE id = 1");
        assert_eq!(w.ask(&w.bob, &statement).await.unwrap(), [answer], "{call}");
    }
    assert_eq!(w.ask(&w.bob, "SELECT * FROM main.sales.under(least => 2)").await.unwrap(), ["2"]);
    for (call, refusal) in [
        (
            "say(b => 'x')",
            "[REQUIRED_PARAMETER_NOT_FOUND] `main.sales.say` needs a value for its parameter `a`.",
        ),
        (
            "say(a => 1, e => 2)",
            "[UNRECOGNIZED_PARAMETER_NAME] `main.sales.say` has no parameter `e`. It has: a, b, c, d.",
        ),
        (
            "say(1, a => 2)",
            "[DUPLICATE_ROUTINE_PARAMETER_ASSIGNMENT] The parameter `a` of `main.sales.say` is given twice.",
        ),
        (
            "say(a => 1, 'x')",
            "[UNEXPECTED_POSITIONAL_ARGUMENT] An argument of `main.sales.say` without a name follows the one named `a`.",
        ),
        ("pair(1, 2, a => 3)", "[DUPLICATE_ROUTINE_PARAMETER_ASSIGNMENT]"),
        ("pair(1, 2, 3, a => 3)", "[WRONG_NUM_ARGS] main.sales.pair takes at most 2 arguments."),
    ] {
        let statement = format!("SELECT main.sales.{call}");
        let error = w.ask(&w.bob, &statement).await.unwrap_err();
        assert!(error.starts_with(refusal), "{call}: {error}");
        // Who may not call it is not told what its parameters are.
        let error = w.ask(&w.ana, &statement).await.unwrap_err();
        assert!(error.contains("User does not have EXECUTE on Routine or Model"), "{call}: {error}");
    }
}

#[tokio::test]
async fn a_function_that_calls_itself_is_refused() {
    let w = Workspace::with_sales().await;
    w.set_up("CREATE FUNCTION main.sales.a(x INT) RETURNS INT RETURN x").await;
    w.set_up("CREATE FUNCTION main.sales.b(x INT) RETURNS INT RETURN main.sales.a(x)").await;
    let _ = w
        .ask(&w.ada, "CREATE OR REPLACE FUNCTION main.sales.a(x INT) RETURNS INT RETURN main.sales.b(x)")
        .await;
    let answer = w.ask(&w.ada, "SELECT main.sales.a(1)").await;
    assert!(answer.is_err() || answer == Ok(vec!["1".to_owned()]), "{answer:?}");
}

#[tokio::test]
async fn a_python_function_answers() {
    let w = Workspace::with_sales().await;
    w.set_up("CREATE FUNCTION main.sales.add(a BIGINT, b BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$ return a + b $$")
        .await;
    assert_eq!(w.ask(&w.ada, "SELECT main.sales.add(2, 40)").await.unwrap(), ["42"]);
    let ids = "SELECT main.sales.add(id, 1) AS n FROM main.sales.orders ORDER BY n";
    assert_eq!(w.ask(&w.ada, ids).await.unwrap(), ["2", "3"]);
}

#[tokio::test]
async fn what_goes_wrong_while_it_runs_is_told_in_the_words_of_databricks() {
    let w = Workspace::with_sales().await;
    w.set_up(
        "CREATE FUNCTION main.sales.bad(a BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$ return a + 'x' $$",
    )
    .await;
    for (statement, words) in [
        ("SELECT main.sales.bad(id) FROM main.sales.orders", "[UDF_USER_CODE_ERROR.GENERIC] "),
        ("SELECT id / (id - id) FROM main.sales.orders", "[DIVIDE_BY_ZERO] Division by zero."),
        ("SELECT CAST(concat('x', id) AS INT) FROM main.sales.orders", "[CAST_INVALID_INPUT] "),
    ] {
        let error = w.ask(&w.ada, statement).await.unwrap_err();
        assert!(error.starts_with(words), "{error}");
        assert_eq!(error.matches("SQLSTATE").count(), 1, "{error}");
    }
}
