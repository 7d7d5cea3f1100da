//! Section R of the corpus of hostile inputs, entry by entry, on tables in files: what somebody is answered is what the
//! same statement answers on tables that hold only what that person may see.

use super::copy::world::{CANARIES, World};
use crate::{Parameter, Session};

/// In both worlds the same, for everybody: the entry, and the query.
const SAME: &[(&str, &str)] = &[
    ("R01", "SELECT id FROM staff WHERE 1 / (salary - 777) = 0"),
    ("R01", "SELECT id FROM staff WHERE 1 / (id - 777) >= 0"),
    ("R01", "SELECT id FROM staff WHERE id <> 777 AND 1 / (salary - 777) >= 0 OR id = 2"),
    ("R01", "SELECT id FROM staff WHERE CAST(email AS INT) > 0"),
    ("R01", "SELECT CAST(note AS INT) FROM orders"),
    ("R01", "SELECT CASE WHEN amount = 777 THEN 1 / (amount - 777) ELSE 0 END FROM orders"),
    ("R01", "SELECT id FROM orders WHERE try_divide(1, amount - 777) IS NULL"),
    ("R01", "SELECT TRY_CAST(email AS INT) FROM staff"),
    ("R01", "SELECT o.id FROM orders o JOIN plain p ON 1 / (o.amount - 777) < p.k"),
    ("R01", "SELECT sum(1 / (amount - 777)) FROM orders"),
    ("R01", "SELECT id FROM staff ORDER BY 1 / (salary - 777), id"),
    ("R01", "SELECT max(id) FROM staff GROUP BY 5 % (salary - 777) HAVING max(5 % (id - 777)) > -9"),
    ("R01", "SELECT id FROM staff WHERE array(1, 2)[CAST(salary - 777 AS INT)] IS NULL AND id < 0"),
    ("R02", "SELECT count(*), count(salary), min(salary), max(salary), sum(salary) FROM staff"),
    ("R02", "SELECT min(id), max(id), count(DISTINCT dept), min(joined), max(joined) FROM staff"),
    ("R02", "SELECT approx_distinct(email) FROM staff"),
    ("R02", "SELECT DISTINCT email FROM staff"),
    ("R02", "SELECT email, count(*) FROM staff GROUP BY email"),
    ("R02", "SELECT id, rank() OVER (ORDER BY email) FROM staff"),
    ("R02", "SELECT id, lag(note) OVER (ORDER BY id), lead(amount) OVER (ORDER BY id) FROM orders"),
    ("R02", "SELECT count(*) FILTER (WHERE amount = 777) FROM orders"),
    ("R02", "SELECT dept, grouping(dept), count(*) FROM staff GROUP BY ROLLUP(dept)"),
    ("R03", "SELECT a.id, b.id FROM staff a JOIN staff b ON a.email = b.email"),
    ("R03", "SELECT a.id FROM staff a LEFT JOIN staff b ON a.boss = b.id WHERE b.id IS NULL"),
    ("R03", "SELECT p.name, o.id FROM plain p FULL JOIN orders o ON p.name = o.region"),
    ("R03", "SELECT id FROM staff s LEFT SEMI JOIN orders o ON o.staff = s.id"),
    ("R03", "SELECT k FROM plain p LEFT ANTI JOIN orders o ON o.region = p.name"),
    ("R03", "SELECT k FROM plain WHERE k NOT IN (SELECT id FROM orders)"),
    ("R03", "SELECT k FROM plain p WHERE EXISTS (SELECT 1 FROM staff s WHERE s.dept = p.name)"),
    ("R03", "SELECT k, (SELECT max(amount) FROM orders o WHERE o.region = p.name) FROM plain p"),
    ("R03", "WITH c AS (SELECT * FROM staff) SELECT count(*) FROM c a JOIN c b ON a.id = b.boss"),
    ("R03", "WITH staff AS (SELECT * FROM orders) SELECT count(*) FROM staff"),
    ("R03", "SELECT id FROM staff UNION SELECT id FROM orders"),
    ("R03", "SELECT id FROM staff EXCEPT SELECT staff FROM orders"),
    ("R03", "SELECT name FROM plain INTERSECT SELECT dept FROM staff"),
    (
        "R03",
        "SELECT p.k, l.id FROM plain p CROSS JOIN LATERAL (SELECT o.id FROM orders o WHERE o.region = p.name) l",
    ),
    ("R03", "SELECT count(*) FROM staff, orders"),
    // Found by generated queries: what was behind a barrier had promised how its rows are spread and sorted.
    ("R03", "SELECT t1.dept, t2.staff FROM seniors t1 FULL JOIN orders t2 ON t1.id = t2.staff ORDER BY 1, 2"),
    (
        "R03",
        "SELECT t1.id, rank() OVER (ORDER BY t3.salary) FROM staff t1 LEFT SEMI JOIN staff t2 ON t1.id = t2.id \
         JOIN staff t3 ON t1.id = t3.id WHERE t1.id = 1",
    ),
    ("R03", "SELECT k, k IN (SELECT id FROM staff), 777 IN (SELECT salary FROM staff) FROM plain"),
    ("R03", "SELECT k, k NOT IN (SELECT salary FROM staff WHERE salary > 0) FROM plain"),
    ("R03", "SELECT 'canary' IN (SELECT email FROM staff), 'canary' NOT IN (SELECT note FROM orders)"),
    ("R03", "SELECT k, EXISTS (SELECT 1 FROM orders o WHERE o.amount = 777 AND o.id > p.k) FROM plain p"),
    (
        "R03",
        "SELECT EXISTS (SELECT 1 FROM orders WHERE amount = 777), EXISTS (SELECT * FROM staff WHERE id = 777)",
    ),
    (
        "R03",
        "SELECT id, salary IN (SELECT amount FROM orders) FROM staff ORDER BY email IN (SELECT note FROM orders), id",
    ),
    (
        "R03",
        "SELECT id IN (SELECT staff FROM orders) AS x, count(*) FROM staff GROUP BY id IN (SELECT staff FROM orders)",
    ),
    (
        "R03",
        "SELECT dept FROM staff GROUP BY dept HAVING max(salary) IN (SELECT amount FROM orders) OR count(*) > 1",
    ),
    (
        "R03",
        "SELECT p.k, s.id FROM plain p LEFT JOIN staff s ON p.name = s.dept AND s.salary IN (SELECT amount FROM orders)",
    ),
    (
        "R03",
        "SELECT id, CASE WHEN EXISTS (SELECT 1 FROM orders o WHERE o.staff = s.id) THEN email END FROM staff s",
    ),
    ("R03", "SELECT k, (SELECT max(amount) FROM orders o WHERE o.id > p.k) FROM plain p"),
    ("R03", "SELECT id, (SELECT count(*) FROM staff o WHERE o.salary < s.salary) FROM staff s"),
    ("R01", "SELECT id, 1 / (salary - 777) IN (SELECT 1 / (amount - 777) FROM orders) FROM staff"),
    ("R03", "SELECT count(*) FROM staff NATURAL JOIN (SELECT id FROM orders)"),
    ("R02", "SELECT percentile_disc(0.9) WITHIN GROUP (ORDER BY amount), median(amount) FROM orders"),
    (
        "R02",
        "SELECT approx_percentile(amount, array(0.1, 0.9)), mode() WITHIN GROUP (ORDER BY amount) FROM orders",
    ),
    (
        "R02",
        "SELECT listagg(note, ',') WITHIN GROUP (ORDER BY id), string_agg(note) FROM orders WHERE id = 1",
    ),
    ("R02", "SELECT id, CASE WHEN salary = 777 THEN 1 ELSE 0.5 END + 1 FROM staff"),
    ("R03", "SELECT k FROM plain WHERE (k, name) NOT IN (SELECT id, region FROM orders)"),
    ("R03", "SELECT id FROM staff WHERE (dept, id) IN (SELECT region, amount FROM orders) OR id = 2"),
    ("R03", "SELECT k FROM plain WHERE (k * 777, 777) IN (SELECT amount, id FROM orders)"),
    ("R03", "SELECT salary FROM staff UNION ALL SELECT 1.5 UNION SELECT amount FROM orders"),
    ("R03", "SELECT id FROM staff INTERSECT SELECT '777'"),
    ("R04", "SELECT id FROM staff WHERE (id, salary) IN ((777, 777), (1, NULL))"),
    ("R04", "SELECT id FROM staff WHERE salary = '777'"),
    ("R04", "SELECT id FROM staff ORDER BY salary DESC NULLS LAST, id LIMIT 2"),
    ("R04", "SELECT id FROM staff WHERE salary = 777"),
    ("R04", "SELECT id FROM staff WHERE salary IS NULL"),
    ("R04", "SELECT id FROM staff WHERE salary IS NOT NULL AND salary <> 1"),
    ("R04", "SELECT id FROM staff WHERE email LIKE 'canary%'"),
    ("R04", "SELECT id FROM orders WHERE amount BETWEEN 700 AND 800"),
    ("R04", "SELECT id FROM orders WHERE amount IN (777, 30) OR note IN ('canary', '21')"),
    ("R04", "SELECT id FROM orders ORDER BY note, amount, id LIMIT 1 OFFSET 1"),
    ("R04", "SELECT staff.salary FROM staff WHERE staff.salary > 0"),
    ("R04", "SELECT salary AS id FROM staff ORDER BY id"),
    ("R05", "SELECT count(*) FROM staff"),
    ("R05", "SELECT count(*) FROM orders WHERE id > 700"),
    ("R05", "SELECT min(id), max(id) FROM orders"),
    ("R05", "SELECT count(1) FROM staff LIMIT 3"),
    ("R05", "SELECT id FROM staff WHERE id = 777"),
    ("R05", "SELECT * FROM (SELECT * FROM staff LIMIT 100) t WHERE id > 700"),
    ("R07", "SELECT * FROM engineers"),
    ("R07", "SELECT * FROM seniors WHERE salary > 5"),
    ("R07", "SELECT * FROM totals"),
    ("R07", "SELECT dept FROM totals WHERE 1 / (total - 777) < 3 OR n > 0"),
    ("R07", "SELECT * FROM of_region('APAC')"),
    ("R07", "SELECT sum(amount) FROM of_region(which => 'AMER') WHERE note = 'canary'"),
    ("R07", "SELECT id, pay_of(id) FROM staff"),
    ("R07", "SELECT pay_of(777), pay_of(4)"),
    ("R07", "SELECT id FROM staff WHERE pay_of(id) = 777"),
    ("R09", "SELECT current_user(), session_user(), count(*) FROM staff"),
    (
        "R07",
        "SELECT * FROM (SELECT dept, email, salary FROM staff) PIVOT (max(salary) FOR dept IN ('eng', 'hr'))",
    ),
    (
        "R07",
        "SELECT * FROM orders PIVOT (count(*) AS n, max(note) AS m FOR region IN ('EMEA', 'APAC', 'AMER'))",
    ),
    ("R07", "SELECT * FROM (SELECT id, salary, boss FROM staff) UNPIVOT (v FOR what IN (salary, boss))"),
    ("R07", "SELECT s.id, x.c FROM staff s LATERAL VIEW explode(array(s.email, s.dept)) x AS c"),
    ("R07", "SELECT id, pos, col FROM staff LATERAL VIEW OUTER posexplode(split(email, '@')) x"),
    ("R07", "SELECT id, x.c FROM orders LEFT JOIN LATERAL explode(array(note)) AS x(c) WHERE x.c = 'canary'"),
    ("R07", "SELECT id, posexplode(array(salary, 777)) FROM staff"),
    ("R07", "SELECT stack(2, email, dept) AS (a) FROM staff"),
    ("R07", "SELECT s.* FROM (SELECT named_struct('a', email, 'b', salary) AS s FROM staff)"),
    ("R07", "SELECT id, col FROM staff LATERAL VIEW explode(array(email, dept)) WHERE col = 'canary-2'"),
    ("R07", "SELECT id, transform(array(email, dept), (x, i) -> concat(x, i)) FROM staff"),
    ("R07", "SELECT id, to_json(named_struct('j', joined), map('dateFormat', 'yyyy')) FROM staff"),
    (
        "R07",
        "EXECUTE IMMEDIATE 'SELECT id FROM staff WHERE salary = :x OR email = :y' USING 777 AS x, 'canary' AS y",
    ),
    ("R07", "SELECT count(*) FROM staff TABLESAMPLE (100 PERCENT)"),
    ("R07", "SELECT count(*) FROM (SELECT * FROM orders TABLESAMPLE (1000 ROWS))"),
    ("R02", "SELECT salary AS pay, pay + 1 AS more, more = 778 AS told FROM staff"),
    ("R02", "SELECT dept, count(*) FROM staff GROUP BY dept WITH CUBE"),
    ("R04", "SELECT staff.* EXCEPT (note) FROM (SELECT *, email AS note FROM staff) staff SORT BY salary"),
    ("R07", "FROM staff |> WHERE salary = 777 |> SELECT id"),
    ("R11", "SELECT/**/id/* a */FROM -- b\n staff -- c"),
    ("R11", "SELECT `id` FROM `MAIN`.`{s}`.`STAFF`"),
    ("R11", "SELECT ID FROM Staff WHERE Dept = 'eng'"),
    ("R11", "SELECT id FROM IDENTIFIER('staff')"),
    ("R11", "SELECT id FROM IDENTIFIER('main.{s}.staff') WHERE email = 'canary-2'"),
    ("R11", "SELECT id FROM staff WHERE dept = 'eng'' OR ''1''=''1'"),
    ("R11", "SELECT id FROM staff WHERE dept = 'eng\\' OR 1=1 --'"),
];

