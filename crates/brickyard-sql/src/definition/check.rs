//! `ALTER TABLE t ADD CONSTRAINT c CHECK (..)`, and what may not happen to what it names.

use std::ops::ControlFlow;
use std::sync::Arc;

use brickyard_catalog::Permit;
use brickyard_catalog::unity::{self, ManageObject, Object, TableDetail};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::sql::sqlparser::ast::{Expr, Query, Visit, Visitor};

use crate::change::check::{self, PREFIX};
use crate::delta;
use crate::error::SqlError;
use crate::front;
use crate::run::{Rows, Run};

impl Run<'_> {
    /// Adds a constraint that all rows of the table fulfil.
    pub(super) async fn add_check(
        &self,
        permit: &Permit<ManageObject>,
        object: &Arc<Object>,
        table: &TableDetail,
        name: &str,
        condition: &str,
    ) -> Result<Rows, SqlError> {
        let taken = check::of(object).any(|(one, _)| one.eq_ignore_ascii_case(name));
        let named = |one: &String| one.eq_ignore_ascii_case(name);
        if taken || table.primary_key_name.as_ref().is_some_and(named) {
            let message =
                format!("Constraint '{name}' already exists. Please delete the old constraint first.");
            return Err(SqlError::condition("DELTA_CONSTRAINT_ALREADY_EXISTS", "42710", message));
        }
        // No column has this name: what is found is a subquery.
        if mentions(condition, "")? {
            return Err(SqlError::unsupported("a subquery in a CHECK constraint"));
        }
        for column in &table.columns {
            if column.mask.is_some() && mentions(condition, &column.name)? {
                return Err(SqlError::unsupported(format_args!(
                    "a CHECK constraint on the masked column '{}': who changes rows would learn of its values",
                    column.name
                )));
            }
        }
        let provider = delta::provider(self.sql, object).await?;
        let plan = LogicalPlanBuilder::scan("rows", provider_as_source(provider), None)?.build()?;
        let (schema, batches) = self.collect(plan).await?;
        let all = datafusion::arrow::compute::concat_batches(&schema, &batches)
            .map_err(datafusion::error::DataFusionError::from)?;
        self.holds(object, &table.columns, &all, name, condition).await.map_err(|error| match error {
            SqlError::Condition { condition: "DELTA_VIOLATE_CONSTRAINT_WITH_VALUES", .. } => {
                let message =
                    format!("Rows of {} violate the new CHECK constraint ({condition}).", object.full_name);
                SqlError::condition("DELTA_NEW_CHECK_CONSTRAINT_VIOLATION", "23512", message)
            }
            other => other,
        })?;
        let property = (format!("{PREFIX}{}", name.to_lowercase()), condition.to_owned());
        self.change(permit, vec![unity::Alteration::SetProperties([property].into())]).await
    }
}

/// A column that a constraint names stays until the constraint is dropped.
pub(super) fn not_in_one(object: &Object, column: &str) -> Result<(), SqlError> {
    for (name, condition) in check::of(object) {
        if mentions(condition, column)? {
            let message =
                format!("The CHECK constraint '{name}' uses the column '{column}': drop that first.");
            return Err(SqlError::condition("DELTA_CONSTRAINT_DEPENDENT_COLUMN_CHANGE", "42K09", message));
        }
    }
    Ok(())
}

/// Constraints are made and dropped as such, not by their properties.
pub(super) fn not_a_property<'k>(mut keys: impl Iterator<Item = &'k String>) -> Result<(), SqlError> {
    match keys.find(|key| key.to_lowercase().starts_with(PREFIX)) {
        Some(key) => Err(SqlError::unsupported(format_args!(
            "the property {key}. Write ALTER TABLE .. ADD CONSTRAINT or DROP CONSTRAINT"
        ))),
        None => Ok(()),
    }
}

/// Whether a condition names a column.
fn mentions(condition: &str, column: &str) -> Result<bool, SqlError> {
    struct Finder<'a>(&'a str);
    impl Visitor for Finder<'_> {
        type Break = ();

        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            // What a subquery names cannot be told here.
            ControlFlow::Break(())
        }

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            let named = match expr {
                Expr::Identifier(name) => name.value.eq_ignore_ascii_case(self.0),
                Expr::CompoundIdentifier(parts) => {
                    parts.iter().any(|part| part.value.eq_ignore_ascii_case(self.0))
                }
                _ => false,
            };
            if named { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }
    Ok(front::parse_expression(condition)?.visit(&mut Finder(column)).is_break())
}
