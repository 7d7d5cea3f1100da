//! The frames that brickyard and a worker exchange, over a socketpair that belongs to the two of them alone.
//!
//! ```text
//! <u32 payload length> <u64 request id> <u8 kind> <payload>          all little-endian
//!
//! brickyard -> worker     START {json}                PREDICT <u32 header length> {json header} <body>     CANCEL
//! worker -> brickyard     READY {json} | LOAD_FAILED  ANSWER {json} | CHUNK {json}* END | ERROR {json}
//! ```
//!
//! The body travels as it came: it is neither parsed nor written again on the way. The id is random, so that an
//! answer to anything but the current request is recognised; [`Channel::receive`] can be dropped at any point
//! without losing a byte, which is what lets a cancelled request be followed to its end by somebody else.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use zeroize::Zeroizing;

const HEADER: usize = 13;

/// What a frame is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Start = 1,
    Ready,
    LoadFailed,
    Predict,
    Cancel,
    Answer,
    Chunk,
    End,
    Error,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Start,
            2 => Self::Ready,
            3 => Self::LoadFailed,
            4 => Self::Predict,
            5 => Self::Cancel,
            6 => Self::Answer,
            7 => Self::Chunk,
            8 => Self::End,
            9 => Self::Error,
            _ => return None,
        })
    }
}

/// One frame from the worker.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) id: u64,
    pub(crate) kind: Kind,
    pub(crate) payload: Bytes,
}

/// Why no frame came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("the worker closed its connection")]
    Closed,
    #[error("the worker's connection failed: {0}")]
    Io(#[from] io::Error),
    #[error("the worker announced a frame of {length} bytes; at most {limit} are allowed")]
    TooLong { length: usize, limit: usize },
    #[error("the worker sent a frame of the unknown kind {0}")]
    UnknownKind(u8),
}

/// Brickyard's end of one worker's socket.
#[derive(Debug)]
pub(crate) struct Channel {
    stream: UnixStream,
    buffer: BytesMut,
    max_frame: usize,
    unsent: Unsent,
}

/// What of the last frame is not written yet. A user's token may be in there.
#[derive(Default)]
struct Unsent {
    head: Zeroizing<Vec<u8>>,
    written: usize,
    /// A long body, which is not copied.
    body: Bytes,
}

impl std::fmt::Debug for Unsent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unsent").field("left", &self.left().len()).finish_non_exhaustive()
    }
}

impl Unsent {
    fn left(&self) -> &[u8] {
        match &self.head[self.written..] {
            [] => &self.body,
            head => head,
        }
    }

    fn advance(&mut self, bytes: usize) {
        if self.written < self.head.len() {
            self.written += bytes;
        } else {
            self.body.advance(bytes);
        }
        if self.left().is_empty() {
            // Dropped, and wiped by that: kept, a long frame's memory would be wiped again after every short one.
            *self = Self::default();
        }
    }
}

/// Bodies up to this size are written together with their head.
const SMALL: usize = 64 * 1024;

impl Channel {
    pub(crate) fn new(stream: UnixStream, max_frame: usize) -> Self {
        Self { stream, buffer: BytesMut::with_capacity(64 * 1024), max_frame, unsent: Unsent::default() }
    }

    /// Writes one frame whose payload is `head` and then `body`.
    pub(crate) async fn send(
        &mut self,
        id: u64,
        kind: Kind,
        head: &[u8],
        body: &Bytes,
    ) -> Result<(), FrameError> {
        self.begin(id, kind, head, body)?;
        self.finish().await
    }

    /// Writes as much of a frame as the socket takes at once: of a small one, all of it. [`Channel::finish`] writes the
    /// rest, and says what went wrong.
    pub(crate) fn begin(&mut self, id: u64, kind: Kind, head: &[u8], body: &Bytes) -> Result<(), FrameError> {
        debug_assert!(!self.is_cut(), "a frame after half a frame");
        let length = head.len() + body.len();
        if length > self.max_frame {
            return Err(FrameError::TooLong { length, limit: self.max_frame });
        }
        let unsent = &mut self.unsent;
        // All at once: a vector that grows leaves its old memory behind as it was.
        unsent.head.reserve_exact(HEADER + if length <= SMALL { length } else { head.len() });
        unsent.head.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
        unsent.head.extend_from_slice(&id.to_le_bytes());
        unsent.head.push(kind as u8);
        unsent.head.extend_from_slice(head);
        if length <= SMALL {
            unsent.head.extend_from_slice(body);
        } else {
            unsent.body = body.clone();
        }
        while self.is_cut() {
            match self.stream.try_write(self.unsent.left()) {
                Ok(0) | Err(_) => break,
                Ok(bytes) => self.unsent.advance(bytes),
            }
        }
        Ok(())
    }

