//! Aggregate and window functions where there is no group and no window yet: in WHERE, GROUP BY, ON, VALUES, and in the
//! argument of another aggregate. DataFusion plans some of these, and fails when the plan is about to run, or
//! not at all where the optimizer has left the place out.
//!
//! Also positions in GROUP BY and ORDER BY that the list does not have.
//!
//! Source of the conditions and texts: Databricks, "Error conditions" (GROUP_BY_AGGREGATE, INVALID_WHERE_CONDITION, ..).

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, GroupByExpr, JoinConstraint, JoinOperator, OrderByKind, Query, Select, SelectItem,
    SetExpr, TableWithJoins, Value, ValueWithSpan, Visit, Visitor,
};

use super::clauses::Sort;
use crate::error::SqlError;

type Found = ControlFlow<SqlError>;

/// Refuses the first that is misplaced.
pub(crate) fn check(tree: &impl Visit, sort: &dyn Fn(&Function) -> Sort) -> Result<(), SqlError> {
    match tree.visit(&mut Checker { sort }) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Checker<'a> {
    sort: &'a dyn Fn(&Function) -> Sort,
}

impl Visitor for Checker<'_> {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &Query) -> Found {
        let mut bodies = vec![&*query.body];
        while let Some(body) = bodies.pop() {
            match body {
                SetExpr::SetOperation { left, right, .. } => bodies.extend([&**left, &**right]),
                SetExpr::Select(select) => self.select(select)?,
                SetExpr::Values(values) => {
                    values
                        .rows
                        .iter()
                        .flat_map(|row| &row.content)
                        .try_for_each(|one| self.in_operator(one))?;
                }
                _ => {}
            }
        }
        if let (SetExpr::Select(select), Some(order)) = (&*query.body, &query.order_by)
            && let OrderByKind::Expressions(by) = &order.kind
        {
            by.iter()
                .try_for_each(|one| in_range("ORDER BY", "ORDER_BY_POS_OUT_OF_RANGE", &one.expr, select))?;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> Found {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        if function.over.is_none() && (self.sort)(function) == Sort::Window {
            return refused(
                "WINDOW_FUNCTION_WITHOUT_OVER_CLAUSE",
                "42601",
                format!("Window function {expr} requires an OVER clause."),
            );
        }
        if !self.is_aggregate(function) {
            return ControlFlow::Continue(());
        }
        match self.first(&function.args, |checker, call| checker.is_aggregate(call)) {
            None => ControlFlow::Continue(()),
            Some(_) => refused(
                "NESTED_AGGREGATE_FUNCTION",
                "42607",
                "It is not allowed to use an aggregate function in the argument of another aggregate function. Please \
                 use the inner aggregate function in a sub-query."
                    .to_owned(),
            ),
        }
    }
}

