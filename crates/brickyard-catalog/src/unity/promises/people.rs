//! Whom a grant reaches: nested groups, `account users`, hidden principals, the definers of views and functions.

use brickyard_identity::directory;
use brickyard_types::PrincipalId;

use super::lake::{LATER, Lake, target, verdict};
use crate::Asker;
use crate::unity::UnityPrivilege as P;
use crate::unity::{
    Alteration, ExecuteFunction, ManageObject, ModifyTable, ObjectRef, ReadGrants, SeeObject, SelectTable,
    unity_principal_removed,
};

/// What the reader of a view gets from what is behind it.
fn through(lake: &Lake, of: &ObjectRef, owner: PrincipalId, on: &ObjectRef) -> String {
    let asker = Asker::Definer { invoker: &lake.w.ana, owner, of };
    verdict(lake.w.catalog.authorize_as(&asker, SelectTable(target(on))))
}

#[tokio::test]
async fn a_grant_to_a_group_reaches_the_members_of_its_groups_until_they_leave() {
    let lake = Lake::new().await;
    lake.let_in("analysts", &lake.orders, &[P::Select]).await;
    assert_eq!(lake.reads(&lake.w.bob, &lake.orders), "yes");
    assert_eq!(lake.reads(&lake.w.ana, &lake.orders), "User does not have USE CATALOG on Catalog 'main'");
    let (slots, analysts, staff) = (lake.w.slots, lake.w.analysts, lake.w.staff);
    lake.w.store.commit(|tx| directory::remove_member(tx, slots, analysts, staff)).await.unwrap();
    assert_eq!(lake.reads(&lake.w.bob, &lake.orders), "User does not have USE CATALOG on Catalog 'main'");
}

#[tokio::test]
async fn a_group_that_owns_something_owns_it_for_its_members() {
    let lake = Lake::new().await;
    let carol = lake.w.caller(&lake.w.carol);
    let permit = lake.w.catalog.authorize(&carol, ManageObject(target(&lake.orders))).unwrap();
    let owner = Alteration::Owner("analysts".to_owned());
    lake.w.catalog.alter_object(&permit, vec![owner], LATER).await.unwrap();
    lake.let_in("account users", &lake.items, &[]).await;
    assert_eq!(lake.reads(&lake.w.bob, &lake.orders), "yes");
    assert_eq!(lake.asks(&lake.w.bob, ManageObject, &lake.orders), "yes");
    assert_eq!(
        lake.reads(&lake.w.ana, &lake.orders),
        "User does not have SELECT on Table 'main.sales.orders'"
    );
    assert_eq!(
        lake.reads(&lake.w.carol, &lake.orders),
        "User does not have SELECT on Table 'main.sales.orders'"
    );
}

#[tokio::test]
async fn account_users_are_everybody_but_the_hidden_principals_of_agents() {
    let lake = Lake::new().await;
    lake.let_in("account users", &lake.orders, &[P::Select]).await;
    for who in [&lake.w.ana, &lake.w.robot, &lake.w.ada] {
        assert_eq!(lake.reads(who, &lake.orders), "yes");
    }
    assert_eq!(lake.reads(&lake.w.hidden, &lake.orders), "User does not have USE CATALOG on Catalog 'main'");
    let all =
        lake.w.catalog.authorize(&lake.w.caller(&lake.w.ada), ReadGrants(target(&lake.orders))).unwrap();
    let names: Vec<_> = lake.w.catalog.grants(&all).into_iter().map(|grant| grant.name).collect();
    assert_eq!(names, ["account users"]);
}

#[tokio::test]
async fn no_grant_to_a_group_reaches_a_hidden_principal_not_even_one_to_users() {
    let lake = Lake::new().await;
    lake.let_in("users", &lake.orders, &[P::Select, P::Manage]).await;
    lake.grant(&lake.main, "users", &[P::Browse]).await;
    let hidden = &lake.w.hidden;
    assert_eq!(lake.reads(&lake.w.robot, &lake.orders), "yes");
    assert_eq!(lake.reads(hidden, &lake.orders), "User does not have USE CATALOG on Catalog 'main'");
    assert_eq!(
        lake.asks(hidden, ManageObject, &lake.orders),
        "User does not have USE CATALOG on Catalog 'main'"
    );
    assert!(!lake.w.catalog.sees(hidden, &lake.orders));
}

