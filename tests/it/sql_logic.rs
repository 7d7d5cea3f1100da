//! Files of sqllogictest, asked through `POST /api/2.0/sql/statements` as any client asks.
//!
//! `tests/sql` holds brickyard's own: what its SQL claims. `make slt SLT=folder` runs any others, the public files of
//! databases among them, and says how many of their records hold here.

mod answers;
mod records;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use brickyard_testkit::Kit;

use self::answers::{Comparison, ask, wrong};

const YAML: &str = r#"
workspace: {admins: [admin@example.com]}
users: [{user_name: admin@example.com}, {user_name: ana@example.com, groups: [sellers]}, {user_name: ben@example.com}]
groups: [{display_name: sellers}]
sql_warehouses:
  - id: w1
    name: Small
    permissions:
      - {user_name: ana@example.com, permission_level: CAN_USE}
      - {user_name: ben@example.com, permission_level: CAN_USE}
"#;

/// What became of a file.
#[derive(Default)]
struct Outcome {
    passed: usize,
    skipped: usize,
    failed: Vec<String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sql_that_is_claimed_answers_what_the_files_say() {
    let stage = Stage::open().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql");
    let files = files_below(&folder);
    assert!(files.len() > 5, "the files of {} are gone", folder.display());
    let mut failed = Vec::new();
    for (number, file) in files.iter().enumerate() {
        failed.extend(stage.run(file, number, Comparison::Exact).await.failed);
    }
    assert!(failed.is_empty(), "{} records fail:\n{}", failed.len(), failed.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "`make slt SLT=folder` says which files"]
async fn the_files_of_a_folder() {
    let folder =
        PathBuf::from(std::env::var("BRICKYARD_SLT").expect("BRICKYARD_SLT, a folder of .slt files"));
    let shown: usize = std::env::var("BRICKYARD_SLT_SHOWN").ok().and_then(|n| n.parse().ok()).unwrap_or(3);
    let stage = Stage::open().await;
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (number, file) in files_below(&folder).iter().enumerate() {
        let outcome = stage.run(file, number, Comparison::Lenient).await;
        let name = file.strip_prefix(&folder).unwrap_or(file).display();
        println!(
            "{name}: {} passed, {} failed, {} skipped",
            outcome.passed,
            outcome.failed.len(),
            outcome.skipped
        );
        for failure in outcome.failed.iter().take(shown) {
            println!("  {failure}");
        }
        passed += outcome.passed;
        failed += outcome.failed.len();
        skipped += outcome.skipped;
    }
    println!("all: {passed} passed, {failed} failed, {skipped} skipped");
}

/// A workspace with a catalog in which everybody may do everything, and a schema a file.
struct Stage {
    kit: Kit,
    tokens: HashMap<&'static str, String>,
}

impl Stage {
    async fn open() -> Self {
        let kit = Kit::start(YAML).await;
        let tokens = [
            ("", "admin@example.com"),
            ("admin", "admin@example.com"),
            ("ana", "ana@example.com"),
            ("ben", "ben@example.com"),
        ]
        .map(|(short, name)| (short, kit.token(name)));
        let stage = Self { tokens: tokens.into(), kit };
        stage.admin("default", "CREATE CATALOG slt").await;
        stage
    }

    async fn admin(&self, schema: &str, sql: &str) {
        ask(&self.kit, &self.tokens[""], schema, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    async fn run(&self, file: &Path, number: usize, comparison: Comparison) -> Outcome {
        let mut outcome = Outcome::default();
        let records = match records::read(file) {
            Ok(records) => records,
            Err(error) => {
                outcome.failed.push(error);
                return outcome;
            }
        };
        let schema = format!("f{number}");
        self.admin("default", &format!("CREATE SCHEMA slt.{schema}")).await;
        for record in records {
            if comparison == Comparison::Lenient && is_of_the_engine(&record.sql) {
                outcome.skipped += 1;
                continue;
            }
            let Some(token) = self.tokens.get(record.speaker.as_str()) else {
                outcome.failed.push(format!("{}: nobody is called {}", record.place, record.speaker));
                continue;
            };
            let answer = ask(&self.kit, token, &schema, &record.sql).await;
            match wrong(&record, answer, comparison) {
                None => outcome.passed += 1,
                Some(what) => {
                    let sql = record.sql.replace('\n', "\n    ");
                    outcome.failed.push(format!("{}\n    {sql}\n    {what}", record.place));
                }
            }
        }
        self.admin("default", &format!("DROP SCHEMA slt.{schema} CASCADE")).await;
        outcome
    }
}

/// Settings and plans of another engine say nothing about SQL.
fn is_of_the_engine(sql: &str) -> bool {
    let sql = sql.trim_start().to_lowercase();
    sql.starts_with("explain")
        || ((sql.starts_with("set ") || sql.starts_with("reset ")) && sql.contains("datafusion"))
}

/// A file, or all `.slt` files below a folder, by name.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    if folder.is_file() {
        return vec![folder.to_owned()];
    }
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    entries.sort_unstable();
    let inside = |path: PathBuf| match path.is_dir() {
        true => files_below(&path),
        false if path.extension().is_some_and(|extension| extension == "slt") => vec![path],
        false => Vec::new(),
    };
    entries.into_iter().flat_map(inside).collect()
}
