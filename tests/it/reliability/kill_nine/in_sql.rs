//! One who writes in SQL: rows of a Delta table, tables, grants and a row filter.

use reqwest::Method;
use serde_json::{Value, json};

use super::{ADMIN, WAREHOUSE, Workspace};
use crate::load::Chance;

const TABLE: &str = "main.kept.rows";
const READER: &str = "writer-1@example.com";
const NEW_TABLE: &str = "CREATE TABLE main.kept.rows (x STRING)";
const FILTER: &str = "ALTER TABLE main.kept.rows SET ROW FILTER main.kept.everything ON (x)";

/// Something that is there or not: as it was acknowledged last, and as it was asked for by the statement that nobody
/// answered.
#[derive(Default, Debug)]
struct Switch {
    is: bool,
    doubt: Option<bool>,
}

impl Switch {
    fn holds(&self, found: bool) -> bool {
        found == self.is || self.doubt == Some(found)
    }
}

/// What was written in one round, and what came of it.
#[derive(Default)]
pub struct Written {
    rows: Vec<String>,
    row_in_doubt: Option<String>,
    tables: Vec<String>,
    table_in_doubt: Option<String>,
    granted: Switch,
    filtered: Switch,
    /// Acknowledged statements.
    pub acknowledged: usize,
}

/// A statement, to its end: its rows, or `None` if no whole answer came.
async fn run(workspace: &Workspace, statement: &str) -> Option<Vec<Vec<String>>> {
    let body = json!({ "warehouse_id": WAREHOUSE, "statement": statement, "wait_timeout": "50s" });
    let (status, answer) = workspace.post("/api/2.0/sql/statements", ADMIN, body).await?;
    assert!(status == 200 && answer["status"]["state"] == "SUCCEEDED", "{statement}: {status} {answer}");
    let rows = answer["result"]["data_array"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Some(rows.iter().map(|row| row.as_array().into_iter().flatten().map(text).collect()).collect())
}

async fn must(workspace: &Workspace, statement: &str) -> Vec<Vec<String>> {
    run(workspace, statement).await.expect("an answer")
}

/// Makes what the statements are about.
pub async fn prepare(workspace: &Workspace) {
    for statement in [
        "CREATE CATALOG main",
        "CREATE SCHEMA main.kept",
        "CREATE FUNCTION main.kept.everything(x STRING) RETURNS BOOLEAN RETURN TRUE",
        NEW_TABLE,
    ] {
        must(workspace, statement).await;
    }
}

/// Writes until brickyard is gone.
pub async fn write(workspace: Workspace, round: usize) -> Written {
    let mut chance = Chance::of(1_000_000 + round);
    let mut written = Written::default();
    for step in 0.. {
        let unique = format!("r{round}_{step}");
        let answered = match chance.below(4) {
            0 => {
                written.row_in_doubt = Some(unique.clone());
                let answered = run(&workspace, &format!("INSERT INTO {TABLE} VALUES ('{unique}')")).await;
                if answered.is_some() {
                    written.rows.extend(written.row_in_doubt.take());
                }
                answered
            }
            1 => {
                let name = format!("main.kept.{unique}");
                written.table_in_doubt = Some(name.clone());
                let answered = run(&workspace, &format!("CREATE TABLE {name} AS SELECT 7 AS x")).await;
                if answered.is_some() {
                    written.tables.extend(written.table_in_doubt.take());
                }
                answered
            }
            2 => {
                let statement = if written.granted.is {
                    format!("REVOKE SELECT ON TABLE {TABLE} FROM `{READER}`")
                } else {
                    format!("GRANT SELECT ON TABLE {TABLE} TO `{READER}`")
                };
                turned(&workspace, &mut written.granted, &statement).await
            }
            _ => {
                let drop = format!("ALTER TABLE {TABLE} DROP ROW FILTER");
                let statement = if written.filtered.is { &drop } else { FILTER };
                turned(&workspace, &mut written.filtered, statement).await
            }
        };
        if answered.is_none() {
            return written;
        }
        written.acknowledged += 1;
    }
    written
}

async fn turned(workspace: &Workspace, switch: &mut Switch, statement: &str) -> Option<Vec<Vec<String>>> {
    switch.doubt = Some(!switch.is);
    let answered = run(workspace, statement).await;
    if answered.is_some() {
        *switch = Switch { is: !switch.is, doubt: None };
    }
    answered
}

/// Holds a restarted brickyard against what was acknowledged.
pub async fn check(workspace: &Workspace, written: &Written) {
    let rows: Vec<String> =
        must(workspace, &format!("SELECT x FROM {TABLE}")).await.into_iter().flatten().collect();
    for row in &written.rows {
        assert!(rows.contains(row), "the acknowledged row {row}");
    }
    let others: Vec<_> = rows.iter().filter(|row| !written.rows.contains(row)).collect();
    assert!(
        others.iter().all(|row| written.row_in_doubt.as_ref() == Some(row)),
        "rows of nobody: {others:?}"
    );
    assert!(others.len() < 2, "a row twice: {others:?}");
    for name in written.tables.iter().chain(&written.table_in_doubt) {
        if there(workspace, name).await {
            // Whole: its rows can be read.
            assert_eq!(must(workspace, &format!("SELECT x FROM {name}")).await, [["7"]], "{name}");
        } else {
            assert_eq!(written.table_in_doubt.as_ref(), Some(name), "the acknowledged table {name}");
        }
    }
    let (status, grants) =
        workspace.get(&format!("/api/2.1/unity-catalog/permissions/table/{TABLE}"), ADMIN).await;
    assert_eq!(status, 200, "{grants}");
    let granted = grants.to_string().contains(READER);
    assert!(written.granted.holds(granted), "granted: {granted}, told {:?}", written.granted);
    let (status, table) = workspace.get(&format!("/api/2.1/unity-catalog/tables/{TABLE}"), ADMIN).await;
    assert_eq!(status, 200, "{table}");
    let filtered = table["row_filter"].is_object();
    assert!(written.filtered.holds(filtered), "filtered: {filtered}, told {:?}", written.filtered);
}

async fn there(workspace: &Workspace, table: &str) -> bool {
    let path = format!("/api/2.1/unity-catalog/tables/{table}");
    let (status, view) = workspace.call(Method::GET, &path, ADMIN, None).await.expect("an answer");
    assert!(status == 200 || status == 404, "{table}: {status} {view}");
    status == 200
}

/// As it was before the round. A table's past grows with every row, so it is made anew.
pub async fn make_room(workspace: &Workspace, written: &Written) {
    for name in written.tables.iter().chain(&written.table_in_doubt) {
        must(workspace, &format!("DROP TABLE IF EXISTS {name}")).await;
    }
    must(workspace, &format!("DROP TABLE {TABLE}")).await;
    must(workspace, NEW_TABLE).await;
}
