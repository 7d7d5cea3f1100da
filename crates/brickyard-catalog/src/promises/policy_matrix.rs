//! The whole policy on one page, for a reviewer: every role against every action. A changed line is a changed policy.

use brickyard_types::{SecretRef, SecretScopeName};

use super::workspace::Workspace;
use crate::{
    AdministerWorkspace, CreateEndpoint, CreateSecretScope, CreateWarehouse, DenialKind, EndpointRef, Level,
    ListSecretScopes, ListSecrets, ManageDirectory, ManageEndpoint, ManagePermissions, ManageSecretScope,
    ManageTokens, ManageWarehouse, QueryEndpoint, ReadDirectory, ReadPermissions, ReadSecret, Securable,
    StartWarehouse, UseTokens, UseWarehouse, ViewEndpoint, ViewWarehouse, WarehouseRef, WriteSecret,
};

type Column = (String, EndpointRef, SecretScopeName, brickyard_identity::Caller, WarehouseRef);

macro_rules! row {
    ($w:ident, $columns:ident, $($name:ident($on:expr)),+ $(,)?) => {
        [$({
            let cells: Vec<String> = $columns.iter().map(|column: &Column| {
                let on: fn(&Column) -> _ = $on;
                let cell = match $w.catalog.authorize(&column.3, $name(on(column))) {
                    Ok(_) => "yes",
                    Err(denied) => match denied.kind() {
                        DenialKind::MissingScope { .. } => "scope",
                        DenialKind::OutsideToken => "token",
                        DenialKind::MissingPermission { .. } => "no",
                        DenialKind::Invisible { .. } => "unseen",
                        DenialKind::NotDeclared { .. } => "undecl",
                        DenialKind::MissingPrivilege { .. } => "no privilege",
                        DenialKind::CreatorGone => "gone",
                    },
                };
                format!("{cell:<10}")
            }).collect();
            format!("{:<20}{}", stringify!($name), cells.concat().trim_end())
        }),+]
    };
}

#[tokio::test]
async fn policy_matrix() {
    let w = Workspace::new().await;
    let bare = w.endpoint("bare", &[]).await;
    let viewed = w.endpoint("viewed", &[(w.ana.id, Level::CanView)]).await;
    let queried = w.endpoint("queried", &[(w.users, Level::CanQuery)]).await;
    let grouped = w.endpoint("grouped", &[(w.analysts, Level::CanManage)]).await;
    let declared = w.endpoint("declared", &[]).await;
    w.declare(&Securable::from(&declared), Level::CanQuery).await;
    let scopes: [(&str, &[_]); 4] = [
        ("bare", &[]),
        ("read", &[(w.ana.id, Level::Read)]),
        ("write", &[(w.users, Level::Write)]),
        ("manage", &[(w.analysts, Level::Manage)]),
    ];
    for (name, entries) in scopes {
        w.scope(name, entries).await;
    }
    let closed = w.warehouse("closed", &[]).await;
    let seen = w.warehouse("seen", &[(w.ana.id, Level::CanView)]).await;
    let watched = w.warehouse("watched", &[(w.ana.id, Level::CanMonitor)]).await;
    let used = w.warehouse("used", &[(w.users, Level::CanUse)]).await;
    let managed = w.warehouse("managed", &[(w.analysts, Level::CanManage)]).await;
    let lent = w.warehouse("lent", &[]).await;
    w.declare(&Securable::from(&lent), Level::CanUse).await;
    let column =
        |name: &str, endpoint: &EndpointRef, scope: &str, warehouse: &WarehouseRef, caller| -> Column {
            (name.to_owned(), endpoint.clone(), scope.parse().unwrap(), caller, warehouse.clone())
        };
    let columns: Vec<Column> = vec![
        column("stranger", &bare, "bare", &closed, w.caller(&w.ana)),
        column("viewer", &viewed, "read", &seen, w.caller(&w.ana)),
        // Of a warehouse only: there is no such level of anything else.
        column("monitor", &viewed, "read", &watched, w.caller(&w.ana)),
        column("any user", &queried, "write", &used, w.caller(&w.ana)),
        column("any sp", &queried, "write", &used, w.caller(&w.robot)),
        column("in group", &grouped, "manage", &managed, w.caller(&w.bob)),
        column("creator", &bare, "bare", &closed, w.caller(&w.carol)),
        column("admin", &bare, "bare", &closed, w.caller(&w.ada)),
        column("admin:sql", &bare, "bare", &closed, w.with_scopes(&w.ada, "sql")),
        column("admin:stm", &bare, "bare", &closed, w.with_scopes(&w.ada, "sql.statement-execution")),
        column("admin:srv", &bare, "bare", &closed, w.with_scopes(&w.ada, "model-serving")),
        column("agent", &queried, "write", &used, w.caller(&w.hidden)),
        column("declared", &declared, "bare", &lent, w.caller(&w.hidden)),
    ];
    let secret = |column: &Column| SecretRef { scope: column.2.clone(), key: "key".parse().unwrap() };
    let rows = row!(
        w,
        columns,
        ViewEndpoint(|c| c.1.clone()),
        QueryEndpoint(|c| c.1.clone()),
        ManageEndpoint(|c| c.1.clone()),
        ReadPermissions(|c| Securable::from(&c.1)),
        ManagePermissions(|c| Securable::from(&c.1)),
        CreateEndpoint(|_| ()),
        ViewWarehouse(|c| c.4.clone()),
        UseWarehouse(|c| c.4.clone()),
        StartWarehouse(|c| c.4.clone()),
        ManageWarehouse(|c| c.4.clone()),
        CreateWarehouse(|_| ()),
        ListSecretScopes(|_| ()),
        CreateSecretScope(|_| "new".parse().unwrap()),
        ListSecrets(|c| c.2.clone()),
        ReadSecret(secret),
        WriteSecret(secret),
        ManageSecretScope(|c| c.2.clone()),
        UseTokens(|_| ()),
        ManageTokens(|_| ()),
        ReadDirectory(|_| ()),
        ManageDirectory(|_| ()),
        AdministerWorkspace(|_| ()),
    );
    let head: String = columns.iter().map(|column| format!("{:<10}", column.0)).collect();
    let printed = format!("{:<20}{}\n{}\n", "", head.trim_end(), rows.join("\n"));
    assert_eq!(printed, include_str!("policy_matrix.txt"), "the policy changed; what it is now:\n{printed}");
}
