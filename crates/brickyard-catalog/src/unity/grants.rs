//! Grants as people see and change them.

use brickyard_store::{CommitError, Slot, Transaction};
use brickyard_types::PrincipalId;

use crate::authorize::Permit;
use crate::catalog::Catalog;

use super::actions::{ManageObject, ReadGrants, SeeObject};
use super::object::{Object, ObjectId, ObjectRef};
use super::privilege::{PrivilegeSet, UnityPrivilege};
use super::state::{Unity, UnityChange};
use super::write::UnityError;

/// The group `account users`: every user and service principal of the account, hidden system principals excepted. It is
/// no group of the workspace's directory, and no id of the directory is this high.
pub const ACCOUNT_USERS: PrincipalId = PrincipalId(u64::MAX >> 12);

/// What one principal was granted on an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnityGrant {
    /// The user, service principal or group.
    pub principal: PrincipalId,
    /// The name that it is shown by.
    pub name: String,
    /// What was granted.
    pub privileges: PrivilegeSet,
}

/// A change to one principal's grants on an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GrantChange {
    /// A user name, an application id, or a group's name (`account users` too).
    pub principal: String,
    /// Granted.
    pub add: PrivilegeSet,
    /// Taken back.
    pub remove: PrivilegeSet,
}

/// A privilege that somebody holds on an object by a grant there or above.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EffectivePrivilege {
    /// Whose.
    pub name: String,
    /// The privilege.
    pub privilege: UnityPrivilege,
    /// What it was granted on, if not on the object itself.
    pub inherited_from: Option<ObjectRef>,
}

impl Catalog {
    /// The grants on an object.
    pub fn grants(&self, permit: &Permit<ReadGrants>) -> Vec<UnityGrant> {
        self.grants_of(permit.on().id)
    }

    /// The caller's own grants on an object that the caller sees, its groups' included.
    pub fn own_grants(&self, permit: &Permit<SeeObject>) -> Vec<UnityGrant> {
        let mine = self.identities(permit.principal().id);
        let all = self.grants_of(permit.on().id);
        all.into_iter().filter(|grant| mine.contains(&grant.principal)).collect()
    }

    /// Every privilege on an object, by grants on it and on what holds it.
    pub fn effective_grants(&self, permit: &Permit<ReadGrants>) -> Vec<EffectivePrivilege> {
        self.effective_of(permit.on().id, None)
    }

    /// The caller's own privileges on an object that the caller sees, its groups' included.
    pub fn own_effective_grants(&self, permit: &Permit<SeeObject>) -> Vec<EffectivePrivilege> {
        let mine = self.identities(permit.principal().id);
        self.effective_of(permit.on().id, Some(&mine))
    }

    /// Grants and revokes, all or nothing.
    ///
    /// # Errors
    /// If a principal does not exist, or a privilege cannot be granted on such an object.
    pub async fn change_grants(
        &self,
        permit: &Permit<ManageObject>,
        changes: &[GrantChange],
    ) -> Result<(), UnityError> {
        let on = permit.on().clone();
        let done = self.store().commit(|tx| {
            for change in changes {
                let principal = self.grantee(&change.principal)?;
                for privilege in change.add.iter() {
                    if !privilege.grantable_on(on.kind) {
                        return Err(UnityError::NotGrantable { privilege, on: on.clone() });
                    }
                }
                let unity = tx.get(self.unity_slot());
                if on.id != ObjectId::METASTORE && unity.get(on.id).is_none() {
                    return Err(UnityError::NotFound { kind: on.kind, name: on.full_name.to_string() });
                }
                let before = unity
                    .grants_on(on.id)
                    .and_then(|grants| grants.entries.get(principal))
                    .unwrap_or_default();
                let privileges = before.with(change.add).without(change.remove);
                if privileges != before {
                    tx.change(self.unity_slot(), UnityChange::Granted { on: on.id, principal, privileges });
                }
            }
            Ok(())
        });
        done.await.map_err(from_commit)
    }

