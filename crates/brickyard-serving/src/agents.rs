//! The seventh layer, at the bottom: lend a worker, predict. `Invocation -> Prediction`.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use brickyard_agents::{Answer, Job, PredictError};
use brickyard_models::{IdentityShown, ScriptedCall, ScriptedContent, ScriptedFailure};
use brickyard_types::{ALL_APIS, PrincipalId, RequestId, WorkerId};
use bytes::Bytes;
use futures_core::Stream;
use futures_util::{StreamExt, future::Either};
use tower::Service;

use crate::call::{Chunks, Prediction, PredictionBody};
use crate::error::ServingError;
use crate::live::Agent;
use crate::seal::Invocation;
use crate::serving::Inner;

/// Runs the agent of an invocation.
#[derive(Clone)]
pub(crate) struct Agents(pub Arc<Inner>);

type Answering = Pin<Box<dyn Future<Output = Result<Prediction, ServingError>> + Send>>;

impl Service<Invocation> for Agents {
    type Response = Prediction;
    type Error = ServingError;
    type Future = Either<Ready<Result<Prediction, ServingError>>, Answering>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ServingError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, invocation: Invocation) -> Self::Future {
        let agent = &invocation.entity.agent;
        if invocation.call.content_type.is_some() && !matches!(agent, Agent::Workers(_)) {
            let message = "Content-Type must be application/json (UTF-8)".to_owned();
            let error = ServingError::Worker(PredictError::UnsupportedMediaType { message });
            return Either::Left(ready(Err(error)));
        }
        match agent {
            Agent::Scripted(_) => self.script(&invocation),
            Agent::Workers(_) => Either::Right(Box::pin(work(Arc::clone(&self.0), invocation))),
            Agent::Url(_) => Either::Right(Box::pin(ask(Arc::clone(&self.0), invocation))),
        }
    }
}

impl Agents {
    /// A script answers at once, unless it was told to wait.
    fn script(&self, invocation: &Invocation) -> <Self as Service<Invocation>>::Future {
        let Agent::Scripted(script) = &invocation.entity.agent else {
            let error = ServingError::Withdrawn { missing: "the script".to_owned() };
            return Either::Left(ready(Err(error)));
        };
        let request_id = invocation.call.request_id.to_string();
        let answer = script.answer(&ScriptedCall {
            body: &invocation.call.body,
            model: invocation.endpoint.name.as_str(),
            request_id: &request_id,
            created_at: self.0.clock.now(),
            stream: invocation.call.options.stream,
            identities: &|| shown(invocation),
        });
        let (wait, result) = match answer {
            Ok(answer) => {
                let body = match answer.content {
                    ScriptedContent::Json(json) => PredictionBody::Json(json),
                    ScriptedContent::Stream(chunks) => PredictionBody::Stream(Box::pin(
                        futures_util::stream::iter(chunks.into_iter().map(Ok)),
                    )),
                };
                let served_entity = Arc::clone(&invocation.entity.shared_name);
                (answer.wait, Ok(Prediction { body, served_entity, worker: None }))
            }
            Err(failure) => {
                let wait = match &failure {
                    ScriptedFailure::Scripted { wait, .. } => *wait,
                    _ => std::time::Duration::ZERO,
                };
                (wait, Err(ServingError::Script(failure)))
            }
        };
        if wait.is_zero() {
            return Either::Left(ready(result));
        }
        Either::Right(Box::pin(async move {
            tokio::time::sleep(wait).await;
            result
        }))
    }
}

/// Which credentials an invocation was given, as a script may say them.
fn shown(invocation: &Invocation) -> Vec<IdentityShown> {
    let mut shown = Vec::new();
    if let Some(system) = &invocation.system {
        shown.push(IdentityShown {
            method: "passthrough",
            principal: system.name.to_string(),
            scopes: ALL_APIS.to_owned(),
            expires_at: None,
            name: None,
        });
    }
    if let Some(user) = &invocation.user {
        shown.push(IdentityShown {
            method: "on_behalf_of_user",
            principal: user.caller().principal().name.to_string(),
            scopes: user.scopes().to_string(),
            expires_at: Some(user.expires_at()),
            name: None,
        });
    }
    shown.extend(invocation.manual.iter().map(|given| IdentityShown {
        method: "manual",
        principal: given.principal.to_string(),
        scopes: given.scopes.to_string(),
        expires_at: given.expires_at,
        name: given.variable.clone(),
    }));
    shown
}

