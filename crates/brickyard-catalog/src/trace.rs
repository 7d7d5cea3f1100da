//! A decision is a trace: the chain that was walked, what each link took, what was held, and the one-line fix.
//!
//! ```text
//! token ─▶ API scope ─▶ [declared] ─▶ workspace permission
//!                       only for the hidden principal of an endpoint
//! ```
//! A trace is made on every request, so it holds facts and no text: one small `Vec` of links, each a few shared
//! pointers. [`Link::required`], [`Link::held`] and [`Link::fix`] make the words when somebody asks. The chain ends
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

/// The chain that one decision walked. Cheap to clone: the permit and the ledger hold the same one.
#[derive(Clone, Debug)]
pub struct Trace {
    links: Arc<Vec<Link>>,
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
        Self { links: Arc::new(links) }
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
        Arc::make_mut(&mut self.links).extend(next.links.iter().cloned());
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
            Check::Declared { .. } => "declared",
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
        Securable::Workspace | Securable::Tokens => {
            "no resource can be declared for that: use manual authentication with a service principal of your own".to_owned()
        }
    }
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
