//! Columns of a table, and its constraints.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::create::once;
use super::cursor::Cursor;
use super::policy::mask;
use super::syntax_error::SyntaxError;
use crate::statement::{Column, Constraint, ForeignKey, Identity, Place, PrimaryKey};

/// What stands between the brackets of `CREATE TABLE`.
#[derive(Default)]
pub(super) struct Columns {
    pub columns: Vec<Column>,
    pub primary_key: Option<PrimaryKey>,
    pub foreign_keys: Vec<ForeignKey>,
}

/// `(a INT, b STRING, PRIMARY KEY (a))`.
pub(super) fn columns(cursor: &mut Cursor<'_>) -> Result<Columns, SyntaxError> {
    let mut found = Columns::default();
    cursor.in_brackets(|cursor| {
        let constraints = match constraint(cursor)? {
            Some(constraint) => vec![constraint],
            None => {
                let (column, constraints) = column(cursor)?;
                found.columns.push(column);
                constraints
            }
        };
        for constraint in constraints {
            match constraint {
                Constraint::PrimaryKey(key) => {
                    once(cursor, found.primary_key.is_some(), "PRIMARY KEY")?;
                    found.primary_key = Some(key);
                }
                Constraint::ForeignKey(key) => found.foreign_keys.push(key),
                Constraint::Check { .. } => {
                    return Err(cursor.unsupported(
                        "a CHECK constraint in CREATE TABLE. Write ALTER TABLE .. ADD CONSTRAINT .. CHECK",
                    ));
                }
            }
        }
        Ok(())
    })?;
    Ok(found)
}

/// A table's constraint, if that is what comes.
pub(super) fn constraint(cursor: &mut Cursor<'_>) -> Result<Option<Constraint>, SyntaxError> {
    let named = cursor.is_word(0, "CONSTRAINT") && matches!(cursor.peek(1), Token::Word(_));
    // `constraint INT` is a column.
    let named = named && ["PRIMARY", "FOREIGN", "CHECK", "UNIQUE"].iter().any(|word| cursor.is_word(2, word));
    let mut name = None;
    if named {
        cursor.advance();
        name = Some(cursor.identifier()?);
    }
    let found = if cursor.eat("PRIMARY KEY") {
        let columns = cursor.in_brackets(|cursor| {
            let name = cursor.identifier()?;
            if cursor.is_word(0, "TIMESERIES") {
                return Err(cursor.unsupported("TIMESERIES in a primary key"));
            }
            Ok(name)
        })?;
        Constraint::PrimaryKey(PrimaryKey { name, columns })
    } else if cursor.eat("FOREIGN KEY") {
        let columns = cursor.in_brackets(Cursor::identifier)?;
        cursor.expect("REFERENCES")?;
        Constraint::ForeignKey(reference(cursor, name, columns)?)
    } else if let Some(name) = name.clone().filter(|_| cursor.eat("CHECK")) {
        cursor.expect_symbol(&Token::LParen)?;
        let mark = cursor.mark();
        cursor.expression()?;
        let condition = cursor.text_since(mark).to_owned();
        cursor.expect_symbol(&Token::RParen)?;
        cursor.eat("ENFORCED");
        return Ok(Some(Constraint::Check { name, condition }));
    } else if (cursor.is_word(0, "CHECK") || cursor.is_word(0, "UNIQUE"))
        && (named || cursor.peek(1) == &Token::LParen)
    {
        return Err(cursor.unsupported("UNIQUE constraints, and CHECK constraints without a name"));
    } else {
        return Ok(None);
    };
    constraint_options(cursor);
    Ok(Some(found))
}

