//! A machine without Python: what needs none serves, and what needs one says so. And one with Python and without `uv`.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::ENDPOINTS;
use crate::agents::{Logged, tells};
use crate::load::played_python;
use crate::load::process::{Brickyard, Machine};

const ADMIN: &str = "dapi000000000000000000000000000000ad";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_python_the_scripted_endpoints_serve_and_the_others_say_what_is_missing() {
    let models = Logged::new();
    models.responses_agent("agent", "", "");
    let dir = models.path();
    let (config, data, programs) = (dir.join("workspace.yaml"), dir.join("data"), dir.join("programs"));
    std::fs::create_dir(&data).expect("made");
    std::fs::create_dir(&programs).expect("an empty folder");
    let yaml = r#"
workspace: {admins: [admin@example.com]}
users: [{user_name: admin@example.com, personal_access_tokens: [{value: dapi000000000000000000000000000000ad}]}]
registered_models: [{name: main.agents.one, versions: [{version: "1", source: agent}]}]
serving_endpoints:
  - name: scripted
    creator: admin@example.com
    config: {served_entities: [{name: it, scripted: {task: llm/v1/chat, rules: [{say: I need no Python.}]}}]}
  - name: logged
    creator: admin@example.com
    config: {served_entities: [{entity_name: main.agents.one, entity_version: "1"}]}
"#;
    std::fs::write(&config, yaml).expect("written");
    let machine = Machine { programs: Some(programs), variables: Vec::new() };
    let mut brickyard = Brickyard::start_on(&config, &data, None, &machine).await;
    assert_eq!(
        (&brickyard.ready["failed"], &brickyard.ready["not_applied"]),
        (&json!(["logged"]), &json!(0)),
        "{}",
        brickyard.ready
    );

    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let ask = async |endpoint: &str| {
        let url = format!("{}/serving-endpoints/{endpoint}/invocations", brickyard.url);
        let hello = json!([{"role": "user", "content": "hello"}]);
        let body = json!({"messages": hello, "input": hello});
        let reply = client.post(url).bearer_auth(ADMIN).json(&body).send().await.expect("a response");
        (reply.status().as_u16(), reply.json::<Value>().await.expect("JSON"))
    };
    let (status, answer) = ask("scripted").await;
    assert_eq!((status, &answer["choices"][0]["message"]["content"]), (200, &json!("I need no Python.")));
    let (status, answer) = ask("logged").await;
    assert_eq!((status, &answer["error_code"]), (404, &json!("RESOURCE_DOES_NOT_EXIST")), "{answer}");

    let url = format!("{}{ENDPOINTS}/logged", brickyard.url);
    let reply = client.get(url).bearer_auth(ADMIN).send().await.expect("a response");
    let endpoint: Value = reply.json().await.expect("JSON");
    assert_eq!(endpoint["state"], json!({"ready": "NOT_READY", "config_update": "UPDATE_FAILED"}));
    let told = &endpoint["pending_config"]["served_entities"][0]["state"];
    assert_eq!(told["deployment"], "DEPLOYMENT_FAILED");
    tells(
        told["deployment_state_message"].as_str().expect("a message"),
        &[
            "served entity 'one-1': no Python 3.10 or newer was found (tried python3.11, python3, python); install one, \
             or name one with `python:` or BRICKYARD_PYTHON",
        ],
    );
    crate::load::signal(brickyard.pid(), nix::sys::signal::Signal::SIGTERM);
    assert!(brickyard.ended().await.success(), "{}", brickyard.log());
}

/// Stands for `uv` from PyPI: its environments have the played interpreter, so nothing is fetched and no mlflow is loaded.
const UV: &str = r#"
import os, shutil, sys
arguments = sys.argv[1:]
if arguments[0] == "venv":
    os.makedirs(arguments[-1] + "/bin")
    shutil.copy(os.environ["PLAYED_PYTHON"], arguments[-1] + "/bin/python")
elif arguments[:2] == ["pip", "install"]:
    print("Installed what was asked for")
elif arguments != ["--version"]:
    sys.exit(2)
"#;

