//! The tokens of hidden service principals, one for each worker, renewed at half their life.
//!
//! ```text
//!  life of one token   |───────────── half ─────────────|──────────── half ────────────|
//!  handed out          |■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■|                                 then the next one
//!  accepted            |■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■|■■■■■■■■■■■■■■■■■■■■■■■■■■■■■|
//! ```
//!
//! So the newest always has half its life left, and one that was rotated out still works for the other half: at
//! least five minutes, since a life is at least ten. There is no timer here: whoever hands tokens to a worker asks
//! again at [`ServicePrincipalToken::renew_at`], or when [`Identity::passthrough_generation`] changes.

use std::collections::HashMap;
use std::sync::Arc;

use brickyard_types::{BearerToken, Jti, Principal, PrincipalId, ScopeSet, Timestamp, WorkerId};
use parking_lot::RwLock;
use tokio::sync::watch;

use crate::authenticate::kind_of;
use crate::caller::{Caller, Facts};
use crate::identity::Identity;
use crate::issuer::{MintError, whole_seconds};

/// The current token of one worker's system principal. Only the rotation makes one.
#[derive(Clone)]
pub struct ServicePrincipalToken {
    /// The text.
    pub token: BearerToken,
    /// Its id.
    pub jti: Jti,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When to ask for the next one.
    pub renew_at: Timestamp,
    /// Who its bearer is.
    pub caller: Caller,
}

impl std::fmt::Debug for ServicePrincipalToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServicePrincipalToken")
            .field("jti", &self.jti)
            .field("expires_at", &self.expires_at)
            .finish()
    }
}

struct Held {
    token: ServicePrincipalToken,
    generation: u64,
}

/// The tokens in use.
pub(crate) struct Rotation {
    held: RwLock<HashMap<PrincipalId, HashMap<WorkerId, Arc<Held>>>>,
    generation: watch::Sender<u64>,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { held: RwLock::default(), generation: watch::Sender::new(0) }
    }
}

impl Identity {
    /// The current token of `principal` for `worker`: the same one until half its life is over.
    ///
    /// # Errors
    /// If the principal is not there, or nothing can be signed.
    pub fn passthrough(
        &self,
        principal: &Principal,
        worker: &WorkerId,
    ) -> Result<ServicePrincipalToken, MintError> {
        let now = self.now();
        let rotation = &self.inner.rotation;
        let generation = *rotation.generation.borrow();
        let held = rotation.held.read().get(&principal.id).and_then(|workers| workers.get(worker)).cloned();
        if let Some(held) = held
            && held.generation == generation
            && now < held.token.renew_at
            && held.token.caller.principal() == principal
            && self.authenticate(&held.token.token).is_ok()
        {
            return Ok(held.token.clone());
        }
        let token = self.new_system_token(principal, worker, now)?;
        let mut held = rotation.held.write();
        if !held.contains_key(&principal.id) && held.len() >= held.capacity() {
            // About to grow: first let go of the endpoints that were deleted.
            let directory = self.directory();
            held.retain(|id, _| directory.by_id(*id).is_some());
        }
        // Workers come and go; what ended with them goes when somebody of the same endpoint comes.
        let workers = held.entry(principal.id).or_default();
        workers.retain(|_, held| now < held.token.expires_at);
        workers.insert(worker.clone(), Arc::new(Held { token: token.clone(), generation }));
        Ok(token)
    }

    fn new_system_token(
        &self,
        principal: &Principal,
        worker: &WorkerId,
        now: Timestamp,
    ) -> Result<ServicePrincipalToken, MintError> {
        let ttl = self.inner.config.passthrough_ttl;
        let issued_at = whole_seconds(now);
        let expires_at = whole_seconds(issued_at.saturating_add(ttl).unwrap_or(Timestamp::MAX));
        let facts = Facts {
            principal: self.active(principal)?,
            scopes: ScopeSet::all_apis(),
            kind: kind_of(principal.kind, &[]),
            acts: Vec::new(),
            origins: Vec::new(),
            jti: Jti::random(&*self.inner.entropy),
            client_id: principal.name.clone(),
            issued_at,
            expires_at: Some(expires_at),
            worker: Some(worker.clone()),
            details: Vec::new(),
        };
        let minted = self.issue(Caller::new(facts))?;
        Ok(ServicePrincipalToken {
            jti: minted.caller.jti(),
            expires_at,
            renew_at: issued_at.saturating_add(ttl / 2).unwrap_or(expires_at),
            token: minted.token,
            caller: minted.caller,
        })
    }

    /// Lets every worker have a new token now. Those in use go on working until they end.
    pub fn rotate_passthrough(&self) {
        self.inner.rotation.generation.send_modify(|generation| *generation += 1);
    }

    /// Changes whenever [`rotate_passthrough`](Self::rotate_passthrough) was called.
    pub fn passthrough_generation(&self) -> watch::Receiver<u64> {
        self.inner.rotation.generation.subscribe()
    }

    /// Forgets the tokens of a worker that is gone.
    pub fn forget_worker(&self, principal: PrincipalId, worker: &WorkerId) {
        let mut all = self.inner.rotation.held.write();
        if let Some(workers) = all.get_mut(&principal) {
            workers.remove(worker);
            if workers.is_empty() {
                all.remove(&principal);
            }
        }
    }
}
