//! What a window is parted and sorted by, put into columns of its own.
//!
//! Of an expression with a function inside (`PARTITION BY CASE WHEN length(a) < 5 ..`) DataFusion does not see that the rows
//! are sorted by just this expression, and then refuses its own plan, or finds while it runs that the rows it has sorted
//! are in no order. Of a column it sees it. So an expression is worked out below the window, and once for each row.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result};
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, Window};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

/// The rules of an optimizer, with this one as the last.
pub(crate) fn settled(
    mut rules: Vec<Arc<dyn OptimizerRule + Send + Sync>>,
) -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    rules.push(Arc::new(WindowKeys));
    rules
}

/// The rule: a window is parted and sorted by columns, and by what is the same in every row.
#[derive(Debug)]
struct WindowKeys;

impl OptimizerRule for WindowKeys {
    fn name(&self) -> &str {
        "window_keys"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Window(mut window) = plan else { return Ok(Transformed::no(plan)) };
        let mut keys = Keys::beside(&window.input);
        window.window_expr.iter_mut().filter_map(function).for_each(|function| keys.take(function));
        if keys.taken.is_empty() {
            return Ok(Transformed::no(LogicalPlan::Window(window)));
        }
        let (was, inputs, added) = (window.schema, window.input.schema().fields().len(), keys.taken.len());
        let below = columns(&window.input).chain(keys.taken.into_iter().map(|(key, name)| key.alias(name)));
        let below = Projection::try_new(below.collect(), window.input)?;
        let window = Window::try_new(window.window_expr, Arc::new(LogicalPlan::Projection(below)))?;
        let window = LogicalPlan::Window(window);
        // The columns of before, without the keys. What a window made is named by what it is sorted by.
        let kept = columns(&window)
            .enumerate()
            .filter_map(|(at, column)| (at < inputs || at >= inputs + added).then_some(column));
        let above = kept.zip(was.iter()).map(|(column, (relation, field))| {
            if column == Expr::Column(Column::from((relation, field))) {
                return column;
            }
            column.alias_qualified(relation.cloned(), field.name())
        });
        let above = Projection::try_new(above.collect(), Arc::new(window))?;
        Ok(Transformed::yes(LogicalPlan::Projection(above)))
    }
}

fn columns(plan: &LogicalPlan) -> impl Iterator<Item = Expr> {
    let columns: Vec<_> = plan.schema().iter().map(Column::from).collect();
    columns.into_iter().map(Expr::Column)
}

fn function(of: &mut Expr) -> Option<&mut WindowFunction> {
    match of {
        Expr::WindowFunction(function) => Some(function),
        Expr::Alias(alias) => function(&mut alias.expr),
        _ => None,
    }
}

/// The expressions that became columns, and their names.
struct Keys<'a> {
    input: &'a LogicalPlan,
    taken: Vec<(Expr, String)>,
}

impl<'a> Keys<'a> {
    fn beside(input: &'a LogicalPlan) -> Self {
        Self { input, taken: Vec::new() }
    }

    /// Puts a column in the place of each expression that one window function is parted or sorted by.
    fn take(&mut self, function: &mut WindowFunction) {
        let params = &mut function.params;
        let sorted = params.order_by.iter_mut().map(|sort| &mut sort.expr);
        for key in params.partition_by.iter_mut().chain(sorted) {
            if !matches!(key, Expr::Column(_)) && !key.column_refs().is_empty() {
                let name = self.name(key);
                *key = Expr::Column(Column::from_name(name));
            }
        }
    }

    fn name(&mut self, key: &Expr) -> String {
        if let Some((_, name)) = self.taken.iter().find(|(known, _)| known == key) {
            return name.clone();
        }
        let free = (0_u32..).map(|number| format!("__window_key_{number}"));
        let known = |name: &String| {
            self.taken.iter().any(|(_, taken)| taken == name)
                || self.input.schema().has_column_with_unqualified_name(name)
        };
        let name = free.into_iter().find(|name| !known(name)).unwrap_or_default();
        self.taken.push((key.clone(), name.clone()));
        name
    }
}
