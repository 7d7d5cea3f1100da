//! Making, changing and dropping objects. Each takes the permit for it, and is one commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use brickyard_store::StoreError;
use brickyard_types::{PrincipalId, Timestamp};

use crate::authorize::Permit;
use crate::catalog::Catalog;

use super::actions::{CreateObject, ManageObject, TagObject};
use super::grants::{ACCOUNT_USERS, from_commit};
use super::name::{InvalidObjectName, ObjectPath};
use super::object::{Detail, Object, ObjectId, ObjectKind, ObjectRef};
use super::privilege::UnityPrivilege;
use super::state::UnityChange;

/// What an object is made of.
#[derive(Clone, Debug)]
pub struct NewObject {
    /// The last part of its name.
    pub name: String,
    /// A UUID that nothing else has.
    pub uid: Arc<str>,
    /// What people wrote about it.
    pub comment: Option<String>,
    /// Its properties.
    pub properties: BTreeMap<String, String>,
    /// What only its kind has.
    pub detail: Detail,
    /// When.
    pub at: Timestamp,
}

/// A change to an object's definition.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // the variants are what they are called
#[expect(clippy::large_enum_variant, reason = "made one at a time, and used up at once")]
pub enum Alteration {
    /// By name: a user, service principal or group.
    Owner(String),
    /// To this last part, in the same place.
    Rename(String),
    Comment(Option<String>),
    /// These are set, the others stay.
    SetProperties(BTreeMap<String, String>),
    UnsetProperties(Vec<String>),
    /// Of the same kind as before.
    Detail(Detail),
}

/// A change to the tags of an object, or of one of its columns.
#[derive(Clone, Default, Debug)]
pub struct TagChange {
    /// The column, in any case; `None` is the object itself.
    pub column: Option<String>,
    /// These are set, the others stay.
    pub set: BTreeMap<String, String>,
    /// These are there no more.
    pub unset: Vec<String>,
}

