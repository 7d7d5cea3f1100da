//! `CREATE`, `ALTER`, `DROP` and `COMMENT`.
//!
//! Order for a crash in the middle: what a new table holds is written first, its entry in the catalog second. A folder
//! that no entry names is in nobody's way; an entry without a folder would be.

mod alter_table;
mod check;
pub(crate) mod columns;
mod connection;
mod constraint;
mod container;
mod function;
mod policy;
mod table;
mod tags;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) use table::no_rows_of;

use brickyard_catalog::unity::{
    self, CreateObject, ManageObject, Object, ObjectKind, ObjectPath, ObjectRef, TableKind, TagChange,
    Target, UnityError,
};
use brickyard_catalog::{Permit, family};

use crate::drop::drop_object;
use crate::error::SqlError;
use crate::information_schema;
use crate::run::{Rows, Run, no_rows};
use crate::statement::{Alteration, Kind, NameOrMarker};

/// The securable that a statement's word means.
pub(crate) fn object_kind(kind: Kind) -> ObjectKind {
    match kind {
        Kind::Metastore => ObjectKind::Metastore,
        Kind::Catalog => ObjectKind::Catalog,
        Kind::Schema => ObjectKind::Schema,
        Kind::Table | Kind::View => ObjectKind::Table,
        Kind::Function => ObjectKind::Function,
        Kind::Connection => ObjectKind::Connection,
    }
}

/// Refuses `DROP TABLE` of a view and `DROP VIEW` of a table.
pub(crate) fn is_of_kind(kind: Kind, object: &Object) -> Result<(), SqlError> {
    let is_view = object.table().is_some_and(|table| table.table_kind == TableKind::View);
    let name = &object.full_name;
    match kind {
        Kind::Table if is_view => {
            let message = format!("'{name}' is a view. Use the statement for views.");
            Err(SqlError::condition("EXPECT_TABLE_NOT_VIEW.NO_ALTERNATIVE", "42809", message))
        }
        Kind::View if !is_view => {
            let message = format!("'{name}' is a table. Use the statement for tables.");
            Err(SqlError::condition("EXPECT_VIEW_NOT_TABLE.NO_ALTERNATIVE", "42809", message))
        }
        _ => Ok(()),
    }
}

