//! **The parser**: text to [`Statement`]s, in Databricks' syntax.
//!
//! ```text
//!   text --lexer--> tokens --limits--> Cursor --+-- heads we read ourselves: create, alter, grants, ..
//!                                               +-- SELECT, expressions: sqlparser, in our dialect
//!                                                     --dropped--> nothing that would be ignored
//! ```
//!
//! Nothing is silently dropped: what is left over behind a statement is a syntax error, what is understood and not
//! supported is refused by its name. The text comes from anyone: no text panics, overflows the stack, or takes more
//! than time in proportion to its length.

mod alter;
mod column;
mod copy_into;
mod create;
mod create_table;
mod cursor;
mod describe;
mod dialect;
mod dml;
mod dropped;
mod function;
mod grant;
mod lateral_view;
mod lexer;
mod limits;
mod policy;
mod properties;
mod query;
mod show;
mod statement;
mod string_literal;
mod syntax_error;
mod unnamed;
mod upkeep;
mod variable;

#[cfg(test)]
mod tests;

use std::ops::Range;

use datafusion::sql::sqlparser::ast;

use self::cursor::read;
pub(crate) use self::lateral_view::UNNAMED;
use self::lexer::{Lexer, Tokens};
pub use self::syntax_error::{ErrorClass, SyntaxError};
pub use crate::statement::FunctionBody;
use crate::statement::Statement;

/// A script: statements separated by `;`, each with its bytes in the text.
pub fn parse(sql: &str) -> Result<Vec<(Statement, Range<usize>)>, SyntaxError> {
    let mut lexer = Lexer::new(sql)?;
    let mut statements = Vec::new();
    while let Some((tokens, _)) = lexer.statement()? {
        let (Some(first), Some(last)) = (tokens.places.first(), tokens.places.last()) else { continue };
        let range = first.start as usize..last.end as usize;
        statements.push((read(sql, tokens, statement::statement)?, range));
    }
    Ok(statements)
}

/// Exactly one statement; `;` may follow it, and nothing else.
pub fn parse_one(sql: &str) -> Result<Statement, SyntaxError> {
    match only(sql) {
        Ok(tokens) => read(sql, tokens, statement::statement),
        // `BEGIN .. ; .. END` is not two statements where one is meant, but one that is not supported.
        Err(error) => {
            match Lexer::new(sql)?.statement()?.map(|(first, _)| read(sql, first, statement::statement)) {
                Some(Err(first)) if first.class == ErrorClass::Unsupported => Err(first),
                _ => Err(error),
            }
        }
    }
}

/// An expression, and nothing behind it.
pub fn parse_expression(sql: &str) -> Result<ast::Expr, SyntaxError> {
    read(sql, only(sql)?, |cursor| cursor.expression())
}

/// A query, and nothing behind it.
pub fn parse_query(sql: &str) -> Result<ast::Query, SyntaxError> {
    read(sql, only(sql)?, |cursor| cursor.query()).map(|query| *query)
}

/// What follows `RETURN` in a SQL function.
pub fn parse_body(sql: &str) -> Result<FunctionBody, SyntaxError> {
    read(sql, only(sql)?, query::body)
}

/// The tokens of the only statement in the text.
fn only(sql: &str) -> Result<Tokens, SyntaxError> {
    let mut lexer = Lexer::new(sql)?;
    let empty = || SyntaxError::at(ErrorClass::Empty, "Syntax error, unexpected empty statement", sql, 0, "");
    let (tokens, _) = lexer.statement()?.ok_or_else(empty)?;
    if tokens.tokens.is_empty() {
        return Err(empty());
    }
    while let Some((more, _)) = lexer.statement()? {
        if let Some(first) = more.places.first() {
            let near = sql.get(first.start as usize..first.end as usize).unwrap_or_default();
            return Err(SyntaxError::near(sql, first.start as usize, near, Some("one statement at a time")));
        }
    }
    Ok(tokens)
}
