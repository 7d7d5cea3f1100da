//! The table that a statement changes, in memory: what the speaker sees, what is really there, and what is hidden.
//!
//! Every expression of the statement runs over what came out of here, once. It meets no hidden row and no value behind
//! a mask, and a condition that is different each time it is asked cannot lose or double a row.

use std::sync::Arc;

use brickyard_catalog::unity::{Column, Object, RowFilter, SelectTable};
use brickyard_catalog::{Check, Permit};
use datafusion::arrow::array::{
    ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions,
};
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::{Field, Int64Type, Schema};
use datafusion::common::{Column as PlanColumn, DFSchema, TableReference};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast};
use datafusion::sql::sqlparser::ast;

use crate::arrow_types::to_arrow;
use crate::change::assigned;
use crate::definition::columns::position;
use crate::delta;
use crate::error::SqlError;
use crate::run::query::{Names, Scope};
use crate::run::{Run, rows_from};

/// The place of a row of the target in [`Target::seen`].
pub(super) const ROW: &str = "__brickyard_row";

/// Rows in memory, whose columns have the names and qualifiers that a statement knows them by.
pub(super) struct Relation {
    pub batch: RecordBatch,
    pub fields: Vec<(Option<TableReference>, String)>,
}

/// The table.
pub(super) struct Target {
    pub columns: Vec<Column>,
    /// Rows that the row filter hides: they stay.
    pub hidden: RecordBatch,
    /// The other rows as they really are.
    pub seen: RecordBatch,
    /// The same rows as the speaker sees them, with their place in the column [`ROW`].
    pub shown: Relation,
    _memory: MemoryReservation,
}

impl Relation {
    /// A plan that reads them.
    pub(super) fn plan(&self) -> Result<LogicalPlan, SqlError> {
        let kinds = self.batch.schema();
        let fields = kinds
            .fields()
            .iter()
            .enumerate()
            .map(|(at, field)| Field::new(format!("c{at}"), field.data_type().clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let batch = with_schema(&schema, &self.batch)?;
        let table = Arc::new(MemTable::try_new(schema, vec![vec![batch]])?);
        let shown = self.fields.iter().enumerate().map(|(at, (qualifier, name))| {
            Expr::Column(PlanColumn::new_unqualified(format!("c{at}")))
                .alias_qualified(qualifier.clone(), name.clone())
        });
        let scan = LogicalPlanBuilder::scan("__rows", provider_as_source(table), None)?;
        Ok(scan.project(shown.collect::<Vec<_>>())?.build()?)
    }

    /// Those rows only.
    pub(super) fn only(&self, keep: &BooleanArray) -> Result<Self, SqlError> {
        let batch = compute::filter_record_batch(&self.batch, keep).map_err(DataFusionError::from)?;
        Ok(Self { batch, fields: self.fields.clone() })
    }

    /// A column of places, by its name.
    pub(super) fn places(&self, name: &str) -> Result<Vec<usize>, SqlError> {
        let at = self.fields.iter().position(|(_, field)| field == name);
        places(at.map(|at| self.batch.column(at)))
    }
}

/// What a column of places says.
pub(super) fn places(column: Option<&ArrayRef>) -> Result<Vec<usize>, SqlError> {
    let numbers = column.and_then(|column| column.as_primitive_opt::<Int64Type>());
    let Some(numbers) = numbers else { return Err(lost()) };
    numbers.values().iter().map(|number| usize::try_from(*number).map_err(|_| lost())).collect()
}

fn lost() -> SqlError {
    SqlError::condition("INTERNAL_ERROR", "XX000", "The places of rows got lost.")
}

/// A batch's columns under another schema, whose types are the same.
pub(super) fn with_schema(schema: &Arc<Schema>, batch: &RecordBatch) -> Result<RecordBatch, SqlError> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let columns = batch.columns().to_vec();
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(DataFusionError::from)?)
}

