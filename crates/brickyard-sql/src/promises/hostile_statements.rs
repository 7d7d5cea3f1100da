//! Statements that are meant to break the engine: none panics, none hangs, none takes the process's memory, and no error
//! tells of the engine's inside.
//!
//! `BRICKYARD_FUZZ_SECONDS` says for how long statements are made up, `BRICKYARD_SEED` which.

mod bombs;
mod fuzz;

use std::collections::BTreeMap;
use std::time::Duration;

use super::copy::world::World;
use super::workspace::{INTERNAL, told};
use crate::Session;

/// What an error says that is a bug.
const BUGS: &[&str] = &[
    "INTERNAL_ERROR",
    "panicked",
    "bug in DataFusion",
    "Internal error",
    "Box<dyn Any>",
    "JoinError",
    "src/",
];

/// How a statement ended.
enum Ended {
    Answered,
    Refused(String),
    /// It was still running, and stopped when it was told to.
    Stopped,
}

/// Runs a statement, reads at most some rows, and stops it after `patience`.
async fn end(world: &World, session: &Session, statement: &str, patience: Duration) -> Result<Ended, String> {
    use futures_util::StreamExt;
    let sql = world.workspace.sql.clone();
    let (session, text) = (session.speaking(session.speaker().clone()), statement.to_owned());
    let work = tokio::spawn(async move {
        let answer = sql.run(&session, &text, &[], &mut Vec::new()).await.map_err(told)?;
        let mut rows = answer.rows;
        while let Some(batch) = rows.next().await {
            batch.map_err(|error| told(error.into()))?;
        }
        Ok::<(), String>(())
    });
    let stop = work.abort_handle();
    let mut work = work;
    let ended = match tokio::time::timeout(patience, &mut work).await {
        Ok(ended) => ended,
        Err(_) => {
            stop.abort();
            // What does not let go of its thread cannot be stopped.
            return match tokio::time::timeout(Duration::from_secs(20), work).await {
                Ok(_) => Ok(Ended::Stopped),
                Err(_) => Err("it hangs: it could not be stopped".to_owned()),
            };
        }
    };
    match ended {
        Err(panic) => Err(format!("it panicked: {panic}")),
        Ok(Ok(())) => Ok(Ended::Answered),
        Ok(Err(why)) => match BUGS.iter().find(|bug| why.contains(**bug)) {
            Some(bug) => {
                Err(format!("its error says {bug:?}: {}", why.chars().take(300).collect::<String>()))
            }
            None => Ok(Ended::Refused(why)),
        },
    }
}

/// Errors in which the engine contradicted itself, by their words, each with how often it came and a statement that has it.
#[derive(Default)]
struct Internal(BTreeMap<String, (usize, String)>);

impl Internal {
    fn count(&mut self, why: &str, statement: &str) {
        let Some(why) = why.strip_suffix(INTERNAL) else { return };
        let kind = why.chars().filter(|c| !c.is_ascii_digit()).take(110).collect();
        self.0.entry(kind).or_insert_with(|| (0, short(statement))).0 += 1;
    }
}

impl std::fmt::Display for Internal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} kinds of internal errors", self.0.len())?;
        for (kind, (times, statement)) in &self.0 {
            write!(f, "\n{times} x {kind}\n    {statement}")?;
        }
        Ok(())
    }
}

fn short(statement: &str) -> String {
    statement.chars().take(400).collect()
}
