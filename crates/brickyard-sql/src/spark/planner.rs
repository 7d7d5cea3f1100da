//! Operators and literals that DataFusion would plan in its own sense.

use std::sync::Arc;

use datafusion::arrow::array::{Array, Float64Array};
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::arrow::error::ArrowError;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::{DataFusionError, Result};
use datafusion::functions_nested::expr_fn::{array_element, map_extract};
use datafusion::logical_expr::expr::{WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::planner::{
    ExprPlanner, PlannerResult, RawBinaryExpr, RawFieldAccessExpr, RawWindowExpr,
};
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, GetFieldAccess, Operator, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility, WindowFunctionDefinition, cast, lit,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::arithmetic::{Op, checked, is_decimal, of_decimals, type_of};
use super::comparisons::{compared, settled};
use super::intervals::is_interval;
use super::wider::{beside_text, wider};
use crate::error::SqlError;

/// Spark's reading of operators.
#[derive(Debug)]
pub(crate) struct SparkOperators {
    /// What a subscript of an array is.
    items: ScalarUDF,
    /// An interval times a number, and divided by one.
    scaled: [ScalarUDF; 2],
}

impl ExprPlanner for SparkOperators {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let arithmetical = matches!(
            expr.op,
            BinaryOperator::Plus
                | BinaryOperator::Minus
                | BinaryOperator::Multiply
                | BinaryOperator::Divide
                | BinaryOperator::Modulo
                | BinaryOperator::MyIntegerDivide
        );
        let RawBinaryExpr { op, mut left, mut right } = expr;
        if !arithmetical {
            let compares = matches!(
                op,
                BinaryOperator::Eq
                    | BinaryOperator::NotEq
                    | BinaryOperator::Lt
                    | BinaryOperator::LtEq
                    | BinaryOperator::Gt
                    | BinaryOperator::GtEq
                    | BinaryOperator::Spaceship
            );
            if compares {
                compared(&mut left, &mut right, schema)?;
            }
            return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
        }
        let expr = RawBinaryExpr { op, left: settled(left, schema)?, right: settled(right, schema)? };
        let expr = match self.scaled(expr, schema) {
            PlannerResult::Original(expr) => expr,
            planned => return Ok(planned),
        };
        let divides = match expr.op {
            BinaryOperator::Divide => false,
            BinaryOperator::MyIntegerDivide => true,
            BinaryOperator::Plus
            | BinaryOperator::Minus
            | BinaryOperator::Multiply
            | BinaryOperator::Modulo => {
                return arithmetic(expr, schema);
            }
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let (Ok(left), Ok(right)) = (type_of(&expr.left, schema), type_of(&expr.right, schema)) else {
            return Ok(PlannerResult::Original(expr));
        };
        let (expr, left, right) = numbers(expr, left, right);
        let whole = |of: &DataType| of.is_integer() || of.is_null();
        let approximate = |of: &DataType| whole(of) || of.is_floating() || of.is_string();
        let divided = if divides && whole(&left) && whole(&right) {
            divide(cast(expr.left, DataType::Int64), cast(expr.right, DataType::Int64))
        } else if approximate(&left) && approximate(&right) || left.is_floating() || right.is_floating() {
            let left = cast(expr.left, DataType::Float64);
            let right = cast(expr.right, DataType::Float64);
            let quotient = divide(left, ScalarUDF::from(NotZero::new()).call(vec![right]));
            if divides { cast(quotient, DataType::Int64) } else { quotient }
        } else if divides {
            cast(divide(expr.left, expr.right), DataType::Int64)
        } else if (is_decimal(&left) || is_decimal(&right))
            && let Some(quotient) =
                of_decimals(Op::Divide, expr.left.clone(), expr.right.clone(), (&left, &right))
        {
            quotient
        } else {
            return Ok(PlannerResult::Original(expr));
        };
        Ok(PlannerResult::Planned(divided))
    }

    fn plan_extract(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        if let [Expr::Literal(field, _), Expr::Literal(text, _)] = args.as_slice()
            && let (Some(Some(field)), Some(Some(text))) = (field.try_as_str(), text.try_as_str())
            && let Some(number) = super::literals::marked(field, text)
        {
            return Ok(PlannerResult::Planned(Expr::Literal(number, None)));
        }
        Ok(PlannerResult::Original(args))
    }

    fn plan_field_access(
        &self,
        access: RawFieldAccessExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawFieldAccessExpr>> {
        let GetFieldAccess::ListIndex { key } = &access.field_access else {
            return Ok(PlannerResult::Original(access));
        };
        let key = (**key).clone();
        match access.expr.get_type(schema) {
            // From 0, and outside is an error.
            Ok(DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..)) => {
                let item = self.items.call(vec![access.expr, cast(key, DataType::Int64)]);
                Ok(PlannerResult::Planned(item))
            }
            Ok(DataType::Map(..)) => {
                Ok(PlannerResult::Planned(array_element(map_extract(access.expr, key), lit(1_i64))))
            }
            _ => Ok(PlannerResult::Original(access)),
        }
    }

    fn plan_window(&self, expr: RawWindowExpr) -> Result<PlannerResult<RawWindowExpr>> {
        let WindowFunctionDefinition::WindowUDF(function) = &expr.func_def else {
            return Ok(PlannerResult::Original(expr));
        };
        if !matches!(function.name(), "row_number" | "rank" | "dense_rank" | "ntile") {
            return Ok(PlannerResult::Original(expr));
        }
        let call = Expr::WindowFunction(Box::new(WindowFunction {
            fun: expr.func_def,
            params: WindowFunctionParams {
                args: expr.args,
                partition_by: expr.partition_by,
                order_by: expr.order_by,
                window_frame: expr.window_frame,
                filter: expr.filter,
                null_treatment: expr.null_treatment,
                distinct: expr.distinct,
            },
        }));
        Ok(PlannerResult::Planned(cast(call, DataType::Int32)))
    }
}

impl SparkOperators {
    /// An interval times a number, a number times an interval, an interval divided by a number.
    fn scaled(&self, expr: RawBinaryExpr, schema: &DFSchema) -> PlannerResult<RawBinaryExpr> {
        let divides = match expr.op {
            BinaryOperator::Multiply => false,
            BinaryOperator::Divide => true,
            _ => return PlannerResult::Original(expr),
        };
        let (Ok(left), Ok(right)) = (type_of(&expr.left, schema), type_of(&expr.right, schema)) else {
            return PlannerResult::Original(expr);
        };
        let factor = |of: &DataType| of.is_numeric() || of.is_string() || of.is_null();
        let RawBinaryExpr { op, left: a, right: b } = expr;
        if is_interval(&left) && factor(&right) {
            PlannerResult::Planned(self.scaled[usize::from(divides)].call(vec![a, b]))
        } else if is_interval(&right) && factor(&left) && !divides {
            PlannerResult::Planned(self.scaled[0].call(vec![b, a]))
        } else {
            PlannerResult::Original(RawBinaryExpr { op, left: a, right: b })
        }
    }
}

/// A text beside a number is a number. What does not fit is an error: DataFusion's own arithmetic would go round.
fn arithmetic(expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
    let (Ok(left), Ok(right)) = (type_of(&expr.left, schema), type_of(&expr.right, schema)) else {
        return Ok(PlannerResult::Original(expr));
    };
    if left.is_string() && right.is_string() {
        let error = SqlError::condition(
            "DATATYPE_MISMATCH.BINARY_OP_WRONG_TYPE",
            "42K09",
            format!(
                "{} of two STRINGs: it takes numbers or intervals. Cast them, or write || to join them.",
                expr.op
            ),
        );
        return Err(error.in_engine());
    }
    let (RawBinaryExpr { op, left: a, right: b }, left, right) = numbers(expr, left, right);
    let op_here = match op {
        BinaryOperator::Plus => Op::Add,
        BinaryOperator::Minus => Op::Subtract,
        BinaryOperator::Multiply => Op::Multiply,
        _ => Op::Modulo,
    };
    if let Some(planned) = moments(op_here, &a, &b, (&left, &right))? {
        return Ok(PlannerResult::Planned(planned));
    }
    if left.is_signed_integer() && right.is_signed_integer() && op_here != Op::Modulo {
        let wider = if left.primitive_width() >= right.primitive_width() { &left } else { &right };
        let to = |expr: Expr, from: &DataType| if from == wider { expr } else { cast(expr, wider.clone()) };
        return Ok(PlannerResult::Planned(checked(op_here, to(a, &left), to(b, &right), wider)));
    }
    // By zero it fails, where DataFusion's own answers NaN.
    if op_here == Op::Modulo
        && (left.is_floating() || right.is_floating())
        && let Some(both) = wider(&left, &right)
    {
        let real = DataType::Float64;
        let planned = checked(op_here, cast(a, real.clone()), cast(b, real.clone()), &real);
        return Ok(PlannerResult::Planned(if both == real { planned } else { cast(planned, both) }));
    }
    if (is_decimal(&left) || is_decimal(&right))
        && let Some(planned) = of_decimals(op_here, a.clone(), b.clone(), (&left, &right))
    {
        return Ok(PlannerResult::Planned(planned));
    }
    Ok(PlannerResult::Original(RawBinaryExpr { op, left: a, right: b }))
}

/// A text beside a number, read as that number is.
fn numbers(
    mut expr: RawBinaryExpr,
    mut left: DataType,
    mut right: DataType,
) -> (RawBinaryExpr, DataType, DataType) {
    if left.is_string()
        && right.is_numeric()
        && let Some(wanted) = beside_text(&right)
    {
        (expr.left, left) = (cast(expr.left, wanted.clone()), wanted);
    } else if right.is_string()
        && left.is_numeric()
        && let Some(wanted) = beside_text(&left)
    {
        (expr.right, right) = (cast(expr.right, wanted.clone()), wanted);
    }
    (expr, left, right)
}

/// Days and instants: their difference is an interval, and hours make an instant of a day.
fn moments(op: Op, a: &Expr, b: &Expr, types: (&DataType, &DataType)) -> Result<Option<Expr>> {
    let instant = DataType::Timestamp(TimeUnit::Microsecond, Some(crate::arrow_types::UTC.into()));
    let day = |of: &DataType| of == &DataType::Date32;
    let moment = |of: &DataType| matches!(of, DataType::Timestamp(..));
    let has_hours = |of: &Expr| matches!(of, Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(step)), _) if step.nanoseconds != 0);
    let both =
        |operator, a: Expr, b: Expr| Expr::BinaryExpr(BinaryExpr::new(Box::new(a), operator, Box::new(b)));
    let (left, right) = types;
    if op == Op::Subtract
        && (day(left) || moment(left))
        && (day(right) || moment(right))
        && (day(left) || day(right))
    {
        return Ok(Some(both(Operator::Minus, cast(a.clone(), instant.clone()), cast(b.clone(), instant))));
    }
    let operator = match op {
        Op::Add => Operator::Plus,
        Op::Subtract => Operator::Minus,
        _ => return Ok(None),
    };
    if day(left) && has_hours(b) {
        return Ok(Some(both(operator, cast(a.clone(), instant), b.clone())));
    }
    if day(right) && has_hours(a) && op == Op::Add {
        return Ok(Some(both(operator, a.clone(), cast(b.clone(), instant))));
    }
    Ok(None)
}

