//! Values keep their type and their value, both ways.

use serde_json::{Value, json};

use super::super::decode;
use super::*;
use crate::arrow_types::stored;

/// Type, values on the wire, and what Python sees.
fn table() -> Vec<(&'static str, Value, Vec<&'static str>)> {
    vec![
        ("void", json!([null, null]), vec!["None", "None"]),
        ("boolean", json!([true, null, false]), vec!["True", "None", "False"]),
        ("tinyint", json!([-128, null, 127]), vec!["-128", "None", "127"]),
        ("smallint", json!([-32768, null, 32767]), vec!["-32768", "None", "32767"]),
        ("int", json!([i32::MIN, null, i32::MAX]), vec!["-2147483648", "None", "2147483647"]),
        (
            "bigint",
            json!([i64::MIN, null, i64::MAX]),
            vec!["-9223372036854775808", "None", "9223372036854775807"],
        ),
        ("float", json!(["0.5", null, "inf"]), vec!["0.5", "None", "inf"]),
        (
            "double",
            json!(["1", "0.1", "-0.0", "1e300", "5e-324", "nan", "-inf", null]),
            vec!["1.0", "0.1", "-0.0", "1e+300", "5e-324", "nan", "-inf", "None"],
        ),
        (
            "decimal(10,2)",
            json!(["100", "-5", null, "9999999999"]),
            vec!["Decimal('1.00')", "Decimal('-0.05')", "None", "Decimal('99999999.99')"],
        ),
        (
            "decimal(38,0)",
            json!(["99999999999999999999999999999999999999"]),
            vec!["Decimal('99999999999999999999999999999999999999')"],
        ),
        (
            "string",
            json!(["", "a\"\n\u{0}", "grün 🧱", null]),
            vec!["''", "'a\"\\n\\x00'", "'grün 🧱'", "None"],
        ),
        ("binary", json!(["", "00ff10", null]), vec!["b''", "b'\\x00\\xff\\x10'", "None"]),
        (
            "date",
            json!([0, -719_162, 2_932_896, null]),
            vec![
                "datetime.date(1970, 1, 1)",
                "datetime.date(1, 1, 1)",
                "datetime.date(9999, 12, 31)",
                "None",
            ],
        ),
        (
            "timestamp",
            json!([0, -1, null]),
            vec![
                "datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)",
                "datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=datetime.timezone.utc)",
                "None",
            ],
        ),
        (
            "timestamp_ntz",
            json!([1_000_001, null]),
            vec!["datetime.datetime(1970, 1, 1, 0, 0, 1, 1)", "None"],
        ),
        (
            "interval day to second",
            json!([90_000_000_001_i64, -1, null]),
            vec![
                "datetime.timedelta(days=1, seconds=3600, microseconds=1)",
                "datetime.timedelta(days=-1, seconds=86399, microseconds=999999)",
                "None",
            ],
        ),
        ("array<bigint>", json!([[1, null], [], null]), vec!["[1, None]", "[]", "None"]),
        (
            "map<string,decimal(4,1)>",
            json!([[["a", "15"], ["b", null]], [], null]),
            vec!["{'a': Decimal('1.5'), 'b': None}", "{}", "None"],
        ),
        (
            "struct<a:int,`b c`:array<date>>",
            json!([[1, [0]], [null, null], null]),
            vec!["{'a': 1, 'b c': [datetime.date(1970, 1, 1)]}", "{'a': None, 'b c': None}", "None"],
        ),
        ("struct<>", json!([[], null]), vec!["{}", "None"]),
        (
            "array<map<int,struct<x:binary not null>>>",
            json!([[[[1, ["ff"]], [2, null]], null]]),
            vec!["[{1: {'x': b'\\xff'}, 2: None}, None]"],
        ),
    ]
}

