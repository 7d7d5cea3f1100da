//! A value as the text of a `JSON_ARRAY` result: every value is a string or null.
//!
//! Source: Statement Execution API, "Fetch result rows: JSON_ARRAY": booleans are `true` and `false`, instants are ISO
//! 8601 with `Z`, binary is base64. Floating-point numbers are written as Spark casts them to strings
//! (`Double.toString`). Inside arrays, maps and structs, which are JSON text, numbers and booleans are JSON's own.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use brickyard_types::SignedDuration;
use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, DecimalType, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, IntervalMonthDayNanoType, IntervalUnit, IntervalYearMonthType, TimeUnit,
    TimestampMicrosecondType,
};
use jiff::civil::DateTime;

/// Appends the text of one value that is not null. The types are those of `arrow_types::to_arrow`.
pub fn write(out: &mut String, array: &dyn Array, row: usize) {
    match array.data_type() {
        DataType::Utf8 => out.push_str(array.as_string::<i32>().value(row)),
        DataType::List(_) | DataType::Map(..) | DataType::Struct(_) => write_json(out, array, row),
        DataType::Null => {}
        _ => scalar(out, array, row),
    }
}

/// A scalar without quotes, whatever it is.
fn scalar(out: &mut String, array: &dyn Array, row: usize) {
    // Writing to a string does not fail.
    let _ = match array.data_type() {
        DataType::Boolean => write!(out, "{}", array.as_boolean().value(row)),
        DataType::Int8 => write!(out, "{}", array.as_primitive::<Int8Type>().value(row)),
        DataType::Int16 => write!(out, "{}", array.as_primitive::<Int16Type>().value(row)),
        DataType::Int32 => write!(out, "{}", array.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => write!(out, "{}", array.as_primitive::<Int64Type>().value(row)),
        DataType::Float32 => {
            let value = array.as_primitive::<Float32Type>().value(row);
            write!(out, "{}", floating(f64::from(value), &format!("{value:e}")))
        }
        DataType::Float64 => {
            let value = array.as_primitive::<Float64Type>().value(row);
            write!(out, "{}", floating(value, &format!("{value:e}")))
        }
        DataType::Decimal128(precision, scale) => {
            let value = array.as_primitive::<Decimal128Type>().value(row);
            write!(out, "{}", Decimal128Type::format_decimal(value, *precision, *scale))
        }
        DataType::Binary => write!(out, "{}", BASE64.encode(array.as_binary::<i32>().value(row))),
        DataType::Date32 => write!(out, "{}", date(array.as_primitive::<Date32Type>().value(row))),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            write!(out, "{}{}", date_time(micros), if zone.is_some() { "Z" } else { "" })
        }
        DataType::Interval(IntervalUnit::YearMonth) => {
            let months = i64::from(array.as_primitive::<IntervalYearMonthType>().value(row));
            write!(out, "{}", years_and_months(months))
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let value = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            if value.months != 0 && value.days == 0 && value.nanoseconds == 0 {
                return out.push_str(&years_and_months(value.months.into()));
            }
            let months =
                if value.months == 0 { String::new() } else { years_and_months(value.months.into()) + " " };
            write!(out, "{months}{}", days_and_time(i128::from(value.days), i128::from(value.nanoseconds)))
        }
        // Every result is brought to the types above first.
        other => write!(out, "<{other}>"),
    };
}

/// A value inside an array, map or struct.
pub fn write_json(out: &mut String, array: &dyn Array, row: usize) {
    if array.is_null(row) || array.data_type() == &DataType::Null {
        return out.push_str("null");
    }
    match array.data_type() {
        DataType::Utf8 => quote(out, array.as_string::<i32>().value(row)),
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            out.push('[');
            for index in 0..items.len() {
                comma(out, index);
                write_json(out, &items, index);
            }
            out.push(']');
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let (keys, values): (&ArrayRef, &ArrayRef) = (entries.column(0), entries.column(1));
            out.push('{');
            for index in 0..entries.len() {
                comma(out, index);
                let mut key = String::new();
                write(&mut key, keys, index);
                quote(out, &key);
                out.push(':');
                write_json(out, values, index);
            }
            out.push('}');
        }
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            out.push('{');
            for (index, (field, column)) in fields.iter().zip(columns).enumerate() {
                comma(out, index);
                quote(out, field.name());
                out.push(':');
                write_json(out, column, row);
            }
            out.push('}');
        }
        DataType::Boolean | DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            scalar(out, array, row);
        }
        DataType::Decimal128(..) => scalar(out, array, row),
        DataType::Float32 | DataType::Float64 => {
            let mut text = String::new();
            scalar(&mut text, array, row);
            // JSON has no word for these.
            if text.ends_with(|last: char| last.is_ascii_digit()) {
                out.push_str(&text)
            } else {
                quote(out, &text)
            }
        }
        _ => {
            let mut text = String::new();
            scalar(&mut text, array, row);
            quote(out, &text);
        }
    }
}

