//! What is done to a table's files, and what they say of themselves: `OPTIMIZE`, `VACUUM`, `DESCRIBE HISTORY`, ..
//!
//! Numbers of rows and bytes are about all rows. So of a table with a row filter only who manages it gets them.

use std::sync::Arc;

use brickyard_catalog::unity::{
    ManageObject, ModifyTable, Object, ObjectKind, SeeObject, SelectTable, TableKind,
};
use datafusion::arrow::array::{
    Array, ArrayRef, Int32Array, Int64Array, MapBuilder, RecordBatch, StringArray, StringBuilder,
    StructArray, TimestampMillisecondArray,
};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{DataType, Field, Fields, Schema, TimeUnit};
use datafusion::datasource::provider_as_source;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlanBuilder;
use deltalake_core::DeltaTable;
use serde_json::Value;

use crate::arrow_types::UTC;
use crate::definition::columns::position;
use crate::definition::is_of_kind;
use crate::delta::history::{self, AsOf, Commit};
use crate::error::SqlError;
use crate::run::{Rows, Run, no_rows, rows_from};
use crate::statement::{Kind, NameOrMarker, Upkeep};

impl Run<'_> {
    pub(crate) async fn upkeep(&self, table: &NameOrMarker, what: Upkeep) -> Result<Rows, SqlError> {
        let object = self.object(ObjectKind::Table, table)?;
        match what {
            Upkeep::History | Upkeep::Detail => {
                self.authorize(SelectTable(Self::target(&object))).map(drop)?
            }
            Upkeep::Refresh => self.authorize(SeeObject(Self::target(&object))).map(drop)?,
            Upkeep::Restore { .. } => self.authorize(ModifyTable(Self::target(&object))).map(drop)?,
            Upkeep::Optimize { .. } | Upkeep::Vacuum { .. } | Upkeep::Analyze => {
                self.authorize(ModifyTable(Self::target(&object)))?;
                self.authorize(SelectTable(Self::target(&object)))?;
            }
        }
        // Nothing is kept of a table that could be stale.
        if what == Upkeep::Refresh {
            return Ok(no_rows());
        }
        is_of_kind(Kind::Table, &object)?;
        if object.table().is_none_or(|table| table.table_kind != TableKind::Managed) {
            return Err(SqlError::unsupported("this statement about a table that is not managed"));
        }
        match what {
            // Each commit brings the statistics of its files along: there is nothing left to compute.
            Upkeep::Analyze | Upkeep::Refresh => Ok(no_rows()),
            Upkeep::History => self.history(&object).await,
            Upkeep::Detail => self.detail(&object).await,
            Upkeep::Optimize { zorder } => self.optimize(&object, &zorder).await,
            Upkeep::Vacuum { dry_run } => self.vacuum(&object, dry_run).await,
            Upkeep::Restore { is_version, at } => {
                let at = AsOf::new(is_version, &self.constant(&at)?)?;
                self.restore(&object, at).await
            }
        }
    }

    fn manages(&self, object: &Object) -> bool {
        let speaker = self.session.speaker().asker();
        self.sql.catalog.authorize_as(&speaker, ManageObject(Self::target(object))).is_ok()
    }

    /// Whether the speaker may know how many rows and bytes there are in all.
    fn may_count(&self, object: &Object) -> bool {
        let filtered = object.table().is_some_and(|table| table.row_filter.is_some());
        !filtered || self.manages(object)
    }

    /// Whether the speaker may know where the files are, which hold every row as it is.
    fn may_open_files(&self, object: &Object) -> bool {
        let masked =
            object.table().is_some_and(|table| table.columns.iter().any(|column| column.mask.is_some()));
        self.may_count(object) && (!masked || self.manages(object))
    }

    async fn history(&self, object: &Object) -> Result<Rows, SqlError> {
        let table = history::table(self.sql, object).await?;
        let commits = history::commits(&table).await?;
        let counted = self.may_count(object);
        let metrics = |commit: &Commit| match commit.info.info.get("operationMetrics") {
            Some(Value::Object(metrics)) if counted => pairs(metrics.iter()),
            _ => Vec::new(),
        };
        let parameters = |commit: &Commit| {
            let known = commit.info.operation_parameters.as_ref().filter(|_| counted);
            // Where the files lie is the machine's business.
            let told =
                |(key, _): &(&String, &Value)| !matches!(key.as_str(), "location" | "metadata" | "protocol");
            pairs(known.into_iter().flatten().filter(told))
        };
        let text = |of: fn(&Commit) -> Option<String>| -> ArrayRef {
            Arc::new(commits.iter().map(of).collect::<StringArray>())
        };
        let versions = commits.iter().map(|commit| i64::try_from(commit.version).ok());
        let times = TimestampMillisecondArray::from_iter(commits.iter().map(Commit::time));
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("version", Arc::new(versions.collect::<Int64Array>())),
            ("timestamp", in_utc(times)?),
            ("userId", text(|commit| commit.info.user_id.clone())),
            ("userName", text(|commit| commit.info.user_name.clone())),
            ("operation", text(|commit| commit.info.operation.clone())),
            ("operationParameters", maps(commits.iter().map(parameters))?),
            (
                "isolationLevel",
                text(|commit| commit.info.isolation_level.as_ref().map(|one| format!("{one:?}"))),
            ),
            ("operationMetrics", maps(commits.iter().map(metrics))?),
            ("userMetadata", text(|commit| commit.info.user_metadata.clone())),
            ("engineInfo", text(|commit| commit.info.engine_info.clone())),
        ];
        table_of(columns)
    }

    async fn detail(&self, object: &Object) -> Result<Rows, SqlError> {
        let table = history::table(self.sql, object).await?;
        let (files, bytes) = sizes(&table)?;
        let counted = self.may_count(object);
        let count = |number: i64| -> ArrayRef { Arc::new(Int64Array::from(vec![counted.then_some(number)])) };
        let text = |value: Option<String>| -> ArrayRef { Arc::new(StringArray::from(vec![value])) };
        let commits = history::commits(&table).await?;
        let modified = TimestampMillisecondArray::from_iter([commits.first().and_then(Commit::time)]);
        let created = TimestampMillisecondArray::from_iter([commits.last().and_then(Commit::time)]);
        let location = self.may_open_files(object).then(|| table.table_url().to_string());
        let snapshot = table.snapshot().map_err(|error| SqlError::Engine(error.into()))?;
        let reader = snapshot.protocol().min_reader_version();
        let writer = snapshot.protocol().min_writer_version();
        let columns_in = |key: &str| object.properties.get(key).cloned();
        let shown = object.properties.iter().filter(|(key, _)| !key.ends_with("Columns"));
        let properties = vec![shown.map(|(key, value)| (key.clone(), value.clone())).collect()];
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("format", text(Some("delta".to_owned()))),
            ("id", text(Some(object.uid.to_string()))),
            ("name", text(Some(object.full_name.to_string()))),
            ("description", text(object.comment.clone())),
            ("location", text(location)),
            ("createdAt", in_utc(created)?),
            ("lastModified", in_utc(modified)?),
            ("partitionColumns", text(columns_in("partitionColumns"))),
            ("clusteringColumns", text(columns_in("clusteringColumns"))),
            ("numFiles", count(files)),
            ("sizeInBytes", count(bytes)),
            ("properties", maps(properties.into_iter())?),
            ("minReaderVersion", Arc::new(Int32Array::from(vec![reader]))),
            ("minWriterVersion", Arc::new(Int32Array::from(vec![writer]))),
        ];
        table_of(columns)
    }

    async fn optimize(&self, object: &Object, zorder: &[String]) -> Result<Rows, SqlError> {
        let _writer = self.sql.writers.only(object.id).await;
        let object = self.again(object)?;
        let detail = object.table().map(|table| table.columns.clone()).unwrap_or_default();
        let by = zorder
            .iter()
            .map(|name| position(&detail, name).map(|at| detail[at].name.clone()))
            .collect::<Result<Vec<_>, _>>()?;
        let table = history::table(self.sql, &object).await?;
        let done = history::optimize(self.sql, table, by).await?;
        let counted = self.may_count(&object);
        let number = |number: u64| -> ArrayRef {
            Arc::new(Int64Array::from(vec![counted.then(|| i64::try_from(number).unwrap_or(i64::MAX))]))
        };
        let fields: Fields =
            ["numFilesAdded", "numFilesRemoved", "totalConsideredFiles", "totalFilesSkipped"]
                .map(|name| Field::new(name, DataType::Int64, true))
                .into_iter()
                .collect();
        let metrics = StructArray::new(fields, done.map(number).to_vec(), None);
        table_of(vec![
            ("path", Arc::new(StringArray::from(vec![object.full_name.as_ref()]))),
            ("metrics", Arc::new(metrics)),
        ])
    }

    /// The table's rows as they were, as one more commit. They fulfil what the table says of its rows today, and policies
    /// stay as they are. Rows that a policy hides would change unseen: then only who manages the table may do it.
    async fn restore(&self, object: &Object, at: AsOf) -> Result<Rows, SqlError> {
        let _writer = self.sql.writers.only(object.id).await;
        let object = self.again(object)?;
        let Some(detail) = object.table() else {
            return Err(SqlError::unsupported("RESTORE of what is no table"));
        };
        if detail.row_filter.is_some() || detail.columns.iter().any(|column| column.mask.is_some()) {
            self.may_manage(&object)?;
        }
        let required = detail.columns.iter().filter(|column| !column.nullable);
        let required: Vec<&str> = required.map(|column| column.name.as_str()).collect();
        if !required.is_empty() || crate::change::check::of(&object).next().is_some() {
            let then = history::as_of(self.sql, &object, &at).await?;
            let plan = LogicalPlanBuilder::scan("then", provider_as_source(then), None)?.build()?;
            let (schema, batches) = self.collect(plan).await?;
            let rows = concat_batches(&schema, &batches).map_err(DataFusionError::from)?;
            for name in required {
                if rows.column_by_name(name).is_some_and(|column| column.null_count() > 0) {
                    let message = format!("NOT NULL constraint violated for column: {name}.");
                    return Err(SqlError::condition("DELTA_NOT_NULL_CONSTRAINT_VIOLATED", "23502", message));
                }
            }
            self.hold(&object, &detail.columns, &rows).await?;
        }
        let table = history::table(self.sql, &object).await?;
        let done = history::restore(table, &at).await?;
        let counted = self.may_count(&object);
        let names = [
            "table_size_after_restore",
            "num_of_files_after_restore",
            "num_removed_files",
            "num_restored_files",
        ];
        let columns = names.into_iter().zip(done).map(|(name, count)| {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            (name, Arc::new(Int64Array::from(vec![counted.then_some(count)])) as ArrayRef)
        });
        table_of(columns.collect())
    }

    async fn vacuum(&self, object: &Object, dry_run: bool) -> Result<Rows, SqlError> {
        let _writer = self.sql.writers.only(object.id).await;
        let table = history::table(self.sql, object).await?;
        let gone = history::vacuum(table, dry_run).await?;
        let paths = if dry_run { gone } else { vec![object.full_name.to_string()] };
        table_of(vec![("path", Arc::new(StringArray::from(paths)))])
    }
}

