//! Intervals: literals of more than one field (`INTERVAL '1-2' YEAR TO MONTH`), and intervals times a number.
//!
//! Source: "INTERVAL type" in Databricks' SQL language manual.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, IntervalMonthDayNanoArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Decimal128Type, Float64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
};
use datafusion::arrow::error::ArrowError;
use datafusion::error::{DataFusionError, Result};
use datafusion::sql::sqlparser::ast::{DateTimeField, Expr, Interval, UnaryOperator};

use super::calls::text;
use super::made::{Given, Made, Takes, wrong};
use crate::error::SqlError;

/// The type of every interval in a plan.
pub(super) fn interval() -> DataType {
    DataType::Interval(IntervalUnit::MonthDayNano)
}

/// True for what is an interval, however it is held.
pub(super) fn is_interval(of: &DataType) -> bool {
    matches!(of, DataType::Interval(_) | DataType::Duration(_))
}

const FIELDS: [&str; 6] = ["years", "months", "days", "hours", "minutes", "seconds"];

fn place(field: &DateTimeField) -> Option<usize> {
    Some(match field {
        DateTimeField::Year | DateTimeField::Years => 0,
        DateTimeField::Month | DateTimeField::Months => 1,
        DateTimeField::Day | DateTimeField::Days => 2,
        DateTimeField::Hour | DateTimeField::Hours => 3,
        DateTimeField::Minute | DateTimeField::Minutes => 4,
        DateTimeField::Second | DateTimeField::Seconds => 5,
        _ => return None,
    })
}

/// A literal of several fields as one that names each of them. `None` if it has one field.
pub(super) fn composite(interval: &Interval) -> Result<Option<Expr>, SqlError> {
    let (Some(first), Some(last)) = (&interval.leading_field, &interval.last_field) else { return Ok(None) };
    let unsupported = || SqlError::unsupported(format_args!("INTERVAL {first} TO {last}"));
    let (Some(from), Some(to)) = (place(first), place(last)) else { return Err(unsupported()) };
    if from >= to || (from < 2) != (to < 2) {
        return Err(unsupported());
    }
    let (written, outside) = match &*interval.value {
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => (super::calls::constant(expr), true),
        Expr::UnaryOp { op: UnaryOperator::Plus, expr } => (super::calls::constant(expr), false),
        expr => (super::calls::constant(expr), false),
    };
    let Some(written) = written else {
        return Err(SqlError::unsupported(format_args!("INTERVAL {first} TO {last} of what is no text")));
    };
    let invalid = || {
        SqlError::condition(
            "INVALID_INTERVAL_FORMAT.UNMATCHED_FORMAT_STRING",
            "22006",
            format!(
                "Error parsing '{written}' to interval. {first} TO {last} is written '{}'.",
                form(from, to)
            ),
        )
    };
    let spelled = spelled(written, (from, to), outside).ok_or_else(invalid)?;
    Ok(Some(Expr::Interval(Interval {
        value: Box::new(text(spelled)),
        leading_field: None,
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    })))
}

fn form(from: usize, to: usize) -> String {
    let forms = ["y", "m", "d", "h", "m", "s"];
    let mut out = forms[from].to_owned();
    for at in from..to {
        out.push(between(at));
        out.push_str(forms[at + 1]);
    }
    out
}

/// What stands behind a field.
fn between(field: usize) -> char {
    match field {
        0 => '-',
        2 => ' ',
        _ => ':',
    }
}

fn spelled(written: &str, (from, to): (usize, usize), outside: bool) -> Option<String> {
    let rest = written.trim();
    let (inside, mut rest) = match rest.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, rest.strip_prefix('+').unwrap_or(rest)),
    };
    let sign = if inside == outside { "" } else { "-" };
    let mut parts = Vec::new();
    for (at, name) in FIELDS.iter().enumerate().take(to + 1).skip(from) {
        let (part, after) = if at == to { (rest, "") } else { rest.split_once(between(at))? };
        let (whole, fraction) = match part.split_once('.') {
            Some((whole, fraction)) if at == 5 => (whole, fraction),
            Some(_) => return None,
            None => (part, "0"),
        };
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let most = [i64::MAX, 11, i64::MAX, 23, 59, 59][at];
        let fits = digits(whole) && whole.parse::<i64>().ok()? <= if at == from { i64::MAX } else { most };
        if !fits || !digits(fraction) || fraction.len() > 9 {
            return None;
        }
        parts.push(if at == 5 {
            format!("{sign}{whole}.{fraction} {name}")
        } else {
            format!("{sign}{whole} {name}")
        });
        rest = after.trim_start();
    }
    Some(parts.join(" "))
}

/// The functions.
pub(super) const ALL: &[Made] = &[
    Made {
        name: "make_ym_interval",
        takes: &[Takes::Whole, Takes::Whole],
        least: 0,
        more: false,
        returns: |_, _| Ok(interval()),
        body: |given| {
            let one = |row: usize| -> Result<Option<IntervalMonthDayNano>> {
                let part = |at: usize| if given.has(at) { given.whole_of(at, row) } else { Some(0) };
                let (Some(years), Some(months)) = (part(0), part(1)) else { return Ok(None) };
                let all = years.checked_mul(12).and_then(|all| all.checked_add(months));
                let months = all.and_then(|all| i32::try_from(all).ok()).ok_or_else(overflow)?;
                Ok(Some(IntervalMonthDayNano::new(months, 0, 0)))
            };
            collected((0..given.rows).map(one))
        },
    },
    Made::new(
        "interval_times",
        &[Takes::Any, Takes::Any],
        |_, _| Ok(interval()),
        |given| scaled(given, false),
    ),
    Made::new(
        "interval_divided",
        &[Takes::Any, Takes::Any],
        |_, _| Ok(interval()),
        |given| scaled(given, true),
    ),
];

