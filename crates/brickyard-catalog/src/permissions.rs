//! The state behind every decision: who holds what on which securable.
//!
//! Three kinds of right hang on a securable, and they are kept apart because people may change only one of them:
//!
//! - its **owner**, who created it and never loses it while it exists;
//! - its **entries**, the access list that people see and set;
//! - its **direct grants**, given to hidden system service principals because an endpoint declared the thing.
//!   No listing shows them and no access list that somebody sets replaces them.
//!
//! All goes with the object. Looking a right up costs one hash lookup and one tree lookup a group, however many
//! entries the workspace has.
//!
//! The functions on [`Transaction`] are for owners who commit a thing and its rights together (an endpoint, its
//! permissions and its system service principal are one commit). They decide nothing; whoever calls them has a
//! permit.

use brickyard_store::{Slot, State, Transaction};
use brickyard_types::PrincipalId;
use imbl::{HashMap, OrdMap};
use serde::{Deserialize, Serialize};

use crate::level::Level;
use crate::securable::{Securable, SecurableKey};

/// The rights on every securable.
#[derive(Clone, Default, Debug)]
pub struct Permissions {
    objects: HashMap<SecurableKey, Acl>,
}

/// The rights on one securable.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub struct Acl {
    owner: Option<PrincipalId>,
    entries: OrdMap<PrincipalId, Level>,
    direct: OrdMap<PrincipalId, Level>,
}

/// Where a right comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// Its holder created the object.
    Owner,
    /// An entry of its own.
    Entry,
    /// The entry of a group that its holder is in.
    Group(PrincipalId),
}

/// What can happen to rights, as the journal keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // the fields are what they are called
pub enum PermissionChange {
    /// A thing exists from now on, with these rights and no older ones.
    ObjectCreated { on: SecurableKey, owner: Option<PrincipalId>, entries: Vec<(PrincipalId, Level)> },
    /// A thing is gone, and every right on it.
    ObjectDeleted { on: SecurableKey },
    /// The access list is these entries from now on.
    SetEntries { on: SecurableKey, entries: Vec<(PrincipalId, Level)> },
    /// These entries are added; who holds more already keeps it.
    Merge { on: SecurableKey, entries: Vec<(PrincipalId, Level)> },
    /// One entry is exactly this from now on.
    Put { on: SecurableKey, principal: PrincipalId, level: Level },
    /// One entry is gone.
    Remove { on: SecurableKey, principal: PrincipalId },
    /// A system service principal may use the thing that its endpoint declared.
    GrantDirect { on: SecurableKey, principal: PrincipalId, level: Level },
    /// It may no longer.
    RevokeDirect { on: SecurableKey, principal: PrincipalId },
    /// A user, group or service principal is gone, and every right it held.
    PrincipalRemoved { principal: PrincipalId },
}

impl State for Permissions {
    const OWNER: &'static str = "permissions";
    type Change = PermissionChange;

    fn apply(&mut self, change: &PermissionChange) {
        use PermissionChange as C;
        match change {
            C::ObjectCreated { on, owner, entries } => {
                let acl =
                    Acl { owner: *owner, entries: entries.iter().copied().collect(), direct: OrdMap::new() };
                self.objects.insert(on.clone(), acl);
            }
            C::ObjectDeleted { on } => {
                self.objects.remove(on);
            }
            C::SetEntries { on, entries } => self.acl_mut(on).entries = entries.iter().copied().collect(),
            C::Merge { on, entries } => {
                let acl = self.acl_mut(on);
                for (principal, level) in entries {
                    let merged = acl.entries.get(principal).map_or(*level, |held| held.or_higher(*level));
                    acl.entries.insert(*principal, merged);
                }
            }
            C::Put { on, principal, level } => {
                self.acl_mut(on).entries.insert(*principal, *level);
            }
            C::Remove { on, principal } => {
                if let Some(acl) = self.objects.get_mut(on) {
                    acl.entries.remove(principal);
                }
            }
            C::GrantDirect { on, principal, level } => {
                self.acl_mut(on).direct.insert(*principal, *level);
            }
            C::RevokeDirect { on, principal } => {
                if let Some(acl) = self.objects.get_mut(on) {
                    acl.direct.remove(principal);
                }
            }
            C::PrincipalRemoved { principal } => {
                for acl in self.objects.iter_mut().map(|(_, acl)| acl) {
                    acl.entries.remove(principal);
                    acl.direct.remove(principal);
                }
            }
        }
    }
}

