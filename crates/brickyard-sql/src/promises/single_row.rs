//! `SELECT` without `FROM` is computed without a plan of its own: it answers as the same expressions over one row do.

use futures_util::TryStreamExt;

use super::workspace::Workspace;
use crate::{Session, Speaker};

const EXPRESSIONS: &[&str] = &[
    "1",
    "1, 'a', NULL, 2.50, true, 3000000000, DATE'2024-02-29'",
    "1 AS x, 'a' AS `Y z`",
    "1 + 1, 7 / 2, 7 DIV 2, -3 % 2, 2 * 3.5",
    "1 / 0",
    "CAST('a' AS INT)",
    "TRY_CAST('a' AS INT), CAST('12' AS BIGINT), CAST(1 AS STRING)",
    "2147483647 + 1",
    "1 = '1', 1 < 2.5, 'a' LIKE 'A%', 'a' ILIKE 'A%', 2 BETWEEN 1 AND 3, 2 IN (1, NULL)",
    "CASE WHEN 1 > 2 THEN 1 / 0 ELSE 5 END, CASE 1 WHEN 1 THEN 'one' END, IF(false, 1 / 0, 2)",
    "NULL IS NULL, NOT true, NULL AND false, coalesce(NULL, 3)",
    "upper('a'), concat('a', 'b', 1), substr('abc', 2), length('äö'), split_part('a@b', '@', 2)",
    "split_part('a@b', '@', 0)",
    "array(1, 2)[1], named_struct('a', 1).a, map('k', 2)['k']",
    "transform(array(1, 2), x -> x + 1)",
    "current_user(), is_account_group_member('analysts'), is_member('nobody'), current_catalog()",
    "current_user, current_date() = current_date(), now() IS NOT NULL, now() = now()",
    "now() BETWEEN TIMESTAMP'2000-01-01' AND TIMESTAMP'2999-01-01', unix_timestamp() > 0",
    "uuid() <> uuid(), rand() BETWEEN 0 AND 1",
    "main.sales.sees('EMEA'), main.sales.hidden('x'), main.sales.first_id()",
    "(SELECT 3), EXISTS (SELECT 1), 2 IN (SELECT 2)",
    "date_format(DATE'2024-02-29', 'yyyy-MM'), year(DATE'2024-02-29'), DATE'2024-02-29' + INTERVAL 1 DAY",
    "get_json_object('{\"a\": 1}', '$.a'), '{\"a\": [1, 2]}':a[1]",
    "repeat('x', 3), repeat('x', 2000000000)",
    "nobody_knows(1)",
    "no_column",
];

#[tokio::test]
async fn a_select_without_from_answers_as_the_same_over_one_row() {
    let w = Workspace::with_sales().await;
    w.set_up(
        "CREATE FUNCTION main.sales.first_id() RETURNS BIGINT RETURN (SELECT min(id) FROM main.sales.orders);
         GRANT EXECUTE ON SCHEMA main.sales TO `account users`",
    )
    .await;
    for who in [&w.ana, &w.bob] {
        let session = Session::new(Speaker::Configuration(who.clone()), None, None);
        for expressions in EXPRESSIONS {
            let alone = w.ask_in(&session, &format!("SELECT {expressions}"), &[], &mut Vec::new()).await;
            let over = format!("SELECT {expressions} FROM (SELECT 9 AS nine) WHERE nine = 9");
            let over = w.ask_in(&session, &over, &[], &mut Vec::new()).await;
            match (&alone, &over) {
                (Ok(alone), Ok(over)) => assert_eq!((alone, alone.len()), (over, 1), "{expressions}"),
                // The place of a name is another.
                (Err(alone), Err(over)) => {
                    let word = |text: &str| text.split(['.', ' ']).next().map(str::to_owned);
                    assert_eq!(word(alone), word(over), "{expressions}: {alone} .. {over}");
                }
                _ => panic!("{expressions}: {alone:?}, and over one row {over:?}"),
            }
        }
    }
}

#[tokio::test]
async fn its_columns_have_the_names_and_types_that_they_have_over_one_row() {
    let w = Workspace::with_sales().await;
    let session = Session::new(Speaker::Configuration(w.ana.clone()), None, None);
    let answer = async |text: String| w.sql.run(&session, &text, &[], &mut Vec::new()).await;
    for expressions in EXPRESSIONS {
        let Ok(alone) = answer(format!("SELECT {expressions}")).await else { continue };
        let over = answer(format!("SELECT {expressions} FROM (SELECT 9 AS nine)")).await.unwrap();
        let shape = |schema: &datafusion::arrow::datatypes::Schema| {
            let shown = |one: &std::sync::Arc<datafusion::arrow::datatypes::Field>| {
                format!("{} {} {}", one.name(), one.data_type(), one.is_nullable())
            };
            schema.fields().iter().map(shown).collect::<Vec<_>>()
        };
        assert_eq!(shape(&alone.schema), shape(&over.schema), "{expressions}");
        if let Ok(rows) = alone.rows.try_collect::<Vec<_>>().await {
            assert!(rows.iter().all(|rows| rows.schema() == alone.schema), "{expressions}");
        }
    }
}
