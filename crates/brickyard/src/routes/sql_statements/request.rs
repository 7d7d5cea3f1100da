//! What is asked of a statement: the body of `POST /api/2.0/sql/statements`, checked.
//!
//! Source of the rules: databricks-sdk `service/sql.py`, `StatementExecutionAPI.execute_statement`.

use std::time::Duration;

use brickyard_sql::Parameter;
use brickyard_sql::statements::{Format, Wanted};
use brickyard_types::SqlType;
use serde::Deserialize;
use serde_json::Value;

use crate::errors::ApiError;

/// The longest statement: 16 MiB.
const LONGEST: usize = 16 << 20;

/// The body. Clients send `null` for what they do not say, and numbers and booleans as parameters.
#[derive(Deserialize)]
pub(super) struct Execute {
    statement: Option<String>,
    warehouse_id: Option<String>,
    catalog: Option<String>,
    schema: Option<String>,
    parameters: Option<Vec<Given>>,
    row_limit: Option<i64>,
    byte_limit: Option<i64>,
    disposition: Option<String>,
    format: Option<String>,
    result_compression: Option<String>,
    wait_timeout: Option<String>,
    on_wait_timeout: Option<String>,
    session_id: Option<String>,
    query_tags: Option<Vec<Tag>>,
}

/// A tag is for finding the statement in the query history, which is not emulated. It changes no result, so it is taken.
#[derive(Deserialize)]
struct Tag {
    key: Option<String>,
}

#[derive(Deserialize)]
struct Given {
    name: Option<String>,
    value: Option<Value>,
    #[serde(rename = "type")]
    data_type: Option<String>,
}

/// A request that can be run.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) statement: String,
    pub(super) warehouse_id: String,
    pub(super) catalog: Option<String>,
    pub(super) schema: Option<String>,
    pub(super) session_id: Option<String>,
    pub(super) parameters: Vec<Parameter>,
    pub(super) wanted: Wanted,
    pub(super) wait: Duration,
    pub(super) cancel_then: bool,
}

pub(super) fn understand(body: Execute) -> Result<Asked, ApiError> {
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let missing = |field: &str| ApiError::invalid_parameter(format!("Missing required field: {field}"));
    let statement =
        body.statement.filter(|text| !text.trim().is_empty()).ok_or_else(|| missing("statement"))?;
    if statement.len() > LONGEST {
        return Err(ApiError::invalid_parameter(format!("A statement has at most {LONGEST} bytes")));
    }
    let warehouse_id = filled(body.warehouse_id).ok_or_else(|| missing("warehouse_id"))?;
    let wait = wait(body.wait_timeout.as_deref())?;
    let cancel_then = match body.on_wait_timeout.as_deref() {
        None | Some("CONTINUE") => false,
        Some("CANCEL") if wait.is_zero() => {
            return Err(ApiError::invalid_parameter(
                "on_wait_timeout is CONTINUE when wait_timeout is 0s: the statement runs on by itself",
            ));
        }
        Some("CANCEL") => true,
        Some(_) => return Err(ApiError::invalid_parameter("on_wait_timeout is CONTINUE or CANCEL")),
    };
    let (format, inline) = shape(
        body.disposition.as_deref().unwrap_or("INLINE"),
        body.format.as_deref().unwrap_or("JSON_ARRAY"),
        body.result_compression.as_deref(),
    )?;
    if body.query_tags.iter().flatten().any(|tag| tag.key.as_ref().is_none_or(String::is_empty)) {
        return Err(ApiError::invalid_parameter("Each of query_tags has a key"));
    }
    let row_limit = limit("row_limit", body.row_limit)?;
    let byte_limit = limit("byte_limit", body.byte_limit)?;
    let parameters = body.parameters.unwrap_or_default();
    Ok(Asked {
        statement,
        warehouse_id,
        catalog: filled(body.catalog),
        schema: filled(body.schema),
        session_id: filled(body.session_id),
        parameters: parameters.into_iter().map(parameter).collect::<Result<_, _>>()?,
        wanted: Wanted { format, inline, row_limit, byte_limit },
        wait,
        cancel_then,
    })
}

