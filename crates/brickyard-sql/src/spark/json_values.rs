//! Values as JSON and back, as `to_json` and `from_json` do it.

use std::sync::Arc;

use brickyard_types::SqlType;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, ListArray, MapArray, StringArray, StructArray,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Fields};
use datafusion::error::{DataFusionError, Result};
use serde_json::Value as Json;

use super::json_options::Formats;
use super::moment_text;
use crate::arrow_types::{stored, to_sql};
use crate::statements::json_text;

/// Appends a value. A field of a struct that is NULL is left out, unless the formats say otherwise.
pub(super) fn write(out: &mut String, array: &dyn Array, row: usize, formats: &Formats) {
    if array.is_null(row) || array.data_type().is_null() {
        return out.push_str("null");
    }
    match array.data_type() {
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            out.push('[');
            for at in 0..items.len() {
                if at > 0 {
                    out.push(',');
                }
                write(out, &items, at, formats);
            }
            out.push(']');
        }
        DataType::Struct(fields) => {
            out.push('{');
            let mut first = true;
            for (field, column) in fields.iter().zip(array.as_struct().columns()) {
                if !formats.nulls && (column.is_null(row) || column.data_type().is_null()) {
                    continue;
                }
                if !std::mem::take(&mut first) {
                    out.push(',');
                }
                json_text::quote(out, field.name());
                out.push(':');
                write(out, column, row, formats);
            }
            out.push('}');
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            out.push('{');
            for at in 0..entries.len() {
                if at > 0 {
                    out.push(',');
                }
                let mut key = String::new();
                write(&mut key, entries.column(0), at, formats);
                let key = key.strip_prefix('"').and_then(|key| key.strip_suffix('"')).unwrap_or(&key);
                out.push('"');
                out.push_str(key);
                out.push_str("\":");
                write(out, entries.column(1), at, formats);
            }
            out.push('}');
        }
        of if formats.of(of).is_some() => {
            let written = formats.of(of).and_then(|format| format.write(array, row));
            json_text::quote(out, &written.unwrap_or_default());
        }
        other => {
            // Every other type has the one form that answers have.
            let form = to_sql(other).map(|sql| stored(&sql)).filter(|form| form != other);
            match form {
                Some(form) => {
                    let one = array.slice(row, 1);
                    match datafusion::arrow::compute::cast(&one, &form) {
                        Ok(one) => json_text::write_json(out, &one, 0),
                        Err(_) => out.push_str("null"),
                    }
                }
                None => json_text::write_json(out, array, row),
            }
        }
    }
}

/// A schema as a text: `a INT, b STRING`, or one type.
pub(super) fn schema(text: &str) -> Option<DataType> {
    let sql: SqlType = text.parse().or_else(|_| format!("struct<{text}>").parse()).ok()?;
    Some(stored(&sql))
}

/// The schema of one document.
pub(super) fn schema_of(json: &Json) -> String {
    match json {
        Json::Null | Json::String(_) => "STRING".to_owned(),
        Json::Bool(_) => "BOOLEAN".to_owned(),
        Json::Number(number) if number.is_f64() => "DOUBLE".to_owned(),
        Json::Number(_) => "BIGINT".to_owned(),
        Json::Array(items) => {
            let first = items.iter().find(|item| !item.is_null());
            format!("ARRAY<{}>", first.map_or("STRING".to_owned(), schema_of))
        }
        Json::Object(fields) => {
            let fields: Vec<_> =
                fields.iter().map(|(name, value)| format!("{name}: {}", schema_of(value))).collect();
            format!("STRUCT<{}>", fields.join(", "))
        }
    }
}

/// A column of a type, from one document a row. `None` is NULL; what does not have the type is NULL too, except that the
/// outermost struct is there and its fields are NULL.
pub(super) fn column(values: &[Option<Json>], data_type: &DataType, formats: &Formats) -> Result<ArrayRef> {
    if let DataType::Struct(fields) = data_type {
        let nulls = NullBuffer::from_iter(values.iter().map(Option::is_some));
        let values: Vec<Option<&Json>> = values.iter().map(Option::as_ref).collect();
        return structs(&values, fields, nulls, formats);
    }
    let values: Vec<Option<&Json>> = values.iter().map(Option::as_ref).collect();
    of(&values, data_type, formats)
}

