//! The algebra of grants, over random ones.

use brickyard_store::State;
use brickyard_types::PrincipalId;
use proptest::prelude::*;

use crate::permissions::{PermissionChange, Permissions, Source};
use crate::{Acl, Level, Securable, SecurableKind};

const WHO: PrincipalId = PrincipalId(1);

fn levels(kind: SecurableKind) -> impl Strategy<Value = Level> {
    let levels: Vec<Level> = kind.levels().iter().map(|(level, _)| *level).collect();
    proptest::sample::select(levels)
}

/// A secret scope or the tokens, with levels of that kind for principals 1 (who asks), 2..10 (groups and others).
fn lists() -> impl Strategy<Value = (Securable, Vec<(PrincipalId, Level)>)> {
    prop_oneof![Just(Securable::Tokens), Just(Securable::SecretScope("s".parse().unwrap()))].prop_flat_map(
        |securable| {
            let entry = ((1u64..10).prop_map(PrincipalId), levels(securable.kind()));
            (Just(securable), proptest::collection::vec(entry, 0..8))
        },
    )
}

fn groups() -> impl Strategy<Value = Vec<PrincipalId>> {
    proptest::collection::btree_set((2u64..12).prop_map(PrincipalId), 0..10)
        .prop_map(|set| set.into_iter().collect())
}

fn with(securable: &Securable, entries: &[(PrincipalId, Level)]) -> Permissions {
    let mut permissions = Permissions::default();
    permissions.apply(&PermissionChange::SetEntries { on: securable.key(), entries: entries.to_vec() });
    permissions
}

fn held(permissions: &Permissions, securable: &Securable, groups: &[PrincipalId]) -> Option<Level> {
    let held = permissions.on(securable).and_then(|acl| acl.held(WHO, groups, securable.kind().top()));
    held.map(|(level, _)| level)
}

fn at_least(one: Option<Level>, other: Option<Level>) -> bool {
    match (one, other) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(one), Some(other)) => one.covers(other),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_held_is_the_highest_entry_of_oneself_and_ones_groups((securable, entries) in lists(), groups in groups()) {
        let permissions = with(&securable, &entries);
        let acl = permissions.on(&securable).cloned().unwrap_or_default();
        let expected = acl.entries()
            .filter(|(id, _)| *id == WHO || groups.contains(id))
            .map(|(_, level)| level)
            .reduce(Level::or_higher);
        prop_assert_eq!(held(&permissions, &securable, &groups), expected);
    }

    #[test]
    fn adding_entries_never_takes_a_right_away((securable, entries) in lists(), (_, more) in lists(), groups in groups()) {
        let mut permissions = with(&securable, &entries);
        let before = held(&permissions, &securable, &groups);
        let more = more.into_iter().filter(|(_, level)| securable.kind().has_level(*level)).collect();
        permissions.apply(&PermissionChange::Merge { on: securable.key(), entries: more });
        prop_assert!(at_least(held(&permissions, &securable, &groups), before));
    }

    #[test]
    fn leaving_a_group_takes_what_only_that_group_gave((securable, entries) in lists(), groups in groups()) {
        let permissions = with(&securable, &entries);
        let before = held(&permissions, &securable, &groups);
        for left in &groups {
            let rest: Vec<PrincipalId> = groups.iter().copied().filter(|group| group != left).collect();
            let after = held(&permissions, &securable, &rest);
            prop_assert!(at_least(before, after));
            let acl = permissions.on(&securable).cloned().unwrap_or_default();
            if acl.entry(*left).is_none() {
                prop_assert_eq!(after, before);
            }
            if let Some((_, Source::Group(source))) = acl.held(WHO, &rest, securable.kind().top()) {
                prop_assert_ne!(source, *left);
            }
        }
    }

    #[test]
    fn a_right_on_one_thing_is_none_on_another((securable, entries) in lists(), groups in groups()) {
        let permissions = with(&securable, &entries);
        prop_assert_eq!(held(&permissions, &Securable::SecretScope("other".parse().unwrap()), &groups), None);
    }

    #[test]
    fn the_owner_holds_everything_and_no_list_takes_it((securable, entries) in lists(), groups in groups()) {
        let mut permissions = Permissions::default();
        let on = securable.key();
        permissions.apply(&PermissionChange::ObjectCreated { on: on.clone(), owner: Some(WHO), entries: vec![] });
        permissions.apply(&PermissionChange::SetEntries { on: on.clone(), entries });
        permissions.apply(&PermissionChange::Remove { on: on.clone(), principal: WHO });
        prop_assert_eq!(held(&permissions, &securable, &groups), Some(securable.kind().top()));
        permissions.apply(&PermissionChange::ObjectDeleted { on });
        prop_assert_eq!(held(&permissions, &securable, &groups), None);
    }

    #[test]
    fn declared_rights_and_listed_ones_do_not_touch_each_other((securable, entries) in lists()) {
        let mut permissions = with(&securable, &entries);
        let (on, top) = (securable.key(), securable.kind().top());
        let before: Vec<_> = permissions.on(&securable).unwrap().entries().collect();
        permissions.apply(&PermissionChange::GrantDirect { on: on.clone(), principal: PrincipalId(77), level: top });
        let acl = permissions.on(&securable).unwrap();
        prop_assert_eq!(acl.entries().collect::<Vec<_>>(), before);
        prop_assert_eq!(acl.held(PrincipalId(77), &[], top), None);
        permissions.apply(&PermissionChange::SetEntries { on: on.clone(), entries: vec![] });
        prop_assert_eq!(permissions.on(&securable).and_then(|acl| acl.direct(PrincipalId(77))), Some(top));
        permissions.apply(&PermissionChange::RevokeDirect { on, principal: PrincipalId(77) });
        prop_assert_eq!(permissions.on(&securable).and_then(|acl: &Acl| acl.direct(PrincipalId(77))), None);
    }

    #[test]
    fn what_the_journal_keeps_is_read_back_the_same((securable, entries) in lists()) {
        let change = PermissionChange::ObjectCreated { on: securable.key(), owner: Some(WHO), entries };
        let text = serde_json::to_string(&change).unwrap();
        let back: PermissionChange = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(serde_json::to_string(&back).unwrap(), text);
    }
}
