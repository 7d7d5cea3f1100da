//! What it takes: the way in, privileges and their inheritance, ownership, `MANAGE`, `BROWSE`, the metastore's admins.

use super::lake::{Lake, target};
use crate::unity::UnityPrivilege as P;
use crate::unity::{
    ExecuteFunction, ManageObject, ModifyTable, ObjectKind, ObjectRef, ReadGrants, SeeObject, SelectTable,
    UseConnection, UseParents,
};

#[tokio::test]
async fn a_reader_is_told_what_is_missing_from_the_outside_in() {
    let lake = Lake::new().await;
    let ana = &lake.w.ana;
    assert_eq!(lake.reads(ana, &lake.orders), "User does not have USE CATALOG on Catalog 'main'");
    lake.grant(&lake.orders, "ana@x", &[P::Select]).await;
    assert_eq!(lake.reads(ana, &lake.orders), "User does not have USE CATALOG on Catalog 'main'");
    lake.grant(&lake.main, "ana@x", &[P::UseCatalog]).await;
    assert_eq!(lake.reads(ana, &lake.orders), "User does not have USE SCHEMA on Schema 'main.sales'");
    lake.grant(&lake.sales, "ana@x", &[P::UseSchema]).await;
    assert_eq!(lake.reads(ana, &lake.orders), "yes");
    assert_eq!(lake.reads(ana, &lake.items), "User does not have SELECT on Table 'main.sales.items'");
    assert_eq!(
        lake.asks(ana, ModifyTable, &lake.orders),
        "User does not have MODIFY on Table 'main.sales.orders'"
    );
    assert_eq!(
        lake.asks(ana, ExecuteFunction, &lake.rate),
        "User does not have EXECUTE on Routine or Model 'main.sales.rate'"
    );
    assert_eq!(
        lake.asks(ana, UseConnection, &lake.crm),
        "User does not have USE CONNECTION on Connection 'crm'"
    );
    let (schema, table) = (ObjectKind::Schema, ObjectKind::Table);
    assert_eq!(lake.creates(ana, schema, &lake.main), "User does not have CREATE SCHEMA on Catalog 'main'");
    assert_eq!(
        lake.creates(ana, table, &lake.sales),
        "User does not have CREATE TABLE on Schema 'main.sales'"
    );
}

#[tokio::test]
async fn the_trace_names_each_link_and_where_it_is_held() {
    let lake = Lake::new().await;
    lake.grant(&lake.main, "account users", &[P::UseCatalog]).await;
    lake.grant(&lake.main, "analysts", &[P::UseSchema, P::AllPrivileges]).await;
    let permit =
        lake.w.catalog.authorize(&lake.w.caller(&lake.w.bob), SelectTable(target(&lake.orders))).unwrap();
    let trace = permit.trace().to_string();
    let lines: Vec<_> = trace.lines().skip(2).collect();
    assert_eq!(
        lines,
        [
            "ok   use_catalog          needs USE CATALOG on Catalog 'main'; held: ALL PRIVILEGES on Catalog 'main' through group analysts",
            "ok   use_schema           needs USE SCHEMA on Schema 'main.sales'; held: USE SCHEMA on Catalog 'main' through group analysts",
            "ok   privilege            needs SELECT on Table 'main.sales.orders'; held: ALL PRIVILEGES on Catalog 'main' through group analysts",
        ]
    );
}

#[tokio::test]
async fn a_privilege_of_a_schema_or_catalog_is_one_of_what_is_in_it_also_later() {
    let lake = Lake::new().await;
    lake.let_in("ana@x", &lake.sales, &[P::Select, P::CreateTable]).await;
    lake.grant(&lake.main, "bob@x", &[P::UseCatalog, P::UseSchema, P::Execute]).await;
    assert_eq!(lake.reads(&lake.w.ana, &lake.orders), "yes");
    let later = lake.make(&lake.w.carol, &lake.sales, ObjectKind::Table, "later").await.unwrap();
    assert_eq!(lake.reads(&lake.w.ana, &later), "yes");
    assert_eq!(lake.asks(&lake.w.bob, ExecuteFunction, &lake.rate), "yes");
    assert_eq!(lake.creates(&lake.w.ana, ObjectKind::Table, &lake.sales), "yes");
    let other = lake.make(&lake.w.carol, &lake.main, ObjectKind::Schema, "other").await.unwrap();
    let private = lake.make(&lake.w.carol, &other, ObjectKind::Table, "private").await.unwrap();
    assert_eq!(lake.reads(&lake.w.ana, &private), "User does not have USE SCHEMA on Schema 'main.other'");
    assert_eq!(
        lake.creates(&lake.w.ana, ObjectKind::Table, &other),
        "User does not have USE SCHEMA on Schema 'main.other'"
    );
}

