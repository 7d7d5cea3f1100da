//! The columns of `VALUES` are called `col1`, `col2`, ..

use datafusion::sql::sqlparser::ast::{
    GroupByExpr, Query, Select, SelectFlavor, SelectItem, SetExpr, TableFactor, TableWithJoins,
    WildcardAdditionalOptions, helpers::attached_token::AttachedToken,
};

use super::{alias_column, table_alias};

/// A query that is nothing but `VALUES` becomes one that names them.
pub(super) fn named(query: &mut Query) {
    let SetExpr::Values(values) = &*query.body else { return };
    let mut alias = table_alias("__values");
    alias.columns = (1..=values.rows.first().map_or(0, |row| row.len()))
        .map(|at| alias_column(&format!("col{at}")))
        .collect();
    let inner = Query {
        with: None,
        body: std::mem::replace(&mut query.body, Box::new(SetExpr::Select(Box::new(all())))),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    };
    if let SetExpr::Select(select) = &mut *query.body {
        let relation = TableFactor::Derived {
            lateral: false,
            subquery: Box::new(inner),
            alias: Some(alias),
            sample: None,
        };
        select.from = vec![TableWithJoins { relation, joins: Vec::new() }];
    }
}

/// `SELECT *`.
fn all() -> Select {
    Select {
        select_token: AttachedToken::empty(),
        optimizer_hints: Vec::new(),
        distinct: None,
        select_modifiers: None,
        top: None,
        top_before_distinct: false,
        projection: vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())],
        exclude: None,
        into: None,
        from: Vec::new(),
        lateral_views: Vec::new(),
        prewhere: None,
        selection: None,
        connect_by: Vec::new(),
        group_by: GroupByExpr::Expressions(Vec::new(), Vec::new()),
        cluster_by: Vec::new(),
        distribute_by: Vec::new(),
        sort_by: Vec::new(),
        having: None,
        named_window: Vec::new(),
        qualify: None,
        window_before_qualify: false,
        value_table_mode: None,
        flavor: SelectFlavor::Standard,
    }
}
