//! Texts that are dates and instants, as a cast of Spark reads them: `2024`, `2024-1-5`, `2024-01-15 10:11:12.5+02:00`.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, Date32Array, StringArray, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use datafusion::error::{DataFusionError, Result};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};

/// A column of dates or instants. What is none is an error, or NULL if `lenient`.
pub(super) fn parsed(texts: &StringArray, data_type: &DataType, lenient: bool) -> Result<ArrayRef> {
    let failed = |text: &str| -> Result<()> {
        if lenient {
            return Ok(());
        }
        let named = if data_type == &DataType::Date32 { "DATE" } else { "TIMESTAMP" };
        Err(DataFusionError::from(ArrowError::CastError(format!(
            "The value '{text}' of the type \"STRING\" cannot be cast to \"{named}\" because it is malformed. \
             Correct the value as per the syntax, or change its target type."
        ))))
    };
    if data_type == &DataType::Date32 {
        let mut out = Vec::with_capacity(texts.len());
        for text in texts {
            let days = text.and_then(date);
            if let (Some(text), None) = (text, days) {
                failed(text)?;
            }
            out.push(days);
        }
        return Ok(Arc::new(Date32Array::from(out)));
    }
    let zoned = matches!(data_type, DataType::Timestamp(_, Some(_)));
    let mut out = Vec::with_capacity(texts.len());
    for text in texts {
        let micros = text.and_then(|text| instant(text, zoned));
        if let (Some(text), None) = (text, micros) {
            failed(text)?;
        }
        out.push(micros);
    }
    let out: ArrayRef =
        Arc::new(TimestampMicrosecondArray::from(out).with_timezone_opt(zoned.then_some("UTC")));
    Ok(datafusion::arrow::compute::cast(&out, data_type)?)
}

/// Days since 1970. What stands behind the day, after a space or a `T`, does not count.
fn date(text: &str) -> Option<i32> {
    let text = text.trim();
    let (day, rest) = day(text)?;
    if !(rest.is_empty() || rest.starts_with([' ', 'T'])) {
        return None;
    }
    days(day)
}

fn days(day: Date) -> Option<i32> {
    let epoch = Date::constant(1970, 1, 1);
    i32::try_from(day.duration_since(epoch).as_secs() / 86_400).ok()
}

/// The day that a text begins with, and the rest. Year, and then perhaps month, and then perhaps day.
fn day(text: &str) -> Option<(Date, &str)> {
    let (year, mut rest) = digits(text, 4, 4)?;
    let mut parts = [1, 1];
    for part in &mut parts {
        let Some(after) = rest.strip_prefix('-') else { break };
        let (value, after) = digits(after, 1, 2)?;
        (*part, rest) = (i8::try_from(value).ok()?, after);
    }
    Some((Date::new(i16::try_from(year).ok()?, parts[0], parts[1]).ok()?, rest))
}

fn digits(text: &str, least: usize, most: usize) -> Option<(u32, &str)> {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    if !(least..=most).contains(&end) {
        return None;
    }
    Some((text[..end].parse().ok()?, &text[end..]))
}

/// Microseconds since 1970.
fn instant(text: &str, zoned: bool) -> Option<i64> {
    let text = text.trim();
    let (day, rest) = day(text)?;
    let Some(time) = rest.strip_prefix([' ', 'T']) else {
        return rest.is_empty().then(|| i64::from(days(day).unwrap_or_default()) * 86_400_000_000);
    };
    let (hour, rest) = digits(time, 1, 2)?;
    let (minute, mut rest) = digits(rest.strip_prefix(':')?, 1, 2)?;
    let (mut second, mut nanos) = (0, 0);
    if let Some(after) = rest.strip_prefix(':') {
        (second, rest) = digits(after, 1, 2)?;
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.bytes().take_while(u8::is_ascii_digit).count();
            // Microseconds; what is finer is cut off.
            let kept = &after[..end.min(6)];
            nanos = format!("{kept:0<6}").parse::<i32>().ok()? * 1000;
            rest = &after[end..];
        }
    }
    let part = |value: u32| i8::try_from(value).ok();
    let time = Time::new(part(hour)?, part(minute)?, part(second)?, nanos).ok()?;
    let at = DateTime::from_parts(day, time);
    let zone = match rest.trim() {
        "" | "Z" | "UTC" | "GMT" => TimeZone::UTC,
        // A time that is no instant has no zone: what was written is dropped.
        _ if !zoned => TimeZone::UTC,
        zone => offset(zone).or_else(|| TimeZone::get(zone).ok())?,
    };
    Some(zone.to_timestamp(at).ok()?.as_microsecond())
}

fn offset(zone: &str) -> Option<TimeZone> {
    let zone = zone.strip_prefix("UTC").or_else(|| zone.strip_prefix("GMT")).unwrap_or(zone);
    let (sign, rest) = match zone.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, rest) =
        digits(rest, 1, 2).or_else(|| digits(rest.get(..2)?, 2, 2).map(|(h, _)| (h, &rest[2..])))?;
    let (minutes, rest) = match rest {
        "" => (0, ""),
        rest => digits(rest.strip_prefix(':').unwrap_or(rest), 2, 2)?,
    };
    if !rest.is_empty() || minutes > 59 {
        return None;
    }
    let seconds = sign * (i32::try_from(hours).ok()? * 3600 + i32::try_from(minutes).ok()? * 60);
    Some(TimeZone::fixed(Offset::from_seconds(seconds).ok()?))
}

#[cfg(test)]
mod tests {
    use super::{date, instant};

    #[test]
    fn dates_and_instants_are_read_as_spark_reads_them() {
        for (text, expected) in [
            ("1970-01-02", Some(1)),
            (" 1970-1-2 ", Some(1)),
            ("1970", Some(0)),
            ("1970-02", Some(31)),
            ("1970-01-02 10:00:00", Some(1)),
            ("1970-01-02T", Some(1)),
            ("1970-01-02x", None),
            ("1970-02-30", None),
            ("70-01-01", None),
            ("", None),
        ] {
            assert_eq!(date(text), expected, "{text}");
        }
        for (text, expected) in [
            ("1970-01-01 00:00:01", Some(1_000_000)),
            ("1970-01-01T00:00:00.5Z", Some(500_000)),
            ("1970-01-01T02:00:00+02:00", Some(0)),
            ("1970-01-01 0:1", Some(60_000_000)),
            ("1970-01-02", Some(86_400_000_000)),
            ("1970-01-01 24:00:00", None),
            ("1970-01-01 00:00:00 nowhere", None),
            ("10:11", None),
        ] {
            assert_eq!(instant(text, true), expected, "{text}");
        }
    }
}
