//! What the suites under load share: how much, by whom, with which agent, and how a leak is recognised.
//!
//! `BRICKYARD_LOAD=full` (`make load`) runs the whole numbers; without it each test is a short version of itself.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use brickyard_testkit::Kit;
use brickyard_types::SignedDuration;
use serde_json::{Value, json};
use serde_yaml_ng as yaml;

pub mod process;

/// How many people call.
pub const PEOPLE: usize = 100;

/// The short number, or with `BRICKYARD_LOAD=full` the whole one.
pub fn scale(short: usize, full: usize) -> usize {
    let wanted = std::env::var("BRICKYARD_LOAD").unwrap_or_default();
    if wanted == "full" { full } else { short }
}

/// Chance that can be repeated: `BRICKYARD_SEED` changes it.
pub struct Chance(u64);

impl Chance {
    /// The chance of one task of a test.
    pub fn of(task: usize) -> Self {
        let seed: u64 = std::env::var("BRICKYARD_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(2);
        Self(seed.wrapping_mul(0x9e37_79b9).wrapping_add(task as u64))
    }

    fn next(&mut self) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("below a usize")
    }

    /// True once in `n`.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// The user name of person `n`.
pub fn name(person: usize) -> String {
    format!("user-{person:03}@example.com")
}

/// What only person `n` says, in their request number `request`.
pub fn canary(person: usize, request: usize) -> String {
    format!("canary-{person:03}-{request:07}")
}

/// A name or a canary in `text` that is not `person`'s.
pub fn foreign(text: &str, person: usize) -> Option<&str> {
    let own = format!("{person:03}");
    ["user-", "canary-"].iter().find_map(|mark| {
        let found = text.match_indices(mark).map(|(at, _)| &text[at + mark.len()..]);
        let mut of_people = found.filter(|rest| rest.bytes().take(3).filter(u8::is_ascii_digit).count() == 3);
        of_people.find(|rest| !rest.starts_with(&own)).map(|rest| &rest[..rest.len().min(40)])
    })
}

/// `users:` of all people, and an administrator.
pub fn people() -> String {
    let mut text =
        "workspace: {admins: [admin@example.com]}\nusers:\n  - {user_name: admin@example.com}\n".to_owned();
    for person in 0..PEOPLE {
        text.push_str(&format!("  - {{user_name: {}}}\n", name(person)));
    }
    text
}

/// A token for each of them.
pub fn tokens(kit: &Kit) -> Vec<String> {
    (0..PEOPLE)
        .map(|person| kit.scoped_token(&name(person), "all-apis", SignedDuration::from_hours(8)))
        .collect()
}

/// The body that asks a `ResponsesAgent` for `text`.
pub fn body(text: &str, stream: bool) -> Value {
    let mut body = json!({ "input": [{ "role": "user", "content": text }] });
    if stream {
        body["stream"] = json!(true);
    }
    body
}

/// The interpreter for Python agents. Without one there is nothing to try, and CI has one.
pub fn python() -> Option<PathBuf> {
    match std::env::var_os("BRICKYARD_TEST_PYTHON") {
        Some(python) => Some(python.into()),
        None => {
            let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(
                !ci,
                "CI needs BRICKYARD_TEST_PYTHON: a Python with mlflow and databricks-ai-bridge (make test sets it)"
            );
            eprintln!("SKIPPED: BRICKYARD_TEST_PYTHON names no Python with mlflow; make test brings one");
            None
        }
    }
}

/// An interpreter that plays a worker with a model of its own, on the real worker's frames: a process that starts in
/// no time and needs no mlflow. Its requests say what to `do`.
pub fn played_python(dir: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let found =
        std::process::Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output();
    let python = String::from_utf8(found.expect("python3").stdout).expect("a path");
    let source = include_str!("../../crates/brickyard-agents/tests-python/fake_interpreter.py");
    let path = dir.join("python");
    // brickyard asks an interpreter for its version and its path before it uses it.
    let itself = "import os, sys\nif sys.argv[1] == '-c':\n    print('%d.%d.%d' % sys.version_info[:3])\n    \
                  print(os.path.abspath(__file__))\n    sys.exit()\n";
    std::fs::write(&path, format!("#!{}\n{itself}{source}", python.trim())).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("executable");
    path
}

/// Writes `load/agent.py` as a logged model into `dir`: the demo agent's own `MLmodel` with another file and policy.
pub fn logged_agent(dir: &Path) -> PathBuf {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/agents/concierge");
    let text = std::fs::read_to_string(demo.join("MLmodel")).expect("the demo agent's MLmodel");
    let mut model: yaml::Value = yaml::from_str(&text).expect("YAML");
    model["flavors"]["python_function"]["model_code_path"] = "/home/carol/agents/agent.py".into();
    model["auth_policy"] = yaml::from_str(
        "system_auth_policy: {resources: {api_version: '1', databricks: {serving_endpoint: [{name: echo}]}}}\n\
         user_auth_policy: {api_scopes: ['iam.current-user:read', serving.serving-endpoints]}",
    )
    .expect("YAML");
    let folder = dir.join("canary");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("MLmodel"), yaml::to_string(&model).expect("YAML")).expect("written");
    std::fs::write(folder.join("agent.py"), include_str!("load/agent.py")).expect("written");
    std::fs::copy(demo.join("requirements.txt"), folder.join("requirements.txt")).expect("copied");
    folder
}

