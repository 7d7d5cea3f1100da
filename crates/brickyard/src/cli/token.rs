//! `brickyard token`: prints a token of any principal, and nothing else, so that `$(brickyard token --as ana@x)` works.

use std::io::Write;

use super::Failure;
use super::arguments::Token;
use super::client::Client;
use crate::config::Environment;

pub(super) async fn run(
    token: &Token,
    environment: &dyn Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let client = Client::open(&token.server, environment)?;
    let scopes = token.scopes.as_ref().map(ToString::to_string);
    let minted = client.token_for(&token.principal, scopes, token.ttl.as_deref()).await?;
    writeln!(out, "{}", minted.expose())?;
    Ok(())
}
