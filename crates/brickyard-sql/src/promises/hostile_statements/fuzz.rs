//! Statements that are made up: mutations of good ones, and every function with arguments from the edges.

#![expect(clippy::print_stdout, reason = "a run says what it did, and with which seed")]

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use datafusion::execution::SessionStateBuilder;

use super::{Internal, end, short};
use crate::promises::copy::world::World;

/// A generator of numbers that is the same everywhere.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n.max(1) as u64).unwrap_or(0)
    }

    fn one_of<'t, T: ?Sized>(&mut self, all: &[&'t T]) -> &'t T {
        all[self.below(all.len())]
    }
}

/// Whatever stands between quotation marks in the parser's own tests.
const TESTED: &[&str] = &[
    include_str!("../../front/tests/statements.rs"),
    include_str!("../../front/tests/queries.rs"),
    include_str!("../../front/tests/errors.rs"),
];

const GOOD: &[&str] = &[
    "SELECT s.id, o.amount FROM staff s LEFT JOIN orders o ON o.staff = s.id WHERE s.salary IS NULL ORDER BY 1, 2 LIMIT 3",
    "WITH c AS (SELECT dept, count(*) AS n FROM staff GROUP BY dept HAVING count(*) > 0) SELECT * FROM c WHERE n > 1",
    "SELECT id, rank() OVER (PARTITION BY dept ORDER BY joined DESC ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM staff",
    "SELECT sum(o.amount) OVER (ORDER BY id RANGE BETWEEN UNBOUNDED PRECEDING AND 5 FOLLOWING) FROM orders o",
    "SELECT CASE WHEN salary > 5 THEN 'a' ELSE email END, CAST(id AS DECIMAL(10, 2)), joined + INTERVAL '1' DAY FROM staff",
    "SELECT id FROM staff WHERE id IN (SELECT staff FROM orders) AND EXISTS (SELECT 1 FROM plain WHERE k = id)",
    "SELECT id FROM staff UNION ALL SELECT id FROM orders EXCEPT SELECT k FROM plain",
    "SELECT array(1, 2, 3)[1], map('a', 1)['a'], struct(1, 'x'), named_struct('a', 1).a",
    "SELECT date_trunc('month', joined), extract(YEAR FROM joined), date_add(joined, 3), datediff(joined, DATE'2020-01-01') FROM staff",
    "SELECT substr(email, 2, 3), upper(email), concat(email, 'x'), regexp_replace(email, '[a-z]+', '-'), split(email, '@') FROM staff",
    "SELECT * FROM (VALUES (1, 'a'), (2, NULL)) AS t (x, y) WHERE y IS DISTINCT FROM 'a'",
    "SELECT dept, grouping(dept), max(salary) FROM staff GROUP BY GROUPING SETS ((dept), ())",
    "WITH RECURSIVE t (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT * FROM t",
    "SELECT * FROM staff PIVOT (count(*) FOR dept IN ('eng', 'ops'))",
    "SELECT explode(array(1, 2))",
    "SELECT p.k, l.id FROM plain p, LATERAL (SELECT id FROM orders o WHERE o.region = p.name) l",
    "SELECT transform(array(1, 2), x -> x + 1), filter(array(1, 2), x -> x > 1)",
    "INSERT INTO fuzzed VALUES (1, 'x')",
    "UPDATE fuzzed SET a = a + 1 WHERE b LIKE '%x%'",
    "DELETE FROM fuzzed WHERE a IN (SELECT k FROM plain)",
    "MERGE INTO fuzzed f USING plain p ON f.a = p.k WHEN MATCHED THEN UPDATE SET b = p.name WHEN NOT MATCHED THEN INSERT (a, b) VALUES (p.k, p.name)",
    "CREATE OR REPLACE TABLE fuzzed (a INT, b STRING)",
    "CREATE OR REPLACE VIEW seen AS SELECT id FROM staff",
    "CREATE OR REPLACE FUNCTION fuzzy(x INT) RETURNS INT RETURN x + 1",
    "ALTER TABLE fuzzed ADD COLUMN c DATE",
    "DESCRIBE TABLE EXTENDED staff",
    "SHOW TABLES IN main.policed LIKE 's*'",
    "EXPLAIN SELECT * FROM staff JOIN orders ON staff.id = orders.staff",
    "SELECT twice(id), pay_of(id) FROM engineers",
    "SELECT * FROM of_region('EMEA') WHERE amount BETWEEN 1 AND 20",
    "SELECT id FROM IDENTIFIER('staff')",
    "SHOW GRANTS ON TABLE staff",
    "GRANT SELECT ON TABLE fuzzed TO `bob@x`",
];

