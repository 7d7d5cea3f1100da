//! A small workspace: ana and bob are users, bob is an analyst through a nested group, carol creates things, ada is an
//! admin, `robot` is a service principal, and `hidden` is the system principal of an agent.

use std::sync::Arc;

use brickyard_identity::{Caller, Identity, IdentityConfig, IdentitySlots, MasterKey, NewUser, directory};
use brickyard_store::{MemoryJournal, Store};
use brickyard_types::{
    BearerToken, Clock, EndpointId, Entropy, ManualClock, Principal, PrincipalId, ScopeSet, SeededEntropy,
    SignedDuration, Timestamp, WorkerId, WorkspaceId,
};

use crate::{Catalog, EndpointRef, Level, Permissions, Securable, WarehouseRef, permissions};

pub struct Workspace {
    pub catalog: Catalog,
    pub store: Store,
    pub slots: IdentitySlots,
    pub ada: Principal,
    pub ana: Principal,
    pub bob: Principal,
    pub carol: Principal,
    pub robot: Principal,
    pub hidden: Principal,
    pub users: PrincipalId,
    /// Holds `staff`, which holds bob.
    pub analysts: PrincipalId,
    pub staff: PrincipalId,
    entropy: Arc<dyn Entropy>,
}

impl Workspace {
    pub async fn new() -> Self {
        let mut builder = Store::builder();
        let slots = IdentitySlots::register(&mut builder);
        let slot = builder.own::<Permissions>();
        let unity = builder.own::<crate::unity::Unity>();
        let store = builder.open(MemoryJournal::new()).await.unwrap();
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp::from_second(1_790_000_000).unwrap()));
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(7));
        let config =
            IdentityConfig::new(WorkspaceId(1), "00000000-0000-4000-8000-000000000000", "http://localhost:1");
        let master = Arc::new(MasterKey::ephemeral(&*entropy));
        let identity =
            Identity::open(store.clone(), slots, config, master, clock, entropy.clone()).await.unwrap();
        let agent = EndpointId::random(&*entropy);
        let made = store.commit(|tx| {
            let mut user = |name: &str, admin: bool| {
                let user = NewUser { admin, ..NewUser::named(name.parse().unwrap()) };
                directory::create_user(tx, slots, &user)
            };
            let people =
                [user("ada@x", true)?, user("ana@x", false)?, user("bob@x", false)?, user("carol@x", false)?];
            let robot = directory::create_service_principal(
                tx,
                slots,
                "robot",
                "11111111-1111-4111-8111-111111111111",
            )?;
            let hidden = directory::create_system_principal(
                tx,
                slots,
                agent,
                "agent-1",
                "22222222-2222-4222-8222-222222222222",
            )?;
            let analysts = directory::create_group(tx, slots, &"analysts".parse()?)?;
            let staff = directory::create_group(tx, slots, &"staff".parse()?)?;
            directory::add_member(tx, slots, analysts, staff)?;
            directory::add_member(tx, slots, staff, people[2].id)?;
            Ok::<_, directory::DirectoryError>((people, robot, hidden, analysts, staff))
        });
        let ([ada, ana, bob, carol], robot, hidden, analysts, staff) = made.await.unwrap();
        let users = identity.directory().users_group().unwrap();
        let catalog = Catalog::open(store.clone(), slot, unity, identity);
        Self { catalog, store, slots, ada, ana, bob, carol, robot, hidden, users, analysts, staff, entropy }
    }

    /// An endpoint of carol's.
    pub async fn endpoint(&self, name: &str, entries: &[(PrincipalId, Level)]) -> EndpointRef {
        let endpoint = EndpointRef { id: EndpointId::random(&*self.entropy), name: name.parse().unwrap() };
        let (owner, slot) = (Some(self.carol.id), self.catalog.slot());
        let made = self.store.commit(|tx| {
            permissions::object_created(tx, slot, &(&endpoint).into(), owner, entries.to_vec());
            Ok::<_, ()>(())
        });
        made.await.unwrap();
        endpoint
    }

    /// A SQL warehouse of carol's.
    pub async fn warehouse(&self, name: &str, entries: &[(PrincipalId, Level)]) -> WarehouseRef {
        let warehouse = WarehouseRef { id: name.into(), name: name.into() };
        let (owner, slot) = (Some(self.carol.id), self.catalog.slot());
        let made = self.store.commit(|tx| {
            permissions::object_created(tx, slot, &(&warehouse).into(), owner, entries.to_vec());
            Ok::<_, ()>(())
        });
        made.await.unwrap();
        warehouse
    }

    /// A secret scope of carol's.
    pub async fn scope(&self, name: &str, entries: &[(PrincipalId, Level)]) -> Securable {
        let scope = Securable::SecretScope(name.parse().unwrap());
        let mut entries = entries.to_vec();
        entries.push((self.carol.id, Level::Manage));
        let slot = self.catalog.slot();
        let made = self.store.commit(|tx| {
            permissions::object_created(tx, slot, &scope, None, entries);
            Ok::<_, ()>(())
        });
        made.await.unwrap();
        scope
    }

    pub async fn declare(&self, securable: &Securable, level: Level) {
        let (who, slot) = (self.hidden.id, self.catalog.slot());
        let made = self.store.commit(|tx| {
            permissions::grant_direct(tx, slot, securable, who, level);
            Ok::<_, ()>(())
        });
        made.await.unwrap();
    }

    /// Somebody with a token of these scopes.
    pub fn with_scopes(&self, principal: &Principal, scopes: &str) -> Caller {
        let scopes = ScopeSet::parse(scopes).unwrap();
        self.catalog.identity().mint(principal, scopes, SignedDuration::from_hours(1)).unwrap().caller
    }

    /// Somebody with a token that opens everything; the hidden principal with its passthrough token.
    pub fn caller(&self, principal: &Principal) -> Caller {
        if *principal == self.hidden {
            let worker = WorkerId("worker-1".into());
            let issued = self.catalog.identity().passthrough(principal, &worker).unwrap();
            let token = BearerToken::new(issued.token.expose());
            return self.catalog.identity().authenticate(&token).unwrap();
        }
        self.with_scopes(principal, "all-apis")
    }
}
