//! `permissions:` lists of objects: one principal and one level an entry, as in the permissions API.

use super::directory::{Directory, PrincipalRef};
use super::fields::Fields;
use super::problem::{Problems, shown};

/// What somebody may do with a serving endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointPermission {
    /// See it.
    CanView,
    /// Call it.
    CanQuery,
    /// Change and delete it.
    CanManage,
}

impl EndpointPermission {
    /// The words of the API.
    pub(super) const WORDS: [(&'static str, Self); 3] =
        [("CAN_VIEW", Self::CanView), ("CAN_QUERY", Self::CanQuery), ("CAN_MANAGE", Self::CanManage)];

    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CanView => "CAN_VIEW",
            Self::CanQuery => "CAN_QUERY",
            Self::CanManage => "CAN_MANAGE",
        }
    }
}

/// What somebody may do with a SQL warehouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WarehousePermission {
    /// See it.
    CanView,
    /// See it and everybody's queries.
    CanMonitor,
    /// Run statements on it.
    CanUse,
    /// Change and delete it.
    CanManage,
}

impl WarehousePermission {
    /// The words of the API.
    pub(super) const WORDS: [(&'static str, Self); 4] = [
        ("CAN_VIEW", Self::CanView),
        ("CAN_MONITOR", Self::CanMonitor),
        ("CAN_USE", Self::CanUse),
        ("CAN_MANAGE", Self::CanManage),
    ];
}

/// One entry: who and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermissionEntry<L> {
    /// Who.
    pub principal: PrincipalRef,
    /// What they may do.
    pub level: L,
}

const WHO: [&str; 3] = ["user_name", "group_name", "service_principal_name"];

/// Reads the list `permissions` of `owner`.
pub(super) fn read<L: Copy>(
    owner: &Fields<'_>,
    words: &[(&str, L)],
    directory: &Directory,
    problems: &Problems,
) -> Vec<PermissionEntry<L>> {
    let mut entries: Vec<PermissionEntry<L>> = Vec::new();
    for node in owner.list("permissions") {
        let known: Vec<&str> = WHO.into_iter().chain(["permission_level"]).collect();
        let Some(fields) = Fields::of(node, &known, problems) else { continue };
        let level = fields.present("permission_level").and_then(|_| fields.word("permission_level", words));
        let given: Vec<&str> = WHO.into_iter().filter(|key| fields.node(key).is_some()).collect();
        let [key] = given[..] else {
            problems.at(&node.place, format!("exactly one of {} is needed", WHO.join(", ")));
            continue;
        };
        let Some(name) = fields.text(key) else { continue };
        let Some(principal) = directory.expect(&fields.place_of(key), name, problems) else { continue };
        let right_kind = match principal {
            PrincipalRef::User(_) => "user_name",
            PrincipalRef::Group(_) => "group_name",
            PrincipalRef::ServicePrincipal(_) => "service_principal_name",
        };
        if right_kind != key {
            fields.refuse(key, format!("{} is not of this kind; write {right_kind}", shown(name)));
        } else if entries.iter().any(|entry| entry.principal == principal) {
            fields.refuse(key, format!("{} has an entry already", shown(name)));
        } else if let Some(level) = level {
            entries.push(PermissionEntry { principal, level });
        }
    }
    entries
}
