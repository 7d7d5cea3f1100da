//! The state: every object under its name, and the grants on it.

use std::sync::Arc;

use brickyard_store::State;
use brickyard_types::PrincipalId;
use imbl::{HashMap, OrdMap};
use serde::{Deserialize, Serialize};

use super::entries::Entries;
use super::name::ObjectPath;
use super::object::{Object, ObjectId, ObjectKind, ObjectRef};
use super::privilege::PrivilegeSet;

/// All securables of Unity Catalog and the grants on them.
#[derive(Clone, Default)]
pub struct Unity {
    objects: HashMap<ObjectId, Arc<Object>>,
    /// By what holds it, its kind, and its name without case.
    names: OrdMap<(ObjectId, ObjectKind, Arc<str>), ObjectId>,
    grants: HashMap<ObjectId, Grants>,
    last_id: u64,
}

/// The grants on one object.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub struct Grants {
    /// What people granted, and see.
    pub(super) entries: Entries,
    /// What a hidden system service principal was given because its endpoint declared the object. No listing shows it.
    pub(super) direct: Entries,
}

/// What can happen to securables, as the journal keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // the fields are what they are called
pub enum UnityChange {
    /// An object exists from now on.
    Created { object: Box<Object> },
    /// An object is this from now on. Its grants stay; if its name changed, so did that of everything inside.
    Altered { object: Box<Object> },
    /// These objects are gone, and every grant on them.
    Dropped { ids: Vec<ObjectId> },
    /// A principal holds exactly these privileges on the object from now on.
    Granted { on: ObjectId, principal: PrincipalId, privileges: PrivilegeSet },
    /// A system service principal holds exactly these from now on.
    GrantedDirectly { on: ObjectId, principal: PrincipalId, privileges: PrivilegeSet },
    /// A user, group or service principal is gone, and every privilege it held.
    PrincipalRemoved { principal: PrincipalId },
}

impl State for Unity {
    const OWNER: &'static str = "unity_catalog";
    type Change = UnityChange;

    fn apply(&mut self, change: &UnityChange) {
        use UnityChange as C;
        match change {
            C::Created { object } => {
                self.last_id = self.last_id.max(object.id.0);
                self.insert(Arc::new((**object).clone()));
            }
            C::Altered { object } => {
                let Some(before) = self.objects.get(&object.id).cloned() else { return };
                self.names.remove(&key(before.parent, before.kind, &before.name));
                self.insert(Arc::new((**object).clone()));
                if before.full_name != object.full_name {
                    self.rename_inside(object.id, &object.full_name);
                }
            }
            C::Dropped { ids } => {
                for id in ids {
                    if let Some(gone) = self.objects.remove(id) {
                        self.names.remove(&key(gone.parent, gone.kind, &gone.name));
                    }
                    self.grants.remove(id);
                }
            }
            C::Granted { on, principal, privileges } => {
                self.grants.entry(*on).or_default().entries.put(*principal, *privileges);
            }
            C::GrantedDirectly { on, principal, privileges } => {
                self.grants.entry(*on).or_default().direct.put(*principal, *privileges);
            }
            C::PrincipalRemoved { principal } => {
                // Looked for first: what is not touched stays shared with the snapshots that others read.
                let holds = |grants: &Grants| {
                    grants.entries.get(*principal).or_else(|| grants.direct.get(*principal)).is_some()
                };
                let on: Vec<_> =
                    self.grants.iter().filter(|(_, grants)| holds(grants)).map(|(on, _)| *on).collect();
                for on in on {
                    let Some(grants) = self.grants.get_mut(&on) else { continue };
                    grants.entries.put(*principal, PrivilegeSet::EMPTY);
                    grants.direct.put(*principal, PrivilegeSet::EMPTY);
                }
            }
        }
    }
}

fn key(parent: ObjectId, kind: ObjectKind, name: &str) -> (ObjectId, ObjectKind, Arc<str>) {
    (parent, kind, name.to_lowercase().into())
}

impl Unity {
    fn insert(&mut self, object: Arc<Object>) {
        self.names.insert(key(object.parent, object.kind, &object.name), object.id);
        self.objects.insert(object.id, object);
    }

