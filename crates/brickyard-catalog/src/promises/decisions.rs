//! Who may do what, and what a refusal says.

use brickyard_identity::{Act, OAuthForm};
use brickyard_types::{ScopeSet, SignedDuration, Timestamp};

use super::workspace::Workspace;
use crate::{
    AdministerWorkspace, CreateEndpoint, CreateSecretScope, DenialKind, Held, Level, ManageEndpoint,
    QueryEndpoint, ReadSecret, Securable, Through, ViewEndpoint, family, permissions,
};

#[tokio::test]
async fn a_permission_does_not_replace_the_api_scope_nor_the_scope_the_permission() {
    let w = Workspace::new().await;
    let endpoint = w.endpoint("concierge", &[(w.ana.id, Level::CanQuery)]).await;

    let permit = w
        .catalog
        .authorize(&w.with_scopes(&w.ana, "model-serving"), QueryEndpoint(endpoint.clone()))
        .unwrap();
    assert_eq!((permit.on(), permit.principal()), (&endpoint, &w.ana));

    let sql_only = w.with_scopes(&w.ana, "sql");
    let denied = w.catalog.authorize(&sql_only, QueryEndpoint(endpoint.clone())).unwrap_err();
    assert!(
        matches!(denied.kind(), DenialKind::MissingScope { family, .. } if family.printed == "model-serving")
    );
    assert_eq!(denied.message(), "Provided OAuth token does not have required scopes: model-serving");
    assert_eq!(denied.trace().links().len(), 2, "no permission is looked at behind a closed API");

    let bob = w.with_scopes(&w.bob, "model-serving");
    let denied = w.catalog.authorize(&bob, QueryEndpoint(endpoint)).unwrap_err();
    assert!(matches!(denied.kind(), DenialKind::Invisible { .. }));
}

#[tokio::test]
async fn a_refusal_tells_the_chain_the_failing_link_and_the_fix() {
    let w = Workspace::new().await;
    let endpoint = w.endpoint("concierge", &[(w.analysts, Level::CanView)]).await;
    let denied = w.catalog.authorize(&w.caller(&w.bob), QueryEndpoint(endpoint)).unwrap_err();
    assert!(matches!(
        denied.kind(),
        DenialKind::MissingPermission { held: Some(Held { level: Level::CanView, through: Through::Group(group) }), .. }
            if group.as_str() == "analysts"
    ));
    assert_eq!(denied.message(), "User does not have permission 'Query' on Endpoint concierge");
    assert_eq!(
        denied.trace().to_string(),
        "ok   token                needs a valid token; held: access token of bob@x\n\
         ok   api_scope            needs serving.serving-endpoints or model-serving or ai-gateway (for serving invocations); held: all-apis\n\
         FAIL workspace_permission needs CAN_QUERY on serving endpoint concierge; held: CAN_VIEW through group analysts\n     \
         fix: grant CAN_QUERY on serving endpoint concierge: permissions: [{user_name: bob@x, permission_level: CAN_QUERY}]"
    );
    let json = serde_json::to_value(denied.trace()).unwrap();
    assert_eq!(
        json[2],
        serde_json::json!({
            "check": "workspace_permission",
            "required": "CAN_QUERY on serving endpoint concierge",
            "held": "CAN_VIEW through group analysts",
            "passed": false,
            "fix": "grant CAN_QUERY on serving endpoint concierge: permissions: [{user_name: bob@x, permission_level: CAN_QUERY}]",
        })
    );
    assert_eq!(json[0]["fix"], serde_json::Value::Null);
}

