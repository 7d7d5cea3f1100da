//! `CREATE CATALOG | SCHEMA | VIEW | CONNECTION`, and whose turn it is for the others.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::properties::{key_values, options};
use super::statement::{OTHER_KINDS, if_not_exists};
use super::syntax_error::SyntaxError;
use super::{create_table, function};
use crate::statement::{CreateConnection, CreateContainer, CreateView, OptionValue, Statement};

/// `CREATE ..`.
pub(super) fn create(cursor: &mut Cursor<'_>) -> Result<Statement, SyntaxError> {
    let or_replace = cursor.eat("OR REPLACE");
    if cursor.eat("OR REFRESH") {
        return Err(cursor.unsupported("CREATE OR REFRESH"));
    }
    for word in ["GLOBAL TEMPORARY", "TEMPORARY", "TEMP", "PRIVATE"] {
        if cursor.eat(word) {
            if word.starts_with("TEMP") && cursor.eat("VIEW") {
                return view(cursor, or_replace, true);
            }
            let what = ["VIEW", "FUNCTION", "TABLE"].into_iter().find(|what| cursor.is_word(0, what));
            return Err(cursor.unsupported(&format!("CREATE {word} {}", what.unwrap_or("objects"))));
        }
    }
    for words in OTHER_KINDS {
        if cursor.starts_with(words) {
            return Err(cursor.unsupported(&format!("CREATE {words}")));
        }
    }
    let heads =
        ["CATALOG", "SCHEMA", "DATABASE", "EXTERNAL TABLE", "TABLE", "VIEW", "FUNCTION", "CONNECTION"];
    let head = cursor.eat_one_of(&heads);
    let replaces = matches!(head, Some("EXTERNAL TABLE" | "TABLE" | "VIEW" | "FUNCTION"));
    if or_replace && !replaces {
        return Err(cursor.unsupported("OR REPLACE for anything but a table, a view or a function"));
    }
    match head {
        Some("CATALOG") => container(cursor, "OPTIONS").map(Statement::CreateCatalog),
        Some("SCHEMA" | "DATABASE") => container(cursor, "DBPROPERTIES").map(Statement::CreateSchema),
        Some("VIEW") => view(cursor, or_replace, false),
        Some("FUNCTION") => function::create(cursor, or_replace),
        Some("CONNECTION") => connection(cursor),
        Some(table) => create_table::create(cursor, or_replace, table == "EXTERNAL TABLE"),
        None => Err(cursor.wrong()),
    }
}

/// `OR REPLACE` and `IF NOT EXISTS` exclude one another.
pub(super) fn only_if_absent(cursor: &mut Cursor<'_>, or_replace: bool) -> Result<bool, SyntaxError> {
    if or_replace && cursor.is_word(0, "IF") && cursor.is_word(1, "NOT") {
        return Err(cursor.wrong_because("OR REPLACE and IF NOT EXISTS exclude one another"));
    }
    Ok(if_not_exists(cursor))
}

/// Says that a clause is there twice.
pub(super) fn once(cursor: &Cursor<'_>, present: bool, clause: &str) -> Result<(), SyntaxError> {
    if present { Err(cursor.wrong_because(&format!("{clause} is given twice"))) } else { Ok(()) }
}

fn container(cursor: &mut Cursor<'_>, properties_word: &str) -> Result<CreateContainer, SyntaxError> {
    let if_not_exists = if_not_exists(cursor);
    let name = cursor.name_or_marker()?;
    let mut created = CreateContainer { name, if_not_exists, comment: None, properties: BTreeMap::new() };
    loop {
        if cursor.eat("COMMENT") {
            once(cursor, created.comment.is_some(), "COMMENT")?;
            created.comment = Some(cursor.string()?);
        } else if cursor.eat("WITH DBPROPERTIES") || cursor.eat(properties_word) {
            once(cursor, !created.properties.is_empty(), properties_word)?;
            created.properties = key_values(cursor)?;
        } else if let Some(refused) = ["MANAGED LOCATION", "LOCATION", "USING", "DEFAULT COLLATION"]
            .into_iter()
            .find(|refused| cursor.starts_with(refused))
        {
            return Err(cursor.unsupported(&format!("{refused} of a catalog or a schema")));
        } else {
            return Ok(created);
        }
    }
}