    /// The id that grants to a name hang on.
    ///
    /// # Errors
    /// If nobody is called that.
    pub fn grantee(&self, name: &str) -> Result<PrincipalId, UnityError> {
        if name.eq_ignore_ascii_case("account users") {
            return Ok(ACCOUNT_USERS);
        }
        let directory = self.identity().directory();
        if let Some(entry) = directory.by_name(name)
            && !entry.is_system()
        {
            return Ok(entry.principal.id);
        }
        let group = name.parse().ok().and_then(|name| directory.group(&name).map(|group| group.id));
        group.ok_or_else(|| UnityError::NoSuchPrincipal { name: name.to_owned() })
    }

    /// The name of a grantee or owner; the number of one that is gone.
    pub fn grantee_name(&self, id: PrincipalId) -> String {
        if id == ACCOUNT_USERS {
            return "account users".to_owned();
        }
        let directory = self.identity().directory();
        let name = directory.by_id(id).map(|entry| entry.principal.name.to_string());
        name.or_else(|| directory.group_by_id(id).map(|group| group.name.to_string()))
            .unwrap_or_else(|| id.to_string())
    }

    fn identities(&self, id: PrincipalId) -> Vec<PrincipalId> {
        let directory = self.identity().directory();
        // A grant to a group does not reach a hidden principal, so none is shown as its own.
        if directory.by_id(id).is_some_and(|entry| entry.is_system()) {
            return vec![id];
        }
        let mut mine = directory.groups_of(id).to_vec();
        mine.extend([id, ACCOUNT_USERS]);
        mine
    }

    fn grants_of(&self, id: ObjectId) -> Vec<UnityGrant> {
        let unity = self.unity();
        let entries = unity.grants_on(id).map(|grants| grants.entries.clone()).unwrap_or_default();
        let shown = entries.iter().map(|(principal, privileges)| UnityGrant {
            principal: *principal,
            name: self.grantee_name(*principal),
            privileges: *privileges,
        });
        shown.collect()
    }

    fn effective_of(&self, id: ObjectId, only: Option<&[PrincipalId]>) -> Vec<EffectivePrivilege> {
        let unity = self.unity();
        let Some(target) = unity.reference(id) else { return Vec::new() };
        let mut above: Vec<ObjectRef> =
            unity.lineage(id).map(|object: &std::sync::Arc<Object>| object.reference()).collect();
        if above.is_empty() {
            above.push(target.clone());
        }
        let mut found = Vec::new();
        for at in above {
            let Some(grants) = unity.grants_on(at.id) else { continue };
            for (principal, held) in grants.entries.iter() {
                if only.is_some_and(|only| !only.contains(principal)) {
                    continue;
                }
                for privilege in held.iter().filter(|one| one.grantable_on(target.kind)) {
                    let inherited_from = (at.id != id).then(|| at.clone());
                    found.push(EffectivePrivilege {
                        name: self.grantee_name(*principal),
                        privilege,
                        inherited_from,
                    });
                }
            }
        }
        found
    }
}

/// A system service principal may use what its endpoint declared: the privilege on the object, and the use of what
/// holds it.
pub fn grant_declared(
    tx: &mut Transaction,
    slot: Slot<Unity>,
    on: ObjectId,
    principal: PrincipalId,
    privilege: UnityPrivilege,
) {
    use super::object::ObjectKind;
    let lineage: Vec<_> = tx.get(slot).lineage(on).map(|object| (object.id, object.kind)).collect();
    for (id, kind) in lineage {
        let needed = match kind {
            _ if id == on => privilege,
            ObjectKind::Catalog => UnityPrivilege::UseCatalog,
            ObjectKind::Schema => UnityPrivilege::UseSchema,
            _ => continue,
        };
        let before = tx.get(slot).grants_on(id).and_then(|grants| grants.direct.get(principal));
        let privileges = before.unwrap_or_default().with(PrivilegeSet::only(needed));
        tx.change(slot, UnityChange::GrantedDirectly { on: id, principal, privileges });
    }
}

/// A user, group or (system) service principal is gone: takes back every privilege that it held.
pub fn unity_principal_removed(tx: &mut Transaction, slot: Slot<Unity>, principal: PrincipalId) {
    tx.change(slot, UnityChange::PrincipalRemoved { principal });
}

pub(super) fn from_commit(error: CommitError<UnityError>) -> UnityError {
    match error {
        CommitError::Refused(error) => error,
        CommitError::Store(error) => UnityError::Store(error),
    }
}
