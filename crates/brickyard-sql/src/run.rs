//! One statement of one principal: names become objects, objects become permits, permits become relations.

mod immediate;
pub(crate) mod query;
mod single_row;
mod spelling;

use std::collections::HashMap;
use std::sync::Arc;

use brickyard_catalog::unity::{Object, ObjectKind, ObjectPath, Target};
use brickyard_catalog::{Action, Asker, Denied, Permit, Trace, family};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::sql::sqlparser::ast;
use futures_util::TryStreamExt;
use parking_lot::Mutex;

use crate::engine::Inner;
use crate::error::SqlError;
use crate::session::{Current, Parameter, Session};
use crate::statement::{Kind, Name, NameOrMarker, Statement};

/// The rows of an answer, and what they look like.
pub(crate) type Rows = (SchemaRef, SendableRecordBatchStream);

/// One running statement.
pub(crate) struct Run<'a> {
    pub sql: &'a Arc<Inner>,
    pub session: &'a Session,
    pub parameters: &'a [Parameter],
    /// The caller's, so that the decisions of a statement that is cancelled are not lost with it.
    traces: Mutex<&'a mut Vec<Trace>>,
    /// The columns of the tables that were read, as they were spelled when the table was made, by lower-case name.
    pub spellings: Mutex<HashMap<String, String>>,
    own_state: std::sync::OnceLock<datafusion::execution::SessionState>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        sql: &'a Arc<Inner>,
        session: &'a Session,
        parameters: &'a [Parameter],
        traces: &'a mut Vec<Trace>,
    ) -> Self {
        Self {
            sql,
            session,
            parameters,
            traces: Mutex::new(traces),
            spellings: Mutex::default(),
            own_state: std::sync::OnceLock::new(),
        }
    }

    /// Runs it.
    pub(crate) async fn statement(&self, statement: Statement) -> Result<Rows, SqlError> {
        match statement {
            Statement::Query(query) => {
                let written = spelling::written(&query);
                let mut query = query;
                let plan = loop {
                    match self.plan_query(&query).await {
                        Ok(plan) => break plan,
                        Err(error) => {
                            let apart = spelling::told_apart(&mut query, &error);
                            if apart.is_empty() {
                                return Err(error);
                            }
                            self.spellings.lock().extend(apart);
                        }
                    }
                };
                let rows = self.rows_of(plan).await?;
                Ok(spelling::spelled(rows, &written, &self.spellings.lock()))
            }
            Statement::Explain(inner) => self.explain(*inner).await,
            Statement::DescribeQuery(query) => self.describe_query(&query).await,
            Statement::CreateCatalog(create) => self.create_container(ObjectKind::Catalog, create).await,
            Statement::CreateSchema(create) => self.create_container(ObjectKind::Schema, create).await,
            Statement::CreateTable(create) => self.create_table(*create).await,
            Statement::CreateView(create) if create.temporary => self.create_temporary_view(*create).await,
            Statement::CreateView(create) => self.create_view(*create).await,
            Statement::CreateFunction(create) => self.create_function(*create).await,
            Statement::CreateConnection(create) => self.create_connection(create).await,
            Statement::Drop { kind, name, if_exists, cascade } => {
                self.drop(kind, &name, if_exists, cascade).await
            }
            Statement::Alter { kind, name, action } => self.alter(kind, &name, action).await,
            Statement::Comment { kind, name, comment } => self.comment(kind, &name, comment).await,
            Statement::CommentOnColumn { table, column, comment } => {
                let action = crate::statement::Alteration::ColumnComment { column, comment };
                self.alter(crate::statement::Kind::Table, &table, action).await
            }
            Statement::Insert(insert) => self.insert(*insert).await,
            Statement::Update { table, alias, set, filter } => {
                self.update(&table, alias.as_deref(), &set, filter.as_ref()).await
            }
            Statement::Delete { table, alias, filter } => {
                self.delete(&table, alias.as_deref(), filter.as_ref()).await
            }
            Statement::Merge(merge) => self.merge(*merge).await,
            Statement::CopyInto(copy) => self.copy_into(*copy).await,
            Statement::Truncate { table } => self.truncate(&table).await,
            Statement::DescribeColumn { table, column } => self.describe_column(&table, &column),
            Statement::Upkeep { table, what } => self.upkeep(&table, what).await,
            Statement::ShowTableExtended { within, like } => self.show_table_extended(within.as_ref(), &like),
            Statement::Describe { kind, name, extended } => match self.named_temporary_view(&name)? {
                Some(view) if matches!(kind, Kind::Table | Kind::View) => {
                    self.describe_temporary_view(&view).await
                }
                _ => self.describe(kind, &name, extended),
            },
            Statement::ShowCatalogs { like } => self.show_catalogs(like.as_deref()),
            Statement::ShowSchemas { within, like } => self.show_schemas(within.as_ref(), like.as_deref()),
            Statement::ShowTables { within, like } => self.show_tables(within.as_ref(), like.as_deref()),
            Statement::ShowViews { within, like } => self.show_views(within.as_ref(), like.as_deref()),
            Statement::ShowFunctions { scope, within, like } => {
                self.show_functions(scope, within.as_ref(), like.as_deref())
            }
            Statement::ShowColumns { table } => self.show_columns(&table),
            Statement::ShowConnections { like } => self.show_connections(like.as_deref()),
            Statement::ShowCreateTable { table } => self.show_create_table(&table),
            Statement::ShowTableProperties { table, key } => {
                self.show_table_properties(&table, key.as_deref())
            }
            Statement::ShowGrants { principal, kind, name } => {
                self.show_grants(principal.as_deref(), kind, name.as_ref())
            }
            Statement::Grant { privileges, kind, name, principal } => {
                self.change_grants(true, &privileges, kind, name.as_ref(), principal).await
            }
            Statement::Revoke { privileges, kind, name, principal } => {
                self.change_grants(false, &privileges, kind, name.as_ref(), principal).await
            }
            // The engine puts what it says in its place.
            Statement::ExecuteImmediate { .. } => Err(SqlError::unsupported("EXECUTE IMMEDIATE here")),
            Statement::Declare(declare) => self.declare(*declare).await,
            Statement::SetVariables(set) => self.set_variables(set).await,
            Statement::SetVariablesFrom { names, query } => self.variables_from(&names, &query).await,
            Statement::DropVariable { name, if_exists } => self.drop_variable(&name, if_exists),
            Statement::UseCatalog(name) => self.use_catalog(&name),
            Statement::UseSchema(name) => self.use_schema(&name),
            Statement::Set { name, value } => self.set(&name, value.as_deref()),
        }
    }

    /// Asks the catalog for the speaker; the question and its answer go to the ledger.
    pub(crate) fn authorize<A: Action>(&self, action: A) -> Result<Permit<A>, SqlError> {
        self.authorize_as(&self.session.speaker().asker(), action)
    }

    /// Asks the catalog for the speaker, or for the owner of a view or function.
    pub(crate) fn authorize_as<A: Action>(
        &self,
        asker: &Asker<'_>,
        action: A,
    ) -> Result<Permit<A>, SqlError> {
        let answer: Result<_, Denied> = self.sql.catalog.authorize_as(asker, action);
        let trace = match &answer {
            Ok(permit) => permit.trace(),
            Err(denied) => denied.trace(),
        };
        self.traces.lock().push(trace.clone());
        Ok(answer?)
    }

    /// Writes down a decision, or a chain with the policies that applied.
    pub(crate) fn record(&self, trace: Trace) {
        self.traces.lock().push(trace);
    }

    /// An object, reached through the statements API.
    pub(crate) fn target(object: &Object) -> Target {
        Target::new(object.reference(), &family::SQL_STATEMENTS)
    }

    /// The full path of a name: `IDENTIFIER(..)` is evaluated, missing parts are the session's.
    pub(crate) fn path(&self, kind: ObjectKind, name: &NameOrMarker) -> Result<ObjectPath, SqlError> {
        qualify(kind, self.written(name)?.0, &self.session.current())
    }

    /// The only part of a name, if it has one.
    pub(crate) fn one_part(&self, name: &NameOrMarker) -> Result<Option<String>, SqlError> {
        let mut parts = self.written(name)?.0;
        Ok(if parts.len() == 1 { parts.pop() } else { None })
    }

    fn written(&self, name: &NameOrMarker) -> Result<Name, SqlError> {
        Ok(match name {
            NameOrMarker::Name(name) => name.clone(),
            NameOrMarker::Identifier(expression) => {
                let text = self.constant_text(expression)?;
                Name(
                    text.parse::<ObjectPath>()
                        .map_err(brickyard_catalog::unity::UnityError::from)?
                        .parts()
                        .to_vec(),
                )
            }
        })
    }

    /// The object of a kind and name.
    ///
    /// # Errors
    /// If there is none. What is above it is looked at first: who may not look into a schema is told so, whether or
    /// not the object is there.
    pub(crate) fn object(&self, kind: ObjectKind, name: &NameOrMarker) -> Result<Arc<Object>, SqlError> {
        if kind == ObjectKind::Table {
            self.no_temporary_view(name)?;
        }
        let path = self.path(kind, name)?;
        self.find(&self.session.speaker().asker(), kind, &path)
    }

    /// The rows of a plan.
    pub(crate) async fn rows_of(&self, plan: LogicalPlan) -> Result<Rows, SqlError> {
        if let Some(row) = self.single_row(&plan)? {
            return Ok(row);
        }
        self.rows_of_any(plan).await
    }

    /// The rows of a plan, by the road that every plan can take.
    async fn rows_of_any(&self, plan: LogicalPlan) -> Result<Rows, SqlError> {
        let state = self.state();
        let physical = match state.create_physical_plan(&plan).await {
            Ok(physical) => physical,
            // Every name was found before: what is lost now was lost when a subquery should have become a join.
            Err(error)
                if matches!(error.find_root(), DataFusionError::SchemaError(..)) && refers_outside(&plan) =>
            {
                return Err(SqlError::condition(
                    "UNSUPPORTED_FEATURE",
                    "0A000",
                    crate::error::of_engine::CORRELATED,
                ));
            }
            Err(error) => return Err(error.into()),
        };
        let schema = physical.schema();
        // A plan holds its functions itself: a context's own lists of them are for plans that were sent from elsewhere.
        let context = TaskContext::new(
            None,
            state.session_id().to_owned(),
            state.config().clone(),
            HashMap::new(),
            HashMap::new(),
            HashMap::new(),
            HashMap::new(),
            Arc::clone(state.runtime_env()),
        );
        let rows = datafusion::physical_plan::execute_stream(physical, Arc::new(context))?;
        Ok((schema, rows))
    }

    /// All rows of a plan, in memory.
    pub(crate) async fn collect(&self, plan: LogicalPlan) -> Result<(SchemaRef, Vec<RecordBatch>), SqlError> {
        let (schema, rows) = self.rows_of(plan).await?;
        Ok((schema, rows.try_collect().await?))
    }

    /// Where unqualified names are looked up.
    pub(crate) fn current(&self) -> Current {
        self.session.current()
    }

    /// A query's tree, planned with every policy in it.
    pub(crate) async fn plan_query(&self, query: &ast::Query) -> Result<LogicalPlan, SqlError> {
        self.plan_in(&self.session.speaker().asker(), &self.current(), query).await
    }
}

