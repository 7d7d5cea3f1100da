//! Names and lives: what a rename, a drop, a new object of an old name and a restart do to rights; and the fix line.

use std::sync::Arc;

use brickyard_identity::IdentitySlots;
use brickyard_store::{MemoryJournal, State, Store};

use super::lake::{LATER, Lake, target};
use crate::Permissions;
use crate::unity::UnityPrivilege as P;
use crate::unity::{
    Alteration, GrantChange, ManageObject, ObjectKind, ObjectRef, PrivilegeSet, SelectTable, Unity,
    UnityChange, UnityError,
};

async fn drop_it(lake: &Lake, object: &ObjectRef, cascade: bool) -> Result<usize, UnityError> {
    let permit = lake.w.catalog.authorize(&lake.w.caller(&lake.w.ada), ManageObject(target(object))).unwrap();
    lake.w.catalog.drop_object(&permit, cascade).await.map(|gone| gone.len())
}

async fn alter(lake: &Lake, object: &ObjectRef, change: Alteration) -> Result<ObjectRef, UnityError> {
    let permit = lake.w.catalog.authorize(&lake.w.caller(&lake.w.ada), ManageObject(target(object))).unwrap();
    lake.w.catalog.alter_object(&permit, vec![change], LATER).await.map(|object| object.reference())
}

#[tokio::test]
async fn a_new_table_of_an_old_name_starts_without_the_old_ones_grants() {
    let lake = Lake::new().await;
    lake.let_in("ana@x", &lake.orders, &[P::Select]).await;
    drop_it(&lake, &lake.orders, false).await.unwrap();
    assert_eq!(
        lake.reads(&lake.w.ana, &lake.orders),
        "User does not have SELECT on Table 'main.sales.orders'"
    );
    let new = lake.make(&lake.w.carol, &lake.sales, ObjectKind::Table, "orders").await.unwrap();
    assert_ne!(new.id, lake.orders.id);
    assert_eq!(lake.reads(&lake.w.ana, &new), "User does not have SELECT on Table 'main.sales.orders'");
    assert_eq!(
        lake.reads(&lake.w.ana, &lake.orders),
        "User does not have SELECT on Table 'main.sales.orders'"
    );
}

#[tokio::test]
async fn a_rename_keeps_the_grants_and_names_everything_inside_anew() {
    let lake = Lake::new().await;
    lake.let_in("ana@x", &lake.orders, &[P::Select]).await;
    let renamed = alter(&lake, &lake.main, Alteration::Rename("Lake".to_owned())).await.unwrap();
    assert_eq!(&*renamed.full_name, "Lake");
    assert_eq!(lake.named(ObjectKind::Table, "main.sales.orders"), None);
    let orders = lake.named(ObjectKind::Table, "lake.sales.orders").unwrap();
    assert_eq!((orders.id, &*orders.full_name), (lake.orders.id, "Lake.sales.orders"));
    assert_eq!(lake.reads(&lake.w.ana, &orders), "yes");
    assert_eq!(
        lake.reads(&lake.w.ana, &lake.named(ObjectKind::Table, "lake.sales.items").unwrap()),
        "User does not have SELECT on Table 'Lake.sales.items'"
    );
    let taken = alter(&lake, &lake.items, Alteration::Rename("ORDERS".to_owned())).await.unwrap_err();
    assert_eq!(taken.to_string(), "Table 'Lake.sales.ORDERS' already exists");
    assert!(alter(&lake, &lake.items, Alteration::Rename("a.b".to_owned())).await.is_err());
    let spelled = alter(&lake, &lake.items, Alteration::Rename("ITEMS".to_owned())).await.unwrap();
    assert_eq!(lake.named(ObjectKind::Table, "lake.sales.items"), Some(spelled), "only its spelling");
}

