//! Sessions of the SEA connector: where unqualified names are looked up, from one statement to the next.

use std::collections::HashMap;
use std::sync::Arc;

use brickyard_types::{PrincipalId, SignedDuration, Timestamp};
use parking_lot::Mutex;

use crate::session::Session;

/// The most sessions that are kept.
const MOST: usize = 1000;
/// A session that nobody used for so long is gone.
const IDLE: SignedDuration = SignedDuration::from_hours(8);

/// The sessions of a workspace.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<Arc<str>, Kept>>);

struct Kept {
    owner: PrincipalId,
    warehouse: Arc<str>,
    session: Arc<Session>,
    used: Timestamp,
}

impl Sessions {
    /// Keeps a session; false if there are too many.
    pub(super) fn keep(&self, id: Arc<str>, warehouse: &str, session: Session, now: Timestamp) -> bool {
        let mut sessions = self.0.lock();
        sessions.retain(|_, kept| now.duration_since(kept.used) < IDLE);
        if sessions.len() >= MOST {
            return false;
        }
        let owner = session.speaker().principal().id;
        let kept = Kept { owner, warehouse: warehouse.into(), session: Arc::new(session), used: now };
        sessions.insert(id, kept);
        true
    }

    /// Somebody's own session on a warehouse. Other people's are not there.
    pub(super) fn get(
        &self,
        id: &str,
        owner: PrincipalId,
        warehouse: &str,
        now: Timestamp,
    ) -> Option<Arc<Session>> {
        let mut sessions = self.0.lock();
        let kept = sessions.get_mut(id)?;
        let theirs = kept.owner == owner && &*kept.warehouse == warehouse;
        if !theirs || now.duration_since(kept.used) >= IDLE {
            return None;
        }
        kept.used = now;
        Some(Arc::clone(&kept.session))
    }

    /// Ends somebody's own session; false if it is not there.
    pub(super) fn end(&self, id: &str, owner: PrincipalId) -> bool {
        let mut sessions = self.0.lock();
        let theirs = sessions.get(id).is_some_and(|kept| kept.owner == owner);
        theirs && sessions.remove(id).is_some()
    }
}
