//! A decision is a trace: the chain that was walked, what each link took, what was held, and the one-line fix.
//!
//! ```text
//! token ─▶ API scope ─▶ [declared] ─▶ workspace permission
//!                       only for the hidden principal of an endpoint
//! ```
//! A trace is made on every request, so it holds facts and no text: one small piece of memory with its links, each a few
//! shared pointers. [`Link::required`], [`Link::held`] and [`Link::fix`] make the words when somebody asks. The chain ends
//! at the first link that failed: what was not looked at is not in it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use brickyard_identity::{Act, TokenKind};
use brickyard_types::{EndpointId, GroupName, Principal, PrincipalKind, ResourceType, ScopeSet};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::api_scopes::ApiFamily;
use crate::level::Level;
use crate::securable::{Securable, SecurableKind};
use crate::unity::{HeldPrivilege, ObjectKind, ObjectRef, UnityPrivilege, quoted};

/// The chain that one decision walked. Cheap to clone: the permit and the ledger hold the same one.
#[derive(Clone, Debug)]
pub struct Trace {
    links: Arc<[Link]>,
}

/// One step of a decision.
#[derive(Clone, Debug)]
pub struct Link {
    /// What was looked at.
    pub check: Check,
    /// Whether it was enough.
    pub passed: bool,
}

/// What a link looked at, as facts.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // the fields are what they are called
pub enum Check {
    /// Whose token it is and of what kind. It has been verified, or there would be no trace.
    Token { principal: Principal, kind: TokenKind, act: Option<Act> },
    /// An endpoint's recorded creator, who is not on the line: no token and no scope.
    Creator { principal: Principal, known: bool },
    /// Whether the token's scopes open the API.
    ApiScope { family: &'static ApiFamily, held: ScopeSet, kind: TokenKind },
    /// Whether a token that is good for one endpoint's data plane was used for that and nothing else.
    DataPlane { action: &'static str },
    /// Whether the endpoint declared the thing, so that its hidden service principal was given a right on it.
    Declared { endpoint: EndpointId, securable: Securable, held: Option<Level> },
    /// Whether the endpoint declared the object, so that its hidden service principal was given a privilege on it.
    DeclaredObject { endpoint: EndpointId, object: ObjectRef },
    /// On whose rights the links after this one are: a view or function reads with its owner's.
    Definer { of: ObjectRef, owner: Arc<str> },
    /// A privilege of Unity Catalog.
    Privilege { principal: Principal, needed: &'static str, on: ObjectRef, held: Option<HeldPrivilege> },
    /// A row filter that applied.
    RowFilter { table: ObjectRef, function: Arc<str> },
    /// A column mask that applied.
    ColumnMask { table: ObjectRef, column: Arc<str>, function: Arc<str> },
    /// The level on the thing.
    Permission {
        action: &'static str,
        principal: Principal,
        securable: Securable,
        needed: Level,
        held: Option<Held>,
    },
}

/// A level and where it comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    /// The level.
    pub level: Level,
    /// Where it comes from.
    pub through: Through,
}

/// Where a level comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Through {
    /// Its holder created the object.
    Creator,
    /// Its holder is a workspace admin.
    Admin,
    /// An entry of its own in the access list.
    Entry,
    /// An entry of a group that its holder is in.
    Group(GroupName),
    /// The endpoint declared the resource.
    Declared,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = self.level;
        match &self.through {
            Through::Creator => write!(f, "{level} as creator"),
            Through::Admin => write!(f, "{level} as workspace admin"),
            Through::Entry => write!(f, "{level} directly"),
            Through::Group(group) => write!(f, "{level} through group {group}"),
            Through::Declared => write!(f, "{level} as declared resource"),
        }
    }
}

impl Trace {
    pub(crate) fn new(links: Vec<Link>) -> Self {
        Self { links: links.into() }
    }

    /// This chain with the policies that applied to what was read.
    #[must_use]
    pub fn with_policies(mut self, policies: impl IntoIterator<Item = Check>) -> Self {
        let applied = policies.into_iter().map(|check| Link::new(check, true));
        self.links = self.links.iter().cloned().chain(applied).collect();
        self
    }

    /// The links, in the order in which they were walked.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// The link that refused, if one did.
    pub fn first_failing(&self) -> Option<&Link> {
        self.links.iter().find(|link| !link.passed)
    }

    /// True if every link passed.
    pub fn passed(&self) -> bool {
        self.first_failing().is_none()
    }

    /// This chain with another one's links after it.
    #[must_use]
    pub fn then(mut self, next: Trace) -> Self {
        self.links = self.links.iter().chain(next.links.iter()).cloned().collect();
        self
    }
}

impl Link {
    pub(crate) fn new(check: Check, passed: bool) -> Self {
        Self { check, passed }
    }

