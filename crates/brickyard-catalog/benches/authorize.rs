//! Authorizing a three-part name: the name is resolved, the chain is walked, a permit with its trace comes out. In the
//! catalog are 1,000 tables, 100,000 grants and 1,000 groups. The bar is 10 us at the median (`median` in criterion's
//! `estimates.json`, and the middle figure that it prints).

use std::hint::black_box;
use std::sync::Arc;

use brickyard_catalog::unity::{
    Detail, Object, ObjectId, ObjectKind, ObjectPath, PrivilegeSet, SelectTable, TableDetail, TableKind,
    Target, Unity, UnityChange, UnityPrivilege,
};
use brickyard_catalog::{Catalog, Permissions, family};
use brickyard_identity::{Caller, Identity, IdentityConfig, IdentitySlots, MasterKey, NewUser, directory};
use brickyard_store::{MemoryJournal, Store};
use brickyard_types::{
    Clock, Entropy, ManualClock, PrincipalId, ScopeSet, SeededEntropy, SignedDuration, Timestamp, WorkspaceId,
};
use criterion::{Criterion, criterion_group, criterion_main};

const GROUPS: usize = 1_000;
const TABLES: u64 = 1_000;
/// Grants a table, on average: with those below 100,000.
const EACH: usize = 97;

struct World {
    catalog: Catalog,
    in_three: Caller,
    in_all: Caller,
}

fn object(id: u64, kind: ObjectKind, parent: u64, full_name: &str, owner: PrincipalId) -> Box<Object> {
    let detail = match kind {
        ObjectKind::Catalog => Detail::Catalog,
        ObjectKind::Schema => Detail::Schema,
        _ => Detail::Table(TableDetail {
            table_kind: TableKind::Managed,
            columns: Vec::new(),
            view_query: None,
            view_context: (None, None),
            row_filter: None,
            location: None,
            format: None,
            options: Default::default(),
            primary_key: Vec::new(),
            primary_key_name: None,
            foreign_keys: Vec::new(),
        }),
    };
    let at = Timestamp::UNIX_EPOCH;
    let name = full_name.rsplit('.').next().unwrap_or_default();
    Box::new(Object {
        id: ObjectId(id),
        kind,
        uid: "uid".into(),
        name: name.into(),
        full_name: full_name.into(),
        parent: ObjectId(parent),
        owner,
        comment: None,
        properties: Default::default(),
        tags: Default::default(),
        created_at: at,
        created_by: "owner@x".into(),
        updated_at: at,
        updated_by: "owner@x".into(),
        detail,
    })
}

async fn world() -> World {
    let mut builder = Store::builder();
    let slots = IdentitySlots::register(&mut builder);
    let (slot, unity) = (builder.own::<Permissions>(), builder.own::<Unity>());
    let store = builder.open(MemoryJournal::new()).await.unwrap();
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp::from_second(1_790_000_000).unwrap()));
    let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(7));
    let config =
        IdentityConfig::new(WorkspaceId(1), "00000000-0000-4000-8000-000000000000", "http://localhost:1");
    let master = Arc::new(MasterKey::ephemeral(&*entropy));
    let identity = Identity::open(store.clone(), slots, config, master, clock, entropy).await.unwrap();
    let made = store.commit(|tx| {
        let mut user = |name: &str| directory::create_user(tx, slots, &NewUser::named(name.parse().unwrap()));
        let people = [user("owner@x")?, user("three@x")?, user("all@x")?];
        let mut groups = Vec::new();
        for n in 0..GROUPS {
            let group = directory::create_group(tx, slots, &format!("group-{n}").parse()?)?;
            directory::add_member(tx, slots, group, people[2].id)?;
            if n % 400 == 399 || n == GROUPS - 1 {
                directory::add_member(tx, slots, group, people[1].id)?;
            }
            groups.push(group);
        }
        Ok::<_, directory::DirectoryError>((people, groups))
    });
    let ([owner, three, all], groups) = made.await.unwrap();
    let last = groups[GROUPS - 1];
    let granted = store.commit(|tx| {
        let mut create = |id, kind, parent, name: &str| {
            let object = object(id, kind, parent, name, owner.id);
            tx.change(unity, UnityChange::Created { object });
        };
        create(1, ObjectKind::Catalog, 0, "main");
        create(2, ObjectKind::Schema, 1, "main.sales");
        for n in 0..TABLES {
            create(3 + n, ObjectKind::Table, 2, &format!("main.sales.table_{n}"));
        }
        let mut grant = |on: u64, principal, privileges: &[UnityPrivilege]| {
            let privileges: PrivilegeSet = privileges.iter().copied().collect();
            tx.change(unity, UnityChange::Granted { on: ObjectId(on), principal, privileges });
        };
        use UnityPrivilege::{Modify, Select, UseCatalog, UseSchema};
        // `table_0`, its schema and its catalog have an entry of every group, and the last group alone lets anybody in:
        // each step of the walk has to find it behind the others.
        for group in &groups {
            for on in [1, 2, 3] {
                grant(on, *group, &[Modify]);
            }
        }
        grant(1, last, &[UseCatalog]);
        grant(2, last, &[UseSchema]);
        grant(3, last, &[Select]);
        // The others have a hundred each; of `table_1` the last group may read, `table_2` is for others only.
        for n in (1..TABLES).filter(|n| *n != 5) {
            for at in 0..EACH {
                let group = groups[(n as usize * 31 + at * 7) % (GROUPS - 1)];
                grant(3 + n, group, &[if n == 2 { Modify } else { Select }]);
            }
        }
        grant(4, last, &[Select]);
        // `table_5` is granted to as many strangers as there are groups: no entry of it is the caller's.
        for n in 0..GROUPS as u64 {
            grant(8, PrincipalId(9_000_000 + n), &[Select]);
        }
        Ok::<_, ()>(())
    });
    granted.await.unwrap();
    let token = |principal| {
        identity
            .mint(principal, ScopeSet::parse("sql").unwrap(), SignedDuration::from_hours(1))
            .unwrap()
            .caller
    };
    let (in_three, in_all) = (token(&three), token(&all));
    World { catalog: Catalog::open(store, slot, unity, identity), in_three, in_all }
}

fn ask(catalog: &Catalog, caller: &Caller, name: &str) -> bool {
    let Ok(path) = name.parse::<ObjectPath>() else { return false };
    let Some(object) = catalog.unity().find(ObjectKind::Table, &path).map(|object| object.reference()) else {
        return false;
    };
    catalog.authorize(caller, SelectTable(Target::new(object, &family::SQL_STATEMENTS))).is_ok()
}

fn authorize(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let world = runtime.block_on(world());
    let mut group = c.benchmark_group("authorize");
    let rows = [
        ("three groups, yes", &world.in_three, "main.sales.table_1", true),
        ("three groups, 1,000 grants a step, yes", &world.in_three, "main.sales.table_0", true),
        ("1,000 groups, yes", &world.in_all, "main.sales.table_7", true),
        ("1,000 groups, 1,000 grants a step, yes", &world.in_all, "main.sales.table_0", true),
        ("1,000 groups, no", &world.in_all, "main.sales.table_2", false),
        ("1,000 groups, 1,000 strangers' grants, no", &world.in_all, "main.sales.table_5", false),
    ];
    for (name, caller, table, expected) in rows {
        assert_eq!(ask(&world.catalog, caller, table), expected, "{name}");
        group.bench_function(name, |b| b.iter(|| ask(&world.catalog, black_box(caller), black_box(table))));
    }
    group.finish();
}

criterion_group!(benches, authorize);
criterion_main!(benches);
