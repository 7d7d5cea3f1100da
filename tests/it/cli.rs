//! The six commands as people type them: the built binary against a brickyard that runs, with their exit codes.

use std::path::Path;

use crate::agents::{Logged, tells};
use crate::load::process::{Brickyard, binary};

const WORKSPACE: &str = r#"
workspace: {admins: [admin@example.com]}
users: [{user_name: ana@example.com}, {user_name: ben@example.com}]
serving_endpoints:
  - name: echo
    creator: admin@example.com
    config:
      served_entities:
        - name: echo
          auth_policy: {system_auth_policy: {}, user_auth_policy: {api_scopes: [serving.serving-endpoints]}}
          scripted:
            task: agent/v1/responses
            rules: [{when: {user: whoami}, identities: true}, {say: I do not know.}]
    permissions: [{user_name: ana@example.com, permission_level: CAN_QUERY}]
"#;

/// What a command ended with: its exit code, and its two outputs.
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    #[track_caller]
    fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "out: {}\nerr: {}", self.out, self.err);
        self
    }
}

/// Somebody's terminal in a folder where brickyard runs.
struct Terminal<'a> {
    folder: &'a Path,
    variables: Vec<(&'static str, String)>,
}

impl Terminal<'_> {
    async fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = tokio::process::Command::new(binary());
        command.args(arguments).env_clear().envs(self.variables.iter().map(|(name, value)| (name, value)));
        let ended = command.current_dir(self.folder).output().await.expect("the binary starts");
        Ran {
            code: ended.status.code().expect("no signal"),
            out: String::from_utf8(ended.stdout).expect("text"),
            err: String::from_utf8(ended.stderr).expect("text"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_for_a_running_brickyard_find_it_and_say_who_did_what_as_whom() {
    let dir = tempfile::tempdir().expect("a folder");
    // Where `serve` puts it unless it is said, and where the other commands look.
    let (config, data) = (dir.path().join("workspace.yaml"), dir.path().join(".brickyard"));
    std::fs::write(&config, WORKSPACE).expect("written");
    std::fs::create_dir(&data).expect("made");
    let mut brickyard = Brickyard::start(&config, &data, None).await;
    let here = Terminal { folder: dir.path(), variables: Vec::new() };

    // invoke: the answer, and the tree behind it.
    let asked = here.run(&["invoke", "echo", "--as", "ana@example.com", "whoami"]).await.ended(0);
    assert_eq!(asked.err, "");
    tells(
        &asked.out,
        &[
            "\"output\"",
            "on_behalf_of_user",
            "ALLOWED 200 POST /serving-endpoints/echo/invocations",
            "as ana@example.com by OAuth access token",
            "gave on_behalf_of_user: ana@example.com, scopes: serving.serving-endpoints",
        ],
    );
    // explain: the same tree, later.
    let id = asked.out.split("request ").nth(1).and_then(|rest| rest.split(' ').next()).expect("an id");
    let explained = here.run(&["explain", id]).await.ended(0);
    assert!(asked.out.ends_with(&format!("\n\n{}", explained.out)), "{}\n{}", asked.out, explained.out);
    let streamed =
        here.run(&["invoke", "echo", "--as", "ana@example.com", "--stream", "hello"]).await.ended(0);
    tells(&streamed.out, &["response.output_text.delta", "response.output_item.done", "\n\nALLOWED 200 "]);
    let json = r#"{"input": [{"role": "user", "content": "hello"}]}"#;
    tells(
        &here.run(&["invoke", "echo", json]).await.ended(0).out,
        &["I do not know.", "as admin@example.com"],
    );

    // A refused call fails, and is explained as well.
    let refused = here.run(&["invoke", "echo", "--as", "ben@example.com", "hello"]).await.ended(1);
    tells(
        &refused.out,
        &["REFUSED 403", "as ben@example.com", "[NO] workspace_permission", "fix: grant CAN_QUERY"],
    );
    tells(&refused.err, &["brickyard: ", "403", "User does not have permission 'Query' on Endpoint echo."]);

    // token: nothing but the token, good for what was asked.
    let token =
        here.run(&["token", "--as", "ana@example.com", "--scopes", "sql", "--ttl", "5m"]).await.ended(0);
    let token = token.out.strip_suffix('\n').expect("one line").to_owned();
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let get = async |path: &str| {
        let reply = client.get(format!("{}{path}", brickyard.url)).bearer_auth(&token).send().await;
        let reply = reply.expect("a response");
        (reply.status().as_u16(), reply.text().await.expect("a body"))
    };
    let (status, me) = get("/api/2.0/preview/scim/v2/Me").await;
    assert!(status == 200 && me.contains("ana@example.com"), "{status} {me}");
    assert_eq!(get("/api/2.0/serving-endpoints").await.0, 403);

    // Somewhere else the two variables of Databricks say which server is meant and as whom; Ana may not ask for the tree.
    let elsewhere = tempfile::tempdir().expect("a folder");
    let variables = vec![("DATABRICKS_HOST", brickyard.url.clone()), ("DATABRICKS_TOKEN", token)];
    let elsewhere = Terminal { folder: elsewhere.path(), variables };
    tells(&elsewhere.run(&["explain", id]).await.ended(1).err, &["403", "required scopes: all-apis"]);
    let lost = Terminal { folder: elsewhere.folder, variables: Vec::new() };
    tells(&lost.run(&["explain", id]).await.ended(64).err, &["no token: set DATABRICKS_TOKEN or --token"]);

    // What is not there, and what is no request at all.
    tells(
        &here.run(&["explain", "00000000000000000000000000000000"]).await.ended(1).err,
        &["404", "The ledger has no request", "the newest invocations are", "(echo, asked by "],
    );
    tells(&here.run(&["token", "--as", "nobody@example.com"]).await.ended(1).err, &["nobody@example.com"]);
    tells(&here.run(&["invoke", "echo", "{\"input\": "]).await.ended(64).err, &["the request is not JSON"]);
    here.run(&["invoke"]).await.ended(64);
    here.run(&["dance"]).await.ended(64);
    tells(
        &here.run(&["--help"]).await.ended(0).out,
        &["serve", "check", "doctor", "token", "explain", "invoke"],
    );

    // serve: one folder has one brickyard, and one port has one.
    let port = brickyard.url.trim_start_matches("http://").to_owned();
    let config = config.to_str().expect("text");
    let second = here.run(&["serve", "--config", config, "--ephemeral", "--listen", &port]).await.ended(1);
    tells(&second.err, &["cannot listen on", &port]);
    here.run(&["serve", "--config", config, "--listen", "127.0.0.1:0"]).await.ended(1);
    crate::load::signal(brickyard.pid(), nix::sys::signal::Signal::SIGTERM);
    assert!(brickyard.ended().await.success(), "{}", brickyard.log());
    let gone = here.run(&["invoke", "echo", "hello", "--host", &port, "--token", "x"]).await.ended(1);
    tells(&gone.err, &["no server answers at", "start one with `brickyard serve`"]);
}

/// What is wrong is told before anything starts: the file, the key and the reason.
#[tokio::test]
async fn check_and_serve_refuse_a_bad_configuration_alike() {
    let dir = tempfile::tempdir().expect("a folder");
    let here = Terminal { folder: dir.path(), variables: Vec::new() };
    std::fs::write(dir.path().join("good.yaml"), WORKSPACE).expect("written");
    let good = here.run(&["check", "--config", "good.yaml"]).await.ended(0);
    tells(&good.out, &["good: ", "good.yaml", "1 serving endpoint"]);
    std::fs::write(dir.path().join("bad.yaml"), WORKSPACE.replace("CAN_QUERY", "CAN_QUERRY"))
        .expect("written");
    for command in [&["check", "--config", "bad.yaml"][..], &["serve", "--ephemeral", "--config", "bad.yaml"]]
    {
        let bad = here.run(command).await.ended(64);
        tells(&bad.err, &["bad.yaml", "serving_endpoints[0].permissions[0].permission_level", "CAN_QUERRY"]);
        assert_eq!(bad.out, "");
    }
    tells(&here.run(&["check", "--config", "absent.yaml"]).await.ended(64).err, &["absent.yaml"]);
}

#[tokio::test]
async fn doctor_passes_the_demos_agent_and_fails_one_that_would_be_refused() {
    let models = Logged::new();
    let reaching = "auth_policy: {system_auth_policy: {}, user_auth_policy: {api_scopes: [jobs]}}";
    models.responses_agent("reaching", "", reaching);
    let here = Terminal { folder: models.path(), variables: Vec::new() };
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    let (demo, config) = (config.join("agents/concierge"), config.to_str().expect("text").to_owned());
    let demo = demo.to_str().expect("text");
    for judged in [&["doctor", demo][..], &["doctor", demo, "--config", &config]] {
        let good = here.run(judged).await.ended(0);
        tells(
            &good.out,
            &["agent/v1/responses", "serving_endpoint travel-model", "verdict: nothing will be refused"],
        );
        assert_eq!(good.out.contains("served by: concierge"), judged.len() > 2, "{}", good.out);
    }
    let bad = here.run(&["doctor", "reaching"]).await.ended(1);
    tells(&bad.out, &["will be refused:", "jobs", "fix: ", "verdict: 1 will be refused"]);
    assert_eq!(bad.err, "brickyard: 1 thing will be refused\n");
    tells(&here.run(&["doctor", "absent"]).await.ended(1).err, &["absent/MLmodel: not found"]);
    here.run(&["doctor"]).await.ended(64);
}
