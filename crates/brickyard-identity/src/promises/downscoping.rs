//! A token is only ever cut down.

use brickyard_types::{BearerToken, Entropy, Scope, ScopeSet, SeededEntropy, SignedDuration};

use super::{PAT, hour, scopes, world};
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
    let known: Vec<Scope> = KNOWN_SCOPES.iter().map(|scope| scope.parse().expect("a scope")).collect();
    let chance = SeededEntropy::new(42);
    let up_to = |bound: u32| {
        let mut bytes = [0; 4];
        chance.fill(&mut bytes);
        u32::from_be_bytes(bytes) % bound
    };
    let set =
        || (0..up_to(6)).map(|_| known[up_to(known.len() as u32) as usize].clone()).collect::<ScopeSet>();
    let act = world.act("agent");
    let (mut narrowed, mut refused) = (0, 0);
    for _ in 0..100_000 {
        let (held, declared) = (set(), set());
        // As `mint` makes it, without 100,000 signatures.
        let caller = crate::Caller::new(crate::caller::Facts {
            principal: world.ana.clone(),
            scopes: held.clone(),
            kind: TokenKind::AccessToken,
            acts: Vec::new(),
            origins: Vec::new(),
            jti: "00112233445566778899aabbccddeeff".parse().expect("an id"),
            client_id: world.ana.name.clone(),
            issued_at: world.now(),
            expires_at: Some(world.now() + SignedDuration::from_secs(i64::from(up_to(80_000)))),
            worker: None,
            details: Vec::new(),
        });
        let latest = world.now() + SignedDuration::from_millis(i64::from(up_to(90_000_000)) - 30_000);
        let mut token = match world.identity.downscope(&caller, &declared, &act, latest) {
            Ok(token) => token,
            Err(error) => {
                assert_eq!(error, DownscopeError::Expired);
                assert!(latest <= world.now() - SignedDuration::from_secs(9), "{latest}");
                refused += 1;
                continue;
            }
        };
        if up_to(2) == 0 {
            // Asking again for more, for longer.
            token = world
                .identity
                .downscope(token.caller(), &held, &act, latest + hour())
                .expect("it has not ended");
        }
        assert!(
            held.covers_all(token.scopes()) && declared.covers_all(token.scopes()),
            "{held} {declared} {token:?}"
        );
        assert!(token.expires_at() <= latest && Some(token.expires_at()) <= caller.expires_at());
        assert_eq!((token.caller().principal(), token.caller().act()), (&world.ana, Some(&act)));
        narrowed += 1;
    }
    assert!(narrowed > 90_000 && refused > 0, "{narrowed} {refused}");
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
