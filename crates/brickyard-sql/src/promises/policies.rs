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

#[tokio::test]
async fn policies_that_a_table_is_made_with_hold_from_its_first_row_with_their_constants() {
    let w = Workspace::with_sales().await;
    w.set_up(
        "CREATE FUNCTION main.sales.at_least(region STRING, home STRING, amount INT, least INT) RETURNS BOOLEAN
             RETURN is_account_group_member('analysts') OR (region = home AND amount >= least);
         CREATE FUNCTION main.sales.ending(value STRING, region STRING, n INT, lead STRING DEFAULT '*') RETURNS STRING
             RETURN CASE WHEN is_account_group_member('analysts') THEN value ELSE concat(lead, region, right(value, n)) END;
         CREATE TABLE main.sales.people (
             id INT, region STRING, amount INT,
             ssn STRING NOT NULL MASK main.sales.ending USING COLUMNS (region, 2) COMMENT 'a number',
             phone STRING MASK main.sales.ending USING COLUMNS ('?', 1, '#'))
             WITH ROW FILTER main.sales.at_least ON (region, 'EMEA', amount, 15);
         INSERT INTO main.sales.people VALUES
             (1, 'EMEA', 10, '111-22', '0170'), (2, 'EMEA', 20, '333-44', '0171'), (3, 'AMER', 30, '555-66', '0172'),
             (4, NULL, 40, '777-88', NULL);
         GRANT SELECT ON TABLE main.sales.people TO `account users`",
    )
    .await;
    let all = "SELECT * FROM main.sales.people";
    let (masked, real) = (
        ["2|EMEA|20|*EMEA44|#?1"],
        ["1|EMEA|10|111-22|0170", "2|EMEA|20|333-44|0171", "3|AMER|30|555-66|0172", "4|NULL|40|777-88|NULL"],
    );
    assert_eq!(w.sorted(&w.ana, all).await, masked);
    assert_eq!(w.sorted(&w.bob, all).await, real);
    // What is shown of the table makes the same table again.
    let text = w.ask(&w.ada, "SHOW CREATE TABLE main.sales.people").await.unwrap().join("\n");
    let again = text.replace("`people`", "`again`").replace("sales.people", "sales.again");
    assert_ne!(text, again);
    w.set_up(&again).await;
    w.set_up("GRANT SELECT ON TABLE main.sales.again TO `account users`").await;
    w.set_up(
        "INSERT INTO main.sales.again VALUES (2, 'EMEA', 20, '333-44', '0171'), (5, 'EMEA', 14, '9', '9')",
    )
    .await;
    assert_eq!(w.sorted(&w.ana, "SELECT * FROM main.sales.again").await, masked, "{text}");
    // A column that is added with a mask, and a table that is put in the place of this one.
    w.set_up(
        "ALTER TABLE main.sales.again ADD COLUMN email STRING MASK main.sales.hidden;
         INSERT INTO main.sales.again VALUES (6, 'EMEA', 60, '606', '6', 'six@x')",
    )
    .await;
    let email = "SELECT email FROM main.sales.again WHERE id = 6";
    assert_eq!(w.sorted(&w.ana, email).await, ["redacted"]);
    assert_eq!(w.sorted(&w.bob, email).await, ["six@x"]);
    w.set_up(
        "CREATE OR REPLACE TABLE main.sales.again (region STRING, email STRING MASK main.sales.ending USING COLUMNS (region, 0))
             WITH ROW FILTER main.sales.sees ON (region);
         INSERT INTO main.sales.again VALUES ('EMEA', 'a@x'), ('AMER', 'b@x')",
    )
    .await;
    assert_eq!(w.sorted(&w.ana, "SELECT * FROM main.sales.again").await, ["EMEA|*EMEA"]);
    assert_eq!(w.sorted(&w.bob, "SELECT * FROM main.sales.again").await, ["AMER|b@x", "EMEA|a@x"]);
}

