//! What lives in a session and in no catalog: temporary views and variables.
//!
//! A temporary view is a text. Each use reads it with the rights that its speaker has then, as if the text stood in the
//! query; it grants nothing. Only the speaker's own statements and temporary views see such names.

pub(crate) mod variables;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, TableSource};

use crate::barrier::Barrier;
use crate::definition::columns::{columns_of_plan, distinct};
use crate::error::SqlError;
use crate::front;
use crate::run::query::{Names, Scope};
use crate::run::{Rows, Run, no_rows};
use crate::session::Current;
use crate::show::text_rows;
use crate::statement::{CreateView, NameOrMarker};

/// How much a session may hold.
const MOST: usize = 1_000;
/// How many bytes the texts and values of a session may have.
const MOST_BYTES: usize = 4 << 20;

/// The temporary views and variables of a session, by lower-case name.
#[derive(Default, Debug)]
pub(crate) struct Temporary {
    pub views: BTreeMap<String, Arc<TemporaryView>>,
    pub variables: BTreeMap<String, variables::Variable>,
}

impl Temporary {
    /// Refuses what would make a session too large.
    fn room_for(&self, bytes: usize) -> Result<(), SqlError> {
        let texts = self.views.values().map(|view| view.text.len());
        let held: usize = texts.chain(self.variables.values().map(|one| one.value.size())).sum();
        if self.views.len() + self.variables.len() < MOST && held.saturating_add(bytes) <= MOST_BYTES {
            return Ok(());
        }
        Err(SqlError::condition(
            "QUERY_TOO_COMPLEX",
            "54001",
            format!(
                "A session holds at most {MOST} temporary views and variables, of {MOST_BYTES} bytes together: drop some of them."
            ),
        ))
    }
}

/// A temporary view.
#[derive(Debug)]
pub(crate) struct TemporaryView {
    pub name: String,
    /// What its columns are called and what is said of them, if its statement says so.
    columns: Vec<(String, Option<String>)>,
    text: String,
    current: Current,
    /// The temporary views that were there before it: its text means these, and never itself.
    sees: BTreeSet<String>,
}

