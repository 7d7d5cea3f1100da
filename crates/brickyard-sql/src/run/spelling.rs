//! Names in an answer are spelled as in the query, or else as when the table was made; inside a plan they have no case.

use std::collections::HashMap;
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

/// Two columns of one name in the answer: the right one gets a name of its own inside the plan. Answers that name, and
/// how it is spelled in the answer; nothing if the query failed for another reason.
pub(super) fn told_apart(query: &mut ast::Query, error: &SqlError) -> Option<(String, String)> {
    let SqlError::Engine(error) = error else { return None };
    let text = error.find_root().strip_backtrace();
    // "t.id" or "upper(x) AS id": of what stands at the second place, the name.
    let second = if text.contains("which would be ambiguous") {
        text.split(" and unqualified field name ").nth(1)?.split(" which").next()?
    } else {
        let text = text.split("Projections require unique expression names but the expression ").nth(1)?;
        text.split(" and \"").nth(1)?.split("\" at position").next()?
    };
    let name = second.rsplit(" AS ").next()?.rsplit('.').next()?.trim_matches(['`', '"']).to_lowercase();
    let mut body = &mut *query.body;
    while let ast::SetExpr::SetOperation { left, .. } = body {
        body = left;
    }
    let ast::SetExpr::Select(select) = body else { return None };
    let names: Vec<Option<String>> = select.projection.iter().map(written_item).collect();
    let same = |at: &usize, name: &str| names[*at].as_ref().is_some_and(|one| one.to_lowercase() == name);
    let places = 0..names.len();
    // A pair in the list itself, or else what a wildcard brought along already.
    let pair = places.clone().rev().find(|at| {
        names[*at].as_ref().is_some_and(|name| (0..*at).any(|other| same(&other, &name.to_lowercase())))
    });
    // Every subquery has the same name inside a plan.
    let subquery = second.contains("<subquery>");
    let unnamed = |at: &usize| subquery && matches!(select.projection[*at], ast::SelectItem::UnnamedExpr(_));
    let at = pair
        .or_else(|| places.clone().rev().find(|at| same(at, &name)))
        .or_else(|| places.rev().find(unnamed))?;
    let spelled = names[at].clone()?;
    if spelled.starts_with(AGAIN) {
        return None;
    }
    let own = format!("{AGAIN}{at}");
    let item = &mut select.projection[at];
    let (ast::SelectItem::UnnamedExpr(expr) | ast::SelectItem::ExprWithAlias { expr, .. }) = item.clone()
    else {
        return None;
    };
    *item = ast::SelectItem::ExprWithAlias { expr, alias: ast::Ident::new(own.clone()) };
    Some((own, spelled))
}
