//! A call as DataFusion knows functions. It is asked once a row, and never while a plan is made.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, Int32Array, MapArray, StringArray, StructArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::cast::as_string_array;
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::connection::{Call, HttpConnection};
use super::returned;

/// A call, through a connection once that is known.
pub(super) struct HttpCall {
    pub connection: Option<Arc<HttpConnection>>,
    signature: Signature,
}

impl HttpCall {
    pub(super) fn new(connection: Option<Arc<HttpConnection>>) -> Self {
        Self { connection, signature: Signature::user_defined(Volatility::Volatile) }
    }

    fn name_of_connection(&self) -> &str {
        self.connection.as_ref().map_or("", |connection| connection.name())
    }
}

impl fmt::Debug for HttpCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpCall").field("connection", &self.name_of_connection()).finish_non_exhaustive()
    }
}

impl PartialEq for HttpCall {
    fn eq(&self, other: &Self) -> bool {
        match (&self.connection, &other.connection) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Eq for HttpCall {}

impl Hash for HttpCall {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name_of_connection().hash(state);
    }
}

impl ScalarUDFImpl for HttpCall {
    fn name(&self) -> &str {
        "http_request"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Struct(returned()))
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let [_, _, _, headers, params, _] = given else {
            return plan_err!(
                "http_request takes named arguments: conn, method, path, headers, params, json"
            );
        };
        for (name, map) in [("headers", headers), ("params", params)] {
            if !matches!(map, DataType::Map(..) | DataType::Null) {
                return plan_err!(
                    "the argument {name} of http_request is a MAP<STRING, STRING>, as in map('k', 'v')"
                );
            }
        }
        let text = DataType::Utf8;
        Ok(vec![text.clone(), text.clone(), text.clone(), headers.clone(), params.clone(), text])
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(connection) = &self.connection else {
            return exec_err!("http_request has no connection here");
        };
        let rows = args.number_rows;
        let arrays = args.args.iter().map(|arg| arg.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let [_, methods, paths, headers, params, bodies] = arrays.as_slice() else {
            return exec_err!("http_request takes six arguments");
        };
        let (methods, paths, bodies) =
            (as_string_array(methods)?, as_string_array(paths)?, as_string_array(bodies)?);
        let (mut statuses, mut texts) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        for row in 0..rows {
            let (Some(method), Some(path)) = (text(methods, row), text(paths, row)) else {
                return exec_err!("http_request: `method` and `path` may not be NULL");
            };
            let asked = Call {
                method,
                path,
                query: entries("params", params, row)?,
                headers: entries("headers", headers, row)?,
                json: text(bodies, row).map(str::to_owned),
            };
            let response = connection.send(asked).map_err(DataFusionError::Execution)?;
            statuses.push(i32::from(response.status));
            texts.push(response.text);
        }
        let columns: Vec<ArrayRef> =
            vec![Arc::new(Int32Array::from(statuses)), Arc::new(StringArray::from(texts))];
        Ok(ColumnarValue::Array(Arc::new(StructArray::try_new(returned(), columns, None)?)))
    }
}

fn text(array: &StringArray, row: usize) -> Option<&str> {
    array.is_valid(row).then(|| array.value(row))
}

/// The entries of one row of a map; a NULL value is left out.
fn entries(name: &str, maps: &ArrayRef, row: usize) -> Result<Vec<(String, String)>> {
    if maps.is_null(row) || matches!(maps.data_type(), DataType::Null) {
        return Ok(Vec::new());
    }
    let Some(map) = maps.as_any().downcast_ref::<MapArray>() else {
        return exec_err!("http_request: {name} is no map");
    };
    let entries = map.value(row);
    let keys = datafusion::arrow::compute::cast(entries.column(0), &DataType::Utf8)?;
    let values = datafusion::arrow::compute::cast(entries.column(1), &DataType::Utf8)?;
    let (keys, values) = (as_string_array(&keys)?, as_string_array(&values)?);
    let pairs = (0..entries.len()).filter_map(|at| Some((text(keys, at)?, text(values, at)?)));
    Ok(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
}