#[tokio::test]
async fn attaching_a_policy_takes_execute_on_its_function_and_managing_the_table() {
    let w = Workspace::with_sales().await;
    w.set_up(
        "CREATE TABLE main.sales.anas (id INT, region STRING, email STRING);
         INSERT INTO main.sales.anas VALUES (1, 'AMER', 'a@x');
         ALTER TABLE main.sales.anas OWNER TO `ana@x`;
         GRANT SELECT ON TABLE main.sales.anas TO `account users`;
         GRANT CREATE TABLE ON SCHEMA main.sales TO `ana@x`;
         GRANT EXECUTE ON SCHEMA main.sales TO `bob@x`",
    )
    .await;
    let attaching = [
        ("ALTER TABLE main.sales.anas SET ROW FILTER main.sales.sees ON (region)", "main.sales.sees"),
        ("ALTER TABLE main.sales.anas ALTER COLUMN email SET MASK main.sales.hidden", "main.sales.hidden"),
    ];
    let made = "CREATE TABLE main.sales.more (id INT, email STRING MASK main.sales.hidden)";
    for (statement, function) in attaching {
        let refused = w.ask(&w.ana, statement).await.unwrap_err();
        assert!(
            refused.contains(&format!("EXECUTE on Routine or Model '{function}'")),
            "{statement}: {refused}"
        );
        let refused = w.ask(&w.bob, statement).await.unwrap_err();
        assert!(refused.contains("MANAGE on Table 'main.sales.anas'"), "{statement}: {refused}");
    }
    for made in
        [made, "CREATE TABLE main.sales.more (region STRING) WITH ROW FILTER main.sales.sees ON (region)"]
    {
        let refused = w.ask(&w.ana, made).await.unwrap_err();
        assert!(refused.contains("EXECUTE on Routine or Model"), "{made}: {refused}");
    }
    // Nothing was attached, and nothing was made.
    assert_eq!(w.sorted(&w.bob, "SELECT * FROM main.sales.anas").await, ["1|AMER|a@x"]);
    assert!(w.ask(&w.ada, "DESCRIBE TABLE main.sales.more").await.unwrap_err().contains("NOT_FOUND"));
    // With both, an owner does it, and so does somebody who manages the table without being able to read it.
    w.set_up(
        "GRANT EXECUTE ON SCHEMA main.sales TO `ana@x`; GRANT MANAGE ON TABLE main.sales.anas TO `bob@x`",
    )
    .await;
    w.ask(&w.ana, attaching[0].0).await.unwrap();
    w.ask(&w.bob, attaching[1].0).await.unwrap();
    w.ask(&w.ana, made).await.unwrap();
    // Readers need no right on the functions.
    w.set_up(
        "REVOKE EXECUTE ON SCHEMA main.sales FROM `ana@x`; REVOKE EXECUTE ON SCHEMA main.sales FROM `bob@x`",
    )
    .await;
    assert!(w.sorted(&w.ana, "SELECT * FROM main.sales.anas").await.is_empty());
    assert_eq!(w.sorted(&w.bob, "SELECT * FROM main.sales.anas").await, ["1|AMER|a@x"]);
    // Taking a policy away takes managing the table, and no function.
    w.set_up("REVOKE MANAGE ON TABLE main.sales.anas FROM `bob@x`").await;
    for dropped in ["DROP ROW FILTER", "ALTER COLUMN email DROP MASK"] {
        let statement = format!("ALTER TABLE main.sales.anas {dropped}");
        let refused = w.ask(&w.bob, &statement).await.unwrap_err();
        assert!(refused.contains("MANAGE on Table 'main.sales.anas'"), "{statement}: {refused}");
        w.ask(&w.ana, &statement).await.unwrap();
    }
    assert_eq!(w.sorted(&w.ana, "SELECT * FROM main.sales.anas").await, ["1|AMER|a@x"]);
}

#[tokio::test]
async fn the_trace_of_a_query_ends_in_the_policies_that_applied() {
    let w = Workspace::with_sales().await;
    w.set_up(
        "CREATE VIEW main.sales.seen AS SELECT email FROM main.sales.orders;
         GRANT SELECT ON TABLE main.sales.seen TO `account users`",
    )
    .await;
    let chain = async |query: &str| {
        let mut traces = Vec::new();
        w.ask_with(&w.ana, query, &[], &mut traces).await.unwrap();
        traces
            .iter()
            .map(|trace| {
                trace.links().iter().map(brickyard_catalog::Link::name).collect::<Vec<_>>().join(" ")
            })
            .collect::<Vec<_>>()
    };
    let read = "token api_scope use_catalog use_schema privilege";
    let definers = "definer use_catalog use_schema privilege";
    let policies = "row_filter column_mask";
    for (query, last) in [
        ("SELECT id FROM main.sales.orders", format!("{read} {policies}")),
        ("EXPLAIN SELECT 1 FROM main.sales.orders", format!("{read} {policies}")),
        ("SELECT * FROM main.sales.seen", format!("{definers} {policies}")),
        ("SHOW GRANTS ON TABLE main.sales.orders", read.to_owned()),
    ] {
        let traces = chain(query).await;
        assert_eq!(traces.last(), Some(&last), "{query}: {traces:#?}");
    }
    let mut traces = Vec::new();
    w.ask_with(&w.ana, "SELECT id FROM main.sales.orders", &[], &mut traces).await.unwrap();
    let told = traces.last().unwrap().to_string();
    let policies: Vec<_> = told.lines().skip(5).map(str::trim).collect();
    assert_eq!(
        policies,
        [
            "ok   row_filter           needs row filter on Table 'main.sales.orders'; held: applied main.sales.sees",
            "ok   column_mask          needs mask on column email of Table 'main.sales.orders'; held: applied main.sales.hidden",
        ],
        "{told}"
    );
}
