//! The default journal: one SQLite file in the data directory, one row a commit.
//!
//! - **Durable**: write-ahead log with `synchronous=FULL`, so a commit is on the disk when it is answered.
//! - **Whole**: a commit is one row, so half a commit cannot be read.
//! - **Proven**: every row carries a checksum that covers the row before it ([`chain`]); what opens is a
//!   prefix of what was written, or it does not open.
//! - **Alone**: a lock file keeps other processes out ([`directory`]), and SQLite's own exclusive mode
//!   keeps the write-ahead log's index in our memory, not in a shared mapping.

mod chain;
mod directory;
mod schema;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};

use crate::backend::{Answer, Backend, Commit, Record};
use crate::error::StoreError;
use chain::Link;

/// How many commits [`Backend::read_from`] hands over at a time.
const PAGE: i64 = 1024;

/// A journal in the file `journal.sqlite3`.
pub struct SqliteJournal {
    name: String,
    connection: SqliteConnection,
    /// The last commit written.
    tail: Link,
    /// Held as long as the connection. Declared after it, so it is let go of last.
    _lock: File,
}

impl SqliteJournal {
    /// Opens the journal in `directory`, and makes both if they are missing. What it makes is for the owner's
    /// eyes only.
    pub async fn open(directory: &Path) -> Result<Self, StoreError> {
        let (file, lock) = directory::claim(directory)?;
        let name = file.display().to_string();
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .create_if_missing(false)
            .locking_mode(SqliteLockingMode::Exclusive)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(2))
            .disable_statement_logging();
        let mut connection = SqliteConnection::connect_with(&options).await.map_err(|error| {
            if is_busy(&error) {
                StoreError::AlreadyOpen { directory: directory.to_owned() }
            } else {
                database(&name, "open the database", error)
            }
        })?;
        match Self::prepare(&mut connection, &name).await {
            Ok(tail) => Ok(Self { name, connection, tail, _lock: lock }),
            Err(error) => {
                // The reason for refusing says more than a failure to close would.
                let _ = connection.close().await;
                Err(error)
            }
        }
    }

    async fn prepare(connection: &mut SqliteConnection, name: &str) -> Result<Link, StoreError> {
        schema::check_or_create(connection, name).await?;
        let last = sqlx::query("SELECT sequence, checksum FROM commits ORDER BY sequence DESC LIMIT 1")
            .fetch_optional(connection)
            .await
            .map_err(|error| database(name, "find the last commit", error))?;
        let Some(row) = last else { return Ok(Link::BEFORE_THE_FIRST) };
        let failed = |error| database(name, "read the last commit", error);
        Ok(Link { sequence: row.try_get(0).map_err(failed)?, checksum: row.try_get(1).map_err(failed)? })
    }

    /// Lets the database grow to `pages` at most (never below what it has), and answers what it settled on.
    #[cfg(test)]
    pub(crate) async fn limit_pages(&mut self, pages: i64) -> i64 {
        let limit = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
        sqlx::query_scalar(limit).fetch_one(&mut self.connection).await.unwrap()
    }

    async fn write(&mut self, commits: &[Commit]) -> Result<Link, StoreError> {
        let mut tail = self.tail;
        let mut rows = Vec::with_capacity(commits.len());
        for commit in commits {
            let conflict = || StoreError::Conflict { journal: self.name.clone(), sequence: commit.sequence };
            let sequence = i64::try_from(commit.sequence).map_err(|_| conflict())?;
            if sequence != tail.sequence + 1 {
                return Err(conflict());
            }
            let records =
                serde_json::to_string(&commit.records).map_err(|error| StoreError::Undecodable {
                    journal: self.name.clone(),
                    sequence: commit.sequence,
                    owner: owners(&commit.records),
                    reason: error.to_string(),
                })?;
            tail = tail.next(records.as_bytes());
            rows.push((tail, records));
        }
        let name = &self.name;
        let failed = |error| database(name, "append to the journal", error);
        let mut transaction = self.connection.begin().await.map_err(failed)?;
        for (link, records) in rows {
            sqlx::query("INSERT INTO commits (sequence, records, checksum) VALUES (?, ?, ?)")
                .bind(link.sequence)
                .bind(records)
                .bind(link.checksum)
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)?;
        Ok(tail)
    }

    async fn read_page(&mut self, sequence: u64) -> Result<Vec<Commit>, StoreError> {
        let name = &self.name;
        let failed = |error| database(name, "read the journal", error);
        let Ok(first) = i64::try_from(sequence.max(1)) else { return Ok(Vec::new()) };
        // The row before the first one is read too: the chain hangs on its checksum.
        let rows = sqlx::query(
            "SELECT sequence, CAST(records AS BLOB), checksum FROM commits \
             WHERE sequence >= ? ORDER BY sequence LIMIT ?",
        )
        .bind(first - 1)
        .bind(PAGE + 1)
        .fetch_all(&mut self.connection)
        .await
        .map_err(failed)?;

        let mut before = Link::BEFORE_THE_FIRST;
        let mut commits = Vec::with_capacity(rows.len());
        for row in rows {
            let found =
                Link { sequence: row.try_get(0).map_err(failed)?, checksum: row.try_get(2).map_err(failed)? };
            if found.sequence < first && first > 1 {
                before = found;
                continue;
            }
            let records: &[u8] = row.try_get(1).map_err(failed)?;
            commits.push(verify(name, before, found, records)?);
            before = found;
        }
        Ok(commits)
    }
}

