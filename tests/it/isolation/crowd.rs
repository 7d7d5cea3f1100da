//! One request of one person, and the many ways in which its client may go away.

use std::time::Duration;

use brickyard_ledger::Filter;
use brickyard_testkit::{Kit, Reply};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::load::{Chance, foreign, name};

/// Asks, and waits for the answer.
pub async fn ask(kit: &Kit, endpoint: &str, token: &str, body: &Value) -> Reply {
    kit.invoke(endpoint, token, body).await
}

/// Asks, and goes away at a moment of chance, within `patience`: before the request is out, while the agent works, or
/// in the middle of the answer. Gives what had been read by then.
pub async fn ask_and_leave(
    kit: &Kit,
    endpoint: &str,
    token: &str,
    body: &Value,
    patience: Duration,
    chance: &mut Chance,
) -> String {
    let micros = usize::try_from(patience.as_micros()).expect("short");
    let moment = Duration::from_micros(chance.below(micros) as u64);
    if chance.one_in(2) {
        // A connection that others have used and will use.
        return match tokio::time::timeout(moment, ask(kit, endpoint, token, body)).await {
            Ok(reply) => reply.text,
            Err(_) => String::new(),
        };
    }
    // A connection of its own, cut after a byte of chance on either way.
    let authority = kit.url.trim_start_matches("http://");
    let body = body.to_string();
    let request = format!(
        "POST /serving-endpoints/{endpoint}/invocations HTTP/1.1\r\nhost: {authority}\r\nauthorization: Bearer \
         {token}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let Ok(mut stream) = TcpStream::connect(authority).await else { return String::new() };
    let out = if chance.one_in(2) { request.len() } else { chance.below(request.len()) };
    if stream.write_all(&request.as_bytes()[..out]).await.is_err() {
        return String::new();
    }
    let mut read = vec![0; chance.below(1024)];
    let got = tokio::time::timeout(moment, stream.read(&mut read)).await;
    let got = got.ok().and_then(Result::ok).unwrap_or_default();
    String::from_utf8_lossy(&read[..got]).into_owned()
}

/// Holds an answer and everything that the ledger wrote about it against whoever asked.
pub fn check_own(kit: &Kit, person: usize, reply: &Reply) {
    assert_eq!(foreign(&reply.text, person), None, "{} was answered: {}", name(person), reply.text);
    let id = reply.request_id();
    let entry = kit.workspace.ledger.get(&id.parse().expect("a request id"));
    let entry = entry.unwrap_or_else(|| panic!("no entry of {id}: {}", reply.text));
    let caller = entry.caller.as_ref().expect("somebody");
    assert_eq!(*caller.principal().name, *name(person), "the ledger's caller of {id}");
    let explained = kit.explain(id);
    assert_eq!(foreign(&explained, person), None, "explain of a request of {}:\n{explained}", name(person));
}

/// Holds every entry that the ledger still has, also those of clients who left, against its own caller.
pub fn check_ledger(kit: &Kit) -> usize {
    let (mut checked, mut before) = (0, None);
    loop {
        let (entries, next) = kit.workspace.ledger.query(&Filter::default(), 1_000, before);
        for entry in &entries {
            let Some(caller) = &entry.caller else { continue };
            let Some(person) = caller.principal().name.strip_prefix("user-") else { continue };
            let person = person[..3].parse().expect("a number");
            let text = serde_json::to_string(&**entry).expect("JSON");
            assert_eq!(foreign(&text, person), None, "an entry of {}: {text}", name(person));
            checked += 1;
        }
        match next {
            Some(number) if !entries.is_empty() => before = Some(number),
            _ => return checked,
        }
    }
}
