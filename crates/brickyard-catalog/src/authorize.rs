//! The one place that decides.
//!
//! ```text
//! Caller ──▶ API scope ──▶ user, service principal:  owner? own entry, groups' entries? workspace admin?  ──▶ Permit
//!                     └──▶ hidden system principal:  declared? then that right, and nothing else          ──▶ Denied
//! ```
//! The rules, each with its reason:
//!
//! - **A scope opens an API, a permission opens an object.** Both are needed, and neither replaces the other.
//! - **Groups count transitively**, and everybody is in `users`.
//! - **Workspace admins inherit the highest level everywhere.**
//! - **A hidden system principal holds what its endpoint declared, and nothing through a group.** It is in `users`,
//!   yet a grant to `users` does not replace a forgotten `resources=[...]`: that is how it is after deployment.
//! - **An endpoint's creator is asked without a token** ([`Catalog::authorize_creator`]): who deployed an agent last
//!   month is not on the line when its worker starts today.

mod denied;
mod permit;

use std::sync::Arc;

use brickyard_identity::{Caller, Directory};
use brickyard_types::{Principal, PrincipalId, PrincipalKind};

pub use denied::{DenialKind, Denied};
pub use permit::Permit;

use crate::action::{Action, Asks};
use crate::api_scopes::{ApiFamily, family};
use crate::catalog::Catalog;
use crate::level::Level;
use crate::permissions::{Permissions, Source};
use crate::securable::{Securable, SecurableKind};
use crate::trace::{Check, Held, Link, Through, Trace};
use crate::unity::{ObjectRef, Requirement, Who};

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub enum Asker<'a> {
    /// Somebody with a verified token.
    Caller(&'a Caller),
    /// Somebody who is not on the line: an endpoint's creator, or whoever a configuration speaks for.
    Principal(&'a Principal),
    /// The owner of a view or function, on whose rights the invoker reads what is behind it. Good for objects of Unity
    /// Catalog only.
    Definer {
        /// Who runs the statement.
        invoker: &'a Principal,
        /// Who owns the view or function.
        owner: PrincipalId,
        /// The view or function.
        of: &'a ObjectRef,
    },
}

impl Asker<'_> {
    /// Who runs the statement.
    pub fn invoker(&self) -> &Principal {
        match self {
            Self::Caller(caller) => caller.principal(),
            Self::Principal(principal) => principal,
            Self::Definer { invoker, .. } => invoker,
        }
    }
}

/// Token, scope, declared, permission: no chain is longer.
const LONGEST: usize = 4;

impl Catalog {
    /// Decides whether the caller may do this.
    ///
    /// # Errors
    /// With the chain that was walked, up to the link that refused.
    pub fn authorize<A: Action>(&self, caller: &Caller, action: A) -> Result<Permit<A>, Denied> {
        let asks = action.asks();
        let mut links = through_the_api(caller, action.family(), A::NAME)?;
        if !caller.authorization_details().is_empty() && !within_details(caller, A::NAME, &asks) {
            links.push(Link::new(Check::DataPlane { action: A::NAME }, false));
            let principal = caller.principal().clone();
            return Err(Denied::new(DenialKind::OutsideToken, principal, A::NAME, Trace::new(links)));
        }
        self.decide(caller.principal(), action, asks, links)
    }

    /// Decides for whoever asks: a caller, a principal without a token, or the definer of a view or function.
    ///
    /// # Errors
    /// With the chain that was walked.
    pub fn authorize_as<A: Action>(&self, asker: &Asker<'_>, action: A) -> Result<Permit<A>, Denied> {
        match asker {
            Asker::Caller(caller) => self.authorize(caller, action),
            Asker::Principal(principal) => self.authorize_creator(principal, action),
            Asker::Definer { invoker, owner, of } => {
                let name: Arc<str> = self.grantee_name(*owner).into();
                let known = self.owner_exists(*owner);
                let check = Check::Definer { of: (*of).clone(), owner: name };
                let links = vec![Link::new(check, known)];
                let Asks::Unity(target, requirement) = action.asks() else {
                    let kind = DenialKind::OutsideToken;
                    return Err(Denied::new(kind, (*invoker).clone(), A::NAME, Trace::new(links)));
                };
                if !known {
                    let kind = DenialKind::CreatorGone;
                    return Err(Denied::new(kind, (*invoker).clone(), A::NAME, Trace::new(links)));
                }
                let directory = self.identity().directory();
                let who = Who::owner(&directory, *owner);
                self.walk(&who, invoker, action, &target, requirement, links)
            }
        }
    }

    /// True if somebody may know that an object of Unity Catalog is there: what a listing shows.
    pub fn sees(&self, principal: &Principal, object: &ObjectRef) -> bool {
        let directory = self.identity().directory();
        Who::principal(&directory, principal).sees(&self.unity(), object)
    }