/// The commit behind a row, if the row is the one that was written after `before`.
fn verify(journal: &str, before: Link, found: Link, records: &[u8]) -> Result<Commit, StoreError> {
    let (expected, sequence) = (before.sequence + 1, found.sequence.cast_unsigned());
    if found.sequence != expected {
        let expected = expected.cast_unsigned();
        return Err(StoreError::Gap { journal: journal.to_owned(), expected, found: sequence });
    }
    let decoded = serde_json::from_slice::<Vec<Record>>(records);
    let damaged = |owner, reason: &str| StoreError::Damaged {
        journal: journal.to_owned(),
        sequence,
        owner,
        reason: reason.to_owned(),
    };
    if before.next(records) != found {
        let owner = decoded.ok().map(|records| owners(&records));
        return Err(damaged(owner, "its checksum does not match"));
    }
    let records = decoded.map_err(|error| damaged(None, &error.to_string()))?;
    Ok(Commit { sequence, records })
}

fn owners(records: &[Record]) -> String {
    let mut owners: Vec<&str> = records.iter().map(|record| record.owner.as_ref()).collect();
    owners.dedup();
    owners.join("`, `")
}

fn database(journal: &str, doing: &'static str, source: sqlx::Error) -> StoreError {
    StoreError::Database { journal: journal.to_owned(), doing, source: Arc::new(source) }
}

/// `SQLITE_BUSY` and its extended codes: a program that ignores our lock file has the database.
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.and_then(|code| code.parse::<i32>().ok()).is_some_and(|code| code & 0xff == 5)
}

impl Backend for SqliteJournal {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn append<'a>(&'a mut self, commits: &'a [Commit]) -> Answer<'a, ()> {
        Box::pin(async move {
            self.tail = self.write(commits).await?;
            Ok(())
        })
    }

    fn read_from(&mut self, sequence: u64) -> Answer<'_, Vec<Commit>> {
        Box::pin(self.read_page(sequence))
    }

    fn close(self: Box<Self>) -> Answer<'static, ()> {
        Box::pin(async move {
            let Self { name, connection, _lock, .. } = *self;
            connection.close().await.map_err(|error| database(&name, "close the database", error))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a test cannot see by killing a process, only by cutting the power.
    #[tokio::test]
    async fn the_connection_is_set_up_to_survive_a_power_cut() {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = SqliteJournal::open(directory.path()).await.unwrap();
        let mut ask = async |pragma: &'static str| -> String {
            let row = sqlx::query(pragma).fetch_optional(&mut journal.connection).await.unwrap();
            row.map(|row| row.try_get_unchecked(0).unwrap()).unwrap_or_default()
        };
        assert_eq!(ask("PRAGMA journal_mode").await, "wal");
        assert_eq!(ask("PRAGMA synchronous").await, "2", "FULL");
        assert_eq!(ask("PRAGMA locking_mode").await, "exclusive");
        assert_eq!(ask("PRAGMA mmap_size").await, "0");
    }
}
