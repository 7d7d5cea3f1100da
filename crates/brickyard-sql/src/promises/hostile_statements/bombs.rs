//! Statements that ask for more than there is.

#![expect(clippy::print_stdout, reason = "a run says what it did, and with which seed")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Ended, end, short};
use crate::promises::copy::world::World;
use crate::promises::workspace::Workspace;

/// What comes out of them, if anything does, is small; what they would need is not.
const BOMBS: &[&str] = &[
    "SELECT length(repeat('x', 2000000000))",
    "SELECT length(repeat(repeat('x', 100000), 100000))",
    "SELECT length(repeat(name, 2147483647)) FROM plain",
    "SELECT length(lpad('x', 2000000000, 'y'))",
    "SELECT length(rpad('x', 2000000000, 'y'))",
    "SELECT length(space(2000000000))",
    "SELECT cardinality(array_repeat(1, 10000000000))",
    "SELECT cardinality(array_repeat(k, 1000000000000000000)) FROM plain",
    "SELECT cardinality(list_repeat('x', 2147483647)) FROM plain",
    "SELECT cardinality(list_resize(make_array(1), 2147483647)) FROM plain",
    "SELECT cardinality(sequence(1, 1000000000000))",
    "SELECT cardinality(sequence(1, 9223372036854775807))",
    "SELECT cardinality(generate_series(1, 1000000000000000000))",
    "SELECT cardinality(range(0, 1000000000000000000))",
    "SELECT count(*) FROM range(1000000000000000000)",
    "SELECT count(*) FROM generate_series(1, 1000000000000000000)",
    "SELECT max(x) FROM (SELECT value AS x FROM generate_series(1, 1000000000000000000) ORDER BY value DESC) t",
    "SELECT count(DISTINCT value) FROM generate_series(1, 1000000000000000000)",
    "SELECT array_agg(value) FROM generate_series(1, 1000000000000000000)",
    "SELECT string_agg(CAST(value AS STRING), ',') FROM generate_series(1, 1000000000000000000)",
    "WITH RECURSIVE t (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t",
    "WITH RECURSIVE t (n) AS (SELECT 1 UNION ALL SELECT n FROM t) SELECT * FROM t",
    "WITH RECURSIVE t (n) AS (SELECT 1 UNION ALL SELECT a.n + 1 FROM t a, t b) SELECT count(*) FROM t",
    "WITH RECURSIVE t (s) AS (SELECT 'x' UNION ALL SELECT concat(s, s) FROM t) SELECT max(length(s)) FROM t",
    "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b, generate_series(1, 1000000) c",
    "SELECT regexp_replace('aaaa', 'a{1000}{1000}{1000}', '')",
    "SELECT regexp_like(repeat('a', 10000), '(a*)*(a*)*(a*)*b')",
    "SELECT 'x' LIKE repeat('%a', 2000)",
    "SELECT array_resize(array(1), 1000000000000, 0)",
    "SELECT factorial(2147483647)",
    "SELECT format_string('%2000000000d', 1)",
    "SELECT length(format_string('%-2000000000s', 'x'))",
    "SELECT cardinality(flatten(array_repeat(array_repeat(1, 100000), 100000)))",
    "SELECT to_char(DATE'2020-01-01', repeat('%Y', 100000))",
    "SELECT length(replace(repeat('x', 1000000), 'x', repeat('y', 1000000)))",
    "SELECT length(translate(repeat('x', 1000000), 'x', 'y'))",
    "SELECT length(concat(repeat('x', 60000000), repeat('x', 60000000), repeat('x', 60000000)))",
    "SELECT length(hex(repeat('x', 60000000)))",
    "SELECT levenshtein(repeat('x', 100000), repeat('y', 100000))",
    "SELECT length(array_join(array_repeat(repeat('x', 1000), 1000000), ','))",
    "SELECT sum(length(repeat('x', CAST(value AS INT)))) FROM generate_series(1, 100000) t",
    "SELECT date_add(DATE'2020-01-01', CAST(value AS INT)) FROM generate_series(1, 10) t ORDER BY 1 LIMIT 9223372036854775807",
    "SELECT sequence(DATE'0001-01-01', DATE'9999-12-31', INTERVAL 1 SECOND)",
    "SELECT cardinality(sequence(TIMESTAMP'0001-01-01', TIMESTAMP'9999-12-31', INTERVAL '1' MICROSECOND))",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_statement_that_asks_for_more_than_there_is_gets_an_error_or_can_be_stopped() {
    let world = World::new(true).await;
    let (_, ana, _) = &world.people[0];
    let mut wrong = Vec::new();
    for bomb in BOMBS.iter().map(|bomb| (*bomb).to_owned()).chain(long()) {
        let started = Instant::now();
        let before = memory();
        let ended = end(&world, ana, &bomb, Duration::from_secs(2)).await;
        let grown = memory().saturating_sub(before);
        let how = match ended {
            Ok(Ended::Answered) => "answered".to_owned(),
            Ok(Ended::Stopped) => "stopped".to_owned(),
            Ok(Ended::Refused(why)) => format!("refused: {}", why.chars().take(100).collect::<String>()),
            Err(why) => {
                wrong.push(format!("{}: {why}", short(&bomb)));
                why
            }
        };
        // The pool of this engine is 256 MiB.
        if grown > 1 << 30 {
            wrong.push(format!("{}: it took {} MiB", short(&bomb), grown >> 20));
        }
        println!(
            "{:?} {} MiB {how} <- {}",
            started.elapsed(),
            grown >> 20,
            short(&bomb).chars().take(110).collect::<String>()
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Texts of a size.
fn long() -> Vec<String> {
    let listed = |n: usize, item: fn(usize) -> String| (0..n).map(item).collect::<Vec<_>>().join(", ");
    vec![
        format!("SELECT length('{}')", "x".repeat(1 << 20)),
        format!("SELECT {}", listed(2_000, |n| format!("{n} AS c{n}"))),
        format!("SELECT id FROM staff WHERE id IN ({})", listed(20_000, |n| n.to_string())),
        format!("SELECT * FROM (VALUES {}) t", listed(2_000, |n| format!("({n})"))),
        format!("SELECT concat({})", listed(2_000, |_| "'x'".to_owned())),
        format!("SELECT array({})", listed(5_000, |n| n.to_string())),
        format!("SELECT 1 {}", "+ 1 ".repeat(250)),
        format!("SELECT {}1{}", "(".repeat(100), ")".repeat(100)),
        format!("SELECT {}1{}", "abs(".repeat(100), ")".repeat(100)),
        format!("SELECT {} 1", "NOT ".repeat(90)),
        format!("SELECT 1 {}", "UNION ALL SELECT 1 ".repeat(80)),
        format!("SELECT {}", "1".repeat(10_000)),
        format!("SELECT 1e{}", "9".repeat(1_000)),
        format!("SELECT CAST('{}' AS DECIMAL(38, 10))", "9".repeat(10_000)),
        format!(
            "SELECT count(*) FROM {}",
            (0..14).map(|n| format!("plain p{n}")).collect::<Vec<_>>().join(", ")
        ),
        format!("SELECT `{}`", "x".repeat(100_000)),
        format!("SELECT * FROM {}", "a.".repeat(100) + "a"),
    ]
}

/// What the process has taken of the machine's memory.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<usize>().ok()).unwrap_or_default() << 10
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_and_views_that_double_at_each_level_are_too_complex() {
    let world = World::new(true).await;
    let w = &world.workspace;
    w.set_up("CREATE FUNCTION main.policed.d0(x BIGINT) RETURNS BIGINT RETURN x + 1; CREATE VIEW main.policed.v0 AS SELECT 1 AS x").await;
    for level in 1..=22 {
        let below = level - 1;
        let made = format!(
            "CREATE FUNCTION main.policed.d{level}(x BIGINT) RETURNS BIGINT RETURN main.policed.d{below}(x) + main.policed.d{below}(x + 1);
             CREATE VIEW main.policed.v{level} AS SELECT a.x FROM main.policed.v{below} a JOIN main.policed.v{below} b ON a.x = b.x"
        );
        let admin = crate::Session::new(crate::Speaker::Configuration(w.ada.clone()), None, None);
        for one in made.split(';') {
            let made =
                tokio::time::timeout(Duration::from_secs(30), w.ask_in(&admin, one, &[], &mut Vec::new()))
                    .await;
            match made.expect("making it takes long") {
                Ok(_) => {}
                Err(why) => assert!(
                    why.contains("COMPLEX") || why.contains("NOT_FOUND") || why.contains("UNRESOLVED"),
                    "{why}"
                ),
            }
        }
    }
    let (_, ana, _) = &world.people[0];
    for query in ["SELECT d22(1)", "SELECT d22(id) FROM staff", "SELECT count(*) FROM v22"] {
        let ended = end(&world, ana, query, Duration::from_secs(20)).await;
        assert!(matches!(ended, Ok(Ended::Refused(_))), "{query}");
    }
}

/// More than the pool holds: sorted, grouped and joined.
const LARGE: &[(&str, &str)] = &[
    (
        "SELECT count(*) FROM (SELECT concat('a row of some length ', id * 7 % 200003) AS n FROM range(200000) ORDER BY n LIMIT 199999)",
        "199999",
    ),
    (
        "SELECT count(*) FROM (SELECT concat('a row of some length ', id) AS n, count(*) FROM range(200000) GROUP BY n)",
        "200000",
    ),
    (
        "WITH t AS (SELECT concat('a row of some length ', id) AS n, repeat('x', 50) AS x FROM range(200000)) \
         SELECT count(a.x), count(b.x) FROM t a JOIN t b ON a.n = b.n",
        "200000|200000",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_above_the_memory_pool_spills_or_is_refused_and_the_next_one_works() {
    let w = Workspace::with_memory(12 << 20).await;
    let mut refusals = 0;
    for (query, meant) in LARGE {
        match w.ask(&w.ana, query).await {
            Ok(rows) => assert_eq!(rows, [*meant], "{query}"),
            Err(refused) => {
                let documented =
                    refused.starts_with("[RESOURCE_EXHAUSTED]") && refused.ends_with("SQLSTATE: 53200");
                assert!(documented, "{query}: {refused}");
                refusals += 1;
            }
        }
        // What it held is given back, by tasks that end after the answer did.
        let pool = Arc::clone(&w.sql.0.base.runtime_env().memory_pool);
        let given_back = async {
            while pool.reserved() > 0 {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), given_back).await;
        assert!(waited.is_ok(), "{query}: {} bytes are still held", pool.reserved());
        let next = "SELECT count(*) FROM (SELECT DISTINCT id % 1000 FROM range(100000))";
        assert_eq!(w.ask(&w.ana, next).await.unwrap(), ["1000"], "after {query}");
    }
    assert!(refusals > 0, "nothing took more than the pool holds");
}
