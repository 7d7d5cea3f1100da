//! Statements that are meant to break the engine: none panics, none hangs, none takes the process's memory, and no error
//! tells of the engine's inside.
//!
//! `BRICKYARD_FUZZ_SECONDS` says for how long statements are made up, `BRICKYARD_SEED` which.

mod bombs;
mod fuzz;

use std::time::Duration;

use super::copy::world::World;
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
        let answer = sql.run(&session, &text, &[], &mut Vec::new()).await.map_err(|error| error.message())?;
        let mut rows = answer.rows;
        while let Some(batch) = rows.next().await {
            batch.map_err(|error| crate::SqlError::from(error).message())?;
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

fn short(statement: &str) -> String {
    statement.chars().take(400).collect()
}
