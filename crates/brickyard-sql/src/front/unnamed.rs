//! A subquery beside other relations gets a name, as Spark gives it one.
//!
//! Without a name its columns have no qualifier, and the planner takes one that is also another relation's for
//! ambiguous: `FROM t JOIN (SELECT 2 AS id) USING (id)` would be refused.

use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Ident, Query, Select, SetExpr, TableAlias, TableFactor, VisitMut, VisitorMut,
};

/// Names the subqueries of a query that have none and stand beside something.
pub(super) fn name(query: &mut Query) {
    // The visitor never breaks off.
    let _ = query.visit(&mut Namer::default());
}

#[derive(Default)]
struct Namer {
    named: usize,
}

impl VisitorMut for Namer {
    type Break = Infallible;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Infallible> {
        self.body(&mut query.body);
        ControlFlow::Continue(())
    }
}

impl Namer {
    fn body(&mut self, mut body: &mut SetExpr) {
        // A chain of UNIONs is deep on its left only.
        loop {
            match body {
                SetExpr::Select(select) => return self.select(select),
                SetExpr::SetOperation { left, right, .. } => {
                    self.body(right);
                    body = left;
                }
                _ => return,
            }
        }
    }

    fn select(&mut self, select: &mut Select) {
        let alone = matches!(&select.from[..], [only] if only.joins.is_empty());
        if alone {
            return;
        }
        for table in &mut select.from {
            let joined = table.joins.iter_mut().map(|join| &mut join.relation);
            for factor in std::iter::once(&mut table.relation).chain(joined) {
                if let TableFactor::Derived { alias: alias @ None, .. } = factor {
                    self.named += 1;
                    *alias = Some(TableAlias {
                        explicit: true,
                        name: Ident::new(format!("__auto_generated_subquery_name_{}", self.named)),
                        columns: Vec::new(),
                        at: None,
                    });
                }
            }
        }
    }
}
