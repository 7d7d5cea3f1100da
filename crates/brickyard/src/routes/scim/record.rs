//! What a user, service principal or group looks like in SCIM, and which attributes of it can be asked for.

use std::borrow::Cow;

use brickyard_identity::{Directory, DirectoryEntry, Group};
use brickyard_types::{PrincipalId, PrincipalKind};
use serde_json::{Value, json};

use super::listing::ListQuery;

/// The three kinds of records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    User,
    Group,
    ServicePrincipal,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::User, Self::Group, Self::ServicePrincipal];

    /// The path segment.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::User => "Users",
            Self::Group => "Groups",
            Self::ServicePrincipal => "ServicePrincipals",
        }
    }

    /// The word for one of them.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
            Self::ServicePrincipal => "Service principal",
        }
    }

    fn schema(self) -> &'static str {
        match self {
            Self::User => "urn:ietf:params:scim:schemas:core:2.0:User",
            Self::Group => "urn:ietf:params:scim:schemas:core:2.0:Group",
            Self::ServicePrincipal => "urn:ietf:params:scim:schemas:core:2.0:ServicePrincipal",
        }
    }

    fn of(entry: &DirectoryEntry) -> Self {
        if entry.principal.is_service_principal() { Self::ServicePrincipal } else { Self::User }
    }
}

/// One record of the directory.
#[derive(Clone, Copy)]
pub(super) enum Record<'a> {
    Principal(&'a DirectoryEntry),
    Group(&'a Group),
}

/// An attribute that records are filtered and sorted by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Attribute {
    Id,
    UserName,
    ApplicationId,
    DisplayName,
    Active,
    ExternalId,
}

impl Attribute {
    /// The attribute of that name, if this kind of record has it. Names are compared without case (RFC 7643 2.1).
    pub(super) fn named(kind: Kind, name: &str) -> Option<Self> {
        let found = match name.to_ascii_lowercase().as_str() {
            "id" => Self::Id,
            "displayname" => Self::DisplayName,
            "externalid" => Self::ExternalId,
            "username" | "emails" | "emails.value" if kind == Kind::User => Self::UserName,
            "applicationid" if kind == Kind::ServicePrincipal => Self::ApplicationId,
            "active" if kind != Kind::Group => Self::Active,
            _ => return None,
        };
        Some(found)
    }
}

/// An id as it is shown, and in no other spelling.
pub(super) fn id_of(text: &str) -> Option<PrincipalId> {
    text.parse().ok().filter(|id: &PrincipalId| id.to_string() == text)
}

impl<'a> Record<'a> {
    /// The record of that kind and id. Hidden service principals are not there.
    pub(super) fn find(directory: &'a Directory, kind: Kind, id: PrincipalId) -> Option<Self> {
        match kind {
            Kind::Group => directory.group_by_id(id).map(Self::Group),
            _ => (directory.by_id(id))
                .filter(|entry| !entry.is_system() && Kind::of(entry) == kind)
                .map(Self::Principal),
        }
    }

    /// All records of that kind, in an order that stays: hidden service principals are not among them.
    pub(super) fn all(directory: &'a Directory, kind: Kind) -> Box<dyn Iterator<Item = Self> + 'a> {
        match kind {
            Kind::User => Box::new(directory.users().map(Self::Principal)),
            Kind::ServicePrincipal => Box::new(directory.service_principals().map(Self::Principal)),
            Kind::Group => Box::new(directory.groups().map(Self::Group)),
        }
    }

    /// The one record that has this value of an attribute that names it; the outer `None` if the attribute does not.
    pub(super) fn named(
        directory: &'a Directory,
        kind: Kind,
        attribute: Attribute,
        value: &str,
    ) -> Option<Option<Self>> {
        match (attribute, kind) {
            (Attribute::Id, _) => Some(id_of(value).and_then(|id| Self::find(directory, kind, id))),
            (Attribute::UserName, Kind::User) => {
                Some(value.parse().ok().and_then(|name| directory.user(&name)).map(Self::Principal))
            }
            (Attribute::ApplicationId, Kind::ServicePrincipal) => {
                let found = directory.service_principal(value).filter(|entry| !entry.is_system());
                Some(found.map(Self::Principal))
            }
            (Attribute::DisplayName, Kind::Group) => {
                Some(value.parse().ok().and_then(|name| directory.group(&name)).map(Self::Group))
            }
            _ => None,
        }
    }

    /// An attribute's value as text.
    pub(super) fn attribute(&self, attribute: Attribute) -> Option<Cow<'a, str>> {
        match (*self, attribute) {
            (Self::Principal(entry), Attribute::Id) => Some(entry.principal.id.to_string().into()),
            (Self::Principal(entry), Attribute::UserName | Attribute::ApplicationId) => {
                Some(Cow::Borrowed(&*entry.principal.name))
            }
            (Self::Principal(entry), Attribute::DisplayName) => Some(Cow::Borrowed(&*entry.display_name)),
            (Self::Principal(entry), Attribute::Active) => {
                Some(if entry.active { "true" } else { "false" }.into())
            }
            (Self::Principal(entry), Attribute::ExternalId) => {
                entry.external_id.as_deref().map(Cow::Borrowed)
            }
            (Self::Group(group), Attribute::Id) => Some(group.id.to_string().into()),
            (Self::Group(group), Attribute::DisplayName) => Some(Cow::Borrowed(group.name.as_str())),
            (Self::Group(group), Attribute::ExternalId) => group.external_id.as_deref().map(Cow::Borrowed),
            (Self::Group(_), Attribute::UserName | Attribute::ApplicationId | Attribute::Active) => None,
        }
    }

