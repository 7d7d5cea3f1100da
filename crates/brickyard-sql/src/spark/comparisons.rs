//! A text beside a number, a date or a truth is read as one of those, and fails if it is none: ANSI Spark compares so.
//! And the results of one `CASE` have one type, which holds them all.
//!
//! This is settled before DataFusion's own rule sees the sides, and wherever they stand: `=`, `<`, `IN`, `BETWEEN`,
//! `CASE x WHEN ..`, subqueries and joins.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::logical_expr::expr::{Case, InSubquery};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator, Projection, cast};
use datafusion::optimizer::AnalyzerRule;

use super::set_types;
use super::wider::{beside_text, wider};
use crate::arrow_types::to_sql;
use crate::error::SqlError;

/// Puts the casts in that Spark compares with.
#[derive(Debug)]
pub(crate) struct SparkComparisons;

impl AnalyzerRule for SparkComparisons {
    fn name(&self) -> &str {
        "spark_comparisons"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| {
            // Of a subquery inside an expression nobody settled the types before.
            if matches!(node, LogicalPlan::Union(_)) {
                return set_types::one(node, false);
            }
            if !compares(&node)? {
                return Ok(Transformed::no(node));
            }
            let node = keys(node);
            let schema = merge_schema(&node.inputs());
            let names = NamePreserver::new(&node);
            let done = node.map_expressions(|expr| {
                let name = names.save(&expr);
                let brought = expr.transform_up(|expr| brought(expr, &schema))?;
                Ok(brought.update_data(|expr| name.restore(expr)))
            })?;
            if done.transformed { done.map_data(LogicalPlan::recompute_schema) } else { Ok(done) }
        })
        .map(|transformed| transformed.data)
    }
}

/// The columns of `JOIN .. USING`.
fn keys(mut node: LogicalPlan) -> LogicalPlan {
    if let LogicalPlan::Join(join) = &mut node {
        let (left, right) = (Arc::clone(join.left.schema()), Arc::clone(join.right.schema()));
        for (a, b) in &mut join.on {
            let types = (type_of(a, &left), type_of(b, &right));
            read_as(a, &types.0, &types.1);
            read_as(b, &types.1, &types.0);
        }
    }
    node
}

