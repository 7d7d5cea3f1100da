//! Functions of Spark that DataFusion has under another name or in another shape, and operators that are calls here.
//!
//! A call that is replaced by an expression takes no `FILTER`, `OVER` or `DISTINCT`: those are refused by name.

use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, DataType, DateTimeField, DuplicateTreatment, ExactNumberInfo, Expr, Function,
    FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments, Ident, ObjectName, OrderByExpr,
    OrderByOptions, SetExpr, SetOperator, Subscript, TimezoneInfo, UnaryOperator, Value, ValueWithSpan,
};

pub(super) use super::expressions::{binary, case, cast, function, list, named, nested, number, text};
use super::{datetime_pattern, intervals, json_path, shorthand, tuples};
use crate::error::SqlError;
use crate::identity_functions;

/// The same function under another name.
const RENAMED: [(&str, &str); 29] = [
    ("any", "bool_or"),
    ("array_remove", "array_remove_all"),
    ("approx_count_distinct", "approx_distinct"),
    ("endswith", "ends_with"),
    ("every", "bool_and"),
    ("exists", "array_any_match"),
    ("explode", "unnest"),
    ("explode_outer", "unnest_outer"),
    ("filter", "array_filter"),
    ("first", "first_value"),
    ("getdate", "now"),
    ("iff", "if"),
    ("last", "last_value"),
    ("lcase", "lower"),
    ("len", "length"),
    ("listagg", "string_agg"),
    ("percentile_approx", "approx_percentile"),
    ("regexp", "regexp_like"),
    ("reduce", "aggregate"),
    ("sequence", "sequence_of"),
    ("sign", "signum"),
    ("some", "bool_or"),
    ("startswith", "starts_with"),
    ("std", "stddev"),
    ("transform", "array_transform"),
    ("ucase", "upper"),
    ("unix_timestamp", "to_unixtime"),
    ("variance", "var_samp"),
    ("curdate", "current_date"),
];

/// Fields of a date or time that are functions.
const FIELDS: [(&str, &str); 11] = [
    ("year", "year"),
    ("month", "month"),
    ("day", "day"),
    ("dayofmonth", "day"),
    ("quarter", "quarter"),
    ("hour", "hour"),
    ("minute", "minute"),
    ("second", "second"),
    ("dayofweek", "dayofweek"),
    ("dayofyear", "doy"),
    ("weekofyear", "week"),
];

/// The names that SQL writes without brackets, unless a column is called so.
pub(crate) fn bare() -> impl Iterator<Item = &'static str> {
    identity_functions::BARE.into_iter().chain(["current_date", "current_timestamp", "now"])
}

/// Rewrites one node, before what is in it is looked at.
pub(crate) fn rewrite(expr: &mut Expr) -> Result<(), SqlError> {
    match expr {
        Expr::Function(function) => {
            if let Some(replaced) = call(function)? {
                *expr = replaced;
            }
        }
        Expr::JsonAccess { value, path } => {
            let Some(path) = json_path::of_colon(&path.path) else {
                return Err(SqlError::unsupported(format_args!("a path behind a colon like {expr}")));
            };
            *expr = function("get_json_object", vec![(**value).clone(), text(path)]);
        }
        Expr::Cast { data_type, .. } => sparks_type(data_type)?,
        Expr::Extract { field: DateTimeField::Second | DateTimeField::Seconds, expr: of, .. } => {
            *expr = function("second_with_fraction", vec![(**of).clone()]);
        }
        Expr::Struct { values, fields } if fields.is_empty() && !values.is_empty() => {
            *expr = shorthand::named_struct(values)?;
        }
        Expr::InList { .. } | Expr::InSubquery { .. } => {
            if let Some(replaced) = tuples::value(expr)? {
                *expr = replaced;
            }
        }
        Expr::Interval(interval) => {
            // The planner of window frames takes texts only.
            if let Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. }) = &*interval.value {
                *interval.value = text(digits.clone());
            }
            if let Some(replaced) = intervals::composite(interval)? {
                *expr = replaced;
            }
        }
        Expr::UnaryOp { op: UnaryOperator::BitwiseNot, expr: of } => {
            *expr = function("bitwise_not", vec![(**of).clone()]);
        }
        Expr::TypedString(typed) => sparks_type(&mut typed.data_type)?,
        Expr::CompoundFieldAccess { root, access_chain } => fields_of(root, access_chain),
        Expr::RLike { negated, expr: of, pattern, .. } => {
            let matches = function("regexp_like", vec![(**of).clone(), (**pattern).clone()]);
            *expr = if *negated {
                nested(Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(matches) })
            } else {
                matches
            };
        }
        Expr::Like { any: true, .. } | Expr::ILike { any: true, .. } => like_any(expr)?,
        Expr::Like { pattern, .. } | Expr::ILike { pattern, .. } if is_all(pattern).is_some() => {
            like_any(expr)?
        }
        _ => {}
    }
    Ok(())
}

