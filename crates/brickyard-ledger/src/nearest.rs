//! Which request somebody may mean who names one that the ledger does not have.

use std::sync::Arc;

use crate::entry::{Entry, Kind};
use crate::ring::{Filter, Ledger};

/// Fewer characters in common are chance.
const ALIKE: usize = 6;

impl Ledger {
    /// The invocations that `text` may mean, likeliest first, and whether they are alike: those whose ids begin or end
    /// as it does, a slip or a cut off end; without any, the newest.
    pub fn nearest(&self, text: &str, limit: usize) -> (Vec<Arc<Entry>>, bool) {
        let text = text.trim().to_ascii_lowercase();
        let (entries, _) = self.query(&Filter::default(), usize::MAX, None);
        let invocations = || entries.iter().filter(|entry| entry.kind == Kind::Invocation);
        let mut alike: Vec<_> = invocations()
            .map(|entry| (in_common(&text, &entry.request_id.to_string()), entry))
            .filter(|(common, _)| *common >= ALIKE)
            .collect();
        alike.sort_by_key(|(common, _)| std::cmp::Reverse(*common));
        if alike.is_empty() {
            return (invocations().take(limit).cloned().collect(), false);
        }
        (alike.into_iter().take(limit).map(|(_, entry)| Arc::clone(entry)).collect(), true)
    }
}

/// The longer of the beginning and the end that two texts share.
fn in_common(one: &str, other: &str) -> usize {
    let beginning = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let end = one.bytes().rev().zip(other.bytes().rev()).take_while(|(a, b)| a == b).count();
    beginning.max(end)
}

#[cfg(test)]
mod tests {
    use super::in_common;

    #[test]
    fn an_id_that_is_cut_off_or_misspelt_is_like_the_whole_one() {
        let whole = "0123456789abcdef0123456789abcdef";
        for (text, common) in [
            (whole, 32),
            ("0123456789", 10),
            ("9abcdef0123456789abcdef", 23),
            ("0123456789abcdxf0123456789abcdef", 17),
            ("ffff", 1),
            ("", 0),
        ] {
            assert_eq!(in_common(text, whole), common, "{text}");
        }
    }
}
