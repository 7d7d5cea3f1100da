//! The catalog's no, with all that is needed to say why.

use std::fmt;

use brickyard_identity::TokenKind;
use brickyard_types::Principal;

use crate::api_scopes::ApiFamily;
use crate::level::Level;
use crate::securable::Securable;
use crate::trace::{Check, Held, Link, Trace};
use crate::unity::ObjectRef;

/// Why somebody may not. The chain that was walked is in it; its last link is the one that refused.
#[derive(Clone)]
pub struct Denied(Box<Facts>);

#[derive(Clone)]
struct Facts {
    kind: DenialKind,
    principal: Principal,
    action: &'static str,
    trace: Trace,
}

/// What kind of no it is. Which status and which words each gets is the face's business.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DenialKind {
    /// The token's scopes do not open the API.
    MissingScope {
        /// The family that it wanted.
        family: &'static ApiFamily,
        /// The kind of token: Databricks' text differs for personal access tokens.
        token: TokenKind,
    },
    /// The token was issued for one endpoint's data plane, and was used for something else.
    OutsideToken,
    /// The caller sees the thing and holds too little on it.
    MissingPermission {
        /// The thing.
        securable: Securable,
        /// The level that it takes.
        needed: Level,
        /// What is held.
        held: Option<Held>,
    },
    /// The caller holds nothing on the thing, so its existence must not be told either.
    Invisible {
        /// The thing.
        securable: Securable,
        /// The level that it takes.
        needed: Level,
    },
    /// A hidden system service principal, and its endpoint did not declare the thing.
    NotDeclared {
        /// The thing.
        securable: Securable,
        /// The level that it takes.
        needed: Level,
    },
    /// A privilege of Unity Catalog is missing.
    MissingPrivilege {
        /// Which: `USE_CATALOG`.
        needed: &'static str,
        /// On what.
        on: ObjectRef,
    },
    /// The endpoint's recorded creator is gone or disabled; or so is the owner of a view or function.
    CreatorGone,
}

impl Denied {
    pub(super) fn new(kind: DenialKind, principal: Principal, action: &'static str, trace: Trace) -> Self {
        Self(Box::new(Facts { kind, principal, action, trace }))
    }

    /// What kind of no.
    pub fn kind(&self) -> &DenialKind {
        &self.0.kind
    }

    /// Who was refused.
    pub fn principal(&self) -> &Principal {
        &self.0.principal
    }

    /// The name of the refused action, or of the API family.
    pub fn action(&self) -> &'static str {
        self.0.action
    }

    /// The chain that was walked.
    pub fn trace(&self) -> &Trace {
        &self.0.trace
    }

    /// Gives the chain away.
    pub fn into_trace(self) -> Trace {
        self.0.trace
    }

    /// The link that refused.
    pub fn first_failing(&self) -> &Link {
        let links = self.0.trace.links();
        // A denial is only made right after its failing link was added, so there is a last one.
        self.0.trace.first_failing().unwrap_or(&links[links.len() - 1])
    }

    /// The one-line fix.
    pub fn fix(&self) -> Option<String> {
        self.first_failing().fix()
    }

    /// Databricks' own words for it, without a request id: `User does not have permission 'View' on Endpoint <name>`,
    /// `Provided OAuth token does not have required scopes: <scope>`. (For a secret scope the form is inferred.)
    pub fn message(&self) -> String {
        match &self.0.kind {
            DenialKind::MissingScope { family, token } => {
                let token = match token {
                    TokenKind::PersonalAccessToken => "access token",
                    _ => "OAuth token",
                };
                format!("Provided {token} does not have required scopes: {}", family.printed)
            }
            DenialKind::OutsideToken => "Invalid scope".to_owned(),
            DenialKind::MissingPermission { securable, needed, .. }
            | DenialKind::Invisible { securable, needed }
            | DenialKind::NotDeclared { securable, needed } => spoken(securable, *needed),
            DenialKind::MissingPrivilege { needed, on } => {
                format!("User does not have {} on {on}", needed.replace('_', " "))
            }
            DenialKind::CreatorGone => match &self.first_failing().check {
                Check::Definer { of, owner } => {
                    format!("The owner {owner} of {of} is not an active member of the workspace")
                }
                _ => format!("The creator {} is not an active member of the workspace", self.0.principal),
            },
        }
    }
}

/// `User does not have permission 'Query' on Endpoint <name>`.
fn spoken(securable: &Securable, needed: Level) -> String {
    let (level, kind) = (needed.spoken(), securable.kind().spoken());
    match securable.name() {
        Some(name) => format!("User does not have permission '{level}' on {kind} {name}"),
        None => format!("User does not have permission '{level}' on {kind}"),
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let link = self.first_failing();
        let who = &self.0.principal;
        match &link.check {
            Check::Creator { .. } => write!(f, "{who} is gone or disabled")?,
            _ => write!(
                f,
                "{who} may not {}: it takes {}, held is {}",
                self.0.action,
                link.required(),
                link.held()
            )?,
        }
        match link.fix() {
            Some(fix) => write!(f, "; {fix}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Denied({self})")
    }
}

impl std::error::Error for Denied {}