    /// True if somebody knows of an object through `BROWSE` alone: it is listed for who asks for such objects.
    pub fn only_browses(&self, principal: &Principal, object: &ObjectRef) -> bool {
        let directory = self.identity().directory();
        Who::principal(&directory, principal).only_browses(&self.unity(), object)
    }

    /// True if the text of a view or function is shown to somebody: to who may read or execute it, or manages it.
    pub fn reads_definition(&self, principal: &Principal, object: &ObjectRef) -> bool {
        let directory = self.identity().directory();
        Who::principal(&directory, principal).reads_definition(&self.unity(), object)
    }

    fn walk<A: Action>(
        &self,
        who: &Who<'_>,
        principal: &Principal,
        action: A,
        target: &ObjectRef,
        requirement: Requirement,
        mut links: Vec<Link>,
    ) -> Result<Permit<A>, Denied> {
        let (steps, refused) = match who.walk(&self.unity(), target, requirement) {
            Ok(steps) => (steps, None),
            Err((steps, refused)) => (steps, Some(refused)),
        };
        links.extend(steps.into_iter().map(|step| step.link(principal)));
        let Some(refused) = refused else {
            return Ok(Permit::new(action, principal.clone(), Trace::new(links)));
        };
        let kind = DenialKind::MissingPrivilege { needed: refused.needed, on: refused.on.clone() };
        links.push(refused.link(principal));
        Err(Denied::new(kind, principal.clone(), A::NAME, Trace::new(links)))
    }

    /// What a hidden service principal's endpoint declared decides first; what it lacks is told in the words of the
    /// first privilege that is missing, as Databricks does.
    fn decide_unity<A: Action>(
        &self,
        principal: &Principal,
        action: A,
        target: ObjectRef,
        requirement: Requirement,
        mut links: Vec<Link>,
    ) -> Result<Permit<A>, Denied> {
        let directory = self.identity().directory();
        let who = Who::principal(&directory, principal);
        if let PrincipalKind::SystemServicePrincipal(endpoint) = principal.kind {
            let walked = who.walk(&self.unity(), &target, requirement);
            let declared = walked.is_ok();
            links.push(Link::new(Check::DeclaredObject { endpoint, object: target.clone() }, declared));
            if let Err((_, refused)) = walked {
                let kind = DenialKind::MissingPrivilege { needed: refused.needed, on: refused.on.clone() };
                return Err(Denied::new(kind, principal.clone(), A::NAME, Trace::new(links)));
            }
        }
        self.walk(&who, principal, action, &target, requirement, links)
    }

    /// Decides whether an endpoint's creator may do this, without a token: the creator is not on the line.
    ///
    /// # Errors
    /// With the chain that was walked. A creator who is gone or disabled may nothing.
    pub fn authorize_creator<A: Action>(&self, creator: &Principal, action: A) -> Result<Permit<A>, Denied> {
        let known = (self.identity().directory().by_id(creator.id)).is_some_and(|entry| entry.active);
        let mut links = Vec::with_capacity(LONGEST);
        links.push(Link::new(Check::Creator { principal: creator.clone(), known }, known));
        if !known {
            return Err(Denied::new(DenialKind::CreatorGone, creator.clone(), A::NAME, Trace::new(links)));
        }
        let asks = action.asks();
        self.decide(creator, action, asks, links)
    }

    /// Decides whether the caller's token opens an API, for routes where no object is looked at.
    ///
    /// # Errors
    /// If none of its scopes does.
    pub fn require_scope(&self, caller: &Caller, family: &'static ApiFamily) -> Result<Trace, Denied> {
        let mut links = through_the_api(caller, family, family.name)?;
        if !caller.authorization_details().is_empty() && !std::ptr::eq(family, &family::SERVING_INVOCATIONS) {
            links.push(Link::new(Check::DataPlane { action: family.name }, false));
            let principal = caller.principal().clone();
            return Err(Denied::new(DenialKind::OutsideToken, principal, family.name, Trace::new(links)));
        }
        Ok(Trace::new(links))
    }

    /// True if the caller may see the thing at all: what a listing shows.
    pub fn can_see(&self, caller: &Caller, securable: &Securable) -> bool {
        self.level(caller.principal(), securable).is_some()
    }

    /// The highest level that somebody holds on a thing.
    pub fn level(&self, principal: &Principal, securable: &Securable) -> Option<Level> {
        let (directory, permissions) = (self.identity().directory(), self.permissions());
        match principal.kind {
            PrincipalKind::SystemServicePrincipal(_) => declared(&permissions, principal, securable),
            _ => held(&directory, &permissions, principal, securable).map(|held| held.level),
        }
    }

