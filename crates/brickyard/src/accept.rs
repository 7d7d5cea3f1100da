//! **The accept loop**: where bytes become requests, and where a slow, silent or greedy peer is shown the door.
//! `axum::serve` has none of these limits, so this loop is ours, on hyper's HTTP/1 and HTTP/2.
//!
//! ```text
//!  listener --- a place free? --- accept --- connection task
//!                                             |  Socket   counts what moves, reads heads a second time (socket.rs)
//!                                             |  hyper    HTTP/1 or HTTP/2, found by the first bytes
//!                                             |  Pace     what the connection is waiting for, since when (pace.rs)
//!                                             |  bodies   slow ones fail, finished ones free the connection (bodies.rs)
//!                                             v
//!                                            the HTTP stack (http.rs)
//! ```
//!
//! **Rule:** at every moment a connection waits for brickyard or for its peer. Waiting for the peer is bounded: a head
//! has 10 s, a body and a reader 15 s of silence and a least rate, an idle connection 75 s.
//!
//! The defaults are Envoy's figures for the edge where it has one, and the bars of the reliability tests elsewhere.
//!
//! A drain ([`Shutdown`]) lets running requests finish, streams included, tells the streams that are still open shortly
//! before the end, and only then cuts. Until the last of them is done the door stays open, because an agent that is at
//! work calls the workspace; such connections are marked ([`Ends::late`]), and the router turns away everybody else.

mod bodies;
mod pace;
mod raw_head;
mod socket;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::http::header::{CONNECTION, HeaderValue};
use axum::http::{Request, Response, Version};
use bytes::Bytes;
use futures_util::future::join_all;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use pin_project_lite::pin_project;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tower::{BoxError, Service};

pub use self::bodies::{RequestBody, ResponseBody};
use self::pace::{InFlight, Pace};
pub use self::raw_head::RawFault;
use self::socket::Socket;

/// The figures of the accept loop.
#[derive(Clone, Debug)]
pub struct AcceptLimits {
    /// Connections at once; further ones wait in the kernel's queue.
    pub connections: usize,
    /// How long a request's head may take, and the first request of a connection to come.
    pub header_timeout: Duration,
    /// How long a connection may stay open between two requests.
    pub idle_timeout: Duration,
    /// How long a peer may neither send the body it owes nor read the answer it asked for.
    pub silence: Duration,
    /// The least rate of such a peer, in bytes a second, once `silence` is used up.
    pub least_rate: u64,
    /// The largest head. At least 8 KiB.
    pub header_bytes: usize,
    /// The most headers. 100 costs nothing; another number costs an allocation a request.
    pub header_count: usize,
    /// HTTP/2: streams at once of one connection.
    pub streams: u32,
    /// HTTP/2: bytes that a stream may send before it is read.
    pub stream_window: u32,
    /// HTTP/2: bytes that a connection may send before it is read.
    pub connection_window: u32,
    /// HTTP/2: streams that a peer may open and reset before it is taken for an attacker (CVE-2023-44487).
    pub pending_resets: usize,
    /// HTTP/2: pings a silent peer this often; one that does not answer within `silence` is gone.
    pub ping: Duration,
    /// When draining: how long an idle connection may still bring the request that is on its way.
    pub lame_duck: Duration,
    /// After a refusal: how long and how much of a body nobody wants is still taken from the wire, so that the peer,
    /// which is still sending, can read the refusal instead of a reset.
    pub linger: Duration,
}

impl Default for AcceptLimits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            silence: Duration::from_secs(15),
            least_rate: 1024,
            header_bytes: 64 << 10,
            header_count: HYPERS_HEADER_COUNT,
            streams: 100,
            stream_window: 64 << 10,
            connection_window: 1 << 20,
            pending_resets: 20,
            ping: Duration::from_secs(30),
            lame_duck: Duration::from_millis(300),
            linger: Duration::from_secs(2),
        }
    }
}

/// hyper's own number of headers, kept on the stack.
const HYPERS_HEADER_COUNT: usize = 100;

/// The most bytes that [`AcceptLimits::linger`] throws away.
const LINGER_BYTES: usize = 64 << 20;

/// How brickyard stops: one value, cloned to whoever stops it and to whoever has to know.
#[derive(Clone, Debug)]
pub struct Shutdown {
    begin: CancellationToken,
    last_call: CancellationToken,
    drain: Duration,
}

impl Shutdown {
    /// A shutdown that gives running requests `drain` to finish.
    pub fn new(drain: Duration) -> Self {
        Self { begin: CancellationToken::new(), last_call: CancellationToken::new(), drain }
    }

    /// Begins it. Also fit for a signal handler's task.
    pub fn begin(&self) {
        self.begin.cancel();
    }

