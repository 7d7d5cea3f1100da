//! Who was granted what on one object.
//!
//! One sorted piece of memory, not a tree: an object that a thousand groups have a grant on is read at every step of a
//! walk, and changed now and then.

use std::sync::Arc;

use brickyard_types::PrincipalId;

use super::privilege::PrivilegeSet;

/// Privileges by principal, in the order of their ids. A clone is the same memory until one of them is changed.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub(crate) struct Entries(Arc<Vec<(PrincipalId, PrivilegeSet)>>);

impl Entries {
    fn place(&self, principal: PrincipalId) -> Result<usize, usize> {
        self.0.binary_search_by_key(&principal, |(principal, _)| *principal)
    }

    pub(crate) fn get(&self, principal: PrincipalId) -> Option<PrivilegeSet> {
        let place = self.place(principal).ok()?;
        self.0.get(place).map(|(_, held)| *held)
    }

    /// The principal holds exactly these from now on.
    pub(crate) fn put(&mut self, principal: PrincipalId, held: PrivilegeSet) {
        match self.place(principal) {
            // What is not there is not taken away: the memory stays shared.
            Err(_) if held.is_empty() => {}
            Err(place) => Arc::make_mut(&mut self.0).insert(place, (principal, held)),
            Ok(place) if held.is_empty() => {
                Arc::make_mut(&mut self.0).remove(place);
            }
            Ok(place) => Arc::make_mut(&mut self.0)[place].1 = held,
        }
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, (PrincipalId, PrivilegeSet)> {
        self.0.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::privilege::UnityPrivilege;
    use super::*;

    proptest! {
        #[test]
        fn entries_hold_what_a_map_would(changes in prop::collection::vec((0_u64..20, any::<bool>()), 0..200)) {
            let (mut entries, mut map) = (Entries::default(), BTreeMap::new());
            for (id, granted) in changes {
                let before = (entries.clone(), map.clone());
                let held = if granted { PrivilegeSet::only(UnityPrivilege::Select) } else { PrivilegeSet::EMPTY };
                entries.put(PrincipalId(id), held);
                if granted { map.insert(PrincipalId(id), held) } else { map.remove(&PrincipalId(id)) };
                prop_assert_eq!(entries.get(PrincipalId(id)), map.get(&PrincipalId(id)).copied());
                prop_assert!(before.0.iter().copied().eq(before.1), "a clone keeps what it had");
            }
            prop_assert!(entries.iter().copied().eq(map));
        }
    }
}
