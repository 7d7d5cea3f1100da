//! Which invocation a credential belongs to: how a call that comes back through the front door is
//! linked to the invocation whose agent made it.
//!
//! - An on-behalf-of-user token is minted for one invocation: its `jti` says which, for good.
//! - A passthrough token is issued to one worker, and a worker runs one invocation at a time: the
//!   token's `jti` gives the worker, the worker gives the invocation that it runs *now*.
//! - A manual credential belongs to nobody; the worker process that opened the connection tells
//!   ([`Attribution::running_on`]).

use std::collections::{HashMap, VecDeque};

use brickyard_identity::{Caller, TokenKind};
use brickyard_types::{Jti, RandomIdMap, RequestId, WorkerId};
use parking_lot::Mutex;

use crate::entry::Method;

/// How many user tokens are remembered; older ones lose their link, never their meaning.
const REMEMBERED: usize = 50_000;

/// The links. One per workspace.
#[derive(Debug, Default)]
pub struct Attribution(Mutex<Links>);

#[derive(Debug, Default)]
struct Links {
    user_tokens: RandomIdMap<Jti, RequestId>,
    oldest_user_tokens: VecDeque<Jti>,
    system_tokens: RandomIdMap<Jti, WorkerId>,
    running: HashMap<WorkerId, RequestId>,
}

impl Attribution {
    /// The user token `jti` was handed to the agent of `invocation`.
    pub fn user_token(&self, jti: Jti, invocation: RequestId) {
        let mut links = self.0.lock();
        if links.oldest_user_tokens.len() >= REMEMBERED
            && let Some(oldest) = links.oldest_user_tokens.pop_front()
        {
            links.user_tokens.remove(&oldest);
        }
        links.oldest_user_tokens.push_back(jti);
        links.user_tokens.insert(jti, invocation);
    }

    /// The system token `jti` was issued to `worker`.
    pub fn system_token(&self, jti: Jti, worker: WorkerId) {
        self.0.lock().system_tokens.insert(jti, worker);
    }

    /// `worker` begins `invocation`.
    pub fn begin(&self, worker: &WorkerId, invocation: RequestId) {
        self.0.lock().running.insert(worker.clone(), invocation);
    }

    /// `worker` is done with `invocation`.
    pub fn end(&self, worker: &WorkerId, invocation: RequestId) {
        let mut links = self.0.lock();
        if links.running.get(worker) == Some(&invocation) {
            links.running.remove(worker);
        }
    }

    /// `worker` is gone, and its tokens with it.
    pub fn retire(&self, worker: &WorkerId) {
        let mut links = self.0.lock();
        links.running.remove(worker);
        links.system_tokens.retain(|_, owner| owner != worker);
    }

    /// What `worker` runs now.
    pub fn running_on(&self, worker: &WorkerId) -> Option<RequestId> {
        self.0.lock().running.get(worker).copied()
    }

    /// True while any worker runs anything: a manual credential can only then come from an agent.
    pub fn anything_runs(&self) -> bool {
        !self.0.lock().running.is_empty()
    }

    /// The invocation whose agent shows this credential, if the credential itself tells.
    pub fn of(&self, caller: &Caller) -> Option<(RequestId, Method)> {
        match caller.kind() {
            TokenKind::OnBehalfOfUser => {
                let links = self.0.lock();
                Some((*links.user_tokens.get(&caller.jti())?, Method::OnBehalfOfUser))
            }
            TokenKind::Passthrough => {
                let links = self.0.lock();
                let worker = links.system_tokens.get(&caller.jti())?;
                Some((*links.running.get(worker)?, Method::Passthrough))
            }
            TokenKind::PersonalAccessToken | TokenKind::AccessToken => None,
        }
    }
}
