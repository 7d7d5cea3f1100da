//! A chunk as an Arrow IPC stream: schema, batches, end. Compressed, the whole stream is one LZ4 frame, as the official
//! SQL connector expects it (`lz4.frame.decompress` of the link's body), and not buffer by buffer.

use std::io::Write;

use arrow_ipc::writer::StreamWriter;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use lz4_flex::frame::FrameEncoder;

/// The bytes of one chunk.
pub(super) fn encode(schema: &SchemaRef, batches: &[RecordBatch], lz4: bool) -> Result<Vec<u8>, ArrowError> {
    let mut stream = StreamWriter::try_new(Vec::new(), schema)?;
    for batch in batches {
        stream.write(batch)?;
    }
    stream.finish()?;
    let bytes = stream.into_inner()?;
    if !lz4 {
        return Ok(bytes);
    }
    let mut frame = FrameEncoder::new(Vec::with_capacity(bytes.len() / 2));
    frame.write_all(&bytes).map_err(ArrowError::from)?;
    frame.finish().map_err(|error| ArrowError::IpcError(error.to_string()))
}
