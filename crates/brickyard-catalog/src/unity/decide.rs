//! The walk: `USE CATALOG`, `USE SCHEMA`, then what is asked for, each with where it comes from.

use std::fmt;
use std::sync::OnceLock;

use brickyard_identity::Directory;
use brickyard_types::{GroupName, Principal, PrincipalId, PrincipalKind};

use crate::trace::{Check, Link};

use super::entries::Entries;
use super::grants::ACCOUNT_USERS;
use super::object::{ObjectId, ObjectKind, ObjectRef};
use super::privilege::{PrivilegeSet, UnityPrivilege};
use super::state::Unity;

/// What something takes on an object.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Requirement {
    /// The privilege, or ownership, and `USE` of everything above.
    Privilege(UnityPrivilege),
    /// Ownership of the object or of what holds it, `MANAGE`, or being a metastore admin.
    Manage,
    /// `APPLY TAG` and `USE` of everything above, or managing it.
    Tag,
    /// Any privilege on it, `BROWSE`, or managing it.
    See,
    /// `USE` of it and of everything above, or managing it.
    Enter,
}

impl Requirement {
    /// What a view or function may do with its owner's rights: read, call, look up. Nothing is changed with them.
    fn is_lent(self) -> bool {
        use UnityPrivilege::{Execute, Select, UseConnection};
        match self {
            Self::Privilege(privilege) => matches!(privilege, Select | Execute | UseConnection),
            Self::See | Self::Enter => true,
            Self::Manage | Self::Tag => false,
        }
    }
}

/// A privilege that is held, and where it comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeldPrivilege {
    /// The privilege in the words of the grant: `ALL PRIVILEGES` if that is what was granted.
    pub words: &'static str,
    /// Where it comes from.
    pub source: PrivilegeSource,
    /// The object that it was granted on, or is owned.
    pub on: ObjectRef,
}

/// Where a privilege comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PrivilegeSource {
    /// Its holder, or a group of its holder, owns the object.
    Owner,
    /// A grant to itself.
    Grant,
    /// A grant to a group that it is in.
    Group(GroupName),
    /// A grant to `account users`.
    AccountUsers,
    /// Its holder is a metastore admin.
    MetastoreAdmin,
    /// The endpoint declared the resource.
    Declared,
}

impl fmt::Display for HeldPrivilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (words, on) = (self.words.replace('_', " "), &self.on);
        match &self.source {
            PrivilegeSource::Owner => write!(f, "owner of {on}"),
            PrivilegeSource::Grant => write!(f, "{words} on {on}"),
            PrivilegeSource::Group(group) => write!(f, "{words} on {on} through group {group}"),
            PrivilegeSource::AccountUsers => write!(f, "{words} on {on} through account users"),
            PrivilegeSource::MetastoreAdmin => f.write_str("metastore admin"),
            PrivilegeSource::Declared => write!(f, "{words} on {on} as declared resource"),
        }
    }
}

/// Whose rights are looked at.
pub(crate) struct Who<'a> {
    id: PrincipalId,
    /// Every group it is in, however deep, sorted.
    groups: &'a [PrincipalId],
    /// The same, for looking many up; made when it is first needed.
    among: OnceLock<Box<Among>>,
    /// In `account users`: everybody but hidden system principals.
    account_user: bool,
    metastore_admin: bool,
    system: bool,
    /// Asked for by somebody else, through a view or function of its own.
    definer: bool,
    directory: &'a Directory,
}

impl<'a> Who<'a> {
    /// A user or service principal, hidden or not.
    pub(crate) fn principal(directory: &'a Directory, principal: &Principal) -> Self {
        let system = matches!(principal.kind, PrincipalKind::SystemServicePrincipal(_));
        // A hidden principal holds what was declared and nothing through a group.
        let groups = if system { &[][..] } else { directory.groups_of(principal.id) };
        Self {
            id: principal.id,
            groups,
            among: OnceLock::new(),
            account_user: !system,
            metastore_admin: !system && directory.is_admin(principal.id),
            system,
            definer: false,
            directory,
        }
    }

    /// The owner of a view or function, which may be a group. Definers use what they were granted: that an owner is
    /// also a metastore admin opens nothing for the readers of its view.
    pub(crate) fn owner(directory: &'a Directory, id: PrincipalId) -> Self {
        if let Some(entry) = directory.by_id(id) {
            return Self {
                metastore_admin: false,
                definer: true,
                ..Self::principal(directory, &entry.principal)
            };
        }
        let groups = directory.groups_of(id);
        Self {
            id,
            groups,
            among: OnceLock::new(),
            account_user: true,
            metastore_admin: false,
            system: false,
            definer: true,
            directory,
        }
    }

