//! Futures that wait for themselves, level in level: views of views, policies of policies. Each level takes some of the
//! thread's stack while it is polled; where little is left, the rest runs on a new one.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use datafusion::arrow::array::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures_util::{Stream, StreamExt};

/// How much stack is left when more is taken. `sqlparser` needs about 150 KiB between two of its checks when it is compiled
/// without optimisation. DataFusion does not look everywhere: on a tree as deep as the parser lets through it may take
/// 2.5 MiB in one go.
const LEFT: usize = 3 << 20;

/// Says how much stack is left at least where a recursion looks, and how much a new one has: for the whole process, and
/// the same each time.
pub(crate) fn set_stacks() {
    recursive::set_minimum_stack_size(LEFT);
    recursive::set_stack_allocation_size(4 * LEFT);
}

/// Rows whose making is bounded by memory and not by the thread's stack.
pub(crate) fn deep_rows(mut rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
    let schema = rows.schema();
    let polled = futures_util::stream::poll_fn(move |context| next(rows.as_mut(), context));
    // A panic in there ends the statement, not whoever reads it.
    let caught = AssertUnwindSafe(polled).catch_unwind().map(|row| row.unwrap_or_else(|_| Err(panicked())));
    Box::pin(RecordBatchStreamAdapter::new(schema, caught))
}

/// What is said of a statement that made the engine panic.
pub(crate) fn panicked() -> DataFusionError {
    DataFusionError::Execution(
        "the engine failed while it ran this statement; brickyard's log says why".to_owned(),
    )
}

#[recursive::recursive]
fn next(
    rows: Pin<&mut (dyn RecordBatchStream + Send + 'static)>,
    context: &mut Context<'_>,
) -> Poll<Option<Result<RecordBatch, DataFusionError>>> {
    Stream::poll_next(rows, context)
}

/// A future whose levels are bounded by memory and not by the thread's stack.
pub(crate) fn deep<'f, T: 'f>(
    future: impl Future<Output = T> + Send + 'f,
) -> Pin<Box<dyn Future<Output = T> + Send + 'f>> {
    let mut future: Pin<Box<dyn Future<Output = T> + Send + 'f>> = Box::pin(future);
    Box::pin(std::future::poll_fn(move |context| poll(future.as_mut(), context)))
}

#[recursive::recursive]
fn poll<T>(future: Pin<&mut (dyn Future<Output = T> + Send + '_)>, context: &mut Context<'_>) -> Poll<T> {
    future.poll(context)
}
