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

/// True if a plan was refused for two columns of one name.
pub(super) fn is_twice(error: &SqlError) -> bool {
    let SqlError::Engine(error) = error else { return false };
    error.find_root().strip_backtrace().contains("Projections require unique expression names")
}

/// Gives the columns of an answer names that differ; `spelled` shows the written ones.
pub(super) fn distinct(query: &mut ast::Query) {
    let ast::SetExpr::Select(select) = &mut *query.body else { return };
    let mut known: Vec<String> = Vec::new();
    for (at, item) in select.projection.iter_mut().enumerate() {
        let Some(name) = written_item(item).map(|name| name.to_lowercase()) else { continue };
        // Not the written text: a function has other names here, under which it may be there already.
        let renamed = || ast::Ident::new(format!("__column_{at}"));
        match item {
            ast::SelectItem::ExprWithAlias { alias, .. } if known.contains(&name) => *alias = renamed(),
            ast::SelectItem::UnnamedExpr(expr) if known.contains(&name) || !is_name(expr) => {
                *item = ast::SelectItem::ExprWithAlias { expr: expr.clone(), alias: renamed() };
            }
            _ => {}
        }
        known.push(name);
    }
}

fn is_name(expr: &ast::Expr) -> bool {
    matches!(expr, ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_))
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
