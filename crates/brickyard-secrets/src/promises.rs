//! What secrets promise: played as carol, who owns the scope `travel`, ana, who may read it, and bob, who may not.
//! `S..` are the entries of the hostile corpus that apply below HTTP.

use std::sync::Arc;

use brickyard_catalog::{
    Action, Catalog, CreateSecretScope, Denied, Level, ListSecretScopes, ListSecrets, ManageSecretScope,
    Permissions, Permit, ReadSecret, Securable, WriteSecret, permissions,
};
use brickyard_identity::{Identity, IdentityConfig, IdentitySlots, MasterKey, NewUser};
use brickyard_store::{Backend, MemoryJournal, Slot, SqliteJournal, Store};
use brickyard_types::{
    Clock, EnvironmentValue, ManualClock, Principal, ScopeSet, Secret, SecretKey, SecretRef, SecretScopeName,
    SeededEntropy, SignedDuration, Timestamp, WorkspaceId,
};

use crate::sealed::Sealed;
use crate::state::{SecretChange, SecretVault};
use crate::{InitialManager, SecretLimits, Secrets, SecretsError};

const NOW: i64 = 1_790_000_000_123;
const WORKSPACE: WorkspaceId = WorkspaceId(1);

struct Workspace {
    store: Store,
    slot: Slot<SecretVault>,
    permissions: Slot<Permissions>,
    catalog: Catalog,
    secrets: Secrets,
    clock: Arc<ManualClock>,
    master: Arc<MasterKey>,
    ana: Principal,
    bob: Principal,
    carol: Principal,
}

fn secret(scope: &str, key: &str) -> SecretRef {
    SecretRef { scope: scope.parse().unwrap(), key: key.parse().unwrap() }
}

fn limits() -> SecretLimits {
    SecretLimits { secrets_per_scope: 3, scopes: 3, ..SecretLimits::default() }
}

impl Workspace {
    async fn new() -> Self {
        Self::on(MemoryJournal::new()).await
    }

    async fn on(backend: impl Backend) -> Self {
        let mut builder = Store::builder();
        let identity_slots = IdentitySlots::register(&mut builder);
        let permissions = builder.own::<Permissions>();
        let unity = builder.own::<brickyard_catalog::unity::Unity>();
        let slot = builder.own::<SecretVault>();
        let store = builder.open(backend).await.unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp::from_millisecond(NOW).unwrap()));
        let entropy = Arc::new(SeededEntropy::new(7));
        let master = Arc::new(MasterKey::ephemeral(&*entropy));
        let config =
            IdentityConfig::new(WORKSPACE, "00000000-0000-4000-8000-000000000000", "http://localhost:1");
        let identity = Identity::open(
            store.clone(),
            identity_slots,
            config,
            master.clone(),
            clock.clone() as Arc<dyn Clock>,
            entropy.clone(),
        );
        let identity = identity.await.unwrap();
        let mut people = Vec::new();
        for name in ["ana@x", "bob@x", "carol@x"] {
            people.push(identity.create_user(NewUser::named(name.parse().unwrap())).await.unwrap());
        }
        let [ana, bob, carol] = <[Principal; 3]>::try_from(people).unwrap();
        let catalog = Catalog::open(store.clone(), permissions, unity, identity);
        let secrets = Secrets::open(
            store.clone(),
            slot,
            catalog.clone(),
            WORKSPACE,
            limits(),
            master.clone(),
            clock.clone(),
            entropy,
        );
        let w = Self { store, slot, permissions, catalog, secrets, clock, master, ana, bob, carol };
        w.create("travel", InitialManager::Creator).await.unwrap();
        let (readable, reader, slot) =
            (Securable::SecretScope("travel".parse().unwrap()), w.ana.id, w.permissions);
        let granted = w.store.commit(|tx| {
            permissions::merge_entries(tx, slot, &readable, vec![(reader, Level::Read)]);
            Ok::<_, ()>(())
        });
        granted.await.unwrap();
        w
    }

    fn may<A: Action>(&self, who: &Principal, action: A) -> Result<Permit<A>, Denied> {
        let hour = SignedDuration::from_hours(1);
        let caller = self.catalog.identity().mint(who, ScopeSet::all_apis(), hour).unwrap().caller;
        self.catalog.authorize(&caller, action)
    }

    async fn create(&self, scope: &str, manager: InitialManager) -> Result<(), SecretsError> {
        let permit = self.may(&self.carol, CreateSecretScope(scope.parse().unwrap())).unwrap();
        self.secrets.create_scope(&permit, manager).await
    }

    async fn put(&self, secret: &SecretRef, value: &[u8]) -> Result<(), SecretsError> {
        let permit = self.may(&self.carol, WriteSecret(secret.clone())).unwrap();
        self.secrets.put(&permit, &Secret::new(value)).await
    }

    fn read(&self, secret: &SecretRef) -> Result<Vec<u8>, SecretsError> {
        let permit = self.may(&self.carol, ReadSecret(secret.clone())).unwrap();
        self.secrets.read(&permit).map(|value| value.expose().to_vec())
    }

    fn sealed(&self, secret: &SecretRef) -> (u64, Sealed) {
        let vault = self.store.read(self.slot);
        let entry = vault.scope(&secret.scope).unwrap().entry(&secret.key).unwrap();
        (entry.version, entry.sealed.clone())
    }

    /// What somebody who can write to the database can do: any bytes in any row.
    async fn tamper(&self, secret: &SecretRef, version: u64, sealed: Sealed) {
        let (slot, secret) = (self.slot, secret.clone());
        let updated_at = self.clock.now();
        let written = self.store.commit(|tx| {
            tx.change(slot, SecretChange::Put { secret, version, updated_at, sealed });
            Ok::<_, ()>(())
        });
        written.await.unwrap();
    }
}

