//! Catalogs and schemas.

use std::collections::BTreeMap;

use brickyard_catalog::unity::{Detail, NewObject, Object, ObjectKind, ObjectPath, UnityError};

use crate::error::SqlError;
use crate::run::{Rows, Run, no_rows};
use crate::statement::CreateContainer;

/// The schema that a catalog starts with.
const DEFAULT: &str = "default";

impl Run<'_> {
    pub(crate) async fn create_container(
        &self,
        kind: ObjectKind,
        create: CreateContainer,
    ) -> Result<Rows, SqlError> {
        let path = self.path(kind, &create.name)?;
        let permit = self.may_create(kind, &path)?;
        if self.existing(kind, &path).is_some() {
            if create.if_not_exists {
                return Ok(no_rows());
            }
            return Err(UnityError::AlreadyExists { kind, name: path.to_string() }.into());
        }
        let detail = if kind == ObjectKind::Catalog { Detail::Catalog } else { Detail::Schema };
        let new = NewObject {
            name: path.last().to_owned(),
            uid: self.new_uid(),
            comment: create.comment,
            properties: create.properties,
            detail,
            at: self.sql.clock.now(),
        };
        match self.sql.catalog.create_object(&permit, new).await {
            // Somebody else was faster.
            Err(UnityError::AlreadyExists { .. }) if create.if_not_exists => Ok(no_rows()),
            Err(error) => Err(error.into()),
            Ok(made) if kind == ObjectKind::Catalog => self.create_default(&made).await,
            Ok(_) => Ok(no_rows()),
        }
    }

    /// Every catalog starts with a schema `default`.
    /// Source: Databricks' manual, "Create catalogs".
    async fn create_default(&self, catalog: &Object) -> Result<Rows, SqlError> {
        let path = ObjectPath::new(vec![catalog.name.to_string(), DEFAULT.to_owned()]);
        let permit = self.may_create(ObjectKind::Schema, &path.map_err(UnityError::from)?)?;
        let new = NewObject {
            name: DEFAULT.to_owned(),
            uid: self.new_uid(),
            comment: None,
            properties: BTreeMap::new(),
            detail: Detail::Schema,
            at: self.sql.clock.now(),
        };
        match self.sql.catalog.create_object(&permit, new).await {
            // Somebody who owns the catalog too was faster.
            Ok(_) | Err(UnityError::AlreadyExists { .. }) => Ok(no_rows()),
            Err(error) => Err(error.into()),
        }
    }

    /// A catalog that holds nothing but its empty `default` is empty.
    pub(crate) fn holds_only_default(&self, object: &Object) -> bool {
        object.kind == ObjectKind::Catalog
            && self
                .sql
                .catalog
                .unity()
                .descendants(object.id)
                .iter()
                .all(|inner| inner.kind == ObjectKind::Schema && inner.name.eq_ignore_ascii_case(DEFAULT))
    }
}
