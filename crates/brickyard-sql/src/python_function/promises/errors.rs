//! A body that fails, fails alone, and says why.

use super::*;

#[test]
fn an_exception_is_told_with_the_line_that_raised_it() {
    let fixture = Fixture::new(|_| {});
    let body = "\n  def share(x):\n    return a / x\n  return share(b)\n";
    let divide = function(&[("a", "bigint"), ("b", "bigint")], "double", body);
    let error = fixture.functions.call(&divide, &[longs(&[1, 1]), longs(&[1, 0])], 2).unwrap_err();
    insta::assert_snapshot!(error, @r#"
    [UDF_USER_CODE_ERROR.GENERIC] Execution of function main.s.f(a, b) failed. 
    == Error ==
    ZeroDivisionError: division by zero
    == Stacktrace ==
      File "<udfbody>", line 4, in main
        return share(b)
      File "<udfbody>", line 3, in share
        return a / x SQLSTATE: 39000
    "#);
}

#[test]
fn no_way_of_raising_ends_the_process() {
    let fixture = Fixture::new(|_| {});
    let pid = fixture.text("import os\nreturn str(os.getpid())").unwrap();
    let all = [
        ("import sys\nsys.exit(3)", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("return missing", "NameError: name 'missing' is not defined"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("class E(Exception):\n  def __str__(self): raise ValueError\nraise E", "<its text cannot be shown>"),
        ("raise ValueError('\\ud800')", "ValueError: \\ud800"),
        ("raise ValueError('x' * 10**7)", "ValueError: xxx"),
        ("def r(): return r()\nreturn r()", "RecursionError"),
        ("import json\nreturn json.loads('{')", "json.decoder.JSONDecodeError"),
        ("raise StopIteration", "StopIteration"),
    ];
    for (body, message) in all {
        let error = fixture.failure(body);
        assert!(error.starts_with("[UDF_USER_CODE_ERROR.GENERIC]"), "{error}");
        assert!(error.contains(message), "{error} should say {message}");
        assert!(error.len() < 10_000);
    }
    assert_eq!(fixture.text("import os\nreturn str(os.getpid())").unwrap(), pid);
}

#[test]
fn a_body_that_never_ends_is_stopped_and_the_next_call_works() {
    let fixture = Fixture::new(|settings| settings.seconds_per_batch = 1);
    let forever = [
        "print('still here')\nwhile True: pass",
        "import signal, time\nfor s in (2, 15, 24): signal.signal(s, signal.SIG_IGN)\nwhile True:\n  try: time.sleep(1000)\n  except BaseException: pass",
        "while True: print('flood')",
    ];
    for body in forever {
        let error = fixture.text(body).unwrap_err();
        assert!(matches!(&error, PythonFunctionError::TimedOut { seconds: 1, .. }), "{error}");
        let error = error.to_string();
        assert!(error.contains("TimeoutError: stopped after 1 s"), "{error}");
        assert_eq!(error.contains("still here"), body.contains("still here"), "{error}");
        assert_eq!(fixture.text("return 'works'").unwrap(), "works");
    }
}

#[cfg(target_os = "linux")] // elsewhere a warning says that memory is not limited
#[test]
fn a_body_that_wants_too_much_memory_fails_by_name_and_the_next_call_works() {
    let fixture = Fixture::new(|settings| settings.memory_bytes = 256 << 20);
    for body in ["return 'x' * 10**10", "a = []\nwhile True: a.append(bytearray(10**6))", "raise MemoryError"]
    {
        assert_eq!(
            fixture.failure(body),
            "[UDF_USER_CODE_ERROR.OOM] Execution of function main.s.f() failed. Function ran out of memory during \
             execution.\nThis may be caused by excessive memory usage of the running code. SQLSTATE: 39000"
        );
        assert_eq!(fixture.text("return 'works'").unwrap(), "works");
    }
}

#[test]
fn a_process_that_dies_is_replaced_and_its_last_words_are_told() {
    let fixture = Fixture::new(|_| {});
    let all = [
        ("import os\nprint('last words')\nos._exit(3)", "exit status: 3"),
        ("import os\nprint('last words')\nos.kill(os.getpid(), 11)", "signal: 11 (SIGSEGV)"),
        ("import os\nprint('last words')\nos.closerange(0, 100)", "signal: 9 (SIGKILL)"),
    ];
    for (body, how) in all {
        let error = fixture.failure(body);
        assert!(error.starts_with("[UDF_ERROR.ENV_LOST] Execution of function main.s.f() failed"), "{error}");
        assert!(error.contains(how) && error.contains("Last stderr: last words"), "{error}");
        assert_eq!(fixture.text("return 'works'").unwrap(), "works");
    }
}

#[test]
fn what_a_body_prints_never_gets_into_the_answer() {
    let fixture = Fixture::new(|_| {});
    let all = [
        "for _ in range(100_000): print('x' * 100)\nreturn 'works'",
        "import os\nos.write(1, b'\\0' * 100)\nreturn 'works'",
        "import os\nos.close(0); os.close(1)\nreturn 'works'",
        "import sys\nsys.stdout.close()\nsys.stderr = None\nreturn 'works'",
        "import os\nos.close(2)\nreturn 'works'",
    ];
    for body in all {
        assert_eq!(fixture.text(body).as_deref(), Ok("works"), "{body}");
        assert_eq!(fixture.text("return 'and next'").unwrap(), "and next");
    }
}

#[test]
fn a_body_that_answers_in_the_workers_place_is_found_out() {
    let fixture = Fixture::new(|_| {});
    let everywhere = |what: &str| {
        format!(
            "import os\nfor fd in range(100):\n  try: os.write(fd, {what})\n  except OSError: pass\nreturn 'x'"
        )
    };
    for what in
        ["b'garbage that is long enough for a header'", "b'\\x02\\0\\0\\0' + bytes(16) + b'{}'", "b'x'"]
    {
        let error = fixture.failure(&everywhere(what));
        assert!(error.starts_with("[UDF_ERROR.ENV_LOST]"), "{error}");
        assert_eq!(fixture.text("return 'works'").unwrap(), "works");
    }
    // After its own answer: the next statement does not suffer.
    let later = "import os, threading, time\ndef late():\n  time.sleep(0.05)\n  for fd in range(3, 100):\n    try: os.write(fd, b'late')\n    except OSError: pass\nthreading.Thread(target=late).start()\nreturn 'x'";
    assert_eq!(fixture.text(later).unwrap(), "x");
    for _ in 0..3 {
        assert_eq!(fixture.text("import time\ntime.sleep(0.05)\nreturn 'works'").unwrap(), "works");
    }
}

#[test]
fn an_error_never_shows_what_an_earlier_call_printed() {
    let fixture = Fixture::new(|_| {});
    fixture.text("print('the secret of somebody else')\nreturn 'x'").unwrap();
    let error = fixture.failure("import os\nos._exit(1)");
    assert!(!error.contains("secret"), "{error}");
}
