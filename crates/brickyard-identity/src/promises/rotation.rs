//! System tokens: always at least half a life left, and what was rotated out still works for the other half.

use brickyard_types::WorkerId;

use super::world;
use crate::{TokenKind, directory};

#[tokio::test]
async fn a_worker_keeps_its_token_for_half_its_life_and_the_old_one_works_on() {
    let world = world().await;
    let slots = world.identity.slots();
    let endpoint = world.act("concierge").endpoint_id;
    let id = directory::new_application_id(&*world.entropy);
    let system = world
        .identity
        .commit(|tx| directory::create_system_principal(tx, slots, endpoint, "concierge-1", &id))
        .await
        .unwrap();
    let (one, two) = (WorkerId("one".into()), WorkerId("two".into()));
    let first = world.identity.passthrough(&system, &one).unwrap();
    assert_eq!((first.caller.kind(), first.caller.worker()), (TokenKind::Passthrough, Some(&one)));
    assert_eq!(world.identity.passthrough(&system, &one).unwrap().jti, first.jti);
    assert_ne!(world.identity.passthrough(&system, &two).unwrap().jti, first.jti);

    world.advance(1799);
    assert_eq!(world.identity.passthrough(&system, &one).unwrap().jti, first.jti);
    world.advance(1);
    let second = world.identity.passthrough(&system, &one).unwrap();
    assert_ne!(second.jti, first.jti);
    assert!(second.expires_at.duration_since(world.now()).as_secs() >= 1800);
    assert!(world.identity.authenticate(&first.token).is_ok());

    let mut told = world.identity.passthrough_generation();
    world.identity.rotate_passthrough();
    assert!(told.has_changed().unwrap() && *told.borrow_and_update() == 1);
    let third = world.identity.passthrough(&system, &one).unwrap();
    assert_ne!(third.jti, second.jti);
    assert!(world.identity.authenticate(&second.token).is_ok());

    // A revoked signing key takes the token along: the next one is good again.
    world.identity.revoke_signing_key(&world.kid()).await.unwrap();
    let fourth = world.identity.passthrough(&system, &one).unwrap();
    assert_ne!(fourth.jti, third.jti);
    assert!(world.identity.authenticate(&fourth.token).is_ok());

    assert!(world.identity.delete_principal(system.id).await.is_err());
    world.identity.commit(|tx| directory::delete_principal(tx, slots, system.id)).await.unwrap();
    assert!(world.identity.authenticate(&fourth.token).is_err());
    assert!(world.identity.passthrough(&system, &one).is_err());
}