/// Why something could not be made, changed or found.
#[derive(Debug, thiserror::Error)]
pub enum UnityError {
    /// A bad name.
    #[error(transparent)]
    Name(#[from] InvalidObjectName),
    /// The name is taken.
    #[error("{} '{name}' already exists", .kind.spoken())]
    AlreadyExists {
        /// What.
        kind: ObjectKind,
        /// Its full name.
        name: String,
    },
    /// Nothing of that name.
    #[error("{} '{name}' does not exist", .kind.spoken())]
    NotFound {
        /// What.
        kind: ObjectKind,
        /// Its full name.
        name: String,
    },
    /// There is something in it.
    #[error("{} '{name}' is not empty: drop what is in it first, or use CASCADE", .kind.spoken())]
    NotEmpty {
        /// What.
        kind: ObjectKind,
        /// Its full name.
        name: String,
    },
    /// Nobody is called that.
    #[error("Could not find principal with name {name}")]
    NoSuchPrincipal {
        /// The name.
        name: String,
    },
    /// Such a privilege says nothing about such an object.
    #[error("Privilege {privilege} is not applicable to {on}")]
    NotGrantable {
        /// The privilege.
        privilege: UnityPrivilege,
        /// The object.
        on: ObjectRef,
    },
    /// The journal did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Catalog {
    /// Makes an object. Its maker owns it.
    ///
    /// # Errors
    /// If the name is bad or taken, or its parent is gone.
    pub async fn create_object(
        &self,
        permit: &Permit<CreateObject>,
        new: NewObject,
    ) -> Result<Arc<Object>, UnityError> {
        let name = ObjectPath::new(vec![new.name.clone()])?;
        let (parent, kind) = (permit.on().clone(), permit.action().kind);
        let owner = permit.principal().clone();
        let slot = self.unity_slot();
        if kind.parent() != Some(parent.kind) {
            let kind = kind.parent().unwrap_or(ObjectKind::Metastore);
            return Err(UnityError::NotFound { kind, name: parent.full_name.to_string() });
        }
        let done = self.store().commit(|tx| {
            let unity = tx.get(slot);
            let full_name: Arc<str> = match unity.get(parent.id) {
                Some(parent) => format!("{}.{}", parent.full_name, name.last()).into(),
                None if parent.id == ObjectId::METASTORE => name.last().into(),
                None => {
                    return Err(UnityError::NotFound {
                        kind: parent.kind,
                        name: parent.full_name.to_string(),
                    });
                }
            };
            if unity.child(parent.id, kind, name.last()).is_some() {
                return Err(UnityError::AlreadyExists { kind, name: full_name.to_string() });
            }
            let object = Object {
                id: unity.next_id(),
                kind,
                uid: new.uid,
                name: name.last().into(),
                full_name,
                parent: parent.id,
                owner: owner.id,
                comment: new.comment,
                properties: new.properties,
                tags: BTreeMap::new(),
                created_at: new.at,
                created_by: Arc::clone(&owner.name),
                updated_at: new.at,
                updated_by: Arc::clone(&owner.name),
                detail: new.detail,
            };
            tx.change(slot, UnityChange::Created { object: Box::new(object.clone()) });
            Ok(Arc::new(object))
        });
        done.await.map_err(from_commit)
    }

    /// Changes an object's definition; all changes or none.
    ///
    /// # Errors
    /// If it is gone, a new name is bad or taken, or a new owner does not exist.
    pub async fn alter_object(
        &self,
        permit: &Permit<ManageObject>,
        changes: Vec<Alteration>,
        at: Timestamp,
    ) -> Result<Arc<Object>, UnityError> {
        let target = permit.on().clone();
        let by = Arc::clone(&permit.principal().name);
        let slot = self.unity_slot();
        let done = self.store().commit(|tx| {
            let unity = tx.get(slot);
            let Some(before) = unity.get(target.id) else {
                return Err(UnityError::NotFound { kind: target.kind, name: target.full_name.to_string() });
            };
            let mut object = (**before).clone();
            for change in changes {
                match change {
                    Alteration::Owner(name) => object.owner = self.grantee(&name)?,
                    Alteration::Rename(name) => {
                        let name = ObjectPath::new(vec![name])?;
                        let full_name = match unity.get(object.parent) {
                            Some(parent) => format!("{}.{}", parent.full_name, name.last()),
                            None => name.last().to_owned(),
                        };
                        let taken = unity.child(object.parent, object.kind, name.last());
                        if taken.is_some_and(|other| other.id != object.id) {
                            return Err(UnityError::AlreadyExists { kind: object.kind, name: full_name });
                        }
                        object.name = name.last().into();
                        object.full_name = full_name.into();
                    }
                    Alteration::Comment(comment) => object.comment = comment,
                    Alteration::SetProperties(properties) => object.properties.extend(properties),
                    Alteration::UnsetProperties(keys) => {
                        for key in keys {
                            object.properties.remove(&key);
                        }
                    }
                    Alteration::Detail(detail) => object.detail = detail,
                }
            }
            object.updated_at = at;
            object.updated_by = by;
            tx.change(slot, UnityChange::Altered { object: Box::new(object.clone()) });
            Ok(Arc::new(object))
        });
        done.await.map_err(from_commit)
    }

    /// Changes the tags of an object or of a column. Who tags needs not be who manages.
    ///
    /// # Errors
    /// If it is gone.
    pub async fn change_tags(
        &self,
        permit: &Permit<TagObject>,
        change: TagChange,
        at: Timestamp,
    ) -> Result<Arc<Object>, UnityError> {
        let target = permit.on().clone();
        let by = Arc::clone(&permit.principal().name);
        let slot = self.unity_slot();
        let done = self.store().commit(|tx| {
            let gone = || UnityError::NotFound { kind: target.kind, name: target.full_name.to_string() };
            let mut object = (**tx.get(slot).get(target.id).ok_or_else(gone)?).clone();
            let tags = match (&change.column, &mut object.detail) {
                (None, _) => &mut object.tags,
                (Some(name), Detail::Table(table)) => {
                    let mut columns = table.columns.iter_mut();
                    let column = columns.find(|column| column.name.eq_ignore_ascii_case(name));
                    &mut column.ok_or_else(gone)?.tags
                }
                (Some(_), _) => return Err(gone()),
            };
            tags.retain(|name, _| !change.unset.contains(name));
            tags.extend(change.set);
            object.updated_at = at;
            object.updated_by = by;
            tx.change(slot, UnityChange::Altered { object: Box::new(object.clone()) });
            Ok(Arc::new(object))
        });
        done.await.map_err(from_commit)
    }

    /// Drops an object. Answers what went with it, itself first: their files can be removed now.
    ///
    /// # Errors
    /// If it is gone, or something is in it and `cascade` is false.
    pub async fn drop_object(
        &self,
        permit: &Permit<ManageObject>,
        cascade: bool,
    ) -> Result<Vec<Arc<Object>>, UnityError> {
        let target = permit.on().clone();
        let slot = self.unity_slot();
        let done = self.store().commit(|tx| {
            let unity = tx.get(slot);
            let Some(object) = unity.get(target.id).cloned() else {
                return Err(UnityError::NotFound { kind: target.kind, name: target.full_name.to_string() });
            };
            let inside = unity.descendants(target.id);
            if !inside.is_empty() && !cascade {
                return Err(UnityError::NotEmpty { kind: target.kind, name: target.full_name.to_string() });
            }
            let mut gone = vec![object];
            gone.extend(inside);
            let ids = gone.iter().map(|object| object.id).collect();
            tx.change(slot, UnityChange::Dropped { ids });
            Ok(gone)
        });
        done.await.map_err(from_commit)
    }

    /// True if an owner of that id is still there and not disabled.
    pub fn owner_exists(&self, owner: PrincipalId) -> bool {
        let directory = self.identity().directory();
        match directory.by_id(owner) {
            Some(entry) => entry.active,
            None => owner == ACCOUNT_USERS || directory.group_by_id(owner).is_some(),
        }
    }
}
