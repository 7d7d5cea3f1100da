//! The checksum that ties each row to the one before it.
//!
//! CRC-64 over the previous checksum, the sequence number and the records. It tells damage from truth: a
//! flipped bit, a row of another place, an old page that came back. It does not tell a forger from the
//! owner: who may write the file may write the whole chain.

use crc::{CRC_64_XZ, Crc};

static CRC: Crc<u64> = Crc::<u64>::new(&CRC_64_XZ);

/// A row's place in the chain. SQLite's integers are signed, so both are kept that way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) sequence: i64,
    pub(super) checksum: i64,
}

impl Link {
    /// What the first row is tied to.
    pub(super) const BEFORE_THE_FIRST: Self = Self { sequence: 0, checksum: 0 };

    /// The link of a row with these records, right after this one.
    pub(super) fn next(self, records: &[u8]) -> Self {
        let sequence = self.sequence + 1;
        let mut digest = CRC.digest();
        digest.update(&self.checksum.to_le_bytes());
        digest.update(&sequence.to_le_bytes());
        digest.update(records);
        Self { sequence, checksum: digest.finalize().cast_signed() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_depends_on_all_that_came_before() {
        let first = Link::BEFORE_THE_FIRST.next(b"one");
        let second = first.next(b"two");
        assert_ne!(second.checksum, Link::BEFORE_THE_FIRST.next(b"uno").next(b"two").checksum);
        assert_ne!(second.checksum, first.next(b"twp").checksum);
        assert_ne!(first.next(b"one").checksum, first.checksum, "the same records in another place");
        assert_eq!(second, Link::BEFORE_THE_FIRST.next(b"one").next(b"two"));
    }
}
