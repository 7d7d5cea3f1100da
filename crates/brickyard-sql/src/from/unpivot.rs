//! `UNPIVOT`: columns become rows.

use datafusion::common::{Column, NullHandling, UnnestOptions};
use datafusion::error::{DataFusionError, Result};
use datafusion::functions_nested::expr_fn::make_array;
use datafusion::logical_expr::planner::RelationPlannerContext;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::sql::sqlparser::ast::{self, ExprWithAlias, Ident, NullInclusion, TableFactor};

use super::pivot::apart;

pub(super) fn plan(
    table: TableFactor,
    values: ast::Expr,
    name: &Ident,
    columns: Vec<ExprWithAlias>,
    nulls: Option<&NullInclusion>,
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let input = context.plan(table)?;
    let schema = input.schema().as_ref().clone();
    let mut named = Vec::new();
    for value in apart(values) {
        let ast::Expr::Identifier(value) = value else {
            return Err(DataFusionError::Plan("UNPIVOT names its values by names alone".to_owned()));
        };
        named.push(value.value);
    }
    // One list of the columns' names, and one for each value.
    let mut labels = Vec::with_capacity(columns.len());
    let mut lists: Vec<Vec<Expr>> = vec![Vec::new(); named.len()];
    let mut used: Vec<Column> = Vec::new();
    for column in columns {
        labels.push(lit(column.alias.map(|alias| alias.value).unwrap_or_default()));
        let parts = apart(column.expr);
        if parts.len() != named.len() {
            let message =
                format!("UNPIVOT has {} values, and a group of {} columns", named.len(), parts.len());
            return Err(DataFusionError::Plan(message));
        }
        for (list, part) in lists.iter_mut().zip(parts) {
            let part = context.sql_to_expr(part, &schema)?;
            let Expr::Column(place) = &part else {
                return Err(DataFusionError::Plan("UNPIVOT takes columns".to_owned()));
            };
            used.push(place.clone());
            list.push(part);
        }
    }
    let others: Vec<Expr> =
        schema.columns().into_iter().filter(|column| !used.contains(column)).map(Expr::Column).collect();
    let place = |at: usize| Column::new_unqualified(format!("__unpivoted_{at}"));
    let places: Vec<Column> = (0..=lists.len()).map(place).collect();
    let mut shown = others.clone();
    shown.push(make_array(labels).alias(&places[0].name));
    for (list, place) in lists.into_iter().zip(&places[1..]) {
        shown.push(make_array(list).alias(&place.name));
    }
    let options = UnnestOptions { null_handling: NullHandling::Drop, ..UnnestOptions::default() };
    let rows = LogicalPlanBuilder::from(input).project(shown)?;
    let mut rows = rows.unnest_columns_with_options(places.clone(), options)?;
    if !matches!(nulls, Some(NullInclusion::IncludeNulls)) {
        let there = places[1..].iter().map(|place| Expr::Column(place.clone()).is_not_null());
        if let Some(any) = there.reduce(Expr::or) {
            rows = rows.filter(any)?;
        }
    }
    let names = std::iter::once(name.value.clone()).chain(named);
    let made = places.into_iter().zip(names).map(|(place, name)| Expr::Column(place).alias(name));
    rows.project(others.into_iter().chain(made).collect::<Vec<_>>())?.build()
}
