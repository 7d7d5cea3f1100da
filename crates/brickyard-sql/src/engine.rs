//! The engine: one statement in, one answer out, whatever protocol brought it.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;

use brickyard_catalog::unity::Column;
use brickyard_catalog::{Catalog, Trace};
use brickyard_types::{Clock, Entropy};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::config::SessionConfig;
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{FunctionRegistry, SessionState, SessionStateBuilder};
use datafusion::optimizer::{Analyzer, AnalyzerRule};
use futures_util::FutureExt;

use crate::error::SqlError;
use crate::front;
use crate::outside::Outside;
use crate::python_function::{PythonFunctions, PythonSettings};
use crate::run::Run;
use crate::session::{Parameter, Session};
use crate::statement::Statement;

/// What an engine is opened with.
#[derive(Clone, Debug)]
pub struct SqlOptions {
    /// Managed tables live below it, one folder a table.
    pub tables: PathBuf,
    /// What relative paths in `read_files` and `LOCATION` start from; nothing outside it is read.
    pub files: PathBuf,
    /// Scratch space of the workers of Python functions.
    pub run_dir: PathBuf,
    /// brickyard's own folder, which Python functions are kept out of; `None` keeps them out of nothing.
    pub closed: Option<PathBuf>,
    /// The interpreter of Python functions; found on the `PATH` without.
    pub python: Option<PathBuf>,
    /// What all running statements may hold in memory together.
    pub memory_bytes: usize,
}

/// The SQL engine of one workspace. Clones are handles to the same engine.
#[derive(Clone)]
pub struct Sql(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub catalog: Catalog,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub options: SqlOptions,
    pub python: PythonFunctions,
    /// Built-in functions, and what plans operators and literals: where names are looked up. It holds no plan and no table.
    pub known: SessionState,
    /// Settings and the optimizer's rules, which every statement starts with a copy of. A plan holds its functions itself,
    /// so there are none here: copying their names for each statement took longer than a small statement does.
    pub base: SessionState,
    pub writers: crate::delta::Writers,
    pub opened: crate::delta::Opened,
    /// Tables whose rows a test took into memory: reading files is most of a small query's time.
    #[cfg(test)]
    pub in_memory: crate::promises::InMemory,
    /// What seals secrets and speaks HTTP, once somebody said so.
    pub outside: std::sync::OnceLock<Arc<dyn Outside>>,
}

/// What a statement answers.
pub struct Answer {
    /// The columns.
    pub schema: SchemaRef,
    /// The rows. Dropping it stops the work.
    pub rows: SendableRecordBatchStream,
}