/// A name with the missing parts of the session.
pub(crate) fn qualify(
    kind: ObjectKind,
    parts: Vec<String>,
    current: &Current,
) -> Result<ObjectPath, SqlError> {
    let wanted = match kind {
        ObjectKind::Metastore | ObjectKind::Catalog | ObjectKind::Connection => 1,
        ObjectKind::Schema => 2,
        ObjectKind::Table | ObjectKind::Function => 3,
    };
    let above = [current.catalog.clone(), current.schema.clone()];
    let missing = usize::saturating_sub(wanted, parts.len());
    let mut full: Vec<String> = above.into_iter().take(wanted - 1).take(missing).collect();
    full.extend(parts);
    if full.len() != wanted {
        return Err(SqlError::condition(
            "INVALID_IDENTIFIER",
            "42602",
            format!("{} is not the name of a {}.", full.join("."), kind.word().to_lowercase()),
        ));
    }
    Ok(ObjectPath::new(full).map_err(brickyard_catalog::unity::UnityError::from)?)
}

/// The rows of a command: made already.
pub(crate) fn rows_from(schema: SchemaRef, batches: Vec<RecordBatch>) -> Rows {
    let stream = futures_util::stream::iter(batches.into_iter().map(Ok));
    (Arc::clone(&schema), Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
}

/// What a command answers that has no rows.
pub(crate) fn no_rows() -> Rows {
    rows_from(Arc::new(datafusion::arrow::datatypes::Schema::empty()), Vec::new())
}

/// Whether a subquery of a plan refers to the query around it.
fn refers_outside(plan: &LogicalPlan) -> bool {
    let mut found = false;
    let walked = plan.apply_with_subqueries(|node| {
        found |= node.contains_outer_reference();
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    walked.is_ok() && found
}
