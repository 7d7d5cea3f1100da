//! The first words of a statement, and who reads the rest.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::syntax_error::SyntaxError;
use super::{alter, copy_into, create, describe, dml, grant, query, show, upkeep, variable};
use crate::statement::{Kind, NameOrMarker, Statement};

/// Statements of Databricks that are refused, by their first words.
const REFUSED: [&str; 36] = [
    "BEGIN",
    "CACHE",
    "CALL",
    "CASE",
    "CLEAR",
    "CLONE",
    "COMMIT",
    "CONVERT TO DELTA",
    "DENY",
    "FSCK",
    "GENERATE",
    "GET",
    "IF",
    "IMPORT",
    "KILL",
    "LIST",
    "LOAD",
    "LOCK",
    "MSCK",
    "PUT",
    "REFRESH",
    "REMOVE",
    "REORG",
    "REPAIR",
    "ROLLBACK",
    "SIGNAL",
    "START TRANSACTION",
    "SYNC",
    "UNCACHE",
    "UNDROP",
    "UNLOCK",
    "UNSET",
    "WHILE",
    "FOR",
    "LOOP",
    "REPEAT",
];

/// One statement.
pub(super) fn statement(cursor: &mut Cursor<'_>) -> Result<Statement, SyntaxError> {
    if cursor.at_symbol(&Token::LParen) || query::STARTS.iter().any(|word| cursor.is_word(0, word)) {
        return cursor.query().map(Statement::Query);
    }
    let refreshes = cursor.starts_with("REFRESH TABLE");
    if let Some(words) = REFUSED.iter().find(|words| cursor.starts_with(words) && !refreshes) {
        return Err(cursor.unsupported(words));
    }
    let heads = [
        "EXPLAIN",
        "CREATE",
        "REPLACE",
        "DROP",
        "ALTER",
        "INSERT",
        "UPDATE",
        "DELETE",
        "MERGE",
        "TRUNCATE",
        "DESCRIBE",
        "DESC",
        "SHOW",
        "COMMENT",
        "GRANT",
        "REVOKE",
        "USE",
        "SET",
        "RESET",
        "OPTIMIZE",
        "VACUUM",
        "ANALYZE TABLE",
        "REFRESH TABLE",
        "RESTORE",
        "EXECUTE IMMEDIATE",
        "DECLARE",
        "COPY INTO",
    ];
    match cursor.eat_one_of(&heads) {
        Some("EXPLAIN") => explain(cursor),
        Some("CREATE") => create::create(cursor),
        Some("REPLACE") => Err(cursor.unsupported("REPLACE TABLE. Write CREATE OR REPLACE TABLE")),
        Some("DROP") => drop_statement(cursor),
        Some("ALTER") => alter::alter(cursor),
        Some("INSERT") => dml::insert(cursor),
        Some("UPDATE") => dml::update(cursor),
        Some("DELETE") => dml::delete(cursor),
        Some("MERGE") => dml::merge(cursor),
        Some("TRUNCATE") => dml::truncate(cursor),
        Some("DESCRIBE" | "DESC") => describe::describe(cursor),
        Some("SHOW") => show::show(cursor),
        Some("COMMENT") => describe::comment(cursor),
        Some("GRANT") => grant::grant(cursor),
        Some("REVOKE") => grant::revoke(cursor),
        Some("USE") => use_statement(cursor),
        Some("OPTIMIZE") => upkeep::optimize(cursor),
        Some("VACUUM") => upkeep::vacuum(cursor),
        Some("ANALYZE TABLE") => upkeep::analyze(cursor),
        Some("REFRESH TABLE") => upkeep::refresh(cursor),
        Some("RESTORE") => upkeep::restore(cursor),
        Some("EXECUTE IMMEDIATE") => variable::execute_immediate(cursor),
        Some("COPY INTO") => copy_into::copy_into(cursor),
        Some("DECLARE") => variable::declare(cursor),
        Some("SET") => set(cursor),
        Some("RESET") => reset(cursor),
        _ => Err(cursor.wrong()),
    }
}

