//! `sequence(start, stop, step)`: of whole numbers, of dates, and of timestamps.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray, TimestampMicrosecondArray};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Field, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
    TimestampMicrosecondType,
};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use jiff::Span;

use super::{Given, instant, wrong};
use crate::arrow_types::UTC;

const DAY: i64 = 86_400_000_000;

pub(super) fn returns(types: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    let whole = |of: &DataType| of.is_integer() || of.is_null();
    let items = match types {
        [from, to, ..] if whole(from) && whole(to) => {
            if types.iter().any(|of| of == &DataType::Int64) {
                DataType::Int64
            } else {
                DataType::Int32
            }
        }
        [DataType::Date32, DataType::Date32, ..] => DataType::Date32,
        [DataType::Timestamp(..) | DataType::Date32, DataType::Timestamp(..) | DataType::Date32, ..] => {
            instant()
        }
        other => return Err(DataFusionError::Plan(format!("sequence does not take {other:?}"))),
    };
    Ok(DataType::List(Arc::new(Field::new_list_field(items, true))))
}

pub(super) fn body(given: &Given<'_>) -> Result<ArrayRef> {
    let DataType::List(field) = given.returns else { return wrong("sequence answers an array") };
    let mut lengths = Vec::with_capacity(given.rows);
    let mut nulls = Vec::with_capacity(given.rows);
    let mut items: Vec<i64> = Vec::new();
    let temporal = field.data_type().is_temporal();
    let brought = |at: usize| cast(&given.columns[at], &if temporal { instant() } else { DataType::Int64 });
    let (starts, stops) = (brought(0)?, brought(1)?);
    let number = |array: &ArrayRef, row: usize| {
        if temporal {
            array.as_primitive::<TimestampMicrosecondType>().value(row)
        } else {
            array.as_primitive::<Int64Type>().value(row)
        }
    };
    let steps = match given.columns.get(2) {
        Some(steps) if temporal => Some(cast(steps, &DataType::Interval(IntervalUnit::MonthDayNano))?),
        Some(steps) => Some(cast(steps, &DataType::Int64)?),
        None => None,
    };
    for row in 0..given.rows {
        let before = items.len();
        let known = starts.is_valid(row)
            && stops.is_valid(row)
            && steps.as_ref().is_none_or(|steps| steps.is_valid(row));
        nulls.push(known);
        if known {
            let (start, stop) = (number(&starts, row), number(&stops, row));
            if temporal {
                let step =
                    steps.as_ref().map(|steps| steps.as_primitive::<IntervalMonthDayNanoType>().value(row));
                moments(start, stop, step, &mut items)?;
            } else {
                let step = steps.as_ref().map(|steps| steps.as_primitive::<Int64Type>().value(row));
                wholes(start, stop, step, &mut items)?;
            }
        }
        lengths.push(items.len() - before);
    }
    let items: ArrayRef = if temporal {
        Arc::new(TimestampMicrosecondArray::from(items).with_timezone(UTC))
    } else {
        Arc::new(Int64Array::from(items))
    };
    let items = cast(&items, field.data_type())?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(Arc::clone(field), offsets, items, Some(NullBuffer::from(nulls)))?))
}

fn wholes(start: i64, stop: i64, step: Option<i64>, out: &mut Vec<i64>) -> Result<()> {
    let step = step.unwrap_or(if start <= stop { 1 } else { -1 });
    if goes_wrong(start, stop, step.signum()) {
        return wrong(format!("Illegal sequence boundaries: {start} to {stop} by {step}"));
    }
    let mut at = start;
    loop {
        out.push(at);
        let Some(next) = at.checked_add(step) else { return Ok(()) };
        if step == 0 || (step > 0 && next > stop) || (step < 0 && next < stop) {
            return Ok(());
        }
        at = next;
    }
}

fn goes_wrong(start: i64, stop: i64, direction: i64) -> bool {
    match direction {
        0 => start != stop,
        1 => start > stop,
        _ => start < stop,
    }
}

fn moments(start: i64, stop: i64, step: Option<IntervalMonthDayNano>, out: &mut Vec<i64>) -> Result<()> {
    let step = step.unwrap_or(IntervalMonthDayNano::new(0, if start <= stop { 1 } else { -1 }, 0));
    let micros = i64::from(step.days) * DAY + step.nanoseconds / 1000;
    let whole = i64::from(step.months) * 31 * DAY + micros;
    if goes_wrong(start, stop, whole.signum()) {
        return wrong("Illegal sequence boundaries: the step does not lead from the start to the stop");
    }
    let Ok(first) = jiff::Timestamp::from_microsecond(start) else { return wrong("outside of the calendar") };
    let first = jiff::tz::TimeZone::UTC.to_datetime(first);
    for count in 0.. {
        let months = Span::new().try_months(i64::from(step.months).saturating_mul(count));
        let there = months.and_then(|months| first.checked_add(months));
        let there = there.and_then(|there| jiff::tz::TimeZone::UTC.to_timestamp(there));
        let Ok(there) = there else { return Ok(()) };
        let at = there.as_microsecond().saturating_add(micros.saturating_mul(count));
        if (whole >= 0 && at > stop) || (whole < 0 && at < stop) {
            return Ok(());
        }
        out.push(at);
        if whole == 0 {
            return Ok(());
        }
    }
    Ok(())
}
