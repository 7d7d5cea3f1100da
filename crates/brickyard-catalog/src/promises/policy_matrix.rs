//! The whole policy on one page, for a reviewer: every role against every action. A changed line is a changed policy.

use brickyard_types::{SecretRef, SecretScopeName};

use super::workspace::Workspace;
use crate::{
    AdministerWorkspace, CreateEndpoint, CreateSecretScope, DenialKind, EndpointRef, Level, ListSecretScopes,
    ListSecrets, ManageDirectory, ManageEndpoint, ManagePermissions, ManageSecretScope, ManageTokens,
    QueryEndpoint, ReadDirectory, ReadPermissions, ReadSecret, Securable, UseTokens, ViewEndpoint,
    WriteSecret,
};

type Column = (String, EndpointRef, SecretScopeName, brickyard_identity::Caller);

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
    let column = |name: &str, endpoint: &EndpointRef, scope: &str, caller| -> Column {
        (name.to_owned(), endpoint.clone(), scope.parse().unwrap(), caller)
    };
    let columns: Vec<Column> = vec![
        column("stranger", &bare, "bare", w.caller(&w.ana)),
        column("viewer", &viewed, "read", w.caller(&w.ana)),
        column("any user", &queried, "write", w.caller(&w.ana)),
        column("any sp", &queried, "write", w.caller(&w.robot)),
        column("in group", &grouped, "manage", w.caller(&w.bob)),
        column("creator", &bare, "bare", w.caller(&w.carol)),
        column("admin", &bare, "bare", w.caller(&w.ada)),
        column("admin:sql", &bare, "bare", w.with_scopes(&w.ada, "sql")),
        column("admin:srv", &bare, "bare", w.with_scopes(&w.ada, "model-serving")),
        column("agent", &queried, "write", w.caller(&w.hidden)),
        column("declared", &declared, "bare", w.caller(&w.hidden)),
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
