//! Changes to the directory inside one transaction: a request with ten operations has all of their effects or none.

use std::borrow::Cow;
use std::collections::BTreeSet;

use axum::http::StatusCode;
use brickyard_catalog::permissions::{self, Permissions};
use brickyard_catalog::unity::{Unity, unity_principal_removed};
use brickyard_identity::directory::{self, USERS};
use brickyard_identity::{Directory, DirectoryError, IdentitySlots, NewUser};
use brickyard_store::{Slot, Transaction};
use brickyard_types::{Entropy, GroupName, PrincipalId, UserName};

use super::attributes::{Edit, How};
use super::record::{Attribute, Kind, Record};
use super::{immutable, invalid_value, not_found};
use crate::errors::ApiError;

/// A transaction on the directory.
pub(super) struct Change<'a> {
    pub(super) tx: &'a mut Transaction,
    pub(super) slots: IdentitySlots,
    pub(super) kind: Kind,
}

impl Change<'_> {
    fn directory(&self) -> &Directory {
        self.tx.get(self.slots.directory())
    }

    /// Makes a record.
    pub(super) fn create(
        &mut self,
        edits: Vec<Edit>,
        entropy: &dyn Entropy,
    ) -> Result<PrincipalId, ApiError> {
        let (mut identifier, mut display_name, mut rest) = (None, None, Vec::new());
        for edit in edits {
            match edit {
                Edit::Identifier(text) => identifier = Some(text),
                Edit::DisplayName(text) => display_name = Some(text),
                other => rest.push(other),
            }
        }
        let id = match self.kind {
            Kind::User => {
                let name = identifier.ok_or_else(|| invalid_value("userName is required"))?;
                let user_name: UserName =
                    name.parse().map_err(|error| refused(&DirectoryError::Name(error)))?;
                let user = NewUser { user_name, display_name, admin: false };
                directory::create_user(self.tx, self.slots, &user).map(|principal| principal.id)
            }
            Kind::ServicePrincipal => {
                let application_id = identifier.unwrap_or_else(|| directory::new_application_id(entropy));
                let display_name = display_name.as_deref().unwrap_or(&application_id);
                directory::create_service_principal(self.tx, self.slots, display_name, &application_id)
                    .map(|principal| principal.id)
            }
            Kind::Group => {
                let name = group_name(
                    display_name.as_deref().ok_or_else(|| invalid_value("displayName is required"))?,
                )?;
                directory::create_group(self.tx, self.slots, &name)
            }
        };
        let id = id.map_err(|error| refused(&error))?;
        self.apply(id, rest)?;
        Ok(id)
    }

    /// Changes a record.
    pub(super) fn edit(&mut self, id: PrincipalId, edits: Vec<Edit>) -> Result<(), ApiError> {
        self.must_exist(id)?;
        self.apply(id, edits)
    }

    /// Deletes a record, with all it holds and every right it has.
    pub(super) fn remove(
        &mut self,
        id: PrincipalId,
        rights: Slot<Permissions>,
        unity: Slot<Unity>,
    ) -> Result<(), ApiError> {
        self.must_exist(id)?;
        match self.kind {
            Kind::Group => directory::delete_group(self.tx, self.slots, id),
            Kind::User | Kind::ServicePrincipal => directory::delete_principal(self.tx, self.slots, id),
        }
        .map_err(|error| refused(&error))?;
        permissions::principal_removed(self.tx, rights, id);
        unity_principal_removed(self.tx, unity, id);
        Ok(())
    }

    fn must_exist(&self, id: PrincipalId) -> Result<(), ApiError> {
        match Record::find(self.directory(), self.kind, id) {
            Some(_) => Ok(()),
            None => Err(not_found(self.kind.word(), &id.to_string())),
        }
    }

    fn apply(&mut self, id: PrincipalId, edits: Vec<Edit>) -> Result<(), ApiError> {
        edits.into_iter().try_for_each(|edit| self.apply_one(id, edit))
    }

    fn apply_one(&mut self, id: PrincipalId, edit: Edit) -> Result<(), ApiError> {
        let (kind, slots) = (self.kind, self.slots);
        let now = |attribute| {
            let record = Record::find(self.tx.get(slots.directory()), kind, id);
            record.and_then(|record| record.attribute(attribute)).map(Cow::into_owned)
        };
        let done = match edit {
            Edit::Identifier(text) if now(Attribute::UserName).as_deref() == Some(&text) => Ok(()),
            Edit::Identifier(_) => {
                let name = if kind == Kind::User { "userName" } else { "applicationId" };
                return Err(immutable(format!("{name} cannot be changed: tokens and grants name it")));
            }
            Edit::Addresses(addresses) => {
                let own = now(Attribute::UserName);
                if addresses.iter().any(|address| own.as_deref() != Some(address)) {
                    return Err(immutable("the address of a user is the userName and no other"));
                }
                Ok(())
            }
            // What stays as it is needs no right to change: a built-in group can be sent back as it was read.
            Edit::DisplayName(text) if now(Attribute::DisplayName).as_deref() == Some(&text) => Ok(()),
            Edit::DisplayName(text) if kind == Kind::Group => {
                directory::rename_group(self.tx, slots, id, &group_name(&text)?)
            }
            Edit::DisplayName(text) => directory::set_display_name(self.tx, slots, id, &text),
            Edit::Active(active)
                if now(Attribute::Active).as_deref() == Some(if active { "true" } else { "false" }) =>
            {
                Ok(())
            }
            Edit::Active(active) => directory::set_active(self.tx, slots, id, active),
            Edit::ExternalId(text) if now(Attribute::ExternalId) == text => Ok(()),
            Edit::ExternalId(text) => directory::set_external_id(self.tx, slots, id, text.as_deref()),
            Edit::Members(how, members) => return self.members(how, id, &members),
            Edit::Groups(how, groups) => return self.groups(how, id, &groups),
        };
        done.map_err(|error| refused(&error))
    }

    fn members(&mut self, how: How, group: PrincipalId, given: &[PrincipalId]) -> Result<(), ApiError> {
        if self.directory().users_group() == Some(group) {
            return Err(refused(&DirectoryError::BuiltIn(USERS.to_owned())));
        }
        if how == How::Replace {
            let stays: BTreeSet<_> = given.iter().collect();
            let now: Vec<PrincipalId> = self
                .directory()
                .group_by_id(group)
                .into_iter()
                .flat_map(|group| group.members.iter().copied())
                .collect();
            for member in now.into_iter().filter(|member| !stays.contains(member)) {
                self.set_member(How::Remove, group, member)?;
            }
        }
        given.iter().try_for_each(|member| self.set_member(how, group, *member))
    }

    fn groups(&mut self, how: How, member: PrincipalId, given: &[PrincipalId]) -> Result<(), ApiError> {
        // Everybody is in `users`: nobody has to be put there, nobody can leave.
        let users = self.directory().users_group();
        if how == How::Remove && given.iter().any(|group| users == Some(*group)) {
            return Err(refused(&DirectoryError::BuiltIn(USERS.to_owned())));
        }
        if how == How::Replace {
            let now: Vec<PrincipalId> =
                self.directory().direct_groups_of(member).map(|group| group.id).collect();
            for group in now.into_iter().filter(|group| !given.contains(group)) {
                self.set_member(How::Remove, group, member)?;
            }
        }
        (given.iter().filter(|group| users != Some(**group)))
            .try_for_each(|group| self.set_member(how, *group, member))
    }

    fn set_member(&mut self, how: How, group: PrincipalId, member: PrincipalId) -> Result<(), ApiError> {
        let directory = self.directory();
        if directory.group_by_id(group).is_none() {
            return Err(not_found(Kind::Group.word(), &group.to_string()));
        }
        let visible = [Kind::User, Kind::ServicePrincipal, Kind::Group]
            .into_iter()
            .any(|kind| Record::find(directory, kind, member).is_some());
        let done = match how {
            How::Remove => directory::remove_member(self.tx, self.slots, group, member),
            How::Add | How::Replace if !visible => return Err(not_found("Principal", &member.to_string())),
            How::Add | How::Replace => directory::add_member(self.tx, self.slots, group, member),
        };
        done.map_err(|error| refused(&error))
    }
}

fn group_name(text: &str) -> Result<GroupName, ApiError> {
    text.parse().map_err(|error| refused(&DirectoryError::Name(error)))
}

/// Why the directory refuses, as SCIM says it.
pub(super) fn refused(error: &DirectoryError) -> ApiError {
    let (status, scim_type) = match error {
        DirectoryError::Name(_) | DirectoryError::NotAnApplicationId(_) | DirectoryError::Cycle(_) => {
            (StatusCode::BAD_REQUEST, "invalidValue")
        }
        DirectoryError::AlreadyExists { .. } => (StatusCode::CONFLICT, "uniqueness"),
        DirectoryError::BuiltIn(_) | DirectoryError::LastAdmin => (StatusCode::BAD_REQUEST, "mutability"),
        DirectoryError::NotFound { .. } => (StatusCode::NOT_FOUND, "noTarget"),
        // Nobody is told that there is one.
        DirectoryError::System(_) => {
            return ApiError::scim(StatusCode::NOT_FOUND, "noTarget", "Principal not found.");
        }
    };
    ApiError::scim(status, scim_type, error.to_string())
}
