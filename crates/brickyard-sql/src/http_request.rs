//! `http_request(conn => .., method => .., path => .., headers => .., params => .., json => ..)`.
//!
//! The planner knows a placeholder without a connection. Before a plan leaves its scope, every placeholder becomes a call
//! through its connection, with `USE CONNECTION` of whoever asks in that scope: the speaker, or the owner of the function
//! around it. The credential is put on the request at the last moment and is in no plan, trace or message.
//! Source: Databricks' SQL language manual, "http_request function".

mod call;
mod named;

use std::collections::HashMap;
use std::sync::Arc;

use brickyard_catalog::unity::{Object, ObjectKind, UnityError, UseConnection};
use brickyard_types::Secret;
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan, ScalarUDF};

use crate::error::SqlError;
use crate::inline::{map_subquery, subquery_of};
use crate::run::Run;
use crate::run::query::Scope;
use call::HttpCall;
pub(crate) use named::positional;

/// What a call is called between the rewriting of its arguments and its planning.
pub(crate) const REWRITTEN: &str = "__http_request";

/// `STRUCT<status_code INT, text STRING>`.
fn returned() -> Fields {
    Fields::from(vec![
        Field::new("status_code", DataType::Int32, true),
        Field::new("text", DataType::Utf8, true),
    ])
}

/// The function that the planner finds.
pub(crate) fn placeholder() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(HttpCall::new(None)))
}

/// A connection that may be used, opened.
pub(crate) struct Connected {
    /// Its name.
    pub name: String,
    /// Scheme, host, port and base path, without a slash at the end.
    pub base: String,
    /// Its credential.
    pub bearer: Option<Secret>,
    /// Speaks HTTP.
    pub outside: Arc<dyn crate::outside::Outside>,
}

type Connections = HashMap<String, Arc<Connected>>;