/// How many files a table has, and how many bytes are in them.
fn sizes(table: &DeltaTable) -> Result<(i64, i64), SqlError> {
    let snapshot = table.snapshot().map_err(|error| SqlError::Engine(error.into()))?;
    let mut all = (0, 0);
    for file in snapshot.log_data().iter() {
        all = (all.0 + 1, all.1 + file.size());
    }
    Ok(all)
}

fn pairs<'a>(of: impl Iterator<Item = (&'a String, &'a Value)>) -> Vec<(String, String)> {
    let shown = of.map(|(key, value)| match value {
        Value::String(text) => (key.clone(), text.clone()),
        other => (key.clone(), other.to_string()),
    });
    let mut shown: Vec<_> = shown.collect();
    shown.sort();
    shown
}

fn in_utc(times: TimestampMillisecondArray) -> Result<ArrayRef, SqlError> {
    let kind = DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()));
    Ok(datafusion::arrow::compute::cast(&times, &kind).map_err(DataFusionError::from)?)
}

/// A `MAP<STRING, STRING>` a row.
fn maps(rows: impl Iterator<Item = Vec<(String, String)>>) -> Result<ArrayRef, SqlError> {
    let mut builder = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for row in rows {
        for (key, value) in row {
            builder.keys().append_value(key);
            builder.values().append_value(value);
        }
        builder.append(true).map_err(DataFusionError::from)?;
    }
    Ok(Arc::new(builder.finish()))
}

fn table_of(columns: Vec<(&str, ArrayRef)>) -> Result<Rows, SqlError> {
    let fields: Vec<_> =
        columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let arrays = columns.into_iter().map(|(_, column)| column).collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).map_err(DataFusionError::from)?;
    Ok(rows_from(schema, vec![batch]))
}
