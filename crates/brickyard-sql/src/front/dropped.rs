//! What `sqlparser` reads in a query and DataFusion's planner then drops without a word.
//!
//! `TABLESAMPLE` would answer with every row, `VERSION AS OF` with today's, `FOR UPDATE` with no lock. Such a query is
//! refused by the name of what would be missing. What the planner refuses itself is not repeated here.
//! Read off `datafusion-sql` 55 (`query.rs`, `select.rs`, `relation/mod.rs`, `cte.rs`).

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Cte, Expr, LambdaFunction, OrderByKind, PipeOperator, Query, Select, SetExpr, Spanned, TableAlias,
    TableFactor, TableVersion, Visit, Visitor,
};
use datafusion::sql::sqlparser::tokenizer::Location;

/// What would be dropped.
pub(super) struct Dropped {
    /// As the user wrote it.
    pub feature: &'static str,
    /// Where the part that holds it starts, if that is known.
    pub place: Option<Location>,
}

/// The first thing that would be dropped.
pub(super) fn find(tree: &impl Visit) -> Option<Dropped> {
    match tree.visit(&mut Finder) {
        ControlFlow::Break(found) => Some(*found),
        ControlFlow::Continue(()) => None,
    }
}

struct Finder;

type Flow = ControlFlow<Box<Dropped>>;

fn refuse(dropped: bool, feature: &'static str, part: &impl Spanned) -> Flow {
    if !dropped {
        return ControlFlow::Continue(());
    }
    let place = Some(part.span().start).filter(|place| place.line > 0);
    ControlFlow::Break(Box::new(Dropped { feature, place }))
}

impl Visitor for Finder {
    type Break = Box<Dropped>;

    fn pre_visit_query(&mut self, query: &Query) -> Flow {
        refuse(!query.locks.is_empty(), "FOR UPDATE and FOR SHARE", query)?;
        refuse(query.for_clause.is_some(), "FOR XML, FOR JSON and FOR BROWSE", query)?;
        let other = query.settings.is_some() || query.format_clause.is_some();
        refuse(other, "SETTINGS and FORMAT", query)?;
        let order_all =
            query.order_by.as_ref().is_some_and(|order| matches!(order.kind, OrderByKind::All(_)));
        let is_select = matches!(*query.body, SetExpr::Select(_));
        refuse(order_all && !is_select, "ORDER BY ALL of anything but one SELECT", query)?;
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            named_query(cte)?;
        }
        for operator in &query.pipe_operators {
            if let PipeOperator::Aggregate { full_table_exprs, group_by_expr } = operator {
                let mut parts = full_table_exprs.iter().chain(group_by_expr);
                refuse(parts.any(|part| part.order_by.asc.is_some()), "ASC and DESC in |> AGGREGATE", query)?;
            }
        }
        let mut bodies = vec![&*query.body];
        while let Some(body) = bodies.pop() {
            match body {
                SetExpr::SetOperation { left, right, .. } => bodies.extend([&**left, &**right]),
                SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                    let feature = "INSERT, UPDATE, DELETE and MERGE inside a query or behind WITH. Write the WITH of an INSERT \
                                   behind its table";
                    refuse(true, feature, query)?;
                }
                SetExpr::Table(_) => refuse(true, "TABLE t inside a query. Write SELECT * FROM t", query)?,
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> Flow {
        refuse(select.into.is_some(), "SELECT INTO. Write CREATE TABLE .. AS SELECT", select)?;
        refuse(!select.connect_by.is_empty(), "START WITH and CONNECT BY", select)?;
        refuse(select.prewhere.is_some(), "PREWHERE", select)?;
        refuse(select.exclude.is_some(), "EXCLUDE. Write * EXCEPT (..)", select)?;
        let mut joins = select.from.iter().flat_map(|table| &table.joins);
        refuse(joins.any(|join| join.global), "GLOBAL JOIN", select)
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> Flow {
        match factor {
            TableFactor::Table {
                with_hints,
                version,
                with_ordinality,
                partitions,
                json_path,
                sample,
                ..
            } => {
                let known = matches!(
                    version,
                    None | Some(TableVersion::TimestampAsOf(_) | TableVersion::VersionAsOf(_))
                );
                refuse(!known, "FOR SYSTEM_TIME AS OF", factor)?;
                refuse(version.is_some() && sample.is_some(), "TABLESAMPLE of a version of a table", factor)?;
                refuse(!with_hints.is_empty(), "table hints", factor)?;
                refuse(*with_ordinality, "WITH ORDINALITY", factor)?;
                refuse(
                    !partitions.is_empty() || json_path.is_some(),
                    "PARTITION and paths behind a table",
                    factor,
                )?;
            }
            TableFactor::Function { with_ordinality, .. } => {
                refuse(*with_ordinality, "WITH ORDINALITY", factor)?
            }
            _ => {}
        }
        match factor {
            TableFactor::Table { alias, .. }
            | TableFactor::Derived { alias, .. }
            | TableFactor::TableFunction { alias, .. }
            | TableFactor::Function { alias, .. }
            | TableFactor::NestedJoin { alias, .. } => named_columns(alias.as_ref(), factor),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> Flow {
        match expr {
            Expr::Lambda(LambdaFunction { params, .. }) => refuse(
                params.iter().any(|param| param.data_type.is_some()),
                "types of lambda parameters",
                expr,
            ),
            _ => ControlFlow::Continue(()),
        }
    }
}

fn named_query(cte: &Cte) -> Flow {
    refuse(cte.from.is_some() || cte.materialized.is_some(), "MATERIALIZED and FROM in WITH", cte)?;
    named_columns(Some(&cte.alias), cte)
}

fn named_columns(alias: Option<&TableAlias>, part: &impl Spanned) -> Flow {
    let Some(alias) = alias else { return ControlFlow::Continue(()) };
    let typed = alias.columns.iter().any(|column| column.data_type.is_some());
    refuse(typed || alias.at.is_some(), "types and positions in a table's alias", part)
}
