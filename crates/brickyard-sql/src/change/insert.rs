//! `INSERT` and `TRUNCATE`.

use brickyard_catalog::unity::Column;
use datafusion::common::{Column as PlanColumn, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, lit};

use crate::arrow_types::to_arrow;
use crate::change::{assigned, counts};
use crate::definition::columns::position;
use crate::delta;
use crate::error::SqlError;
use crate::front;
use crate::run::{Rows, Run};
use crate::statement::{Insert, NameOrMarker};

impl Run<'_> {
    pub(crate) async fn insert(&self, insert: Insert) -> Result<Rows, SqlError> {
        let (object, _) = self.changed_table(&insert.table, false)?;
        let columns = object.table().map(|table| table.columns.clone()).unwrap_or_default();
        if insert.overwrite && object.table().is_some_and(|table| table.row_filter.is_some()) {
            return Err(SqlError::unsupported("INSERT OVERWRITE of a table with a row filter"));
        }
        let plan = self.plan_query(&insert.source).await?;
        let plan = self.inserted(plan, &columns, &insert.columns, insert.by_name).await?;
        // Rows come from before this commit, also those of the table itself: files are never changed, only added.
        let rows = self.rows_of(plan).await?;
        let _writer = self.sql.writers.only(object.id).await;
        let now = self.again(&object)?;
        if now.table().map(|table| &table.columns) != Some(&columns) {
            let message = format!("The columns of {} were changed meanwhile: try again.", object.full_name);
            return Err(SqlError::condition("DELTA_METADATA_CHANGED", "2D521", message));
        }
        let how = if insert.overwrite { delta::Write::Overwrite } else { delta::Write::Append };
        let written = delta::write(self.sql, &object.uid, &columns, rows, how).await?;
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
    async fn inserted(
        &self,
        plan: LogicalPlan,
        columns: &[Column],
        listed: &[String],
        by_name: bool,
    ) -> Result<LogicalPlan, SqlError> {
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
        Ok(LogicalPlanBuilder::from(plan).project(shown)?.build()?)
    }

    /// What a column holds that no statement gives a value.
    pub(super) async fn default_of(&self, column: &Column) -> Result<Expr, SqlError> {
        match &column.default {
            Some(text) => self.default_value(&front::parse_expression(text)?, &column.data_type).await,
            None => Ok(cast(lit(ScalarValue::Null), to_arrow(&column.data_type))),
        }
    }
}
