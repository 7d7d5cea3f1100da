//! A Delta table that is nothing but Parquet files, read as DataFusion reads such files.
//!
//! Most tables are: no partitions, no deletion vectors, no renamed columns. DataFusion's own reader splits big files
//! between cores, takes the filters that a join finds out while it runs, and keeps the files' footers. Every other table
//! is left to Delta's reader, which knows the rest of the protocol.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, Fields, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{Result, Statistics};
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::object_store::ObjectMeta;
use datafusion::object_store::path::Path as StorePath;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use deltalake_core::DeltaTable;

/// The files of a table at one version.
#[derive(Debug)]
pub(super) struct PlainFiles {
    schema: SchemaRef,
    files: Vec<PartitionedFile>,
    statistics: Statistics,
}

impl PlainFiles {
    /// The files, if a reader needs to know nothing but them.
    pub(super) fn of(table: &DeltaTable, folder: &Path) -> Option<Self> {
        let snapshot = table.snapshot().ok()?;
        // From version 2 on a table may rename columns, from version 3 on it may leave out rows of files.
        // Source: Delta's protocol, "Reader Version Requirements".
        if snapshot.protocol().min_reader_version() > 1 || !snapshot.metadata().partition_columns().is_empty()
        {
            return None;
        }
        let root = StorePath::from_absolute_path(std::path::absolute(folder).ok()?).ok()?;
        let mut files = Vec::new();
        let (mut rows, mut bytes) = (Some(0_usize), 0_usize);
        for file in snapshot.log_data().iter() {
            let size = u64::try_from(file.size()).ok()?;
            let inside = file.object_store_path();
            let location = StorePath::from_iter(root.parts().chain(inside.parts()));
            let last_modified = file.modification_datetime().ok()?;
            let meta = ObjectMeta { location, last_modified, size, e_tag: None, version: None };
            files.push(PartitionedFile::new_from_meta(meta));
            rows = rows.zip(file.num_records()).and_then(|(all, these)| all.checked_add(these));
            bytes = bytes.saturating_add(usize::try_from(size).unwrap_or(usize::MAX));
        }
        let schema = as_read(&snapshot.snapshot().arrow_schema());
        let rows = rows.map_or(Precision::Absent, Precision::Exact);
        let statistics = Statistics::new_unknown(&schema)
            .with_num_rows(rows)
            .with_total_byte_size(Precision::Inexact(bytes));
        Some(Self { schema, files, statistics })
    }
}

/// Strings as plans have them: the files' reader makes views if it is asked for views.
fn as_read(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)),
        _ => Arc::clone(field),
    });
    Arc::new(Schema::new(fields.collect::<Fields>()))
}

#[async_trait]
impl TableProvider for PlainFiles {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Filters stay above the scan: a rule of the physical optimizer shows them to the files' reader.
    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if self.files.is_empty() {
            let schema = datafusion::physical_plan::project_schema(&self.schema, projection)?;
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let options = state.config_options().execution.parquet.clone();
        let options = datafusion::config::TableParquetOptions { global: options, ..Default::default() };
        let format = ParquetFormat::default().with_options(options);
        let source = format.file_source(Arc::clone(&self.schema).into());
        let groups = FileGroup::new(self.files.clone()).split_files(state.config().target_partitions());
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), source)
            .with_file_groups(groups)
            .with_statistics(self.statistics.clone())
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        format.create_physical_plan(state, config).await
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(self.statistics.clone())
    }
}
