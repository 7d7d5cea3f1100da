//! A query's tree, made ready for the planner: parameters become typed literals, names lose their case (SQL's names have
//! none), and table functions become relations that can be looked up before planning.

mod clauses;
mod lateral;
mod values;

use std::ops::ControlFlow;

use brickyard_types::SqlType;
use datafusion::sql::sqlparser::ast::{
    self, CastKind, DataType, Expr, FunctionArg, Ident, ObjectName, ObjectNamePart, SelectItem, Value,
    VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::DatabricksDialect;
use datafusion::sql::sqlparser::parser::Parser;

use crate::error::SqlError;
use crate::from::is_generator;
use crate::session::Parameter;
use crate::spark::{calls, literals, tuples};

/// The relation that stands for the n-th table function of a query.
pub(crate) const TABLE_FUNCTION: &str = "__table_function_";

/// The argument of a stand-in for a table as it was: which version.
pub(crate) const VERSION: &str = "@version";
/// The argument of a stand-in for a table as it was: when.
pub(crate) const TIMESTAMP: &str = "@timestamp";

/// A table function that a query reads from, or a table as it was.
#[derive(Clone, Debug)]
pub(crate) struct TableFunctionCall {
    /// Its name's parts, lower case.
    pub name: Vec<String>,
    /// Its arguments: a name, if one was written, and a constant expression.
    pub arguments: Vec<(Option<String>, Expr)>,
}

struct Rewrite<'a> {
    parameters: &'a [Parameter],
    calls: Vec<TableFunctionCall>,
}

/// Rewrites a tree in place; the table functions in it are answered in the order of their numbers.
pub(crate) fn prepare<T: VisitMut>(
    tree: &mut T,
    parameters: &[Parameter],
) -> Result<Vec<TableFunctionCall>, SqlError> {
    let mut rewrite = Rewrite { parameters, calls: Vec::new() };
    match tree.visit(&mut rewrite) {
        ControlFlow::Continue(()) => Ok(rewrite.calls),
        ControlFlow::Break(error) => Err(error),
    }
}

fn fold(ident: &mut Ident) {
    let folded = ident.value.to_lowercase();
    let plain = folded.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    ident.quote_style = if plain && !folded.is_empty() { None } else { Some('`') };
    ident.value = folded;
}

fn fold_name(name: &mut ObjectName) {
    for part in &mut name.0 {
        if let ObjectNamePart::Identifier(ident) = part {
            fold(ident);
        }
    }
}

/// The parts of a name, lower case.
pub(crate) fn parts(name: &ObjectName) -> Vec<String> {
    name.0.iter().filter_map(|part| part.as_ident()).map(|ident| ident.value.to_lowercase()).collect()
}

