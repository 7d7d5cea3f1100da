//! Carol's lake: catalog `main`, schema `main.sales` with the tables `orders` and `items` and the function `rate`, and the
//! connection `crm`. Nobody else holds anything there.

use brickyard_types::{Principal, SqlType, Timestamp};

use crate::action::Action;
use crate::promises::workspace::Workspace;
use crate::unity::{
    ConnectionDetail, CreateObject, Detail, FunctionBody, FunctionDetail, FunctionReturns, GrantChange,
    ManageObject, NewObject, ObjectKind, ObjectRef, PrivilegeSet, SelectTable, TableDetail, TableKind,
    Target, UnityPrivilege,
};
use crate::{Denied, family};

pub struct Lake {
    pub w: Workspace,
    pub main: ObjectRef,
    pub sales: ObjectRef,
    pub orders: ObjectRef,
    pub items: ObjectRef,
    pub rate: ObjectRef,
    pub crm: ObjectRef,
}

pub fn target(object: &ObjectRef) -> Target {
    Target::new(object.clone(), &family::SQL_STATEMENTS)
}

pub fn verdict<T>(answer: Result<T, Denied>) -> String {
    answer.map_or_else(|denied| denied.message(), |_| "yes".to_owned())
}

pub const LATER: Timestamp = Timestamp::UNIX_EPOCH;

impl Lake {
    pub async fn new() -> Self {
        let w = Workspace::new().await;
        let metastore = ObjectRef::metastore();
        grant_in(
            &w,
            &metastore,
            "carol@x",
            &[UnityPrivilege::CreateCatalog, UnityPrivilege::CreateConnection],
        )
        .await;
        let main = make_in(&w, &w.carol, &metastore, ObjectKind::Catalog, "main").await.unwrap();
        let sales = make_in(&w, &w.carol, &main, ObjectKind::Schema, "sales").await.unwrap();
        let orders = make_in(&w, &w.carol, &sales, ObjectKind::Table, "orders").await.unwrap();
        let items = make_in(&w, &w.carol, &sales, ObjectKind::Table, "items").await.unwrap();
        let rate = make_in(&w, &w.carol, &sales, ObjectKind::Function, "rate").await.unwrap();
        let crm = make_in(&w, &w.carol, &metastore, ObjectKind::Connection, "crm").await.unwrap();
        Self { w, main, sales, orders, items, rate, crm }
    }

    /// The admin grants, with the name that people write.
    pub async fn grant(&self, on: &ObjectRef, to: &str, privileges: &[UnityPrivilege]) {
        grant_in(&self.w, on, to, privileges).await;
    }

    /// `USE` of `main` and `main.sales`, and more on one object.
    pub async fn let_in(&self, to: &str, on: &ObjectRef, privileges: &[UnityPrivilege]) {
        self.grant(&self.main, to, &[UnityPrivilege::UseCatalog]).await;
        self.grant(&self.sales, to, &[UnityPrivilege::UseSchema]).await;
        self.grant(on, to, privileges).await;
    }

    pub async fn make(
        &self,
        who: &Principal,
        parent: &ObjectRef,
        kind: ObjectKind,
        name: &str,
    ) -> Result<ObjectRef, String> {
        make_in(&self.w, who, parent, kind, name).await
    }

    /// `yes`, or the refusal's message.
    pub fn asks<A: Action>(&self, who: &Principal, action: fn(Target) -> A, on: &ObjectRef) -> String {
        verdict(self.w.catalog.authorize(&self.w.caller(who), action(target(on))))
    }

    pub fn reads(&self, who: &Principal, on: &ObjectRef) -> String {
        self.asks(who, SelectTable, on)
    }

    /// `yes`, or what is missing.
    pub fn creates(&self, who: &Principal, kind: ObjectKind, parent: &ObjectRef) -> String {
        let action = CreateObject { parent: target(parent), kind };
        verdict(self.w.catalog.authorize(&self.w.caller(who), action))
    }

    pub async fn declare(&self, on: &ObjectRef, privilege: UnityPrivilege) {
        let (slot, id, hidden) = (self.w.catalog.unity_slot(), on.id, self.w.hidden.id);
        let done = self.w.store.commit(|tx| {
            crate::unity::grant_declared(tx, slot, id, hidden, privilege);
            Ok::<_, ()>(())
        });
        done.await.unwrap();
    }

    pub fn named(&self, kind: ObjectKind, name: &str) -> Option<ObjectRef> {
        self.w.catalog.unity().find(kind, &name.parse().unwrap()).map(|object| object.reference())
    }
}

async fn grant_in(w: &Workspace, on: &ObjectRef, to: &str, privileges: &[UnityPrivilege]) {
    let permit = w.catalog.authorize(&w.caller(&w.ada), ManageObject(target(on))).unwrap();
    let add = privileges.iter().copied().collect();
    let change = GrantChange { principal: to.to_owned(), add, remove: PrivilegeSet::EMPTY };
    w.catalog.change_grants(&permit, &[change]).await.unwrap();
}

async fn make_in(
    w: &Workspace,
    who: &Principal,
    parent: &ObjectRef,
    kind: ObjectKind,
    name: &str,
) -> Result<ObjectRef, String> {
    let action = CreateObject { parent: target(parent), kind };
    let permit = w.catalog.authorize(&w.caller(who), action).map_err(|denied| denied.message())?;
    let new = NewObject {
        name: name.to_owned(),
        uid: name.into(),
        comment: None,
        properties: Default::default(),
        detail: detail(kind),
        at: LATER,
    };
    let made = w.catalog.create_object(&permit, new).await.map_err(|error| error.to_string())?;
    Ok(made.reference())
}

pub fn detail(kind: ObjectKind) -> Detail {
    match kind {
        ObjectKind::Metastore => Detail::Metastore,
        ObjectKind::Catalog => Detail::Catalog,
        ObjectKind::Schema => Detail::Schema,
        ObjectKind::Table => Detail::Table(TableDetail {
            table_kind: TableKind::Managed,
            columns: vec![],
            view_query: None,
            view_context: (None, None),
            row_filter: None,
            location: None,
            format: None,
            options: Default::default(),
            primary_key: vec![],
            primary_key_name: None,
            foreign_keys: vec![],
        }),
        ObjectKind::Function => Detail::Function(FunctionDetail {
            parameters: vec![],
            returns: FunctionReturns::Scalar(SqlType::String),
            body: FunctionBody::Sql("1".to_owned()),
            deterministic: true,
            data_access: "CONTAINS_SQL".to_owned(),
            context: (None, None),
        }),
        ObjectKind::Connection => Detail::Connection(ConnectionDetail {
            connection_type: "HTTP".to_owned(),
            options: Default::default(),
            sealed: Default::default(),
        }),
    }
}
