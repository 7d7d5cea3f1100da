//! Access lists, as people see and set them.

use brickyard_store::CommitError;

use super::workspace::Workspace;
use crate::{
    DenialKind, Grant, GrantError, Grantee, Level, ManagePermissions, ManageSecretScope, QueryEndpoint,
    ReadPermissions, Securable, UseTokens,
};

fn user(name: &str, level: Level) -> Grant {
    Grant { grantee: Grantee::User(name.to_owned()), level }
}

/// `CAN_QUERY ana@x`, and `^` before what is inherited.
fn shown(w: &Workspace, securable: &Securable) -> Vec<String> {
    let permit = w.catalog.authorize(&w.caller(&w.ada), ReadPermissions(securable.clone())).unwrap();
    (w.catalog.access_list(&permit).iter())
        .map(|entry| {
            format!("{}{} {}", if entry.inherited { "^" } else { "" }, entry.level, entry.grantee.name())
        })
        .collect()
}

#[tokio::test]
async fn replacing_a_list_keeps_the_creator_the_admins_and_the_declared_rights() {
    let w = Workspace::new().await;
    let endpoint = w.endpoint("concierge", &[(w.ana.id, Level::CanQuery)]).await;
    let securable = Securable::from(&endpoint);
    w.declare(&securable, Level::CanQuery).await;
    let permit = w.catalog.authorize(&w.caller(&w.carol), ManagePermissions(securable.clone())).unwrap();
    w.catalog.set_access(&permit, &[user("bob@x", Level::CanView)]).await.unwrap();
    assert_eq!(shown(&w, &securable), ["CAN_MANAGE carol@x", "CAN_VIEW bob@x", "^CAN_MANAGE admins"]);
    w.catalog.set_access(&permit, &[]).await.unwrap();
    assert_eq!(shown(&w, &securable), ["CAN_MANAGE carol@x", "^CAN_MANAGE admins"]);
    assert!(w.catalog.authorize(&w.caller(&w.carol), ManagePermissions(securable)).is_ok());
    assert!(w.catalog.authorize(&w.caller(&w.hidden), QueryEndpoint(endpoint)).is_ok());
}

#[tokio::test]
async fn adding_to_a_list_takes_nothing_away() {
    let w = Workspace::new().await;
    let endpoint =
        w.endpoint("concierge", &[(w.ana.id, Level::CanManage), (w.analysts, Level::CanQuery)]).await;
    let securable = Securable::from(&endpoint);
    let permit = w.catalog.authorize(&w.caller(&w.ana), ManagePermissions(securable.clone())).unwrap();
    w.catalog
        .merge_access(&permit, &[user("ana@x", Level::CanView), user("bob@x", Level::CanView)])
        .await
        .unwrap();
    assert_eq!(
        shown(&w, &securable),
        [
            "CAN_MANAGE carol@x",
            "CAN_MANAGE ana@x",
            "CAN_VIEW bob@x",
            "CAN_QUERY analysts",
            "^CAN_MANAGE admins"
        ]
    );
}

#[tokio::test]
async fn a_list_with_an_unknown_name_or_level_changes_nothing_and_names_it() {
    let w = Workspace::new().await;
    let endpoint = w.endpoint("concierge", &[(w.ana.id, Level::CanQuery)]).await;
    let securable = Securable::from(&endpoint);
    let permit = w.catalog.authorize(&w.caller(&w.carol), ManagePermissions(securable.clone())).unwrap();
    let before = shown(&w, &securable);
    let table = [
        (user("nobody@x", Level::CanView), "user \"nobody@x\" does not exist in this workspace"),
        (user("Ana@x", Level::CanView), "user \"Ana@x\" does not exist in this workspace"),
        (
            Grant { grantee: Grantee::Group("ana@x".into()), level: Level::CanView },
            "group \"ana@x\" does not exist in this workspace",
        ),
        (
            user("ana@x", Level::Manage),
            "MANAGE is not a permission level of a serving endpoint; its levels are CAN_VIEW, CAN_QUERY, CAN_MANAGE",
        ),
    ];
    for (grant, text) in table {
        let refused =
            w.catalog.set_access(&permit, &[user("bob@x", Level::CanView), grant]).await.unwrap_err();
        assert_eq!(refused.to_string(), text);
    }
    assert_eq!(shown(&w, &securable), before);
}

