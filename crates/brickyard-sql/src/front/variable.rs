//! `DECLARE`, `SET VAR`, `DROP TEMPORARY VARIABLE`, and `EXECUTE IMMEDIATE`, which may set variables.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::statement::if_exists;
use super::syntax_error::SyntaxError;
use crate::statement::{DeclareVariables, Name, Statement};

/// What follows `DECLARE`.
pub(super) fn declare(cursor: &mut Cursor<'_>) -> Result<Statement, SyntaxError> {
    let or_replace = cursor.eat("OR REPLACE");
    // A variable may be called `variable`.
    if !matches!(cursor.peek(1), Token::EOF | Token::Eq | Token::Comma) {
        cursor.eat("VARIABLE");
    }
    let names = cursor.comma_separated(Cursor::name)?;
    let starts_default = |cursor: &Cursor<'_>| cursor.is_word(0, "DEFAULT") || cursor.at_symbol(&Token::Eq);
    let data_type = if cursor.at_end() || starts_default(cursor) { None } else { Some(cursor.data_type()?) };
    let default = if cursor.eat("DEFAULT") || cursor.eat_symbol(&Token::Eq) {
        Some(cursor.expression()?)
    } else {
        None
    };
    if data_type.is_none() && default.is_none() {
        return Err(cursor.wrong_because("a variable has a type or a DEFAULT, or both"));
    }
    Ok(Statement::Declare(Box::new(DeclareVariables { names, or_replace, data_type, default })))
}

/// What follows `SET VAR`.
pub(super) fn set(cursor: &mut Cursor<'_>) -> Result<Statement, SyntaxError> {
    if cursor.at_symbol(&Token::LParen) {
        let names = cursor.in_brackets(Cursor::name)?;
        cursor.expect_symbol(&Token::Eq)?;
        let query = cursor.query()?;
        return Ok(Statement::SetVariablesFrom { names, query });
    }
    let one = |cursor: &mut Cursor<'_>| -> Result<_, SyntaxError> {
        let name: Name = cursor.name()?;
        cursor.expect_symbol(&Token::Eq)?;
        let is_default = cursor.is_word(0, "DEFAULT") && matches!(cursor.peek(1), Token::EOF | Token::Comma);
        if is_default {
            cursor.advance();
            return Ok((name, None));
        }
        Ok((name, Some(cursor.expression()?)))
    };
    cursor.comma_separated(one).map(Statement::SetVariables)
}

/// What follows `DROP TEMPORARY VARIABLE`.
pub(super) fn dropped(cursor: &mut Cursor<'_>) -> Result<Statement, SyntaxError> {
    let if_exists = if_exists(cursor);
    Ok(Statement::DropVariable { name: cursor.name()?, if_exists })
}

/// What follows `EXECUTE IMMEDIATE`.
pub(super) fn execute_immediate(cursor: &mut Cursor<'_>) -> Result<Statement, SyntaxError> {
    let text = Box::new(cursor.expression()?);
    let into = if cursor.eat("INTO") { cursor.comma_separated(Cursor::name)? } else { Vec::new() };
    let value = |cursor: &mut Cursor<'_>| {
        let value = cursor.expression()?;
        if !cursor.eat("AS") {
            return Err(cursor
                .unsupported("values without a name in EXECUTE IMMEDIATE .. USING. Write 1 AS id, and :id"));
        }
        Ok((cursor.identifier()?, value))
    };
    let using = match cursor.eat("USING") {
        true if cursor.at_symbol(&Token::LParen) => cursor.in_brackets(value)?,
        true => cursor.comma_separated(value)?,
        false => Vec::new(),
    };
    Ok(Statement::ExecuteImmediate { text, into, using })
}
