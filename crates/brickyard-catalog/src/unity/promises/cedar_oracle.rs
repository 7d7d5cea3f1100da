//! An independent oracle: the same rules, written as Cedar policies over Cedar entities, asked the same questions about
//! random worlds. `cargo test -p brickyard-catalog --features oracle cedar` asks 5,000; `BRICKYARD_CEDAR_CASES` says how
//! many instead. Cedar costs more to build than this crate, so it is a feature of its own.

use std::collections::{BTreeMap, HashMap, HashSet};

use brickyard_identity::directory;
use brickyard_types::{Principal, PrincipalId, PrincipalKind};
use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityUid, PolicySet, Request, RestrictedExpression,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::lake::{LATER, detail, target};
use crate::Asker;
use crate::promises::workspace::Workspace;
use crate::unity::UnityPrivilege as P;
use crate::unity::{
    ACCOUNT_USERS, CreateObject, ExecuteFunction, ManageObject, ModifyTable, Object, ObjectId, ObjectKind,
    ObjectRef, PrivilegeSet, SeeObject, SelectTable, TagObject, UnityChange, UseConnection, UseParents,
    grant_declared,
};

const QUESTIONS: usize = 1_000;

/// The privileges that are granted, and on which kinds.
const GRANTED: [(P, &[ObjectKind]); 15] = {
    use ObjectKind::{Catalog, Connection, Function, Metastore, Schema, Table};
    [
        (P::UseCatalog, &[Catalog]),
        (P::UseSchema, &[Catalog, Schema]),
        (P::Select, &[Catalog, Schema, Table]),
        (P::Modify, &[Catalog, Schema, Table]),
        (P::Execute, &[Catalog, Schema, Function]),
        (P::UseConnection, &[Connection]),
        (P::Browse, &[Catalog]),
        (P::Manage, &[Catalog, Schema, Table, Function, Connection]),
        (P::AllPrivileges, &[Catalog, Schema, Table, Function, Connection]),
        (P::ApplyTag, &[Catalog, Schema, Table, Function]),
        (P::CreateCatalog, &[Metastore]),
        (P::CreateConnection, &[Metastore]),
        (P::CreateSchema, &[Catalog]),
        (P::CreateTable, &[Catalog, Schema]),
        (P::CreateFunction, &[Catalog, Schema]),
    ]
};

/// In a set of words of one of the objects.
fn any(words: &[&str], places: &[&str]) -> String {
    let asked =
        places.iter().flat_map(|at| words.iter().map(move |word| format!("principal in {at}.{word}")));
    format!("({})", asked.collect::<Vec<_>>().join(" || "))
}

