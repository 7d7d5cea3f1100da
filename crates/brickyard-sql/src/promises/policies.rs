//! Row filters and column masks hold on every path to the data: the answer is that of the same query on a copy that was
//! filtered and masked by hand.

use super::workspace::Workspace;

/// The copy that ana is shown, made by hand, in a schema of its own.
const COPY: &str = "
    CREATE TABLE main.private.orders (id BIGINT, region STRING, amount INT, email STRING);
    INSERT INTO main.private.orders VALUES (1, 'EMEA', 10, 'redacted'), (2, 'EMEA', 20, 'redacted');
    GRANT USE SCHEMA, SELECT ON SCHEMA main.private TO `ana@x`;
";

/// `{t}` is the table. R01 to R06 of the corpus.
const QUERIES: &[&str] = &[
    "SELECT * FROM {t}",
    "SELECT count(*), min(amount), max(amount), sum(amount), min(email) FROM {t}",
    "SELECT id FROM {t} WHERE 1 / (amount - 30) > 100",
    "SELECT id FROM {t} WHERE CAST(substr(email, 1, 3) AS STRING) = 'c@x'",
    "SELECT id FROM {t} WHERE email = 'a@x'",
    "SELECT id FROM {t} WHERE email = 'redacted'",
    "SELECT id FROM {t} WHERE email LIKE '%@x'",
    "SELECT id FROM {t} WHERE region IS NULL OR region = 'AMER'",
    "SELECT id FROM {t} WHERE region IN ('AMER', 'EMEA') AND amount BETWEEN 5 AND 35",
    "SELECT email, count(*) FROM {t} GROUP BY email",
    "SELECT DISTINCT email FROM {t}",
    "SELECT id, row_number() OVER (ORDER BY email, id) AS n FROM {t}",
    "SELECT id FROM {t} ORDER BY email DESC, id LIMIT 1",
    "SELECT a.id, b.id FROM {t} a JOIN {t} b ON a.email = b.email",
    "SELECT a.id FROM {t} a LEFT JOIN {t} b ON a.id = b.id + 1 WHERE b.id IS NULL",
    "SELECT id FROM {t} WHERE id IN (SELECT id FROM {t} WHERE amount > 15)",
    "SELECT id FROM {t} a WHERE EXISTS (SELECT 1 FROM {t} b WHERE b.amount > a.amount)",
    "SELECT id FROM {t} WHERE amount > (SELECT avg(amount) FROM {t})",
    "WITH c AS (SELECT * FROM {t}) SELECT sum(amount) FROM c",
    "SELECT id FROM {t} UNION SELECT amount FROM {t}",
    "SELECT id FROM {t} EXCEPT SELECT id FROM {t} WHERE region = 'EMEA'",
    "SELECT CASE WHEN max(amount) > 25 THEN 'hidden rows show' ELSE 'they do not' END FROM {t}",
    "SELECT max(length(email)) FROM {t}",
    "SELECT count(*) FROM {t} WHERE amount = 40",
    "SELECT count(*) FROM {t} LIMIT 5",
    "SELECT id FROM (SELECT * FROM {t} LIMIT 1) WHERE id > 2",
];

#[tokio::test]
async fn every_query_answers_as_on_a_copy_that_was_filtered_and_masked_by_hand() {
    let w = Workspace::with_sales().await;
    w.set_up(COPY).await;
    for query in QUERIES {
        let policed = w.sorted(&w.ana, &query.replace("{t}", "main.sales.orders")).await;
        let copied = w.sorted(&w.ana, &query.replace("{t}", "main.private.orders")).await;
        assert_eq!(policed, copied, "{query}");
    }
}

#[tokio::test]
async fn two_users_see_two_users_data() {
    let w = Workspace::with_sales().await;
    let all = "SELECT id, email FROM main.sales.orders";
    assert_eq!(w.sorted(&w.ana, all).await, ["1|redacted", "2|redacted"]);
    assert_eq!(w.sorted(&w.bob, all).await, ["1|a@x", "2|b@x", "3|c@x", "4|d@x"]);
    // The owner is asked like everybody else.
    assert_eq!(w.sorted(&w.ada, all).await, ["1|redacted", "2|redacted"]);
}