    /// Fires when it has begun: `GET /ready` answers 503 from then on.
    pub fn begun(&self) -> &CancellationToken {
        &self.begin
    }

    /// Fires shortly before the end, for streams that are still open ([`crate::http::StackParts::last_call`]).
    pub fn last_call(&self) -> &CancellationToken {
        &self.last_call
    }
}

/// How a drain went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Drained {
    /// Connections that were still busy at the end and were cut.
    pub cut: usize,
}

/// Serves `service` on all `listeners` until `shutdown` begins, then drains. The service has to be always ready, as
/// [`crate::http::stack`] is.
pub async fn serve<S, B>(
    listeners: Vec<TcpListener>,
    service: S,
    limits: AcceptLimits,
    shutdown: Shutdown,
) -> Drained
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let server = Arc::new(Server {
        builder: builder(&limits),
        places: Arc::new(Semaphore::new(limits.connections)),
        limits,
        shutdown,
    });
    let loops = listeners.into_iter().map(|listener| accept_loop(listener, service.clone(), server.clone()));
    let cut = join_all(loops).await.into_iter().sum();
    Drained { cut }
}

/// Both ends of the connection that a request came by; each request carries them as an extension.
#[derive(Clone, Debug)]
pub struct Ends {
    /// The client's end.
    pub remote: SocketAddr,
    /// Ours.
    pub local: SocketAddr,
    /// The process that opened it, once somebody looked; it does not change while the connection lives.
    pub opened_by: Arc<OnceLock<Option<u32>>>,
    /// True if it was opened when the shutdown had begun: only agents that finish their work come by it.
    pub late: bool,
}

struct Server {
    builder: auto::Builder<TokioExecutor>,
    places: Arc<Semaphore>,
    limits: AcceptLimits,
    shutdown: Shutdown,
}

fn builder(limits: &AcceptLimits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    let mut http1 = builder.http1();
    // The head's time is Pace's business: hyper's timer would also end idle connections.
    http1.timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(limits.header_bytes.max(8 << 10));
    if limits.header_count != HYPERS_HEADER_COUNT {
        http1.max_headers(limits.header_count);
    }
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .initial_stream_window_size(limits.stream_window)
        .initial_connection_window_size(limits.connection_window)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(limits.pending_resets)
        .max_local_error_reset_streams(limits.pending_resets)
        .max_send_buf_size(limits.header_bytes.max(64 << 10))
        .keep_alive_interval(limits.ping)
        .keep_alive_timeout(limits.silence);
    builder
}

/// Accepts until the shutdown begins, and after that for as long as requests run: agents that finish them call back.
/// Says how many connections had to be cut.
async fn accept_loop<S, B>(listener: TcpListener, service: S, server: Arc<Server>) -> usize
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let begun = server.shutdown.begin.clone();
    let mut connections = JoinSet::new();
    let open = {
        let server = server.clone();
        move |connections: &mut JoinSet<()>, stream, place, late| {
            let (service, server) = (service.clone(), server.clone());
            connections.spawn(async move {
                connection(stream, service, &server, late).await;
                drop(place);
            });
        }
    };
    loop {
        tokio::select! {
            biased;
            () = begun.cancelled() => break,
            Some(_) = connections.join_next() => {}
            (stream, place) = next(&listener, &server.places) => open(&mut connections, stream, place, false),
        }
    }
    let end = Instant::now() + server.shutdown.drain;
    // Who is in the kernel's queue already has been told that it is connected.
    for (stream, place) in queued(&listener, &server.places) {
        open(&mut connections, stream, place, false);
    }
    let mut late = JoinSet::new();
    let mut finished = async || {
        while !connections.is_empty() {
            tokio::select! {
                biased;
                Some(_) = connections.join_next() => {}
                Some(_) = late.join_next() => {}
                (stream, place) = next(&listener, &server.places) => open(&mut late, stream, place, true),
            }
        }
    };
    let last_call = end - (server.shutdown.drain / 4).min(Duration::from_secs(2));
    if timeout_at(last_call, finished()).await.is_err() {
        server.shutdown.last_call.cancel();
        let _ = timeout_at(end, finished()).await;
    }
    for (stream, place) in queued(&listener, &server.places) {
        open(&mut late, stream, place, true);
    }
    drop(listener);
    let _ = timeout_at(end, async { while late.join_next().await.is_some() {} }).await;
    let cut = connections.len() + late.len();
    connections.shutdown().await;
    late.shutdown().await;
    cut
}

