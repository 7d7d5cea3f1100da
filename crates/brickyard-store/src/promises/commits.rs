//! What a commit promises to whoever makes it, and to whoever reads meanwhile.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use super::{AccountChange, Bank, Diary, Faults, Wrote, set};
use crate::{CommitError, MemoryJournal, State, Store, StoreError};

/// Polls once, as a caller does who then goes away.
fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn one_commit_shows_in_both_owners_or_in_neither() {
    let bank = Bank::open(MemoryJournal::new()).await.unwrap();
    let before = bank.store.snapshot();
    bank.write(7).await.unwrap();
    assert_eq!(bank.numbers(), [7]);
    assert_eq!(bank.store.version(), 1);
    assert!(before.get(bank.accounts).0.is_empty(), "a snapshot never changes");
    assert_eq!(bank.store.read(bank.diary).0.len(), 1);
}

#[tokio::test]
async fn a_refusal_leaves_no_mark_even_after_changes() {
    let journal = MemoryJournal::new();
    let bank = Bank::open(journal.clone()).await.unwrap();
    let refused = bank
        .store
        .commit(|tx| {
            tx.change(bank.diary, Wrote(1));
            assert_eq!(tx.get(bank.diary).0.len(), 1, "a transaction sees its own changes");
            Err::<(), _>("no")
        })
        .await;
    assert!(matches!(refused, Err(CommitError::Refused("no"))));
    assert!(journal.commits().is_empty());
    bank.write(2).await.unwrap();
    assert_eq!(bank.numbers(), [2]);
}

