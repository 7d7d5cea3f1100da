//! The stage on which every entry plays: a workspace with its state in a folder, an agent that counts its calls, people
//! with credentials, and the four things that are asserted each time.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use brickyard_testkit::Kit;
use brickyard_types::{ManualClock, RequestId, SystemEntropy, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::canaries::Canaries;
use super::forge::SigningKey;
use super::upstream::{Agent, Trap};
use super::wire::{Answer, Wire, json};

pub const ANA: &str = "ana@example.com";
pub const ADMIN: &str = "admin@example.com";
/// Ana's personal access token.
pub const PAT: &str = "dapi5c1e0d7a9b3f48268e0a7d4c2b915f63";
/// A service principal and its secret.
pub const CLIENT_ID: &str = "7f1c0de0-0000-4000-8000-00000000000a";
pub const CLIENT_SECRET: &str = "dose9d3b7f21c64e0a85b1f7e26d094c3a58";
/// Another one.
pub const OTHER_ID: &str = "7f1c0de0-0000-4000-8000-00000000000b";
pub const OTHER_SECRET: &str = "dose04e7c9a2b6d15f38c4a09be2d7f16583";
/// What is kept in the secret `travel/weather-token`: it looks different in every encoding.
pub const SECRET: &str = "canary\"7f1c\\9d/e+ =%\u{e9} {{secrets/travel/other}} a0b1";

/// Everything that was logged by this process, at the finest level.
static LOG: OnceLock<Arc<Mutex<Vec<u8>>>> = OnceLock::new();

fn log() -> Arc<Mutex<Vec<u8>>> {
    let start = || {
        let log = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&log);
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(move || Sink(Arc::clone(&writer)));
        // Another suite of this process may have set one up: then its level is what is seen.
        let _ = subscriber.try_init();
        log
    };
    Arc::clone(LOG.get_or_init(start))
}

struct Sink(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// See the module.
pub struct Stage {
    pub kit: Kit,
    pub agent: Agent,
    pub trap: Trap,
    pub canaries: Canaries,
    pub clock: Arc<ManualClock>,
    /// The key that signs now, as whoever stole the data folder has it.
    pub stolen: SigningKey,
    pub ana: String,
    pub admin: String,
    wire: Wire,
    log: Arc<Mutex<Vec<u8>>>,
    log_read: usize,
    files: HashMap<PathBuf, (SystemTime, Vec<u8>)>,
    pings: usize,
    pub entries: usize,
    data: TempDir,
}

/// The secret comes from the environment, as it should.
struct OneVariable;

impl brickyard::config::Environment for OneVariable {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "CANARY").then(|| SECRET.to_owned())
    }
}

/// What an entry is to get.
#[derive(Clone, Copy)]
pub struct Expected {
    /// Any of these statuses; 0 is a connection that was closed without a word.
    pub status: &'static [u16],
    /// How often the agent is called.
    pub calls: usize,
}

impl From<u16> for Expected {
    fn from(status: u16) -> Self {
        // Few statuses exist; each is leaked once an entry of a test.
        Self { status: Box::leak(Box::new([status])), calls: 0 }
    }
}

impl From<&'static [u16]> for Expected {
    fn from(status: &'static [u16]) -> Self {
        Self { status, calls: 0 }
    }
}

/// Answered by the agent.
pub const CALLED: Expected = Expected { status: &[200], calls: 1 };

impl Stage {
    /// Sets it up. `more` is appended to the configuration's endpoints.
    pub async fn set(more: &str) -> Self {
        Self::with(more, |builder| builder).await
    }

