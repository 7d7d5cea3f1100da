//! A signature is checked once, and never that of a token which was made here a moment ago.

use std::sync::atomic::Ordering;

use brickyard_store::MemoryJournal;
use brickyard_types::{BearerToken, SignedDuration, WorkerId};

use super::{CLIENT_ID, CLIENT_SECRET, World, config, hour, open, scopes};
use crate::{OAuthForm, directory};

fn checked(world: &World) -> usize {
    world.identity.inner.checked.load(Ordering::Relaxed)
}

/// One token of each road on which brickyard makes some.
async fn minted(world: &World) -> Vec<BearerToken> {
    let identity = &world.identity;
    let caller = identity.mint(&world.ana, scopes("sql genie"), hour()).unwrap();
    let latest = world.now() + SignedDuration::from_secs(297);
    let user = identity.downscope(&caller.caller, &scopes("sql"), &world.act("concierge"), latest).unwrap();

    let (endpoint, id) = (world.act("concierge").endpoint_id, directory::new_application_id(&*world.entropy));
    let slots = identity.slots();
    let system = identity.commit(|tx| directory::create_system_principal(tx, slots, endpoint, "c-1", &id));
    let worker = WorkerId("one".into());
    let passthrough = identity.passthrough(&system.await.unwrap(), &worker).unwrap();

    let grant = |pairs: &[(&str, &str)]| {
        let client = [("client_id", CLIENT_ID), ("client_secret", CLIENT_SECRET)];
        let pairs =
            pairs.iter().chain(&client).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        identity.grant(None, &OAuthForm::read(pairs).unwrap()).unwrap().access_token
    };
    let machine = grant(&[("grant_type", "client_credentials")]);
    let exchanged = grant(&[
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", caller.token.expose()),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("scope", "sql"),
    ]);
    vec![caller.token, user.token().clone(), passthrough.token, machine, exchanged]
}

#[tokio::test]
async fn a_token_that_was_just_minted_is_never_verified() {
    let journal = MemoryJournal::new();
    let world = open(config(), journal.clone()).await;
    let tokens = minted(&world).await;
    for token in &tokens {
        for _ in 0..2 {
            world.identity.authenticate(token).unwrap();
        }
    }
    assert_eq!(checked(&world), 0);
    // Nor does a change to something else make it a stranger.
    let other = world.identity.mint(&world.robot, scopes("sql"), hour()).unwrap();
    world.identity.revoke(&other.caller).await.unwrap();
    assert!(tokens.iter().all(|token| world.identity.authenticate(token).is_ok()));
    assert_eq!(checked(&world), 0);

    // Another brickyard on the same state made none of them: it verifies each, once.
    world.identity.inner.store.close().await;
    let after = open(config(), journal).await;
    for times in 1..=3 {
        assert!(tokens.iter().all(|token| after.identity.authenticate(token).is_ok()), "{times}");
        assert_eq!(checked(&after), tokens.len());
    }
    // What nobody made is verified as often as it is shown, and never remembered.
    let mut forged = tokens[0].expose().to_owned();
    forged.replace_range(forged.len() - 4.., "AAAA");
    for times in 1..=2 {
        assert!(after.identity.authenticate(&BearerToken::new(forged.clone())).is_err());
        assert_eq!(checked(&after), tokens.len() + times);
    }
}
