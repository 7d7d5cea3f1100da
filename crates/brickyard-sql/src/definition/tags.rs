//! Tags of catalogs, schemas, tables, views and columns. They change no answer and no right: people and tools
//! read them in `information_schema`. Who manages an object tags it, and who holds `APPLY TAG` on it.
//!
//! Source: Databricks' manual, "Apply tags to Unity Catalog securable objects".

use std::collections::BTreeMap;

use brickyard_catalog::unity::{Object, TagChange, TagObject};

use crate::definition::columns::position;
use crate::definition::is_of_kind;
use crate::error::SqlError;
use crate::run::{Rows, Run, no_rows};
use crate::statement::Kind;

/// The most tags of one object. Source: Databricks' manual, "Apply tags to Unity Catalog securable objects".
const MOST: usize = 50;
const LONGEST_NAME: usize = 255;
const LONGEST_VALUE: usize = 1_000;

/// Refuses tags that Databricks has no room for.
fn fit(kept: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Result<(), SqlError> {
    for (name, value) in new {
        let plain = !name.is_empty()
            && name.trim() == name
            && name.chars().count() <= LONGEST_NAME
            && !name.contains(['.', ',', '-', '=', '/', ':'])
            && !name.chars().any(char::is_control);
        if !plain || value.chars().count() > LONGEST_VALUE {
            return Err(SqlError::condition(
                "INVALID_PARAMETER_VALUE",
                "22023",
                format!(
                    "The tag '{name}' = '{value}' cannot be set: a name has 1 to {LONGEST_NAME} characters without . , - = / : \
                     and without spaces around it, a value has at most {LONGEST_VALUE}."
                ),
            ));
        }
    }
    let added = new.keys().filter(|name| !kept.contains_key(*name)).count();
    if kept.len() + added > MOST {
        return Err(SqlError::condition(
            "INVALID_PARAMETER_VALUE",
            "22023",
            format!("An object has at most {MOST} tags: unset some of them first."),
        ));
    }
    Ok(())
}

impl Run<'_> {
    /// `ALTER .. SET TAGS` and `UNSET TAGS`, of an object or one of its columns.
    pub(super) async fn tag(&self, kind: Kind, object: &Object, change: TagChange) -> Result<Rows, SqlError> {
        let permit = self.authorize(TagObject(Self::target(object)))?;
        if kind == Kind::View {
            is_of_kind(kind, object)?;
        }
        match (&change.column, object.table()) {
            (None, _) => fit(&object.tags, &change.set)?,
            (Some(column), Some(table)) => {
                fit(&table.columns[position(&table.columns, column)?].tags, &change.set)?;
            }
            (Some(_), None) => {
                return Err(SqlError::unsupported(format_args!("tags of a column of {}", object.full_name)));
            }
        }
        self.sql.catalog.change_tags(&permit, change, self.sql.clock.now()).await?;
        Ok(no_rows())
    }
}
