//! `PIVOT`: rows become columns. All columns that it does not name are grouped by.
//!
//! First one row a group and pivoted value, then one row a group: so a value without rows is NULL, also for `count`.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema};
use datafusion::error::{DataFusionError, Result};
use datafusion::functions_aggregate::first_last::first_value_udaf;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::planner::RelationPlannerContext;
use datafusion::logical_expr::utils::find_aggregate_exprs;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, LogicalPlanBuilder, Operator};
use datafusion::sql::sqlparser::ast::{self, ExprWithAlias, PivotValueSource, TableFactor};

pub(super) fn plan(
    table: TableFactor,
    aggregates: Vec<ExprWithAlias>,
    on: Vec<ast::Expr>,
    values: PivotValueSource,
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let PivotValueSource::List(values) = values else {
        return Err(DataFusionError::NotImplemented("PIVOT for values that are not listed".to_owned()));
    };
    let input = context.plan(table)?;
    let schema = input.schema().as_ref().clone();
    let on: Vec<Expr> = on
        .into_iter()
        .flat_map(apart)
        .map(|column| context.sql_to_expr(column, &schema))
        .collect::<Result<_>>()?;
    let mut measured = Vec::with_capacity(aggregates.len());
    for aggregate in aggregates {
        let name = aggregate.alias.map(|alias| alias.value).unwrap_or_default();
        measured.push((context.sql_to_expr(aggregate.expr, &schema)?, name));
    }
    let found = find_aggregate_exprs(measured.iter().map(|(expr, _)| expr));
    if found.is_empty() {
        return Err(DataFusionError::Plan("PIVOT needs an aggregate function".to_owned()));
    }
    let used: Vec<&Column> =
        on.iter().chain(measured.iter().map(|(expr, _)| expr)).flat_map(Expr::column_refs).collect();
    let groups: Vec<Expr> =
        schema.columns().into_iter().filter(|column| !used.contains(&column)).map(Expr::Column).collect();

    let by: Vec<Expr> = groups.iter().chain(&on).cloned().collect();
    let rows = LogicalPlanBuilder::from(input).aggregate(by, found.clone())?;
    let mut shown = groups.clone();
    for (at, one) in on.iter().enumerate() {
        shown.push(computed(one.clone(), std::slice::from_ref(one))?.alias(pivoted(at)));
    }
    for (at, (expr, _)) in measured.iter().enumerate() {
        shown.push(computed(expr.clone(), &found)?.alias(measure(at)));
    }
    let rows = rows.project(shown)?;

    let mut columns = Vec::with_capacity(values.len() * measured.len());
    let mut names = Vec::with_capacity(columns.capacity());
    let empty = DFSchema::empty();
    for value in values {
        let name = value.alias.map(|alias| alias.value).unwrap_or_default();
        let parts: Vec<Expr> = apart(value.expr)
            .into_iter()
            .map(|part| context.sql_to_expr(part, &empty))
            .collect::<Result<_>>()?;
        if parts.len() != on.len() {
            return Err(DataFusionError::Plan(format!(
                "PIVOT is for {} columns, and the value {name} has {}",
                on.len(),
                parts.len()
            )));
        }
        let same = |(at, part): (usize, Expr)| {
            let column = Expr::Column(Column::new_unqualified(pivoted(at)));
            Expr::BinaryExpr(BinaryExpr::new(Box::new(column), Operator::IsNotDistinctFrom, Box::new(part)))
        };
        let Some(here) = parts.into_iter().enumerate().map(same).reduce(Expr::and) else { continue };
        for (at, (_, suffix)) in measured.iter().enumerate() {
            let only = AggregateFunction::new_udf(
                first_value_udaf(),
                vec![Expr::Column(Column::new_unqualified(measure(at)))],
                false,
                Some(Box::new(here.clone())),
                Vec::new(),
                None,
            );
            columns.push(Expr::AggregateFunction(only).alias(format!("__value_{}", columns.len())));
            names.push(if measured.len() == 1 { name.clone() } else { format!("{name}_{suffix}") });
        }
    }
    let pivoted = rows.aggregate(groups.clone(), columns)?;
    let named = names
        .into_iter()
        .enumerate()
        .map(|(at, name)| Expr::Column(Column::new_unqualified(format!("__value_{at}"))).alias(name));
    pivoted.project(groups.into_iter().chain(named).collect::<Vec<_>>())?.build()
}

fn pivoted(at: usize) -> String {
    format!("__pivot_{at}")
}

fn measure(at: usize) -> String {
    format!("__measure_{at}")
}

/// `(a, b)` is a and b.
pub(super) fn apart(expr: ast::Expr) -> Vec<ast::Expr> {
    match expr {
        ast::Expr::Tuple(parts) => parts,
        ast::Expr::Nested(inner) => apart(*inner),
        other => vec![other],
    }
}

/// An expression over what an aggregation computed already.
fn computed(expr: Expr, known: &[Expr]) -> Result<Expr> {
    let replaced = expr.transform_down(|one| {
        if known.contains(&one) && !matches!(one, Expr::Column(_)) {
            let column = Column::new_unqualified(one.schema_name().to_string());
            return Ok(Transformed::yes(Expr::Column(column)));
        }
        Ok(Transformed::no(one))
    })?;
    Ok(replaced.data)
}