/// Values from the edges of types.
const EDGES: &[&str] = &[
    "NULL",
    "0",
    "-1",
    "1",
    "2147483647",
    "-2147483648",
    "9223372036854775807",
    "-9223372036854775808",
    "CAST(NULL AS INT)",
    "CAST(-9223372036854775808 AS BIGINT)",
    "CAST(127 AS TINYINT)",
    "1e308",
    "-1e308",
    "1e-320",
    "CAST('NaN' AS DOUBLE)",
    "CAST('Infinity' AS DOUBLE)",
    "CAST('-Infinity' AS FLOAT)",
    "0.0",
    "-0.0",
    "CAST('99999999999999999999999999999999999999' AS DECIMAL(38, 0))",
    "1.5",
    "''",
    "'x'",
    "'\u{1f600}'",
    "'\\0'",
    "'a\u{0301}'",
    "' '",
    "'%'",
    "'('",
    "'[a-z'",
    "'2020-02-30'",
    "'2020-01-01'",
    "'yyyy-MM-dd'",
    "'%Y'",
    "'-5'",
    "'1e5'",
    "DATE'0001-01-01'",
    "DATE'9999-12-31'",
    "DATE'1970-01-01'",
    "TIMESTAMP'9999-12-31 23:59:59.999999'",
    "TIMESTAMP'0001-01-01 00:00:00'",
    "INTERVAL '1' DAY",
    "INTERVAL '-178956970' YEAR",
    "INTERVAL '2147483647' MONTH",
    "INTERVAL '999999999' DAY",
    "array()",
    "array(1, NULL)",
    "array('x', '')",
    "array(array(1), array())",
    "map('a', 1)",
    "map()",
    "struct(1, 'x')",
    "true",
    "false",
    "X'00FF'",
    "X''",
    "'Europe/Paris'",
    "'month'",
    "'UTF-8'",
    "'{\"a\": [1]}'",
    "'$.a'",
    "'http://a:b@c/d?e=f#g'",
    "k",
    "name",
    "CAST(k AS STRING)",
    "CAST(k AS DOUBLE)",
];

/// Put anywhere into a statement.
const FRAGMENTS: &[&str] = &[
    "(",
    ")",
    "((",
    "))",
    ",",
    ";",
    "'",
    "\"",
    "`",
    "--",
    "/*",
    "*/",
    "::INT",
    "::DATE",
    " AND ",
    " OR NOT ",
    " IS NULL ",
    " IN (",
    " BETWEEN ",
    " LIKE ",
    " OVER ()",
    " OVER (ORDER BY 1)",
    " FILTER (WHERE true)",
    "DISTINCT ",
    " * ",
    " / 0",
    " % 0",
    " || ",
    " -> ",
    " => ",
    "@",
    ":x",
    "?",
    "$1",
    "\u{0}",
    "\u{feff}",
    "\u{202e}",
    "\u{1f600}",
    "\u{ff07}",
    "\\",
    "[0]",
    "[-1]",
    "[9223372036854775807]",
    ".a",
    ".*",
    "*",
    " EXCEPT ",
    " LIMIT -1",
    " LIMIT ALL",
    " OFFSET 9223372036854775807",
    " LIMIT 9223372036854775807",
    " ORDER BY 99",
    " GROUP BY ALL",
    " GROUP BY 1",
    " GROUP BY CUBE(1, 2)",
    " HAVING 1",
    " QUALIFY 1 = 1",
    " UNION ",
    " INTERSECT ALL ",
    " LATERAL ",
    " NATURAL JOIN staff",
    " USING (id)",
    " CROSS JOIN orders",
    " LEFT ANTI JOIN plain ON true",
    " WHERE 1 / 0 = 1",
    " CASE WHEN ",
    " END ",
    " EXISTS (SELECT 1) ",
    " (SELECT 1) ",
    " (SELECT id FROM staff) ",
    " ANY (SELECT 1) ",
    " ALL ",
    " TABLESAMPLE (1 ROWS)",
    " VERSION AS OF 0",
    " AS ",
    " WITHIN GROUP (ORDER BY 1)",
    " IGNORE NULLS ",
    " RESPECT NULLS ",
    " ROWS BETWEEN 9223372036854775807 PRECEDING AND 1 FOLLOWING",
    " AT TIME ZONE 'x'",
    " COLLATE x",
    " INTERVAL ",
    " DATE ",
    " TIMESTAMP ",
    " CAST(",
    " TRY_CAST(",
    " count(*) ",
    " sum(",
    " WINDOW w AS (ORDER BY 1)",
];

fn corpus() -> Vec<String> {
    let mut all: Vec<String> = GOOD.iter().map(|good| (*good).to_owned()).collect();
    for file in TESTED {
        let quoted = file.split('"').skip(1).step_by(2).filter(|text| text.len() > 8);
        all.extend(quoted.map(|text| text.replace("\\\n", " ")));
    }
    all
}

/// Words, names, numbers and signs of a text.
fn tokens(text: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for c in text.chars() {
        let word = c.is_alphanumeric() || c == '_';
        match all.last_mut() {
            Some(last) if word && last.chars().all(|c| c.is_alphanumeric() || c == '_') => last.push(c),
            _ => all.push(c.to_string()),
        }
    }
    all
}

