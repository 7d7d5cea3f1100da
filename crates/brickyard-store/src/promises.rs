//! The crate's promises, each kept by a test in the words of whoever relies on it.

mod commits;
mod crashes;
mod damage;
mod replay;
mod sqlite;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use imbl::{OrdMap, Vector};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::{Answer, Backend, Commit, Slot, State, Store, StoreError};

/// An owner with a map: money, which is lost or doubled where commits are not atomic.
#[derive(Debug, Clone, Default, PartialEq)]
struct Accounts(OrdMap<String, i64>);

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
enum AccountChange {
    Set { name: String, amount: i64 },
    Remove { name: String },
}

impl State for Accounts {
    const OWNER: &'static str = "accounts";
    type Change = AccountChange;

    fn apply(&mut self, change: &AccountChange) {
        match change {
            AccountChange::Set { name, amount } => self.0.insert(name.clone(), *amount),
            AccountChange::Remove { name } => self.0.remove(name),
        };
    }
}

/// An owner with a list: order shows.
#[derive(Debug, Clone, Default, PartialEq)]
struct Diary(Vector<u64>);

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
struct Wrote(u64);

impl State for Diary {
    const OWNER: &'static str = "diary";
    type Change = Wrote;

    fn apply(&mut self, change: &Wrote) {
        self.0.push_back(change.0);
    }
}

fn set(name: &str, amount: i64) -> AccountChange {
    AccountChange::Set { name: name.to_owned(), amount }
}

/// A store of both owners.
struct Bank {
    store: Store,
    accounts: Slot<Accounts>,
    diary: Slot<Diary>,
}

impl Bank {
    async fn open(backend: impl Backend) -> Result<Self, StoreError> {
        let mut builder = Store::builder();
        let (accounts, diary) = (builder.own(), builder.own());
        let store = builder.open(backend).await?;
        Ok(Self { store, accounts, diary })
    }

    /// One commit in both owners, as most of these tests want it.
    async fn write(&self, number: u64) -> Result<(), crate::CommitError<Infallible>> {
        let (accounts, diary) = (self.accounts, self.diary);
        self.store
            .commit(|tx| {
                tx.change(accounts, set(&number.to_string(), number.cast_signed()));
                tx.change(diary, Wrote(number));
                Ok(())
            })
            .await
    }

    /// Panics unless both owners tell the same story: a half commit would show here.
    fn numbers(&self) -> Vec<u64> {
        let snapshot = self.store.snapshot();
        let diary: Vec<u64> = snapshot.get(self.diary).0.iter().copied().collect();
        let accounts = &snapshot.get(self.accounts).0;
        assert_eq!(accounts.len(), diary.len(), "half a commit");
        for number in &diary {
            assert_eq!(accounts.get(&number.to_string()), Some(&number.cast_signed()), "half a commit");
        }
        assert_eq!(snapshot.version(), diary.len() as u64);
        diary
    }
}

/// A backend that a test can break or hold up.
struct Faulty<B> {
    inner: B,
    faults: Arc<Faults>,
}

struct Faults {
    /// The next append fails.
    fail_next: AtomicBool,
    /// The next append panics.
    panic_next: AtomicBool,
    /// One permit lets one append through.
    gate: Semaphore,
}

impl Faults {
    fn none() -> Arc<Self> {
        Self::gated(Semaphore::MAX_PERMITS)
    }

    fn gated(permits: usize) -> Arc<Self> {
        let gate = Semaphore::new(permits);
        Arc::new(Self { fail_next: AtomicBool::new(false), panic_next: AtomicBool::new(false), gate })
    }

    fn fail_next(&self) {
        self.fail_next.store(true, Ordering::SeqCst);
    }

    fn on<B: Backend>(self: &Arc<Self>, inner: B) -> Faulty<B> {
        Faulty { inner, faults: self.clone() }
    }
}

impl<B: Backend> Backend for Faulty<B> {
    fn name(&self) -> String {
        self.inner.name()
    }

    fn append<'a>(&'a mut self, commits: &'a [Commit]) -> Answer<'a, ()> {
        Box::pin(async move {
            self.faults.gate.acquire().await.expect("the gate is never closed").forget();
            assert!(!self.faults.panic_next.swap(false, Ordering::SeqCst), "told to panic");
            if self.faults.fail_next.swap(false, Ordering::SeqCst) {
                return Err(StoreError::File {
                    doing: "write",
                    path: "disk".into(),
                    source: Arc::new(std::io::ErrorKind::StorageFull.into()),
                });
            }
            self.inner.append(commits).await
        })
    }

    fn read_from(&mut self, sequence: u64) -> Answer<'_, Vec<Commit>> {
        self.inner.read_from(sequence)
    }

    fn close(self: Box<Self>) -> Answer<'static, ()> {
        Box::new(self.inner).close()
    }
}
