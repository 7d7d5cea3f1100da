//! DataFusion by itself: as it comes, over Parquet files, with a bounded pool of memory. What queries of brickyard's
//! warehouse are measured against.

use std::error::Error;
use std::io::{BufRead, Write};
use std::sync::Arc;
use std::time::Instant;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};

/// Made-up orders: `id` counts up, everything else is spread over all rows.
#[tokio::main]
pub async fn write(folder: &str, rows: u64, files: u64) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(folder)?;
    let context = SessionContext::new();
    let each = rows.div_ceil(files.max(1));
    for file in 0..files {
        let (first, last) = (file * each, ((file + 1) * each).min(rows));
        if first >= last {
            break;
        }
        let query = format!(
            "SELECT id, concat('region-', CAST(spread % 8 AS VARCHAR)) AS region, \
             concat('user', CAST(spread % 100000 AS VARCHAR), '@shop', CAST(spread % 50 AS VARCHAR), '.example') AS customer, \
             CAST(spread % 1000000 AS DOUBLE) / 100 AS amount, spread / 1000 % 100 AS quantity \
             FROM (SELECT value AS id, value * 2654435761 % 4294967291 / 7 AS spread FROM generate_series({first}, {}))",
            last - 1
        );
        let copy = format!("COPY ({query}) TO '{folder}/part-{file}.parquet' STORED AS PARQUET");
        context.sql(&copy).await?.collect().await?;
    }
    Ok(())
}

/// Answers queries from standard input until it ends: `{"ms", "rows"}`, or `{"error"}`, a line each.
#[tokio::main]
pub async fn answer(mebibytes: usize, tables: &[&str]) -> Result<(), Box<dyn Error>> {
    let pool = Arc::new(GreedyMemoryPool::new(mebibytes << 20));
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).build_arc()?;
    let context = SessionContext::new_with_config_rt(SessionConfig::new(), runtime);
    for table in tables {
        let (name, folder) = table.split_once('=').ok_or("NAME=FOLDER is needed")?;
        context.register_parquet(name, folder, ParquetReadOptions::default()).await?;
    }
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let begin = Instant::now();
        let answered = match context.sql(&line).await {
            Ok(query) => query.collect().await,
            Err(error) => Err(error),
        };
        let took = begin.elapsed().as_secs_f64() * 1e3;
        let answer = match answered.map_err(Into::into).and_then(|batches| shown(&batches)) {
            Ok(rows) => serde_json::json!({ "ms": took, "rows": rows }),
            Err(error) => serde_json::json!({ "error": error.to_string() }),
        };
        println!("{answer}");
        std::io::stdout().flush()?;
    }
    Ok(())
}

fn shown(batches: &[RecordBatch]) -> Result<Vec<Vec<String>>, Box<dyn Error>> {
    let options = FormatOptions::default();
    let mut rows = Vec::new();
    for batch in batches {
        let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let row = |row| columns.iter().map(|column| column.value(row).to_string()).collect();
        rows.extend((0..batch.num_rows()).map(row));
    }
    Ok(rows)
}
