//! `DESCRIBE` and `COMMENT ON`.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::query;
use super::statement::kind;
use super::syntax_error::SyntaxError;
use super::upkeep;
use crate::statement::{Kind, Name, NameOrMarker, Statement};

/// What follows `DESCRIBE`.
pub(super) fn describe(cursor: &mut Cursor<'_>) -> Result<Statement, SyntaxError> {
    let starts_query =
        query::STARTS.iter().filter(|word| **word != "TABLE").any(|word| cursor.is_word(0, word));
    if cursor.is_word(0, "QUERY") && cursor.peek(1) != &Token::EOF {
        cursor.advance();
        return cursor.query().map(Statement::DescribeQuery);
    }
    if starts_query && cursor.peek(1) != &Token::EOF || cursor.at_symbol(&Token::LParen) {
        return cursor.query().map(Statement::DescribeQuery);
    }
    if let Some(statement) = upkeep::described(cursor)? {
        return Ok(statement);
    }
    let kind = kind(cursor, "DESCRIBE")?;
    if kind == Some(Kind::Metastore) {
        return Err(cursor.unsupported("DESCRIBE METASTORE"));
    }
    // A table may be called `extended`.
    let named = matches!(cursor.peek(1), Token::Word(_) | Token::SingleQuotedString(_));
    let extended = named && cursor.eat_one_of(&["EXTENDED", "FORMATTED"]).is_some();
    let name = if kind == Some(Kind::Function) && cursor.at_string() {
        NameOrMarker::Name(Name(vec![cursor.string()?]))
    } else {
        cursor.name_or_marker()?
    };
    if cursor.is_word(0, "AS") {
        return Err(cursor.unsupported("DESCRIBE .. AS JSON"));
    }
    if cursor.is_word(0, "PARTITION") {
        return Err(cursor.unsupported("DESCRIBE .. PARTITION"));
    }
    if matches!(cursor.peek(0), Token::Word(_)) && matches!(kind, None | Some(Kind::Table | Kind::View)) {
        let column = cursor.identifier()?;
        if cursor.at_symbol(&Token::Period) {
            return Err(cursor.unsupported("DESCRIBE of a field of a column"));
        }
        return Ok(Statement::DescribeColumn { table: name, column });
    }
    Ok(Statement::Describe { kind: kind.unwrap_or(Kind::Table), name, extended })
}

/// What follows `COMMENT`: `ON kind name IS 'x'`.
pub(super) fn comment(cursor: &mut Cursor<'_>) -> Result<Statement, SyntaxError> {
    cursor.expect("ON")?;
    if cursor.eat("COLUMN") {
        return comment_on_column(cursor);
    }
    let Some(kind) = kind(cursor, "COMMENT ON")?.filter(|kind| *kind != Kind::Metastore) else {
        return Err(cursor.wrong());
    };
    let name = cursor.name_or_marker()?;
    cursor.expect("IS")?;
    Ok(Statement::Comment { kind, name, comment: cursor.string_or_null()? })
}

fn comment_on_column(cursor: &mut Cursor<'_>) -> Result<Statement, SyntaxError> {
    let mut parts = vec![cursor.identifier()?];
    while cursor.eat_symbol(&Token::Period) {
        parts.push(cursor.identifier()?);
    }
    let column = parts.pop().filter(|_| (1..=3).contains(&parts.len()));
    let Some(column) = column else {
        return Err(cursor.wrong_because("a column is named by its table and its own name"));
    };
    cursor.expect("IS")?;
    let comment = cursor.string_or_null()?;
    Ok(Statement::CommentOnColumn { table: NameOrMarker::Name(Name(parts)), column, comment })
}