#[tokio::test]
async fn a_commit_that_changes_nothing_does_no_io() {
    let faults = Faults::gated(0);
    let bank = Bank::open(faults.on(MemoryJournal::new())).await.unwrap();
    let seen = bank.store.commit(|tx| Ok::<_, Infallible>(tx.get(bank.diary).0.len())).await.unwrap();
    assert_eq!((seen, bank.store.version()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_check_then_act_exactly_one_succeeds() {
    let bank = Arc::new(Bank::open(MemoryJournal::new()).await.unwrap());
    for round in 0..50 {
        let name = format!("seat {round}");
        let racers: Vec<_> = (0..8)
            .map(|racer| {
                let (bank, name) = (bank.clone(), name.clone());
                tokio::spawn(async move {
                    let slot = bank.accounts;
                    let taken = bank.store.commit(|tx| {
                        if tx.get(slot).0.contains_key(&name) {
                            return Err("taken");
                        }
                        tx.change(slot, set(&name, racer));
                        Ok(racer)
                    });
                    taken.await.ok()
                })
            })
            .collect();
        let mut winners = Vec::new();
        for racer in racers {
            winners.extend(racer.await.unwrap());
        }
        assert_eq!(winners.len(), 1);
        assert_eq!(bank.store.read(bank.accounts).0.get(&name), Some(&winners[0]));
    }
}

#[tokio::test]
async fn a_decision_sees_commits_that_are_not_durable_yet_but_a_reader_does_not() {
    let faults = Faults::gated(0);
    let bank = Bank::open(faults.on(MemoryJournal::new())).await.unwrap();
    let mut first = pin!(bank.write(1));
    assert!(poll_once(first.as_mut()).is_pending());
    let mut second = pin!(bank.store.commit(|tx| {
        assert_eq!(tx.get(bank.diary).0.len(), 1);
        tx.change(bank.accounts, set("second", 2));
        Ok::<_, Infallible>(())
    }));
    assert!(poll_once(second.as_mut()).is_pending());
    assert!(bank.store.read(bank.diary).0.is_empty());
    assert_eq!(bank.store.version(), 0);
    faults.gate.add_permits(10);
    first.await.unwrap();
    second.await.unwrap();
    assert_eq!(bank.store.version(), 2);
}

#[tokio::test]
async fn a_failed_append_changes_nothing_and_later_commits_work() {
    let faults = Faults::gated(0);
    let journal = MemoryJournal::new();
    let bank = Bank::open(faults.on(journal.clone())).await.unwrap();
    faults.fail_next();
    let (mut one, mut two) = (pin!(bank.write(1)), pin!(bank.write(2)));
    assert!(poll_once(one.as_mut()).is_pending());
    assert!(poll_once(two.as_mut()).is_pending());
    tokio::task::yield_now().await;
    // The writer holds one and two at the gate; three is decided on their state, and must fall with them.
    let mut three = pin!(bank.write(3));
    assert!(poll_once(three.as_mut()).is_pending());
    faults.gate.add_permits(10);
    for failed in [one.await, two.await, three.await] {
        assert!(matches!(failed, Err(CommitError::Store(StoreError::File { .. }))), "{failed:?}");
    }
    assert!(journal.commits().is_empty());
    assert!(bank.numbers().is_empty());
    bank.store
        .commit(|tx| {
            assert!(tx.get(bank.diary).0.is_empty(), "the head fell back");
            Ok::<_, Infallible>(())
        })
        .await
        .unwrap();
    bank.write(4).await.unwrap();
    bank.write(5).await.unwrap();
    assert_eq!(bank.numbers(), [4, 5]);
    bank.store.close().await;
    assert_eq!(Bank::open(journal).await.unwrap().numbers(), [4, 5]);
}

#[tokio::test]
async fn a_caller_that_goes_away_neither_undoes_nor_blocks() {
    let faults = Faults::gated(0);
    let journal = MemoryJournal::new();
    let bank = Bank::open(faults.on(journal.clone())).await.unwrap();
    {
        let mut gone = pin!(bank.write(1));
        assert!(poll_once(gone.as_mut()).is_pending());
    }
    {
        let _never_polled = bank.write(99);
    }
    faults.gate.add_permits(10);
    bank.write(2).await.unwrap();
    assert_eq!(bank.numbers(), [1, 2]);
}

#[tokio::test]
async fn more_commits_than_there_is_room_for_wait_their_turn() {
    let faults = Faults::gated(0);
    let bank = Arc::new(Bank::open(faults.on(MemoryJournal::new())).await.unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..3_000 {
        let bank = bank.clone();
        tasks.spawn(async move { bank.write(number).await.unwrap() });
    }
    tokio::task::yield_now().await;
    faults.gate.add_permits(3_000);
    tasks.join_all().await;
    assert_eq!(bank.numbers().len(), 3_000);
}

#[tokio::test]
async fn a_panic_in_a_decision_poisons_nothing() {
    let bank = Arc::new(Bank::open(MemoryJournal::new()).await.unwrap());
    let panicked = {
        let bank = bank.clone();
        let slot = bank.diary;
        tokio::spawn(async move {
            bank.store
                .commit(|tx| -> Result<(), Infallible> {
                    tx.change(slot, Wrote(1));
                    panic!("a bug in a decision")
                })
                .await
        })
        .await
    };
    assert!(panicked.is_err());
    bank.write(2).await.unwrap();
    assert_eq!(bank.numbers(), [2]);
}

#[tokio::test]
async fn a_panic_in_the_backend_answers_everybody_and_stops_the_store() {
    let faults = Faults::none();
    let bank = Bank::open(faults.on(MemoryJournal::new())).await.unwrap();
    bank.write(1).await.unwrap();
    faults.panic_next.store(true, Ordering::SeqCst);
    for number in 2..4 {
        let lost = bank.write(number).await;
        assert!(matches!(lost, Err(CommitError::Store(StoreError::Closed))), "{lost:?}");
    }
    assert_eq!(bank.numbers(), [1]);
    bank.store.close().await;
}

#[tokio::test]
async fn closing_writes_what_is_queued_then_refuses_and_reading_still_works() {
    let journal = MemoryJournal::new();
    let faults = Faults::gated(0);
    let bank = Bank::open(faults.on(journal.clone())).await.unwrap();
    let mut queued = pin!(bank.write(1));
    assert!(poll_once(queued.as_mut()).is_pending());
    let mut closing = pin!(bank.store.close());
    assert!(poll_once(closing.as_mut()).is_pending());
    assert!(matches!(bank.write(2).await, Err(CommitError::Store(StoreError::Closed))));
    faults.gate.add_permits(10);
    closing.await;
    queued.await.unwrap();
    bank.store.close().await;
    assert_eq!(bank.numbers(), [1]);
    assert_eq!(journal.commits().len(), 1);
}

#[tokio::test]
async fn dropping_the_last_handle_still_writes_what_was_queued() {
    let journal = MemoryJournal::new();
    let faults = Faults::gated(0);
    let bank = Bank::open(faults.on(journal.clone())).await.unwrap();
    let ended = bank.store.clone();
    assert!(poll_once(pin!(bank.write(1))).is_pending());
    drop(bank);
    faults.gate.add_permits(10);
    ended.close().await;
    assert_eq!(journal.commits().len(), 1);
}

#[tokio::test]
async fn a_change_that_could_not_be_read_back_is_refused_before_it_is_written() {
    /// JSON has no infinity: serde_json writes `null`, which is no number.
    #[derive(Clone, Default)]
    struct Scale;
    impl State for Scale {
        const OWNER: &'static str = "scale";
        type Change = f64;
        fn apply(&mut self, _: &f64) {}
    }
    let journal = MemoryJournal::new();
    let mut builder = Store::builder();
    let (scale, diary) = (builder.own::<Scale>(), builder.own::<Diary>());
    let store = builder.open(journal.clone()).await.unwrap();
    let refused = store
        .commit(|tx| {
            tx.change(diary, Wrote(1));
            tx.change(scale, f64::INFINITY);
            tx.change(diary, Wrote(2));
            Ok::<_, Infallible>(())
        })
        .await;
    let Err(CommitError::Store(error @ StoreError::NotReplayable { .. })) = refused else {
        panic!("{refused:?}")
    };
    assert!(error.to_string().starts_with("a change of `scale` cannot be read back"), "{error}");
    assert!(journal.commits().is_empty());
    assert!(store.read(diary).0.is_empty());
}

#[tokio::test]
async fn two_owners_of_one_name_are_refused() {
    let mut builder = Store::builder();
    let _ = (builder.own::<Diary>(), builder.own::<Diary>());
    let error = builder.open(MemoryJournal::new()).await.unwrap_err();
    assert_eq!(error.to_string(), "two owners are registered as `diary`; give one of them another name");
}

#[tokio::test]
async fn a_slot_of_another_store_panics_and_says_so() {
    let bank = Bank::open(MemoryJournal::new()).await.unwrap();
    let other = Store::builder().own::<Diary>();
    let panic = std::panic::catch_unwind(AssertUnwindSafe(|| bank.store.read(other).0.len())).unwrap_err();
    let said = panic.downcast_ref::<String>().unwrap();
    assert_eq!(said, "the slot of `diary` was made by the builder of another store");
}

#[tokio::test]
async fn two_stores_on_one_journal_cannot_both_write_the_same_place() {
    let journal = MemoryJournal::new();
    let (ours, theirs) =
        (Bank::open(journal.clone()).await.unwrap(), Bank::open(journal.clone()).await.unwrap());
    ours.write(1).await.unwrap();
    let behind = theirs.write(2).await;
    assert!(matches!(behind, Err(CommitError::Store(StoreError::Conflict { sequence: 1, .. }))));
    assert_eq!(journal.commits().len(), 1);
}

#[tokio::test]
async fn handles_and_futures_can_move_between_threads() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    fn is_sync<T: Send + Sync + Clone>(_: &T) {}
    let bank = Bank::open(MemoryJournal::new()).await.unwrap();
    is_sync(&bank.store);
    let slot = bank.accounts;
    is_send(bank.store.commit(|tx| {
        tx.change(slot, set("ana", 1));
        tx.change(slot, AccountChange::Remove { name: "ana".into() });
        Ok::<_, Infallible>(())
    }))
    .await
    .unwrap();
    is_send(bank.store.read(slot));
    is_send(bank.store.snapshot());
}
