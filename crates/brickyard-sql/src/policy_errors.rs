//! Which policies may fail on a row, and which cannot.
//!
//! Careful rather than clever: what is not known here may fail, and only costs speed.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DFSchema, ExprSchema, ScalarValue};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator};

use crate::spark::comparisons::is_comparison;

/// Functions that give a value, or NULL, whatever they are given.
const SAFE: &[&str] = &[
    "btrim",
    "coalesce",
    "concat",
    "contains",
    "current_catalog",
    "current_schema",
    "current_user",
    "ends_with",
    "is_account_group_member",
    "is_member",
    "left",
    "length",
    "lower",
    "ltrim",
    "nullif",
    "nvl",
    "right",
    "rtrim",
    "session_user",
    "starts_with",
    "substr",
    "substring",
    "trim",
    "upper",
    "user",
];

/// Those of them that cast what they are given to one type first.
const ONE_TYPE: &[&str] = &["coalesce", "nullif", "nvl"];

/// True if an expression gives a value for every row of `schema`.
pub(crate) fn cannot_fail(expr: &Expr, schema: &DFSchema) -> bool {
    let all = |exprs: &[Expr]| exprs.iter().all(|one| cannot_fail(one, schema));
    match expr {
        Expr::Literal(..) | Expr::Column(_) | Expr::OuterReferenceColumn(..) => true,
        Expr::Alias(alias) => cannot_fail(&alias.expr, schema),
        Expr::Not(inner)
        | Expr::IsNull(inner)
        | Expr::IsNotNull(inner)
        | Expr::IsTrue(inner)
        | Expr::IsFalse(inner)
        | Expr::IsUnknown(inner)
        | Expr::IsNotTrue(inner)
        | Expr::IsNotFalse(inner)
        | Expr::IsNotUnknown(inner) => cannot_fail(inner, schema),
        Expr::BinaryExpr(binary) => {
            let safe = match binary.op {
                Operator::And | Operator::Or | Operator::StringConcat => true,
                // Sides of two types are cast to one before they are compared, and that may fail.
                op if is_comparison(op) => comparable(&binary.left, &binary.right, schema),
                _ => false,
            };
            safe && cannot_fail(&binary.left, schema) && cannot_fail(&binary.right, schema)
        }
        Expr::Like(like) => cannot_fail(&like.expr, schema) && matches!(*like.pattern, Expr::Literal(..)),
        Expr::Between(between) => {
            [&between.low, &between.high]
                .into_iter()
                .all(|one| comparable(&between.expr, one, schema) && cannot_fail(one, schema))
                && cannot_fail(&between.expr, schema)
        }
        Expr::InList(list) => {
            list.list.iter().all(|one| comparable(&list.expr, one, schema))
                && cannot_fail(&list.expr, schema)
                && all(&list.list)
        }
        Expr::Case(case) => {
            let plain = case.expr.as_deref().is_none_or(|one| {
                cannot_fail(one, schema)
                    && case.when_then_expr.iter().all(|(when, _)| comparable(one, when, schema))
            });
            // Results of two types are cast to one, as sides are.
            let results: Vec<&Expr> = case
                .when_then_expr
                .iter()
                .map(|(_, then)| &**then)
                .chain(case.else_expr.as_deref())
                .collect();
            plain
                && alike(results.into_iter(), schema)
                && case
                    .when_then_expr
                    .iter()
                    .all(|(when, then)| cannot_fail(when, schema) && cannot_fail(then, schema))
                && case.else_expr.as_deref().is_none_or(|one| cannot_fail(one, schema))
        }
        Expr::Cast(cast) => {
            let to = cast.field.data_type();
            let from = type_of(&cast.expr, schema);
            from.is_some_and(|from| widens(&from, to)) && cannot_fail(&cast.expr, schema)
        }
        Expr::TryCast(cast) => cannot_fail(&cast.expr, schema),
        Expr::ScalarFunction(call) => {
            let safe =
                SAFE.contains(&call.func.name()) || call.func.name() == "split_part" && counts(&call.args);
            let one_type = !ONE_TYPE.contains(&call.func.name()) || alike(call.args.iter(), schema);
            safe && one_type && all(&call.args)
        }
        Expr::Exists(exists) => plan_cannot_fail(&exists.subquery.subquery, schema),
        Expr::InSubquery(inside) => {
            let found =
                inside.subquery.subquery.schema().fields().first().map(|field| field.data_type().clone());
            found.is_some()
                && found == type_of(&inside.expr, schema)
                && cannot_fail(&inside.expr, schema)
                && plan_cannot_fail(&inside.subquery.subquery, schema)
        }
        // A scalar subquery fails when it finds two rows.
        _ => false,
    }
}