fn divide(left: Expr, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), Operator::Divide, Box::new(right)))
}

/// Its argument, which is a divisor: zero is an error, and no infinity.
#[derive(Debug, PartialEq, Eq, Hash)]
struct NotZero {
    signature: Signature,
}

impl NotZero {
    fn new() -> Self {
        Self { signature: Signature::exact(vec![DataType::Float64], Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for NotZero {
    fn name(&self) -> &str {
        "divisor"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let zero = match &args.args[0] {
            ColumnarValue::Scalar(value) => {
                matches!(value, ScalarValue::Float64(Some(number)) if *number == 0.0)
            }
            ColumnarValue::Array(array) => {
                let numbers = array.as_any().downcast_ref::<Float64Array>();
                numbers.is_some_and(|numbers| numbers.iter().flatten().any(|number| number == 0.0))
            }
        };
        if zero {
            return Err(DataFusionError::ArrowError(Box::new(ArrowError::DivideByZero), None));
        }
        Ok(args.args[0].clone())
    }
}

/// The planners of a session: ours first.
pub(crate) fn first(planners: Option<Vec<Arc<dyn ExprPlanner>>>) -> Vec<Arc<dyn ExprPlanner>> {
    let ours: [Arc<dyn ExprPlanner>; 2] = [
        Arc::new(SparkOperators {
            items: super::made::one("array_item"),
            scaled: ["interval_times", "interval_divided"].map(super::made::one),
        }),
        Arc::new(datafusion_spark::planner::SparkFunctionPlanner),
    ];
    ours.into_iter().chain(planners.unwrap_or_default()).collect()
}
