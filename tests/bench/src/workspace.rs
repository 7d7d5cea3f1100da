//! Brickyard's own HTTP stack around a workspace of a given size, for what no configuration reaches in a minute.
//!
//! | setting | default | what |
//! |---|---|---|
//! | `endpoints` | 1 | scripted endpoints `e0`, `e1`, ...; each declares passthrough |
//! | `grants` | 1 | grants on each: endpoint `e<n>` may be queried by users `(n * grants + j) mod users` |
//! | `users` | 1 | users `u0@example.com`, ... |
//! | `tokens` | 1 | personal access tokens `dapi` + 32 hex digits of their number; number `t` is user `t mod users`'s |
//! | `sign` | `no` | `yes`: a user token is cut down and *signed* for each call (a script would never ask for its text) |
//! | `algorithm` | `ES256` | of signatures |
//!
//! All of it is made through the same functions that the configuration and the REST API use.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use brickyard::accept::{AcceptLimits, Shutdown, serve as accept};
use brickyard::config::{self, NoEnvironment};
use brickyard::http::{HttpLimits, StackParts, stack};
use brickyard::profile::Profile;
use brickyard::run::workspace_options;
use brickyard::workspace::{Storage, Workspace};
use brickyard_catalog::{CreateEndpoint as MayCreate, Grant, Grantee, Level, ManagePermissions, Securable};
use brickyard_identity::{Act, ImportedPat, MasterKey};
use brickyard_serving::{CreateEndpoint, Origin};
use brickyard_store::MemoryJournal;
use brickyard_types::{BearerToken, EndpointId, ScopeSet, SignedDuration, SystemEntropy};
use tokio::net::TcpListener;

struct Size {
    endpoints: usize,
    grants: usize,
    users: usize,
    tokens: usize,
    sign: bool,
    algorithm: String,
}

/// Seeds, prints `ready`, and answers until it is ended.
#[tokio::main]
pub async fn serve(listen: &str, settings: &[&str]) -> Result<(), Box<dyn Error>> {
    let size = read(settings)?;
    let mut yaml = format!(
        "workspace: {{id: '1', host: 'http://{listen}', admins: [admin@example.com], tokens: {{signing_algorithm: {}}}}}\nusers:\n",
        size.algorithm
    );
    for user in 0..size.users {
        yaml.push_str(&format!("  - user_name: u{user}@example.com\n"));
    }
    yaml.push_str(TEMPLATE);
    let config = config::from_text("bench.yaml", &yaml, &NoEnvironment)?;
    let scratch = tempfile::tempdir()?;
    let master = Arc::new(MasterKey::ephemeral(&SystemEntropy));
    let storage = Storage::Memory(MemoryJournal::new(), master);
    let mut options = workspace_options(&config, storage, scratch.path().to_owned());
    // Ten times what Databricks allows.
    let mut profile = Profile::newest().clone();
    profile.endpoints.value = 100_000;
    options.profile = Box::leak(Box::new(profile));
    let listener = TcpListener::bind(listen).await?;
    let entropy = Arc::clone(&options.entropy);
    let workspace = Workspace::open(options).await?;
    workspace.seed(&config).await.map_err(|errors| format!("{errors:?}"))?;
    make_endpoints(&workspace, &size).await?;
    make_tokens(&workspace, &size).await?;
    let ready = || {
        (0..size.endpoints)
            .all(|number| name(number).is_ok_and(|name| workspace.serving.live(&name).is_some()))
    };
    while !ready() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let mut router = brickyard::routes::router(&workspace);
    if size.sign {
        router = router.layer(from_fn_with_state(Arc::clone(&workspace), signed));
    }
    let shutdown = Shutdown::new(std::time::Duration::from_secs(1));
    let limits = HttpLimits { own_hosts: vec![listen.to_owned()], ..HttpLimits::default() };
    let service = stack(router, StackParts { entropy, limits, last_call: shutdown.last_call().clone() });
    println!("ready");
    accept(vec![listener], service, AcceptLimits::default(), shutdown).await;
    Ok(())
}

/// The endpoint that all others are copies of.
const TEMPLATE: &str = r#"
serving_endpoints:
  - name: model
    creator: admin@example.com
    config: {served_entities: [{name: model, scripted: {task: llm/v1/chat, rules: [{say: "hello"}]}}]}
  - name: template
    creator: admin@example.com
    config:
      served_entities:
        - name: agent
          auth_policy:
            system_auth_policy: {resources: {api_version: "1", databricks: {serving_endpoint: [{name: model}]}}}
          scripted: {task: agent/v1/responses, rules: [{when: {user: "(?P<words>.+)"}, say: "You said: {words}"}, {say: "?"}]}
