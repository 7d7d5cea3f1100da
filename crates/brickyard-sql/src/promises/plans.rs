//! What a policy costs: its plan is the one that the same predicate and expressions have when somebody writes them.

use std::any::Any;
use std::sync::Arc;

use datafusion::physical_plan::{ExecutionPlan, displayable};

use super::workspace::Workspace;
use crate::barrier::BarrierExec;
use crate::front;
use crate::run::Run;
use crate::{Session, Speaker};

/// The plans behind the barriers of a plan.
fn behind(plan: &Arc<dyn ExecutionPlan>, found: &mut Vec<String>) {
    let any: &dyn Any = plan.as_ref();
    if let Some(barrier) = any.downcast_ref::<BarrierExec>() {
        found.push(displayable(barrier.behind().as_ref()).indent(false).to_string());
    }
    for child in plan.children() {
        behind(child, found);
    }
}

#[tokio::test]
async fn a_filter_that_looks_the_speaker_up_is_one_join_and_copies_no_column() {
    let w = Workspace::with_sales().await;
    w.set_up(
        "CREATE TABLE main.private.regions (who STRING, region STRING);
         INSERT INTO main.private.regions VALUES ('ana@x', 'EMEA'), ('bob@x', 'AMER');
         CREATE FUNCTION main.sales.listed(region STRING) RETURNS BOOLEAN RETURN
             is_account_group_member('analysts')
             OR EXISTS (SELECT 1 FROM main.private.regions r WHERE r.who = current_user() AND r.region = listed.region);
         CREATE FUNCTION main.sales.among(region STRING) RETURNS BOOLEAN RETURN
             region IN (SELECT r.region FROM main.private.regions r WHERE r.who = current_user());",
    )
    .await;
    for (filter, ids) in [("listed", ["1", "2"]), ("among", ["1", "2"])] {
        w.set_up(&format!("ALTER TABLE main.sales.orders SET ROW FILTER main.sales.{filter} ON (region)"))
            .await;
        assert_eq!(w.sorted(&w.ana, "SELECT id FROM main.sales.orders").await, ids, "{filter}");
        let session = Session::new(Speaker::Configuration(w.ana.clone()), None, None);
        let mut traces = Vec::new();
        let run = Run::new(&w.sql.0, &session, &[], &mut traces);
        let query =
            front::parse_query("SELECT region, count(*) FROM main.sales.orders GROUP BY region").unwrap();
        let plan = run.plan_query(&query).await.unwrap();
        let plan = run.state().create_physical_plan(&plan).await.unwrap();
        let mut found = Vec::new();
        behind(&plan, &mut found);
        let [policy] = found.as_slice() else { panic!("{filter}: {found:?}") };
        assert!(policy.contains("Semi") && !policy.contains("Mark"), "{filter}: {policy}");
        assert!(!policy.contains("CAST("), "{filter}: {policy}");
    }
}

/// Found by generated queries: the filter makes `k` one value, so that nothing is sorted for the window; then the planner
/// forgets that it is one, and refused its own plan.
#[tokio::test]
async fn a_rank_over_full_joins_of_one_value_is_planned_and_right() {
    let w = Workspace::with_sales().await;
    w.set_up(
        "CREATE TABLE main.sales.staff (id INT, email STRING);
         INSERT INTO main.sales.staff VALUES (1, 'a'), (1, 'b'), (2, 'c');
         GRANT SELECT ON TABLE main.sales.staff TO `account users`;",
    )
    .await;
    w.keep_in_memory("main.sales.staff").await;
    let query = "SELECT * FROM (
            SELECT g.k, rank() OVER (ORDER BY g.k) AS r
            FROM (SELECT coalesce(s.id, 1) AS k FROM main.sales.staff s WHERE s.email <> 'z'
                  GROUP BY coalesce(s.id, 1) HAVING count(s.email) > 1) g
            FULL JOIN main.sales.orders o ON g.k = o.id AND 1 / (o.id - 777) < 5
            FULL JOIN main.sales.staff t ON g.k = t.id
            WHERE g.k = 1) WHERE k = 1";
    assert_eq!(w.ask(&w.ana, query).await.as_deref(), Ok(&["1|1".to_owned(), "1|1".to_owned()][..]));
}

#[tokio::test]
async fn a_condition_that_is_never_true_meets_a_filter_that_asks_a_table() {
    let w = Workspace::with_sales().await;
    w.set_up(
        "CREATE TABLE main.private.regions (who STRING, region STRING);
         INSERT INTO main.private.regions VALUES ('ana@x', 'EMEA'), ('bob@x', 'AMER');
         CREATE FUNCTION main.sales.listed(region STRING) RETURNS BOOLEAN RETURN
             is_account_group_member('analysts')
             OR EXISTS (SELECT 1 FROM main.private.regions r WHERE r.who = current_user() AND r.region = listed.region);
         ALTER TABLE main.sales.orders SET ROW FILTER main.sales.listed ON (region)",
    )
    .await;
    for query in [
        "SELECT * FROM (SELECT 3 AS c0, o.id AS c1, count(*) AS c2 FROM main.sales.orders o
            CROSS JOIN main.sales.orders p WHERE o.id = 1 GROUP BY 1, o.id) t (k0, k1, k2) WHERE t.k0 = 1",
        "SELECT * FROM (SELECT 3 AS c0, count(*) AS c2 FROM main.sales.orders o GROUP BY 1) t WHERE c0 = 1",
        "SELECT * FROM (SELECT 3 AS c0, o.id FROM main.sales.orders o) t WHERE c0 = 1",
        "SELECT * FROM (SELECT 3 AS c0, o.id FROM main.sales.orders o WHERE o.id = 1) t WHERE c0 = 1",
        "SELECT * FROM (SELECT 3 AS c0, o.id FROM main.sales.orders o CROSS JOIN main.sales.orders p
            WHERE o.id = 1) t WHERE c0 = 1",
        "SELECT * FROM main.sales.orders WHERE false",
        "SELECT * FROM main.sales.orders WHERE 3 = 1",
    ] {
        assert_eq!(w.ask(&w.ana, query).await.as_deref(), Ok(&[][..]), "{query}");
    }
}

