//! `aggregate(array, start, (acc, x) -> .., acc -> ..)`: one value of each array, element by element.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, UInt32Array, new_null_array};
use datafusion::arrow::compute::{interleave, take, take_arrays};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, HigherOrderFunctionArgs, HigherOrderReturnFieldArgs, HigherOrderSignature,
    HigherOrderUDFImpl, LambdaArgument, LambdaParametersProgress, ValueOrLambda, Volatility,
};

/// An array has one step for each of its elements, and nothing else of the statement runs meanwhile.
const MOST_STEPS: usize = 1_000_000;
/// What is made may grow with each step.
const MOST_BYTES: usize = 128 << 20;

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Aggregate {
    signature: HigherOrderSignature,
}

impl Aggregate {
    pub(crate) fn new() -> Self {
        Self { signature: HigherOrderSignature::variadic_any(Volatility::Immutable) }
    }
}

fn wrong<T>(text: &str) -> Result<T> {
    Err(DataFusionError::Plan(format!("aggregate {text}")))
}

const SHAPE: &str = "takes an array, a start, (acc, x) -> .., and perhaps acc -> ..";

impl HigherOrderUDFImpl for Aggregate {
    fn name(&self) -> &str {
        "aggregate"
    }

    fn signature(&self) -> &HigherOrderSignature {
        &self.signature
    }

    fn lambda_parameters(
        &self,
        _: usize,
        fields: &[ValueOrLambda<FieldRef, Option<FieldRef>>],
    ) -> Result<LambdaParametersProgress> {
        let [ValueOrLambda::Value(list), ValueOrLambda::Value(start), lambdas @ ..] = fields else {
            return wrong(SHAPE);
        };
        let DataType::List(element) = list.data_type() else { return wrong(SHAPE) };
        let held = Arc::new(Field::new("acc", start.data_type().clone(), true));
        let merge = vec![Arc::clone(&held), Arc::new(element.as_ref().clone().with_nullable(true))];
        match lambdas {
            [ValueOrLambda::Lambda(_)] => Ok(LambdaParametersProgress::Complete(vec![merge])),
            [ValueOrLambda::Lambda(_), ValueOrLambda::Lambda(_)] => {
                Ok(LambdaParametersProgress::Complete(vec![merge, vec![held]]))
            }
            _ => wrong(SHAPE),
        }
    }

    fn return_field_from_args(&self, args: HigherOrderReturnFieldArgs<'_>) -> Result<FieldRef> {
        let [_, ValueOrLambda::Value(start), ValueOrLambda::Lambda(merge), finish @ ..] = args.arg_fields
        else {
            return wrong(SHAPE);
        };
        if merge.data_type() != start.data_type() {
            return wrong(&format!(
                "starts with {} and goes on with {}: cast one to the other",
                start.data_type(),
                merge.data_type()
            ));
        }
        let returns = match finish {
            [ValueOrLambda::Lambda(finish)] => finish.data_type().clone(),
            _ => start.data_type().clone(),
        };
        Ok(Arc::new(Field::new("", returns, true)))
    }

    fn invoke_with_args(&self, args: HigherOrderFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let [
            ValueOrLambda::Value(list),
            ValueOrLambda::Value(start),
            ValueOrLambda::Lambda(merge),
            finish @ ..,
        ] = args.args.as_slice()
        else {
            return wrong(SHAPE);
        };
        let (lists, start) = (list.to_array(rows)?, start.to_array(rows)?);
        if lists.data_type().is_null() {
            return Ok(ColumnarValue::Array(new_null_array(args.return_type(), rows)));
        }
        let reduced = reduced(&lists, start, merge)?;
        let array = match finish {
            [ValueOrLambda::Lambda(finish)] => finish
                .evaluate(&[&|| Ok(Arc::clone(&reduced))], |captured| Ok(captured.to_vec()))?
                .into_array(rows)?,
            _ => reduced,
        };
        // Of no array there is no value.
        let there = datafusion::arrow::compute::is_null(&lists)?;
        Ok(ColumnarValue::Array(datafusion::arrow::compute::nullif(&array, &there)?))
    }
}

fn reduced(lists: &ArrayRef, start: ArrayRef, merge: &LambdaArgument) -> Result<ArrayRef> {
    let lists = lists.as_list::<i32>();
    let length = |row: usize| usize::try_from(lists.value_length(row)).unwrap_or(0);
    // The rows that are not done, and what each of them holds.
    let mut active: Vec<u32> = (0..lists.len() as u32).filter(|row| lists.is_valid(*row as usize)).collect();
    let mut held = take(&start, &UInt32Array::from(active.clone()), None)?;
    // Where the value of each row is when it is done: in which array, and at which place.
    let mut arrays = vec![Arc::clone(&start)];
    let mut places: Vec<(usize, usize)> = (0..lists.len()).map(|row| (0, row)).collect();
    for step in 0.. {
        let (mut stays, mut goes_on) = (Vec::new(), Vec::new());
        for (at, row) in active.iter().enumerate() {
            if length(*row as usize) > step {
                stays.push(*row);
                goes_on.push(at as u32);
            } else {
                places[*row as usize] = (arrays.len(), at);
            }
        }
        if stays.len() < active.len() {
            arrays.push(Arc::clone(&held));
            held = take(&held, &UInt32Array::from(goes_on), None)?;
        }
        if stays.is_empty() {
            break;
        }
        if step >= MOST_STEPS {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "aggregate takes at most {MOST_STEPS} elements of one array"
            )));
        }
        active = stays;
        let from = active.iter().map(|row| lists.value_offsets()[*row as usize] as u32 + step as u32);
        let elements = take(lists.values(), &UInt32Array::from_iter_values(from), None)?;
        let rows = UInt32Array::from(active.clone());
        let made = merge
            .evaluate(&[&|| Ok(Arc::clone(&held)), &|| Ok(Arc::clone(&elements))], |captured| {
                Ok(take_arrays(captured, &rows, None)?)
            })?;
        held = made.into_array(active.len())?;
        if held.get_array_memory_size() > MOST_BYTES {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "aggregate would hold more than {MOST_BYTES} bytes in one call"
            )));
        }
    }
    let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
    Ok(interleave(&arrays, &places)?)
}
