//! Functions whose result has nothing to do with the size of what they are given (`repeat('x', 2000000000)`): asked first
//! how much it will be. What a function makes within one call is not in the engine's memory pool.

use std::hash::{Hash, Hasher};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, OffsetSizeTrait};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, FieldRef, Float64Type, IntervalUnit};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};

/// What one call may make, for all rows of a batch.
const MOST_BYTES: f64 = (128_u64 << 20) as f64;
/// Steps of those whose time is the product of their arguments' lengths.
const MOST_STEPS: f64 = 2e8;

/// How much a call makes, of one row.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Makes {
    /// The first argument, as often as the second says.
    Repeated,
    /// As many characters as the second argument says.
    Padded,
    /// As many characters as the first argument says.
    Spaces,
    /// Values from the first argument to the second, in steps of the third.
    Sequence,
    /// As many values as the second argument says.
    Resized,
    /// Every find of the second argument replaced by the third.
    Replaced,
    /// The widths that stand in the first argument.
    Formatted,
    /// All arguments, one behind the other.
    Joined,
    /// Nothing, but it takes the product of the lengths.
    Compared,
}

const BOUNDED: &[(&str, Makes)] = &[
    ("repeat", Makes::Repeated),
    ("array_repeat", Makes::Repeated),
    ("list_repeat", Makes::Repeated),
    ("lpad", Makes::Padded),
    ("rpad", Makes::Padded),
    ("space", Makes::Spaces),
    ("sequence", Makes::Sequence),
    ("sequence_of", Makes::Sequence),
    ("range", Makes::Sequence),
    ("generate_series", Makes::Sequence),
    ("gen_series", Makes::Sequence),
    ("array_resize", Makes::Resized),
    ("list_resize", Makes::Resized),
    ("replace", Makes::Replaced),
    ("format_string", Makes::Formatted),
    ("printf", Makes::Formatted),
    ("concat", Makes::Joined),
    ("concat_ws", Makes::Joined),
    ("arrays_overlap", Makes::Compared),
    ("levenshtein", Makes::Compared),
];

/// Puts a bound around the built-in functions that need one, under every name that each goes by: a name may be left to
/// DataFusion's function when Spark's took the other.
pub(crate) fn bound(state: &mut SessionState) {
    let makes = |name: &str| BOUNDED.iter().find(|(known, _)| *known == name).map(|(_, makes)| *makes);
    let found: Vec<_> = (state.scalar_functions().iter())
        .filter_map(|(name, inner)| {
            let makes = makes(name).or_else(|| makes(inner.name()))?;
            Some(Bounded { name: name.clone(), inner: Arc::clone(inner), makes })
        })
        .collect();
    for bounded in found {
        if let Err(error) = state.register_udf(Arc::new(ScalarUDF::from(bounded))) {
            tracing::error!(%error, "a function could not be bounded");
        }
    }
}

/// A function with a bound, under one of its names.
#[derive(Debug)]
struct Bounded {
    name: String,
    inner: Arc<ScalarUDF>,
    makes: Makes,
}

impl PartialEq for Bounded {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.inner == other.inner
    }
}

impl Eq for Bounded {}

impl Hash for Bounded {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn is_strict(&self) -> bool {
        self.inner.is_strict()
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        self.inner.simplify(args, info)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (most, what) = match self.makes {
            Makes::Compared => (MOST_STEPS, "steps"),
            _ => (MOST_BYTES, "bytes"),
        };
        let asked = self.makes.asked(&args)?;
        // Also what is no number.
        if asked.is_nan() || asked > most {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "{} would make {asked:.0} {what} in one call, more than the {most:.0} that a call may",
                self.name()
            )));
        }
        let called = std::panic::catch_unwind(AssertUnwindSafe(|| self.inner.invoke_with_args(args)));
        called.unwrap_or_else(|_| {
            Err(DataFusionError::Execution(format!("{} failed on these arguments", self.name())))
        })
    }
}

impl Makes {
    fn asked(self, args: &ScalarFunctionArgs) -> Result<f64> {
        // Constants are one row, however many there are.
        let is_constant = |arg: &ColumnarValue| matches!(arg, ColumnarValue::Scalar(_));
        let rows = if args.args.iter().all(is_constant) { 1 } else { args.number_rows };
        if matches!(self, Self::Joined) {
            return args.args.iter().map(|arg| bytes(arg, rows)).sum();
        }
        let arrays: Vec<ArrayRef> = args.args.iter().map(|arg| arg.to_array(rows)).collect::<Result<_>>()?;
        let length = |at: usize, row: usize| arrays.get(at).map_or(0.0, |array| length(array, row));
        let mut numbers = Vec::with_capacity(arrays.len());
        for array in &arrays {
            numbers.push(numbers_of(array));
        }
        let number = |at: usize, row: usize| -> f64 {
            let found = numbers.get(at).and_then(Option::as_ref);
            found.map_or(0.0, |array| {
                let array = array.as_primitive::<Float64Type>();
                if array.is_null(row) { 0.0 } else { array.value(row) }
            })
        };
        let one = |row: usize| -> f64 {
            match self {
                Self::Repeated => (length(0, row) + 8.0) * number(1, row).max(0.0),
                Self::Padded => 4.0 * number(1, row).max(0.0),
                Self::Spaces => number(0, row).max(0.0),
                Self::Sequence => {
                    let (from, to) = if arrays.len() == 1 {
                        (0.0, number(0, row))
                    } else {
                        (number(0, row), number(1, row))
                    };
                    let moment = arrays.first().is_some_and(|array| array.data_type().is_temporal());
                    let step = if arrays.len() > 2 {
                        number(2, row).abs()
                    } else if moment {
                        86_400e6
                    } else {
                        1.0
                    };
                    8.0 * (to - from).abs() / step.max(f64::MIN_POSITIVE)
                }
                Self::Resized => 8.0 * number(1, row).max(0.0) + length(2, row) * number(1, row).max(0.0),
                Self::Replaced => {
                    let finds = length(0, row) / length(1, row).max(1.0) + 1.0;
                    length(0, row) + finds * length(2, row)
                }
                Self::Formatted => {
                    let text = arrays.first().and_then(|array| text(array, row)).unwrap_or_default();
                    let widths = text
                        .split(|c: char| !c.is_ascii_digit())
                        .filter_map(|digits| digits.parse::<f64>().ok());
                    widths.sum()
                }
                Self::Joined => 0.0,
                Self::Compared => length(0, row) * length(1, row),
            }
        };
        Ok((0..rows).map(one).sum())
    }
}