/// Found by generated queries: of an expression with a function inside a comparison the planner does not see that the rows
/// below are sorted by it.
#[tokio::test]
async fn rows_are_in_the_order_of_an_expression_whose_parts_have_none() {
    let w = Workspace::with_sales().await;
    for (query, rows) in [(
        "SELECT id, rank() OVER (ORDER BY CASE WHEN 1 / (id - 777) < 5 THEN -id ELSE id END) FROM main.sales.orders",
        ["1|2", "2|1"],
    )] {
        assert_eq!(w.sorted(&w.ana, query).await, rows, "{query}");
    }
}

/// Found by generated queries: the rows were sorted for the window, and the planner or the running window did not see it.
#[tokio::test]
async fn a_window_is_parted_and_sorted_by_any_expression() {
    let w = Workspace::with_sales().await;
    w.set_up(
        "CREATE TABLE main.sales.staff (id INT, dept STRING);
         INSERT INTO main.sales.staff VALUES (1, 'eng'), (2, 'eng'), (3, 'ops'), (4, NULL);
         GRANT SELECT ON TABLE main.sales.staff TO `account users`;",
    )
    .await;
    let of = "CASE WHEN 1 / (s.id - 777) < 5 THEN s.dept ELSE 'none' END";
    for (query, rows) in [
        (
            format!("SELECT s.id, rank() OVER (PARTITION BY {of} ORDER BY 1) FROM main.sales.staff s"),
            vec!["1|1", "2|1", "3|1", "4|1"],
        ),
        (
            format!("SELECT s.id, count(*) OVER (PARTITION BY {of} ORDER BY 1) FROM main.sales.staff s CROSS JOIN (SELECT 1)"),
            vec!["1|2", "2|2", "3|1", "4|1"],
        ),
        (
            format!(
                "SELECT s.id, count(*) OVER (PARTITION BY {of} ORDER BY t.id)
                 FROM main.sales.staff s CROSS JOIN main.sales.staff t WHERE t.id IN (1, 3) AND s.id < 3"
            ),
            vec!["1|2", "1|4", "2|2", "2|4"],
        ),
        (
                "SELECT id, row_number() OVER (PARTITION BY length(dept) / 2 < 5, length(dept) ORDER BY -id) AS a,
                    row_number() OVER (ORDER BY length(dept) / 2 < 5, id % 2, id) AS b,
                    sum(id) OVER (PARTITION BY upper(dept)) AS c
                 FROM main.sales.staff"
                .to_owned(),
            vec!["1|3|3|3", "2|2|2|3", "3|1|4|3", "4|1|1|4"],
        ),
        (
            format!(
                "SELECT id, r FROM (SELECT s.id, rank() OVER (ORDER BY {of}, s.id) AS r FROM main.sales.staff s)
                 WHERE r <= 2 QUALIFY rank() OVER (PARTITION BY length(id) / 2 < 5 ORDER BY -id) = 1"
            ),
            vec!["4|1"],
        ),
    ] {
        assert_eq!(w.sorted(&w.ana, &query).await, rows, "{query}");
    }
    // A column without a name of its own is named by the window as it was written.
    let named =
        "SELECT * FROM (SELECT rank() OVER (ORDER BY length(dept)) FROM main.sales.staff WHERE id = 1)";
    assert_eq!(w.ask(&w.ana, named).await.as_deref(), Ok(&["1".to_owned()][..]));
}

/// Found by generated queries: a condition on one side's key was asked of rows of the other side that meet nobody.
#[tokio::test]
async fn a_condition_fails_only_for_rows_that_it_is_asked_of() {
    let w = Workspace::with_sales().await;
    w.set_up(
        "CREATE TABLE main.sales.numbers (k STRING, n INT);
         INSERT INTO main.sales.numbers VALUES ('1', 1), ('2', 0);
         CREATE TABLE main.sales.words (k STRING, n INT);
         INSERT INTO main.sales.words VALUES ('1', 1), ('one', 5);",
    )
    .await;
    let from = "SELECT a.k FROM main.sales.numbers a";
    for (query, rows) in [
        ("JOIN main.sales.words b ON a.k = b.k WHERE CAST(a.k AS INT) >= 0", vec!["1"]),
        ("JOIN main.sales.words b ON a.k = b.k AND CAST(a.k AS INT) >= 0", vec!["1"]),
        ("LEFT JOIN main.sales.words b ON a.k = b.k WHERE CAST(a.k AS INT) >= 0 ORDER BY 1", vec!["1", "2"]),
        ("WHERE a.k IN (SELECT b.k FROM main.sales.words b) AND CAST(a.k AS INT) >= 0", vec!["1"]),
        ("JOIN (SELECT k AS j FROM main.sales.words) b ON a.k = b.j WHERE CAST(a.k AS INT) >= 0", vec!["1"]),
        ("JOIN main.sales.words b USING (k) WHERE CAST(a.k AS INT) >= 0", vec!["1"]),
    ] {
        assert_eq!(w.sorted(&w.ada, &format!("{from} {query}")).await, rows, "{query}");
    }
}
