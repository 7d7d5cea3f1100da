//! Which entity the next call goes to.

use std::sync::atomic::{AtomicU32, Ordering};

/// Shares of a hundred, met exactly over every hundred calls and mixed within them.
#[derive(Debug)]
pub(crate) struct Traffic {
    /// For each of a hundred consecutive calls, the index of the entity.
    turns: Box<[u16]>,
    next: AtomicU32,
}

impl Traffic {
    /// Entity `n` gets `shares[n]` of every hundred calls.
    pub fn new(shares: &[u8]) -> Self {
        let mut turns = Vec::with_capacity(100);
        for (index, share) in shares.iter().enumerate() {
            turns.extend(std::iter::repeat_n(u16::try_from(index).unwrap_or(u16::MAX), usize::from(*share)));
        }
        Self { turns: turns.into(), next: AtomicU32::new(0) }
    }

    /// The entity for one call; `None` if no entity has a share.
    pub fn pick(&self) -> Option<usize> {
        let length = u32::try_from(self.turns.len()).ok().filter(|length| *length > 0)?;
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        // 37 is coprime to 100, so a hundred turns visit each place once, and neighbours differ.
        let place = (turn % length).wrapping_mul(37) % length;
        self.turns.get(place as usize).map(|index| usize::from(*index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_exact_over_a_hundred_calls_and_zero_means_never() {
        let traffic = Traffic::new(&[70, 0, 30]);
        let mut seen = [0; 3];
        for _ in 0..200 {
            seen[traffic.pick().expect("a share of 100")] += 1;
        }
        assert_eq!(seen, [140, 0, 60]);
        assert_eq!(Traffic::new(&[0, 0]).pick(), None);
    }
}
