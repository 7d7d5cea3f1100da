//! The directory: users, groups and service principals of one workspace, and who is in which group.
//!
//! Group membership is answered from a precomputed transitive closure, so a request never walks a tree. Every user
//! and every service principal, hidden ones too, is in the group `users` without being listed as its member.
//!
//! Names cannot be mistaken for one another: a user's name is never shaped like an application id (the type
//! [`UserName`] sees to it) and an application id always is a UUID, so no user can stand for a service principal in
//! a token's `sub` (RFC 9068 section 5). Ids are never used twice.

mod changes;
mod write;

use std::sync::Arc;

use brickyard_store::State;
use brickyard_types::{EndpointId, GroupName, InvalidName, Principal, PrincipalId, PrincipalKind, UserName};
use imbl::{HashMap, OrdMap, OrdSet};

pub use changes::DirectoryChange;
pub(crate) use write::ensure_built_in_groups;
pub use write::{
    NewUser, add_member, create_group, create_service_principal, create_system_principal, create_user,
    delete_group, delete_principal, new_application_id, remove_member, rename_group, set_active,
    set_display_name, set_external_id,
};

/// The group of every user and service principal.
pub const USERS: &str = "users";
/// The group of workspace admins.
pub const ADMINS: &str = "admins";

/// One user or service principal.
#[derive(Clone, Debug)]
pub struct DirectoryEntry {
    /// Who.
    pub principal: Principal,
    /// For people to read.
    pub display_name: Arc<str>,
    /// A disabled principal's tokens are refused at once.
    pub active: bool,
    /// The id in somebody else's directory.
    pub external_id: Option<Arc<str>>,
    /// Which served entity a hidden system principal belongs to.
    pub served: Option<Arc<str>>,
}

impl DirectoryEntry {
    /// True for the hidden service principal of an endpoint.
    pub fn is_system(&self) -> bool {
        matches!(self.principal.kind, PrincipalKind::SystemServicePrincipal(_))
    }
}

/// One group. `users` lists nobody here, yet everybody is in it.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its id.
    pub id: PrincipalId,
    /// Its name.
    pub name: GroupName,
    /// Direct members: users, service principals, groups.
    pub members: OrdSet<PrincipalId>,
    /// The id in somebody else's directory.
    pub external_id: Option<Arc<str>>,
}

impl Group {
    /// True for `users` and `admins`, which always exist.
    pub fn is_built_in(&self) -> bool {
        matches!(self.name.as_str(), USERS | ADMINS)
    }
}

/// A change to the directory that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// A bad name.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// Not a canonical UUID.
    #[error("{0:?} is not an application id: a UUID in lower case with dashes is needed")]
    NotAnApplicationId(String),
    /// The name is taken.
    #[error("{kind} {name:?} already exists")]
    AlreadyExists {
        /// `user`, `group`, `service principal`.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// Nobody of that id or name.
    #[error("{kind} {name} does not exist")]
    NotFound {
        /// `user`, `group`, `service principal`, `principal`.
        kind: &'static str,
        /// The id or name.
        name: String,
    },
    /// `users` and `admins` stay.
    #[error(
        "group {0:?} is built in: it cannot be deleted or renamed, and everybody is in `users` without being added"
    )]
    BuiltIn(String),
    /// Without an admin nobody could make anybody an admin again.
    #[error("a workspace keeps at least one active admin: make somebody else one first")]
    LastAdmin,
    /// A group that would contain itself.
    #[error("group {0:?} would become a member of itself")]
    Cycle(String),
    /// A hidden principal cannot be changed by hand.
    #[error("service principal {0} belongs to a serving endpoint and changes only with it")]
    System(String),
}

/// The directory's state. Reads are lookups; see [`DirectoryChange`] for what can happen to it.
#[derive(Clone, Default)]
pub struct Directory {
    entries: HashMap<PrincipalId, Arc<DirectoryEntry>>,
    users: OrdMap<Arc<str>, PrincipalId>,
    service_principals: OrdMap<Arc<str>, PrincipalId>,
    groups: OrdMap<PrincipalId, Arc<Group>>,
    group_names: HashMap<Arc<str>, PrincipalId>,
    /// The groups that a principal or group is a direct member of.
    parents: HashMap<PrincipalId, OrdSet<PrincipalId>>,
    /// Transitive groups of those that have any besides `users`.
    closures: HashMap<PrincipalId, Arc<[PrincipalId]>>,
    users_group: Option<PrincipalId>,
    admins_group: Option<PrincipalId>,
    /// `[users]`: the closure of everybody without another group.
    everybody: Arc<[PrincipalId]>,
    last_id: u64,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory")
            .field("users", &self.users.len())
            .field("service_principals", &self.service_principals.len())
            .field("groups", &self.groups.len())
            .finish_non_exhaustive()
    }
}

