//! The type that holds the values of two, as ANSI Spark chooses it for a column of both (`UNION`) and for comparing them.
//!
//! Source: "ANSI compliance" in Databricks' SQL language manual: a text gives way to whatever stands beside it, and is
//! then read as that, or fails.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Fields, TimeUnit};

use super::arithmetic::decimal_digits;
use crate::arrow_types::UTC;

/// The type of both. `None` if there is none.
pub(crate) fn wider(a: &DataType, b: &DataType) -> Option<DataType> {
    if a == b || b.is_null() {
        return Some(a.clone());
    }
    if a.is_null() {
        return Some(b.clone());
    }
    match (a.is_string(), b.is_string()) {
        (true, true) => return Some(a.clone()),
        (true, false) => return beside_text(b),
        (false, true) => return beside_text(a),
        (false, false) => {}
    }
    if a.is_numeric() && b.is_numeric() {
        return numbers(a, b);
    }
    match (a, b) {
        (DataType::Date32, DataType::Timestamp(..)) => Some(micros(b)),
        (DataType::Timestamp(..), DataType::Date32) => Some(micros(a)),
        // Of two times the one that is an instant.
        (DataType::Timestamp(..), DataType::Timestamp(_, None)) => Some(micros(a)),
        (DataType::Timestamp(..), DataType::Timestamp(..)) => Some(micros(b)),
        (DataType::List(a), DataType::List(b)) => {
            let of = wider(a.data_type(), b.data_type())?;
            Some(DataType::List(Arc::new(a.as_ref().clone().with_data_type(of).with_nullable(true))))
        }
        (DataType::Struct(a), DataType::Struct(b)) => fields(a, b).map(DataType::Struct),
        (DataType::Map(a, sorted), DataType::Map(b, _)) => {
            let of = wider(a.data_type(), b.data_type())?;
            Some(DataType::Map(Arc::new(a.as_ref().clone().with_data_type(of)), *sorted))
        }
        (a, b) if a.is_binary() && b.is_binary() => Some(a.clone()),
        _ => None,
    }
}

/// What a text is read as beside a value of another type.
pub(crate) fn beside_text(other: &DataType) -> Option<DataType> {
    match other {
        other if other.is_integer() => Some(DataType::Int64),
        other if other.is_numeric() => Some(DataType::Float64),
        DataType::Date32 | DataType::Boolean | DataType::Binary => Some(other.clone()),
        DataType::Timestamp(..) => Some(micros(other)),
        _ => None,
    }
}

fn micros(of: &DataType) -> DataType {
    match of {
        DataType::Timestamp(_, Some(_)) => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
        DataType::Timestamp(_, None) => DataType::Timestamp(TimeUnit::Microsecond, None),
        other => other.clone(),
    }
}

fn numbers(a: &DataType, b: &DataType) -> Option<DataType> {
    if a.is_floating() || b.is_floating() {
        let both = a.is_floating() && b.is_floating();
        // Whole numbers do not all fit into a FLOAT.
        return Some(if both { float(a, b) } else { DataType::Float64 });
    }
    if a.is_signed_integer() && b.is_signed_integer() {
        return Some(if a.primitive_width() >= b.primitive_width() { a.clone() } else { b.clone() });
    }
    let ((p1, s1), (p2, s2)) = (decimal_digits(a)?, decimal_digits(b)?);
    let (p1, s1, p2, s2) = (i32::from(p1), i32::from(s1), i32::from(p2), i32::from(s2));
    let whole = (p1 - s1).max(p2 - s2);
    // What is too long loses digits behind the point, not before it.
    let scale = s1.max(s2).min((38 - whole).max(0));
    let precision = u8::try_from((whole + scale).min(38)).ok()?;
    Some(DataType::Decimal128(precision, i8::try_from(scale).ok()?))
}

fn float(a: &DataType, b: &DataType) -> DataType {
    if a == &DataType::Float32 && b == &DataType::Float32 { DataType::Float32 } else { DataType::Float64 }
}

fn fields(a: &Fields, b: &Fields) -> Option<Fields> {
    if a.len() != b.len() {
        return None;
    }
    let pairs = a.iter().zip(b);
    pairs
        .map(|(a, b)| {
            let nullable = a.is_nullable() || b.is_nullable();
            let of = wider(a.data_type(), b.data_type())?;
            a.name().eq_ignore_ascii_case(b.name()).then(|| Field::new(a.name(), of, nullable))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_types_have_sparks_common_type() {
        use DataType as T;
        let instant = || T::Timestamp(TimeUnit::Microsecond, Some(UTC.into()));
        let local = || T::Timestamp(TimeUnit::Microsecond, None);
        for (a, b, both) in [
            (T::Int32, T::Int64, Some(T::Int64)),
            (T::Int64, T::Float32, Some(T::Float64)),
            (T::Int32, T::Decimal128(2, 1), Some(T::Decimal128(11, 1))),
            (T::Decimal128(3, 2), T::Decimal128(4, 1), Some(T::Decimal128(5, 2))),
            (T::Decimal128(38, 10), T::Decimal128(38, 2), Some(T::Decimal128(38, 2))),
            (T::Decimal128(3, 2), T::Float64, Some(T::Float64)),
            (T::Utf8, T::Int32, Some(T::Int64)),
            (T::Decimal128(2, 1), T::Utf8View, Some(T::Float64)),
            (T::Utf8, T::Boolean, Some(T::Boolean)),
            (T::Date32, instant(), Some(instant())),
            (instant(), local(), Some(instant())),
            (T::Null, T::Int32, Some(T::Int32)),
            (T::Boolean, T::Int32, None),
            (T::Date32, T::Int32, None),
        ] {
            assert_eq!(wider(&a, &b), both, "{a} and {b}");
            assert_eq!(wider(&b, &a), both, "{b} and {a}");
        }
    }
}
