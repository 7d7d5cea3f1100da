//! `INSERT`, `UPDATE`, `DELETE`, `MERGE` and `TRUNCATE`.
//!
//! All but `INSERT INTO` write the table again as one commit, with nobody else writing meanwhile.
//!
//! - Rows that the row filter hides from the speaker stay as they are: they are put back untouched.
//! - Conditions and new values see what the speaker sees, masks included. What is not assigned keeps its real value.

pub(crate) mod check;
pub(crate) mod copy_into;
mod identity;
mod insert;
mod merge;
mod modify;
mod target;

use std::sync::Arc;

use brickyard_catalog::Permit;
use brickyard_catalog::unity::{ModifyTable, Object, ObjectKind, SelectTable, TableKind};
use brickyard_types::SqlType;
use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use datafusion::arrow::compute::can_cast_types;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::logical_expr::{Expr, cast};

use crate::arrow_types::to_arrow;
use crate::definition::is_of_kind;
use crate::error::SqlError;
use crate::run::{Rows, Run, rows_from};
use crate::statement::{Kind, NameOrMarker};

impl Run<'_> {
    /// A table whose rows may be changed by the speaker.
    fn changed_table(
        &self,
        name: &NameOrMarker,
        reads: bool,
    ) -> Result<(Arc<Object>, Option<Permit<SelectTable>>), SqlError> {
        let object = self.object(ObjectKind::Table, name)?;
        self.authorize(ModifyTable(Self::target(&object)))?;
        let read = if reads { Some(self.authorize(SelectTable(Self::target(&object)))?) } else { None };
        is_of_kind(Kind::Table, &object)?;
        if object.table().is_some_and(|table| table.table_kind == TableKind::External) {
            return Err(SqlError::unsupported("writing to an external table"));
        }
        Ok((object, read))
    }
}

/// True if values of a type may be put into a column of another: Databricks' implicit casts, checked value by value.
/// Source: Databricks' SQL manual, "SQL data type rules", "ANSI compliance" (store assignment).
pub(crate) fn assignable(from: &SqlType, to: &SqlType) -> bool {
    use SqlType as T;
    let number = |one: &T| {
        matches!(one, T::Byte | T::Short | T::Int | T::Long | T::Float | T::Double | T::Decimal(..))
    };
    let moment = |one: &T| matches!(one, T::Date | T::Timestamp | T::TimestampNtz);
    match (from, to) {
        (from, to) if from == to => true,
        (T::Void, _) => true,
        (from, to) if number(from) && number(to) => true,
        (from, to) if moment(from) && moment(to) => true,
        (T::String, to) => number(to) || moment(to) || matches!(to, T::Boolean | T::Binary),
        (from, T::String) => number(from) || moment(from) || matches!(from, T::Boolean),
        (T::Array(from), T::Array(to)) => assignable(from, to),
        (T::Map(from_key, from), T::Map(to_key, to)) => assignable(from_key, to_key) && assignable(from, to),
        (T::Struct(from), T::Struct(to)) => {
            from.len() == to.len()
                && from.iter().zip(to).all(|(from, to)| assignable(&from.data_type, &to.data_type))
        }
        _ => false,
    }
}

/// A value on its way into a column.
fn assigned(
    value: Expr,
    from: &DataType,
    column: &brickyard_catalog::unity::Column,
) -> Result<Expr, SqlError> {
    let wanted = to_arrow(&column.data_type);
    let fits = crate::arrow_types::to_sql(from).is_some_and(|from| assignable(&from, &column.data_type));
    if !fits || !can_cast_types(from, &wanted) {
        let shown =
            crate::arrow_types::to_sql(from).map_or_else(|| from.to_string(), |from| from.in_capitals());
        let message = format!(
            "Cannot write incompatible data for the column `{}`: cannot safely cast {} to {}.",
            column.name,
            shown,
            column.data_type.in_capitals()
        );
        return Err(SqlError::condition("INCOMPATIBLE_DATA_FOR_TABLE.CANNOT_SAFELY_CAST", "KD000", message));
    }
    Ok(if *from == wanted { value } else { cast(value, wanted) })
}

/// What DML answers: one row of counts.
fn counts(counts: &[(&str, u64)]) -> Result<Rows, SqlError> {
    let fields: Vec<_> = counts.iter().map(|(name, _)| Field::new(*name, DataType::Int64, true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let columns = counts.iter().map(|(_, count)| -> ArrayRef {
        Arc::new(Int64Array::from(vec![i64::try_from(*count).unwrap_or(i64::MAX)]))
    });
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns.collect())
        .map_err(datafusion::error::DataFusionError::from)?;
    Ok(rows_from(schema, vec![batch]))
}