fn overflow() -> DataFusionError {
    ArrowError::ArithmeticOverflow("the result does not fit into INTERVAL".to_owned()).into()
}

fn collected(rows: impl Iterator<Item = Result<Option<IntervalMonthDayNano>>>) -> Result<ArrayRef> {
    Ok(Arc::new(rows.collect::<Result<IntervalMonthDayNanoArray>>()?))
}

/// A factor: exact, or not.
enum Factor {
    /// So much, in units of a power of ten.
    Exact(i128, i128),
    Real(f64),
}

impl Factor {
    fn of(&self, value: i128, divides: bool) -> Result<i128> {
        match *self {
            Self::Exact(0, _) if divides => Err(ArrowError::DivideByZero.into()),
            Self::Real(0.0) if divides => Err(ArrowError::DivideByZero.into()),
            Self::Exact(unscaled, unit) => {
                let (by, over) = if divides { (unit, unscaled) } else { (unscaled, unit) };
                value.checked_mul(by).map(|product| halves_away(product, over)).ok_or_else(overflow)
            }
            Self::Real(real) => {
                let value = value as f64;
                let done = if divides { value / real } else { value * real };
                if done.is_finite() && done.abs() < 1e30 { Ok(done.round() as i128) } else { Err(overflow()) }
            }
        }
    }
}

fn halves_away(value: i128, by: i128) -> i128 {
    let (whole, rest) = (value / by, value % by);
    if rest.unsigned_abs() * 2 < by.unsigned_abs() {
        return whole;
    }
    if (value < 0) == (by < 0) { whole + 1 } else { whole - 1 }
}

const DAY_MICROS: i128 = 86_400_000_000;

/// Months stay months. A day is 24 hours.
fn scaled(given: &Given<'_>, divides: bool) -> Result<ArrayRef> {
    let intervals = cast(&given.columns[0], &interval())?;
    let intervals = intervals.as_primitive::<IntervalMonthDayNanoType>();
    let numbers = &given.columns[1];
    let factors: Box<dyn Fn(usize) -> Factor> = match numbers.data_type() {
        DataType::Decimal128(_, scale) => {
            let numbers = numbers.as_primitive::<Decimal128Type>().clone();
            let unit = 10_i128.pow(u32::try_from(*scale).unwrap_or(0));
            Box::new(move |row| Factor::Exact(numbers.value(row), unit))
        }
        whole if whole.is_integer() => {
            let numbers = cast(numbers, &DataType::Decimal128(38, 0))?;
            let numbers = numbers.as_primitive::<Decimal128Type>().clone();
            Box::new(move |row| Factor::Exact(numbers.value(row), 1))
        }
        of if of.is_floating() || of.is_string() => {
            let numbers = cast(numbers, &DataType::Float64)?;
            let numbers = numbers.as_primitive::<Float64Type>().clone();
            Box::new(move |row| Factor::Real(numbers.value(row)))
        }
        other => return wrong(format!("an interval cannot be multiplied with or divided by {other}")),
    };
    let one = |row: usize| {
        if intervals.is_null(row) || numbers.is_null(row) {
            return Ok(None);
        }
        let (interval, factor) = (intervals.value(row), factors(row));
        let months = factor.of(i128::from(interval.months), divides)?;
        let micros = i128::from(interval.days) * DAY_MICROS + i128::from(interval.nanoseconds) / 1000;
        let micros = factor.of(micros, divides)?;
        let months = i32::try_from(months).map_err(|_| overflow())?;
        let days = i32::try_from(micros / DAY_MICROS).map_err(|_| overflow())?;
        let nanos = i64::try_from(micros % DAY_MICROS * 1000).map_err(|_| overflow())?;
        Ok(Some(IntervalMonthDayNano::new(months, days, nanos)))
    };
    collected((0..given.rows).map(one))
}

#[cfg(test)]
mod tests {
    use super::spelled;

    #[test]
    fn a_literal_of_several_fields_names_each_of_them() {
        for (written, fields, outside, meant) in [
            ("1-2", (0, 1), false, Some("1 years 2 months")),
            ("-1-2", (0, 1), false, Some("-1 years -2 months")),
            ("1-2", (0, 1), true, Some("-1 years -2 months")),
            ("1 02:03:04.5", (2, 5), false, Some("1 days 02 hours 03 minutes 04.5 seconds")),
            ("26:03", (3, 4), false, Some("26 hours 03 minutes")),
            ("1-12", (0, 1), false, None),
            ("1 24:00", (2, 4), false, None),
            ("1", (0, 1), false, None),
            ("1 2:3:x", (2, 5), false, None),
        ] {
            assert_eq!(spelled(written, fields, outside).as_deref(), meant, "{written}");
        }
    }
}
