//! H12: HTTP/2 with frames written by hand. Whatever they do, it is bounded: the connection ends or the streams are
//! refused, no agent is called, and the next client is served.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::stage::Stage;
use super::wire::request;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// The kinds of frames that say something about a request.
const ANSWERS: [u8; 3] = [HEADERS, RST_STREAM, GOAWAY];

/// What the server is to say.
enum Says {
    /// A frame of this kind: it resets the stream, ends the connection, or acknowledges what it was told.
    Frame(u8),
    /// An answer with this status.
    Status(u16),
    /// Nothing: nothing was asked.
    Nothing,
}

impl Says {
    fn is_in(&self, read: &[u8]) -> bool {
        let frames = frames_of(read);
        match self {
            Self::Frame(wanted) => frames.iter().any(|(kind, _)| kind == wanted),
            Self::Status(wanted) => status_of(&frames) == Some(*wanted),
            // The server's own settings, and nothing more.
            Self::Nothing => frames.len() > 1 && !frames.iter().any(|(kind, _)| ANSWERS.contains(kind)),
        }
    }
}

/// The status of the first answer. It is the first field, and the usual ones are one byte (RFC 7541, appendix A).
fn status_of(frames: &[(u8, &[u8])]) -> Option<u16> {
    let (_, head) = frames.iter().find(|(kind, _)| *kind == HEADERS)?;
    // Spelled out, in Huffman's code (appendix B).
    if head.starts_with(&[0x48, 0x83, 0x68, 0x0d, 0xff]) {
        return Some(405);
    }
    let usual = [200, 204, 206, 304, 400, 404, 500];
    usual.get(usize::from(head.first()?.checked_sub(0x88)?)).copied()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A literal field that is not indexed (RFC 7541 section 6.2.2), short enough for lengths of one byte.
fn field(name: &str, value: &[u8]) -> Vec<u8> {
    let length = |n: usize| {
        let mut bytes = Vec::new();
        if n < 127 {
            bytes.push(u8::try_from(n).expect("short"));
        } else {
            bytes.push(127);
            let mut rest = n - 127;
            while rest >= 128 {
                bytes.push(u8::try_from(rest % 128).expect("short") | 128);
                rest /= 128;
            }
            bytes.push(u8::try_from(rest).expect("short"));
        }
        bytes
    };
    [&[0][..], &length(name.len()), name.as_bytes(), &length(value.len()), value].concat()
}

fn get(path: &str) -> Vec<u8> {
    let fields = [(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "localhost")];
    fields.iter().flat_map(|(name, value)| field(name, value.as_bytes())).collect()
}

/// Sends, and reads until the server has said what it is to say and falls silent, or the connection ends: all bytes.
async fn play(authority: &str, frames: &[u8], expected: &Says) -> Vec<u8> {
    let (mut reader, mut writer) = TcpStream::connect(authority).await.expect("a connection").into_split();
    let bytes = [PREFACE, &frame(SETTINGS, 0, 0, &[]), frames].concat();
    let writing = tokio::spawn(async move {
        let _ = writer.write_all(&bytes).await;
        writer
    });
    let (mut read, mut said) = (Vec::new(), false);
    loop {
        said = said || expected.is_in(&read);
        // Once it has spoken, a server that keeps the connection is left alone. Until then a slow machine has its time.
        let patience = if said { Duration::from_millis(1_500) } else { Duration::from_secs(60) };
        match tokio::time::timeout(patience, reader.read_buf(&mut read)).await {
            Ok(Ok(1..)) => {}
            Ok(Ok(0) | Err(_)) | Err(_) => break,
        }
    }
    writing.abort();
    read
}

/// The frames of what was read, whole ones only.
fn frames_of(mut read: &[u8]) -> Vec<(u8, &[u8])> {
    let mut frames = Vec::new();
    while read.len() >= 9 {
        let length = usize::from(read[0]) << 16 | usize::from(read[1]) << 8 | usize::from(read[2]);
        let Some(payload) = read.get(9..9 + length) else { break };
        frames.push((read[3], payload));
        read = &read[9 + length..];
    }
    frames
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h12_http_2_is_bounded() {
    let mut stage = Stage::set("").await;
    let authority = stage.kit.url.trim_start_matches("http://").to_owned();
    let streams = |count: u32, each: &dyn Fn(u32) -> Vec<u8>| -> Vec<u8> {
        (0..count).flat_map(|n| each(n * 2 + 1)).collect()
    };
    let whole = get("/health");
    let invoke = {
        let mut fields: Vec<u8> =
            [(":method", "POST"), (":scheme", "http"), (":path", "/serving-endpoints/outside/invocations")]
                .iter()
                .flat_map(|(name, value)| field(name, value.as_bytes()))
                .collect();
        fields.extend(field(":authority", b"localhost"));
        fields.extend(field("content-type", b"application/json"));
        fields
    };
    let with = |name: &str, value: &[u8]| [&get("/health")[..], &field(name, value)].concat();
    let one = |fields: &[u8]| frame(HEADERS, END_STREAM | END_HEADERS, 1, fields);
    let table: Vec<(&str, Vec<u8>, Says)> = vec![
        ("an honest request", one(&whole), Says::Status(200)),
        (
            "rapid reset",
            streams(5_000, &|id| {
                [
                    frame(HEADERS, END_STREAM | END_HEADERS, id, &whole),
                    frame(RST_STREAM, 0, id, &8_u32.to_be_bytes()),
                ]
                .concat()
            }),
            Says::Frame(GOAWAY),
        ),
        (
            "rapid reset of invocations",
            streams(5_000, &|id| {
                [frame(HEADERS, END_HEADERS, id, &invoke), frame(RST_STREAM, 0, id, &8_u32.to_be_bytes())]
                    .concat()
            }),
            Says::Frame(GOAWAY),
        ),
        (
            "resets by a window that bursts",
            streams(2_000, &|id| {
                [frame(HEADERS, END_HEADERS, id, &invoke), frame(WINDOW_UPDATE, 0, id, &0_u32.to_be_bytes())]
                    .concat()
            }),
            Says::Frame(GOAWAY),
        ),
        (
            "10,000 streams",
            streams(10_000, &|id| frame(HEADERS, END_HEADERS, id, &invoke)),
            Says::Frame(RST_STREAM),
        ),
        (
            "a flood of continuations",
            [
                frame(HEADERS, END_STREAM, 1, &whole),
                (0..5_000)
                    .flat_map(|n| frame(CONTINUATION, 0, 1, &field("a", format!("{n:0200}").as_bytes())))
                    .collect(),
            ]
            .concat(),
            Says::Frame(GOAWAY),
        ),
        (
            "empty continuations",
            [frame(HEADERS, END_STREAM, 1, &whole), frame(CONTINUATION, 0, 1, &[]).repeat(20_000)].concat(),
            Says::Frame(GOAWAY),
        ),
        (
            "a head of 200 KB",
            [
                frame(HEADERS, END_STREAM, 1, &whole),
                (0..20)
                    .flat_map(|n| {
                        frame(
                            CONTINUATION,
                            if n == 19 { END_HEADERS } else { 0 },
                            1,
                            &field("a", &[b'x'; 10_000]),
                        )
                    })
                    .collect(),
            ]
            .concat(),
            Says::Frame(GOAWAY),
        ),
        ("a flood of pings", frame(PING, 0, 0, &[0; 8]).repeat(20_000), Says::Frame(PING)),
        (
            "a flood of settings",
            // The ping after it is answered when all of them were.
            [frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 1]).repeat(10_000), frame(PING, 0, 0, &[0; 8])].concat(),
            Says::Frame(PING),
        ),
        (
            "a window beyond its end",
            frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes()).repeat(2),
            Says::Frame(GOAWAY),
        ),
        ("a frame too large", frame(HEADERS, END_HEADERS, 1, &vec![0; 70_000]), Says::Frame(GOAWAY)),
        (
            "a stream of the server's",
            frame(HEADERS, END_STREAM | END_HEADERS, 2, &whole),
            Says::Frame(GOAWAY),
        ),
        ("data of no stream", frame(0, 0, 77, b"x"), Says::Frame(GOAWAY)),
        ("a bad index", one(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Says::Frame(GOAWAY)),
        ("a table of 4 GB", one(&[0x3f, 0xe1, 0xff, 0xff, 0xff, 0x0f]), Says::Frame(GOAWAY)),
        ("CRLF in a value", one(&with("x-evil", b"a\r\nset-cookie: b")), Says::Frame(GOAWAY)),
        ("NUL in a value", one(&with("x-evil", b"a\0b")), Says::Frame(GOAWAY)),
        ("capitals in a name", one(&with("X-Evil", b"a")), Says::Frame(GOAWAY)),
        ("connection", one(&with("connection", b"close")), Says::Frame(RST_STREAM)),
        ("transfer-encoding", one(&with("transfer-encoding", b"chunked")), Says::Frame(RST_STREAM)),
        ("another host", one(&with("host", b"evil.example")), Says::Status(400)),
        ("two paths", one(&with(":path", b"/_brickyard/ledger")), Says::Frame(RST_STREAM)),
        ("an unknown pseudo-header", one(&with(":evil", b"a")), Says::Frame(GOAWAY)),
        (
            "a trailing pseudo-header",
            one(&[field("a", b"b"), get("/health")].concat()),
            Says::Frame(RST_STREAM),
        ),
        ("no path", one(&field(":method", b"GET")), Says::Frame(RST_STREAM)),
        (
            "an empty path",
            one(&[
                field(":method", b"GET"),
                field(":scheme", b"http"),
                field(":path", b""),
                field(":authority", b"h"),
            ]
            .concat()),
            Says::Frame(RST_STREAM),
        ),
        (
            "CONNECT",
            one(&[field(":method", b"CONNECT"), field(":authority", b"evil.example:443")].concat()),
            Says::Status(405),
        ),
        (
            "WebSocket",
            one(&[
                field(":method", b"CONNECT"),
                field(":protocol", b"websocket"),
                field(":scheme", b"http"),
                field(":path", b"/"),
                field(":authority", b"h"),
            ]
            .concat()),
            Says::Frame(RST_STREAM),
        ),
        (
            "two tokens",
            one(&[with("authorization", b"Bearer a"), field("authorization", b"Bearer b")].concat()),
            Says::Status(400),
        ),
        ("nothing after the preface", Vec::new(), Says::Nothing),
    ];
    let calls = stage.agent.calls();
    let played = table.into_iter().map(|(what, frames, expected)| {
        let authority = authority.clone();
        tokio::spawn(async move {
            let read = play(&authority, &frames, &expected).await;
            (what, expected, read)
        })
    });
    let played: Vec<_> = played.collect();
    for played in played {
        let (what, expected, bytes) = played.await.expect("no panic");
        let kinds: Vec<u8> = frames_of(&bytes).into_iter().map(|(kind, _)| kind).collect();
        assert!(expected.is_in(&bytes), "{what}: {:?}...", &kinds[..kinds.len().min(20)]);
        assert!(kinds.len() < 25_000, "{what}: {} frames in answer", kinds.len());
        assert_eq!(stage.canaries.seen_in(&bytes), None, "{what}");
        assert!(!bytes.windows(4).any(|four| four == b"evil"), "{what}");
        stage.entry(&format!("H12 {what}"), &request("GET", "/health", &[], b""), 200).await;
    }
    assert_eq!(stage.agent.calls() - calls, stage.entries, "only the honest ones");
    eprintln!("H12: {} entries", stage.entries);
}