#[tokio::test]
async fn names_are_compared_without_case_and_shown_as_they_were_spelled() {
    let lake = Lake::new().await;
    assert_eq!(
        lake.named(ObjectKind::Table, "MAIN.`Sales`.oRDERS").unwrap().full_name,
        lake.orders.full_name
    );
    let taken = lake.make(&lake.w.carol, &lake.sales, ObjectKind::Table, "Orders").await.unwrap_err();
    assert_eq!(taken, "Table 'main.sales.Orders' already exists");
    let spelled = lake.make(&lake.w.carol, &lake.sales, ObjectKind::Table, "Größe").await.unwrap();
    assert_eq!(&*spelled.full_name, "main.sales.Größe");
    assert_eq!(lake.named(ObjectKind::Table, "main.sales.GRÖßE"), Some(spelled));
    assert_eq!(lake.named(ObjectKind::Table, "main.sales"), None);
    assert_eq!(lake.named(ObjectKind::Catalog, "sales"), None);
    assert!(
        lake.make(&lake.w.carol, &lake.sales, ObjectKind::Function, "orders").await.is_ok(),
        "another kind"
    );
}

#[tokio::test]
async fn dropping_takes_what_is_inside_only_when_told_to() {
    let lake = Lake::new().await;
    let refused = drop_it(&lake, &lake.main, false).await.unwrap_err();
    assert_eq!(refused.to_string(), "Catalog 'main' is not empty: drop what is in it first, or use CASCADE");
    assert_eq!(drop_it(&lake, &lake.main, true).await.unwrap(), 5);
    for (kind, name) in [
        (ObjectKind::Catalog, "main"),
        (ObjectKind::Schema, "main.sales"),
        (ObjectKind::Table, "main.sales.orders"),
    ] {
        assert_eq!(lake.named(kind, name), None);
    }
    assert!(lake.named(ObjectKind::Connection, "crm").is_some());
    assert_eq!(lake.w.catalog.unity().len(), 1);
    assert!(matches!(drop_it(&lake, &lake.main, true).await, Err(UnityError::NotFound { .. })));
}

#[tokio::test]
async fn grants_are_changed_all_or_none_and_only_where_they_say_something() {
    let lake = Lake::new().await;
    let permit =
        lake.w.catalog.authorize(&lake.w.caller(&lake.w.ada), ManageObject(target(&lake.orders))).unwrap();
    let change = |to: &str, privilege| GrantChange {
        principal: to.to_owned(),
        add: PrivilegeSet::only(privilege),
        remove: PrivilegeSet::EMPTY,
    };
    let changes = [change("ana@x", P::Select), change("nobody@x", P::Select)];
    let refused = lake.w.catalog.change_grants(&permit, &changes);
    assert_eq!(refused.await.unwrap_err().to_string(), "Could not find principal with name nobody@x");
    let changes = [change("ana@x", P::Select), change("bob@x", P::UseCatalog)];
    let refused = lake.w.catalog.change_grants(&permit, &changes);
    assert!(matches!(refused.await, Err(UnityError::NotGrantable { .. })));
    assert!(
        lake.w.catalog.unity().grants_on(lake.orders.id).is_none_or(|grants| *grants == Default::default())
    );
}

