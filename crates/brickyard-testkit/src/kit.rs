//! Starting, asking and stopping a workspace.

use std::path::PathBuf;
use std::sync::Arc;

use brickyard::config::{self, Config, Environment, NoEnvironment};
use brickyard::profile::{Fact, Profile};
use brickyard::run::{self, Running};
use brickyard::workspace::{Storage, Workspace};
use brickyard_identity::MasterKey;
use brickyard_store::MemoryJournal;
use brickyard_types::{
    BearerToken, Clock, ManualClock, Principal, ScopeSet, SignedDuration, SystemClock, SystemEntropy,
};
use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::reply::Reply;

/// How a workspace is started.
pub struct Builder {
    yaml: String,
    sql: Vec<String>,
    folder: PathBuf,
    environment: Box<dyn Environment>,
    clock: Arc<dyn Clock>,
    python: Option<PathBuf>,
    state: State,
    allow_refusals: bool,
    execution_seconds: Option<u64>,
}

/// What outlives one workspace value.
#[derive(Clone)]
enum State {
    Memory(MemoryJournal, Arc<MasterKey>),
    Directory(PathBuf),
}

/// A running workspace with a client for it.
pub struct Kit {
    /// The workspace itself, for what no request shows.
    pub workspace: Arc<Workspace>,
    /// `http://127.0.0.1:<port>`.
    pub url: String,
    /// A client that follows no redirect.
    pub client: reqwest::Client,
    running: Running,
    state: State,
    config: Config,
    scratch: TempDir,
    python: Option<PathBuf>,
    clock: Arc<dyn Clock>,
}

impl Builder {
    /// On a clock that moves only when the test moves it.
    #[must_use]
    pub fn clock(mut self, clock: Arc<ManualClock>) -> Self {
        self.clock = clock;
        self
    }

    /// With a file of SQL, after those before it.
    #[must_use]
    pub fn sql(mut self, text: impl Into<String>) -> Self {
        self.sql.push(text.into());
        self
    }

    /// With an interpreter that has mlflow, for endpoints that serve logged models.
    #[must_use]
    pub fn python(mut self, python: impl Into<PathBuf>) -> Self {
        self.python = Some(python.into());
        self
    }

    /// With state in a folder instead of in memory.
    #[must_use]
    pub fn data_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.state = State::Directory(dir.into());
        self
    }

    /// Relative paths of the configuration start here.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = folder.into();
        self
    }

    /// With these variables for `env:`.
    #[must_use]
    pub fn environment(mut self, environment: impl Environment + 'static) -> Self {
        self.environment = Box::new(environment);
        self
    }

    /// With so many seconds for one request instead of the documented ones: nobody waits five minutes in a test.
    #[must_use]
    pub fn execution_seconds(mut self, seconds: u64) -> Self {
        self.execution_seconds = Some(seconds);
        self
    }

    /// Endpoints of the configuration may be refused; without this, a refusal fails the test.
    #[must_use]
    pub fn allow_refusals(mut self) -> Self {
        self.allow_refusals = true;
        self
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// If the configuration is bad or the workspace cannot be opened: then the test is wrong.
    pub async fn start(self) -> Kit {
        let name = self.folder.join("test.yaml");
        let name = name.to_str().expect("a path that is text");
        let mut config =
            config::from_text(name, &self.yaml, &*self.environment).expect("a good configuration");
        if let Some(value) = self.execution_seconds {
            let documented = config.workspace.profile;
            let execution_seconds = Fact { value, source: "this test" };
            let profile = Profile { execution_seconds, ..documented.clone() };
            // A profile lives as long as the program; a test's program is the test.
            config.workspace.profile = Box::leak(Box::new(profile));
        }
        for (index, text) in self.sql.iter().enumerate() {
            config::add_sql(&mut config, &format!("{index}.sql"), text).expect("good SQL");
        }
        let scratch = tempfile::tempdir().expect("a temporary folder");
        launch(config, self.state, scratch, self.python, self.clock, self.allow_refusals).await
    }
}