#[tokio::test]
async fn naming_a_hidden_principal_in_a_list_is_accepted_and_does_nothing() {
    let w = Workspace::new().await;
    let endpoint = w.endpoint("concierge", &[]).await;
    let securable = Securable::from(&endpoint);
    let permit = w.catalog.authorize(&w.caller(&w.carol), ManagePermissions(securable.clone())).unwrap();
    for name in [w.hidden.name.to_string(), w.hidden.id.to_string()] {
        let grant = Grant { grantee: Grantee::ServicePrincipal(name), level: Level::CanManage };
        w.catalog.merge_access(&permit, &[grant]).await.unwrap();
    }
    assert_eq!(shown(&w, &securable), ["CAN_MANAGE carol@x", "^CAN_MANAGE admins"]);
    let denied = w.catalog.authorize(&w.caller(&w.hidden), QueryEndpoint(endpoint)).unwrap_err();
    assert!(matches!(denied.kind(), DenialKind::NotDeclared { .. }));
}

#[tokio::test]
async fn a_list_for_a_deleted_endpoint_brings_no_rights_back() {
    let w = Workspace::new().await;
    let endpoint = w.endpoint("concierge", &[]).await;
    let securable = Securable::from(&endpoint);
    let permit = w.catalog.authorize(&w.caller(&w.carol), ManagePermissions(securable.clone())).unwrap();
    let slot = w.catalog.slot();
    let deleted = w.store.commit(|tx| {
        crate::permissions::object_deleted(tx, slot, &securable);
        Ok::<_, ()>(())
    });
    deleted.await.unwrap();
    let refused = w.catalog.set_access(&permit, &[user("carol@x", Level::CanManage)]).await.unwrap_err();
    assert!(matches!(refused, CommitError::Refused(GrantError::Gone(_))));
}

#[tokio::test]
async fn everybody_may_use_tokens_until_a_list_says_otherwise() {
    let w = Workspace::new().await;
    assert!(w.catalog.authorize(&w.caller(&w.ana), UseTokens(())).is_ok());
    assert_eq!(shown(&w, &Securable::Tokens), ["CAN_USE users", "^CAN_MANAGE admins"]);
    let permit = w.catalog.authorize(&w.caller(&w.ada), ManagePermissions(Securable::Tokens)).unwrap();
    w.catalog.merge_access(&permit, &[user("bob@x", Level::CanUse)]).await.unwrap();
    assert!(w.catalog.authorize(&w.caller(&w.ana), UseTokens(())).is_ok());
    w.catalog.set_access(&permit, &[user("bob@x", Level::CanUse)]).await.unwrap();
    assert!(w.catalog.authorize(&w.caller(&w.ana), UseTokens(())).is_err());
    assert!(w.catalog.authorize(&w.caller(&w.bob), UseTokens(())).is_ok());
}

#[tokio::test]
async fn an_entry_of_a_secret_scope_is_set_overwritten_and_removed() {
    let w = Workspace::new().await;
    w.scope("travel", &[]).await;
    let permit =
        w.catalog.authorize(&w.caller(&w.carol), ManageSecretScope("travel".parse().unwrap())).unwrap();
    let anyone = |name: &str| Grantee::Anyone(name.to_owned());
    let shown = || -> Vec<String> {
        w.catalog
            .scope_acl(&permit)
            .iter()
            .map(|entry| format!("{} {}", entry.level, entry.grantee.name()))
            .collect()
    };
    for (name, level) in [
        ("ana@x", Level::Manage),
        ("analysts", Level::Write),
        (&w.robot.name, Level::Read),
        ("ana@x", Level::Read),
    ] {
        w.catalog.put_scope_acl(&permit, &Grant { grantee: anyone(name), level }).await.unwrap();
    }
    assert_eq!(
        shown(),
        ["READ 11111111-1111-4111-8111-111111111111", "READ ana@x", "WRITE analysts", "MANAGE carol@x"]
    );
    w.catalog.delete_scope_acl(&permit, &anyone("analysts")).await.unwrap();
    let again = w.catalog.delete_scope_acl(&permit, &anyone("analysts")).await.unwrap_err();
    assert_eq!(again.to_string(), "\"analysts\" has no entry in the access list");
    let wrong =
        w.catalog.put_scope_acl(&permit, &Grant { grantee: anyone("ana@x"), level: Level::CanQuery }).await;
    assert!(matches!(wrong, Err(CommitError::Refused(GrantError::WrongLevel { .. }))));
}

#[tokio::test]
async fn a_deleted_user_leaves_no_entry_behind() {
    let w = Workspace::new().await;
    let endpoint = w.endpoint("concierge", &[(w.ana.id, Level::CanQuery)]).await;
    w.catalog.forget_principal(w.ana.id).await.unwrap();
    assert_eq!(shown(&w, &Securable::from(&endpoint)), ["CAN_MANAGE carol@x", "^CAN_MANAGE admins"]);
}
