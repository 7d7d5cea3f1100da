//! Row filters and column masks: which functions fit which columns.
//!
//! Source: Databricks' SQL manual, "ROW FILTER clause" and "MASK clause".

use std::sync::Arc;

use brickyard_catalog::unity::{
    self, Column, ExecuteFunction, FunctionDetail, FunctionReturns, Object, ObjectKind, PolicyArgument,
};
use brickyard_types::SqlType;

use crate::arrow_types::to_arrow;
use crate::definition::columns::position;
use crate::error::SqlError;
use crate::front;
use crate::run::Run;
use crate::statement;

impl Run<'_> {
    /// A row filter for a table of these columns, whose function the speaker may execute.
    pub(crate) fn row_filter(
        &self,
        columns: &[Column],
        filter: &statement::RowFilter,
    ) -> Result<unity::RowFilter, SqlError> {
        let function = self.policy_function(&filter.function)?;
        let detail = scalar(&function)?;
        if !matches!(&detail.returns, FunctionReturns::Scalar(SqlType::Boolean)) {
            return Err(mismatch(&function, "a row filter returns BOOLEAN"));
        }
        let arguments = self.policy_arguments(columns, &function, detail, 0, &filter.on)?;
        Ok(unity::RowFilter {
            function: function.id,
            function_name: Arc::clone(&function.full_name),
            arguments,
        })
    }

    /// A mask for the column at that place.
    pub(crate) fn column_mask(
        &self,
        columns: &[Column],
        at: usize,
        mask: &statement::Mask,
    ) -> Result<unity::ColumnMask, SqlError> {
        let function = self.policy_function(&mask.function)?;
        let detail = scalar(&function)?;
        let column = &columns[at];
        let Some(first) = detail.parameters.first() else {
            return Err(mismatch(&function, "a column mask takes the column as its first parameter"));
        };
        fits(&function, &column.data_type, &first.data_type, &column.name)?;
        if let FunctionReturns::Scalar(returns) = &detail.returns
            && !castable(returns, &column.data_type)
        {
            let what =
                format!("it returns {returns}, and the column '{}' is {}", column.name, column.data_type);
            return Err(mismatch(&function, &what));
        }
        let arguments = self.policy_arguments(columns, &function, detail, 1, &mask.using)?;
        Ok(unity::ColumnMask {
            function: function.id,
            function_name: Arc::clone(&function.full_name),
            arguments,
        })
    }

    fn policy_function(&self, name: &statement::NameOrMarker) -> Result<Arc<Object>, SqlError> {
        let function = self.object(ObjectKind::Function, name)?;
        self.authorize(ExecuteFunction(Self::target(&function)))?;
        Ok(function)
    }

    fn policy_arguments(
        &self,
        columns: &[Column],
        function: &Object,
        detail: &FunctionDetail,
        taken: usize,
        given: &[statement::PolicyArgument],
    ) -> Result<Vec<PolicyArgument>, SqlError> {
        let rest = detail.parameters.get(taken..).unwrap_or_default();
        let required = rest.iter().filter(|parameter| parameter.default.is_none()).count();
        if given.len() > rest.len() || given.len() < required {
            let what = format!("it takes {} arguments, not {}", rest.len() + taken, given.len() + taken);
            return Err(mismatch(function, &what));
        }
        let mut arguments = Vec::with_capacity(given.len());
        for (argument, parameter) in given.iter().zip(rest) {
            arguments.push(match argument {
                statement::PolicyArgument::Column(name) => {
                    let column = &columns[position(columns, name)?];
                    fits(function, &column.data_type, &parameter.data_type, &column.name)?;
                    PolicyArgument::Column(column.name.clone())
                }
                statement::PolicyArgument::Constant(text) => {
                    let value = self.constant(&front::parse_expression(text)?)?;
                    // Each time that the table is read it will be cast to that.
                    if value.cast_to(&to_arrow(&parameter.data_type)).is_err() {
                        let what =
                            format!("{text} is no {}, which '{}' is", parameter.data_type, parameter.name);
                        return Err(mismatch(function, &what));
                    }
                    PolicyArgument::Constant(text.clone())
                }
            });
        }
        Ok(arguments)
    }
}

fn scalar(function: &Object) -> Result<&FunctionDetail, SqlError> {
    match function.function() {
        Some(detail) if matches!(detail.returns, FunctionReturns::Scalar(_)) => Ok(detail),
        _ => Err(mismatch(function, "a policy's function returns one value, not rows")),
    }
}

fn fits(function: &Object, from: &SqlType, to: &SqlType, column: &str) -> Result<(), SqlError> {
    if castable(from, to) {
        return Ok(());
    }
    Err(mismatch(function, &format!("it takes {to} where the column '{column}' is {from}")))
}

/// True where Databricks' implicit casts reach.
fn castable(from: &SqlType, to: &SqlType) -> bool {
    from == to || crate::change::assignable(from, to)
}

fn mismatch(function: &Object, why: &str) -> SqlError {
    let message = format!("The function {} cannot be used here: {why}.", function.full_name);
    SqlError::condition("DATATYPE_MISMATCH", "42K09", message)
}
