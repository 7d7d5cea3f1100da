//! `FILTER`, `OVER`, `DISTINCT`, `ORDER BY`, `WITHIN GROUP`, `IGNORE NULLS` and named arguments on calls where they
//! have no meaning. DataFusion's planner drops them without a word there; here such a call is refused.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgumentClause, FunctionArguments,
    JoinConstraint, JoinOperator, Query, SetExpr, SetOperator, SetQuantifier, TableFactor, Visit, Visitor,
};

use crate::error::SqlError;

/// What a function is, as far as clauses matter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    /// One value for each row. Takes names of arguments if it says so itself.
    Scalar,
    /// As [`Scalar`](Self::Scalar), and DataFusion drops the names of its arguments.
    Nameless,
    /// Made for `OVER`, and no aggregate.
    Window,
    Aggregate,
    /// Nothing at all.
    Other,
}

/// Refuses the first call with a clause that would be dropped.
pub(crate) fn check(tree: &impl Visit, sort: &dyn Fn(&Function) -> Sort) -> Result<(), SqlError> {
    match tree.visit(&mut Finder { sort }) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Finder<'a> {
    sort: &'a dyn Fn(&Function) -> Sort,
}

impl Visitor for Finder<'_> {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<SqlError> {
        let mut bodies = vec![&*query.body];
        while let Some(body) = bodies.pop() {
            match body {
                SetExpr::SetOperation { op, set_quantifier, left, right } => {
                    // They would forget how often a row is there.
                    let counts = *op != SetOperator::Union && *set_quantifier == SetQuantifier::All;
                    if counts {
                        return refused(format_args!("{op} ALL. Write {op}, or count the rows"));
                    }
                    bodies.extend([&**left, &**right]);
                }
                SetExpr::Select(select) => {
                    for table in &select.from {
                        table.joins.iter().try_for_each(|join| full_join(&join.join_operator))?;
                    }
                }
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<SqlError> {
        if let TableFactor::NestedJoin { table_with_joins, .. } = factor {
            table_with_joins.joins.iter().try_for_each(|join| full_join(&join.join_operator))?;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<SqlError> {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        let clauses = clauses(function);
        if clauses.is_empty() {
            return ControlFlow::Continue(());
        }
        let allowed: &[&str] = match (self.sort)(function) {
            Sort::Scalar => &["named arguments"],
            Sort::Nameless => &[],
            Sort::Window => &["OVER", "named arguments", "IGNORE NULLS and RESPECT NULLS"],
            Sort::Aggregate | Sort::Other => return ControlFlow::Continue(()),
        };
        match clauses.into_iter().find(|clause| !allowed.contains(clause)) {
            Some(clause) => {
                let name = function.name.to_string().replace('`', "");
                ControlFlow::Break(SqlError::condition(
                    "UNSUPPORTED_FEATURE",
                    "0A000",
                    format!(
                        "{clause} cannot be used with {name}, which is no aggregate function. Remove it."
                    ),
                ))
            }
            None => ControlFlow::Continue(()),
        }
    }
}

fn refused(feature: impl std::fmt::Display) -> ControlFlow<SqlError> {
    ControlFlow::Break(SqlError::unsupported(feature))
}

/// The shared column of a full join is the left side's here, and NULL where only the right side has a row.
fn full_join(join: &JoinOperator) -> ControlFlow<SqlError> {
    match join {
        JoinOperator::FullOuter(JoinConstraint::Using(_) | JoinConstraint::Natural) => {
            refused("FULL JOIN with USING or NATURAL. Write ON, and coalesce(a.x, b.x)")
        }
        _ => ControlFlow::Continue(()),
    }
}

fn clauses(function: &Function) -> Vec<&'static str> {
    let mut found = Vec::new();
    let mut note = |is: bool, clause| {
        if is {
            found.push(clause);
        }
    };
    note(function.filter.is_some(), "FILTER");
    note(function.over.is_some(), "OVER");
    note(!function.within_group.is_empty(), "WITHIN GROUP");
    note(function.null_treatment.is_some(), "IGNORE NULLS and RESPECT NULLS");
    note(!matches!(function.parameters, FunctionArguments::None), "a second list of arguments");
    if let FunctionArguments::List(list) = &function.args {
        note(list.duplicate_treatment == Some(DuplicateTreatment::Distinct), "DISTINCT");
        note(list.duplicate_treatment == Some(DuplicateTreatment::All), "ALL");
        for clause in &list.clauses {
            let clause = match clause {
                FunctionArgumentClause::OrderBy(_) => "ORDER BY",
                FunctionArgumentClause::IgnoreOrRespectNulls(_) => "IGNORE NULLS and RESPECT NULLS",
                // Refused by the planner itself.
                _ => continue,
            };
            note(true, clause);
        }
        note(list.args.iter().any(|arg| !matches!(arg, FunctionArg::Unnamed(_))), "named arguments");
    }
    found
}
