//! `OPTIMIZE`, `VACUUM`, `ANALYZE TABLE`, `REFRESH TABLE`, `RESTORE`, `DESCRIBE HISTORY`, `DESCRIBE DETAIL`.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::syntax_error::SyntaxError;
use crate::statement::{Statement, Upkeep};

/// What follows `DESCRIBE`, if it is about a table's files.
pub(super) fn described(cursor: &mut Cursor<'_>) -> Result<Option<Statement>, SyntaxError> {
    let named = matches!(cursor.peek(1), Token::Word(_));
    let what = match ["HISTORY", "DETAIL"].into_iter().find(|word| named && cursor.is_word(0, word)) {
        Some("HISTORY") => Upkeep::History,
        Some(_) => Upkeep::Detail,
        None => return Ok(None),
    };
    cursor.advance();
    cursor.eat("TABLE");
    let table = cursor.name_or_marker()?;
    if cursor.is_word(0, "LIMIT") {
        return Err(cursor.unsupported("LIMIT of DESCRIBE HISTORY"));
    }
    Ok(Some(Statement::Upkeep { table, what }))
}

/// What follows `OPTIMIZE`.
pub(super) fn optimize(cursor: &mut Cursor<'_>) -> Result<Statement, SyntaxError> {
    let table = cursor.name_or_marker()?;
    cursor.eat("FULL");
    if cursor.is_word(0, "WHERE") {
        return Err(cursor.unsupported("OPTIMIZE .. WHERE"));
    }
    let zorder = if cursor.eat("ZORDER BY") {
        match cursor.peek(0) {
            Token::LParen => cursor.in_brackets(Cursor::identifier)?,
            _ => cursor.comma_separated(Cursor::identifier)?,
        }
    } else {
        Vec::new()
    };
    Ok(Statement::Upkeep { table, what: Upkeep::Optimize { zorder } })
}

/// What follows `VACUUM`.
pub(super) fn vacuum(cursor: &mut Cursor<'_>) -> Result<Statement, SyntaxError> {
    let table = cursor.name_or_marker()?;
    cursor.eat_one_of(&["FULL", "LITE"]);
    if cursor.is_word(0, "RETAIN") {
        return Err(
            cursor.unsupported("VACUUM .. RETAIN. Set the table property delta.deletedFileRetentionDuration")
        );
    }
    Ok(Statement::Upkeep { table, what: Upkeep::Vacuum { dry_run: cursor.eat("DRY RUN") } })
}

/// What follows `RESTORE`.
pub(super) fn restore(cursor: &mut Cursor<'_>) -> Result<Statement, SyntaxError> {
    cursor.eat("TABLE");
    let table = cursor.name_or_marker()?;
    cursor.eat("TO");
    let is_version = match cursor.eat_one_of(&["VERSION AS OF", "TIMESTAMP AS OF"]) {
        Some(words) => words.starts_with("VERSION"),
        None => return Err(cursor.wrong()),
    };
    let at = Box::new(cursor.expression()?);
    Ok(Statement::Upkeep { table, what: Upkeep::Restore { is_version, at } })
}

/// What follows `ANALYZE TABLE`.
pub(super) fn analyze(cursor: &mut Cursor<'_>) -> Result<Statement, SyntaxError> {
    let table = cursor.name_or_marker()?;
    if cursor.is_word(0, "PARTITION") {
        return Err(cursor.unsupported("ANALYZE TABLE .. PARTITION"));
    }
    cursor.expect("COMPUTE")?;
    cursor.eat("DELTA");
    cursor.expect("STATISTICS")?;
    if cursor.eat("FOR ALL COLUMNS") || cursor.eat("NOSCAN") {
        return Ok(Statement::Upkeep { table, what: Upkeep::Analyze });
    }
    if cursor.eat("FOR COLUMNS") {
        cursor.comma_separated(Cursor::identifier)?;
    }
    Ok(Statement::Upkeep { table, what: Upkeep::Analyze })
}

/// What follows `REFRESH TABLE`.
pub(super) fn refresh(cursor: &mut Cursor<'_>) -> Result<Statement, SyntaxError> {
    let table = cursor.name_or_marker()?;
    Ok(Statement::Upkeep { table, what: Upkeep::Refresh })
}
