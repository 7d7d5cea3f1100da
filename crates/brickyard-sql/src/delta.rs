//! Managed tables: a Delta folder each, named after the table's uid.
//!
//! - The catalog says what a table looks like, the folder says what is in it. Columns are matched by name without case;
//!   a declared column that the files lack is NULL, a column of the files that is not declared is not shown.
//! - In the files every column is nullable: `NOT NULL` is checked by who writes ([`Checked`](checked::Checked)).
//! - A write is one commit of the Delta log. One writer a table: see [`Writers`].
//! - Changes replace files and never delete them, as Delta does until a `VACUUM`.

mod checked;
pub(crate) mod history;
mod opened;
mod plain_files;
mod reader;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use brickyard_catalog::unity::{Column, Object, ObjectId};
use brickyard_types::SqlType;
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::{Column as PlanColumn, ScalarValue};
use datafusion::datasource::{TableProvider, ViewTable, provider_as_source};
use datafusion::execution::{SessionStateBuilder, session_state::SessionState};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, cast, lit, try_cast};
use datafusion::prelude::SessionConfig;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::kernel::transaction::CommitProperties;
use deltalake_core::kernel::{StructType, Transaction};
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::operations::write::{SchemaMode, WriteBuilder};
use deltalake_core::protocol::SaveMode;
use deltalake_core::{DeltaTable, DeltaTableBuilder, DeltaTableError};
use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

pub(crate) use opened::Opened;
use plain_files::PlainFiles;
use reader::DeltaReader;

use crate::arrow_types;
use crate::engine::Inner;
use crate::error::SqlError;
use crate::run::Rows;

/// One writer a table at a time: who reads rows to write them back must not lose what another wrote in between.
#[derive(Default)]
pub(crate) struct Writers(Mutex<HashMap<ObjectId, Arc<tokio::sync::Mutex<()>>>>);

impl Writers {
    /// Waits until nobody else writes to the table.
    pub(crate) async fn only(&self, table: ObjectId) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.0.lock();
            // Locks that nobody holds or waits for are forgotten here.
            locks.retain(|id, lock| *id == table || Arc::strong_count(lock) > 1);
            Arc::clone(locks.entry(table).or_default())
        };
        lock.lock_owned().await
    }
}

/// What happens to the rows that are there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Write {
    /// They stay.
    Append,
    /// They go, and the table has these columns from now on.
    Overwrite,
}

/// The raw rows of a managed table, with exactly the declared columns and types. Nothing is filtered or masked.
pub(crate) async fn provider(inner: &Inner, object: &Object) -> Result<Arc<dyn TableProvider>, SqlError> {
    let Some(detail) = object.table() else { return Err(SqlError::unsupported("reading what is no table")) };
    let folder = inner.options.tables.join(&*object.uid);
    at(inner, &folder, &detail.columns).await
}

/// The rows of a Delta folder, as these columns.
pub(crate) async fn at(
    inner: &Inner,
    folder: &Path,
    columns: &[Column],
) -> Result<Arc<dyn TableProvider>, SqlError> {
    let raw = raw(inner, folder).await?;
    as_declared(raw, columns, false)
}

/// The columns of a Delta folder.
pub(crate) async fn schema_at(inner: &Inner, folder: &Path) -> Result<SchemaRef, SqlError> {
    Ok(raw(inner, folder).await?.schema())
}

async fn raw(inner: &Inner, folder: &Path) -> Result<Arc<dyn TableProvider>, SqlError> {
    if let Some(known) = inner.opened.get(folder) {
        return Ok(known);
    }
    let table = open(folder).await?;
    let provider: Arc<dyn TableProvider> = match PlainFiles::of(&table, folder) {
        Some(files) => Arc::new(files),
        None => {
            let state = Arc::new(reading(inner));
            Arc::new(DeltaReader(table.table_provider().with_session(state).await?))
        }
    };
    if let Some(version) = table.version() {
        inner.opened.keep(folder, version, &provider);
    }
    Ok(provider)
}

