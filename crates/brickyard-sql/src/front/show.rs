//! `SHOW`.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::grant;
use super::properties::key;
use super::syntax_error::SyntaxError;
use crate::statement::{FunctionScope, Name, NameOrMarker, Statement};

/// What follows `SHOW`.
pub(super) fn show(cursor: &mut Cursor<'_>) -> Result<Statement, SyntaxError> {
    if cursor.eat_one_of(&["GRANTS", "GRANT"]).is_some() {
        return grant::show(cursor);
    }
    let scope = function_scope(cursor);
    if let Some(scope) = scope {
        let within = within(cursor)?;
        return Ok(Statement::ShowFunctions { scope, within, like: like(cursor, true)? });
    }
    let heads = [
        "CATALOGS",
        "SCHEMAS",
        "DATABASES",
        "TABLES",
        "VIEWS",
        "COLUMNS",
        "CONNECTIONS",
        "CREATE TABLE",
        "TABLE EXTENDED",
        "TBLPROPERTIES",
    ];
    match cursor.eat_one_of(&heads) {
        Some("CATALOGS") => Ok(Statement::ShowCatalogs { like: like(cursor, false)? }),
        Some("SCHEMAS" | "DATABASES") => {
            let within = within(cursor)?;
            Ok(Statement::ShowSchemas { within, like: like(cursor, false)? })
        }
        Some("TABLES") => {
            if cursor.is_word(0, "DROPPED") {
                return Err(cursor.unsupported("SHOW TABLES DROPPED"));
            }
            let within = within(cursor)?;
            Ok(Statement::ShowTables { within, like: like(cursor, false)? })
        }
        Some("VIEWS") => {
            let within = within(cursor)?;
            Ok(Statement::ShowViews { within, like: like(cursor, false)? })
        }
        Some("CONNECTIONS") => Ok(Statement::ShowConnections { like: like(cursor, false)? }),
        Some("COLUMNS") => columns(cursor),
        Some("TABLE EXTENDED") => {
            let within = within(cursor)?;
            let Some(like) = like(cursor, true)? else {
                return Err(cursor.wrong_because("SHOW TABLE EXTENDED has a LIKE"));
            };
            if cursor.is_word(0, "PARTITION") {
                return Err(cursor.unsupported("SHOW TABLE EXTENDED .. PARTITION"));
            }
            Ok(Statement::ShowTableExtended { within, like })
        }
        Some("CREATE TABLE") => {
            let table = cursor.name_or_marker()?;
            if cursor.is_word(0, "AS") {
                return Err(cursor.unsupported("SHOW CREATE TABLE .. AS SERDE"));
            }
            Ok(Statement::ShowCreateTable { table })
        }
        Some("TBLPROPERTIES") => {
            let table = cursor.name_or_marker()?;
            let listed = cursor.at_symbol(&Token::LParen);
            let keys = if listed { cursor.in_brackets(key)? } else { Vec::new() };
            Ok(Statement::ShowTableProperties { table, key: keys.into_iter().next() })
        }
        _ => match cursor.peek(0) {
            Token::Word(word) if word.quote_style.is_none() => {
                let feature = format!("SHOW {}", word.value.to_ascii_uppercase());
                Err(cursor.unsupported(&feature))
            }
            _ => Err(cursor.wrong()),
        },
    }
}

fn function_scope(cursor: &mut Cursor<'_>) -> Option<FunctionScope> {
    let heads = ["FUNCTIONS", "USER FUNCTIONS", "SYSTEM FUNCTIONS", "ALL FUNCTIONS"];
    Some(match cursor.eat_one_of(&heads)? {
        "USER FUNCTIONS" => FunctionScope::User,
        "SYSTEM FUNCTIONS" => FunctionScope::System,
        _ => FunctionScope::All,
    })
}

/// `FROM x` or `IN x`.
fn within(cursor: &mut Cursor<'_>) -> Result<Option<NameOrMarker>, SyntaxError> {
    if cursor.eat_one_of(&["FROM", "IN"]).is_some() { cursor.name_or_marker().map(Some) } else { Ok(None) }
}

/// `[LIKE] 'pattern'`; for functions also a name.
fn like(cursor: &mut Cursor<'_>, or_name: bool) -> Result<Option<String>, SyntaxError> {
    let announced = cursor.eat("LIKE");
    if cursor.at_string() {
        return cursor.string().map(Some);
    }
    if or_name && matches!(cursor.peek(0), Token::Word(_)) {
        return Ok(Some(cursor.name()?.0.join(".")));
    }
    if announced { Err(cursor.wrong()) } else { Ok(None) }
}

/// `COLUMNS IN t [IN schema]`.
fn columns(cursor: &mut Cursor<'_>) -> Result<Statement, SyntaxError> {
    let Some(table) = within(cursor)? else { return Err(cursor.wrong()) };
    let Some(schema) = within(cursor)? else { return Ok(Statement::ShowColumns { table }) };
    match (table, schema) {
        (NameOrMarker::Name(Name(table)), NameOrMarker::Name(Name(mut schema))) if schema.len() < 3 => {
            schema.extend(table.into_iter().next_back());
            Ok(Statement::ShowColumns { table: NameOrMarker::Name(Name(schema)) })
        }
        _ => Err(cursor.unsupported("IDENTIFIER(..) in SHOW COLUMNS IN table IN schema")),
    }
}
