//! Access lists, as people see and set them: names instead of ids, inherited rights beside granted ones.
//!
//! Hidden system principals are in no list, and a list that names one is accepted without effect on it: that is what
//! Databricks does, and what makes a deployed agent fail where everything looked granted.

use brickyard_identity::{Directory, DirectoryEntry};
use brickyard_store::{CommitError, StoreError};
use brickyard_types::{GroupName, PrincipalId, PrincipalKind, UserName};

use crate::action::{ManagePermissions, ManageSecretScope, ReadPermissions};
use crate::authorize::Permit;
use crate::catalog::Catalog;
use crate::level::Level;
use crate::permissions::{self, Acl, PermissionChange};
use crate::securable::{Securable, SecurableKind};
use crate::unity::unity_principal_removed;

/// Who is named in an access list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Grantee {
    /// A user, by name.
    User(String),
    /// A group, by name.
    Group(String),
    /// A service principal, by application id.
    ServicePrincipal(String),
    /// Any of the three, as secret ACLs name them: an application id, else a user's name, else a group's.
    Anyone(String),
}

impl Grantee {
    /// The name.
    pub fn name(&self) -> &str {
        match self {
            Self::User(name) | Self::Group(name) | Self::ServicePrincipal(name) | Self::Anyone(name) => name,
        }
    }

    fn words(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Group(_) => "group",
            Self::ServicePrincipal(_) => "service principal",
            Self::Anyone(_) => "principal",
        }
    }
}

/// One line of an access list that somebody wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    /// To whom.
    pub grantee: Grantee,
    /// How much.
    pub level: Level,
}

/// One line of an access list as it is. One principal can have two: a granted and an inherited one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccessEntry {
    /// Who; never [`Grantee::Anyone`].
    pub grantee: Grantee,
    /// The name that people read, for users and service principals.
    pub display_name: Option<String>,
    /// How much.
    pub level: Level,
    /// True if it comes from above and cannot be taken away here.
    pub inherited: bool,
    /// The object that it comes from, e.g. `/serving-endpoints/`.
    pub inherited_from: Option<String>,
}

/// An access list that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// Nobody of that name.
    #[error("{kind} {name:?} does not exist in this workspace")]
    UnknownPrincipal {
        /// `user`, `group`, `service principal` or `principal`.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// A level that such a thing does not have.
    #[error("{level} is not a permission level of a {kind}; its levels are {allowed}")]
    WrongLevel {
        /// The level.
        level: Level,
        /// The thing's kind.
        kind: &'static str,
        /// Its levels, comma-separated.
        allowed: String,
    },
    /// The thing was deleted meanwhile.
    #[error("{0} does not exist")]
    Gone(String),
    /// There is no such entry.
    #[error("{0:?} has no entry in the access list")]
    NoEntry(String),
}

/// Why an access list was not changed.
pub type AccessError = CommitError<GrantError>;

/// The levels that can be granted on a kind of thing, and what each allows.
pub fn permission_levels(kind: SecurableKind) -> &'static [(Level, &'static str)] {
    kind.levels()
}

/// Somebody's id, from the name in an access list. `Ok(None)` for a hidden system principal.
///
/// # Errors
/// If nobody has that name.
pub fn resolve(directory: &Directory, grantee: &Grantee) -> Result<Option<PrincipalId>, GrantError> {
    let user = |name: &str| name.parse::<UserName>().ok().and_then(|name| directory.user(&name));
    let group =
        |name: &str| name.parse::<GroupName>().ok().and_then(|name| directory.group(&name)).map(|g| g.id);
    let visible = |entry: &DirectoryEntry| (!entry.is_system()).then_some(entry.principal.id);
    let found = match grantee {
        Grantee::User(name) => user(name).map(visible),
        Grantee::ServicePrincipal(name) => {
            directory.service_principal(name).or_else(|| by_number(directory, name)).map(visible)
        }
        Grantee::Group(name) => group(name).map(Some),
        Grantee::Anyone(name) => directory.by_name(name).map(visible).or_else(|| group(name).map(Some)),
    };
    found.ok_or_else(|| GrantError::UnknownPrincipal {
        kind: grantee.words(),
        name: grantee.name().to_owned(),
    })
}

/// A hidden system principal by its numeric id, so that naming it that way is dropped in silence too. Nobody else is
/// found by number.
fn by_number<'a>(directory: &'a Directory, name: &str) -> Option<&'a DirectoryEntry> {
    let id: PrincipalId = name.parse().ok()?;
    directory.by_id(id).filter(|entry| entry.is_system())
}

