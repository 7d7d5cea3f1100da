//! Promises of the accept loop and the stack together, over real sockets. Time is tokio's paused clock: it jumps when
//! everybody waits, so a test of 75 s takes none, and no verdict depends on the machine's speed.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::http::HeaderMap;
use axum::routing::{any, get, post};
use brickyard_types::SeededEntropy;
use futures_util::stream;
use tokio::task::JoinHandle;

use super::*;
use crate::errors::ApiError;
use crate::http::{HttpLimits, StackParts, body_limit, json, sse, stack};

struct Running {
    at: SocketAddr,
    shutdown: Shutdown,
    task: JoinHandle<Drained>,
}

async fn start(accept: AcceptLimits, limits: HttpLimits) -> Running {
    let shutdown = Shutdown::new(Duration::from_secs(20));
    let parts = StackParts {
        entropy: Arc::new(SeededEntropy::new(1)),
        limits,
        last_call: shutdown.last_call().clone(),
    };
    let router = Router::new()
        .route("/", any(|| async { "fine" }))
        .route("/echo", post(async |body: Body| body_limit::collect(body, 4 << 20).await))
        .route(
            "/length",
            post(async |body: Body| body_limit::collect(body, 4 << 20).await.map(|b| b.len().to_string())),
        )
        .route("/json", post(async |json::Json(body): json::Json<serde_json::Value>| body.to_string()))
        .route(
            "/headers",
            get(async |headers: HeaderMap| format!("{:?}", headers.keys().collect::<Vec<_>>())),
        )
        .route("/big", get(async || vec![b'x'; 8 << 20]))
        .route("/panic", get(async || -> &'static str { panic!("canary") }))
        .route("/slow", get(async || sleep(Duration::from_secs(5)).await))
        .route("/never", get(async || std::future::pending::<()>().await))
        .route(
            "/stream/{events}",
            get(async |axum::extract::Path(events): axum::extract::Path<u32>| {
                sse::sse(stream::unfold(0, move |n| async move {
                    sleep(Duration::from_secs(1)).await;
                    (n < events).then(|| (Ok::<_, ApiError>(Bytes::from(n.to_string())), n + 1))
                }))
            }),
        )
        .route(
            "/late",
            get(async |axum::Extension(ends): axum::Extension<Ends>| format!("late: {}", ends.late)),
        )
        .fallback(crate::errors::no_api);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = listener.local_addr().expect("an address");
    let task = tokio::spawn(serve(vec![listener], stack(router, parts), accept, shutdown.clone()));
    Running { at, shutdown, task }
}

async fn started() -> Running {
    start(AcceptLimits::default(), HttpLimits::default()).await
}

impl Running {
    async fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.at).await.expect("a connection");
        // The kernel's own delays are not on the paused clock.
        stream.set_nodelay(true).expect("no delay");
        stream
    }

    /// Sends bytes, reads until the server closes. The answer, and how long the connection lived.
    async fn raw(&self, bytes: &[u8]) -> (String, Duration) {
        let start = Instant::now();
        let mut stream = self.connect().await;
        let _ = stream.write_all(bytes).await; // the server may have heard enough before the end
        (until_closed(&mut stream).await, start.elapsed())
    }
}

async fn until_closed(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Reads one answer with a length, and leaves the connection open.
async fn one_answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&answer).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if length.is_some_and(|length| body.len() >= length.parse().expect("a number")) {
                return text;
            }
        }
        let n = stream.read_buf(&mut answer).await.expect("bytes");
        assert_ne!(n, 0, "closed after {text:?}");
    }
}

fn status(answer: &str) -> u16 {
    answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0)
}

