//! `COPY INTO`.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::tokenizer::Token;

use super::create::once;
use super::cursor::Cursor;
use super::properties::key_values;
use super::syntax_error::SyntaxError;
use crate::statement::{CopyInto, Statement};

/// What follows `COPY INTO`.
pub(super) fn copy_into(cursor: &mut Cursor<'_>) -> Result<Statement, SyntaxError> {
    let table = cursor.name_or_marker()?;
    let by_position = cursor.eat("BY POSITION");
    let columns = match cursor.at_symbol(&Token::LParen) {
        true if !by_position => cursor.in_brackets(Cursor::identifier)?,
        _ => Vec::new(),
    };
    cursor.expect("FROM")?;
    let (list, path) = source(cursor)?;
    let mut format = None;
    let (mut files, mut pattern) = (Vec::new(), None);
    let (mut format_options, mut copy_options) = (BTreeMap::new(), BTreeMap::new());
    loop {
        if cursor.eat("FILEFORMAT") {
            once(cursor, format.is_some(), "FILEFORMAT")?;
            cursor.eat_symbol(&Token::Eq);
            format = Some(cursor.identifier()?.to_lowercase());
        } else if cursor.eat("FILES") {
            once(cursor, !files.is_empty(), "FILES")?;
            cursor.eat_symbol(&Token::Eq);
            files = cursor.in_brackets(Cursor::string)?;
        } else if cursor.eat("PATTERN") {
            once(cursor, pattern.is_some(), "PATTERN")?;
            cursor.eat_symbol(&Token::Eq);
            pattern = Some(cursor.string()?);
        } else if cursor.eat("FORMAT_OPTIONS") {
            once(cursor, !format_options.is_empty(), "FORMAT_OPTIONS")?;
            format_options = key_values(cursor)?;
        } else if cursor.eat("COPY_OPTIONS") {
            once(cursor, !copy_options.is_empty(), "COPY_OPTIONS")?;
            copy_options = key_values(cursor)?;
        } else if cursor.is_word(0, "VALIDATE") {
            return Err(cursor.unsupported("VALIDATE in COPY INTO"));
        } else {
            break;
        }
    }
    let Some(format) = format else {
        return Err(cursor.wrong_because("COPY INTO says FILEFORMAT = CSV, JSON or PARQUET"));
    };
    if !files.is_empty() && pattern.is_some() {
        return Err(cursor.wrong_because("FILES and PATTERN exclude one another"));
    }
    Ok(Statement::CopyInto(Box::new(CopyInto {
        table,
        by_position,
        columns,
        list,
        path,
        format,
        files,
        pattern,
        format_options,
        copy_options,
    })))
}

/// `'path'`, or `(SELECT .. FROM 'path')`: the list as it was written, and the path.
fn source(cursor: &mut Cursor<'_>) -> Result<(Option<String>, String), SyntaxError> {
    let selects = cursor.eat_symbol(&Token::LParen);
    let mut list = None;
    if selects {
        cursor.expect("SELECT")?;
        let mark = cursor.mark();
        let mut open = 0_usize;
        while open > 0 || !cursor.is_word(0, "FROM") {
            match cursor.peek(0) {
                Token::EOF => return Err(cursor.wrong()),
                Token::LParen => open += 1,
                Token::RParen if open == 0 => return Err(cursor.wrong()),
                Token::RParen => open -= 1,
                _ => {}
            }
            cursor.advance();
        }
        list = Some(cursor.text_since(mark).to_owned());
        cursor.expect("FROM")?;
    }
    let path = cursor.string()?;
    if cursor.is_word(0, "WITH") {
        return Err(cursor.unsupported("WITH (CREDENTIAL ..) in COPY INTO"));
    }
    if selects {
        if !cursor.at_symbol(&Token::RParen) {
            return Err(cursor.unsupported("more than SELECT .. FROM 'path' in COPY INTO"));
        }
        cursor.expect_symbol(&Token::RParen)?;
    }
    Ok((list, path))
}
