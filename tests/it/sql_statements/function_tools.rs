//! Functions called as tools call them that were given a `warehouse_id`: the statements and parameters that the
//! official client (unitycatalog-ai) sends, posted by hand. (`tests/python` runs the client itself.)

use brickyard_testkit::Kit;
use serde_json::{Value, json};

use super::{STATEMENTS, YAML};

const FUNCTIONS: &str = "
CREATE CATALOG main;
CREATE SCHEMA main.t;
USE main.t;
CREATE FUNCTION add(a BIGINT, b BIGINT) RETURNS BIGINT RETURN a + b;
CREATE FUNCTION reversed(word STRING) RETURNS STRING LANGUAGE PYTHON AS $$ return word[::-1] $$;
CREATE FUNCTION fails(x BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$ raise ValueError(f'no {x} today') $$;
CREATE FUNCTION up_to(most BIGINT) RETURNS TABLE (n BIGINT, word STRING)
    RETURN SELECT * FROM VALUES (1, 'one'), (2, 'two'), (3, NULL) AS v(n, word) WHERE n <= most ORDER BY n;
CREATE FUNCTION greet(name STRING, greeting STRING DEFAULT 'Hello', mark STRING DEFAULT '!') RETURNS STRING
    RETURN concat(greeting, ' ', name, mark);
CREATE FUNCTION described(xs ARRAY<BIGINT>, m MAP<STRING, INT>, s STRUCT<a: INT, b: STRING>) RETURNS STRING
    RETURN concat(size(xs), ' ', array_max(xs), ' ', m['k'], ' ', s.a, ' ', s.b);
CREATE FUNCTION in_hex(b BINARY) RETURNS STRING RETURN hex(b);
CREATE FUNCTION day_after(d DATE) RETURNS DATE RETURN date_add(d, 1);
CREATE FUNCTION hour_of(t TIMESTAMP) RETURNS INT RETURN hour(t);
CREATE FUNCTION later(d DATE, i INTERVAL DAY TO SECOND) RETURNS TIMESTAMP RETURN CAST(d AS TIMESTAMP) + i;
CREATE FUNCTION paid(amount DECIMAL(10, 2), rate DOUBLE, taxed BOOLEAN) RETURNS STRING
    RETURN concat(amount, ' ', rate, ' ', taxed);
CREATE FUNCTION answer() RETURNS INT RETURN 42;
CREATE SCHEMA main.closed;
CREATE FUNCTION main.closed.secret(x BIGINT) RETURNS BIGINT RETURN x;
GRANT USE CATALOG, USE SCHEMA ON CATALOG main TO `ana@example.com`;
GRANT EXECUTE ON SCHEMA main.t TO `ana@example.com`;
";

/// As the client makes them: the function's name is a parameter, unless it gives a table.
async fn called(kit: &Kit, function: &str, arguments: &str, mut parameters: Value) -> Value {
    let table = function.ends_with("up_to");
    let statement = match table {
        true => format!("SELECT * FROM {function}({arguments})"),
        false => format!("SELECT IDENTIFIER(:function_name)({arguments})"),
    };
    let list = parameters.as_array_mut().expect("a list");
    if !table {
        list.insert(0, json!({"name": "function_name", "value": function}));
    }
    let body = json!({
        "statement": statement, "warehouse_id": "w1", "parameters": parameters,
        "wait_timeout": "30s", "row_limit": 100, "byte_limit": 1_048_576,
    });
    let reply = kit.post(STATEMENTS, &kit.token("ana@example.com"), &body).await;
    assert_eq!(reply.status, 200, "{function}: {}", reply.text);
    reply.json()
}

#[tokio::test]
async fn a_tool_with_a_warehouse_calls_every_kind_of_function() {
    let kit = Kit::builder(YAML).sql(FUNCTIONS).start().await;
    let table = [
        (
            "main.t.add",
            ":a,:b",
            json!([{"name": "a", "type": "bigint", "value": 1}, {"name": "b", "type": "bigint", "value": 2}]),
            json!([["3"]]),
        ),
        ("main.t.answer", "", json!([]), json!([["42"]])),
        (
            "main.t.reversed",
            ":word",
            json!([{"name": "word", "type": "string", "value": "drawer"}]),
            json!([["reward"]]),
        ),
        (
            "main.t.up_to",
            ":most",
            json!([{"name": "most", "type": "bigint", "value": 3}]),
            json!([["1", "one"], ["2", "two"], ["3", null]]),
        ),
        ("main.t.up_to", ":most", json!([{"name": "most", "type": "bigint", "value": 0}]), json!(null)),
        // What has a default is left out at the end, or in the middle: then the rest is named.
        (
            "main.t.greet",
            ":name",
            json!([{"name": "name", "type": "string", "value": "Ana"}]),
            json!([["Hello Ana!"]]),
        ),
        (
            "main.t.greet",
            ":name,mark => :mark",
            json!([{"name": "name", "type": "string", "value": "Ana"}, {"name": "mark", "type": "string", "value": "?"}]),
            json!([["Hello Ana?"]]),
        ),
        (
            "main.t.described",
            "from_json(:xs, :xs_type),from_json(:m, :m_type),from_json(:s, :s_type)",
            json!([
                {"name": "xs", "value": "[1, 5, 3]"}, {"name": "xs_type", "value": "array<bigint>"},
                {"name": "m", "value": "{\"k\": 7}"}, {"name": "m_type", "value": "map<string,int>"},
                {"name": "s", "value": "{\"a\": 8, \"b\": \"x\"}"}, {"name": "s_type", "value": "struct<a:int,b:string>"},
            ]),
            json!([["3 5 7 8 x"]]),
        ),
        ("main.t.in_hex", "unbase64(:b)", json!([{"name": "b", "value": "AP+A"}]), json!([["00FF80"]])),
        (
            "main.t.day_after",
            ":d",
            json!([{"name": "d", "type": "date", "value": "2024-02-28"}]),
            json!([["2024-02-29"]]),
        ),
        (
            "main.t.hour_of",
            ":t",
            json!([{"name": "t", "type": "timestamp", "value": "2024-02-28T17:30:00"}]),
            json!([["17"]]),
        ),
        (
            "main.t.later",
            ":d,:i",
            json!([
                {"name": "d", "type": "date", "value": "2024-02-28"},
                {"name": "i", "type": "interval day to second", "value": "INTERVAL '1 2:3:4.5' DAY TO SECOND"},
            ]),
            json!([["2024-02-29T02:03:04.500Z"]]),
        ),
        (
            "main.t.later",
            ":d,:i",
            json!([
                {"name": "d", "type": "date", "value": "2024-02-28"},
                {"name": "i", "type": "interval day to second", "value": "1 2:3:4.5"},
            ]),
            json!([["2024-02-29T02:03:04.500Z"]]),
        ),
        (
            "main.t.paid",
            ":amount,:rate,:taxed",
            json!([
                {"name": "amount", "type": "decimal(10,2)", "value": 12.5},
                {"name": "rate", "type": "double", "value": 0.25},
                {"name": "taxed", "type": "boolean", "value": true},
            ]),
            json!([["12.50 0.25 true"]]),
        ),
    ];
    let mut wrong = Vec::new();
    for (function, arguments, parameters, rows) in table {
        let answer = called(&kit, function, arguments, parameters).await;
        if (answer["status"] != json!({"state": "SUCCEEDED"})) || answer["result"]["data_array"] != rows {
            wrong.push(format!("{function}({arguments}) is not {rows}: {answer}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_tool_is_told_why_its_function_gave_nothing() {
    let kit = Kit::builder(YAML).sql(FUNCTIONS).start().await;
    let x = json!([{"name": "x", "type": "bigint", "value": 7}]);
    let failed = called(&kit, "main.t.fails", ":x", x.clone()).await;
    let message = failed["status"]["error"]["message"].as_str().unwrap_or_default();
    assert_eq!(failed["status"]["state"], "FAILED", "{failed}");
    assert!(message.contains("ValueError: no 7 today"), "{message}");
    let refused = called(&kit, "main.closed.secret", ":x", x.clone()).await;
    assert_eq!(
        refused["status"],
        json!({
            "state": "FAILED",
            "error": {
                "error_code": "BAD_REQUEST",
                "message": "[INSUFFICIENT_PERMISSIONS] Insufficient privileges:\nUser does not have EXECUTE on Routine or Model 'main.closed.secret'. SQLSTATE: 42501",
            },
            "sql_state": "42501",
        })
    );
    let absent = called(&kit, "main.t.nothing", ":x", x).await;
    let message = absent["status"]["error"]["message"].as_str().unwrap_or_default();
    let says = "[UNRESOLVED_ROUTINE] The routine `main`.`t`.`nothing` cannot be found.";
    assert!(message.starts_with(says), "{absent}");
    let text =
        json!([{"name": "a", "type": "bigint", "value": "one"}, {"name": "b", "type": "bigint", "value": 2}]);
    let cast = called(&kit, "main.t.add", ":a,:b", text).await;
    assert_eq!(cast["status"]["state"], "FAILED", "{cast}");
}
