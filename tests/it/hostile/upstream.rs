//! An agent that somebody runs over HTTP and that counts its calls, and a listener that nobody should ever reach.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the agent was sent last.
#[derive(Default, Clone, Debug)]
pub struct Received {
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Received {
    /// Every value of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The value of a header that is there once.
    pub fn one(&self, name: &str) -> &str {
        let all = self.all(name);
        assert_eq!(all.len(), 1, "{name}: {all:?}");
        all[0]
    }
}

#[derive(Default)]
struct Seen {
    calls: AtomicUsize,
    last: Mutex<Received>,
    instead: Mutex<Option<Vec<u8>>>,
}

/// An honest agent: it reads its body as JSON, and answers `{"said": <body>}`.
pub struct Agent {
    pub url: String,
    seen: Arc<Seen>,
    task: JoinHandle<()>,
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Agent {
    /// Starts one.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let seen = Arc::new(Seen::default());
        let served = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&served)));
            }
        });
        Self { url, seen, task }
    }

    /// How often it was called.
    pub fn calls(&self) -> usize {
        self.seen.calls.load(Ordering::SeqCst)
    }

    /// What it was sent last.
    pub fn last(&self) -> Received {
        self.seen.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers the next call with these bytes, and closes.
    pub fn answer_once(&self, bytes: impl Into<Vec<u8>>) {
        *self.seen.instead.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes.into());
    }
}

async fn serve(mut stream: TcpStream, seen: Arc<Seen>) {
    let mut bytes = Vec::new();
    loop {
        let Some(received) = read(&mut stream, &mut bytes).await else { return };
        seen.calls.fetch_add(1, Ordering::SeqCst);
        let said = serde_json::from_slice::<Value>(&received.body);
        *seen.last.lock().unwrap_or_else(PoisonError::into_inner) = received;
        let instead = seen.instead.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(instead) = instead {
            let _ = stream.write_all(&instead).await;
            return;
        }
        let (status, body) = match said {
            Ok(said) => ("200 OK", json!({ "said": said })),
            Err(_) => {
                ("400 Bad Request", json!({ "error_code": "BAD_REQUEST", "message": "the agent wants JSON" }))
            }
        };
        let body = body.to_string();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        if stream.write_all(format!("{head}{body}").as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<Received> {
    let mut need = None;
    loop {
        if need.is_none()
            && let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n")
        {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let headers: Vec<(String, String)> = (head.lines().skip(1))
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect();
            let length = headers.iter().find(|(name, _)| name == "content-length");
            let length: usize = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
            need = Some((end + 4, length, headers));
        }
        if let Some((begin, length, headers)) = &need
            && bytes.len() >= begin + length
        {
            let received =
                Received { headers: headers.clone(), body: bytes[*begin..begin + length].to_vec() };
            bytes.drain(..begin + length);
            return Some(received);
        }
        match stream.read_buf(bytes).await {
            Ok(n) if n > 0 => {}
            _ => return None,
        }
    }
}

/// A place that tokens try to lead brickyard to. It counts who comes.
pub struct Trap {
    pub url: String,
    visitors: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Trap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Trap {
    /// Sets it up.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let visitors = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&visitors);
        let task = tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { url, visitors, task }
    }

    /// How many came.
    pub fn visitors(&self) -> usize {
        self.visitors.load(Ordering::SeqCst)
    }
}