impl VisitorMut for Rewrite<'_> {
    type Break = SqlError;

    fn post_visit_query(&mut self, query: &mut ast::Query) -> ControlFlow<SqlError> {
        literals::unmark_query(query);
        values::named(query);
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut ast::Select) -> ControlFlow<SqlError> {
        literals::unmark_select(select);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        literals::mark(expr);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut ast::Select) -> ControlFlow<SqlError> {
        clauses::everything(select);
        clauses::wildcards(select);
        let rewritten = clauses::grouping(select)
            .map(|()| clauses::grouping_ids(select))
            .and_then(|()| tuples::conditions(select))
            .and_then(|()| lateral::gather(select));
        if let Err(error) = rewritten {
            return ControlFlow::Break(error);
        }
        for item in &mut select.projection {
            if let Some(named) = generated(item) {
                *item = named;
            }
        }
        for item in &mut select.projection {
            match item {
                SelectItem::ExprWithAlias { alias, .. } => fold(alias),
                SelectItem::ExprWithAliases { aliases, .. } => aliases.iter_mut().for_each(fold),
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &mut ast::Query) -> ControlFlow<SqlError> {
        calls::minus(&mut query.body);
        clauses::sorting(query);
        if let Some(with) = &mut query.with {
            for table in &mut with.cte_tables {
                fold(&mut table.alias.name);
                table.alias.columns.iter_mut().for_each(|column| fold(&mut column.name));
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<SqlError> {
        fold_name(relation);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut ast::TableFactor) -> ControlFlow<SqlError> {
        match factor {
            ast::TableFactor::Pivot { .. } | ast::TableFactor::Unpivot { .. } => clauses::pivoted(factor),
            ast::TableFactor::Function { name, alias, .. } if is_generator(name) => {
                alias.iter_mut().for_each(fold_alias);
            }
            ast::TableFactor::Table { name, version: version @ Some(_), alias, .. } => {
                let call = parts(name);
                let at = match version.take() {
                    Some(ast::TableVersion::VersionAsOf(at)) => (VERSION, at),
                    Some(ast::TableVersion::TimestampAsOf(at)) => (TIMESTAMP, at),
                    _ => {
                        return ControlFlow::Break(SqlError::unsupported(
                            "this way to name a table's version",
                        ));
                    }
                };
                let own = table_alias(call.last().map_or("", String::as_str));
                fold_alias(alias.get_or_insert(own));
                self.call(name, call, vec![(Some(at.0.to_owned()), at.1)]);
            }
            ast::TableFactor::Table { name, args, alias, .. } => {
                if let Some(alias) = alias {
                    fold_alias(alias);
                }
                if let Some(called) = args.take() {
                    let call = parts(name);
                    // What DataFusion generates rows with stays its own.
                    if let [one] = call.as_slice()
                        && matches!(one.as_str(), "generate_series" | "range" | "unnest")
                    {
                        // In Spark the numbers of a range are called `id`.
                        if one == "range" {
                            *name = ObjectName::from(vec![Ident::new("range")]);
                            let named = alias.get_or_insert_with(|| table_alias("range"));
                            if named.columns.is_empty() {
                                named.columns.push(alias_column("id"));
                            }
                        }
                        *args = Some(called);
                        return ControlFlow::Continue(());
                    }
                    match arguments(called.args) {
                        Ok(arguments) => self.call(name, call, arguments),
                        Err(error) => return ControlFlow::Break(error),
                    }
                }
            }
            ast::TableFactor::Function { name, args, alias, .. } => {
                let call = parts(name);
                match arguments(std::mem::take(args)) {
                    Ok(arguments) => {
                        let mut stand_in = name.clone();
                        self.call(&mut stand_in, call, arguments);
                        let alias = alias.take();
                        let mut replaced = table_named(stand_in);
                        if let ast::TableFactor::Table { alias: slot, .. } = &mut replaced {
                            *slot = alias;
                            if let Some(alias) = slot {
                                fold_alias(alias);
                            }
                        }
                        *factor = replaced;
                    }
                    Err(error) => return ControlFlow::Break(error),
                }
            }
            ast::TableFactor::Derived { alias: Some(alias), .. }
            | ast::TableFactor::TableFunction { alias: Some(alias), .. }
            | ast::TableFactor::UNNEST { alias: Some(alias), .. }
            | ast::TableFactor::NestedJoin { alias: Some(alias), .. } => fold_alias(alias),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        if let Err(error) = calls::rewrite(expr) {
            return ControlFlow::Break(error);
        }
        match expr {
            Expr::Identifier(ident) => fold(ident),
            Expr::CompoundIdentifier(idents) => {
                idents.iter_mut().for_each(fold);
                // `system.session.x`: variables are in no other place.
                if let [system, session, _] = idents.as_slice()
                    && system.value == "system"
                    && session.value == crate::temporary::variables::SESSION
                {
                    idents.remove(0);
                }
            }
            Expr::QualifiedWildcard(name, _) => fold_name(name),
            Expr::Function(function) => {
                fold_name(&mut function.name);
                if let ast::FunctionArguments::List(list) = &mut function.args {
                    for argument in &mut list.args {
                        if let FunctionArg::Named { name, .. } = argument {
                            fold(name);
                        }
                    }
                }
                if let Err(error) = crate::http_request::positional(function) {
                    return ControlFlow::Break(error);
                }
            }
            Expr::Value(value) => {
                if let Value::Placeholder(marker) = &value.value {
                    match self.parameter(marker) {
                        Ok(literal) => *expr = literal,
                        Err(error) => return ControlFlow::Break(error),
                    }
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// The rows that `explode` makes are called `col`.
fn generated(item: &SelectItem) -> Option<SelectItem> {
    let SelectItem::UnnamedExpr(Expr::Function(function)) = item else { return None };
    let name = parts(&function.name);
    let generates = matches!(name.as_slice(), [one] if matches!(one.as_str(), "explode" | "explode_outer"));
    generates.then(|| SelectItem::ExprWithAlias {
        expr: Expr::Function(function.clone()),
        alias: Ident::new("col"),
    })
}

/// Calls a name that was written without brackets, where no column has it.
pub(crate) fn call_bare<T: VisitMut>(tree: &mut T, name: &str) {
    struct Caller<'a>(&'a str);
    impl VisitorMut for Caller<'_> {
        type Break = ();

        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            if matches!(expr, Expr::Identifier(ident) if ident.value == self.0) {
                *expr = calls::bare_call(self.0);
            }
            ControlFlow::Continue(())
        }
    }
    let _ = tree.visit(&mut Caller(name));
}

fn table_alias(name: &str) -> ast::TableAlias {
    ast::TableAlias { explicit: true, name: Ident::new(name), columns: Vec::new(), at: None }
}

fn alias_column(name: &str) -> ast::TableAliasColumnDef {
    ast::TableAliasColumnDef { name: Ident::new(name), data_type: None }
}

fn fold_alias(alias: &mut ast::TableAlias) {
    fold(&mut alias.name);
    alias.columns.iter_mut().for_each(|column| fold(&mut column.name));
}

fn table_named(name: ObjectName) -> ast::TableFactor {
    ast::TableFactor::Table {
        name,
        alias: None,
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    }
}

fn arguments(args: Vec<FunctionArg>) -> Result<Vec<(Option<String>, Expr)>, SqlError> {
    let read = |argument| match argument {
        FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => Ok((None, expr)),
        FunctionArg::Named { name, arg: ast::FunctionArgExpr::Expr(expr), .. } => {
            Ok((Some(name.value.to_lowercase()), expr))
        }
        FunctionArg::ExprNamed {
            name: Expr::Identifier(name),
            arg: ast::FunctionArgExpr::Expr(expr),
            ..
        } => Ok((Some(name.value.to_lowercase()), expr)),
        other => Err(SqlError::unsupported(format_args!("the argument {other} of a table function"))),
    };
    args.into_iter().map(read).collect()
}

impl Rewrite<'_> {
    fn call(&mut self, name: &mut ObjectName, call: Vec<String>, arguments: Vec<(Option<String>, Expr)>) {
        let stand_in = format!("{TABLE_FUNCTION}{}", self.calls.len());
        *name = ObjectName(vec![ObjectNamePart::Identifier(Ident::new(stand_in))]);
        self.calls.push(TableFunctionCall { name: call, arguments });
    }

    fn parameter(&self, marker: &str) -> Result<Expr, SqlError> {
        let name = marker.trim_start_matches(':');
        let found = self.parameters.iter().find(|parameter| parameter.name.eq_ignore_ascii_case(name));
        let Some(parameter) = found else {
            return Err(SqlError::condition(
                "UNBOUND_SQL_PARAMETER",
                "42P02",
                format!(
                    "Found the unbound parameter: {name}. Please, fix `args` and provide a mapping of the parameter to a SQL literal."
                ),
            ));
        };
        typed(parameter)
    }
}

/// A parameter as a literal of its type. The text never becomes SQL: it stays inside a string literal.
fn typed(parameter: &Parameter) -> Result<Expr, SqlError> {
    let value = match &parameter.value {
        Some(text) => Value::SingleQuotedString(text.clone()),
        None => Value::Null,
    };
    if let (Some(text), SqlType::YearMonthInterval | SqlType::DayTimeInterval) =
        (&parameter.value, &parameter.data_type)
    {
        return interval(text, &parameter.data_type);
    }
    let literal = Expr::Value(value.into());
    if parameter.data_type == SqlType::String && parameter.value.is_some() {
        return Ok(literal);
    }
    Ok(Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(literal),
        data_type: ast_type(&parameter.data_type)?,
        format: None,
        array: false,
    })
}

/// An interval, in Spark's two ways to write it: `1 02:03:04.5`, and `INTERVAL '1 02:03:04.5' DAY TO SECOND`.
fn interval(text: &str, data_type: &SqlType) -> Result<Expr, SqlError> {
    let trimmed = text.trim();
    let plain = !trimmed.is_empty() && trimmed.bytes().all(|b| b.is_ascii_digit() || b"+-:. ".contains(&b));
    let written = match data_type {
        SqlType::YearMonthInterval if plain => format!("INTERVAL '{trimmed}' YEAR TO MONTH"),
        _ if plain => format!("INTERVAL '{trimmed}' DAY TO SECOND"),
        _ => trimmed.to_owned(),
    };
    let wrong = || {
        let message = format!(
            "The value '{text}' is no {data_type}. It is written as y-m or d h:m:s, or as the literal: INTERVAL '3' DAY."
        );
        SqlError::condition("CAST_INVALID_INPUT", "22018", message)
    };
    let mut expr = crate::front::parse_expression(&written).map_err(|_| wrong())?;
    // What was sent is a value, and must not become more SQL than that.
    let Expr::Interval(read) = &expr else { return Err(wrong()) };
    let Expr::Value(value) = &*read.value else { return Err(wrong()) };
    if !matches!(value.value, Value::SingleQuotedString(_) | Value::Number(..)) {
        return Err(wrong());
    }
    calls::rewrite(&mut expr)?;
    Ok(expr)
}

/// A SQL type in the parser's words.
pub(crate) fn ast_type(data_type: &SqlType) -> Result<DataType, SqlError> {
    use SqlType as T;
    Ok(match data_type {
        T::Timestamp => DataType::Timestamp(None, ast::TimezoneInfo::WithTimeZone),
        T::TimestampNtz => DataType::Timestamp(None, ast::TimezoneInfo::None),
        T::Binary => DataType::Bytea,
        T::Void => DataType::String(None),
        other => Parser::new(&DatabricksDialect {})
            .try_with_sql(&other.to_string())
            .and_then(|mut parser| parser.parse_data_type())
            .map_err(|_| SqlError::unsupported(format_args!("a value of type {other} here")))?,
    })
}

/// Puts the values of `IDENTIFIER(:name)` and `IDENTIFIER('name')` into the text, each part in backticks: the clause
/// may stand where the parser knows only names, before `(` for instance.
pub(crate) fn identifiers(text: &str, parameters: &[Parameter]) -> Result<String, SqlError> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = next_clause(rest) {
        let (before, clause) = rest.split_at(at);
        let open = clause.find('(').map_or(clause.len(), |open| open + 1);
        let Some(close) = clause.find(')') else { break };
        let inside = clause.get(open..close).unwrap_or_default();
        let piece = |piece: &str| {
            let piece = piece.trim();
            if let Some(name) = piece.strip_prefix(':') {
                let found = parameters.iter().find(|parameter| parameter.name.eq_ignore_ascii_case(name));
                return found.and_then(|parameter| parameter.value.clone());
            }
            let quoted = piece.strip_prefix('\'').and_then(|piece| piece.strip_suffix('\''));
            quoted.filter(|text| !text.contains(['\'', '\\'])).map(str::to_owned)
        };
        // `'main.s.' || :name` is known here, too.
        let named: Option<String> = inside.split("||").map(piece).collect();
        let Some(named) = named else {
            // Anything else is the parser's business.
            let (kept, after) = rest.split_at(at + open);
            out.push_str(kept);
            rest = after;
            continue;
        };
        let path: brickyard_catalog::unity::ObjectPath =
            named.parse().map_err(brickyard_catalog::unity::UnityError::from)?;
        out.push_str(before);
        let parts: Vec<_> =
            path.parts().iter().map(|part| format!("`{}`", part.replace('`', "``"))).collect();
        out.push_str(&parts.join("."));
        rest = &clause[close + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

/// Where the next `IDENTIFIER(` begins, outside of quotes and comments.
fn next_clause(text: &str) -> Option<usize> {
    const WORD: &[u8] = b"identifier";
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            quote @ (b'\'' | b'"' | b'`') => {
                at += 1;
                while at < bytes.len() && bytes[at] != quote {
                    at += if bytes[at] == b'\\' && quote != b'`' { 2 } else { 1 };
                }
                at += 1;
            }
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                at += bytes[at..].iter().position(|b| *b == b'\n').unwrap_or(bytes.len() - at);
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                at += text.get(at..).and_then(|rest| rest.find("*/")).map_or(bytes.len() - at, |end| end + 2);
            }
            b if b.is_ascii_alphabetic() || b == b'_' => {
                let word =
                    bytes[at..].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
                let after = bytes[at + word..].iter().position(|b| !b.is_ascii_whitespace());
                let opens = after.is_some_and(|after| bytes[at + word + after] == b'(');
                if opens && bytes[at..at + word].eq_ignore_ascii_case(WORD) {
                    return Some(at);
                }
                at += word;
            }
            _ => at += 1,
        }
    }
    None
}