#[tokio::test]
async fn nobody_grants_to_a_hidden_principal_by_its_name() {
    let lake = Lake::new().await;
    assert!(lake.w.catalog.grantee(&lake.w.hidden.name).is_err());
    assert!(lake.w.catalog.grantee("nobody@x").is_err());
    assert_eq!(lake.w.catalog.grantee(&lake.w.robot.name).unwrap(), lake.w.robot.id);
}

#[tokio::test]
async fn what_an_endpoint_declared_is_usable_and_nothing_beside_it() {
    let lake = Lake::new().await;
    let hidden = &lake.w.hidden;
    lake.declare(&lake.orders, P::Select).await;
    assert_eq!(lake.reads(hidden, &lake.orders), "yes");
    assert_eq!(lake.asks(hidden, SeeObject, &lake.orders), "yes");
    assert_eq!(lake.reads(hidden, &lake.items), "User does not have SELECT on Table 'main.sales.items'");
    assert_eq!(
        lake.asks(hidden, ModifyTable, &lake.orders),
        "User does not have MODIFY on Table 'main.sales.orders'"
    );
    assert_eq!(
        lake.asks(hidden, ManageObject, &lake.orders),
        "User does not have MANAGE on Table 'main.sales.orders'"
    );
    assert!(!lake.w.catalog.sees(hidden, &lake.items));
    assert!(!lake.w.catalog.sees(hidden, &lake.rate));
    lake.declare(&lake.rate, P::Execute).await;
    assert_eq!(lake.asks(hidden, ExecuteFunction, &lake.rate), "yes");
    assert_eq!(lake.reads(hidden, &lake.orders), "yes", "declaring more takes nothing away");
}

#[tokio::test]
async fn what_was_declared_is_in_no_listing_of_grants() {
    let lake = Lake::new().await;
    lake.declare(&lake.orders, P::Select).await;
    lake.let_in("users", &lake.orders, &[P::Select]).await;
    let all =
        lake.w.catalog.authorize(&lake.w.caller(&lake.w.ada), ReadGrants(target(&lake.orders))).unwrap();
    let names: Vec<_> = lake.w.catalog.grants(&all).into_iter().map(|grant| grant.name).collect();
    assert_eq!(names, ["users"]);
    let own =
        lake.w.catalog.authorize(&lake.w.caller(&lake.w.hidden), SeeObject(target(&lake.orders))).unwrap();
    assert!(lake.w.catalog.own_grants(&own).is_empty(), "a grant to a group is none of its own");
    assert!(lake.w.catalog.own_effective_grants(&own).is_empty());
}

#[tokio::test]
async fn a_forgotten_resource_is_named_with_the_line_to_add() {
    let lake = Lake::new().await;
    let asked = lake.w.catalog.authorize(&lake.w.caller(&lake.w.hidden), SelectTable(target(&lake.orders)));
    let fix = asked.unwrap_err().fix().unwrap();
    assert_eq!(
        fix,
        "declare it when logging the model: resources=[DatabricksTable(table_name=\"main.sales.orders\")]"
    );
}

#[tokio::test]
async fn a_view_reads_with_its_owners_rights_whatever_its_reader_holds() {
    let lake = Lake::new().await;
    lake.let_in("bob@x", &lake.orders, &[P::Select]).await;
    lake.let_in("ana@x", &lake.items, &[P::Select]).await;
    let view = &lake.items;
    assert_eq!(
        lake.reads(&lake.w.ana, &lake.orders),
        "User does not have SELECT on Table 'main.sales.orders'"
    );
    assert_eq!(through(&lake, view, lake.w.bob.id, &lake.orders), "yes");
    let refused = through(&lake, view, lake.w.bob.id, &lake.items);
    assert_eq!(
        refused, "User does not have SELECT on Table 'main.sales.items'",
        "the reader's own do not help"
    );
    let asker = Asker::Definer { invoker: &lake.w.ana, owner: lake.w.bob.id, of: view };
    let permit = lake.w.catalog.authorize_as(&asker, SelectTable(target(&lake.orders))).unwrap();
    assert_eq!(permit.principal(), &lake.w.ana);
    assert_eq!(permit.trace().links()[0].held(), "bob@x");
}

