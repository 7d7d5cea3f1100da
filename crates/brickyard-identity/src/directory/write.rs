//! The checked changes, as plain functions inside a transaction: whoever has one can commit them together with its
//! own. [`crate::Identity`] has a method for each that commits it alone.

use std::sync::Arc;

use brickyard_store::Transaction;
use brickyard_types::{EndpointId, Entropy, GroupName, Principal, PrincipalId, PrincipalKind, UserName};

use super::{ADMINS, Directory, DirectoryChange, DirectoryError, USERS};
use crate::credentials;
use crate::slots::IdentitySlots;

/// A user to create.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The name; also what tokens call the user.
    pub user_name: UserName,
    /// For people to read; the user name when absent.
    pub display_name: Option<String>,
    /// Makes the user a workspace admin.
    pub admin: bool,
}

impl NewUser {
    /// A user with that name and nothing else.
    pub fn named(user_name: UserName) -> Self {
        Self { user_name, display_name: None, admin: false }
    }
}

/// A random application id (UUID version 4).
pub fn new_application_id(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

fn exists(kind: &'static str, name: &str) -> DirectoryError {
    DirectoryError::AlreadyExists { kind, name: name.to_owned() }
}

fn missing(kind: &'static str, name: impl ToString) -> DirectoryError {
    DirectoryError::NotFound { kind, name: name.to_string() }
}

/// Creates a user.
///
/// # Errors
/// If the name is taken.
pub fn create_user(
    tx: &mut Transaction,
    slots: IdentitySlots,
    user: &NewUser,
) -> Result<Principal, DirectoryError> {
    let directory = tx.get(slots.directory());
    let name = user.user_name.as_str();
    if directory.user(&user.user_name).is_some() {
        return Err(exists("user", name));
    }
    let principal = Principal { id: directory.next_id(), kind: PrincipalKind::User, name: name.into() };
    let admins = directory.admins_group();
    let display_name = user.display_name.as_deref().unwrap_or(name).into();
    let created =
        DirectoryChange::PrincipalCreated { principal: principal.clone(), display_name, served: None };
    tx.change(slots.directory(), created);
    if user.admin {
        let group = admins.ok_or_else(|| missing("group", ADMINS))?;
        tx.change(slots.directory(), DirectoryChange::MemberAdded { group, member: principal.id });
    }
    Ok(principal)
}

/// Creates a service principal that people see.
///
/// # Errors
/// If the application id is no canonical UUID, or taken.
pub fn create_service_principal(
    tx: &mut Transaction,
    slots: IdentitySlots,
    display_name: &str,
    application_id: &str,
) -> Result<Principal, DirectoryError> {
    add_service_principal(tx, slots, PrincipalKind::ServicePrincipal, display_name, application_id, None)
}

/// Creates the hidden service principal of one served entity of one endpoint, in the same commit as the endpoint.
///
/// # Errors
/// If the application id is no canonical UUID, or taken.
pub fn create_system_principal(
    tx: &mut Transaction,
    slots: IdentitySlots,
    endpoint: EndpointId,
    served: &str,
    application_id: &str,
) -> Result<Principal, DirectoryError> {
    let kind = PrincipalKind::SystemServicePrincipal(endpoint);
    let display_name = format!("System service principal of {served}");
    add_service_principal(tx, slots, kind, &display_name, application_id, Some(served.into()))
}

fn add_service_principal(
    tx: &mut Transaction,
    slots: IdentitySlots,
    kind: PrincipalKind,
    display_name: &str,
    application_id: &str,
    served: Option<Arc<str>>,
) -> Result<Principal, DirectoryError> {
    match uuid::Uuid::try_parse(application_id) {
        Ok(uuid) if uuid.to_string() == application_id => {}
        _ => return Err(DirectoryError::NotAnApplicationId(application_id.chars().take(80).collect())),
    }
    let directory = tx.get(slots.directory());
    if directory.service_principal(application_id).is_some() {
        return Err(exists("service principal", application_id));
    }
    let principal = Principal { id: directory.next_id(), kind, name: application_id.into() };
    let display_name = display_name.into();
    let created = DirectoryChange::PrincipalCreated { principal: principal.clone(), display_name, served };
    tx.change(slots.directory(), created);
    Ok(principal)
}

/// Deletes a user or service principal, hidden or not, with all its tokens and secrets. Effective at once.
///
/// # Errors
/// If nobody has that id.
pub fn delete_principal(
    tx: &mut Transaction,
    slots: IdentitySlots,
    id: PrincipalId,
) -> Result<(), DirectoryError> {
    if tx.get(slots.directory()).by_id(id).is_none() {
        return Err(missing("principal", id));
    }
    tx.change(slots.directory(), DirectoryChange::PrincipalDeleted { id });
    credentials::forget_principal(tx, slots, id);
    Ok(())
}

fn changeable(directory: &Directory, id: PrincipalId) -> Result<(), DirectoryError> {
    match directory.by_id(id) {
        None => Err(missing("principal", id)),
        Some(entry) if entry.is_system() => Err(DirectoryError::System(entry.principal.name.to_string())),
        Some(_) => Ok(()),
    }
}

/// Enables or disables a user or service principal. A disabled one's tokens are refused at once.
///
/// # Errors
/// If nobody has that id, or it is an endpoint's own.
pub fn set_active(
    tx: &mut Transaction,
    slots: IdentitySlots,
    id: PrincipalId,
    active: bool,
) -> Result<(), DirectoryError> {
    changeable(tx.get(slots.directory()), id)?;
    tx.change(slots.directory(), DirectoryChange::ActiveSet { id, active });
    Ok(())
}

/// Gives a user or service principal another display name.
///
/// # Errors
/// If nobody has that id, or it is an endpoint's own.
pub fn set_display_name(
    tx: &mut Transaction,
    slots: IdentitySlots,
    id: PrincipalId,
    name: &str,
) -> Result<(), DirectoryError> {
    changeable(tx.get(slots.directory()), id)?;
    tx.change(slots.directory(), DirectoryChange::DisplayNameSet { id, display_name: name.into() });
    Ok(())
}

/// Notes the id of a user, service principal or group in somebody else's directory.
///
/// # Errors
/// If nobody and no group has that id.
pub fn set_external_id(
    tx: &mut Transaction,
    slots: IdentitySlots,
    id: PrincipalId,
    external_id: Option<&str>,
) -> Result<(), DirectoryError> {
    let directory = tx.get(slots.directory());
    if directory.group_by_id(id).is_none() {
        changeable(directory, id)?;
    }
    tx.change(
        slots.directory(),
        DirectoryChange::ExternalIdSet { id, external_id: external_id.map(Into::into) },
    );
    Ok(())
}

/// Creates a group.
///
/// # Errors
/// If the name is taken.
pub fn create_group(
    tx: &mut Transaction,
    slots: IdentitySlots,
    name: &GroupName,
) -> Result<PrincipalId, DirectoryError> {
    let directory = tx.get(slots.directory());
    if directory.group(name).is_some() {
        return Err(exists("group", name.as_str()));
    }
    let id = directory.next_id();
    tx.change(slots.directory(), DirectoryChange::GroupCreated { id, name: name.clone() });
    Ok(id)
}

fn own_group(directory: &Directory, id: PrincipalId) -> Result<(), DirectoryError> {
    match directory.group_by_id(id) {
        None => Err(missing("group", id)),
        Some(group) if group.is_built_in() => Err(DirectoryError::BuiltIn(group.name.to_string())),
        Some(_) => Ok(()),
    }
}

/// Gives a group another name.
///
/// # Errors
/// If there is no such group, it is built in, or the name is taken.
pub fn rename_group(
    tx: &mut Transaction,
    slots: IdentitySlots,
    id: PrincipalId,
    name: &GroupName,
) -> Result<(), DirectoryError> {
    let directory = tx.get(slots.directory());
    own_group(directory, id)?;
    match directory.group(name) {
        Some(group) if group.id == id => Ok(()),
        Some(_) => Err(exists("group", name.as_str())),
        None => {
            tx.change(slots.directory(), DirectoryChange::GroupRenamed { id, name: name.clone() });
            Ok(())
        }
    }
}

/// Deletes a group. Its members stay.
///
/// # Errors
/// If there is no such group, or it is built in.
pub fn delete_group(
    tx: &mut Transaction,
    slots: IdentitySlots,
    id: PrincipalId,
) -> Result<(), DirectoryError> {
    own_group(tx.get(slots.directory()), id)?;
    tx.change(slots.directory(), DirectoryChange::GroupDeleted { id });
    Ok(())
}

/// Puts a user, service principal or group into a group. Doing it twice is doing it once.
///
/// # Errors
/// If either is not there, the group is `users`, or it would end up inside itself.
pub fn add_member(
    tx: &mut Transaction,
    slots: IdentitySlots,
    group: PrincipalId,
    member: PrincipalId,
) -> Result<(), DirectoryError> {
    let directory = tx.get(slots.directory());
    let target = directory.group_by_id(group).ok_or_else(|| missing("group", group))?;
    if target.name.as_str() == USERS {
        return Err(DirectoryError::BuiltIn(USERS.to_owned()));
    }
    if target.members.contains(&member) {
        return Ok(());
    }
    if let Some(inner) = directory.group_by_id(member) {
        if inner.name.as_str() == USERS {
            return Err(DirectoryError::BuiltIn(USERS.to_owned()));
        }
        if member == group || directory.ancestors(group).contains(&member) {
            return Err(DirectoryError::Cycle(inner.name.to_string()));
        }
    } else {
        changeable(directory, member)?;
    }
    tx.change(slots.directory(), DirectoryChange::MemberAdded { group, member });
    Ok(())
}

/// Takes a user, service principal or group out of a group. Whoever is not in it stays out.
///
/// # Errors
/// If there is no such group.
pub fn remove_member(
    tx: &mut Transaction,
    slots: IdentitySlots,
    group: PrincipalId,
    member: PrincipalId,
) -> Result<(), DirectoryError> {
    let target = tx.get(slots.directory()).group_by_id(group).ok_or_else(|| missing("group", group))?;
    if target.members.contains(&member) {
        tx.change(slots.directory(), DirectoryChange::MemberRemoved { group, member });
    }
    Ok(())
}

/// `users` and `admins` exist in every workspace.
pub(crate) fn ensure_built_in_groups(
    tx: &mut Transaction,
    slots: IdentitySlots,
) -> Result<(), DirectoryError> {
    for name in [USERS, ADMINS] {
        let name: GroupName = name.parse()?;
        if tx.get(slots.directory()).group(&name).is_none() {
            create_group(tx, slots, &name)?;
        }
    }
    Ok(())
}
