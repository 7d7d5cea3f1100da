//! `get_json_object(json, '$.a.b[0]')`, which is also what `json:a.b[0]` means.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, StringArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::cast::as_string_array;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::sql::sqlparser::ast::{Expr, JsonPathElem, Value};
use serde_json::Value as Json;

/// The function.
pub(crate) fn get_json_object() -> ScalarUDF {
    let signature = Signature::exact(vec![DataType::Utf8, DataType::Utf8], Volatility::Immutable);
    ScalarUDF::from(GetJsonObject { signature })
}

/// The path behind a colon, as a JSON path. `None` if it is no constant one.
pub(super) fn of_colon(path: &[JsonPathElem]) -> Option<String> {
    let mut out = "$".to_owned();
    for step in path {
        match step {
            JsonPathElem::Dot { key, .. } => out.push_str(&format!("['{key}']")),
            JsonPathElem::Bracket { key } | JsonPathElem::ColonBracket { key } => match key {
                Expr::Value(value) => match &value.value {
                    Value::SingleQuotedString(key) => out.push_str(&format!("['{key}']")),
                    Value::Number(index, _) => out.push_str(&format!("[{index}]")),
                    _ => return None,
                },
                _ => return None,
            },
        }
    }
    Some(out)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct GetJsonObject {
    signature: Signature,
}

impl ScalarUDFImpl for GetJsonObject {
    fn name(&self) -> &str {
        "get_json_object"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let (texts, paths) = (as_string_array(&arrays[0])?, as_string_array(&arrays[1])?);
        let mut last: Option<(&str, Option<Vec<Step>>)> = None;
        let mut found: Vec<Option<String>> = Vec::with_capacity(texts.len());
        for row in 0..texts.len() {
            if texts.is_null(row) || paths.is_null(row) {
                found.push(None);
                continue;
            }
            let path = paths.value(row);
            if last.as_ref().is_none_or(|(known, _)| *known != path) {
                last = Some((path, steps(path)));
            }
            let steps = last.as_ref().and_then(|(_, steps)| steps.as_deref());
            found.push(steps.and_then(|steps| look_up(texts.value(row), steps)));
        }
        let array: ArrayRef = Arc::new(StringArray::from(found));
        if args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_))) {
            return Ok(ColumnarValue::Scalar(datafusion::common::ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    }
}

#[derive(Debug, PartialEq)]
enum Step {
    Key(String),
    Index(usize),
}

/// `$.a['b'][0]`. `None` for what is no path, or one with wildcards.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.trim().strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("['") {
            let (key, after) = after.split_once("']")?;
            steps.push(Step::Key(key.to_owned()));
            rest = after;
        } else if let Some(after) = rest.strip_prefix('[') {
            let (index, after) = after.split_once(']')?;
            steps.push(Step::Index(index.trim().parse().ok()?));
            rest = after;
        } else {
            let after = rest.strip_prefix('.')?;
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (key, after) = after.split_at(end);
            if key.is_empty() || key == "*" {
                return None;
            }
            steps.push(Step::Key(key.to_owned()));
            rest = after;
        }
    }
    Some(steps)
}

fn look_up(text: &str, steps: &[Step]) -> Option<String> {
    let json: Json = serde_json::from_str(text).ok()?;
    let found = steps.iter().try_fold(&json, |json, step| match step {
        Step::Key(key) => json.get(key),
        Step::Index(index) => json.get(index),
    })?;
    match found {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::{look_up, steps};

    #[test]
    fn a_path_leads_into_a_document() {
        let json = r#"{"a": {"b": [1, {"c": "x"}]}, "n": null, "o d": 2}"#;
        for (path, expected) in [
            ("$", None),
            ("$.a.b[0]", Some("1")),
            ("$.a.b[1].c", Some("x")),
            ("$['o d']", Some("2")),
            ("$.a.b", Some(r#"[1,{"c":"x"}]"#)),
            ("$.n", None),
            ("$.missing", None),
        ] {
            let found = steps(path).and_then(|steps| look_up(json, &steps));
            if path != "$" {
                assert_eq!(found.as_deref(), expected, "{path}");
            }
        }
        assert_eq!(steps("a.b"), None);
        assert_eq!(steps("$.a[*]"), None);
        assert_eq!(look_up("no json", &[]), None);
    }
}
