//! Functions that are made here: a name, what it takes, and a body over columns.

mod arrays;
mod hashing;
mod json;
mod moments;
mod numbers;
mod sequences;
mod texts;

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, StringArray};
use datafusion::arrow::datatypes::{
    DataType, Field, FieldRef, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::arrow_types::UTC;

/// What an argument is brought to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Takes {
    Text,
    Whole,
    Real,
    Moment,
    Truth,
    /// As it is.
    Any,
}

/// A function. Its last argument may be left out down to `least`, or repeated if `more`.
pub(super) struct Made {
    pub name: &'static str,
    pub takes: &'static [Takes],
    pub least: usize,
    pub more: bool,
    /// From the arguments' types, and from those that are constants.
    pub returns: fn(&[DataType], &[Option<&ScalarValue>]) -> Result<DataType>,
    pub body: fn(&Given<'_>) -> Result<ArrayRef>,
}

impl Made {
    /// A function that takes just these arguments.
    pub const fn new(
        name: &'static str,
        takes: &'static [Takes],
        returns: fn(&[DataType], &[Option<&ScalarValue>]) -> Result<DataType>,
        body: fn(&Given<'_>) -> Result<ArrayRef>,
    ) -> Self {
        Self { name, takes, least: takes.len(), more: false, returns, body }
    }
}

/// The arguments of a call, as columns of the same length.
pub(super) struct Given<'a> {
    pub columns: Vec<ArrayRef>,
    pub rows: usize,
    pub returns: &'a DataType,
}

impl Given<'_> {
    pub fn text(&self, at: usize) -> &StringArray {
        self.columns[at].as_string::<i32>()
    }

    pub fn whole(&self, at: usize) -> &Int64Array {
        self.columns[at].as_primitive::<Int64Type>()
    }

    pub fn real(&self, at: usize) -> &Float64Array {
        self.columns[at].as_primitive::<Float64Type>()
    }

    /// Microseconds.
    pub fn moment(&self, at: usize, row: usize) -> Option<i64> {
        let column = self.columns[at].as_primitive::<TimestampMicrosecondType>();
        column.is_valid(row).then(|| column.value(row))
    }

    /// The text of a row; `None` for NULL.
    pub fn text_of(&self, at: usize, row: usize) -> Option<&str> {
        let column = self.text(at);
        column.is_valid(row).then(|| column.value(row))
    }

    pub fn whole_of(&self, at: usize, row: usize) -> Option<i64> {
        let column = self.whole(at);
        column.is_valid(row).then(|| column.value(row))
    }

    pub fn real_of(&self, at: usize, row: usize) -> Option<f64> {
        let column = self.real(at);
        column.is_valid(row).then(|| column.value(row))
    }

    /// True if an argument was written.
    pub fn has(&self, at: usize) -> bool {
        at < self.columns.len()
    }
}

/// The type that a body always answers.
macro_rules! always {
    ($data_type:expr) => {
        |_, _| Ok($data_type)
    };
}
use always;

pub(super) fn wrong<T>(text: impl Into<String>) -> Result<T> {
    Err(DataFusionError::Execution(text.into()))
}

pub(super) fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()))
}

/// All of them.
pub(crate) fn all() -> Vec<ScalarUDF> {
    every().map(function).collect()
}

/// The one of a name.
///
/// # Panics
/// If there is none: the name is a constant of this crate.
pub(crate) fn one(name: &str) -> ScalarUDF {
    match every().find(|made| made.name == name) {
        Some(made) => function(made),
        None => unreachable!("{name} is not made here"),
    }
}

fn every() -> impl Iterator<Item = &'static Made> {
    let of_intervals = super::intervals::ALL;
    [texts::ALL, numbers::ALL, moments::ALL, arrays::ALL, json::ALL, hashing::ALL, of_intervals]
        .into_iter()
        .flatten()
}

fn function(made: &'static Made) -> ScalarUDF {
    ScalarUDF::from(Function { made, signature: Signature::user_defined(Volatility::Immutable) })
}

struct Function {
    made: &'static Made,
    signature: Signature,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.made.name)
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.made.name == other.made.name
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.made.name.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.made.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let takes = self.made.takes;
        if types.len() < self.made.least || !self.made.more && types.len() > takes.len() {
            return Err(DataFusionError::Plan(format!(
                "{} does not take {} arguments",
                self.made.name,
                types.len()
            )));
        }
        let brought = |(at, from): (usize, &DataType)| {
            let takes = takes.get(at).or(takes.last()).copied().unwrap_or(Takes::Any);
            // `policy_errors.rs` counts some of these as functions that cannot fail: so no argument is brought to its
            // type by a cast that may.
            let fits = match takes {
                Takes::Text => !matches!(
                    from,
                    DataType::Binary
                        | DataType::LargeBinary
                        | DataType::BinaryView
                        | DataType::FixedSizeBinary(_)
                ),
                Takes::Whole => from.is_integer() || from.is_null(),
                _ => true,
            };
            if !fits {
                return Err(DataFusionError::Plan(format!(
                    "argument {} of {} is of type {from}. Cast it",
                    at + 1,
                    self.made.name
                )));
            }
            Ok(match takes {
                Takes::Text => DataType::Utf8,
                Takes::Whole => DataType::Int64,
                Takes::Real => DataType::Float64,
                Takes::Moment => instant(),
                Takes::Truth => DataType::Boolean,
                Takes::Any => from.clone(),
            })
        };
        types.iter().enumerate().map(brought).collect()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        (self.made.returns)(types, &vec![None; types.len()])
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let returns = (self.made.returns)(&types, args.scalar_arguments)?;
        Ok(Arc::new(Field::new(self.made.name, returns, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        // Constants are one row, however many there are.
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let columns = args.args.iter().map(|arg| arg.to_array(rows)).collect::<Result<_>>()?;
        let given = Given { columns, rows, returns: args.return_field.data_type() };
        let array = (self.made.body)(&given)?;
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    }
}

/// A number's text to so many decimal places.
pub(super) fn written_rounded(number: &str, places: i64, even: bool) -> String {
    numbers::rounded(number, places, even)
}