/// Makes an empty table. An older folder of the same name, left by a statement that did not get to its end, is
/// no table of the catalog: uids are never used twice.
pub(crate) async fn create(inner: &Inner, uid: &str, columns: &[Column]) -> Result<(), SqlError> {
    let schema = stored_schema(columns)?;
    let kernel: StructType =
        schema.as_ref().try_into_kernel().map_err(|error| SqlError::from(to_engine(error)))?;
    let location = location(&inner.options.tables.join(uid))?;
    let made = CreateBuilder::new().with_location(location).with_columns(kernel.fields().cloned());
    made.with_save_mode(SaveMode::ErrorIfExists).await.map_err(delta_error)?;
    Ok(())
}

/// Writes rows, which have the declared columns in order, as one commit; creates the table if it is not there.
/// Answers how many rows were written.
pub(crate) async fn write(
    inner: &Inner,
    uid: &str,
    columns: &[Column],
    rows: Rows,
    how: Write,
) -> Result<u64, SqlError> {
    write_with(inner, uid, columns, rows, how, Vec::new()).await
}

/// Where a count stands: its name, and its last number.
pub(crate) type Mark = (String, i64);

/// As [`write`], with counts that stand at these numbers once the rows are there: in Delta's log they are transactions
/// of an application, of which the last one of each name counts.
pub(crate) async fn write_with(
    inner: &Inner,
    uid: &str,
    columns: &[Column],
    (_, rows): Rows,
    how: Write,
    marks: Vec<Mark>,
) -> Result<u64, SqlError> {
    let schema = stored_schema(columns)?;
    let folder = inner.options.tables.join(uid);
    let url = deltalake_core::ensure_table_uri(location(&folder)?).map_err(delta_error)?;
    let mut table =
        DeltaTableBuilder::from_url(url).and_then(DeltaTableBuilder::build).map_err(delta_error)?;
    let snapshot = if table.verify_deltatable_existence().await.map_err(delta_error)? {
        table.load().await.map_err(delta_error)?;
        Some(table.snapshot().map_err(delta_error)?.snapshot().clone())
    } else {
        None
    };
    let required = columns.iter().map(|column| (column.name.clone(), !column.nullable)).collect();
    let input = Arc::new(checked::Checked::new(Arc::clone(&schema), required, rows));
    let source = StreamingTable::try_new(schema, vec![Arc::clone(&input) as _])?;
    let plan = LogicalPlanBuilder::scan("rows", provider_as_source(Arc::new(source)), None)?.build()?;
    let (mode, evolve) = match how {
        Write::Append => (SaveMode::Append, SchemaMode::Merge),
        Write::Overwrite => (SaveMode::Overwrite, SchemaMode::Overwrite),
    };
    let mut builder =
        WriteBuilder::new(table.log_store(), snapshot.clone()).with_input_plan(plan).with_save_mode(mode);
    if snapshot.is_some() {
        builder = builder.with_schema_mode(evolve);
    }
    if !marks.is_empty() {
        let marks = marks.into_iter().map(|(name, number)| Transaction::new(name, number)).collect();
        builder =
            builder.with_commit_properties(CommitProperties::default().with_application_transactions(marks));
    }
    match builder.await {
        Ok(_) => Ok(input.written()),
        // Delta's errors are text; what went wrong with the rows was kept.
        Err(error) => Err(input.failure().unwrap_or_else(|| delta_error(error))),
    }
}

/// Where a count stands, if it was ever begun.
pub(crate) async fn mark(inner: &Inner, uid: &str, name: &str) -> Result<Option<i64>, SqlError> {
    let table = open(&inner.options.tables.join(uid)).await?;
    let state = table.snapshot().map_err(delta_error)?;
    state.transaction_version(table.log_store().as_ref(), name).await.map_err(delta_error)
}

/// Removes the folder of a table that is dropped. What is left behind by a failure is in nobody's way.
pub(crate) async fn remove(inner: &Inner, uid: &str) {
    let folder = inner.options.tables.join(uid);
    inner.opened.forget(&folder);
    if let Err(error) = tokio::fs::remove_dir_all(&folder).await
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, folder = %folder.display(), "the files of a dropped table could not be removed");
    }
}