impl Run<'_> {
    /// Refuses to make what would be gone with this statement.
    fn in_a_session(&self, what: &str) -> Result<(), SqlError> {
        if self.session.lasts() {
            return Ok(());
        }
        Err(SqlError::unsupported(format_args!(
            "{what} in a statement without a session, which would end with the statement. Open a session \
             (POST /api/2.0/sql/sessions) and send its session_id along"
        )))
    }

    /// `CREATE [OR REPLACE] TEMPORARY VIEW`.
    pub(crate) async fn create_temporary_view(&self, create: CreateView) -> Result<Rows, SqlError> {
        self.in_a_session("CREATE TEMPORARY VIEW")?;
        let name = self.one_part(&create.name)?;
        let Some(name) = name else {
            return Err(SqlError::condition(
                "TEMP_VIEW_NAME_TOO_MANY_NAME_PARTS",
                "428EK",
                "A temporary view lives in the session, and in no catalog and no schema: its name has one part.",
            ));
        };
        let lower = name.to_lowercase();
        let sees: BTreeSet<String> = {
            let held = self.session.temporary();
            if held.views.contains_key(&lower) && !create.or_replace {
                return Err(SqlError::condition(
                    "TEMP_TABLE_OR_VIEW_ALREADY_EXISTS",
                    "42P07",
                    format!(
                        "The temporary view `{name}` already exists. Drop it, or write CREATE OR REPLACE."
                    ),
                ));
            }
            held.room_for(create.text.len())?;
            held.views.keys().filter(|other| **other != lower).cloned().collect()
        };
        let view =
            TemporaryView { name, columns: create.columns, text: create.text, current: self.current(), sees };
        // What is kept is the text, which is read without parameters.
        let mut traces = Vec::new();
        let alone = Run::new(self.sql, self.session, &[], &mut traces);
        let asker = self.session.speaker().asker();
        let current = self.current();
        let scope = Scope { asker: &asker, current: &current, depth: 0, names: Names::Session };
        alone.temporary_plan(scope, &view).await?;
        drop(alone);
        for trace in traces {
            self.record(trace);
        }
        let mut held = self.session.temporary();
        held.room_for(view.text.len())?;
        held.views.insert(lower, Arc::new(view));
        Ok(no_rows())
    }

    /// The temporary view that a name means in a scope.
    ///
    /// # Errors
    /// If it means one, and must not.
    pub(crate) fn temporary_view(
        &self,
        scope: Scope<'_>,
        parts: &[String],
    ) -> Result<Option<Arc<TemporaryView>>, SqlError> {
        let [name] = parts else { return Ok(None) };
        let found = self.session.temporary().views.get(name).cloned();
        match scope.names {
            Names::Session => Ok(found),
            Names::Seen(sees) => Ok(found.filter(|_| sees.contains(name))),
            Names::Catalog => Ok(None),
            Names::Kept if found.is_none() => Ok(None),
            Names::Kept => Err(SqlError::condition(
                "INVALID_TEMP_OBJ_REFERENCE",
                "42K0F",
                format!(
                    "`{name}` is a temporary view of this session, and what is made here is read without the session: \
                     name a table or a view of the catalog, with its schema."
                ),
            )),
        }
    }

    /// The temporary view that a statement names.
    pub(crate) fn named_temporary_view(
        &self,
        name: &NameOrMarker,
    ) -> Result<Option<Arc<TemporaryView>>, SqlError> {
        let Some(name) = self.one_part(name)? else { return Ok(None) };
        Ok(self.session.temporary().views.get(&name.to_lowercase()).cloned())
    }

    /// Refuses to take a temporary view for a table.
    pub(crate) fn no_temporary_view(&self, name: &NameOrMarker) -> Result<(), SqlError> {
        let Some(view) = self.named_temporary_view(name)? else { return Ok(()) };
        Err(SqlError::condition(
            "EXPECT_TABLE_NOT_VIEW.NO_ALTERNATIVE",
            "42809",
            format!(
                "`{}` is a temporary view of this session, which is only read and dropped. To mean a table or a view of the \
                 schema, write the schema before its name.",
                view.name
            ),
        ))
    }

    /// `DROP VIEW`, if the name is one of the session.
    pub(crate) fn drop_temporary_view(&self, name: &NameOrMarker) -> Result<bool, SqlError> {
        let Some(view) = self.named_temporary_view(name)? else { return Ok(false) };
        Ok(self.session.temporary().views.remove(&view.name.to_lowercase()).is_some())
    }

    /// `DESCRIBE` of a temporary view.
    pub(crate) async fn describe_temporary_view(&self, view: &TemporaryView) -> Result<Rows, SqlError> {
        let asker = self.session.speaker().asker();
        let current = self.current();
        let scope = Scope { asker: &asker, current: &current, depth: 0, names: Names::Session };
        let plan = self.temporary_plan(scope, view).await?;
        let state = self.state();
        let plan = state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {})?;
        let comments = view.columns.iter().map(|(_, comment)| comment.clone());
        let comments = comments.chain(std::iter::repeat(None));
        let rows = columns_of_plan(&plan)?
            .into_iter()
            .zip(comments)
            .map(|(column, comment)| vec![Some(column.name), Some(column.data_type.to_string()), comment]);
        text_rows(&["col_name", "data_type", "comment"], rows.collect())
    }

    /// The rows of a temporary view, read with the rights of whoever runs the statement.
    pub(crate) async fn temporary_relation(
        &self,
        scope: Scope<'_>,
        view: &TemporaryView,
    ) -> Result<Arc<dyn TableSource>, SqlError> {
        for (name, _) in view.columns.iter().filter(|(name, _)| *name != name.to_lowercase()) {
            self.spellings.lock().insert(name.to_lowercase(), name.clone());
        }
        let plan = self.temporary_plan(scope, view).await?;
        Ok(provider_as_source(Arc::new(Barrier::of_view(plan, &view.name)?)))
    }

    async fn temporary_plan(
        &self,
        scope: Scope<'_>,
        view: &TemporaryView,
    ) -> Result<datafusion::logical_expr::LogicalPlan, SqlError> {
        let query = front::parse_query(&view.text)?;
        let inner = Scope {
            asker: scope.asker,
            current: &view.current,
            depth: scope.depth + 1,
            names: Names::Seen(&view.sees),
        };
        let plan = self.plan_scope_query(inner, &query).await?;
        if view.columns.is_empty() {
            columns_of_plan(&plan)?;
            return Ok(plan);
        }
        let mut columns = columns_of_plan(&plan)?;
        let found = plan.schema().columns();
        if found.len() != view.columns.len() {
            let message =
                format!("The view names {} columns, its query gives {}.", view.columns.len(), found.len());
            return Err(SqlError::condition("CREATE_VIEW_COLUMN_ARITY_MISMATCH", "21S01", message));
        }
        for (column, (name, _)) in columns.iter_mut().zip(&view.columns) {
            column.name.clone_from(name);
        }
        distinct(&columns)?;
        let named = found.into_iter().zip(&view.columns);
        let named = named.map(|(from, (name, _))| Expr::Column(from).alias(name.to_lowercase()));
        Ok(LogicalPlanBuilder::from(plan).project(named.collect::<Vec<_>>())?.build()?)
    }
}
