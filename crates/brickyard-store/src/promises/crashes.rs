//! `kill -9` at any moment loses nothing that was acknowledged, and leaves no half commit.
//!
//! The child is this test binary again, told by a variable to be the writer. It prints each number once its
//! commit is acknowledged; the parent kills it and asks the journal.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rand::RngExt;

use super::Bank;
use crate::SqliteJournal;

const DIRECTORY: &str = "BRICKYARD_STORE_CRASH_DIRECTORY";
const FIRST: &str = "BRICKYARD_STORE_CRASH_FIRST";
const WRITERS: u64 = 8;

/// Not a test of its own: the process that gets killed. Without its variable it has nothing to do.
#[test]
#[allow(clippy::print_stdout, reason = "the parent reads what was acknowledged from the child's output")]
fn the_child_that_writes_until_it_is_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    let first: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let bank = Arc::new(Bank::open(SqliteJournal::open(&directory).await.unwrap()).await.unwrap());
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            let bank = bank.clone();
            writers.spawn(async move {
                for number in (first + writer..first + 1_000_000).step_by(WRITERS as usize) {
                    bank.write(number).await.unwrap();
                    println!("acknowledged {number}");
                }
            });
        }
        writers.join_all().await;
    });
}

#[tokio::test]
async fn kill_9_at_any_moment_loses_nothing_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeSet::new();
    for round in 0..10 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "promises::crashes::the_child_that_writes_until_it_is_killed", "--nocapture"])
            .env(DIRECTORY, directory.path())
            .env(FIRST, (round * 1_000_000).to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let patience: usize = rand::rng().random_range(0..200);
        let (mut line, mut heard) = (String::new(), 0);
        while lines.read_line(&mut line).unwrap() > 0 {
            // The last line may be cut short; then it was not heard. The test harness talks on the same lines.
            if let Some(number) = line.strip_suffix('\n').and_then(|line| line.split_once("acknowledged ")) {
                acknowledged.insert(number.1.parse::<u64>().unwrap());
                heard += 1;
            }
            line.clear();
            if heard == patience {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();

        let bank = Bank::open(SqliteJournal::open(directory.path()).await.unwrap()).await.unwrap();
        let present: BTreeSet<u64> = bank.numbers().into_iter().collect();
        let lost: Vec<_> = acknowledged.difference(&present).collect();
        assert!(lost.is_empty(), "round {round}: {lost:?} were acknowledged");
        bank.store.close().await;
    }
    assert!(!acknowledged.is_empty(), "the child never wrote");
}
