//! A statement on the wire: `StatementResponse`, `ResultManifest`, `ResultData`.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use brickyard_sql::statements::{Column, Format, ResultSet, StatementState, StatementView};
use brickyard_types::SqlType;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::external_links;
use crate::errors::ApiError;
use crate::workspace::Workspace;

#[derive(Serialize)]
struct Statement<'a> {
    statement_id: &'a str,
    status: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<ResultData<'a>>,
}

#[derive(Default, Serialize)]
struct ResultData<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    chunk_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    row_offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    row_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    byte_count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_chunk_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_chunk_internal_link: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_array: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_links: Option<Vec<Value>>,
}

/// The whole answer: status, and with a result its manifest and first chunk.
pub(super) fn statement(workspace: &Workspace, view: &StatementView) -> Result<Response, ApiError> {
    let result = match &view.result {
        Some(result) if result.chunks.is_empty() => Some(no_rows(view)),
        Some(_) => Some(data(workspace, view, 0)?),
        None => None,
    };
    let manifest = view.result.as_ref().map(|result| manifest(view, result));
    written(&Statement { statement_id: &view.id, status: status(view), manifest, result })
}

/// One chunk, or the link to it.
pub(super) fn result_data(
    workspace: &Workspace,
    view: &StatementView,
    index: usize,
) -> Result<Response, ApiError> {
    written(&data(workspace, view, index)?)
}

fn written(body: &impl Serialize) -> Result<Response, ApiError> {
    let bytes = serde_json::to_vec(body).map_err(|error| ApiError::internal(&error))?;
    Ok(([(CONTENT_TYPE, "application/json")], bytes).into_response())
}

fn status(view: &StatementView) -> Value {
    let mut status = Map::new();
    status.insert("state".to_owned(), json!(view.state.as_str()));
    if let (StatementState::Failed, Some(failure)) = (view.state, &view.failure) {
        status.insert("error".to_owned(), json!({"error_code": failure.code, "message": failure.message}));
        status.insert("sql_state".to_owned(), json!(failure.sql_state));
    }
    Value::Object(status)
}

fn no_rows(view: &StatementView) -> ResultData<'static> {
    if !view.wanted.inline {
        return ResultData { external_links: Some(Vec::new()), ..ResultData::default() };
    }
    ResultData { chunk_index: Some(0), row_offset: Some(0), row_count: Some(0), ..ResultData::default() }
}

fn data<'a>(
    workspace: &Workspace,
    view: &'a StatementView,
    index: usize,
) -> Result<ResultData<'a>, ApiError> {
    let gone = || ApiError::invalid_state(format!("The statement {} has no result to fetch.", view.id));
    let result = view.result.as_ref().ok_or_else(gone)?;
    let chunk = result.chunks.get(index).ok_or_else(gone)?;
    let next = Some(index + 1).filter(|next| *next < result.chunks.len());
    let next_link = next.map(|next| format!("/api/2.0/sql/statements/{}/result/chunks/{next}", view.id));
    if !view.wanted.inline {
        let (address, expires) = external_links::link(workspace, view, index);
        let mut link = json!({
            "chunk_index": index,
            "row_offset": chunk.row_offset,
            "row_count": chunk.row_count,
            "byte_count": chunk.body.len(),
            "external_link": address,
            "expiration": format!("{expires:.3}"),
        });
        if let (Some(next), Some(next_link)) = (next, next_link) {
            link["next_chunk_index"] = json!(next);
            link["next_chunk_internal_link"] = json!(next_link);
        }
        return Ok(ResultData { external_links: Some(vec![link]), ..ResultData::default() });
    }
    let rows: &RawValue = serde_json::from_slice(&chunk.body).map_err(|error| ApiError::internal(&error))?;
    Ok(ResultData {
        chunk_index: Some(index),
        row_offset: Some(chunk.row_offset),
        row_count: Some(chunk.row_count),
        byte_count: Some(chunk.body.len()),
        next_chunk_index: next,
        next_chunk_internal_link: next_link,
        data_array: Some(rows),
        external_links: None,
    })
}

fn manifest(view: &StatementView, result: &ResultSet) -> Value {
    let columns: Vec<Value> =
        result.columns.iter().enumerate().map(|(position, one)| column(position, one)).collect();
    let chunks: Vec<Value> = (result.chunks.iter().enumerate())
        .map(|(index, chunk)| {
            json!({
                "chunk_index": index,
                "row_offset": chunk.row_offset,
                "row_count": chunk.row_count,
                "byte_count": chunk.body.len(),
            })
        })
        .collect();
    let mut manifest = json!({
        "format": match view.wanted.format {
            Format::JsonArray => "JSON_ARRAY",
            Format::ArrowStream { .. } => "ARROW_STREAM",
        },
        "schema": {"column_count": columns.len(), "columns": columns},
        "total_chunk_count": chunks.len(),
        "total_row_count": result.row_count(),
        "total_byte_count": result.byte_count(),
        "truncated": result.truncated,
    });
    if !chunks.is_empty() {
        manifest["chunks"] = json!(chunks);
    }
    if view.wanted.format == (Format::ArrowStream { lz4: true }) {
        manifest["result_compression"] = json!("LZ4_FRAME");
    }
    manifest
}

fn column(position: usize, column: &Column) -> Value {
    let mut shown = json!({
        "name": column.name,
        "position": position,
        "type_name": column.data_type.type_name(),
        "type_text": type_text(&column.data_type),
    });
    match column.data_type {
        SqlType::Decimal(precision, scale) => {
            shown["type_precision"] = json!(precision);
            shown["type_scale"] = json!(scale);
        }
        SqlType::YearMonthInterval => shown["type_interval_type"] = json!("YEAR TO MONTH"),
        SqlType::DayTimeInterval => shown["type_interval_type"] = json!("DAY TO SECOND"),
        _ => {}
    }
    shown
}

/// The type in capitals; the names of fields stay as they are.
fn type_text(data_type: &SqlType) -> String {
    match data_type {
        SqlType::Array(element) => format!("ARRAY<{}>", type_text(element)),
        SqlType::Map(key, value) => format!("MAP<{}, {}>", type_text(key), type_text(value)),
        SqlType::Struct(fields) => {
            let fields: Vec<String> = (fields.iter())
                .map(|field| {
                    let not_null = if field.nullable { "" } else { " NOT NULL" };
                    format!("{}: {}{not_null}", field.name, type_text(&field.data_type))
                })
                .collect();
            format!("STRUCT<{}>", fields.join(", "))
        }
        simple => simple.to_string().to_ascii_uppercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_says_its_type_in_databricks_words() {
        for (text, name, shown) in [
            ("bigint", "LONG", "BIGINT"),
            ("decimal(10,2)", "DECIMAL", "DECIMAL(10,2)"),
            (
                "array<struct<aB:int,c:string not null>>",
                "ARRAY",
                "ARRAY<STRUCT<aB: INT, c: STRING NOT NULL>>",
            ),
            ("map<string,date>", "MAP", "MAP<STRING, DATE>"),
            ("void", "NULL", "VOID"),
        ] {
            let data_type: SqlType = text.parse().expect(text);
            let shown_column = column(0, &Column { name: "x".to_owned(), data_type });
            assert_eq!(
                (&shown_column["type_name"], &shown_column["type_text"]),
                (&json!(name), &json!(shown))
            );
        }
        let money = Column { name: "x".to_owned(), data_type: SqlType::Decimal(10, 2) };
        assert_eq!(column(3, &money)["type_scale"], 2);
    }
}
