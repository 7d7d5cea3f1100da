//! `SELECT` without `FROM`: one row of expressions that read nothing.
//!
//! Nothing of such a plan can be pushed, split, sorted or joined, so no rule of the optimizer is asked about it: each
//! expression is analysed, simplified and computed, as it would be in a plan of one partition. Everything else, a subquery or an
//! aggregate among the expressions too, takes the road that every plan can take.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures_util::StreamExt;

use crate::error::SqlError;
use crate::run::{Rows, Run};

impl Run<'_> {
    /// The row of a plan that reads nothing; `None` if it is another plan.
    pub(super) fn single_row(&self, plan: &LogicalPlan) -> Result<Option<Rows>, SqlError> {
        let LogicalPlan::Projection(projection) = plan else { return Ok(None) };
        let LogicalPlan::EmptyRelation(nothing) = projection.input.as_ref() else { return Ok(None) };
        if !nothing.produce_one_row || !nothing.schema.fields().is_empty() {
            return Ok(None);
        }
        if !projection.expr.iter().all(computes_alone) {
            return Ok(None);
        }
        let analysed;
        let mut exprs = &projection.expr;
        if !exprs.iter().all(|expr| literal(expr).is_some()) {
            // What an operator or a cast means is for the analyzer's rules to say, here as everywhere.
            let state = self.state();
            let options = state.config_options();
            analysed = state.analyzer().execute_and_check(plan.clone(), options, |_, _| {})?;
            let LogicalPlan::Projection(projection) = &analysed else { return Ok(None) };
            exprs = &projection.expr;
        }
        let mut cells = Vec::with_capacity(exprs.len());
        let mut fields = Vec::with_capacity(exprs.len());
        for (expr, field) in exprs.iter().zip(projection.schema.fields()) {
            let cell = self.cell(expr)?;
            fields.push(match &cell {
                Cell::Known(_) => Arc::clone(field),
                Cell::Computed(expr) => {
                    let found = expr.return_field(&Schema::empty())?;
                    Arc::new(
                        Field::new(field.name(), found.data_type().clone(), found.is_nullable())
                            .with_metadata(found.metadata().clone()),
                    )
                }
            });
            cells.push(cell);
        }
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let shape = Arc::clone(&schema);
        // Computed when it is read: only who waits for a row meets its error.
        let row = futures_util::stream::once(std::future::ready(())).map(move |()| row(&shape, &cells));
        Ok(Some((Arc::clone(&schema), Box::pin(RecordBatchStreamAdapter::new(schema, row)))))
    }

    fn cell(&self, expr: &Expr) -> Result<Cell> {
        if let Some(value) = literal(expr) {
            return Ok(Cell::Known(value.to_array()?));
        }
        let state = self.state();
        let nothing = Arc::new(DFSchema::empty());
        let context = SimplifyContext::builder()
            .with_schema(Arc::clone(&nothing))
            .with_config_options(Arc::clone(state.config_options()))
            .with_query_execution_start_time(state.execution_props().query_execution_start_time)
            .build();
        let simplifier = ExprSimplifier::new(context);
        let expr = simplifier.simplify(expr.clone())?;
        Ok(Cell::Computed(state.create_physical_expr(expr, &nothing)?))
    }
}

/// The value of an expression that is one, whatever it is called.
fn literal(mut expr: &Expr) -> Option<&ScalarValue> {
    while let Expr::Alias(alias) = expr {
        expr = &alias.expr;
    }
    match expr {
        Expr::Literal(value, _) => Some(value),
        _ => None,
    }
}

/// One value of the row.
enum Cell {
    Known(ArrayRef),
    Computed(Arc<dyn PhysicalExpr>),
}

fn row(schema: &SchemaRef, cells: &[Cell]) -> Result<RecordBatch> {
    let one = RecordBatchOptions::new().with_row_count(Some(1));
    let nothing = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &one)?;
    let values = cells.iter().map(|cell| match cell {
        Cell::Known(value) => Ok(Arc::clone(value)),
        Cell::Computed(expr) => expr.evaluate(&nothing)?.into_array(1),
    });
    let values = values.collect::<Result<Vec<_>>>()?;
    RecordBatch::try_new_with_options(Arc::clone(schema), values, &one).map_err(DataFusionError::from)
}

/// True if an expression is one value that needs nothing but itself.
fn computes_alone(expr: &Expr) -> bool {
    let mut alone = true;
    let walked = expr.apply(|one| {
        alone &= match one {
            Expr::Alias(_)
            | Expr::Literal(..)
            | Expr::BinaryExpr(_)
            | Expr::Like(_)
            | Expr::SimilarTo(_)
            | Expr::Not(_)
            | Expr::IsNotNull(_)
            | Expr::IsNull(_)
            | Expr::IsTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNotFalse(_)
            | Expr::IsNotUnknown(_)
            | Expr::Negative(_)
            | Expr::Between(_)
            | Expr::Case(_)
            | Expr::Cast(_)
            | Expr::TryCast(_)
            | Expr::InList(_) => true,
            Expr::ScalarFunction(call) => call.func.as_async().is_none(),
            _ => false,
        };
        Ok(if alone { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    });
    alone && walked.is_ok()
}
