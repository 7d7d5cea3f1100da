//! Calls that are another expression here, beside those of `calls.rs`: shorthand of Spark for what can be said otherwise.

use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, CastKind, DataType, ExactNumberInfo, Expr, TimezoneInfo, UnaryOperator, Value,
};

use super::calls::{binary, case, cast, function, nested, number, text, translated, unit_text, written};
use super::json_options;
use crate::error::SqlError;

/// The expression that a call stands for. `None` if it stands for itself.
pub(super) fn value(name: &str, args: &[Expr]) -> Result<Option<Expr>, SqlError> {
    let instant = || DataType::Timestamp(None, TimezoneInfo::WithTimeZone);
    let not = |expr: Expr| nested(Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(nested(expr)) });
    Ok(Some(match (name, args) {
        ("equal_null", [a, b]) => {
            nested(binary(nested(a.clone()), BinaryOperator::Spaceship, nested(b.clone())))
        }
        ("nvl" | "ifnull", [a, b]) => function("coalesce", vec![a.clone(), b.clone()]),
        ("positive", [of]) => nested(of.clone()),
        ("e", []) => function("exp", vec![number("1")]),
        ("div", [a, b]) => {
            nested(binary(nested(a.clone()), BinaryOperator::MyIntegerDivide, nested(b.clone())))
        }
        ("decimal", [of]) => cast(of.clone(), DataType::Decimal(ExactNumberInfo::PrecisionAndScale(10, 0))),
        ("binary", [of]) => cast(of.clone(), DataType::Bytea),
        ("replace", [of, what]) => function("replace", vec![of.clone(), what.clone(), text("")]),
        ("locate" | "position", [what, within, from]) => {
            function("strpos_from", vec![what.clone(), within.clone(), from.clone()])
        }
        ("datediff" | "date_diff" | "timestampdiff", [unit, from, to]) => match unit_text(unit) {
            Some(unit) => function("time_between", vec![text(unit), from.clone(), to.clone()]),
            None => return Err(SqlError::unsupported(format_args!("the unit {unit} in {name}"))),
        },
        ("dateadd" | "date_add" | "timestampadd", [unit, count, to])
            if unit_text(unit).is_some_and(|unit| matches!(unit.as_str(), "millisecond" | "microsecond")) =>
        {
            let parts =
                if unit_text(unit).as_deref() == Some("millisecond") { "1000.0" } else { "1000000.0" };
            let seconds = binary(nested(count.clone()), BinaryOperator::Divide, number(parts));
            let zeros = (0..6).map(|_| number("0")).chain([nested(seconds)]);
            let interval = function("make_interval", zeros.collect());
            nested(binary(cast(to.clone(), instant()), BinaryOperator::Plus, interval))
        }
        // A text or an instant is a date here.
        ("add_months" | "next_day" | "last_day" | "trunc", [of, rest @ ..])
            if !is_cast(of, &DataType::Date) =>
        {
            let first = cast(of.clone(), DataType::Date);
            function(name, std::iter::once(first).chain(rest.iter().cloned()).collect())
        }
        ("date_add" | "date_sub", [of, days]) if !is_cast(of, &DataType::Date) => {
            function(name, vec![cast(of.clone(), DataType::Date), days.clone()])
        }
        ("second", [of @ Expr::Value(_)]) => function("second", vec![cast(of.clone(), instant())]),
        ("date_part" | "datepart", [field, of]) if is_second(field) => {
            function("second_with_fraction", vec![of.clone()])
        }
        ("timestamp_seconds", [of]) => cast(of.clone(), instant()),
        ("date_from_unix_date", [of]) => {
            function("date_add", vec![cast(text("1970-01-01"), DataType::Date), of.clone()])
        }
        ("try_to_timestamp", [of]) => tried(of, instant()),
        ("try_to_date", [of]) => tried(of, DataType::Date),
        ("current_timezone", []) => text("UTC"),
        ("dayname", [of]) => function("to_char", vec![cast(of.clone(), instant()), text("%a")]),
        ("from_unixtime", [of, pattern]) => {
            let at = cast(cast(of.clone(), DataType::BigInt(None)), instant());
            function("to_char", vec![at, written(name, pattern)?])
        }
        ("unix_timestamp" | "to_unix_timestamp", [of, pattern]) => function(
            "to_unixtime",
            vec![cast(
                function("to_timestamp_micros", vec![of.clone(), translated(name, pattern)?]),
                instant(),
            )],
        ),
        ("array_sort", [of]) if !matches!(of, Expr::Lambda(_)) => {
            function("array_sort", vec![of.clone(), text("ASC"), text("NULLS LAST")])
        }
        ("sort_array", [of, ascending]) => match truth(ascending) {
            Some(true) => function("array_sort", vec![of.clone(), text("ASC"), text("NULLS FIRST")]),
            Some(false) => function("array_sort", vec![of.clone(), text("DESC"), text("NULLS LAST")]),
            None => return Err(SqlError::unsupported("sort_array whose order is no constant")),
        },
        // `list_position` is DataFusion's other name for its own `array_position`, which says NULL for "nowhere".
        ("array_position", [of, what]) => {
            let known = binary(
                Expr::IsNotNull(Box::new(nested(of.clone()))),
                BinaryOperator::And,
                Expr::IsNotNull(Box::new(nested(what.clone()))),
            );
            let place = function("list_position", vec![of.clone(), what.clone()]);
            let place = function("coalesce", vec![place, number("0")]);
            cast(case(vec![(known, place)], None), DataType::BigInt(None))
        }
        ("array_prepend", [of, what]) => function("list_prepend", vec![what.clone(), of.clone()]),
        ("map_concat", [_, ..]) => {
            let known = args.iter().map(|map| Expr::IsNotNull(Box::new(nested(map.clone()))));
            let known = known.reduce(|left, right| binary(left, BinaryOperator::And, right));
            let entries = args.iter().map(|map| function("map_entries", vec![map.clone()])).collect();
            let joined = function("map_from_entries", vec![function("array_concat", entries)]);
            case(known.map(|known| (known, joined)).into_iter().collect(), None)
        }
        ("map_contains_key", [map, key]) => {
            function("array_contains", vec![function("map_keys", vec![map.clone()]), key.clone()])
        }
        // For all is: not one for which it is not so.
        ("forall", [of, Expr::Lambda(lambda)]) => {
            let mut opposite = lambda.clone();
            opposite.body = Box::new(not((*lambda.body).clone()));
            not(function("exists", vec![of.clone(), Expr::Lambda(opposite)]))
        }
        ("from_json", [of, schema, options]) => json_options::from_json(of, schema, options)?,
        ("to_json", [of, options @ Expr::Function(_)]) => json_options::to_json(of, options)?,
        ("struct", args) if !args.is_empty() => named_struct(args)?,
        ("get_json_object", [_, Expr::Value(path)]) if path.to_string().contains('*') => {
            return Err(SqlError::unsupported("a path with * in get_json_object"));
        }
        ("json_tuple" | "stack" | "inline" | "inline_outer" | "posexplode_outer", _) => {
            return Err(SqlError::unsupported(format_args!("{name} in a SELECT list")));
        }
        // Their columns would be what cannot be found.
        ("window" | "session_window", _) => {
            return Err(SqlError::unsupported(format_args!("the function {name}")));
        }
        ("ai_query", _) => {
            return Err(SqlError::unsupported("ai_query: it stands in for no model inside of SQL"));
        }
        _ => return Ok(None),
    }))
}

