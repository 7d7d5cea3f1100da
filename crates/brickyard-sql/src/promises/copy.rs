//! The invariant of row filters and column masks, held by generated queries: what somebody is answered is what the same
//! query answers on tables that hold only what that person may see.
//!
//! `BRICKYARD_SQL_QUERIES` says how many queries, `BRICKYARD_SEED` which. Tables are read from memory;
//! with `BRICKYARD_SQL_FILES=1` from their files, which takes ten times as long.

#![expect(clippy::print_stdout, reason = "a run says what it did, and with which seed")]

mod query;
pub mod world;

use std::hash::{DefaultHasher, Hash, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use super::workspace::INTERNAL;
use query::Maker;
use world::World;

/// Queries of a run.
const QUERIES: usize = 300;

/// What is done with a query.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Way {
    /// It is run.
    Run,
    /// Its rows are put into a table, which is read.
    Kept,
    /// It is explained.
    Explained,
}

#[derive(Clone, Debug)]
struct Case {
    person: usize,
    way: Way,
    sql: String,
}

#[derive(Default)]
struct Counts {
    run: AtomicUsize,
    rows: AtomicUsize,
    refused: AtomicUsize,
    /// Only the copy refused: a predicate ran on a row that another order of predicates would have dropped.
    only_copy: AtomicUsize,
    /// Why queries were refused, and how many.
    reasons: parking_lot::Mutex<std::collections::BTreeMap<String, usize>>,
    /// Errors in which the engine contradicted itself, each with how often it came and a query that has it.
    internal: parking_lot::Mutex<std::collections::BTreeMap<String, (usize, String)>>,
}

pub fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn cases() -> impl Strategy<Value = Case> {
    (0..3_usize, 0..100_u8, vec(any::<u16>(), 0..90)).prop_map(|(person, way, choices)| {
        let way = match way {
            99 => Way::Kept,
            95..=98 => Way::Explained,
            _ => Way::Run,
        };
        Case { person, way, sql: Maker::new(&choices).statement() }
    })
}

#[test]
fn a_generated_query_answers_as_on_tables_that_hold_only_what_its_speaker_may_see() {
    let seed = number("BRICKYARD_SEED").unwrap_or_else(|| {
        use std::hash::BuildHasher;
        RandomState::new().hash_one("a seed")
    });
    let queries = number("BRICKYARD_SQL_QUERIES").map_or(QUERIES, |n| usize::try_from(n).unwrap());
    println!("{queries} queries, BRICKYARD_SEED={seed}");
    let on_files = number("BRICKYARD_SQL_FILES").is_some();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let world = Arc::new(runtime.block_on(World::new(!on_files)));
    let counts = Arc::new(Counts::default());
    let started = std::time::Instant::now();
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let failures: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let (world, counts, handle) = (&world, &counts, runtime.handle().clone());
                scope.spawn(move || {
                    let config = Config {
                        cases: u32::try_from(queries.div_ceil(threads)).unwrap(),
                        failure_persistence: None,
                        max_shrink_iters: 2_000,
                        ..Config::default()
                    };
                    let mut bytes = [0; 32];
                    let mut hasher = DefaultHasher::new();
                    (seed, thread).hash(&mut hasher);
                    bytes[..8].copy_from_slice(&hasher.finish().to_le_bytes());
                    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
                    let mut runner = TestRunner::new_with_rng(config, rng);
                    let outcome =
                        runner.run(&cases(), |case| handle.block_on(holds(world, counts, &case, thread)));
                    match outcome {
                        Ok(()) => None,
                        Err(TestError::Fail(why, case)) => {
                            let who = &world.people[case.person].0.name;
                            Some(format!("{who}, {:?}: {}\n{why}", case.way, case.sql))
                        }
                        Err(TestError::Abort(why)) => Some(why.to_string()),
                    }
                })
            })
            .collect();
        workers.into_iter().filter_map(|worker| worker.join().unwrap()).collect()
    });
    let read = |count: &AtomicUsize| count.load(Ordering::Relaxed);
    let (run, refused) = (read(&counts.run), read(&counts.refused));
    println!(
        "{run} queries in {:?}: {} answered rows, {refused} were refused in both worlds, {} in the copy only",
        started.elapsed(),
        read(&counts.rows),
        read(&counts.only_copy),
    );
    println!("{:#?}", counts.reasons.lock());
    println!("internal: {:#?}", counts.internal.lock());
    assert!(failures.is_empty(), "BRICKYARD_SEED={seed}\n{}", failures.join("\n\n"));
    assert!(refused * 5 < run.max(5), "{refused} of {run} queries were refused: they promise nothing");
}

