//! What a body does not see, and what it does not leave behind.

use super::*;

fn alive(pid: &str) -> bool {
    // A process that has ended and was not waited for is still listed.
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn a_body_sees_nothing_of_the_developers_environment() {
    let fixture = Fixture::new(|_| {});
    assert_eq!(
        fixture.text("import os\nreturn ' '.join(sorted(os.environ))").unwrap(),
        "HOME OMP_NUM_THREADS OPENBLAS_NUM_THREADS TMPDIR"
    );
    // Also not what the process was started with.
    let started = fixture.text("return open('/proc/self/environ').read().replace('\\0', ' ')").unwrap();
    assert!(!started.contains("PATH") && !started.contains("CARGO"), "{started}");
    let home = fixture.text("import os\nreturn os.path.expanduser('~')").unwrap();
    assert_eq!(home, fixture.text("import os\nreturn os.getcwd()").unwrap());
    assert!(home.contains("functions/function-"), "{home}");
    assert_eq!(fixture.text("import os\nreturn str(os.listdir())").unwrap(), "[]");
    // Three, two of its own, and the one that lists.
    assert_eq!(fixture.text("import os\nreturn str(len(os.listdir('/proc/self/fd')))").unwrap(), "6");
    assert_eq!(fixture.text("import sys\nreturn sys.stdin.read()").unwrap(), "");
}

#[test]
fn a_body_writes_no_files() {
    let fixture = Fixture::new(|_| {});
    let error = fixture.failure("with open('x', 'w') as f: f.write('hello')");
    assert!(error.contains("OSError: [Errno 27] File too large"), "{error}");
}

#[test]
fn a_body_reads_no_file_of_brickyards_folder() {
    // Beside the tests' program: in a folder where everybody writes nothing can be closed.
    let built = std::env::current_exe().unwrap();
    let closed = tempfile::TempDir::new_in(built.parent().unwrap()).unwrap();
    let key = closed.path().join("master.key");
    std::fs::write(&key, "key").unwrap();
    let fixture = Fixture::new(|settings| {
        settings.run_dir = closed.path().join("run");
        settings.closed = Some(closed.path().to_owned());
    });
    assert_eq!(fixture.text("return open('/etc/hostname').read() and 'read'").unwrap(), "read");
    let failure = fixture.failure(&format!("return open('{}').read()", key.display()));
    assert!(failure.contains("PermissionError"), "{failure}");
}

#[test]
fn what_one_owner_does_to_a_module_no_other_owner_sees() {
    for workers in [1, 2] {
        let fixture = Fixture::new(|settings| settings.workers = workers);
        let patch = "import json, builtins\njson.stolen = builtins.stolen = []\nreturn 'patched'";
        fixture.text(patch).unwrap();
        let look = |owner| {
            let mut look = function(
                &[],
                "string",
                "import json, builtins\nreturn str(hasattr(json, 'stolen') or hasattr(builtins, 'stolen'))",
            );
            look.owner = owner;
            strings(&fixture.functions.call(&look, &[], 1).unwrap())[0].clone().unwrap()
        };
        assert_eq!(look(2), "False");
        assert_eq!(look(3), "False");
    }
}

#[test]
fn a_function_finds_no_globals_of_another_or_of_an_earlier_call() {
    let fixture = Fixture::new(|_| {});
    let count = "global n\ntry: n += 1\nexcept NameError: n = 1\nreturn str(n)";
    assert_eq!(fixture.text(count).unwrap(), "1");
    assert_eq!(fixture.text(count).unwrap(), "1");
    assert_eq!(fixture.text("return str('n' in globals())").unwrap(), "False");
}

#[test]
fn the_last_handle_takes_every_process_along() {
    let fixture = Fixture::new(|settings| settings.workers = 2);
    let own = fixture.text("import os\nreturn str(os.getpid())").unwrap();
    let child = "import subprocess\nreturn str(subprocess.Popen(['sleep', '1000']).pid)";
    let child = fixture.text(child).unwrap();
    let daemon =
        "import subprocess\nreturn str(subprocess.Popen(['sleep', '1000'], start_new_session=True).pid)";
    let daemon = fixture.text(daemon).unwrap();
    let all = [own, child, daemon];
    assert!(all.iter().all(|pid| alive(pid)));
    let Fixture { functions, folder } = fixture;
    let second = functions.clone();
    drop(functions);
    assert!(all.iter().all(|pid| alive(pid)));
    drop(second);
    // The kernel takes a moment for those that are nobody's children here.
    for _ in 0..1000 {
        if !all.iter().any(|pid| alive(pid)) {
            break;
        }
        std::thread::yield_now();
    }
    assert!(!all.iter().any(|pid| alive(pid)));
    let left = std::fs::read_dir(folder.path().join("functions")).unwrap().count();
    assert_eq!(left, 0, "folders are left");
}

#[test]
fn a_copy_of_the_worker_does_not_answer_for_it() {
    let fixture = Fixture::new(|_| {});
    for _ in 0..3 {
        assert_eq!(fixture.text("import os\nos.fork()\nreturn 'once'").unwrap(), "once");
    }
}
