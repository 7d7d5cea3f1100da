//! A second look at the bytes of an HTTP/1 head. hyper repairs two things without a word that RFC 9112 wants refused,
//! because a proxy in front may have understood them differently: a `Content-Length` beside a `Transfer-Encoding` (it
//! drops the length), and lines that end without a carriage return.
//!
//! The reader is fed as bytes arrive, keeps no copy, and stops at the end of the head. Where it cannot know that a head
//! begins (behind a body that nobody read) it stays silent: hyper's own reading is safe, this is strictness on top.

/// What is wrong with a head that hyper let through. An extension of the request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum RawFault {
    /// `Content-Length` and `Transfer-Encoding` in one request.
    TwoLengths = 1,
    /// A line that ends with a bare line feed.
    BareLineFeed = 2,
}

impl RawFault {
    pub(super) fn from_u8(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::TwoLengths),
            2 => Some(Self::BareLineFeed),
            _ => None,
        }
    }

    /// What the refusal says.
    pub fn message(self) -> &'static str {
        match self {
            Self::TwoLengths => "Content-Length and Transfer-Encoding together",
            Self::BareLineFeed => "A line of the head ends without a carriage return",
        }
    }
}

const LENGTH: &[u8] = b"content-length";
const CODING: &[u8] = b"transfer-encoding";

/// See the module.
#[derive(Default)]
pub(super) struct HeadReader {
    /// The first bytes of a line whose rest has not come yet.
    start: [u8; CODING.len()],
    line: usize,
    last: u8,
    begun: bool,
    done: bool,
    length: bool,
    coding: bool,
}

impl HeadReader {
    /// Reads on; says once what is wrong.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> Option<RawFault> {
        let mut fault = None;
        while !self.done {
            let Some(end) = memchr::memchr(b'\n', bytes) else {
                self.partial(bytes);
                break;
            };
            let (line, rest) = bytes.split_at(end);
            if self.line == 0 {
                // The usual case: a whole line in one piece.
                fault = fault.or(self.line(line, line.len(), line.last() == Some(&b'\r')));
            } else {
                self.partial(line);
                let start = self.start;
                fault =
                    fault.or(self.line(&start[..self.line.min(start.len())], self.line, self.last == b'\r'));
            }
            self.line = 0;
            bytes = &rest[1..];
        }
        fault
    }

    fn partial(&mut self, bytes: &[u8]) {
        if let Some(room) = self.start.get_mut(self.line..) {
            let fits = room.len().min(bytes.len());
            room[..fits].copy_from_slice(&bytes[..fits]);
        }
        self.line += bytes.len();
        self.last = bytes.last().copied().unwrap_or(self.last);
    }

    /// One line without its line feed: its first bytes, its length, and whether a carriage return ends it.
    fn line(&mut self, start: &[u8], length: usize, returned: bool) -> Option<RawFault> {
        if length == usize::from(returned) {
            self.done = self.begun; // empty lines before the first one are allowed
        } else {
            self.begun = true;
            match start.first() {
                Some(b'c' | b'C') => self.length |= named(start, LENGTH),
                Some(b't' | b'T') => self.coding |= named(start, CODING),
                _ => {}
            }
        }
        if !returned {
            return Some(RawFault::BareLineFeed);
        }
        (self.done && self.length && self.coding).then_some(RawFault::TwoLengths)
    }
}

fn named(line: &[u8], name: &[u8]) -> bool {
    line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
        && line.get(name.len()).is_none_or(|after| *after == b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> Option<RawFault> {
        let mut reader = HeadReader::default();
        pieces.iter().fold(None, |fault, piece| fault.or(reader.read(piece)))
    }

    #[test]
    fn the_verdict_does_not_depend_on_how_the_bytes_were_cut() {
        let table: [(&[u8], Option<RawFault>); 7] = [
            (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", None),
            (b"\r\nPOST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na\nb", None),
            (b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nTransfer-Encoding: x\r\n\r\n", None),
            (
                b"POST / HTTP/1.1\r\ncontent-LENGTH: 3\r\nA: b\r\nTransfer-encoding: chunked\r\n\r\n",
                Some(RawFault::TwoLengths),
            ),
            (
                b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length:3\r\n\r\n",
                Some(RawFault::TwoLengths),
            ),
            (b"GET / HTTP/1.1\nHost: h\r\n\r\n", Some(RawFault::BareLineFeed)),
            (b"GET / HTTP/1.1\r\nHost: h\r\n\n", Some(RawFault::BareLineFeed)),
        ];
        for (bytes, fault) in table {
            assert_eq!(read(&[bytes]), fault, "{}", bytes.escape_ascii());
            for cut in 0..bytes.len() {
                assert_eq!(read(&[&bytes[..cut], &bytes[cut..]]), fault, "{} at {cut}", bytes.escape_ascii());
            }
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(read(&single), fault, "{} by bytes", bytes.escape_ascii());
        }
    }
}