/// Numbers each row.
pub(super) fn numbered(rows: usize) -> ArrayRef {
    Arc::new((0..rows).map(|row| i64::try_from(row).unwrap_or(i64::MAX)).collect::<Int64Array>())
}

impl Run<'_> {
    /// All rows of a plan as one batch. Columns may be NULL, whatever the plan says.
    pub(super) async fn collected(&self, plan: LogicalPlan) -> Result<RecordBatch, SqlError> {
        let (schema, batches) = self.collect(plan).await?;
        let batch = compute::concat_batches(&schema, &batches).map_err(DataFusionError::from)?;
        let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
        with_schema(&Arc::new(Schema::new(fields.collect::<Vec<_>>())), &batch)
    }

    /// The rows of a plan with policies in it, whose errors may speak of hidden values.
    async fn policed(&self, object: &Object, plan: LogicalPlan) -> Result<RecordBatch, SqlError> {
        let rows = self.collected(plan).await;
        rows.map_err(|error| match error {
            SqlError::Engine(error) if crate::barrier::of_a_value(&error) => {
                crate::barrier::failed(&object.full_name).into()
            }
            other => other,
        })
    }

    pub(super) async fn target_rows(
        &self,
        permit: &Permit<SelectTable>,
        object: &Arc<Object>,
        alias: Option<&str>,
    ) -> Result<Target, SqlError> {
        let Some(table) = object.table() else {
            return Err(SqlError::unsupported("changing what is no table"));
        };
        let (asker, current) = (self.session.speaker().asker(), self.current());
        let scope = Scope { asker: &asker, current: &current, depth: 0, names: Names::Session };
        let columns = table.columns.clone();
        let provider = self.raw(object).await?;
        let scan = LogicalPlanBuilder::scan("__files", provider_as_source(provider), None)?.build()?;
        let found = scan.schema().columns();
        let lower = found.into_iter().map(|one| {
            let name = one.name.to_lowercase();
            Expr::Column(one).alias(name)
        });
        let plan = LogicalPlanBuilder::from(scan).project(lower.collect::<Vec<_>>())?.build()?;
        let mut checks = Vec::new();
        let all = self.collected(plan).await?;
        let consumer = MemoryConsumer::new(format!("change of {}", object.full_name));
        let memory = consumer.register(&self.sql.base.runtime_env().memory_pool);
        memory.try_grow(all.get_array_memory_size().saturating_mul(2))?;
        let fields =
            columns.iter().map(|one| Field::new(one.name.to_lowercase(), to_arrow(&one.data_type), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let real = with_schema(&schema, &all)?;
        let (seen, hidden) = match &table.row_filter {
            None => (real, RecordBatch::new_empty(Arc::clone(&schema))),
            Some(filter) => {
                checks.push(Check::RowFilter {
                    table: object.reference(),
                    function: Arc::clone(&filter.function_name),
                });
                let hidden = all_but(real.num_rows(), &self.let_through(scope, object, filter, &real).await?);
                let seen = compute::not(&hidden).map_err(DataFusionError::from)?;
                let split = |keep: &BooleanArray| compute::filter_record_batch(&real, keep);
                (split(&seen).map_err(DataFusionError::from)?, split(&hidden).map_err(DataFusionError::from)?)
            }
        };
        let qualifier = TableReference::bare(alias.unwrap_or(&object.name).to_lowercase());
        let shown = self.shown_rows(scope, object, &columns, &seen, &qualifier, &mut checks).await?;
        if !checks.is_empty() {
            self.record(permit.trace().clone().with_policies(checks));
        }
        Ok(Target { columns, hidden, seen, shown, _memory: memory })
    }

    /// The places of the rows that the filter lets through. As a filter of a plan, because only there a lookup in
    /// another table (`EXISTS`) can stand.
    async fn let_through(
        &self,
        scope: Scope<'_>,
        object: &Object,
        filter: &RowFilter,
        real: &RecordBatch,
    ) -> Result<Vec<usize>, SqlError> {
        let qualifier = Some(TableReference::bare("__row"));
        let mut kinds: Vec<_> = real.schema().fields().iter().cloned().collect();
        let mut fields: Vec<_> = kinds.iter().map(|kind| (qualifier.clone(), kind.name().clone())).collect();
        let mut arrays = real.columns().to_vec();
        arrays.push(numbered(real.num_rows()));
        kinds.push(Arc::new(Field::new(ROW, datafusion::arrow::datatypes::DataType::Int64, true)));
        fields.push((qualifier.clone(), ROW.to_owned()));
        let batch =
            RecordBatch::try_new(Arc::new(Schema::new(kinds)), arrays).map_err(DataFusionError::from)?;
        let plan = Relation { batch, fields }.plan()?;
        let keep = self.filter_expression(scope, object, filter, plan.schema()).await?;
        let place = Expr::Column(PlanColumn::new(qualifier, ROW));
        let plan = LogicalPlanBuilder::from(plan).filter(keep)?.project([place])?.build()?;
        let found = self.policed(object, plan).await?;
        places(found.columns().first())
    }

    /// Rows with their masks on, and their places.
    async fn shown_rows(
        &self,
        scope: Scope<'_>,
        object: &Arc<Object>,
        columns: &[Column],
        seen: &RecordBatch,
        qualifier: &TableReference,
        checks: &mut Vec<Check>,
    ) -> Result<Relation, SqlError> {
        let mut fields: Vec<_> =
            columns.iter().map(|column| (Some(qualifier.clone()), column.name.to_lowercase())).collect();
        let masked = if columns.iter().all(|column| column.mask.is_none()) {
            seen.clone()
        } else {
            let bare = fields.iter().map(|(_, name)| (None, name.clone())).collect();
            let plan = Relation { batch: seen.clone(), fields: bare }.plan()?;
            let mut shown = Vec::with_capacity(columns.len());
            for column in columns {
                let lower = column.name.to_lowercase();
                shown.push(match &column.mask {
                    None => Expr::Column(PlanColumn::new_unqualified(lower)),
                    Some(mask) => {
                        checks.push(Check::ColumnMask {
                            table: object.reference(),
                            column: column.name.as_str().into(),
                            function: Arc::clone(&mask.function_name),
                        });
                        let value = self.mask_expression(scope, object, &lower, mask, plan.schema()).await?;
                        cast(value, to_arrow(&column.data_type)).alias(lower)
                    }
                });
            }
            self.policed(object, LogicalPlanBuilder::from(plan).project(shown)?.build()?).await?
        };
        let mut arrays = masked.columns().to_vec();
        arrays.push(numbered(masked.num_rows()));
        let mut kinds: Vec<_> = masked.schema().fields().iter().cloned().collect();
        kinds.push(Arc::new(Field::new(ROW, datafusion::arrow::datatypes::DataType::Int64, true)));
        fields.push((Some(qualifier.clone()), ROW.to_owned()));
        let batch =
            RecordBatch::try_new(Arc::new(Schema::new(kinds)), arrays).map_err(DataFusionError::from)?;
        Ok(Relation { batch, fields })
    }

    /// An expression of the statement over some rows.
    pub(super) async fn over(
        &self,
        expression: &ast::Expr,
        schema: &Arc<DFSchema>,
    ) -> Result<Expr, SqlError> {
        self.over_with(Names::Session, expression, schema).await
    }

    /// As [`over`](Self::over), where the expression may be another's: a table's own conditions know no session.
    pub(super) async fn over_with(
        &self,
        names: Names<'_>,
        expression: &ast::Expr,
        schema: &Arc<DFSchema>,
    ) -> Result<Expr, SqlError> {
        let (asker, current) = (self.session.speaker().asker(), self.current());
        let scope = Scope { asker: &asker, current: &current, depth: 0, names };
        self.plan_scope_expression(scope, expression, schema).await
    }

    /// `SET column = value`: places of columns, and their new values.
    pub(super) async fn assignments(
        &self,
        set: &[(Vec<String>, ast::Expr)],
        columns: &[Column],
        qualifier: Option<&TableReference>,
        schema: &Arc<DFSchema>,
        inserts: bool,
    ) -> Result<Vec<(usize, Expr)>, SqlError> {
        use datafusion::logical_expr::ExprSchemable;
        let mut found: Vec<(usize, Expr)> = Vec::with_capacity(set.len());
        for (name, value) in set {
            let column = match name.as_slice() {
                [column] => column,
                [table, column] if qualifier.is_some_and(|one| one.table().eq_ignore_ascii_case(table)) => {
                    column
                }
                _ => return Err(SqlError::unsupported(format_args!("an assignment to {}", name.join(".")))),
            };
            let at = position(columns, column)?;
            if columns[at].identity.is_some() && !inserts {
                return Err(super::identity::changed(&columns[at]));
            }
            if found.iter().any(|(other, _)| *other == at) {
                let message = format!("The column `{column}` is assigned twice.");
                return Err(SqlError::condition("CONFLICTING_ASSIGNMENTS", "42701", message));
            }
            let value = if is_default(value) && columns[at].identity.is_some() {
                continue;
            } else if is_default(value) {
                self.default_of(&columns[at]).await?
            } else {
                let value = self.over(value, schema).await?;
                let from = value.get_type(schema)?;
                assigned(value, &from, &columns[at])?
            };
            found.push((at, value));
        }
        Ok(found)
    }

    /// The table's rows are these from now on.
    pub(super) async fn write_back(
        &self,
        object: &Object,
        columns: &[Column],
        batches: Vec<RecordBatch>,
        marks: Vec<delta::Mark>,
    ) -> Result<(), SqlError> {
        let fields = columns.iter().map(|one| Field::new(&one.name, to_arrow(&one.data_type), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let batches =
            batches.iter().map(|batch| with_schema(&schema, batch)).collect::<Result<Vec<_>, _>>()?;
        for batch in &batches {
            self.hold(object, columns, batch).await?;
        }
        let rows = rows_from(schema, batches);
        delta::write_with(self.sql, &object.uid, columns, rows, delta::Write::Overwrite, marks).await?;
        Ok(())
    }
}

/// The word `DEFAULT` in a value's place.
pub(super) fn is_default(value: &ast::Expr) -> bool {
    matches!(value, ast::Expr::Identifier(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("default"))
}

/// Rows in which some columns of some rows have new values: row `rows[n]` takes the `n`th new value.
pub(super) fn patched(
    seen: &RecordBatch,
    rows: &[usize],
    values: &[(usize, ArrayRef)],
) -> Result<RecordBatch, SqlError> {
    let total = seen.num_rows();
    let mut columns = seen.columns().to_vec();
    let mut from: Vec<i64> = (0..total).map(|row| i64::try_from(row).unwrap_or(i64::MAX)).collect();
    for (at, row) in rows.iter().enumerate() {
        if let Some(place) = from.get_mut(*row) {
            *place = i64::try_from(total + at).unwrap_or(i64::MAX);
        }
    }
    let from = Int64Array::from(from);
    for (at, new) in values {
        let Some(old) = columns.get(*at) else { return Err(lost()) };
        let both = compute::concat(&[old.as_ref(), new.as_ref()]).map_err(DataFusionError::from)?;
        columns[*at] = compute::take(&both, &from, None).map_err(DataFusionError::from)?;
    }
    Ok(RecordBatch::try_new(seen.schema(), columns).map_err(DataFusionError::from)?)
}

/// True for each of `total` rows that is not in the list.
pub(super) fn all_but(total: usize, rows: &[usize]) -> BooleanArray {
    let mut keep = vec![true; total];
    for row in rows {
        if let Some(place) = keep.get_mut(*row) {
            *place = false;
        }
    }
    BooleanArray::from(keep)
}