#[tokio::test]
async fn a_forgotten_resource_is_refused_although_every_user_may_and_the_entry_to_add_is_named() {
    let w = Workspace::new().await;
    let endpoint = w.endpoint("gte-large-en", &[(w.users, Level::CanQuery)]).await;
    let securable: Securable = (&endpoint).into();
    assert!(w.catalog.authorize(&w.caller(&w.ana), QueryEndpoint(endpoint.clone())).is_ok());

    let agent = w.caller(&w.hidden);
    let denied = w.catalog.authorize(&agent, ViewEndpoint(endpoint.clone())).unwrap_err();
    assert!(matches!(denied.kind(), DenialKind::NotDeclared { .. }));
    assert_eq!(denied.message(), "User does not have permission 'View' on Endpoint gte-large-en");
    assert_eq!(
        denied.fix().unwrap(),
        "declare it when logging the model: resources=[DatabricksServingEndpoint(endpoint_name=\"gte-large-en\")]"
    );
    assert!(!w.catalog.can_see(&agent, &securable));

    w.declare(&securable, Level::CanQuery).await;
    let permit = w.catalog.authorize(&agent, QueryEndpoint(endpoint.clone())).unwrap();
    let names: Vec<_> = permit.trace().links().iter().map(crate::Link::name).collect();
    assert_eq!(names, ["token", "api_scope", "declared", "workspace_permission"]);
    assert!(w.catalog.can_see(&agent, &securable));
    let denied = w.catalog.authorize(&agent, ManageEndpoint(endpoint)).unwrap_err();
    assert!(
        matches!(denied.kind(), DenialKind::MissingPermission { .. }),
        "declaring gives the use, not more"
    );
}

#[tokio::test]
async fn a_hidden_principal_makes_nothing_reads_no_secret_and_administers_nothing() {
    let w = Workspace::new().await;
    w.scope("travel", &[(w.users, Level::Read)]).await;
    let agent = w.caller(&w.hidden);
    let secret =
        brickyard_types::SecretRef { scope: "travel".parse().unwrap(), key: "token".parse().unwrap() };
    let denied = [
        w.catalog.authorize(&agent, CreateEndpoint(())).unwrap_err(),
        w.catalog.authorize(&agent, CreateSecretScope("mine".parse().unwrap())).unwrap_err(),
        w.catalog.authorize(&agent, ReadSecret(secret)).unwrap_err(),
        w.catalog.authorize(&agent, AdministerWorkspace(())).unwrap_err(),
    ];
    assert!(denied.iter().all(|denied| matches!(denied.kind(), DenialKind::NotDeclared { .. })));
    assert!(denied.iter().all(|denied| denied.fix().is_some()));
}

#[tokio::test]
async fn a_creator_is_asked_without_a_token_and_loses_its_say_when_it_leaves() {
    let w = Workspace::new().await;
    w.scope("travel", &[(w.ana.id, Level::Read)]).await;
    let secret = || {
        ReadSecret(brickyard_types::SecretRef {
            scope: "travel".parse().unwrap(),
            key: "token".parse().unwrap(),
        })
    };
    assert!(w.catalog.authorize_creator(&w.ana, secret()).is_ok());
    assert!(w.catalog.authorize_creator(&w.bob, secret()).is_err());
    let (slots, ana) = (w.slots, w.ana.id);
    let disabled = w.store.commit(|tx| brickyard_identity::directory::set_active(tx, slots, ana, false));
    disabled.await.unwrap();
    let denied = w.catalog.authorize_creator(&w.ana, secret()).unwrap_err();
    assert_eq!(*denied.kind(), DenialKind::CreatorGone);
}

#[tokio::test]
async fn a_new_endpoint_of_an_old_name_inherits_no_right() {
    let w = Workspace::new().await;
    let old = w.endpoint("concierge", &[(w.ana.id, Level::CanManage)]).await;
    let (slot, securable) = (w.catalog.slot(), Securable::from(&old));
    let deleted = w.store.commit(|tx| {
        permissions::object_deleted(tx, slot, &securable);
        Ok::<_, ()>(())
    });
    deleted.await.unwrap();
    let new = w.endpoint("concierge", &[]).await;
    let ana = w.caller(&w.ana);
    assert!(w.catalog.authorize(&ana, ViewEndpoint(old)).is_err());
    assert!(w.catalog.authorize(&ana, ViewEndpoint(new)).is_err());
}

#[tokio::test]
async fn a_route_without_an_object_still_takes_its_scope() {
    let w = Workspace::new().await;
    let sql = w.with_scopes(&w.ada, "sql");
    assert!(w.catalog.require_scope(&sql, &family::CURRENT_USER).is_ok());
    let denied = w.catalog.require_scope(&sql, &family::BRICKYARD).unwrap_err();
    assert_eq!(denied.fix().unwrap(), "request the token with scope=all-apis");
    assert!(
        w.catalog.require_scope(&w.caller(&w.ana), &family::BRICKYARD).is_ok(),
        "the scope alone, not the admin"
    );
}