impl Checker<'_> {
    fn is_aggregate(&self, function: &Function) -> bool {
        function.over.is_none() && (self.sort)(function) == Sort::Aggregate
    }

    fn is_misplaced(&self, function: &Function) -> bool {
        function.over.is_some() || self.is_aggregate(function)
    }

    /// The first call in a tree that is one of these, outside of subqueries.
    fn first(&self, tree: &impl Visit, is: fn(&Self, &Function) -> bool) -> Option<String> {
        let mut finder = Finder { is: &|call| is(self, call), depth: 0 };
        match tree.visit(&mut finder) {
            ControlFlow::Break(found) => Some(found),
            ControlFlow::Continue(()) => None,
        }
    }

    fn select(&self, select: &Select) -> Found {
        if let Some(condition) = &select.selection
            && let Some(found) = self.first(condition, Self::is_misplaced)
        {
            return refused(
                "INVALID_WHERE_CONDITION",
                "42903",
                format!(
                    "The WHERE condition \"{condition}\" contains invalid expressions: {found}. Rewrite the query to avoid \
                     window functions, aggregate functions, and generator functions in the WHERE clause."
                ),
            );
        }
        select.from.iter().try_for_each(|table| self.joins(table))?;
        let GroupByExpr::Expressions(by, _) = &select.group_by else { return ControlFlow::Continue(()) };
        for one in by {
            self.group(one, select)?;
        }
        ControlFlow::Continue(())
    }

    fn group(&self, by: &Expr, select: &Select) -> Found {
        match by {
            Expr::Rollup(sets) | Expr::Cube(sets) | Expr::GroupingSets(sets) => {
                return sets.iter().flatten().try_for_each(|one| self.group(one, select));
            }
            Expr::Tuple(parts) => return parts.iter().try_for_each(|one| self.group(one, select)),
            _ => {}
        }
        in_range("GROUP BY", "GROUP_BY_POS_OUT_OF_RANGE", by, select)?;
        if let Some((position, item)) = item(by, select) {
            if self.first(item, Self::is_aggregate).is_some() {
                return refused(
                    "GROUP_BY_POS_AGGREGATE",
                    "42903",
                    format!(
                        "GROUP BY {position} refers to an expression {item} that contains an aggregate function. \
                         Aggregate functions are not allowed in GROUP BY."
                    ),
                );
            }
            return self.in_operator(item);
        }
        match self.first(by, Self::is_aggregate) {
            Some(found) => refused(
                "GROUP_BY_AGGREGATE",
                "42903",
                format!("Aggregate functions are not allowed in GROUP BY, but found {found}."),
            ),
            None => self.in_operator(by),
        }
    }

    fn joins(&self, table: &TableWithJoins) -> Found {
        let constraints = table.joins.iter().filter_map(|join| on(&join.join_operator));
        constraints.into_iter().try_for_each(|condition| self.in_operator(condition))
    }

    fn in_operator(&self, expr: &Expr) -> Found {
        match self.first(expr, Self::is_misplaced) {
            None => ControlFlow::Continue(()),
            Some(found) => refused(
                "UNSUPPORTED_EXPR_FOR_OPERATOR",
                "42K0E",
                format!(
                    "A query operator contains one or more unsupported expressions. Consider rewriting it to avoid window \
                     functions, aggregate functions, and generator functions in the WHERE clause. Invalid \
                     expressions: [{found}]"
                ),
            ),
        }
    }
}

/// Finds a call, outside of subqueries: those have groups of their own.
struct Finder<'a> {
    is: &'a dyn Fn(&Function) -> bool,
    depth: usize,
}

impl Visitor for Finder<'_> {
    type Break = String;

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<String> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<String> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
        match expr {
            Expr::Function(function) if self.depth == 0 && (self.is)(function) => {
                ControlFlow::Break(expr.to_string())
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

fn refused(condition: &'static str, state: &'static str, message: String) -> Found {
    ControlFlow::Break(SqlError::condition(condition, state, message))
}

fn position(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. }) => digits.parse().ok(),
        _ => None,
    }
}

/// The item of the list that a position means, if every item is one column.
fn item<'s>(expr: &Expr, select: &'s Select) -> Option<(usize, &'s Expr)> {
    let position = position(expr)?;
    let before = select.projection.get(..position)?;
    match before.last()? {
        _ if !before.iter().all(is_one) => None,
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some((position, expr)),
        _ => None,
    }
}

fn is_one(item: &SelectItem) -> bool {
    matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. })
}

fn in_range(clause: &str, condition: &'static str, expr: &Expr, select: &Select) -> Found {
    let size = select.projection.len();
    match position(expr) {
        Some(at) if select.projection.iter().all(is_one) && !(1..=size).contains(&at) => refused(
            condition,
            "42805",
            format!("{clause} position {at} is not in select list (valid range is [1, {size}])."),
        ),
        _ => ControlFlow::Continue(()),
    }
}

fn on(join: &JoinOperator) -> Option<&Expr> {
    let constraint = match join {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)
        | JoinOperator::Semi(constraint)
        | JoinOperator::LeftSemi(constraint)
        | JoinOperator::Anti(constraint)
        | JoinOperator::LeftAnti(constraint) => constraint,
        _ => return None,
    };
    match constraint {
        JoinConstraint::On(condition) => Some(condition),
        _ => None,
    }
}
