//! Operators and literals that DataFusion would plan in its own sense.

use std::sync::Arc;

use datafusion::arrow::array::{Array, Float64Array};
use datafusion::arrow::datatypes::DataType;
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
    ScalarUDFImpl, Signature, Volatility, WindowFunctionDefinition, cast, lit, when,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;

/// Spark's reading of operators.
#[derive(Debug, Default)]
pub(crate) struct SparkOperators;

impl ExprPlanner for SparkOperators {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
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
        let (Ok(left), Ok(right)) = (expr.left.get_type(schema), expr.right.get_type(schema)) else {
            return Ok(PlannerResult::Original(expr));
        };
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
            // From 0. Nothing is before the first element.
            Ok(DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..)) => {
                let place = cast(key, DataType::Int64);
                let place = match place {
                    Expr::Cast(inner) if matches!(*inner.expr, Expr::Literal(..)) => {
                        match inner.expr.as_ref() {
                            Expr::Literal(value, _) => match value.cast_to(&DataType::Int64)? {
                                ScalarValue::Int64(Some(place)) if place >= 0 => lit(place.saturating_add(1)),
                                _ => lit(ScalarValue::Int64(None)),
                            },
                            _ => lit(ScalarValue::Int64(None)),
                        }
                    }
                    place => when(place.clone().gt_eq(lit(0_i64)), place + lit(1_i64))
                        .otherwise(lit(ScalarValue::Int64(None)))?,
                };
                Ok(PlannerResult::Planned(array_element(access.expr, place)))
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

/// A text beside a number is a number. INTs that do not fit are an error: DataFusion's own arithmetic would go round.
fn arithmetic(expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
    let (Ok(left), Ok(right)) = (expr.left.get_type(schema), expr.right.get_type(schema)) else {
        return Ok(PlannerResult::Original(expr));
    };
    let beside = |number: &DataType| if number.is_integer() { DataType::Int64 } else { DataType::Float64 };
    let RawBinaryExpr { op, left: a, right: b } = expr;
    if left.is_string() && right.is_numeric() {
        return Ok(PlannerResult::Original(RawBinaryExpr { op, left: cast(a, beside(&right)), right: b }));
    }
    if right.is_string() && left.is_numeric() {
        return Ok(PlannerResult::Original(RawBinaryExpr { op, left: a, right: cast(b, beside(&left)) }));
    }
    let operator = match op {
        BinaryOperator::Plus => Operator::Plus,
        BinaryOperator::Minus => Operator::Minus,
        BinaryOperator::Multiply => Operator::Multiply,
        _ => return Ok(PlannerResult::Original(RawBinaryExpr { op, left: a, right: b })),
    };
    if left != DataType::Int32 || right != DataType::Int32 {
        return Ok(PlannerResult::Original(RawBinaryExpr { op, left: a, right: b }));
    }
    let (a, b) = (cast(a, DataType::Int64), cast(b, DataType::Int64));
    let wide = Expr::BinaryExpr(BinaryExpr::new(Box::new(a), operator, Box::new(b)));
    Ok(PlannerResult::Planned(cast(wide, DataType::Int32)))
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
    let ours: [Arc<dyn ExprPlanner>; 2] =
        [Arc::new(SparkOperators), Arc::new(datafusion_spark::planner::SparkFunctionPlanner)];
    ours.into_iter().chain(planners.unwrap_or_default()).collect()
}