impl Run<'_> {
    /// A UUID that nothing else has.
    pub(crate) fn new_uid(&self) -> Arc<str> {
        let mut bytes = [0_u8; 16];
        self.sql.entropy.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string().into()
    }

    /// Permission to make something of that name, whether or not it is there already.
    pub(crate) fn may_create(
        &self,
        kind: ObjectKind,
        path: &ObjectPath,
    ) -> Result<Permit<CreateObject>, SqlError> {
        information_schema::refuse_change(path)?;
        let parent = match kind.parent() {
            Some(above @ (ObjectKind::Catalog | ObjectKind::Schema)) => {
                let above_path = ObjectPath::new(path.parents().to_vec()).map_err(UnityError::from)?;
                self.find(&self.session.speaker().asker(), above, &above_path)?.reference()
            }
            _ => ObjectRef::metastore(),
        };
        self.authorize(CreateObject { parent: Target::new(parent, &family::SQL_STATEMENTS), kind })
    }

    /// What has that name now.
    pub(crate) fn existing(&self, kind: ObjectKind, path: &ObjectPath) -> Option<Arc<Object>> {
        self.sql.catalog.unity().find(kind, path).cloned()
    }

    /// The object as it is now: another statement may have changed it since it was looked up.
    pub(crate) fn again(&self, object: &Object) -> Result<Arc<Object>, SqlError> {
        self.sql.catalog.unity().get(object.id).cloned().ok_or_else(|| {
            UnityError::NotFound { kind: object.kind, name: object.full_name.to_string() }.into()
        })
    }

    pub(crate) fn may_manage(&self, object: &Object) -> Result<Permit<ManageObject>, SqlError> {
        self.authorize(ManageObject(Self::target(object)))
    }

    pub(crate) async fn drop(
        &self,
        kind: Kind,
        name: &NameOrMarker,
        if_exists: bool,
        cascade: bool,
    ) -> Result<Rows, SqlError> {
        let wanted = object_kind(kind);
        if kind == Kind::View && self.drop_temporary_view(name)? {
            return Ok(no_rows());
        }
        if kind == Kind::Table {
            self.no_temporary_view(name)?;
        }
        let path = self.path(wanted, name)?;
        information_schema::refuse_change(&path)?;
        let object = match self.existing(wanted, &path) {
            Some(object) => object,
            None if if_exists => return Ok(no_rows()),
            None => self.object(wanted, name)?,
        };
        let permit = self.may_manage(&object)?;
        is_of_kind(kind, &object)?;
        let all = cascade || self.holds_only_default(&object);
        drop_object(self.sql, &permit, all).await?;
        Ok(no_rows())
    }

    pub(crate) async fn comment(
        &self,
        kind: Kind,
        name: &NameOrMarker,
        comment: Option<String>,
    ) -> Result<Rows, SqlError> {
        let object = self.object(object_kind(kind), name)?;
        let permit = self.may_manage(&object)?;
        is_of_kind(kind, &object)?;
        self.change(&permit, vec![unity::Alteration::Comment(comment)]).await
    }

    /// Changes a definition.
    pub(crate) async fn change(
        &self,
        permit: &Permit<ManageObject>,
        changes: Vec<unity::Alteration>,
    ) -> Result<Rows, SqlError> {
        self.sql.catalog.alter_object(permit, changes, self.sql.clock.now()).await?;
        Ok(no_rows())
    }

    pub(crate) async fn alter(
        &self,
        kind: Kind,
        name: &NameOrMarker,
        action: Alteration,
    ) -> Result<Rows, SqlError> {
        let wanted = object_kind(kind);
        let object = self.object(wanted, name)?;
        let action = match action {
            Alteration::SetTags { column, tags } => {
                return self.tag(kind, &object, TagChange { column, set: tags, unset: Vec::new() }).await;
            }
            Alteration::UnsetTags { column, names } => {
                return self
                    .tag(kind, &object, TagChange { column, set: BTreeMap::new(), unset: names })
                    .await;
            }
            action => action,
        };
        let permit = self.may_manage(&object)?;
        // `ALTER TABLE v OWNER TO` is how Databricks lets views be altered, too; what only tables have is refused below.
        if kind == Kind::View {
            is_of_kind(kind, &object)?;
        }
        let change = match action {
            Alteration::OwnerTo(owner) => unity::Alteration::Owner(owner),
            Alteration::SetComment(comment) => unity::Alteration::Comment(comment),
            Alteration::SetProperties(properties) => {
                check::not_a_property(properties.keys())?;
                unity::Alteration::SetProperties(properties)
            }
            Alteration::UnsetProperties { keys, if_exists } => {
                check::not_a_property(keys.iter())?;
                if !if_exists
                    && let Some(missing) = keys.iter().find(|key| !object.properties.contains_key(*key))
                {
                    let message = format!("{} has no property '{missing}'.", object.full_name);
                    return Err(SqlError::condition("UNSET_NONEXISTENT_PROPERTIES", "42K0J", message));
                }
                unity::Alteration::UnsetProperties(keys)
            }
            Alteration::RenameTo(to) => unity::Alteration::Rename(self.renamed(&object, &to)?),
            Alteration::SetOptions(options) => {
                let detail = self.connection_with(&object, options)?;
                unity::Alteration::Detail(detail)
            }
            Alteration::Refused(what) => return Err(SqlError::unsupported(what)),
            Alteration::ViewQuery { query, text } => {
                return self.alter_view(&permit, &object, &query, text).await;
            }
            table_action => return self.alter_table(&permit, &object, table_action).await,
        };
        self.change(&permit, vec![change]).await
    }

    /// The last part of an object's new name, which stays where it is.
    fn renamed(&self, object: &Object, to: &NameOrMarker) -> Result<String, SqlError> {
        if object.kind == ObjectKind::Schema || object.kind == ObjectKind::Catalog {
            return Err(SqlError::unsupported(format_args!(
                "renaming a {}",
                object.kind.word().to_lowercase()
            )));
        }
        // A name without the parts above means the object's own place, not the session's.
        let parts = match to {
            NameOrMarker::Name(name) if name.0.len() == 1 => return Ok(name.0[0].clone()),
            _ => self.path(object.kind, to)?,
        };
        let own = object.full_name.rsplit_once('.').map_or("", |(above, _)| above);
        if parts.parents().join(".").to_lowercase() == own.to_lowercase() {
            Ok(parts.last().to_owned())
        } else {
            Err(SqlError::unsupported("renaming an object into another schema"))
        }
    }
}
