//! The TCP stream as hyper sees it. Everything passes through unchanged; on the way the socket tells [`Pace`] what
//! moved, and looks at the raw bytes of HTTP/1 heads ([`HeadReader`]).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::pace::{Pace, Patience};
use super::raw_head::HeadReader;

pub(super) struct Socket {
    /// `None` only while it is being dropped.
    stream: Option<TcpStream>,
    pace: Arc<Pace>,
    reader: Patience,
    head: HeadReader,
    fresh: bool,
    /// True once others had their turn before what is to be written now.
    let_run: bool,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, pace: Arc<Pace>) -> Self {
        let reader = pace.patience();
        Self { stream: Some(stream), pace, reader, head: HeadReader::default(), fresh: true, let_run: false }
    }

    fn stream(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// True once for each write: the connection lets those that are ready run before it writes. Under load the answers
    /// of many connections then leave one after another, and a client that reads them all is woken once and not for
    /// each; at rest nobody is ready, and the next turn is this one.
    fn lets_others_run(&mut self, cx: &Context<'_>) -> bool {
        if std::mem::replace(&mut self.let_run, true) {
            return false;
        }
        cx.waker().wake_by_ref();
        true
    }

    fn wrote(&mut self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        // Who waits for room in the socket is woken by the socket and by nothing else.
        self.let_run = result.is_pending();
        match &result {
            Poll::Pending => {
                if let Some(until) = self.reader.blocked() {
                    self.pace.write_blocked_until(until);
                }
            }
            Poll::Ready(Ok(bytes)) => {
                if self.reader.moved(*bytes) {
                    self.pace.write_moves();
                }
            }
            Poll::Ready(Err(_)) => self.pace.peer_gone(),
        }
        result
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            self.pace.give_stream(stream);
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = self.stream()?.poll_read(cx, buffer);
        match &result {
            Poll::Pending => {}
            Poll::Ready(Err(_)) => self.pace.peer_gone(),
            Poll::Ready(Ok(())) => {
                let bytes = &buffer.filled()[before..];
                let this = &mut *self;
                if bytes.is_empty() {
                    this.pace.peer_gone();
                } else if this.pace.received(std::mem::take(&mut this.fresh), bytes) {
                    if this.pace.takes_head() {
                        this.head = HeadReader::default();
                    }
                    if let Some(fault) = this.head.read(bytes) {
                        this.pace.raise(fault);
                    }
                }
            }
        }
        result
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.lets_others_run(cx) {
            return Poll::Pending;
        }
        let result = self.stream()?.poll_write(cx, bytes);
        self.wrote(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.lets_others_run(cx) {
            return Poll::Pending;
        }
        let result = self.stream()?.poll_write_vectored(cx, slices);
        self.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(cx)
    }
}