/// `MINUS` is `EXCEPT`.
pub(crate) fn minus(body: &mut SetExpr) {
    if let SetExpr::SetOperation { op, left, right, .. } = body {
        if *op == SetOperator::Minus {
            *op = SetOperator::Except;
        }
        minus(left);
        minus(right);
    }
}

/// A name without brackets, called.
pub(crate) fn bare_call(name: &str) -> Expr {
    function(name, Vec::new())
}

/// `TIMESTAMP` is an instant; `TIMESTAMP_NTZ` is none. A `DECIMAL` without digits has ten of them.
fn sparks_type(data_type: &mut DataType) -> Result<(), SqlError> {
    match data_type {
        DataType::Binary(None) => *data_type = DataType::Bytea,
        DataType::Decimal(info @ ExactNumberInfo::None)
        | DataType::Dec(info @ ExactNumberInfo::None)
        | DataType::Numeric(info @ ExactNumberInfo::None) => {
            *info = ExactNumberInfo::PrecisionAndScale(10, 0)
        }
        DataType::Decimal(
            ExactNumberInfo::Precision(precision) | ExactNumberInfo::PrecisionAndScale(precision, _),
        ) if *precision > 38 => {
            return Err(SqlError::condition(
                "DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION",
                "22003",
                format!("Decimal precision {precision} exceeds max precision 38."),
            ));
        }
        DataType::Timestamp(precision, TimezoneInfo::None) => {
            *data_type = DataType::Timestamp(*precision, TimezoneInfo::WithTimeZone);
        }
        DataType::TimestampNtz(precision) => {
            *data_type = DataType::Timestamp(*precision, TimezoneInfo::WithoutTimeZone);
        }
        _ => {}
    }
    Ok(())
}

