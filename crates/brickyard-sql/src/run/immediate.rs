//! `EXECUTE IMMEDIATE`: a text becomes the statement that is run, by the same speaker and with their rights.

use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast;

use crate::arrow_types::to_sql;
use crate::error::SqlError;
use crate::front;
use crate::rewrite;
use crate::run::Run;
use crate::run::query::{Names, text_of};
use crate::session::Parameter;
use crate::statement::Statement;

impl Run<'_> {
    /// The statement that a text is, and its parameters. Values never become SQL.
    pub(crate) fn immediate(
        &self,
        text: &ast::Expr,
        into: bool,
        using: &[(String, ast::Expr)],
    ) -> Result<(Statement, Vec<Parameter>), SqlError> {
        let names = Names::Session;
        let parameters = using.iter().map(|(name, value)| parameter(name, &self.constant_in(names, value)?));
        let parameters = parameters.collect::<Result<Vec<_>, SqlError>>()?;
        let text = self.constant_in(names, text)?;
        let text = rewrite::identifiers(&text_of(&text)?, &parameters)?;
        match front::parse_one(&text)? {
            statement if into && !matches!(statement, Statement::Query(_)) => Err(SqlError::condition(
                "INVALID_STATEMENT_FOR_EXECUTE_INTO",
                "07501",
                "EXECUTE IMMEDIATE .. INTO takes a query: another statement answers no values to keep.",
            )),
            Statement::ExecuteImmediate { .. } => Err(SqlError::condition(
                "NESTED_EXECUTE_IMMEDIATE",
                "07501",
                "Nested EXECUTE IMMEDIATE commands are not allowed: run the inner statement itself.",
            )),
            statement => Ok((statement, parameters)),
        }
    }
}

fn parameter(name: &str, value: &ScalarValue) -> Result<Parameter, SqlError> {
    let data_type = to_sql(&value.data_type()).filter(|_| !value.data_type().is_nested() || value.is_null());
    let Some(data_type) = data_type else {
        return Err(SqlError::unsupported(format_args!(
            "a {} in EXECUTE IMMEDIATE .. USING",
            value.data_type()
        )));
    };
    let text = match value.cast_to(&datafusion::arrow::datatypes::DataType::Utf8)? {
        ScalarValue::Utf8(text) => text,
        _ => None,
    };
    Ok(Parameter { name: name.to_owned(), value: text, data_type })
}
