//! Values of a relation's rows.

use std::sync::Arc;

use brickyard_types::{SqlType, Timestamp};
use datafusion::arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::error::ArrowError;

use crate::arrow_types::UTC;

/// One value.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    Null,
    Text(String),
    Int(i32),
    Time(Timestamp),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i32> for Cell {
    fn from(number: i32) -> Self {
        Self::Int(number)
    }
}

impl From<Timestamp> for Cell {
    fn from(at: Timestamp) -> Self {
        Self::Time(at)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A position, counted from one.
pub(super) fn position(index: usize) -> Cell {
    Cell::Int(i32::try_from(index + 1).unwrap_or(i32::MAX))
}

/// `YES` or `NO`.
pub(super) fn yes(is: bool) -> Cell {
    if is { "YES".into() } else { "NO".into() }
}

/// The name of a type, and what there is to say of it: `full_data_type`, `data_type`, and the columns after them.
pub(super) fn type_cells(data_type: &SqlType) -> Vec<Cell> {
    use SqlType as T;
    let mut cells = vec![Cell::from(data_type.to_string()), data_type.type_name().into()];
    cells.extend(facts(match data_type {
        T::Byte => Facts::number(8, Some(0)),
        T::Short => Facts::number(16, Some(0)),
        T::Int => Facts::number(32, Some(0)),
        T::Long => Facts::number(64, Some(0)),
        T::Float => Facts::number(24, None),
        T::Double => Facts::number(53, None),
        T::Decimal(precision, scale) => {
            Facts { radix: Some(10), ..Facts::number(i32::from(*precision), Some(i32::from(*scale))) }
        }
        T::Date => Facts { datetime: Some(0), ..Facts::default() },
        T::Timestamp | T::TimestampNtz => Facts { datetime: Some(3), ..Facts::default() },
        T::YearMonthInterval => {
            Facts { datetime: Some(0), interval: Some("YEAR TO MONTH"), ..Facts::default() }
        }
        T::DayTimeInterval => {
            Facts { datetime: Some(3), interval: Some("DAY TO SECOND"), ..Facts::default() }
        }
        _ => Facts::default(),
    }));
    cells
}

/// The same of a function that gives rows.
pub(super) fn table_type_cells(text: String) -> Vec<Cell> {
    let mut cells = vec![Cell::from(text), "TABLE".into()];
    cells.extend(facts(Facts::default()));
    cells
}

#[derive(Default)]
struct Facts {
    precision: Option<i32>,
    radix: Option<i32>,
    scale: Option<i32>,
    datetime: Option<i32>,
    interval: Option<&'static str>,
}

impl Facts {
    fn number(precision: i32, scale: Option<i32>) -> Self {
        Self { precision: Some(precision), radix: Some(2), scale, ..Self::default() }
    }
}

fn facts(facts: Facts) -> [Cell; 9] {
    [
        Cell::Null,
        Cell::Null,
        facts.precision.into(),
        facts.radix.into(),
        facts.scale.into(),
        facts.datetime.into(),
        facts.interval.into(),
        Cell::Null,
        Cell::Null,
    ]
}

/// Rows as a batch.
pub(super) fn batch(schema: &SchemaRef, rows: &[Vec<Cell>]) -> Result<RecordBatch, ArrowError> {
    let columns = schema.fields().iter().enumerate().map(|(at, field)| -> ArrayRef {
        let cells = rows.iter().map(|row| row.get(at).unwrap_or(&Cell::Null));
        match field.data_type() {
            DataType::Int32 => {
                let numbers =
                    cells.map(|cell| if let Cell::Int(number) = cell { Some(*number) } else { None });
                Arc::new(numbers.collect::<Int32Array>())
            }
            DataType::Timestamp(..) => {
                let times = cells
                    .map(|cell| if let Cell::Time(at) = cell { Some(at.as_microsecond()) } else { None });
                Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone(UTC))
            }
            _ => {
                let texts =
                    cells.map(|cell| if let Cell::Text(text) = cell { Some(text.as_str()) } else { None });
                Arc::new(texts.collect::<StringArray>())
            }
        }
    });
    RecordBatch::try_new(Arc::clone(schema), columns.collect())
}