/// The rules, from the manual and not from the code.
fn policies() -> String {
    let use_catalog = |at: &str| any(&["owner", "USE_CATALOG", "ALL_PRIVILEGES"], &[at]);
    let use_schema = |at: &str, above: &str| {
        format!("({} || {})", any(&["owner"], &[at]), any(&["USE_SCHEMA", "ALL_PRIVILEGES"], &[at, above]))
    };
    let manage = |at: &str| any(&["owner", "MANAGE"], &[at]);
    let lent = |action: &str| matches!(action, "SELECT" | "EXECUTE" | "USE_CONNECTION" | "SEE" | "ENTER");
    let mut all = String::new();
    let mut rule = |action: &str, kind: &str, when: &str| {
        let unless = if lent(action) { "" } else { " unless { context.definer }" };
        all += &format!(
            "permit(principal, action == Action::\"{action}\", resource is {kind}) when {{ {when} }}{unless};\n"
        );
    };
    let (cat, sch) = (use_catalog("resource.catalog"), use_schema("resource.schema", "resource.catalog"));
    let lineage = ["resource", "resource.schema", "resource.catalog"];
    for (action, kind) in [("SELECT", "Table"), ("MODIFY", "Table"), ("EXECUTE", "Function")] {
        let held = any(&[action, "ALL_PRIVILEGES"], &lineage);
        rule(action, kind, &format!("{cat} && {sch} && (principal in resource.owner || {held})"));
    }
    for (kind, tells) in [
        ("Table", &["SELECT", "MODIFY", "APPLY_TAG", "MANAGE", "ALL_PRIVILEGES"][..]),
        ("Function", &["EXECUTE", "APPLY_TAG", "MANAGE", "ALL_PRIVILEGES"][..]),
    ] {
        let managed = format!(
            "({} || ({cat} && {}) || ({cat} && {sch} && {}))",
            manage("resource.catalog"),
            manage("resource.schema"),
            manage("resource")
        );
        rule("MANAGE", kind, &managed);
        rule("SEE", kind, &managed);
        let tags = any(&["APPLY_TAG", "ALL_PRIVILEGES"], &lineage);
        rule("TAG", kind, &managed);
        rule("TAG", kind, &format!("{cat} && {sch} && {tags}"));
        rule("SEE", kind, &any(&["BROWSE", "ALL_PRIVILEGES"], &["resource.catalog"]));
        rule("SEE", kind, &format!("{cat} && {sch} && {}", any(tells, &lineage)));
    }
    let inner = use_schema("resource", "resource.catalog");
    for action in ["CREATE_TABLE", "CREATE_FUNCTION"] {
        let held = any(&[action, "ALL_PRIVILEGES"], &["resource", "resource.catalog"]);
        rule(action, "Schema", &format!("{cat} && {inner} && (principal in resource.owner || {held})"));
    }
    let managed = format!("({} || ({cat} && {}))", manage("resource.catalog"), manage("resource"));
    for action in ["MANAGE", "SEE", "ENTER"] {
        rule(action, "Schema", &managed);
        rule(action, "Catalog", &manage("resource"));
    }
    rule("TAG", "Schema", &managed);
    rule(
        "TAG",
        "Schema",
        &format!("{cat} && {}", any(&["APPLY_TAG", "ALL_PRIVILEGES"], &["resource", "resource.catalog"])),
    );
    rule("TAG", "Catalog", &any(&["owner", "MANAGE", "APPLY_TAG", "ALL_PRIVILEGES"], &["resource"]));
    rule("ENTER", "Schema", &format!("{cat} && {inner}"));
    rule("ENTER", "Catalog", &use_catalog("resource"));
    let of_schema = [
        "USE_SCHEMA",
        "SELECT",
        "MODIFY",
        "EXECUTE",
        "APPLY_TAG",
        "MANAGE",
        "ALL_PRIVILEGES",
        "CREATE_TABLE",
        "CREATE_FUNCTION",
    ];
    rule("SEE", "Schema", &format!("{cat} && {}", any(&of_schema, &["resource", "resource.catalog"])));
    rule("SEE", "Schema", &any(&["BROWSE", "ALL_PRIVILEGES"], &["resource.catalog"]));
    rule("SEE", "Catalog", &any(&of_schema, &["resource"]));
    rule("SEE", "Catalog", &any(&["USE_CATALOG", "BROWSE", "CREATE_SCHEMA"], &["resource"]));
    let create = any(&["owner", "CREATE_SCHEMA", "ALL_PRIVILEGES"], &["resource"]);
    rule("CREATE_SCHEMA", "Catalog", &format!("{} && {create}", use_catalog("resource")));
    rule("USE_CONNECTION", "Connection", &any(&["owner", "USE_CONNECTION", "ALL_PRIVILEGES"], &["resource"]));
    rule("MANAGE", "Connection", &manage("resource"));
    rule("SEE", "Connection", &any(&["owner", "USE_CONNECTION", "MANAGE", "ALL_PRIVILEGES"], &["resource"]));
    rule("SEE", "Metastore", &any(&["CREATE_CATALOG", "CREATE_CONNECTION"], &["resource"]));
    rule("CREATE_CATALOG", "Metastore", &any(&["CREATE_CATALOG"], &["resource"]));
    rule("CREATE_CONNECTION", "Metastore", &any(&["CREATE_CONNECTION"], &["resource"]));
    for (action, on) in [
        ("MANAGE", ""),
        ("SEE", ""),
        ("ENTER", ""),
        ("TAG", ""),
        ("CREATE_CATALOG", " is Metastore"),
        ("CREATE_CONNECTION", " is Metastore"),
    ] {
        let not_entered =
            if action == "ENTER" { " when { resource is Catalog || resource is Schema }" } else { "" };
        all += &format!(
            "permit(principal in Group::\"admins\", action == Action::\"{action}\", resource{on}){not_entered} unless {{ context.definer }};\n"
        );
    }
    all
}

struct World {
    w: Workspace,
    objects: Vec<ObjectRef>,
    people: Vec<Principal>,
    groups: Vec<PrincipalId>,
    entities: Entities,
}

