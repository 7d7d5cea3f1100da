//! One HTTP/1.1 connection whose bytes are ours: whatever a client library would refuse to send.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Nothing here takes that long; it only turns a hang into a failure.
const HANG: Duration = Duration::from_secs(45);

/// What came back; status 0 if nothing did.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    /// The connection is over.
    pub closed: bool,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON, or null.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A header's value, empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let mut values =
            lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim());
        values.next().unwrap_or_default()
    }
}

/// See the module.
pub struct Wire {
    authority: String,
    stream: Option<TcpStream>,
}

impl Wire {
    /// A connection that is opened when something is sent.
    pub fn to(authority: &str) -> Self {
        Self { authority: authority.to_owned(), stream: None }
    }

    /// Sends, and reads one answer. Opens a new connection if the one before is over.
    pub async fn send(&mut self, bytes: &[u8]) -> Answer {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => TcpStream::connect(&self.authority).await.expect("a connection"),
        };
        let (mut reader, mut writer) = stream.split();
        let mut read = Reading { bytes: Vec::new(), head_only: bytes.starts_with(b"HEAD ") };
        let both = async {
            let mut sent = false;
            let mut writing = std::pin::pin!(writer.write_all(bytes));
            loop {
                tokio::select! {
                    // A server that has heard enough closes before the end.
                    _ = &mut writing, if !sent => sent = true,
                    answer = read.next(&mut reader) => break (answer, sent),
                }
            }
        };
        let (mut answer, sent) = tokio::time::timeout(HANG, both).await.unwrap_or_else(|_| {
            panic!("no answer to {}", String::from_utf8_lossy(&bytes[..bytes.len().min(300)]))
        });
        assert!(
            read.bytes.is_empty(),
            "two answers to one request: {:?}",
            String::from_utf8_lossy(&read.bytes)
        );
        answer.closed |= !sent || answer.header("connection").eq_ignore_ascii_case("close");
        if !answer.closed {
            self.stream = Some(stream);
        }
        answer
    }
}

/// Reads answers off a connection.
struct Reading {
    bytes: Vec<u8>,
    head_only: bool,
}

impl Reading {
    /// One answer; interim ones (100) are passed over. Safe to drop and call again: what was read is kept.
    async fn next(&mut self, reader: &mut (impl AsyncReadExt + Unpin)) -> Answer {
        loop {
            if let Some(answer) = self.whole(false) {
                return answer;
            }
            match reader.read_buf(&mut self.bytes).await {
                Ok(n) if n > 0 => {}
                _ => return self.whole(true).unwrap_or_else(|| self.nothing()),
            }
        }
    }

    fn nothing(&mut self) -> Answer {
        let head = String::from_utf8_lossy(&std::mem::take(&mut self.bytes)).into_owned();
        Answer { status: 0, head, body: Vec::new(), closed: true }
    }

    /// Takes a whole answer out of the bytes, if there is one.
    fn whole(&mut self, ended: bool) -> Option<Answer> {
        loop {
            let end = self.bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
            let head = String::from_utf8_lossy(&self.bytes[..end]).into_owned();
            let status = head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
            if status == 100 {
                self.bytes.drain(..end);
                continue;
            }
            let mut answer = Answer { status, head, body: Vec::new(), closed: ended };
            let rest = &self.bytes[end..];
            let (body, used) = if self.head_only || matches!(status, 204 | 304) {
                (Vec::new(), 0)
            } else if answer.header("transfer-encoding").eq_ignore_ascii_case("chunked") {
                match chunks(rest) {
                    Some(read) => read,
                    None if ended => (rest.to_vec(), rest.len()),
                    None => return None,
                }
            } else {
                match answer.header("content-length").parse::<usize>() {
                    Ok(length) if rest.len() >= length => (rest[..length].to_vec(), length),
                    Ok(_) | Err(_) if ended => (rest.to_vec(), rest.len()),
                    _ => return None,
                }
            };
            answer.body = body;
            self.bytes.drain(..end + used);
            return Some(answer);
        }
    }
}

fn chunks(mut bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let whole = bytes.len();
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|two| two == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).ok()?.trim(), 16).ok()?;
        bytes = bytes.get(end + 2..)?;
        if size == 0 {
            return Some((body, whole - bytes.get(2..)?.len()));
        }
        body.extend_from_slice(bytes.get(..size)?);
        bytes = bytes.get(size + 2..)?;
    }
}

/// A request with a body, an honest `Host`, and these headers.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    if !body.is_empty() || method != "GET" {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

/// The same with a bearer token and JSON.
pub fn json(method: &str, path: &str, token: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    request(method, path, &headers, body.as_ref())
}

/// A form, every byte of it encoded that might need to be.
pub fn form(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// Percent-encoded.
pub fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