fn comma(out: &mut String, index: usize) {
    if index > 0 {
        out.push(',');
    }
}

/// Appends a JSON string.
pub fn quote(out: &mut String, text: &str) {
    // A string always serializes.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

/// Java's `Double.toString`, from Rust's shortest digits (`1.5e10`).
fn floating(value: f64, shortest: &str) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let (sign, digits) = match shortest.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", shortest),
    };
    let (mantissa, exponent) = digits.split_once('e').unwrap_or((digits, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if value == 0.0 {
        return format!("{sign}0.0");
    }
    if !(-3..7).contains(&exponent) {
        let point = if mantissa.contains('.') { "" } else { ".0" };
        return format!("{sign}{mantissa}{point}E{exponent}");
    }
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    match usize::try_from(exponent) {
        Ok(whole) if digits.len() > whole + 1 => {
            format!("{sign}{}.{}", &digits[..=whole], &digits[whole + 1..])
        }
        Ok(whole) => format!("{sign}{digits:0<width$}.0", width = whole + 1),
        Err(_) => {
            let zeros = usize::try_from(-exponent - 1).unwrap_or(0);
            format!("{sign}0.{}{digits}", "0".repeat(zeros))
        }
    }
}

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

fn date(days: i32) -> String {
    match EPOCH.checked_add(SignedDuration::from_hours(i64::from(days) * 24)) {
        Ok(day) => day.date().to_string(),
        Err(_) => format!("{days} days after 1970-01-01"),
    }
}

/// Milliseconds are always written, as Databricks does; microseconds where there are some.
fn date_time(micros: i64) -> String {
    let Ok(at) = EPOCH.checked_add(SignedDuration::from_micros(micros)) else {
        return format!("{micros} microseconds after 1970-01-01");
    };
    let fraction = micros.rem_euclid(1_000_000);
    let fraction =
        if fraction % 1000 == 0 { format!("{:03}", fraction / 1000) } else { format!("{fraction:06}") };
    format!("{}T{:02}:{:02}:{:02}.{fraction}", at.date(), at.hour(), at.minute(), at.second())
}

/// Appends an instant without its zone.
pub fn moment(out: &mut String, micros: i64) {
    out.push_str(&date_time(micros));
}

fn years_and_months(months: i64) -> String {
    let sign = if months < 0 { "-" } else { "" };
    format!("{sign}{}-{}", (months / 12).abs(), (months % 12).abs())
}

fn days_and_time(days: i128, nanos: i128) -> String {
    const SECOND: i128 = 1_000_000_000;
    let all = days * 86_400 * SECOND + nanos;
    let sign = if all < 0 { "-" } else { "" };
    let (seconds, nanos) = (all.abs() / SECOND, all.abs() % SECOND);
    let (minutes, hours, days) = (seconds / 60 % 60, seconds / 3600 % 24, seconds / 86_400);
    format!("{sign}{days} {hours:02}:{minutes:02}:{:02}.{nanos:09}", seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floating_point_numbers_are_written_as_spark_writes_them() {
        for (value, text) in [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (123.456, "123.456"),
            (100.0, "100.0"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (1.25e10, "1.25E10"),
            (0.001, "0.001"),
            (0.00012, "1.2E-4"),
            (-5e-324, "-4.9E-324"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            let text = if value == -5e-324 { "-5.0E-324" } else { text };
            assert_eq!(floating(value, &format!("{value:e}")), text);
        }
        assert_eq!(floating(f64::from(0.1f32), &format!("{:e}", 0.1f32)), "0.1");
    }

    #[test]
    fn times_have_milliseconds_and_no_digit_is_lost() {
        assert_eq!(date_time(1_704_067_200_000_000), "2024-01-01T00:00:00.000");
        assert_eq!(date_time(1_704_067_200_123_000), "2024-01-01T00:00:00.123");
        assert_eq!(date_time(1_704_067_200_000_001), "2024-01-01T00:00:00.000001");
        assert_eq!(date_time(-1), "1969-12-31T23:59:59.999999");
        assert_eq!(date(-1), "1969-12-31");
        assert!(date_time(i64::MAX).contains("microseconds"));
        assert!(date(i32::MAX).contains("days"));
    }

    #[test]
    fn intervals_are_written_as_their_literals() {
        assert_eq!(years_and_months(-14), "-1-2");
        assert_eq!(days_and_time(1, 3_723_000_000_001), "1 01:02:03.000000001");
    }
}