/// Refused, or answered without a word of what is hidden. By somebody who is no analyst and manages nothing.
const TELLS_NOTHING: &[(&str, &str)] = &[
    ("R05", "EXPLAIN SELECT * FROM staff WHERE id > 5"),
    ("R05", "EXPLAIN EXTENDED SELECT * FROM staff JOIN orders ON staff.id = orders.staff"),
    ("R05", "EXPLAIN FORMATTED SELECT count(*) FROM staff"),
    ("R05", "EXPLAIN ANALYZE SELECT * FROM staff"),
    ("R05", "EXPLAIN COST SELECT * FROM orders"),
    ("R05", "ANALYZE TABLE staff COMPUTE STATISTICS FOR ALL COLUMNS"),
    ("R05", "DESCRIBE TABLE staff"),
    ("R05", "DESCRIBE EXTENDED staff email"),
    ("R05", "DESCRIBE DETAIL staff"),
    ("R05", "DESCRIBE HISTORY staff"),
    ("R05", "OPTIMIZE staff"),
    ("R05", "OPTIMIZE staff ZORDER BY (salary)"),
    ("R05", "VACUUM staff DRY RUN"),
    ("R05", "SHOW TABLE EXTENDED LIKE 'staff'"),
    ("R05", "DESCRIBE QUERY SELECT * FROM staff"),
    ("R05", "SHOW TBLPROPERTIES staff"),
    ("R05", "SHOW COLUMNS IN staff"),
    ("R05", "SHOW PARTITIONS staff"),
    ("R05", "SHOW FUNCTIONS IN main.private"),
    ("R05", "DESCRIBE FUNCTION EXTENDED main.private.sees_staff"),
    ("R05", "SHOW TABLES IN main.private"),
    ("R05", "SELECT input_file_name() FROM staff"),
    ("R05", "SELECT _metadata.file_path FROM staff"),
    ("R07", "SELECT * FROM staff VERSION AS OF 0"),
    ("R07", "SELECT * FROM staff@v1"),
    ("R07", "SELECT * FROM staff TIMESTAMP AS OF '2030-01-01'"),
    ("R07", "SELECT * FROM staff TABLESAMPLE (100 PERCENT)"),
    ("R07", "CREATE TABLE stolen SHALLOW CLONE staff"),
    ("R07", "CREATE TABLE stolen DEEP CLONE staff"),
    ("R07", "CREATE TABLE stolen CLONE staff VERSION AS OF 0"),
    ("R07", "CREATE OR REPLACE TABLE stolen CLONE staff@v1"),
    ("R07", "SELECT * FROM staff@20300101000000000"),
    ("R07", "EXECUTE IMMEDIATE 'SELECT * FROM main.private.regions'"),
    ("R11", "EXECUTE IMMEDIATE 'ALTER TABLE staff DROP ROW FILTER'"),
    ("R11", "EXECUTE IMMEDIATE 'SELECT * FROM IDENTIFIER(:x)' USING 'main.private.regions' AS x"),
    ("R07", "CREATE TABLE stolen LIKE staff"),
    ("R07", "RESTORE TABLE staff TO VERSION AS OF 0"),
    ("R07", "COPY INTO stolen FROM staff FILEFORMAT = CSV"),
    ("R07", "COPY staff TO '/tmp/x.csv'"),
    ("R07", "INSERT OVERWRITE DIRECTORY '/tmp/x' SELECT * FROM staff"),
    ("R07", "SELECT * FROM read_files('tables', format => 'parquet')"),
    ("R07", "SELECT * FROM delta.`tables`"),
    ("R07", "SELECT * FROM parquet.`tables`"),
    ("R07", "CREATE TABLE stolen USING parquet LOCATION 'tables'"),
    ("R07", "SELECT * FROM table_changes('staff', 0)"),
    ("R07", "SELECT * FROM main.private.regions"),
    ("R07", "SELECT main.private.sees_staff('eng', 'x')"),
    ("R07", "SELECT * FROM __inside"),
    ("R07", "SELECT * FROM __row"),
    ("R07", "SELECT __row.salary FROM staff"),
    ("R07", "SELECT __inside.salary FROM staff"),
    ("R07", "SELECT * FROM __table_function_0"),
    ("R07", "SELECT * FROM staff WHERE __row.id = 777"),
    ("R11", "SELECT id FROM \u{ff53}taff"),
    ("R11", "SELECT id FROM `staff\u{200b}`"),
    ("R11", "SELECT id FROM `staff;`"),
    ("R11", "SELECT 1; SELECT * FROM staff"),
    ("R11", "SELECT * FROM \"staff\""),
    ("R11", "SELECT * FROM IDENTIFIER('staff WHERE 1=1 --')"),
    ("R11", "SELECT * FROM IDENTIFIER('`staff` TABLESAMPLE (100 PERCENT)')"),
    ("R11", "SELECT * FROM IDENTIFIER((SELECT 'staff'))"),
    ("R11", "ALTER TABLE staff DROP ROW FILTER"),
    ("R11", "ALTER TABLE staff ALTER COLUMN salary DROP MASK"),
    ("R11", "ALTER TABLE staff DROP COLUMN salary"),
    ("R11", "ALTER TABLE staff RENAME COLUMN salary TO pay"),
    (
        "R11",
        "CREATE OR REPLACE FUNCTION main.private.sees_staff(d STRING, m STRING) RETURNS BOOLEAN RETURN true",
    ),
    ("R11", "DROP FUNCTION main.private.sees_staff"),
    ("R11", "GRANT MANAGE ON TABLE staff TO `ana@x`"),
    ("R11", "GRANT `account users` TO `ana@x`"),
];

