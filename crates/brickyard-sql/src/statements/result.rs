//! The rows of a finished statement, encoded once: chunks of JSON text, or of Arrow IPC streams.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use futures_util::TryStreamExt;

use super::json_text;
use crate::arrow_types::{stored, to_sql};
use crate::engine::Answer;
use crate::error::SqlError;
use brickyard_types::SqlType;

/// How a client wants its rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// An array of arrays of strings and nulls.
    JsonArray,
    /// An Arrow IPC stream.
    ArrowStream {
        /// As one LZ4 frame.
        lz4: bool,
    },
}

/// What a client wants of a result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// How.
    pub format: Format,
    /// Inside the answer, in one piece that is not larger than [`Sizes::inline`].
    pub inline: bool,
    /// At most this many rows.
    pub row_limit: Option<u64>,
    /// At most this many bytes, as they are in memory.
    pub byte_limit: Option<u64>,
}

/// How large things may get.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sizes {
    /// A chunk ends when it has this many bytes.
    pub chunk_bytes: usize,
    /// Or this many rows.
    pub chunk_rows: usize,
    /// A result inside an answer (Statement Execution API: 25 MiB).
    pub inline: usize,
    /// All kept results together.
    pub all: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { chunk_bytes: 8 << 20, chunk_rows: 100_000, inline: 25 << 20, all: 512 << 20 }
    }
}

/// One column of a result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub data_type: SqlType,
}

/// A piece of a result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chunk {
    /// How many rows come before it.
    pub row_offset: u64,
    /// How many it has.
    pub row_count: u64,
    /// It: a JSON array of rows, or an Arrow IPC stream.
    pub body: Arc<[u8]>,
}

/// A result. When the last handle is dropped, its memory is free for others.
#[derive(Debug)]
pub struct ResultSet {
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows, in pieces.
    pub chunks: Vec<Chunk>,
    /// True if a limit cut rows off.
    pub truncated: bool,
    held: Held,
}

impl ResultSet {
    /// All rows.
    pub fn row_count(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.row_count).sum()
    }

    /// All bytes.
    pub fn byte_count(&self) -> usize {
        self.held.bytes
    }
}

/// Memory that results hold together.
#[derive(Clone, Default, Debug)]
pub(super) struct Memory(Arc<AtomicUsize>);