    fn rename_inside(&mut self, parent: ObjectId, full_name: &str) {
        let inside: Vec<_> = self.children(parent).map(|object| object.id).collect();
        for id in inside {
            if let Some(object) = self.objects.get_mut(&id) {
                let object = Arc::make_mut(object);
                object.full_name = format!("{full_name}.{}", object.name).into();
                let renamed = Arc::clone(&object.full_name);
                self.rename_inside(id, &renamed);
            }
        }
    }

    /// The id that the next object gets.
    pub(super) fn next_id(&self) -> ObjectId {
        ObjectId(self.last_id + 1)
    }

    /// The object with that id. The metastore is no stored object.
    pub fn get(&self, id: ObjectId) -> Option<&Arc<Object>> {
        self.objects.get(&id)
    }

    /// The object of that kind and name inside another.
    pub fn child(&self, parent: ObjectId, kind: ObjectKind, name: &str) -> Option<&Arc<Object>> {
        self.objects.get(self.names.get(&key(parent, kind, name))?)
    }

    /// The object of that kind with that full name: as many parts as its kind has.
    pub fn find(&self, kind: ObjectKind, path: &ObjectPath) -> Option<&Arc<Object>> {
        let metastore = ObjectId::METASTORE;
        match (kind, path.parts()) {
            (ObjectKind::Catalog | ObjectKind::Connection, [name]) => self.child(metastore, kind, name),
            (ObjectKind::Schema, [catalog, name]) => {
                let catalog = self.child(metastore, ObjectKind::Catalog, catalog)?;
                self.child(catalog.id, kind, name)
            }
            (ObjectKind::Table | ObjectKind::Function, [catalog, schema, name]) => {
                let catalog = self.child(metastore, ObjectKind::Catalog, catalog)?;
                let schema = self.child(catalog.id, ObjectKind::Schema, schema)?;
                self.child(schema.id, kind, name)
            }
            _ => None,
        }
    }

    /// Everything directly inside an object, by kind and then by name.
    pub fn children(&self, parent: ObjectId) -> impl Iterator<Item = &Arc<Object>> {
        let all = ObjectKind::ALL.into_iter();
        all.flat_map(move |kind| self.children_of_kind(parent, kind))
    }

    /// What of one kind is directly inside an object, by name.
    pub fn children_of_kind(&self, parent: ObjectId, kind: ObjectKind) -> impl Iterator<Item = &Arc<Object>> {
        let first = (parent, kind, Arc::from(""));
        (self.names.range(first..))
            .take_while(move |((of, what, _), _)| *of == parent && *what == kind)
            .filter_map(|(_, id)| self.objects.get(id))
    }

    /// Everything below an object, at any depth, children after their parent.
    pub fn descendants(&self, parent: ObjectId) -> Vec<Arc<Object>> {
        let mut found: Vec<Arc<Object>> = self.children(parent).cloned().collect();
        let mut index = 0;
        while index < found.len() {
            let inside: Vec<_> = self.children(found[index].id).cloned().collect();
            found.extend(inside);
            index += 1;
        }
        found
    }

    /// The object and what holds it, innermost first; without the metastore.
    pub fn lineage(&self, id: ObjectId) -> impl Iterator<Item = &Arc<Object>> {
        let mut next = self.objects.get(&id);
        std::iter::from_fn(move || {
            let object = next?;
            next = self.objects.get(&object.parent);
            Some(object)
        })
    }

    /// Its id, kind and name, also of the metastore.
    pub fn reference(&self, id: ObjectId) -> Option<ObjectRef> {
        if id == ObjectId::METASTORE {
            return Some(ObjectRef::metastore());
        }
        self.get(id).map(|object| object.reference())
    }

    /// The grants on an object, if there are any.
    pub fn grants_on(&self, id: ObjectId) -> Option<&Grants> {
        self.grants.get(&id)
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// True without any object.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }
}

impl std::fmt::Debug for Unity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unity").field("objects", &self.objects.len()).finish_non_exhaustive()
    }
}
