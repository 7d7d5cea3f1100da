//! A bound on wrong secrets for each client: a bucket of attempts that refills with the clock.
//!
//! Only failures are counted and only failures are refused. A right secret always passes, so nobody can lock a
//! client out by guessing at it; and 128 random bits are not guessed, however often.

use std::collections::HashMap;

use brickyard_types::{SignedDuration, Timestamp};
use parking_lot::Mutex;

const BURST: u32 = 20;
const REFILL: SignedDuration = SignedDuration::from_secs(1);
const MOST_CLIENTS: usize = 10_000;

struct Bucket {
    left: u32,
    since: Timestamp,
}

#[derive(Default)]
pub(crate) struct FailureLimit(Mutex<HashMap<Box<str>, Bucket>>);

impl FailureLimit {
    /// Counts a wrong secret for `client`, known or not. The seconds to wait when there were too many.
    pub(crate) fn failed(&self, client: &str, now: Timestamp) -> Result<(), u64> {
        let mut buckets = self.0.lock();
        if buckets.len() >= MOST_CLIENTS && !buckets.contains_key(client) {
            let full = SignedDuration::from_secs(i64::from(BURST) * REFILL.as_secs());
            buckets.retain(|_, bucket| now.duration_since(bucket.since) < full);
            if buckets.len() >= MOST_CLIENTS {
                // Somebody sprays names. None of them is a client whose bucket matters more than memory.
                buckets.clear();
            }
        }
        let bucket = buckets.entry(client.into()).or_insert(Bucket { left: BURST, since: now });
        let refilled = now.duration_since(bucket.since).as_secs() / REFILL.as_secs();
        if refilled > 0 {
            bucket.left = BURST.min(bucket.left.saturating_add(u32::try_from(refilled).unwrap_or(u32::MAX)));
            bucket.since = now;
        }
        match bucket.left.checked_sub(1) {
            Some(left) => {
                bucket.left = left;
                Ok(())
            }
            None => Err(u64::try_from(REFILL.as_secs()).unwrap_or(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_secrets_for_one_client_run_dry_and_come_back_with_time_and_others_are_not_touched() {
        let limit = FailureLimit::default();
        let now = Timestamp::UNIX_EPOCH;
        for _ in 0..BURST {
            assert_eq!(limit.failed("a", now), Ok(()));
        }
        assert_eq!(limit.failed("a", now), Err(1));
        assert_eq!(limit.failed("b", now), Ok(()));
        let later = now + SignedDuration::from_secs(2);
        assert_eq!((limit.failed("a", later), limit.failed("a", later)), (Ok(()), Ok(())));
        assert_eq!(limit.failed("a", later), Err(1));
    }

    #[test]
    fn names_that_nobody_has_do_not_fill_the_memory() {
        let limit = FailureLimit::default();
        for name in 0..3 * MOST_CLIENTS {
            let _ = limit.failed(&name.to_string(), Timestamp::UNIX_EPOCH);
        }
        assert!(limit.0.lock().len() <= MOST_CLIENTS);
    }
}
