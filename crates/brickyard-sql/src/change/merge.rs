//! `MERGE`: pairs of target and source rows are found once, then each takes the first clause that applies.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::common::{Column as PlanColumn, TableReference};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, lit};
use datafusion::sql::sqlparser::ast;

use brickyard_catalog::unity::Column;

use crate::arrow_types::to_arrow;
use crate::change::target::{ROW, Relation, Target, all_but, numbered, patched, places};
use crate::change::{counts, identity};
use crate::definition::columns::{columns_of_plan, position};
use crate::error::SqlError;
use crate::front;
use crate::run::{Rows, Run};
use crate::statement::{Merge, MergeClause, MergeThen, MergeWhen};

/// The place of a row of the source.
const SOURCE: &str = "__brickyard_source";

/// What happens to the target.
#[derive(Default)]
struct Outcome {
    deleted: Vec<usize>,
    updated: u64,
    inserted: Vec<RecordBatch>,
    /// The columns that each of these was given.
    given: Vec<Vec<usize>>,
}

impl Outcome {
    /// The columns that count the inserted rows. Clauses that give them to some rows and not to others would count by
    /// the way.
    fn generated(&self, columns: &[Column]) -> Result<Vec<usize>, SqlError> {
        let mut given = self.given.iter().map(|given| identity::generated(columns, given));
        let Some(first) = given.next().transpose()? else { return Ok(Vec::new()) };
        for other in given {
            if other? != first {
                return Err(SqlError::unsupported(
                    "a MERGE of which one INSERT gives an IDENTITY column and another one does not",
                ));
            }
        }
        Ok(first)
    }
}

