//! A Python function as DataFusion knows functions.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::{PythonFunction, PythonFunctions};
use crate::arrow_types::stored;

/// The function for a plan. Its arguments are all it sees, so a value computed while planning tells nobody anything.
pub fn scalar_udf(function: PythonFunction, functions: PythonFunctions) -> ScalarUDF {
    let volatility = if function.deterministic { Volatility::Immutable } else { Volatility::Volatile };
    let signature = if function.parameters.is_empty() {
        Signature::nullary(volatility)
    } else {
        Signature::user_defined(volatility)
    };
    ScalarUDF::new_from_impl(PythonUdf { function, functions, signature })
}

#[derive(Debug)]
struct PythonUdf {
    function: PythonFunction,
    functions: PythonFunctions,
    signature: Signature,
}

impl PartialEq for PythonUdf {
    fn eq(&self, other: &Self) -> bool {
        self.function == other.function && self.functions == other.functions
    }
}

impl Eq for PythonUdf {}

impl std::hash::Hash for PythonUdf {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.function.hash(state);
    }
}

impl ScalarUDFImpl for PythonUdf {
    fn name(&self) -> &str {
        &self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(stored(&self.function.returns))
    }

    /// The planner casts what it is given to the declared types.
    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let wanted = &self.function.parameters;
        if given.len() != wanted.len() {
            return plan_err!(
                "[WRONG_NUM_ARGS.WITHOUT_SUGGESTION] The `{}` requires {} parameters but the actual number is {}. SQLSTATE: 42605",
                self.function.name,
                wanted.len(),
                given.len()
            );
        }
        Ok(wanted.iter().map(|(_, data_type)| stored(data_type)).collect())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        // A body that is not deterministic is asked for every row.
        let once = constant && self.function.deterministic;
        let rows = if once { 1 } else { args.number_rows };
        let arrays = args.args.iter().map(|arg| arg.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let values = (self.functions.call(&self.function, &arrays, rows))
            .map_err(|error| DataFusionError::External(Box::new(error)))?;
        if !once {
            return Ok(ColumnarValue::Array(values));
        }
        if values.len() != 1 {
            return exec_err!("{} values came for one row of {}", values.len(), self.function.name);
        }
        Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&values, 0)?))
    }
}