async fn holds(world: &World, counts: &Counts, case: &Case, thread: usize) -> Result<(), TestCaseError> {
    let (who, policed, copied) = &world.people[case.person];
    let fail = |why: String| Err(TestCaseError::fail(why));
    counts.run.fetch_add(1, Ordering::Relaxed);
    let ask = async |session| {
        let workspace = &world.workspace;
        if case.way == Way::Kept {
            let made = format!("CREATE OR REPLACE TABLE kept_{thread}_{} AS {}", &who.name[..3], case.sql);
            workspace.ask_in(session, &made, &[], &mut Vec::new()).await?;
            let read = format!("SELECT * FROM kept_{thread}_{}", &who.name[..3]);
            return workspace.ask_in(session, &read, &[], &mut Vec::new()).await;
        }
        let text =
            if case.way == Way::Explained { format!("EXPLAIN {}", case.sql) } else { case.sql.clone() };
        workspace.ask_in(session, &text, &[], &mut Vec::new()).await
    };
    let (shown, meant) = (ask(policed).await, ask(copied).await);
    if case.way == Way::Explained {
        let told = shown.as_ref().map_or_else(String::clone, |rows| rows.join("\n"));
        for secret in ["private", "sees_", "no_salary", "some_", "regions"] {
            if told.contains(secret) {
                return fail(format!("the plan tells of {secret}: {told}"));
            }
        }
        return Ok(());
    }
    for answer in [&shown, &meant] {
        if let Err(why) = answer
            && ["INTERNAL_ERROR", "panicked", "does not satisfy"].iter().any(|word| why.contains(word))
        {
            return fail(format!("a failure inside: {why}"));
        }
    }
    if let Some(why) =
        [&shown, &meant].into_iter().find_map(|answer| answer.as_ref().err()?.strip_suffix(INTERNAL))
    {
        let kind = why.chars().filter(|c| !c.is_ascii_digit()).take(110).collect();
        counts.internal.lock().entry(kind).or_insert_with(|| (0, case.sql.clone())).0 += 1;
    }
    let analyst = case.person == 1;
    match (shown, meant) {
        (Ok(mut shown), Ok(mut meant)) => {
            counts.rows.fetch_add(usize::from(!shown.is_empty()), Ordering::Relaxed);
            shown.sort();
            meant.sort();
            if shown != meant {
                return fail(format!("shown:\n{}\nmeant:\n{}", shown.join("\n"), meant.join("\n")));
            }
            let told = |canary: &&&str| {
                shown.iter().any(|row| row.contains(**canary)) && !case.sql.contains(**canary)
            };
            if !analyst && let Some(canary) = world::CANARIES.iter().find(told) {
                return fail(format!("{canary} is shown:\n{}", shown.join("\n")));
            }
        }
        (Err(why), Err(_)) => {
            let reason = why.chars().take(70).filter(|c| !c.is_ascii_digit()).collect();
            *counts.reasons.lock().entry(reason).or_default() += 1;
            counts.refused.fetch_add(1, Ordering::Relaxed);
        }
        // Who sees everything meets values that fail; which predicate is asked first is the optimizer's choice.
        (Ok(_), Err(why)) | (Err(why), Ok(_)) if analyst && raised(&why) => {
            counts.only_copy.fetch_add(1, Ordering::Relaxed);
        }
        (Ok(_), Err(why)) => return fail(format!("only the copy refuses: {why}")),
        (Err(why), Ok(_)) => return fail(format!("the copy answers, the policed table refuses: {why}")),
    }
    Ok(())
}

/// True if a value failed, not the statement.
fn raised(why: &str) -> bool {
    why.contains("ivide by zero")
        || why.contains("DIVIDE_BY_ZERO")
        || why.contains("ast string")
        || why.contains("CAST_")
}