#[tokio::test]
async fn making_something_takes_the_use_of_what_will_hold_it() {
    let lake = Lake::new().await;
    lake.grant(&lake.sales, "ana@x", &[P::CreateTable]).await;
    let asked = |lake: &Lake| lake.creates(&lake.w.ana, ObjectKind::Table, &lake.sales);
    assert_eq!(asked(&lake), "User does not have USE CATALOG on Catalog 'main'");
    lake.grant(&lake.main, "ana@x", &[P::UseCatalog]).await;
    assert_eq!(asked(&lake), "User does not have USE SCHEMA on Schema 'main.sales'");
    lake.grant(&lake.sales, "ana@x", &[P::UseSchema]).await;
    assert_eq!(asked(&lake), "yes");
    let refused = lake.make(&lake.w.carol, &lake.main, ObjectKind::Table, "homeless").await;
    assert!(refused.is_err(), "a table lives in a schema, whatever its maker holds on the catalog");
}

#[tokio::test]
async fn all_privileges_are_all_but_managing() {
    let lake = Lake::new().await;
    let ana = &lake.w.ana;
    lake.grant(&lake.main, "ana@x", &[P::AllPrivileges]).await;
    assert_eq!(lake.reads(ana, &lake.orders), "yes");
    assert_eq!(lake.asks(ana, ModifyTable, &lake.orders), "yes");
    assert_eq!(lake.asks(ana, ExecuteFunction, &lake.rate), "yes");
    assert_eq!(lake.creates(ana, ObjectKind::Schema, &lake.main), "yes");
    let refused = "User does not have MANAGE on Table 'main.sales.orders'";
    assert_eq!(lake.asks(ana, ManageObject, &lake.orders), refused);
    assert_eq!(lake.asks(ana, ReadGrants, &lake.orders), refused);
    assert_eq!(
        lake.asks(ana, UseConnection, &lake.crm),
        "User does not have USE CONNECTION on Connection 'crm'"
    );
}

#[tokio::test]
async fn all_privileges_on_a_table_open_no_way_to_it() {
    let lake = Lake::new().await;
    lake.grant(&lake.orders, "ana@x", &[P::AllPrivileges]).await;
    lake.grant(&lake.sales, "bob@x", &[P::AllPrivileges]).await;
    let refused = "User does not have USE CATALOG on Catalog 'main'";
    for who in [&lake.w.ana, &lake.w.bob] {
        assert_eq!(lake.reads(who, &lake.orders), refused);
        assert_eq!(lake.asks(who, SeeObject, &lake.orders), refused);
        assert!(!lake.w.catalog.sees(who, &lake.orders));
    }
}

#[tokio::test]
async fn an_owner_holds_everything_on_the_object_and_no_data_of_what_is_inside() {
    let lake = Lake::new().await;
    let (ana, carol) = (&lake.w.ana, &lake.w.carol);
    lake.grant(&lake.main, "ana@x", &[P::UseCatalog, P::CreateSchema]).await;
    let private = lake.make(ana, &lake.main, ObjectKind::Schema, "private").await.unwrap();
    let diary = lake.make(ana, &private, ObjectKind::Table, "diary").await.unwrap();
    assert_eq!(lake.reads(ana, &diary), "yes");
    assert_eq!(lake.asks(ana, ManageObject, &diary), "yes");
    // The catalog is carol's: she manages, and reads what she grants herself.
    assert_eq!(lake.asks(carol, ManageObject, &diary), "yes");
    assert_eq!(lake.asks(carol, SeeObject, &diary), "yes");
    assert_eq!(lake.reads(carol, &diary), "User does not have USE SCHEMA on Schema 'main.private'");
    lake.grant(&private, "carol@x", &[P::UseSchema]).await;
    assert_eq!(lake.reads(carol, &diary), "User does not have SELECT on Table 'main.private.diary'");
    lake.grant(&diary, "carol@x", &[P::Select]).await;
    assert_eq!(lake.reads(carol, &diary), "yes");
}

