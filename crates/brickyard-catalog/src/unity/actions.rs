//! What somebody may be permitted to do in Unity Catalog. The same action is reached through several APIs (a statement,
//! a `GET`, a deployment), so an action carries the API family that it came through.

use crate::action::{Action, Asks};
use crate::api_scopes::ApiFamily;

use super::decide::Requirement;
use super::object::{ObjectKind, ObjectRef};
use super::privilege::UnityPrivilege;

/// An object, and the API through which it is reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// The object.
    pub object: ObjectRef,
    /// The caller's token must hold one of its scopes.
    pub through: &'static ApiFamily,
}

impl Target {
    /// This object, reached through that API.
    pub fn new(object: ObjectRef, through: &'static ApiFamily) -> Self {
        Self { object, through }
    }
}

macro_rules! unity_actions {
    ($($(#[$doc:meta])* $name:ident: $needs:expr;)+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, PartialEq, Eq, Debug)]
            pub struct $name(pub Target);

            impl Action for $name {
                type On = ObjectRef;
                const NAME: &'static str = stringify!($name);

                fn family(&self) -> &'static ApiFamily {
                    self.0.through
                }

                fn on(&self) -> &ObjectRef {
                    &self.0.object
                }

                fn asks(&self) -> Asks {
                    Asks::Unity(self.0.object.clone(), $needs)
                }
            }
        )+
    };
}

unity_actions! {
    /// Read a table or view.
    SelectTable: Requirement::Privilege(UnityPrivilege::Select);
    /// Change a table's rows. (An `UPDATE` also takes [`SelectTable`].)
    ModifyTable: Requirement::Privilege(UnityPrivilege::Modify);
    /// Call a function.
    ExecuteFunction: Requirement::Privilege(UnityPrivilege::Execute);
    /// Call out through a connection.
    UseConnection: Requirement::Privilege(UnityPrivilege::UseConnection);
    /// Know that an object exists, and what it looks like.
    SeeObject: Requirement::See;
    /// Change an object's definition, drop it, change its owner or its grants.
    ManageObject: Requirement::Manage;
    /// Set and unset the tags of an object, or of a table's columns.
    TagObject: Requirement::Tag;
    /// See the grants of everybody on an object. One's own are seen by whoever sees the object.
    ReadGrants: Requirement::Manage;
    /// `USE` a catalog or schema; look for something in it.
    UseParents: Requirement::Enter;
}

/// Make an object of a kind inside another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateObject {
    /// What will hold it.
    pub parent: Target,
    /// What it will be.
    pub kind: ObjectKind,
}

impl Action for CreateObject {
    type On = ObjectRef;
    const NAME: &'static str = "CreateObject";

    fn family(&self) -> &'static ApiFamily {
        self.parent.through
    }

    fn on(&self) -> &ObjectRef {
        &self.parent.object
    }

    fn asks(&self) -> Asks {
        let needed = match self.kind {
            ObjectKind::Metastore | ObjectKind::Catalog => UnityPrivilege::CreateCatalog,
            ObjectKind::Schema => UnityPrivilege::CreateSchema,
            ObjectKind::Table => UnityPrivilege::CreateTable,
            ObjectKind::Function => UnityPrivilege::CreateFunction,
            ObjectKind::Connection => UnityPrivilege::CreateConnection,
        };
        Asks::Unity(self.parent.object.clone(), Requirement::Privilege(needed))
    }
}
