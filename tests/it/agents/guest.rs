//! An agent that somebody else runs: a tiny HTTP server that keeps what it was sent.

use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What brickyard sent.
#[derive(Debug, Clone, Default)]
pub struct Received {
    /// `POST /invocations HTTP/1.1`.
    pub line: String,
    /// The headers, in lower case, as they came.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Received {
    /// A header, empty if it did not come.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(header, _)| header == name).map_or("", |(_, value)| value)
    }

    /// The names of the headers, sorted.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }
}

/// The claims of a JWT, unverified: what its holder can read in it.
pub fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap_or_else(|| panic!("{token:?} is no JWT"));
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("base64url")).expect("JSON")
}

/// What the agent answers.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    content_type: &'static str,
    body: String,
    breaks_off: bool,
}

impl Answer {
    /// JSON.
    pub fn json(status: u16, body: &str) -> Self {
        Self { status, content_type: "application/json", body: body.to_owned(), breaks_off: false }
    }

    /// Anything.
    pub fn text(status: u16, content_type: &'static str, body: &str) -> Self {
        Self { status, content_type, body: body.to_owned(), breaks_off: false }
    }

    /// The connection ends before the body does.
    pub fn breaking_off(mut self) -> Self {
        self.breaks_off = true;
        self
    }

    fn bytes(&self) -> String {
        let length = self.body.len() + usize::from(self.breaks_off) * 1_000;
        let (status, content_type, body) = (self.status, self.content_type, &self.body);
        let moved = if (300..400).contains(&status) { "location: /elsewhere\r\n" } else { "" };
        format!(
            "HTTP/1.1 {status} OK\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n{moved}connection: close\r\n\r\n{body}"
        )
    }
}

/// The server. It ends with the test.
pub struct Guest {
    /// `http://127.0.0.1:<port>`.
    pub url: String,
    seen: Arc<Mutex<Vec<Received>>>,
    answer: Arc<Mutex<Answer>>,
}

impl Guest {
    /// One that answers `{"said":"hello"}` until it is told otherwise.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let seen: Arc<Mutex<Vec<Received>>> = Arc::default();
        let answer = Arc::new(Mutex::new(Answer::json(200, r#"{"said":"hello"}"#)));
        let (kept, given) = (Arc::clone(&seen), Arc::clone(&answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, given) = (Arc::clone(&kept), Arc::clone(&given));
                tokio::spawn(async move { serve(stream, &kept, &given).await });
            }
        });
        Self { url, seen, answer }
    }

    /// Answers this from now on.
    pub fn answers(&self, answer: Answer) {
        *self.answer.lock().expect("no panic") = answer;
    }

    /// The last thing it was sent.
    pub fn last(&self) -> Received {
        self.seen.lock().expect("no panic").last().cloned().expect("a request")
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.seen.lock().expect("no panic").len()
    }
}

async fn serve(mut stream: TcpStream, seen: &Mutex<Vec<Received>>, answer: &Mutex<Answer>) {
    let Some(received) = read(&mut stream).await else { return };
    seen.lock().expect("no panic").push(received);
    let bytes = answer.lock().expect("no panic").bytes();
    // Whoever went away does not want it.
    let _ = stream.write_all(bytes.as_bytes()).await;
    let _ = stream.shutdown().await;
}

async fn read(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let mut lines = head.split("\r\n");
    let line = lines.next()?.to_owned();
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let mut received = Received { line, headers, body: String::new() };
    let length: usize = received.header("content-length").parse().unwrap_or(0);
    while bytes.len() < end + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    received.body = String::from_utf8(bytes[end + 4..end + 4 + length].to_vec()).ok()?;
    Some(received)
}