impl Run<'_> {
    /// A plan in which every `http_request` has its connection.
    pub(crate) fn with_connections(
        &self,
        scope: Scope<'_>,
        plan: LogicalPlan,
    ) -> Result<LogicalPlan, SqlError> {
        let mut names = Vec::new();
        note_in_plan(&plan, &mut names)?;
        if names.is_empty() {
            return Ok(plan);
        }
        let connections = self.connections(scope, names)?;
        Ok(put_in_plan(plan, &connections)?)
    }

    /// An expression in which every `http_request` has its connection.
    pub(crate) fn expression_with_connections(&self, scope: Scope<'_>, expr: Expr) -> Result<Expr, SqlError> {
        let mut names = Vec::new();
        expr.apply(|one| {
            note(one, &mut names)?;
            if let Some(inner) = subquery_of(one) {
                note_in_plan(&inner.subquery, &mut names)?;
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        if names.is_empty() {
            return Ok(expr);
        }
        let connections = self.connections(scope, names)?;
        let rewritten = put(expr, &connections)?.data;
        let rewritten =
            rewritten.transform_up(|one| map_subquery(one, &mut |plan| put_in_plan(plan, &connections)))?;
        Ok(rewritten.data)
    }

    fn connections(&self, scope: Scope<'_>, names: Vec<Option<String>>) -> Result<Connections, SqlError> {
        let mut found = Connections::new();
        for name in names {
            let Some(name) = name else {
                return Err(SqlError::condition(
                    "NON_FOLDABLE_ARGUMENT",
                    "42K08",
                    "The argument `conn` of `http_request` is the name of a connection: a STRING constant.",
                ));
            };
            if found.contains_key(&name) {
                continue;
            }
            let path = name.parse().map_err(UnityError::from)?;
            let object = self.find(scope.asker, ObjectKind::Connection, &path)?;
            self.authorize_as(scope.asker, UseConnection(Self::target(&object)))?;
            found.insert(name, Arc::new(self.connected(&object)?));
        }
        Ok(found)
    }

    fn connected(&self, object: &Object) -> Result<Connected, SqlError> {
        let Some(detail) = object.connection().filter(|detail| detail.connection_type == "HTTP") else {
            return Err(unusable(format_args!("{} is no HTTP connection", object.full_name)));
        };
        let option = |wanted: &str| {
            let found = detail.options.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| value.trim())
        };
        let Some(host) = option("host").filter(|host| !host.is_empty()) else {
            return Err(unusable(format_args!("{} has no option host", object.full_name)));
        };
        let outside = self.outside()?;
        let sealed = |wanted: &str| detail.sealed.keys().find(|name| name.eq_ignore_ascii_case(wanted));
        let bearer = match sealed("bearer_token") {
            Some(name) => outside
                .open(object, name)
                .map_err(|reason| unusable(format_args!("{}: {reason}", object.full_name)))?,
            None if !detail.sealed.is_empty() || option("client_id").is_some() => {
                return Err(SqlError::unsupported(format_args!(
                    "HTTP connections with another credential than bearer_token ({})",
                    object.full_name
                )));
            }
            None => None,
        };
        let host = if host.contains("://") { host.to_owned() } else { format!("https://{host}") };
        let mut base = host.trim_end_matches('/').to_owned();
        if let Some(port) = option("port").filter(|port| !port.is_empty()) {
            if port.parse::<u16>().is_err() {
                return Err(unusable(format_args!("{}: '{port}' is no port", object.full_name)));
            }
            base = format!("{base}:{port}");
        }
        if let Some(path) =
            option("base_path").map(|path| path.trim_matches('/')).filter(|path| !path.is_empty())
        {
            base = format!("{base}/{path}");
        }
        Ok(Connected { name: object.full_name.to_string(), base, bearer, outside })
    }

    /// What is above the engine.
    pub(crate) fn outside(&self) -> Result<Arc<dyn crate::outside::Outside>, SqlError> {
        let outside = self.sql.outside.get().cloned();
        outside
            .ok_or_else(|| SqlError::unsupported("secrets of connections and HTTP in an engine of its own"))
    }
}

fn unusable(reason: std::fmt::Arguments<'_>) -> SqlError {
    SqlError::condition("INVALID_HTTP_REQUEST", "22KD1", format!("The connection cannot be used: {reason}."))
}

fn placeholder_in(expr: &Expr) -> Option<&Expr> {
    let Expr::ScalarFunction(call) = expr else { return None };
    let inner: &dyn std::any::Any = call.func.inner().as_ref();
    let open = inner.downcast_ref::<HttpCall>().is_some_and(|call| call.connection.is_none());
    if open { call.args.first() } else { None }
}

/// Writes down the connection of a call; `None` if it is no constant.
fn note(expr: &Expr, names: &mut Vec<Option<String>>) -> Result<(), DataFusionError> {
    if let Some(connection) = placeholder_in(expr) {
        names.push(name_of(connection));
    }
    Ok(())
}

fn name_of(connection: &Expr) -> Option<String> {
    match connection {
        Expr::Literal(value, _) => value.try_as_str().flatten().map(str::to_owned),
        _ => None,
    }
}

fn note_in_plan(plan: &LogicalPlan, names: &mut Vec<Option<String>>) -> Result<(), DataFusionError> {
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|one| note(one, names).map(|()| TreeNodeRecursion::Continue))
        })
    })?;
    Ok(())
}

fn put(expr: Expr, connections: &Connections) -> Result<Transformed<Expr>, DataFusionError> {
    expr.transform_up(|one| {
        let found = placeholder_in(&one).and_then(name_of).and_then(|name| connections.get(&name));
        let Some(connection) = found else { return Ok(Transformed::no(one)) };
        let Expr::ScalarFunction(call) = &one else { return Ok(Transformed::no(one)) };
        let function = ScalarUDF::from(HttpCall::new(Some(Arc::clone(connection))));
        Ok(Transformed::yes(function.call(call.args.clone())))
    })
}

fn put_in_plan(plan: LogicalPlan, connections: &Connections) -> Result<LogicalPlan, DataFusionError> {
    let rewritten = plan.transform_up_with_subqueries(|node| {
        let names = NamePreserver::new(&node);
        let node = node.map_expressions(|expr| {
            let name = names.save(&expr);
            Ok(put(expr, connections)?.update_data(|expr| name.restore(expr)))
        })?;
        if node.transformed { node.map_data(LogicalPlan::recompute_schema) } else { Ok(node) }
    })?;
    Ok(rewritten.data)
}