#[test]
fn values_of_every_type_arrive_as_pythons_own_and_come_back_the_same() {
    let fixture = Fixture::new(|_| {});
    for (data_type, wire, wanted) in table() {
        let given =
            decode::array(wire.as_array().unwrap(), &sql(data_type), &stored(&sql(data_type))).unwrap();
        let show = function(&[("x", data_type)], "string", "return repr(x)");
        let seen = fixture.functions.call(&show, std::slice::from_ref(&given), given.len()).unwrap();
        let seen: Vec<String> = strings(&seen).into_iter().flatten().collect();
        assert_eq!(seen, wanted, "{data_type}");
        let same = function(&[("x", data_type)], data_type, "return x");
        let back = fixture.functions.call(&same, std::slice::from_ref(&given), given.len()).unwrap();
        assert_eq!(&back.to_data(), &given.to_data(), "{data_type}");
        // And of a part of an array, whose offsets do not begin at zero.
        if given.len() > 1 {
            let part = given.slice(1, given.len() - 1);
            let back = fixture.functions.call(&same, std::slice::from_ref(&part), part.len()).unwrap();
            assert_eq!(&back.to_data(), &part.to_data(), "{data_type}");
        }
    }
}

#[test]
fn every_double_and_every_text_comes_back_as_it_was() {
    use datafusion::arrow::array::Float64Array;

    let fixture = Fixture::new(|_| {});
    // Any bits: a walk through them by an odd stride.
    let bits = (0..3000_u64).map(|step| step.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let numbers: Vec<f64> =
        bits.clone().map(f64::from_bits).map(|x| if x.is_nan() { f64::NAN } else { x }).collect();
    let given: ArrayRef = Arc::new(Float64Array::from(numbers));
    let back = fixture.functions.call(
        &function(&[("x", "double")], "double", "return x"),
        std::slice::from_ref(&given),
        3000,
    );
    assert_eq!(back.unwrap().to_data(), given.to_data());
    let texts: Vec<String> =
        bits.map(|bits| String::from_utf8_lossy(&bits.to_le_bytes()).into_owned()).collect();
    let given: ArrayRef = Arc::new(StringArray::from(texts));
    let back = fixture.functions.call(
        &function(&[("x", "string")], "string", "return x"),
        std::slice::from_ref(&given),
        3000,
    );
    assert_eq!(back.unwrap().to_data(), given.to_data());
}

#[test]
fn what_fits_the_declared_type_is_taken() {
    let fixture = Fixture::new(|_| {});
    let all = [
        ("double", "return 3", json!(["3"])),
        ("double", "from fractions import Fraction\nreturn Fraction(1, 2)", json!(["0.5"])),
        ("decimal(10,2)", "return 3", json!(["300"])),
        ("decimal(10,2)", "from decimal import Decimal\nreturn Decimal('1E+2')", json!(["10000"])),
        ("decimal(10,2)", "from decimal import Decimal\nreturn Decimal('1.5000')", json!(["150"])),
        ("binary", "return bytearray(b'a')", json!(["61"])),
        ("date", "import datetime\nreturn datetime.datetime(1970, 1, 2, 3)", json!([1])),
        ("timestamp", "import datetime\nreturn datetime.datetime(1970, 1, 1)", json!([0])),
        (
            "timestamp",
            "import datetime as d\nreturn d.datetime(1970, 1, 1, 2, tzinfo=d.timezone(d.timedelta(hours=2)))",
            json!([0]),
        ),
        ("array<int>", "return (1, 2)", json!([[1, 2]])),
        ("struct<a:int,b:int>", "return {'b': 2, 'c': 3}", json!([[null, 2]])),
        ("struct<a:int,b:int>", "return (1, 2)", json!([[1, 2]])),
    ];
    for (data_type, body, wire) in all {
        let wanted =
            decode::array(wire.as_array().unwrap(), &sql(data_type), &stored(&sql(data_type))).unwrap();
        let got = fixture.functions.call(&function(&[], data_type, body), &[], 1);
        assert_eq!(got.unwrap().as_ref(), wanted.as_ref(), "{data_type}: {body}");
    }
}

#[test]
fn what_does_not_fit_the_declared_type_fails_by_name() {
    let fixture = Fixture::new(|_| {});
    let all = [
        ("bigint", "return 'abc'", "'abc' (str) cannot be returned as BIGINT"),
        ("bigint", "return 1.0", "1.0 (float) cannot be returned as BIGINT"),
        ("bigint", "return True", "True (bool) cannot be returned as BIGINT"),
        (
            "bigint",
            "return 2**63",
            "9223372036854775808 (int) cannot be returned as BIGINT: it is out of range",
        ),
        ("tinyint", "return -129", "it is out of range"),
        ("boolean", "return 1", "1 (int) cannot be returned as BOOLEAN"),
        ("double", "return '1'", "cannot be returned as DOUBLE"),
        ("double", "return 10**400", "OverflowError"),
        ("float", "return 1e39", "it is out of range"),
        ("decimal(4,2)", "return 1.5", "return a decimal.Decimal"),
        ("decimal(4,2)", "return 100", "it is out of range"),
        (
            "decimal(4,2)",
            "from decimal import Decimal\nreturn Decimal('1.234')",
            "more than 2 decimal places; quantize it",
        ),
        (
            "decimal(4,2)",
            "from decimal import Decimal\nreturn Decimal('NaN')",
            "Decimal('NaN') (Decimal) cannot be",
        ),
        ("decimal(4,2)", "from decimal import Decimal\nreturn Decimal('1E+999999')", "it is out of range"),
        ("decimal(4,2)", "from decimal import Decimal\nreturn Decimal('1E-999999')", "quantize it"),
        ("string", "return 5", "5 (int) cannot be returned as STRING: return str(..)"),
        ("string", "return '\\ud800'", "half of a surrogate pair"),
        ("binary", "return 'x'", "cannot be returned as BINARY"),
        ("date", "return '2024-01-01'", "cannot be returned as DATE"),
        ("timestamp", "import datetime\nreturn datetime.date(1970, 1, 1)", "cannot be returned as TIMESTAMP"),
        (
            "timestamp_ntz",
            "import datetime\nreturn datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)",
            "remove it with replace(tzinfo=None)",
        ),
        ("array<int>", "return 'ab'", "cannot be returned as ARRAY<INT>"),
        ("array<int>", "return [1, 'x']", "'x' (str) cannot be returned as INT"),
        ("map<string,int>", "return {None: 1}", "a key is None"),
        ("struct<a:int>", "return 1", "return a dict with its fields"),
        ("struct<a:int not null>", "return {}", "field `a` is NOT NULL"),
        ("void", "return 1", "only None can"),
        ("bigint", "yield 1", "(generator) cannot be returned as BIGINT"),
    ];
    for (data_type, body, message) in all {
        let error = fixture.functions.call(&function(&[], data_type, body), &[], 1).unwrap_err();
        assert!(matches!(&error, PythonFunctionError::Result { .. }), "{data_type}: {body}: {error}");
        assert!(error.to_string().contains(message), "{error} should say {message}");
    }
    let date = function(&[("x", "date")], "string", "return repr(x)");
    let far = Arc::new(datafusion::arrow::array::Date32Array::from(vec![i32::MAX]));
    let error = fixture.functions.call(&date, &[far], 1).unwrap_err();
    assert!(matches!(&error, PythonFunctionError::Input { .. }), "{error}");
}

#[test]
fn an_answer_that_is_no_value_of_the_type_is_not_believed() {
    let all = [
        ("bigint", json!(["x"])),
        ("tinyint", json!([300])),
        ("double", json!([1.5])),
        ("decimal(4,2)", json!(["10000"])),
        ("binary", json!(["abc"])),
        ("binary", json!(["zz"])),
        ("array<int>", json!([5])),
        ("map<string,int>", json!([[["a"]]])),
        ("map<string,int>", json!([[[null, 1]]])),
        ("struct<a:int>", json!([[1, 2]])),
        ("struct<a:int not null>", json!([[null]])),
        ("interval day to second", json!(["1"])),
        ("void", json!([1])),
    ];
    for (data_type, wire) in all {
        let got = decode::array(wire.as_array().unwrap(), &sql(data_type), &stored(&sql(data_type)));
        assert!(got.is_err(), "{data_type}: {wire}");
    }
}
