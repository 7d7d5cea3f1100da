//! `INSERT`, `UPDATE`, `DELETE`, `MERGE`, `TRUNCATE`.

use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::syntax_error::SyntaxError;
use crate::statement::{Insert, Merge, MergeClause, MergeThen, MergeWhen, NameOrMarker, Statement};

/// What follows `INSERT`.
pub(super) fn insert(cursor: &mut Cursor<'_>) -> Result<Statement, SyntaxError> {
    if cursor.is_word(0, "WITH") {
        return Err(cursor.unsupported("INSERT WITH SCHEMA EVOLUTION"));
    }
    let overwrite = cursor.eat("OVERWRITE");
    if !overwrite || cursor.is_word(0, "INTO") {
        cursor.expect("INTO")?;
    }
    if cursor.is_word(0, "LOCAL") || cursor.is_word(0, "DIRECTORY") {
        return Err(cursor.unsupported("INSERT OVERWRITE DIRECTORY"));
    }
    // A table may be called `table`.
    if cursor.is_word(0, "TABLE") && matches!(cursor.peek(1), Token::Word(_)) && !starts_rows(cursor, 1) {
        cursor.advance();
    }
    let table = target(cursor)?;
    let mut replaced = None;
    if !overwrite && cursor.eat("REPLACE WHERE") {
        replaced = Some(cursor.expression()?);
    }
    if let Some(word) = ["PARTITION", "REPLACE", "IF"].into_iter().find(|word| cursor.is_word(0, word)) {
        return Err(cursor.unsupported(&format!("INSERT .. {word}")));
    }
    let mut columns = Vec::new();
    let by_name = cursor.eat("BY NAME");
    if !by_name
        && cursor.at_symbol(&Token::LParen)
        && !starts_rows(cursor, 1)
        && cursor.peek(1) != &Token::LParen
    {
        columns = cursor.in_brackets(Cursor::identifier)?;
        if cursor.is_word(0, "BY") {
            return Err(cursor.wrong_because("a column list and BY NAME exclude one another"));
        }
    }
    let source = cursor.query()?;
    Ok(Statement::Insert(Box::new(Insert { table, overwrite, replaced, columns, by_name, source })))
}

fn starts_rows(cursor: &Cursor<'_>, ahead: usize) -> bool {
    ["SELECT", "WITH", "VALUES", "FROM"].iter().any(|word| cursor.is_word(ahead, word))
}

/// The table that is written to. A file or a version of a table cannot be.
fn target(cursor: &mut Cursor<'_>) -> Result<NameOrMarker, SyntaxError> {
    let table = cursor.name_or_marker()?;
    for (first, second) in [("VERSION", "AS"), ("TIMESTAMP", "AS"), ("FOR", "VERSION"), ("FOR", "TIMESTAMP")]
    {
        if cursor.is_word(0, first) && cursor.is_word(1, second) {
            return Err(cursor.unsupported("VERSION AS OF and TIMESTAMP AS OF"));
        }
    }
    Ok(table)
}

/// What follows `UPDATE`.
pub(super) fn update(cursor: &mut Cursor<'_>) -> Result<Statement, SyntaxError> {
    let table = target(cursor)?;
    let alias = cursor.alias(&["SET"])?;
    cursor.expect("SET")?;
    let set = cursor.comma_separated(assignment)?;
    if cursor.is_word(0, "FROM") {
        return Err(cursor.unsupported("UPDATE .. FROM. Write MERGE"));
    }
    Ok(Statement::Update { table, alias, set, filter: filter(cursor)? })
}

/// `a.b = expression`.
fn assignment(cursor: &mut Cursor<'_>) -> Result<(Vec<String>, Expr), SyntaxError> {
    let mut column = vec![cursor.identifier()?];
    while cursor.eat_symbol(&Token::Period) {
        column.push(cursor.identifier()?);
    }
    if !cursor.eat_symbol(&Token::DoubleEq) {
        cursor.expect_symbol(&Token::Eq)?;
    }
    Ok((column, cursor.expression()?))
}

fn filter(cursor: &mut Cursor<'_>) -> Result<Option<Expr>, SyntaxError> {
    if cursor.eat("WHERE") { cursor.expression().map(Some) } else { Ok(None) }
}