/// A column as numbers; moments and intervals in microseconds.
fn numbers_of(array: &ArrayRef) -> Option<ArrayRef> {
    use datafusion::arrow::array::Float64Array;
    use datafusion::arrow::datatypes::{
        DurationMicrosecondType, IntervalMonthDayNanoType, IntervalYearMonthType, TimeUnit,
    };
    let scaled = |by: f64, array: ArrayRef| -> ArrayRef {
        let numbers = array.as_primitive::<Float64Type>();
        Arc::new(numbers.iter().map(|number| number.map(|number| number * by)).collect::<Float64Array>())
    };
    match array.data_type() {
        kind if kind.is_numeric() => cast(array, &DataType::Float64).ok(),
        DataType::Date32 => {
            let days = cast(array, &DataType::Int32).and_then(|days| cast(&days, &DataType::Float64)).ok()?;
            Some(scaled(86_400e6, days))
        }
        DataType::Timestamp(..) => {
            let micros = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, None)).ok()?;
            let micros = cast(&micros, &DataType::Int64).ok()?;
            cast(&micros, &DataType::Float64).ok()
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let steps = array.as_primitive::<IntervalMonthDayNanoType>().iter().map(|step| {
                step.map(|step| {
                    (f64::from(step.months) * 30.0 + f64::from(step.days)) * 86_400e6
                        + step.nanoseconds as f64 / 1e3
                })
            });
            Some(Arc::new(steps.collect::<Float64Array>()))
        }
        DataType::Interval(IntervalUnit::YearMonth) => {
            let steps = array.as_primitive::<IntervalYearMonthType>().iter();
            Some(Arc::new(
                steps
                    .map(|step| step.map(|step| f64::from(step) * 30.0 * 86_400e6))
                    .collect::<Float64Array>(),
            ))
        }
        DataType::Duration(TimeUnit::Microsecond) => {
            let steps = array.as_primitive::<DurationMicrosecondType>().iter();
            Some(Arc::new(steps.map(|step| step.map(|step| step as f64)).collect::<Float64Array>()))
        }
        _ => None,
    }
}

fn text(array: &ArrayRef, row: usize) -> Option<&str> {
    if array.is_null(row) {
        return None;
    }
    match array.data_type() {
        DataType::Utf8 => Some(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Some(array.as_string::<i64>().value(row)),
        DataType::Utf8View => Some(array.as_string_view().value(row)),
        _ => None,
    }
}

/// The bytes of all values of an argument, without a look at each: it is asked of every batch that a mask joins.
fn bytes(arg: &ColumnarValue, rows: usize) -> Result<f64> {
    let array = match arg {
        ColumnarValue::Scalar(value) => return Ok(length(&value.to_array()?, 0) * rows as f64),
        ColumnarValue::Array(array) => array,
    };
    Ok(match array.data_type() {
        DataType::Utf8 => reach(array.as_string::<i32>().value_offsets()),
        DataType::LargeUtf8 => reach(array.as_string::<i64>().value_offsets()),
        // A view begins with its length.
        DataType::Utf8View => {
            array.as_string_view().views().iter().map(|view| u64::from(*view as u32)).sum::<u64>() as f64
        }
        _ => (0..array.len()).map(|row| length(array, row)).sum(),
    })
}

/// From the first offset to the last.
fn reach<O: OffsetSizeTrait>(offsets: &[O]) -> f64 {
    let at = |offset: Option<&O>| offset.map_or(0, |offset| offset.as_usize());
    at(offsets.last()).saturating_sub(at(offsets.first())) as f64
}

/// The bytes of one value.
fn length(array: &ArrayRef, row: usize) -> f64 {
    if let Some(text) = text(array, row) {
        return text.len() as f64;
    }
    match array.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => 0.0,
        DataType::List(_) => {
            let value = array.as_list::<i32>().value(row);
            value.get_array_memory_size() as f64 * value.len() as f64 / value.len().max(1) as f64
        }
        kind => kind.primitive_width().unwrap_or(16) as f64,
    }
}
