//! `CREATE [OR REPLACE] [EXTERNAL] TABLE`.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::column::{Columns, columns};
use super::create::{once, only_if_absent};
use super::cursor::Cursor;
use super::policy::row_filter;
use super::properties::key_values;
use super::query;
use super::syntax_error::SyntaxError;
use crate::statement::{Column, CreateTable, NameOrMarker, Statement};

/// What follows `TABLE`.
pub(super) fn create(
    cursor: &mut Cursor<'_>,
    or_replace: bool,
    external: bool,
) -> Result<Statement, SyntaxError> {
    let if_not_exists = only_if_absent(cursor, or_replace)?;
    let name = cursor.name_or_marker()?;
    let like = if cursor.eat("LIKE") { Some(cursor.name_or_marker()?) } else { None };
    if cursor.is_word(0, "SHALLOW") {
        return Err(
            cursor.unsupported("CREATE TABLE .. SHALLOW CLONE. Write DEEP CLONE, which copies the rows")
        );
    }
    if cursor.is_word(0, "LIKE") {
        return Err(cursor.unsupported("a second LIKE of CREATE TABLE"));
    }
    let cloned = if like.is_none() && cursor.eat_one_of(&["DEEP CLONE", "CLONE"]).is_some() {
        Some(clone(cursor)?)
    } else {
        None
    };
    let (like, source) = match cloned {
        Some((name, query)) => (Some(name), Some(query)),
        None => (like, None),
    };
    let listed = if cursor.at_symbol(&Token::LParen) { columns(cursor)? } else { Columns::default() };
    let Columns { columns, primary_key, foreign_keys } = listed;
    let mut table = CreateTable {
        name,
        or_replace,
        if_not_exists,
        columns,
        like,
        clone: source.is_some(),
        source,
        using: None,
        location: None,
        partitioned_by: Vec::new(),
        cluster_by: Vec::new(),
        comment: None,
        properties: BTreeMap::new(),
        options: BTreeMap::new(),
        row_filter: None,
        primary_key,
        foreign_keys,
    };
    while clause(cursor, &mut table)? {}
    if table.like.is_some()
        && (!table.columns.is_empty() || table.location.is_some() || table.using.is_some())
    {
        return Err(cursor.unsupported("columns, USING and LOCATION of CREATE TABLE .. LIKE and .. CLONE"));
    }
    if table.clone {
        if !table.partitioned_by.is_empty() || !table.cluster_by.is_empty() || table.comment.is_some() {
            return Err(cursor.unsupported("another layout or comment of CREATE TABLE .. CLONE"));
        }
    } else if cursor.eat("AS")
        || query::STARTS.iter().any(|word| cursor.is_word(0, word))
        || cursor.at_symbol(&Token::LParen)
    {
        table.source = Some(cursor.query()?);
    }
    if external && table.location.is_none() {
        return Err(cursor.wrong_because("an EXTERNAL table has a LOCATION"));
    }
    Ok(Statement::CreateTable(Box::new(table)))
}

/// What follows `CLONE`: a table, perhaps as it was. The rows are those of a query of it.
fn clone(cursor: &mut Cursor<'_>) -> Result<(NameOrMarker, Box<ast::Query>), SyntaxError> {
    let name = cursor.name()?;
    let version = if cursor.eat("VERSION AS OF") {
        Some(ast::TableVersion::VersionAsOf(cursor.expression()?))
    } else if cursor.eat("TIMESTAMP AS OF") {
        Some(ast::TableVersion::TimestampAsOf(cursor.expression()?))
    } else {
        None
    };
    let mut query = super::parse_query("SELECT * FROM t")?;
    if let ast::SetExpr::Select(select) = &mut *query.body
        && let [from] = select.from.as_mut_slice()
        && let ast::TableFactor::Table { name: table, version: of, .. } = &mut from.relation
    {
        *table = name.0.iter().map(|part| ast::Ident::with_quote('`', part)).collect::<Vec<_>>().into();
        *of = version;
    }
    Ok((NameOrMarker::Name(name), Box::new(query)))
}

/// Reads one clause, if there is one.
fn clause(cursor: &mut Cursor<'_>, table: &mut CreateTable) -> Result<bool, SyntaxError> {
    if cursor.eat("USING") {
        once(cursor, table.using.is_some(), "USING")?;
        table.using = Some(cursor.identifier()?.to_lowercase());
    } else if cursor.eat("LOCATION") {
        once(cursor, table.location.is_some(), "LOCATION")?;
        table.location = Some(cursor.string()?);
        if cursor.is_word(0, "WITH") && cursor.is_word(1, "CREDENTIAL") {
            return Err(cursor.unsupported("LOCATION .. WITH CREDENTIAL"));
        }
    } else if cursor.eat("PARTITIONED BY") {
        once(cursor, !table.partitioned_by.is_empty(), "PARTITIONED BY")?;
        partitions(cursor, table)?;
    } else if cursor.eat("CLUSTER BY") {
        once(cursor, !table.cluster_by.is_empty(), "CLUSTER BY")?;
        // Who chooses the layout changes no answer.
        if cursor.eat("AUTO") || cursor.eat("NONE") {
            return Ok(true);
        }
        table.cluster_by = cursor.in_brackets(Cursor::identifier)?;
    } else if cursor.eat("COMMENT") {
        once(cursor, table.comment.is_some(), "COMMENT")?;
        table.comment = Some(cursor.string()?);
    } else if cursor.eat("TBLPROPERTIES") {
        once(cursor, !table.properties.is_empty(), "TBLPROPERTIES")?;
        table.properties = key_values(cursor)?;
    } else if cursor.eat("OPTIONS") {
        once(cursor, !table.options.is_empty(), "OPTIONS")?;
        table.options = key_values(cursor)?;
    } else if cursor.eat("WITH ROW FILTER") || cursor.eat("ROW FILTER") {
        once(cursor, table.row_filter.is_some(), "ROW FILTER")?;
        table.row_filter = Some(row_filter(cursor)?);
    } else {
        const REFUSED: [&str; 6] =
            ["ROW FORMAT", "STORED AS", "STORED BY", "CLUSTERED BY", "SKEWED BY", "DEFAULT COLLATION"];
        return match REFUSED.iter().find(|words| cursor.starts_with(words)) {
            Some(words) => Err(cursor.unsupported(&format!("{words} of a table"))),
            None => Ok(false),
        };
    }
    Ok(true)
}

/// `(a, b)`, or `(a INT)`, which adds the column.
fn partitions(cursor: &mut Cursor<'_>, table: &mut CreateTable) -> Result<(), SyntaxError> {
    table.partitioned_by = cursor.in_brackets(|cursor| {
        let name = cursor.identifier()?;
        if cursor.at_symbol(&Token::LParen) {
            return Err(cursor.unsupported("expressions in PARTITIONED BY"));
        }
        if matches!(cursor.peek(0), Token::Word(_)) {
            let data_type = cursor.data_type()?;
            let comment = if cursor.eat("COMMENT") { Some(cursor.string()?) } else { None };
            let name = name.clone();
            table.columns.push(Column {
                name,
                data_type,
                nullable: true,
                default: None,
                identity: None,
                comment,
                mask: None,
            });
        }
        Ok(name)
    })?;
    Ok(())
}