/// What follows `DELETE`.
pub(super) fn delete(cursor: &mut Cursor<'_>) -> Result<Statement, SyntaxError> {
    cursor.expect("FROM")?;
    let table = target(cursor)?;
    let alias = cursor.alias(&["WHERE", "USING"])?;
    if cursor.is_word(0, "USING") {
        return Err(cursor.unsupported("DELETE .. USING. Write MERGE"));
    }
    Ok(Statement::Delete { table, alias, filter: filter(cursor)? })
}

/// What follows `TRUNCATE`.
pub(super) fn truncate(cursor: &mut Cursor<'_>) -> Result<Statement, SyntaxError> {
    cursor.expect("TABLE")?;
    let table = target(cursor)?;
    if cursor.is_word(0, "PARTITION") {
        return Err(cursor.unsupported("TRUNCATE TABLE .. PARTITION"));
    }
    Ok(Statement::Truncate { table })
}

/// What follows `MERGE`.
pub(super) fn merge(cursor: &mut Cursor<'_>) -> Result<Statement, SyntaxError> {
    if cursor.is_word(0, "WITH") {
        return Err(cursor.unsupported("MERGE WITH SCHEMA EVOLUTION"));
    }
    cursor.expect("INTO")?;
    let target = target(cursor)?;
    let alias = cursor.alias(&["USING"])?;
    cursor.expect("USING")?;
    let source = cursor.table_factor()?;
    cursor.expect("ON")?;
    let condition = cursor.expression()?;
    let mut clauses = Vec::new();
    while cursor.eat("WHEN") {
        clauses.push(merge_clause(cursor)?);
    }
    if clauses.is_empty() {
        return Err(cursor.wrong_because("a MERGE has at least one WHEN"));
    }
    Ok(Statement::Merge(Box::new(Merge { target, alias, source, condition, clauses })))
}

fn merge_clause(cursor: &mut Cursor<'_>) -> Result<MergeClause, SyntaxError> {
    let when = if cursor.eat("MATCHED") {
        MergeWhen::Matched
    } else {
        cursor.expect("NOT MATCHED")?;
        if cursor.eat("BY SOURCE") {
            MergeWhen::NotMatchedBySource
        } else {
            cursor.eat("BY TARGET");
            MergeWhen::NotMatched
        }
    };
    let condition = if cursor.eat("AND") { Some(cursor.expression()?) } else { None };
    cursor.expect("THEN")?;
    let then =
        if when == MergeWhen::NotMatched { merge_insert(cursor)? } else { merge_change(cursor, when)? };
    Ok(MergeClause { when, condition, then })
}

fn merge_change(cursor: &mut Cursor<'_>, when: MergeWhen) -> Result<MergeThen, SyntaxError> {
    if cursor.eat("DELETE") {
        return Ok(MergeThen::Delete);
    }
    cursor.expect("UPDATE SET")?;
    if when == MergeWhen::Matched && cursor.eat_symbol(&Token::Mul) {
        return all(cursor, MergeThen::UpdateAll);
    }
    cursor.comma_separated(assignment).map(MergeThen::Update)
}

fn merge_insert(cursor: &mut Cursor<'_>) -> Result<MergeThen, SyntaxError> {
    cursor.expect("INSERT")?;
    if cursor.eat_symbol(&Token::Mul) {
        return all(cursor, MergeThen::InsertAll);
    }
    let columns = cursor.in_brackets(Cursor::identifier)?;
    cursor.expect("VALUES")?;
    let values = cursor.in_brackets(Cursor::expression)?;
    if columns.len() != values.len() {
        let hint = format!("{} columns and {} values", columns.len(), values.len());
        return Err(cursor.wrong_because(&hint));
    }
    Ok(MergeThen::Insert { columns, values })
}

fn all(cursor: &mut Cursor<'_>, then: MergeThen) -> Result<MergeThen, SyntaxError> {
    if cursor.is_word(0, "EXCEPT") {
        return Err(cursor.unsupported("* EXCEPT in MERGE"));
    }
    Ok(then)
}
