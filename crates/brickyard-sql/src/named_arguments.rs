//! Arguments by name: `greet(name => 'Ana', mark => '?')`, in calls of Unity Catalog's functions.
//!
//! The planner knows positions, and no parameter that has a default. So each argument is put in the place of its
//! parameter before planning, and each one that was left out is the parameter's default, as it was written. (Table
//! functions are called with constants: those find their [`Places`] in `inline.rs`.)

use std::ops::ControlFlow;
use std::sync::Arc;

use brickyard_catalog::unity::{ExecuteFunction, FunctionDetail, FunctionParameter, Object};
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, VisitMut, VisitorMut,
};

use crate::error::SqlError;
use crate::front;
use crate::rewrite::{self, parts};
use crate::run::Run;
use crate::run::query::Scope;

impl Run<'_> {
    /// Puts the arguments of every call in a tree in their places. `find` knows the functions of Unity Catalog that names
    /// mean here.
    pub(crate) fn arguments_in_places<T: VisitMut>(
        &self,
        scope: Scope<'_>,
        tree: &mut T,
        find: &dyn Fn(Vec<String>) -> Option<Arc<Object>>,
    ) -> Result<(), SqlError> {
        match tree.visit(&mut Placing { run: self, scope, find }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(error) => Err(error),
        }
    }

    /// A parameter's default, ready to be planned. It is a constant: a name in it is nobody's column.
    fn default_argument(&self, parameter: &FunctionParameter) -> Option<Result<Expr, SqlError>> {
        let text = parameter.default.as_ref()?;
        let read = || {
            let mut default = front::parse_expression(text)?;
            self.constant(&default)?;
            rewrite::prepare(&mut default, &[])?;
            Ok(default)
        };
        Some(read())
    }
}

struct Placing<'a, 'r> {
    run: &'a Run<'r>,
    scope: Scope<'a>,
    find: &'a dyn Fn(Vec<String>) -> Option<Arc<Object>>,
}

impl VisitorMut for Placing<'_, '_> {
    type Break = SqlError;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        let Expr::Function(call) = expr else { return ControlFlow::Continue(()) };
        match self.place(call) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

impl Placing<'_, '_> {
    fn place(&self, call: &mut Function) -> Result<(), SqlError> {
        let FunctionArguments::List(list) = &mut call.args else { return Ok(()) };
        if list.args.iter().all(|argument| matches!(argument, FunctionArg::Unnamed(_))) {
            return Ok(());
        }
        let Some(object) = (self.find)(parts(&call.name)) else { return Ok(()) };
        let Some(function) = object.function() else { return Ok(()) };
        let placed = self.in_places(&object.full_name, function, std::mem::take(&mut list.args));
        list.args = placed.map_err(|error| {
            // What a function's parameters are is told to whoever may call it.
            let may = self.run.authorize_as(self.scope.asker, ExecuteFunction(Run::target(&object)));
            may.err().unwrap_or(error)
        })?;
        Ok(())
    }

    fn in_places(
        &self,
        function: &str,
        FunctionDetail { parameters, .. }: &FunctionDetail,
        arguments: Vec<FunctionArg>,
    ) -> Result<Vec<FunctionArg>, SqlError> {
        let names = parameters.iter().map(|parameter| parameter.name.as_str());
        let mut places = Places::new(function, names);
        for argument in arguments {
            let (name, value) = match argument {
                FunctionArg::Named { name, arg, .. }
                | FunctionArg::ExprNamed { name: Expr::Identifier(name), arg, .. } => (Some(name.value), arg),
                FunctionArg::ExprNamed { name, .. } => {
                    return Err(SqlError::unsupported(format_args!("an argument named {name}")));
                }
                FunctionArg::Unnamed(value) => (None, value),
            };
            places.put(name, value)?;
        }
        let default = |at: usize| self.run.default_argument(&parameters[at]).transpose();
        let filled = places.filled(|at| Ok(default(at)?.map(FunctionArgExpr::Expr)))?;
        Ok(filled.into_iter().map(FunctionArg::Unnamed).collect())
    }
}

/// The values of a call, each in the place of its parameter.
pub(crate) struct Places<'a, V> {
    function: &'a str,
    parameters: Vec<&'a str>,
    values: Vec<Option<V>>,
    /// How many were put without a name.
    unnamed: usize,
    /// The last that was put by its name.
    named: Option<String>,
}

impl<'a, V> Places<'a, V> {
    pub(crate) fn new(function: &'a str, parameters: impl Iterator<Item = &'a str>) -> Self {
        let parameters: Vec<&str> = parameters.collect();
        let values = parameters.iter().map(|_| None).collect();
        Self { function, parameters, values, unnamed: 0, named: None }
    }

    /// Puts a value in the place of the parameter that it names, in any case; without a name in the next place.
    ///
    /// # Errors
    /// If there is no such place, or it is taken, or a value without a name follows one that has a name.
    pub(crate) fn put(&mut self, name: Option<String>, value: V) -> Result<(), SqlError> {
        let function = self.function;
        let Some(name) = name else {
            if let Some(name) = &self.named {
                return Err(wrong(
                    "UNEXPECTED_POSITIONAL_ARGUMENT",
                    format!("An argument of `{function}` without a name follows the one named `{name}`."),
                ));
            }
            let Some(place) = self.values.get_mut(self.unnamed) else {
                let message = format!("{function} takes at most {} arguments.", self.parameters.len());
                return Err(SqlError::condition("WRONG_NUM_ARGS", "42605", message));
            };
            *place = Some(value);
            self.unnamed += 1;
            return Ok(());
        };
        let found = self.parameters.iter().position(|parameter| parameter.eq_ignore_ascii_case(&name));
        let Some(place) = found.and_then(|found| self.values.get_mut(found)) else {
            let known = self.parameters.join(", ");
            return Err(wrong(
                "UNRECOGNIZED_PARAMETER_NAME",
                format!("`{function}` has no parameter `{name}`. It has: {known}."),
            ));
        };
        if place.replace(value).is_some() {
            return Err(wrong(
                "DUPLICATE_ROUTINE_PARAMETER_ASSIGNMENT",
                format!("The parameter `{name}` of `{function}` is given twice."),
            ));
        }
        self.named = Some(name);
        Ok(())
    }

    /// A value for every parameter: what was put, or what `default` has for the parameter at this position.
    ///
    /// # Errors
    /// If a parameter has neither.
    pub(crate) fn filled(
        self,
        default: impl Fn(usize) -> Result<Option<V>, SqlError>,
    ) -> Result<Vec<V>, SqlError> {
        let (function, parameters) = (self.function, self.parameters);
        let filled = self.values.into_iter().enumerate().map(|(at, value)| {
            if let Some(value) = value {
                return Ok(value);
            }
            default(at)?.ok_or_else(|| {
                wrong(
                    "REQUIRED_PARAMETER_NOT_FOUND",
                    format!("`{function}` needs a value for its parameter `{}`.", parameters[at]),
                )
            })
        });
        filled.collect()
    }
}

fn wrong(condition: &'static str, message: String) -> SqlError {
    SqlError::condition(condition, "4274K", message)
}
