//! A name of the list of columns, used further right in the same list: `SELECT a + 1 AS b, b * 2 AS c`.
//!
//! A column of that name comes first; so this is for names that no relation has.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Select, SelectItem, VisitMut, VisitorMut};

/// Puts what such a name stands for in its place. Answers whether there was one.
pub(crate) fn spelled_out<T: VisitMut>(tree: &mut T, name: &str) -> bool {
    let mut finder = Finder { name, found: false };
    let _ = tree.visit(&mut finder);
    finder.found
}

struct Finder<'a> {
    name: &'a str,
    found: bool,
}

impl VisitorMut for Finder<'_> {
    type Break = ();

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let called = |item: &SelectItem| matches!(item, SelectItem::ExprWithAlias { alias, .. } if alias.value == self.name);
        let Some(at) = select.projection.iter().position(called) else { return ControlFlow::Continue(()) };
        let (before, after) = select.projection.split_at_mut(at + 1);
        let Some(SelectItem::ExprWithAlias { expr, .. }) = before.last() else {
            return ControlFlow::Continue(());
        };
        // `upper(b) AS b` is of a column b.
        if mentions(expr, self.name) {
            return ControlFlow::Continue(());
        }
        for item in after {
            if let SelectItem::UnnamedExpr(later) | SelectItem::ExprWithAlias { expr: later, .. } = item {
                let mut put = Put { name: self.name, value: expr, inside: 0, done: false };
                let _ = later.visit(&mut put);
                self.found |= put.done;
            }
        }
        ControlFlow::Continue(())
    }
}

fn mentions(expr: &Expr, name: &str) -> bool {
    let mut copy = expr.clone();
    let nothing = Expr::Tuple(Vec::new());
    let mut put = Put { name, value: &nothing, inside: 0, done: false };
    let _ = copy.visit(&mut put);
    put.done
}

/// Replaces a name, but not inside a subquery: the relations there may have it.
struct Put<'a> {
    name: &'a str,
    value: &'a Expr,
    inside: usize,
    done: bool,
}

impl VisitorMut for Put<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut datafusion::sql::sqlparser::ast::Query) -> ControlFlow<()> {
        self.inside += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut datafusion::sql::sqlparser::ast::Query) -> ControlFlow<()> {
        self.inside -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.inside == 0 && matches!(expr, Expr::Identifier(name) if name.value == self.name) {
            *expr = Expr::Nested(Box::new(self.value.clone()));
            self.done = true;
        }
        ControlFlow::Continue(())
    }
}
