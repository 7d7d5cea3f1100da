//! Clauses of Databricks that say in other words what the planner knows: `GROUP BY a WITH ROLLUP`, `SORT BY`,
//! `ORDER BY ALL`, `FROM t` without `SELECT`, `t.*` of a table that was named in full, `PIVOT` without names.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, GroupByWithModifier, Ident,
    ObjectName, OrderBy, OrderByExpr, OrderByKind, Query, Select, SelectFlavor, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, TableFactor, TableWithJoins, Value, ValueWithSpan, VisitMut,
    VisitorMut, WildcardAdditionalOptions,
};

use super::{fold, fold_name, parts};
use crate::error::SqlError;
use crate::spark::expressions::cast;

/// `GROUP BY a, b WITH ROLLUP | WITH CUBE | GROUPING SETS (..)`.
pub(super) fn grouping(select: &mut Select) -> Result<(), SqlError> {
    let GroupByExpr::Expressions(by, modifiers) = &mut select.group_by else { return Ok(()) };
    let Some(modifier) = modifiers.pop() else { return Ok(()) };
    if !modifiers.is_empty() {
        return Err(SqlError::unsupported("more than one WITH ROLLUP, WITH CUBE or GROUPING SETS"));
    }
    let each = |by: &mut Vec<Expr>| std::mem::take(by).into_iter().map(|one| vec![one]).collect();
    let sets = match modifier {
        GroupByWithModifier::Rollup => Expr::Rollup(each(by)),
        GroupByWithModifier::Cube => Expr::Cube(each(by)),
        GroupByWithModifier::GroupingSets(sets @ Expr::GroupingSets(_)) => sets,
        _ => return Err(SqlError::unsupported("WITH TOTALS")),
    };
    *by = vec![sets];
    Ok(())
}

/// `grouping_id(a, b)` is `grouping` of both, and `grouping_id()` of all that is grouped by.
pub(super) fn grouping_ids(select: &mut Select) {
    let GroupByExpr::Expressions(by, _) = &select.group_by else { return };
    let mut all: Vec<Expr> = Vec::new();
    for one in by {
        let parts = match one {
            Expr::Rollup(sets) | Expr::Cube(sets) | Expr::GroupingSets(sets) => {
                sets.iter().flatten().collect()
            }
            other => vec![other],
        };
        for part in parts {
            if !all.contains(part) {
                all.push(part.clone());
            }
        }
    }
    let mut naming = GroupingIds { all };
    let _ = VisitMut::visit(&mut select.projection, &mut naming);
    let _ = VisitMut::visit(&mut select.having, &mut naming);
}

struct GroupingIds {
    all: Vec<Expr>,
}

impl VisitorMut for GroupingIds {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        if parts(&function.name) != ["grouping_id"] {
            return ControlFlow::Continue(());
        }
        let FunctionArguments::List(list) = &mut function.args else { return ControlFlow::Continue(()) };
        if list.args.is_empty() {
            let all = self.all.iter().cloned();
            list.args = all.map(|one| FunctionArg::Unnamed(FunctionArgExpr::Expr(one))).collect();
        }
        function.name = ObjectName::from(vec![Ident::new("grouping")]);
        *expr = cast(expr.clone(), DataType::BigInt(None));
        ControlFlow::Continue(())
    }
}

/// `FROM t` alone is `SELECT * FROM t`.
pub(super) fn everything(select: &mut Select) {
    if select.flavor == SelectFlavor::FromFirstNoSelect {
        select.projection = vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())];
        select.flavor = SelectFlavor::Standard;
    }
}

/// `SORT BY` and `CLUSTER BY` sort what each task has; here one task has it all. `DISTRIBUTE BY` says which task.
/// `ORDER BY ALL` sorts by each column of the list.
pub(super) fn sorting(query: &mut Query) {
    let SetExpr::Select(select) = &mut *query.body else { return };
    select.distribute_by.clear();
    let mut by = std::mem::take(&mut select.sort_by);
    let ascending = |expr| OrderByExpr { expr, options: Default::default(), with_fill: None };
    by.extend(std::mem::take(&mut select.cluster_by).into_iter().map(ascending));
    match &mut query.order_by {
        None if !by.is_empty() => {
            query.order_by = Some(OrderBy { kind: OrderByKind::Expressions(by), interpolate: None });
        }
        Some(order) => {
            let listed = |item: &SelectItem| {
                matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. })
            };
            if let OrderByKind::All(options) = &order.kind
                && select.projection.iter().all(listed)
            {
                let place = |at: usize| OrderByExpr {
                    expr: Expr::Value(ValueWithSpan::from(Value::Number((at + 1).to_string(), false))),
                    options: *options,
                    with_fill: None,
                };
                order.kind = OrderByKind::Expressions((0..select.projection.len()).map(place).collect());
            }
        }
        None => {}
    }
}

/// `t.*` where the table was named `main.s.t`.
pub(super) fn wildcards(select: &mut Select) {
    let mut named = Vec::new();
    for table in &select.from {
        tables(table, &mut named);
    }
    for item in &mut select.projection {
        let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) = item else {
            continue;
        };
        let wanted = parts(name);
        let same = |table: &&ObjectName| parts(table).ends_with(&wanted);
        if let Some(table) = named.iter().find(same) {
            *name = table.clone();
        }
        fold_name(name);
    }
}

/// The tables without an alias.
fn tables(table: &TableWithJoins, named: &mut Vec<ObjectName>) {
    for factor in std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation)) {
        match factor {
            TableFactor::Table { name, alias: None, args: None, version: None, .. } => {
                named.push(name.clone())
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => tables(table_with_joins, named),
            _ => {}
        }
    }
}

/// What the columns of `PIVOT` and the rows of `UNPIVOT` are called, where the query does not say.
pub(super) fn pivoted(factor: &mut TableFactor) {
    match factor {
        TableFactor::Pivot { aggregate_functions, value_source, alias, .. } => {
            for aggregate in aggregate_functions {
                let shown = aggregate.expr.to_string().to_lowercase();
                fold(aggregate.alias.get_or_insert_with(|| shown.as_str().into()));
            }
            if let datafusion::sql::sqlparser::ast::PivotValueSource::List(values) = value_source {
                for value in values {
                    let shown = text(&value.expr);
                    fold(value.alias.get_or_insert_with(|| shown.as_str().into()));
                }
            }
            alias.iter_mut().for_each(super::fold_alias);
        }
        TableFactor::Unpivot { value, name, columns, alias, .. } => {
            fold(name);
            for column in columns {
                let shown = text(&column.expr);
                column.alias.get_or_insert_with(|| shown.as_str().into());
            }
            fold_values(value);
            alias.iter_mut().for_each(super::fold_alias);
        }
        _ => {}
    }
}

fn fold_values(value: &mut Expr) {
    match value {
        Expr::Identifier(name) => fold(name),
        Expr::Tuple(parts) => parts.iter_mut().for_each(fold_values),
        _ => {}
    }
}

/// A value or a column as a name: of several, all of them with `_` between.
pub(crate) fn text(expr: &Expr) -> String {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => text.clone(),
            other => other.to_string().to_lowercase(),
        },
        Expr::Identifier(name) => name.value.clone(),
        Expr::CompoundIdentifier(parts) => parts.last().map(|part| part.value.clone()).unwrap_or_default(),
        Expr::Tuple(parts) => parts.iter().map(text).collect::<Vec<_>>().join("_"),
        Expr::Nested(inner) => text(inner),
        other => other.to_string(),
    }
}