"#;

fn read(settings: &[&str]) -> Result<Size, Box<dyn Error>> {
    let mut size =
        Size { endpoints: 1, grants: 1, users: 1, tokens: 1, sign: false, algorithm: "ES256".to_owned() };
    for setting in settings {
        let (name, value) = setting.split_once('=').ok_or("name=value is needed")?;
        match name {
            "endpoints" => size.endpoints = value.parse()?,
            "grants" => size.grants = value.parse()?,
            "users" => size.users = value.parse()?,
            "tokens" => size.tokens = value.parse()?,
            "sign" => size.sign = value == "yes",
            "algorithm" => size.algorithm = value.to_owned(),
            other => return Err(format!("no setting {other}").into()),
        }
    }
    Ok(size)
}

fn name(number: usize) -> Result<brickyard_types::EndpointName, Box<dyn Error>> {
    Ok(format!("e{number}").parse()?)
}

async fn make_endpoints(workspace: &Workspace, size: &Size) -> Result<(), Box<dyn Error>> {
    let admin =
        workspace.identity.directory().by_name("admin@example.com").map(|entry| entry.principal.clone());
    let admin = admin.ok_or("no admin")?;
    let template = workspace.serving.endpoint(&"template".parse()?).ok_or("no template")?.endpoint;
    let deployed =
        template.active.as_ref().or(template.pending.as_ref()).ok_or("the template is not deployed")?;
    let entity = deployed.entities[0].entity.clone();
    for number in 0..size.endpoints {
        let may = workspace.catalog.authorize_creator(&admin, MayCreate(()))?;
        let request = CreateEndpoint {
            name: name(number)?,
            entities: vec![entity.clone()],
            routes: Vec::new(),
            tags: Vec::new(),
            description: String::new(),
        };
        let endpoint = workspace.serving.create(&may, request, Origin::Api).await?;
        let securable = Securable::from(&endpoint.reference());
        let permit = workspace.catalog.authorize_creator(&admin, ManagePermissions(securable))?;
        let grants: Vec<_> = (0..size.grants)
            .map(|grant| {
                let user = (number * size.grants + grant) % size.users;
                Grant { grantee: Grantee::User(format!("u{user}@example.com")), level: Level::CanQuery }
            })
            .collect();
        workspace.catalog.set_access(&permit, &grants).await?;
    }
    Ok(())
}

async fn make_tokens(workspace: &Workspace, size: &Size) -> Result<(), Box<dyn Error>> {
    let mut owners = BTreeMap::new();
    for user in 0..size.users {
        let directory = workspace.identity.directory();
        let entry = directory.by_name(&format!("u{user}@example.com")).ok_or("a user is missing")?;
        owners.insert(user, entry.principal.id);
    }
    let numbers: Vec<usize> = (0..size.tokens).collect();
    for thousand in numbers.chunks(1000) {
        let tokens = thousand.iter().map(|number| {
            ImportedPat::new(owners[&(number % size.users)], format!("dapi{number:032x}").as_str().into())
        });
        workspace.identity.import_pats(tokens.collect()).await?;
    }
    Ok(())
}

/// Cuts the caller's token down and signs it before each call, as for an agent that asks for the text.
async fn signed(State(workspace): State<Arc<Workspace>>, request: Request, next: Next) -> Response {
    let Some(token) = sign(&workspace, &request) else { return StatusCode::FORBIDDEN.into_response() };
    let mut response = next.run(request).await;
    response.headers_mut().insert("x-bench-user-token", token);
    response
}

fn sign(workspace: &Workspace, request: &Request) -> Option<HeaderValue> {
    let text = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
    let caller = workspace.identity.authenticate(&BearerToken::new(text)).ok()?;
    let act = Act { endpoint_id: EndpointId::random(&SystemEntropy), endpoint_name: "e0".parse().ok()? };
    let latest = workspace.clock.now() + SignedDuration::from_mins(6);
    let declared = ScopeSet::parse("serving.serving-endpoints").ok()?;
    let token = workspace.identity.downscope(&caller, &declared, &act, latest).ok()?;
    HeaderValue::from_str(token.token().expose()).ok()
}