    fn is(&self, principal: PrincipalId) -> bool {
        principal == self.id
            || self.groups.binary_search(&principal).is_ok()
            || (self.account_user && principal == ACCOUNT_USERS)
    }

    /// The first grant on exactly this object that `accept` takes, own ones first.
    fn granted(
        &self,
        unity: &Unity,
        on: ObjectId,
        accept: impl Fn(PrivilegeSet) -> bool,
    ) -> Option<(PrivilegeSet, PrivilegeSource)> {
        let grants = unity.grants_on(on)?;
        if self.system {
            let held = grants.direct.get(self.id)?;
            return accept(held).then_some((held, PrivilegeSource::Declared));
        }
        if let Some(held) = grants.entries.get(self.id)
            && accept(held)
        {
            return Some((held, PrivilegeSource::Grant));
        }
        let through = |group: PrincipalId| {
            self.directory
                .group_by_id(group)
                .map_or(PrivilegeSource::Grant, |group| PrivilegeSource::Group(group.name.clone()))
        };
        if let Some((group, held)) = self.common(&grants.entries, &accept) {
            return Some((held, through(group)));
        }
        if self.account_user
            && let Some(held) = grants.entries.get(ACCOUNT_USERS)
            && accept(held)
        {
            return Some((held, PrivilegeSource::AccountUsers));
        }
        None
    }

    /// How it holds a privilege on an object: by owning it, by a grant on it, or on what holds it.
    pub(crate) fn holds(
        &self,
        unity: &Unity,
        privilege: UnityPrivilege,
        on: ObjectId,
    ) -> Option<HeldPrivilege> {
        if on == ObjectId::METASTORE {
            let metastore = ObjectRef::metastore();
            if self.metastore_admin {
                let source = PrivilegeSource::MetastoreAdmin;
                return Some(HeldPrivilege { words: privilege.as_str(), source, on: metastore });
            }
            let (_, source) = self.granted(unity, on, |held| held.contains(privilege))?;
            return Some(HeldPrivilege { words: privilege.as_str(), source, on: metastore });
        }
        let object = unity.get(on)?;
        if !self.system && self.is(object.owner) {
            let source = PrivilegeSource::Owner;
            return Some(HeldPrivilege { words: privilege.as_str(), source, on: object.reference() });
        }
        unity.lineage(on).find_map(|at| {
            let (held, source) = self.granted(unity, at.id, |held| held.gives(privilege))?;
            let words =
                if held.contains(privilege) { privilege } else { UnityPrivilege::AllPrivileges }.as_str();
            Some(HeldPrivilege { words, source, on: at.reference() })
        })
    }

    /// How it manages an object: by the outermost of what it manages, which takes the least use of what is above.
    pub(crate) fn manages(&self, unity: &Unity, on: ObjectId) -> Option<HeldPrivilege> {
        let words = UnityPrivilege::Manage.as_str();
        if self.metastore_admin {
            let (source, on) = (PrivilegeSource::MetastoreAdmin, ObjectRef::metastore());
            return Some(HeldPrivilege { words, source, on });
        }
        if self.system {
            return None;
        }
        let held = unity.lineage(on).filter_map(|at| {
            if self.is(at.owner) {
                return Some(HeldPrivilege { words, source: PrivilegeSource::Owner, on: at.reference() });
            }
            let manage = |held: PrivilegeSet| held.contains(UnityPrivilege::Manage);
            let (_, source) = self.granted(unity, at.id, manage)?;
            Some(HeldPrivilege { words, source, on: at.reference() })
        });
        held.last()
    }

    /// How it knows that an object is there, if everything above may be used: by any privilege that says something
    /// about such an object. `BROWSE` takes no way to it and is looked at before (see [`browses`](Self::browses)).
    fn touches(&self, unity: &Unity, on: ObjectId, kind: ObjectKind) -> Option<HeldPrivilege> {
        let about = |one: &UnityPrivilege| *one != UnityPrivilege::Browse && one.grantable_on(kind);
        let tells = |held: PrivilegeSet| held.iter().any(|one| about(&one));
        // The metastore is no stored object, so nothing is its lineage.
        if on == ObjectId::METASTORE {
            let (held, source) = self.granted(unity, on, tells)?;
            let first = held.iter().find(about)?;
            return Some(HeldPrivilege { words: first.as_str(), source, on: ObjectRef::metastore() });
        }
        unity.lineage(on).find_map(|at| {
            let (held, source) = self.granted(unity, at.id, tells)?;
            let first = held.iter().find(about)?;
            Some(HeldPrivilege { words: first.as_str(), source, on: at.reference() })
        })
    }