impl Sql {
    /// An engine over a workspace's catalog.
    ///
    /// # Errors
    /// If its memory pool cannot be made.
    pub fn open(
        catalog: Catalog,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        options: SqlOptions,
    ) -> Result<Self, SqlError> {
        crate::deep::set_stacks();
        let pool = Arc::new(GreedyMemoryPool::new(options.memory_bytes));
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).build_arc()?;
        let known = known_state(runtime);
        let python = PythonFunctions::new(PythonSettings {
            interpreter: options.python.clone(),
            run_dir: options.run_dir.clone(),
            closed: options.closed.clone(),
            ..PythonSettings::default()
        });
        Ok(Self(Arc::new(Inner {
            catalog,
            clock,
            entropy,
            options,
            python,
            base: without_functions(&known)?,
            known,
            writers: crate::delta::Writers::default(),
            opened: crate::delta::Opened::default(),
            #[cfg(test)]
            in_memory: crate::promises::InMemory::default(),
            outside: std::sync::OnceLock::new(),
        })))
    }

    /// Lets statements seal the secrets of connections, and call out through them. Only the first call counts.
    pub fn connect(&self, outside: Arc<dyn Outside>) {
        let _ = self.0.outside.set(outside);
    }

    /// Makes the folder of a managed table that has no rows yet.
    ///
    /// # Errors
    /// If no table can have these columns.
    pub async fn lay_out(&self, uid: &str, columns: &[Column]) -> Result<(), SqlError> {
        crate::definition::columns::distinct(columns)?;
        for column in columns {
            crate::delta::storable(&column.name, &column.data_type)?;
        }
        crate::delta::create(&self.0, uid, columns).await
    }

    /// Removes the folder of a managed table that did not come to be.
    pub async fn forget_files(&self, uid: &str) {
        crate::delta::remove(&self.0, uid).await;
    }

    /// Runs one statement. Rows of a query are made while they are read; everything else is done when this returns.
    ///
    /// # Errors
    /// With the reason. The decisions up to it are in `traces`, also then, and also if nobody waits for the end.
    pub async fn run(
        &self,
        session: &Session,
        statement: &str,
        parameters: &[Parameter],
        traces: &mut Vec<Trace>,
    ) -> Result<Answer, SqlError> {
        let statement = crate::rewrite::identifiers(statement, parameters)?;
        let parsed = front::parse_one(&statement)?;
        self.run_parsed(session, parsed, parameters, traces).await
    }

    /// Runs one parsed statement.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_parsed(
        &self,
        session: &Session,
        statement: Statement,
        parameters: &[Parameter],
        traces: &mut Vec<Trace>,
    ) -> Result<Answer, SqlError> {
        let said;
        let (statement, parameters) = match statement {
            Statement::ExecuteImmediate { text, into, using } => {
                let run = Run::new(&self.0, session, parameters, traces);
                let (statement, given) = run.immediate(&text, !into.is_empty(), &using)?;
                said = given;
                let statement = match statement {
                    Statement::Query(query) if !into.is_empty() => {
                        Statement::SetVariablesFrom { names: into, query }
                    }
                    statement => statement,
                };
                (statement, said.as_slice())
            }
            statement => (statement, parameters),
        };
        let run = Run::new(&self.0, session, parameters, traces);
        let work = crate::deep::deep(run.statement(statement));
        // A panic in there is an error of this statement, and not the end of whoever runs it.
        let answered = AssertUnwindSafe(work).catch_unwind().await;
        let (schema, rows) = answered.unwrap_or_else(|_| Err(crate::deep::panicked().into()))?;
        Ok(Answer { schema, rows: crate::deep::deep_rows(rows) })
    }
}

fn known_state(runtime: Arc<RuntimeEnv>) -> SessionState {
    let mut config = SessionConfig::new()
        .with_information_schema(false)
        .with_target_partitions(std::thread::available_parallelism().map_or(2, std::num::NonZero::get));
    let options = config.options_mut();
    options.execution.parquet.schema_force_view_types = false;
    options.sql_parser.map_string_types_to_utf8view = false;
    // It mixes the names of a table's files with those of its columns: a field of a struct is not found in a subquery.
    options.optimizer.enable_leaf_expression_pushdown = false;
    options.execution.enable_ansi_mode = true;
    options.execution.time_zone = Some("UTC".to_owned());
    let mut builder =
        SessionStateBuilder::new().with_config(config).with_runtime_env(runtime).with_default_features();
    // Before DataFusion puts its own casts in, and after it.
    let mut rules: Vec<Arc<dyn AnalyzerRule + Send + Sync>> =
        vec![Arc::new(crate::spark::comparisons::SparkComparisons)];
    rules.extend(Analyzer::new().rules);
    rules.push(Arc::new(crate::spark::casts::SparkCasts));
    // Of what it compares, the types are settled.
    rules.push(Arc::new(crate::subqueries::Subqueries));
    let optimizer = crate::inferred::guarded(crate::subqueries::marked::rules());
    builder = builder.with_analyzer_rules(rules).with_optimizer_rules(crate::window_keys::settled(optimizer));
    builder = builder.with_physical_optimizer_rules(crate::lost_order::rules());
    let planners = builder.expr_planners().take();
    *builder.expr_planners() = Some(crate::spark::planner::first(planners));
    let mut state = builder.build();
    crate::functions::register(&mut state);
    crate::bounded::bound(&mut state);
    state
}

/// The settings and the rules of a session alone.
fn without_functions(known: &SessionState) -> Result<SessionState, SqlError> {
    let mut state = SessionStateBuilder::new()
        .with_config(known.config().clone())
        .with_runtime_env(Arc::clone(known.runtime_env()))
        .with_analyzer_rules(known.analyzer().rules.clone())
        .with_optimizer_rules(known.optimizers().to_vec())
        .with_physical_optimizer_rules(known.physical_optimizers().to_vec())
        .build();
    // The one that a rule of the optimizer looks up, for DISTINCT ON.
    state.register_udaf(known.udaf("first_value")?)?;
    Ok(state)
}
