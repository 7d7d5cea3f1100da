//! Numbers as Spark types them: `1` is an INT, `3000000000` and `1L` are BIGINTs, `1.5` is a DECIMAL(2,1), `1e3` and
//! `1.5D` are DOUBLEs.
//!
//! DataFusion's planner knows BIGINT and DOUBLE alone. So a number becomes `EXTRACT(__number FROM 'text')`, which our
//! own planner of expressions turns into a true literal. Where a number is a position or a count, it is put back.

use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{
    DateTimeField, Expr, ExtractSyntax, GroupByExpr, Ident, LimitClause, OrderByKind, Query, Select,
    UnaryOperator, Value, WindowFrame, WindowFrameBound, WindowSpec, WindowType,
};

const MARK: &str = "__number";

/// The number of a marked literal.
pub(crate) fn marked(field: &str, text: &str) -> Option<ScalarValue> {
    if field == MARK { value(text) } else { None }
}

fn value(text: &str) -> Option<ScalarValue> {
    let long = text.strip_suffix('L');
    if let Some(digits) = long {
        return digits.parse().ok().map(|n| ScalarValue::Int64(Some(n)));
    }
    if let Ok(n) = text.parse::<i32>() {
        return Some(ScalarValue::Int32(Some(n)));
    }
    if let Ok(n) = text.parse::<i64>() {
        return Some(ScalarValue::Int64(Some(n)));
    }
    if text.contains(['e', 'E']) {
        return text.parse().ok().map(|n| ScalarValue::Float64(Some(n)));
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = whole.trim_start_matches('0');
    let unscaled = format!("{whole}{fraction}");
    let precision = u8::try_from(unscaled.len().max(1)).ok().filter(|precision| *precision <= 38);
    let (Some(precision), Ok(scale)) = (precision, i8::try_from(fraction.len())) else {
        return text.parse().ok().map(|n| ScalarValue::Float64(Some(n)));
    };
    let unscaled: i128 = if unscaled.is_empty() { 0 } else { unscaled.parse().ok()? };
    Some(ScalarValue::Decimal128(Some(sign * unscaled), precision, scale))
}

/// Marks a number, once everything inside it was looked at.
pub(crate) fn mark(expr: &mut Expr) {
    let text = match expr {
        Expr::Value(literal) => match &literal.value {
            Value::Number(number, long) => format!("{number}{}", if *long { "L" } else { "" }),
            _ => return,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr: inner } => match number(inner) {
            Some(number) if !number.starts_with('-') => format!("-{number}"),
            _ => return,
        },
        Expr::Interval(interval) => return unmark(&mut interval.value),
        Expr::Function(function) => {
            if let Some(WindowType::WindowSpec(WindowSpec { window_frame: Some(frame), .. })) =
                &mut function.over
            {
                unmark_frame(frame);
            }
            return;
        }
        _ => return,
    };
    if value(&text).is_none() {
        return;
    }
    *expr = Expr::Extract {
        field: DateTimeField::Custom(Ident::new(MARK)),
        syntax: ExtractSyntax::From,
        expr: Box::new(Expr::Value(Value::SingleQuotedString(text).into())),
    };
}

/// The text of a marked number.
pub(crate) fn number(expr: &Expr) -> Option<&str> {
    let Expr::Extract { field: DateTimeField::Custom(field), expr, .. } = expr else { return None };
    match &**expr {
        Expr::Value(literal) if field.value == MARK => match &literal.value {
            Value::SingleQuotedString(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

fn unmark(expr: &mut Expr) {
    let Some(text) = number(expr) else { return };
    let (digits, long) = (text.trim_end_matches('L').to_owned(), text.ends_with('L'));
    *expr = match digits.strip_prefix('-') {
        Some(positive) => Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr: Box::new(Expr::Value(Value::Number(positive.to_owned(), long).into())),
        },
        None => Expr::Value(Value::Number(digits, long).into()),
    };
}

fn unmark_frame(frame: &mut WindowFrame) {
    for bound in [Some(&mut frame.start_bound), frame.end_bound.as_mut()].into_iter().flatten() {
        if let WindowFrameBound::Preceding(Some(count)) | WindowFrameBound::Following(Some(count)) = bound {
            unmark(count);
        }
    }
}

/// Puts the positions and counts of a query back.
pub(crate) fn unmark_query(query: &mut Query) {
    if let Some(order) = &mut query.order_by
        && let OrderByKind::Expressions(orders) = &mut order.kind
    {
        orders.iter_mut().for_each(|one| unmark(&mut one.expr));
    }
    match &mut query.limit_clause {
        Some(LimitClause::LimitOffset { limit, offset, .. }) => {
            limit.iter_mut().for_each(unmark);
            offset.iter_mut().for_each(|offset| unmark(&mut offset.value));
        }
        Some(LimitClause::OffsetCommaLimit { offset, limit }) => {
            unmark(offset);
            unmark(limit);
        }
        None => {}
    }
}

/// Puts the positions of a `SELECT` back.
pub(crate) fn unmark_select(select: &mut Select) {
    if let GroupByExpr::Expressions(groups, _) = &mut select.group_by {
        groups.iter_mut().for_each(unmark);
    }
    for window in &mut select.named_window {
        if let datafusion::sql::sqlparser::ast::NamedWindowExpr::WindowSpec(WindowSpec {
            window_frame: Some(frame),
            ..
        }) = &mut window.1
        {
            unmark_frame(frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_sparks_type() {
        for (text, expected) in [
            ("1", ScalarValue::Int32(Some(1))),
            ("-2147483648", ScalarValue::Int32(Some(i32::MIN))),
            ("2147483648", ScalarValue::Int64(Some(2_147_483_648))),
            ("1L", ScalarValue::Int64(Some(1))),
            ("1.5", ScalarValue::Decimal128(Some(15), 2, 1)),
            ("-0.05", ScalarValue::Decimal128(Some(-5), 2, 2)),
            (".5", ScalarValue::Decimal128(Some(5), 1, 1)),
            ("9223372036854775808", ScalarValue::Decimal128(Some(9_223_372_036_854_775_808), 19, 0)),
            ("1e3", ScalarValue::Float64(Some(1000.0))),
        ] {
            assert_eq!(value(text), Some(expected), "{text}");
        }
    }
}
