//! Arrays and maps.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int32Array, Int64Array, UInt32Array};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};

use super::{Given, Made, Takes, always, wrong};
use crate::arrow_types::to_sql;

pub(super) const ALL: &[Made] = &[
    // x[0]: from 0, and outside is an error.
    Made::new("array_item", &[Takes::Any, Takes::Whole], item_type, |given| {
        items(
            given,
            OF_ARRAY,
            |at, length| if at < 0 || at >= length { Place::Outside } else { Place::At(at) },
        )
    }),
    Made::new("get", &[Takes::Any, Takes::Whole], item_type, |given| {
        items(
            given,
            OF_ARRAY,
            |at, length| if at < 0 || at >= length { Place::Nowhere } else { Place::At(at) },
        )
    }),
    Made::new("element_at", &[Takes::Any, Takes::Any], item_type, |given| {
        of_list_or_map(given, Place::Outside)
    }),
    Made::new("try_element_at", &[Takes::Any, Takes::Any], item_type, |given| {
        of_list_or_map(given, Place::Nowhere)
    }),
    Made::new("size", &[Takes::Any], always!(DataType::Int32), sizes),
    Made::new("cardinality", &[Takes::Any], always!(DataType::Int32), sizes),
    Made::new("array_size", &[Takes::Any], always!(DataType::Int32), sizes),
    Made {
        name: "sequence_of",
        takes: &[Takes::Any, Takes::Any, Takes::Any],
        least: 2,
        more: false,
        returns: super::sequences::returns,
        body: super::sequences::body,
    },
    Made::new("typeof", &[Takes::Any], always!(DataType::Utf8), |given| {
        let name = match to_sql(given.columns[0].data_type()) {
            Some(sql) => sql.to_string().replace(" not null", ""),
            None => return wrong("typeof of a value that has no SQL type"),
        };
        let names: datafusion::arrow::array::StringArray =
            (0..given.rows).map(|_| Some(name.as_str())).collect();
        Ok(Arc::new(names))
    }),
    Made::new("arrays_overlap", &[Takes::Any, Takes::Any], always!(DataType::Boolean), overlap),
];

fn item_type(types: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    match types.first() {
        Some(DataType::List(field) | DataType::LargeList(field)) => Ok(field.data_type().clone()),
        Some(DataType::Map(entries, _)) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => Ok(fields[1].data_type().clone()),
            _ => Ok(DataType::Null),
        },
        Some(DataType::Null) => Ok(DataType::Null),
        other => Err(DataFusionError::Plan(format!("an array or a map is needed here, not {other:?}"))),
    }
}

#[derive(Clone, Copy)]
enum Place {
    At(i64),
    Outside,
    Nowhere,
}

/// The condition of an index that is outside, and what to call instead.
const OF_ARRAY: (&str, &str) = ("INVALID_ARRAY_INDEX", "get()");
const OF_ELEMENT_AT: (&str, &str) = ("INVALID_ARRAY_INDEX_IN_ELEMENT_AT", "try_element_at");

/// One item of each list; `place` says which, from the index and the length.
fn items(given: &Given<'_>, outside: (&str, &str), place: impl Fn(i64, i64) -> Place) -> Result<ArrayRef> {
    let lists = &given.columns[0];
    if lists.data_type().is_null() {
        return Ok(datafusion::arrow::array::new_null_array(given.returns, given.rows));
    }
    let lists = lists.as_list::<i32>();
    let indexes = datafusion::arrow::compute::cast(&given.columns[1], &DataType::Int64)?;
    let indexes: &Int64Array = indexes.as_primitive();
    let mut taken: Vec<Option<u32>> = Vec::with_capacity(given.rows);
    for row in 0..given.rows {
        if lists.is_null(row) || indexes.is_null(row) {
            taken.push(None);
            continue;
        }
        let (from, length) = (i64::from(lists.value_offsets()[row]), i64::from(lists.value_length(row)));
        taken.push(match place(indexes.value(row), length) {
            Place::At(at) => u32::try_from(from + at).ok(),
            Place::Nowhere => None,
            Place::Outside => {
                let (condition, instead) = outside;
                return wrong(format!(
                    "[{condition}] The index {} is out of bounds. The array has {length} elements. Use `{instead}` to \
                     tolerate accessing element at invalid index and return NULL instead.",
                    indexes.value(row)
                ));
            }
        });
    }
    Ok(take(lists.values(), &UInt32Array::from(taken), None)?)
}