    /// The name of the check, for machines.
    pub fn name(&self) -> &'static str {
        match self.check {
            Check::Token { .. } => "token",
            Check::Creator { .. } => "creator",
            Check::ApiScope { .. } => "api_scope",
            Check::DataPlane { .. } => "data_plane",
            Check::Declared { .. } | Check::DeclaredObject { .. } => "declared",
            Check::Definer { .. } => "definer",
            Check::Privilege { needed: "USE_CATALOG", .. } => "use_catalog",
            Check::Privilege { needed: "USE_SCHEMA", .. } => "use_schema",
            Check::Privilege { .. } => "privilege",
            Check::RowFilter { .. } => "row_filter",
            Check::ColumnMask { .. } => "column_mask",
            Check::Permission { .. } => "workspace_permission",
        }
    }

    /// What it took.
    pub fn required(&self) -> Cow<'static, str> {
        match &self.check {
            Check::Token { .. } => "a valid token".into(),
            Check::Creator { .. } => "a creator who is still in the workspace".into(),
            Check::ApiScope { family, .. } if family.accepted.is_empty() => "any scope".into(),
            Check::ApiScope { family, .. } => {
                format!("{} (for {})", family.accepted.join(" or "), family.name).into()
            }
            Check::DataPlane { .. } => {
                "nothing but a query of the endpoint that the token was issued for".into()
            }
            Check::Declared { securable, .. } => {
                format!("{securable} among the endpoint's declared resources").into()
            }
            Check::Permission { securable, needed, .. } => format!("{needed} on {securable}").into(),
            Check::DeclaredObject { object, .. } => {
                format!("{object} among the endpoint's declared resources").into()
            }
            Check::Definer { of, .. } => format!("the owner of {of}, with whose rights it reads").into(),
            Check::Privilege { needed, on, .. } => format!("{} on {on}", needed.replace('_', " ")).into(),
            Check::RowFilter { table, .. } => format!("row filter on {table}").into(),
            Check::ColumnMask { table, column, .. } => format!("mask on column {column} of {table}").into(),
        }
    }

    /// What was held.
    pub fn held(&self) -> Cow<'static, str> {
        match &self.check {
            Check::Token { principal, kind, act } => {
                let token = token_words(*kind);
                match act {
                    Some(act) => {
                        format!("{token} of {principal}, used by endpoint {}", act.endpoint_name).into()
                    }
                    None => format!("{token} of {principal}").into(),
                }
            }
            Check::Creator { principal, known: true } => principal.name.to_string().into(),
            Check::Creator { principal, known: false } => {
                format!("{principal}, who is gone or disabled").into()
            }
            Check::ApiScope { held, .. } if held.is_empty() => "no scope".into(),
            Check::ApiScope { held, .. } => held.to_string().into(),
            Check::DataPlane { action } => format!("a data-plane token, used for {action}").into(),
            Check::Declared { held: Some(_), .. } => "declared".into(),
            Check::Declared { held: None, .. } => "not declared".into(),
            Check::DeclaredObject { .. } if self.passed => "declared".into(),
            Check::DeclaredObject { .. } => "not declared".into(),
            Check::Definer { owner, .. } if self.passed => owner.to_string().into(),
            Check::Definer { owner, .. } => format!("{owner}, who is gone").into(),
            Check::Privilege { held: Some(held), .. } => held.to_string().into(),
            Check::Privilege { held: None, .. } => "nothing".into(),
            Check::RowFilter { function, .. } | Check::ColumnMask { function, .. } => {
                format!("applied {function}").into()
            }
            Check::Permission { held: Some(held), .. } => held.to_string().into(),
            Check::Permission { held: None, .. } => "nothing".into(),
        }
    }

    /// What to change so that the link passes, in one line; `None` for a link that passed.
    pub fn fix(&self) -> Option<String> {
        if self.passed {
            return None;
        }
        Some(match &self.check {
            Check::Token { .. } => "get a new token".to_owned(),
            Check::Creator { principal, .. } => {
                format!(
                    "delete the endpoint and create it as somebody else: its creator {principal} cannot be changed"
                )
            }
            Check::ApiScope { family, kind, .. } => scope_fix(family, *kind),
            Check::DataPlane { .. } => "use an access token instead of the data-plane token".to_owned(),
            Check::Declared { securable, .. } => undeclared_fix(securable),
            Check::DeclaredObject { object, .. } => undeclared_object_fix(object),
            Check::Definer { of, .. } => {
                let word = of.kind.word();
                format!("ALTER {word} {} OWNER TO somebody who is there", sql_name(of))
            }
            Check::Privilege { principal, needed, on, .. } => grant_fix(principal, needed, on),
            // These links say what was done to an answer; they refuse nothing.
            Check::RowFilter { .. } | Check::ColumnMask { .. } => return None,
            Check::Permission { principal, securable, needed, .. } => {
                permission_fix(principal, securable, *needed)
            }
        })
    }
}

fn token_words(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::PersonalAccessToken => "personal access token",
        TokenKind::AccessToken => "access token",
        TokenKind::OnBehalfOfUser => "on-behalf-of-user token",
        TokenKind::Passthrough => "passthrough token",
    }
}

