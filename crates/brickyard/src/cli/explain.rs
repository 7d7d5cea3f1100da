//! `brickyard explain`: the decision trace of one request, as the server prints it.

use std::io::Write;

use reqwest::{Method, header};

use super::Failure;
use super::arguments::Explain;
use super::client::Client;
use crate::config::Environment;

pub(super) async fn run(
    explain: &Explain,
    environment: &dyn Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let client = Client::open(&explain.server, environment)?;
    print(&client, &explain.request_id, out).await
}

/// Prints the tree of one request.
pub(super) async fn print(client: &Client, request_id: &str, out: &mut dyn Write) -> Result<(), Failure> {
    let request = client
        .request(Method::GET, &["_brickyard", "explain", request_id])
        .header(header::ACCEPT, "text/plain");
    let tree = client.fetch(request).await?;
    writeln!(out, "{}", tree.trim_end_matches('\n'))?;
    Ok(())
}