    /// True if it may know that an object is there.
    pub(crate) fn sees(&self, unity: &Unity, on: &ObjectRef) -> bool {
        self.walk(unity, on, Requirement::See).is_ok()
    }

    /// True if it knows of an object through `BROWSE` alone.
    pub(crate) fn only_browses(&self, unity: &Unity, on: &ObjectRef) -> bool {
        !self.metastore_admin
            && self.browses(unity, on.id).is_some()
            && self.chain(unity, on, Requirement::See).is_err()
    }

    /// True if the text of a view or function is shown to it: to who may use it, and to who manages it. Knowing that it is
    /// there is not enough, as the text tells what it reads and what it hides.
    pub(crate) fn reads_definition(&self, unity: &Unity, on: &ObjectRef) -> bool {
        let uses = match on.kind {
            ObjectKind::Table => Requirement::Privilege(UnityPrivilege::Select),
            ObjectKind::Function => Requirement::Privilege(UnityPrivilege::Execute),
            _ => return true,
        };
        self.walk(unity, on, uses).is_ok() || self.walk(unity, on, Requirement::Manage).is_ok()
    }

    /// Walks the chain. Each step that passed is a link; the error is the step that did not, with the links before it.
    #[expect(clippy::result_large_err, reason = "a refusal is turned into links at once")]
    pub(crate) fn walk(
        &self,
        unity: &Unity,
        target: &ObjectRef,
        requirement: Requirement,
    ) -> Result<Vec<Step>, (Vec<Step>, Step)> {
        if self.definer && !requirement.is_lent() {
            return Err((Vec::new(), Step::new(needed_words(requirement, target.kind), target, None)));
        }
        if requirement == Requirement::See
            && !self.metastore_admin
            && let Some(held) = self.browses(unity, target.id)
        {
            return Ok(vec![Step::new(held.words, target, Some(held))]);
        }
        self.chain(unity, target, requirement)
    }

    /// The walk of who does not browse.
    #[expect(clippy::result_large_err, reason = "a refusal is turned into links at once")]
    fn chain(
        &self,
        unity: &Unity,
        target: &ObjectRef,
        requirement: Requirement,
    ) -> Result<Vec<Step>, (Vec<Step>, Step)> {
        let managed = match requirement {
            Requirement::Privilege(_) => None,
            _ => self.manages(unity, target.id),
        };
        let mut steps = Vec::with_capacity(4);
        // Who manages a container need not be let into it, but into what holds it; a metastore admin is in everywhere.
        let managed_from = managed.as_ref().map_or(target.id, |held| held.on.id);
        if managed_from != ObjectId::METASTORE {
            let above = unity.lineage(target.id).skip_while(|at| at.id != managed_from).skip(1);
            // A catalog and a schema at most.
            let above: Vec<_> = above.collect();
            for object in above.into_iter().rev() {
                let Some(using) = using(object.kind) else { continue };
                let step =
                    Step::new(using.as_str(), &object.reference(), self.holds(unity, using, object.id));
                if step.held.is_none() {
                    return Err((steps, step));
                }
                steps.push(step);
            }
        }
        // Making something in a catalog or schema takes the use of it, too.
        if let Requirement::Privilege(privilege) = requirement
            && let Some(using) = using(target.kind)
            && privilege != using
        {
            let step = Step::new(using.as_str(), target, self.holds(unity, using, target.id));
            if step.held.is_none() {
                return Err((steps, step));
            }
            steps.push(step);
        }
        let held = match requirement {
            Requirement::Privilege(privilege) => self.holds(unity, privilege, target.id),
            Requirement::Manage => managed,
            Requirement::Tag => managed.or_else(|| self.holds(unity, UnityPrivilege::ApplyTag, target.id)),
            Requirement::See => managed.or_else(|| self.touches(unity, target.id, target.kind)),
            Requirement::Enter => {
                managed.or_else(|| using(target.kind).and_then(|using| self.holds(unity, using, target.id)))
            }
        };
        // What is seen, entered or tagged by managing it is said to be: nobody shall read `SELECT` where none is held.
        let needed = match (&held, requirement) {
            (Some(held), Requirement::See | Requirement::Enter | Requirement::Tag) => held.words,
            _ => needed_words(requirement, target.kind),
        };
        let step = Step::new(needed, target, held);
        if step.held.is_none() {
            return Err((steps, step));
        }
        steps.push(step);
        Ok(steps)
    }