fn explain(cursor: &mut Cursor<'_>) -> Result<Statement, SyntaxError> {
    cursor.eat_one_of(&["EXTENDED", "FORMATTED", "CODEGEN", "COST"]);
    if cursor.is_word(0, "EXPLAIN") {
        return Err(cursor.wrong());
    }
    let inner = statement(cursor)?;
    let plans = match &inner {
        Statement::CreateTable(table) => table.source.is_some(),
        Statement::Query(_)
        | Statement::Insert(_)
        | Statement::Update { .. }
        | Statement::Delete { .. }
        | Statement::Merge(_) => true,
        _ => false,
    };
    if plans {
        Ok(Statement::Explain(Box::new(inner)))
    } else {
        Err(cursor.unsupported("EXPLAIN of a statement without a plan"))
    }
}

/// `IF EXISTS`.
pub(super) fn if_exists(cursor: &mut Cursor<'_>) -> bool {
    cursor.eat("IF EXISTS")
}

/// `IF NOT EXISTS`.
pub(super) fn if_not_exists(cursor: &mut Cursor<'_>) -> bool {
    cursor.eat("IF NOT EXISTS")
}

/// The kinds that statements are made about here.
const KINDS: [(&str, Kind); 8] = [
    ("CATALOG", Kind::Catalog),
    ("SCHEMA", Kind::Schema),
    ("DATABASE", Kind::Schema),
    ("TABLE", Kind::Table),
    ("VIEW", Kind::View),
    ("FUNCTION", Kind::Function),
    ("CONNECTION", Kind::Connection),
    ("METASTORE", Kind::Metastore),
];

/// Kinds of Unity Catalog that do not exist here.
pub(super) const OTHER_KINDS: [&str; 22] = [
    "VOLUME",
    "MODEL",
    "SHARE",
    "RECIPIENT",
    "PROVIDER",
    "EXTERNAL LOCATION",
    "STORAGE CREDENTIAL",
    "SERVICE CREDENTIAL",
    "CREDENTIAL",
    "CLEAN ROOM",
    "CLEANROOM",
    "EXTERNAL METADATA",
    "FOREIGN CATALOG",
    "STREAMING TABLE",
    "LIVE TABLE",
    "MATERIALIZED VIEW",
    "POLICY",
    "PROCEDURE",
    "SERVER",
    "ANY FILE",
    "ANONYMOUS FUNCTION",
    "BLOOMFILTER INDEX",
];

/// `TABLE`, `SCHEMA`, .. before a name. Other kinds are refused, with what was to be done to them.
pub(super) fn kind(cursor: &mut Cursor<'_>, verb: &str) -> Result<Option<Kind>, SyntaxError> {
    if let Some(words) = OTHER_KINDS.iter().find(|words| cursor.starts_with(words)) {
        let count = words.split(' ').count();
        if is_name_start(cursor, count) || words.contains(' ') {
            return Err(cursor.unsupported(&format!("{verb} {words}")));
        }
    }
    let there = |(words, _): &&(&str, Kind)| {
        cursor.starts_with(words)
            && (is_name_start(cursor, words.split(' ').count()) || *words == "METASTORE")
    };
    let Some((words, kind)) = KINDS.iter().find(there) else { return Ok(None) };
    cursor.eat(words);
    Ok(Some(*kind))
}

/// Whether a name can start so far ahead, which is how a kind is told from a table called `function`.
fn is_name_start(cursor: &Cursor<'_>, ahead: usize) -> bool {
    matches!(cursor.peek(ahead), Token::Word(_))
        && !["TO", "FROM", "IS"].iter().any(|word| cursor.is_word(ahead, word))
}

