//! `users:`, `service_principals:` and `groups:`, and the one index that every other section asks "does this
//! principal exist?".
//!
//! Users, service principals (by application id) and groups share the name space of ACLs, so a name stands for
//! one of them at most. Two groups exist without being listed: `users` and `admins`.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use brickyard_identity::{CredentialsError, is_client_secret, is_known_scope, is_personal_access_token};
use brickyard_types::{GroupName, ScopeSet, Secret, SignedDuration, UserName};

use super::fields::{Fields, nearest, text_of};
use super::files::{Merged, folder_of};
use super::node::{Node, Value};
use super::problem::{Place, Problems, shown};
use super::secret_source::{self, Environment};
use super::workspace::WorkspaceConfig;

/// Somebody that the configuration names: proves that the name is in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PrincipalRef {
    /// A user.
    User(UserName),
    /// A service principal, by its application id.
    ServicePrincipal(Arc<str>),
    /// A group.
    Group(GroupName),
}

/// A personal access token that exists from the start.
#[derive(Debug, Clone)]
pub struct PersonalAccessTokenConfig {
    /// Its text.
    pub value: Secret,
    /// What it is for.
    pub comment: Option<String>,
    /// What it opens; `None`: everything its owner may do.
    pub scopes: Option<ScopeSet>,
    /// How long it lives; `None`: for good.
    pub lifetime: Option<SignedDuration>,
}

/// A user.
#[derive(Debug, Clone)]
pub struct UserConfig {
    /// The name.
    pub user_name: UserName,
    /// What people read.
    pub display_name: Option<String>,
    /// False for an account that is switched off.
    pub active: bool,
    /// The groups the user is in directly.
    pub groups: Vec<GroupName>,
    /// Tokens.
    pub personal_access_tokens: Vec<PersonalAccessTokenConfig>,
}

/// A service principal.
#[derive(Debug, Clone)]
pub struct ServicePrincipalConfig {
    /// What people read.
    pub display_name: String,
    /// The id it signs in with: a UUID in lower case.
    pub application_id: Arc<str>,
    /// False for one that is switched off.
    pub active: bool,
    /// The groups it is in directly.
    pub groups: Vec<GroupName>,
    /// OAuth secrets.
    pub secrets: Vec<OAuthSecretConfig>,
}

/// An OAuth secret of a service principal.
#[derive(Debug, Clone)]
pub struct OAuthSecretConfig {
    /// Its text.
    pub value: Secret,
    /// How long it lives; `None`: as long as Databricks lets it.
    pub lifetime: Option<SignedDuration>,
}

/// A group. Memberships that users and service principals list are not repeated here.
#[derive(Debug, Clone)]
pub struct GroupConfig {
    /// The name.
    pub display_name: GroupName,
    /// Direct members.
    pub members: Vec<PrincipalRef>,
}

/// The three sections, read.
#[derive(Default)]
pub(super) struct Directory {
    pub users: Vec<UserConfig>,
    pub service_principals: Vec<ServicePrincipalConfig>,
    pub groups: Vec<GroupConfig>,
    names: HashMap<String, (PrincipalRef, Option<Place>)>,
}

/// The groups of every workspace.
const BUILT_IN: [&str; 2] = ["users", "admins"];

impl Directory {
    pub(super) fn read(
        merged: &Merged,
        workspace: &WorkspaceConfig,
        environment: &dyn Environment,
        problems: &Problems,
    ) -> Self {
        let mut directory = Self::default();
        for name in BUILT_IN {
            if let Ok(group) = name.parse() {
                directory.names.insert(name.to_owned(), (PrincipalRef::Group(group), None));
            }
        }
        // Groups first: users and service principals name them.
        let groups = directory.read_groups(merged, problems);
        for node in items(merged, "users", problems) {
            directory.read_user(node, environment, problems);
        }
        for node in items(merged, "service_principals", problems) {
            directory.read_service_principal(node, environment, problems);
        }
        directory.refuse_shared_tokens(problems);
        directory.add_admins(workspace, problems);
        directory.read_members(groups, problems);
        directory
    }