/// `f(x).a` and `x[0].a`: a name behind a value is a field of it.
fn fields_of(root: &Expr, chain: &mut [AccessExpr]) {
    let mut of_value = !matches!(root, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
    for access in chain {
        match access {
            AccessExpr::Dot(field) if of_value => {
                if let Expr::Identifier(name) = field {
                    *field = text(name.value.clone());
                }
            }
            AccessExpr::Dot(_) => {}
            AccessExpr::Subscript(Subscript::Index { .. } | Subscript::Slice { .. }) => of_value = true,
        }
    }
}

fn is_all(pattern: &Expr) -> Option<&Function> {
    match pattern {
        Expr::Function(function) if name_of(function).as_deref() == Some("all") => Some(function),
        _ => None,
    }
}

/// `x LIKE ANY (a, b)` is `x LIKE a OR x LIKE b`, and `ALL` is `AND`. `NOT` belongs to each of them.
fn like_any(expr: &mut Expr) -> Result<(), SqlError> {
    let unsupported = || SqlError::unsupported("LIKE ANY and LIKE ALL without a list of patterns");
    let (Expr::Like { any, pattern, .. } | Expr::ILike { any, pattern, .. }) = &*expr else { return Ok(()) };
    let (patterns, op) = match (&**pattern, any) {
        (Expr::Tuple(patterns), true) => (patterns.clone(), BinaryOperator::Or),
        (Expr::Nested(one), true) => (vec![(**one).clone()], BinaryOperator::Or),
        (Expr::Function(all), false) => (plain(all).ok_or_else(unsupported)?, BinaryOperator::And),
        _ => return Err(unsupported()),
    };
    let compared = patterns.into_iter().map(|one| {
        let mut compared = expr.clone();
        if let Expr::Like { any, pattern, .. } | Expr::ILike { any, pattern, .. } = &mut compared {
            *any = false;
            **pattern = one;
        }
        compared
    });
    let joined = compared.reduce(|left, right| binary(left, op.clone(), right));
    *expr = Expr::Nested(Box::new(joined.ok_or_else(unsupported)?));
    Ok(())
}

fn name_of(function: &Function) -> Option<String> {
    match function.name.0.as_slice() {
        [one] => one.as_ident().map(|ident| ident.value.to_lowercase()),
        _ => None,
    }
}

/// The arguments, if there is nothing else in the brackets.
pub(super) fn plain(function: &Function) -> Option<Vec<Expr>> {
    let FunctionArguments::List(list) = &function.args else { return None };
    if list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
        return None;
    }
    (list.args.iter())
        .map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
            _ => None,
        })
        .collect()
}

fn call(function: &mut Function) -> Result<Option<Expr>, SqlError> {
    let Some(name) = name_of(function) else { return Ok(None) };
    if matches!(name.as_str(), "listagg" | "string_agg") {
        joined_texts(function)?;
    }
    let Some(args) = plain(function) else {
        if name == "count" {
            count_distinct(function);
        }
        rename(function, &name);
        return Ok(None);
    };
    if let ("transform" | "filter", [_, Expr::Lambda(lambda)]) = (name.as_str(), args.as_slice())
        && lambda.params.iter().count() == 2
    {
        function.name = named(&format!("{name}_indexed"));
        return Ok(None);
    }
    if let Some(replaced) = aggregate(function, &name, &args)? {
        return Ok(replaced);
    }
    let Some(replaced) = value(&name, &args)? else {
        rename(function, &name);
        return Ok(None);
    };
    let clauses = function.filter.is_some()
        || function.over.is_some()
        || function.null_treatment.is_some()
        || !function.within_group.is_empty();
    if clauses {
        return Err(SqlError::unsupported(format_args!(
            "FILTER, OVER, WITHIN GROUP and IGNORE NULLS with {name}, which is no aggregate function"
        )));
    }
    Ok(Some(replaced))
}

/// `listagg(x, ', ') WITHIN GROUP (ORDER BY y)` is `string_agg(x, ', ' ORDER BY y)`. Without a text between them there is
/// none.
fn joined_texts(function: &mut Function) -> Result<(), SqlError> {
    let FunctionArguments::List(list) = &mut function.args else { return Ok(()) };
    if let [of] = list.args.as_slice() {
        list.args = vec![of.clone(), FunctionArg::Unnamed(FunctionArgExpr::Expr(text("")))];
    }
    let order = std::mem::take(&mut function.within_group);
    if order.is_empty() {
        return Ok(());
    }
    if function.over.is_some() || !list.clauses.is_empty() {
        return Err(SqlError::unsupported("WITHIN GROUP beside OVER or another ORDER BY"));
    }
    list.clauses.push(FunctionArgumentClause::OrderBy(order));
    Ok(())
}

/// `count(DISTINCT a, b)` counts pairs in which both are known.
fn count_distinct(function: &mut Function) {
    let FunctionArguments::List(args) = &mut function.args else { return };
    if args.duplicate_treatment != Some(DuplicateTreatment::Distinct) || args.args.len() < 2 {
        return;
    }
    let mut each = Vec::with_capacity(args.args.len());
    for arg in &args.args {
        let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = arg else { return };
        each.push(expr.clone());
    }
    let known = each.iter().map(|arg| Expr::IsNotNull(Box::new(nested(arg.clone()))));
    let Some(known) = known.reduce(|left, right| binary(left, BinaryOperator::And, right)) else { return };
    let fields = each.into_iter().enumerate().flat_map(|(at, arg)| [text(format!("c{at}")), arg]);
    let pair = case(vec![(known, self::function("named_struct", fields.collect()))], None);
    args.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(pair))];
}

