//! What `make bench` needs beside brickyard itself: `brickyard-bench echo|workspace|latency|parquet|datafusion ...`.
//!
//! | command | what it is for |
//! |---|---|
//! | `echo LISTEN` | the bare axum server that ratios are taken to; and the agent behind a `url:` entity |
//! | `workspace LISTEN [name=value]...` | brickyard's own HTTP stack around a workspace of a given size |
//! | `parquet FOLDER ROWS FILES` | made-up orders as Parquet files |
//! | `datafusion MIB NAME=FOLDER...` | bare DataFusion over Parquet files: a query a line in, its time and rows out |
//! | `latency URL RATE SECONDS BODY TOKEN` | one connection, a fixed rate, latencies from the moment a call was due |
#![allow(clippy::print_stdout, reason = "what a measuring program prints is its answer")]

mod bare_datafusion;
mod echo;
mod latency;
mod workspace;

use std::error::Error;

/// brickyard's own allocator, for everything that it is measured against as well.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["echo", listen] => echo::serve(listen),
        ["workspace", listen, ref settings @ ..] => workspace::serve(listen, settings),
        ["parquet", folder, rows, files] => bare_datafusion::write(folder, rows.parse()?, files.parse()?),
        ["datafusion", mebibytes, ref tables @ ..] => bare_datafusion::answer(mebibytes.parse()?, tables),
        ["latency", url, rate, seconds, body, token] => {
            latency::probe(url, rate.parse()?, seconds.parse()?, body, token)
        }
        _ => {
            let usage = "echo LISTEN | workspace LISTEN [name=value]... | parquet FOLDER ROWS FILES \
                         | datafusion MIB NAME=FOLDER... | latency URL RATE SECONDS BODY TOKEN";
            Err(usage.into())
        }
    }
}
