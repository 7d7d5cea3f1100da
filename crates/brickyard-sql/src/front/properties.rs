//! `(key = value, ..)` behind `TBLPROPERTIES`, `DBPROPERTIES` and `OPTIONS`.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::syntax_error::SyntaxError;
use crate::statement::OptionValue;

/// `('k' = 'v', a.b = 1, k v)`. A key is given once.
pub(super) fn key_values(cursor: &mut Cursor<'_>) -> Result<BTreeMap<String, String>, SyntaxError> {
    let mut found = BTreeMap::new();
    let pairs = cursor.in_brackets(|cursor| {
        let key = key(cursor)?;
        cursor.eat_symbol(&Token::Eq);
        let value = literal(cursor)?;
        Ok((key, value))
    })?;
    for (key, value) in pairs {
        if found.insert(key.clone(), value).is_some() {
            return Err(cursor.wrong_because(&format!("the key {key} is given twice")));
        }
    }
    Ok(found)
}

/// Options of a connection, whose values may be `secret('scope', 'key')`.
pub(super) fn options(cursor: &mut Cursor<'_>) -> Result<Vec<(String, OptionValue)>, SyntaxError> {
    let mut seen = Vec::new();
    cursor.in_brackets(|cursor| {
        let key = key(cursor)?;
        if seen.contains(&key) {
            return Err(cursor.wrong_because(&format!("the key {key} is given twice")));
        }
        seen.push(key.clone());
        cursor.eat_symbol(&Token::Eq);
        let value = if cursor.is_word(0, "SECRET") && cursor.peek(1) == &Token::LParen {
            secret(cursor)?
        } else {
            OptionValue::Literal(literal(cursor)?)
        };
        Ok((key, value))
    })
}

fn secret(cursor: &mut Cursor<'_>) -> Result<OptionValue, SyntaxError> {
    cursor.expect("SECRET")?;
    cursor.expect_symbol(&Token::LParen)?;
    let scope = cursor.string()?;
    cursor.expect_symbol(&Token::Comma)?;
    let key = cursor.string()?;
    cursor.expect_symbol(&Token::RParen)?;
    Ok(OptionValue::Secret { scope, key })
}

/// `'a.b'` or `a.b`.
pub(super) fn key(cursor: &mut Cursor<'_>) -> Result<String, SyntaxError> {
    if cursor.at_string() {
        return cursor.string();
    }
    let mut key = cursor.identifier()?;
    while cursor.eat_symbol(&Token::Period) {
        key.push('.');
        key.push_str(&cursor.identifier()?);
    }
    Ok(key)
}

/// A string, a number, `TRUE` or `FALSE`; all of them become text, as in Spark.
fn literal(cursor: &mut Cursor<'_>) -> Result<String, SyntaxError> {
    if cursor.at_string() {
        return cursor.string();
    }
    if let Some(word) = cursor.eat_one_of(&["TRUE", "FALSE"]) {
        return Ok(word.to_ascii_lowercase());
    }
    let mark = cursor.mark();
    cursor.eat_symbol(&Token::Minus);
    if !matches!(cursor.peek(0), Token::Number(..)) {
        return Err(cursor.wrong());
    }
    cursor.advance();
    Ok(cursor.text_since(mark).to_owned())
}