async fn open(folder: &Path) -> Result<DeltaTable, SqlError> {
    let url = deltalake_core::table::builder::parse_table_uri(location(folder)?).map_err(delta_error)?;
    DeltaTableBuilder::from_url(url).map_err(delta_error)?.load().await.map_err(delta_error)
}

/// A folder as Delta takes it: absolute, in UTF-8.
fn location(folder: &Path) -> Result<String, SqlError> {
    let absolute = std::path::absolute(folder).map_err(|error| SqlError::from(to_engine(error)))?;
    absolute.into_os_string().into_string().map_err(|path| {
        let message = format!("The folder {path:?} cannot be used: its name is not UTF-8.");
        SqlError::condition("INVALID_PATH", "42000", message)
    })
}

/// What a table's files look like.
fn stored_schema(columns: &[Column]) -> Result<SchemaRef, SqlError> {
    if columns.is_empty() {
        return Err(SqlError::unsupported("a table without columns: name at least one"));
    }
    for column in columns {
        storable(&column.name, &column.data_type)?;
    }
    let fields =
        columns.iter().map(|column| Field::new(&column.name, arrow_types::stored(&column.data_type), true));
    Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
}

/// Refuses types that no Delta table holds.
pub(crate) fn storable(column: &str, data_type: &SqlType) -> Result<(), SqlError> {
    match data_type {
        SqlType::YearMonthInterval | SqlType::DayTimeInterval | SqlType::Void | SqlType::Variant => {
            let message = format!("Column '{column}' has the type {data_type}, which a table cannot hold.");
            Err(SqlError::condition("UNSUPPORTED_DATATYPE", "0A000", message))
        }
        SqlType::Array(element) => storable(column, element),
        SqlType::Map(key, value) => storable(column, key).and_then(|()| storable(column, value)),
        SqlType::Struct(fields) => fields.iter().try_for_each(|field| storable(column, &field.data_type)),
        _ => Ok(()),
    }
}

/// Puts the declared columns in front of what the files have.
pub(crate) fn as_declared(
    raw: Arc<dyn TableProvider>,
    columns: &[Column],
    bad_values_are_null: bool,
) -> Result<Arc<dyn TableProvider>, SqlError> {
    let schema = raw.schema();
    let is_as_declared = |(field, column): (&Arc<Field>, &Column)| {
        *field.name() == column.name && *field.data_type() == arrow_types::to_arrow(&column.data_type)
    };
    if schema.fields().len() == columns.len() && schema.fields().iter().zip(columns).all(is_as_declared) {
        return Ok(raw);
    }
    let shown = columns.iter().map(|column| {
        let wanted = arrow_types::to_arrow(&column.data_type);
        let same = |field: &&Arc<Field>| field.name() == &column.name;
        let alike = |field: &&Arc<Field>| field.name().eq_ignore_ascii_case(&column.name);
        let found = schema.fields().iter().find(same).or_else(|| schema.fields().iter().find(alike));
        let value = match found {
            None => cast(lit(ScalarValue::Null), wanted),
            Some(field) => {
                let there = Expr::Column(PlanColumn::new_unqualified(field.name()));
                match field.data_type() {
                    same if *same == wanted => there,
                    _ if bad_values_are_null => try_cast(there, wanted),
                    _ => cast(there, wanted),
                }
            }
        };
        value.alias(&column.name)
    });
    let shown: Vec<Expr> = shown.collect();
    let plan = LogicalPlanBuilder::scan("files", provider_as_source(raw), None)?.project(shown)?.build()?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}

/// A session that only reads files, on the engine's memory.
pub(crate) fn reading(inner: &Inner) -> SessionState {
    let config = SessionConfig::new().set_bool("datafusion.execution.parquet.schema_force_view_types", false);
    SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(Arc::clone(inner.base.runtime_env()))
        .build()
}

fn to_engine(error: impl std::error::Error + Send + Sync + 'static) -> datafusion::error::DataFusionError {
    datafusion::error::DataFusionError::External(Box::new(error))
}

fn delta_error(error: DeltaTableError) -> SqlError {
    SqlError::Engine(error.into())
}
