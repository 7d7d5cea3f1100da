//! Values on the wire to Arrow arrays. The worker has converted them to the declared type; that it did is checked
//! again here, because the body shares a process with it.

use std::sync::Arc;

use brickyard_types::SqlType;
use datafusion::arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array,
    Int16Array, Int32Array, Int64Array, IntervalMonthDayNanoArray, ListArray, MapArray, NullArray,
    StringArray, StructArray, TimestampMicrosecondArray,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::datatypes::{DataType, IntervalMonthDayNano};
use datafusion::arrow::error::ArrowError;
use serde_json::Value;

const MICROSECONDS_OF_A_DAY: i64 = 86_400_000_000;

/// A value that is not what its type says: the worker is out of step.
#[derive(Debug)]
pub(super) struct NotAValue(pub(super) String);

impl From<ArrowError> for NotAValue {
    fn from(error: ArrowError) -> Self {
        Self(error.to_string())
    }
}

type Decoded<T> = Result<T, NotAValue>;

/// The values as an array of type `arrow`, which is the one of `data_type`.
pub(super) fn array(values: &[Value], data_type: &SqlType, arrow: &DataType) -> Decoded<ArrayRef> {
    let values: Vec<&Value> = values.iter().collect();
    decoded(&values, data_type, arrow)
}