    /// Writes what [`Channel::begin`] could not. Safe to drop and to call again.
    pub(crate) async fn finish(&mut self) -> Result<(), FrameError> {
        while self.is_cut() {
            match self.stream.write(self.unsent.left()).await? {
                0 => return Err(FrameError::Closed),
                bytes => self.unsent.advance(bytes),
            }
        }
        Ok(())
    }

    /// The next frame. Safe to drop and to call again.
    pub(crate) async fn receive(&mut self) -> Result<Frame, FrameError> {
        loop {
            if let Some(frame) = self.take()? {
                return Ok(frame);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(FrameError::Closed);
            }
        }
    }

    fn take(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some(&head) = self.buffer.first_chunk::<HEADER>() else { return Ok(None) };
        let [a, b, c, d, id @ .., kind] = head;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        if length > self.max_frame {
            return Err(FrameError::TooLong { length, limit: self.max_frame });
        }
        let kind = Kind::of(kind).ok_or(FrameError::UnknownKind(kind))?;
        if self.buffer.len() < HEADER + length {
            self.buffer.reserve(HEADER + length - self.buffer.len());
            return Ok(None);
        }
        self.buffer.advance(HEADER);
        let payload = self.buffer.split_to(length).freeze();
        Ok(Some(Frame { id: u64::from_le_bytes(id), kind, payload }))
    }

    /// True if nothing has arrived and the other end is there: what must hold between two requests.
    pub(crate) fn is_quiet(&mut self) -> bool {
        if self.is_cut() || !self.buffer.is_empty() {
            return false;
        }
        matches!(self.stream.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// True if a frame was begun and is not finished: nothing else can be written before its rest.
    pub(crate) fn is_cut(&self) -> bool {
        !self.unsent.left().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(max_frame: usize) -> (Channel, UnixStream) {
        let (ours, theirs) = UnixStream::pair().expect("a socketpair");
        (Channel::new(ours, max_frame), theirs)
    }

    #[tokio::test]
    async fn a_frame_survives_any_cut_on_its_way_and_any_dropped_reader() {
        let (mut ours, mut theirs) = pair(1024);
        let mut bytes = Vec::new();
        for (id, text) in [(7_u64, "first"), (u64::MAX, ""), (9, "third")] {
            bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
            bytes.extend_from_slice(&id.to_le_bytes());
            bytes.push(Kind::Chunk as u8);
            bytes.extend_from_slice(text.as_bytes());
        }
        let mut seen = Vec::new();
        for byte in bytes {
            theirs.write_all(&[byte]).await.expect("written");
            tokio::task::yield_now().await;
            if let Ok(frame) = tokio::time::timeout(std::time::Duration::ZERO, ours.receive()).await {
                let frame = frame.expect("a frame");
                seen.push((frame.id, String::from_utf8(frame.payload.to_vec()).expect("text")));
            }
        }
        if seen.len() < 3 {
            let frame = ours.receive().await.expect("the last one");
            seen.push((frame.id, String::from_utf8(frame.payload.to_vec()).expect("text")));
        }
        assert_eq!(seen, [(7, "first".to_owned()), (u64::MAX, String::new()), (9, "third".to_owned())]);
    }

    #[tokio::test]
    async fn lengths_and_kinds_that_nobody_may_send_are_refused_at_once() {
        let (mut ours, mut theirs) = pair(1024);
        theirs.write_all(&[0xff; HEADER]).await.expect("written");
        assert!(matches!(
            ours.receive().await,
            Err(FrameError::TooLong { length: 0xffff_ffff, limit: 1024 })
        ));

        let (mut ours, mut theirs) = pair(1024);
        let mut head = [0; HEADER];
        head[12] = 200;
        theirs.write_all(&head).await.expect("written");
        assert!(matches!(ours.receive().await, Err(FrameError::UnknownKind(200))));
        assert!(ours.send(1, Kind::Predict, b"", &Bytes::from(vec![0; 2000])).await.is_err());
    }

    #[tokio::test]
    async fn a_channel_with_a_stray_byte_or_no_other_end_is_not_quiet() {
        let (mut ours, mut theirs) = pair(1024);
        assert!(ours.is_quiet());
        theirs.write_all(&[1]).await.expect("written");
        ours.stream.readable().await.expect("readable");
        assert!(!ours.is_quiet());
        let (mut ours, theirs) = pair(1024);
        drop(theirs);
        ours.stream.readable().await.expect("readable");
        assert!(!ours.is_quiet());
    }
}
