//! `ALTER`.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::tokenizer::Token;

use super::column::{added, constraint, place};
use super::cursor::Cursor;
use super::policy::{mask, row_filter};
use super::properties::{key, key_values, options};
use super::statement::{if_exists, kind};
use super::syntax_error::SyntaxError;
use crate::statement::{Alteration, Column, Dropped, Kind, Place, Statement};

/// Changes of a table that are understood and not made, by their first words.
const UNMADE: [&str; 18] = [
    "ADD PARTITION",
    "ADD IF NOT EXISTS PARTITION",
    "DROP PARTITION",
    "DROP IF EXISTS PARTITION",
    "PARTITION",
    "RECOVER PARTITIONS",
    "SET LOCATION",
    "SET SERDE",
    "SET SERDEPROPERTIES",
    "SET MANAGED",
    "UNSET MANAGED",
    "DROP FEATURE",
    "ADD FEATURE",
    "ENABLE PREDICTIVE OPTIMIZATION",
    "DISABLE PREDICTIVE OPTIMIZATION",
    "INHERIT PREDICTIVE OPTIMIZATION",
    "DEFAULT COLLATION",
    "REPLACE COLUMNS",
];

/// What follows `ALTER`.
pub(super) fn alter(cursor: &mut Cursor<'_>) -> Result<Statement, SyntaxError> {
    let Some(kind) = kind(cursor, "ALTER")? else { return Err(cursor.wrong()) };
    if kind == Kind::Metastore {
        return Err(cursor.unsupported("ALTER METASTORE"));
    }
    if cursor.is_word(0, "IF") && cursor.is_word(1, "EXISTS") {
        return Err(cursor.unsupported("ALTER .. IF EXISTS"));
    }
    let name = cursor.name_or_marker()?;
    let action = action(cursor, kind)?;
    Ok(Statement::Alter { kind, name, action })
}

fn action(cursor: &mut Cursor<'_>, kind: Kind) -> Result<Alteration, SyntaxError> {
    if cursor.eat("SET OWNER TO") || cursor.eat("OWNER TO") {
        return cursor.principal().map(Alteration::OwnerTo);
    }
    if matches!(kind, Kind::Connection | Kind::Function)
        && (cursor.starts_with("SET TAGS") || cursor.starts_with("UNSET TAGS"))
    {
        return Err(cursor.unsupported("tags of a function or a connection"));
    }
    if let Some(change) = tags(cursor, None)? {
        return Ok(change);
    }
    if let Some(words) = UNMADE.iter().find(|words| cursor.eat(words)) {
        while !cursor.at_end() {
            cursor.advance();
        }
        return Ok(Alteration::Refused((*words).to_owned()));
    }
    match kind {
        Kind::Table => table(cursor),
        Kind::View => view(cursor),
        Kind::Connection => connection(cursor),
        Kind::Catalog | Kind::Schema => container(cursor),
        Kind::Function | Kind::Metastore => Err(cursor.wrong()),
    }
}

/// `SET TAGS ('a' = 'b', 'c')` and `UNSET TAGS ('a')`, if that is what comes.
fn tags(cursor: &mut Cursor<'_>, column: Option<&str>) -> Result<Option<Alteration>, SyntaxError> {
    let column = column.map(str::to_owned);
    if cursor.eat("UNSET TAGS") {
        return Ok(Some(Alteration::UnsetTags { column, names: cursor.in_brackets(key)? }));
    }
    if !cursor.eat("SET TAGS") {
        return Ok(None);
    }
    let pairs = cursor.in_brackets(|cursor| {
        let name = key(cursor)?;
        // A tag may say something by being there.
        let value = if cursor.eat_symbol(&Token::Eq) { cursor.string()? } else { String::new() };
        Ok((name, value))
    })?;
    let mut tags = BTreeMap::new();
    for (name, value) in pairs {
        if tags.insert(name.clone(), value).is_some() {
            return Err(cursor.wrong_because(&format!("the tag {name} is given twice")));
        }
    }
    Ok(Some(Alteration::SetTags { column, tags }))
}