/// Says which worker runs an invocation, as long as it does.
struct Running {
    serving: Arc<Inner>,
    invocation: RequestId,
    worker: OnceLock<WorkerId>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.get() {
            self.serving.ledger.attribution().end(worker, self.invocation);
        }
    }
}

async fn work(serving: Arc<Inner>, invocation: Invocation) -> Result<Prediction, ServingError> {
    let Agent::Workers(pool) = &invocation.entity.agent else {
        return Err(ServingError::Withdrawn { missing: "the workers".to_owned() });
    };
    let id = invocation.call.request_id;
    let user_token = invocation.user.as_ref().map(|user| {
        serving.ledger.attribution().user_token(user.jti(), id);
        user.token().clone()
    });
    let running =
        Arc::new(Running { serving: Arc::clone(&serving), invocation: id, worker: OnceLock::new() });
    let begins = Arc::clone(&running);
    let notes = Arc::clone(&invocation.call.notes);
    let job = Job {
        request_id: id,
        content_type: invocation.call.content_type.map(str::to_owned),
        body: invocation.call.body.clone(),
        stream: invocation.call.options.stream,
        user_token,
        return_trace: invocation.call.options.return_trace,
        on_worker: Some(Box::new(move |worker: &WorkerId| {
            begins.serving.ledger.attribution().begin(worker, id);
            notes.worker(worker.clone());
            // Set once: a job runs on one worker.
            let _ = begins.worker.set(worker.clone());
        })),
    };
    let served_entity = Arc::clone(&invocation.entity.shared_name);
    match pool.predict(job).await? {
        Answer::Json { body, worker } => {
            Ok(Prediction { body: PredictionBody::Json(body), served_entity, worker: Some(worker) })
        }
        Answer::Stream { chunks, worker } => {
            let chunks: Chunks = Box::pin(Held {
                chunks: chunks.map(|chunk| chunk.map_err(ServingError::from)),
                _held: running,
            });
            Ok(Prediction { body: PredictionBody::Stream(chunks), served_entity, worker: Some(worker) })
        }
    }
}

async fn ask(serving: Arc<Inner>, invocation: Invocation) -> Result<Prediction, ServingError> {
    let Agent::Url(agent) = &invocation.entity.agent else {
        return Err(ServingError::Withdrawn { missing: "the agent's address".to_owned() });
    };
    // Each call has its own stand-in for a worker, so that concurrent calls of one process stay apart.
    let worker = WorkerId(format!("{}-{}", invocation.entity.name, invocation.call.request_id).into());
    let attribution = serving.ledger.attribution();
    let mut system_token = None;
    if let Some(principal) = &invocation.system {
        let token = (serving.identity.passthrough(principal, &worker))
            .map_err(|error| ServingError::Withdrawn { missing: error.to_string() })?;
        attribution.system_token(token.jti, worker.clone());
        system_token = Some(token);
    }
    if let Some(user) = &invocation.user {
        attribution.user_token(user.jti(), invocation.call.request_id);
    }
    attribution.begin(&worker, invocation.call.request_id);
    let principal = invocation.system.as_ref().map(|principal| principal.id);
    let running = Guest { serving: Arc::clone(&serving), worker: worker.clone(), principal };
    let served_entity = Arc::clone(&invocation.entity.shared_name);
    let body = agent.predict(&invocation, system_token.as_ref()).await?;
    let body = match body {
        PredictionBody::Stream(chunks) => PredictionBody::Stream(Box::pin(Held { chunks, _held: running })),
        json => json,
    };
    Ok(Prediction { body, served_entity, worker: Some(worker) })
}

/// The stand-in for a worker of one call of an agent that somebody else runs.
struct Guest {
    serving: Arc<Inner>,
    worker: WorkerId,
    principal: Option<PrincipalId>,
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.serving.ledger.attribution().retire(&self.worker);
        if let Some(principal) = self.principal {
            self.serving.identity.forget_worker(principal, &self.worker);
        }
    }
}

/// A stream that keeps something until it is dropped.
struct Held<S, T> {
    chunks: S,
    _held: T,
}

impl<S, T> Stream for Held<S, T>
where
    S: Stream<Item = Result<Bytes, ServingError>> + Unpin,
    T: Unpin,
{
    type Item = Result<Bytes, ServingError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.chunks).poll_next(cx)
    }
}