impl State for Directory {
    const OWNER: &'static str = "identity.directory";
    type Change = DirectoryChange;

    fn apply(&mut self, change: &DirectoryChange) {
        self.change(change);
    }
}

impl Directory {
    /// The user of that name. Compared byte for byte.
    pub fn user(&self, name: &UserName) -> Option<&DirectoryEntry> {
        self.users.get(name.as_str()).and_then(|id| self.by_id(*id))
    }

    /// The service principal, hidden or not, with that application id.
    pub fn service_principal(&self, application_id: &str) -> Option<&DirectoryEntry> {
        self.service_principals.get(application_id).and_then(|id| self.by_id(*id))
    }

    /// The user or service principal with that id.
    pub fn by_id(&self, id: PrincipalId) -> Option<&DirectoryEntry> {
        self.entries.get(&id).map(|entry| &**entry)
    }

    /// Whoever a token's `sub`, or a principal's name in the REST API, stands for: a UUID is an application id,
    /// anything else a user's name.
    pub fn by_name(&self, name: &str) -> Option<&DirectoryEntry> {
        let names = if uuid::Uuid::try_parse(name).is_ok() { &self.service_principals } else { &self.users };
        names.get(name).and_then(|id| self.by_id(*id))
    }

    /// The group of that name.
    pub fn group(&self, name: &GroupName) -> Option<&Group> {
        self.group_names.get(name.as_str()).and_then(|id| self.group_by_id(*id))
    }

    /// The group with that id.
    pub fn group_by_id(&self, id: PrincipalId) -> Option<&Group> {
        self.groups.get(&id).map(|group| &**group)
    }

    /// Every group that `principal` is in, directly or through another group, sorted by id. Everybody is in `users`.
    /// Empty for an id that nobody has.
    pub fn groups_of(&self, principal: PrincipalId) -> &[PrincipalId] {
        match self.closures.get(&principal) {
            Some(groups) => groups,
            None if self.entries.contains_key(&principal) => &self.everybody,
            None => &[],
        }
    }

    /// The groups that `member` (a principal or a group) was added to, without those above them and without `users`.
    pub fn direct_groups_of(&self, member: PrincipalId) -> impl Iterator<Item = &Group> {
        self.parents.get(&member).into_iter().flatten().filter_map(|id| self.group_by_id(*id))
    }

    /// True if `principal` is in `group`, directly or not.
    pub fn is_member(&self, principal: PrincipalId, group: PrincipalId) -> bool {
        self.groups_of(principal).binary_search(&group).is_ok()
    }

    /// True for a workspace admin.
    pub fn is_admin(&self, principal: PrincipalId) -> bool {
        self.admins_group.is_some_and(|admins| self.is_member(principal, admins))
    }

    /// True if somebody who is not disabled is an admin: without one, nobody could make anybody an admin again.
    pub fn is_administered(&self) -> bool {
        let mut seen = std::collections::BTreeSet::new();
        let mut ahead: Vec<PrincipalId> = self.admins_group.into_iter().collect();
        while let Some(id) = ahead.pop() {
            match self.group_by_id(id) {
                Some(group) if seen.insert(id) => ahead.extend(group.members.iter().copied()),
                Some(_) => {}
                None if self.by_id(id).is_some_and(|entry| entry.active) => return true,
                None => {}
            }
        }
        false
    }

    /// The id of the group `users`; `None` only before the identity has been opened.
    pub fn users_group(&self) -> Option<PrincipalId> {
        self.users_group
    }

    /// The id of the group `admins`; `None` only before the identity has been opened.
    pub fn admins_group(&self) -> Option<PrincipalId> {
        self.admins_group
    }

    /// All users, by name.
    pub fn users(&self) -> impl Iterator<Item = &DirectoryEntry> {
        self.users.values().filter_map(|id| self.by_id(*id))
    }

    /// All service principals that somebody created, by application id. Hidden ones are in no listing.
    pub fn service_principals(&self) -> impl Iterator<Item = &DirectoryEntry> {
        self.service_principals.values().filter_map(|id| self.by_id(*id)).filter(|entry| !entry.is_system())
    }

    /// The hidden service principals of one endpoint, one for each version that is still there.
    pub fn system_principals_of(&self, endpoint: EndpointId) -> impl Iterator<Item = &DirectoryEntry> {
        let kind = PrincipalKind::SystemServicePrincipal(endpoint);
        self.service_principals
            .values()
            .filter_map(|id| self.by_id(*id))
            .filter(move |entry| entry.principal.kind == kind)
    }

    /// All hidden service principals.
    pub fn system_principals(&self) -> impl Iterator<Item = &DirectoryEntry> {
        self.service_principals.values().filter_map(|id| self.by_id(*id)).filter(|entry| entry.is_system())
    }

    /// All groups, by id.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.values().map(|group| &**group)
    }
}
