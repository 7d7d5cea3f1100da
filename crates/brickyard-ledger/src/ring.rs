//! The newest entries, by number and by request id.

use std::collections::VecDeque;
use std::sync::Arc;

use brickyard_types::{EndpointName, RandomIdMap, RequestId, Timestamp};
use parking_lot::Mutex;
use tokio::sync::broadcast;

use crate::attribution::Attribution;
use crate::entry::{Decision, Entry, Method};
use crate::explain::Explanation;

/// What a reader of the ledger asks for; every field narrows.
#[derive(Debug, Default, Clone)]
pub struct Filter {
    /// Only invocations of this endpoint.
    pub endpoint: Option<EndpointName>,
    /// Only requests of this principal (user name or application id).
    pub principal: Option<String>,
    /// Only requests made with a credential of this method, or invocations that were given one.
    pub method: Option<Method>,
    /// Only allowed, or only refused ones.
    pub decision: Option<Decision>,
    /// Only requests that began at or after this.
    pub since: Option<Timestamp>,
}

impl Filter {
    /// True if `entry` is asked for.
    pub fn admits(&self, entry: &Entry) -> bool {
        self.endpoint.as_ref().is_none_or(|name| entry.endpoint.as_ref() == Some(name))
            && (self.principal.as_ref()).is_none_or(|name| {
                entry.caller.as_ref().is_some_and(|caller| *caller.principal().name == **name)
            })
            && self.method.is_none_or(|method| {
                entry.caused_by.is_some_and(|(_, by)| by == method)
                    || entry.credentials.iter().any(|given| given.method == method)
            })
            && self.decision.is_none_or(|decision| entry.decision == decision)
            && self.since.is_none_or(|since| entry.at >= since)
    }
}

/// The ledger of one workspace. Cheap to share; every method takes `&self`.
#[derive(Debug)]
pub struct Ledger {
    capacity: usize,
    inner: Mutex<Ring>,
    followers: broadcast::Sender<Arc<Entry>>,
    attribution: Attribution,
}

#[derive(Debug, Default)]
struct Ring {
    /// The number of the oldest entry kept: numbers never repeat.
    first: u64,
    entries: VecDeque<Arc<Entry>>,
    by_id: RandomIdMap<RequestId, u64>,
    children: RandomIdMap<RequestId, Vec<RequestId>>,
}

impl Ledger {
    /// A ledger that keeps the newest `capacity` entries.
    pub fn new(capacity: usize) -> Self {
        let (followers, _) = broadcast::channel(1024);
        Self {
            capacity: capacity.max(1),
            inner: Mutex::default(),
            followers,
            attribution: Attribution::default(),
        }
    }

    /// Which invocation a credential belongs to.
    pub fn attribution(&self) -> &Attribution {
        &self.attribution
    }

    /// Writes one entry. The oldest one goes when the ring is full.
    pub fn record(&self, entry: Entry) {
        let entry = Arc::new(entry);
        let evicted;
        {
            let mut ring = self.inner.lock();
            evicted = if ring.entries.len() >= self.capacity { ring.entries.pop_front() } else { None };
            if let Some(oldest) = &evicted {
                ring.first += 1;
                ring.by_id.remove(&oldest.request_id);
                if !ring.children.is_empty() {
                    ring.children.remove(&oldest.request_id);
                }
            }
            let number = ring.first + ring.entries.len() as u64;
            ring.by_id.insert(entry.request_id, number);
            if let Some((cause, _)) = entry.caused_by {
                ring.children.entry(cause).or_default().push(entry.request_id);
            }
            ring.entries.push_back(Arc::clone(&entry));
        }
        // Freed after the lock: an entry is a handful of allocations.
        drop(evicted);
        if self.followers.receiver_count() > 0 {
            // No follower left between the check and the send is not an error.
            let _ = self.followers.send(entry);
        }
    }

    /// The entry of one request, while it is kept.
    pub fn get(&self, id: &RequestId) -> Option<Arc<Entry>> {
        let ring = self.inner.lock();
        let number = *ring.by_id.get(id)?;
        ring.entries.get(usize::try_from(number - ring.first).ok()?).cloned()
    }

    /// The requests that the agent of `invocation` made, oldest first.
    pub fn caused_by(&self, invocation: &RequestId) -> Vec<Arc<Entry>> {
        let ids = self.inner.lock().children.get(invocation).cloned().unwrap_or_default();
        ids.iter().filter_map(|id| self.get(id)).collect()
    }

    /// Entries that `filter` admits, newest first, at most `limit`, older than entry number `before` if given; with the
    /// number to continue at.
    pub fn query(
        &self,
        filter: &Filter,
        limit: usize,
        before: Option<u64>,
    ) -> (Vec<Arc<Entry>>, Option<u64>) {
        let ring = self.inner.lock();
        let end = before.map_or(ring.entries.len(), |number| {
            usize::try_from(number.saturating_sub(ring.first)).unwrap_or(usize::MAX).min(ring.entries.len())
        });
        let mut found = Vec::new();
        for index in (0..end).rev() {
            if found.len() == limit {
                return (found, Some(ring.first + index as u64 + 1));
            }
            if filter.admits(&ring.entries[index]) {
                found.push(Arc::clone(&ring.entries[index]));
            }
        }
        (found, None)
    }

    /// Entries from now on, as they are written. A slow follower loses the oldest and is told how many.
    pub fn follow(&self) -> broadcast::Receiver<Arc<Entry>> {
        self.followers.subscribe()
    }

    /// One request and everything that its agent did, as a tree.
    pub fn explain(&self, id: &RequestId) -> Option<Explanation> {
        Explanation::of(self, id, 0)
    }

    /// Forgets everything.
    pub fn clear(&self) {
        let mut ring = self.inner.lock();
        ring.first += ring.entries.len() as u64;
        ring.entries.clear();
        ring.by_id.clear();
        ring.children.clear();
    }
}