const CLOSED_AT_ONCE: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn requests_that_can_be_read_in_two_ways_are_refused_and_their_connection_closed() {
    let server = started().await;
    let host = "Host: localhost\r\n";
    let long = format!("GET / HTTP/1.1\r\n{host}X-Long: {}\r\n\r\n", "x".repeat(100 << 10));
    let many = format!("GET / HTTP/1.1\r\n{host}{}\r\n", "A: b\r\n".repeat(10_000));
    let extension = format!(
        "POST /echo HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n5;{}\r\n",
        "x".repeat(1 << 20)
    );
    let post = |headers: &str| format!("POST /echo HTTP/1.1\r\n{host}{headers}\r\n5\r\nhello\r\n0\r\n\r\n");
    let get = |headers: &str| format!("GET / HTTP/1.1\r\n{host}{headers}\r\n");
    let table: Vec<(String, u16)> = vec![
        (post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400),
        (post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400),
        (post("Content-Length: 5\r\nContent-Length: 6\r\n"), 400),
        (post("Content-Length: 5, 6\r\n"), 400),
        (post("Content-Length: +5\r\n"), 400),
        (post("Content-Length: -1\r\n"), 400),
        (post("Content-Length: 0x5\r\n"), 400),
        (post("Content-Length: 18446744073709551616\r\n"), 400),
        (post("Transfer-Encoding: chunked, identity\r\n"), 400),
        (post("Transfer-Encoding: identity, chunked\r\n"), 400),
        (post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400),
        (post("Transfer-Encoding: xchunked\r\n"), 400),
        (post("Transfer-Encoding\t: chunked\r\n"), 400),
        (
            format!(
                "POST /echo HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n"
            ),
            400,
        ),
        (extension, 400),
        (get("A: b\r\n folded: c\r\n"), 400),
        (get("A: b\rc\r\n"), 400),
        (get("A: b\nC: d\r\n"), 400),
        (get("A: b\0c\r\n"), 400),
        (get("\u{e4}: b\r\n"), 400),
        (get("A B: c\r\n"), 400),
        (get("Authorization: Bearer a\r\nAuthorization: Bearer b\r\n"), 400),
        (get("Host: localhost\r\n"), 400),
        (get("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"), 400),
        (
            get(
                "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
            ),
            400,
        ),
        (get("Expect: a-miracle\r\n"), 417),
        ("GET / HTTP/1.1\r\n\r\n".into(), 400),
        ("GET / HTTP/1.1\r\nHost: \r\n\r\n".into(), 400),
        ("GET / HTTP/1.1\r\nHost: user@localhost\r\n\r\n".into(), 400),
        ("GET / HTTP/1.1\r\nHost: localhost:0\r\n\r\n".into(), 400),
        ("GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n".into(), 421),
        (format!("GET http://evil.example/ HTTP/1.1\r\n{host}\r\n"), 400),
        (format!("GET /?access_token=dapi-canary HTTP/1.1\r\n{host}\r\n"), 400),
        (format!("TRACE / HTTP/1.1\r\n{host}\r\n"), 405),
        (format!("CONNECT evil.example:443 HTTP/1.1\r\n{host}\r\n"), 405),
        (format!("FROB / HTTP/1.1\r\n{host}\r\n"), 501),
        (format!("GET / HTTP/3.7\r\n{host}\r\n"), 400),
        (long, 431),
        (many, 431),
        (format!("POST /echo HTTP/1.1\r\n{host}Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"), 415),
    ];
    for (bytes, expected) in table {
        let (answer, lived) = server.raw(bytes.as_bytes()).await;
        let shown: String = bytes.chars().take(160).collect();
        assert_eq!(status(&answer), expected, "{shown:?} got {answer:?}");
        assert!(lived < CLOSED_AT_ONCE, "{shown:?} kept the connection for {lived:?}");
        assert!(!answer.contains("canary") && !answer.contains("200 OK"), "{answer:?}");
    }
    let (answer, _) =
        server.raw(format!("GET / HTTP/1.1\r\n{host}Connection: close\r\n\r\n").as_bytes()).await;
    assert_eq!(status(&answer), 200);
}

