//! What a connection is waiting for, and since when. The socket, the bodies and the requests of one connection report
//! here with a few relaxed atomics; the connection's task looks at it only when some deadline could have passed, so a
//! request costs no timer.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::AcceptLimits;
use super::raw_head::RawFault;

/// Times are milliseconds since the connection was accepted, plus one; 0 stands for "not".
const NOT: u64 = 0;

/// See the module.
pub(super) struct Pace {
    born: Instant,
    header_timeout: Duration,
    idle_timeout: Duration,
    silence: Duration,
    least_rate: u64,
    http2: AtomicBool,
    draining: AtomicBool,
    begun: AtomicU64,
    in_flight: AtomicUsize,
    resting_since: AtomicU64,
    head_since: AtomicU64,
    write_until: AtomicU64,
    handed: AtomicUsize,
    handed_since: AtomicU64,
    head_comes: AtomicBool,
    body_open: AtomicBool,
    fault: AtomicU8,
    peer_gone: AtomicBool,
    stream: Mutex<Option<TcpStream>>,
}

impl Pace {
    pub(super) fn new(limits: &AcceptLimits) -> Self {
        Self {
            born: Instant::now(),
            header_timeout: limits.header_timeout,
            idle_timeout: limits.idle_timeout,
            silence: limits.silence,
            least_rate: limits.least_rate.max(1),
            http2: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            begun: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
            resting_since: AtomicU64::new(1),
            head_since: AtomicU64::new(NOT),
            write_until: AtomicU64::new(NOT),
            handed: AtomicUsize::new(0),
            handed_since: AtomicU64::new(NOT),
            head_comes: AtomicBool::new(false),
            body_open: AtomicBool::new(false),
            fault: AtomicU8::new(0),
            peer_gone: AtomicBool::new(false),
            stream: Mutex::new(None),
        }
    }

    fn stamp(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.born).as_millis()).unwrap_or(u64::MAX - 1) + 1
    }

    fn instant(&self, stamp: u64) -> Instant {
        self.born + Duration::from_millis(stamp.saturating_sub(1))
    }

    /// When to look again; `None` if the peer has had its time. Nothing that happens meanwhile can set a deadline before
    /// the moment that is returned.
    pub(super) fn next_look(&self, now: Instant) -> Option<Instant> {
        let soonest = now + self.header_timeout.min(self.idle_timeout).min(self.silence);
        match self.deadline() {
            Some(deadline) if deadline <= now => None,
            Some(deadline) => Some(deadline.min(soonest)),
            None => Some(soonest),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let http2 = self.http2.load(Relaxed);
        let reader = match self.write_until.load(Relaxed) {
            NOT => None,
            until => Some(self.instant(until)),
        };
        let stalled = (http2 && self.handed.load(Relaxed) > 0)
            .then(|| self.instant(self.handed_since.load(Relaxed)) + self.silence);
        let sender = (self.in_flight.load(Relaxed) == 0).then(|| {
            let resting = self.instant(self.resting_since.load(Relaxed));
            match self.head_since.load(Relaxed) {
                _ if http2 => resting + self.idle_timeout,
                _ if self.begun.load(Relaxed) == 0 => resting + self.header_timeout,
                NOT => resting + self.idle_timeout,
                head => self.instant(head) + self.header_timeout,
            }
        });
        [reader, stalled, sender].into_iter().flatten().min()
    }

    /// Bytes have come. True if they belong to a head that should be looked at.
    pub(super) fn received(&self, first: bool, bytes: &[u8]) -> bool {
        if first && bytes.starts_with(b"PRI ") {
            self.http2.store(true, Relaxed);
        }
        if self.in_flight.load(Relaxed) == 0 && self.head_since.load(Relaxed) == NOT {
            self.head_since.store(self.stamp(Instant::now()), Relaxed);
        }
        !self.http2.load(Relaxed)
    }

    /// The peer sends nothing more.
    pub(super) fn peer_gone(&self) {
        self.peer_gone.store(true, Relaxed);
    }

    /// The peer does not read, and has until then.
    pub(super) fn write_blocked_until(&self, until: Instant) {
        self.write_until.store(self.stamp(until), Relaxed);
    }

    /// The peer reads again.
    pub(super) fn write_moves(&self) {
        self.write_until.store(NOT, Relaxed);
    }

    /// A frame was handed to hyper, which asks for the next one when the peer has room.
    pub(super) fn handed(&self) {
        if self.http2.load(Relaxed) {
            self.handed.fetch_add(1, Relaxed);
            self.handed_since.store(self.stamp(Instant::now()), Relaxed);
        }
    }

    /// hyper asked for the next frame, or is done with the body.
    pub(super) fn taken(&self) {
        self.handed.fetch_sub(1, Relaxed);
        self.handed_since.store(self.stamp(Instant::now()), Relaxed);
    }

    /// True on HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        self.http2.load(Relaxed)
    }

    /// A request has a body.
    pub(super) fn body_begins(&self) {
        self.body_open.store(true, Relaxed);
    }

    /// The request's body is read to its end: what comes next is a head.
    pub(super) fn head_comes(&self) {
        self.body_open.store(false, Relaxed);
        self.head_comes.store(true, Relaxed);
    }

    /// True if the peer may still be sending a body that nobody reads.
    pub(super) fn body_open(&self) -> bool {
        self.body_open.load(Relaxed)
    }

    /// True once after [`Pace::head_comes`].
    pub(super) fn takes_head(&self) -> bool {
        self.head_comes.load(Relaxed) && self.head_comes.swap(false, Relaxed)
    }

    /// Something is wrong with the head that is being read.
    pub(super) fn raise(&self, fault: RawFault) {
        self.fault.store(fault as u8, Relaxed);
    }

    /// What was wrong with the head of the request that begins.
    pub(super) fn take_fault(&self) -> Option<RawFault> {
        if self.fault.load(Relaxed) == 0 {
            return None;
        }
        RawFault::from_u8(self.fault.swap(0, Relaxed)).filter(|_| !self.is_http2())
    }

    /// The drain begins: the next answer is the last one of an HTTP/1 connection. True if that request has yet to come.
    pub(super) fn drain(&self) -> bool {
        self.draining.store(true, Relaxed);
        !self.is_http2() && self.in_flight.load(Relaxed) == 0
    }

    /// The socket gives its stream back when hyper is done with it.
    pub(super) fn give_stream(&self, stream: TcpStream) {
        *self.stream.lock() = Some(stream);
    }

    /// The stream, unless the peer has gone already.
    pub(super) fn take_stream(&self) -> Option<TcpStream> {
        self.stream.lock().take().filter(|_| !self.peer_gone.load(Relaxed))
    }

    /// How long this connection's peer may keep brickyard waiting.
    pub(super) fn patience(&self) -> Patience {
        Patience {
            silence: self.silence,
            rate: self.least_rate,
            moved: 0,
            waited: Duration::ZERO,
            since: None,
        }
    }
}

