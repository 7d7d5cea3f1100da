//! `UPDATE` and `DELETE`.

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute;
use datafusion::common::Column as PlanColumn;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast;

use crate::change::counts;
use crate::change::target::{ROW, Target, all_but, patched, places};
use crate::error::SqlError;
use crate::run::{Rows, Run};
use crate::statement::NameOrMarker;

impl Run<'_> {
    pub(crate) async fn update(
        &self,
        table: &NameOrMarker,
        alias: Option<&str>,
        set: &[(Vec<String>, ast::Expr)],
        filter: Option<&ast::Expr>,
    ) -> Result<Rows, SqlError> {
        let (object, Some(permit)) = self.changed_table(table, true)? else {
            return Err(SqlError::unsupported("UPDATE without reading"));
        };
        let _writer = self.sql.writers.only(object.id).await;
        let object = self.again(&object)?;
        let target = self.target_rows(&permit, &object, alias).await?;
        let plan = self.chosen(&target, filter).await?;
        let qualifier = target.shown.fields.first().and_then(|(qualifier, _)| qualifier.clone());
        let assigned =
            self.assignments(set, &target.columns, qualifier.as_ref(), plan.schema(), false).await?;
        let mut wanted = vec![Expr::Column(PlanColumn::new(qualifier, ROW)).alias("row")];
        wanted.extend(
            assigned.iter().enumerate().map(|(at, (_, value))| value.clone().alias(format!("v{at}"))),
        );
        let plan = LogicalPlanBuilder::from(plan).project(wanted)?.build()?;
        let found = self.collected(plan).await?;
        let rows = places(found.columns().first())?;
        if !rows.is_empty() {
            let values = assigned.iter().zip(found.columns().iter().skip(1));
            let values: Vec<_> = values.map(|((at, _), column)| (*at, column.clone())).collect();
            let seen = patched(&target.seen, &rows, &values)?;
            self.write_back(&object, &target.columns, vec![target.hidden.clone(), seen], Vec::new()).await?;
        }
        counts(&[("num_affected_rows", rows.len() as u64)])
    }

    pub(crate) async fn delete(
        &self,
        table: &NameOrMarker,
        alias: Option<&str>,
        filter: Option<&ast::Expr>,
    ) -> Result<Rows, SqlError> {
        let (object, Some(permit)) = self.changed_table(table, true)? else {
            return Err(SqlError::unsupported("DELETE without reading"));
        };
        let _writer = self.sql.writers.only(object.id).await;
        let object = self.again(&object)?;
        let target = self.target_rows(&permit, &object, alias).await?;
        let rows = self.chosen_rows(&target, filter).await?;
        if !rows.is_empty() {
            let keep = all_but(target.seen.num_rows(), &rows);
            let left: RecordBatch =
                compute::filter_record_batch(&target.seen, &keep).map_err(DataFusionError::from)?;
            self.write_back(&object, &target.columns, vec![target.hidden.clone(), left], Vec::new()).await?;
        }
        counts(&[("num_affected_rows", rows.len() as u64)])
    }

    /// The places of the rows that the statement means.
    pub(super) async fn chosen_rows(
        &self,
        target: &Target,
        filter: Option<&ast::Expr>,
    ) -> Result<Vec<usize>, SqlError> {
        let plan = self.chosen(target, filter).await?;
        let qualifier = target.shown.fields.first().and_then(|(qualifier, _)| qualifier.clone());
        let row = Expr::Column(PlanColumn::new(qualifier, ROW)).alias("row");
        let found = self.collected(LogicalPlanBuilder::from(plan).project(vec![row])?.build()?).await?;
        places(found.columns().first())
    }

    /// The rows that the statement means.
    async fn chosen(&self, target: &Target, filter: Option<&ast::Expr>) -> Result<LogicalPlan, SqlError> {
        let plan = target.shown.plan()?;
        let Some(filter) = filter else { return Ok(plan) };
        let condition = self.over(filter, plan.schema()).await?;
        Ok(LogicalPlanBuilder::from(plan).filter(condition)?.build()?)
    }
}
