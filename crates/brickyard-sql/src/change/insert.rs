//! `INSERT` and `TRUNCATE`.

use std::sync::Arc;

use brickyard_catalog::Permit;
use brickyard_catalog::unity::{Column, Object, SelectTable};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute;
use datafusion::common::{Column as PlanColumn, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, lit};
use datafusion::sql::sqlparser::ast;
use futures_util::TryStreamExt;

use crate::arrow_types::to_arrow;
use crate::change::identity::{self, defaults_of_identity};
use crate::change::target::{Relation, all_but, is_default};
use crate::change::{assigned, counts};
use crate::definition::columns::position;
use crate::delta;
use crate::error::SqlError;
use crate::front;
use crate::run::{Rows, Run, rows_from};
use crate::statement::{Insert, NameOrMarker};

/// `DEFAULT` among the `VALUES` of an `INSERT` is what the column's default says.
fn written_defaults(
    source: &mut ast::Query,
    columns: &[Column],
    listed: &[String],
    by_name: bool,
) -> Result<(), SqlError> {
    let ast::SetExpr::Values(values) = &mut *source.body else { return Ok(()) };
    for row in &mut values.rows {
        for (at, value) in row.iter_mut().enumerate().filter(|(_, value)| is_default(value)) {
            if by_name {
                return Err(SqlError::unsupported("DEFAULT in an INSERT BY NAME"));
            }
            let at = match listed.get(at) {
                Some(name) => position(columns, name)?,
                None => at,
            };
            let default = columns.get(at).and_then(|column| column.default.as_deref());
            *value = match default {
                Some(text) => front::parse_expression(text)?,
                None => ast::Expr::Value(ast::Value::Null.into()),
            };
        }
    }
    Ok(())
}