/// The scripted endpoint `echo`: `whoami`, `slow` (a quarter of a second), and an echo of everything else.
pub const ECHO: &str = r#"
  - name: echo
    creator: admin@example.com
    config:
      served_entities:
        - name: echo
          auth_policy: {user_auth_policy: {api_scopes: [serving.serving-endpoints, "iam.current-user:read"]}}
          scripted:
            task: agent/v1/responses
            rules:
              - when: {user: whoami}
                identities: true
              - when: {user: "slow (?P<words>.+)"}
                wait: 250ms
                say: "You said: {words}"
              - when: {user: "(?P<words>.+)"}
                say: "You said: {words}"
    permissions: [{group_name: users, permission_level: CAN_QUERY}]
"#;

/// A Python endpoint that serves the model of [`logged_agent`]. `more` goes into its served entity.
pub fn python_endpoint(name: &str, more: &str) -> String {
    format!(
        "\n  - name: {name}\n    creator: admin@example.com\n    config:\n      served_entities:\n        - entity_name: \
         main.agents.canary\n          entity_version: \"1\"\n          workload_size: Small\n{more}\n    permissions: \
         [{{group_name: users, permission_level: CAN_QUERY}}]\n"
    )
}

/// A workspace with all people, `echo`, and these Python endpoints.
pub fn workspace(model: Option<&Path>, endpoints: &str) -> String {
    let models = model.map_or(String::new(), |model| {
        let source = model.display();
        format!("registered_models:\n  - name: main.agents.canary\n    versions: [{{version: \"1\", source: {source}}}]\n")
    });
    format!("{}{models}serving_endpoints:{ECHO}{endpoints}", people())
}

/// The ids of living processes that were started with a worker's environment under `run`, and of zombies none.
pub fn processes_of(run: &Path) -> BTreeSet<u32> {
    let mark = format!("SERVING_CREDENTIALS_DIR={}", run.display());
    let all = std::fs::read_dir("/proc").expect("/proc").flatten();
    all.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let environment = std::fs::read(entry.path().join("environ")).ok()?;
        let of_it =
            environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(mark.as_bytes()));
        of_it.then_some(pid)
    })
    .collect()
}

/// Ends a process as the kernel's out-of-memory killer does.
pub fn kill(pid: u32) {
    signal(pid, nix::sys::signal::Signal::SIGKILL);
}

/// Sends a process a signal; one that has ended already is not missed.
pub fn signal(pid: u32, signal: nix::sys::signal::Signal) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).expect("a process id"));
    let _ = nix::sys::signal::kill(pid, signal);
}

#[test]
fn a_leak_would_be_seen() {
    assert_eq!(foreign("user-007@example.com said canary-007-0000001", 7), None);
    assert_eq!(foreign("user-007@example.com said canary-008-0000001", 7), Some("008-0000001"));
    assert_eq!(foreign("canary-007-1 of user-070@example.com", 7), Some("070@example.com"));
    assert_eq!(foreign("X-Forwarded-User: user-agent", 7), None);
}
