//! Section X of the corpus of hostile inputs, as far as it lies below HTTP, and the flows that clients use.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use brickyard_types::{BearerToken, Secret, SignedDuration};

use super::{CLIENT_ID, CLIENT_SECRET, PAT, World, hour, name, scopes, world};
use crate::oauth::Introspection;
use crate::{GrantedToken, NewUser, OAuthError, OAuthForm, TokenKind};

const EXCHANGE: (&str, &str) = ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange");
const OF_ACCESS_TOKEN: (&str, &str) = ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token");
const OF_PAT: (&str, &str) =
    ("subject_token_type", "urn:databricks:params:oauth:token-type:personal-access-token");
const CREDENTIALS: (&str, &str) = ("grant_type", "client_credentials");

fn form(pairs: &[(&str, &str)]) -> Result<OAuthForm, OAuthError> {
    OAuthForm::read(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

fn robot() -> String {
    basic(CLIENT_ID, CLIENT_SECRET)
}

fn ask(world: &World, header: Option<&str>, pairs: &[(&str, &str)]) -> Result<GrantedToken, OAuthError> {
    world.identity.grant(header, &form(pairs)?)
}

fn code(world: &World, header: Option<&str>, pairs: &[(&str, &str)]) -> &'static str {
    ask(world, header, pairs).map_or_else(|error| error.code(), |_| "granted")
}

#[tokio::test]
async fn a_service_principal_gets_a_token_for_its_secret_in_the_header_or_in_the_form() {
    let world = world().await;
    let granted = ask(&world, Some(&robot()), &[CREDENTIALS, ("scope", "all-apis")]).unwrap();
    assert_eq!(
        (granted.token_type, granted.expires_in, &granted.scope),
        ("Bearer", 3600, &scopes("all-apis"))
    );
    let caller = world.identity.authenticate(&granted.access_token).unwrap();
    assert_eq!((caller.principal(), caller.client_id()), (&world.robot, CLIENT_ID));
    let in_form = [
        CREDENTIALS,
        ("client_id", CLIENT_ID),
        ("client_secret", CLIENT_SECRET),
        ("authorization_details", ""),
    ];
    assert_eq!(ask(&world, None, &in_form).unwrap().scope, scopes("all-apis"));
    assert_eq!(
        ask(&world, Some(&robot()), &[CREDENTIALS, ("scope", "genie sql")]).unwrap().scope,
        scopes("genie sql")
    );
}

#[tokio::test]
async fn several_secrets_are_valid_at_once_each_within_its_own_scopes_and_time() {
    let world = world().await;
    let second = world
        .identity
        .create_secret(world.robot.id, Some(hour()), Some(scopes("sql vector-search")))
        .await
        .unwrap();
    let header = basic(CLIENT_ID, second.secret.expose_str().unwrap());
    assert_eq!(ask(&world, Some(&header), &[CREDENTIALS]).unwrap().scope, scopes("sql vector-search"));
    assert_eq!(
        ask(&world, Some(&header), &[CREDENTIALS, ("scope", "vector-search")]).unwrap().scope,
        scopes("vector-search")
    );
    let refused = ask(&world, Some(&header), &[CREDENTIALS, ("scope", "all-apis")]).unwrap_err();
    assert_eq!(refused.code(), "access_denied");
    assert_eq!(refused.to_string(), format!("Scopes 'all-apis' are not assigned to the client {CLIENT_ID}"));
    assert_eq!(code(&world, Some(&robot()), &[CREDENTIALS]), "granted");
    world.advance(3600);
    assert_eq!(code(&world, Some(&header), &[CREDENTIALS]), "invalid_client");
    assert_eq!(code(&world, Some(&robot()), &[CREDENTIALS]), "granted");
    world.identity.delete_secret(world.robot.id, second.info.id).await.unwrap();
    assert_eq!(world.identity.secrets_of(world.robot.id).len(), 1);
}

#[tokio::test]
async fn who_does_not_authenticate_rightly_gets_one_answer() {
    let world = world().await;
    let other = world.identity.create_service_principal("other", None).await.unwrap();
    let theirs = world.identity.create_secret(other.id, None, None).await.unwrap();
    let theirs = theirs.secret.expose_str().unwrap().to_owned();
    let endless = "A".repeat(1_000_000);
    let cases: Vec<(&str, Option<String>)> = vec![
        ("X01 nothing", None),
        ("X02 wrong secret", Some(basic(CLIENT_ID, "dose00000000000000000000000000000000"))),
        ("X02 another client's secret", Some(basic(CLIENT_ID, &theirs))),
        ("unknown client", Some(basic("00000000-1111-4222-8333-444455556666", CLIENT_SECRET))),
        ("a user", Some(basic("ana@example.com", CLIENT_SECRET))),
        ("X03 bad base64", Some("Basic !!!".to_owned())),
        ("X03 no colon", Some(format!("Basic {}", STANDARD.encode(CLIENT_ID)))),
        (
            "X03 percent-encoded colon",
            Some(format!("Basic {}", STANDARD.encode(format!("{CLIENT_ID}%3A{CLIENT_SECRET}")))),
        ),
        ("X03 UTF-8", Some(basic(CLIENT_ID, "\u{e9}\u{1f980}"))),
        ("X03 not UTF-8", Some(format!("Basic {}", STANDARD.encode([0xff, b':', 0xfe])))),
        ("X03 1 MB", Some(format!("Basic {endless}"))),
        ("a bearer token", Some(format!("Bearer {PAT}"))),
        ("empty", Some(String::new())),
    ];
    let mut answers = std::collections::HashSet::new();
    for (what, header) in cases {
        let error = ask(&world, header.as_deref(), &[CREDENTIALS]).expect_err(what);
        assert_eq!(error, OAuthError::InvalidClient, "{what}");
        answers.insert(error.to_string());
    }
    assert_eq!(answers.len(), 1);
    assert_eq!(
        code(&world, Some(&robot()), &[CREDENTIALS, ("client_secret", CLIENT_SECRET)]),
        "invalid_request",
        "X02 both"
    );
    assert_eq!(code(&world, Some(&robot()), &[CREDENTIALS, ("client_id", "x")]), "invalid_request");
    assert_eq!(
        code(&world, Some(&robot()), &[CREDENTIALS, ("client_assertion", "x")]),
        "invalid_client",
        "X23"
    );
    world.identity.set_active(world.robot.id, false).await.unwrap();
    assert_eq!(code(&world, Some(&robot()), &[CREDENTIALS]), "invalid_client", "disabled");
}

#[tokio::test]
async fn grants_that_are_not_emulated_and_forms_that_are_not_plain_are_refused_by_name() {
    let world = world().await;
    let header = robot();
    for (what, pairs, expected) in [
        ("X04 missing", &[("scope", "sql")][..], "invalid_request"),
        ("X04 password", &[("grant_type", "password")], "unsupported_grant_type"),
        ("X04 implicit", &[("grant_type", "implicit")], "unsupported_grant_type"),
        ("X04 other case", &[("grant_type", "CLIENT_CREDENTIALS")], "unsupported_grant_type"),
        ("X04 trailing space", &[("grant_type", "client_credentials ")], "unsupported_grant_type"),
        ("X04 repeated", &[CREDENTIALS, CREDENTIALS], "invalid_request"),
        ("code", &[("grant_type", "authorization_code"), ("code", "x")], "unsupported_grant_type"),
        ("refresh", &[("grant_type", "refresh_token"), ("refresh_token", "x")], "unsupported_grant_type"),
        ("X17 scope twice", &[CREDENTIALS, ("scope", "sql"), ("scope", "genie")], "invalid_request"),
        ("X21 NUL", &[CREDENTIALS, ("x", "a\0b")], "invalid_request"),
        ("assume_group", &[CREDENTIALS, ("assume_group", "1")], "invalid_request"),
        ("X08 case", &[CREDENTIALS, ("scope", "SQL")], "invalid_scope"),
        ("X08 double space", &[CREDENTIALS, ("scope", "sql  genie")], "invalid_scope"),
        ("X08 star", &[CREDENTIALS, ("scope", "*")], "invalid_scope"),
        ("X08 empty", &[CREDENTIALS, ("scope", "")], "invalid_scope"),
        ("X08 prefix", &[CREDENTIALS, ("scope", "sql.statements")], "invalid_scope"),
        ("X08 comma", &[CREDENTIALS, ("scope", "sql,genie")], "invalid_scope"),
        (
            "details",
            &[CREDENTIALS, ("authorization_details", r#"[{"type":"unity_catalog_permission"}]"#)],
            "invalid_authorization_details",
        ),
        ("details not JSON", &[CREDENTIALS, ("authorization_details", "x")], "invalid_authorization_details"),
        ("X15 audience", &[CREDENTIALS, ("audience", "other")], "invalid_target"),
        ("X15 resource", &[CREDENTIALS, ("resource", "/relative")], "invalid_target"),
    ] {
        assert_eq!(code(&world, Some(&header), pairs), expected, "{what}");
    }
    let bomb = (0..1000).map(|number| (format!("p{number}"), String::new()));
    assert_eq!(OAuthForm::read(bomb).unwrap_err().code(), "invalid_request", "X21");
    assert!(
        ask(&world, Some(&header), &[CREDENTIALS, ("scope", "SQL")])
            .unwrap_err()
            .to_string()
            .starts_with("Invalid scope:")
    );
}

#[tokio::test]
async fn an_exchanged_token_is_the_subjects_and_narrower() {
    let world = world().await;
    let subject = world.token(&world.ana, "sql genie");
    let subject = subject.expose();
    let with = |extra: &[(&'static str, &'static str)]| -> Vec<(&str, &str)> {
        [&[EXCHANGE, OF_ACCESS_TOKEN][..], extra].concat()
    };
    let ask_for = |extra: &[(&'static str, &'static str)]| {
        let mut pairs = with(extra);
        pairs.push(("subject_token", subject));
        ask(&world, Some(&robot()), &pairs)
    };
    world.advance(600);
    let granted = ask_for(&[("scope", "sql.warehouses")]).unwrap();
    assert_eq!((granted.expires_in, &granted.scope), (3000, &scopes("sql.warehouses")), "X16");
    assert_eq!(granted.issued_token_type, Some("urn:ietf:params:oauth:token-type:access_token"));
    let caller = world.identity.authenticate(&granted.access_token).unwrap();
    assert_eq!((caller.principal(), caller.client_id(), caller.act()), (&world.ana, CLIENT_ID, None));
    assert_eq!(ask_for(&[]).unwrap().scope, scopes("genie sql"));

    for (what, extra, expected) in [
        ("X07 more than the subject", &[("scope", "sql model-serving")][..], "invalid_scope"),
        ("X07 all-apis", &[("scope", "all-apis")], "invalid_scope"),
        ("X13 actor without type", &[("actor_token", "x")], "invalid_request"),
        ("X13 type without actor", &[("actor_token_type", "x")], "invalid_request"),
        ("X13 actor", &[("actor_token", "x"), ("actor_token_type", "y")], "invalid_request"),
        ("X15 audience", &[("audience", "999")], "invalid_target"),
        ("X15 resource with fragment", &[("resource", "http://localhost:8080#x")], "invalid_target"),
        (
            "X15 many",
            &[("resource", "http://localhost:8080"), ("resource", "http://localhost:8080")],
            "invalid_target",
        ),
        (
            "X20 refresh",
            &[("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token")],
            "invalid_request",
        ),
        (
            "X20 ID token",
            &[("requested_token_type", "urn:ietf:params:oauth:token-type:id_token")],
            "invalid_request",
        ),
    ] {
        assert_eq!(ask_for(extra).unwrap_err().code(), expected, "{what}");
    }
    // X14: what the form says about actors is not copied.
    let ignored = ask_for(&[("act", r#"{"sub":"x"}"#), ("may_act", "x")]).unwrap();
    assert_eq!(ignored.caller.act(), None);

    let narrow = world.identity.create_secret(world.robot.id, None, Some(scopes("genie"))).await.unwrap();
    let header = basic(CLIENT_ID, narrow.secret.expose_str().unwrap());
    let mut pairs = with(&[]);
    pairs.push(("subject_token", subject));
    assert_eq!(ask(&world, Some(&header), &pairs).unwrap().scope, scopes("genie"), "X06");
    pairs.push(("scope", "sql"));
    assert_eq!(code(&world, Some(&header), &pairs), "access_denied", "X06");
}

#[tokio::test]
async fn an_exchange_needs_a_client_and_a_subject_token_that_counts() {
    let world = world().await;
    let header = robot();
    let token = world.token(&world.ana, "sql");
    let subject = ("subject_token", token.expose());
    assert_eq!(code(&world, None, &[EXCHANGE, OF_ACCESS_TOKEN, subject]), "invalid_client", "X01");
    let federation = ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt");
    let refused = ask(&world, None, &[EXCHANGE, federation, subject]).unwrap_err();
    assert!(refused.to_string().contains("federation is not supported"));
    assert_eq!(code(&world, Some(&header), &[EXCHANGE, federation, subject]), "granted");
    for (what, pairs) in [
        ("X09 foreign", &[EXCHANGE, OF_ACCESS_TOKEN, ("subject_token", "eyJhbGciOiJFUzI1NiJ9.e30.AA")][..]),
        ("X12 PAT as access token", &[EXCHANGE, OF_ACCESS_TOKEN, ("subject_token", PAT)]),
        ("X12 access token as PAT", &[EXCHANGE, OF_PAT, subject]),
        (
            "X12 ID token",
            &[EXCHANGE, ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"), subject],
        ),
        ("no type", &[EXCHANGE, subject]),
        ("no token", &[EXCHANGE, OF_ACCESS_TOKEN]),
    ] {
        assert_eq!(code(&world, Some(&header), pairs), "invalid_request", "{what}");
    }
    let caller = world.identity.authenticate(&token).unwrap();
    world.identity.revoke(&caller).await.unwrap();
    assert_eq!(
        code(&world, Some(&header), &[EXCHANGE, OF_ACCESS_TOKEN, subject]),
        "invalid_request",
        "X09 revoked"
    );
    let fresh = world.token(&world.ana, "sql");
    world.advance(3600);
    assert_eq!(
        code(&world, Some(&header), &[EXCHANGE, OF_ACCESS_TOKEN, ("subject_token", fresh.expose())]),
        "invalid_request",
        "X09 expired"
    );
}

#[tokio::test]
async fn a_chain_of_exchanges_ends_at_five_and_dies_with_its_first_token() {
    let world = world().await;
    let first = world.identity.mint(&world.ana, scopes("sql"), hour()).unwrap();
    let mut token = first.token.clone();
    for _ in 0..5 {
        token = ask(&world, Some(&robot()), &[EXCHANGE, OF_ACCESS_TOKEN, ("subject_token", token.expose())])
            .unwrap()
            .access_token;
    }
    assert_eq!(
        code(&world, Some(&robot()), &[EXCHANGE, OF_ACCESS_TOKEN, ("subject_token", token.expose())]),
        "invalid_request",
        "X11"
    );
    assert!(world.identity.authenticate(&token).is_ok());
    world.identity.revoke(&first.caller).await.unwrap();
    assert!(world.identity.authenticate(&token).is_err(), "X28");
}

#[tokio::test]
async fn an_exchanged_token_keeps_the_endpoint_that_acts() {
    let world = world().await;
    let caller = world.identity.authenticate(&BearerToken::new(PAT)).unwrap();
    let act = world.act("agent");
    let obo = world
        .identity
        .downscope(&caller, &scopes("sql"), &act, world.now() + SignedDuration::from_secs(300))
        .unwrap();
    let granted =
        ask(&world, Some(&robot()), &[EXCHANGE, OF_ACCESS_TOKEN, ("subject_token", obo.token().expose())])
            .unwrap();
    assert_eq!((granted.caller.act(), granted.caller.kind()), (Some(&act), TokenKind::OnBehalfOfUser));
    assert_eq!((granted.expires_in, &granted.scope), (300, &scopes("sql")), "X10, X16");
}

#[tokio::test]
async fn a_personal_access_token_becomes_an_access_token_within_its_own_scopes_and_time() {
    let world = world().await;
    let granted =
        ask(&world, None, &[EXCHANGE, OF_PAT, ("subject_token", PAT), ("scope", "genie sql")]).unwrap();
    assert_eq!((granted.expires_in, &granted.scope), (3600, &scopes("genie sql")));
    let pat = world
        .identity
        .create_pat(&world.ana, "", Some(SignedDuration::from_secs(60)), Some(scopes("sql")))
        .await
        .unwrap();
    let subject = ("subject_token", pat.token.expose());
    let narrow = ask(&world, None, &[EXCHANGE, OF_PAT, subject]).unwrap();
    assert_eq!((narrow.expires_in, &narrow.scope), (60, &scopes("sql")));
    assert_eq!(code(&world, None, &[EXCHANGE, OF_PAT, subject, ("scope", "all-apis")]), "invalid_scope");
    world.identity.delete_pat(None, pat.info.id).await.unwrap();
    assert!(world.identity.authenticate(&narrow.access_token).is_err());
    assert_eq!(code(&world, None, &[EXCHANGE, OF_PAT, subject]), "invalid_request");
}

#[tokio::test]
async fn a_data_plane_token_queries_the_named_endpoint_and_says_so() {
    let world = world().await;
    let jwt_bearer = ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let token = world.token(&world.ana, "all-apis");
    let assertion = ("assertion", token.expose());
    let id = world.act("x").endpoint_id;
    let details = format!(
        r#"[{{"type":"workspace_permission","object_type":"serving-endpoints","object_path":"/serving-endpoints/{id}","actions":["query_inference_endpoint"]}}]"#
    );
    let granted = ask(&world, None, &[jwt_bearer, assertion, ("authorization_details", &details)]).unwrap();
    assert_eq!(granted.scope, scopes("model-serving"));
    let caller = world.identity.authenticate(&granted.access_token).unwrap();
    assert_eq!(caller.authorization_details()[0].object_path, format!("/serving-endpoints/{id}"));
    let again = ask(
        &world,
        None,
        &[
            jwt_bearer,
            ("assertion", granted.access_token.expose()),
            (
                "authorization_details",
                &details.replace(&id.to_string(), &world.act("y").endpoint_id.to_string()),
            ),
        ],
    );
    assert_eq!(again.unwrap_err().code(), "invalid_authorization_details");
    assert_eq!(code(&world, None, &[jwt_bearer, assertion]), "invalid_authorization_details");
    assert_eq!(
        code(&world, None, &[jwt_bearer, ("assertion", PAT), ("authorization_details", &details)]),
        "invalid_grant"
    );
    assert_eq!(
        code(&world, None, &[jwt_bearer, ("assertion", "x"), ("authorization_details", &details)]),
        "invalid_grant"
    );
    let narrow = world.token(&world.ana, "sql");
    assert_eq!(
        code(
            &world,
            None,
            &[jwt_bearer, ("assertion", narrow.expose()), ("authorization_details", &details)]
        ),
        "invalid_scope"
    );
}

#[tokio::test]
async fn guessing_a_secret_is_slowed_and_the_client_itself_is_not() {
    let world = world().await;
    let wrong = basic(CLIENT_ID, "dose00000000000000000000000000000000");
    let mut slowed = 0;
    for _ in 0..1000 {
        match ask(&world, Some(&wrong), &[CREDENTIALS]).unwrap_err() {
            OAuthError::TooManyFailures { .. } => slowed += 1,
            error => assert_eq!(error, OAuthError::InvalidClient),
        }
    }
    assert!(slowed > 900, "X22: {slowed}");
    assert_eq!(code(&world, Some(&robot()), &[CREDENTIALS]), "granted");
    world.advance(60);
    assert_eq!(code(&world, Some(&wrong), &[CREDENTIALS]), "invalid_client");
}

#[tokio::test]
async fn introspection_tells_the_owner_and_gives_everybody_else_one_answer() {
    let world = world().await;
    let bob = world.identity.create_user(NewUser::named(name("bob@example.com"))).await.unwrap();
    let look = |header: &str, token: &str| {
        world.identity.introspect(Some(header), &form(&[("token", token)]).unwrap())
    };
    let granted = ask(&world, Some(&robot()), &[CREDENTIALS, ("scope", "sql")]).unwrap();
    let Introspection::Active { scope, jti, .. } = look(&robot(), granted.access_token.expose()).unwrap()
    else {
        panic!("its own token is active")
    };
    assert_eq!((scope, jti), (scopes("sql"), granted.caller.jti()));

    let bobs = world.token(&bob, "sql");
    let revoked = world.identity.mint(&world.robot, scopes("sql"), hour()).unwrap();
    world.identity.revoke(&revoked.caller).await.unwrap();
    let ended = world.identity.mint(&world.robot, scopes("sql"), SignedDuration::from_secs(1)).unwrap();
    world.advance(60);
    for (what, token) in [
        ("unknown", "x"),
        ("foreign", bobs.expose()),
        ("revoked", revoked.token.expose()),
        ("expired", ended.token.expose()),
    ] {
        assert_eq!(look(&robot(), token).unwrap(), Introspection::Inactive, "{what}");
    }
    assert!(matches!(
        look(&format!("Bearer {}", bobs.expose()), bobs.expose()).unwrap(),
        Introspection::Active { .. }
    ));
    assert_eq!(look(&format!("Bearer {PAT}"), bobs.expose()).unwrap(), Introspection::Inactive);
    let nobody = world.identity.introspect(None, &form(&[("token", bobs.expose())]).unwrap());
    assert_eq!(nobody.unwrap_err(), OAuthError::InvalidClient);
}

#[tokio::test]
async fn a_revoked_token_is_over_when_the_answer_comes_and_an_unknown_one_is_no_error() {
    let world = world().await;
    let token = world.token(&world.ana, "sql");
    let pat = world.identity.create_pat(&world.ana, "", None, None).await.unwrap();
    for text in [token.expose(), pat.token.expose()] {
        assert!(world.identity.authenticate(&BearerToken::new(text)).is_ok());
        for _ in 0..2 {
            world.identity.revoke_token(None, &form(&[("token", text)]).unwrap()).await.unwrap();
            assert!(world.identity.authenticate(&BearerToken::new(text)).is_err());
        }
    }
    world.identity.revoke_token(Some(&robot()), &form(&[("token", "never seen")]).unwrap()).await.unwrap();
    let wrong =
        world.identity.revoke_token(Some(&basic(CLIENT_ID, "x")), &form(&[("token", "x")]).unwrap()).await;
    assert_eq!(wrong.unwrap_err(), OAuthError::InvalidClient);
    assert!(world.identity.revoke_token(None, &form(&[]).unwrap()).await.is_err());
}

#[tokio::test]
async fn a_secret_that_is_none_is_not_imported() {
    let world = world().await;
    for bad in ["", "short", "with a space in it", "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}"] {
        assert!(
            world.identity.import_secret(world.robot.id, &Secret::from(bad), None, None).await.is_err(),
            "{bad:?}"
        );
    }
    assert!(
        world.identity.import_secret(world.ana.id, &Secret::from(CLIENT_SECRET), None, None).await.is_err()
    );
    for _ in 0..4 {
        world.identity.create_secret(world.robot.id, None, None).await.unwrap();
    }
    assert!(world.identity.create_secret(world.robot.id, None, None).await.is_err());
}
