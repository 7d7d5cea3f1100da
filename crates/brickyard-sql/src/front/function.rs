//! `CREATE FUNCTION`.

use datafusion::sql::sqlparser::ast::DollarQuotedString;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::create::{once, only_if_absent};
use super::cursor::Cursor;
use super::query;
use super::syntax_error::SyntaxError;
use crate::statement::{Body, CreateFunction, Parameter, Returns, Statement};

/// Clauses of other kinds of functions.
const REFUSED: [&str; 8] = [
    "ENVIRONMENT",
    "HANDLER",
    "PARAMETER STYLE",
    "SQL SECURITY",
    "DEFAULT COLLATION",
    "MODIFIES SQL DATA",
    "RESOURCES",
    "CREDENTIALS",
];

#[derive(Default)]
struct Clauses {
    returns: Option<Returns>,
    language: Option<String>,
    deterministic: Option<bool>,
    comment: Option<String>,
    data_access: Option<String>,
}

/// What follows `FUNCTION`.
pub(super) fn create(cursor: &mut Cursor<'_>, or_replace: bool) -> Result<Statement, SyntaxError> {
    let if_not_exists = only_if_absent(cursor, or_replace)?;
    let name = cursor.name_or_marker()?;
    if !cursor.at_symbol(&Token::LParen) {
        // CREATE FUNCTION f AS 'class' USING JAR.
        return Err(cursor.wrong_because("a function has a list of parameters, which may be empty"));
    }
    let parameters = cursor.in_brackets(parameter)?;
    let mut clauses = Clauses::default();
    while clause(cursor, &mut clauses)? {}
    let Clauses { returns, language, deterministic, comment, data_access } = clauses;
    let body = body(cursor, language.as_deref())?;
    let python = matches!(body, Body::Python(_));
    let returns = match returns {
        None if python => return Err(cursor.wrong_because("a Python function says what it RETURNS")),
        Some(Returns::Table(_)) if python => {
            return Err(cursor.unsupported("RETURNS TABLE of a Python function"));
        }
        returns => returns.unwrap_or(Returns::Scalar(None)),
    };
    let function = CreateFunction {
        name,
        or_replace,
        if_not_exists,
        parameters,
        returns,
        body,
        comment,
        deterministic,
        data_access,
    };
    Ok(Statement::CreateFunction(Box::new(function)))
}

/// `name type [DEFAULT e] [COMMENT 'x']`.
fn parameter(cursor: &mut Cursor<'_>) -> Result<Parameter, SyntaxError> {
    for mode in ["IN", "OUT", "INOUT"] {
        if cursor.is_word(0, mode) && matches!(cursor.peek(2), Token::Word(_)) {
            return Err(cursor.unsupported("IN, OUT and INOUT parameters"));
        }
    }
    let name = cursor.identifier()?;
    let data_type = cursor.data_type()?;
    let mut parameter = Parameter { name, data_type, default: None, comment: None };
    loop {
        if cursor.eat("DEFAULT") {
            once(cursor, parameter.default.is_some(), "DEFAULT")?;
            let mark = cursor.mark();
            cursor.expression()?;
            parameter.default = Some(cursor.text_since(mark).to_owned());
        } else if cursor.eat("COMMENT") {
            once(cursor, parameter.comment.is_some(), "COMMENT")?;
            parameter.comment = Some(cursor.string()?);
        } else if cursor.is_word(0, "NOT") || cursor.is_word(0, "COLLATE") {
            return Err(cursor.unsupported("NOT NULL and COLLATE of a parameter"));
        } else {
            return Ok(parameter);
        }
    }
}

/// A column of `RETURNS TABLE (..)`.
fn result_column(cursor: &mut Cursor<'_>) -> Result<Parameter, SyntaxError> {
    let parameter = parameter(cursor)?;
    if parameter.default.is_some() {
        return Err(cursor.wrong_because("a result column has no DEFAULT"));
    }
    Ok(parameter)
}

/// Reads one clause, if there is one.
fn clause(cursor: &mut Cursor<'_>, clauses: &mut Clauses) -> Result<bool, SyntaxError> {
    if cursor.eat("RETURNS") {
        once(cursor, clauses.returns.is_some(), "RETURNS")?;
        clauses.returns = Some(if cursor.eat("TABLE") {
            let listed = cursor.at_symbol(&Token::LParen);
            Returns::Table(if listed { cursor.in_brackets(result_column)? } else { Vec::new() })
        } else {
            Returns::Scalar(Some(cursor.data_type()?))
        });
    } else if cursor.eat("LANGUAGE") {
        once(cursor, clauses.language.is_some(), "LANGUAGE")?;
        let Some(language) = cursor.eat_one_of(&["SQL", "PYTHON"]) else {
            return Err(cursor.unsupported("functions in another LANGUAGE than SQL and PYTHON"));
        };
        clauses.language = Some(language.to_owned());
    } else if let Some(word) = cursor.eat_one_of(&["NOT DETERMINISTIC", "DETERMINISTIC"]) {
        once(cursor, clauses.deterministic.is_some(), "DETERMINISTIC")?;
        clauses.deterministic = Some(word == "DETERMINISTIC");
    } else if cursor.eat("COMMENT") {
        once(cursor, clauses.comment.is_some(), "COMMENT")?;
        clauses.comment = Some(cursor.string()?);
    } else if let Some(words) = cursor.eat_one_of(&["CONTAINS SQL", "READS SQL DATA"]) {
        once(cursor, clauses.data_access.is_some(), "the kind of data access")?;
        clauses.data_access = Some(words.replace(' ', "_"));
    } else {
        return match REFUSED.iter().find(|words| cursor.starts_with(words)) {
            Some(words) => Err(cursor.unsupported(&format!("{words} of a function"))),
            None => Ok(false),
        };
    }
    Ok(true)
}

/// `RETURN ..`, or `AS $$ .. $$`.
fn body(cursor: &mut Cursor<'_>, language: Option<&str>) -> Result<Body, SyntaxError> {
    let python = language == Some("PYTHON");
    if !python {
        if cursor.is_word(0, "AS") {
            return Err(cursor.wrong_because("AS is the body of a function with LANGUAGE PYTHON"));
        }
        cursor.expect("RETURN")?;
        let mark = cursor.mark();
        query::body(cursor)?;
        return Ok(Body::Sql(cursor.text_since(mark).to_owned()));
    }
    if cursor.is_word(0, "RETURN") {
        return Err(cursor.wrong_because("the body of a function with LANGUAGE PYTHON is AS $$ .. $$"));
    }
    cursor.expect("AS")?;
    if let Token::DollarQuotedString(DollarQuotedString { value, .. }) = cursor.peek(0) {
        let value = value.clone();
        cursor.advance();
        return Ok(Body::Python(value));
    }
    cursor.string().map(Body::Python)
}
