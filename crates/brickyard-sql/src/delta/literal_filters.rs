//! A filter without columns (`ON a.id = NULL` is one, once it is simplified) is not left to Delta's reader.
//!
//! The reader promises to apply every filter whose columns are all partition columns, which a filter of none fulfils,
//! and then applies it to no row: an inner join `ON NULL` gave every pair.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, Statistics};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

/// The table, asked only for filters that name a column.
#[derive(Debug)]
pub(super) struct LiteralFilters(pub Arc<dyn TableProvider>);

#[async_trait]
impl TableProvider for LiteralFilters {
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
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.0.scan(state, projection, filters, limit).await
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
