//! Delta's own reader, for tables that are more than [plain files](super::plain_files), without what it gets wrong.
//!
//! - It promises to apply every filter whose columns are all partition columns, which a filter of no column fulfils
//!   (`ON a.id = NULL` is one, once it is simplified), and then applies it to no row: an inner join `ON NULL` gave every pair.
//! - A limit it takes for every file, and says that the limit is kept: `LIMIT 1` of three partitions gave three rows.
//!   So it never hears of one, neither from the logical plan nor from the physical one.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, Statistics};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use crate::barrier::BarrierExec;

/// The table, asked only for filters that name a column, and for all rows.
#[derive(Debug)]
pub(super) struct DeltaReader(pub Arc<dyn TableProvider>);

#[async_trait]
impl TableProvider for DeltaReader {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        self.0.table_type()
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all = self.0.scan(state, projection, filters, None).await?;
        Ok(Arc::new(BarrierExec::new(all, None)))
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let mut judged = self.0.supports_filters_pushdown(filters)?;
        for (judged, filter) in judged.iter_mut().zip(filters) {
            if filter.column_refs().is_empty() {
                *judged = TableProviderFilterPushDown::Unsupported;
            }
        }
        Ok(judged)
    }

    fn statistics(&self) -> Option<Statistics> {
        self.0.statistics()
    }
}