fn container(cursor: &mut Cursor<'_>) -> Result<Alteration, SyntaxError> {
    if cursor.eat("SET DBPROPERTIES") {
        return key_values(cursor).map(Alteration::SetProperties);
    }
    if cursor.eat("SET COMMENT") {
        return cursor.string_or_null().map(Alteration::SetComment);
    }
    for words in ["SET MANAGED LOCATION", "OPTIONS", "RENAME TO"] {
        if cursor.eat(words) {
            return Err(cursor.unsupported(&format!("{words} of a catalog or a schema")));
        }
    }
    Err(cursor.wrong())
}

fn connection(cursor: &mut Cursor<'_>) -> Result<Alteration, SyntaxError> {
    if cursor.eat("SET OPTIONS") || cursor.eat("OPTIONS") {
        return options(cursor).map(Alteration::SetOptions);
    }
    if cursor.eat("RENAME TO") {
        return cursor.name_or_marker().map(Alteration::RenameTo);
    }
    if cursor.eat("SET COMMENT") {
        return cursor.string_or_null().map(Alteration::SetComment);
    }
    Err(cursor.wrong())
}

fn view(cursor: &mut Cursor<'_>) -> Result<Alteration, SyntaxError> {
    if cursor.eat("AS") {
        let mark = cursor.mark();
        let query = cursor.query()?;
        return Ok(Alteration::ViewQuery { query, text: cursor.text_since(mark).to_owned() });
    }
    if cursor.is_word(0, "WITH") {
        return Err(cursor.unsupported("WITH SCHEMA of a view"));
    }
    relation(cursor)?.ok_or_else(|| cursor.wrong())
}

/// What tables and views share.
fn relation(cursor: &mut Cursor<'_>) -> Result<Option<Alteration>, SyntaxError> {
    Ok(Some(if cursor.eat("RENAME TO") {
        Alteration::RenameTo(cursor.name_or_marker()?)
    } else if cursor.eat("SET TBLPROPERTIES") {
        Alteration::SetProperties(key_values(cursor)?)
    } else if cursor.eat("UNSET TBLPROPERTIES") {
        let if_exists = if_exists(cursor);
        Alteration::UnsetProperties { keys: cursor.in_brackets(key)?, if_exists }
    } else {
        return Ok(None);
    }))
}

fn table(cursor: &mut Cursor<'_>) -> Result<Alteration, SyntaxError> {
    if let Some(shared) = relation(cursor)? {
        return Ok(shared);
    }
    if cursor.eat("CLUSTER BY") {
        let listed = cursor.at_symbol(&Token::LParen);
        if !listed && cursor.eat_one_of(&["NONE", "AUTO"]).is_none() {
            return Err(cursor.wrong());
        }
        let columns = if listed { cursor.in_brackets(Cursor::identifier)? } else { Vec::new() };
        return Ok(Alteration::ClusterBy(columns));
    }
    if cursor.eat("SET ROW FILTER") {
        return row_filter(cursor).map(Alteration::SetRowFilter);
    }
    if cursor.eat("DROP ROW FILTER") {
        return Ok(Alteration::DropRowFilter);
    }
    if cursor.eat_one_of(&["ADD COLUMNS", "ADD COLUMN"]).is_some() {
        return add_columns(cursor);
    }
    if cursor.eat_one_of(&["DROP COLUMNS", "DROP COLUMN"]).is_some() {
        return drop_columns(cursor);
    }
    if let Some(constraint) = constraint_action(cursor)? {
        return Ok(constraint);
    }
    if cursor.eat("RENAME COLUMN") {
        let from = column_name(cursor)?;
        cursor.expect("TO")?;
        return Ok(Alteration::RenameColumn { from, to: cursor.identifier()? });
    }
    if cursor.eat("ALTER") || cursor.eat("CHANGE") {
        cursor.eat("COLUMN");
        let column = column_name(cursor)?;
        let changed = column_action(cursor, column)?;
        if cursor.at_symbol(&Token::Comma) {
            return Err(cursor.unsupported("several columns in one ALTER COLUMN"));
        }
        return Ok(changed);
    }
    Err(cursor.wrong())
}

