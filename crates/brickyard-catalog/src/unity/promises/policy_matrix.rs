//! The whole policy of Unity Catalog on one page, for a reviewer: every role against every action on every kind of object.
//! A changed line is a changed policy.

use brickyard_types::Principal;

use super::lake::{Lake, target};
use crate::unity::UnityPrivilege as P;
use crate::unity::{
    CreateObject, ExecuteFunction, ManageObject, ModifyTable, ObjectKind, ObjectRef, ReadGrants, SeeObject,
    SelectTable, TagObject, UseConnection, UseParents,
};
use crate::{Asker, DenialKind, Denied};

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
    asked_by(lake, &Asker::Caller(&lake.w.caller(who)))
}

fn asked_by(lake: &Lake, asker: &Asker<'_>) -> Vec<String> {
    let catalog = &lake.w.catalog;
    let metastore = ObjectRef::metastore();
    let create = |kind, parent: &ObjectRef| {
        cell(catalog.authorize_as(asker, CreateObject { parent: target(parent), kind }))
    };
    let mut cells = vec![
        cell(catalog.authorize_as(asker, SelectTable(target(&lake.orders)))),
        cell(catalog.authorize_as(asker, ModifyTable(target(&lake.orders)))),
        cell(catalog.authorize_as(asker, ExecuteFunction(target(&lake.rate)))),
        cell(catalog.authorize_as(asker, UseConnection(target(&lake.crm)))),
        create(ObjectKind::Catalog, &metastore),
        create(ObjectKind::Connection, &metastore),
        create(ObjectKind::Schema, &lake.main),
        create(ObjectKind::Table, &lake.sales),
        create(ObjectKind::Function, &lake.sales),
        cell(catalog.authorize_as(asker, UseParents(target(&lake.main)))),
        cell(catalog.authorize_as(asker, UseParents(target(&lake.sales)))),
    ];
    for on in [&lake.main, &lake.sales, &lake.orders, &lake.rate, &lake.crm, &metastore] {
        cells.push(cell(catalog.authorize_as(asker, SeeObject(target(on)))));
    }
    for on in [&lake.main, &lake.sales, &lake.orders, &lake.rate] {
        cells.push(cell(catalog.authorize_as(asker, TagObject(target(on)))));
    }
    for on in [&lake.main, &lake.sales, &lake.orders, &lake.rate, &lake.crm, &metastore] {
        cells.push(cell(catalog.authorize_as(asker, ManageObject(target(on)))));
        let grants = cell(catalog.authorize_as(asker, ReadGrants(target(on))));
        assert_eq!(cells.last(), Some(&grants), "whoever manages reads the grants");
    }
    cells
}

const ROWS: [&str; 27] = [
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
    "tag catalog",
    "tag schema",
    "tag table",
    "tag function",
    "manage catalog",
    "manage schema",
    "manage table",
    "manage function",
    "manage connection",
    "manage metastore",
];

#[tokio::test]
async fn policy_matrix() {
    // Each role is ana's, bob's through a group of his group, or the agent's, in a lake of its own.
    let way = [("main", P::UseCatalog), ("sales", P::UseSchema)];
    let mut columns = Vec::new();
    for (name, to, more) in [
        ("nobody", "", &[][..]),
        ("in", "ana@x", &way),
        ("reader", "ana@x", &[way[0], way[1], ("orders", P::Select)]),
        ("outside", "ana@x", &[("orders", P::Select), ("rate", P::Execute)]),
        ("executes", "ana@x", &[way[0], way[1], ("rate", P::Execute)]),
        ("use conn", "ana@x", &[("crm", P::UseConnection)]),
        (
            "makes in",
            "ana@x",
            &[
                way[0],
                way[1],
                ("main", P::CreateSchema),
                ("sales", P::CreateTable),
                ("sales", P::CreateFunction),
            ],
        ),
        ("makes on", "ana@x", &[("metastore", P::CreateCatalog), ("metastore", P::CreateConnection)]),
        ("tags", "ana@x", &[way[0], way[1], ("orders", P::ApplyTag)]),
        ("tags sch", "ana@x", &[way[0], ("sales", P::ApplyTag)]),
        ("nested", "analysts", &[way[0], way[1], ("orders", P::Select)]),
        ("everyone", "account users", &[way[0], way[1], ("orders", P::Select), ("rate", P::Execute)]),
        ("all cat", "ana@x", &[("main", P::AllPrivileges)]),
        ("all sch", "ana@x", &[("sales", P::AllPrivileges)]),
        ("all tbl", "ana@x", &[("orders", P::AllPrivileges)]),
        ("browse", "ana@x", &[("main", P::Browse)]),
        ("mng cat", "ana@x", &[("main", P::Manage)]),
        ("mng sch", "ana@x", &[way[0], ("sales", P::Manage)]),
        ("mng tbl", "ana@x", &[way[0], way[1], ("orders", P::Manage)]),
    ] {
        let lake = Lake::new().await;
        for (on, privilege) in more {
            let metastore = ObjectRef::metastore();
            let on = match *on {
                "main" => &lake.main,
                "sales" => &lake.sales,
                "orders" => &lake.orders,
                "crm" => &lake.crm,
                "metastore" => &metastore,
                _ => &lake.rate,
            };
            lake.grant(on, to, &[*privilege]).await;
        }
        let who = if to == "analysts" { &lake.w.bob } else { &lake.w.ana };
        columns.push((name, column(&lake, who)));
        if to == "account users" {
            columns.push(("agent", column(&lake, &lake.w.hidden)));
        }
    }
    let lake = Lake::new().await;
    columns.push(("owner", column(&lake, &lake.w.carol)));
    columns.push(("admin", column(&lake, &lake.w.ada)));
    // What a view of carol's, and one of an admin who was granted nothing, may do for whoever reads it.
    for (name, owner) in [("definer", &lake.w.carol), ("adm def", &lake.w.ada)] {
        let asker = Asker::Definer { invoker: &lake.w.ana, owner: owner.id, of: &lake.items };
        columns.push((name, asked_by(&lake, &asker)));
    }
    lake.let_in("users", &lake.orders, &[P::Select]).await;
    columns.push(("agent:us", column(&lake, &lake.w.hidden)));
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
