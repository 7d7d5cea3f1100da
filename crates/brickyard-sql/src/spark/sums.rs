//! `sum` of whole numbers, in which what does not fit is an error: DataFusion's own goes round.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use datafusion::arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::arrow::error::ArrowError;
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::functions_aggregate::sum::Sum;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, ReversedUDAF, Signature,
};
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::prim_op::PrimitiveGroupsAccumulator;

/// The function.
pub(crate) fn sum() -> AggregateUDF {
    AggregateUDF::from(CheckedSum { inner: Sum::new() })
}

fn overflow() -> DataFusionError {
    ArrowError::ArithmeticOverflow("the sum does not fit into BIGINT".to_owned()).into()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CheckedSum {
    inner: Sum,
}

fn is_whole(args: &AccumulatorArgs<'_>) -> bool {
    args.return_field.data_type() == &DataType::Int64 && !args.is_distinct
}

impl AggregateUDFImpl for CheckedSum {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        if is_whole(&args) {
            return Ok(Box::new(Whole::default()));
        }
        self.inner.accumulator(args)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        if !is_whole(&args) {
            return self.inner.create_groups_accumulator(args);
        }
        let overflowed = Arc::new(AtomicBool::new(false));
        let noted = Arc::clone(&overflowed);
        let add: Adds = Box::new(move |sum, value| {
            let (wrapped, over) = sum.overflowing_add(value);
            if over {
                noted.store(true, Ordering::Relaxed);
            }
            *sum = wrapped;
        });
        let inner = PrimitiveGroupsAccumulator::new(&DataType::Int64, add);
        Ok(Box::new(WholeGroups { inner, overflowed }))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        if is_whole(&args) {
            return Ok(Box::new(Whole::default()));
        }
        self.inner.create_sliding_accumulator(args)
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.inner.reverse_expr()
    }

    fn order_sensitivity(&self) -> datafusion::logical_expr::utils::AggregateOrderSensitivity {
        self.inner.order_sensitivity()
    }

    fn set_monotonicity(&self, data_type: &DataType) -> datafusion::logical_expr::SetMonotonicity {
        self.inner.set_monotonicity(data_type)
    }
}

type Adds = Box<dyn Fn(&mut i64, i64) + Send + Sync>;

/// Sums of groups.
struct WholeGroups {
    inner: PrimitiveGroupsAccumulator<Int64Type, Adds>,
    overflowed: Arc<AtomicBool>,
}

impl WholeGroups {
    fn whole<T>(&self, done: T) -> Result<T> {
        if self.overflowed.load(Ordering::Relaxed) { Err(overflow()) } else { Ok(done) }
    }
}

impl GroupsAccumulator for WholeGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.inner.update_batch(values, groups, filter, total)?;
        self.whole(())
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let done = self.inner.evaluate(emit)?;
        self.whole(done)
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        let done = self.inner.state(emit)?;
        self.whole(done)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.inner.merge_batch(values, groups, total)?;
        self.whole(())
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.inner.convert_to_state(values, filter)
    }

    fn size(&self) -> usize {
        self.inner.size()
    }
}

/// One sum, wide enough for every window.
#[derive(Debug, Default)]
struct Whole {
    sum: i128,
    count: u64,
}

impl Whole {
    fn add(&mut self, values: &ArrayRef, sign: i128) {
        let values = values.as_primitive::<Int64Type>();
        let sum: i128 = if values.null_count() == 0 {
            values.values().iter().map(|value| i128::from(*value)).sum()
        } else {
            values.iter().flatten().map(i128::from).sum()
        };
        self.sum += sign * sum;
        let known = (values.len() - values.null_count()) as u64;
        self.count = if sign > 0 { self.count + known } else { self.count.saturating_sub(known) };
    }
}

impl Accumulator for Whole {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(&values[0], 1);
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.add(&states[0], 1);
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(&values[0], -1);
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.count == 0 {
            return Ok(ScalarValue::Int64(None));
        }
        i64::try_from(self.sum).map(|sum| ScalarValue::Int64(Some(sum))).map_err(|_| overflow())
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}