    /// `BROWSE` of what holds the object, or of the catalog itself. `ALL PRIVILEGES` includes it only where it could be
    /// granted: of a table they do not open the way to the table.
    fn browses(&self, unity: &Unity, on: ObjectId) -> Option<HeldPrivilege> {
        let browse = UnityPrivilege::Browse;
        let mut places = unity.lineage(on).filter(|at| browse.grantable_on(at.kind));
        places.find_map(|at| {
            let (_, source) = self.granted(unity, at.id, |held| held.gives(browse))?;
            Some(HeldPrivilege { words: browse.as_str(), source, on: at.reference() })
        })
    }

    /// The first of its groups with an entry that `accept` takes. Few groups are searched among the entries. Few entries
    /// are searched among the groups; many are, too, but most of them that are no group's are known by one bit: a step
    /// with 1,000 groups and 1,000 grants is a matter of a microsecond.
    fn common(
        &self,
        entries: &Entries,
        accept: impl Fn(PrivilegeSet) -> bool,
    ) -> Option<(PrincipalId, PrivilegeSet)> {
        const FEW: usize = 16;
        if self.groups.len() * FEW < entries.len() {
            return self.groups.iter().find_map(|group| {
                let held = entries.get(*group)?;
                accept(held).then_some((*group, held))
            });
        }
        let mine = |principal: PrincipalId| self.groups.binary_search(&principal).is_ok();
        let mut accepted = entries.iter().filter(|(_, held)| accept(*held));
        if entries.len() * FEW < self.groups.len() {
            return accepted.find(|(principal, _)| mine(*principal)).copied();
        }
        let among = self.among.get_or_init(|| Among::of(self.groups));
        accepted.find(|(principal, _)| among.may_have(*principal) && mine(*principal)).copied()
    }
}

/// Which principals may be among some others: one bit for each, and those of equal last digits share one.
struct Among([u64; Among::WORDS]);

impl Among {
    /// 2 KiB.
    const WORDS: usize = 256;

    fn of(principals: &[PrincipalId]) -> Box<Self> {
        let mut all = Box::new(Self([0; Self::WORDS]));
        for principal in principals {
            let (word, bit) = Self::place(*principal);
            all.0[word] |= bit;
        }
        all
    }

    fn may_have(&self, principal: PrincipalId) -> bool {
        let (word, bit) = Self::place(principal);
        self.0[word] & bit != 0
    }

    fn place(principal: PrincipalId) -> (usize, u64) {
        let word = (principal.0 / 64) % Self::WORDS as u64;
        (word as usize, 1 << (principal.0 % 64))
    }
}

/// One step of the walk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Step {
    /// The privilege that it takes: `USE_CATALOG`, `MANAGE`.
    pub needed: &'static str,
    /// On what.
    pub on: ObjectRef,
    /// What is held.
    pub held: Option<HeldPrivilege>,
}

impl Step {
    fn new(needed: &'static str, on: &ObjectRef, held: Option<HeldPrivilege>) -> Self {
        Self { needed, on: on.clone(), held }
    }

    pub(crate) fn link(self, principal: &Principal) -> Link {
        let passed = self.held.is_some();
        let Self { needed, on, held } = self;
        Link::new(Check::Privilege { principal: principal.clone(), needed, on, held }, passed)
    }
}

/// The privilege that lets somebody into a container.
fn using(kind: ObjectKind) -> Option<UnityPrivilege> {
    match kind {
        ObjectKind::Catalog => Some(UnityPrivilege::UseCatalog),
        ObjectKind::Schema => Some(UnityPrivilege::UseSchema),
        _ => None,
    }
}

/// The privilege that a refusal names.
fn needed_words(requirement: Requirement, kind: ObjectKind) -> &'static str {
    match requirement {
        Requirement::Privilege(privilege) => privilege,
        Requirement::Manage => UnityPrivilege::Manage,
        Requirement::Tag => UnityPrivilege::ApplyTag,
        Requirement::See | Requirement::Enter => match kind {
            ObjectKind::Metastore => UnityPrivilege::CreateCatalog,
            ObjectKind::Catalog => UnityPrivilege::UseCatalog,
            ObjectKind::Schema => UnityPrivilege::UseSchema,
            ObjectKind::Table => UnityPrivilege::Select,
            ObjectKind::Function => UnityPrivilege::Execute,
            ObjectKind::Connection => UnityPrivilege::UseConnection,
        },
    }
    .as_str()
}