impl Memory {
    pub(super) fn used(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
struct Held {
    memory: Memory,
    bytes: usize,
}

impl Held {
    fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.memory.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Reads an answer to its end or to a limit. `make_room` frees the memory of older results.
pub(super) async fn collect(
    mut answer: Answer,
    wanted: &Wanted,
    sizes: &Sizes,
    memory: &Memory,
    make_room: &(dyn Fn() + Sync),
) -> Result<ResultSet, SqlError> {
    let columns = columns(&answer.schema)?;
    let schema = normal_schema(&answer.schema, &columns);
    let held = Held { memory: memory.clone(), bytes: 0 };
    let result = ResultSet { columns, chunks: Vec::new(), truncated: false, held };
    let mut writer = Writer { schema, wanted, sizes, make_room, result, open: Open::default(), read: (0, 0) };
    while let Some(batch) = answer.rows.try_next().await? {
        if !writer.add(&batch)? {
            writer.result.truncated = true;
            break;
        }
    }
    writer.finish()
}

fn columns(schema: &Schema) -> Result<Vec<Column>, SqlError> {
    let column = |field: &Arc<Field>| {
        let data_type = to_sql(field.data_type()).ok_or_else(|| {
            SqlError::unsupported(format_args!(
                "a result column of type {} ({})",
                field.data_type(),
                field.name()
            ))
        })?;
        Ok(Column { name: field.name().clone(), data_type })
    };
    schema.fields().iter().map(column).collect()
}

/// The columns in the one Arrow type that each SQL type has: clients are not to know how a plan held them.
fn normal_schema(schema: &Schema, columns: &[Column]) -> SchemaRef {
    let fields = schema.fields().iter().zip(columns);
    let fields: Vec<Field> = fields
        .map(|(field, column)| Field::new(field.name(), stored(&column.data_type), field.is_nullable()))
        .collect();
    Arc::new(Schema::new(fields))
}

struct Writer<'a> {
    schema: SchemaRef,
    wanted: &'a Wanted,
    sizes: &'a Sizes,
    make_room: &'a (dyn Fn() + Sync),
    result: ResultSet,
    open: Open,
    /// Rows and bytes in memory so far.
    read: (u64, u64),
}

/// The chunk that is being written.
#[derive(Default)]
struct Open {
    rows: usize,
    bytes: usize,
    text: String,
    batches: Vec<RecordBatch>,
}

/// How many rows are written between two looks at the sizes.
const STEP: usize = 4096;

impl Writer<'_> {
    /// Adds a batch; false if a limit kept rows out.
    fn add(&mut self, batch: &RecordBatch) -> Result<bool, SqlError> {
        let mut from = 0;
        while from < batch.num_rows() {
            let piece = batch.slice(from, STEP.min(batch.num_rows() - from));
            let piece = self.normal(&piece).map_err(DataFusionError::from)?;
            from += piece.num_rows();
            let fits = self.fits(&piece);
            if fits > 0 {
                self.write(&piece.slice(0, fits))?;
            }
            if fits < piece.num_rows() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How many rows of a piece are within the client's limits.
    fn fits(&mut self, piece: &RecordBatch) -> usize {
        let rows = piece.num_rows();
        let bytes: usize = (piece.columns().iter())
            .map(|column| {
                column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size())
            })
            .sum();
        let mut fits = rows;
        if let Some(limit) = self.wanted.row_limit {
            fits = fits.min(usize::try_from(limit.saturating_sub(self.read.0)).unwrap_or(usize::MAX));
        }
        if let Some(limit) = self.wanted.byte_limit {
            let each = u64::try_from(bytes.div_ceil(rows.max(1)).max(1)).unwrap_or(u64::MAX);
            let room = limit.saturating_sub(self.read.1) / each;
            fits = fits.min(usize::try_from(room).unwrap_or(usize::MAX));
        }
        self.read.0 += fits as u64;
        self.read.1 += (bytes / rows.max(1) * fits) as u64;
        self.open.bytes += if self.is_json() { 0 } else { bytes / rows.max(1) * fits };
        fits
    }

    fn is_json(&self) -> bool {
        self.wanted.format == Format::JsonArray
    }

    fn write(&mut self, piece: &RecordBatch) -> Result<(), SqlError> {
        self.open.rows += piece.num_rows();
        if self.is_json() {
            write_rows(&mut self.open.text, piece);
            self.open.bytes = self.open.text.len();
        } else {
            self.open.batches.push(piece.clone());
        }
        if self.wanted.inline {
            return if self.open.bytes > self.sizes.inline {
                Err(too_large_inside(self.sizes.inline))
            } else {
                Ok(())
            };
        }
        if self.open.bytes >= self.sizes.chunk_bytes || self.open.rows >= self.sizes.chunk_rows {
            self.close_chunk()?;
        }
        Ok(())
    }

    fn normal(&self, piece: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let columns = piece.columns().iter().zip(self.schema.fields());
        let columns = columns.map(|(column, field)| match column.data_type() == field.data_type() {
            true => Ok(Arc::clone(column)),
            false => cast(column, field.data_type()),
        });
        let columns: Vec<ArrayRef> = columns.collect::<Result<_, _>>()?;
        // Without a column there is no row either: `try_new` would not know how many.
        let rows = datafusion::arrow::array::RecordBatchOptions::new().with_row_count(Some(piece.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &rows)
    }

    fn close_chunk(&mut self) -> Result<(), SqlError> {
        let open = std::mem::take(&mut self.open);
        if open.rows == 0 {
            return Ok(());
        }
        let body: Arc<[u8]> = match self.wanted.format {
            Format::JsonArray => (open.text + "]").into_bytes().into(),
            Format::ArrowStream { lz4 } => super::arrow_chunk::encode(&self.schema, &open.batches, lz4)
                .map_err(DataFusionError::from)?
                .into(),
        };
        if self.result.held.memory.used() + body.len() > self.sizes.all {
            (self.make_room)();
            if self.result.held.memory.used() + body.len() > self.sizes.all {
                return Err(no_room(self.sizes.all));
            }
        }
        self.result.held.add(body.len());
        let row_offset = self.result.row_count();
        self.result.chunks.push(Chunk { row_offset, row_count: open.rows as u64, body });
        Ok(())
    }

    fn finish(mut self) -> Result<ResultSet, SqlError> {
        self.close_chunk()?;
        Ok(self.result)
    }
}

/// Rows as JSON, without the bracket that ends the array.
fn write_rows(out: &mut String, rows: &RecordBatch) {
    let mut cell = String::new();
    for row in 0..rows.num_rows() {
        out.push_str(if out.is_empty() { "[[" } else { ",[" });
        for (index, column) in rows.columns().iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            if column.is_null(row) || column.data_type() == &datafusion::arrow::datatypes::DataType::Null {
                out.push_str("null");
                continue;
            }
            cell.clear();
            json_text::write(&mut cell, column, row);
            json_text::quote(out, &cell);
        }
        out.push(']');
    }
}

/// Databricks' own words.
fn too_large_inside(limit: usize) -> SqlError {
    let message = format!(
        "Inline byte limit exceeded. Statements executed with disposition=INLINE can have a result size of at most {limit} bytes. Please execute the statement with disposition=EXTERNAL_LINKS if you want to download the full result."
    );
    SqlError::condition("INLINE_BYTE_LIMIT_EXCEEDED", "54000", message)
}

fn no_room(limit: usize) -> SqlError {
    let message = format!(
        "brickyard keeps at most {limit} bytes of results, and this one does not fit: select less, or close statements that are not read any more."
    );
    SqlError::condition("RESULT_TOO_LARGE", "53200", message)
}
