//! What the warehouse cannot do by itself: seal and open the secrets of connections, and speak HTTP.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use brickyard_catalog::unity::{Object, SealedOption};
use brickyard_catalog::{Permit, ReadSecret};
use brickyard_identity::MasterKey;
use brickyard_secrets::Secrets;
use brickyard_sql::outside::{HttpRequest, HttpResponse, Outside};
use brickyard_types::{Entropy, Secret, WorkspaceId};
use reqwest::Certificate;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

/// How long a request of `http_request` may take, and how much may come back.
const TIMEOUT: Duration = Duration::from_secs(60);
const LONGEST: usize = 16 << 20;
const REDIRECTS: usize = 5;

/// Stands behind one workspace's warehouse.
pub struct Beyond {
    /// Whose secrets.
    pub workspace: WorkspaceId,
    /// What they are sealed with.
    pub master: Arc<MasterKey>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// The secret scopes.
    pub secrets: Secrets,
}

/// The place where a sealed option opens: a connection's UUID is never used again.
fn place(workspace: WorkspaceId, connection: &str, option: &str) -> String {
    format!("brickyard/connection/{workspace}/{connection}/{option}")
}

/// Seals an option of a connection.
pub fn seal(
    workspace: WorkspaceId,
    master: &MasterKey,
    entropy: &dyn Entropy,
    connection: &str,
    option: &str,
    value: &[u8],
) -> SealedOption {
    let place = place(workspace, connection, option);
    SealedOption(BASE64.encode(master.seal(place.as_bytes(), value, entropy)))
}

/// Opens an option of a connection; `None` if it has no such secret.
///
/// # Errors
/// If it does not open: it was sealed with another master key.
pub fn open(
    workspace: WorkspaceId,
    master: &MasterKey,
    connection: &Object,
    option: &str,
) -> Result<Option<Secret>, String> {
    let Some(sealed) = connection.connection().and_then(|detail| detail.sealed.get(option)) else {
        return Ok(None);
    };
    let bytes = BASE64.decode(&sealed.0).map_err(|_| format!("the stored option {option} is damaged"))?;
    let opened = master.open(place(workspace, &connection.uid, option).as_bytes(), &bytes);
    opened.map(Some).map_err(|error| format!("the stored option {option} does not open: {error}"))
}

impl Outside for Beyond {
    fn seal(&self, connection: &str, option: &str, value: &[u8]) -> SealedOption {
        seal(self.workspace, &self.master, &*self.entropy, connection, option, value)
    }

    fn open(&self, connection: &Object, option: &str) -> Result<Option<Secret>, String> {
        open(self.workspace, &self.master, connection, option)
    }

    fn secret(&self, permit: &Permit<ReadSecret>) -> Result<Secret, String> {
        self.secrets.read(permit).map_err(|error| error.to_string())
    }

    /// On a thread and runtime of its own: the plan that asks for it runs on the server's threads and cannot wait there
    /// without them, least of all when it is this very server that has to answer.
    fn send(&self, request: HttpRequest) -> Result<HttpResponse, String> {
        let apart = || {
            let sending = std::thread::Builder::new().name("http_request".to_owned()).spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.map_err(|error| error.to_string())?.block_on(send(request))
            });
            let sending = sending.map_err(|error| error.to_string())?;
            sending.join().map_err(|_| "the request was given up".to_owned())?
        };
        match tokio::runtime::Handle::try_current().map(|handle| handle.runtime_flavor()) {
            Ok(tokio::runtime::RuntimeFlavor::MultiThread) => tokio::task::block_in_place(apart),
            _ => apart(),
        }
    }
}

async fn send(request: HttpRequest) -> Result<HttpResponse, String> {
    send_trusting(request, Vec::new()).await
}