fn drop_statement(cursor: &mut Cursor<'_>) -> Result<Statement, SyntaxError> {
    if cursor.eat("TEMPORARY VARIABLE") {
        return variable::dropped(cursor);
    }
    if cursor.eat("TEMPORARY") || cursor.eat("TEMP") {
        return Err(cursor.unsupported("DROP TEMPORARY"));
    }
    let Some(kind) = kind(cursor, "DROP")?.filter(|kind| *kind != Kind::Metastore) else {
        return Err(cursor.wrong());
    };
    let if_exists = if_exists(cursor);
    let name = cursor.name_or_marker()?;
    if cursor.eat("PURGE") {
        return Err(cursor.unsupported("DROP .. PURGE"));
    }
    let cascade = cursor.eat("CASCADE");
    if !cascade {
        cursor.eat("RESTRICT");
    }
    if cascade && !matches!(kind, Kind::Catalog | Kind::Schema) {
        return Err(cursor.unsupported("CASCADE for anything but a catalog or a schema"));
    }
    Ok(Statement::Drop { kind, name, if_exists, cascade })
}

/// A catalog or a schema may also be named by a string.
fn place(cursor: &mut Cursor<'_>) -> Result<NameOrMarker, SyntaxError> {
    if !cursor.at_string() {
        return cursor.name_or_marker();
    }
    let name = cursor.string()?;
    Ok(NameOrMarker::Name(crate::statement::Name(vec![name])))
}

fn use_statement(cursor: &mut Cursor<'_>) -> Result<Statement, SyntaxError> {
    let more = !matches!(cursor.peek(1), Token::EOF | Token::Period);
    if more && cursor.eat("CATALOG") {
        return place(cursor).map(Statement::UseCatalog);
    }
    if more {
        cursor.eat_one_of(&["SCHEMA", "DATABASE"]);
    }
    place(cursor).map(Statement::UseSchema)
}

fn set(cursor: &mut Cursor<'_>) -> Result<Statement, SyntaxError> {
    if cursor.at_end() {
        return Err(cursor.unsupported("SET without a name and a value"));
    }
    let assigned = |cursor: &Cursor<'_>| cursor.peek(1) == &Token::Eq;
    if !assigned(cursor) {
        if cursor.eat("CATALOG") {
            return place(cursor).map(Statement::UseCatalog);
        }
        if cursor.eat_one_of(&["VARIABLE", "VAR"]).is_some() {
            return variable::set(cursor);
        }
        if let Some(word) = ["RECIPIENT", "QUERY_TAGS"].iter().find(|word| cursor.is_word(0, word)) {
            return Err(cursor.unsupported(&format!("SET {word}")));
        }
        if cursor.eat("TIME ZONE") {
            return Ok(Statement::Set { name: "timezone".to_owned(), value: Some(value(cursor)?) });
        }
    }
    let name = setting(cursor)?;
    if cursor.at_end() {
        return Err(cursor.unsupported("SET of a name without a value"));
    }
    cursor.expect_symbol(&Token::Eq)?;
    Ok(Statement::Set { name, value: Some(value(cursor)?) })
}

/// `spark.sql.ansi.enabled`: any number of parts.
fn setting(cursor: &mut Cursor<'_>) -> Result<String, SyntaxError> {
    let mut name = cursor.identifier()?;
    while cursor.eat_symbol(&Token::Period) {
        name.push('.');
        name.push_str(&cursor.identifier()?);
    }
    Ok(name)
}

/// The rest of the statement: the text of one string literal, or the words as they are.
fn value(cursor: &mut Cursor<'_>) -> Result<String, SyntaxError> {
    if cursor.at_string() && cursor.peek(1) == &Token::EOF {
        return cursor.string();
    }
    if cursor.at_end() {
        return Err(cursor.wrong());
    }
    let mark = cursor.mark();
    while !cursor.at_end() {
        cursor.advance();
    }
    Ok(cursor.text_since(mark).to_owned())
}

fn reset(cursor: &mut Cursor<'_>) -> Result<Statement, SyntaxError> {
    let name = if cursor.at_end() { String::new() } else { setting(cursor)? };
    Ok(Statement::Set { name, value: None })
}
