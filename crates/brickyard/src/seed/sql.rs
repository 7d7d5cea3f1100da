//! The configuration's files of SQL, run as the metastore admin. See [`ran`](super::ran) for which of them run.

use brickyard_sql::{Session, Speaker, SqlError};
use brickyard_types::Principal;
use futures_util::TryStreamExt;

use super::ran::{SeedChange, digests};
use super::{SeedError, at};
use crate::config::{Config, SeedFile};
use crate::workspace::Workspace;

impl Workspace {
    /// Runs the files that did not run on this state yet.
    ///
    /// # Errors
    /// With the file, line and first words of the statement that failed; what comes after it did not run.
    pub(super) async fn seed_sql(&self, config: &Config, admin: &Principal) -> Result<(), SeedError> {
        let digests = digests(config.seeds.iter().map(|file| &*file.text));
        let done = self.store.read(self.seeds_ran).done(&digests);
        for (place, (file, digest)) in config.seeds.iter().zip(&digests).enumerate().skip(done) {
            self.note(file, SeedChange::Begun { place }).await?;
            self.run_file(file, admin).await?;
            self.note(file, SeedChange::Ran { digest: digest.clone() }).await?;
        }
        Ok(())
    }

    async fn note(&self, file: &SeedFile, change: SeedChange) -> Result<(), SeedError> {
        let committed = self.store.commit(|tx| {
            tx.change(self.seeds_ran, change.clone());
            Ok::<_, std::convert::Infallible>(())
        });
        committed.await.map_err(|error| at(file.path.display(), error).fatal())
    }

    /// One session a file, so that `USE` and what is temporary hold until its end.
    async fn run_file(&self, file: &SeedFile, admin: &Principal) -> Result<(), SeedError> {
        crate::huge_pages::for_statements();
        let session = Session::new(Speaker::Configuration(admin.clone()), None, None).lasting();
        for one in &file.statements {
            let refused = |reason: String| {
                let place = format!("{}:{} ({})", file.path.display(), one.line, one.words);
                at(place, reason).fatal()
            };
            let mut traces = Vec::new();
            let ran = self.sql.run_parsed(&session, one.statement.clone(), &[], &mut traces).await;
            let mut rows = ran.map_err(|error| refused(error.message()))?.rows;
            let failed = |error| refused(SqlError::from(error).message());
            while rows.try_next().await.map_err(failed)?.is_some() {}
        }
        tracing::info!(file = %file.path.display(), statements = file.statements.len(), "seeded");
        Ok(())
    }
}