fn mutated(dice: &mut Dice, corpus: &[String]) -> String {
    let mut text = tokens(&corpus[dice.below(corpus.len())]);
    for _ in 0..=dice.below(4) {
        let at = dice.below(text.len() + 1);
        match dice.below(8) {
            0 => text.insert(at, dice.one_of(FRAGMENTS).to_owned()),
            1 => text.insert(at, dice.one_of(EDGES).to_owned()),
            2 | 3 if at < text.len() => text[at] = dice.one_of(EDGES).to_owned(),
            4 if at < text.len() => drop(text.remove(at)),
            5 => {
                // A piece of another statement.
                let other = tokens(&corpus[dice.below(corpus.len())]);
                let from = dice.below(other.len());
                let to = (from + dice.below(12)).min(other.len());
                text.splice(at..at, other[from..to].iter().cloned());
            }
            6 if at < text.len() => {
                let other = dice.below(text.len());
                text.swap(at, other);
            }
            7 if at < text.len() => {
                let to = (at + 1 + dice.below(6)).min(text.len());
                let piece: Vec<String> = text[at..to].to_vec();
                text.splice(at..at, piece);
            }
            _ => {}
        }
    }
    text.concat()
}

fn called(dice: &mut Dice, functions: &[String]) -> String {
    let name = &functions[dice.below(functions.len())];
    let arguments: Vec<_> = (0..dice.below(5)).map(|_| dice.one_of(EDGES)).collect();
    let over = if dice.below(6) == 0 { " OVER (PARTITION BY name ORDER BY k)" } else { "" };
    let from = if dice.below(2) == 0 { " FROM plain" } else { " FROM (VALUES (1, 'x')) t (k, name)" };
    format!("SELECT {name}({}){over}{from}", arguments.join(", "))
}

fn functions() -> Vec<String> {
    let mut state = SessionStateBuilder::new().with_default_features().build();
    crate::functions::register(&mut state);
    let (scalar, aggregate) = (state.scalar_functions().keys(), state.aggregate_functions().keys());
    let mut all: Vec<String> =
        scalar.chain(aggregate).chain(state.window_functions().keys()).cloned().collect();
    all.sort();
    all
}

fn seconds() -> u64 {
    super::super::copy::number("BRICKYARD_FUZZ_SECONDS").unwrap_or(5)
}

fn seed() -> u64 {
    use std::hash::BuildHasher;
    super::super::copy::number("BRICKYARD_SEED")
        .unwrap_or_else(|| std::hash::RandomState::new().hash_one("a seed"))
}

#[test]
fn no_text_panics_or_keeps_the_parser_busy() {
    let (seed, corpus) = (seed(), corpus());
    let mut dice = Dice(seed);
    let (started, mut texts, mut parsed) = (Instant::now(), 0_u64, 0_u64);
    while started.elapsed() < Duration::from_secs(seconds()) {
        let text = mutated(&mut dice, &corpus);
        let one = Instant::now();
        let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| {
            let named = crate::rewrite::identifiers(&text, &[]);
            let good = crate::parse_one(&text).is_ok();
            let _ = (
                named,
                crate::parse(&text),
                crate::front::parse_expression(&text),
                crate::front::parse_body(&text),
            );
            good
        }));
        assert!(outcome.is_ok(), "BRICKYARD_SEED={seed}: {text}");
        assert!(one.elapsed() < Duration::from_secs(5), "BRICKYARD_SEED={seed}: {:?} {text}", one.elapsed());
        texts += 1;
        parsed += u64::from(outcome.unwrap_or_default());
    }
    println!("{texts} texts, {parsed} of them statements, BRICKYARD_SEED={seed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_statement_panics_hangs_or_tells_of_the_inside() {
    let (seed, corpus, functions) = (seed(), corpus(), functions());
    let mut dice = Dice(seed);
    let world = World::new(true).await;
    world.workspace.set_up("CREATE TABLE main.policed.fuzzed (a INT, b STRING); ALTER TABLE main.policed.fuzzed OWNER TO `ana@x`").await;
    let (_, ana, _) = &world.people[0];
    let (mut wrong, mut internal) = (std::collections::BTreeMap::new(), Internal::default());
    let (started, mut statements, mut answered, mut stopped) = (Instant::now(), 0_u64, 0_u64, 0_u64);
    while started.elapsed() < Duration::from_secs(seconds()) {
        let text =
            if dice.below(2) == 0 { called(&mut dice, &functions) } else { mutated(&mut dice, &corpus) };
        match end(&world, ana, &text, Duration::from_secs(5)).await {
            Ok(super::Ended::Answered) => answered += 1,
            Ok(super::Ended::Stopped) => stopped += 1,
            Ok(super::Ended::Refused(why)) => internal.count(&why, &text),
            Err(why) => {
                let kind: String = why.chars().filter(|c| !c.is_ascii_digit()).take(110).collect();
                wrong.entry(kind).or_insert_with(|| format!("{}\n    {why}", short(&text)));
            }
        }
        statements += 1;
    }
    println!(
        "{statements} statements, {answered} answered, {stopped} stopped, BRICKYARD_SEED={seed}\n{internal}"
    );
    let wrong: Vec<_> = wrong.into_values().collect();
    assert!(wrong.is_empty(), "BRICKYARD_SEED={seed}\n{}", wrong.join("\n"));
}
