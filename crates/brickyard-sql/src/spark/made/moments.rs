//! Dates and times.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Decimal128Array, Float64Array, Int64Array, TimestampMicrosecondArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF};
use jiff::civil::DateTime;

use super::{Given, Made, Takes, always, instant, wrong};
use crate::arrow_types::UTC;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

pub(super) const ALL: &[Made] = &[
    Made::new(
        "time_between",
        &[Takes::Text, Takes::Moment, Takes::Moment],
        always!(DataType::Int64),
        |given| {
            let mut out = Vec::with_capacity(given.rows);
            for row in 0..given.rows {
                let asked = (given.text_of(0, row), given.moment(1, row), given.moment(2, row));
                out.push(match asked {
                    (Some(unit), Some(from), Some(to)) => Some(between(unit, from, to)?),
                    _ => None,
                });
            }
            Ok(Arc::new(Int64Array::from(out)))
        },
    ),
    Made {
        name: "months_between",
        takes: &[Takes::Moment, Takes::Moment, Takes::Truth],
        least: 2,
        more: false,
        returns: always!(DataType::Float64),
        body: |given| {
            use datafusion::arrow::array::AsArray;
            let rounds = |row: usize| !given.has(2) || given.columns[2].as_boolean().value(row);
            let mut out = Vec::with_capacity(given.rows);
            for row in 0..given.rows {
                out.push(match (given.moment(0, row), given.moment(1, row)) {
                    (Some(later), Some(earlier)) => Some(months(later, earlier, rounds(row))?),
                    _ => None,
                });
            }
            Ok(Arc::new(Float64Array::from(out)))
        },
    },
    Made::new("second_with_fraction", &[Takes::Moment], always!(DataType::Decimal128(8, 6)), |given| {
        let micros = |row| given.moment(0, row).map(|at| i128::from(at.rem_euclid(60 * SECOND)));
        let seconds: Decimal128Array = (0..given.rows).map(micros).collect();
        Ok(Arc::new(seconds.with_precision_and_scale(8, 6)?))
    }),
    Made::new("from_utc_timestamp", &[Takes::Moment, Takes::Text], always!(instant()), |given| {
        shifted(given, &datafusion_spark::function::datetime::from_utc_timestamp())
    }),
    Made::new("to_utc_timestamp", &[Takes::Moment, Takes::Text], always!(instant()), |given| {
        shifted(given, &datafusion_spark::function::datetime::to_utc_timestamp())
    }),
    Made::new("timestamp_millis", &[Takes::Whole], always!(instant()), |given| instants(given, 1000)),
    Made::new("timestamp_micros", &[Takes::Whole], always!(instant()), |given| instants(given, 1)),
];

fn instants(given: &Given<'_>, scale: i64) -> Result<ArrayRef> {
    let mut out = Vec::with_capacity(given.rows);
    for row in 0..given.rows {
        out.push(match given.whole_of(0, row) {
            Some(at) => match at.checked_mul(scale) {
                Some(at) => Some(at),
                None => return wrong(format!("{at} is outside of what a TIMESTAMP can be")),
            },
            None => None,
        });
    }
    Ok(Arc::new(TimestampMicrosecondArray::from(out).with_timezone(UTC)))
}

/// Instants moved by a zone's offset. DataFusion's function leaves the offset out that a text has, and answers with times
/// that are no instants.
fn shifted(given: &Given<'_>, by: &ScalarUDF) -> Result<ArrayRef> {
    let civil = DataType::Timestamp(TimeUnit::Microsecond, None);
    let args = vec![cast(&given.columns[0], &civil)?, Arc::clone(&given.columns[1])];
    let field = |of: &DataType| Arc::new(Field::new("at", of.clone(), true));
    let moved = by.invoke_with_args(ScalarFunctionArgs {
        arg_fields: args.iter().map(|arg| field(arg.data_type())).collect(),
        args: args.into_iter().map(ColumnarValue::Array).collect(),
        number_rows: given.rows,
        return_field: field(&civil),
        config_options: Arc::default(),
    })?;
    Ok(cast(&moved.into_array(given.rows)?, given.returns)?)
}

/// The calendar's reading of an instant.
fn civil(at: i64) -> Result<DateTime> {
    let seconds = jiff::Timestamp::from_microsecond(at);
    match seconds {
        Ok(instant) => Ok(jiff::tz::TimeZone::UTC.to_datetime(instant)),
        Err(_) => wrong(format!("{at} microseconds after 1970 are outside of the calendar")),
    }
}

fn month_number(at: DateTime) -> i64 {
    i64::from(at.year()) * 12 + i64::from(at.month())
}

/// Whole units from one instant to another, cut off.
fn between(unit: &str, from: i64, to: i64) -> Result<i64> {
    let Some(micros) = to.checked_sub(from) else { return wrong("the instants are too far apart") };
    let months = || -> Result<i64> {
        let (start, end) = (civil(from)?, civil(to)?);
        let whole = month_number(end) - month_number(start);
        let rest = |at: DateTime| (at.day(), at.time());
        Ok(match whole.signum() {
            1 if rest(end) < rest(start) => whole - 1,
            -1 if rest(end) > rest(start) => whole + 1,
            _ => whole,
        })
    };
    Ok(match unit.to_lowercase().as_str() {
        "year" => months()? / 12,
        "quarter" => months()? / 3,
        "month" => months()?,
        "week" => micros / (7 * DAY),
        "day" | "dayofyear" => micros / DAY,
        "hour" => micros / (3600 * SECOND),
        "minute" => micros / (60 * SECOND),
        "second" => micros / SECOND,
        "millisecond" => micros / 1000,
        "microsecond" => micros,
        other => return wrong(format!("{other} is no unit of time")),
    })
}

/// As Spark counts: the last days of two months are whole months apart, and so are equal days; else a month has 31 days.
fn months(later: i64, earlier: i64, rounds: bool) -> Result<f64> {
    let (a, b) = (civil(later)?, civil(earlier)?);
    let whole = (month_number(a) - month_number(b)) as f64;
    let last = |at: DateTime| at.day() == at.date().days_in_month();
    if a.day() == b.day() || last(a) && last(b) {
        return Ok(whole);
    }
    let seconds = |at: i64| at.rem_euclid(DAY).div_euclid(SECOND);
    let days = i64::from(a.day()) - i64::from(b.day());
    let rest = days * 86_400 + seconds(later) - seconds(earlier);
    let months = whole + rest as f64 / (31.0 * 86_400.0);
    Ok(if rounds { (months * 1e8).round() / 1e8 } else { months })
}
