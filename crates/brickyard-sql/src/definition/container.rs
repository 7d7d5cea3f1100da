//! Catalogs and schemas.

use brickyard_catalog::unity::{Detail, NewObject, ObjectKind, UnityError};

use crate::error::SqlError;
use crate::run::{Rows, Run, no_rows};
use crate::statement::CreateContainer;

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
            Ok(_) => Ok(no_rows()),
        }
    }
}