fn uid(kind: &str, name: &str) -> EntityUid {
    format!("{kind}::\"{name}\"").parse().unwrap()
}

fn kind_word(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Metastore => "Metastore",
        ObjectKind::Catalog => "Catalog",
        ObjectKind::Schema => "Schema",
        ObjectKind::Table => "Table",
        ObjectKind::Function => "Function",
        ObjectKind::Connection => "Connection",
    }
}

fn object_uid(object: &ObjectRef) -> EntityUid {
    uid(kind_word(object.kind), &object.id.0.to_string())
}

fn person_uid(principal: &Principal) -> EntityUid {
    uid("Person", &principal.id.to_string())
}

fn uid_of(w: &Workspace, id: PrincipalId) -> EntityUid {
    let directory = w.catalog.identity().directory();
    match directory.group_by_id(id) {
        Some(group) => uid("Group", group.name.as_str()),
        None if id == ACCOUNT_USERS => uid("Group", "account users"),
        None => uid("Person", &id.to_string()),
    }
}

/// What is in the journal, and the same for Cedar, collected as it is decided.
async fn world(rng: &mut StdRng) -> World {
    let w = Workspace::new().await;
    let people =
        vec![w.ada.clone(), w.ana.clone(), w.bob.clone(), w.carol.clone(), w.robot.clone(), w.hidden.clone()];
    let mut groups = vec![w.analysts, w.staff];
    let slots = w.slots;
    for n in 0..3 {
        let name = format!("g{n}").parse().unwrap();
        groups.push(w.store.commit(|tx| directory::create_group(tx, slots, &name)).await.unwrap());
    }
    for _ in 0..6 {
        let group = groups[rng.random_range(0..groups.len())];
        let member = if rng.random_bool(0.5) {
            groups[rng.random_range(0..groups.len())]
        } else {
            people[rng.random_range(1..5)].id
        };
        // A circle is refused, and then neither side knows of it.
        let _ = w.store.commit(|tx| directory::add_member(tx, slots, group, member)).await;
    }
    let admins = w.catalog.identity().directory().admins_group().unwrap();
    let mut holders: Vec<PrincipalId> = people.iter().take(5).map(|person| person.id).collect();
    holders.extend(&groups);
    holders.extend([w.users, admins, ACCOUNT_USERS]);

    let mut objects = vec![ObjectRef::metastore()];
    let mut above: HashMap<ObjectId, Vec<(&str, EntityUid)>> = HashMap::new();
    let mut attributes: BTreeMap<ObjectId, HashMap<&str, Vec<EntityUid>>> = BTreeMap::new();
    let mut owners: HashMap<ObjectId, EntityUid> = HashMap::new();
    let mut changes = Vec::new();
    let mut add = |rng: &mut StdRng, parent: &ObjectRef, kind: ObjectKind, name: &str| {
        let id = ObjectId(objects.len() as u64);
        let full_name = match parent.kind {
            ObjectKind::Metastore => name.to_owned(),
            _ => format!("{}.{name}", parent.full_name),
        };
        let owner = holders[rng.random_range(0..holders.len())];
        owners.insert(id, uid_of(&w, owner));
        let mut lineage = above.get(&parent.id).cloned().unwrap_or_default();
        match parent.kind {
            ObjectKind::Catalog => lineage.push(("catalog", object_uid(parent))),
            ObjectKind::Schema => lineage.push(("schema", object_uid(parent))),
            _ => {}
        }
        above.insert(id, lineage);
        let object = Object {
            id,
            kind,
            uid: name.into(),
            name: name.into(),
            full_name: full_name.into(),
            parent: parent.id,
            owner,
            comment: None,
            properties: BTreeMap::new(),
            tags: BTreeMap::new(),
            created_at: LATER,
            created_by: "x".into(),
            updated_at: LATER,
            updated_by: "x".into(),
            detail: detail(kind),
        };
        let reference = object.reference();
        objects.push(reference.clone());
        changes.push(UnityChange::Created { object: Box::new(object) });
        reference
    };
    let metastore = ObjectRef::metastore();
    for c in ["c0", "c1"] {
        let catalog = add(rng, &metastore, ObjectKind::Catalog, c);
        for s in ["s0", "s1"] {
            let schema = add(rng, &catalog, ObjectKind::Schema, s);
            for (kind, name) in
                [(ObjectKind::Table, "t0"), (ObjectKind::Table, "t1"), (ObjectKind::Function, "f")]
            {
                add(rng, &schema, kind, name);
            }
        }
    }
    add(rng, &metastore, ObjectKind::Connection, "n");
    for object in &objects {
        let applicable: Vec<P> =
            GRANTED.iter().filter(|(_, kinds)| kinds.contains(&object.kind)).map(|(one, _)| *one).collect();
        let mut granted: BTreeMap<PrincipalId, PrivilegeSet> = BTreeMap::new();
        for _ in 0..rng.random_range(0..7) {
            let principal = holders[rng.random_range(0..holders.len())];
            let privilege = applicable[rng.random_range(0..applicable.len())];
            let held = granted.entry(principal).or_default();
            *held = held.with(PrivilegeSet::only(privilege));
            attributes
                .entry(object.id)
                .or_default()
                .entry(privilege.as_str())
                .or_default()
                .push(uid_of(&w, principal));
        }
        changes.extend(granted.into_iter().map(|(principal, privileges)| UnityChange::Granted {
            on: object.id,
            principal,
            privileges,
        }));
    }
    let mut declared = Vec::new();
    for object in &objects {
        let privilege = match object.kind {
            ObjectKind::Table => P::Select,
            ObjectKind::Function => P::Execute,
            ObjectKind::Connection => P::UseConnection,
            _ => continue,
        };
        if !rng.random_bool(0.2) {
            continue;
        }
        declared.push((object.id, privilege));
        let mut hold = |id: ObjectId, word| {
            attributes.entry(id).or_default().entry(word).or_default().push(person_uid(&w.hidden));
        };
        hold(object.id, privilege.as_str());
        for (word, at) in &above[&object.id] {
            let id: &str = at.id().unescaped();
            hold(
                ObjectId(id.parse().unwrap()),
                if *word == "catalog" { "USE_CATALOG" } else { "USE_SCHEMA" },
            );
        }
    }
    let (slot, hidden) = (w.catalog.unity_slot(), w.hidden.id);
    let kept = w.store.commit(|tx| {
        changes.into_iter().for_each(|change| tx.change(slot, change));
        declared.iter().for_each(|(id, privilege)| grant_declared(tx, slot, *id, hidden, *privilege));
        Ok::<_, ()>(())
    });
    kept.await.unwrap();

    let mut entities = Vec::new();
    let parents = |id: PrincipalId, more: &[&str]| -> HashSet<EntityUid> {
        let directory = w.catalog.identity().directory();
        let direct = directory.direct_groups_of(id).map(|group| uid("Group", group.name.as_str()));
        direct.chain(more.iter().map(|name| uid("Group", name))).collect()
    };
    for person in &people {
        let hidden = matches!(person.kind, PrincipalKind::SystemServicePrincipal(_));
        let above = if hidden { HashSet::new() } else { parents(person.id, &["users", "account users"]) };
        entities.push(Entity::new(person_uid(person), HashMap::new(), above).unwrap());
    }
    for group in groups.iter().chain([&w.users, &admins]) {
        entities.push(
            Entity::new(uid_of(&w, *group), HashMap::new(), parents(*group, &["account users"])).unwrap(),
        );
    }
    for object in &objects {
        let mut said: HashMap<String, RestrictedExpression> = HashMap::new();
        for (privilege, _) in GRANTED {
            let held = attributes.get(&object.id).and_then(|held| held.get(privilege.as_str())).cloned();
            let held = held.unwrap_or_default().into_iter().map(RestrictedExpression::new_entity_uid);
            said.insert(privilege.as_str().to_owned(), RestrictedExpression::new_set(held));
        }
        if let Some(owner) = owners.get(&object.id) {
            said.insert("owner".to_owned(), RestrictedExpression::new_entity_uid(owner.clone()));
        }
        for (word, at) in above.get(&object.id).into_iter().flatten() {
            said.insert((*word).to_owned(), RestrictedExpression::new_entity_uid(at.clone()));
        }
        entities.push(Entity::new(object_uid(object), said, HashSet::new()).unwrap());
    }
    let entities = Entities::from_entities(entities, None).unwrap();
    World { w, objects, people, groups, entities }
}