/// As somebody is answered; `{s}` is the session's schema.
async fn ask(world: &World, session: &Session, statement: &str) -> Result<Vec<String>, String> {
    let statement = statement.replace("{s}", &session.current().schema);
    let mut rows = world.workspace.ask_in(session, &statement, &[], &mut Vec::new()).await?;
    rows.sort();
    Ok(rows)
}

#[tokio::test]
async fn r_every_query_is_answered_as_on_tables_that_hold_only_what_its_speaker_may_see() {
    let world = World::new(false).await;
    let mut wrong = Vec::new();
    for (entry, query) in SAME {
        for (who, policed, copied) in &world.people {
            let (shown, meant) = (ask(&world, policed, query).await, ask(&world, copied, query).await);
            let analyst = &*who.name == "bob@x";
            let same = match (&shown, &meant) {
                (Ok(shown), Ok(meant)) => shown == meant,
                // Of a refusal: both, and for the same reason.
                (Err(shown), Err(meant)) => {
                    analyst || shown.replace("policed", "") == meant.replace(&*copied.current().schema, "")
                }
                _ => false,
            };
            let told = format!("{shown:?}");
            let leaks =
                !analyst && CANARIES.iter().any(|canary| told.contains(canary) && !query.contains(canary));
            if !same || leaks {
                wrong.push(format!("{entry} {}: {query}\n  shown {shown:?}\n  meant {meant:?}", who.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn r_no_statement_tells_of_hidden_rows_masked_values_or_the_policies_texts() {
    let world = World::new(false).await;
    let (_, ana, _) = &world.people[0];
    let mut wrong = Vec::new();
    for (entry, statement) in TELLS_NOTHING {
        let told = match ask(&world, ana, statement).await {
            Ok(rows) => rows.join("\n"),
            Err(why) => why,
        };
        let said =
            |secret: &str| told.contains(secret) && !statement.contains(secret.trim_start_matches('.'));
        // Not the regions' table, not what the policies say, not where the files are, nothing of inside.
        let secrets =
            ["is_account_group_member", "r.region", ".parquet", "/tables/", "EMEA", "INTERNAL", "__row"];
        for secret in CANARIES.iter().chain(&secrets) {
            if said(secret) {
                wrong.push(format!("{entry} {statement}: {secret} in {told}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // And everything is still as it was.
    assert_eq!(ask(&world, ana, "SELECT id FROM staff").await.unwrap(), ["1", "2", "3", "4"]);
    assert_eq!(ask(&world, ana, "SELECT DISTINCT salary FROM staff").await.unwrap(), ["NULL"]);
}

#[tokio::test]
async fn r06_one_text_is_planned_anew_for_each_person() {
    let world = World::new(false).await;
    for _ in 0..3 {
        for (policed, ids) in world.people.iter().map(|(_, policed, _)| policed).zip(["4", "8", "3"]) {
            assert_eq!(ask(&world, policed, "SELECT count(*) FROM staff").await.unwrap(), [ids]);
        }
    }
}

#[tokio::test]
async fn r07_what_is_made_of_a_policed_table_holds_what_its_maker_may_see() {
    let world = World::new(false).await;
    let (_, ana, _) = &world.people[0];
    let (_, bob, _) = &world.people[1];
    for (made, read) in [
        ("CREATE TABLE mine AS SELECT * FROM staff", "SELECT * FROM mine"),
        ("CREATE TABLE mine2 AS SELECT note, amount, region FROM orders", "SELECT * FROM mine2"),
        (
            "INSERT INTO mine2 SELECT note, amount, region FROM orders WHERE amount = 777",
            "SELECT * FROM mine2",
        ),
    ] {
        ask(&world, ana, made).await.unwrap();
        let rows = ask(&world, bob, read).await;
        let rows = rows.or(ask(&world, ana, read).await).unwrap().join("\n");
        assert!(!rows.contains("777") && !rows.contains("canary"), "{made}: {rows}");
    }
}

#[tokio::test]
async fn r07_nobody_clones_a_policed_table_or_takes_its_hidden_rows_back() {
    let world = World::new(false).await;
    world.workspace.set_up("GRANT MODIFY ON TABLE main.policed.orders TO `account users`").await;
    // Also who sees every row, and who may write.
    for (who, policed, _) in &world.people {
        for (statement, why) in [
            ("CREATE TABLE stolen DEEP CLONE orders", "row filter or a column mask"),
            ("CREATE TABLE stolen CLONE orders VERSION AS OF 0", "row filter or a column mask"),
            ("CREATE TABLE stolen CLONE engineers", "no managed table"),
            ("RESTORE TABLE orders TO VERSION AS OF 0", "MANAGE"),
        ] {
            let refused = ask(&world, policed, statement).await.unwrap_err();
            assert!(refused.contains(why), "{} {statement}: {refused}", who.name);
        }
    }
    // Whoever manages it goes back, and the policies stay.
    ask(&world, &admin(&world), "RESTORE TABLE orders TO VERSION AS OF 0").await.unwrap();
    let (_, ana, _) = &world.people[0];
    assert_eq!(ask(&world, ana, "SELECT * FROM orders").await.unwrap(), Vec::<String>::new());
    ask(&world, &admin(&world), "RESTORE TABLE orders TO VERSION AS OF 1").await.unwrap();
    let rows = ask(&world, ana, "SELECT * FROM orders").await.unwrap().join("\n");
    assert!(!rows.is_empty() && !rows.contains("canary") && !rows.contains("777"), "{rows}");
}

#[tokio::test]
async fn r08_a_filter_or_mask_that_fails_is_null_is_gone_or_reads_itself_denies() {
    let world = World::new(false).await;
    let w = &world.workspace;
    let (_, ana, _) = &world.people[0];
    let filters = [
        // The text of an error holds the value that failed.
        ("RETURN CAST(email AS INT) > 0", Err("failed on one of its rows")),
        ("RETURN 1 / (length(email) - 5) > 0", Err("failed on one of its rows")),
        ("RETURN NULL", Ok("0")),
        ("RETURN CAST(NULL AS BOOLEAN)", Ok("0")),
        ("RETURN (SELECT count(*) > 0 FROM main.policed.staff s WHERE s.email = email)", Err("RECURSION")),
    ];
    for (body, expected) in filters {
        w.set_up(&format!(
            "ALTER TABLE main.policed.staff DROP ROW FILTER;
             CREATE OR REPLACE FUNCTION main.private.other(email STRING) RETURNS BOOLEAN {body};
             ALTER TABLE main.policed.staff SET ROW FILTER main.private.other ON (email);"
        ))
        .await;
        // Neither a predicate that keeps the failing row away nor one that asks for it changes the answer.
        for filter in ["", " WHERE id = 2", " WHERE id <> 2", " WHERE id = 1", " LIMIT 1"] {
            let answer =
                ask(&world, ana, &format!("SELECT count(*) FROM (SELECT id FROM staff{filter}) t")).await;
            match expected {
                Ok(count) => assert_eq!(answer.unwrap(), [count], "{body}{filter}"),
                Err(text) => {
                    let why = answer.expect_err(body);
                    assert!(why.contains(text) && !why.contains("canary"), "{body}{filter}: {why}");
                }
            }
        }
        let changed =
            ask(&world, &admin(&world), "UPDATE main.policed.staff SET dept = 'x' WHERE id = 1").await;
        assert!(changed.is_ok() == expected.is_ok(), "{body}: {changed:?}");
        if let Err(why) = changed {
            assert!(!why.contains("canary"), "{why}");
        }
    }
    w.set_up(
        "ALTER TABLE main.policed.staff DROP ROW FILTER;
         CREATE OR REPLACE FUNCTION main.private.number(email STRING) RETURNS STRING RETURN CAST(CAST(email AS INT) AS STRING);
         ALTER TABLE main.policed.staff ALTER COLUMN email SET MASK main.private.number;",
    )
    .await;
    // A text beside a number is read as one, which may fail as well.
    for body in [
        "CAST(CAST(email AS INT) AS STRING)",
        "CASE WHEN email IS NULL THEN 1 ELSE email END",
        "coalesce(email, 1)",
    ] {
        w.set_up(&format!(
            "CREATE OR REPLACE FUNCTION main.private.number(email STRING) RETURNS STRING RETURN {body}"
        ))
        .await;
        for filter in ["", " WHERE id = 2", " WHERE id = 1"] {
            let why = ask(&world, ana, &format!("SELECT email FROM staff{filter}")).await.unwrap_err();
            assert!(
                why.contains("failed on one of its rows") && !why.contains("canary"),
                "{body}{filter}: {why}"
            );
        }
    }
    w.set_up("DROP FUNCTION main.private.number").await;
    for query in ["SELECT email FROM staff", "SELECT id FROM staff", "SELECT count(*) FROM engineers"] {
        let why = ask(&world, ana, query).await.unwrap_err();
        assert!(why.contains("main.private.number"), "{query}: {why}");
    }
}

#[tokio::test]
async fn r08_a_policy_on_the_mapping_table_of_a_policy_applies_there_too() {
    let world = World::new(false).await;
    let (_, ana, _) = &world.people[0];
    world
        .workspace
        .set_up(
            "CREATE FUNCTION main.private.only_emea(region STRING) RETURNS BOOLEAN RETURN region = 'EMEA';
             ALTER TABLE main.private.regions SET ROW FILTER main.private.only_emea ON (region);",
        )
        .await;
    assert_eq!(ask(&world, ana, "SELECT id FROM orders").await.unwrap(), ["1", "2", "8"]);
}

#[tokio::test]
async fn r10_a_group_that_is_left_between_two_statements_counts_for_the_second() {
    let world = World::new(false).await;
    let (who, bob, _) = &world.people[1];
    assert_eq!(ask(&world, bob, "SELECT count(*) FROM staff").await.unwrap(), ["8"]);
    let identity = world.workspace.catalog.identity();
    let group = identity.directory().group(&"analysts".parse().unwrap()).map(|group| group.id).unwrap();
    identity.remove_member(group, who.id).await.unwrap();
    assert_eq!(ask(&world, bob, "SELECT count(*) FROM staff").await.unwrap(), ["3"]);
}

#[tokio::test]
async fn r11_a_parameters_text_is_never_sql() {
    let world = World::new(false).await;
    let (_, ana, _) = &world.people[0];
    let with = async |statement: &str, value: &str, data_type| {
        let parameter = Parameter { name: "x".to_owned(), value: Some(value.to_owned()), data_type };
        world.workspace.ask_in(ana, statement, &[parameter], &mut Vec::new()).await
    };
    use brickyard_types::SqlType;
    for value in
        ["' OR 1=1 --", "eng' OR '1'='1", "\\' OR 1=1 --", "eng\u{2019} OR 1=1", "x'); DROP TABLE staff; --"]
    {
        let found = with("SELECT id FROM staff WHERE dept = :x", value, SqlType::String).await;
        assert_eq!(found.unwrap(), Vec::<String>::new(), "{value}");
        for data_type in [SqlType::Int, SqlType::Boolean, SqlType::Date, SqlType::Double] {
            assert!(with("SELECT id FROM staff WHERE dept = :x", value, data_type).await.is_err(), "{value}");
        }
        let named = with("SELECT id FROM IDENTIFIER(:x)", value, SqlType::String).await;
        assert!(named.is_err(), "{value}: {named:?}");
    }
    for value in
        ["staff WHERE 1=1", "staff; SELECT 1", "`staff` s", "(SELECT * FROM staff)", "main.policed.staff@v0"]
    {
        assert!(with("SELECT id FROM IDENTIFIER(:x)", value, SqlType::String).await.is_err(), "{value}");
    }
    let mut rows =
        with("SELECT id FROM IDENTIFIER(:x)", "MAIN.`policed`.staff", SqlType::String).await.unwrap();
    rows.sort();
    assert_eq!(rows, ["1", "2", "3", "4"]);
}

#[tokio::test]
async fn r_changes_see_what_their_speaker_sees_and_leave_the_rest() {
    let world = World::new(false).await;
    let w = &world.workspace;
    w.set_up("GRANT MODIFY ON TABLE main.policed.orders TO `account users`").await;
    w.set_up("GRANT MODIFY ON TABLE main.copy_ana.orders TO `account users`").await;
    let (_, ana, copied) = &world.people[0];
    for change in [
        "UPDATE orders SET region = region WHERE amount = 777",
        "UPDATE orders SET staff = 1 WHERE 1 / (amount - 777) < 5",
        "DELETE FROM orders WHERE note = 'canary'",
        "DELETE FROM orders WHERE CAST(note AS INT) > 90",
        "MERGE INTO orders o USING plain p ON o.amount = p.k * 777 WHEN MATCHED THEN DELETE",
        "MERGE INTO orders o USING (SELECT 777 AS id) p ON o.id = p.id WHEN MATCHED THEN DELETE",
        "MERGE INTO orders o USING (SELECT 777 AS id) p ON o.id = p.id WHEN NOT MATCHED BY SOURCE THEN UPDATE SET staff = 2",
        "UPDATE orders SET staff = (SELECT max(length(note)) FROM orders) WHERE id = 3",
        "DELETE FROM orders WHERE amount < (SELECT max(amount) FROM orders) AND id IN (SELECT id FROM orders WHERE note = '5')",
    ] {
        let (shown, meant) = (ask(&world, ana, change).await, ask(&world, copied, change).await);
        assert_eq!(shown, meant, "{change}");
    }
    // What ana does not see is as it was.
    let admin = admin(&world);
    w.set_up("ALTER TABLE main.policed.orders DROP ROW FILTER; ALTER TABLE main.policed.orders ALTER COLUMN amount DROP MASK").await;
    let left = ask(
        &world,
        &admin,
        "SELECT id, staff, amount FROM main.policed.orders WHERE region = 'APAC' OR region IS NULL",
    )
    .await;
    assert_eq!(left.unwrap(), ["5|4|777", "777|777|777", "7|NULL|777"]);
}

#[tokio::test]
async fn r_a_view_stops_when_its_owner_may_no_longer_read() {
    let world = World::new(false).await;
    let w = &world.workspace;
    let (_, ana, _) = &world.people[0];
    let (_, cid, _) = &world.people[2];
    w.set_up("GRANT CREATE TABLE ON SCHEMA main.policed TO `ana@x`").await;
    w.set_up("CREATE TABLE main.private.secret AS SELECT 777 AS x").await;
    for escalating in [
        "CREATE VIEW peek AS SELECT * FROM main.private.secret",
        "CREATE VIEW peek AS SELECT * FROM main.private.regions",
    ] {
        let _ = ask(&world, ana, escalating).await;
        for session in [ana, cid] {
            assert!(ask(&world, session, "SELECT * FROM peek").await.is_err(), "{escalating}");
        }
        let _ = ask(&world, ana, "DROP VIEW IF EXISTS peek").await;
    }
    ask(&world, ana, "CREATE VIEW of_ana AS SELECT id, salary, email FROM staff").await.unwrap();
    // Whoever reads it is asked, not its owner.
    assert_eq!(ask(&world, cid, "SELECT count(*) FROM of_ana").await.unwrap(), ["3"]);
    w.set_up("REVOKE SELECT ON SCHEMA main.policed FROM `account users`; GRANT SELECT ON VIEW main.policed.of_ana TO `cid@x`").await;
    assert!(ask(&world, cid, "SELECT * FROM of_ana").await.is_err());
}

/// Whoever set everything up.
fn admin(world: &World) -> Session {
    let speaker = crate::Speaker::Configuration(world.workspace.ada.clone());
    Session::new(speaker, Some("main".to_owned()), Some("policed".to_owned()))
}
