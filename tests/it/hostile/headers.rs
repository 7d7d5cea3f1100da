//! **H. HTTP and headers**, byte for byte over real connections.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::stage::{ANA, CALLED, CLIENT_ID, CLIENT_SECRET, Expected, PAT, SECRET, Stage, signature};
use super::wire::{form, request};

const INVOKE: &str = "/serving-endpoints/outside/invocations";
const HOST: &str = "Host: localhost\r\n";

/// A whole, valid invocation of Ana's, except for what `headers` adds.
fn invoke(token: &str, headers: &str) -> Vec<u8> {
    format!(
        "POST {INVOKE} HTTP/1.1\r\n{HOST}Authorization: Bearer {token}\r\nContent-Type: application/json\r\n{headers}\r\n{{}}"
    )
    .into_bytes()
}

const CLOSED: Expected = Expected { status: &[400, 0], calls: 0 };

/// H01 to H05, H11, H14 to H17: a request that two readers could read differently is refused, and the connection ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h_what_two_readers_could_read_differently_is_refused() {
    let mut stage = Stage::set("").await;
    let ana = stage.ana.clone();
    let auth = format!("Authorization: Bearer {ana}\r\nContent-Type: application/json\r\n");
    let post = |headers: &str, body: &str| {
        format!("POST {INVOKE} HTTP/1.1\r\n{HOST}{auth}{headers}\r\n{body}").into_bytes()
    };
    let chunked = "2\r\n{}\r\n0\r\n\r\n";
    let get = |headers: &str| format!("GET /health HTTP/1.1\r\n{HOST}{headers}\r\n").into_bytes();
    let second = "POST /serving-endpoints/outside/invocations HTTP/1.1\r\nHost: x\r\n";
    let smuggled = format!("0\r\n\r\n{second}{auth}Content-Length: 2\r\n\r\n{{}}");
    let length = smuggled.len();
    let extension = format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "x".repeat(1 << 20));
    let trailers = format!("2\r\n{{}}\r\n0\r\n{}\r\n", "A: b\r\n".repeat(20_000));
    let long = format!("X-Long: {}\r\n", "x".repeat(100 << 10));
    let many = "A: b\r\n".repeat(10_000);
    let cookie = format!("Cookie: {}\r\n", "a=b; ".repeat(30_000));
    let table: Vec<(&str, Vec<u8>, Expected)> = vec![
        ("H01 a length and chunks", post("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", chunked), 400.into()),
        ("H01 chunks and a length", post("Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", chunked), 400.into()),
        ("H01 CL.TE smuggling", post(&format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"), &smuggled), 400.into()),
        ("H01 TE.CL smuggling", post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", &format!("{:x}\r\n{smuggled}\r\n0\r\n\r\n", length)), 400.into()),
        ("H02 two lengths", post("Content-Length: 2\r\nContent-Length: 3\r\n", "{}x"), 400.into()),
        ("H02 two lengths in one", post("Content-Length: 2, 3\r\n", "{}x"), 400.into()),
        ("H02 +2", post("Content-Length: +2\r\n", "{}"), 400.into()),
        ("H02 -1", post("Content-Length: -1\r\n", "{}"), 400.into()),
        ("H02 0x2", post("Content-Length: 0x2\r\n", "{}"), 400.into()),
        ("H02 2.0", post("Content-Length: 2.0\r\n", "{}"), 400.into()),
        ("H02 empty", post("Content-Length: \r\n", "{}"), 400.into()),
        ("H02 2^64", post("Content-Length: 18446744073709551616\r\n", "{}"), 400.into()),
        ("H02 2^64 - 1", post("Content-Length: 18446744073709551615\r\n", "{}"), (&[400, 413, 431][..]).into()),
        ("H03 chunked, identity", post("Transfer-Encoding: chunked, identity\r\n", chunked), 400.into()),
        ("H03 identity, chunked", post("Transfer-Encoding: identity, chunked\r\n", chunked), 400.into()),
        ("H03 gzip, chunked", post("Transfer-Encoding: gzip, chunked\r\n", chunked), 400.into()),
        ("H03 chunked twice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", chunked), 400.into()),
        ("H03 chunked, chunked", post("Transfer-Encoding: chunked, chunked\r\n", chunked), 400.into()),
        ("H03 xchunked", post("Transfer-Encoding: xchunked\r\n", chunked), 400.into()),
        ("H03 identity", post("Transfer-Encoding: identity\r\n", "{}"), 400.into()),
        ("H03 quoted", post("Transfer-Encoding: \"chunked\"\r\n", chunked), 400.into()),
        ("H03 vertical tab", post("Transfer-Encoding: \x0bchunked\r\n", chunked), 400.into()),
        ("H03 tab before the colon", post("Transfer-Encoding\t: chunked\r\n", chunked), 400.into()),
        ("H03 space before the colon", post("Transfer-Encoding : chunked\r\n", chunked), 400.into()),
        ("H03 a bad chunk size", post("Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"), 400.into()),
        ("H03 a negative chunk size", post("Transfer-Encoding: chunked\r\n", "-2\r\n{}\r\n0\r\n\r\n"), 400.into()),
        ("H03 a chunk size of 0x2", post("Transfer-Encoding: chunked\r\n", "0x2\r\n{}\r\n0\r\n\r\n"), 400.into()),
        ("H03 an enormous chunk size", post("Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\n{}\r\n0\r\n\r\n"), 400.into()),
        ("H03 a chunk without its end", post("Transfer-Encoding: chunked\r\n", "2\r\n{}x0\r\n\r\n"), 400.into()),
        ("H03 a chunk extension of 1 MB", post("Transfer-Encoding: chunked\r\n", &extension), 400.into()),
        ("H03 120 kB of trailers", post("Transfer-Encoding: chunked\r\n", &trailers), 400.into()),
        ("H04 obs-fold", get("A: b\r\n folded: c\r\n"), 400.into()),
        ("H04 obs-fold with tab", get("A: b\r\n\tfolded: c\r\n"), 400.into()),
        ("H04 a folded first line", format!("GET /health HTTP/1.1\r\n {HOST}\r\n").into_bytes(), 400.into()),
        ("H04 bare CR", get("A: b\rc\r\n"), 400.into()),
        ("H04 bare LF", get("A: b\nC: d\r\n"), 400.into()),
        ("H04 bare LF in the first line", format!("GET /health HTTP/1.1\n{HOST}\r\n").into_bytes(), 400.into()),
        ("H04 bare LF at the end", format!("GET /health HTTP/1.1\r\n{HOST}\n").into_bytes(), 400.into()),
        ("H04 NUL in a value", get("A: b\0c\r\n"), 400.into()),
        ("H04 NUL in a name", get("A\0: b\r\n"), 400.into()),
        ("H04 not ASCII in a name", get("\u{e4}: b\r\n"), 400.into()),
        ("H04 a space in a name", get("A B: c\r\n"), 400.into()),
        ("H04 no name", get(": c\r\n"), 400.into()),
        ("H04 no colon", get("Authorization Bearer x\r\n"), 400.into()),
        ("H04 a bell", get("A: \x07\r\n"), 400.into()),
        ("H05 two authorizations", get(&format!("{auth}Authorization: Bearer x\r\n")), 400.into()),
        ("H05 two alike", get(&format!("{auth}{auth}")), 400.into()),
        ("H05 one empty", get(&format!("Authorization:\r\n{auth}")), 400.into()),
        ("H07 in the query", format!("GET /health?access_token={PAT} HTTP/1.1\r\n{HOST}\r\n").into_bytes(), 400.into()),
        ("H07 in the query, escaped", format!("GET /health?access%5ftoken={PAT} HTTP/1.1\r\n{HOST}\r\n").into_bytes(), 400.into()),
        ("H07 in the query of an invocation", format!("POST {INVOKE}?access_token={ana} HTTP/1.1\r\n{HOST}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}").into_bytes(), 400.into()),
        ("H11 100 KB header", get(&long), 431.into()),
        ("H11 100 KB of cookies", get(&cookie), 431.into()),
        ("H11 10,000 headers", get(&many), 431.into()),
        ("H11 a path of 100 KB", format!("GET /{} HTTP/1.1\r\n{HOST}\r\n", "x".repeat(100 << 10)).into_bytes(), (&[414, 431][..]).into()),
        ("H13 an expectation", get("Expect: a-miracle\r\n"), 417.into()),
        ("H14 TRACE", format!("TRACE /health HTTP/1.1\r\n{HOST}{auth}\r\n").into_bytes(), 405.into()),
        ("H14 CONNECT", format!("CONNECT evil.example:443 HTTP/1.1\r\n{HOST}\r\n").into_bytes(), 405.into()),
        ("H14 unknown", format!("FROB /health HTTP/1.1\r\n{HOST}\r\n").into_bytes(), 501.into()),
        ("H14 lower case", format!("get /health HTTP/1.1\r\n{HOST}\r\n").into_bytes(), 501.into()),
        ("H14 PROPFIND", format!("PROPFIND / HTTP/1.1\r\n{HOST}\r\n").into_bytes(), 501.into()),
        ("H15 another host", b"GET http://evil.example/health HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_vec(), 421.into()),
        ("H15 another host than Host", format!("GET http://evil.example/health HTTP/1.1\r\n{HOST}\r\n").into_bytes(), 400.into()),
        ("H15 another scheme", format!("GET ftp://localhost/health HTTP/1.1\r\n{HOST}\r\n").into_bytes(), (&[400, 421][..]).into()),
        ("H15 with a password", format!("GET http://a:b@localhost/health HTTP/1.1\r\n{HOST}\r\n").into_bytes(), 400.into()),
        ("H15 the metadata service", b"GET http://169.254.169.254/latest HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n".to_vec(), 421.into()),
        ("H16 no host", b"GET /health HTTP/1.1\r\n\r\n".to_vec(), 400.into()),
        ("H16 two hosts", get("Host: localhost\r\n"), 400.into()),
        ("H16 two different hosts", get("Host: evil.example\r\n"), 400.into()),
        ("H16 an empty host", b"GET /health HTTP/1.1\r\nHost: \r\n\r\n".to_vec(), 400.into()),
        ("H16 with user info", b"GET /health HTTP/1.1\r\nHost: user@localhost\r\n\r\n".to_vec(), 400.into()),
        ("H16 port 0", b"GET /health HTTP/1.1\r\nHost: localhost:0\r\n\r\n".to_vec(), 400.into()),
        ("H16 port 65536", b"GET /health HTTP/1.1\r\nHost: localhost:65536\r\n\r\n".to_vec(), 400.into()),
        ("H16 a path", b"GET /health HTTP/1.1\r\nHost: localhost/x\r\n\r\n".to_vec(), 400.into()),
        ("H16 a space", b"GET /health HTTP/1.1\r\nHost: local host\r\n\r\n".to_vec(), 400.into()),
        ("H16 a list", b"GET /health HTTP/1.1\r\nHost: localhost, evil.example\r\n\r\n".to_vec(), 400.into()),
        ("H17 WebSocket", get("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), 400.into()),
        ("H17 h2c", get("Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"), 400.into()),
        ("H17 TLS", get("Upgrade: TLS/1.2\r\nConnection: Upgrade\r\n"), 400.into()),
        ("another version", format!("GET /health HTTP/3.7\r\n{HOST}\r\n").into_bytes(), CLOSED),
        ("no version", b"GET /health\r\n\r\n".to_vec(), CLOSED),
        ("TLS to a plain port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), CLOSED),
        ("SSH", b"SSH-2.0-OpenSSH_9.6\r\n\r\n".to_vec(), CLOSED),
        ("nothing but NULs", vec![0; 1024], CLOSED),
        ("PROXY protocol", format!("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET /health HTTP/1.1\r\n{HOST}\r\n").into_bytes(), CLOSED),
        ("a gzipped body", post("Content-Encoding: gzip\r\nContent-Length: 3\r\n", "abc"), 415.into()),
    ];
    for (what, bytes, expected) in table {
        let answer = stage.entry(what, &bytes, expected).await;
        assert!(answer.closed, "{what} keeps the connection: {}", answer.head);
    }
    eprintln!("H, framing: {} entries", stage.entries);
}

/// H06, H07: what an `Authorization` may be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h_a_credential_is_shown_in_one_way() {
    let mut stage = Stage::set("").await;
    let ana = stage.ana.clone();
    let table: Vec<(String, Expected)> = vec![
        (format!("Bearer {ana}"), CALLED),
        (format!("bearer {ana}"), CALLED),
        (format!("BEARER {ana}"), CALLED),
        (format!("Bearer {PAT}"), CALLED),
        (format!("Bearer  {ana}"), 401.into()),
        (format!("Bearer\t{ana}"), 401.into()),
        (format!("Bearer {ana},"), 401.into()),
        (format!("Bearer {ana}, Bearer {PAT}"), 401.into()),
        (format!("Bearer {ana} {PAT}"), 401.into()),
        (format!("Bearer={ana}"), 401.into()),
        (format!("Bearer: {ana}"), 401.into()),
        (format!("Bearer \"{ana}\""), 403.into()),
        (format!("Token {ana}"), 401.into()),
        (format!("DPoP {ana}"), 401.into()),
        ("Negotiate YIIB".into(), 401.into()),
        ("Digest username=\"ana\"".into(), 401.into()),
        (ana.clone(), 401.into()),
        ("Bearer".into(), 401.into()),
        ("Bearer ".into(), 401.into()),
        (String::new(), 401.into()),
        (format!("Basic {}", STANDARD.encode(format!("token:{PAT}"))), 401.into()),
        (format!("Basic {}", STANDARD.encode(format!("{ANA}:{PAT}"))), 401.into()),
        (format!("Basic {}", STANDARD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}"))), 401.into()),
        (format!("\u{e4}Bearer {ana}"), 401.into()),
        (format!("Bearer {CLIENT_SECRET}"), 403.into()),
        ("Bearer undefined".into(), 403.into()),
        ("Bearer null".into(), 403.into()),
        ("Bearer {{secrets/travel/weather-token}}".into(), 403.into()),
        ("Bearer ${DATABRICKS_TOKEN}".into(), 403.into()),
    ];
    for (value, expected) in table {
        let what = format!("H06 {:?}", &value[..value.len().min(24)].escape_debug().to_string());
        let headers = [("Authorization", value.as_str()), ("Content-Type", "application/json")];
        let answer = stage.entry(&what, &request("POST", INVOKE, &headers, b"{}"), expected).await;
        if answer.status == 401 {
            assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"brickyard\"", "{what}");
            assert_eq!(answer.json()["error_code"], 401, "{what}");
        }
    }
    // No header at all, and the token in other places.
    let typed = ("Content-Type", "application/json");
    stage.entry("H06 none", &request("POST", INVOKE, &[typed], b"{}"), 401).await;
    let cookie = format!("access_token={ana}; token={PAT}");
    for (name, value) in [
        ("Cookie", cookie.as_str()),
        ("Proxy-Authorization", &format!("Bearer {ana}")),
        ("X-Databricks-Token", &ana),
        ("X-Forwarded-Access-Token", &ana),
        ("X-Api-Key", PAT),
        ("X-Brickyard-Passthrough-Token", &ana),
    ] {
        stage
            .entry(&format!("H07 {name}"), &request("POST", INVOKE, &[typed, (name, value)], b"{}"), 401)
            .await;
    }
    let body = form(&[("access_token", &ana)]);
    let as_form = [("Content-Type", "application/x-www-form-urlencoded")];
    stage.entry("H07 in a form", &request("POST", INVOKE, &as_form, body.as_bytes()), 401).await;
    let body =
        json!({ "access_token": ana, "token": PAT, "authorization": format!("Bearer {ana}") }).to_string();
    stage.entry("H07 in JSON", &request("POST", INVOKE, &[typed], body.as_bytes()), 401).await;
    eprintln!("H06, H07: {} entries", stage.entries);
}

/// H08 to H10, H14, H18, H19: nobody is anybody by a header, and the agent sees ours alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h_the_agent_sees_only_brickyards_own_headers() {
    let mut stage = Stage::set("").await;
    let ana = stage.ana.clone();
    let long = format!("baggage: {}\r\n", "a=b,".repeat(2_500));
    let names = [
        "X-Forwarded-Access-Token",
        "x-forwarded-user",
        "X-FORWARDED-EMAIL",
        "X-Forwarded-Preferred-Username",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "Forwarded",
        "X-Databricks-User",
        "X-Databricks-Anything",
        "X-Brickyard-Passthrough-Token",
        "X-Brickyard-Secret-WEATHER_TOKEN",
        "X-Brickyard-Environment-PATH",
        "X_Forwarded_User",
        "x_forwarded-access_token",
        "X_Brickyard_Passthrough_Token",
        "X-Real-IP",
        "X-Request-Id",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-HTTP-Method-Override",
        "X-Method-Override",
        "X-MLflow-User-Token",
    ];
    let mut table: Vec<(String, String)> = names
        .iter()
        .map(|name| {
            (format!("H08-09 {name}"), format!("{name}: mallory@example.com\r\nContent-Length: 2\r\n"))
        })
        .collect();
    for name in names {
        let listed =
            format!("{name}: mallory@example.com\r\nConnection: keep-alive, {name}\r\nContent-Length: 2\r\n");
        table.push((format!("H09 {name} in Connection"), listed));
    }
    for (what, headers) in [
        ("H10 Connection: authorization", "Connection: keep-alive, Authorization\r\nContent-Length: 2\r\n"),
        ("H10 Connection: host", "Connection: Host, Content-Type, Content-Length\r\nContent-Length: 2\r\n"),
        (
            "H10 Connection: x-forwarded-user",
            "Connection: X-Forwarded-User, X-Forwarded-Access-Token\r\nContent-Length: 2\r\n",
        ),
        ("H10 Keep-Alive", "Keep-Alive: timeout=1000000\r\nContent-Length: 2\r\n"),
        ("H10 TE", "TE: trailers, deflate\r\nContent-Length: 2\r\n"),
        ("H18 ranges", "Range: bytes=0-1,2-3\r\nIf-Range: x\r\nContent-Length: 2\r\n"),
        (
            "H18 conditions",
            "If-Match: *\r\nIf-None-Match: *\r\nIf-Modified-Since: x\r\nContent-Length: 2\r\n",
        ),
        (
            "H18 encodings",
            "Accept-Encoding: gzip;q=1e999, br;q=-1, *;q=0\r\nAccept: ;;;,\r\nContent-Length: 2\r\n",
        ),
        (
            "H18 languages",
            "Accept-Language: ../../etc/passwd\r\nUser-Agent: ${jndi:ldap://127.0.0.1}\r\nContent-Length: 2\r\n",
        ),
        ("H19 traceparent malformed", "traceparent: 00-zz-zz-zz\r\nContent-Length: 2\r\n"),
        (
            "H19 traceparent all zeros",
            "traceparent: 00-00000000000000000000000000000000-0000000000000000-00\r\nContent-Length: 2\r\n",
        ),
        ("H19 tracestate", "tracestate: a=\u{1b}[31m\r\nContent-Length: 2\r\n"),
        ("S05 a reference", "X-Custom: {{secrets/travel/weather-token}}\r\nContent-Length: 2\r\n"),
    ] {
        table.push((what.to_owned(), headers.to_owned()));
    }
    table.push(("H19 10 KB of baggage".into(), format!("{long}Content-Length: 2\r\n")));
    for (what, headers) in table {
        let expected = if what == "H19 tracestate" { 400.into() } else { CALLED };
        // (What the agent sees of the honest request after it is the same.)
        stage.entry(&what, &invoke(&ana, &headers), expected).await;
        let seen = stage.agent.last();
        let mut names: Vec<&str> = seen.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, SEEN_BY_THE_AGENT, "{what}");
        for name in ["x-forwarded-user", "x-forwarded-email", "x-forwarded-preferred-username"] {
            assert_eq!(seen.one(name), ANA, "{what}");
        }
        assert_eq!(seen.one("x-brickyard-secret-weather_token"), STANDARD.encode(SECRET), "{what}");
        // MCP's rule, too: the caller's own token goes nowhere.
        for (name, value) in &seen.headers {
            assert!(
                !value.contains("mallory") && !value.contains(signature(&ana)),
                "{what}: {name}: {value}"
            );
        }
    }
    // Trailers.
    let trailed = format!(
        "POST {INVOKE} HTTP/1.1\r\n{HOST}Authorization: Bearer {ana}\r\nContent-Type: application/json\r\nTransfer-Encoding: \
         chunked\r\nTrailer: X-Forwarded-User, Authorization\r\n\r\n2\r\n{{}}\r\n0\r\nX-Forwarded-User: mallory\r\nAuthorization: \
         Bearer mallory\r\nX-Brickyard-Passthrough-Token: mallory\r\n\r\n"
    );
    stage.entry("H09 in trailers", trailed.as_bytes(), CALLED).await;
    assert!(stage.agent.last().headers.iter().all(|(_, value)| !value.contains("mallory")), "H09");
    // H14: no header changes the method, and none the path.
    for (name, value) in [
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-Original-URL", "/_brickyard/tokens"),
        ("X-HTTP-Method", "PUT"),
    ] {
        let bearer = format!("Bearer {}", stage.admin);
        let bytes = request(
            "GET",
            "/api/2.0/serving-endpoints/outside",
            &[("Authorization", &bearer), (name, value)],
            b"",
        );
        let answer = stage.entry(&format!("H14 {name}"), &bytes, 200).await;
        assert_eq!(answer.json()["name"], "outside", "H14 {name}");
    }
    // L02: what somebody chose stands escaped in the log, on one line.
    let bearer = format!("Bearer {ana}");
    for path in ["/%0d%0aforged%20line", "/%1b[31mred", "/%e2%80%ae", "/%00"] {
        let bytes =
            request("GET", &format!("/api/2.0/serving-endpoints{path}"), &[("Authorization", &bearer)], b"");
        let answer = stage.entry(&format!("L02 {path}"), &bytes, 404).await;
        assert!(!answer.head.contains("forged"), "{}", answer.head);
    }
    eprintln!("H08-H19: {} entries", stage.entries);
}

const SEEN_BY_THE_AGENT: [&str; 11] = [
    "accept",
    "content-length",
    "content-type",
    "host",
    "x-brickyard-passthrough-token",
    "x-brickyard-secret-weather_token",
    "x-forwarded-access-token",
    "x-forwarded-email",
    "x-forwarded-preferred-username",
    "x-forwarded-user",
    "x-request-id",
];

/// H20: what an agent may answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h20_an_agent_answers_with_a_body_and_with_nothing_else() {
    let mut stage = Stage::set("").await;
    let ana = stage.ana.clone();
    let ok = |headers: &str| {
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n{headers}\r\n{{}}")
    };
    let once = |status: &'static [u16]| Expected { status, calls: 1 };
    let big = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx: {}\r\ncontent-length: 2\r\n\r\n{{}}",
        "y".repeat(1 << 20)
    );
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let table: Vec<(&str, String, Expected)> = vec![
        ("Set-Cookie", ok("set-cookie: a=b\r\nset-cookie: c=d\r\n"), once(&[200])),
        ("Server", ok("server: evil/1.0\r\nvia: 1.1 evil\r\n"), once(&[200])),
        (
            "our own names",
            ok(
                "x-brickyard-explain: /evil\r\nx-request-id: evil\r\nx-databricks-org-id: evil\r\nserved-model-name: evil\r\n",
            ),
            once(&[200]),
        ),
        (
            "CORS",
            ok("access-control-allow-origin: *\r\naccess-control-allow-credentials: true\r\n"),
            once(&[200]),
        ),
        ("Connection", ok("connection: close, x-request-id\r\nkeep-alive: timeout=1\r\n"), once(&[200])),
        (
            "a place to go",
            ok("location: http://evil.example/\r\nrefresh: 0; url=http://evil.example\r\n"),
            once(&[200]),
        ),
        ("a challenge", ok("www-authenticate: Basic realm=evil\r\n"), once(&[200])),
        (
            "two lengths",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}x".into(),
            once(&[502]),
        ),
        (
            "a length and chunks",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
                .into(),
            once(&[200, 502]),
        ),
        ("CRLF in a value", ok("x-evil: a\r\nset-cookie: b=c\r\n"), once(&[200])),
        ("bare CR", ok("x-evil: a\rset-cookie: b\r\n"), once(&[502])),
        ("NUL", ok("x-evil: a\0b\r\n"), once(&[502])),
        ("a header of a megabyte", big, once(&[502])),
        ("no status", "evil\r\n\r\n".into(), once(&[502])),
        ("status 999", "HTTP/1.1 999 Evil\r\ncontent-length: 0\r\n\r\n".into(), once(&[502])),
        ("status 99", "HTTP/1.1 99 Evil\r\ncontent-length: 0\r\n\r\n".into(), once(&[502])),
        (
            "redirect",
            "HTTP/1.1 302 Found\r\nlocation: http://evil.example/\r\ncontent-length: 0\r\n\r\n".into(),
            once(&[502]),
        ),
        (
            "307",
            "HTTP/1.1 307 Temporary Redirect\r\nlocation: /again\r\ncontent-length: 0\r\n\r\n".into(),
            once(&[502]),
        ),
        (
            "101",
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: evil\r\nconnection: upgrade\r\n\r\n".into(),
            once(&[502]),
        ),
        (
            "500",
            "HTTP/1.1 500 Oh\r\ncontent-type: text/html\r\ncontent-length: 19\r\n\r\n<b>stack trace</b>\r\n"
                .into(),
            once(&[502]),
        ),
        (
            "401",
            "HTTP/1.1 401 No\r\nwww-authenticate: Basic\r\ncontent-length: 0\r\n\r\n".into(),
            once(&[401, 502]),
        ),
        ("nothing", String::new(), once(&[502])),
        ("half a body", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{}".into(), once(&[502])),
        ("a bad chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".into(), once(&[502])),
        (
            "HTML",
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 14\r\n\r\n<script></scri".into(),
            once(&[502]),
        ),
        (
            "not JSON",
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{x".into(),
            once(&[502]),
        ),
        (
            "invalid UTF-8",
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 3\r\n\r\n\"\u{7f}".into(),
            once(&[502]),
        ),
        (
            "a deep answer",
            format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{deep}",
                deep.len()
            ),
            once(&[200]),
        ),
        (
            "S05 a reference",
            "HTTP/1.1 200 OK\r\ncontent-length: 34\r\n\r\n\"{{secrets/travel/weather-token}}\"".into(),
            once(&[200]),
        ),
    ];
    for (what, answer, expected) in table {
        stage.agent.answer_once(answer);
        let got = stage.entry(&format!("H20 {what}"), &invoke(&ana, "Content-Length: 2\r\n"), expected).await;
        assert!(!got.head.to_ascii_lowercase().contains("evil"), "{what}: {}", got.head);
        for name in
            ["set-cookie", "server", "via", "location", "access-control-allow-origin", "upgrade", "refresh"]
        {
            assert_eq!(got.header(name), "", "{what}");
        }
        assert!(
            !got.text().contains("stack trace") && !got.text().contains("<script>"),
            "{what}: {}",
            got.text()
        );
        if got.status == 200 {
            assert_eq!(got.header("content-type"), "application/json", "{what}");
        }
    }
    eprintln!("H20: {} entries", stage.entries);
}