/// `ADD` or `DROP` of a constraint, if that is what comes.
fn constraint_action(cursor: &mut Cursor<'_>) -> Result<Option<Alteration>, SyntaxError> {
    if ["ADD CONSTRAINT", "ADD PRIMARY KEY", "ADD FOREIGN KEY"].iter().any(|words| cursor.starts_with(words))
    {
        cursor.advance();
        return match constraint(cursor)? {
            Some(constraint) => Ok(Some(Alteration::AddConstraint(constraint))),
            None => Err(cursor.wrong()),
        };
    }
    let mut if_it_exists = false;
    let dropped = match cursor.eat_one_of(&["DROP CONSTRAINT", "DROP PRIMARY KEY", "DROP FOREIGN KEY"]) {
        Some("DROP CONSTRAINT") => {
            if_it_exists = if_exists(cursor);
            Dropped::Named(cursor.identifier()?)
        }
        Some("DROP PRIMARY KEY") => {
            if_it_exists = if_exists(cursor);
            Dropped::PrimaryKey
        }
        Some(_) => {
            if_it_exists |= if_exists(cursor);
            Dropped::ForeignKey(cursor.in_brackets(Cursor::identifier)?)
        }
        None => return Ok(None),
    };
    let cascade = cursor.eat("CASCADE");
    if !cascade {
        cursor.eat("RESTRICT");
    }
    Ok(Some(Alteration::DropConstraint { dropped, if_exists: if_it_exists, cascade }))
}

/// One column; a field of a struct is refused.
fn column_name(cursor: &mut Cursor<'_>) -> Result<String, SyntaxError> {
    let name = cursor.identifier()?;
    if cursor.at_symbol(&Token::Period) {
        return Err(cursor.unsupported("changes of a field of a struct"));
    }
    Ok(name)
}

fn add_columns(cursor: &mut Cursor<'_>) -> Result<Alteration, SyntaxError> {
    if cursor.is_word(0, "IF") && cursor.is_word(1, "NOT") {
        return Err(cursor.unsupported("ADD COLUMN IF NOT EXISTS"));
    }
    let columns: Vec<(Column, Option<Place>)> = match cursor.peek(0) {
        Token::LParen => cursor.in_brackets(added)?,
        _ => cursor.comma_separated(added)?,
    };
    if columns.is_empty() {
        return Err(cursor.wrong_because("no column is given"));
    }
    Ok(Alteration::AddColumns(columns))
}

fn drop_columns(cursor: &mut Cursor<'_>) -> Result<Alteration, SyntaxError> {
    let if_exists = if_exists(cursor);
    let names = match cursor.peek(0) {
        Token::LParen => cursor.in_brackets(column_name)?,
        _ => cursor.comma_separated(column_name)?,
    };
    if names.is_empty() {
        return Err(cursor.wrong_because("no column is given"));
    }
    Ok(Alteration::DropColumns { names, if_exists })
}

fn column_action(cursor: &mut Cursor<'_>, column: String) -> Result<Alteration, SyntaxError> {
    if cursor.eat("COMMENT") {
        return Ok(Alteration::ColumnComment { column, comment: Some(cursor.string()?) });
    }
    if cursor.eat("TYPE") {
        return Ok(Alteration::ColumnType { column, data_type: cursor.data_type()? });
    }
    if let Some(words) = cursor.eat_one_of(&["SET NOT NULL", "DROP NOT NULL"]) {
        return Ok(Alteration::ColumnNullable { column, nullable: words == "DROP NOT NULL" });
    }
    if cursor.eat("SET MASK") {
        return Ok(Alteration::SetMask { column, mask: mask(cursor)? });
    }
    if cursor.eat("DROP MASK") {
        return Ok(Alteration::DropMask { column });
    }
    if cursor.eat("SET DEFAULT") {
        let default = Some(Box::new(cursor.expression()?));
        return Ok(Alteration::ColumnDefault { column, default });
    }
    if cursor.eat("DROP DEFAULT") {
        return Ok(Alteration::ColumnDefault { column, default: None });
    }
    if let Some(change) = tags(cursor, Some(&column))? {
        return Ok(change);
    }
    if let Some(words) = cursor.eat_one_of(&["SYNC IDENTITY"]) {
        while !cursor.at_end() {
            cursor.advance();
        }
        return Ok(Alteration::Refused(format!("ALTER COLUMN .. {words}")));
    }
    if let Some(place) = place(cursor)? {
        return Ok(Alteration::ColumnPlace { column, place });
    }
    Err(cursor.wrong())
}