fn reference(
    cursor: &mut Cursor<'_>,
    name: Option<String>,
    columns: Vec<String>,
) -> Result<ForeignKey, SyntaxError> {
    let table = cursor.name_or_marker()?;
    let listed = cursor.at_symbol(&Token::LParen);
    let referenced = if listed { cursor.in_brackets(Cursor::identifier)? } else { Vec::new() };
    Ok(ForeignKey { name, columns, table, referenced })
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

/// `name type [NOT NULL] [DEFAULT e] [GENERATED ..] [COMMENT 'x'] [MASK f] [PRIMARY KEY] [REFERENCES t]`, and its constraints.
fn column(cursor: &mut Cursor<'_>) -> Result<(Column, Vec<Constraint>), SyntaxError> {
    let name = cursor.identifier()?;
    let data_type = cursor.data_type()?;
    let mut column =
        Column { name, data_type, nullable: true, default: None, identity: None, comment: None, mask: None };
    let mut constraints = Vec::new();
    loop {
        if cursor.eat("NOT NULL") {
            column.nullable = false;
        } else if cursor.eat("DEFAULT") {
            once(cursor, column.default.is_some(), "DEFAULT")?;
            column.default = Some(cursor.expression()?);
        } else if cursor.starts_with("GENERATED ALWAYS AS IDENTITY")
            || cursor.starts_with("GENERATED BY DEFAULT AS IDENTITY")
        {
            once(cursor, column.identity.is_some(), "GENERATED")?;
            column.identity = Some(identity(cursor)?);
        } else if cursor.eat("COMMENT") {
            once(cursor, column.comment.is_some(), "COMMENT")?;
            column.comment = Some(cursor.string()?);
        } else if cursor.eat("MASK") {
            once(cursor, column.mask.is_some(), "MASK")?;
            column.mask = Some(mask(cursor)?);
        } else if let Some(constraint) = column_constraint(cursor, &column.name)? {
            constraints.push(constraint);
        } else if let Some(refused) = ["GENERATED", "COLLATE", "CHECK", "UNIQUE", "CONSTRAINT"]
            .into_iter()
            .find(|word| cursor.is_word(0, word))
        {
            return Err(cursor.unsupported(&format!("{refused} in a column")));
        } else {
            return Ok((column, constraints));
        }
    }
}

/// `[CONSTRAINT name] PRIMARY KEY` or `[CONSTRAINT name] [FOREIGN KEY] REFERENCES t [(c)]`, behind a column.
fn column_constraint(cursor: &mut Cursor<'_>, column: &str) -> Result<Option<Constraint>, SyntaxError> {
    let named = cursor.is_word(0, "CONSTRAINT") && matches!(cursor.peek(1), Token::Word(_));
    let at = if named { 2 } else { 0 };
    if !["PRIMARY", "FOREIGN", "REFERENCES"].iter().any(|word| cursor.is_word(at, word)) {
        return Ok(None);
    }
    let mut name = None;
    if named {
        cursor.advance();
        name = Some(cursor.identifier()?);
    }
    let columns = vec![column.to_owned()];
    let found = if cursor.eat("PRIMARY KEY") {
        Constraint::PrimaryKey(PrimaryKey { name, columns })
    } else {
        cursor.eat("FOREIGN KEY");
        cursor.expect("REFERENCES")?;
        Constraint::ForeignKey(reference(cursor, name, columns)?)
    };
    constraint_options(cursor);
    Ok(Some(found))
}

/// `GENERATED ALWAYS|BY DEFAULT AS IDENTITY [([START WITH n] [INCREMENT BY m])]`.
fn identity(cursor: &mut Cursor<'_>) -> Result<Identity, SyntaxError> {
    cursor.expect("GENERATED")?;
    let always = cursor.eat("ALWAYS");
    if !always {
        cursor.expect("BY DEFAULT")?;
    }
    cursor.expect("AS IDENTITY")?;
    let mut identity = Identity { always, start: 1, step: 1 };
    if cursor.eat_symbol(&Token::LParen) {
        if cursor.eat("START WITH") || cursor.eat("START") {
            identity.start = whole_number(cursor)?;
        }
        if cursor.eat("INCREMENT BY") || cursor.eat("INCREMENT") {
            identity.step = whole_number(cursor)?;
        }
        cursor.expect_symbol(&Token::RParen)?;
    }
    Ok(identity)
}

fn whole_number(cursor: &mut Cursor<'_>) -> Result<i64, SyntaxError> {
    let minus = cursor.eat_symbol(&Token::Minus);
    if !minus {
        cursor.eat_symbol(&Token::Plus);
    }
    let Token::Number(digits, _) = cursor.peek(0).clone() else { return Err(cursor.wrong()) };
    let signed = if minus { format!("-{digits}") } else { digits };
    let Ok(number) = signed.parse() else {
        return Err(cursor.wrong_because("a BIGINT without a fraction stands here"));
    };
    cursor.advance();
    Ok(number)
}

/// `FIRST`, or `AFTER c`.
pub(super) fn place(cursor: &mut Cursor<'_>) -> Result<Option<Place>, SyntaxError> {
    if cursor.eat("FIRST") {
        return Ok(Some(Place::First));
    }
    if cursor.eat("AFTER") { cursor.identifier().map(|after| Some(Place::After(after))) } else { Ok(None) }
}

/// One column of `ADD COLUMNS`, and where it stands among the others.
pub(super) fn added(cursor: &mut Cursor<'_>) -> Result<(Column, Option<Place>), SyntaxError> {
    let (column, constraints) = column(cursor)?;
    if !constraints.is_empty() {
        return Err(cursor.unsupported("a constraint in ADD COLUMN. Write ALTER TABLE .. ADD CONSTRAINT"));
    }
    if column.identity.is_some() {
        return Err(cursor.unsupported("GENERATED AS IDENTITY in ADD COLUMN. It is for CREATE TABLE"));
    }
    Ok((column, place(cursor)?))
}
