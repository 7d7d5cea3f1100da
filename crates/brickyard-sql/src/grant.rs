//! `GRANT` and `REVOKE`.

use std::sync::Arc;

use brickyard_catalog::family;
use brickyard_catalog::unity::{
    GrantChange, ManageObject, ObjectRef, PrivilegeSet, Target, UnityError, UnityPrivilege,
};

use crate::definition::object_kind;
use crate::error::SqlError;
use crate::run::{Rows, Run, no_rows};
use crate::statement::{Kind, NameOrMarker};

impl Run<'_> {
    /// Gives privileges, or takes them back.
    pub(crate) async fn change_grants(
        &self,
        grant: bool,
        privileges: &[String],
        kind: Kind,
        name: Option<&NameOrMarker>,
        principal: String,
    ) -> Result<Rows, SqlError> {
        let on = self.securable(kind, name)?;
        let permit = self.authorize(ManageObject(Target::new(on.clone(), &family::SQL_STATEMENTS)))?;
        let mut set = PrivilegeSet::EMPTY;
        for word in privileges {
            let privilege: UnityPrivilege = word.parse().map_err(|_| {
                SqlError::condition(
                    "INVALID_PRIVILEGE",
                    "42704",
                    format!("Privilege {word} is not a privilege."),
                )
            })?;
            if !privilege.grantable_on(on.kind) {
                return Err(UnityError::NotGrantable { privilege, on }.into());
            }
            set = set.with(PrivilegeSet::only(privilege));
        }
        let (add, remove) = if grant { (set, PrivilegeSet::EMPTY) } else { (PrivilegeSet::EMPTY, set) };
        self.sql.catalog.change_grants(&permit, &[GrantChange { principal, add, remove }]).await?;
        Ok(no_rows())
    }

    /// What stands behind `ON`: the metastore has no name.
    pub(crate) fn securable(&self, kind: Kind, name: Option<&NameOrMarker>) -> Result<ObjectRef, SqlError> {
        match (kind, name) {
            (Kind::Metastore, _) => Ok(ObjectRef::metastore()),
            (_, Some(name)) => {
                let object = self.object(object_kind(kind), name)?;
                Ok(Arc::as_ref(&object).reference())
            }
            (_, None) => Err(SqlError::condition(
                "PARSE_SYNTAX_ERROR",
                "42601",
                format!("{} needs a name.", object_kind(kind).word()),
            )),
        }
    }
}