#[tokio::test]
async fn a_reader_reads_and_lists_and_a_stranger_gets_neither_a_value_nor_a_key() {
    let w = Workspace::new().await;
    let token = secret("travel", "weather-token");
    w.put(&token, b"s3cret").await.unwrap();
    let ana = w.may(&w.ana, ReadSecret(token.clone())).unwrap();
    assert_eq!(w.secrets.read(&ana).unwrap().expose(), b"s3cret");
    assert!(w.may(&w.ana, WriteSecret(token.clone())).is_err());

    // S08: who may list sees keys and times, and there is no way from there to a value.
    let list = w.secrets.list(&w.may(&w.ana, ListSecrets("travel".parse().unwrap())).unwrap()).unwrap();
    assert_eq!(list.len(), 1);
    assert_eq!((list[0].key.as_str(), list[0].last_updated.as_millisecond()), ("weather-token", NOW));
    assert!(!format!("{list:?}").contains("s3cret"));

    assert!(w.may(&w.bob, ReadSecret(token.clone())).is_err());
    assert!(w.may(&w.bob, ListSecrets("travel".parse().unwrap())).is_err());
    // The names of scopes are for everybody.
    let scopes = w.secrets.list_scopes(&w.may(&w.bob, ListSecretScopes(())).unwrap());
    assert_eq!(scopes[0].name.as_str(), "travel");
    assert_eq!(scopes[0].creator, w.carol.id);
}

#[tokio::test]
async fn s02_s03_a_creator_without_read_is_refused_at_creation_and_after_it_was_taken_away() {
    let w = Workspace::new().await;
    let token = secret("travel", "weather-token");
    w.put(&token, b"s3cret").await.unwrap();
    assert!(w.catalog.authorize_creator(&w.bob, ReadSecret(token.clone())).is_err());
    assert!(w.catalog.authorize_creator(&w.ana, ReadSecret(token.clone())).is_ok());
    let (on, slot) = (Securable::SecretScope("travel".parse().unwrap()), w.permissions);
    let withdrawn = w.store.commit(|tx| {
        permissions::set_entries(tx, slot, &on, vec![]);
        Ok::<_, ()>(())
    });
    withdrawn.await.unwrap();
    let denied = w.catalog.authorize_creator(&w.ana, ReadSecret(token)).unwrap_err();
    assert_eq!(denied.fix().unwrap(), "databricks secrets put-acl travel ana@x READ");
}

#[tokio::test]
async fn s04_names_that_are_paths_or_twins_are_refused() {
    let w = Workspace::new().await;
    for name in ["..", "../x", "%2e%2e", "a/b", "a\0b", "", &"x".repeat(129)] {
        assert!(name.parse::<SecretScopeName>().is_err(), "{name:?}");
        assert!(name.parse::<SecretKey>().is_err(), "{name:?}");
    }
    let twin = w.create("Travel", InitialManager::Creator).await.unwrap_err();
    assert_eq!(twin.to_string(), "secret scope travel already exists; scope names differ in more than case");
    w.put(&secret("travel", "token"), b"one").await.unwrap();
    let twin = w.put(&secret("travel", "TOKEN"), b"two").await.unwrap_err();
    assert!(matches!(twin, SecretsError::CaseTwin { .. }), "{twin}");
    assert_eq!(w.read(&secret("Travel", "Token")).unwrap(), b"one", "one secret, in any spelling");
}

