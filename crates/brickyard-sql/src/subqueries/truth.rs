//! `x IN (SELECT ..)` as a value: TRUE if a row is equal, else NULL if one might be (it is NULL, or x is and there are
//! rows), else FALSE.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, Result, ScalarValue};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, lit,
};

use super::{Names, holds_subquery, own, subquery, with_columns};

/// The values of one node's subqueries, over what the node reads.
pub(super) struct Values<'a> {
    input: LogicalPlan,
    /// What is looked for, as columns: a row of the query is compared with a column, and never with an expression that
    /// could be taken for one of its own.
    looked_for: Vec<(String, Expr)>,
    names: &'a mut Names,
}

impl<'a> Values<'a> {
    pub(super) fn new(input: LogicalPlan, names: &'a mut Names) -> Self {
        Self { input, looked_for: Vec::new(), names }
    }

    /// What the node reads now.
    pub(super) fn done(self) -> Result<(LogicalPlan, bool)> {
        let more = !self.looked_for.is_empty();
        Ok((with_columns(self.input, self.looked_for)?, more))
    }

    /// A condition that keeps rows where it is TRUE.
    pub(super) fn condition(&mut self, expr: Expr) -> Result<Transformed<Expr>> {
        match expr {
            Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
                let (left, right) = (self.kept(*left)?, self.kept(*right)?);
                let transformed = left.transformed || right.transformed;
                let both = BinaryExpr::new(Box::new(left.data), op, Box::new(right.data));
                Ok(Transformed::new_transformed(Expr::BinaryExpr(both), transformed))
            }
            // The anti join that knows of NULL has one key: what is looked for.
            Expr::InSubquery(InSubquery { negated: true, ref subquery, .. })
                if subquery.outer_ref_columns.is_empty() =>
            {
                Ok(Transformed::no(expr))
            }
            Expr::Not(inner) => match *inner {
                Expr::Exists(exists) => Ok(Transformed::no(Expr::Not(Box::new(Expr::Exists(exists))))),
                Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
                    let turned = InSubquery { expr, subquery, negated: !negated };
                    self.condition(Expr::InSubquery(turned)).map(|done| Transformed::yes(done.data))
                }
                inner => self.value(Expr::Not(Box::new(inner))),
            },
            expr => self.kept(expr),
        }
    }

    /// A part of such a condition, below `AND` and `OR`.
    fn kept(&mut self, expr: Expr) -> Result<Transformed<Expr>> {
        match expr {
            Expr::BinaryExpr(BinaryExpr { op: Operator::And | Operator::Or, .. }) => self.condition(expr),
            Expr::Exists(_) | Expr::InSubquery(InSubquery { negated: false, .. }) => {
                Ok(Transformed::no(expr))
            }
            expr => self.value(expr),
        }
    }

    /// An expression that keeps its name.
    pub(super) fn named(&mut self, expr: Expr) -> Result<Transformed<Expr>> {
        let name = NamePreserver::new_for_projection().save(&expr);
        Ok(self.value(expr)?.update_data(|expr| name.restore(expr)))
    }

    /// An expression whose value is used as it is.
    fn value(&mut self, expr: Expr) -> Result<Transformed<Expr>> {
        if !holds_subquery(&expr) {
            return Ok(Transformed::no(expr));
        }
        expr.transform_up(|one| match one {
            Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
                let truth = self.among(*expr, &subquery)?;
                Ok(Transformed::yes(if negated { !truth } else { truth }))
            }
            Expr::Exists(Exists { subquery, negated }) if subquery.outer_ref_columns.is_empty() => {
                let truth = any(subquery.subquery.as_ref().clone())?;
                Ok(Transformed::yes(if negated { !truth } else { truth }))
            }
            other => Ok(Transformed::no(other)),
        })
    }

    fn among(&mut self, sought: Expr, query: &Subquery) -> Result<Expr> {
        let rows = query.subquery.as_ref();
        let correlated = !query.outer_ref_columns.is_empty();
        let field = rows.schema().qualified_field(0);
        let one = Expr::Column(Column::from(field));
        let one_may_be_null = field.1.is_nullable();
        let sought_may_be_null = sought.nullable(self.input.schema())?;
        // Outside of the query, and as the query refers to it.
        let (outside, inside) = if matches!(sought, Expr::Literal(..)) {
            (sought.clone(), sought)
        } else {
            let (_, field) = sought.to_field(self.input.schema())?;
            let known = self.looked_for.iter().find(|(_, expr)| *expr == sought);
            let name = known.map(|(name, _)| name.clone()).unwrap_or_else(|| {
                let name = self.names.next("sought");
                self.looked_for.push((name.clone(), sought));
                name
            });
            let field = std::sync::Arc::new(field.as_ref().clone().with_name(name.as_str()));
            let column = Column::new_unqualified(name.as_str());
            (own(name), Expr::OuterReferenceColumn(field, column))
        };
        let found = exists(with(rows, one.clone().eq(inside.clone()))?)?;
        let mut unknown = Vec::new();
        if correlated {
            let nulls = [(one_may_be_null, one), (sought_may_be_null, inside)];
            let nulls = nulls.into_iter().filter(|(may, _)| *may).map(|(_, side)| side.is_null());
            if let Some(nulls) = nulls.reduce(Expr::or) {
                unknown.push(exists(with(rows, nulls)?)?);
            }
        } else {
            if one_may_be_null {
                unknown.push(any(with(rows, one.is_null())?)?);
            }
            if sought_may_be_null {
                unknown.push(outside.is_null().and(any(rows.clone())?));
            }
        }
        let null = lit(ScalarValue::Boolean(None));
        Ok(match unknown.into_iter().reduce(Expr::or) {
            Some(unknown) => found.or(unknown.and(null)),
            None => found,
        })
    }
}

fn with(rows: &LogicalPlan, condition: Expr) -> Result<LogicalPlan> {
    LogicalPlanBuilder::from(rows.clone()).filter(condition)?.build()
}

fn exists(rows: LogicalPlan) -> Result<Expr> {
    let rows = subquery(rows);
    if rows.outer_ref_columns.is_empty() {
        return any(rows.subquery.as_ref().clone());
    }
    Ok(Expr::Exists(Exists { subquery: rows, negated: false }))
}

/// Whether a query that refers to nothing outside has a row: one value for the whole statement.
fn any(rows: LogicalPlan) -> Result<Expr> {
    let counted = LogicalPlanBuilder::from(rows)
        .limit(0, Some(1))?
        .aggregate(Vec::<Expr>::new(), vec![count(lit(1_i64)).alias("n")])?
        .build()?;
    Ok(Expr::ScalarSubquery(subquery(counted)).gt(lit(0_i64)))
}
