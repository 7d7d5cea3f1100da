//! Tags of catalogs, schemas, tables, views and columns. They change no answer and no right: people and tools
//! read them in `information_schema`. Who manages an object tags it.

use std::collections::BTreeMap;

use brickyard_catalog::unity::{Detail, Object};

use crate::definition::columns::position;
use crate::error::SqlError;

/// The most tags of one object. Source: Databricks' manual, "Apply tags to Unity Catalog securable objects".
const MOST: usize = 50;
const LONGEST_NAME: usize = 255;
const LONGEST_VALUE: usize = 1_000;

/// Refuses tags that Databricks has no room for.
pub(super) fn fit(kept: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Result<(), SqlError> {
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

/// A table's detail with the tags of one column changed.
pub(super) fn of_column(
    object: &Object,
    column: &str,
    change: impl FnOnce(&mut BTreeMap<String, String>) -> Result<(), SqlError>,
) -> Result<Detail, SqlError> {
    let Some(table) = object.table() else {
        return Err(SqlError::unsupported(format_args!("tags of a column of {}", object.full_name)));
    };
    let mut table = table.clone();
    let at = position(&table.columns, column)?;
    change(&mut table.columns[at].tags)?;
    Ok(Detail::Table(table))
}
