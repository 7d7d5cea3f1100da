//! Workers that are forked from their pool's template are no different from those that were started by themselves.

use std::time::Duration;

use brickyard_types::{Secret, SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::fake::{Fake, lives, start};

fn kill(pid: u64) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).expect("a process id"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("killed");
}

async fn seen(fake: &Fake) -> Value {
    fake.ask(json!({"do": "environment"})).await.expect("an answer")
}

async fn gone(pid: u64) {
    for _ in 0..500 {
        if !lives(pid) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{pid} lives");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_it_was_born_a_worker_sees_the_same_and_ends_the_same() {
    let mut pages = Vec::new();
    for forked in [true, false] {
        let fake = start(|spec| {
            spec.forked = forked;
            // Neither text nor a path that is: an environment is bytes.
            spec.environment.push(("API_KEY".to_owned(), Secret::from("s\u{e9}cret")));
        })
        .await;
        let mut seen = seen(&fake).await;
        // The interpreter itself adds one when it starts in the C locale.
        for part in ["environ", "shown"] {
            seen[part].as_object_mut().expect("a map").remove("LC_CTYPE");
        }
        assert_eq!(seen["environ"], seen["shown"], "forked: {forked}");
        let dies = fake.ask(json!({"do": "die"})).await.expect_err("it dies");
        assert!(dies.to_string().ends_with("exit status: 3"), "forked: {forked}: {dies}");
        assert_eq!(fake.echo("replaced").await, "replaced");
        let home = seen["environ"]["HOME"].as_str().expect("a folder").to_owned();
        assert_eq!(seen["cwd"], home);
        let own = home.strip_suffix("home").expect("a folder in its own");
        let pool = fake.dir.path().display().to_string();
        pages.push(seen["environ"].to_string().replace(own, "OWN/").replace(&pool, "POOL"));
        let descriptors = seen["fds"].as_str().expect("a text");
        let kinds: Vec<_> = descriptors.lines().filter_map(|line| line.split(':').next()).collect();
        assert_eq!(kinds, ["0 /dev/null", "1 pipe", "2 pipe"], "forked: {forked}");
        fake.pool.shutdown().await;
    }
    assert_eq!(pages[0], pages[1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_workers_of_a_pool_have_one_parent_and_outlive_neither_it_nor_their_pool() {
    let fake = start(|spec| spec.max_workers = 3).await;
    let first = seen(&fake).await;
    let parent = first["parent"].as_u64().expect("a number");
    assert_ne!(parent, u64::from(std::process::id()));
    let worker = u64::from(fake.pool.pids()[0].1);
    kill(worker);
    fake.until("another one is there", |stats| (stats.ready, stats.ended) == (1, 1)).await;
    assert_eq!(seen(&fake).await["parent"], parent);

    // Somebody ends the parent: its workers end, and the next one has another parent.
    let worker = u64::from(fake.pool.pids()[0].1);
    kill(parent);
    gone(worker).await;
    fake.until("another one is there", |stats| (stats.ready, stats.ended) == (1, 2)).await;
    let next = seen(&fake).await["parent"].as_u64().expect("a number");
    assert_ne!(next, parent);
    assert_eq!(fake.pool.stats().failures, 0);
    fake.pool.shutdown().await;
    assert!(!lives(next));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_system_that_gives_no_process_costs_nobody_elses() {
    let flag = tempfile::TempDir::new().expect("a folder");
    let path = flag.path().join("none").display().to_string();
    let variable = ("FAKE_NO_FORK".to_owned(), Secret::from(path.as_str()));
    let fake = start(|spec| spec.environment.push(variable)).await;
    let parent = seen(&fake).await["parent"].clone();
    std::fs::write(&path, "").expect("written");
    kill(u64::from(fake.pool.pids()[0].1));
    fake.until("none is given", |stats| stats.failures >= 2).await;
    let error = fake.ask(json!({"do": "echo"})).await.expect_err("nobody is there");
    assert!(
        error.to_string().contains("a worker could not be made: Resource temporarily unavailable"),
        "{error}"
    );
    std::fs::remove_file(&path).expect("removed");
    fake.until("it is healed", |stats| stats.ready == 1).await;
    assert_eq!(seen(&fake).await["parent"], parent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_sleeps_leaves_no_process_behind() {
    let at = |minutes: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes);
    let fake = start(|spec| spec.sleep_after = Some(SignedDuration::from_mins(30))).await;
    let parent = seen(&fake).await["parent"].as_u64().expect("a number");
    fake.pool.shrink(at(0));
    fake.pool.shrink(at(30));
    fake.until("nobody is left", |stats| stats.ready + stats.starting == 0).await;
    gone(parent).await;
    assert_eq!(fake.echo("awake").await, "awake");
}

#[test]
fn what_is_kept_makes_the_same_and_only_this_pythons_is_used() {
    let dir = tempfile::TempDir::new().expect("a folder");
    let output = std::process::Command::new("python3")
        .args(["-c", KEPT, concat!(env!("CARGO_MANIFEST_DIR"), "/python")])
        .arg(dir.path().join("kept"))
        .output()
        .expect("python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

const KEPT: &str = r#"
import dataclasses, importlib.util, inspect, marshal, re, sys, types
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import brickyard_imports

SOURCE = """
import dataclasses, re
@dataclasses.dataclass(order=True)
class Point:
    x: int = 1
    y: list = dataclasses.field(default_factory=list)
word = re.compile(r"(?P<first>[a-z]+)-([0-9]{2,3})(?=[ ]|$)", re.IGNORECASE | re.VERBOSE)
raw = re.compile(rb"[0-4](.)")
again = re.compile(word)
"""

def make():
    re.purge()
    made = {"__name__": "made"}
    exec(SOURCE, made)
    return made

def write(head, kept):
    with open(sys.argv[2], "wb") as file:
        marshal.dump((head, kept), file)

before = dict(vars(dataclasses)), dict(vars(re))
keeper = brickyard_imports.Kept(keeps=True)
with keeper:
    first = make()
    try:
        re.compile("(")
        raise AssertionError("no error")
    except re.error:
        pass
kept = keeper.all()
assert all(len(kept[part]) > 0 for part in ("code", "signatures", "patterns")), kept
write(("3.9", b"x"), kept)
assert brickyard_imports.read(sys.argv[2]) == {}
write((sys.version, importlib.util.MAGIC_NUMBER), kept)
with brickyard_imports.Kept(brickyard_imports.read(sys.argv[2])) as used:
    # What would make them anew is not there.
    compiles, used.compile = used.compile, None
    used.inspect = types.SimpleNamespace(get_annotations=getattr(inspect, "get_annotations", None))
    second = make()
    used.compile, used.inspect = compiles, inspect
    assert re.compile("[n]ew").match("new")
assert (dict(vars(dataclasses)), dict(vars(re))) == before

# What mlflow has of this, as far as it is used.
metadata = types.SimpleNamespace(packages_distributions=lambda: {"yaml": ["PyYAML"]})
mlflow = types.SimpleNamespace(importlib_metadata=metadata)
mlflow._init_modules_to_packages_map = lambda: mlflow.__dict__.update(found=metadata.packages_distributions())
sys.modules["mlflow.utils.requirements_utils"] = mlflow
keeper.know_packages()
write((sys.version, importlib.util.MAGIC_NUMBER), keeper.all())
mlflow.found, metadata.packages_distributions = None, None
brickyard_imports.Kept(brickyard_imports.read(sys.argv[2])).know_packages()
assert mlflow.found is None, "nothing to ask is nothing to do"
metadata.packages_distributions = lambda: 1 / 0
brickyard_imports.Kept(brickyard_imports.read(sys.argv[2])).know_packages()
assert mlflow.found == {"yaml": ["PyYAML"]}
for made in (first, second, make()):
    Point, word = made["Point"], made["word"]
    assert repr(Point(2, [3])) == "Point(x=2, y=[3])"
    assert Point(1) < Point(2) and Point() == Point(1, []) and Point().y is not Point().y
    assert Point.__doc__ == "Point(x: int = 1, y: list = <factory>)", Point.__doc__
    assert Point.__init__.__qualname__ == "Point.__init__"
    found = word.match("AB-123 x")
    assert found.groupdict() == {"first": "AB"} and found[2] == "123" and not word.match("AB-1234")
    assert (word.flags, word.groups, word.groupindex) == (first["word"].flags, 2, {"first": 1})
    assert made["again"] is word and made["raw"].match(b"3a")[1] == b"a"
"#;