fn of_list_or_map(given: &Given<'_>, outside: Place) -> Result<ArrayRef> {
    if !matches!(given.columns[0].data_type(), DataType::Map(..)) {
        return items(given, OF_ELEMENT_AT, |at, length| match at {
            0 => Place::Outside,
            at if at > 0 && at <= length => Place::At(at - 1),
            at if at < 0 && -at <= length => Place::At(length + at),
            _ => outside,
        });
    }
    let maps = given.columns[0].as_map();
    let keys = datafusion::arrow::compute::cast(&given.columns[1], maps.keys().data_type())?;
    let mut taken: Vec<Option<u32>> = Vec::with_capacity(given.rows);
    let offsets = maps.value_offsets();
    let known = datafusion::arrow::array::make_comparator(maps.keys(), &keys, Default::default())?;
    for row in 0..given.rows {
        let range = offsets[row]..offsets[row + 1];
        let found = (maps.is_valid(row) && keys.is_valid(row))
            .then(|| range.filter_map(|at| usize::try_from(at).ok()).find(|at| known(*at, row).is_eq()));
        taken.push(found.flatten().and_then(|at| u32::try_from(at).ok()));
    }
    Ok(take(maps.values(), &UInt32Array::from(taken), None)?)
}

fn sizes(given: &Given<'_>) -> Result<ArrayRef> {
    let column = &given.columns[0];
    let lengths: Int32Array = match column.data_type() {
        DataType::List(_) => {
            let lists = column.as_list::<i32>();
            (0..given.rows).map(|row| lists.is_valid(row).then(|| lists.value_length(row))).collect()
        }
        DataType::Map(..) => {
            let maps = column.as_map();
            (0..given.rows).map(|row| maps.is_valid(row).then(|| maps.value_length(row))).collect()
        }
        DataType::Null => (0..given.rows).map(|_| None).collect(),
        other => return wrong(format!("an array or a map has a size, {other} has none")),
    };
    Ok(Arc::new(lengths))
}

/// True if two arrays have an element in common; NULL if only a NULL may be that element.
fn overlap(given: &Given<'_>) -> Result<ArrayRef> {
    let (left, right) = (&given.columns[0], &given.columns[1]);
    if left.data_type().is_null() || right.data_type().is_null() {
        return Ok(datafusion::arrow::array::new_null_array(&DataType::Boolean, given.rows));
    }
    let (Some(left), Some(right)) = (left.as_list_opt::<i32>(), right.as_list_opt::<i32>()) else {
        return wrong(format!(
            "two arrays may overlap, {} and {} do not",
            left.data_type(),
            right.data_type()
        ));
    };
    let values = if right.value_type() == left.value_type() {
        Arc::clone(right.values())
    } else {
        datafusion::arrow::compute::cast(right.values(), &left.value_type())?
    };
    let compared = datafusion::arrow::array::make_comparator(left.values(), &values, Default::default())?;
    let range = |offsets: &[i32], row: usize| {
        usize::try_from(offsets[row]).unwrap_or(0)..usize::try_from(offsets[row + 1]).unwrap_or(0)
    };
    let one = |row: usize| {
        if left.is_null(row) || right.is_null(row) {
            return None;
        }
        let (a, b) = (range(left.value_offsets(), row), range(right.value_offsets(), row));
        let mut unknown = false;
        for i in a.clone() {
            for j in b.clone() {
                match (left.values().is_null(i), values.is_null(j)) {
                    (false, false) if compared(i, j).is_eq() => return Some(true),
                    (false, false) => {}
                    _ => unknown = true,
                }
            }
        }
        if unknown { None } else { Some(false) }
    };
    Ok(Arc::new((0..given.rows).map(one).collect::<BooleanArray>()))
}