fn compares(node: &LogicalPlan) -> Result<bool> {
    let mut found = matches!(node, LogicalPlan::Join(_));
    node.apply_expressions(|expr| {
        found |= expr.exists(|inner| {
            Ok(match inner {
                Expr::BinaryExpr(binary) => is_comparison(binary.op),
                Expr::InList(_) | Expr::Between(_) | Expr::InSubquery(_) => true,
                Expr::Case(_) => true,
                _ => false,
            })
        })?;
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// True for what compares two values, which are brought to one type first.
pub(crate) fn is_comparison(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

fn brought(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    Ok(match expr {
        Expr::BinaryExpr(mut binary) if is_comparison(binary.op) => {
            let (left, right) = (type_of(&binary.left, schema), type_of(&binary.right, schema));
            alike(&left, &right)?;
            let changed =
                read_as(&mut binary.left, &left, &right) | read_as(&mut binary.right, &right, &left);
            Transformed::new_transformed(Expr::BinaryExpr(binary), changed)
        }
        Expr::Between(mut between) => {
            let of = type_of(&between.expr, schema);
            let bounds = [type_of(&between.low, schema), type_of(&between.high, schema)];
            let mut changed = read_as(&mut between.low, &bounds[0], &of);
            changed |= read_as(&mut between.high, &bounds[1], &of);
            let other = bounds.into_iter().find(|bound| beside(&of, bound).is_some()).flatten();
            changed |= read_as(&mut between.expr, &of, &other);
            Transformed::new_transformed(Expr::Between(between), changed)
        }
        Expr::InList(mut list) => {
            let of = type_of(&list.expr, schema);
            let listed: Vec<_> = list.list.iter().map(|one| type_of(one, schema)).collect();
            let other = listed.iter().find(|one| beside(&of, one).is_some()).cloned().flatten();
            // The texts of a list with a number are read as that number is.
            let wanted = if is_text(&of) { &other } else { &of };
            let mut changed = false;
            for (one, its) in list.list.iter_mut().zip(&listed) {
                changed |= read_as(one, its, wanted);
            }
            changed |= read_as(&mut list.expr, &of, &other);
            Transformed::new_transformed(Expr::InList(list), changed)
        }
        Expr::Case(mut case) => {
            let results = one_type(&mut case, schema);
            if case.expr.is_none() {
                return Ok(Transformed::new_transformed(Expr::Case(case), results));
            }
            let of = case.expr.as_ref().and_then(|of| type_of(of, schema));
            let whens: Vec<_> = case.when_then_expr.iter().map(|(when, _)| type_of(when, schema)).collect();
            let other = whens.iter().find(|one| beside(&of, one).is_some()).cloned().flatten();
            let wanted = if is_text(&of) { &other } else { &of };
            let mut changed = results;
            for ((when, _), its) in case.when_then_expr.iter_mut().zip(&whens) {
                changed |= read_as(when, its, wanted);
            }
            if let Some(expr) = &mut case.expr {
                changed |= read_as(expr, &of, &other);
            }
            Transformed::new_transformed(Expr::Case(case), changed)
        }
        Expr::InSubquery(InSubquery { mut expr, subquery, negated }) => {
            let of = type_of(&expr, schema);
            let found = subquery.subquery.schema().fields().first().map(|field| field.data_type().clone());
            let mut changed = read_as(&mut expr, &of, &found);
            let mut subquery = subquery;
            if let (Some(wanted), [column]) =
                (beside(&found, &of), subquery.subquery.schema().columns().as_slice())
            {
                let read = cast(Expr::Column(column.clone()), wanted).alias(column.name());
                let inside = Projection::try_new(vec![read], Arc::clone(&subquery.subquery))?;
                subquery = subquery.with_plan(Arc::new(LogicalPlan::Projection(inside)));
                changed = true;
            }
            Transformed::new_transformed(Expr::InSubquery(InSubquery { expr, subquery, negated }), changed)
        }
        other => Transformed::no(other),
    })
}

/// An expression whose `CASE`s have their types: the planner takes the first result's type for that of all. The `CASE`
/// itself stays as it is, so that `GROUP BY` finds it.
pub(crate) fn settled(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    if !expr.exists(|inner| Ok(matches!(inner, Expr::Case(_))))? {
        return Ok(expr);
    }
    let done = expr.transform_down(|inner| {
        let (settled, changed) = match inner {
            Expr::Cast(cast) if matches!(*cast.expr, Expr::Case(_)) => (Expr::Cast(cast), false),
            case @ Expr::Case(_) => {
                let inside = case.map_children(|child| settled(child, schema).map(Transformed::yes))?;
                match (result_type(&inside.data, schema), type_of(&inside.data, schema)) {
                    (Some(wanted), Some(first)) if wanted != first => (cast(inside.data, wanted), true),
                    _ => (inside.data, true),
                }
            }
            other => return Ok(Transformed::no(other)),
        };
        Ok(Transformed::new(settled, changed, TreeNodeRecursion::Jump))
    })?;
    Ok(done.data)
}

/// The same for a query's plan, before something is planned around it; not for the relations that it reads.
pub(super) fn settled_plan(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut changed = false;
    let below = |node: LogicalPlan| {
        let recursion = match &node {
            LogicalPlan::SubqueryAlias(_) | LogicalPlan::TableScan(_) => TreeNodeRecursion::Jump,
            _ => TreeNodeRecursion::Continue,
        };
        Ok(Transformed::new(node, false, recursion))
    };
    let done = plan.transform_down_up(below, |node| {
        let schema = merge_schema(&node.inputs());
        let names = NamePreserver::new(&node);
        let done = node.map_expressions(|expr| {
            if !expr.exists(|inner| Ok(matches!(inner, Expr::Case(_))))? {
                return Ok(Transformed::no(expr));
            }
            let name = names.save(&expr);
            Ok(Transformed::yes(name.restore(settled(expr, &schema)?)))
        })?;
        changed |= done.transformed;
        if changed { done.map_data(LogicalPlan::recompute_schema) } else { Ok(done) }
    })?;
    Ok(done.data)
}

/// The type that holds all results of a `CASE`.
fn result_type(expr: &Expr, schema: &DFSchema) -> Option<DataType> {
    let Expr::Case(case) = expr else { return None };
    let results = case.when_then_expr.iter().map(|(_, then)| then).chain(case.else_expr.as_ref());
    let types: Option<Vec<DataType>> = results.map(|one| type_of(one, schema)).collect();
    types?.into_iter().map(Some).reduce(|a, b| wider(&a?, &b?)).flatten()
}

/// Casts the results of a `CASE` to the type that holds all of them. Answers whether there was something to cast.
fn one_type(case: &mut Case, schema: &DFSchema) -> bool {
    let whole = Expr::Case(case.clone());
    let Some(wanted) = result_type(&whole, schema) else { return false };
    let results = case.when_then_expr.iter_mut().map(|(_, then)| then).chain(case.else_expr.as_mut());
    let mut changed = false;
    for one in results {
        let Some(of) = type_of(one, schema) else { continue };
        if of != wanted && !of.is_null() && !(of.is_string() && wanted.is_string()) {
            let result = std::mem::replace(&mut **one, Expr::Literal(ScalarValue::Null, None));
            **one = cast(result, wanted.clone());
            changed = true;
        }
    }
    changed
}

/// Two sides of an operator that compares, read as Spark reads them: the planner asks for a common type at once.
pub(super) fn compared(left: &mut Expr, right: &mut Expr, schema: &DFSchema) -> Result<()> {
    let types = (type_of(left, schema), type_of(right, schema));
    alike(&types.0, &types.1)?;
    read_as(left, &types.0, &types.1);
    read_as(right, &types.1, &types.0);
    Ok(())
}

fn is_text(of: &Option<DataType>) -> bool {
    of.as_ref().is_some_and(DataType::is_string)
}

/// What a text is read as beside the other type; nothing if it is no text, or the other one is.
fn beside(text: &Option<DataType>, other: &Option<DataType>) -> Option<DataType> {
    if is_text(text) && !is_text(other) { other.as_ref().and_then(beside_text) } else { None }
}

/// Casts a text. Answers whether it was one.
fn read_as(expr: &mut Expr, of: &Option<DataType>, other: &Option<DataType>) -> bool {
    let Some(wanted) = beside(of, other) else { return false };
    let text = std::mem::replace(expr, Expr::Literal(ScalarValue::Null, None));
    *expr = cast(text, wanted);
    true
}

/// Truth is no number, and no number is a date.
fn alike(left: &Option<DataType>, right: &Option<DataType>) -> Result<()> {
    let (Some(left), Some(right)) = (left, right) else { return Ok(()) };
    let apart = |a: &DataType, b: &DataType| {
        (a == &DataType::Boolean || matches!(a, DataType::Date32 | DataType::Timestamp(..))) && b.is_numeric()
    };
    if !apart(left, right) && !apart(right, left) {
        return Ok(());
    }
    let shown = |of| to_sql(of).map_or_else(|| format!("{of}"), |sql| sql.to_string().to_uppercase());
    let error = SqlError::condition(
        "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES",
        "42K09",
        format!(
            "Cannot compare: the left and right operands of the binary operator have incompatible types (\"{}\" and \"{}\"). \
             Cast one of them.",
            shown(left),
            shown(right)
        ),
    );
    Err(error.in_engine())
}

fn type_of(expr: &Expr, schema: &DFSchema) -> Option<DataType> {
    match expr {
        Expr::Cast(cast) => Some(cast.field.data_type().clone()),
        Expr::OuterReferenceColumn(field, _) => Some(field.data_type().clone()),
        _ => expr.get_type(schema).ok(),
    }
}