#[tokio::test]
async fn s06_a_reference_inside_a_value_is_data() {
    let w = Workspace::new().await;
    w.put(&secret("travel", "inner"), b"inner value").await.unwrap();
    w.put(&secret("travel", "outer"), b"{{secrets/travel/inner}}").await.unwrap();
    let EnvironmentValue::Secret(reference) = EnvironmentValue::parse("{{secrets/travel/outer}}").unwrap()
    else {
        panic!("a reference");
    };
    assert_eq!(w.read(&reference).unwrap(), b"{{secrets/travel/inner}}");
}

#[tokio::test]
async fn s07_a_missing_or_deleted_secret_is_named_and_nothing_else_is_said() {
    let w = Workspace::new().await;
    let token = secret("travel", "weather-token");
    assert_eq!(
        w.read(&token).unwrap_err().to_string(),
        "secret {{secrets/travel/weather-token}} does not exist"
    );
    w.put(&token, b"s3cret").await.unwrap();
    let permit = w.may(&w.carol, WriteSecret(token.clone())).unwrap();
    w.secrets.delete(&permit).await.unwrap();
    assert!(matches!(w.read(&token), Err(SecretsError::NotFound(_))));
    assert!(matches!(w.secrets.delete(&permit).await, Err(SecretsError::NotFound(_))));
}

#[tokio::test]
async fn s09_values_are_kept_to_the_byte_up_to_the_limit() {
    let w = Workspace::new().await;
    let token = secret("travel", "token");
    let longest = vec![0xff; 128 * 1024];
    for value in [&b""[..], b"\0\xff\n{}", &longest] {
        w.put(&token, value).await.unwrap();
        assert_eq!(w.read(&token).unwrap(), value);
    }
    let refused = w.put(&token, &[longest.as_slice(), b"x"].concat()).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the value of secret {{secrets/travel/token}} has 131073 bytes; at most 131072 are allowed"
    );
    assert_eq!(w.read(&token).unwrap(), longest, "the value before stays");
    for key in ["two", "three"] {
        w.put(&secret("travel", key), b"").await.unwrap();
    }
    assert!(matches!(
        w.put(&secret("travel", "four"), b"").await,
        Err(SecretsError::TooManySecrets { limit: 3, .. })
    ));
    w.put(&secret("travel", "two"), b"again").await.unwrap();
    for scope in ["second", "third"] {
        w.create(scope, InitialManager::Creator).await.unwrap();
    }
    let refused = w.create("fourth", InitialManager::Creator).await;
    assert!(matches!(refused, Err(SecretsError::TooManyScopes { limit: 3 })));
}

#[tokio::test]
async fn s10_a_ciphertext_moved_to_another_name_does_not_open() {
    let w = Workspace::new().await;
    w.create("other", InitialManager::Creator).await.unwrap();
    let (one, two, elsewhere) = (secret("travel", "one"), secret("travel", "two"), secret("other", "one"));
    for (name, value) in [(&one, "1"), (&two, "2"), (&elsewhere, "3")] {
        w.put(name, value.as_bytes()).await.unwrap();
    }
    let blobs = [w.sealed(&one), w.sealed(&two), w.sealed(&elsewhere)];
    for (place, name) in [&one, &two, &elsewhere].into_iter().enumerate() {
        for (source, (version, sealed)) in blobs.iter().enumerate() {
            w.tamper(name, *version, sealed.clone()).await;
            assert_eq!(w.read(name).is_ok(), place == source, "blob {source} in place of {place}");
        }
        // The right blob, said to be of another version.
        w.tamper(name, blobs[place].0 + 100, blobs[place].1.clone()).await;
        assert!(matches!(w.read(name), Err(SecretsError::Unreadable(_))));
    }
}

#[tokio::test]
async fn a_value_of_before_a_deletion_does_not_come_back() {
    let w = Workspace::new().await;
    let token = secret("travel", "token");
    w.put(&token, b"old").await.unwrap();
    let (_, old) = w.sealed(&token);
    let manage = w.may(&w.carol, ManageSecretScope("travel".parse().unwrap())).unwrap();
    w.secrets.delete_scope(&manage).await.unwrap();
    assert!(w.may(&w.ana, ReadSecret(token.clone())).is_err(), "the rights are gone with the scope");
    w.create("travel", InitialManager::Creator).await.unwrap();
    assert!(w.may(&w.ana, ReadSecret(token.clone())).is_err());
    assert!(matches!(w.read(&token), Err(SecretsError::NotFound(_))));
    w.put(&token, b"new").await.unwrap();
    let (version, _) = w.sealed(&token);
    w.tamper(&token, version, old).await;
    assert!(matches!(w.read(&token), Err(SecretsError::Unreadable(_))), "the old blob in the new row");
}