    /// The same, with choices.
    pub async fn with(
        more: &str,
        choose: impl FnOnce(brickyard_testkit::Builder) -> brickyard_testkit::Builder,
    ) -> Self {
        let log = log();
        let (agent, trap) = (Agent::start().await, Trap::start().await);
        // In memory where there is such a folder: nothing here is about a disk's speed.
        let shm = Path::new("/dev/shm");
        let data =
            if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() }.expect("a folder");
        let clock = Arc::new(ManualClock::at(Timestamp::now()));
        let yaml = workspace(&agent.url, &more.replace("AGENT", &agent.url));
        let builder =
            Kit::builder(&yaml).data_dir(data.path()).clock(Arc::clone(&clock)).environment(OneVariable);
        let kit = choose(builder).start().await;
        let authority = kit.url.trim_start_matches("http://").to_owned();
        let stolen = SigningKey::stolen_from(data.path(), &current_kid(&kit));
        let (ana, admin) = (kit.token(ANA), kit.token(ADMIN));
        let mut canaries = Canaries::default();
        canaries.add("Ana's personal access token", PAT.as_bytes());
        canaries.add("a client secret", CLIENT_SECRET.as_bytes());
        canaries.add("another client secret", OTHER_SECRET.as_bytes());
        canaries.add("the stored secret", SECRET.as_bytes());
        canaries.add("Ana's access token", signature(&ana).as_bytes());
        canaries.add("the admin's access token", signature(&admin).as_bytes());
        canaries.add("the private signing key", stolen.private());
        let log_read = log.lock().unwrap_or_else(PoisonError::into_inner).len();
        let mut stage = Self {
            wire: Wire::to(&authority),
            kit,
            agent,
            trap,
            canaries,
            clock,
            stolen,
            ana,
            admin,
            log,
            log_read,
            files: HashMap::new(),
            pings: 0,
            entries: 0,
            data,
        };
        // The beginning too: nothing of what the configuration told is on disk in plain text.
        stage.log_read = 0;
        assert!(
            !stage.log.lock().unwrap_or_else(PoisonError::into_inner).is_empty(),
            "nothing is logged: then nothing is looked at"
        );
        stage.nothing_leaked("the start");
        stage
    }

    /// Sends one hostile request and asserts the four things. Gives the answer, for what a section asserts beyond.
    pub async fn entry(&mut self, what: &str, request: &[u8], expected: impl Into<Expected>) -> Answer {
        let expected = expected.into();
        let calls = self.agent.calls();
        let answer = self.wire.send(request).await;
        let shown =
            || format!("{what}: {} {}", answer.head.lines().next().unwrap_or("closed"), answer.text());
        assert!(expected.status.contains(&answer.status), "wanted {:?}: {}", expected.status, shown());
        assert_eq!(self.agent.calls() - calls, expected.calls, "calls of the agent: {}", shown());
        self.check(what, &answer).await;
        answer
    }

    /// The parts of [`Stage::entry`] that every answer has in common.
    pub async fn check(&mut self, what: &str, answer: &Answer) {
        assert_eq!(self.trap.visitors(), 0, "{what}: somebody went where a token pointed");
        for part in [answer.head.as_bytes(), &answer.body] {
            assert_eq!(self.canaries.seen_in(part), None, "{what}: in the answer");
        }
        self.well_formed(what, answer);
        if let Ok(id) = answer.header("x-request-id").parse::<RequestId>()
            && let Some(entry) = self.kit.workspace.ledger.get(&id)
        {
            let entry = serde_json::to_vec(&*entry).expect("JSON");
            assert_eq!(self.canaries.seen_in(&entry), None, "{what}: in the ledger");
            let explained = self.kit.explain(&id.to_string());
            assert_eq!(self.canaries.seen_in(explained.as_bytes()), None, "{what}: in explain");
        }
        self.nothing_leaked(what);
        self.honest_request(what).await;
        self.entries += 1;
    }

    /// An error is in the envelope of its API, and carries the request's id.
    fn well_formed(&self, what: &str, answer: &Answer) {
        if answer.status < 400 {
            return;
        }
        let (body, text) = (answer.json(), answer.text());
        let id = answer.header("x-request-id");
        if id.is_empty() {
            // Refused by the HTTP reader itself, before there was a request.
            assert!(
                answer.closed && [400, 414, 431].contains(&answer.status),
                "{what}: {} {text}",
                answer.head
            );
            return;
        }
        if body["schemas"].is_array() {
            assert_eq!(answer.header("content-type"), "application/scim+json", "{what}: {text}");
            return;
        }
        assert_eq!(answer.header("content-type"), "application/json", "{what}: {text}");
        let (code, message) = match body["error"].is_string() {
            true => (&body["error"], &body["error_description"]),
            false => (&body["error_code"], &body["message"]),
        };
        assert!(code.is_string() || code.is_u64(), "{what}: {text}");
        assert!(message.as_str().is_some_and(|message| !message.is_empty()), "{what}: {text}");
        assert_ne!(answer.status, 500, "{what}: {text}");
    }

    /// What was logged and written to disk since the last look, and what is counted.
    pub fn nothing_leaked(&mut self, what: &str) {
        {
            let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
            // A bit of what was read already: a credential may have been written in two pieces.
            let from = self.log_read.min(log.len()).saturating_sub(256);
            if let Some(name) = self.canaries.seen_in(&log[from..]) {
                let lines = String::from_utf8_lossy(&log[from..]).into_owned();
                panic!("{what}: {name} in the log:\n{}", &lines[..lines.len().min(4_000)]);
            }
            self.log_read = log.len();
        }
        for name in ["outside", "echo"] {
            let metrics = self.kit.workspace.serving.metrics(&name.parse().expect("a name"));
            assert_eq!(self.canaries.seen_in(metrics.as_bytes()), None, "{what}: in the metrics");
        }
        let mut found = Vec::new();
        files(self.data.path(), &mut found);
        for path in found {
            let Ok(modified) = path.metadata().and_then(|facts| facts.modified()) else { continue };
            if self.files.get(&path).is_some_and(|(seen, _)| *seen == modified) {
                continue;
            }
            let Ok(bytes) = std::fs::read(&path) else { continue };
            let before = self.files.remove(&path).map(|(_, bytes)| bytes).unwrap_or_default();
            for changed in changed(&before, &bytes) {
                let name = self.canaries.seen_in(&bytes[changed]);
                assert_eq!(name, None, "{what}: in {}", path.display());
            }
            self.files.insert(path, (modified, bytes));
        }
    }

    /// The next request of somebody honest succeeds.
    async fn honest_request(&mut self, what: &str) {
        self.pings += 1;
        let ping = json!({ "ping": self.pings });
        let calls = self.agent.calls();
        let request = json("POST", "/serving-endpoints/outside/invocations", &self.ana, ping.to_string());
        let mut answer = self.wire.send(&request).await;
        if answer.status == 0 {
            // The server had announced nothing, and closed: an honest client tries again on a new connection.
            answer = self.wire.send(&request).await;
        }
        assert_eq!(answer.status, 200, "after {what}: {}{}", answer.head, answer.text());
        assert_eq!(answer.json(), json!({ "said": ping }), "after {what}");
        assert_eq!(self.agent.calls(), calls + 1, "after {what}");
    }

    /// Sends without asserting anything: what an entry needs to be there.
    pub async fn prepare(&mut self, method: &str, path: &str, body: &Value) -> Value {
        let admin = self.admin.clone();
        let answer = self.wire.send(&json(method, path, &admin, body.to_string())).await;
        assert!((200..300).contains(&answer.status), "{method} {path}: {}", answer.text());
        answer.json()
    }

    /// The folder with the state.
    pub fn data_dir(&self) -> &Path {
        self.data.path()
    }

    /// The number of seconds that the workspace's clock shows.
    pub fn now(&self) -> i64 {
        self.kit.workspace.clock.now().as_second()
    }

    /// The claims of a token of Ana's, as the issuer writes them.
    pub fn claims(&self) -> Value {
        let config = self.kit.workspace.identity.config();
        json!({
            "iss": config.issuer(),
            "aud": self.kit.workspace.id.to_string(),
            "sub": ANA,
            "uid": self.kit.principal(ANA).id,
            "client_id": "databricks-cli",
            "scope": "all-apis",
            "iat": self.now(),
            "exp": self.now() + 3600,
            "jti": RequestId::random(&SystemEntropy).to_string(),
        })
    }

    /// The header of such a token.
    pub fn header(&self) -> Value {
        json!({ "alg": "ES256", "kid": self.stolen.kid, "typ": "at+jwt" })
    }
}

