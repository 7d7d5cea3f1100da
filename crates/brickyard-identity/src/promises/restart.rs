//! What was acknowledged is there after a restart, and nothing secret is in the journal.

use std::sync::Arc;

use brickyard_store::{MemoryJournal, Store};
use brickyard_types::{BearerToken, SeededEntropy, SystemClock};

use super::{CLIENT_SECRET, PAT, config, hour, open, scopes};
use crate::{Identity, IdentityError, IdentitySlots, MasterKey, SigningFailed, Unauthenticated};

#[tokio::test]
async fn tokens_keys_and_revocations_survive_a_restart() {
    let journal = MemoryJournal::new();
    let before = open(config(), journal.clone()).await;
    let kept = before.token(&before.ana, "sql");
    let revoked = before.identity.mint(&before.ana, scopes("sql"), hour()).unwrap();
    before.identity.revoke(&revoked.caller).await.unwrap();
    before.identity.inner.store.close().await;

    let after = open(config(), journal.clone()).await;
    assert_eq!(after.kid(), before.kid());
    assert_eq!(after.ana, before.ana);
    assert_eq!(after.identity.authenticate(&kept).unwrap().principal(), &after.ana);
    assert_eq!(after.identity.authenticate(&revoked.token).unwrap_err(), Unauthenticated::Revoked);
    assert!(after.identity.authenticate(&BearerToken::new(PAT)).is_ok());
}

#[tokio::test]
async fn the_journal_holds_no_secret_and_is_worth_nothing_without_its_master_key() {
    let journal = MemoryJournal::new();
    let world = open(config(), journal.clone()).await;
    let pat = world.identity.create_pat(&world.ana, "x", None, None).await.unwrap();
    let secret = world.identity.create_secret(world.robot.id, None, None).await.unwrap();
    let token = world.token(&world.ana, "sql");
    let text: String = journal
        .commits()
        .iter()
        .flat_map(|commit| &commit.records)
        .map(|record| record.body.get().to_owned())
        .collect();
    for known in [PAT, CLIENT_SECRET, pat.token.expose(), secret.secret.expose_str().unwrap(), token.expose()]
    {
        assert!(!text.contains(known) && !text.contains(&known[4..]));
    }
    world.identity.inner.store.close().await;

    let mut builder = Store::builder();
    let slots = IdentitySlots::register(&mut builder);
    let store = builder.open(journal).await.unwrap();
    let other = Arc::new(MasterKey::ephemeral(&SeededEntropy::new(99)));
    let opened = Identity::open(
        store,
        slots,
        config(),
        other,
        Arc::new(world_clock()),
        Arc::new(SeededEntropy::new(1)),
    )
    .await;
    assert!(matches!(opened, Err(IdentityError::Signing(SigningFailed::Sealed(_)))));
}

fn world_clock() -> impl brickyard_types::Clock {
    brickyard_types::ManualClock::at(brickyard_types::Timestamp::from_second(super::NOW).unwrap())
}

#[tokio::test]
async fn opening_can_be_sent_to_another_thread() {
    let opened = tokio::spawn(async {
        let mut builder = Store::builder();
        let slots = IdentitySlots::register(&mut builder);
        let store = builder.open(MemoryJournal::new()).await.unwrap();
        let master = Arc::new(MasterKey::ephemeral(&SeededEntropy::new(1)));
        let identity = Identity::open(
            store,
            slots,
            config(),
            master,
            Arc::new(SystemClock),
            Arc::new(SeededEntropy::new(2)),
        )
        .await
        .unwrap();
        identity.rotate_signing_key().await.unwrap();
    });
    opened.await.unwrap();
}