    /// The record as SCIM JSON.
    pub(super) fn shown(&self, directory: &Directory, projection: &Projection) -> Value {
        let shown = match self {
            Self::Principal(entry) if Kind::of(entry) == Kind::User => user(directory, entry),
            Self::Principal(entry) => service_principal(directory, entry),
            Self::Group(group) => shown_group(directory, group, projection),
        };
        projection.apply(shown)
    }
}

/// The record of whoever calls, as `Me` shows it: always a user's.
pub(super) fn current_user(directory: &Directory, entry: &DirectoryEntry) -> Value {
    user(directory, entry)
}

fn user(directory: &Directory, entry: &DirectoryEntry) -> Value {
    let name = &entry.principal.name;
    let mut user = json!({
        "schemas": [Kind::User.schema()],
        "id": entry.principal.id.to_string(),
        "userName": name,
        "displayName": entry.display_name,
        "active": entry.active,
        "groups": groups_of(directory, entry.principal.id),
    });
    if entry.principal.kind == PrincipalKind::User {
        // One name is kept; the two that SCIM has are its parts.
        user["name"] = match entry.display_name.rsplit_once(' ') {
            Some((given, family)) => json!({ "givenName": given, "familyName": family }),
            None => json!({ "givenName": entry.display_name }),
        };
        if name.contains('@') {
            user["emails"] = json!([{ "type": "work", "value": name, "primary": true }]);
        }
    }
    with_external_id(user, entry.external_id.as_deref())
}

fn service_principal(directory: &Directory, entry: &DirectoryEntry) -> Value {
    let shown = json!({
        "schemas": [Kind::ServicePrincipal.schema()],
        "id": entry.principal.id.to_string(),
        "applicationId": entry.principal.name,
        "displayName": entry.display_name,
        "active": entry.active,
        "groups": groups_of(directory, entry.principal.id),
    });
    with_external_id(shown, entry.external_id.as_deref())
}

fn shown_group(directory: &Directory, group: &Group, projection: &Projection) -> Value {
    let mut shown = json!({
        "schemas": [Kind::Group.schema()],
        "id": group.id.to_string(),
        "displayName": group.name,
        "groups": groups_of(directory, group.id),
        "meta": { "resourceType": "WorkspaceGroup" },
    });
    // Everybody is in `users`: not looked at unless somebody wants to see it.
    if projection.wants("members") {
        shown["members"] = if directory.users_group() == Some(group.id) {
            directory.users().chain(directory.service_principals()).map(member).collect()
        } else {
            let members = group.members.iter();
            members.filter_map(|id| member_of(directory, *id)).collect()
        };
    }
    with_external_id(shown, group.external_id.as_deref())
}

fn with_external_id(mut shown: Value, external_id: Option<&str>) -> Value {
    if let Some(id) = external_id {
        shown["externalId"] = id.into();
    }
    shown
}

fn member_of(directory: &Directory, id: PrincipalId) -> Option<Value> {
    match directory.by_id(id) {
        Some(entry) => (!entry.is_system()).then(|| member(entry)),
        None => directory.group_by_id(id).map(|group| reference(Kind::Group, group.id, group.name.as_str())),
    }
}

