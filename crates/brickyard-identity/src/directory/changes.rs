//! What can happen to the directory, and what each change does to the closure.

use std::sync::Arc;

use brickyard_types::{GroupName, Principal, PrincipalId};
use imbl::OrdSet;
use serde::{Deserialize, Serialize};

use super::{ADMINS, Directory, DirectoryEntry, Group, USERS};

/// A change as the journal keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum DirectoryChange {
    /// A user or service principal came.
    PrincipalCreated {
        /// Who.
        principal: Principal,
        /// For people to read.
        display_name: Arc<str>,
        /// The served entity of a hidden one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        served: Option<Arc<str>>,
    },
    /// Another display name.
    DisplayNameSet {
        /// Whose.
        id: PrincipalId,
        /// The name.
        display_name: Arc<str>,
    },
    /// Another id in somebody else's directory (of a principal or group).
    ExternalIdSet {
        /// Whose.
        id: PrincipalId,
        /// The id.
        external_id: Option<Arc<str>>,
    },
    /// Enabled or disabled.
    ActiveSet {
        /// Who.
        id: PrincipalId,
        /// Whether the principal may act.
        active: bool,
    },
    /// A user or service principal went.
    PrincipalDeleted {
        /// Who.
        id: PrincipalId,
    },
    /// A group came.
    GroupCreated {
        /// Its id.
        id: PrincipalId,
        /// Its name.
        name: GroupName,
    },
    /// A group has another name.
    GroupRenamed {
        /// Which.
        id: PrincipalId,
        /// Its name from now on.
        name: GroupName,
    },
    /// A group went.
    GroupDeleted {
        /// Which.
        id: PrincipalId,
    },
    /// Somebody, or a group, joined a group.
    MemberAdded {
        /// The group.
        group: PrincipalId,
        /// The user, service principal or group.
        member: PrincipalId,
    },
    /// Somebody, or a group, left a group.
    MemberRemoved {
        /// The group.
        group: PrincipalId,
        /// The user, service principal or group.
        member: PrincipalId,
    },
}

impl Directory {
    pub(super) fn next_id(&self) -> PrincipalId {
        // A first id that looks like one, and leaves small numbers to mistakes.
        PrincipalId(self.last_id.max(1_000_000) + 1)
    }

    pub(super) fn change(&mut self, change: &DirectoryChange) {
        match change {
            DirectoryChange::PrincipalCreated { principal, display_name, served } => {
                self.last_id = self.last_id.max(principal.id.0);
                let names = if principal.is_service_principal() {
                    &mut self.service_principals
                } else {
                    &mut self.users
                };
                names.insert(principal.name.clone(), principal.id);
                let entry = DirectoryEntry {
                    principal: principal.clone(),
                    display_name: display_name.clone(),
                    active: true,
                    external_id: None,
                    served: served.clone(),
                };
                self.entries.insert(principal.id, Arc::new(entry));
            }
            DirectoryChange::DisplayNameSet { id, display_name } => {
                self.edit(*id, |entry| entry.display_name = display_name.clone());
            }
            DirectoryChange::ActiveSet { id, active } => self.edit(*id, |entry| entry.active = *active),
            DirectoryChange::ExternalIdSet { id, external_id } => {
                self.edit(*id, |entry| entry.external_id = external_id.clone());
                self.edit_group(*id, |group| group.external_id = external_id.clone());
            }
            DirectoryChange::PrincipalDeleted { id } => {
                if let Some(entry) = self.entries.remove(id) {
                    let principal = &entry.principal;
                    let names = if principal.is_service_principal() {
                        &mut self.service_principals
                    } else {
                        &mut self.users
                    };
                    names.remove(&principal.name);
                }
                self.leave_all(*id);
            }
            DirectoryChange::GroupCreated { id, name } => {
                self.last_id = self.last_id.max(id.0);
                let group = Group { id: *id, name: name.clone(), members: OrdSet::new(), external_id: None };
                self.groups.insert(*id, Arc::new(group));
                self.group_names.insert(name.as_str().into(), *id);
                match name.as_str() {
                    USERS => {
                        self.users_group = Some(*id);
                        self.everybody = Arc::new([*id]);
                        self.recompute_all();
                    }
                    ADMINS => self.admins_group = Some(*id),
                    _ => {}
                }
            }
            DirectoryChange::GroupRenamed { id, name } => {
                if let Some(group) = self.group_by_id(*id) {
                    let old: Arc<str> = group.name.as_str().into();
                    self.group_names.remove(&old);
                    self.group_names.insert(name.as_str().into(), *id);
                    self.edit_group(*id, |group| group.name = name.clone());
                }
            }
            DirectoryChange::GroupDeleted { id } => {
                let Some(group) = self.groups.remove(id) else { return };
                self.group_names.remove(group.name.as_str());
                for member in &group.members {
                    self.forget_parent(*member, *id);
                }
                self.leave_all(*id);
                for member in &group.members {
                    self.recompute_below(*member);
                }
            }
            DirectoryChange::MemberAdded { group, member } => {
                if !self.groups.contains_key(group) {
                    return;
                }
                self.edit_group(*group, |group| {
                    group.members.insert(*member);
                });
                self.parents.entry(*member).or_default().insert(*group);
                self.recompute_below(*member);
            }
            DirectoryChange::MemberRemoved { group, member } => {
                self.edit_group(*group, |group| {
                    group.members.remove(member);
                });
                self.forget_parent(*member, *group);
                self.recompute_below(*member);
            }
        }
    }

