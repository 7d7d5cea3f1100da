//! Columns of a table, and its constraints.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::create::once;
use super::cursor::Cursor;
use super::policy::mask;
use super::syntax_error::SyntaxError;
use crate::statement::{Column, ForeignKey};

/// What stands between the brackets of `CREATE TABLE`.
#[derive(Default)]
pub(super) struct Columns {
    pub columns: Vec<Column>,
    pub primary_key: Vec<String>,
    pub foreign_keys: Vec<ForeignKey>,
}

/// `(a INT, b STRING, PRIMARY KEY (a))`.
pub(super) fn columns(cursor: &mut Cursor<'_>) -> Result<Columns, SyntaxError> {
    let mut found = Columns::default();
    cursor.in_brackets(|cursor| {
        if constraint(cursor, &mut found)? {
            return Ok(());
        }
        let (column, is_key) = column(cursor)?;
        if is_key {
            once(cursor, !found.primary_key.is_empty(), "PRIMARY KEY")?;
            found.primary_key = vec![column.name.clone()];
        }
        found.columns.push(column);
        Ok(())
    })?;
    Ok(found)
}

/// Whether a table constraint was read.
fn constraint(cursor: &mut Cursor<'_>, found: &mut Columns) -> Result<bool, SyntaxError> {
    let named = cursor.is_word(0, "CONSTRAINT") && matches!(cursor.peek(1), Token::Word(_));
    // `constraint INT` is a column.
    let named = named && ["PRIMARY", "FOREIGN", "CHECK", "UNIQUE"].iter().any(|word| cursor.is_word(2, word));
    if named {
        cursor.advance();
        cursor.identifier()?;
    }
    if cursor.eat("PRIMARY KEY") {
        once(cursor, !found.primary_key.is_empty(), "PRIMARY KEY")?;
        found.primary_key = cursor.in_brackets(|cursor| {
            let name = cursor.identifier()?;
            if cursor.is_word(0, "TIMESERIES") {
                return Err(cursor.unsupported("TIMESERIES in a primary key"));
            }
            Ok(name)
        })?;
    } else if cursor.eat("FOREIGN KEY") {
        let columns = cursor.in_brackets(Cursor::identifier)?;
        cursor.expect("REFERENCES")?;
        found.foreign_keys.push(reference(cursor, columns)?);
    } else if (cursor.is_word(0, "CHECK") || cursor.is_word(0, "UNIQUE"))
        && (named || cursor.peek(1) == &Token::LParen)
    {
        return Err(cursor.unsupported("CHECK and UNIQUE constraints"));
    } else {
        return Ok(false);
    }
    constraint_options(cursor);
    Ok(true)
}

fn reference(cursor: &mut Cursor<'_>, columns: Vec<String>) -> Result<ForeignKey, SyntaxError> {
    let table = cursor.name_or_marker()?;
    let listed = cursor.at_symbol(&Token::LParen);
    let referenced = if listed { cursor.in_brackets(Cursor::identifier)? } else { Vec::new() };
    Ok(ForeignKey { columns, table, referenced })
}

/// Words that say what is always so: these constraints are never enforced.
fn constraint_options(cursor: &mut Cursor<'_>) {
    const OPTIONS: [&str; 11] = [
        "NOT ENFORCED",
        "DEFERRABLE",
        "NOT DEFERRABLE",
        "INITIALLY DEFERRED",
        "INITIALLY IMMEDIATE",
        "NORELY",
        "RELY",
        "MATCH FULL",
        "ON UPDATE NO ACTION",
        "ON DELETE NO ACTION",
        "NOT VALIDATED",
    ];
    while cursor.eat_one_of(&OPTIONS).is_some() {}
}

/// `name type [NOT NULL] [DEFAULT e] [COMMENT 'x'] [MASK f] [PRIMARY KEY]`, and whether it is the key.
fn column(cursor: &mut Cursor<'_>) -> Result<(Column, bool), SyntaxError> {
    let name = cursor.identifier()?;
    let data_type = cursor.data_type()?;
    let mut column = Column { name, data_type, nullable: true, default: None, comment: None, mask: None };
    let mut is_key = false;
    loop {
        if cursor.eat("NOT NULL") {
            column.nullable = false;
        } else if cursor.eat("DEFAULT") {
            once(cursor, column.default.is_some(), "DEFAULT")?;
            column.default = Some(cursor.expression()?);
        } else if cursor.eat("COMMENT") {
            once(cursor, column.comment.is_some(), "COMMENT")?;
            column.comment = Some(cursor.string()?);
        } else if cursor.eat("MASK") {
            once(cursor, column.mask.is_some(), "MASK")?;
            column.mask = Some(mask(cursor)?);
        } else if cursor.is_word(0, "PRIMARY")
            || (cursor.is_word(0, "CONSTRAINT") && cursor.is_word(2, "PRIMARY"))
        {
            if cursor.eat("CONSTRAINT") {
                cursor.identifier()?;
            }
            cursor.expect("PRIMARY KEY")?;
            once(cursor, is_key, "PRIMARY KEY")?;
            is_key = true;
            constraint_options(cursor);
        } else if let Some(refused) =
            ["GENERATED", "COLLATE", "CHECK", "UNIQUE", "REFERENCES", "FOREIGN", "CONSTRAINT"]
                .into_iter()
                .find(|word| cursor.is_word(0, word))
        {
            return Err(cursor.unsupported(&format!("{refused} in a column. Write keys behind the columns")));
        } else {
            return Ok((column, is_key));
        }
    }
}

/// One column of `ADD COLUMNS`: where it stands among the others is refused.
pub(super) fn added(cursor: &mut Cursor<'_>) -> Result<Column, SyntaxError> {
    let (column, is_key) = column(cursor)?;
    if is_key {
        return Err(cursor.unsupported("PRIMARY KEY in ADD COLUMN"));
    }
    if cursor.is_word(0, "FIRST") || cursor.is_word(0, "AFTER") {
        return Err(cursor.unsupported("FIRST and AFTER in ADD COLUMN. A new column is the last one"));
    }
    Ok(column)
}
