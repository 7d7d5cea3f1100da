//! Latency at one connection and a fixed rate.
//!
//! A closed loop (wrk) asks only when the last answer is there, and so hides a stall behind one slow call. Here each
//! call is due at a time, and its latency counts from then, also when the call before it was late.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Prints `{"sent", "p50_us", "p99_us", "p999_us", "max_us"}`.
pub fn probe(url: &str, rate: u32, seconds: f64, body: &str, token: &str) -> Result<(), Box<dyn Error>> {
    let rest = url.strip_prefix("http://").ok_or("http:// is needed")?;
    let (host, path) = rest.split_once('/').ok_or("a path is needed")?;
    let request = format!(
        "POST /{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(host)?;
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 64 << 10];
    for _ in 0..200 {
        ask(&mut stream, request.as_bytes(), &mut buffer)?;
    }
    let gap = Duration::from_secs(1) / rate;
    let calls = (f64::from(rate) * seconds) as u32;
    let mut took = Vec::with_capacity(calls as usize);
    let begin = Instant::now();
    for number in 0..calls {
        let due = begin + gap * number;
        // Sleeping would add the scheduler's own delay to each figure.
        while Instant::now() < due {
            std::hint::spin_loop();
        }
        ask(&mut stream, request.as_bytes(), &mut buffer)?;
        took.push(due.elapsed());
    }
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_nanos() as f64 / 1e3;
    let answer = serde_json::json!({
        "sent": calls, "p50_us": at(0.5), "p99_us": at(0.99), "p999_us": at(0.999), "max_us": at(1.0),
    });
    println!("{answer}");
    Ok(())
}

/// One call, to the last byte of its answer.
fn ask(stream: &mut TcpStream, request: &[u8], buffer: &mut [u8]) -> Result<(), Box<dyn Error>> {
    stream.write_all(request)?;
    let mut have = 0;
    loop {
        let read = stream.read(&mut buffer[have..])?;
        if read == 0 {
            return Err("the server closed the connection".into());
        }
        have += read;
        let Some(head) = buffer[..have].windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&buffer[..head])?;
        if !text.starts_with("HTTP/1.1 200") {
            return Err(text.to_owned().into());
        }
        let mut headers = text.lines().filter_map(|line| line.split_once(": "));
        let length = headers.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let length: usize = length.ok_or("no content-length")?.1.parse()?;
        if have >= head + 4 + length {
            return Ok(());
        }
    }
}
