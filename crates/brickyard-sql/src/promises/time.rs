//! What a statement says the time is.

use super::workspace::Workspace;

#[tokio::test]
async fn a_statement_knows_when_it_began_and_two_statements_began_at_different_times() {
    let w = Workspace::empty().await;
    for asks in ["now() IS NOT NULL", "current_timestamp() = now()", "current_date() = CAST(now() AS DATE)"] {
        assert_eq!(w.ask(&w.ana, &format!("SELECT {asks}")).await.unwrap(), ["true"], "{asks}");
    }
    let first = w.ask(&w.ana, "SELECT now()").await.unwrap();
    assert_ne!(first, w.ask(&w.ana, "SELECT now()").await.unwrap());
}