    /// Who `name` stands for.
    pub(super) fn find(&self, name: &str) -> Option<&PrincipalRef> {
        self.names.get(name).map(|(principal, _)| principal)
    }

    /// Who `name` stands for; if nobody, that is noted at `place`.
    pub(super) fn expect(&self, place: &Place, name: &str, problems: &Problems) -> Option<PrincipalRef> {
        let found = self.find(name).cloned();
        if found.is_none() {
            let known: Vec<&str> = self.names.keys().map(String::as_str).take(10_000).collect();
            let hint = nearest(name, &known).map_or_else(
                || "; add it to users, service_principals (by application_id) or groups".to_owned(),
                |near| format!("; did you mean {near}?"),
            );
            problems.at(place, format!("no principal {} in the configuration{hint}", shown(name)));
        }
        found
    }

    fn claim(&mut self, name: &str, principal: PrincipalRef, place: &Place, problems: &Problems) -> bool {
        if let Some((_, first)) = self.names.get(name) {
            let first = first
                .as_ref()
                .map_or_else(|| "every workspace has it".to_owned(), |first| format!("the first is {first}"));
            problems.at(place, format!("the name {} is taken; {first}", shown(name)));
            return false;
        }
        self.names.insert(name.to_owned(), (principal, Some(place.clone())));
        true
    }