fn rename(function: &mut Function, name: &str) {
    if let Some((_, here)) = RENAMED.iter().find(|(spark, _)| *spark == name) {
        function.name = ObjectName::from(vec![Ident::new(*here)]);
    }
}

/// Aggregates that change in place, so that their `FILTER` and `OVER` stay. `Some(None)`: done.
#[allow(clippy::option_option)] // unknown, changed in place, and replaced are three things
fn aggregate(function: &mut Function, name: &str, args: &[Expr]) -> Result<Option<Option<Expr>>, SqlError> {
    match (name, args) {
        ("count_if", [condition]) => {
            let counted = case(vec![(condition.clone(), number("1"))], None);
            (function.name, function.args) = (named("count"), list(vec![counted]));
        }
        ("max_by" | "min_by", [value, by]) => {
            if function.over.is_some() {
                return Err(SqlError::unsupported(format_args!("{name} with OVER")));
            }
            let known = Expr::IsNotNull(Box::new(by.clone()));
            function.filter = Some(Box::new(match function.filter.take() {
                Some(filter) => binary(*filter, BinaryOperator::And, known),
                None => known,
            }));
            function.name = named("first_value");
            function.args = list(vec![value.clone()]);
            if let FunctionArguments::List(list) = &mut function.args {
                let order = OrderByExpr {
                    expr: by.clone(),
                    options: OrderByOptions { asc: Some(name == "min_by"), nulls_first: None },
                    with_fill: None,
                };
                list.clauses.push(FunctionArgumentClause::OrderBy(vec![order]));
            }
        }
        // It is `collect_list`: NULLs are not in it.
        ("array_agg", [of]) => {
            let ordered = match &function.args {
                FunctionArguments::List(list) => !list.clauses.is_empty(),
                _ => false,
            };
            if ordered {
                return Ok(None);
            }
            (function.name, function.args) = (named("collect_list"), list(vec![of.clone()]));
        }
        // Rows in which all of them are known.
        ("count", [_, _, ..]) => {
            let known = args.iter().map(|arg| Expr::IsNotNull(Box::new(nested(arg.clone()))));
            let known = known.reduce(|left, right| binary(left, BinaryOperator::And, right));
            let Some(known) = known else { return Ok(None) };
            function.args = list(vec![case(vec![(known, number("1"))], None)]);
        }
        ("median", [of]) => {
            (function.name, function.args) = (named("percentile"), list(vec![of.clone(), number("0.5")]));
        }
        // `mode(x)`, of several the first.
        ("mode", []) if !function.within_group.is_empty() => {
            let [order] = function.within_group.as_slice() else {
                return Err(SqlError::unsupported("mode of more than one column"));
            };
            let first = if order.options.asc == Some(false) { "mode_last" } else { "mode" };
            (function.name, function.args) = (named(first), list(vec![order.expr.clone()]));
            function.within_group.clear();
        }
        ("try_avg", [of]) => (function.name, function.args) = (named("avg"), list(vec![of.clone()])),
        ("approx_count_distinct", [_]) => {
            rename(function, name);
            let counted = Expr::Function(function.clone());
            return Ok(Some(Some(cast(counted, DataType::BigInt(None)))));
        }
        _ => return Ok(None),
    }
    Ok(Some(None))
}

