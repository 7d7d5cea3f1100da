//! Every way to write a generator, in one shape: a join in brackets, whose right side is the generator.
//!
//! ```text
//!   FROM t LATERAL VIEW OUTER explode(a) x AS c     FROM (t CROSS JOIN LATERAL explode_outer(a) AS x(c))
//!   FROM t, LATERAL explode(a) AS x(c)              FROM (t CROSS JOIN LATERAL explode(a) AS x(c))
//!   SELECT id, posexplode(a) FROM t                 SELECT id, pos, col FROM (t CROSS JOIN LATERAL posexplode(a) AS ..)
//! ```
//!
//! The planner of `from.rs` knows that shape. `explode` of an array in a list of columns stays where it is: DataFusion
//! knows that one, also beside aggregates.

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Join, JoinConstraint, JoinOperator,
    LateralView, ObjectName, ObjectNamePart, Select, SelectItem, SelectItemQualifiedWildcardKind, TableAlias,
    TableFactor, TableWithJoins, WildcardAdditionalOptions,
};

use super::{alias_column, fold_alias, parts, table_alias};
use crate::error::SqlError;
use crate::from::{is_generator, outer};
use crate::front::UNNAMED;

/// What a generator in a list of columns is called as a relation.
const LISTED: &str = "__generated";

/// Brings the generators of a `SELECT` into that shape.
pub(super) fn gather(select: &mut Select) -> Result<(), SqlError> {
    for table in &mut select.from {
        joined(table);
    }
    let mut from: Vec<TableWithJoins> = Vec::with_capacity(select.from.len());
    for mut table in std::mem::take(&mut select.from) {
        if is_lateral(&table.relation) && !from.is_empty() {
            let generator = std::mem::replace(&mut table.relation, nobody());
            let mut bracketed = beside(std::mem::take(&mut from), generator, cross());
            bracketed.joins = table.joins;
            from.push(bracketed);
        } else {
            from.push(table);
        }
    }
    select.from = from;
    for view in std::mem::take(&mut select.lateral_views) {
        let generator = viewed(view)?;
        let from = std::mem::take(&mut select.from);
        select.from = vec![if from.is_empty() { alone(generator) } else { beside(from, generator, cross()) }];
    }
    listed(select)
}

/// The joins of one entry of `FROM`.
fn joined(table: &mut TableWithJoins) {
    known(&mut table.relation);
    for at in 0..table.joins.len() {
        known(&mut table.joins[at].relation);
    }
    while let Some(at) = table.joins.iter().position(|join| is_lateral(&join.relation)) {
        let rest = table.joins.split_off(at + 1);
        let Some(join) = table.joins.pop() else { return };
        let left = TableWithJoins {
            relation: std::mem::replace(&mut table.relation, nobody()),
            joins: std::mem::take(&mut table.joins),
        };
        let mut bracketed = beside(vec![left], join.relation, without_true(join.join_operator));
        bracketed.joins = rest;
        *table = bracketed;
    }
}

/// `ON TRUE` says nothing.
fn without_true(operator: JoinOperator) -> JoinOperator {
    let is_true = |on: &JoinConstraint| {
        matches!(on, JoinConstraint::On(Expr::Value(value))
            if matches!(value.value, datafusion::sql::sqlparser::ast::Value::Boolean(true)))
    };
    match operator {
        JoinOperator::Join(on) if is_true(&on) => JoinOperator::Join(JoinConstraint::None),
        JoinOperator::Inner(on) if is_true(&on) => JoinOperator::Inner(JoinConstraint::None),
        JoinOperator::Left(on) if is_true(&on) => JoinOperator::Left(JoinConstraint::None),
        JoinOperator::LeftOuter(on) if is_true(&on) => JoinOperator::LeftOuter(JoinConstraint::None),
        other => other,
    }
}

/// A generator that was read as a table with arguments becomes a function.
fn known(factor: &mut TableFactor) {
    match factor {
        TableFactor::Table { name, alias, args: args @ Some(_), .. } if is_generator(name) => {
            let called = args.take().map(|called| called.args).unwrap_or_default();
            *factor = function(name.clone(), called, alias.take());
        }
        TableFactor::NestedJoin { table_with_joins, .. } => joined(table_with_joins),
        _ => {}
    }
}

fn is_lateral(factor: &TableFactor) -> bool {
    matches!(factor, TableFactor::Function { name, .. } if is_generator(name))
}

fn function(name: ObjectName, args: Vec<FunctionArg>, alias: Option<TableAlias>) -> TableFactor {
    TableFactor::Function { lateral: true, name, args, with_ordinality: false, alias }
}

fn cross() -> JoinOperator {
    JoinOperator::CrossJoin(JoinConstraint::None)
}

fn alone(relation: TableFactor) -> TableWithJoins {
    TableWithJoins { relation, joins: Vec::new() }
}

/// Stands where something was taken away.
fn nobody() -> TableFactor {
    super::table_named(ObjectName(Vec::new()))
}

