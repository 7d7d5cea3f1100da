//! `DESCRIBE` and `SHOW`: what somebody may know about, as rows.

mod create_table;
mod describe;
mod lists;

use std::sync::Arc;

use brickyard_catalog::family;
use brickyard_catalog::unity::{ObjectKind, ReadGrants, SeeObject, Target};
use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};

use crate::error::SqlError;
use crate::run::{Rows, Run, rows_from};
use crate::statement::{Kind, NameOrMarker};

impl Run<'_> {
    /// `SHOW GRANTS`: everybody's for who manages the object, the speaker's own for who sees it.
    pub(crate) fn show_grants(
        &self,
        principal: Option<&str>,
        kind: Kind,
        name: Option<&NameOrMarker>,
    ) -> Result<Rows, SqlError> {
        let on = self.securable(kind, name)?;
        let target = Target::new(on.clone(), &family::SQL_STATEMENTS);
        let catalog = &self.sql.catalog;
        if let Some(principal) = principal {
            catalog.grantee(principal)?;
        }
        let all = catalog.authorize_as(&self.session.speaker().asker(), ReadGrants(target.clone()));
        let held = match all {
            Ok(permit) => {
                self.record(permit.trace().clone());
                catalog.effective_grants(&permit)
            }
            Err(_) => catalog.own_effective_grants(&self.authorize(SeeObject(target))?),
        };
        let held =
            held.into_iter().filter(|one| principal.is_none_or(|name| one.name.eq_ignore_ascii_case(name)));
        let rows = held.map(|one| {
            let at = one.inherited_from.unwrap_or_else(|| on.clone());
            let key = if at.kind == ObjectKind::Metastore { "metastore" } else { &at.full_name };
            vec![
                Some(one.name),
                Some(one.privilege.spoken()),
                Some(at.kind.word().to_owned()),
                Some(key.to_owned()),
            ]
        });
        text_rows(&["Principal", "ActionType", "ObjectType", "ObjectKey"], rows.collect())
    }
}

/// Rows of text.
pub(crate) fn text_rows(names: &[&str], rows: Vec<Vec<Option<String>>>) -> Result<Rows, SqlError> {
    let fields: Vec<_> = names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let columns = (0..names.len()).map(|at| -> ArrayRef {
        let values = rows.iter().map(|row| row.get(at).and_then(Option::as_deref));
        Arc::new(values.collect::<StringArray>())
    });
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns.collect())
        .map_err(datafusion::error::DataFusionError::from)?;
    Ok(rows_from(schema, vec![batch]))
}