    fn read_groups<'a>(
        &mut self,
        merged: &'a Merged,
        problems: &'a Problems,
    ) -> Vec<(GroupName, Fields<'a>)> {
        let mut read = Vec::new();
        for node in items(merged, "groups", problems) {
            let Some(fields) = Fields::of(node, &["display_name", "members"], problems) else { continue };
            let Some(name) = fields.required::<GroupName>("display_name") else { continue };
            let built_in = BUILT_IN.contains(&name.as_str());
            // `users` has everybody in it; `admins` may be given members here.
            let again = built_in && read.iter().any(|(other, _)| *other == name);
            if name.as_str() == "users" && fields.node("members").is_some() {
                fields.refuse(
                    "members",
                    "every user and service principal is in the group users; remove the list",
                );
            } else if again {
                fields.refuse("display_name", format!("the group {name} is listed twice"));
            } else if built_in
                || self.claim(
                    name.as_str(),
                    PrincipalRef::Group(name.clone()),
                    &fields.place_of("display_name"),
                    problems,
                )
            {
                read.push((name, fields));
            }
        }
        read
    }

    fn read_members(&mut self, groups: Vec<(GroupName, Fields<'_>)>, problems: &Problems) {
        for (display_name, fields) in groups {
            let mut members: Vec<PrincipalRef> = Vec::new();
            let mut seen = HashSet::new();
            for (place, name) in fields.texts("members") {
                let Some(member) = self.expect(place, name, problems) else { continue };
                if !seen.insert(member.clone()) {
                    problems.at(place, format!("{} is listed twice", shown(name)));
                } else if matches!(&member, PrincipalRef::Group(group) if *group == display_name || BUILT_IN.contains(&group.as_str()))
                {
                    problems.at(place, format!("the group {name} cannot be a member of {display_name}"));
                } else {
                    members.push(member);
                }
            }
            self.groups.push(GroupConfig { display_name, members });
        }
        self.refuse_circles(problems);
    }

    /// A group inside itself, by whatever road, would make membership endless.
    fn refuse_circles(&self, problems: &Problems) {
        let inside: HashMap<&str, Vec<&str>> = self
            .groups
            .iter()
            .map(|group| {
                let groups = group.members.iter().filter_map(|member| match member {
                    PrincipalRef::Group(name) => Some(name.as_str()),
                    _ => None,
                });
                (group.display_name.as_str(), groups.collect())
            })
            .collect();
        // Groups are taken away from the leaves up; what remains at the end holds, or is in, a circle.
        let mut parents: HashMap<&str, Vec<&str>> = HashMap::new();
        let mut open: HashMap<&str, usize> = HashMap::new();
        for (group, members) in &inside {
            open.insert(group, members.len());
            for member in members {
                parents.entry(member).or_default().push(group);
            }
        }
        let mut ready: Vec<&str> =
            open.iter().filter(|(_, count)| **count == 0).map(|(group, _)| *group).collect();
        while let Some(group) = ready.pop() {
            open.remove(group);
            for parent in parents.get(group).into_iter().flatten() {
                if let Some(count) = open.get_mut(parent) {
                    *count -= 1;
                    if *count == 0 {
                        ready.push(parent);
                    }
                }
            }
        }
        let mut circles: Vec<&str> = open.into_keys().collect();
        circles.sort_unstable();
        if let Some((_, Some(place))) = circles.first().and_then(|group| self.names.get(*group)) {
            problems
                .at(place, format!("groups are members of each other in a circle: {}", circles.join(", ")));
        }
    }

    fn read_user(&mut self, node: &Node, environment: &dyn Environment, problems: &Problems) {
        const KNOWN: [&str; 5] = ["user_name", "display_name", "active", "groups", "personal_access_tokens"];
        let Some(fields) = Fields::of(node, &KNOWN, problems) else { return };
        let folder = folder_of(&node.place);
        let personal_access_tokens = fields
            .list("personal_access_tokens")
            .iter()
            .filter_map(|node| read_pat(node, &folder, environment, problems))
            .collect();
        let groups = self.direct_groups(&fields);
        let Some(user_name) = fields.required::<UserName>("user_name") else { return };
        let principal = PrincipalRef::User(user_name.clone());
        if self.claim(user_name.as_str(), principal, &fields.place_of("user_name"), problems) {
            let display_name = fields.text("display_name").map(str::to_owned);
            let active = fields.flag("active").unwrap_or(true);
            self.users.push(UserConfig { user_name, display_name, active, groups, personal_access_tokens });
        }
    }

    fn read_service_principal(&mut self, node: &Node, environment: &dyn Environment, problems: &Problems) {
        const KNOWN: [&str; 5] = ["display_name", "application_id", "active", "groups", "secrets"];
        let Some(fields) = Fields::of(node, &KNOWN, problems) else { return };
        let folder = folder_of(&node.place);
        let groups = self.direct_groups(&fields);
        let secrets = fields.list("secrets").iter().filter_map(|node| {
            let fields = Fields::of(node, &["value", "env", "file", "lifetime"], problems)?;
            let lifetime = fields.duration("lifetime");
            let value = secret_source::read(&fields, &folder, environment)?;
            if !value.expose_str().is_some_and(is_client_secret) {
                problems.at(fields.place, CredentialsError::NotASecret.to_string());
                return None;
            }
            Some(OAuthSecretConfig { value, lifetime })
        });
        let secrets = secrets.collect();
        let display_name = fields.present("display_name").and_then(|_| fields.text("display_name"));
        let id = fields.present("application_id").and_then(|_| fields.text("application_id"));
        let (Some(display_name), Some(id)) = (display_name, id) else { return };
        let Ok(application_id) = uuid::Uuid::try_parse(id) else {
            return fields.refuse("application_id", format!("{} is not a UUID", shown(id)));
        };
        let application_id: Arc<str> = application_id.hyphenated().to_string().into();
        let principal = PrincipalRef::ServicePrincipal(application_id.clone());
        if self.claim(&application_id, principal, &fields.place_of("application_id"), problems) {
            self.service_principals.push(ServicePrincipalConfig {
                display_name: display_name.to_owned(),
                application_id,
                active: fields.flag("active").unwrap_or(true),
                groups,
                secrets,
            });
        }
    }

    /// A token that two people have would sign both in as the first.
    fn refuse_shared_tokens(&self, problems: &Problems) {
        let mut owners: HashMap<&[u8], &UserName> = HashMap::new();
        for user in &self.users {
            for token in &user.personal_access_tokens {
                let first = *owners.entry(token.value.expose()).or_insert(&user.user_name);
                if first != &user.user_name
                    && let Some((_, Some(place))) = self.names.get(user.user_name.as_str())
                {
                    let reason =
                        format!("has a personal access token that {first} has too; give each their own");
                    problems.at(place, reason);
                }
            }
        }
    }

    fn direct_groups(&self, fields: &Fields<'_>) -> Vec<GroupName> {
        let group = |(place, name): (&Place, &str)| match self.find(name) {
            Some(PrincipalRef::Group(group)) => Some(group.clone()),
            _ => {
                fields
                    .problems
                    .at(place, format!("no group {} in the configuration; add it to groups", shown(name)));
                None
            }
        };
        fields.texts("groups").into_iter().filter_map(group).collect()
    }

    /// An administrator needs no entry of their own in `users`.
    fn add_admins(&mut self, workspace: &WorkspaceConfig, problems: &Problems) {
        for name in &workspace.admins {
            match self.find(name.as_str()) {
                None => {
                    self.names.insert(name.as_str().to_owned(), (PrincipalRef::User(name.clone()), None));
                    self.users.push(UserConfig {
                        user_name: name.clone(),
                        display_name: None,
                        active: true,
                        groups: Vec::new(),
                        personal_access_tokens: Vec::new(),
                    });
                }
                Some(PrincipalRef::User(_)) => {}
                Some(_) => {
                    let place = self.names.get(name.as_str()).and_then(|(_, place)| place.clone());
                    if let Some(place) = place {
                        problems.at(&place, format!("workspace.admins names {name} as a user"));
                    }
                }
            }
        }
    }
}

