//! The named arguments of a call, in any order, as positions.

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName,
    ObjectNamePart, Value,
};

use super::REWRITTEN;
use crate::error::SqlError;
use crate::named_arguments::Places;

/// In the order of positions; the first three are required.
const PARAMETERS: [&str; 6] = ["conn", "method", "path", "headers", "params", "json"];
const REQUIRED: usize = 3;

/// Puts the arguments of `http_request` in their positions; any other function stays as it is.
pub(crate) fn positional(function: &mut Function) -> Result<(), SqlError> {
    let is_it = matches!(function.name.0.as_slice(), [ObjectNamePart::Identifier(name)] if name.value == "http_request");
    let FunctionArguments::List(list) = &mut function.args else { return Ok(()) };
    if !is_it {
        return Ok(());
    }
    let mut places = Places::new("http_request", PARAMETERS.into_iter());
    for argument in std::mem::take(&mut list.args) {
        let (FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), .. }
        | FunctionArg::ExprNamed {
            name: Expr::Identifier(name), arg: FunctionArgExpr::Expr(value), ..
        }) = argument
        else {
            return Err(SqlError::condition(
                "NAMED_ARGUMENTS_REQUIRED",
                "42601",
                "`http_request` takes named arguments only: http_request(conn => 'c', method => 'GET', path => '/x')."
                    .to_owned(),
            ));
        };
        let name = name.value.to_lowercase();
        let value = if matches!(name.as_str(), "headers" | "params") { map_of_arrays(value) } else { value };
        places.put(Some(name), value)?;
    }
    let nothing = || Expr::Value(Value::Null.into());
    let filled = places.filled(|at| Ok((at >= REQUIRED).then(nothing)))?;
    list.args = filled.into_iter().map(unnamed).collect();
    // Another name: these arguments are not looked at again.
    function.name = named(REWRITTEN);
    Ok(())
}

/// `map(k, v, ..)` as Spark reads it: keys and values in turn.
fn map_of_arrays(expr: Expr) -> Expr {
    let Expr::Function(mut function) = expr else { return expr };
    let is_map = matches!(function.name.0.as_slice(), [ObjectNamePart::Identifier(name)] if name.value.eq_ignore_ascii_case("map"));
    let FunctionArguments::List(list) = &mut function.args else { return Expr::Function(function) };
    let plain = |argument: &FunctionArg| matches!(argument, FunctionArg::Unnamed(FunctionArgExpr::Expr(_)));
    if !is_map || list.args.len() % 2 == 1 || list.args.is_empty() || !list.args.iter().all(plain) {
        return Expr::Function(function);
    }
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    for (at, argument) in std::mem::take(&mut list.args).into_iter().enumerate() {
        if at % 2 == 0 { keys.push(argument) } else { values.push(argument) }
    }
    let array = |args: Vec<FunctionArg>| {
        let mut array = function.clone();
        array.name = named("make_array");
        array.args = FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: Vec::new(),
        });
        unnamed(Expr::Function(array))
    };
    let both = vec![array(keys), array(values)];
    function.name = named("map_from_arrays");
    function.args = FunctionArguments::List(FunctionArgumentList {
        duplicate_treatment: None,
        args: both,
        clauses: Vec::new(),
    });
    Expr::Function(function)
}

fn named(name: &str) -> ObjectName {
    ObjectName(vec![ObjectNamePart::Identifier(Ident::new(name))])
}

fn unnamed(value: Expr) -> FunctionArg {
    FunctionArg::Unnamed(FunctionArgExpr::Expr(value))
}