/// Fields are called as what they come from, or `col` and their place.
pub(super) fn named_struct(args: &[Expr]) -> Result<Expr, SqlError> {
    let mut pairs = Vec::with_capacity(args.len() * 2);
    for (at, arg) in args.iter().enumerate() {
        let (name, value) = match arg {
            Expr::Named { expr, name } => (name.value.clone(), (**expr).clone()),
            Expr::Identifier(name) => (name.value.clone(), arg.clone()),
            Expr::CompoundIdentifier(parts) => {
                (parts.last().map(|part| part.value.clone()).unwrap_or_default(), arg.clone())
            }
            Expr::CompoundFieldAccess { access_chain, .. } => match access_chain.last() {
                Some(AccessExpr::Dot(Expr::Identifier(name))) => (name.value.clone(), arg.clone()),
                _ => (format!("col{}", at + 1), arg.clone()),
            },
            Expr::Wildcard(_) | Expr::QualifiedWildcard(..) => {
                return Err(SqlError::unsupported("struct(*). Write the columns"));
            }
            _ => (format!("col{}", at + 1), arg.clone()),
        };
        pairs.extend([text(name), value]);
    }
    Ok(function("named_struct", pairs))
}

/// Whether an expression is a cast to a type: a call of it was looked at before.
fn is_cast(expr: &Expr, to: &DataType) -> bool {
    matches!(expr, Expr::Cast { data_type, .. } if data_type == to)
}

fn tried(of: &Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::TryCast, expr: Box::new(of.clone()), data_type, format: None, array: false }
}

fn truth(expr: &Expr) -> Option<bool> {
    match expr {
        Expr::Value(value) => match value.value {
            Value::Boolean(truth) => Some(truth),
            _ => None,
        },
        _ => None,
    }
}

fn is_second(field: &Expr) -> bool {
    match field {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(field) => {
                matches!(field.to_lowercase().as_str(), "second" | "seconds" | "sec" | "secs" | "s")
            }
            _ => false,
        },
        _ => false,
    }
}