/// Names to ids, for one kind of thing. Repeated names keep the highest level.
///
/// # Errors
/// If a name is unknown or a level is not one of the thing's.
pub fn resolve_all(
    directory: &Directory,
    kind: SecurableKind,
    grants: &[Grant],
) -> Result<Vec<(PrincipalId, Level)>, GrantError> {
    let mut entries: Vec<(PrincipalId, Level)> = Vec::with_capacity(grants.len());
    for grant in grants {
        if !kind.has_level(grant.level) {
            let allowed: Vec<&str> = kind.levels().iter().map(|(level, _)| level.as_str()).collect();
            let (level, kind) = (grant.level, kind.words());
            return Err(GrantError::WrongLevel { level, kind, allowed: allowed.join(", ") });
        }
        if let Some(principal) = resolve(directory, &grant.grantee)? {
            entries.push((principal, grant.level));
        }
    }
    entries.sort_by_key(|(principal, _)| *principal);
    entries.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 = kept.1.or_higher(next.1);
        }
        same
    });
    Ok(entries)
}

impl Catalog {
    /// The access list of a thing: the creator, everybody with an entry, and the admins, who inherit.
    pub fn access_list(&self, permit: &Permit<ReadPermissions>) -> Vec<AccessEntry> {
        self.listed(permit.on())
    }

    /// As [`access_list`](Self::access_list), for those who may change it: what `PUT` and `PATCH` answer.
    pub fn access_list_to_manage(&self, permit: &Permit<ManagePermissions>) -> Vec<AccessEntry> {
        self.listed(permit.on())
    }

    /// Replaces the access list. The creator and the admins keep what they have.
    ///
    /// # Errors
    /// If a name is unknown or a level is not one of the thing's; nothing is changed then.
    pub async fn set_access(
        &self,
        permit: &Permit<ManagePermissions>,
        grants: &[Grant],
    ) -> Result<(), AccessError> {
        let entries = self.resolved(permit.on(), grants)?;
        let (securable, slot) = (permit.on(), self.slot());
        self.store()
            .commit(|tx| {
                exists(tx.get(slot).on(securable), securable)?;
                permissions::set_entries(tx, slot, securable, entries);
                Ok(())
            })
            .await
    }

    /// Adds to the access list: who holds more already keeps it.
    ///
    /// # Errors
    /// If a name is unknown or a level is not one of the thing's; nothing is changed then.
    pub async fn merge_access(
        &self,
        permit: &Permit<ManagePermissions>,
        grants: &[Grant],
    ) -> Result<(), AccessError> {
        let mut entries = self.resolved(permit.on(), grants)?;
        let (securable, slot) = (permit.on(), self.slot());
        let users = self.identity().directory().users_group();
        self.store()
            .commit(|tx| {
                let acl = tx.get(slot).on(securable);
                exists(acl, securable)?;
                // The first list of the tokens adds to what everybody has without one.
                if let (Securable::Tokens, None, Some(users)) = (securable, acl, users) {
                    entries.push((users, Level::CanUse));
                }
                permissions::merge_entries(tx, slot, securable, entries);
                Ok(())
            })
            .await
    }

    /// The entries of a secret scope's access list, by name.
    pub fn scope_acl(&self, permit: &Permit<ManageSecretScope>) -> Vec<Grant> {
        let directory = self.identity().directory();
        let permissions = self.permissions();
        let acl = permissions.on(&Securable::SecretScope(permit.on().clone()));
        let mut list: Vec<Grant> = (acl.into_iter().flat_map(Acl::entries))
            .filter_map(|(id, level)| Some(Grant { grantee: named(&directory, id)?.0, level }))
            .collect();
        list.sort_by(|one, other| one.grantee.name().cmp(other.grantee.name()));
        list
    }

    /// Sets one entry of a secret scope's access list, whatever it was.
    ///
    /// # Errors
    /// If the name is unknown, the level is not one of a scope's, or the scope is gone.
    pub async fn put_scope_acl(
        &self,
        permit: &Permit<ManageSecretScope>,
        grant: &Grant,
    ) -> Result<(), AccessError> {
        let securable = Securable::SecretScope(permit.on().clone());
        let entries = self.resolved(&securable, std::slice::from_ref(grant))?;
        let slot = self.slot();
        self.store()
            .commit(|tx| {
                exists(tx.get(slot).on(&securable), &securable)?;
                for (principal, level) in entries {
                    tx.change(slot, PermissionChange::Put { on: securable.key(), principal, level });
                }
                Ok(())
            })
            .await
    }

