//! What the SQLite journal promises beyond any journal: it survives the process, and it is private.

use std::sync::Arc;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};

use super::Bank;
use crate::{Backend, SqliteJournal, StoreError};

async fn open(directory: &std::path::Path) -> Result<Bank, StoreError> {
    Bank::open(SqliteJournal::open(directory).await?).await
}

/// Changes the closed journal as no brickyard would.
async fn tamper(directory: &std::path::Path, sql: &'static str) {
    let options = SqliteConnectOptions::new().filename(directory.join("journal.sqlite3"));
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_commits_at_once_all_survive_a_reopen() {
    let directory = tempfile::tempdir().unwrap();
    let bank = Arc::new(open(directory.path()).await.unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..1_000 {
        let bank = bank.clone();
        tasks.spawn(async move { bank.write(number).await.unwrap() });
    }
    tasks.join_all().await;
    let live = bank.numbers();
    bank.store.close().await;
    let again = open(directory.path()).await.unwrap();
    assert_eq!(again.numbers(), live);
    let mut sorted = live;
    sorted.sort_unstable();
    assert_eq!(sorted, (0..1_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_second_store_on_the_same_directory_is_told_it_is_open() {
    let directory = tempfile::tempdir().unwrap();
    let bank = open(directory.path()).await.unwrap();
    let Err(error) = open(directory.path()).await else { panic!("opened twice") };
    assert!(matches!(&error, StoreError::AlreadyOpen { .. }), "{error}");
    assert!(error.to_string().contains(&directory.path().display().to_string()), "{error}");
    bank.write(1).await.unwrap();
    bank.store.close().await;
    assert_eq!(open(directory.path()).await.unwrap().numbers(), [1]);
}

#[tokio::test]
async fn following_from_any_number_gives_what_came_after() {
    let directory = tempfile::tempdir().unwrap();
    let bank = open(directory.path()).await.unwrap();
    for number in 0..10 {
        bank.write(number).await.unwrap();
    }
    bank.store.close().await;
    let mut journal = SqliteJournal::open(directory.path()).await.unwrap();
    for from in [1, 2, 7, 10, 11, 12, 1_000, u64::MAX] {
        let found: Vec<u64> =
            journal.read_from(from).await.unwrap().iter().map(|commit| commit.sequence).collect();
        assert_eq!(found, (from..=10).collect::<Vec<_>>());
    }
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_may_read_what_it_makes() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("new/data");
    let bank = open(&directory).await.unwrap();
    bank.write(1).await.unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    let mut seen = Vec::new();
    for entry in std::fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        seen.push(path.file_name().unwrap().to_owned());
    }
    seen.sort();
    assert_eq!(seen, ["journal.lock", "journal.sqlite3", "journal.sqlite3-wal"]);
}

#[tokio::test]
async fn a_journal_that_was_tampered_with_is_refused_with_its_place() {
    let cases = [
        ("DELETE FROM commits WHERE sequence = 2", "has a gap: sequence 2 is missing (3 comes next)"),
        ("DELETE FROM commits WHERE sequence = 1", "has a gap: sequence 1 is missing (2 comes next)"),
        (
            "UPDATE commits SET records = replace(records, '\"amount\":2', '\"amount\":9') WHERE sequence = 2",
            "is damaged at sequence 2 (owner `accounts`, `diary`): its checksum does not match",
        ),
        (
            "UPDATE commits SET checksum = checksum + 1 WHERE sequence = 3",
            "is damaged at sequence 3 (owner `accounts`, `diary`): its checksum does not match",
        ),
        (
            "UPDATE commits SET records = (SELECT records FROM commits WHERE sequence = 1), \
             checksum = (SELECT checksum FROM commits WHERE sequence = 1) WHERE sequence = 3",
            "is damaged at sequence 3",
        ),
        ("UPDATE commits SET records = '[' WHERE sequence = 3", "is damaged at sequence 3"),
        ("PRAGMA user_version = 2", "its format is 2, this brickyard reads format 1"),
        ("PRAGMA application_id = 5", "the database belongs to another program"),
        ("ALTER TABLE commits RENAME TO commit_s", "no such table"),
    ];
    for (sql, said) in cases {
        let directory = tempfile::tempdir().unwrap();
        let bank = open(directory.path()).await.unwrap();
        for number in 1..=3 {
            bank.write(number).await.unwrap();
        }
        bank.store.close().await;
        tamper(directory.path(), sql).await;
        let Err(error) = open(directory.path()).await else { panic!("opened after {sql}") };
        let error = error.to_string();
        assert!(error.contains(said) && error.contains("journal.sqlite3"), "{sql}: {error}");
    }
}

#[tokio::test]
async fn losing_the_newest_commits_leaves_an_older_truth() {
    let directory = tempfile::tempdir().unwrap();
    let bank = open(directory.path()).await.unwrap();
    for number in 1..=3 {
        bank.write(number).await.unwrap();
    }
    bank.store.close().await;
    tamper(directory.path(), "DELETE FROM commits WHERE sequence = 3").await;
    let bank = open(directory.path()).await.unwrap();
    assert_eq!(bank.numbers(), [1, 2]);
    bank.write(4).await.unwrap();
    bank.store.close().await;
    assert_eq!(open(directory.path()).await.unwrap().numbers(), [1, 2, 4]);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("journal.sqlite3");
    let text = "dear diary, ".repeat(1_000);
    std::fs::write(&file, &text).unwrap();
    let Err(error) = open(directory.path()).await else { panic!("opened a diary") };
    assert!(error.to_string().contains("journal.sqlite3"), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

#[tokio::test]
async fn a_failed_append_rolls_back_and_the_next_one_goes_on_from_there() {
    let directory = tempfile::tempdir().unwrap();
    let bank = open(directory.path()).await.unwrap();
    bank.write(1).await.unwrap();
    bank.store.close().await;
    // A page limit is a full disk that can be emptied again.
    let mut journal = SqliteJournal::open(directory.path()).await.unwrap();
    let pages: i64 = journal.limit_pages(1).await;
    journal.limit_pages(pages).await;
    let bank = Bank::open(journal).await.unwrap();
    let big = "x".repeat(1 << 20);
    let refused = bank
        .store
        .commit(|tx| {
            tx.change(bank.accounts, super::set(&big, 1));
            Ok::<_, std::convert::Infallible>(())
        })
        .await;
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("cannot append to the journal") && error.contains("full"), "{error}");
    bank.write(2).await.unwrap();
    assert_eq!(bank.numbers(), [1, 2]);
    bank.store.close().await;
    assert_eq!(open(directory.path()).await.unwrap().numbers(), [1, 2]);
}
