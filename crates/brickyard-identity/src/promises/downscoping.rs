//! A token is only ever cut down.

use brickyard_types::{BearerToken, Scope, ScopeSet, SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{NOW, PAT, hour, scopes, world};
use crate::{DownscopeError, KNOWN_SCOPES, TokenKind};

#[tokio::test]
async fn the_agent_gets_what_the_caller_has_and_the_agent_declared() {
    let world = world().await;
    let caller = world.identity.mint(&world.ana, scopes("sql model-serving"), hour()).unwrap().caller;
    let act = world.act("concierge");
    let latest = world.now() + SignedDuration::from_secs(297);
    let token =
        world.identity.downscope(&caller, &scopes("sql.statement-execution genie"), &act, latest).unwrap();
    assert_eq!(token.scopes(), &scopes("sql.statement-execution"));
    assert_eq!((token.caller().kind(), token.caller().principal()), (TokenKind::OnBehalfOfUser, &world.ana));
    assert_eq!((token.caller().act(), token.expires_at()), (Some(&act), latest));
    assert!(!token.is_signed());
    let seen = world.identity.authenticate(token.token()).unwrap();
    assert_eq!((seen.jti(), token.is_signed()), (token.jti(), true));
    world.advance(297 + 10);
    assert!(world.identity.authenticate(token.token()).is_err());
}

/// 100,000 random triples of caller, declaration and time limit.
#[tokio::test]
async fn a_narrowed_token_never_opens_more_and_never_lives_longer() {
    let world = world().await;
    let set = || {
        proptest::collection::vec(proptest::sample::select(KNOWN_SCOPES), 0..6).prop_map(|words| {
            words.into_iter().filter_map(|word| word.parse::<Scope>().ok()).collect::<ScopeSet>()
        })
    };
    let act = world.act("agent");
    let mut runner =
        TestRunner::new(Config { cases: 100_000, failure_persistence: None, ..Config::default() });
    let triples = (set(), set(), 1i64..80_000, -10i64..100_000, any::<bool>());
    let checked = runner.run(&triples, |(held, declared, life, limit, again)| {
        let ttl = SignedDuration::from_secs(life);
        // As `mint` makes it, without 100,000 signatures.
        let facts = crate::caller::Facts {
            principal: world.ana.clone(),
            scopes: held.clone(),
            kind: TokenKind::AccessToken,
            acts: Vec::new(),
            origins: Vec::new(),
            jti: "00112233445566778899aabbccddeeff".parse().expect("an id"),
            client_id: "x".into(),
            issued_at: world.now(),
            expires_at: Some(world.now() + ttl),
            worker: None,
            details: Vec::new(),
        };
        let caller = crate::Caller::new(facts);
        let latest = Timestamp::from_second(NOW + limit).expect("a time");
        let first = match world.identity.downscope(&caller, &declared, &act, latest) {
            Ok(token) => token,
            Err(error) => {
                prop_assert_eq!(error, DownscopeError::Expired);
                prop_assert!(limit <= -10);
                return Ok(());
            }
        };
        let token = if again {
            world.identity.downscope(first.caller(), &held, &act, latest + hour()).expect("again")
        } else {
            first
        };
        prop_assert!(held.covers_all(token.scopes()) && declared.covers_all(token.scopes()));
        prop_assert!(token.expires_at() <= latest && Some(token.expires_at()) <= caller.expires_at());
        prop_assert_eq!(token.caller().principal(), &world.ana);
        prop_assert_eq!(token.caller().act(), Some(&act));
        Ok(())
    });
    checked.unwrap();
}

#[tokio::test]
async fn a_users_token_passes_through_five_endpoints_and_not_six() {
    let world = world().await;
    let mut caller = world.identity.authenticate(&BearerToken::new(PAT)).unwrap();
    for depth in 1..=5 {
        let act = world.act(&format!("agent-{depth}"));
        let token = world.identity.downscope(&caller, &scopes("sql"), &act, world.now() + hour()).unwrap();
        caller = world.identity.authenticate(token.token()).unwrap();
        assert_eq!((caller.act_chain().len(), caller.act()), (depth, Some(&act)));
    }
    let sixth = world.identity.downscope(&caller, &scopes("sql"), &world.act("x"), world.now() + hour());
    assert_eq!(sixth.unwrap_err(), DownscopeError::ChainTooLong);
}

#[tokio::test]
async fn a_callers_token_that_is_over_is_not_cut_down() {
    let world = world().await;
    let caller = world.identity.mint(&world.ana, scopes("sql"), SignedDuration::from_secs(5)).unwrap().caller;
    let act = world.act("agent");
    world.advance(15);
    assert_eq!(
        world.identity.downscope(&caller, &scopes("sql"), &act, world.now() + hour()).unwrap_err(),
        DownscopeError::Expired
    );
}

#[tokio::test]
async fn revoking_the_callers_token_revokes_what_an_agent_was_given_from_it() {
    let world = world().await;
    let caller = world.identity.mint(&world.ana, scopes("sql"), hour()).unwrap().caller;
    let first =
        world.identity.downscope(&caller, &scopes("sql"), &world.act("a"), world.now() + hour()).unwrap();
    let second = world
        .identity
        .downscope(first.caller(), &scopes("sql"), &world.act("b"), world.now() + hour())
        .unwrap();
    assert!(world.identity.authenticate(second.token()).is_ok());
    world.identity.revoke(&caller).await.unwrap();
    assert!(world.identity.authenticate(first.token()).is_err());
    assert!(world.identity.authenticate(second.token()).is_err());
    assert!(world.identity.recheck(second.caller()).is_err());
}
