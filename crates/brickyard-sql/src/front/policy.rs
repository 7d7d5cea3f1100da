//! Row filters and column masks.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::syntax_error::SyntaxError;
use crate::statement::{Mask, PolicyArgument, RowFilter};

/// What follows `ROW FILTER`: `f ON (region, 'x')`. A filter without columns is written `ON ()`.
pub(super) fn row_filter(cursor: &mut Cursor<'_>) -> Result<RowFilter, SyntaxError> {
    let function = cursor.name_or_marker()?;
    cursor.expect("ON")?;
    Ok(RowFilter { function, on: cursor.in_brackets(argument)? })
}

/// What follows `MASK`: `f [USING COLUMNS (country, 'x')]`.
pub(super) fn mask(cursor: &mut Cursor<'_>) -> Result<Mask, SyntaxError> {
    let function = cursor.name_or_marker()?;
    let using = if cursor.eat("USING COLUMNS") { cursor.in_brackets(argument)? } else { Vec::new() };
    Ok(Mask { function, using })
}

/// A column, or a literal as it is written.
fn argument(cursor: &mut Cursor<'_>) -> Result<PolicyArgument, SyntaxError> {
    let mark = cursor.mark();
    if cursor.eat_one_of(&["TRUE", "FALSE", "NULL"]).is_some() {
        return Ok(PolicyArgument::Constant(cursor.text_since(mark).to_owned()));
    }
    let typed = matches!(cursor.peek(1), Token::SingleQuotedString(_));
    if cursor.at_string() || (typed && cursor.eat_one_of(&["DATE", "TIMESTAMP", "TIMESTAMP_NTZ"]).is_some()) {
        cursor.string()?;
        return Ok(PolicyArgument::Constant(cursor.text_since(mark).to_owned()));
    }
    let sign = cursor.eat_symbol(&Token::Minus);
    if matches!(cursor.peek(0), Token::Number(..)) {
        cursor.advance();
        return Ok(PolicyArgument::Constant(cursor.text_since(mark).to_owned()));
    }
    if sign {
        return Err(cursor.wrong());
    }
    let name = cursor.identifier()?;
    if cursor.at_symbol(&Token::Period) || cursor.at_symbol(&Token::LParen) {
        return Err(cursor.wrong_because("a policy is given columns of its table and constants"));
    }
    Ok(PolicyArgument::Column(name))
}