/// H11, H13: a slow client holds nothing. How long it may last is the accept loop's promise, on a clock of its own; here
/// it ends at all, while others are served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h_a_slow_client_comes_to_an_end() {
    let mut stage = Stage::set("").await;
    let authority = stage.kit.url.trim_start_matches("http://").to_owned();
    let head = format!(
        "POST {INVOKE} HTTP/1.1\r\n{HOST}Authorization: Bearer {}\r\nContent-Type: application/json\r\n",
        stage.ana
    );
    let table = [
        ("silent", String::new(), None),
        ("half a head", "GET /health HTTP/1.1\r\nHost: h\r\nX-Ha".to_owned(), None),
        ("H11 a header a second", "GET /health HTTP/1.1\r\nHost: h\r\n".to_owned(), Some("A: b\r\n")),
        (
            "H13 no body after the go-ahead",
            format!("{head}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"),
            None,
        ),
        ("H13 a body that stops", format!("{head}Content-Length: 5000\r\n\r\n{{"), None),
        ("H13 a body of a byte a second", format!("{head}Content-Length: 5000\r\n\r\n"), Some(" ")),
        ("H13 chunks that stop", format!("{head}Transfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n"), None),
    ];
    let calls = stage.agent.calls();
    let slow = table.map(|(what, begin, drip)| {
        let authority = authority.clone();
        tokio::spawn(async move {
            let (mut reader, mut writer) =
                TcpStream::connect(authority).await.expect("a connection").into_split();
            writer.write_all(begin.as_bytes()).await.expect("sent");
            let dripping = tokio::spawn(async move {
                while let Some(drip) = drip {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    if writer.write_all(drip.as_bytes()).await.is_err() {
                        return;
                    }
                }
                std::future::pending::<()>().await;
            });
            let mut answer = Vec::new();
            let _ = reader.read_to_end(&mut answer).await;
            dripping.abort();
            (what, String::from_utf8_lossy(&answer).into_owned())
        })
    });
    for slow in slow {
        let (what, answer) =
            tokio::time::timeout(Duration::from_secs(60), slow).await.expect("an end").expect("no panic");
        let answer = answer.trim_start_matches("HTTP/1.1 100 Continue\r\n\r\n");
        assert!(!what.starts_with("H13") || answer.starts_with("HTTP/1.1 408 "), "{what}: {answer:?}");
        assert!(
            what.starts_with("H13") || answer.is_empty() || answer.starts_with("HTTP/1.1 408 "),
            "{what}: {answer:?}"
        );
        let health = request("GET", "/health", &[], b"");
        stage.entry(what, &health, 200).await;
    }
    assert_eq!(stage.agent.calls() - calls, stage.entries, "only the honest ones");
}
