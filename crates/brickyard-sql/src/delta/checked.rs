//! Rows on their way into a table: counted, and checked against `NOT NULL`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures_util::StreamExt;
use parking_lot::Mutex;

use crate::error::SqlError;

/// Rows that can be read once.
pub(super) struct Checked {
    schema: SchemaRef,
    rows: Mutex<Option<SendableRecordBatchStream>>,
    state: Arc<State>,
}

struct State {
    schema: SchemaRef,
    /// Each column's name, and whether it must not be NULL.
    required: Vec<(String, bool)>,
    written: AtomicU64,
    failure: Mutex<Option<SqlError>>,
}

impl Checked {
    pub(super) fn new(
        schema: SchemaRef,
        required: Vec<(String, bool)>,
        rows: SendableRecordBatchStream,
    ) -> Self {
        let state = State {
            schema: Arc::clone(&schema),
            required,
            written: AtomicU64::new(0),
            failure: Mutex::new(None),
        };
        Self { schema, rows: Mutex::new(Some(rows)), state: Arc::new(state) }
    }

    /// How many rows went through.
    pub(super) fn written(&self) -> u64 {
        self.state.written.load(Ordering::Relaxed)
    }

    /// Why they stopped, if they did.
    pub(super) fn failure(&self) -> Option<SqlError> {
        self.state.failure.lock().take()
    }
}

impl State {
    fn check(&self, batch: Result<RecordBatch, DataFusionError>) -> Result<RecordBatch, DataFusionError> {
        let checked = batch.map_err(SqlError::from).and_then(|batch| self.fit(&batch));
        match checked {
            Ok(batch) => {
                let rows = u64::try_from(batch.num_rows()).unwrap_or(u64::MAX);
                self.written.fetch_add(rows, Ordering::Relaxed);
                Ok(batch)
            }
            Err(error) => {
                let stopped = DataFusionError::Execution(error.to_string());
                self.failure.lock().get_or_insert(error);
                Err(stopped)
            }
        }
    }

    fn fit(&self, batch: &RecordBatch) -> Result<RecordBatch, SqlError> {
        if batch.num_columns() != self.required.len() {
            return Err(SqlError::condition(
                "INTERNAL_ERROR",
                "XX000",
                "Rows and table have different columns.",
            ));
        }
        let mut columns = Vec::with_capacity(batch.num_columns());
        for ((column, field), (name, required)) in
            batch.columns().iter().zip(self.schema.fields()).zip(&self.required)
        {
            if *required && column.logical_null_count() > 0 {
                let message = format!("NOT NULL constraint violated for column: {name}.");
                return Err(SqlError::condition("DELTA_NOT_NULL_CONSTRAINT_VIOLATED", "23502", message));
            }
            columns.push(if column.data_type() == field.data_type() {
                Arc::clone(column)
            } else {
                let options = compute::CastOptions { safe: false, ..compute::CastOptions::default() };
                compute::cast_with_options(column, field.data_type(), &options)
                    .map_err(DataFusionError::from)?
            });
        }
        let options =
            datafusion::arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let fitted = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options);
        Ok(fitted.map_err(DataFusionError::from)?)
    }
}

impl PartitionStream for Checked {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let state = Arc::clone(&self.state);
        let schema = Arc::clone(&self.schema);
        let Some(rows) = self.rows.lock().take() else {
            let again = DataFusionError::Internal("rows can be read once only".to_owned());
            return Box::pin(RecordBatchStreamAdapter::new(schema, futures_util::stream::iter([Err(again)])));
        };
        Box::pin(RecordBatchStreamAdapter::new(schema, rows.map(move |batch| state.check(batch))))
    }
}

impl fmt::Debug for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checked").field("schema", &self.schema).finish_non_exhaustive()
    }
}