/// Asks brickyard. Answers Cedar's word for the action, too.
fn ask(world: &World, asker: &Asker<'_>, on: &ObjectRef, pick: usize) -> (&'static str, bool) {
    let catalog = &world.w.catalog;
    let at = target(on);
    let create = |kind| catalog.authorize_as(asker, CreateObject { parent: target(on), kind }).is_ok();
    match (on.kind, pick % 6) {
        (ObjectKind::Table, 0 | 1) => ("SELECT", catalog.authorize_as(asker, SelectTable(at)).is_ok()),
        (ObjectKind::Table, 2) => ("MODIFY", catalog.authorize_as(asker, ModifyTable(at)).is_ok()),
        (ObjectKind::Function, 0..=2) => {
            ("EXECUTE", catalog.authorize_as(asker, ExecuteFunction(at)).is_ok())
        }
        (ObjectKind::Connection, 0..=2) => {
            ("USE_CONNECTION", catalog.authorize_as(asker, UseConnection(at)).is_ok())
        }
        (ObjectKind::Schema, 0) => ("CREATE_TABLE", create(ObjectKind::Table)),
        (ObjectKind::Schema, 1) => ("CREATE_FUNCTION", create(ObjectKind::Function)),
        (ObjectKind::Catalog, 0 | 1) => ("CREATE_SCHEMA", create(ObjectKind::Schema)),
        (ObjectKind::Catalog | ObjectKind::Schema, 2) => {
            ("ENTER", catalog.authorize_as(asker, UseParents(at)).is_ok())
        }
        (ObjectKind::Metastore, 0 | 1) => ("CREATE_CATALOG", create(ObjectKind::Catalog)),
        (ObjectKind::Metastore, 2) => ("CREATE_CONNECTION", create(ObjectKind::Connection)),
        // Connections and the metastore have no tags.
        (ObjectKind::Catalog | ObjectKind::Schema | ObjectKind::Table | ObjectKind::Function, 5) => {
            ("TAG", catalog.authorize_as(asker, TagObject(at)).is_ok())
        }
        (_, 3) => ("SEE", catalog.authorize_as(asker, SeeObject(at)).is_ok()),
        _ => ("MANAGE", catalog.authorize_as(asker, ManageObject(at)).is_ok()),
    }
}

