//! Which files of SQL ran on this state already.
//!
//! A file that ran is not run again while it, and every file before it, is what it was: what people changed since
//! stays. A file that changed runs again, and so do all that follow it, because they may build on it (a filter that a
//! later file sets must not be lost with a table that an earlier file replaces).

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use brickyard_store::State;
use serde::{Deserialize, Serialize};

/// The digests of the files that ran, in their order.
#[derive(Clone, Default, Debug)]
pub struct SeedsRan(imbl::Vector<String>);

/// What can happen to them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeedChange {
    /// The file at this place, and all after it, are about to run.
    Begun {
        /// Its place, from 0.
        place: usize,
    },
    /// The next file ran to its end.
    Ran {
        /// The digest of it and of all files before it.
        digest: String,
    },
}

impl State for SeedsRan {
    const OWNER: &'static str = "seed";
    type Change = SeedChange;

    fn apply(&mut self, change: &SeedChange) {
        match change {
            SeedChange::Begun { place } => self.0.truncate((*place).min(self.0.len())),
            SeedChange::Ran { digest } => self.0.push_back(digest.clone()),
        }
    }
}

impl SeedsRan {
    /// How many of these files ran already, counted from the first.
    pub(super) fn done(&self, digests: &[String]) -> usize {
        self.0.iter().zip(digests).take_while(|(ran, now)| ran == now).count()
    }
}

/// A digest for each text: of itself and of every text before it.
pub(super) fn digests<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut before = Vec::new();
    let chain = texts.map(|text| {
        before.extend_from_slice(text.as_bytes());
        let now = digest(&SHA256, &before);
        before = now.as_ref().to_vec();
        STANDARD.encode(now.as_ref())
    });
    chain.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changed_runs_again_and_so_do_all_that_follow_it() {
        let first = digests(["a", "b", "c"].into_iter());
        let mut ran = SeedsRan::default();
        assert_eq!(ran.done(&first), 0);
        for digest in &first {
            ran.apply(&SeedChange::Ran { digest: digest.clone() });
        }
        assert_eq!(ran.done(&first), 3);
        assert_eq!(ran.done(&digests(["a", "b", "c", "d"].into_iter())), 3);
        assert_eq!(ran.done(&digests(["a", "x", "c"].into_iter())), 1);
        assert_eq!(ran.done(&digests(["b", "c"].into_iter())), 0, "a file that is gone counts as a change");
    }

    #[test]
    fn a_file_that_was_begun_and_did_not_end_runs_again_also_when_it_is_put_back() {
        let first = digests(["a", "b"].into_iter());
        let mut ran = SeedsRan::default();
        for digest in &first {
            ran.apply(&SeedChange::Ran { digest: digest.clone() });
        }
        ran.apply(&SeedChange::Begun { place: 1 });
        assert_eq!(ran.done(&first), 1);
        ran.apply(&SeedChange::Begun { place: 7 });
        assert_eq!(ran.done(&first), 1);
    }
}