/// A request that runs: from its head to the end of its response.
pub(super) struct InFlight(Arc<Pace>);

impl InFlight {
    pub(super) fn begin(pace: &Arc<Pace>, http2: bool) -> Self {
        pace.in_flight.fetch_add(1, Relaxed);
        pace.begun.fetch_add(1, Relaxed);
        pace.head_since.store(NOT, Relaxed);
        if http2 {
            pace.http2.store(true, Relaxed);
        }
        Self(pace.clone())
    }

    /// True if the connection ends with this answer.
    pub(super) fn is_last(&self) -> bool {
        self.0.draining.load(Relaxed) && !self.0.is_http2()
    }

    pub(super) fn pace(&self) -> &Pace {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.resting_since.store(self.0.stamp(Instant::now()), Relaxed);
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

/// Patience with a peer: a stretch of silence, and beyond that a least rate. Only time spent waiting for the peer counts.
pub(super) struct Patience {
    silence: Duration,
    rate: u64,
    moved: u64,
    waited: Duration,
    since: Option<Instant>,
}

impl Patience {
    /// Nothing moves. The moment when patience ends; `None` if that was known already.
    pub(super) fn blocked(&mut self) -> Option<Instant> {
        if self.since.is_some() {
            return None;
        }
        let now = Instant::now();
        self.since = Some(now);
        let earned = self.silence + Duration::from_millis(self.moved.saturating_mul(1000) / self.rate);
        Some(now + earned.saturating_sub(self.waited).min(self.silence))
    }

    /// Bytes moved. True if something had been waiting for that.
    pub(super) fn moved(&mut self, bytes: usize) -> bool {
        self.moved += bytes as u64;
        let Some(since) = self.since.take() else { return false };
        self.waited += since.elapsed();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn patience_ends_with_silence_or_with_a_trickle() {
        let pace = Pace::new(&AcceptLimits {
            silence: Duration::from_secs(15),
            least_rate: 100,
            ..AcceptLimits::default()
        });
        let start = Instant::now();
        let mut silent = pace.patience();
        assert_eq!(silent.blocked(), Some(start + Duration::from_secs(15)));

        // One byte each ten seconds: the second wait is cut short, for 15 s of waiting are all it has.
        let mut trickle = pace.patience();
        trickle.blocked();
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(trickle.moved(1));
        let until = trickle.blocked().expect("a new wait");
        assert_eq!(until, Instant::now() + Duration::from_millis(5_010));

        // Who sent 10,000 bytes has earned 100 s, but never more than 15 of them at once.
        trickle.moved(10_000);
        assert_eq!(trickle.blocked(), Some(Instant::now() + Duration::from_secs(15)));
    }
}
