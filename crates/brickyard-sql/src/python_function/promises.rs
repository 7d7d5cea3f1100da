//! What a user may rely on, against the machine's own `python3`.

mod errors;
#[cfg(target_os = "linux")]
mod isolation;
mod values;

use std::sync::Arc;

use brickyard_types::SqlType;
use datafusion::arrow::array::{Array, ArrayRef, Int64Array, StringArray};
use tempfile::TempDir;

use super::{PythonFunction, PythonFunctionError, PythonFunctions, PythonSettings};

/// Processes of a test's own. The folder goes last: it must be empty by then.
struct Fixture {
    functions: PythonFunctions,
    folder: TempDir,
}

impl Fixture {
    fn new(change: impl FnOnce(&mut PythonSettings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let run_dir = folder.path().join("functions");
        let mut settings = PythonSettings { run_dir, workers: 1, ..PythonSettings::default() };
        change(&mut settings);
        Self { functions: PythonFunctions::new(settings), folder }
    }

    /// One row, no arguments, text out.
    fn text(&self, body: &str) -> Result<String, PythonFunctionError> {
        let array = self.functions.call(&function(&[], "string", body), &[], 1)?;
        Ok(strings(&array)[0].clone().unwrap_or_else(|| "NULL".to_owned()))
    }

    /// The message that the statement fails with.
    fn failure(&self, body: &str) -> String {
        self.text(body).unwrap_err().to_string()
    }
}

fn sql(text: &str) -> SqlType {
    text.parse().unwrap()
}

fn function(parameters: &[(&str, &str)], returns: &str, body: &str) -> PythonFunction {
    PythonFunction {
        owner: 1,
        name: "main.s.f".into(),
        parameters: parameters.iter().map(|(name, data_type)| ((*name).to_owned(), sql(data_type))).collect(),
        returns: sql(returns),
        body: body.into(),
        deterministic: false,
    }
}

fn longs(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn strings(array: &ArrayRef) -> Vec<Option<String>> {
    let array = array.as_any().downcast_ref::<StringArray>().unwrap();
    array.iter().map(|text| text.map(str::to_owned)).collect()
}

#[test]
fn the_body_is_the_body_of_a_function_of_the_sql_parameters() {
    let fixture = Fixture::new(|_| {});
    let bodies = [
        " return a + b ",
        "return a + b",
        "\n    import math\n\n    def g(x):\n      return x + b\n\n    # out of line\n  # and this\n    return g(a) if a else g(0)\n  ",
        "\r\n\tif True:\r\n\t\treturn a + b\r\n",
        "\n  text = '''\nnot indented\n  two'''\n  return a + b if text == '\\nnot indented\\n  two' else None\n",
    ];
    for body in bodies {
        let add = function(&[("a", "bigint"), ("b", "bigint")], "bigint", body);
        let sum = fixture.functions.call(&add, &[longs(&[1, 0]), longs(&[2, 40])], 2);
        assert_eq!(sum.unwrap().as_ref(), longs(&[3, 40]).as_ref(), "{body}");
    }
}

#[test]
fn a_batch_of_any_size_comes_back_in_order() {
    let fixture = Fixture::new(|_| {});
    let double = function(&[("x", "bigint")], "bigint", "return 2 * x");
    for rows in [0, 1, 1024, 1025, 8192] {
        let given: Vec<i64> = (0..rows).collect();
        let wanted: Vec<i64> = given.iter().map(|x| 2 * x).collect();
        let rows = given.len();
        let got = fixture.functions.call(&double, &[longs(&given)], rows).unwrap();
        assert_eq!(got.as_ref(), longs(&wanted).as_ref(), "{rows}");
    }
    let large = function(&[("x", "bigint")], "string", "return 'x' * 3_000_000");
    let got = fixture.functions.call(&large, &[longs(&[1, 2, 3])], 3).unwrap();
    assert!(strings(&got).iter().flatten().all(|text| text.len() == 3_000_000));
    let length = function(&[("x", "string")], "bigint", "return len(x)");
    let lengths = fixture.functions.call(&length, &[got], 3).unwrap();
    assert_eq!(lengths.as_ref(), longs(&[3_000_000; 3]).as_ref());
}

#[test]
fn arguments_are_cast_to_the_declared_types_and_what_does_not_fit_is_an_error() {
    let fixture = Fixture::new(|_| {});
    let tiny = function(&[("x", "tinyint")], "string", "return repr(x)");
    let got = fixture.functions.call(&tiny, &[longs(&[7])], 1).unwrap();
    assert_eq!(strings(&got), [Some("7".to_owned())]);
    let error = fixture.functions.call(&tiny, &[longs(&[300])], 1).unwrap_err().to_string();
    assert!(error.contains("INPUT_CONVERSION") && error.contains("parameter x"), "{error}");
    let error = fixture.functions.call(&tiny, &[], 1).unwrap_err().to_string();
    assert!(error.contains("takes 1 arguments"), "{error}");
}

#[test]
fn a_query_calls_it_like_any_function() {
    use datafusion::prelude::SessionContext;

    let fixture = Fixture::new(|settings| settings.workers = 2);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut shout =
        function(&[("s", "string"), ("times", "int")], "string", "return s.upper() + '!' * times");
    shout.name = "shout".into();
    let mut five = function(&[], "bigint", "return 5");
    five.name = "five".into();
    let mut certain = function(&[("x", "bigint")], "bigint", "return x + 1");
    certain.name = "certain".into();
    certain.deterministic = true;
    let context = SessionContext::new();
    for one in [shout, five, certain] {
        context.register_udf(super::scalar_udf(one, fixture.functions.clone()));
    }
    let rows = |query: &str| {
        let frames = runtime.block_on(async { context.sql(query).await?.collect().await });
        frames.map(|frames| {
            datafusion::arrow::util::pretty::pretty_format_batches(&frames).unwrap().to_string()
        })
    };
    let page = rows(
        "SELECT shout(name, n) AS a, five() + n AS b, certain(41) AS c FROM (VALUES ('ana', 1), ('ben', 2)) AS t(name, n)",
    );
    insta::assert_snapshot!(page.unwrap(), @r"
    +-------+---+----+
    | a     | b | c  |
    +-------+---+----+
    | ANA!  | 6 | 42 |
    | BEN!! | 7 | 42 |
    +-------+---+----+
    ");
    let error = rows("SELECT shout('a')").unwrap_err().to_string();
    assert!(error.contains("The `shout` requires 2 parameters but the actual number is 1"), "{error}");
    let error = rows("SELECT shout('a', 1.5e300)").unwrap_err().to_string();
    assert!(error.to_lowercase().contains("cast") || error.contains("parameter times"), "{error}");
    let error =
        rows("SELECT shout(CAST(NULL AS STRING), n) FROM (VALUES (1)) AS t(n)").unwrap_err().to_string();
    assert!(error.contains("'NoneType' object has no attribute 'upper'"), "{error}");
}

#[test]
fn eight_threads_get_their_own_answers() {
    for workers in [1, 3] {
        let fixture = Fixture::new(|settings| settings.workers = workers);
        std::thread::scope(|scope| {
            for thread in 0..8_i64 {
                let functions = &fixture.functions;
                scope.spawn(move || {
                    let body = format!("return x * 10 + {thread}");
                    let mut mine = function(&[("x", "bigint")], "bigint", &body);
                    // Two owners share a lack of processes.
                    mine.owner = u64::from(thread % 2 == 0);
                    for call in 0..5 {
                        let got = functions.call(&mine, &[longs(&[call, thread])], 2).unwrap();
                        assert_eq!(got.as_ref(), longs(&[call * 10 + thread, thread * 11]).as_ref());
                    }
                });
            }
        });
    }
}

#[test]
fn what_does_not_compile_is_told_when_the_function_is_created() {
    let fixture = Fixture::new(|_| {});
    let check = |parameter: &str, body: &str| {
        let one = function(&[(parameter, "bigint")], "bigint", body);
        fixture.functions.check(&one).map_err(|error| error.to_string())
    };
    assert_eq!(check("x", "import os\nos._exit(9)"), Ok(()), "nothing of it runs");
    assert_eq!(check("größe", "return größe"), Ok(()));
    let wrong = [
        ("x", "\n  y = x\n  retrun y\n", "SyntaxError: invalid syntax (line 3 of the body: retrun y)"),
        (
            "x",
            "  return x\nimport os",
            "unindent does not match the indentation of the first line (line 2 of the body: import os)",
        ),
        ("x", "  return x\nelse:\n  return 1", "unindent does not match"),
        ("x", "\n # nothing\n", "SyntaxError: the body is empty"),
        ("x", "return x\0", "null bytes"),
        ("from", "return 1", "parameter `from` is not a name in Python; rename it"),
        ("my column", "return 1", "parameter `my column` is not a name in Python; rename it"),
        ("x", "return await x", "outside async function"),
    ];
    for (parameter, body, message) in wrong {
        let error = check(parameter, body).unwrap_err();
        assert!(error.starts_with("The Python body of function main.s.f does not compile: "), "{error}");
        assert!(error.contains(message), "{error} should say {message}");
    }
    // The same process goes on, and a call says the same as Databricks would.
    let broken = function(&[], "bigint", "retrun 1");
    for _ in 0..2 {
        let error = fixture.functions.call(&broken, &[], 1).unwrap_err().to_string();
        assert!(
            error.starts_with("[UDF_USER_CODE_ERROR.GENERIC]") && error.contains("SyntaxError"),
            "{error}"
        );
    }
}

#[test]
fn types_without_a_counterpart_in_python_are_refused_by_name() {
    let fixture = Fixture::new(|_| {});
    let year = function(&[("x", "array<interval year>")], "bigint", "return 1");
    assert_eq!(
        fixture.functions.check(&year).unwrap_err().to_string(),
        "Parameter x of function main.s.f has type ARRAY<INTERVAL YEAR TO MONTH>, which Python functions do not support \
         here; use another type, or LANGUAGE SQL"
    );
    let variant = function(&[], "variant", "return 1");
    assert!(
        fixture
            .functions
            .call(&variant, &[], 1)
            .unwrap_err()
            .to_string()
            .starts_with("The result of function")
    );
}

#[test]
fn a_machine_without_python_is_told_what_to_do() {
    let fixture = Fixture::new(|settings| settings.interpreter = Some("/no/such/python".into()));
    let message = fixture.failure("return 'x'");
    assert!(message.contains("tried /no/such/python") && message.contains("BRICKYARD_PYTHON"), "{message}");
    let fixture = Fixture::new(|settings| settings.interpreter = Some("/bin/false".into()));
    assert!(fixture.failure("return 'x'").contains("does not answer like Python"));
}
