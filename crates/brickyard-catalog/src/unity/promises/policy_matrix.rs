//! The whole policy of Unity Catalog on one page, for a reviewer: every role against every action on every kind of object.
//! A changed line is a changed policy.

use brickyard_types::Principal;

use super::lake::{Lake, target};
use crate::unity::UnityPrivilege as P;
use crate::unity::{
    CreateObject, ExecuteFunction, ManageObject, ModifyTable, ObjectKind, ObjectRef, ReadGrants, SeeObject,
    SelectTable, UseConnection, UseParents,
};
use crate::{DenialKind, Denied};

/// `yes`, or where the walk ended: `-cat` and `-sch` on the way, `no` at what was asked for.
fn cell<T>(answer: Result<T, Denied>) -> String {
    let Err(denied) = answer else { return "yes".to_owned() };
    match denied.kind() {
        DenialKind::MissingPrivilege { needed: "USE_CATALOG", .. } => "-cat".to_owned(),
        DenialKind::MissingPrivilege { needed: "USE_SCHEMA", .. } => "-sch".to_owned(),
        DenialKind::MissingPrivilege { .. } => "no".to_owned(),
        other => format!("{other:?}"),
    }
}

fn column(lake: &Lake, who: &Principal) -> Vec<String> {
    let (catalog, caller) = (&lake.w.catalog, lake.w.caller(who));
    let metastore = ObjectRef::metastore();
    let create = |kind, parent: &ObjectRef| {
        cell(catalog.authorize(&caller, CreateObject { parent: target(parent), kind }))
    };
    let mut cells = vec![
        cell(catalog.authorize(&caller, SelectTable(target(&lake.orders)))),
        cell(catalog.authorize(&caller, ModifyTable(target(&lake.orders)))),
        cell(catalog.authorize(&caller, ExecuteFunction(target(&lake.rate)))),
        cell(catalog.authorize(&caller, UseConnection(target(&lake.crm)))),
        create(ObjectKind::Catalog, &metastore),
        create(ObjectKind::Connection, &metastore),
        create(ObjectKind::Schema, &lake.main),
        create(ObjectKind::Table, &lake.sales),
        create(ObjectKind::Function, &lake.sales),
        cell(catalog.authorize(&caller, UseParents(target(&lake.main)))),
        cell(catalog.authorize(&caller, UseParents(target(&lake.sales)))),
    ];
    for on in [&lake.main, &lake.sales, &lake.orders, &lake.rate, &lake.crm, &metastore] {
        cells.push(cell(catalog.authorize(&caller, SeeObject(target(on)))));
    }
    for on in [&lake.main, &lake.sales, &lake.orders, &lake.rate, &lake.crm, &metastore] {
        cells.push(cell(catalog.authorize(&caller, ManageObject(target(on)))));
        let grants = cell(catalog.authorize(&caller, ReadGrants(target(on))));
        assert_eq!(cells.last(), Some(&grants), "whoever manages reads the grants");
    }
    cells
}

const ROWS: [&str; 23] = [
    "SELECT table",
    "MODIFY table",
    "EXECUTE function",
    "USE CONNECTION",
    "create catalog",
    "create connection",
    "create schema",
    "create table",
    "create function",
    "enter catalog",
    "enter schema",
    "see catalog",
    "see schema",
    "see table",
    "see function",
    "see connection",
    "see metastore",
    "manage catalog",
    "manage schema",
    "manage table",
    "manage function",
    "manage connection",
    "manage metastore",
];

#[tokio::test]
async fn policy_matrix() {
    // Each role is ana's (or the agent's) in a lake of its own.
    let roles: [(&str, &[(&str, P)]); 11] = [
        ("nobody", &[]),
        ("in", &[("main", P::UseCatalog), ("sales", P::UseSchema)]),
        ("reader", &[("main", P::UseCatalog), ("sales", P::UseSchema), ("orders", P::Select)]),
        ("outside", &[("orders", P::Select), ("rate", P::Execute)]),
        ("all cat", &[("main", P::AllPrivileges)]),
        ("all sch", &[("sales", P::AllPrivileges)]),
        ("all tbl", &[("orders", P::AllPrivileges)]),
        ("browse", &[("main", P::Browse)]),
        ("mng cat", &[("main", P::Manage)]),
        ("mng sch", &[("main", P::UseCatalog), ("sales", P::Manage)]),
        ("mng tbl", &[("main", P::UseCatalog), ("sales", P::UseSchema), ("orders", P::Manage)]),
    ];
    let mut columns = Vec::new();
    for (name, grants) in roles {
        let lake = Lake::new().await;
        for (on, privilege) in grants {
            let on = match *on {
                "main" => &lake.main,
                "sales" => &lake.sales,
                "orders" => &lake.orders,
                _ => &lake.rate,
            };
            lake.grant(on, "ana@x", &[*privilege]).await;
        }
        columns.push((name, column(&lake, &lake.w.ana)));
    }
    let lake = Lake::new().await;
    columns.push(("owner", column(&lake, &lake.w.carol)));
    columns.push(("admin", column(&lake, &lake.w.ada)));
    lake.let_in("users", &lake.orders, &[P::Select]).await;
    columns.push(("agent", column(&lake, &lake.w.hidden)));
    lake.declare(&lake.orders, P::Select).await;
    columns.push(("declared", column(&lake, &lake.w.hidden)));

    let line = |first: &str, cells: Vec<&str>| {
        let cells: String = cells.into_iter().map(|cell| format!("{cell:<9}")).collect();
        format!("{first:<20}{}\n", cells.trim_end())
    };
    let mut printed = line("", columns.iter().map(|(name, _)| *name).collect());
    for (index, row) in ROWS.iter().enumerate() {
        printed += &line(row, columns.iter().map(|(_, cells)| cells[index].as_str()).collect());
    }
    assert_eq!(printed, include_str!("policy_matrix.txt"), "the policy changed; what it is now:\n{printed}");
}