#[tokio::test]
async fn manage_manages_and_reads_nothing() {
    let lake = Lake::new().await;
    let ana = &lake.w.ana;
    lake.let_in("ana@x", &lake.orders, &[P::Manage]).await;
    assert_eq!(lake.asks(ana, ManageObject, &lake.orders), "yes");
    assert_eq!(lake.asks(ana, ReadGrants, &lake.orders), "yes");
    assert_eq!(lake.asks(ana, SeeObject, &lake.orders), "yes");
    assert_eq!(lake.reads(ana, &lake.orders), "User does not have SELECT on Table 'main.sales.orders'");
    assert_eq!(
        lake.asks(ana, ModifyTable, &lake.orders),
        "User does not have MODIFY on Table 'main.sales.orders'"
    );
    assert_eq!(
        lake.asks(ana, ManageObject, &lake.items),
        "User does not have MANAGE on Table 'main.sales.items'"
    );
}

#[tokio::test]
async fn whoever_manages_something_is_let_into_what_holds_it_or_manages_that() {
    let lake = Lake::new().await;
    let ana = &lake.w.ana;
    let closed = "User does not have USE CATALOG on Catalog 'main'";
    lake.grant(&lake.orders, "ana@x", &[P::Manage]).await;
    assert_eq!(lake.asks(ana, ManageObject, &lake.orders), closed);
    lake.grant(&lake.sales, "ana@x", &[P::Manage]).await;
    assert_eq!(
        lake.asks(ana, ManageObject, &lake.orders),
        closed,
        "no shorter way to a table than to its schema"
    );
    assert_eq!(lake.asks(ana, ManageObject, &lake.sales), closed);
    assert_eq!(lake.asks(ana, UseParents, &lake.sales), closed);
    lake.grant(&lake.main, "ana@x", &[P::Manage]).await;
    for object in [&lake.main, &lake.sales, &lake.orders] {
        assert_eq!(lake.asks(ana, ManageObject, object), "yes", "whatever else is managed further in");
    }
    assert_eq!(lake.reads(ana, &lake.orders), closed);
}

#[tokio::test]
async fn browse_sees_and_reads_nothing() {
    let lake = Lake::new().await;
    let ana = &lake.w.ana;
    let closed = "User does not have USE CATALOG on Catalog 'main'";
    assert_eq!(lake.asks(ana, SeeObject, &lake.orders), closed);
    lake.grant(&lake.main, "ana@x", &[P::Browse]).await;
    for object in [&lake.main, &lake.sales, &lake.orders, &lake.rate] {
        assert_eq!(lake.asks(ana, SeeObject, object), "yes");
        assert!(lake.w.catalog.sees(ana, object));
    }
    assert!(!lake.w.catalog.sees(ana, &lake.crm));
    assert_eq!(lake.reads(ana, &lake.orders), closed);
    assert_eq!(lake.asks(ana, UseParents, &lake.main), closed);
    assert_eq!(lake.asks(ana, ReadGrants, &lake.orders), closed);
}

#[tokio::test]
async fn what_holds_something_for_a_caller_is_seen_and_its_neighbours_are_not() {
    let lake = Lake::new().await;
    let ana = &lake.w.ana;
    lake.let_in("ana@x", &lake.orders, &[P::Select]).await;
    let seen: Vec<_> = [&lake.main, &lake.sales, &lake.orders, &lake.items, &lake.rate, &lake.crm]
        .map(|object| lake.w.catalog.sees(ana, object))
        .to_vec();
    assert_eq!(seen, [true, true, true, false, false, false]);
}

#[tokio::test]
async fn a_metastore_admin_manages_everything_and_reads_nothing_by_that() {
    let lake = Lake::new().await;
    let ada = &lake.w.ada;
    for object in [&lake.main, &lake.sales, &lake.orders, &lake.rate, &lake.crm, &ObjectRef::metastore()] {
        assert_eq!(lake.asks(ada, ManageObject, object), "yes");
        assert_eq!(lake.asks(ada, SeeObject, object), "yes");
    }
    assert_eq!(lake.reads(ada, &lake.orders), "User does not have USE CATALOG on Catalog 'main'");
    assert_eq!(
        lake.asks(ada, UseConnection, &lake.crm),
        "User does not have USE CONNECTION on Connection 'crm'"
    );
    assert_eq!(lake.creates(ada, ObjectKind::Catalog, &ObjectRef::metastore()), "yes");
    assert_eq!(
        lake.creates(ada, ObjectKind::Schema, &lake.main),
        "User does not have USE CATALOG on Catalog 'main'"
    );
    let of_ana = lake.asks(&lake.w.ana, ManageObject, &ObjectRef::metastore());
    assert_eq!(of_ana, "User does not have MANAGE on the metastore");
}