fn view(cursor: &mut Cursor<'_>, or_replace: bool, temporary: bool) -> Result<Statement, SyntaxError> {
    let if_not_exists = only_if_absent(cursor, or_replace)?;
    if temporary && if_not_exists {
        return Err(cursor.wrong_because("a temporary view has no IF NOT EXISTS: write CREATE OR REPLACE"));
    }
    let name = cursor.name_or_marker()?;
    let columns =
        if cursor.at_symbol(&Token::LParen) { cursor.in_brackets(view_column)? } else { Vec::new() };
    let mut comment = None;
    let mut properties = BTreeMap::new();
    loop {
        if cursor.eat("COMMENT") {
            once(cursor, comment.is_some(), "COMMENT")?;
            comment = Some(cursor.string()?);
        } else if cursor.eat("TBLPROPERTIES") {
            once(cursor, !properties.is_empty(), "TBLPROPERTIES")?;
            if temporary {
                return Err(cursor.wrong_because("a temporary view has no TBLPROPERTIES"));
            }
            properties = key_values(cursor)?;
        } else if cursor.is_word(0, "WITH") {
            // WITH SCHEMA BINDING and its like, WITH METRICS, WITH ROW FILTER.
            return Err(cursor.unsupported("WITH .. of a view"));
        } else if cursor.is_word(0, "DEFAULT") || cursor.is_word(0, "LANGUAGE") {
            return Err(cursor.unsupported("DEFAULT COLLATION and LANGUAGE of a view"));
        } else {
            break;
        }
    }
    cursor.expect("AS")?;
    let mark = cursor.mark();
    let query = cursor.query()?;
    let text = cursor.text_since(mark).to_owned();
    Ok(Statement::CreateView(Box::new(CreateView {
        name,
        temporary,
        or_replace,
        if_not_exists,
        columns,
        comment,
        properties,
        query,
        text,
    })))
}

fn view_column(cursor: &mut Cursor<'_>) -> Result<(String, Option<String>), SyntaxError> {
    let name = cursor.identifier()?;
    let comment = if cursor.eat("COMMENT") { Some(cursor.string()?) } else { None };
    if cursor.is_word(0, "MASK") {
        return Err(cursor.unsupported("MASK of a view's column. Mask the table's column"));
    }
    Ok((name, comment))
}

fn connection(cursor: &mut Cursor<'_>) -> Result<Statement, SyntaxError> {
    let if_not_exists = if_not_exists(cursor);
    let name = cursor.name_or_marker()?;
    let mut connection_type = None;
    let mut given: Option<Vec<(String, OptionValue)>> = None;
    let mut comment = None;
    loop {
        if cursor.eat("TYPE") {
            once(cursor, connection_type.is_some(), "TYPE")?;
            connection_type =
                Some(if cursor.at_string() { cursor.string()? } else { cursor.identifier()? });
        } else if cursor.eat("OPTIONS") {
            once(cursor, given.is_some(), "OPTIONS")?;
            given = Some(options(cursor)?);
        } else if cursor.eat("COMMENT") {
            once(cursor, comment.is_some(), "COMMENT")?;
            comment = Some(cursor.string()?);
        } else if cursor.is_word(0, "PROPERTIES") || cursor.is_word(0, "ENVIRONMENT") {
            return Err(cursor.unsupported("PROPERTIES and ENVIRONMENT of a connection"));
        } else {
            break;
        }
    }
    let Some(connection_type) = connection_type else {
        return Err(cursor.wrong_because("a connection has a TYPE"));
    };
    let connection = CreateConnection {
        name,
        if_not_exists,
        connection_type,
        options: given.unwrap_or_default(),
        comment,
    };
    Ok(Statement::CreateConnection(connection))
}
