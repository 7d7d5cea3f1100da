//! Casts that mean something else in Spark than in Arrow: a number is an instant in seconds, an instant is a text without
//! `T` and `Z`, a text is a date in more than one form.
//!
//! They are replaced after DataFusion put in the casts that nobody wrote, so those are Spark's, too.

use std::hash::Hash;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{
    DataType, Field, FieldRef, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use datafusion::arrow::error::ArrowError;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;

use super::{moment_text, value_text};
use crate::arrow_types::UTC;

/// Puts Spark's casts in the place of Arrow's.
#[derive(Debug)]
pub(crate) struct SparkCasts;

impl AnalyzerRule for SparkCasts {
    fn name(&self) -> &str {
        "spark_casts"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| {
            if !casts(&node)? {
                return Ok(Transformed::no(node));
            }
            let mut schema = merge_schema(&node.inputs());
            if let LogicalPlan::TableScan(scan) = &node {
                schema.merge(&DFSchema::try_from_qualified_schema(
                    scan.table_name.clone(),
                    &scan.source.schema(),
                )?);
            }
            let names = NamePreserver::new(&node);
            let mapped = node.map_expressions(|expr| {
                let name = names.save(&expr);
                let replaced = expr.transform_up(|expr| replaced(expr, &schema))?;
                Ok(replaced.update_data(|expr| name.restore(expr)))
            })?;
            mapped.map_data(LogicalPlan::recompute_schema)
        })
        .map(|transformed| transformed.data)
    }
}

fn casts(node: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    node.apply_expressions(|expr| {
        found |= expr.exists(|inner| Ok(matches!(inner, Expr::Cast(_) | Expr::TryCast(_))))?;
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

fn replaced(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let (inner, to, tolerant) = match &expr {
        Expr::Cast(cast) => (&cast.expr, cast.field.data_type(), false),
        Expr::TryCast(cast) => (&cast.expr, cast.field.data_type(), true),
        _ => return Ok(Transformed::no(expr)),
    };
    let Ok(from) = inner.get_type(schema) else { return Ok(Transformed::no(expr)) };
    if !is_sparks(&from, to) {
        return Ok(Transformed::no(expr));
    }
    let to = to.clone();
    let inner = match expr {
        Expr::Cast(cast) => *cast.expr,
        Expr::TryCast(cast) => *cast.expr,
        other => return Ok(Transformed::no(other)),
    };
    let signature = Signature::any(1, Volatility::Immutable);
    Ok(Transformed::yes(ScalarUDF::from(SparkCast { to, tolerant, signature }).call(vec![inner])))
}

/// True for the casts that differ.
fn is_sparks(from: &DataType, to: &DataType) -> bool {
    let moment = |of: &DataType| matches!(of, DataType::Timestamp(..));
    if to.is_string() {
        return moment(from) || from.is_floating() || from.is_nested();
    }
    moment(to) && (from.is_numeric() || from.is_string())
        || moment(from) && to.is_numeric()
        || from.is_string() && to == &DataType::Date32
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct SparkCast {
    to: DataType,
    tolerant: bool,
    signature: Signature,
}

impl ScalarUDFImpl for SparkCast {
    fn name(&self) -> &str {
        "spark_cast"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let nullable = self.tolerant || args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), self.to.clone(), nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = matches!(args.args[0], ColumnarValue::Scalar(_));
        let array = args.args[0].to_array(if constant { 1 } else { args.number_rows })?;
        let array = self.cast(&array)?;
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    }
}

impl SparkCast {
    fn cast(&self, array: &ArrayRef) -> Result<ArrayRef> {
        let from = array.data_type();
        if self.to.is_string() {
            return self.native(&value_text::texts(array)?, &self.to);
        }
        if from.is_string() {
            let texts = self.native(array, &DataType::Utf8)?;
            let texts: &StringArray = texts.as_string();
            return moment_text::parsed(texts, &self.to, self.tolerant);
        }
        if matches!(self.to, DataType::Timestamp(..)) {
            let micros = self.micros(array)?;
            let zoned: ArrayRef = Arc::new(micros);
            return self.native(&zoned, &self.to);
        }
        self.seconds(array)
    }

    fn native(&self, array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
        if array.data_type() == to {
            return Ok(Arc::clone(array));
        }
        let options = CastOptions { safe: self.tolerant, ..CastOptions::default() };
        Ok(cast_with_options(array, to, &options)?)
    }

    /// Seconds as microseconds since 1970.
    fn micros(&self, array: &ArrayRef) -> Result<TimestampMicrosecondArray> {
        let mut out = Vec::with_capacity(array.len());
        let mut push = |micros: Option<Option<i64>>| {
            match micros {
                Some(None) if !self.tolerant => {
                    return Err(ArrowError::ArithmeticOverflow(
                        "the number of seconds does not fit into TIMESTAMP".to_owned(),
                    ));
                }
                other => out.push(other.flatten()),
            }
            Ok(())
        };
        if array.data_type().is_floating() {
            let seconds = self.native(array, &DataType::Float64)?;
            for one in seconds.as_primitive::<Float64Type>() {
                let one: Option<f64> = one;
                push(one.map(|seconds| {
                    let micros = seconds * 1e6;
                    // What is no number, or none that fits, is no instant.
                    (micros.abs() < 9.2e18).then_some(micros as i64)
                }))?;
            }
        } else if array.data_type().is_integer() {
            let seconds = self.native(array, &DataType::Int64)?;
            for one in seconds.as_primitive::<Int64Type>() {
                let one: Option<i64> = one;
                push(one.map(|seconds| seconds.checked_mul(1_000_000)))?;
            }
        } else {
            let micros = self.native(array, &DataType::Decimal128(38, 6))?;
            for one in micros.as_primitive::<datafusion::arrow::datatypes::Decimal128Type>() {
                let one: Option<i128> = one;
                push(one.map(|micros| i64::try_from(micros).ok()))?;
            }
        }
        Ok(TimestampMicrosecondArray::from(out).with_timezone(UTC))
    }

    /// An instant as seconds since 1970.
    fn seconds(&self, array: &ArrayRef) -> Result<ArrayRef> {
        let micros = self.native(array, &DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())))?;
        let micros = micros.as_primitive::<TimestampMicrosecondType>();
        let seconds: ArrayRef = if self.to.is_floating() {
            Arc::new(micros.iter().map(|at| at.map(|at| at as f64 / 1e6)).collect::<Float64Array>())
        } else if self.to.is_integer() {
            Arc::new(micros.iter().map(|at| at.map(|at| at.div_euclid(1_000_000))).collect::<Int64Array>())
        } else {
            let exact: Decimal128Array = micros.iter().map(|at| at.map(i128::from)).collect();
            Arc::new(exact.with_precision_and_scale(19, 6)?)
        };
        self.native(&seconds, &self.to)
    }
}