fn decoded(values: &[&Value], data_type: &SqlType, arrow: &DataType) -> Decoded<ArrayRef> {
    let wrong = || NotAValue(format!("a value is no {data_type}"));
    /// Every value that is not NULL, read by `$read`.
    macro_rules! each {
        ($array:ty, $read:expr) => {
            values
                .iter()
                .map(
                    |value| if value.is_null() { Ok(None) } else { $read(value).map(Some).ok_or_else(wrong) },
                )
                .collect::<Decoded<$array>>()?
        };
    }
    Ok(match (data_type, arrow) {
        (SqlType::Void, _) => {
            if values.iter().any(|value| !value.is_null()) {
                return Err(wrong());
            }
            Arc::new(NullArray::new(values.len()))
        }
        (SqlType::Boolean, _) => Arc::new(each!(BooleanArray, |value: &Value| value.as_bool())),
        (SqlType::Byte, _) => Arc::new(each!(Int8Array, integer::<i8>)),
        (SqlType::Short, _) => Arc::new(each!(Int16Array, integer::<i16>)),
        (SqlType::Int, _) => Arc::new(each!(Int32Array, integer::<i32>)),
        (SqlType::Long, _) => Arc::new(each!(Int64Array, integer::<i64>)),
        #[allow(clippy::cast_possible_truncation)]
        // to the nearest float; the worker has refused what is too large
        (SqlType::Float, _) => {
            Arc::new(each!(Float32Array, |value: &Value| float(value).map(|wide| wide as f32)))
        }
        (SqlType::Double, _) => Arc::new(each!(Float64Array, float)),
        (SqlType::Decimal(precision, scale), _) => {
            let unscaled = each!(Decimal128Array, |value: &Value| value.as_str()?.parse::<i128>().ok());
            let unscaled =
                unscaled.with_precision_and_scale(*precision, i8::try_from(*scale).unwrap_or(0))?;
            unscaled.validate_decimal_precision(*precision)?;
            Arc::new(unscaled)
        }
        (SqlType::String, _) => {
            Arc::new(each!(StringArray, |value: &'_ Value| value.as_str().map(str::to_owned)))
        }
        (SqlType::Binary, _) => Arc::new(each!(BinaryArray, |value: &Value| unhex(value.as_str()?))),
        (SqlType::Date, _) => Arc::new(each!(Date32Array, integer::<i32>)),
        (SqlType::Timestamp | SqlType::TimestampNtz, DataType::Timestamp(_, zone)) => {
            Arc::new(each!(TimestampMicrosecondArray, integer::<i64>).with_timezone_opt(zone.clone()))
        }
        (SqlType::DayTimeInterval, _) => Arc::new(each!(IntervalMonthDayNanoArray, interval)),
        (SqlType::Array(element), DataType::List(field)) => {
            let (items, offsets, nulls) = flattened(values).ok_or_else(wrong)?;
            let items = decoded(&items, element, field.data_type())?;
            Arc::new(ListArray::try_new(field.clone(), offsets, items, nulls)?)
        }
        (SqlType::Map(key, value), DataType::Map(entries, ordered)) => {
            let (pairs, offsets, nulls) = flattened(values).ok_or_else(wrong)?;
            let DataType::Struct(fields) = entries.data_type() else { return Err(wrong()) };
            let [key_field, value_field] = &fields[..] else { return Err(wrong()) };
            let mut keys = Vec::with_capacity(pairs.len());
            let mut items = Vec::with_capacity(pairs.len());
            for pair in pairs {
                let Some([key, item]) = pair.as_array().map(Vec::as_slice) else { return Err(wrong()) };
                keys.push(key);
                items.push(item);
            }
            let columns = vec![
                decoded(&keys, key, key_field.data_type())?,
                decoded(&items, value, value_field.data_type())?,
            ];
            let pairs = StructArray::try_new_with_length(fields.clone(), columns, None, keys.len())?;
            Arc::new(MapArray::try_new(entries.clone(), offsets, pairs, nulls, *ordered)?)
        }
        (SqlType::Struct(_), DataType::Struct(_)) => structs(values, data_type, arrow)?,
        _ => return Err(wrong()),
    })
}

fn structs(values: &[&Value], data_type: &SqlType, arrow: &DataType) -> Decoded<ArrayRef> {
    let wrong = || NotAValue(format!("a value is no {data_type}"));
    let (SqlType::Struct(fields), DataType::Struct(arrow_fields)) = (data_type, arrow) else {
        return Err(wrong());
    };
    let mut columns: Vec<Vec<&Value>> = vec![Vec::with_capacity(values.len()); fields.len()];
    for value in values {
        let items = match value {
            Value::Null => None,
            Value::Array(items) if items.len() == fields.len() => Some(items),
            _ => return Err(wrong()),
        };
        for (at, column) in columns.iter_mut().enumerate() {
            column.push(items.and_then(|items| items.get(at)).unwrap_or(&Value::Null));
        }
    }
    let arrays = (columns.iter().zip(fields).zip(arrow_fields))
        .map(|((column, field), arrow)| decoded(column, &field.data_type, arrow.data_type()))
        .collect::<Decoded<Vec<ArrayRef>>>()?;
    let nulls = nulls(values);
    Ok(Arc::new(StructArray::try_new_with_length(arrow_fields.clone(), arrays, nulls, values.len())?))
}

fn nulls(values: &[&Value]) -> Option<NullBuffer> {
    let nulls: NullBuffer = values.iter().map(|value| !value.is_null()).collect();
    (nulls.null_count() > 0).then_some(nulls)
}

/// The items of all lists one after the other, where each list begins, and which are NULL.
#[allow(clippy::type_complexity)]
fn flattened<'a>(values: &[&'a Value]) -> Option<(Vec<&'a Value>, OffsetBuffer<i32>, Option<NullBuffer>)> {
    let mut items = Vec::new();
    let mut lengths = Vec::with_capacity(values.len());
    for value in values {
        let list: &[Value] = match value {
            Value::Null => &[],
            Value::Array(list) => list,
            _ => return None,
        };
        items.extend(list);
        lengths.push(list.len());
    }
    // `from_lengths` panics where an offset would not fit.
    i32::try_from(items.len()).ok()?;
    Some((items, OffsetBuffer::from_lengths(lengths), nulls(values)))
}

fn integer<T: TryFrom<i64>>(value: &Value) -> Option<T> {
    value.as_i64()?.try_into().ok()
}

/// As text: it reads back as the same double, and holds `nan` and `inf`.
fn float(value: &Value) -> Option<f64> {
    value.as_str()?.parse().ok()
}

fn interval(value: &Value) -> Option<IntervalMonthDayNano> {
    let microseconds = value.as_i64()?;
    let days = i32::try_from(microseconds / MICROSECONDS_OF_A_DAY).ok()?;
    Some(IntervalMonthDayNano::new(0, days, (microseconds % MICROSECONDS_OF_A_DAY) * 1000))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}
