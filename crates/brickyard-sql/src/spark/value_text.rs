//! What a value is as a text, when Spark casts it to one.

use std::fmt::Write;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use datafusion::error::Result;

use crate::arrow_types::{stored, to_sql};
use crate::statements::json_text;

/// Every value of a column as a text.
pub(super) fn texts(array: &ArrayRef) -> Result<ArrayRef> {
    let array = match to_sql(array.data_type()).map(|sql| stored(&sql)) {
        Some(form) if &form != array.data_type() => cast(array, &form)?,
        _ => Arc::clone(array),
    };
    let mut out = StringBuilder::with_capacity(array.len(), array.len() * 16);
    for row in 0..array.len() {
        if array.is_null(row) {
            out.append_null();
            continue;
        }
        // Writing to a builder does not fail.
        let mut text = String::new();
        write(&mut text, &array, row);
        let _ = out.write_str(&text);
        out.append_value("");
    }
    Ok(Arc::new(out.finish()))
}

fn write(out: &mut String, array: &dyn Array, row: usize) {
    if array.is_null(row) || array.data_type().is_null() {
        return out.push_str("null");
    }
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            moment(out, array.as_primitive::<TimestampMicrosecondType>().value(row));
        }
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            out.push('[');
            for at in 0..items.len() {
                comma(out, at);
                write(out, &items, at);
            }
            out.push(']');
        }
        DataType::Struct(_) => {
            out.push('{');
            for (at, column) in array.as_struct().columns().iter().enumerate() {
                comma(out, at);
                write(out, column, row);
            }
            out.push('}');
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            out.push('{');
            for at in 0..entries.len() {
                comma(out, at);
                write(out, entries.column(0), at);
                out.push_str(" -> ");
                write(out, entries.column(1), at);
            }
            out.push('}');
        }
        _ => json_text::write(out, array, row),
    }
}

fn comma(out: &mut String, at: usize) {
    if at > 0 {
        out.push_str(", ");
    }
}

/// `2024-01-15 10:11:12.5`: no zeros at the end.
fn moment(out: &mut String, micros: i64) {
    let mut text = String::new();
    json_text::moment(&mut text, micros);
    let text = text.replacen('T', " ", 1);
    let text = match text.split_once('.') {
        Some(_) => text.trim_end_matches('0').trim_end_matches('.'),
        None => &text,
    };
    out.push_str(text);
}