async fn launch(
    config: Config,
    state: State,
    scratch: TempDir,
    python: Option<PathBuf>,
    clock: Arc<dyn Clock>,
    allow_refusals: bool,
) -> Kit {
    let storage = match &state {
        State::Memory(journal, master) => Storage::Memory(journal.clone(), Arc::clone(master)),
        State::Directory(dir) => Storage::Directory(dir.clone()),
    };
    let mut options = run::workspace_options(&config, storage, scratch.path().to_owned());
    options.clock = Arc::clone(&clock);
    options.python.clone_from(&python);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let running = run::start(listener, options).await.expect("a workspace");
    let workspace = Arc::clone(&running.workspace);
    if let Err(errors) = workspace.seed(&config).await
        && !allow_refusals
    {
        panic!("the configuration was not applied: {errors:?}");
    }
    while workspace.not_ready().is_some() {
        tokio::task::yield_now().await;
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    let url = format!("http://{}", running.address);
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client");
    Kit { workspace, url, client, running, state, config, scratch, python, clock }
}

impl Kit {
    /// A workspace with this configuration, in memory, on the machine's clock.
    pub async fn start(yaml: &str) -> Self {
        Self::builder(yaml).start().await
    }

    /// The same, with choices.
    pub fn builder(yaml: &str) -> Builder {
        let master = Arc::new(MasterKey::ephemeral(&SystemEntropy));
        Builder {
            yaml: yaml.to_owned(),
            sql: Vec::new(),
            folder: PathBuf::from("."),
            environment: Box::new(NoEnvironment),
            clock: Arc::new(SystemClock),
            python: None,
            state: State::Memory(MemoryJournal::new(), master),
            allow_refusals: false,
            execution_seconds: None,
        }
    }

    /// Whoever has that user name, application id or display name.
    ///
    /// # Panics
    /// If nobody has.
    pub fn principal(&self, name: &str) -> Principal {
        let directory = self.workspace.identity.directory();
        let found = directory.by_name(name).map(|entry| entry.principal.clone());
        found.unwrap_or_else(|| panic!("nobody is called {name}"))
    }

    /// An hour-long token for everything that `name` may do.
    pub fn token(&self, name: &str) -> String {
        self.scoped_token(name, "all-apis", SignedDuration::from_hours(1))
    }

    /// A token with these scopes (separated by spaces) and this life.
    ///
    /// # Panics
    /// If the scopes are none, or the issuer refuses.
    pub fn scoped_token(&self, name: &str, scopes: &str, life: SignedDuration) -> String {
        let scopes = ScopeSet::parse(scopes).expect("scopes");
        let minted = self.workspace.identity.mint(&self.principal(name), scopes, life).expect("a token");
        let token: BearerToken = minted.token;
        token.expose().to_owned()
    }

    /// One request.
    ///
    /// # Panics
    /// If there is no response at all.
    pub async fn request(&self, method: Method, path: &str, token: &str, body: Option<&Value>) -> Reply {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        Reply::of(request.send().await.expect("a response")).await
    }

    /// `GET`.
    pub async fn get(&self, path: &str, token: &str) -> Reply {
        self.request(Method::GET, path, token, None).await
    }

    /// `POST` with JSON.
    pub async fn post(&self, path: &str, token: &str, body: &Value) -> Reply {
        self.request(Method::POST, path, token, Some(body)).await
    }

    /// `PUT` with JSON.
    pub async fn put(&self, path: &str, token: &str, body: &Value) -> Reply {
        self.request(Method::PUT, path, token, Some(body)).await
    }

    /// `PATCH` with JSON.
    pub async fn patch(&self, path: &str, token: &str, body: &Value) -> Reply {
        self.request(Method::PATCH, path, token, Some(body)).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str, token: &str) -> Reply {
        self.request(Method::DELETE, path, token, None).await
    }

    /// Asks an endpoint.
    pub async fn invoke(&self, endpoint: &str, token: &str, body: &Value) -> Reply {
        self.post(&format!("/serving-endpoints/{endpoint}/invocations"), token, body).await
    }

    /// Asks a `ResponsesAgent` endpoint one thing, and gives the text of its answer.
    pub async fn ask(&self, endpoint: &str, token: &str, text: &str) -> (Reply, String) {
        let body = serde_json::json!({ "input": [{ "role": "user", "content": text }] });
        let reply = self.invoke(endpoint, token, &body).await;
        let answer = reply.json()["output"][0]["content"][0]["text"].as_str().unwrap_or_default().to_owned();
        (reply, answer)
    }

    /// The ledger's text tree of one request.
    ///
    /// # Panics
    /// If the id is none, or the ledger does not know it.
    pub fn explain(&self, request_id: &str) -> String {
        let id = request_id.parse().expect("a request id");
        self.workspace.ledger.explain(&id).expect("a request that the ledger knows").to_string()
    }

    /// Waits, at most a minute, until `condition` holds: for what brickyard does in the background.
    ///
    /// # Panics
    /// If it never does.
    pub async fn until(&self, what: &str, mut condition: impl AsyncFnMut(&Self) -> bool) {
        for _ in 0..6_000 {
            if condition(self).await {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("it never happened: {what}");
    }

    /// Stops the workspace and starts another on the same state, with the same configuration.
    pub async fn restart(self) -> Self {
        let Self { running, state, config, scratch, python, clock, .. } = self;
        running.stop().await;
        launch(config, state, scratch, python, clock, true).await
    }

    /// The same with another configuration. What it refuses is seen on the endpoints.
    ///
    /// # Panics
    /// If the configuration is bad: then the test is wrong.
    pub async fn restart_with(mut self, yaml: &str) -> Self {
        self.config = config::from_text("test.yaml", yaml, &NoEnvironment).expect("a good configuration");
        self.restart().await
    }

    /// Stops it.
    pub async fn stop(self) {
        self.running.stop().await;
    }
}