fn scope_fix(family: &ApiFamily, kind: TokenKind) -> String {
    match (kind, family.declared()) {
        (TokenKind::OnBehalfOfUser, Some(scope)) => {
            format!("declare it when logging the model: UserAuthPolicy(api_scopes=[{scope:?}])")
        }
        (TokenKind::OnBehalfOfUser, None) => {
            format!("{} cannot be reached on behalf of the user: use manual authentication", family.name)
        }
        (TokenKind::Passthrough, _) => {
            format!("{} cannot be reached by passthrough: use manual authentication", family.name)
        }
        (TokenKind::PersonalAccessToken, _) => {
            format!("create the personal access token with the scope {}", family.printed)
        }
        (TokenKind::AccessToken, _) => format!("request the token with scope={}", family.printed),
    }
}

/// The entry that was forgotten in `resources=[...]`, or why there is none for this thing.
fn undeclared_fix(securable: &Securable) -> String {
    match securable {
        Securable::ServingEndpoint { name, .. } => {
            format!("declare it when logging the model: resources=[{}]", ResourceType::ServingEndpoint.python(name.as_str()))
        }
        Securable::SecretScope(scope) => {
            format!("a secret reaches an agent through environment_vars: {{{{secrets/{scope}/<key>}}}}")
        }
        Securable::SqlWarehouse(warehouse) => {
            format!("declare it when logging the model: resources=[{}]", ResourceType::SqlWarehouse.python(&warehouse.id))
        }
        Securable::Workspace | Securable::Tokens => {
            "no resource can be declared for that: use manual authentication with a service principal of your own".to_owned()
        }
    }
}

fn undeclared_object_fix(object: &ObjectRef) -> String {
    let kind = match object.kind {
        ObjectKind::Table => ResourceType::Table,
        ObjectKind::Function => ResourceType::Function,
        ObjectKind::Connection => ResourceType::UcConnection,
        ObjectKind::Metastore | ObjectKind::Catalog | ObjectKind::Schema => {
            return "no resource can be declared for that: use manual authentication with a service principal of your own"
                .to_owned();
        }
    };
    format!("declare it when logging the model: resources=[{}]", kind.python(&object.full_name))
}

/// The missing grant, as SQL that can be run.
fn grant_fix(principal: &Principal, needed: &str, on: &ObjectRef) -> String {
    if let PrincipalKind::SystemServicePrincipal(_) = principal.kind {
        return undeclared_object_fix(on);
    }
    let to = format!("TO `{}`", principal.name.replace('`', "``"));
    if needed == UnityPrivilege::Manage.as_str() {
        // `MANAGE` cannot be granted on the metastore: its admins are the workspace's.
        if on.kind == ObjectKind::Metastore {
            return format!("add {principal} to the group admins");
        }
    }
    let needed = needed.replace('_', " ");
    match on.kind {
        ObjectKind::Metastore => format!("GRANT {needed} ON METASTORE {to}"),
        kind => format!("GRANT {needed} ON {} {} {to}", kind.word(), sql_name(on)),
    }
}

fn sql_name(object: &ObjectRef) -> String {
    let parts: Vec<_> = object.full_name.split('.').map(quoted).collect();
    parts.join(".")
}

fn permission_fix(principal: &Principal, securable: &Securable, needed: Level) -> String {
    match (principal.kind, securable) {
        (PrincipalKind::SystemServicePrincipal(_), _) => format!(
            "a declared resource gives no {needed}: use manual authentication with a service principal that has it"
        ),
        (_, Securable::SecretScope(scope)) => {
            format!("databricks secrets put-acl {scope} {principal} {needed}")
        }
        (_, Securable::Workspace) if needed == SecurableKind::Workspace.top() => {
            format!("add {principal} to the group admins")
        }
        (kind, _) => {
            let key = match kind {
                PrincipalKind::User => "user_name",
                _ => "service_principal_name",
            };
            format!(
                "grant {needed} on {securable}: permissions: [{{{key}: {principal}, permission_level: {needed}}}]"
            )
        }
    }
}

impl Serialize for Link {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut link = serializer.serialize_struct("Link", 5)?;
        link.serialize_field("check", self.name())?;
        link.serialize_field("required", &self.required())?;
        link.serialize_field("held", &self.held())?;
        link.serialize_field("passed", &self.passed)?;
        link.serialize_field("fix", &self.fix())?;
        link.end()
    }
}

impl Serialize for Trace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.links.iter())
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.passed { "ok  " } else { "FAIL" };
        write!(f, "{verdict} {:<20} needs {}; held: {}", self.name(), self.required(), self.held())?;
        match self.fix() {
            Some(fix) => write!(f, "\n     fix: {fix}"),
            None => Ok(()),
        }
    }
}

/// One line a link, the failing one followed by its fix.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, link) in self.links.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            link.fmt(f)?;
        }
        Ok(())
    }
}
