//! A small workspace with a warehouse: ada is the metastore admin who sets everything up, ana and bob are users (bob is
//! an analyst), and sales are seen by region.

use std::sync::Arc;

use brickyard_catalog::unity::{ObjectKind, Unity};
use brickyard_catalog::{Catalog, Permissions, Trace};
use brickyard_identity::{Identity, IdentityConfig, IdentitySlots, MasterKey, NewUser};
use brickyard_store::{MemoryJournal, Store};
use brickyard_types::{
    Clock, Entropy, ManualClock, Principal, ScopeSet, SeededEntropy, SignedDuration, Timestamp, WorkspaceId,
};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;
use futures_util::TryStreamExt;

use crate::{Parameter, Session, Speaker, Sql, SqlError, SqlOptions};

pub struct Workspace {
    pub sql: Sql,
    pub catalog: Catalog,
    pub ada: Principal,
    pub ana: Principal,
    pub bob: Principal,
    _dir: tempfile::TempDir,
}

/// The tables that most promises are about.
pub const SALES: &str = "
    CREATE CATALOG main;
    CREATE SCHEMA main.sales;
    CREATE SCHEMA main.private;
    CREATE TABLE main.sales.orders (id BIGINT, region STRING, amount INT, email STRING);
    INSERT INTO main.sales.orders VALUES
        (1, 'EMEA', 10, 'a@x'), (2, 'EMEA', 20, 'b@x'), (3, 'AMER', 30, 'c@x'), (4, NULL, 40, 'd@x');
    CREATE FUNCTION main.sales.sees(region STRING) RETURNS BOOLEAN
        RETURN is_account_group_member('analysts') OR region = 'EMEA';
    CREATE FUNCTION main.sales.hidden(email STRING) RETURNS STRING
        RETURN CASE WHEN is_account_group_member('analysts') THEN email ELSE 'redacted' END;
    ALTER TABLE main.sales.orders SET ROW FILTER main.sales.sees ON (region);
    ALTER TABLE main.sales.orders ALTER COLUMN email SET MASK main.sales.hidden;
    GRANT USE CATALOG ON CATALOG main TO `account users`;
    GRANT USE SCHEMA ON SCHEMA main.sales TO `account users`;
    GRANT SELECT ON TABLE main.sales.orders TO `account users`;
";

/// Stands at the end of a message where the engine contradicted itself: such errors are counted, and mended one by one.
pub const INTERNAL: &str = " (internal)";

/// What somebody is told, and [`INTERNAL`] after it if the engine contradicted itself.
pub fn told(error: SqlError) -> String {
    let mark = if error.is_internal() { INTERNAL } else { "" };
    error.message() + mark
}

impl Workspace {
    pub async fn empty() -> Self {
        Self::with_memory(256 << 20).await
    }