/// Trusts these certificates beside the machine's own.
async fn send_trusting(request: HttpRequest, trusted: Vec<Certificate>) -> Result<HttpResponse, String> {
    let mut url =
        reqwest::Url::parse(&request.url).map_err(|error| format!("the address is no URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        let scheme = url.scheme();
        return Err(format!("a connection leads to http:// or https://, and not to {scheme}://"));
    }
    if !request.query.is_empty() {
        url.query_pairs_mut().extend_pairs(&request.query);
    }
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let header = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| format!("'{name}' is no name of a header"))?;
        let value = HeaderValue::from_str(value)
            .map_err(|_| format!("the value of the header '{name}' cannot be sent"))?;
        headers.insert(header, value);
    }
    if let Some(bearer) = &request.bearer {
        let text = bearer.expose_str().ok_or("the connection's bearer_token cannot be sent in a header")?;
        let mut value = HeaderValue::from_str(&format!("Bearer {}", text.trim()))
            .map_err(|_| "the connection's bearer_token cannot be sent in a header")?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    if request.json.is_some() && !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let method = reqwest::Method::from_bytes(request.method.as_bytes()).map_err(|error| error.to_string())?;
    let client = client(url.scheme(), trusted)?;
    let mut sending = client.request(method, url).headers(headers);
    if let Some(json) = request.json {
        sending = sending.body(json);
    }
    let mut response = sending.send().await.map_err(|error| told(&error))?;
    let status = response.status().as_u16();
    let mcp_session =
        response.headers().get("mcp-session-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| told(&error))? {
        if body.len() + chunk.len() > LONGEST {
            return Err(format!("the answer is longer than {LONGEST} bytes"));
        }
        let _ = chunk.as_ref().read_to_end(&mut body);
    }
    Ok(HttpResponse { status, text: String::from_utf8_lossy(&body).into_owned(), mcp_session })
}

/// Trusts the certificates that the machine trusts; `SSL_CERT_FILE` and `SSL_CERT_DIR` name others.
fn client(scheme: &str, trusted: Vec<Certificate>) -> Result<reqwest::Client, String> {
    let client = reqwest::Client::builder();
    // Without TLS none is looked at, and a machine may have none to read.
    let client = if scheme == "http" { client.tls_certs_only([]) } else { client.tls_certs_merge(trusted) };
    let client = client
        .no_proxy()
        .redirect(reqwest::redirect::Policy::custom(same_place))
        .timeout(TIMEOUT)
        .connect_timeout(Duration::from_secs(15));
    client.build().map_err(|_| "this machine has no certificates to check the host's by".to_owned())
}

/// A redirect is followed to the same scheme, host and port only; any other is the answer.
fn same_place(attempt: reqwest::redirect::Attempt<'_>) -> reqwest::redirect::Action {
    let origin = attempt.previous().first().map(reqwest::Url::origin);
    if attempt.previous().len() > REDIRECTS {
        attempt.error("too many redirects")
    } else if origin == Some(attempt.url().origin()) {
        attempt.follow()
    } else {
        attempt.stop()
    }
}

/// What went wrong, without the address: parameters in it may be secret.
fn told(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} seconds", TIMEOUT.as_secs());
    }
    if error.is_connect() {
        if let Some(reason) = certificate(error) {
            return format!("the certificate of the connection's host is not trusted: {reason}");
        }
        return "nobody answers at the connection's host and port".to_owned();
    }
    if error.is_redirect() {
        return "too many redirects".to_owned();
    }
    "the connection broke, or what came back is not HTTP".to_owned()
}

