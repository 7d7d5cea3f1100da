//! IDENTITY columns: values that are counted, each of them once.
//!
//! Where the count stands is written with the rows, in the same commit of Delta's log: rows that are there were counted,
//! also after a crash, a `DELETE` of the last ones and a `RESTORE`. It is kept as a transaction of an application. Delta's
//! own place for it (`delta.identity.highWaterMark` in the column's metadata) comes with a feature of the table, and
//! the library that writes tables here refuses tables with that feature.

use std::sync::Arc;

use brickyard_catalog::unity::{Column, Identity, Object};
use brickyard_types::SqlType;
use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use datafusion::arrow::datatypes::Schema;
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::ast;

use crate::change::target::is_default;
use crate::definition::columns::position;
use crate::delta::{self, Mark};
use crate::error::SqlError;
use crate::run::Run;
use crate::statement;

impl Run<'_> {
    /// An IDENTITY column, as a statement declares it.
    pub(crate) fn declared_identity(
        &self,
        column: &statement::Column,
        identity: &statement::Identity,
    ) -> Result<Identity, SqlError> {
        let name = &column.name;
        if column.data_type != SqlType::Long {
            return Err(SqlError::condition(
                "DELTA_IDENTITY_COLUMNS_UNSUPPORTED_DATA_TYPE",
                "428H2",
                format!(
                    "The IDENTITY column `{name}` is a {}: make it a BIGINT.",
                    column.data_type.in_capitals()
                ),
            ));
        }
        if identity.step == 0 {
            return Err(SqlError::condition(
                "DELTA_IDENTITY_COLUMNS_ILLEGAL_STEP",
                "42611",
                format!("The IDENTITY column `{name}` never gets on: its INCREMENT BY is 0."),
            ));
        }
        if column.default.is_some() {
            return Err(SqlError::condition(
                "DELTA_IDENTITY_COLUMNS_WITH_GENERATED_EXPRESSION",
                "42613",
                format!("The IDENTITY column `{name}` has a DEFAULT, too: leave one of them out."),
            ));
        }
        let statement::Identity { always, start, step } = *identity;
        Ok(Identity { always, start, step, uid: self.new_uid() })
    }

    /// New rows of a table with these columns counted, and where the counts stand then. Nobody else writes meanwhile.
    pub(super) async fn counted(
        &self,
        object: &Object,
        columns: &[Column],
        generated: &[usize],
        mut batches: Vec<RecordBatch>,
    ) -> Result<(Vec<RecordBatch>, Vec<Mark>), SqlError> {
        let mut marks = Vec::new();
        for at in generated {
            let Some((column, identity)) =
                columns.get(*at).and_then(|one| Some((one, one.identity.as_ref()?)))
            else {
                continue;
            };
            let name = format!("brickyard.identity.{}", identity.uid);
            let mut last = delta::mark(self.sql, &object.uid, &name).await?;
            let mut next = || {
                let number = match last {
                    Some(last) => last.checked_add(identity.step),
                    None => Some(identity.start),
                };
                last = number.or(last);
                number.ok_or_else(|| {
                    SqlError::condition(
                        "ARITHMETIC_OVERFLOW",
                        "22003",
                        format!("The IDENTITY column `{}` has counted to the end of BIGINT.", column.name),
                    )
                })
            };
            let mut any = false;
            for batch in &mut batches {
                any |= batch.num_rows() > 0;
                let numbers = (0..batch.num_rows()).map(|_| next()).collect::<Result<Vec<_>, _>>()?;
                *batch = with_column(batch, *at, Arc::new(Int64Array::from(numbers)))?;
            }
            marks.extend(last.filter(|_| any).map(|last| (name, last)));
        }
        Ok((batches, marks))
    }
}

fn with_column(batch: &RecordBatch, at: usize, values: ArrayRef) -> Result<RecordBatch, SqlError> {
    let mut columns = batch.columns().to_vec();
    let mut fields: Vec<_> = batch.schema().fields().iter().cloned().collect();
    if let (Some(column), Some(field)) = (columns.get_mut(at), fields.get_mut(at)) {
        *field = Arc::new(field.as_ref().clone().with_data_type(values.data_type().clone()));
        *column = values;
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(DataFusionError::from)?)
}

/// The columns that are counted in rows that are given these columns.
pub(super) fn generated(columns: &[Column], given: &[usize]) -> Result<Vec<usize>, SqlError> {
    let mut found = Vec::new();
    for (at, column) in columns.iter().enumerate() {
        match &column.identity {
            Some(identity) if given.contains(&at) && identity.always => {
                return Err(SqlError::condition(
                    "DELTA_IDENTITY_COLUMNS_EXPLICIT_INSERT_NOT_SUPPORTED",
                    "42808",
                    format!(
                        "Providing values for GENERATED ALWAYS AS IDENTITY column `{0}` is not supported: list the other \
                         columns behind the table, or make `{0}` GENERATED BY DEFAULT.",
                        column.name
                    ),
                ));
            }
            Some(_) if given.contains(&at) => {}
            Some(_) => found.push(at),
            None => {}
        }
    }
    Ok(found)
}

/// What is said of an `UPDATE` of an IDENTITY column.
pub(super) fn changed(column: &Column) -> SqlError {
    SqlError::condition(
        "DELTA_IDENTITY_COLUMNS_UPDATE_NOT_SUPPORTED",
        "42808",
        format!("The IDENTITY column `{}` cannot be updated: its values are counted once.", column.name),
    )
}

/// The IDENTITY columns that every row of `VALUES` leaves to their `DEFAULT`.
pub(super) fn defaults_of_identity(
    source: &mut ast::Query,
    columns: &[Column],
    listed: &[String],
) -> Result<Vec<usize>, SqlError> {
    let ast::SetExpr::Values(values) = &mut *source.body else { return Ok(Vec::new()) };
    let places = values.rows.first().map_or(0, |row| row.len());
    let mut found = Vec::new();
    for place in 0..places {
        let at = match listed.get(place) {
            Some(name) => position(columns, name)?,
            None => place,
        };
        if columns.get(at).is_none_or(|column| column.identity.is_none()) {
            continue;
        }
        let mut left = 0;
        for row in &mut values.rows {
            if let Some(value) = row.get_mut(place).filter(|value| is_default(value)) {
                *value = ast::Expr::Value(ast::Value::Null.into());
                left += 1;
            }
        }
        if left == values.rows.len() {
            found.push(at);
        } else if left > 0 {
            return Err(SqlError::unsupported(
                "DEFAULT in some rows of VALUES and not in others, in an IDENTITY column. Write two INSERTs",
            ));
        }
    }
    Ok(found)
}