#[tokio::test]
async fn a_definer_lends_reading_and_neither_changes_nor_manages() {
    let lake = Lake::new().await;
    let asker = Asker::Definer { invoker: &lake.w.ana, owner: lake.w.carol.id, of: &lake.items };
    assert_eq!(verdict(lake.w.catalog.authorize_as(&asker, SelectTable(target(&lake.orders)))), "yes");
    let manages = lake.w.catalog.authorize_as(&asker, ManageObject(target(&lake.orders)));
    assert_eq!(verdict(manages), "User does not have MANAGE on Table 'main.sales.orders'");
    let writes = lake.w.catalog.authorize_as(&asker, ModifyTable(target(&lake.orders)));
    assert_eq!(verdict(writes), "User does not have MODIFY on Table 'main.sales.orders'");
}

#[tokio::test]
async fn an_owner_who_is_gone_or_disabled_opens_nothing() {
    let lake = Lake::new().await;
    lake.let_in("bob@x", &lake.orders, &[P::Select]).await;
    let (slots, bob) = (lake.w.slots, lake.w.bob.id);
    lake.w.store.commit(|tx| directory::set_active(tx, slots, bob, false)).await.unwrap();
    let asker = Asker::Definer { invoker: &lake.w.ana, owner: bob, of: &lake.items };
    let denied = lake.w.catalog.authorize_as(&asker, SelectTable(target(&lake.orders))).unwrap_err();
    assert_eq!(
        denied.message(),
        "The owner bob@x of Table 'main.sales.items' is not an active member of the workspace"
    );
    lake.w.store.commit(|tx| directory::delete_principal(tx, slots, bob)).await.unwrap();
    assert_ne!(through(&lake, &lake.items, bob, &lake.orders), "yes");
}

#[tokio::test]
async fn an_owner_who_is_a_metastore_admin_opens_nothing_by_that() {
    let lake = Lake::new().await;
    let refused = "User does not have USE CATALOG on Catalog 'main'";
    assert_eq!(through(&lake, &lake.items, lake.w.ada.id, &lake.orders), refused);
    let asker = Asker::Definer { invoker: &lake.w.ana, owner: lake.w.ada.id, of: &lake.items };
    assert_eq!(verdict(lake.w.catalog.authorize_as(&asker, SeeObject(target(&lake.orders)))), refused);
}

#[tokio::test]
async fn a_group_that_owns_a_view_lends_what_was_granted_to_it_and_to_the_groups_it_is_in() {
    let lake = Lake::new().await;
    lake.let_in("analysts", &lake.orders, &[P::Select]).await;
    assert_eq!(through(&lake, &lake.items, lake.w.analysts, &lake.orders), "yes");
    assert_eq!(through(&lake, &lake.items, lake.w.staff, &lake.orders), "yes");
    assert_ne!(through(&lake, &lake.items, lake.w.staff, &lake.items), "yes");
    let (slots, staff) = (lake.w.slots, lake.w.staff);
    lake.w.store.commit(|tx| directory::delete_group(tx, slots, staff)).await.unwrap();
    assert_ne!(through(&lake, &lake.items, staff, &lake.orders), "yes");
}

#[tokio::test]
async fn who_leaves_takes_no_grant_along_and_leaves_none_behind() {
    let lake = Lake::new().await;
    lake.let_in("ana@x", &lake.orders, &[P::Select]).await;
    lake.let_in("bob@x", &lake.orders, &[P::Select]).await;
    lake.declare(&lake.orders, P::Select).await;
    let (slot, ana, hidden) = (lake.w.catalog.unity_slot(), lake.w.ana.id, lake.w.hidden.id);
    let gone = lake.w.store.commit(|tx| {
        unity_principal_removed(tx, slot, ana);
        unity_principal_removed(tx, slot, hidden);
        Ok::<_, ()>(())
    });
    gone.await.unwrap();
    assert_ne!(lake.reads(&lake.w.ana, &lake.orders), "yes");
    assert_ne!(lake.reads(&lake.w.hidden, &lake.orders), "yes");
    assert_eq!(lake.reads(&lake.w.bob, &lake.orders), "yes");
}
