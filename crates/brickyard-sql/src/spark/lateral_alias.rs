//! A name that an earlier item of the same SELECT list gave: `SELECT price * 2 AS double, double + 1`.
//!
//! A column of that name comes first, and DataFusion knows the columns: so this is asked only for a name that it did not
//! find, and puts the earlier item in its place.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, Query, Select, SelectItem, Visit, VisitMut, Visitor, VisitorMut,
};

/// What a list may grow to: an item that is used twice by the next, which is used twice again, doubles each time.
const MOST_NODES: usize = 5_000;

/// Puts what the name stands for in its place. False if it stands for nothing, or for more than one thing.
pub(crate) fn resolve<T: Visit + VisitMut>(tree: &mut T, name: &str) -> bool {
    let mut uses = Uses { name, selects: 0, nodes: 0 };
    let _ = Visit::visit(&*tree, &mut uses);
    if uses.selects != 1 || uses.nodes > MOST_NODES {
        return false;
    }
    let _ = VisitMut::visit(tree, &mut Replace { name });
    true
}

/// The item that gives a name, if it may be computed more than once, and the place behind it. `upper(b) AS b` gives
/// none: it is of a column b.
fn giver<'a>(select: &'a Select, name: &str) -> Option<(&'a Expr, usize)> {
    select.projection.iter().enumerate().find_map(|(at, item)| match item {
        SelectItem::ExprWithAlias { expr, alias }
            if alias.value == name && !is_volatile(expr) && !mentions(expr, name) =>
        {
            Some((expr, at + 1))
        }
        _ => None,
    })
}

/// Whether a name stands in an expression, outside of its subqueries.
fn mentions<T: Visit>(tree: &T, name: &str) -> bool {
    let mut inside = Inside { name, depth: 0, found: false };
    let _ = Visit::visit(tree, &mut inside);
    inside.found
}

fn is_volatile(expr: &Expr) -> bool {
    struct Finder;
    impl Visitor for Finder {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            let Expr::Function(Function { name, .. }) = expr else { return ControlFlow::Continue(()) };
            let volatile =
                ["rand", "random", "randn", "uuid", "shuffle", "http_request", "explode", "explode_outer"];
            let name = name.to_string();
            if volatile.contains(&name.as_str()) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }
    expr.visit(&mut Finder).is_break()
}

struct Uses<'a> {
    name: &'a str,
    selects: usize,
    nodes: usize,
}

impl Visitor for Uses<'_> {
    type Break = ();

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if let Some((_, behind)) = giver(select, self.name) {
            let found = select.projection[behind..].iter().any(|item| mentions(item, self.name));
            self.selects += usize::from(found);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, _: &Expr) -> ControlFlow<()> {
        self.nodes += 1;
        ControlFlow::Continue(())
    }
}

struct Inside<'a> {
    name: &'a str,
    /// Subqueries have columns of their own.
    depth: usize,
    found: bool,
}

impl Visitor for Inside<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        self.found |= self.depth == 0 && matches!(expr, Expr::Identifier(ident) if ident.value == self.name);
        ControlFlow::Continue(())
    }
}

struct Replace<'a> {
    name: &'a str,
}

impl VisitorMut for Replace<'_> {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let Some((given, behind)) = giver(select, self.name) else { return ControlFlow::Continue(()) };
        let with = Expr::Nested(Box::new(given.clone()));
        let mut put = Put { name: self.name, with, depth: 0 };
        for item in &mut select.projection[behind..] {
            let _ = VisitMut::visit(item, &mut put);
        }
        ControlFlow::Continue(())
    }
}

struct Put<'a> {
    name: &'a str,
    with: Expr,
    depth: usize,
}

impl VisitorMut for Put<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth == 0 && matches!(expr, Expr::Identifier(ident) if ident.value == self.name) {
            *expr = self.with.clone();
        }
        ControlFlow::Continue(())
    }
}
