//! What the crate promises, in the words of whoever relies on it. Below: a workspace in memory with a clock that
//! stands still, and a forger who has the real signing key.

mod directory;
mod downscoping;
mod keys;
mod oauth;
mod restart;
mod rotation;
mod tokens;
mod verified;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use brickyard_store::{MemoryJournal, Store};
use brickyard_types::{
    BearerToken, EndpointId, Entropy, ManualClock, Principal, ScopeSet, Secret, SeededEntropy,
    SignedDuration, Timestamp, WorkspaceId,
};

use crate::{Act, Identity, IdentityConfig, IdentitySlots, ImportedPat, MasterKey, NewUser};

const HOST: &str = "http://localhost:8080";
const PAT: &str = "dapi0123456789abcdef0123456789abcdef";
const CLIENT_ID: &str = "7f1c0000-1111-4222-8333-444455556666";
const CLIENT_SECRET: &str = "dose0123456789abcdef0123456789abcdef";
const NOW: i64 = 1_800_000_000;

struct World {
    identity: Identity,
    clock: Arc<ManualClock>,
    entropy: Arc<SeededEntropy>,
    ana: Principal,
    robot: Principal,
}

fn config() -> IdentityConfig {
    IdentityConfig::new(WorkspaceId(1_234_567_890), "6b2a0000-0000-4000-8000-000000000000", HOST)
}

async fn open(config: IdentityConfig, journal: MemoryJournal) -> World {
    let mut builder = Store::builder();
    let slots = IdentitySlots::register(&mut builder);
    let store = builder.open(journal).await.expect("a journal in memory opens");
    let clock = Arc::new(ManualClock::at(Timestamp::from_second(NOW).expect("a time")));
    let entropy = Arc::new(SeededEntropy::new(7));
    let master = Arc::new(MasterKey::ephemeral(&SeededEntropy::new(8)));
    let identity =
        Identity::open(store, slots, config, master, clock.clone(), entropy.clone()).await.expect("it opens");
    let ana = match identity.directory().by_name("ana@example.com").map(|entry| entry.principal.clone()) {
        Some(ana) => ana,
        None => identity.create_user(NewUser::named(name("ana@example.com"))).await.expect("a new user"),
    };
    let robot = match identity.directory().by_name(CLIENT_ID).map(|entry| entry.principal.clone()) {
        Some(robot) => robot,
        None => identity
            .create_service_principal("robot", Some(CLIENT_ID))
            .await
            .expect("a new service principal"),
    };
    identity.import_pat(ImportedPat::new(ana.id, PAT.into())).await.expect("a token");
    identity.import_secret(robot.id, &Secret::from(CLIENT_SECRET), None, None).await.expect("a secret");
    World { identity, clock, entropy, ana, robot }
}

async fn world() -> World {
    open(config(), MemoryJournal::new()).await
}

fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a valid name")
}

fn scopes(text: &str) -> ScopeSet {
    ScopeSet::parse(text).expect("a valid list")
}

fn hour() -> SignedDuration {
    SignedDuration::from_hours(1)
}

impl World {
    fn now(&self) -> Timestamp {
        self.identity.now()
    }

    fn advance(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    fn act(&self, endpoint: &str) -> Act {
        Act { endpoint_id: EndpointId::random(&*self.entropy as &dyn Entropy), endpoint_name: name(endpoint) }
    }

    fn token(&self, principal: &Principal, scope: &str) -> BearerToken {
        self.identity.mint(principal, scopes(scope), hour()).expect("a token").token
    }

    /// What an attacker who got hold of the signing key could make.
    fn forge(&self, header: &[u8], payload: &[u8]) -> BearerToken {
        let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let key = self.identity.signing_key().expect("a key");
        let signature = key.sign_message(input.as_bytes()).expect("a signature");
        BearerToken::new(crate::jwt::finish(input, &signature))
    }

    fn kid(&self) -> Arc<str> {
        self.identity.signing_key().expect("a key").kid.clone()
    }

    fn header(&self) -> serde_json::Value {
        serde_json::json!({"alg": "ES256", "kid": &*self.kid(), "typ": "at+jwt"})
    }

    fn claims(&self) -> serde_json::Value {
        serde_json::json!({
            "iss": "http://localhost:8080/oidc", "aud": "1234567890", "sub": "ana@example.com", "uid": self.ana.id,
            "client_id": "databricks-cli", "scope": "sql", "iat": NOW, "exp": NOW + 3600,
            "jti": "00112233445566778899aabbccddeeff",
        })
    }
}