#[tokio::test]
async fn leaving_a_group_deep_down_takes_effect_at_the_next_request() {
    let w = Workspace::new().await;
    let endpoint =
        w.endpoint("concierge", &[(w.analysts, Level::CanManage), (w.users, Level::CanView)]).await;
    let bob = w.caller(&w.bob);
    assert!(w.catalog.authorize(&bob, ManageEndpoint(endpoint.clone())).is_ok());
    let (slots, staff, who) = (w.slots, w.staff, w.bob.id);
    let left = w.store.commit(|tx| brickyard_identity::directory::remove_member(tx, slots, staff, who));
    left.await.unwrap();
    assert!(w.catalog.authorize(&bob, ManageEndpoint(endpoint.clone())).is_err());
    assert!(w.catalog.authorize(&bob, ViewEndpoint(endpoint)).is_ok(), "what the other group gives stays");
}

#[tokio::test]
async fn an_agent_with_its_users_token_reaches_what_it_declared_and_is_told_what_to_declare() {
    let w = Workspace::new().await;
    let (agent, tool) =
        (w.endpoint("agent", &[]).await, w.endpoint("tool", &[(w.ana.id, Level::CanQuery)]).await);
    let act = Act { endpoint_id: agent.id, endpoint_name: agent.name };
    let ana = w.caller(&w.ana);
    let on_behalf = |declared: &str| {
        let declared = ScopeSet::parse(declared).unwrap();
        w.catalog.identity().downscope(&ana, &declared, &act, Timestamp::MAX).unwrap().caller().clone()
    };
    assert!(
        w.catalog.authorize(&on_behalf("serving.serving-endpoints"), QueryEndpoint(tool.clone())).is_ok()
    );
    let denied = w.catalog.authorize(&on_behalf("sql"), QueryEndpoint(tool)).unwrap_err();
    assert_eq!(
        denied.fix().unwrap(),
        "declare it when logging the model: UserAuthPolicy(api_scopes=[\"serving.serving-endpoints\"])"
    );
    assert_eq!(denied.trace().links()[0].held(), "on-behalf-of-user token of ana@x, used by endpoint agent");
    let secrets = w.catalog.require_scope(&on_behalf("sql"), &family::SECRETS).unwrap_err();
    assert_eq!(
        secrets.fix().unwrap(),
        "secrets cannot be reached on behalf of the user: use manual authentication"
    );
}

#[tokio::test]
async fn a_data_plane_token_queries_its_endpoint_and_does_nothing_else() {
    let w = Workspace::new().await;
    let (one, other) = (w.endpoint("one", &[]).await, w.endpoint("other", &[]).await);
    let identity = w.catalog.identity();
    let carol = identity.mint(&w.carol, ScopeSet::all_apis(), SignedDuration::from_hours(1)).unwrap();
    let details = format!(
        r#"[{{"type":"workspace_permission","object_type":"serving-endpoints","object_path":"/serving-endpoints/{}","actions":["query_inference_endpoint"]}}]"#,
        one.id
    );
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", carol.token.expose()),
        ("authorization_details", &details),
    ];
    let form = OAuthForm::read(form.map(|(name, value)| (name.to_owned(), value.to_owned()))).unwrap();
    let narrow = identity.grant(None, &form).unwrap().caller;
    assert!(w.catalog.authorize(&narrow, QueryEndpoint(one.clone())).is_ok());
    assert!(w.catalog.require_scope(&narrow, &family::SERVING_INVOCATIONS).is_ok());
    let denied = [
        w.catalog.authorize(&narrow, QueryEndpoint(other)).unwrap_err(),
        w.catalog.authorize(&narrow, ManageEndpoint(one)).unwrap_err(),
        w.catalog.authorize(&narrow, CreateEndpoint(())).unwrap_err(),
        w.catalog.require_scope(&narrow, &family::SERVING_ENDPOINTS).unwrap_err(),
    ];
    assert!(denied.iter().all(|denied| *denied.kind() == DenialKind::OutsideToken), "{denied:?}");
}