    /// Removes one entry of a secret scope's access list.
    ///
    /// # Errors
    /// If the name is unknown or has no entry.
    pub async fn delete_scope_acl(
        &self,
        permit: &Permit<ManageSecretScope>,
        grantee: &Grantee,
    ) -> Result<(), AccessError> {
        let securable = Securable::SecretScope(permit.on().clone());
        let principal = resolve(&self.identity().directory(), grantee).map_err(CommitError::Refused)?;
        let slot = self.slot();
        self.store()
            .commit(|tx| {
                let Some(principal) = principal else { return Ok(()) };
                let acl = tx.get(slot).on(&securable);
                exists(acl, &securable)?;
                if acl.and_then(|acl| acl.entry(principal)).is_none() {
                    return Err(GrantError::NoEntry(grantee.name().to_owned()));
                }
                tx.change(slot, PermissionChange::Remove { on: securable.key(), principal });
                Ok(())
            })
            .await
    }

    /// Takes back every right of a user, group or service principal that was deleted.
    ///
    /// # Errors
    /// If the journal cannot keep it.
    pub async fn forget_principal(&self, principal: PrincipalId) -> Result<(), StoreError> {
        let (slot, unity) = (self.slot(), self.unity_slot());
        let committed = self.store().commit(|tx| {
            permissions::principal_removed(tx, slot, principal);
            unity_principal_removed(tx, unity, principal);
            Ok::<_, StoreError>(())
        });
        committed.await.map_err(|error| match error {
            CommitError::Refused(error) | CommitError::Store(error) => error,
        })
    }

    fn resolved(
        &self,
        securable: &Securable,
        grants: &[Grant],
    ) -> Result<Vec<(PrincipalId, Level)>, AccessError> {
        resolve_all(&self.identity().directory(), securable.kind(), grants).map_err(CommitError::Refused)
    }

    fn listed(&self, securable: &Securable) -> Vec<AccessEntry> {
        let (directory, permissions) = (self.identity().directory(), self.permissions());
        let kind = securable.kind();
        let acl = permissions.on(securable);
        let mut list = Vec::new();
        let mut add = |id: PrincipalId, level: Level, inherited_from: Option<String>| {
            if let Some((grantee, display_name)) = named(&directory, id) {
                let inherited = inherited_from.is_some();
                list.push(AccessEntry { grantee, display_name, level, inherited, inherited_from });
            }
        };
        let owner = acl.and_then(Acl::owner);
        if let Some(owner) = owner {
            // Where there is a word for it, the creator is shown as the owner; it holds the same.
            let held = if kind.has_level(Level::IsOwner) { Level::IsOwner } else { kind.top() };
            add(owner, held, None);
        }
        match (acl, kind, directory.users_group()) {
            (Some(acl), ..) => {
                acl.entries()
                    .filter(|(id, _)| owner != Some(*id))
                    .for_each(|(id, level)| add(id, level, None));
            }
            (None, SecurableKind::Tokens | SecurableKind::Workspace, Some(users)) => {
                add(users, Level::CanUse, None)
            }
            _ => {}
        }
        if let Some(admins) = directory.admins_group() {
            let above = kind.permissions_path().map_or_else(|| "/".to_owned(), |path| format!("/{path}/"));
            add(admins, kind.top(), Some(above));
        }
        list
    }
}

fn exists(acl: Option<&Acl>, securable: &Securable) -> Result<(), GrantError> {
    match (acl, securable) {
        (Some(_), _) | (None, Securable::Tokens | Securable::Workspace) => Ok(()),
        (None, gone) => Err(GrantError::Gone(gone.to_string())),
    }
}

/// The name of whoever has an entry; `None` for somebody who is gone, or hidden.
fn named(directory: &Directory, id: PrincipalId) -> Option<(Grantee, Option<String>)> {
    if let Some(group) = directory.group_by_id(id) {
        return Some((Grantee::Group(group.name.to_string()), None));
    }
    let entry = directory.by_id(id)?;
    let name = entry.principal.name.to_string();
    let grantee = match entry.principal.kind {
        PrincipalKind::User => Grantee::User(name),
        PrincipalKind::ServicePrincipal => Grantee::ServicePrincipal(name),
        PrincipalKind::SystemServicePrincipal(_) => return None,
    };
    let display_name = (!entry.display_name.is_empty()).then(|| entry.display_name.to_string());
    Some((grantee, display_name))
}
