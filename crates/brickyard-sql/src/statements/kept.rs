//! The statements that are kept: found by their id, forgotten in the order in which they ended.
//!
//! Every statement that comes makes place for itself, so what is over is looked at once, not all that is kept each time.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use brickyard_types::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use super::{Entry, StatementLimits};

/// The statements of a workspace.
#[derive(Default)]
pub(super) struct Kept(Mutex<Shelf>);

#[derive(Default)]
struct Shelf {
    all: HashMap<Arc<str>, Arc<Entry>>,
    /// Those that have ended, and when; the first ended first.
    ended: VecDeque<(Timestamp, Arc<Entry>)>,
    /// So many of the first of them have no result any more, because its time was over.
    closed: usize,
}

impl Kept {
    /// Keeps one more; false if as many as may run and wait have not ended yet, or none can be forgotten for it.
    pub(super) fn keep(&self, entry: &Arc<Entry>, limits: &StatementLimits, now: Timestamp) -> bool {
        let mut shelf = self.0.lock();
        while shelf.first_ended(0, limits.statuses, now).is_some() {
            shelf.forget_first();
        }
        while let Some(entry) = shelf.first_ended(shelf.closed, limits.results, now) {
            entry.close();
            shelf.closed += 1;
        }
        let at_work = shelf.all.len() - shelf.ended.len();
        if at_work >= limits.running.saturating_add(limits.waiting) {
            return false;
        }
        while shelf.all.len() >= limits.statements {
            if !shelf.forget_first() {
                return false;
            }
        }
        shelf.all.insert(Arc::clone(&entry.id), Arc::clone(entry));
        true
    }

    /// Says that one has ended. Once for each.
    pub(super) fn ended(&self, entry: &Arc<Entry>, at: Timestamp) {
        self.0.lock().ended.push_back((at, Arc::clone(entry)));
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<Entry>> {
        self.0.lock().all.get(id).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Entry>> {
        self.0.lock().all.values().cloned().collect()
    }
}

impl Shelf {
    /// The one at this place among those that have ended, if it ended so long ago.
    fn first_ended(&self, place: usize, ago: SignedDuration, now: Timestamp) -> Option<Arc<Entry>> {
        let (at, entry) = self.ended.get(place)?;
        (now.duration_since(*at) >= ago).then(|| Arc::clone(entry))
    }

    /// Forgets whichever ended first; false if none has.
    fn forget_first(&mut self) -> bool {
        let Some((_, entry)) = self.ended.pop_front() else { return false };
        self.all.remove(&entry.id);
        self.closed = self.closed.saturating_sub(1);
        true
    }
}
