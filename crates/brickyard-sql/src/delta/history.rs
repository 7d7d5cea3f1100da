//! A managed table's past: its commits, and its rows as they were.
//!
//! The files of an older version are there until a `VACUUM`. Columns are today's: what a version did not have yet is
//! NULL, and what was dropped since is not shown.

use std::sync::Arc;

use brickyard_catalog::unity::Object;
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::datasource::TableProvider;
use deltalake_core::kernel::CommitInfo;
use deltalake_core::operations::optimize::OptimizeType;
use deltalake_core::{DeltaTable, DeltaTableBuilder};
use futures_util::TryStreamExt;

use super::plain_files::PlainFiles;
use super::reader::DeltaReader;
use super::{as_declared, delta_error, location, open, reading};
use crate::engine::Inner;
use crate::error::SqlError;

/// Which of a table's versions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AsOf {
    /// `VERSION AS OF 3`.
    Version(u64),
    /// `TIMESTAMP AS OF ..`, in milliseconds.
    Time(i64),
}

impl AsOf {
    /// What a constant says.
    pub(crate) fn new(is_version: bool, value: &ScalarValue) -> Result<Self, SqlError> {
        if is_version {
            let number = value.cast_to(&DataType::Int64);
            let Ok(ScalarValue::Int64(Some(number))) = number else { return Err(no_version(value)) };
            return u64::try_from(number).map(Self::Version).map_err(|_| no_version(value));
        }
        let time = value.cast_to(&DataType::Timestamp(TimeUnit::Millisecond, None));
        match time {
            Ok(ScalarValue::TimestampMillisecond(Some(time), _)) => Ok(Self::Time(time)),
            _ => Err(SqlError::condition(
                "INVALID_TIME_TRAVEL_TIMESTAMP_EXPR.INPUT",
                "42K0E",
                format!("The time travel timestamp expression is invalid: {value} is no time."),
            )),
        }
    }
}

fn no_version(value: &ScalarValue) -> SqlError {
    let message = format!("{value} is no version of a table: versions are numbers from 0.");
    SqlError::condition("DELTA_INVALID_VERSION", "22003", message)
}

/// One commit.
pub(crate) struct Commit {
    pub version: u64,
    pub info: CommitInfo,
}

impl Commit {
    /// When it was made, in milliseconds.
    pub(crate) fn time(&self) -> Option<i64> {
        self.info.in_commit_timestamp.or(self.info.timestamp)
    }
}

/// A managed table as it is, and its folder.
pub(crate) async fn table(inner: &Inner, object: &Object) -> Result<DeltaTable, SqlError> {
    open(&inner.options.tables.join(&*object.uid)).await
}

/// Its commits, the newest first.
pub(crate) async fn commits(table: &DeltaTable) -> Result<Vec<Commit>, SqlError> {
    let newest = table.version().unwrap_or(0);
    let infos: Vec<CommitInfo> = table.history(None).try_collect().await.map_err(delta_error)?;
    let numbered = infos.into_iter().zip((0..=newest).rev());
    Ok(numbered.map(|(info, version)| Commit { version, info }).collect())
}

/// The rows of a table as it was, with today's columns. Nothing is filtered or masked.
pub(crate) async fn as_of(
    inner: &Inner,
    object: &Object,
    as_of: &AsOf,
) -> Result<Arc<dyn TableProvider>, SqlError> {
    let Some(detail) = object.table() else { return Err(SqlError::unsupported("reading what is no table")) };
    let folder = inner.options.tables.join(&*object.uid);
    let now = open(&folder).await?;
    let version = version(&now, as_of).await?;
    let url = deltalake_core::table::builder::parse_table_uri(location(&folder)?).map_err(delta_error)?;
    let builder = DeltaTableBuilder::from_url(url).map_err(delta_error)?;
    let then = builder.with_version(version).load().await.map_err(delta_error)?;
    let raw: Arc<dyn TableProvider> = match PlainFiles::of(&then, &folder) {
        Some(files) => Arc::new(files),
        None => {
            let state = Arc::new(reading(inner));
            Arc::new(DeltaReader(then.table_provider().with_session(state).await?))
        }
    };
    as_declared(raw, &detail.columns, false)
}

/// The version's number.
async fn version(table: &DeltaTable, as_of: &AsOf) -> Result<u64, SqlError> {
    let newest = table.version().unwrap_or(0);
    let time = match as_of {
        AsOf::Version(version) if *version <= newest => return Ok(*version),
        AsOf::Version(version) => {
            let message = format!(
                "Cannot time travel Delta table to version {version}. Available versions: [0, {newest}]."
            );
            return Err(SqlError::condition("DELTA_VERSION_NOT_FOUND", "22003", message));
        }
        AsOf::Time(time) => *time,
    };
    let commits = commits(table).await?;
    if commits.first().and_then(Commit::time).is_some_and(|last| last < time) {
        let message = "The provided timestamp is after the latest version of this table: use an earlier one.";
        return Err(SqlError::condition("DELTA_TIMESTAMP_GREATER_THAN_COMMIT", "42816", message));
    }
    let found = commits.iter().find(|commit| commit.time().is_some_and(|made| made <= time));
    found.map(|commit| commit.version).ok_or_else(|| {
        let message = "The provided timestamp is before the earliest version of this table: use a later one.";
        SqlError::condition("DELTA_TIMESTAMP_EARLIER_THAN_COMMIT_RETENTION", "42816", message)
    })
}

/// Writes small files together, sorted by these columns if there are any. Answers how many files were added, removed,
/// looked at and left alone.
pub(crate) async fn optimize(
    inner: &Inner,
    table: DeltaTable,
    zorder: Vec<String>,
) -> Result<[u64; 4], SqlError> {
    let how = if zorder.is_empty() { OptimizeType::Compact } else { OptimizeType::ZOrder(zorder) };
    let builder = table.optimize().with_type(how).with_session_state(Arc::new(reading(inner)));
    let (_, done) = builder.await.map_err(delta_error)?;
    let count = |files: usize| u64::try_from(files).unwrap_or(u64::MAX);
    Ok([
        done.num_files_added,
        done.num_files_removed,
        count(done.total_considered_files),
        count(done.total_files_skipped),
    ])
}

/// Goes back to a version, in a commit of its own. Answers how many bytes and files there are now, and how many files went
/// and came back.
pub(crate) async fn restore(table: DeltaTable, as_of: &AsOf) -> Result<[u64; 4], SqlError> {
    let version = version(&table, as_of).await?;
    let (table, done) = table.restore().with_version_to_restore(version).await.map_err(delta_error)?;
    let snapshot = table.snapshot().map_err(delta_error)?;
    let files = snapshot.log_data();
    let sizes = files.iter().map(|file| u64::try_from(file.size()).unwrap_or(0));
    let (files, bytes) = sizes.fold((0, 0), |(files, bytes), size| (files + 1, bytes + size));
    let count = |files| u64::try_from(files).unwrap_or(u64::MAX);
    Ok([bytes, files, count(done.num_removed_file), count(done.num_restored_file)])
}

/// Deletes files that no version needs which is younger than the table's retention, a week unless it says otherwise.
/// Answers which.
pub(crate) async fn vacuum(table: DeltaTable, dry_run: bool) -> Result<Vec<String>, SqlError> {
    let (_, done) = table.vacuum().with_dry_run(dry_run).await.map_err(delta_error)?;
    Ok(done.files_deleted)
}
