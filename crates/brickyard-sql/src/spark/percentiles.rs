//! `percentile`, `percentile_cont`, `percentile_disc` and `approx_percentile`: of one percentage, or of an array of them.
//!
//! The values of a group are kept and sorted, also for the approximate form: an exact answer is within every accuracy that
//! may be asked for.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::ScalarValue;
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};

/// All of them.
pub(crate) fn all() -> [AggregateUDF; 4] {
    [
        ("percentile", How::Between),
        ("percentile_cont", How::Between),
        ("percentile_disc", How::There),
        ("approx_percentile", How::OwnType),
    ]
    .map(|(name, how)| {
        let signature = Signature::user_defined(Volatility::Immutable);
        AggregateUDF::from(Percentile { name, how, signature })
    })
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum How {
    /// Between two values, in proportion.
    Between,
    /// One of the values, as a DOUBLE.
    There,
    /// One of the values, of the type that they have.
    OwnType,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Percentile {
    name: &'static str,
    how: How,
    signature: Signature,
}

fn list(of: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(of, true)))
}

impl AggregateUDFImpl for Percentile {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn supports_within_group_clause(&self) -> bool {
        matches!(self.name, "percentile_cont" | "percentile_disc")
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let wrong = |why: &str| Err(DataFusionError::Plan(format!("{} {why}", self.name)));
        let (of, percentage, rest) = match types {
            [of, percentage] => (of, percentage, None),
            [of, percentage, accuracy] if self.how == How::OwnType => (of, percentage, Some(accuracy)),
            [_, _, _] => return wrong("with a frequency for each value is not supported"),
            _ => return wrong("takes what it is of, and a percentage or an array of them"),
        };
        let number = |of: &DataType| of.is_numeric() || of.is_null();
        let taken = number(of) || of.is_string() && self.how != How::OwnType;
        if !taken {
            return wrong(&format!("takes numbers, not {of}"));
        }
        let percentage = match percentage {
            DataType::List(element) if number(element.data_type()) => list(DataType::Float64),
            one if number(one) => DataType::Float64,
            other => return wrong(&format!("takes a percentage between 0 and 1, not {other}")),
        };
        let of = if self.how == How::OwnType { of.clone() } else { DataType::Float64 };
        Ok([of, percentage].into_iter().chain(rest.map(|_| DataType::Int64)).collect())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let of = if self.how == How::OwnType { types[0].clone() } else { DataType::Float64 };
        Ok(if matches!(types[1], DataType::List(_)) { list(of) } else { of })
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Values {
            how: self.how,
            name: self.name,
            descending: args.order_bys.first().is_some_and(|order| order.options.descending),
            distinct: args.is_distinct,
            percentages: None,
            values: Vec::new(),
            returns: args.return_field.data_type().clone(),
        }))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let field = |name: &str| {
            Arc::new(Field::new(format!("{}[{name}]", args.name), list(DataType::Float64), true))
        };
        Ok(vec![field("values"), field("percentages")])
    }
}

#[derive(Debug)]
struct Values {
    how: How,
    name: &'static str,
    descending: bool,
    distinct: bool,
    percentages: Option<Vec<f64>>,
    values: Vec<f64>,
    returns: DataType,
}

impl Values {
    /// The percentages are the same for every row.
    fn asked(&mut self, percentages: Vec<Option<f64>>) -> Result<()> {
        let known: Vec<f64> = percentages.iter().flatten().copied().collect();
        let fine = known.len() == percentages.len() && known.iter().all(|one| (0.0..=1.0).contains(one));
        if !fine || self.percentages.as_ref().is_some_and(|before| *before != known) {
            let message = format!("the percentage of {} is a constant between 0 and 1", self.name);
            return Err(DataFusionError::Execution(message));
        }
        self.percentages = Some(known);
        Ok(())
    }

    /// What is at a percentage of the sorted values.
    fn at(&self, percentage: f64) -> Option<f64> {
        let last = self.values.len().checked_sub(1)?;
        let of = |at: usize| self.values[if self.descending { last - at } else { at }.min(last)];
        if self.how == How::Between {
            let place = percentage * last as f64;
            let (below, above) = (of(place.floor() as usize), of(place.ceil() as usize));
            let shares = (place.ceil() - place, place - place.floor());
            return Some(if below == above { below } else { shares.0 * below + shares.1 * above });
        }
        let rank = (percentage * self.values.len() as f64).ceil() as usize;
        Some(of(rank.saturating_sub(1)))
    }
}

fn reals(array: &ArrayRef) -> Result<ArrayRef> {
    Ok(datafusion::arrow::compute::cast(array, &DataType::Float64)?)
}

impl Accumulator for Values {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let numbers = reals(&values[0])?;
        if numbers.is_empty() {
            return Ok(());
        }
        let percentages = match values[1].data_type() {
            DataType::List(_) if values[1].is_valid(0) => {
                reals(&values[1].as_list::<i32>().value(0))?.as_primitive::<Float64Type>().iter().collect()
            }
            DataType::List(_) => vec![None],
            _ => reals(&values[1])?.slice(0, 1).as_primitive::<Float64Type>().iter().collect(),
        };
        self.asked(percentages)?;
        self.values.extend(numbers.as_primitive::<Float64Type>().iter().flatten());
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let (values, percentages) = (states[0].as_list::<i32>(), states[1].as_list::<i32>());
        for row in 0..values.len() {
            if percentages.is_null(row) {
                continue;
            }
            self.asked(percentages.value(row).as_primitive::<Float64Type>().iter().collect())?;
            self.values.extend(values.value(row).as_primitive::<Float64Type>().iter().flatten());
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let listed = |values: &[f64]| {
            let values: ArrayRef = Arc::new(Float64Array::from(values.to_vec()));
            SingleRowListArrayBuilder::new(values).with_nullable(true).build_list_scalar()
        };
        let percentages = match &self.percentages {
            Some(percentages) => listed(percentages),
            None => ScalarValue::try_from(&list(DataType::Float64))?,
        };
        Ok(vec![listed(&self.values), percentages])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.values.sort_by(f64::total_cmp);
        if self.distinct {
            self.values.dedup();
        }
        let Some(percentages) = self.percentages.clone().filter(|_| !self.values.is_empty()) else {
            return ScalarValue::try_from(&self.returns);
        };
        let found = percentages.into_iter().map(|one| ScalarValue::Float64(self.at(one)));
        match &self.returns {
            DataType::List(element) => {
                let of = element.data_type();
                let found = found.map(|one| one.cast_to(of)).collect::<Result<Vec<_>>>()?;
                Ok(ScalarValue::List(ScalarValue::new_list_nullable(&found, of)))
            }
            one => found.into_iter().next().unwrap_or(ScalarValue::Null).cast_to(one),
        }
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.capacity() * size_of::<f64>()
    }
}
