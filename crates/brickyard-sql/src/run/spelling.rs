//! Names in an answer are spelled as in the query, or else as when the table was made; inside a plan they have no case.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::sql::sqlparser::ast;
use futures_util::StreamExt;

use crate::error::SqlError;
use crate::run::Rows;

/// What a column is called inside a plan whose name another one has already.
const AGAIN: &str = "__again_";

/// How the columns of a query were written, where that is known.
pub(super) fn written(query: &ast::Query) -> Vec<Option<String>> {
    let mut body = &*query.body;
    while let ast::SetExpr::SetOperation { left, .. } = body {
        body = left;
    }
    match body {
        ast::SetExpr::Select(select) => select.projection.iter().map(written_item).collect(),
        ast::SetExpr::Query(inner) => written(inner),
        _ => Vec::new(),
    }
}

fn written_item(item: &ast::SelectItem) -> Option<String> {
    match item {
        ast::SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
        ast::SelectItem::UnnamedExpr(ast::Expr::Identifier(name)) => Some(name.value.clone()),
        ast::SelectItem::UnnamedExpr(ast::Expr::CompoundIdentifier(parts)) => {
            parts.last().map(|part| part.value.clone())
        }
        ast::SelectItem::UnnamedExpr(ast::Expr::Value(value)) => match &value.value {
            ast::Value::SingleQuotedString(text) => Some(text.clone()),
            other => Some(other.to_string()),
        },
        ast::SelectItem::UnnamedExpr(expr) => Some(expr.to_string()),
        _ => None,
    }
}

/// An answer with its columns' names as they are spelled.
pub(super) fn spelled(
    (schema, rows): Rows,
    written: &[Option<String>],
    declared: &HashMap<String, String>,
) -> Rows {
    // A wildcard shifts what was written: only an answer of as many columns is what the items say.
    let fits = written.len() == schema.fields().len();
    let fields: Vec<Field> = (schema.fields().iter().enumerate())
        .map(|(index, field)| {
            let item = if fits { written[index].clone() } else { None };
            let item = item.filter(|item| {
                // A literal's column has no name of its own; everything else is the same name in another case.
                item.to_lowercase() == *field.name()
                    || !field.name().bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
            });
            let name = item.or_else(|| declared.get(field.name()).cloned());
            match name {
                Some(name) => field.as_ref().clone().with_name(name),
                None => field.as_ref().clone(),
            }
        })
        .collect();
    let renamed = Arc::new(Schema::new(fields));
    let shown = Arc::clone(&renamed);
    let rows = rows.map(move |batch| {
        let batch = batch?;
        let options =
            datafusion::arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&shown), batch.columns().to_vec(), &options)?)
    });
    (Arc::clone(&renamed), Box::pin(RecordBatchStreamAdapter::new(renamed, rows)))
}

/// Two columns of one name in the answer: the right one gets a name of its own inside the plan, and so does every other
/// one at once, since each round plans the whole query. Answers those names, and how they are spelled in the answer;
/// nothing if the query failed for another reason.
pub(super) fn told_apart(query: &mut ast::Query, error: &SqlError) -> Vec<(String, String)> {
    let Some((second, place)) = ambiguous(error) else { return Vec::new() };
    let name = second.rsplit(" AS ").next().and_then(|name| name.rsplit('.').next()).unwrap_or_default();
    let name = name.trim_matches(['`', '"']).to_lowercase();
    let sorted = query.order_by.is_some();
    let mut body = &mut *query.body;
    while let ast::SetExpr::SetOperation { left, .. } = body {
        body = left;
    }
    let ast::SetExpr::Select(select) = body else { return Vec::new() };
    let spelled: Vec<Option<String>> = select.projection.iter().map(written_item).collect();
    let names: Vec<Option<String>> =
        spelled.iter().map(|name| name.as_deref().map(str::to_lowercase)).collect();
    let fresh = |at: &usize| spelled[*at].as_ref().is_some_and(|name| !name.starts_with(AGAIN));
    let mut seen = HashSet::new();
    let mut again: Vec<usize> = (0..names.len())
        .filter(|at| names[*at].as_ref().is_some_and(|name| !seen.insert(name.as_str())))
        .filter(fresh)
        .collect();
    // No pair in the list itself: a wildcard brought the name along already.
    if again.is_empty() {
        let alone = !sorted && select.distinct.is_none();
        let bare = |at: usize| {
            alone
                && matches!(
                    select.projection[at],
                    ast::SelectItem::UnnamedExpr(ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_))
                )
        };
        let same = |at: &usize| names[*at].as_deref() == Some(name.as_str()) || bare(*at);
        again = (0..names.len()).filter(same).filter(fresh).collect();
    }
    // Every subquery has the same name inside a plan.
    if again.is_empty() && second.contains("<subquery>") {
        let unnamed = |at: &usize| matches!(select.projection[*at], ast::SelectItem::UnnamedExpr(_));
        again = (0..names.len()).filter(unnamed).filter(fresh).collect();
    }
    // One expression in two spellings. With a wildcard before it, it stands elsewhere in the list.
    let wild = |item: &ast::SelectItem| {
        !matches!(item, ast::SelectItem::UnnamedExpr(_) | ast::SelectItem::ExprWithAlias { .. })
    };
    if again.is_empty() && !select.projection.iter().any(wild) {
        again = place.into_iter().filter(|at| *at < names.len()).filter(fresh).collect();
    }
    let mut apart = Vec::with_capacity(again.len());
    for at in again {
        let own = format!("{AGAIN}{at}");
        let item = &mut select.projection[at];
        let (ast::SelectItem::UnnamedExpr(expr) | ast::SelectItem::ExprWithAlias { expr, .. }) = item else {
            continue;
        };
        let expr = std::mem::replace(expr, ast::Expr::value(ast::Value::Null));
        *item = ast::SelectItem::ExprWithAlias { expr, alias: ast::Ident::new(own.clone()) };
        apart.extend(spelled[at].clone().map(|spelled| (own, spelled)));
    }
    apart
}

/// What stands at the second place of two columns with one name, `t.id` or `upper(x) AS id`, and at which place, if that
/// is said.
fn ambiguous(error: &SqlError) -> Option<(String, Option<usize>)> {
    let SqlError::Engine(error) = error else { return None };
    let text = error.find_root().strip_backtrace();
    let second = if text.contains("which would be ambiguous") {
        (text.split(" and unqualified field name ").nth(1)?.split(" which").next()?, None)
    } else {
        let text = text.split("Projections require unique expression names but the expression ").nth(1)?;
        let (name, rest) = text.split(" and \"").nth(1)?.split_once("\" at position ")?;
        (name, rest.split(' ').next().and_then(|place| place.parse().ok()))
    };
    Some((second.0.to_owned(), second.1))
}
