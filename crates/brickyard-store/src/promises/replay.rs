//! A restart shows what was live, and a journal that does not fit is refused.

use std::collections::BTreeMap;
use std::convert::Infallible;

use proptest::prelude::*;

use super::{AccountChange, Accounts, Bank, Diary, Faults, Wrote, set};
use crate::{MemoryJournal, State, Store, StoreError};

#[tokio::test]
async fn a_restart_replays_the_same() {
    let journal = MemoryJournal::new();
    let bank = Bank::open(journal.clone()).await.unwrap();
    // More than one page of the journal.
    for number in 0..2_500 {
        bank.write(number).await.unwrap();
    }
    bank.store.close().await;
    let again = Bank::open(journal).await.unwrap();
    assert_eq!(again.numbers(), bank.numbers());
    again.write(2_500).await.unwrap();
    assert_eq!(again.store.version(), 2_501);
}

#[tokio::test]
async fn a_record_of_nobody_we_know_is_refused_by_name() {
    let journal = MemoryJournal::new();
    Bank::open(journal.clone()).await.unwrap().write(1).await.unwrap();
    let mut builder = Store::builder();
    let _ = builder.own::<Accounts>();
    let error = builder.open(journal).await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the journal in memory: sequence 1 belongs to `diary`, which this brickyard"),
        "{error}"
    );
}

#[tokio::test]
async fn a_record_its_owner_cannot_read_is_refused_by_place() {
    #[derive(Clone, Default)]
    struct LaterDiary;
    impl State for LaterDiary {
        const OWNER: &'static str = Diary::OWNER;
        type Change = String;
        fn apply(&mut self, _: &String) {}
    }
    let journal = MemoryJournal::new();
    Bank::open(journal.clone()).await.unwrap().write(1).await.unwrap();
    let mut builder = Store::builder();
    let _ = (builder.own::<Accounts>(), builder.own::<LaterDiary>());
    let error = builder.open(journal).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Undecodable { sequence: 1, owner, .. } if owner == "diary"),
        "{error}"
    );
}

/// What a history is made of.
#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<Op>),
    Refuse(Vec<Op>),
    FailedAppend(Vec<Op>),
    Restart,
}

#[derive(Debug, Clone)]
enum Op {
    Set(u8, i64),
    Remove(u8),
    Write(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (0..6u8, any::<i64>()).prop_map(|(name, amount)| Op::Set(name, amount)),
        (0..6u8).prop_map(Op::Remove),
        any::<u64>().prop_map(Op::Write),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let ops = || prop::collection::vec(op(), 0..4);
    prop_oneof![
        6 => ops().prop_map(Step::Commit),
        1 => ops().prop_map(Step::Refuse),
        1 => ops().prop_map(Step::FailedAppend),
        1 => Just(Step::Restart),
    ]
}

/// The same history in plain collections.
#[derive(Debug, Default, PartialEq)]
struct Model {
    accounts: BTreeMap<String, i64>,
    diary: Vec<u64>,
    version: u64,
}

impl Model {
    fn apply(&mut self, ops: &[Op]) {
        self.version += u64::from(!ops.is_empty());
        for op in ops {
            match op {
                Op::Set(name, amount) => drop(self.accounts.insert(name.to_string(), *amount)),
                Op::Remove(name) => drop(self.accounts.remove(&name.to_string())),
                Op::Write(number) => self.diary.push(*number),
            }
        }
    }

    fn of(bank: &Bank) -> Self {
        let snapshot = bank.store.snapshot();
        Self {
            accounts: snapshot
                .get(bank.accounts)
                .0
                .iter()
                .map(|(name, amount)| (name.clone(), *amount))
                .collect(),
            diary: snapshot.get(bank.diary).0.iter().copied().collect(),
            version: snapshot.version(),
        }
    }
}

async fn commit(bank: &Bank, ops: &[Op], verdict: Result<(), &'static str>) -> bool {
    let committed = bank.store.commit(|tx| {
        for op in ops {
            match op {
                Op::Set(name, amount) => tx.change(bank.accounts, set(&name.to_string(), *amount)),
                Op::Remove(name) => {
                    tx.change(bank.accounts, AccountChange::Remove { name: name.to_string() })
                }
                Op::Write(number) => tx.change(bank.diary, Wrote(*number)),
            }
        }
        verdict
    });
    committed.await.is_ok()
}

async fn play(steps: Vec<Step>) {
    let journal = MemoryJournal::new();
    let faults = Faults::none();
    let mut bank = Bank::open(faults.on(journal.clone())).await.unwrap();
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Commit(ops) => {
                assert!(commit(&bank, &ops, Ok(())).await);
                model.apply(&ops);
            }
            Step::Refuse(ops) => assert!(!commit(&bank, &ops, Err("no")).await),
            Step::FailedAppend(ops) => {
                if !ops.is_empty() {
                    faults.fail_next();
                    assert!(!commit(&bank, &ops, Ok(())).await);
                }
            }
            Step::Restart => {
                bank.store.close().await;
                bank = Bank::open(faults.on(journal.clone())).await.unwrap();
            }
        }
        assert_eq!(Model::of(&bank), model);
    }
    let replayed = Bank::open(journal).await.unwrap();
    assert_eq!(Model::of(&replayed), model);
    replayed.store.commit(|_| Ok::<_, Infallible>(())).await.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn any_history_replays_to_the_live_state(steps in prop::collection::vec(step(), 0..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(play(steps));
    }
}
