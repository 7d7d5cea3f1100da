//! Functions that do one thing to a text and another to an array: `concat` and `reverse`.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::error::Result;
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// A function of texts, and of arrays.
pub(crate) fn either(name: &'static str, of_texts: Arc<ScalarUDF>, of_arrays: Arc<ScalarUDF>) -> ScalarUDF {
    let signature = Signature::user_defined(Volatility::Immutable);
    ScalarUDF::from(Either { name, of_texts, of_arrays, signature })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Either {
    name: &'static str,
    of_texts: Arc<ScalarUDF>,
    of_arrays: Arc<ScalarUDF>,
    signature: Signature,
}

impl Either {
    fn of(&self, first: Option<&DataType>) -> &Arc<ScalarUDF> {
        if first.is_some_and(DataType::is_list) { &self.of_arrays } else { &self.of_texts }
    }
}

impl ScalarUDFImpl for Either {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let fields: Vec<FieldRef> =
            types.iter().map(|of| Arc::new(Field::new("", of.clone(), true))).collect();
        let brought = fields_with_udf(&fields, self.of(types.first()).as_ref())?;
        Ok(brought.iter().map(|field| field.data_type().clone()).collect())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.of(types.first()).return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.of(args.arg_fields.first().map(|field| field.data_type())).return_field_from_args(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let first = args.arg_fields.first().map(|field| field.data_type().clone());
        self.of(first.as_ref()).invoke_with_args(args)
    }
}
