//! `GRANT`, `REVOKE`, `SHOW GRANTS`.

use datafusion::sql::sqlparser::tokenizer::{Token, Word};

use super::cursor::Cursor;
use super::statement::kind;
use super::syntax_error::SyntaxError;
use crate::statement::{Kind, NameOrMarker, Statement};

/// What follows `GRANT`: `privileges ON kind name TO principal`.
pub(super) fn grant(cursor: &mut Cursor<'_>) -> Result<Statement, SyntaxError> {
    let privileges = privileges(cursor)?;
    let (kind, name) = securable(cursor, "GRANT .. ON")?;
    cursor.expect("TO")?;
    let principal = cursor.principal()?;
    if cursor.is_word(0, "WITH") {
        return Err(cursor.unsupported("WITH GRANT OPTION. Grant MANAGE"));
    }
    Ok(Statement::Grant { privileges, kind, name, principal })
}

/// What follows `REVOKE`: `privileges ON kind name FROM principal`.
pub(super) fn revoke(cursor: &mut Cursor<'_>) -> Result<Statement, SyntaxError> {
    let privileges = privileges(cursor)?;
    let (kind, name) = securable(cursor, "REVOKE .. ON")?;
    cursor.expect("FROM")?;
    Ok(Statement::Revoke { privileges, kind, name, principal: cursor.principal()? })
}

/// What follows `SHOW GRANTS`: `[principal] ON kind name`.
pub(super) fn show(cursor: &mut Cursor<'_>) -> Result<Statement, SyntaxError> {
    // `SHOW GRANTS on ON TABLE t`: nobody is called so without backticks.
    let principal = if cursor.is_word(0, "ON") { None } else { Some(cursor.principal()?) };
    let (kind, name) = securable(cursor, "SHOW GRANTS ON")?;
    Ok(Statement::ShowGrants { principal, kind, name })
}

/// `SELECT, USE CATALOG, ALL PRIVILEGES`: words up to a comma or `ON`, in upper case.
fn privileges(cursor: &mut Cursor<'_>) -> Result<Vec<String>, SyntaxError> {
    cursor.comma_separated(|cursor| {
        let mut words: Vec<String> = Vec::new();
        while !cursor.is_word(0, "ON") {
            let Token::Word(Word { value, quote_style: None, .. }) = cursor.peek(0) else { break };
            words.push(value.to_ascii_uppercase());
            cursor.advance();
        }
        if cursor.at_symbol(&Token::LParen) {
            return Err(cursor.unsupported("privileges on columns. Use a view or a column mask"));
        }
        if words.is_empty() { Err(cursor.wrong()) } else { Ok(words.join(" ")) }
    })
}

/// `ON [kind] [name]`. Without a kind it is a table; the metastore has no name.
fn securable(cursor: &mut Cursor<'_>, verb: &str) -> Result<(Kind, Option<NameOrMarker>), SyntaxError> {
    cursor.expect("ON")?;
    let kind = kind(cursor, verb)?.unwrap_or(Kind::Table);
    if kind == Kind::Metastore {
        return Ok((kind, None));
    }
    Ok((kind, Some(cursor.name_or_marker()?)))
}
