//! **Hostile input**, over the whole server: sections T, X, H, B, S and C of the corpus, one file a section.
//!
//! Each section is a table. Every entry of it asserts four things ([`stage::Stage::entry`]):
//!
//! 1. the expected answer: Databricks' own on the emulated API, the RFC's on `/oidc/*`;
//! 2. no agent was called and nothing was connected to, unless the entry says how many times;
//! 3. no credential is in the answer, in the log (at TRACE), in the ledger, in the metrics, or in a file of the data
//!    folder: raw, in base64, in hexadecimal, percent-encoded or as JSON text ([`canaries`]);
//! 4. the next honest request succeeds, on the same connection where that stays open.
//!
//! The entries keep the numbers of the corpus. The table may grow and never shrinks.
//!
//! Three things of the corpus are not asked for here. T15, T40, T41 and X21 name milliseconds: no test passes or fails by
//! the clock, so what is asserted is that nothing is computed, fetched or run. C15 is about conversations, and brickyard keeps
//! none; the sessions of SQL, which it keeps, are in `sql_statements.rs`. X05 (`unauthorized_client`) and B02 (a compressed body)
//! are answered `invalid_scope` and 415: no client here is kept from a grant, and no body is decompressed.

mod bodies;
mod canaries;
mod confused_deputy;
mod exchange;
mod forge;
mod headers;
mod http2;
mod json_texts;
mod naughty_strings;
mod secrets;
mod stage;
mod tokens;
pub mod upstream;
mod wire;