    fn edit(&mut self, id: PrincipalId, change: impl FnOnce(&mut DirectoryEntry)) {
        if let Some(entry) = self.entries.get_mut(&id) {
            change(Arc::make_mut(entry));
        }
    }

    fn edit_group(&mut self, id: PrincipalId, change: impl FnOnce(&mut Group)) {
        if let Some(group) = self.groups.get_mut(&id) {
            change(Arc::make_mut(group));
        }
    }

    fn forget_parent(&mut self, member: PrincipalId, group: PrincipalId) {
        if let Some(parents) = self.parents.get_mut(&member) {
            parents.remove(&group);
            if parents.is_empty() {
                self.parents.remove(&member);
            }
        }
    }

    /// Takes `member` out of every group.
    fn leave_all(&mut self, member: PrincipalId) {
        for group in self.parents.remove(&member).unwrap_or_default() {
            self.edit_group(group, |group| {
                group.members.remove(&member);
            });
        }
        self.closures.remove(&member);
    }

    /// Every group above `member`.
    pub(super) fn ancestors(&self, member: PrincipalId) -> OrdSet<PrincipalId> {
        let mut found = OrdSet::new();
        let mut ahead: Vec<PrincipalId> = self.parents.get(&member).into_iter().flatten().copied().collect();
        while let Some(group) = ahead.pop() {
            if found.insert(group).is_none() {
                ahead.extend(self.parents.get(&group).into_iter().flatten());
            }
        }
        found
    }

    fn recompute(&mut self, member: PrincipalId) {
        let mut groups = self.ancestors(member);
        if groups.is_empty() {
            self.closures.remove(&member);
            return;
        }
        if self.entries.contains_key(&member) {
            groups.extend(self.users_group);
        }
        self.closures.insert(member, groups.into_iter().collect());
    }

    /// Recomputes `member` and, if it is a group, everybody in it.
    fn recompute_below(&mut self, member: PrincipalId) {
        let mut seen = OrdSet::new();
        let mut ahead = vec![member];
        while let Some(next) = ahead.pop() {
            if seen.insert(next).is_some() {
                continue;
            }
            self.recompute(next);
            if let Some(group) = self.groups.get(&next) {
                ahead.extend(group.members.iter().copied());
            }
        }
    }

    fn recompute_all(&mut self) {
        let members: Vec<PrincipalId> = self.parents.keys().copied().collect();
        for member in members {
            self.recompute(member);
        }
    }
}
