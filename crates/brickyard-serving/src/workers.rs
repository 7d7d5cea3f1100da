//! From a logged model to worker processes: its interpreter, its environment, its tokens.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use brickyard_agents::{
    BuildLog, EnvironmentRequest, LogRing, LoggedModel, StartError, SystemTokens, WorkerPool, WorkerSpec,
};
use brickyard_types::{BearerToken, Principal, Secret, WorkerId};

use crate::endpoint::{DeployedEntity, Endpoint};
use crate::failure::Failure;
use crate::serving::Inner;

impl Inner {
    /// The interpreter that an entity runs on: the one it names, the one for all, or an environment built from the
    /// model's requirements.
    pub(crate) async fn interpreter(
        &self,
        model: &LoggedModel,
        named: Option<&Path>,
        log: &BuildLog,
    ) -> Result<PathBuf, Failure> {
        let request = EnvironmentRequest { model, python: named.or(self.settings.python.as_deref()) };
        self.environments.prepare(&request, log).await.map_err(Failure::from)
    }

    /// Starts the workers of one entity; they are ready when this returns.
    pub(crate) async fn start_workers(
        self: &Arc<Self>,
        endpoint: &Endpoint,
        deployed: &DeployedEntity,
        model: &LoggedModel,
        python: PathBuf,
        environment: Vec<(String, Secret)>,
        log: &Arc<LogRing>,
    ) -> Result<Arc<WorkerPool>, Failure> {
        let (initial_workers, max_workers) = deployed.entity.workers();
        let spec = WorkerSpec {
            python,
            model_dir: model.dir.clone(),
            host_url: self.settings.host.clone(),
            run_dir: self.settings.run_dir.clone(),
            closed: Some(self.settings.closed.clone()),
            environment,
            initial_workers,
            max_workers,
            max_queue: max_workers * self.settings.queue_per_worker,
            load_timeout: self.settings.load_timeout,
            predict_timeout: self.settings.predict_timeout,
            shrink_after: self.settings.shrink_after,
            sleep_after: deployed.entity.scale_to_zero.then_some(self.settings.sleep_after),
            ..WorkerSpec::new(deployed.entity.name.as_str(), endpoint.name.as_str())
        };
        let tokens = deployed.system_principal.clone().map(|principal| {
            let tokens: Arc<dyn SystemTokens> = Arc::new(Tokens { serving: Arc::clone(self), principal });
            tokens
        });
        WorkerPool::start(spec, tokens, Arc::clone(&self.entropy), Arc::clone(log)).await.map_err(|error| {
            if let StartError::Load { traceback, .. } = &error {
                // The state shows its last line; where in the agent's code it happened is for the log.
                let worker = WorkerId(deployed.entity.name.as_str().into());
                traceback.lines().for_each(|line| log.push(&worker, line.as_bytes()));
            }
            error.into()
        })
    }
}

/// Gives each worker a token of its own, and tells the ledger whose it is.
struct Tokens {
    serving: Arc<Inner>,
    principal: Principal,
}

impl SystemTokens for Tokens {
    fn issue(&self, worker: &WorkerId) -> BearerToken {
        match self.serving.identity.passthrough(&self.principal, worker) {
            Ok(token) => {
                self.serving.ledger.attribution().system_token(token.jti, worker.clone());
                token.token
            }
            Err(error) => {
                // The principal is gone: its endpoint was deleted while the worker started. Nothing opens with this.
                tracing::warn!(%worker, %error, "no system token");
                BearerToken::new("")
            }
        }
    }

    fn retire(&self, worker: &WorkerId) {
        self.serving.ledger.attribution().retire(worker);
        self.serving.identity.forget_worker(self.principal.id, worker);
    }
}
