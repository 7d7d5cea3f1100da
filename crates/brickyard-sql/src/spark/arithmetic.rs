//! `+`, `-`, `*` and `/` with Spark's result types, in which what does not fit is an error, and NULL for `try_add` and
//! its kin. DataFusion's own arithmetic goes round, and its quotients of decimals have fewer digits.
//!
//! Source: "Decimal" in Spark's `DecimalPrecision`, and Databricks' "ANSI compliance".

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Int64Array};
use datafusion::arrow::compute::kernels::numeric;
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Int64Type, i256};
use datafusion::arrow::error::ArrowError;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use datafusion::physical_expr_common::datum::apply;

/// The widest decimal.
const WIDEST: u8 = 38;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Op {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

/// The result type of two decimals.
pub(super) fn decimal(op: Op, (p1, s1): (u8, i8), (p2, s2): (u8, i8)) -> DataType {
    let (p1, s1, p2, s2) = (i32::from(p1), i32::from(s1), i32::from(p2), i32::from(s2));
    let (precision, scale) = match op {
        Op::Add | Op::Subtract => {
            let scale = s1.max(s2);
            ((p1 - s1).max(p2 - s2) + scale + 1, scale)
        }
        Op::Multiply => (p1 + p2 + 1, s1 + s2),
        Op::Divide => {
            let scale = (s1 + p2 + 1).max(6);
            (p1 - s1 + s2 + scale, scale)
        }
        Op::Modulo => {
            let scale = s1.max(s2);
            ((p1 - s1).min(p2 - s2) + scale, scale)
        }
    };
    let widest = i32::from(WIDEST);
    let (precision, scale) = if precision <= widest {
        (precision, scale)
    } else {
        // The digits before the point stay, and at least six behind it.
        (widest, (widest - (precision - scale)).max(scale.min(6)))
    };
    DataType::Decimal128(u8::try_from(precision).unwrap_or(WIDEST), i8::try_from(scale).unwrap_or(0))
}

/// The decimal that a number is beside another decimal: a literal is as narrow as it is written.
pub(super) fn as_decimal(expr: &Expr, data_type: &DataType) -> Option<(u8, i8)> {
    let literal = if let Expr::Literal(value, _) = expr { Some(value) } else { None };
    narrow(literal, data_type)
}

fn narrow(literal: Option<&ScalarValue>, data_type: &DataType) -> Option<(u8, i8)> {
    let whole = match literal {
        Some(ScalarValue::Int32(Some(n))) => i64::from(*n),
        Some(ScalarValue::Int64(Some(n))) => *n,
        _ => return decimal_digits(data_type),
    };
    Some((u8::try_from(whole.unsigned_abs().to_string().len()).ok()?, 0))
}

/// The digits of a number as a decimal: how many, and how many of them behind the point.
pub(super) fn decimal_digits(data_type: &DataType) -> Option<(u8, i8)> {
    match data_type {
        DataType::Int8 => Some((3, 0)),
        DataType::Int16 => Some((5, 0)),
        DataType::Int32 => Some((10, 0)),
        DataType::Int64 => Some((20, 0)),
        DataType::UInt64 => Some((20, 0)),
        DataType::Decimal128(precision, scale) => Some((*precision, *scale)),
        _ => None,
    }
}

/// A call of checked arithmetic; its sides have the types already.
pub(super) fn checked(op: Op, left: Expr, right: Expr, returns: &DataType) -> Expr {
    let name = match op {
        Op::Add => "add",
        Op::Subtract => "subtract",
        Op::Multiply => "multiply",
        Op::Divide => "divide",
        Op::Modulo => "remainder",
    };
    if let (Expr::Literal(a, _), Expr::Literal(b, _)) = (&left, &right)
        && let Some(folded) = folded(op, a, b)
    {
        return Expr::Literal(folded, None);
    }
    let returns = Some(returns.clone());
    ScalarUDF::from(Arithmetic { returns, ..Arithmetic::new(name, op, false) }).call(vec![left, right])
}

/// Two constants at once: a long chain of them is not a deep tree. What does not fit is left to whoever runs it.
fn folded(op: Op, a: &ScalarValue, b: &ScalarValue) -> Option<ScalarValue> {
    macro_rules! of {
        ($a:expr, $b:expr) => {
            match op {
                Op::Add => $a.checked_add($b),
                Op::Subtract => $a.checked_sub($b),
                Op::Multiply => $a.checked_mul($b),
                _ => None,
            }
        };
    }
    match (a, b) {
        (ScalarValue::Int32(Some(a)), ScalarValue::Int32(Some(b))) => {
            of!(a, *b).map(|done| ScalarValue::Int32(Some(done)))
        }
        (ScalarValue::Int64(Some(a)), ScalarValue::Int64(Some(b))) => {
            of!(a, *b).map(|done| ScalarValue::Int64(Some(done)))
        }
        _ => None,
    }
}

/// The type of an expression. Asked of a call, DataFusion writes out the names of all calls inside; ours know theirs.
pub(super) fn type_of(expr: &Expr, schema: &DFSchema) -> Result<DataType> {
    if let Expr::ScalarFunction(call) = expr {
        let function: &dyn std::any::Any = call.func.inner().as_ref();
        if let Some(Arithmetic { returns: Some(returns), .. }) = function.downcast_ref() {
            return Ok(returns.clone());
        }
    }
    expr.get_type(schema)
}

/// Two decimals, or a decimal and a whole number. `None` for anything else.
pub(super) fn of_decimals(op: Op, left: Expr, right: Expr, types: (&DataType, &DataType)) -> Option<Expr> {
    let (a, b) = (as_decimal(&left, types.0)?, as_decimal(&right, types.1)?);
    let to = |expr: Expr, from: &DataType, (precision, scale)| {
        let wanted = DataType::Decimal128(precision, scale);
        if *from == wanted { expr } else { datafusion::logical_expr::cast(expr, wanted) }
    };
    let returns = decimal(op, a, b);
    Some(checked(op, to(left, types.0, a), to(right, types.1, b), &returns))
}

/// `try_add`, `try_subtract`, `try_multiply`, `try_divide` and `try_mod`.
pub(crate) fn tolerant() -> Vec<ScalarUDF> {
    [
        ("try_add", Op::Add),
        ("try_subtract", Op::Subtract),
        ("try_multiply", Op::Multiply),
        ("try_divide", Op::Divide),
        ("try_mod", Op::Modulo),
    ]
    .into_iter()
    .map(|(name, op)| ScalarUDF::from(Arithmetic::new(name, op, true)))
    .collect()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Arithmetic {
    name: &'static str,
    op: Op,
    /// What does not fit is NULL.
    tolerant: bool,
    /// Known where the planner made the call.
    returns: Option<DataType>,
    signature: Signature,
}

impl Arithmetic {
    fn new(name: &'static str, op: Op, tolerant: bool) -> Self {
        Self { name, op, tolerant, returns: None, signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Arithmetic {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        if let Some(returns) = &self.returns {
            return Ok(returns.clone());
        }
        let [left, right] = types else { return Err(DataFusionError::Plan("two numbers".to_owned())) };
        let whole = |of: &DataType| of.is_signed_integer() || of.is_null();
        let real = |of: &DataType| of.is_floating() || of.is_string();
        let known = if whole(left) && whole(right) {
            if self.op == Op::Divide {
                Some(DataType::Float64)
            } else {
                let wider = if left.primitive_width() >= right.primitive_width() { left } else { right };
                Some(if wider.is_null() { DataType::Int32 } else { wider.clone() })
            }
        } else if real(left) && (right.is_numeric() || real(right) || right.is_null())
            || real(right) && (left.is_numeric() || left.is_null())
        {
            Some(DataType::Float64)
        } else if matches!((left, right), (DataType::Date32, DataType::Int32))
            && matches!(self.op, Op::Add | Op::Subtract)
        {
            Some(DataType::Date32)
        } else {
            match (decimal_digits(left), decimal_digits(right)) {
                (Some(a), Some(b)) => Some(decimal(self.op, a, b)),
                (Some(a), None) if right.is_null() => Some(decimal(self.op, a, a)),
                (None, Some(b)) if left.is_null() => Some(decimal(self.op, b, b)),
                _ => None,
            }
        };
        known.ok_or_else(|| DataFusionError::Plan(format!("{} does not take {left} and {right}", self.name)))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let narrow = |at: usize| narrow(args.scalar_arguments.get(at).copied().flatten(), types.get(at)?);
        // A whole number that is written beside a decimal is as narrow as it is written.
        let beside = types.iter().any(is_decimal);
        let returns = match (self.returns.is_none() && beside, narrow(0), narrow(1)) {
            (true, Some(left), Some(right)) => decimal(self.op, left, right),
            _ => self.return_type(&types)?,
        };
        Ok(Arc::new(Field::new(self.name, returns, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let returns = args.return_field.data_type().clone();
        if returns.is_signed_integer() && !self.tolerant && self.op != Op::Modulo {
            let [left, right] = [0, 1].map(|at| args.args[at].cast_to(&returns, None));
            let kernel = match self.op {
                Op::Add => numeric::add,
                Op::Subtract => numeric::sub,
                _ => numeric::mul,
            };
            return apply(&left?, &right?, kernel);
        }
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let (left, right) = (args.args[0].to_array(rows)?, args.args[1].to_array(rows)?);
        let array = match &returns {
            DataType::Decimal128(precision, scale) => self.decimals(&left, &right, (*precision, *scale))?,
            DataType::Float64 => self.reals(&left, &right)?,
            DataType::Date32 => {
                let days = |array: &ArrayRef| brought(array, &DataType::Int32);
                brought(&self.wholes(&days(&left)?, &days(&right)?, &DataType::Int32)?, &returns)?
            }
            whole => self.wholes(&left, &right, whole)?,
        };
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    }
}

impl Arithmetic {
    fn failed<T>(&self, error: ArrowError) -> Result<Option<T>> {
        if self.tolerant { Ok(None) } else { Err(error.into()) }
    }

    fn decimals(&self, left: &ArrayRef, right: &ArrayRef, to: (u8, i8)) -> Result<ArrayRef> {
        let of = |array: &ArrayRef| -> Result<(Decimal128Array, i8)> {
            let Some((precision, scale)) = decimal_digits(array.data_type()) else {
                return Ok((
                    brought(array, &DataType::Decimal128(to.0, to.1))?
                        .as_primitive::<Decimal128Type>()
                        .clone(),
                    to.1,
                ));
            };
            let array = brought(array, &DataType::Decimal128(precision, scale))?;
            Ok((array.as_primitive::<Decimal128Type>().clone(), scale))
        };
        let ((left, s1), (right, s2)) = (of(left)?, of(right)?);
        let limit = i256::from_i128(10).checked_pow(u32::from(to.0));
        let mut out = Vec::with_capacity(left.len());
        for row in 0..left.len() {
            if left.is_null(row) || right.is_null(row) {
                out.push(None);
                continue;
            }
            let (a, b) = (i256::from_i128(left.value(row)), i256::from_i128(right.value(row)));
            if b == i256::ZERO && matches!(self.op, Op::Divide | Op::Modulo) {
                out.push(self.failed(ArrowError::DivideByZero)?);
                continue;
            }
            let exact = exact(self.op, (a, s1), (b, s2), to.1);
            let fits = exact.filter(|exact| limit.is_none_or(|limit| *exact < limit && *exact > -limit));
            out.push(match fits.and_then(i256::to_i128) {
                Some(value) => Some(value),
                None => self.failed(ArrowError::ArithmeticOverflow(format!(
                    "the result does not fit into DECIMAL({},{})",
                    to.0, to.1
                )))?,
            });
        }
        Ok(Arc::new(Decimal128Array::from(out).with_precision_and_scale(to.0, to.1)?))
    }

    fn reals(&self, left: &ArrayRef, right: &ArrayRef) -> Result<ArrayRef> {
        use datafusion::arrow::array::Float64Array;
        use datafusion::arrow::datatypes::Float64Type;
        let (left, right) = (brought(left, &DataType::Float64)?, brought(right, &DataType::Float64)?);
        let (left, right) = (left.as_primitive::<Float64Type>(), right.as_primitive::<Float64Type>());
        let one = |row: usize| -> Result<Option<f64>> {
            if left.is_null(row) || right.is_null(row) {
                return Ok(None);
            }
            let (a, b) = (left.value(row), right.value(row));
            Ok(Some(match self.op {
                Op::Add => a + b,
                Op::Subtract => a - b,
                Op::Multiply => a * b,
                Op::Divide | Op::Modulo if b == 0.0 => return self.failed(ArrowError::DivideByZero),
                Op::Divide => a / b,
                Op::Modulo => a % b,
            }))
        };
        Ok(Arc::new((0..left.len()).map(one).collect::<Result<Float64Array>>()?))
    }

    fn wholes(&self, left: &ArrayRef, right: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
        let (left, right) = (brought(left, &DataType::Int64)?, brought(right, &DataType::Int64)?);
        let (left, right) = (left.as_primitive::<Int64Type>(), right.as_primitive::<Int64Type>());
        let one = |row: usize| -> Result<Option<i64>> {
            if left.is_null(row) || right.is_null(row) {
                return Ok(None);
            }
            let (a, b) = (left.value(row), right.value(row));
            let done = match self.op {
                Op::Add => a.checked_add(b),
                Op::Subtract => a.checked_sub(b),
                Op::Multiply => a.checked_mul(b),
                Op::Divide | Op::Modulo if b == 0 => return self.failed(ArrowError::DivideByZero),
                Op::Divide => a.checked_div(b),
                // The one case that does not fit into the hardware's own remainder is 0.
                Op::Modulo => Some(a.checked_rem(b).unwrap_or(0)),
            };
            match done {
                Some(done) => Ok(Some(done)),
                None => self
                    .failed(ArrowError::ArithmeticOverflow("the result does not fit into BIGINT".to_owned())),
            }
        };
        let wide: ArrayRef = Arc::new((0..left.len()).map(one).collect::<Result<Int64Array>>()?);
        if to == &DataType::Int64 {
            return Ok(wide);
        }
        // What does not fit into the narrow type is NULL here, and in `checked` it is an error of the kernel.
        Ok(cast_with_options(&wide, to, &CastOptions { safe: true, ..CastOptions::default() })?)
    }
}

fn brought(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    if array.data_type() == to {
        return Ok(Arc::clone(array));
    }
    Ok(cast_with_options(array, to, &CastOptions { safe: false, ..CastOptions::default() })?)
}

/// The unscaled result at a scale; what is halfway goes away from zero. `None` if 256 bits are not enough.
fn exact(op: Op, (a, s1): (i256, i8), (b, s2): (i256, i8), scale: i8) -> Option<i256> {
    let (s1, s2, scale) = (i32::from(s1), i32::from(s2), i32::from(scale));
    match op {
        Op::Add | Op::Subtract | Op::Modulo => {
            let common = s1.max(s2);
            let (a, b) = (raised(a, common - s1)?, raised(b, common - s2)?);
            let done = match op {
                Op::Add => a.checked_add(b)?,
                Op::Subtract => a.checked_sub(b)?,
                _ => a.checked_rem(b)?,
            };
            rescaled(done, common, scale)
        }
        Op::Multiply => rescaled(a.checked_mul(b)?, s1 + s2, scale),
        Op::Divide => {
            let by = scale + s2 - s1;
            let (a, b) = if by >= 0 { (raised(a, by)?, b) } else { (a, raised(b, -by)?) };
            halfway_up(a, b)
        }
    }
}

fn raised(value: i256, by: i32) -> Option<i256> {
    value.checked_mul(i256::from_i128(10).checked_pow(u32::try_from(by).ok()?)?)
}

fn rescaled(value: i256, from: i32, to: i32) -> Option<i256> {
    if to >= from {
        return raised(value, to - from);
    }
    halfway_up(value, raised(i256::ONE, from - to)?)
}

fn halfway_up(value: i256, by: i256) -> Option<i256> {
    let (whole, rest) = (value.checked_div(by)?, value.checked_rem(by)?);
    let twice = rest.checked_mul(i256::from_i128(2))?;
    let (twice, size) = (absolute(twice), absolute(by));
    if twice < size {
        return Some(whole);
    }
    let up = if (value < i256::ZERO) == (by < i256::ZERO) { i256::ONE } else { i256::MINUS_ONE };
    whole.checked_add(up)
}

fn absolute(value: i256) -> i256 {
    if value < i256::ZERO { value.wrapping_neg() } else { value }
}

/// True if the type of an expression is known, and it is a decimal.
pub(super) fn is_decimal(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Decimal128(..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_have_sparks_types() {
        for (op, a, b, expected) in [
            (Op::Add, (10, 2), (5, 3), (12, 3)),
            (Op::Multiply, (10, 2), (5, 3), (16, 5)),
            (Op::Divide, (10, 2), (5, 3), (19, 8)),
            (Op::Divide, (2, 1), (3, 2), (9, 6)),
            (Op::Multiply, (38, 10), (38, 10), (38, 6)),
            (Op::Modulo, (10, 2), (5, 3), (5, 3)),
        ] {
            assert_eq!(decimal(op, a, b), DataType::Decimal128(expected.0, expected.1), "{op:?} {a:?} {b:?}");
        }
    }

    #[test]
    fn halves_go_away_from_zero() {
        let of = |value: i128, by: i128| {
            halfway_up(i256::from_i128(value), i256::from_i128(by)).and_then(i256::to_i128)
        };
        assert_eq!([of(5, 10), of(-5, 10), of(4, 10), of(15, -10)], [Some(1), Some(-1), Some(0), Some(-2)]);
    }
}
