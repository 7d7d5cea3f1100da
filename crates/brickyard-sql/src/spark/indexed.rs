//! `transform(array, (x, i) -> ..)` and `filter(array, (x, i) -> ..)`: the lambda is given each element, and its place
//! from 0. DataFusion's own functions give it the element alone.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Int32Array, ListArray, UInt32Array, new_null_array,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::{filter, prep_null_mask_filter, take, take_arrays};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, HigherOrderFunctionArgs, HigherOrderReturnFieldArgs, HigherOrderSignature, HigherOrderUDF,
    HigherOrderUDFImpl, LambdaParametersProgress, ValueOrLambda, Volatility,
};

/// Both functions.
pub(crate) fn all() -> [HigherOrderUDF; 2] {
    ["transform_indexed", "filter_indexed"].map(|name| {
        let signature = HigherOrderSignature::variadic_any(Volatility::Immutable);
        HigherOrderUDF::new_from_impl(Indexed { name, signature })
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Indexed {
    name: &'static str,
    signature: HigherOrderSignature,
}

impl Indexed {
    fn filters(&self) -> bool {
        self.name == "filter_indexed"
    }

    fn wrong<T>(&self) -> Result<T> {
        let name = self.name.trim_end_matches("_indexed");
        Err(DataFusionError::Plan(format!("{name} takes an array and (x, i) -> ..")))
    }
}

impl HigherOrderUDFImpl for Indexed {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &HigherOrderSignature {
        &self.signature
    }

    fn lambda_parameters(
        &self,
        _: usize,
        fields: &[ValueOrLambda<FieldRef, Option<FieldRef>>],
    ) -> Result<LambdaParametersProgress> {
        let [ValueOrLambda::Value(list), ValueOrLambda::Lambda(_)] = fields else { return self.wrong() };
        let element = match list.data_type() {
            DataType::List(element) => Arc::clone(element),
            DataType::Null => Arc::new(Field::new_list_field(DataType::Null, true)),
            _ => return self.wrong(),
        };
        let place = Arc::new(Field::new("i", DataType::Int32, false));
        Ok(LambdaParametersProgress::Complete(vec![vec![element, place]]))
    }

    fn return_field_from_args(&self, args: HigherOrderReturnFieldArgs<'_>) -> Result<FieldRef> {
        let [ValueOrLambda::Value(list), ValueOrLambda::Lambda(lambda)] = args.arg_fields else {
            return self.wrong();
        };
        if self.filters() {
            if !matches!(lambda.data_type(), DataType::Boolean | DataType::Null) {
                return Err(DataFusionError::Plan("what filter is given answers no BOOLEAN".to_owned()));
            }
            return Ok(Arc::new(Field::new("", list.data_type().clone(), true)));
        }
        let element = Arc::new(Field::new_list_field(lambda.data_type().clone(), true));
        Ok(Arc::new(Field::new("", DataType::List(element), true)))
    }

    fn invoke_with_args(&self, args: HigherOrderFunctionArgs) -> Result<ColumnarValue> {
        let [ValueOrLambda::Value(list), ValueOrLambda::Lambda(lambda)] = args.args.as_slice() else {
            return self.wrong();
        };
        let lists = list.to_array(args.number_rows)?;
        let DataType::List(field) = args.return_type() else {
            return Ok(ColumnarValue::Array(new_null_array(args.return_type(), args.number_rows)));
        };
        if lists.data_type().is_null() {
            return Ok(ColumnarValue::Array(new_null_array(args.return_type(), args.number_rows)));
        }
        let lists = lists.as_list::<i32>();
        // Which row each element is of, where it lies, and at which place it is. What lies behind a NULL is nobody's.
        let (mut rows, mut lies, mut places) = (Vec::new(), Vec::new(), Vec::new());
        let mut lengths = vec![0; lists.len()];
        for row in (0..lists.len()).filter(|row| lists.is_valid(*row)) {
            let length = lists.value_length(row);
            lengths[row] = usize::try_from(length).unwrap_or(0);
            for place in 0..length {
                rows.push(row as u32);
                lies.push((lists.value_offsets()[row] + place) as u32);
                places.push(place);
            }
        }
        let elements = take(lists.values(), &UInt32Array::from(lies), None)?;
        let places: ArrayRef = Arc::new(Int32Array::from(places));
        let indices = UInt32Array::from(rows.clone());
        let made = lambda
            .evaluate(&[&|| Ok(Arc::clone(&elements)), &|| Ok(Arc::clone(&places))], |captured| {
                Ok(take_arrays(captured, &indices, None)?)
            })?;
        let made = made.into_array(elements.len())?;
        let values = if self.filters() {
            let kept = datafusion::arrow::compute::cast(&made, &DataType::Boolean)?;
            let kept = kept.as_boolean();
            let kept = if kept.null_count() > 0 { prep_null_mask_filter(kept) } else { kept.clone() };
            for (at, row) in rows.iter().enumerate() {
                lengths[*row as usize] -= usize::from(!kept.value(at));
            }
            filter(&elements, &kept)?
        } else {
            made
        };
        let offsets = OffsetBuffer::from_lengths(lengths);
        let list = ListArray::try_new(Arc::clone(field), offsets, values, lists.nulls().cloned())?;
        Ok(ColumnarValue::Array(Arc::new(list)))
    }
}