#[tokio::test(start_paused = true)]
async fn honest_requests_of_every_shape_pass() {
    let server = started().await;
    let mut stream = server.connect().await;
    for bytes in [
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\n\r\na\nb\r\nc\n",
        "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Trailer: a\r\n\r\n",
        "OPTIONS / HTTP/1.1\r\nHost: [::1]:8080\r\nRange: bytes=0-1\r\nIf-Match: x\r\nAccept-Encoding: gzip;q=9\r\n\r\n",
    ] {
        // Every other byte of the head and the body arrives on its own.
        for piece in bytes.as_bytes().chunks(2) {
            stream.write_all(piece).await.expect("sent");
            tokio::task::yield_now().await;
        }
        let answer = one_answer(&mut stream).await;
        assert_eq!(status(&answer), 200, "{bytes:?} got {answer:?}");
    }
    stream
        .write_all(b"POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        .await
        .expect("sent");
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.expect("a go-ahead");
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"ok").await.expect("sent");
    assert!(one_answer(&mut stream).await.ends_with("ok"));
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_holds_nothing_for_long() {
    let server = started().await;
    let fifteen = Duration::from_secs(16);

    let (answer, lived) = server.raw(b"").await;
    assert!(answer.is_empty() && lived < fifteen, "silent: {answer:?} after {lived:?}");

    let (_, lived) = server.raw(b"GET / HTTP/1.1\r\nHost: h\r\nX-Half").await;
    assert!(lived < fifteen, "half a head lived {lived:?}");

    // A header a second.
    let start = Instant::now();
    let (mut reader, mut writer) = server.connect().await.into_split();
    let dripping = tokio::spawn(async move {
        writer.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n").await?;
        loop {
            writer.write_all(b"A: b\r\n").await?;
            sleep(Duration::from_secs(1)).await;
        }
        #[allow(unreachable_code)]
        io::Result::Ok(())
    });
    let _ = reader.read(&mut [0; 64]).await;
    assert!(start.elapsed() < fifteen);
    dripping.abort();

    // No body after the go-ahead, and a body that drips.
    let (answer, lived) = server
        .raw(b"POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        .await;
    assert!(answer.contains("HTTP/1.1 408 ") && lived < fifteen, "{answer:?} after {lived:?}");
    let start = Instant::now();
    let (mut reader, mut writer) = server.connect().await.into_split();
    let dripping = tokio::spawn(async move {
        writer.write_all(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\n\r\n").await?;
        loop {
            writer.write_all(b"x").await?;
            sleep(Duration::from_secs(2)).await;
        }
        #[allow(unreachable_code)]
        io::Result::Ok(())
    });
    let mut answer = String::new();
    let _ = reader.read_to_string(&mut answer).await;
    assert_eq!(status(&answer), 408);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    dripping.abort();
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_the_answer_loses_the_connection() {
    let server =
        start(AcceptLimits { connections: 1, ..AcceptLimits::default() }, HttpLimits::default()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /big HTTP/1.1\r\nHost: h\r\n\r\n").await.expect("sent");
    // There is one place: the next client is served when the silent reader is gone.
    let start = Instant::now();
    let (answer, _) = server.raw(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    assert_eq!(status(&answer), 200);
    let waited = start.elapsed();
    assert!(waited > Duration::from_secs(14) && waited < Duration::from_secs(19), "{waited:?}");
    drop(stream);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_kept_a_minute_and_not_for_ever() {
    let server = started().await;
    let mut stream = server.connect().await;
    for _ in 0..3 {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.expect("sent");
        assert_eq!(status(&one_answer(&mut stream).await), 200);
        sleep(Duration::from_secs(60)).await;
    }
    let start = Instant::now();
    assert_eq!(until_closed(&mut stream).await, "");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_body_limit_is_exact_and_the_refusal_arrives() {
    let server = start(AcceptLimits::default(), HttpLimits { body: 5 << 20, ..HttpLimits::default() }).await;
    let mega = 1 << 20;
    for (size, expected) in
        [(4 * mega - 1, 200), (4 * mega, 200), (4 * mega + 1, 413), (5 * mega + 1, 413), (20 * mega, 413)]
    {
        let body = "x".repeat(size);
        let told = format!(
            "POST /length HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n{body}"
        );
        let chunked = format!(
            "POST /length HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n{size:x}\r\n{body}\r\n0\r\n\r\n"
        );
        for bytes in [told, chunked] {
            let (answer, _) = server.raw(bytes.as_bytes()).await;
            assert_eq!(status(&answer), expected, "{size}: {answer:?}");
            assert!(expected != 200 || answer.ends_with(&size.to_string()), "{answer:?}");
        }
    }
    // The verdict does not wait for the body.
    let mut stream = server.connect().await;
    stream
        .write_all(b"POST /length HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n")
        .await
        .expect("sent");
    let answer = until_closed(&mut stream).await;
    assert_eq!(status(&answer), 413);
    assert!(answer.contains("connection: close"), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn a_bug_in_one_request_is_one_internal_error() {
    let server = started().await;
    let mut stream = server.connect().await;
    for _ in 0..2 {
        stream.write_all(b"GET /panic HTTP/1.1\r\nHost: h\r\n\r\n").await.expect("sent");
        let answer = one_answer(&mut stream).await;
        assert_eq!(status(&answer), 500);
        assert!(answer.contains("\"INTERNAL_ERROR\"") && !answer.contains("canary"), "{answer:?}");
        let id = answer.lines().find_map(|line| line.strip_prefix("x-request-id: ")).expect("an id");
        assert!(answer.contains(&format!("\"request_id\":\"{id}\"")), "{answer:?}");
        stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.expect("sent");
        assert_eq!(status(&one_answer(&mut stream).await), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_sees_no_identity_header_from_outside() {
    let server = started().await;
    let request = "GET /headers HTTP/1.1\r\nHost: h\r\nConnection: close, x-listed\r\nX-Forwarded-User: a\r\nx_brickyard_a: b\r\nX-Listed: c\r\nX-Request-Id: mine\r\nX-Databricks-Org-Id: 1\r\n\r\n";
    let (answer, _) = server.raw(request.as_bytes()).await;
    assert!(answer.ends_with("[\"host\", \"connection\", \"x-databricks-org-id\"]"), "{answer:?}");
    assert!(answer.contains("x-request-id: ") && !answer.contains("mine"), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_begins_in_time_or_is_504_and_a_stream_is_not_cut() {
    let limits = HttpLimits { timeout: Duration::from_secs(3), ..HttpLimits::default() };
    let server = start(AcceptLimits::default(), limits).await;
    let (answer, _) = server.raw(b"GET /never HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    assert_eq!(status(&answer), 504);
    assert!(answer.contains("DEADLINE_EXCEEDED"), "{answer:?}");
    let (answer, lived) =
        server.raw(b"GET /stream/100 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    assert!(answer.contains("data: 99\n\n") && answer.contains("data: [DONE]\n\n"), "{answer:?}");
    assert!(lived > Duration::from_secs(99));
}

#[tokio::test(start_paused = true)]
async fn more_requests_than_allowed_get_429_at_once_and_streams_count() {
    let limits = HttpLimits { in_flight: 1, ..HttpLimits::default() };
    let text = crate::profile::Profile::newest().too_many_in_workspace.value;
    let server = start(AcceptLimits::default(), limits).await;
    let mut first = server.connect().await;
    first.write_all(b"GET /stream/3 HTTP/1.1\r\nHost: h\r\n\r\n").await.expect("sent");
    first.read_exact(&mut [0; 8]).await.expect("a head");
    let (answer, lived) = server.raw(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    assert_eq!(status(&answer), 429);
    assert!(answer.contains("RESOURCE_EXHAUSTED") && answer.contains("retry-after: 1"), "{answer:?}");
    assert!(answer.contains(&format!("\"message\":\"{text}: 1 are running\"")), "{answer:?}");
    assert_eq!(text, "Exceeded max number of parallel requests");
    assert!(lived < CLOSED_AT_ONCE);
    sleep(Duration::from_secs(10)).await;
    let (answer, _) = server.raw(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    assert_eq!(status(&answer), 200);
    drop(first);
}

#[tokio::test(start_paused = true)]
async fn a_drain_finishes_what_runs_tells_open_streams_and_then_ends() {
    let server = started().await;
    let ask = async |path: &str| {
        let mut stream = server.connect().await;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).await.expect("sent");
        stream
    };
    let mut idle = ask("/").await;
    one_answer(&mut idle).await;
    let mut slow = ask("/slow").await;
    let mut short = ask("/stream/4").await;
    let mut long = ask("/stream/100000").await;
    let mut silent = server.connect().await;
    sleep(Duration::from_secs(1)).await;

    server.shutdown.begin();
    tokio::task::yield_now().await;
    // A request that was on its way is still answered, and is told that it was the last one.
    idle.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.expect("sent");
    let last = until_closed(&mut idle).await;
    assert!(status(&last) == 200 && last.contains("connection: close"), "{last:?}");
    assert_eq!(until_closed(&mut silent).await, "");
    assert_eq!(status(&until_closed(&mut slow).await), 200);
    assert!(until_closed(&mut short).await.contains("data: 3\n\n"));
    let long = until_closed(&mut long).await;
    assert!(
        long.contains("data: 10\n\n") && long.contains("data: {\"error\":\"brickyard is stopping"),
        "{long:?}"
    );
    assert!(long.contains("data: [DONE]\n\n"), "{long:?}");
    assert_eq!(server.task.await.expect("ended"), Drained { cut: 0 });
    assert!(TcpStream::connect(server.at).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_drain_keeps_the_door_open_for_the_calls_of_what_still_runs_and_says_that_they_are_late() {
    let server = started().await;
    let ask = async |path: &str| {
        let mut stream = server.connect().await;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).await.expect("sent");
        stream
    };
    let mut early = ask("/late").await;
    assert!(one_answer(&mut early).await.contains("late: false"));
    let mut running = ask("/stream/4").await;
    sleep(Duration::from_millis(10)).await;
    server.shutdown.begin();
    sleep(Duration::from_millis(10)).await;
    // Read to the end of the connection: that it ends is part of the promise.
    let called_back = until_closed(&mut ask("/late").await).await;
    assert!(
        called_back.contains("late: true") && called_back.contains("connection: close"),
        "{called_back:?}"
    );
    assert!(until_closed(&mut running).await.contains("data: 3\n\n"));
    assert_eq!(server.task.await.expect("ended"), Drained { cut: 0 });
    assert!(TcpStream::connect(server.at).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_drain_does_not_wait_for_ever() {
    let server = started().await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /never HTTP/1.1\r\nHost: h\r\n\r\n").await.expect("sent");
    sleep(Duration::from_millis(10)).await;
    let start = Instant::now();
    server.shutdown.begin();
    assert_eq!(server.task.await.expect("ended"), Drained { cut: 1 });
    assert!(start.elapsed() <= Duration::from_secs(21));
}

#[tokio::test(start_paused = true)]
async fn http_2_is_served_on_the_same_port() {
    let server = started().await;
    let io = TokioIo::new(server.connect().await);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("a handshake");
    tokio::spawn(connection);
    for (path, host, expected) in [
        ("/", None, 200),
        ("/", Some("localhost"), 200),
        ("/", Some("evil.example"), 400),
        ("/panic", None, 500),
        ("/stream/2", None, 200),
    ] {
        let mut request = Request::get(format!("http://localhost{path}"));
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let request = request.body(Body::empty()).expect("a request");
        let response = sender.send_request(request).await.expect("an answer");
        assert_eq!(response.status(), expected, "{path} {host:?}");
        let body = http_body_util::BodyExt::collect(response.into_body()).await.expect("a body").to_bytes();
        assert!(path != "/stream/2" || body.ends_with(b"data: 1\n\ndata: [DONE]\n\n"), "{body:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_http_2_reader_with_a_closed_window_loses_the_connection() {
    let server = started().await;
    let io = TokioIo::new(server.connect().await);
    let (mut sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(10)
        .handshake(io)
        .await
        .expect("a handshake");
    let connection = tokio::spawn(connection);
    let request = Request::get("http://localhost/stream/100000").body(Body::empty()).expect("a request");
    let response = sender.send_request(request).await.expect("an answer");
    let start = Instant::now();
    let _ = connection.await; // nobody reads the body
    assert!(start.elapsed() < Duration::from_secs(40), "{:?}", start.elapsed());
    drop(response);
}
