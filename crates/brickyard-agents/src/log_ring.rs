//! The last lines that an entity's workers printed, and no more: an agent may print as much as it likes.

use std::collections::VecDeque;
use std::sync::Arc;

use brickyard_types::{Clock, WorkerId};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Longer lines are cut.
const MAX_LINE: usize = 16 * 1024;
/// What one entity may hold.
const MAX_BYTES: usize = 1024 * 1024;

/// A bounded log of one served entity, of all its workers together.
pub struct LogRing {
    lines: Mutex<Lines>,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct Lines {
    lines: VecDeque<String>,
    bytes: usize,
}

impl LogRing {
    /// An empty one.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { lines: Mutex::default(), clock }
    }

    /// Adds one line, cut to 16 KiB; the oldest lines make room.
    pub fn push(&self, worker: &WorkerId, line: &[u8]) {
        let cut = line.len() > MAX_LINE;
        let text = String::from_utf8_lossy(&line[..line.len().min(MAX_LINE)]);
        let now = self.clock.now().strftime("%Y-%m-%d %H:%M:%S +0000").to_string();
        let mut entry = format!("[{worker}] [{now}] ");
        // A control character of the agent's must not move the reader's cursor.
        entry.extend(text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }));
        if cut {
            entry.push_str(" [cut]");
        }
        let mut ring = self.lines.lock();
        ring.bytes += entry.len() + 1;
        ring.lines.push_back(entry);
        while ring.bytes > MAX_BYTES {
            let Some(oldest) = ring.lines.pop_front() else { break };
            ring.bytes -= oldest.len() + 1;
        }
    }

    /// All lines that are still there, oldest first, each ended by a line feed.
    pub fn text(&self) -> String {
        let ring = self.lines.lock();
        let mut text = String::with_capacity(ring.bytes);
        for line in &ring.lines {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// The last `count` lines of one worker, for an error message. What the others printed may be about requests of
    /// people who are not meant to read the message.
    pub fn tail(&self, worker: &WorkerId, count: usize) -> String {
        let mark = format!("[{worker}] ");
        let ring = self.lines.lock();
        let own = ring.lines.iter().rev().filter(|line| line.starts_with(&mark));
        let lines: Vec<&str> = own.take(count).map(String::as_str).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Reads one pipe of a worker to its end, however fast the worker writes.
    pub(crate) async fn drain(self: Arc<Self>, worker: WorkerId, mut pipe: impl AsyncRead + Unpin) {
        let mut buffer = vec![0; 64 * 1024];
        let mut line = Vec::new();
        // Of a line that is over long only the head is kept; the rest is read and forgotten.
        let add = |piece: &[u8], line: &mut Vec<u8>| {
            let room = (MAX_LINE + 1).saturating_sub(line.len());
            line.extend_from_slice(&piece[..piece.len().min(room)]);
        };
        while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
            let mut rest = &buffer[..read];
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                add(&rest[..end], &mut line);
                self.push(&worker, &line);
                line.clear();
                rest = &rest[end + 1..];
            }
            add(rest, &mut line);
        }
        if !line.is_empty() {
            self.push(&worker, &line);
        }
    }
}

impl std::fmt::Debug for LogRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogRing").field("bytes", &self.lines.lock().bytes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use brickyard_types::{ManualClock, Timestamp};

    use super::*;

    #[tokio::test]
    async fn a_flood_is_read_to_its_end_and_leaves_a_megabyte_at_most() {
        let ring = Arc::new(LogRing::new(Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH))));
        let worker = WorkerId("w".into());
        let mut flood = vec![b'x'; 3 * 1024 * 1024];
        flood.push(b'\n');
        for number in 0..60_000 {
            flood.extend_from_slice(format!("line {number} \u{1b}[2J\n").as_bytes());
        }
        flood.extend_from_slice(b"\xff\xfe binary");
        Arc::clone(&ring).drain(worker, &flood[..]).await;
        let text = ring.text();
        assert!(text.len() <= MAX_BYTES, "{}", text.len());
        assert!(text.ends_with("[w] [1970-01-01 00:00:00 +0000] \u{fffd}\u{fffd} binary\n"));
        assert!(text.contains("line 59999 \u{fffd}[2J\n") && !text.contains('\u{1b}'));
    }

    #[test]
    fn a_long_line_is_cut_and_says_so() {
        let ring = LogRing::new(Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH)));
        let worker = WorkerId("w".into());
        ring.push(&worker, &vec![b'a'; MAX_LINE + 1]);
        assert!(ring.tail(&worker, 1).ends_with("aaa [cut]"));
    }

    #[test]
    fn what_a_worker_said_last_holds_nothing_of_the_others() {
        let ring = LogRing::new(Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH)));
        let [one, other] = ["w-1", "w-12"].map(|name| WorkerId(name.into()));
        ring.push(&one, b"about ana");
        ring.push(&other, b"loading");
        ring.push(&one, b"about ben");
        assert_eq!(ring.tail(&other, 20), "[w-12] [1970-01-01 00:00:00 +0000] loading");
    }
}