fn wait(text: Option<&str>) -> Result<Duration, ApiError> {
    let seconds = text.unwrap_or("10s").strip_suffix('s').and_then(|digits| digits.parse::<u64>().ok());
    match seconds {
        Some(seconds @ (0 | 5..=50)) => Ok(Duration::from_secs(seconds)),
        _ => Err(ApiError::invalid_parameter("wait_timeout is 0s, or from 5s to 50s")),
    }
}

fn limit(field: &str, limit: Option<i64>) -> Result<Option<u64>, ApiError> {
    match limit.map(u64::try_from) {
        None => Ok(None),
        Some(Ok(limit)) if limit > 0 => Ok(Some(limit)),
        Some(_) => Err(ApiError::invalid_parameter(format!("{field} is a positive number"))),
    }
}

/// How the rows are written, and whether they are inside the answer.
fn shape(disposition: &str, format: &str, compression: Option<&str>) -> Result<(Format, bool), ApiError> {
    let lz4 = match compression {
        None | Some("NONE" | "") => false,
        Some("LZ4_FRAME") => true,
        Some(_) => return Err(ApiError::invalid_parameter("result_compression is NONE or LZ4_FRAME")),
    };
    match (disposition, format) {
        ("INLINE" | "INLINE_OR_EXTERNAL_LINKS", "JSON_ARRAY") => Ok((Format::JsonArray, true)),
        ("EXTERNAL_LINKS", "JSON_ARRAY") => Ok((Format::JsonArray, false)),
        ("EXTERNAL_LINKS" | "INLINE_OR_EXTERNAL_LINKS", "ARROW_STREAM") => {
            Ok((Format::ArrowStream { lz4 }, false))
        }
        ("EXTERNAL_LINKS" | "INLINE_OR_EXTERNAL_LINKS", "CSV") => {
            Err(ApiError::not_emulated("The result format CSV"))
        }
        ("INLINE", "ARROW_STREAM" | "CSV") => Err(ApiError::invalid_parameter(format!(
            "The format {format} is supported with the disposition EXTERNAL_LINKS only"
        ))),
        (_, "JSON_ARRAY" | "ARROW_STREAM" | "CSV") => {
            Err(ApiError::invalid_parameter("disposition is INLINE or EXTERNAL_LINKS"))
        }
        _ => Err(ApiError::invalid_parameter("format is JSON_ARRAY, ARROW_STREAM or CSV")),
    }
}