/// Functions of one row that are another expression here.
fn value(name: &str, args: &[Expr]) -> Result<Option<Expr>, SqlError> {
    if let Some((_, field)) = FIELDS.iter().find(|(spark, _)| *spark == name)
        && let [of] = args
    {
        // A text that stands there is a date.
        let of = match of {
            Expr::Value(_) => cast(of.clone(), DataType::Timestamp(None, TimezoneInfo::WithTimeZone)),
            other => other.clone(),
        };
        return Ok(Some(cast(function("date_part", vec![text(*field), of]), DataType::Int(None))));
    }
    if let Some(replaced) = shorthand::value(name, args)? {
        return Ok(Some(replaced));
    }
    if let Some(data_type) = type_named(name)
        && let [of] = args
    {
        return Ok(Some(cast(of.clone(), data_type)));
    }
    let timestamp = || DataType::Timestamp(None, TimezoneInfo::WithTimeZone);
    Ok(Some(match (name, args) {
        ("isnull", [of]) => nested(Expr::IsNull(Box::new(of.clone()))),
        ("isnotnull", [of]) => nested(Expr::IsNotNull(Box::new(of.clone()))),
        ("zeroifnull", [of]) => function("coalesce", vec![of.clone(), number("0")]),
        ("nullifzero", [of]) => function("nullif", vec![of.clone(), number("0")]),
        ("mod", [left, right]) => {
            nested(binary(nested(left.clone()), BinaryOperator::Modulo, nested(right.clone())))
        }
        ("locate" | "charindex" | "position", [what, within]) => {
            function("strpos", vec![within.clone(), what.clone()])
        }
        ("sort_array", [of]) => function("array_sort", vec![of.clone(), text("ASC"), text("NULLS FIRST")]),
        ("date_trunc", [unit, of]) => {
            function("date_trunc", vec![unit.clone(), cast(of.clone(), timestamp())])
        }
        ("dateadd" | "date_add" | "timestampadd", [unit, count, to]) => {
            let place = match unit_of(unit) {
                Some(place) => place,
                None => return Err(SqlError::unsupported(format_args!("the unit {unit} in {name}"))),
            };
            let parts = (0..7).map(|at| if at == place.0 { times(count, place.1) } else { number("0") });
            let interval = function("make_interval", parts.collect());
            nested(binary(cast(to.clone(), timestamp()), BinaryOperator::Plus, interval))
        }
        ("to_timestamp", [of]) => cast(of.clone(), timestamp()),
        ("to_date", [of]) => cast(of.clone(), DataType::Date),
        ("to_timestamp", [of, pattern]) => {
            cast(function("to_timestamp_micros", vec![of.clone(), translated(name, pattern)?]), timestamp())
        }
        ("to_date", [of, pattern]) => function("to_date", vec![of.clone(), translated(name, pattern)?]),
        ("date_format", [of, pattern]) => {
            function("to_char", vec![cast(of.clone(), timestamp()), written(name, pattern)?])
        }
        ("to_char", [_, _]) => {
            return Err(SqlError::unsupported("to_char. Write date_format(date, 'yyyy-MM-dd')"));
        }
        ("unix_timestamp", []) => function("to_unixtime", vec![function("now", Vec::new())]),
        ("unix_timestamp" | "to_unix_timestamp", [of]) => {
            function("to_unixtime", vec![cast(of.clone(), timestamp())])
        }
        ("from_unixtime", [of]) => {
            let at = function("to_timestamp_seconds", vec![of.clone()]);
            function("to_char", vec![at, text("%Y-%m-%d %H:%M:%S")])
        }
        (
            "from_unixtime" | "unix_timestamp" | "to_unix_timestamp" | "to_timestamp" | "to_date",
            [_, _, ..],
        ) => {
            return Err(SqlError::unsupported(format_args!("{name} with so many arguments")));
        }
        ("regexp_replace", [of, pattern, with]) => {
            function("regexp_replace", vec![of.clone(), pattern.clone(), with.clone(), text("g")])
        }
        ("regexp_replace", [_, _, _, ..]) => {
            return Err(SqlError::unsupported(format_args!("{name} with a position")));
        }
        ("regexp_extract", [of, pattern]) => extracted(of, pattern, "1")?,
        ("regexp_extract", [of, pattern, group]) => match group {
            Expr::Value(value) => match &value.value {
                Value::Number(group, _) => extracted(of, pattern, group)?,
                _ => return Err(SqlError::unsupported("regexp_extract whose group is no number")),
            },
            _ => return Err(SqlError::unsupported("regexp_extract whose group is no number")),
        },
        ("decode", [of, pairs @ ..]) if pairs.len() >= 2 => {
            let mut chosen = Vec::new();
            for pair in pairs.chunks_exact(2) {
                let same = binary(nested(of.clone()), BinaryOperator::Spaceship, nested(pair[0].clone()));
                chosen.push((same, pair[1].clone()));
            }
            let otherwise = if pairs.len() % 2 == 1 { pairs.last().cloned() } else { None };
            case(chosen, otherwise)
        }
        _ => return Ok(None),
    }))
}

