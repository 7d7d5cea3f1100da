//! Lists of objects: only what the speaker may know about.

use std::sync::Arc;

use brickyard_catalog::unity::{Object, ObjectId, ObjectKind, SeeObject, TableKind};
use datafusion::arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use regex::Regex;

use crate::error::SqlError;
use crate::information_schema;
use crate::run::{Rows, Run, rows_from};
use crate::show::describe::kind_word;
use crate::show::text_rows;
use crate::statement::{FunctionScope, Name, NameOrMarker};

impl Run<'_> {
    pub(crate) fn show_catalogs(&self, like: Option<&str>) -> Result<Rows, SqlError> {
        self.names("catalog", ObjectId::METASTORE, ObjectKind::Catalog, like)
    }

    pub(crate) fn show_connections(&self, like: Option<&str>) -> Result<Rows, SqlError> {
        let found = self.seen(ObjectId::METASTORE, ObjectKind::Connection, like)?;
        let rows = found.into_iter().map(|object| {
            let kind = object.connection().map(|connection| connection.connection_type.clone());
            vec![Some(object.name.to_string()), kind, object.comment.clone()]
        });
        text_rows(&["name", "type", "comment"], rows.collect())
    }

    pub(crate) fn show_schemas(
        &self,
        within: Option<&NameOrMarker>,
        like: Option<&str>,
    ) -> Result<Rows, SqlError> {
        let current = NameOrMarker::Name(Name(vec![self.current().catalog]));
        let catalog = self.object(ObjectKind::Catalog, within.unwrap_or(&current))?;
        self.authorize(SeeObject(Self::target(&catalog)))?;
        let mut names: Vec<String> = (self.seen(catalog.id, ObjectKind::Schema, like)?.iter())
            .map(|schema| schema.name.to_string())
            .collect();
        if like.map(pattern).transpose()?.is_none_or(|like| like.is_match(information_schema::NAME)) {
            names.push(information_schema::NAME.to_owned());
            names.sort_by_key(|name| name.to_lowercase());
        }
        text_rows(&["databaseName"], names.into_iter().map(|name| vec![Some(name)]).collect())
    }

    /// Tables and views.
    pub(crate) fn show_tables(
        &self,
        within: Option<&NameOrMarker>,
        like: Option<&str>,
    ) -> Result<Rows, SqlError> {
        self.tables("tableName", within, like, |_| true)
    }

    pub(crate) fn show_views(
        &self,
        within: Option<&NameOrMarker>,
        like: Option<&str>,
    ) -> Result<Rows, SqlError> {
        self.tables("viewName", within, like, |kind| kind == TableKind::View)
    }

    /// `SHOW TABLE EXTENDED`: with what `DESCRIBE EXTENDED` says, as one text.
    pub(crate) fn show_table_extended(
        &self,
        within: Option<&NameOrMarker>,
        like: &str,
    ) -> Result<Rows, SqlError> {
        let schema = self.schema_within(within)?;
        let found = self.seen(schema.id, ObjectKind::Table, Some(like))?;
        let rows = found.into_iter().filter_map(|object| {
            let table = object.table()?;
            let mut lines = vec![
                format!("Catalog: {}", object.full_name.split('.').next().unwrap_or_default()),
                format!("Database: {}", schema.name),
                format!("Table: {}", object.name),
                format!("Owner: {}", self.sql.catalog.grantee_name(object.owner)),
                format!("Created Time: {}", object.created_at),
                format!("Type: {}", kind_word(table.table_kind)),
            ];
            lines.extend(table.format.iter().map(|format| format!("Provider: {}", format.to_lowercase())));
            lines.extend(object.comment.iter().map(|comment| format!("Comment: {comment}")));
            lines.push("Schema: root".to_owned());
            lines.extend(table.columns.iter().map(|column| {
                format!(" |-- {}: {} (nullable = {})", column.name, column.data_type, column.nullable)
            }));
            let text = lines.join("\n") + "\n";
            Some(
                [schema.name.to_string(), object.name.to_string(), "false".to_owned(), text]
                    .map(Some)
                    .to_vec(),
            )
        });
        text_rows(&["database", "tableName", "isTemporary", "information"], rows.collect())
    }

    fn tables(
        &self,
        column: &str,
        within: Option<&NameOrMarker>,
        like: Option<&str>,
        wanted: impl Fn(TableKind) -> bool,
    ) -> Result<Rows, SqlError> {
        let (schema, found): (String, Vec<String>) = match self.within_information_schema(within)? {
            Some(schema) => {
                let like = like.map(pattern).transpose()?;
                let fits = |name: &&str| like.as_ref().is_none_or(|like| like.is_match(name));
                let names = information_schema::relations().filter(|_| wanted(TableKind::View)).filter(fits);
                (schema, names.map(str::to_owned).collect())
            }
            None => {
                let schema = self.schema_within(within)?;
                let found = self.seen(schema.id, ObjectKind::Table, like)?;
                let kept = found
                    .into_iter()
                    .filter(|object| object.table().is_some_and(|table| wanted(table.table_kind)));
                (schema.name.to_string(), kept.map(|object| object.name.to_string()).collect())
            }
        };
        let like = like.map(pattern).transpose()?;
        let fits = |name: &str| like.as_ref().is_none_or(|like| like.is_match(name));
        let temporary: Vec<String> = (self.session.temporary().views.values())
            .map(|view| view.name.clone())
            .filter(|name| fits(name))
            .collect();
        let all = || {
            found.iter().map(|name| (schema.as_str(), name)).chain(temporary.iter().map(|name| ("", name)))
        };
        let fields = vec![
            Field::new(if column == "viewName" { "namespace" } else { "database" }, DataType::Utf8, true),
            Field::new(column, DataType::Utf8, true),
            Field::new("isTemporary", DataType::Boolean, true),
        ];
        let columns: Vec<ArrayRef> = vec![
            Arc::new(all().map(|(schema, _)| Some(schema)).collect::<StringArray>()),
            Arc::new(all().map(|(_, name)| Some(name.as_str())).collect::<StringArray>()),
            Arc::new(all().map(|(schema, _)| Some(schema.is_empty())).collect::<BooleanArray>()),
        ];
        let shape = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new(Arc::clone(&shape), columns)
            .map_err(datafusion::error::DataFusionError::from)?;
        Ok(rows_from(shape, vec![batch]))
    }

    pub(crate) fn show_functions(
        &self,
        scope: FunctionScope,
        within: Option<&NameOrMarker>,
        like: Option<&str>,
    ) -> Result<Rows, SqlError> {
        let mut names = Vec::new();
        if scope != FunctionScope::System {
            let schema = self.schema_within(within)?;
            let found = self.seen(schema.id, ObjectKind::Function, like)?;
            names.extend(found.into_iter().map(|object| object.full_name.to_string()));
        }
        if scope != FunctionScope::User {
            let like = like.map(pattern).transpose()?;
            let state = &self.sql.known;
            let mut system: Vec<String> = state.scalar_functions().keys().cloned().collect();
            system.extend(state.aggregate_functions().keys().cloned());
            system.extend(state.window_functions().keys().cloned());
            system.retain(|name| like.as_ref().is_none_or(|like| like.is_match(name)));
            names.extend(system);
        }
        names.sort();
        names.dedup();
        text_rows(&["function"], names.into_iter().map(|name| vec![Some(name)]).collect())
    }

    /// The name of the information schema, if that is what is asked about.
    fn within_information_schema(&self, within: Option<&NameOrMarker>) -> Result<Option<String>, SqlError> {
        let current = self.current();
        let current = NameOrMarker::Name(Name(vec![current.catalog, current.schema]));
        let path = self.path(ObjectKind::Schema, within.unwrap_or(&current))?;
        if !information_schema::holds(&path) {
            return Ok(None);
        }
        self.described_catalog(&self.session.speaker().asker(), &path)?;
        Ok(Some(information_schema::NAME.to_owned()))
    }

    fn schema_within(&self, within: Option<&NameOrMarker>) -> Result<Arc<Object>, SqlError> {
        let current = self.current();
        let current = NameOrMarker::Name(Name(vec![current.catalog, current.schema]));
        let schema = self.object(ObjectKind::Schema, within.unwrap_or(&current))?;
        self.authorize(SeeObject(Self::target(&schema)))?;
        Ok(schema)
    }

    fn names(
        &self,
        column: &str,
        parent: ObjectId,
        kind: ObjectKind,
        like: Option<&str>,
    ) -> Result<Rows, SqlError> {
        let found = self.seen(parent, kind, like)?;
        text_rows(&[column], found.into_iter().map(|object| vec![Some(object.name.to_string())]).collect())
    }

    /// What of one kind is in an object, that the speaker may know about.
    fn seen(
        &self,
        parent: ObjectId,
        kind: ObjectKind,
        like: Option<&str>,
    ) -> Result<Vec<Arc<Object>>, SqlError> {
        let like = like.map(pattern).transpose()?;
        let found: Vec<_> = self.sql.catalog.unity().children_of_kind(parent, kind).cloned().collect();
        let speaker = self.session.speaker().principal();
        let seen = found.into_iter().filter(|object| {
            like.as_ref().is_none_or(|like| like.is_match(&object.name))
                && self.sql.catalog.sees(speaker, &object.reference())
        });
        Ok(seen.collect())
    }
}

/// Databricks' patterns: `*` is anything, `|` separates alternatives, case does not matter.
/// Source: Databricks' SQL manual, "SHOW TABLES". `%` is taken for `*`, as many people write it.
fn pattern(like: &str) -> Result<Regex, SqlError> {
    let alternatives = like.split('|').map(|one| {
        let parts: Vec<_> = one.trim().split(['*', '%']).map(regex::escape).collect();
        parts.join(".*")
    });
    let alternatives: Vec<_> = alternatives.collect();
    Regex::new(&format!("(?i)^(?:{})$", alternatives.join("|"))).map_err(|_| {
        SqlError::condition("INVALID_PATTERN", "42000", format!("'{like}' is not a pattern of names."))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_anything_and_a_bar_is_or() {
        assert!(pattern("ord*").unwrap().is_match("Orders"));
        assert!(pattern("a|b*").unwrap().is_match("bob"));
        assert!(!pattern("a|b").unwrap().is_match("bob"));
        assert!(!pattern("a.c").unwrap().is_match("abc"));
    }
}
