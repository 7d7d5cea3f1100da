//! `CHECK` constraints: every row that is written fulfils them. They are kept where Delta keeps them, in the table's
//! properties: `delta.constraints.name = condition`. As in Delta, a condition that is NULL does not hold.

use brickyard_catalog::unity::{Column, Object};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute;
use datafusion::common::TableReference;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlanBuilder;
use futures_util::TryStreamExt;

use crate::change::target::Relation;
use crate::error::SqlError;
use crate::front;
use crate::run::query::Names;
use crate::run::{Rows, Run, rows_from};

/// What the property of a constraint begins with.
pub(crate) const PREFIX: &str = "delta.constraints.";

/// The constraints of a table: their names, and their conditions.
pub(crate) fn of(object: &Object) -> impl Iterator<Item = (&str, &str)> {
    let named = |(key, condition)| Some((str::strip_prefix(key, PREFIX)?, condition));
    object.properties.iter().map(|(key, value)| (key.as_str(), value.as_str())).filter_map(named)
}

impl Run<'_> {
    /// Rows on their way into a table, if they fulfil its constraints.
    pub(super) async fn checked(
        &self,
        object: &Object,
        columns: &[Column],
        (schema, rows): Rows,
    ) -> Result<Rows, SqlError> {
        if of(object).next().is_none() {
            return Ok((schema, rows));
        }
        let batches: Vec<RecordBatch> = rows.try_collect().await?;
        let batch = compute::concat_batches(&schema, &batches).map_err(DataFusionError::from)?;
        self.hold(object, columns, &batch).await?;
        Ok(rows_from(schema, vec![batch]))
    }

    /// Refuses rows of these columns that do not fulfil the table's constraints.
    pub(crate) async fn hold(
        &self,
        object: &Object,
        columns: &[Column],
        batch: &RecordBatch,
    ) -> Result<(), SqlError> {
        for (name, condition) in of(object) {
            self.holds(object, columns, batch, name, condition).await?;
        }
        Ok(())
    }

    /// One constraint. What the values are is not said.
    pub(crate) async fn holds(
        &self,
        object: &Object,
        columns: &[Column],
        batch: &RecordBatch,
        name: &str,
        condition: &str,
    ) -> Result<(), SqlError> {
        let qualifier = Some(TableReference::bare(object.name.to_lowercase()));
        let fields = columns.iter().map(|column| (qualifier.clone(), column.name.to_lowercase())).collect();
        let rows = Relation { batch: batch.clone(), fields }.plan()?;
        let holds = self.over_with(Names::Kept, &front::parse_expression(condition)?, rows.schema()).await?;
        let broken =
            LogicalPlanBuilder::from(rows).filter(holds.is_not_true())?.limit(0, Some(1))?.build()?;
        if self.collected(broken).await?.num_rows() == 0 {
            return Ok(());
        }
        let message = format!("CHECK constraint {name} ({condition}) violated by a row.");
        Err(SqlError::condition("DELTA_VIOLATE_CONSTRAINT_WITH_VALUES", "23001", message))
    }
}