impl Run<'_> {
    pub(crate) async fn merge(&self, merge: Merge) -> Result<Rows, SqlError> {
        let (object, Some(permit)) = self.changed_table(&merge.target, true)? else {
            return Err(SqlError::unsupported("MERGE without reading"));
        };
        let _writer = self.sql.writers.only(object.id).await;
        let object = self.again(&object)?;
        let mut target = self.target_rows(&permit, &object, merge.alias.as_deref()).await?;
        let source = self.source_rows(&merge.source).await?;
        let pairs = LogicalPlanBuilder::from(target.shown.plan()?).cross_join(source.plan()?)?.build()?;
        let condition = self.over(&merge.condition, pairs.schema()).await?;
        let pairs = self.collected(LogicalPlanBuilder::from(pairs).filter(condition)?.build()?).await?;
        let fields = target.shown.fields.iter().chain(&source.fields).cloned().collect();
        let pairs = Relation { batch: pairs, fields };
        let (matched_rows, matched_sources) = (pairs.places(ROW)?, pairs.places(SOURCE)?);
        let unmatched_source = source.only(&all_but(source.batch.num_rows(), &matched_sources))?;
        let unmatched_target = target.shown.only(&all_but(target.seen.num_rows(), &matched_rows))?;
        let mut outcome = Outcome::default();
        let chosen = [
            (MergeWhen::Matched, pairs),
            (MergeWhen::NotMatchedBySource, unmatched_target),
            (MergeWhen::NotMatched, unmatched_source),
        ];
        for (when, rows) in chosen {
            let clauses: Vec<&MergeClause> =
                merge.clauses.iter().filter(|clause| clause.when == when).collect();
            if clauses.is_empty() {
                continue;
            }
            let picked = self.first_clauses(&rows, &clauses).await?;
            if when == MergeWhen::Matched {
                only_one_each(&rows, &picked, &clauses)?;
            }
            for (at, clause) in clauses.iter().enumerate() {
                let keep: BooleanArray = picked.iter().map(|clause| Some(*clause == Some(at))).collect();
                let rows = rows.only(&keep)?;
                if rows.batch.num_rows() > 0 {
                    self.apply_clause(clause, &rows, &source, &mut target, &mut outcome).await?;
                }
            }
        }
        outcome.deleted.sort_unstable();
        outcome.deleted.dedup();
        let inserted: usize = outcome.inserted.iter().map(RecordBatch::num_rows).sum();
        let (updated, deleted, inserted) = (outcome.updated, outcome.deleted.len() as u64, inserted as u64);
        let affected = updated + deleted + inserted;
        if affected > 0 {
            let keep = all_but(target.seen.num_rows(), &outcome.deleted);
            let left = compute::filter_record_batch(&target.seen, &keep).map_err(DataFusionError::from)?;
            let mut batches = vec![target.hidden.clone(), left];
            let generated = outcome.generated(&target.columns)?;
            let (new, marks) = self.counted(&object, &target.columns, &generated, outcome.inserted).await?;
            batches.extend(new);
            self.write_back(&object, &target.columns, batches, marks).await?;
        }
        counts(&[
            ("num_affected_rows", affected),
            ("num_updated_rows", updated),
            ("num_deleted_rows", deleted),
            ("num_inserted_rows", inserted),
        ])
    }

    /// The source, read once.
    async fn source_rows(&self, factor: &ast::TableFactor) -> Result<Relation, SqlError> {
        let mut query = front::parse_query("SELECT * FROM x")?;
        let (mut name, mut alias) = (None, None);
        match factor {
            ast::TableFactor::Table { name: table, alias: given, .. } => {
                name = table.0.last().map(|part| part.to_string().trim_matches('`').to_lowercase());
                alias = given.as_ref();
            }
            ast::TableFactor::Derived { alias: given, .. } => alias = given.as_ref(),
            _ => {}
        }
        let name = alias.map(|alias| alias.name.value.to_lowercase()).or(name);
        if let ast::SetExpr::Select(select) = query.body.as_mut()
            && let Some(from) = select.from.first_mut()
        {
            from.relation = factor.clone();
        }
        let plan = self.plan_query(&query).await?;
        let columns = columns_of_plan(&plan)?;
        let batch = self.collected(plan).await?;
        let qualifier = name.map(TableReference::bare);
        let mut fields: Vec<_> =
            columns.iter().map(|column| (qualifier.clone(), column.name.to_lowercase())).collect();
        fields.push((qualifier, SOURCE.to_owned()));
        let mut kinds: Vec<_> = batch.schema().fields().iter().cloned().collect();
        kinds.push(Arc::new(Field::new(SOURCE, DataType::Int64, true)));
        let mut arrays = batch.columns().to_vec();
        arrays.push(numbered(batch.num_rows()));
        let batch =
            RecordBatch::try_new(Arc::new(Schema::new(kinds)), arrays).map_err(DataFusionError::from)?;
        Ok(Relation { batch, fields })
    }

    /// For each row, the first clause whose condition is true.
    async fn first_clauses(
        &self,
        rows: &Relation,
        clauses: &[&MergeClause],
    ) -> Result<Vec<Option<usize>>, SqlError> {
        let plan = rows.plan()?;
        let mut cases = Vec::with_capacity(clauses.len());
        for (at, clause) in clauses.iter().enumerate() {
            let condition = match &clause.condition {
                Some(condition) => self.over(condition, plan.schema()).await?,
                None => lit(true),
            };
            cases.push((Box::new(condition), Box::new(lit(i64::try_from(at).unwrap_or(i64::MAX)))));
        }
        let picked = Expr::Case(Case::new(None, cases, None)).alias("clause");
        let found = self.collected(LogicalPlanBuilder::from(plan).project(vec![picked])?.build()?).await?;
        let numbers =
            found.columns().first().and_then(|column| column.as_primitive_opt::<Int64Type>().cloned());
        let numbers =
            numbers.ok_or_else(|| SqlError::condition("INTERNAL_ERROR", "XX000", "No clause was found."))?;
        Ok((0..numbers.len())
            .map(|row| if numbers.is_null(row) { None } else { usize::try_from(numbers.value(row)).ok() })
            .collect())
    }

    async fn apply_clause(
        &self,
        clause: &MergeClause,
        rows: &Relation,
        source: &Relation,
        target: &mut Target,
        outcome: &mut Outcome,
    ) -> Result<(), SqlError> {
        let plan = rows.plan()?;
        let by_name = || {
            target.columns.iter().map(|column| {
                let lower = column.name.to_lowercase();
                let found = source.fields.iter().find(|(_, name)| *name == lower);
                let (qualifier, _) = found.ok_or_else(|| {
                    let message = format!("The source of the MERGE has no column `{}`.", column.name);
                    SqlError::condition("DELTA_MERGE_UNRESOLVED_EXPRESSION", "42601", message)
                })?;
                let mut parts = Vec::new();
                if let Some(qualifier) = qualifier {
                    parts.push(ast::Ident::with_quote('`', qualifier.table()));
                }
                parts.push(ast::Ident::with_quote('`', lower));
                Ok((vec![column.name.clone()], ast::Expr::CompoundIdentifier(parts)))
            })
        };
        let (set, inserts) = match &clause.then {
            MergeThen::Delete => {
                outcome.deleted.extend(rows.places(ROW)?);
                return Ok(());
            }
            MergeThen::Update(set) => (set.clone(), false),
            MergeThen::UpdateAll => (by_name().collect::<Result<Vec<_>, SqlError>>()?, false),
            MergeThen::InsertAll => (by_name().collect::<Result<Vec<_>, SqlError>>()?, true),
            MergeThen::Insert { columns, values } => {
                let names: Vec<String> = if columns.is_empty() {
                    target.columns.iter().map(|column| column.name.clone()).collect()
                } else {
                    columns.clone()
                };
                if names.len() != values.len() {
                    let message =
                        format!("INSERT names {} columns and gives {} values.", names.len(), values.len());
                    return Err(SqlError::condition(
                        "INSERT_COLUMN_ARITY_MISMATCH.NOT_ENOUGH_DATA_COLUMNS",
                        "21S01",
                        message,
                    ));
                }
                for name in &names {
                    position(&target.columns, name)?;
                }
                (names.into_iter().map(|name| vec![name]).zip(values.iter().cloned()).collect(), true)
            }
        };
        let qualifier = target.shown.fields.first().and_then(|(qualifier, _)| qualifier.clone());
        let assigned =
            self.assignments(&set, &target.columns, qualifier.as_ref(), plan.schema(), inserts).await?;
        if inserts {
            let mut values = Vec::with_capacity(target.columns.len());
            for (at, column) in target.columns.iter().enumerate() {
                let given = assigned.iter().find(|(place, _)| *place == at);
                let value = match given {
                    Some((_, value)) => value.clone(),
                    None => self.default_of(column).await?,
                };
                values.push(
                    datafusion::logical_expr::cast(value, to_arrow(&column.data_type))
                        .alias(format!("v{at}")),
                );
            }
            let found = self.collected(LogicalPlanBuilder::from(plan).project(values)?.build()?).await?;
            outcome.inserted.push(found);
            outcome.given.push(assigned.iter().map(|(at, _)| *at).collect());
            return Ok(());
        }
        let mut wanted = vec![Expr::Column(PlanColumn::new(qualifier, ROW)).alias("row")];
        wanted.extend(
            assigned.iter().enumerate().map(|(at, (_, value))| value.clone().alias(format!("v{at}"))),
        );
        let found = self.collected(LogicalPlanBuilder::from(plan).project(wanted)?.build()?).await?;
        let changed = places(found.columns().first())?;
        let values: Vec<(usize, ArrayRef)> = assigned
            .iter()
            .zip(found.columns().iter().skip(1))
            .map(|((at, _), column)| (*at, column.clone()))
            .collect();
        target.seen = patched(&target.seen, &changed, &values)?;
        outcome.updated += changed.len() as u64;
        Ok(())
    }
}

/// Refuses two source rows that would change one target row. Deleting it twice is deleting it.
fn only_one_each(
    rows: &Relation,
    picked: &[Option<usize>],
    clauses: &[&MergeClause],
) -> Result<(), SqlError> {
    if matches!(clauses, [MergeClause { then: MergeThen::Delete, condition: None, .. }]) {
        return Ok(());
    }
    let mut seen = std::collections::HashSet::new();
    for (row, clause) in rows.places(ROW)?.into_iter().zip(picked) {
        if clause.is_some() && !seen.insert(row) {
            let message =
                "Several source rows match one row of the target, and MERGE cannot say which one counts.";
            return Err(SqlError::condition(
                "DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE",
                "21506",
                message,
            ));
        }
    }
    Ok(())
}