#[tokio::test]
async fn cedar_decides_every_random_case_the_same() {
    let cases: usize =
        std::env::var("BRICKYARD_CEDAR_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(5_000);
    let policies: PolicySet = policies().parse().unwrap();
    let (authorizer, mut yes, started) = (Authorizer::new(), 0, std::time::Instant::now());
    for seed in 0..cases.div_ceil(QUESTIONS) as u64 {
        let mut rng = StdRng::seed_from_u64(seed);
        let world = world(&mut rng).await;
        for question in 0..QUESTIONS {
            let on = &world.objects[rng.random_range(0..world.objects.len())];
            let person = &world.people[rng.random_range(0..world.people.len())];
            let definer = rng.random_bool(0.2);
            let (asker, who) = if definer && rng.random_bool(0.5) {
                let owner = world.groups[rng.random_range(0..world.groups.len())];
                (Asker::Definer { invoker: person, owner, of: on }, uid_of(&world.w, owner))
            } else if definer {
                (Asker::Definer { invoker: &world.people[0], owner: person.id, of: on }, person_uid(person))
            } else {
                (Asker::Principal(person), person_uid(person))
            };
            let (action, ours) = ask(&world, &asker, on, rng.random_range(0..6));
            let context = [("definer".to_owned(), RestrictedExpression::new_bool(definer))];
            let context = Context::from_pairs(context).unwrap();
            let request =
                Request::new(who.clone(), uid("Action", action), object_uid(on), context, None).unwrap();
            let answer = authorizer.is_authorized(&request, &policies, &world.entities);
            assert_eq!(answer.diagnostics().errors().count(), 0, "{answer:?}");
            let theirs = answer.decision() == Decision::Allow;
            assert_eq!(
                ours, theirs,
                "world {seed}, question {question}: {action} on {on} by {who} (definer: {definer})"
            );
            yes += usize::from(ours);
        }
    }
    let asked = cases.div_ceil(QUESTIONS) * QUESTIONS;
    let rate = asked as f64 / started.elapsed().as_secs_f64();
    assert!(yes * 10 > asked && yes * 10 < asked * 9, "both answers are tried: {yes} of {asked} were yes");
    // With `--nocapture`: the figure to write down.
    #[allow(clippy::print_stdout)]
    {
        println!("{asked} cases, {yes} yes, no difference, {rate:.0} a second");
    }
}
