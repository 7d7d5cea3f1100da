//! `information_schema`: what there is in a catalog, as rows, for whoever may know of it.
//!
//! It is in every catalog, and in `system` for all of them. No object stands behind it and nothing is kept: the rows are made
//! when a statement is planned, for the speaker of that statement, also inside a view or function of somebody else
//! (whose owner must be able to use the catalog, as with any table). An object that the speaker may not know about is in
//! no row.
//! Source: Databricks' SQL language manual, "Information schema".

mod cell;
mod constraints;
mod rows;
mod shape;

use std::sync::Arc;

use brickyard_catalog::Asker;
use brickyard_catalog::unity::{Object, ObjectId, ObjectKind, ObjectPath, UnityError, UseParents};
use brickyard_types::SqlType;
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::TableSource;

use crate::arrow_types::to_sql;
use crate::error::SqlError;
use crate::run::query::{Scope, not_found};
use crate::run::{Rows, Run};
use crate::show::text_rows;
use crate::statement::NameOrMarker;
use rows::Reader;

/// The schema's name.
pub(crate) const NAME: &str = "information_schema";

/// The catalog whose `information_schema` is about all catalogs.
const EVERYTHING: &str = "system";

/// The names of its relations.
pub(crate) fn relations() -> impl Iterator<Item = &'static str> {
    shape::RELATIONS.iter().map(|(name, _)| *name)
}

/// Its relations, each with its columns.
pub fn described() -> impl Iterator<Item = (&'static str, Vec<(String, SqlType)>)> {
    relations().filter_map(|name| {
        let columns = shape::of(name)?;
        let columns = columns
            .fields()
            .iter()
            .filter_map(|field| to_sql(field.data_type()).map(|data_type| (field.name().clone(), data_type)));
        Some((name, columns.collect()))
    })
}

/// True if a path is the schema or something in it.
pub(crate) fn holds(path: &ObjectPath) -> bool {
    path.parts().get(1).is_some_and(|schema| schema.eq_ignore_ascii_case(NAME))
}

/// Refuses to make, change, drop or grant the schema or anything in it.
pub(crate) fn refuse_change(path: &ObjectPath) -> Result<(), SqlError> {
    if !holds(path) {
        return Ok(());
    }
    Err(SqlError::condition(
        "OPERATION_NOT_ALLOWED",
        "42809",
        format!(
            "'{path}' belongs to the information schema, which only describes what is there: read it with SELECT. Nothing in it can be created, changed, dropped or granted."
        ),
    ))
}

impl Run<'_> {
    /// A relation of an information schema, for whoever asks; the rows are the speaker's.
    pub(crate) fn information_schema(
        &self,
        scope: Scope<'_>,
        path: &ObjectPath,
    ) -> Result<Arc<dyn TableSource>, SqlError> {
        let catalog = self.described_catalog(scope.asker, path)?;
        let relation = path.last().to_lowercase();
        let Some(schema) = shape::of(&relation) else { return Err(missing(path, &relation)) };
        let rows = self.reader(catalog).rows(&relation);
        let batch = cell::batch(&schema, &rows).map_err(DataFusionError::from)?;
        let table = MemTable::try_new(schema, vec![vec![batch]])?;
        Ok(provider_as_source(Arc::new(table)))
    }

    /// The catalog of a path into an information schema, if the asker may use it; `None` is all catalogs.
    pub(crate) fn described_catalog(
        &self,
        asker: &Asker<'_>,
        path: &ObjectPath,
    ) -> Result<Option<Arc<Object>>, SqlError> {
        let Some(name) = path.parts().first().filter(|name| !name.eq_ignore_ascii_case(EVERYTHING)) else {
            return Ok(None);
        };
        let above = ObjectPath::new(vec![name.clone()]).map_err(UnityError::from)?;
        let catalog = self.find(asker, ObjectKind::Catalog, &above)?;
        self.authorize_as(asker, UseParents(Self::target(&catalog)))?;
        Ok(Some(catalog))
    }

    /// `DESCRIBE` and `SHOW COLUMNS` of a relation: its columns with their types, if the name is one of these.
    pub(crate) fn described_relation(
        &self,
        name: &NameOrMarker,
    ) -> Result<Option<Vec<(String, String)>>, SqlError> {
        let path = self.path(ObjectKind::Table, name)?;
        if !holds(&path) {
            return Ok(None);
        }
        self.described_catalog(&self.session.speaker().asker(), &path)?;
        let relation = path.last().to_lowercase();
        let Some(schema) = shape::of(&relation) else { return Err(missing(&path, &relation)) };
        let columns = schema.fields().iter().map(|field| {
            let data_type = to_sql(field.data_type()).map_or_else(String::new, |sql| sql.to_string());
            (field.name().clone(), data_type)
        });
        Ok(Some(columns.collect()))
    }

    /// `DESCRIBE` of a relation.
    pub(crate) fn describe_relation(&self, name: &NameOrMarker) -> Result<Option<Rows>, SqlError> {
        let Some(columns) = self.described_relation(name)? else { return Ok(None) };
        let rows = columns.into_iter().map(|(name, data_type)| vec![Some(name), Some(data_type), None]);
        text_rows(&["col_name", "data_type", "comment"], rows.collect()).map(Some)
    }
}

impl<'s> Run<'s> {
    fn reader<'r>(&'r self, catalog: Option<Arc<Object>>) -> Reader<'r, 's> {
        let named = catalog.as_ref().map_or(EVERYTHING.to_owned(), |catalog| catalog.name.to_lowercase());
        let catalogs = match catalog {
            Some(catalog) => vec![catalog],
            None => {
                let unity = self.sql.catalog.unity();
                unity.children_of_kind(ObjectId::METASTORE, ObjectKind::Catalog).cloned().collect()
            }
        };
        let speaker = self.session.speaker().principal();
        let seen = catalogs.into_iter().filter(|one| self.sql.catalog.sees(speaker, &one.reference()));
        Reader { run: self, catalogs: seen.collect(), named }
    }
}

fn missing(path: &ObjectPath, relation: &str) -> SqlError {
    if shape::NOT_HERE.contains(&relation) {
        return SqlError::unsupported(format_args!("{NAME}.{relation}"));
    }
    not_found("TABLE_OR_VIEW_NOT_FOUND", "table or view", "42P01", &path.to_string())
}
