//! Whatever happens to the bytes, what opens is an older truth, never something else.

use std::convert::Infallible;
use std::fs;
use std::path::Path;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Bank, Wrote, set};
use crate::{SqliteJournal, StoreError};

const COMMITS: u64 = 120;
const FILES: [&str; 2] = ["journal.sqlite3", "journal.sqlite3-wal"];

/// The journal's files, with most commits in the database and the last ones in the write-ahead log, as a
/// crash would leave them.
async fn journal_in_use() -> Vec<Vec<u8>> {
    let directory = tempfile::tempdir().unwrap();
    let bank = open(directory.path()).await.unwrap();
    for number in 0..COMMITS - 20 {
        write(&bank, number).await;
    }
    bank.store.close().await;
    let bank = open(directory.path()).await.unwrap();
    for number in COMMITS - 20..COMMITS {
        write(&bank, number).await;
    }
    FILES.iter().map(|file| fs::read(directory.path().join(file)).unwrap()).collect()
}

/// Mostly free text: there a flipped bit is still JSON and still a change, so only the checksum can object.
fn name(number: u64) -> String {
    format!("{number} {}", "a letter to the future ".repeat(10))
}

async fn write(bank: &Bank, number: u64) {
    let committed = bank.store.commit(|tx| {
        tx.change(bank.accounts, set(&name(number), number.cast_signed()));
        tx.change(bank.diary, Wrote(number));
        Ok::<_, Infallible>(())
    });
    committed.await.unwrap();
}

/// How many of the commits 0, 1, 2.. there are. Panics on anything that was not written so.
fn prefix(bank: &Bank, what: &str) -> u64 {
    let snapshot = bank.store.snapshot();
    let (accounts, diary) = (&snapshot.get(bank.accounts).0, &snapshot.get(bank.diary).0);
    let length = snapshot.version();
    assert!(diary.iter().copied().eq(0..length), "{what}");
    let expected = (0..length).map(|number| (name(number), number.cast_signed())).collect();
    assert_eq!(*accounts, expected, "{what}");
    length
}

async fn open(directory: &Path) -> Result<Bank, StoreError> {
    Bank::open(SqliteJournal::open(directory).await?).await
}

fn damage(bytes: &mut Vec<u8>, chance: &mut StdRng) -> String {
    let place = chance.random_range(0..bytes.len());
    let end = bytes.len().min(place + chance.random_range(1..5_000));
    match chance.random_range(0..6) {
        // Headers are small and matter most, so they get more than their share.
        0 => {
            let (place, bit) = (chance.random_range(0..200.min(bytes.len())), chance.random_range(0..8));
            bytes[place] ^= 1 << bit;
            format!("bit {bit} of byte {place} flipped")
        }
        1 | 2 => {
            let bit = chance.random_range(0..8);
            bytes[place] ^= 1 << bit;
            format!("bit {bit} of byte {place} flipped")
        }
        3 => {
            bytes.truncate(place);
            format!("cut off at {place}")
        }
        4 => {
            bytes[place..end].fill(0);
            format!("{place}..{end} zeroed")
        }
        _ => {
            chance.fill(&mut bytes[place..end]);
            format!("{place}..{end} made noise")
        }
    }
}

#[tokio::test]
async fn of_200_damaged_journals_none_opens_with_wrong_data() {
    let intact = journal_in_use().await;
    let mut chance = StdRng::seed_from_u64(200);
    let (mut refused, mut whole, mut shorter) = (0, 0, 0);
    for round in 0..200 {
        let mut files = intact.clone();
        let victim = usize::from(chance.random_bool(0.3));
        let what = format!("round {round}: {}: {}", FILES[victim], damage(&mut files[victim], &mut chance));

        let directory = tempfile::tempdir().unwrap();
        for (file, bytes) in FILES.iter().zip(&files) {
            fs::write(directory.path().join(file), bytes).unwrap();
        }
        let Ok(bank) = open(directory.path()).await else {
            refused += 1;
            continue;
        };
        let length = prefix(&bank, &what);
        assert!(length <= COMMITS, "{what}");
        if length == COMMITS {
            whole += 1;
        } else {
            shorter += 1;
        }

        // Having opened, it must also work: a new commit survives, and so does all before it.
        write(&bank, length).await;
        bank.store.close().await;
        let again = open(directory.path()).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(prefix(&again, &what), length + 1, "{what}");
        again.store.close().await;
    }
    // Were one of these zero, the test would be looking at one side only.
    assert!(refused > 0 && whole > 0 && shorter > 0, "{refused} refused, {whole} whole, {shorter} shorter");
}