fn member(entry: &DirectoryEntry) -> Value {
    reference(Kind::of(entry), entry.principal.id, &entry.display_name)
}

fn reference(kind: Kind, id: PrincipalId, display: &str) -> Value {
    json!({ "value": id.to_string(), "display": display, "$ref": format!("{}/{id}", kind.path()) })
}

/// The groups that somebody is in. A direct one can be left; `users` counts as one, for nobody is in it by another.
fn groups_of(directory: &Directory, id: PrincipalId) -> Vec<Value> {
    let direct: Vec<PrincipalId> =
        directory.direct_groups_of(id).map(|group| group.id).chain(directory.users_group()).collect();
    (directory.groups_of(id).iter())
        .filter_map(|group| directory.group_by_id(*group))
        .map(|group| {
            let mut shown = reference(Kind::Group, group.id, group.name.as_str());
            shown["type"] = if direct.contains(&group.id) { "direct" } else { "indirect" }.into();
            shown
        })
        .collect()
}

/// Which attributes the caller wants to see (RFC 7644 section 3.9): whole ones only, `id` and `schemas` always.
#[derive(Debug, Default)]
pub(super) struct Projection {
    only: Option<Vec<String>>,
    without: Vec<String>,
}

impl Projection {
    pub(super) fn of(query: &ListQuery) -> Self {
        let names =
            |text: &str, parts_too: bool| -> Vec<String> {
                (text.split(',').map(str::trim).filter(|name| !name.is_empty()))
                    .map(|name| {
                        if name.starts_with("urn:") { name.rsplit(':').next().unwrap_or(name) } else { name }
                    })
                    // To want a part is to get the whole; to do without a part is not to do without the whole.
                    .filter(|name| parts_too || !name.contains('.'))
                    .map(|name| name.split('.').next().unwrap_or(name).to_ascii_lowercase())
                    .collect()
            };
        let only =
            query.attributes.as_deref().map(|text| names(text, true)).filter(|names| !names.is_empty());
        Self {
            only,
            without: query.excluded_attributes.as_deref().map(|text| names(text, false)).unwrap_or_default(),
        }
    }

    /// True if that attribute is wanted.
    pub(super) fn wants(&self, name: &str) -> bool {
        let same = |known: &String| known.eq_ignore_ascii_case(name);
        matches!(name, "id" | "schemas")
            || (self.only.as_ref().is_none_or(|only| only.iter().any(same)) && !self.without.iter().any(same))
    }

    /// Leaves out what is not wanted.
    pub(super) fn apply(&self, mut shown: Value) -> Value {
        if let Value::Object(attributes) = &mut shown {
            attributes.retain(|name, _| self.wants(name));
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_gets_the_attributes_that_were_asked_for_and_always_the_id() {
        let user =
            json!({"schemas": [], "id": "1", "userName": "a", "name": {"givenName": "A"}, "groups": []});
        for (attributes, excluded, left) in [
            (None, None, "groups id name schemas userName"),
            (Some("userName"), None, "id schemas userName"),
            (Some("USERNAME, groups"), None, "groups id schemas userName"),
            (Some("name.givenName"), None, "id name schemas"),
            (None, Some("groups,id"), "id name schemas userName"),
            (None, Some("name.givenName"), "groups id name schemas userName"),
            (Some("urn:ietf:params:scim:schemas:core:2.0:User:userName"), None, "id schemas userName"),
            (Some(""), Some(""), "groups id name schemas userName"),
            (Some("nothing"), None, "id schemas"),
        ] {
            let query = ListQuery {
                attributes: attributes.map(str::to_owned),
                excluded_attributes: excluded.map(str::to_owned),
                ..ListQuery::default()
            };
            let shown = Projection::of(&query).apply(user.clone());
            let mut names: Vec<_> = shown.as_object().expect("an object").keys().cloned().collect();
            names.sort();
            assert_eq!(names.join(" "), left, "{attributes:?} without {excluded:?}");
        }
    }

    #[test]
    fn an_id_has_one_spelling() {
        assert_eq!(id_of("1000001"), Some(PrincipalId(1_000_001)));
        for bad in ["", "+1", "01", "-1", "1 ", "1.0", "x", "99999999999999999999"] {
            assert_eq!(id_of(bad), None, "{bad:?}");
        }
    }
}