/// The next connection and its place. Waits for the place first, so that what cannot be served is not accepted.
async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, tokio::sync::OwnedSemaphorePermit) {
    let place = loop {
        match places.clone().acquire_owned().await {
            Ok(place) => break place,
            Err(_) => std::future::pending::<()>().await, // the semaphore is never closed
        }
    };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, place),
            Err(error) if is_the_peers(&error) => {}
            Err(error) => {
                // Out of file descriptors or memory: the connection stays in the queue, and accepting it again at once
                // would only spin.
                tracing::warn!(error = %error, "cannot accept connections for a moment");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// The connections that wait in the kernel's queue at this moment, as far as there are places. The kernel itself is
/// asked: the runtime only knows of those that its reactor has been told about.
fn queued(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> impl Iterator<Item = (TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let kernels = listener.as_fd().try_clone_to_owned().map(std::net::TcpListener::from).ok();
    std::iter::from_fn(move || {
        let place = places.clone().try_acquire_owned().ok()?;
        loop {
            match kernels.as_ref()?.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(true).ok()?;
                    return Some((TcpStream::from_std(stream).ok()?, place));
                }
                Err(error) if is_the_peers(&error) => {}
                Err(_) => return None,
            }
        }
    })
}

fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// One connection from its first byte to its last.
async fn connection<S, B>(stream: TcpStream, service: S, server: &Server, late: bool)
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let _ = stream.set_nodelay(true); // only a matter of speed
    let ends = match (stream.peer_addr(), stream.local_addr()) {
        (Ok(remote), Ok(local)) => Some(Ends { remote, local, opened_by: Arc::default(), late }),
        _ => None,
    };
    let pace = Arc::new(Pace::new(&server.limits));
    if late {
        // Before the first request is seen: its answer is the last one.
        pace.drain();
    }
    let io = TokioIo::new(Socket::new(stream, pace.clone()));
    let ended = {
        let service = Requests { service, ends, pace: pace.clone() };
        let hyper = server.builder.serve_connection(io, service);
        let mut hyper = pin!(hyper);
        let mut timer = pin!(sleep_until(pace.next_look(Instant::now()).unwrap_or_else(Instant::now)));
        let mut begun = pin!(server.shutdown.begin.cancelled());
        let mut draining = false;
        let mut lame_duck = pin!(sleep(Duration::MAX));
        loop {
            tokio::select! {
                biased;
                result = hyper.as_mut() => break Some(result),
                () = timer.as_mut() => match pace.next_look(Instant::now()) {
                    Some(later) => timer.as_mut().reset(later),
                    None => break None,
                },
                () = begun.as_mut(), if !draining => {
                    draining = true;
                    let grace = if pace.drain() { server.limits.lame_duck } else { Duration::ZERO };
                    lame_duck.as_mut().reset(Instant::now() + grace);
                }
                () = lame_duck.as_mut(), if draining => {
                    hyper.as_mut().graceful_shutdown();
                    lame_duck.as_mut().reset(Instant::now() + Duration::from_secs(86_400));
                }
            }
        }
    };
    let still_sending = ended.is_some_and(|result| result.is_err() || pace.body_open());
    if let (true, Some(stream)) = (still_sending, pace.take_stream()) {
        let _ = timeout(server.limits.linger, linger(stream)).await;
    }
}

/// Ends a connection whose peer may still be sending: says that nothing more comes, and throws away what arrives.
/// Closing at once would make the kernel answer with a reset, which takes the refusal away from the peer.
async fn linger(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut waste = vec![0; 16 << 10];
    let mut total = 0;
    while total < LINGER_BYTES {
        match stream.read(&mut waste).await? {
            0 => break,
            n => total += n,
        }
    }
    Ok(())
}

/// hyper's view of the service: each request gets the guarded bodies, and is counted while it runs.
struct Requests<S> {
    service: S,
    ends: Option<Ends>,
    pace: Arc<Pace>,
}

impl<S, B> hyper::service::Service<Request<Incoming>> for Requests<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone,
    B: http_body::Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<B>>;
    type Error = Infallible;
    type Future = Running<S::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let running = InFlight::begin(&self.pace, request.version() == Version::HTTP_2);
        let mut request = request.map(|body| RequestBody::new(body, &self.pace));
        if let Some(ends) = &self.ends {
            request.extensions_mut().insert(ends.clone());
        }
        if let Some(fault) = self.pace.take_fault() {
            request.extensions_mut().insert(fault);
        }
        Running { inner: self.service.clone().call(request), running: Some(running) }
    }
}

pin_project! {
    /// A request that runs.
    struct Running<F> {
        #[pin]
        inner: F,
        running: Option<InFlight>,
    }
}

impl<F, B> Future for Running<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
    B: http_body::Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(mut response) = ready!(this.inner.poll(cx));
        let running = this.running.take();
        if running.as_ref().is_some_and(InFlight::is_last) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Poll::Ready(Ok(response.map(|body| ResponseBody::new(body, running))))
    }
}

#[cfg(test)]
mod tests;
