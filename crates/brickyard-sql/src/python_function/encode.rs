//! Arrow arrays to rows on the wire. What a value looks like there is decided by its declared type alone:
//! integers, dates (days) and times (microseconds) as numbers, decimals as text, bytes as hex, NaN and infinity as
//! text, maps as pairs, structs as their fields in order.

use std::io::Write;

use brickyard_types::SqlType;
use datafusion::arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int8Array, Int16Array, Int32Array, Int64Array, IntervalMonthDayNanoArray, ListArray, MapArray,
    StringArray, StructArray, TimestampMicrosecondArray,
};
use datafusion::arrow::compute::{CastOptions, cast_with_options};

use super::{PythonFunction, PythonFunctionError};
use crate::arrow_types::stored;

const MICROSECONDS_OF_A_DAY: i64 = 86_400_000_000;

/// Refuses types that Python bodies cannot have, by the name of what has them.
pub(super) fn supported(function: &PythonFunction) -> Result<(), PythonFunctionError> {
    let parameters =
        (function.parameters.iter()).map(|(name, data_type)| (format!("Parameter {name}"), data_type));
    for (what, data_type) in parameters.chain([("The result".to_owned(), &function.returns)]) {
        if !has_python(data_type) {
            let data_type = data_type.to_string().to_uppercase();
            return Err(PythonFunctionError::Unsupported {
                function: function.name.to_string(),
                what,
                data_type,
            });
        }
    }
    Ok(())
}

fn has_python(data_type: &SqlType) -> bool {
    match data_type {
        // PySpark has no value for a year-month interval either.
        SqlType::Variant | SqlType::YearMonthInterval => false,
        SqlType::Array(element) => has_python(element),
        SqlType::Map(key, value) => has_python(key) && has_python(value),
        SqlType::Struct(fields) => fields.iter().all(|field| has_python(&field.data_type)),
        _ => true,
    }
}

/// The arguments, cast to the declared types.
pub(super) fn columns(
    function: &PythonFunction,
    args: &[ArrayRef],
    rows: usize,
) -> Result<Vec<Column>, PythonFunctionError> {
    let wrong = |error: String| PythonFunctionError::Input { function: function.signature(), error };
    if args.len() != function.parameters.len() {
        let (given, wanted) = (args.len(), function.parameters.len());
        return Err(wrong(format!("it takes {wanted} arguments, and {given} were given")));
    }
    // A value that does not fit is an error, not NULL.
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let pairs = function.parameters.iter().zip(args);
    pairs
        .map(|((name, data_type), array)| {
            let wrong = |error: String| wrong(format!("parameter {name}: {error}"));
            if array.len() != rows {
                return Err(wrong(format!("{} values were given for {rows} rows", array.len())));
            }
            let wanted = stored(data_type);
            let array = if *array.data_type() == wanted {
                array.clone()
            } else {
                cast_with_options(array, &wanted, &options).map_err(|error| wrong(error.to_string()))?
            };
            Column::new(&array, data_type)
                .ok_or_else(|| wrong(format!("{} cannot be passed as {data_type}", array.data_type())))
        })
        .collect()
}

/// An array whose type is known.
pub(super) enum Column {
    Null,
    Boolean(BooleanArray),
    Byte(Int8Array),
    Short(Int16Array),
    Int(Int32Array),
    Long(Int64Array),
    Float(Float32Array),
    Double(Float64Array),
    Decimal(Decimal128Array),
    String(StringArray),
    Binary(BinaryArray),
    Date(Date32Array),
    Timestamp(TimestampMicrosecondArray),
    Interval(IntervalMonthDayNanoArray),
    List(ListArray, Box<Column>),
    Map(MapArray, Box<Column>, Box<Column>),
    Struct(StructArray, Vec<Column>),
}

fn typed<A: Array + Clone + 'static>(array: &ArrayRef) -> Option<A> {
    array.as_any().downcast_ref::<A>().cloned()
}

