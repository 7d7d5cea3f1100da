//! Signing keys come, sign, retire and are revoked without anybody noticing but those they must stop.

use brickyard_types::SignedDuration;

use super::{config, hour, open, scopes, world};
use crate::{IdentityConfig, KeyStatus, SigningAlgorithm, Unauthenticated};

#[tokio::test]
async fn a_token_of_a_retired_key_works_on_and_one_of_a_revoked_key_does_not() {
    let world = world().await;
    let (identity, old) = (&world.identity, world.kid());
    let token = world.token(&world.ana, "sql");
    world.advance(1);
    identity.rotate_signing_key().await.unwrap();
    assert_ne!(world.kid(), old);
    assert!(matches!(identity.keys().key(&old).unwrap().status, KeyStatus::Retained { .. }));
    let fresh = crate::verified::digest_of(token.expose());
    identity.inner.verified.remove(&fresh);
    assert!(identity.authenticate(&token).is_ok(), "T17");
    assert_eq!(identity.jwks().len(), 2);

    identity.revoke_signing_key(&old).await.unwrap();
    assert_eq!(identity.authenticate(&token).unwrap_err(), Unauthenticated::UntrustedKey, "T18, seen before");
    assert_eq!(identity.authenticate(&token).unwrap_err(), Unauthenticated::UntrustedKey, "T18");
    assert_eq!(identity.jwks().len(), 1);
    assert!(identity.revoke_signing_key("x").await.is_err());
}

#[tokio::test]
async fn a_key_counts_from_its_first_moment_and_not_before() {
    let world = world().await;
    let identity = &world.identity;
    let first = world.kid();
    let next = identity.schedule_signing_key(world.now() + SignedDuration::from_secs(600)).await.unwrap();
    assert_eq!(world.kid(), first);
    let record = identity.keys().key(&next).unwrap().clone();
    let early = crate::signing_key::SigningKey::unseal(&record, &identity.inner.master).unwrap();
    let claims = serde_json::from_value(world.claims()).unwrap();
    let token = early.sign(&claims).unwrap();
    assert_eq!(identity.authenticate(&token).unwrap_err(), Unauthenticated::UntrustedKey, "T19");
    world.advance(600);
    assert_eq!(world.kid(), next);
    assert!(identity.authenticate(&token).is_ok());
}

#[tokio::test]
async fn revoking_the_signing_key_leaves_another_that_signs() {
    let world = world().await;
    let (token, old) = (world.token(&world.ana, "sql"), world.kid());
    world.identity.revoke_signing_key(&old).await.unwrap();
    assert!(world.identity.authenticate(&token).is_err());
    assert_ne!(world.kid(), old);
    assert!(world.identity.authenticate(&world.token(&world.ana, "sql")).is_ok());
}

#[tokio::test]
async fn a_retired_key_is_forgotten_when_nothing_it_signed_can_be_alive() {
    let world = world().await;
    let old = world.kid();
    world.identity.rotate_signing_key().await.unwrap();
    world.advance(25 * 3600);
    world.identity.rotate_signing_key().await.unwrap();
    assert!(world.identity.keys().key(&old).is_none());
    assert_eq!(world.identity.keys().keys().count(), 2);
}

#[tokio::test]
async fn each_algorithm_signs_publishes_only_its_public_part_and_verifies_only_with_its_own_keys() {
    for (algorithm, members) in [
        (SigningAlgorithm::Es256, &["kty", "use", "alg", "kid", "crv", "x", "y"][..]),
        (SigningAlgorithm::EdDsa, &["kty", "use", "alg", "kid", "crv", "x"]),
        (SigningAlgorithm::Rs256, &["kty", "use", "alg", "kid", "n", "e"]),
    ] {
        let config = IdentityConfig { signing_algorithm: algorithm, ..config() };
        let world = open(config, brickyard_store::MemoryJournal::new()).await;
        let token = world.identity.mint(&world.ana, scopes("sql"), hour()).unwrap().token;
        world.identity.inner.verified.remove(&crate::verified::digest_of(token.expose()));
        assert!(world.identity.authenticate(&token).is_ok(), "{algorithm:?}");

        let jwk = serde_json::to_value(&world.identity.jwks()[0]).unwrap();
        let found: Vec<&String> = jwk.as_object().unwrap().keys().collect();
        assert_eq!(found.len(), members.len(), "X25 {algorithm:?}: {found:?}");
        assert!(members.iter().all(|member| jwk[member].as_str().is_some_and(|text| !text.is_empty())));
        match algorithm {
            SigningAlgorithm::Es256 => assert_eq!(
                (jwk["x"].as_str().map(str::len), jwk["y"].as_str().map(str::len)),
                (Some(43), Some(43))
            ),
            SigningAlgorithm::EdDsa => assert_eq!(jwk["x"].as_str().map(str::len), Some(43)),
            SigningAlgorithm::Rs256 => {
                assert_eq!((jwk["n"].as_str().map(str::len), jwk["e"].as_str()), (Some(342), Some("AQAB")))
            }
        }
    }
}

#[tokio::test]
async fn settings_that_would_weaken_tokens_do_not_open() {
    let seconds = SignedDuration::from_secs;
    for (what, config) in [
        ("leeway", IdentityConfig { leeway: seconds(31), ..config() }),
        ("negative leeway", IdentityConfig { leeway: seconds(-1), ..config() }),
        ("passthrough", IdentityConfig { passthrough_ttl: seconds(599), ..config() }),
        ("access token", IdentityConfig { access_token_ttl: SignedDuration::ZERO, ..config() }),
        ("longer than the longest", IdentityConfig { max_token_lifetime: seconds(3599), ..config() }),
        ("host", IdentityConfig { host: "http://localhost:8080/".to_owned(), ..config() }),
    ] {
        assert!(config.check().is_err(), "{what}");
    }
    assert!(config().check().is_ok());
}