fn structs(
    values: &[Option<&Json>],
    fields: &Fields,
    nulls: NullBuffer,
    formats: &Formats,
) -> Result<ArrayRef> {
    if fields.is_empty() {
        return Ok(Arc::new(StructArray::new_empty_fields(values.len(), Some(nulls))));
    }
    let mut columns = Vec::with_capacity(fields.len());
    let mut nullable = Vec::with_capacity(fields.len());
    for field in fields {
        let inner: Vec<Option<&Json>> =
            values.iter().map(|value| value.and_then(|value| value.get(field.name()))).collect();
        columns.push(of(&inner, field.data_type(), formats)?);
        nullable.push(field.as_ref().clone().with_nullable(true));
    }
    Ok(Arc::new(StructArray::try_new(Fields::from(nullable), columns, Some(nulls))?))
}

fn of(values: &[Option<&Json>], data_type: &DataType, formats: &Formats) -> Result<ArrayRef> {
    match data_type {
        DataType::Struct(fields) => {
            let nulls = NullBuffer::from_iter(
                values.iter().map(|value| value.is_some_and(serde_json::Value::is_object)),
            );
            structs(values, fields, nulls, formats)
        }
        DataType::List(field) => {
            let mut inner = Vec::new();
            let lengths: Vec<usize> = (values.iter())
                .map(|value| {
                    let items = value.and_then(Json::as_array);
                    inner.extend(items.into_iter().flatten().map(Some));
                    items.map_or(0, Vec::len)
                })
                .collect();
            let nulls = NullBuffer::from_iter(values.iter().map(|value| value.is_some_and(Json::is_array)));
            let items = of(&inner, field.data_type(), formats)?;
            let offsets = OffsetBuffer::from_lengths(lengths);
            Ok(Arc::new(ListArray::try_new(Arc::clone(field), offsets, items, Some(nulls))?))
        }
        DataType::Map(entries, sorted) => {
            let DataType::Struct(fields) = entries.data_type() else {
                return Err(DataFusionError::Plan("a map has keys and values".to_owned()));
            };
            let (mut keys, mut inner) = (Vec::new(), Vec::new());
            let lengths: Vec<usize> = (values.iter())
                .map(|value| {
                    let object = value.and_then(Json::as_object);
                    for (key, value) in object.into_iter().flatten() {
                        keys.push(Some(key.as_str()));
                        inner.push(Some(value));
                    }
                    object.map_or(0, serde_json::Map::len)
                })
                .collect();
            let nulls = NullBuffer::from_iter(values.iter().map(|value| value.is_some_and(Json::is_object)));
            let keys: ArrayRef = Arc::new(StringArray::from(keys));
            let keys = cast_with_options(&keys, fields[0].data_type(), &lenient())?;
            let pairs = StructArray::try_new(
                fields.clone(),
                vec![keys, of(&inner, fields[1].data_type(), formats)?],
                None,
            )?;
            let offsets = OffsetBuffer::from_lengths(lengths);
            Ok(Arc::new(MapArray::try_new(Arc::clone(entries), offsets, pairs, Some(nulls), *sorted)?))
        }
        DataType::Boolean => {
            let truths = values.iter().map(|value| value.and_then(Json::as_bool));
            Ok(Arc::new(truths.collect::<BooleanArray>()))
        }
        DataType::Utf8 => {
            let texts = values.iter().map(|value| match value {
                None | Some(Json::Null) => None,
                Some(Json::String(text)) => Some(text.clone()),
                Some(other) => Some(other.to_string()),
            });
            Ok(Arc::new(texts.collect::<StringArray>()))
        }
        DataType::Date32 | DataType::Timestamp(..) => {
            let texts: StringArray = values.iter().map(|value| value.and_then(Json::as_str)).collect();
            match formats.of(data_type) {
                Some(format) => format.parsed(&texts, data_type),
                None => moment_text::parsed(&texts, data_type, true),
            }
        }
        other if other.is_numeric() => {
            let texts = values.iter().map(|value| match value {
                // A fraction is no whole number, and a text is no number at all.
                Some(Json::Number(number)) if other.is_integer() && number.is_f64() => None,
                Some(Json::Number(number)) => Some(number.to_string()),
                _ => None,
            });
            let texts: ArrayRef = Arc::new(texts.collect::<StringArray>());
            Ok(cast_with_options(&texts, other, &lenient())?)
        }
        other => Err(DataFusionError::NotImplemented(format!("from_json to {other}"))),
    }
}

fn lenient() -> CastOptions<'static> {
    CastOptions { safe: true, ..CastOptions::default() }
}
