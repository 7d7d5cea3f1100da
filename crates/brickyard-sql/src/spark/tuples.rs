//! `(a, b) IN ((1, 2), (3, 4))` and `(a, b) IN (SELECT x, y ..)`, which the planner does not know.
//!
//! In a list, rows are values: NULL is the same as NULL. In a subquery each pair of columns is compared, and what is
//! unknown stays unknown.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Ident, Query, Select, SelectItem, SetExpr, TableAliasColumnDef, TableFactor,
    UnaryOperator, Value,
};
use datafusion::sql::sqlparser::dialect::DatabricksDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::calls::{binary, case, nested};
use crate::error::SqlError;

/// What the columns of the subquery are called.
const COLUMN: &str = "__in_";

/// The conditions of `WHERE`, `HAVING` and `QUALIFY` that a row must meet: there what is unknown is as good as false, and
/// a subquery is asked once.
pub(crate) fn conditions(select: &mut Select) -> Result<(), SqlError> {
    [&mut select.selection, &mut select.having, &mut select.qualify]
        .into_iter()
        .flatten()
        .try_for_each(condition)
}

/// One such condition.
pub(crate) fn condition(expr: &mut Expr) -> Result<(), SqlError> {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            condition(left)?;
            condition(right)
        }
        Expr::Nested(inner) => condition(inner),
        Expr::UnaryOp { op: UnaryOperator::Not, expr: inner } => {
            let mut asked = &mut **inner;
            while let Expr::Nested(inside) = asked {
                asked = inside;
            }
            if let Expr::InSubquery { negated, .. } = asked {
                *negated = !*negated;
                *expr = asked.clone();
                return condition(expr);
            }
            Ok(())
        }
        Expr::InSubquery { expr: row, subquery, negated } => {
            let Expr::Tuple(row) = &**row else { return Ok(()) };
            *expr = exists(row, subquery, *negated, *negated)?;
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The same wherever else it stands. `None` if it is something else.
pub(super) fn value(expr: &Expr) -> Result<Option<Expr>, SqlError> {
    match expr {
        Expr::InList { expr: row, list, negated } => {
            let Expr::Tuple(row) = &**row else { return Ok(None) };
            let mut found = Vec::with_capacity(list.len());
            for one in list {
                let Expr::Tuple(values) = one else {
                    return Err(SqlError::unsupported(format_args!(
                        "{one} in a list of rows. Write a row of {} values in brackets",
                        row.len()
                    )));
                };
                if values.len() != row.len() {
                    return Err(lengths(row.len(), values.len()));
                }
                let pairs = row
                    .iter()
                    .zip(values)
                    .map(|(a, b)| binary(nested(a.clone()), BinaryOperator::Spaceship, nested(b.clone())));
                found.extend(joined(pairs, &BinaryOperator::And));
            }
            let found = joined(found.into_iter(), &BinaryOperator::Or).map(nested);
            Ok(found.map(|found| if *negated { not(found) } else { found }))
        }
        Expr::InSubquery { expr: row, subquery, negated } => {
            let Expr::Tuple(row) = &**row else { return Ok(None) };
            let truth = |truth| Expr::value(Value::Boolean(truth));
            let found = exists(row, subquery, false, false)?;
            let perhaps = exists(row, subquery, true, false)?;
            let unknown = Expr::value(Value::Null);
            let branches = vec![(found, truth(!*negated)), (perhaps, unknown)];
            Ok(Some(case(branches, Some(truth(*negated)))))
        }
        _ => Ok(None),
    }
}

fn lengths(row: usize, other: usize) -> SqlError {
    SqlError::condition(
        "DATATYPE_MISMATCH.IN_SUBQUERY_LENGTH_MISMATCH",
        "42K09",
        format!("A row of {row} values is compared with one of {other}."),
    )
}

fn not(expr: Expr) -> Expr {
    Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(nested(expr)) }
}

/// A balanced tree, for a long list is no deep one.
fn joined(exprs: impl Iterator<Item = Expr>, op: &BinaryOperator) -> Option<Expr> {
    let mut exprs: Vec<Expr> = exprs.collect();
    while exprs.len() > 1 {
        let mut halved = Vec::with_capacity(exprs.len().div_ceil(2));
        let mut rest = exprs.into_iter();
        while let Some(left) = rest.next() {
            halved.push(match rest.next() {
                Some(right) => nested(binary(left, op.clone(), right)),
                None => left,
            });
        }
        exprs = halved;
    }
    exprs.pop()
}

/// `EXISTS (SELECT 1 FROM (subquery) AS __in(__in_0, ..) WHERE __in_0 = a AND ..)`. What is unknown counts if `perhaps`.
fn exists(row: &[Expr], subquery: &Query, perhaps: bool, negated: bool) -> Result<Expr, SqlError> {
    if let SetExpr::Select(select) = &*subquery.body {
        let named =
            |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
        if select.projection.iter().all(named) && select.projection.len() != row.len() {
            return Err(lengths(row.len(), select.projection.len()));
        }
    }
    let columns = (0..row.len()).map(|at| Ident::new(format!("{COLUMN}{at}")));
    let conditions = row.iter().zip(columns.clone()).map(|(value, column)| {
        let same = binary(Expr::Identifier(column), BinaryOperator::Eq, nested(value.clone()));
        if !perhaps {
            return same;
        }
        nested(binary(same.clone(), BinaryOperator::Or, Expr::IsNull(Box::new(nested(same)))))
    });
    let mut query = template()?;
    if let SetExpr::Select(select) = &mut *query.body {
        select.selection = joined(conditions, &BinaryOperator::And);
        for table in &mut select.from {
            if let TableFactor::Derived { subquery: inside, alias: Some(alias), .. } = &mut table.relation {
                **inside = subquery.clone();
                alias.columns =
                    columns.clone().map(|name| TableAliasColumnDef { name, data_type: None }).collect();
            }
        }
    }
    Ok(Expr::Exists { subquery: Box::new(query), negated })
}

fn template() -> Result<Query, SqlError> {
    let parsed = Parser::new(&DatabricksDialect {}).try_with_sql("SELECT 1 FROM (SELECT 1) AS __in");
    let parsed = parsed.and_then(|mut parser| parser.parse_query());
    parsed.map(|query| *query).map_err(|_| SqlError::unsupported("IN of a row and a subquery"))
}