impl Column {
    /// `None` if the array is not what [`stored`] says.
    fn new(array: &ArrayRef, data_type: &SqlType) -> Option<Self> {
        Some(match data_type {
            SqlType::Void => Self::Null,
            SqlType::Boolean => Self::Boolean(typed(array)?),
            SqlType::Byte => Self::Byte(typed(array)?),
            SqlType::Short => Self::Short(typed(array)?),
            SqlType::Int => Self::Int(typed(array)?),
            SqlType::Long => Self::Long(typed(array)?),
            SqlType::Float => Self::Float(typed(array)?),
            SqlType::Double => Self::Double(typed(array)?),
            SqlType::Decimal(..) => Self::Decimal(typed(array)?),
            SqlType::String => Self::String(typed(array)?),
            SqlType::Binary => Self::Binary(typed(array)?),
            SqlType::Date => Self::Date(typed(array)?),
            SqlType::Timestamp | SqlType::TimestampNtz => Self::Timestamp(typed(array)?),
            SqlType::DayTimeInterval => {
                let intervals: IntervalMonthDayNanoArray = typed(array)?;
                // A month is no number of days.
                if intervals.iter().flatten().any(|value| value.months != 0) {
                    return None;
                }
                Self::Interval(intervals)
            }
            SqlType::Array(element) => {
                let list: ListArray = typed(array)?;
                let values = Self::new(list.values(), element)?;
                Self::List(list, Box::new(values))
            }
            SqlType::Map(key, value) => {
                let map: MapArray = typed(array)?;
                let (keys, values) = (Self::new(map.keys(), key)?, Self::new(map.values(), value)?);
                Self::Map(map, Box::new(keys), Box::new(values))
            }
            SqlType::Struct(fields) => {
                let whole: StructArray = typed(array)?;
                if whole.num_columns() != fields.len() {
                    return None;
                }
                let columns = (whole.columns().iter().zip(fields))
                    .map(|(column, field)| Self::new(column, &field.data_type))
                    .collect::<Option<_>>()?;
                Self::Struct(whole, columns)
            }
            SqlType::Variant | SqlType::YearMonthInterval => return None,
        })
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Null => true,
            Self::Boolean(array) => array.is_null(row),
            Self::Byte(array) => array.is_null(row),
            Self::Short(array) => array.is_null(row),
            Self::Int(array) => array.is_null(row),
            Self::Long(array) => array.is_null(row),
            Self::Float(array) => array.is_null(row),
            Self::Double(array) => array.is_null(row),
            Self::Decimal(array) => array.is_null(row),
            Self::String(array) => array.is_null(row),
            Self::Binary(array) => array.is_null(row),
            Self::Date(array) => array.is_null(row),
            Self::Timestamp(array) => array.is_null(row),
            Self::Interval(array) => array.is_null(row),
            Self::List(array, _) => array.is_null(row),
            Self::Map(array, ..) => array.is_null(row),
            Self::Struct(array, _) => array.is_null(row),
        }
    }

    /// Appends one value as JSON. The row exists.
    pub(super) fn write(&self, row: usize, out: &mut Vec<u8>) {
        if self.is_null(row) {
            out.extend_from_slice(b"null");
            return;
        }
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Boolean(array) => out.extend_from_slice(if array.value(row) { b"true" } else { b"false" }),
            Self::Byte(array) => integer(array.value(row).into(), out),
            Self::Short(array) => integer(array.value(row).into(), out),
            Self::Int(array) => integer(array.value(row).into(), out),
            Self::Long(array) => integer(array.value(row), out),
            Self::Float(array) => float(array.value(row).into(), out),
            Self::Double(array) => float(array.value(row), out),
            Self::Decimal(array) => {
                out.push(b'"');
                out.extend_from_slice(array.value_as_string(row).as_bytes());
                out.push(b'"');
            }
            // Writing text into memory does not fail.
            Self::String(array) => drop(serde_json::to_writer(out, array.value(row))),
            Self::Binary(array) => {
                out.push(b'"');
                for byte in array.value(row) {
                    out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
                }
                out.push(b'"');
            }
            Self::Date(array) => integer(array.value(row).into(), out),
            Self::Timestamp(array) => integer(array.value(row), out),
            Self::Interval(array) => {
                // Finer than a microsecond is cut, as everywhere in Spark.
                let value = array.value(row);
                let days = i64::from(value.days);
                integer(
                    days.saturating_mul(MICROSECONDS_OF_A_DAY).saturating_add(value.nanoseconds / 1000),
                    out,
                );
            }
            Self::List(array, values) => {
                let offsets = array.value_offsets();
                separated(offset(offsets, row)..offset(offsets, row + 1), out, |at, out| {
                    values.write(at, out)
                });
            }
            Self::Map(array, keys, values) => {
                let offsets = array.value_offsets();
                separated(offset(offsets, row)..offset(offsets, row + 1), out, |at, out| {
                    out.push(b'[');
                    keys.write(at, out);
                    out.push(b',');
                    values.write(at, out);
                    out.push(b']');
                });
            }
            Self::Struct(_, columns) => {
                separated(0..columns.len(), out, |at, out| columns[at].write(row, out));
            }
        }
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn offset(offsets: &[i32], at: usize) -> usize {
    offsets.get(at).and_then(|offset| usize::try_from(*offset).ok()).unwrap_or(0)
}

fn separated(range: std::ops::Range<usize>, out: &mut Vec<u8>, write: impl Fn(usize, &mut Vec<u8>)) {
    out.push(b'[');
    let first = range.start;
    for at in range {
        if at > first {
            out.push(b',');
        }
        write(at, out);
    }
    out.push(b']');
}

fn integer(value: i64, out: &mut Vec<u8>) {
    let _ = write!(out, "{value}");
}

/// With an exponent: Python must not take `1` for an integer, and `1e300` is not to be 301 digits.
fn float(value: f64, out: &mut Vec<u8>) {
    let _ = if value.is_finite() {
        write!(out, "{value:e}")
    } else if value.is_nan() {
        write!(out, "\"nan\"")
    } else {
        write!(out, "\"{}inf\"", if value < 0.0 { "-" } else { "" })
    };
}