#[tokio::test]
async fn copies_and_views_of_a_policed_table_hold_what_their_maker_may_see() {
    let w = Workspace::with_sales().await;
    w.set_up(
        "GRANT CREATE TABLE ON SCHEMA main.sales TO `ana@x`;
         CREATE VIEW main.sales.recent AS SELECT id, email FROM main.sales.orders WHERE amount >= 20;
         GRANT SELECT ON TABLE main.sales.recent TO `account users`;",
    )
    .await;
    w.ask(&w.ana, "CREATE TABLE main.sales.mine AS SELECT * FROM main.sales.orders").await.unwrap();
    assert_eq!(w.sorted(&w.ana, "SELECT id, email FROM main.sales.mine").await, ["1|redacted", "2|redacted"]);
    assert_eq!(w.sorted(&w.ana, "SELECT * FROM main.sales.recent").await, ["2|redacted"]);
    assert_eq!(w.sorted(&w.bob, "SELECT * FROM main.sales.recent").await, ["2|b@x", "3|c@x", "4|d@x"]);
}

#[tokio::test]
async fn an_explained_query_does_not_tell_what_the_filter_is_or_what_is_behind_it() {
    let w = Workspace::with_sales().await;
    let plan =
        w.ask(&w.ana, "EXPLAIN SELECT * FROM main.sales.orders WHERE amount > 5").await.unwrap().join("\n");
    for told in ["EMEA", "parquet", "is_account_group_member", "sees"] {
        assert!(!plan.contains(told), "{plan}");
    }
}

#[tokio::test]
async fn a_filter_that_is_null_hides_the_row_and_one_that_fails_or_is_gone_denies() {
    let w = Workspace::with_sales().await;
    w.set_up("CREATE OR REPLACE FUNCTION main.sales.sees(region STRING) RETURNS BOOLEAN RETURN NULL").await;
    let count = "SELECT count(*) FROM main.sales.orders";
    let replaced = w.ask(&w.bob, count).await;
    assert!(replaced.is_err() || replaced == Ok(vec!["0".to_owned()]), "{replaced:?}");
    w.set_up(
        "CREATE FUNCTION main.sales.fails(amount INT) RETURNS BOOLEAN RETURN 1 / (amount - 30) > 0;
         ALTER TABLE main.sales.orders SET ROW FILTER main.sales.fails ON (amount)",
    )
    .await;
    assert!(w.ask(&w.bob, count).await.is_err());
    w.set_up("DROP FUNCTION main.sales.fails").await;
    let gone = w.ask(&w.bob, count).await.unwrap_err();
    assert!(gone.contains("main.sales.fails"), "{gone}");
    w.set_up("ALTER TABLE main.sales.orders DROP ROW FILTER").await;
    assert_eq!(w.sorted(&w.bob, count).await, ["4"]);
}

#[tokio::test]
async fn a_filter_may_look_things_up_in_a_table_that_its_readers_cannot_read() {
    let w = Workspace::with_sales().await;
    w.set_up(
        "CREATE TABLE main.private.regions (who STRING, region STRING);
         INSERT INTO main.private.regions VALUES ('ana@x', 'AMER'), ('bob@x', 'EMEA');
         CREATE FUNCTION main.private.mine(region STRING) RETURNS BOOLEAN RETURN EXISTS (
             SELECT 1 FROM main.private.regions r WHERE r.who = current_user() AND r.region = mine.region);
         ALTER TABLE main.sales.orders SET ROW FILTER main.private.mine ON (region)",
    )
    .await;
    let ids = "SELECT id FROM main.sales.orders";
    assert_eq!(w.sorted(&w.ana, ids).await, ["3"]);
    assert_eq!(w.sorted(&w.bob, ids).await, ["1", "2"]);
    assert!(w.ask(&w.ana, "SELECT * FROM main.private.regions").await.unwrap_err().contains("USE SCHEMA"));
}

#[tokio::test]
async fn a_recursive_query_reads_a_policed_table_again_and_again() {
    let w = Workspace::with_sales().await;
    let chain = "WITH RECURSIVE c (id, n) AS (SELECT id, 0 FROM main.sales.orders WHERE id = 1
        UNION ALL SELECT o.id, c.n + 1 FROM main.sales.orders o JOIN c ON o.id = c.id + 1) SELECT id, n FROM c";
    assert_eq!(w.sorted(&w.ana, chain).await, ["1|0", "2|1"]);
    assert_eq!(w.sorted(&w.bob, chain).await, ["1|0", "2|1", "3|2", "4|3"]);
}