#[tokio::test]
async fn a_restart_finds_the_same_objects_names_and_grants() {
    let journal = MemoryJournal::new();
    let open = async |journal: &MemoryJournal| {
        let mut builder = Store::builder();
        let _ = IdentitySlots::register(&mut builder);
        let _ = builder.own::<Permissions>();
        let slot = builder.own::<Unity>();
        (builder.open(journal.clone()).await.unwrap(), slot)
    };
    // The same changes, said twice: to a state in memory, and to a journal.
    let lake = Lake::new().await;
    lake.let_in("ana@x", &lake.orders, &[P::Select]).await;
    let unity = lake.w.catalog.unity();
    let mut changes: Vec<UnityChange> =
        [&lake.main, &lake.sales, &lake.orders, &lake.items, &lake.rate, &lake.crm]
            .map(|object| UnityChange::Created {
                object: Box::new((**unity.get(object.id).unwrap()).clone()),
            })
            .to_vec();
    let mut renamed = (**unity.get(lake.sales.id).unwrap()).clone();
    (renamed.name, renamed.full_name) = ("Sold".into(), "main.Sold".into());
    let held = [P::Select, P::AllPrivileges].into_iter().collect();
    let principal = lake.w.ana.id;
    changes.extend([
        UnityChange::Granted { on: lake.orders.id, principal, privileges: held },
        UnityChange::Granted { on: lake.items.id, principal, privileges: held },
        UnityChange::GrantedDirectly { on: lake.orders.id, principal: lake.w.hidden.id, privileges: held },
        UnityChange::Altered { object: Box::new(renamed) },
        UnityChange::Dropped { ids: vec![lake.crm.id] },
        UnityChange::Granted { on: lake.items.id, principal, privileges: PrivilegeSet::EMPTY },
        UnityChange::PrincipalRemoved { principal: lake.w.hidden.id },
    ]);
    let mut expected = Unity::default();
    changes.iter().for_each(|change| expected.apply(change));
    let (store, slot) = open(&journal).await;
    for change in changes {
        let kept = store.commit(|tx| {
            tx.change(slot, change);
            Ok::<_, ()>(())
        });
        kept.await.unwrap();
    }
    store.close().await;
    let (store, slot) = open(&journal).await;
    let found = store.read(slot);
    assert_eq!(found.len(), expected.len());
    for object in [&lake.main, &lake.sales, &lake.orders, &lake.items, &lake.rate, &lake.crm] {
        assert_eq!(found.get(object.id).map(Arc::as_ref), expected.get(object.id).map(Arc::as_ref));
        assert_eq!(found.grants_on(object.id), expected.grants_on(object.id));
    }
    let orders = found.find(ObjectKind::Table, &"main.sold.orders".parse().unwrap()).unwrap();
    assert_eq!(&*orders.full_name, "main.Sold.orders");
    assert!(found.find(ObjectKind::Connection, &"crm".parse().unwrap()).is_none());
    assert_eq!(found.next_id(), expected.next_id(), "an id is never used again, not even after a restart");
}

#[tokio::test]
async fn following_the_fix_lines_opens_the_table_and_each_is_one_statement() {
    let lake = Lake::new().await;
    let odd = lake.make(&lake.w.carol, &lake.sales, ObjectKind::Table, "2024-`orders`").await.unwrap();
    let mut fixes = Vec::new();
    loop {
        let asked = lake.w.catalog.authorize(&lake.w.caller(&lake.w.ana), SelectTable(target(&odd)));
        let Err(denied) = asked else { break };
        let fix = denied.fix().unwrap();
        // What the statement says, done.
        let (on, privilege) = match fixes.len() {
            0 => (&lake.main, P::UseCatalog),
            1 => (&lake.sales, P::UseSchema),
            _ => (&odd, P::Select),
        };
        lake.grant(on, "ana@x", &[privilege]).await;
        fixes.push(fix);
        assert!(fixes.len() <= 3);
    }
    assert_eq!(
        fixes,
        [
            "GRANT USE CATALOG ON CATALOG main TO `ana@x`",
            "GRANT USE SCHEMA ON SCHEMA main.sales TO `ana@x`",
            "GRANT SELECT ON TABLE main.sales.`2024-``orders``` TO `ana@x`",
        ]
    );
    let fix = |object: &ObjectRef| {
        let asked = lake.w.catalog.authorize(&lake.w.caller(&lake.w.ana), ManageObject(target(object)));
        asked.unwrap_err().fix().unwrap()
    };
    assert_eq!(fix(&lake.orders), "GRANT MANAGE ON TABLE main.sales.orders TO `ana@x`");
    assert_eq!(fix(&ObjectRef::metastore()), "add ana@x to the group admins");
}