/// The name of the key that signs now.
pub fn current_kid(kit: &Kit) -> String {
    let now = kit.workspace.clock.now();
    kit.workspace.identity.keys().signing_at(now).expect("a key").kid.to_string()
}

/// The part of a token that makes it one: without it nobody can do anything.
pub fn signature(token: &str) -> &str {
    token.rsplit('.').next().expect("a token")
}

/// The stretches that are not as they were, each with what is around it: a credential may be new in part.
fn changed(before: &[u8], now: &[u8]) -> Vec<Range<usize>> {
    const PAGE: usize = 4096;
    let pages = (0..now.len()).step_by(PAGE).map(|from| from..(from + PAGE).min(now.len()));
    let differs = pages.filter(|page| before.get(page.clone()) != now.get(page.clone()));
    differs.map(|page| page.start.saturating_sub(256)..(page.end + 256).min(now.len())).collect()
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

fn workspace(agent: &str, more: &str) -> String {
    format!(
        r#"
workspace: {{admins: [{ADMIN}]}}
users:
  - user_name: {ADMIN}
  - {{user_name: {ANA}, personal_access_tokens: [{{value: {PAT}}}]}}
  - user_name: bob@example.com
  - user_name: carol@example.com
  - {{user_name: disabled@example.com, active: false}}
service_principals:
  - {{display_name: robot, application_id: {CLIENT_ID}, secrets: [{{value: {CLIENT_SECRET}}}]}}
  - {{display_name: other, application_id: {OTHER_ID}, secrets: [{{value: {OTHER_SECRET}}}]}}
groups: [{{display_name: analysts, members: [{ANA}]}}]
secret_scopes:
  - scope: travel
    secrets: [{{key: weather-token, env: CANARY}}, {{key: other, value: not-to-be-read}}]
    acls: [{{principal: carol@example.com, permission: READ}}]
serving_endpoints:
  - name: outside
    creator: carol@example.com
    config:
      served_entities:
        - url: {agent}
          auth_policy:
            system_auth_policy: {{resources: {{api_version: '1', databricks: {{serving_endpoint: [{{name: echo}}]}}}}}}
            user_auth_policy: {{api_scopes: [serving.serving-endpoints, "iam.current-user:read"]}}
          environment_vars: {{WEATHER_TOKEN: "{{{{secrets/travel/weather-token}}}}"}}
    permissions: [{{group_name: analysts, permission_level: CAN_QUERY}}]
  - name: echo
    creator: {ADMIN}
    config:
      served_entities:
        - scripted:
            task: agent/v1/responses
            rules:
              - {{when: {{user: "^whoami$"}}, identities: true}}
              - {{when: {{user: "(?s)(?P<words>.*)"}}, say: "{{words}}"}}
    permissions:
      - {{group_name: analysts, permission_level: CAN_QUERY}}
      - {{user_name: carol@example.com, permission_level: CAN_QUERY}}
{more}"#
    )
}
