//! The cache of verified tokens: what was checked once, or minted here, is not checked again.
//!
//! It remembers only what cannot change: that this text is a token with these contents. Whether the token still
//! counts (time, principal, revocation, key) is asked at every hit. The key is the SHA-256 of the whole text, so
//! that nothing shorter than a collision in SHA-256 makes one token look like another, and no token text is kept.
//!
//! Bounded: a shard that is full drops what ended, then the oldest that was not used since it was last looked at.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use aws_lc_rs::digest;
use brickyard_types::{RandomIdMap, Timestamp};
use parking_lot::RwLock;

use crate::caller::Caller;

const SHARDS: usize = 32;
const ROOM: usize = 100_000 / SHARDS;

/// The SHA-256 of a token's text.
pub(crate) type Digest = [u8; 32];

pub(crate) fn digest_of(token: &str) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    out
}

/// One verified token.
pub(crate) struct Verified {
    pub(crate) caller: Caller,
    /// The key that signed it; none for a personal access token.
    pub(crate) kid: Option<Arc<str>>,
    /// The version of the store at which it last counted: between two commits only time can take it away.
    pub(crate) counted_at: AtomicU64,
    used: AtomicBool,
}

impl Verified {
    pub(crate) fn new(caller: Caller, kid: Option<Arc<str>>, version: u64) -> Arc<Self> {
        Arc::new(Self { caller, kid, counted_at: AtomicU64::new(version), used: AtomicBool::new(false) })
    }
}

#[derive(Default)]
struct Shard {
    /// By digests of tokens that were verified: nobody can make up many of those that begin alike.
    entries: RandomIdMap<Digest, Arc<Verified>>,
    /// Oldest first.
    order: VecDeque<Digest>,
}

pub(crate) struct VerifiedCache {
    shards: [RwLock<Shard>; SHARDS],
}

impl Default for VerifiedCache {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| RwLock::default()) }
    }
}

impl VerifiedCache {
    fn shard(&self, digest: &Digest) -> &RwLock<Shard> {
        &self.shards[usize::from(digest[0]) % SHARDS]
    }

    pub(crate) fn get(&self, digest: &Digest) -> Option<Arc<Verified>> {
        let entry = self.shard(digest).read().entries.get(digest).cloned()?;
        if !entry.used.load(Ordering::Relaxed) {
            entry.used.store(true, Ordering::Relaxed);
        }
        Some(entry)
    }

    pub(crate) fn insert(&self, digest: Digest, entry: Arc<Verified>, now: Timestamp) {
        let mut shard = self.shard(&digest).write();
        if shard.entries.len() >= ROOM {
            shard.make_room(now);
        }
        if shard.entries.insert(digest, entry).is_none() {
            shard.order.push_back(digest);
        }
    }

    pub(crate) fn remove(&self, digest: &Digest) {
        // The digest stays in `order` until its turn: finding it there would cost more than it frees.
        self.shard(digest).write().entries.remove(digest);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().entries.len()).sum()
    }
}

impl Shard {
    fn make_room(&mut self, now: Timestamp) {
        // Bounded work: even when all were used, the one whose turn comes after this many second chances goes.
        let mut chances = 16;
        while self.entries.len() >= ROOM || self.order.len() >= 2 * ROOM {
            let Some(digest) = self.order.pop_front() else { return };
            let Some(entry) = self.entries.get(&digest) else { continue };
            let ended = entry.caller.expires_at().is_some_and(|end| end < now);
            if !ended && chances > 0 && entry.used.swap(false, Ordering::Relaxed) {
                chances -= 1;
                self.order.push_back(digest);
            } else {
                self.entries.remove(&digest);
            }
        }
    }
}
