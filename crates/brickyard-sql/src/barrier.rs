//! What stands between hidden rows and the rest of a plan.
//!
//! A policed table, a view and a table function are leaves of the outer plan. Their own plan (the filter first, then the
//! masks) is optimised by itself. Only comparisons that cannot fail, on columns that show their real values, are let
//! in; everything else of the outer query runs on what came out. No statistics come out.
//!
//! Where a policy itself may fail ([`cannot_fail`](crate::policy_errors::cannot_fail)) nothing is let in at all: a
//! comparison that keeps the policy away from a row would turn its error into an answer about that row.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{
    Expr, LogicalPlan, LogicalPlanBuilder, Operator, TableProviderFilterPushDown, TableType, col,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures_util::TryStreamExt;

/// A relation whose inside the rest of the plan does not see.
pub(crate) struct Barrier {
    plan: LogicalPlan,
    schema: SchemaRef,
    /// For each column, whether it shows its real value.
    open: Vec<bool>,
    /// The table, if there are policies inside whose errors speak of values that nobody may see.
    policed: Option<Arc<str>>,
}

impl Barrier {
    /// A barrier around a plan. `open` says which of its columns may be compared inside.
    pub(crate) fn new(plan: LogicalPlan, open: Vec<bool>) -> Self {
        let schema = Arc::new(plan.schema().as_arrow().clone());
        Self { plan, schema, open, policed: None }
    }

    /// A barrier around a table's policies. What fails inside is not told: it may be a hidden row's value.
    pub(crate) fn of_table(plan: LogicalPlan, open: Vec<bool>, table: Arc<str>) -> Self {
        Self { policed: Some(table), ..Self::new(plan, open) }
    }

    fn lets_in(&self, filter: &Expr) -> bool {
        match filter {
            Expr::BinaryExpr(binary) => match binary.op {
                Operator::And | Operator::Or => self.lets_in(&binary.left) && self.lets_in(&binary.right),
                Operator::Eq
                | Operator::NotEq
                | Operator::Lt
                | Operator::LtEq
                | Operator::Gt
                | Operator::GtEq => self.is_plain(&binary.left) && self.is_plain(&binary.right),
                _ => false,
            },
            Expr::Not(inner) => self.lets_in(inner),
            Expr::IsNull(inner) | Expr::IsNotNull(inner) => self.is_plain(inner),
            Expr::InList(list) => self.is_plain(&list.expr) && list.list.iter().all(|one| self.is_plain(one)),
            Expr::Between(between) => {
                self.is_plain(&between.expr) && self.is_plain(&between.low) && self.is_plain(&between.high)
            }
            _ => false,
        }
    }

    /// A literal, or a column that shows its real value. Nothing that computes: computing may fail.
    fn is_plain(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Literal(..) => true,
            Expr::Column(column) => {
                let found = self.schema.index_of(&column.name);
                found.is_ok_and(|index| self.open.get(index).copied().unwrap_or(false))
            }
            _ => false,
        }
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Barrier")
    }
}

#[async_trait]
impl TableProvider for Barrier {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut plan = LogicalPlanBuilder::from(self.plan.clone());
        // Filters come with the outer query's name for this relation.
        for filter in filters {
            plan = plan.filter(unqualified(filter.clone())?)?;
        }
        if let Some(projection) = projection {
            let all = self.plan.schema().columns();
            let columns: Vec<Expr> =
                projection.iter().map(|index| Expr::Column(all[*index].clone())).collect();
            plan = plan.project(columns)?;
        }
        if let Some(limit) = limit {
            plan = plan.limit(0, Some(limit))?;
        }
        let inner = state.create_physical_plan(&plan.build()?).await;
        let inner = inner.map_err(|error| told(error, self.policed.as_deref()))?;
        Ok(Arc::new(BarrierExec { inner, policed: self.policed.clone() }))
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let judged = filters.iter().map(|filter| {
            if self.lets_in(filter) {
                TableProviderFilterPushDown::Exact
            } else {
                TableProviderFilterPushDown::Unsupported
            }
        });
        Ok(judged.collect())
    }
}

fn unqualified(filter: Expr) -> Result<Expr> {
    use datafusion::common::tree_node::{Transformed, TreeNode};
    let bare = filter.transform(|expr| match expr {
        Expr::Column(column) => {
            Ok(Transformed::yes(col(datafusion::common::Column::new_unqualified(column.name))))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(bare.data)
}

/// Runs what is behind a barrier. It has no children: no rule of the optimizer moves anything through it.
struct BarrierExec {
    inner: Arc<dyn ExecutionPlan>,
    policed: Option<Arc<str>>,
}

impl fmt::Debug for BarrierExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BarrierExec")
    }
}

impl DisplayAs for BarrierExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BarrierExec")
    }
}

impl ExecutionPlan for BarrierExec {
    fn name(&self) -> &'static str {
        "BarrierExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.inner.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() {
            Ok(self)
        } else {
            Err(DataFusionError::Internal("a barrier has no children".to_owned()))
        }
    }

    /// A recursive query runs its plan again and again, each time as if it were new.
    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        let inner = reset_plan_states(Arc::clone(&self.inner))?;
        Ok(Arc::new(Self { inner, policed: self.policed.clone() }))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let Some(table) = self.policed.clone() else { return self.inner.execute(partition, context) };
        let rows = self.inner.execute(partition, context).map_err(|error| told(error, Some(&table)))?;
        let schema = rows.schema();
        let rows = rows.map_err(move |error| told(error, Some(&table)));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

/// An error from inside, as somebody outside may hear it. Of a policed table only that there was one: its text may hold a
/// hidden row's value (`Cannot cast string 'secret'`).
fn told(error: DataFusionError, policed: Option<&str>) -> DataFusionError {
    match policed {
        Some(table) if !matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)) => failed(table),
        _ => error,
    }
}

/// What is said when a policy fails.
pub(crate) fn failed(table: &str) -> DataFusionError {
    DataFusionError::Execution(format!(
        "The row filter or a column mask of {table} failed on one of its rows, so the table cannot be read. Who manages the table can see why by calling the policy's function."
    ))
}