impl Run<'_> {
    pub(crate) async fn insert(&self, insert: Insert) -> Result<Rows, SqlError> {
        let (object, read) = self.changed_table(&insert.table, insert.replaced.is_some())?;
        let columns = object.table().map(|table| table.columns.clone()).unwrap_or_default();
        if insert.overwrite && object.table().is_some_and(|table| table.row_filter.is_some()) {
            return Err(SqlError::unsupported("INSERT OVERWRITE of a table with a row filter"));
        }
        let mut source = insert.source;
        let counts_itself = defaults_of_identity(&mut source, &columns, &insert.columns)?;
        written_defaults(&mut source, &columns, &insert.columns, insert.by_name)?;
        let plan = self.plan_query(&source).await?;
        let (plan, generated) =
            self.inserted(plan, &columns, &insert.columns, insert.by_name, &counts_itself).await?;
        // Rows come from before this commit, also those of the table itself: files are never changed, only added.
        let rows = self.rows_of(plan).await?;
        let _writer = self.sql.writers.only(object.id).await;
        let now = self.again(&object)?;
        if now.table().map(|table| &table.columns) != Some(&columns) {
            let message = format!("The columns of {} were changed meanwhile: try again.", object.full_name);
            return Err(SqlError::condition("DELTA_METADATA_CHANGED", "2D521", message));
        }
        let (rows, marks) = if generated.is_empty() {
            (rows, Vec::new())
        } else {
            let (schema, rows) = rows;
            let rows: Vec<RecordBatch> = rows.try_collect().await?;
            let (rows, marks) = self.counted(&now, &columns, &generated, rows).await?;
            (rows_from(rows.first().map_or(schema, RecordBatch::schema), rows), marks)
        };
        let rows = self.checked(&now, &columns, rows).await?;
        if let (Some(which), Some(permit)) = (&insert.replaced, read) {
            return self.replace_where(&permit, &now, which, rows, marks).await;
        }
        let how = if insert.overwrite { delta::Write::Overwrite } else { delta::Write::Append };
        let written = delta::write_with(self.sql, &object.uid, &columns, rows, how, marks).await?;
        counts(&[("num_affected_rows", written), ("num_inserted_rows", written)])
    }

    pub(crate) async fn truncate(&self, name: &NameOrMarker) -> Result<Rows, SqlError> {
        let (object, _) = self.changed_table(name, false)?;
        let _writer = self.sql.writers.only(object.id).await;
        let object = self.again(&object)?;
        let Some(table) = object.table() else {
            return Err(SqlError::unsupported("TRUNCATE of what is no table"));
        };
        if table.row_filter.is_some() {
            return Err(SqlError::unsupported("TRUNCATE of a table with a row filter: use DELETE"));
        }
        let none = crate::definition::no_rows_of(&table.columns);
        delta::write(self.sql, &object.uid, &table.columns, none, delta::Write::Overwrite).await?;
        Ok(crate::run::no_rows())
    }

    /// A query's rows as rows of the table: in order, by the names that the statement lists, or by the query's names.
    pub(super) async fn inserted(
        &self,
        plan: LogicalPlan,
        columns: &[Column],
        listed: &[String],
        by_name: bool,
        counts_itself: &[usize],
    ) -> Result<(LogicalPlan, Vec<usize>), SqlError> {
        let found: Vec<PlanColumn> = plan.schema().columns();
        let places: Vec<usize> = if by_name {
            found.iter().map(|column| position(columns, &column.name)).collect::<Result<_, _>>()?
        } else if listed.is_empty() {
            (0..columns.len()).collect()
        } else {
            listed.iter().map(|name| position(columns, name)).collect::<Result<_, _>>()?
        };
        for (at, place) in places.iter().enumerate() {
            if places[..at].contains(place) {
                let message = format!("The column `{}` stands there twice.", columns[*place].name);
                return Err(SqlError::condition("COLUMN_ALREADY_EXISTS", "42711", message));
            }
        }
        if places.len() != found.len() {
            let (condition, what) = if found.len() > places.len() {
                ("INSERT_COLUMN_ARITY_MISMATCH.TOO_MANY_DATA_COLUMNS", "too many")
            } else {
                ("INSERT_COLUMN_ARITY_MISMATCH.NOT_ENOUGH_DATA_COLUMNS", "not enough")
            };
            let message = format!(
                "Cannot write: {what} data columns, {} are needed and {} are given.",
                places.len(),
                found.len()
            );
            return Err(SqlError::condition(condition, "21S01", message));
        }
        let given: Vec<usize> = places.iter().copied().filter(|at| !counts_itself.contains(at)).collect();
        let generated = identity::generated(columns, &given)?;
        let mut shown = Vec::with_capacity(columns.len());
        for (at, column) in columns.iter().enumerate() {
            let value = match places.iter().position(|place| *place == at) {
                Some(source) => {
                    let from = plan.schema().field(source).data_type().clone();
                    assigned(Expr::Column(found[source].clone()), &from, column)?
                }
                None => self.default_of(column).await?,
            };
            shown.push(value.alias(&column.name));
        }
        Ok((LogicalPlanBuilder::from(plan).project(shown)?.build()?, generated))
    }

    /// `INSERT INTO t REPLACE WHERE ..`: rows that the speaker sees and that the condition holds for go, others come.
    async fn replace_where(
        &self,
        permit: &Permit<SelectTable>,
        object: &Arc<Object>,
        which: &ast::Expr,
        rows: Rows,
        marks: Vec<delta::Mark>,
    ) -> Result<Rows, SqlError> {
        let target = self.target_rows(permit, object, None).await?;
        let gone = self.chosen_rows(&target, Some(which)).await?;
        let keep = all_but(target.seen.num_rows(), &gone);
        let left = compute::filter_record_batch(&target.seen, &keep).map_err(DataFusionError::from)?;
        let (schema, rows) = rows;
        let new: Vec<RecordBatch> = rows.try_collect().await?;
        let new = compute::concat_batches(&schema, &new).map_err(DataFusionError::from)?;
        // What is written must be what the condition says: else a second run would not replace it.
        let qualifier = target.shown.fields.first().and_then(|(qualifier, _)| qualifier.clone());
        let fields =
            target.columns.iter().map(|column| (qualifier.clone(), column.name.to_lowercase())).collect();
        let written = Relation { batch: new.clone(), fields }.plan()?;
        let condition = self.over(which, written.schema()).await?;
        let stays = LogicalPlanBuilder::from(written).filter(condition.is_not_true())?.build()?;
        if self.collected(stays).await?.num_rows() > 0 {
            let message = "Written data does not conform to the condition of REPLACE WHERE.";
            return Err(SqlError::condition("DELTA_REPLACE_WHERE_MISMATCH", "44000", message));
        }
        let inserted = new.num_rows() as u64;
        self.write_back(object, &target.columns, vec![target.hidden.clone(), left, new], marks).await?;
        counts(&[("num_affected_rows", inserted + gone.len() as u64), ("num_inserted_rows", inserted)])
    }

    /// What a column holds that no statement gives a value.
    pub(super) async fn default_of(&self, column: &Column) -> Result<Expr, SqlError> {
        match &column.default {
            Some(text) => self.default_value(&front::parse_expression(text)?, &column.data_type).await,
            None => Ok(cast(lit(ScalarValue::Null), to_arrow(&column.data_type))),
        }
    }
}
