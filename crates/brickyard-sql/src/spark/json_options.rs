//! The options of `from_json` and `to_json`: a map of constant texts. Those that are not known here are refused by name.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Date32Type, TimeUnit, TimestampMicrosecondType};
use datafusion::error::Result;
use datafusion::sql::sqlparser::ast::Expr;
use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime::{BrokenDownTime, format};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::calls::{constant, function, plain, text, translated, written};
use crate::error::SqlError;
use crate::rewrite::parts;

/// `from_json(json, schema, map(..))` with its options as texts.
pub(super) fn from_json(of: &Expr, schema: &Expr, options: &Expr) -> Result<Expr, SqlError> {
    let mut patterns = [text(""), text("")];
    for (key, value) in pairs("from_json", options)? {
        match constant(key).unwrap_or_default().to_lowercase().as_str() {
            "timestampformat" => patterns[0] = readable(value)?,
            "dateformat" => patterns[1] = readable(value)?,
            // What does not fit is NULL: the only mode that is known here.
            "mode" if is(value, "permissive") => {}
            _ => return Err(refused("from_json", key, value)),
        }
    }
    Ok(function("from_json", [of.clone(), schema.clone()].into_iter().chain(patterns).collect()))
}

/// `to_json(value, map(..))` with its options as texts.
pub(super) fn to_json(of: &Expr, options: &Expr) -> Result<Expr, SqlError> {
    let mut given = [text(""), text(""), text("")];
    for (key, value) in pairs("to_json", options)? {
        match constant(key).unwrap_or_default().to_lowercase().as_str() {
            "timestampformat" => given[0] = written("to_json", value)?,
            "dateformat" => given[1] = written("to_json", value)?,
            "ignorenullfields" if is(value, "true") => {}
            "ignorenullfields" if is(value, "false") => given[2] = text("nulls"),
            _ => return Err(refused("to_json", key, value)),
        }
    }
    Ok(function("to_json", std::iter::once(of.clone()).chain(given).collect()))
}

fn is(value: &Expr, wanted: &str) -> bool {
    constant(value).is_some_and(|value| value.eq_ignore_ascii_case(wanted))
}

fn refused(name: &str, key: &Expr, value: &Expr) -> SqlError {
    let shown = |of: &Expr| constant(of).map_or_else(|| of.to_string(), str::to_owned);
    SqlError::unsupported(format_args!("the option '{}' = '{}' of {name}", shown(key), shown(value)))
}

fn pairs<'a>(name: &str, options: &'a Expr) -> Result<Vec<(&'a Expr, &'a Expr)>, SqlError> {
    let unknown =
        || SqlError::unsupported(format_args!("options of {name} that are no map of constant texts"));
    let Expr::Function(call) = options else { return Err(unknown()) };
    if parts(&call.name) != ["map"] {
        return Err(unknown());
    }
    let datafusion::sql::sqlparser::ast::FunctionArguments::List(list) = &call.args else {
        return Err(unknown());
    };
    use datafusion::sql::sqlparser::ast::{FunctionArg, FunctionArgExpr};
    let texts = list.args.iter().map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => constant(expr).map(|_| expr),
        _ => None,
    });
    let texts: Option<Vec<&Expr>> = texts.collect();
    let texts = texts.filter(|texts| texts.len() % 2 == 0 && plain(call).is_some()).ok_or_else(unknown)?;
    Ok(texts.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}

/// A pattern that can be read back: what it writes of one moment, it must find again.
fn readable(pattern: &Expr) -> Result<Expr, SqlError> {
    let here = translated("from_json", pattern)?;
    let known = constant(&here).is_some_and(|here| {
        let at = TimeZone::UTC.to_timestamp(DateTime::constant(2024, 2, 29, 13, 4, 5, 0)).ok();
        at.and_then(|at| format(here, at).ok()).is_some_and(|text| BrokenDownTime::parse(here, text).is_ok())
    });
    if known { Ok(here) } else { Err(refused("from_json", &text("format"), pattern)) }
}

/// How dates and instants are written in JSON, where it is not the usual form; and whether NULL fields are.
#[derive(Default)]
pub(super) struct Formats {
    instant: Option<Format>,
    day: Option<Format>,
    pub nulls: bool,
}

impl Formats {
    pub(super) fn new(instant: Option<&str>, day: Option<&str>, nulls: Option<&str>) -> Self {
        let format = |of: Option<&str>| of.filter(|of| !of.is_empty()).map(|of| Format(of.to_owned()));
        Self { instant: format(instant), day: format(day), nulls: nulls == Some("nulls") }
    }

    /// The format of a type.
    pub(super) fn of(&self, data_type: &DataType) -> Option<&Format> {
        match data_type {
            DataType::Date32 => self.day.as_ref(),
            DataType::Timestamp(_, Some(_)) => self.instant.as_ref(),
            _ => None,
        }
    }
}

/// A pattern.
pub(super) struct Format(String);

const EPOCH: Date = Date::constant(1970, 1, 1);

impl Format {
    /// A value of a column.
    pub(super) fn write(&self, array: &dyn Array, row: usize) -> Option<String> {
        if array.data_type() == &DataType::Date32 {
            let days = i64::from(array.as_primitive::<Date32Type>().value(row));
            let day = EPOCH.checked_add(SignedDuration::from_hours(days * 24)).ok()?;
            return format(&self.0, TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok()?).ok();
        }
        let micros = cast(&array.slice(row, 1), &DataType::Timestamp(TimeUnit::Microsecond, None)).ok()?;
        let micros = micros.as_primitive::<TimestampMicrosecondType>().value(0);
        format(&self.0, Timestamp::from_microsecond(micros).ok()?).ok()
    }

    /// A column of texts as dates or instants. What has another form is NULL.
    pub(super) fn parsed(&self, texts: &StringArray, data_type: &DataType) -> Result<ArrayRef> {
        let read = |text: Option<&str>| BrokenDownTime::parse(&self.0, text?).ok();
        if data_type == &DataType::Date32 {
            let days = texts.iter().map(|text| {
                let day = read(text)?.to_date().ok()?;
                i32::try_from(day.duration_since(EPOCH).as_hours() / 24).ok()
            });
            return Ok(Arc::new(days.collect::<Date32Array>()));
        }
        let micros = texts.iter().map(|text| {
            let read = read(text)?;
            if read.offset().is_some() {
                return Some(read.to_timestamp().ok()?.as_microsecond());
            }
            let at = read.to_datetime().or_else(|_| read.to_date().map(|day| day.at(0, 0, 0, 0))).ok()?;
            Some(TimeZone::UTC.to_timestamp(at).ok()?.as_microsecond())
        });
        let micros: ArrayRef = Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC"));
        Ok(cast(&micros, data_type)?)
    }
}