/// Makes the wheel of a `uv` that runs [`UV`], as `pip install uv` finds it.
const WHEEL: &str = r#"
import sys, zipfile
with zipfile.ZipFile(sys.argv[1] + "/uv-1.0-py3-none-any.whl", "w") as wheel:
    info = "uv-1.0.dist-info/"
    wheel.writestr("uv.py", "def main():\n    exec(%r)\n" % sys.argv[2])
    wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: uv\nVersion: 1.0\n")
    wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr(info + "entry_points.txt", "[console_scripts]\nuv = uv:main\n")
    wheel.writestr(info + "RECORD", "uv.py,,\n")
"#;

/// `python3` alone on the search path, without the packages of this machine's own (`uv` may be among them), and a package
/// index that is a folder; `None` without the module that `venv` needs.
fn with_python_alone(dir: &Path) -> Option<Machine> {
    let asked = Command::new("python3").args(["-c", "import ensurepip"]).output().expect("python3");
    if !asked.status.success() {
        assert_ne!(
            std::env::var("CI").as_deref(),
            Ok("true"),
            "CI needs a python3 with ensurepip (python3-venv)"
        );
        eprintln!("SKIPPED: python3 has no ensurepip, so it makes no environment");
        return None;
    }
    let (plain, index) = (dir.join("plain"), dir.join("index"));
    std::fs::create_dir(&index).expect("made");
    let made = Command::new("python3").args(["-m", "venv", "--without-pip"]).arg(&plain).status();
    assert!(made.expect("python3").success());
    let made = Command::new("python3").args(["-c", WHEEL]).arg(&index).arg(UV).status().expect("python3");
    assert!(made.success());
    let variables =
        vec![("PIP_NO_INDEX", "1".into()), ("PIP_FIND_LINKS", index), ("PLAYED_PYTHON", played_python(dir))];
    Some(Machine { programs: Some(plain.join("bin")), variables })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_uv_it_is_installed_once_and_each_step_is_shown_where_serve_runs() {
    let models = Logged::new();
    models.responses_agent("agent", "", "");
    let dir = models.path();
    let Some(machine) = with_python_alone(dir) else { return };
    let (config, data) = (dir.join("workspace.yaml"), dir.join("data"));
    std::fs::create_dir(&data).expect("made");
    let yaml = r#"
workspace: {admins: [admin@example.com]}
users: [{user_name: admin@example.com, personal_access_tokens: [{value: dapi000000000000000000000000000000ad}]}]
registered_models: [{name: main.agents.one, versions: [{version: "1", source: agent}]}]
serving_endpoints:
  - name: logged
    creator: admin@example.com
    config: {served_entities: [{entity_name: main.agents.one, entity_version: "1"}]}
"#;
    std::fs::write(&config, yaml).expect("written");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let mut logs = Vec::new();
    for _ in 0..2 {
        let mut brickyard = Brickyard::start_on(&config, &data, None, &machine).await;
        assert_eq!(brickyard.ready["failed"], json!([]), "{}", brickyard.log());
        let url = format!("{}/serving-endpoints/logged/invocations", brickyard.url);
        let body = json!({"do": "echo", "text": "built"});
        let reply = client.post(url).bearer_auth(ADMIN).json(&body).send().await.expect("a response");
        assert_eq!(reply.json::<Value>().await.expect("JSON")["echo"], "built");
        let url = format!("{}{ENDPOINTS}/logged/served-models/one-1/build-logs", brickyard.url);
        let reply = client.get(url).bearer_auth(ADMIN).send().await.expect("a response");
        let built = reply.json::<Value>().await.expect("JSON")["logs"].as_str().expect("logs").to_owned();
        crate::load::signal(brickyard.pid(), nix::sys::signal::Signal::SIGTERM);
        assert!(brickyard.ended().await.success(), "{}", brickyard.log());
        // Whoever watches the terminal sees the build log as it grows.
        for line in built.lines() {
            let said = json!(line).to_string();
            assert!(
                brickyard.log().contains(said.trim_matches('"')),
                "{line:?} is not in\n{}",
                brickyard.log()
            );
        }
        logs.push(built);
    }
    tells(
        &logs[0],
        &[
            "uv is not on this machine; installing it with pip.",
            "Successfully installed uv-1.0",
            "Building the environment ",
            "Installed what was asked for",
            "The environment is ready.",
        ],
    );
    assert!(data.join("environments/uv-bootstrap/bin/uv").exists());
    tells(&logs[1], &["is there already."]);
    assert!(!logs[1].contains("Building"), "the second start builds nothing: {}", logs[1]);
}