/// True if the last argument is a number that is written there and not 0: `split_part` only fails on part 0.
fn counts(args: &[Expr]) -> bool {
    matches!(args, [_, _, Expr::Literal(ScalarValue::Int32(Some(part)), _)] if *part != 0)
        || matches!(args, [_, _, Expr::Literal(ScalarValue::Int64(Some(part)), _)] if *part != 0)
}

fn plan_cannot_fail(plan: &LogicalPlan, outer: &DFSchema) -> bool {
    let mut safe = true;
    let walked = plan.apply_with_subqueries(|node| {
        let mut schema = outer.clone();
        for input in node.inputs() {
            schema.merge(input.schema());
        }
        node.apply_expressions(|expr| {
            safe &= matches!(expr, Expr::AggregateFunction(_)) || cannot_fail(expr, &schema);
            Ok(if safe { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
        })
    });
    safe && walked.is_ok()
}

fn type_of(expr: &Expr, schema: &DFSchema) -> Option<DataType> {
    match expr {
        // Its own type is not known yet where a function's argument took a parameter's place.
        Expr::OuterReferenceColumn(_, column) => {
            schema.field_from_column(column).ok().map(|field| field.data_type().clone())
        }
        Expr::Cast(cast) => Some(cast.field.data_type().clone()),
        _ => expr.get_type(schema).ok(),
    }
}

/// True if two sides are compared without a cast that may fail.
fn comparable(left: &Expr, right: &Expr, schema: &DFSchema) -> bool {
    match (type_of(left, schema), type_of(right, schema)) {
        (Some(left), Some(right)) => {
            left == right
                || left.is_string() && right.is_string()
                || left == DataType::Null
                || right == DataType::Null
                || left.is_integer() && right.is_integer()
        }
        _ => false,
    }
}

/// True if all of them are of one type, as far as casts matter.
fn alike<'a>(mut exprs: impl Iterator<Item = &'a Expr>, schema: &DFSchema) -> bool {
    let null = |expr: &Expr| type_of(expr, schema) == Some(DataType::Null);
    let Some(first) = exprs.find(|expr| !null(expr)) else { return true };
    exprs.all(|one| comparable(first, one, schema))
}

/// True if every value of a type is one of the other.
fn widens(from: &DataType, to: &DataType) -> bool {
    use DataType as T;
    from == to
        || match (from, to) {
            (T::Null, _) => true,
            (from, T::Utf8 | T::Utf8View) => !from.is_nested() && !from.is_binary(),
            (from, to) if from.is_signed_integer() && to.is_signed_integer() => {
                from.primitive_width() <= to.primitive_width()
            }
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use datafusion::functions::string::expr_fn::split_part;
    use datafusion::logical_expr::lit;

    use super::*;

    #[test]
    fn values_of_two_types_in_one_place_may_fail() {
        use datafusion::functions::core::expr_fn::coalesce;
        use datafusion::logical_expr::Case;
        let safe = |expr: Expr| cannot_fail(&expr, &DFSchema::empty());
        let case = |a: Expr, b: Expr| {
            Expr::Case(Case::new(None, vec![(Box::new(lit(true)), Box::new(a))], Some(Box::new(b))))
        };
        assert!(safe(case(lit("a"), lit("b"))) && safe(case(lit(1_i32), lit(ScalarValue::Null))));
        assert!(!safe(case(lit("a"), lit(1_i32))));
        assert!(safe(coalesce(vec![lit("a"), lit("b")])));
        assert!(!safe(coalesce(vec![lit("a"), lit(1_i32)])));
    }

    #[test]
    fn split_part_fails_on_part_zero_only() {
        let of = |part: Expr| cannot_fail(&split_part(lit("a@b"), lit("@"), part), &DFSchema::empty());
        assert!(of(lit(2_i32)) && of(lit(-1_i64)));
        assert!(!of(lit(0_i32)) && !of(lit(0_i64)) && !of(lit(1_i32) - lit(1_i32)));
    }
}
