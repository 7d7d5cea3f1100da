//! The body of a SQL function.

use super::cursor::Cursor;
use super::syntax_error::SyntaxError;
use crate::statement::FunctionBody;
use datafusion::sql::sqlparser::tokenizer::Token;

/// The words that a query starts with.
pub(super) const STARTS: [&str; 5] = ["SELECT", "WITH", "VALUES", "TABLE", "FROM"];

/// What follows `RETURN`. `(SELECT ..)` is a query, `(SELECT ..) + 1` is an expression.
pub(super) fn body(cursor: &mut Cursor<'_>) -> Result<FunctionBody, SyntaxError> {
    if STARTS.iter().any(|word| cursor.is_word(0, word)) && cursor.peek(1) != &Token::EOF {
        return cursor.query().map(|query| FunctionBody::Query(*query));
    }
    if cursor.at_symbol(&Token::LParen)
        && let Some(query) = cursor.query_to_the_end()?
    {
        return Ok(FunctionBody::Query(*query));
    }
    cursor.expression().map(FunctionBody::Expression)
}
