//! `http_request(conn => .., method => .., path => .., headers => .., params => .., json => ..)`.
//!
//! The planner knows a placeholder without a connection. Before a plan leaves its scope, every placeholder becomes a call
//! through its connection, with `USE CONNECTION` of whoever asks in that scope: the speaker, or the owner of the function
//! around it. The credential is put on the request at the last moment and is in no plan, trace or message.
//! Source: Databricks' SQL language manual, "http_request function".

mod call;
mod connection;
mod named;

use std::collections::HashMap;
use std::sync::Arc;

use brickyard_catalog::Permit;
use brickyard_catalog::unity::{Object, ObjectKind, UnityError, UseConnection};
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan, ScalarUDF};

use crate::engine::{Inner, Sql};
use crate::error::SqlError;
use crate::inline::{map_subquery, subquery_of};
use crate::run::Run;
use crate::run::query::Scope;
use call::HttpCall;
pub use connection::{Call, HttpConnection};
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

type Connections = HashMap<String, Arc<HttpConnection>>;

impl Sql {
    /// Opens the connection that the permit is for, for whoever goes through it without a statement.
    ///
    /// # Errors
    /// See [`HttpConnection::open`].
    pub fn connection(
        &self,
        permit: &Permit<UseConnection>,
        object: &Object,
    ) -> Result<HttpConnection, SqlError> {
        HttpConnection::open(permit, object, self.0.outside()?)
    }
}

impl Inner {
    /// What is above the engine.
    pub(crate) fn outside(&self) -> Result<Arc<dyn crate::outside::Outside>, SqlError> {
        let outside = self.outside.get().cloned();
        outside
            .ok_or_else(|| SqlError::unsupported("secrets of connections and HTTP in an engine of its own"))
    }
}

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
            let permit = self.authorize_as(scope.asker, UseConnection(Self::target(&object)))?;
            found.insert(name, Arc::new(HttpConnection::open(&permit, &object, self.sql.outside()?)?));
        }
        Ok(found)
    }
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
