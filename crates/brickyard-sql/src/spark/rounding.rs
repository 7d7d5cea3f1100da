//! `round` and `bround`: what is halfway goes away from zero, or to the even neighbour, as the number is written; and a
//! decimal has as many places afterwards as were asked for.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Float64Type, Int64Type};
use datafusion::arrow::error::ArrowError;
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::made::written_rounded;

/// Both functions.
pub(crate) fn all() -> [ScalarUDF; 2] {
    [("round", false), ("bround", true)].map(|(name, even)| {
        ScalarUDF::from(Round { name, even, signature: Signature::user_defined(Volatility::Immutable) })
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Round {
    name: &'static str,
    even: bool,
    signature: Signature,
}

impl ScalarUDFImpl for Round {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let (Some(first), true) = (types.first(), types.len() <= 2) else {
            return Err(DataFusionError::Plan(format!("{} takes a number and a count of places", self.name)));
        };
        let number = match first {
            DataType::Float32 => DataType::Float32,
            whole if whole.is_signed_integer() => whole.clone(),
            DataType::Decimal128(..) => first.clone(),
            _ => DataType::Float64,
        };
        Ok(std::iter::once(number).chain(types.get(1).map(|_| DataType::Int32)).collect())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        // The places are not known here; `return_field_from_args` knows them.
        types.first().cloned().ok_or_else(|| DataFusionError::Plan("round takes a number".to_owned()))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let of = args.arg_fields[0].data_type();
        let places = match args.scalar_arguments.get(1) {
            None => Some(0),
            Some(Some(value)) => match value.cast_to(&DataType::Int32)? {
                ScalarValue::Int32(places) => Some(places.unwrap_or(0)),
                _ => None,
            },
            Some(None) => None,
        };
        let Some(places) = places else {
            return Err(DataFusionError::Plan(format!("{} takes its places as a constant", self.name)));
        };
        let returns = match of {
            DataType::Decimal128(precision, scale) => decimal(*precision, *scale, places),
            other => other.clone(),
        };
        Ok(Arc::new(Field::new(self.name, returns, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let places = match args.args.get(1) {
            None => Some(0),
            Some(ColumnarValue::Scalar(ScalarValue::Int32(places))) => *places,
            Some(_) => return Err(DataFusionError::Execution("the places are no constant".to_owned())),
        };
        let constant = matches!(args.args[0], ColumnarValue::Scalar(_));
        let array = args.args[0].to_array(if constant { 1 } else { args.number_rows })?;
        let returns = args.return_field.data_type();
        let array = match places {
            Some(places) => self.rounded(&array, places, returns)?,
            None => datafusion::arrow::array::new_null_array(returns, array.len()),
        };
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    }
}

/// The type of a decimal that was rounded.
fn decimal(precision: u8, scale: i8, places: i32) -> DataType {
    let (precision, scale) = (i32::from(precision), i32::from(scale));
    let whole = precision - scale + 1;
    let (precision, scale) = if places < 0 {
        (whole.max(places.saturating_neg().saturating_add(1)), 0)
    } else {
        (whole + scale.min(places), scale.min(places))
    };
    DataType::Decimal128(u8::try_from(precision.min(38)).unwrap_or(38), i8::try_from(scale).unwrap_or(0))
}

impl Round {
    fn rounded(&self, array: &ArrayRef, places: i32, returns: &DataType) -> Result<ArrayRef> {
        let overflow = || {
            DataFusionError::from(ArrowError::ArithmeticOverflow(format!(
                "the rounded number does not fit into {returns}"
            )))
        };
        if let DataType::Decimal128(_, scale) = array.data_type() {
            let DataType::Decimal128(precision, to) = returns else { return Err(overflow()) };
            let numbers = array.as_primitive::<Decimal128Type>();
            let mut out = Vec::with_capacity(numbers.len());
            for number in numbers {
                let number: Option<i128> = number;
                out.push(match number {
                    Some(number) => {
                        let dropped = i32::from(*scale).saturating_sub(places).max(0);
                        let rounded = tens(number, dropped, self.even);
                        // Places that are before the point are zeros again.
                        let zeros = u32::try_from(places.min(0).saturating_neg()).unwrap_or(0);
                        let rounded = 10_i128.checked_pow(zeros).and_then(|zeros| rounded.checked_mul(zeros));
                        Some(rounded.ok_or_else(overflow)?)
                    }
                    None => None,
                });
            }
            let out = Decimal128Array::from(out).with_precision_and_scale(*precision, *to)?;
            out.validate_decimal_precision(*precision)?;
            return Ok(Arc::new(out));
        }
        if array.data_type().is_integer() {
            if places >= 0 {
                return Ok(Arc::clone(array));
            }
            let wide = cast_with_options(array, &DataType::Int64, &CastOptions::default())?;
            let dropped = places.saturating_neg();
            let one = |number: i64| {
                let rounded = tens(number.into(), dropped, self.even);
                let zeros = 10_i128.checked_pow(u32::try_from(dropped).ok()?);
                match zeros {
                    Some(zeros) => rounded.checked_mul(zeros).and_then(|back| i64::try_from(back).ok()),
                    None => Some(0),
                }
            };
            let mut out = Vec::with_capacity(wide.len());
            for number in wide.as_primitive::<Int64Type>() {
                let number: Option<i64> = number;
                out.push(match number {
                    Some(number) => Some(one(number).ok_or_else(overflow)?),
                    None => None,
                });
            }
            let out: ArrayRef = Arc::new(Int64Array::from(out));
            let strict = CastOptions { safe: false, ..CastOptions::default() };
            return cast_with_options(&out, returns, &strict).map_err(|_| overflow());
        }
        let narrow = array.data_type() == &DataType::Float32;
        let wide = cast_with_options(array, &DataType::Float64, &CastOptions::default())?;
        let one = |number: f64| {
            if !number.is_finite() {
                return number;
            }
            // The digits are those that the number is written with.
            let written = if narrow { format!("{}", number as f32) } else { format!("{number}") };
            let places = i64::from(places.clamp(-400, 400));
            written_rounded(&written, places, self.even).parse().unwrap_or(number)
        };
        let out = wide.as_primitive::<Float64Type>().iter().map(|number| number.map(one));
        let out: ArrayRef = Arc::new(out.collect::<Float64Array>());
        Ok(cast_with_options(&out, returns, &CastOptions::default())?)
    }
}

/// A number without its last digits.
fn tens(number: i128, dropped: i32, even: bool) -> i128 {
    let Some(by) = u32::try_from(dropped).ok().and_then(|dropped| 10_i128.checked_pow(dropped)) else {
        return 0;
    };
    let (whole, rest) = (number / by, (number % by).abs());
    let up = match (rest.saturating_mul(2)).cmp(&by) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal if by > 1 => !even || whole % 2 != 0,
        std::cmp::Ordering::Equal => false,
        std::cmp::Ordering::Greater => true,
    };
    if up { whole + number.signum() } else { whole }
}