impl Permissions {
    fn acl_mut(&mut self, on: &SecurableKey) -> &mut Acl {
        self.objects.entry(on.clone()).or_default()
    }

    /// The rights on one securable, if anybody was given one.
    pub fn on(&self, securable: &Securable) -> Option<&Acl> {
        self.objects.get(&securable.key())
    }

    /// The rights on what is filed under `key`.
    pub fn under(&self, key: &SecurableKey) -> Option<&Acl> {
        self.objects.get(key)
    }
}

impl Acl {
    /// Who created the object.
    pub fn owner(&self) -> Option<PrincipalId> {
        self.owner
    }

    /// The access list that people see and set.
    pub fn entries(&self) -> impl Iterator<Item = (PrincipalId, Level)> {
        self.entries.iter().map(|(principal, level)| (*principal, *level))
    }

    /// The entry of one principal or group.
    pub fn entry(&self, principal: PrincipalId) -> Option<Level> {
        self.entries.get(&principal).copied()
    }

    /// What a hidden system service principal was given.
    pub fn direct(&self, principal: PrincipalId) -> Option<Level> {
        self.direct.get(&principal).copied()
    }

    /// The highest level that a user or service principal holds here, and where it comes from. `groups` are all groups
    /// it is in, however deep, sorted by id. `top` is what an owner holds.
    pub fn held(&self, who: PrincipalId, groups: &[PrincipalId], top: Level) -> Option<(Level, Source)> {
        if self.owner == Some(who) {
            return Some((top, Source::Owner));
        }
        let mut held = self.entry(who).map(|level| (level, Source::Entry));
        let mut consider = |group: PrincipalId, level: Level| match held {
            Some((best, _)) if best.covers(level) => {}
            _ => held = Some((level, Source::Group(group))),
        };
        // Whichever list is shorter is walked, the other is searched.
        if groups.len() <= self.entries.len() {
            for group in groups {
                if let Some(level) = self.entries.get(group) {
                    consider(*group, *level);
                }
            }
        } else {
            for (principal, level) in &self.entries {
                if groups.binary_search(principal).is_ok() {
                    consider(*principal, *level);
                }
            }
        }
        held
    }
}

/// A thing exists from now on: its owner, its first access list. Rights of an earlier thing of this name are gone.
pub fn object_created(
    tx: &mut Transaction,
    slot: Slot<Permissions>,
    securable: &Securable,
    owner: Option<PrincipalId>,
    entries: Vec<(PrincipalId, Level)>,
) {
    tx.change(slot, PermissionChange::ObjectCreated { on: securable.key(), owner, entries });
}

/// A thing is gone, with every right on it.
pub fn object_deleted(tx: &mut Transaction, slot: Slot<Permissions>, securable: &Securable) {
    tx.change(slot, PermissionChange::ObjectDeleted { on: securable.key() });
}

/// The access list is these entries from now on. Owner and direct grants stay.
pub fn set_entries(
    tx: &mut Transaction,
    slot: Slot<Permissions>,
    securable: &Securable,
    entries: Vec<(PrincipalId, Level)>,
) {
    tx.change(slot, PermissionChange::SetEntries { on: securable.key(), entries });
}

/// Adds entries; who holds more already keeps it.
pub fn merge_entries(
    tx: &mut Transaction,
    slot: Slot<Permissions>,
    securable: &Securable,
    entries: Vec<(PrincipalId, Level)>,
) {
    tx.change(slot, PermissionChange::Merge { on: securable.key(), entries });
}

/// A system service principal may use what its endpoint declared.
pub fn grant_direct(
    tx: &mut Transaction,
    slot: Slot<Permissions>,
    securable: &Securable,
    principal: PrincipalId,
    level: Level,
) {
    tx.change(slot, PermissionChange::GrantDirect { on: securable.key(), principal, level });
}

/// Takes one direct grant back.
pub fn revoke_direct(
    tx: &mut Transaction,
    slot: Slot<Permissions>,
    securable: &Securable,
    principal: PrincipalId,
) {
    tx.change(slot, PermissionChange::RevokeDirect { on: securable.key(), principal });
}

/// A user, group or (system) service principal is gone: takes back all it held, by entry or directly.
pub fn principal_removed(tx: &mut Transaction, slot: Slot<Permissions>, principal: PrincipalId) {
    tx.change(slot, PermissionChange::PrincipalRemoved { principal });
}
