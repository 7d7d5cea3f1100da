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
use datafusion::datasource::source_as_provider;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{
    Expr, LogicalPlan, LogicalPlanBuilder, Operator, TableProviderFilterPushDown, TableType, col,
};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use futures_util::TryStreamExt;

use crate::deep::deep;
use crate::error::SqlError;

/// Tables and views that may be read below one view.
const MOST_READS: usize = 1_000;

/// How many tables and views a plan reads, those inside of views too.
fn reads_below(plan: &LogicalPlan) -> Result<usize> {
    let mut reads = 0_usize;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let provider = source_as_provider(&scan.source)?;
            let any: &dyn std::any::Any = provider.as_ref();
            reads = reads.saturating_add(any.downcast_ref::<Barrier>().map_or(1, |inside| inside.reads));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(reads)
}

/// A relation whose inside the rest of the plan does not see.
pub(crate) struct Barrier {
    plan: LogicalPlan,
    schema: SchemaRef,
    /// For each column, whether it shows its real value.
    open: Vec<bool>,
    /// The table, if there are policies inside whose errors speak of values that nobody may see.
    policed: Option<Arc<str>>,
    /// How many tables are read below it.
    reads: usize,
}

impl Barrier {
    /// A barrier around a plan. `open` says which of its columns may be compared inside.
    pub(crate) fn new(plan: LogicalPlan, open: Vec<bool>) -> Self {
        let schema = Arc::new(plan.schema().as_arrow().clone());
        let reads = reads_below(&plan).unwrap_or(usize::MAX).max(1);
        Self { plan, schema, open, policed: None, reads }
    }

    /// A barrier around a view or a table function.
    ///
    /// # Errors
    /// If more is read below it than a statement may: views of views double with every level.
    pub(crate) fn of_view(plan: LogicalPlan, name: &str) -> std::result::Result<Self, SqlError> {
        if reads_below(&plan)? > MOST_READS {
            return Err(SqlError::condition(
                "QUERY_TOO_COMPLEX",
                "54001",
                format!(
                    "{name} reads more than {MOST_READS} tables and views, counted through the views below it."
                ),
            ));
        }
        let open = vec![true; plan.schema().fields().len()];
        Ok(Self::new(plan, open))
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
        let plan = plan.build()?;
        let inner = deep(state.create_physical_plan(&plan)).await;
        let inner = inner.map_err(|error| told(error, self.policed.as_deref()))?;
        Ok(Arc::new(BarrierExec::new(inner, self.policed.clone())))
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
pub(crate) struct BarrierExec {
    inner: Arc<dyn ExecutionPlan>,
    policed: Option<Arc<str>>,
    properties: Arc<PlanProperties>,
}

impl BarrierExec {
    /// What is behind promises the outer plan nothing: how rows are spread, sorted or equal there is found out by an
    /// optimizer that cannot see through here again, and a join or a sort that trusted it would be wrong.
    pub(crate) fn new(inner: Arc<dyn ExecutionPlan>, policed: Option<Arc<str>>) -> Self {
        let behind = inner.properties();
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(inner.schema()),
            Partitioning::UnknownPartitioning(behind.output_partitioning().partition_count()),
            behind.emission_type,
            behind.boundedness,
        ));
        Self { inner, policed, properties }
    }

    /// What runs behind it, for promises about plans.
    #[cfg(test)]
    pub(crate) fn behind(&self) -> &Arc<dyn ExecutionPlan> {
        &self.inner
    }
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
        &self.properties
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
        Ok(Arc::new(Self::new(inner, self.policed.clone())))
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
        Some(table) if of_a_value(&error) => failed(table),
        _ => error,
    }
}

/// True if an error may speak of a value, and not only of the statement.
pub(crate) fn of_a_value(error: &DataFusionError) -> bool {
    !matches!(
        error.find_root(),
        DataFusionError::ResourcesExhausted(_)
            | DataFusionError::NotImplemented(_)
            | DataFusionError::Plan(_)
            | DataFusionError::SchemaError(..)
    )
}

/// What is said when a policy fails.
pub(crate) fn failed(table: &str) -> DataFusionError {
    DataFusionError::Execution(format!(
        "The row filter or a column mask of {table} failed on one of its rows, so the table cannot be read. Who manages the table can see why by calling the policy's function."
    ))
}