fn type_named(name: &str) -> Option<DataType> {
    Some(match name {
        "bigint" => DataType::BigInt(None),
        "int" => DataType::Int(None),
        "smallint" => DataType::SmallInt(None),
        "tinyint" => DataType::TinyInt(None),
        "string" => DataType::String(None),
        "double" => DataType::Double(datafusion::sql::sqlparser::ast::ExactNumberInfo::None),
        "float" => DataType::Float(datafusion::sql::sqlparser::ast::ExactNumberInfo::None),
        "boolean" => DataType::Boolean,
        "date" => DataType::Date,
        "timestamp" => DataType::Timestamp(None, TimezoneInfo::WithTimeZone),
        _ => return None,
    })
}

pub(super) fn unit_text(unit: &Expr) -> Option<String> {
    match unit {
        Expr::Identifier(name) => Some(name.value.to_lowercase()),
        _ => None,
    }
}

/// Which argument of `make_interval` a unit is, and how many of that it is.
fn unit_of(unit: &Expr) -> Option<(usize, u32)> {
    Some(match unit_text(unit)?.as_str() {
        "year" => (0, 1),
        "quarter" => (1, 3),
        "month" => (1, 1),
        "week" => (2, 1),
        "day" | "dayofyear" => (3, 1),
        "hour" => (4, 1),
        "minute" => (5, 1),
        "second" => (6, 1),
        _ => return None,
    })
}

fn times(count: &Expr, by: u32) -> Expr {
    if by == 1 {
        return count.clone();
    }
    binary(nested(count.clone()), BinaryOperator::Multiply, number(&by.to_string()))
}

pub(super) fn constant(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

pub(super) fn translated(name: &str, pattern: &Expr) -> Result<Expr, SqlError> {
    let Some(pattern) = constant(pattern) else {
        return Err(SqlError::unsupported(format_args!("{name} with a pattern that is no constant text")));
    };
    let here = datetime_pattern::translated(pattern).map_err(|letters| {
        SqlError::unsupported(format_args!("the letters {letters} in a datetime pattern"))
    })?;
    Ok(text(here))
}

/// What a group matched: nothing is the empty text, NULL stays NULL.
fn extracted(of: &Expr, pattern: &Expr, group: &str) -> Result<Expr, SqlError> {
    let Some(pattern) = constant(pattern) else {
        return Err(SqlError::unsupported("regexp_extract with a pattern that is no constant text"));
    };
    let (pattern, group) = match group {
        "0" => (format!("({pattern})"), number("1")),
        group => (pattern.to_owned(), number(group)),
    };
    let found = function("regexp_match", vec![of.clone(), text(pattern)]);
    let found = function("coalesce", vec![function("array_element", vec![found, group]), text("")]);
    Ok(case(vec![(Expr::IsNotNull(Box::new(nested(of.clone()))), found)], None))
}

/// A pattern that writes. Instants are written in UTC, whose offset `XXX` is `Z`.
pub(super) fn written(name: &str, pattern: &Expr) -> Result<Expr, SqlError> {
    let pattern = translated(name, pattern)?;
    Ok(constant(&pattern).map_or_else(|| pattern.clone(), |pattern| text(pattern.replace("%:z", "Z"))))
}