/// What is wrong with a server's certificate, if that is what is wrong.
fn certificate(error: &reqwest::Error) -> Option<String> {
    let mut cause = std::error::Error::source(error);
    while let Some(one) = cause {
        let text = one.to_string();
        if let Some((_, reason)) = text.split_once("invalid peer certificate: ") {
            return Some(reason.to_owned());
        }
        cause = one.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    /// A server that gives these answers, one a request, and tells what was asked.
    fn server(answers: Vec<String>) -> (String, Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (tell, told) = channel();
        std::thread::spawn(move || {
            for answer in answers {
                let Ok((mut socket, _)) = listener.accept() else { return };
                let mut reader = BufReader::new(socket.try_clone().unwrap());
                let (mut head, mut length) = (String::new(), 0);
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    if let Some(text) = line.to_lowercase().strip_prefix("content-length:") {
                        length = text.trim().parse().unwrap();
                    }
                    if line.trim().is_empty() {
                        break;
                    }
                    head.push_str(&line);
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let _ = tell.send(format!("{head}\n{}", String::from_utf8_lossy(&body)));
                socket.write_all(answer.as_bytes()).unwrap();
            }
        });
        (address, told)
    }

    fn answer(status: &str, more: &str, body: &str) -> String {
        format!(
            "HTTP/1.1 {status}\r\n{more}content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
    }

    fn get(url: String) -> HttpRequest {
        HttpRequest {
            method: "GET",
            url,
            query: Vec::new(),
            headers: Vec::new(),
            json: None,
            bearer: Some(Secret::new("sesame")),
        }
    }

    #[tokio::test]
    async fn a_request_carries_its_token_query_headers_and_body_and_any_status_is_an_answer() {
        let (address, told) = server(vec![answer("418 I'm a teapot", "", "short")]);
        let request = HttpRequest {
            method: "POST",
            query: vec![("q".into(), "a b&c".into())],
            headers: vec![("X-N".into(), "1".into())],
            json: Some("{}".into()),
            ..get(format!("{address}/api/x"))
        };
        assert_eq!(
            send(request).await,
            Ok(HttpResponse { status: 418, text: "short".into(), mcp_session: None })
        );
        let asked = told.recv().unwrap().to_lowercase();
        for part in
            ["post /api/x?q=a+b%26c ", "authorization: bearer sesame", "x-n: 1", "application/json", "\n{}"]
        {
            assert!(asked.contains(part), "{part}: {asked}");
        }
    }

    #[tokio::test]
    async fn a_redirect_to_another_host_is_the_answer_and_takes_no_token_there() {
        let (other, told_other) = server(vec![answer("200 OK", "", "stolen")]);
        let (address, _) = server(vec![answer("302 Found", &format!("location: {other}/x\r\n"), "")]);
        assert_eq!(send(get(format!("{address}/x"))).await.map(|response| response.status), Ok(302));
        assert!(told_other.try_recv().is_err(), "nobody came");
        let (address, _) =
            server(vec![answer("302 Found", "location: /y\r\n", ""), answer("200 OK", "", "here")]);
        assert_eq!(
            send(get(format!("{address}/x"))).await,
            Ok(HttpResponse { status: 200, text: "here".into(), mcp_session: None })
        );
    }

    #[tokio::test]
    async fn nobody_there_and_another_protocol_are_said_plainly_and_without_the_address() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = send(get(format!("http://{free}/x?key=hush"))).await.unwrap_err();
        assert_eq!(error, "nobody answers at the connection's host and port");
        let error = send(get("ftp://127.0.0.1/x".into())).await.unwrap_err();
        assert_eq!(error, "a connection leads to http:// or https://, and not to ftp://");
    }

    /// Answers one request over TLS with a certificate that it made itself.
    async fn secure_server() -> (String, Certificate) {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        use tokio_rustls::rustls::ServerConfig;
        use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let own = Certificate::from_der(made.cert.der()).unwrap();
        let key = made.signing_key.serialize_der().try_into().unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("https://localhost:{}/x", listener.local_addr().unwrap().port());
        tokio::spawn(async move {
            let (socket, _) = listener.accept().await.unwrap();
            let Ok(mut secure) = acceptor.accept(socket).await else { return };
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(secure.read_u8().await.unwrap());
            }
            secure.write_all(answer("200 OK", "", "kept secret").as_bytes()).await.unwrap();
            secure.shutdown().await.unwrap();
        });
        (address, own)
    }

    #[tokio::test]
    async fn a_service_on_https_is_asked_if_its_certificate_is_trusted() {
        let (address, own) = secure_server().await;
        let answered = send_trusting(get(address), vec![own]).await.map(|response| response.text);
        assert_eq!(answered.as_deref(), Ok("kept secret"));
        let (address, _) = secure_server().await;
        let (_, other) = secure_server().await;
        let error = send_trusting(get(address), vec![other]).await.unwrap_err();
        assert!(error.starts_with("the certificate of the connection's host is not trusted: "), "{error}");
    }
}