    /// Without anything, with that many bytes for all running statements.
    pub async fn with_memory(memory_bytes: usize) -> Self {
        let mut builder = Store::builder();
        let slots = IdentitySlots::register(&mut builder);
        let permissions = builder.own::<Permissions>();
        let unity = builder.own::<Unity>();
        let store = builder.open(MemoryJournal::new()).await.unwrap();
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp::from_second(1_790_000_000).unwrap()));
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(7));
        let config =
            IdentityConfig::new(WorkspaceId(1), "00000000-0000-4000-8000-000000000000", "http://localhost:1");
        let master = Arc::new(MasterKey::ephemeral(&*entropy));
        let identity = Identity::open(store.clone(), slots, config, master, clock.clone(), entropy.clone());
        let identity = identity.await.unwrap();
        let user = |name: &str, admin| NewUser { admin, ..NewUser::named(name.parse().unwrap()) };
        let ada = identity.create_user(user("ada@x", true)).await.unwrap();
        let ana = identity.create_user(user("ana@x", false)).await.unwrap();
        let bob = identity.create_user(user("bob@x", false)).await.unwrap();
        let analysts = identity.create_group(&"analysts".parse().unwrap()).await.unwrap();
        identity.add_member(analysts, bob.id).await.unwrap();
        let catalog = Catalog::open(store, permissions, unity, identity);
        let dir = tempfile::tempdir().unwrap();
        let options = SqlOptions {
            tables: dir.path().join("tables"),
            files: dir.path().to_owned(),
            run_dir: dir.path().join("run"),
            closed: None,
            python: None,
            memory_bytes,
        };
        let sql = Sql::open(catalog.clone(), clock, entropy, options).unwrap();
        Self { sql, catalog, ada, ana, bob, _dir: dir }
    }

    /// Puts a file where `read_files` finds it.
    pub fn file(&self, name: &str, text: &str) {
        std::fs::write(self._dir.path().join(name), text).unwrap();
    }

    /// Where a folder of that name is found as `LOCATION`.
    pub fn folder(&self, name: &str) -> std::path::PathBuf {
        self._dir.path().join(name)
    }

    /// The folders of managed tables.
    pub fn tables(&self) -> Vec<std::path::PathBuf> {
        let folders = std::fs::read_dir(self._dir.path().join("tables")).unwrap();
        folders.map(|folder| folder.unwrap().path()).collect()
    }

    /// With [`SALES`].
    pub async fn with_sales() -> Self {
        let workspace = Self::empty().await;
        workspace.set_up(SALES).await;
        workspace
    }

    /// Runs a script as the metastore admin.
    pub async fn set_up(&self, script: &str) {
        let session = Session::new(Speaker::Configuration(self.ada.clone()), None, None);
        for (statement, range) in crate::parse(script).unwrap() {
            let answered = self.sql.run_parsed(&session, statement, &[], &mut Vec::new()).await;
            if let Err(error) = answered {
                panic!("{}: {}", &script[range], error.message());
            }
        }
    }

    /// What one statement answers somebody: a row a line, values between bars.
    pub async fn ask(&self, who: &Principal, statement: &str) -> Result<Vec<String>, String> {
        self.ask_with(who, statement, &[], &mut Vec::new()).await
    }

    pub async fn ask_with(
        &self,
        who: &Principal,
        statement: &str,
        parameters: &[Parameter],
        traces: &mut Vec<Trace>,
    ) -> Result<Vec<String>, String> {
        let scopes = ScopeSet::parse("all-apis").unwrap();
        let caller = self.catalog.identity().mint(who, scopes, SignedDuration::from_hours(1)).unwrap().caller;
        let session = Session::new(Speaker::Caller(caller), None, None);
        self.ask_in(&session, statement, parameters, traces).await
    }

    /// From now on a table's rows are read from memory, as they are now.
    pub async fn keep_in_memory(&self, table: &str) {
        let path = table.parse().unwrap();
        let object = Arc::clone(self.catalog.unity().find(ObjectKind::Table, &path).unwrap());
        let files = crate::delta::provider(&self.sql.0, &object).await.unwrap();
        let frame = SessionContext::new().read_table(files).unwrap();
        let (schema, rows) = (Arc::clone(frame.schema().inner()), frame.collect().await.unwrap());
        let table = MemTable::try_new(schema, vec![rows]).unwrap();
        self.sql.0.in_memory.lock().insert(object.id, Arc::new(table));
    }

    /// One more user.
    pub async fn user(&self, name: &str) -> Principal {
        let user = NewUser::named(name.parse().unwrap());
        self.catalog.identity().create_user(user).await.unwrap()
    }

    /// As [`ask`](Self::ask), in a session.
    pub async fn ask_in(
        &self,
        session: &Session,
        statement: &str,
        parameters: &[Parameter],
        traces: &mut Vec<Trace>,
    ) -> Result<Vec<String>, String> {
        let answer = self.sql.run(session, statement, parameters, traces).await.map_err(told)?;
        let batches: Vec<_> = answer.rows.try_collect().await.map_err(|error| told(error.into()))?;
        let mut rows = Vec::new();
        let options = FormatOptions::default().with_null("NULL");
        for batch in batches {
            let columns: Vec<_> = (batch.columns().iter())
                .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
                .collect();
            for row in 0..batch.num_rows() {
                let values: Vec<_> = columns.iter().map(|column| column.value(row).to_string()).collect();
                rows.push(values.join("|"));
            }
        }
        Ok(rows)
    }

    /// As [`ask`](Self::ask), in order of the text: for answers whose order nobody promised.
    pub async fn sorted(&self, who: &Principal, statement: &str) -> Vec<String> {
        let mut rows = self.ask(who, statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
        rows.sort();
        rows
    }
}