fn read_pat(
    node: &Node,
    folder: &Path,
    environment: &dyn Environment,
    problems: &Problems,
) -> Option<PersonalAccessTokenConfig> {
    let fields = Fields::of(node, &["value", "env", "file", "comment", "scopes", "lifetime"], problems)?;
    let comment = fields.text("comment").map(str::to_owned);
    let lifetime = fields.duration("lifetime");
    let scopes = fields.node("scopes").and_then(|_| scopes(&fields));
    let value = secret_source::read(&fields, folder, environment)?;
    if !value.expose_str().is_some_and(is_personal_access_token) {
        problems.at(&node.place, CredentialsError::NotAPersonalAccessToken.to_string());
        return None;
    }
    for scope in scopes.iter().flat_map(ScopeSet::iter).filter(|scope| !is_known_scope(scope.as_str())) {
        fields.refuse("scopes", format!("{:?} is not an API scope", scope.as_str()));
    }
    Some(PersonalAccessTokenConfig { value, comment, scopes, lifetime })
}

/// A list, or one text with spaces between, as tokens carry it.
fn scopes(fields: &Fields<'_>) -> Option<ScopeSet> {
    let node = fields.node("scopes")?;
    if text_of(node).is_some() {
        return fields.parsed_with("scopes", ScopeSet::parse);
    }
    let scope = |(place, text): (&Place, &str)| {
        text.parse()
            .map_err(|error: brickyard_types::InvalidScope| fields.problems.at(place, error.to_string()))
            .ok()
    };
    Some(fields.texts("scopes").into_iter().filter_map(scope).collect())
}

/// The elements of one top-level list.
pub(super) fn items<'a>(merged: &'a Merged, key: &str, problems: &Problems) -> &'a [Node] {
    match merged.section(key) {
        None | Some(Node { value: Value::Null, .. }) => &[],
        Some(Node { value: Value::List(list), .. }) => list,
        Some(node) => {
            problems.at(&node.place, format!("a list is needed here, not {}", node.value.kind()));
            &[]
        }
    }
}