    fn decide<A: Action>(
        &self,
        principal: &Principal,
        action: A,
        asks: Asks,
        mut links: Vec<Link>,
    ) -> Result<Permit<A>, Denied> {
        let (securable, needed) = match asks {
            Asks::Level(securable, needed) => (securable, needed),
            Asks::Unity(target, requirement) => {
                return self.decide_unity(principal, action, target, requirement, links);
            }
        };
        let (directory, permissions) = (self.identity().directory(), self.permissions());
        let held = match principal.kind {
            PrincipalKind::SystemServicePrincipal(endpoint) => {
                let held = declared(&permissions, principal, &securable);
                let check = Check::Declared { endpoint, securable: securable.clone(), held };
                links.push(Link::new(check, held.is_some()));
                let Some(level) = held else {
                    let kind = DenialKind::NotDeclared { securable, needed };
                    return Err(Denied::new(kind, principal.clone(), A::NAME, Trace::new(links)));
                };
                Some(Held { level, through: Through::Declared })
            }
            _ => held(&directory, &permissions, principal, &securable),
        };
        let passed = held.as_ref().is_some_and(|held| held.level.covers(needed));
        let principal = principal.clone();
        if passed {
            let check =
                Check::Permission { action: A::NAME, principal: principal.clone(), securable, needed, held };
            links.push(Link::new(check, true));
            return Ok(Permit::new(action, principal, Trace::new(links)));
        }
        let kind = match &held {
            None if securable.kind().is_hidden() => {
                DenialKind::Invisible { securable: securable.clone(), needed }
            }
            held => {
                DenialKind::MissingPermission { securable: securable.clone(), needed, held: held.clone() }
            }
        };
        let check =
            Check::Permission { action: A::NAME, principal: principal.clone(), securable, needed, held };
        links.push(Link::new(check, false));
        Err(Denied::new(kind, principal, A::NAME, Trace::new(links)))
    }
}

/// The first two links: whose token it is, and whether it opens the API.
fn through_the_api(
    caller: &Caller,
    family: &'static ApiFamily,
    action: &'static str,
) -> Result<Vec<Link>, Denied> {
    let (principal, kind) = (caller.principal(), caller.kind());
    let mut links = Vec::with_capacity(LONGEST);
    links.push(Link::new(
        Check::Token { principal: principal.clone(), kind, act: caller.act().cloned() },
        true,
    ));
    let opens = family.accepts(caller.scopes());
    links.push(Link::new(Check::ApiScope { family, held: caller.scopes().clone(), kind }, opens));
    if opens {
        Ok(links)
    } else {
        let why = DenialKind::MissingScope { family, token: kind };
        Err(Denied::new(why, principal.clone(), action, Trace::new(links)))
    }
}

/// A data-plane token is good for one action on one endpoint, whatever its scopes and its holder's rights are.
fn within_details(caller: &Caller, action: &str, asks: &Asks) -> bool {
    let Asks::Level(Securable::ServingEndpoint { id, .. }, _) = asks else { return false };
    let path = format!("/serving-endpoints/{id}");
    action == "QueryEndpoint"
        && caller.authorization_details().iter().any(|detail| {
            detail.r#type == "workspace_permission"
                && detail.object_type == "serving-endpoints"
                && detail.object_path == path
                && detail.actions.iter().any(|action| action == "query_inference_endpoint")
        })
}

/// What a hidden system principal was given because its endpoint declared the thing.
fn declared(permissions: &Permissions, principal: &Principal, securable: &Securable) -> Option<Level> {
    permissions.on(securable).and_then(|acl| acl.direct(principal.id))
}

/// What a user or service principal holds on a thing, and through what.
fn held(
    directory: &Directory,
    permissions: &Permissions,
    principal: &Principal,
    securable: &Securable,
) -> Option<Held> {
    let kind = securable.kind();
    let top = kind.top();
    let who = principal.id;
    let acl = permissions.on(securable);
    let listed = acl.and_then(|acl| acl.held(who, directory.groups_of(who), top)).map(|(level, source)| {
        let through = match source {
            Source::Owner => Through::Creator,
            Source::Entry => Through::Entry,
            // The closure and the group list change in one commit, so the group is there.
            Source::Group(group) => directory
                .group_by_id(group)
                .map_or(Through::Entry, |group| Through::Group(group.name.clone())),
        };
        Held { level, through }
    });
    if listed.as_ref().is_some_and(|held| held.level.covers(top)) {
        return listed;
    }
    if directory.is_admin(who) {
        return Some(Held { level: top, through: Through::Admin });
    }
    listed.or_else(|| if acl.is_none() { by_default(directory, who, kind) } else { None })
}

/// What the members of a workspace hold on things that nobody set an access list for.
fn by_default(directory: &Directory, who: brickyard_types::PrincipalId, kind: SecurableKind) -> Option<Held> {
    let users = directory.group_by_id(directory.users_group()?)?;
    match kind {
        SecurableKind::Workspace | SecurableKind::Tokens if directory.is_member(who, users.id) => {
            Some(Held { level: Level::CanUse, through: Through::Group(users.name.clone()) })
        }
        _ => None,
    }
}