#[tokio::test]
async fn s11_s12_a_flipped_bit_a_cut_blob_or_another_master_key_is_an_error_and_never_garbage() {
    let w = Workspace::new().await;
    let token = secret("travel", "token");
    w.put(&token, b"s3cret").await.unwrap();
    let (version, sealed) = w.sealed(&token);
    let whole = sealed.bytes().to_vec();
    for place in 0..whole.len() {
        let mut changed = whole.clone();
        changed[place] ^= 1 << (place % 8);
        w.tamper(&token, version, Sealed::from_bytes(&changed)).await;
        assert!(matches!(w.read(&token), Err(SecretsError::Unreadable(_))), "bit {place}");
    }
    for length in 0..whole.len() {
        w.tamper(&token, version, Sealed::from_bytes(&whole[..length])).await;
        assert!(matches!(w.read(&token), Err(SecretsError::Unreadable(_))), "first {length} bytes");
    }
    w.tamper(&token, version, sealed).await;
    assert_eq!(w.read(&token).unwrap(), b"s3cret");

    let chance = Arc::new(SeededEntropy::new(99));
    let other_key = Arc::new(MasterKey::ephemeral(&*chance));
    let open = |workspace, master| {
        let (store, catalog) = (w.store.clone(), w.catalog.clone());
        Secrets::open(store, w.slot, catalog, workspace, limits(), master, w.clock.clone(), chance.clone())
    };
    let permit = w.may(&w.ana, ReadSecret(token)).unwrap();
    let refused = open(WORKSPACE, other_key).read(&permit).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "secret {{secrets/travel/token}} cannot be opened: its stored value was changed, or sealed with another master \
         key; put it again"
    );
    assert!(open(WorkspaceId(2), w.master.clone()).read(&permit).is_err(), "a row of another workspace");
    assert!(open(WORKSPACE, w.master.clone()).read(&permit).is_ok());
}

#[tokio::test]
async fn no_plain_value_is_on_disk_or_in_debug_text() {
    let canary = b"canary-7b1f0c52e9";
    let folder = tempfile::tempdir().unwrap();
    let w = Workspace::on(SqliteJournal::open(folder.path()).await.unwrap()).await;
    let token = secret("travel", "token");
    w.put(&token, canary).await.unwrap();
    assert_eq!(w.read(&token).unwrap(), canary);
    let shown = format!("{:?} {:?} {:?}", w.secrets, &*w.store.read(w.slot), w.sealed(&token));
    assert!(!shown.contains("canary") && shown.contains("sealed bytes"), "{shown}");
    w.store.close().await;

    let mut seen = 0;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        seen += bytes.len();
        // As it is, and in base64 at each of its three alignments.
        let forms =
            [canary.as_slice(), b"Y2FuYXJ5LTdiMWYwYzUy", b"NhbmFyeS03YjFmMGM1Mm", b"jYW5hcnktN2IxZjBjNTJl"];
        for form in forms {
            assert!(!bytes.windows(form.len()).any(|window| window == form));
        }
    }
    assert!(seen > 0);
}

#[tokio::test]
async fn secrets_survive_a_restart() {
    let journal = MemoryJournal::new();
    let token = secret("Travel", "Token");
    let sealed = {
        let w = Workspace::on(journal.clone()).await;
        w.put(&token, b"s3cret").await.unwrap();
        w.clock.advance(SignedDuration::from_mins(1));
        w.put(&token, b"s3cret again").await.unwrap();
        let sealed = w.sealed(&token);
        w.store.close().await;
        sealed
    };
    let mut builder = Store::builder();
    IdentitySlots::register(&mut builder);
    builder.own::<Permissions>();
    let slot = builder.own::<SecretVault>();
    let store = builder.open(journal).await.unwrap();
    let vault = store.read(slot);
    let entry = vault.scope(&token.scope).unwrap().entry(&token.key).unwrap();
    assert_eq!((entry.version, &entry.sealed), (sealed.0, &sealed.1));
    assert_eq!(entry.updated_at.as_millisecond(), NOW + 60_000);
    assert!(vault.next_version() > sealed.0);
}

#[tokio::test]
async fn a_scope_may_be_given_to_all_users_when_it_is_made() {
    let w = Workspace::new().await;
    w.create("shared", InitialManager::Users).await.unwrap();
    assert!(w.may(&w.bob, ManageSecretScope("shared".parse().unwrap())).is_ok());
    assert!(w.may(&w.bob, ManageSecretScope("travel".parse().unwrap())).is_err());
}