/// A generator beside everything of a `FROM` list.
fn beside(from: Vec<TableWithJoins>, generator: TableFactor, join_operator: JoinOperator) -> TableWithJoins {
    let bracketed = |table: TableWithJoins| {
        if table.joins.is_empty() {
            table.relation
        } else {
            TableFactor::NestedJoin { table_with_joins: Box::new(table), alias: None }
        }
    };
    let together = from.into_iter().reduce(|mut left, right| {
        left.joins.push(Join { relation: bracketed(right), global: false, join_operator: cross() });
        left
    });
    let left = together.map_or_else(nobody, bracketed);
    let join = Join { relation: generator, global: false, join_operator };
    let table = TableWithJoins { relation: left, joins: vec![join] };
    alone(TableFactor::NestedJoin { table_with_joins: Box::new(table), alias: None })
}

/// `LATERAL VIEW [OUTER] f(..) [x] [AS c, ..]`.
fn viewed(view: LateralView) -> Result<TableFactor, SqlError> {
    let Expr::Function(call) = view.lateral_view else {
        return Err(SqlError::unsupported("LATERAL VIEW of anything but a generator function"));
    };
    if !is_generator(&call.name) {
        return Err(SqlError::unsupported(format_args!("LATERAL VIEW {}(..)", call.name)));
    }
    let name = if view.outer { outer(&parts(&call.name).concat()) } else { parts(&call.name).concat() };
    let known = parts(&view.lateral_view_name).concat();
    let mut alias = table_alias(if known == UNNAMED { LISTED } else { &known });
    let named = view.lateral_col_alias.iter().filter(|column| column.value != UNNAMED);
    alias.columns = named.map(|column| alias_column(&column.value)).collect();
    fold_alias(&mut alias);
    Ok(function(ObjectName::from(vec![Ident::new(name)]), arguments(call.args)?, Some(alias)))
}

fn arguments(args: FunctionArguments) -> Result<Vec<FunctionArg>, SqlError> {
    match args {
        FunctionArguments::List(list) if list.clauses.is_empty() => Ok(list.args),
        _ => Err(SqlError::unsupported("this form of a generator's arguments")),
    }
}

/// Generators in the list of columns.
fn listed(select: &mut Select) -> Result<(), SqlError> {
    let called = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(Expr::Function(call))
        | SelectItem::ExprWithAlias { expr: Expr::Function(call), .. }
        | SelectItem::ExprWithAliases { expr: Expr::Function(call), .. } => {
            is_generator(&call.name) && !stays(call)
        }
        _ => false,
    };
    let Some(at) = select.projection.iter().position(called) else { return Ok(()) };
    if select.projection.iter().skip(at + 1).any(called) {
        return Err(SqlError::condition(
            "UNSUPPORTED_GENERATOR.MULTI_GENERATOR",
            "42K0E",
            "The generator is not supported: only one generator allowed per SELECT clause.",
        ));
    }
    if grouped(select) {
        return Err(SqlError::unsupported("this generator beside GROUP BY. Write a subquery"));
    }
    let (call, names) = match select.projection.remove(at) {
        SelectItem::UnnamedExpr(Expr::Function(call)) => (call, Vec::new()),
        SelectItem::ExprWithAlias { expr: Expr::Function(call), alias } => (call, vec![alias]),
        SelectItem::ExprWithAliases { expr: Expr::Function(call), aliases } => (call, aliases),
        _ => return Ok(()),
    };
    let mut alias = table_alias(LISTED);
    alias.columns = names.iter().map(|name| alias_column(&name.value)).collect();
    fold_alias(&mut alias);
    let generator = function(call.name, arguments(call.args)?, Some(alias));
    let from = std::mem::take(&mut select.from);
    select.from = vec![if from.is_empty() { alone(generator) } else { beside(from, generator, cross()) }];
    let all = SelectItemQualifiedWildcardKind::ObjectName(ObjectName(vec![ObjectNamePart::Identifier(
        Ident::new(LISTED),
    )]));
    select.projection.insert(at, SelectItem::QualifiedWildcard(all, WildcardAdditionalOptions::default()));
    Ok(())
}

/// `explode` of a value that the planner can unnest in place: whatever is not visibly a map.
fn stays(call: &datafusion::sql::sqlparser::ast::Function) -> bool {
    let simple = matches!(parts(&call.name).concat().as_str(), "explode" | "explode_outer");
    simple && !is_map(&call.args)
}

fn is_map(args: &FunctionArguments) -> bool {
    let FunctionArguments::List(list) = args else { return false };
    match list.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Function(inner)))] => {
            let name = parts(&inner.name).concat();
            matches!(
                name.as_str(),
                "map" | "map_from_arrays" | "map_from_entries" | "str_to_map" | "map_concat"
            )
        }
        _ => false,
    }
}

fn grouped(select: &Select) -> bool {
    use datafusion::sql::sqlparser::ast::GroupByExpr;
    match &select.group_by {
        GroupByExpr::All(_) => true,
        GroupByExpr::Expressions(by, _) => !by.is_empty(),
    }
}