fn parameter(given: Given) -> Result<Parameter, ApiError> {
    let name = given.name.filter(|name| !name.is_empty()).ok_or_else(|| {
        ApiError::invalid_parameter("Each parameter has a name: a statement has named markers (:name) only")
    })?;
    let short: String = name.chars().take(80).collect();
    let data_type = match given.data_type.as_deref() {
        None | Some("") => SqlType::String,
        Some(text) => text.parse().map_err(|_| {
            let text: String = text.chars().take(80).collect();
            ApiError::invalid_parameter(format!("'{text}' is not a type; parameter {short} needs one"))
        })?,
    };
    if matches!(data_type, SqlType::Array(_) | SqlType::Map(..) | SqlType::Struct(_) | SqlType::Variant) {
        return Err(ApiError::invalid_parameter(format!(
            "Parameter {short} has the type {data_type}: arrays, maps and structs are not supported as parameters"
        )));
    }
    let value = match given.value {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Some(value.to_string()),
        Some(Value::Array(_) | Value::Object(_)) => {
            return Err(ApiError::invalid_parameter(format!(
                "The value of parameter {short} is not a string"
            )));
        }
    };
    Ok(Parameter { name, value, data_type })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(body: &str) -> Result<Asked, ApiError> {
        crate::http::json::parse::<Execute>(body.as_bytes()).and_then(understand)
    }

    #[test]
    fn what_is_not_said_is_as_documented() {
        let asked =
            asked(r#"{"statement": "SELECT 1", "warehouse_id": "w", "catalog": null, "query_tags": [{"key": "only"}]}"#)
                .expect("a request");
        assert_eq!(asked.wait, Duration::from_secs(10));
        assert_eq!(asked.wanted.format, Format::JsonArray);
        assert!(asked.wanted.inline && !asked.cancel_then && asked.parameters.is_empty());
    }

    #[test]
    fn parameters_are_read_as_clients_send_them() {
        let body = r#"{"statement": "SELECT :a", "warehouse_id": "w", "parameters": [
            {"name": "a", "value": 1, "type": "bigint"}, {"name": "b", "value": true, "type": "BOOLEAN"},
            {"name": "c", "value": "x"}, {"name": "d", "value": null, "type": "date"}, {"name": "e"}]}"#;
        let parameters = asked(body).expect("a request").parameters;
        let shown: Vec<String> =
            parameters.iter().map(|p| format!("{} {} {:?}", p.name, p.data_type, p.value)).collect();
        assert_eq!(
            shown,
            [
                "a bigint Some(\"1\")",
                "b boolean Some(\"true\")",
                "c string Some(\"x\")",
                "d date None",
                "e string None"
            ]
        );
    }

    #[test]
    fn a_request_that_cannot_be_is_refused_by_name() {
        for (field, status, says) in [
            (r#""wait_timeout": "3s""#, 400, "wait_timeout is 0s, or from 5s to 50s"),
            (r#""wait_timeout": "51s""#, 400, "wait_timeout"),
            (r#""wait_timeout": "ten""#, 400, "wait_timeout"),
            (r#""wait_timeout": "0s", "on_wait_timeout": "CANCEL""#, 400, "on_wait_timeout is CONTINUE"),
            (r#""on_wait_timeout": "EXPLODE""#, 400, "on_wait_timeout"),
            (r#""format": "ARROW_STREAM""#, 400, "The format ARROW_STREAM is supported with"),
            (r#""format": "CSV""#, 400, "The format CSV is supported with"),
            (
                r#""format": "CSV", "disposition": "EXTERNAL_LINKS""#,
                501,
                "The result format CSV is not emulated",
            ),
            (r#""format": "XML""#, 400, "format is"),
            (r#""disposition": "ELSEWHERE""#, 400, "disposition is"),
            (r#""result_compression": "ZIP""#, 400, "result_compression"),
            (r#""row_limit": 0"#, 400, "row_limit"),
            (r#""byte_limit": -1"#, 400, "byte_limit"),
            (
                r#""query_tags": [{"key": "team", "value": "a"}, {"value": "b"}]"#,
                400,
                "Each of query_tags has a key",
            ),
            (r#""parameters": [{"value": "x"}]"#, 400, "Each parameter has a name"),
            (r#""parameters": [{"name": "a", "value": [1]}]"#, 400, "The value of parameter a"),
            (r#""parameters": [{"name": "a", "type": "blob"}]"#, 400, "'blob' is not a type"),
            (
                r#""parameters": [{"name": "a", "type": "array<int>"}]"#,
                400,
                "Parameter a has the type array<int>",
            ),
        ] {
            let body = format!(r#"{{"statement": "SELECT 1", "warehouse_id": "w", {field}}}"#);
            let error = asked(&body).expect_err(field);
            assert_eq!(error.status(), status, "{field}");
            assert!(error.message().starts_with(says), "{field}: {error}");
        }
        for body in [
            r#"{"warehouse_id": "w"}"#,
            r#"{"statement": " ", "warehouse_id": "w"}"#,
            r#"{"statement": "x"}"#,
        ] {
            assert!(asked(body).expect_err(body).message().starts_with("Missing required field"), "{body}");
        }
    }
}
