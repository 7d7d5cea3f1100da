//! Whether the file is a journal, and making it one when it is new.
//!
//! A table is made only in a file that holds nothing at all. `CREATE TABLE IF NOT EXISTS` would answer a
//! damaged schema with a second, empty journal.

use sqlx::{Connection, Row, SqliteConnection};

use super::database;
use crate::error::StoreError;

/// "Brky": says to `file(1)` and to us whose database this is.
const APPLICATION_ID: i32 = 0x4272_6b79;
const FORMAT: i32 = 1;

pub(super) async fn check_or_create(connection: &mut SqliteConnection, name: &str) -> Result<(), StoreError> {
    let failed = |error| database(name, "read its header", error);
    let application: i32 =
        sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await.map_err(failed)?;
    let format: i32 =
        sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await.map_err(failed)?;
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema")
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;

    if (application, format, tables) == (0, 0, 0) {
        return create(connection, name).await;
    }
    let not_a_journal = |reason: String| StoreError::NotAJournal { journal: name.to_owned(), reason };
    if application != APPLICATION_ID {
        return Err(not_a_journal(
            "the database belongs to another program, or its header is damaged".into(),
        ));
    }
    if format != FORMAT {
        return Err(not_a_journal(format!("its format is {format}, this brickyard reads format {FORMAT}")));
    }
    check_pages(connection, name).await
}

async fn create(connection: &mut SqliteConnection, name: &str) -> Result<(), StoreError> {
    let failed = |error| database(name, "make the table", error);
    let mut transaction = connection.begin().await.map_err(failed)?;
    for statement in [
        "CREATE TABLE commits (
            sequence INTEGER PRIMARY KEY,  -- from 1, without a gap
            records  TEXT NOT NULL,        -- JSON: [{\"owner\": .., \"body\": ..}, ..]
            checksum INTEGER NOT NULL      -- CRC-64 of the previous row's checksum, sequence and records
        ) STRICT",
        "PRAGMA application_id = 1114794873",
        "PRAGMA user_version = 1",
    ] {
        sqlx::query(statement).execute(&mut *transaction).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}

/// The chain proves the rows; this proves the pages around them, so that the next append does not write
/// over one that is in use.
async fn check_pages(connection: &mut SqliteConnection, name: &str) -> Result<(), StoreError> {
    let findings = sqlx::query("PRAGMA quick_check(1)")
        .fetch_all(connection)
        .await
        .map_err(|error| database(name, "check its pages", error))?;
    let finding: String = match findings.first() {
        Some(row) => row.try_get(0).map_err(|error| database(name, "check its pages", error))?,
        None => "the check did not answer".to_owned(),
    };
    if finding == "ok" {
        return Ok(());
    }
    let reason = format!("the database is damaged ({finding}); restore it from a copy");
    Err(StoreError::NotAJournal { journal: name.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statements_that_make_a_journal_say_what_the_check_asks_for() {
        // SQL takes no parameters in a PRAGMA, so the numbers are written twice.
        assert_eq!((APPLICATION_ID, FORMAT), (1_114_794_873, 1));
    }
}
