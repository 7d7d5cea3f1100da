//! Queries: planned in rounds, with every policy and function body in place, before anything is optimised.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use brickyard_catalog::unity::{Object, ObjectKind, ObjectPath, Target, UnityError, UseParents};
use brickyard_catalog::{Asker, family};
use brickyard_types::Principal;
use datafusion::arrow::array::{RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, ScalarUDF, TableSource};
use datafusion::sql::planner::{NullOrdering, ParserOptions, PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast;

use crate::arrow_types::to_sql;
use crate::deep::deep;
use crate::delta::history::AsOf;
use crate::engine::Inner;
use crate::error::SqlError;
use crate::identity_functions;
use crate::information_schema;
use crate::planner::{Loaded, Missing, Round};
use crate::rewrite::{self, TableFunctionCall};
use crate::run::{Rows, Run, rows_from, spelling};
use crate::session::Current;
use crate::spark::{built_in, calls, clauses, lateral_alias, misplaced, set_types, struct_wildcard};
use crate::statement::Statement;
use crate::temporary::variables::Variables;

/// How deep views and functions may refer to each other.
pub(crate) const DEEPEST: usize = 24;

/// Whose rights names are resolved with, and where.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'s> {
    pub asker: &'s Asker<'s>,
    pub current: &'s Current,
    pub depth: usize,
    pub names: Names<'s>,
}

/// Whether names of one part may be those of the session. What others wrote and somebody reads with (views, functions,
/// policies) never sees them: a temporary view must not stand in for the table that a row filter asks.
#[derive(Clone, Copy)]
pub(crate) enum Names<'s> {
    /// No.
    Catalog,
    /// No, and whoever means one is told so: the text will be kept.
    Kept,
    /// Yes: the statement is the speaker's own.
    Session,
    /// These: the text of a temporary view, which was written when there were no others.
    Seen(&'s std::collections::BTreeSet<String>),
}

/// What is planned in a scope.
pub(crate) enum Tree {
    /// A query.
    Query(Box<ast::Query>),
    /// An expression over these columns.
    Expression(Box<ast::Expr>, Arc<DFSchema>),
}

/// What came of it.
pub(crate) enum Planned {
    Query(LogicalPlan),
    Expression(Expr),
}

impl Run<'_> {
    /// The settings of one statement, and when it began: `now()` is that everywhere in it.
    pub(crate) fn state(&self) -> &SessionState {
        self.own_state.get_or_init(|| {
            let mut state = self.sql.base.clone();
            state.mark_start_execution();
            state
        })
    }

    /// A query of a scope, planned.
    pub(crate) async fn plan_in(
        &self,
        asker: &Asker<'_>,
        current: &Current,
        query: &ast::Query,
    ) -> Result<LogicalPlan, SqlError> {
        let scope = Scope { asker, current, depth: 0, names: Names::Session };
        self.plan_scope_query(scope, query).await
    }

    /// A query whose text will be kept, and read without this session.
    pub(crate) async fn plan_kept_query(&self, query: &ast::Query) -> Result<LogicalPlan, SqlError> {
        let (asker, current) = (self.session.speaker().asker(), self.current());
        let scope = Scope { asker: &asker, current: &current, depth: 0, names: Names::Kept };
        self.plan_scope_query(scope, query).await
    }

    pub(crate) async fn plan_scope_query(
        &self,
        scope: Scope<'_>,
        query: &ast::Query,
    ) -> Result<LogicalPlan, SqlError> {
        match self.plan_tree(scope, Tree::Query(Box::new(query.clone()))).await? {
            Planned::Query(plan) => Ok(plan),
            Planned::Expression(_) => Err(SqlError::unsupported("an expression where a query is needed")),
        }
    }

    /// An expression of a scope over the columns of `schema`, planned.
    pub(crate) async fn plan_scope_expression(
        &self,
        scope: Scope<'_>,
        expression: &ast::Expr,
        schema: &Arc<DFSchema>,
    ) -> Result<Expr, SqlError> {
        match self
            .plan_tree(scope, Tree::Expression(Box::new(expression.clone()), Arc::clone(schema)))
            .await?
        {
            Planned::Expression(expr) => Ok(expr),
            Planned::Query(_) => Err(SqlError::unsupported("a query where an expression is needed")),
        }
    }

    /// Plans in rounds until nothing is missing, then puts function bodies in the place of their calls.
    fn plan_tree<'f>(
        &'f self,
        scope: Scope<'f>,
        mut tree: Tree,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Planned, SqlError>> + Send + 'f>> {
        deep(async move {
            if scope.depth > DEEPEST {
                return Err(SqlError::condition(
                    "RECURSION_LIMIT_EXCEEDED",
                    "42836",
                    "Views, functions or policies refer to each other too deeply, or to themselves.",
                ));
            }
            let calls = match &mut tree {
                Tree::Query(query) => rewrite::prepare(&mut **query, self.parameters)?,
                Tree::Expression(expression, _) => rewrite::prepare(&mut **expression, self.parameters)?,
            };
            let functions = StatementFunctions::new(self, scope.current);
            let mut loaded = Loaded::default();
            let mut called: Vec<&str> = Vec::new();
            let variables = self.variables(scope.names)?;
            let mut read: Option<&Variables> = None;
            let find_function = |parts: Vec<String>| {
                let path = crate::run::qualify(ObjectKind::Function, parts, scope.current).ok()?;
                self.sql.catalog.unity().find(ObjectKind::Function, &path).cloned()
            };
            // A built-in function hides one of that name, as it does when the planner looks for it.
            let of_catalog = |parts: Vec<String>| {
                let built_in = matches!(parts.as_slice(), [one] if self.is_built_in(&functions, one));
                if built_in { None } else { find_function(parts) }
            };
            match &mut tree {
                Tree::Query(query) => self.arguments_in_places(scope, &mut **query, &of_catalog)?,
                Tree::Expression(expression, _) => {
                    self.arguments_in_places(scope, &mut **expression, &of_catalog)?;
                }
            }
            loop {
                let round = Round {
                    state: &self.sql.known,
                    loaded: &loaded,
                    missing: parking_lot::Mutex::new(None),
                    statement_functions: &functions,
                    find_function: &find_function,
                };
                let sort = |call: &ast::Function| round.sort(call);
                match &tree {
                    Tree::Query(query) => {
                        clauses::check(&**query, &sort)?;
                        misplaced::check(&**query, &sort)?;
                    }
                    Tree::Expression(expression, _) => {
                        clauses::check(&**expression, &sort)?;
                        misplaced::check(&**expression, &sort)?;
                    }
                }
                let planned = plan_once(&round, &tree, read);
                let missing = round.missing.into_inner();
                match (planned, missing) {
                    (Ok(planned), _) => {
                        return Ok(match planned {
                            Planned::Query(plan) => {
                                let plan = self.with_connections(scope, plan)?;
                                Planned::Query(self.with_bodies(scope, plan).await?)
                            }
                            Planned::Expression(expr) => {
                                let expr = self.expression_with_connections(scope, expr)?;
                                Planned::Expression(self.expression_with_bodies(scope, expr).await?)
                            }
                        });
                    }
                    (Err(_), Some(Missing::Table(parts))) => {
                        let source = self.load_table(scope, &parts).await?;
                        loaded.tables.insert(parts, source);
                    }
                    (Err(_), Some(Missing::TableFunction(index))) => {
                        let Some(call) = calls.get(index) else {
                            return Err(not_found("TABLE_OR_VIEW_NOT_FOUND", "table or view", "42P01", "?"));
                        };
                        let source = self.load_table_function(scope, call).await?;
                        loaded.table_functions.insert(index, source);
                    }
                    (Err(error), None) => {
                        let bare = bare_name(&error).filter(|name| !called.contains(name));
                        let Some(bare) = bare else {
                            let wildcard = match &mut tree {
                                Tree::Query(query) => struct_wildcard::resolved(&mut **query, &error),
                                Tree::Expression(expr, _) => struct_wildcard::resolved(&mut **expr, &error),
                            };
                            if wildcard {
                                continue;
                            }
                            let resolved = unknown_name(&error).is_some_and(|name| match &mut tree {
                                Tree::Query(query) => lateral_alias::resolve(&mut **query, name),
                                Tree::Expression(..) => false,
                            });
                            if resolved {
                                continue;
                            }
                            if read.is_none() && variables.as_ref().is_some_and(|known| known.has(&error)) {
                                read = variables.as_ref();
                                continue;
                            }
                            return Err(explained(error));
                        };
                        match &mut tree {
                            Tree::Query(query) => rewrite::call_bare(&mut **query, bare),
                            Tree::Expression(expression, _) => rewrite::call_bare(&mut **expression, bare),
                        }
                        called.push(bare);
                    }
                }
            }
        })
    }

    fn is_built_in(&self, functions: &StatementFunctions<'_>, name: &str) -> bool {
        let known = &self.sql.known;
        functions.get(name).is_some()
            || known.scalar_functions().contains_key(name)
            || known.higher_order_functions().contains_key(name)
            || known.aggregate_functions().contains_key(name)
            || known.window_functions().contains_key(name)
    }

    async fn load_table(&self, scope: Scope<'_>, parts: &[String]) -> Result<Arc<dyn TableSource>, SqlError> {
        if let Some(view) = self.temporary_view(scope, parts)? {
            return self.temporary_relation(scope, &view).await;
        }
        let path = crate::run::qualify(ObjectKind::Table, parts.to_vec(), scope.current)?;
        if information_schema::holds(&path) {
            return self.information_schema(scope, &path);
        }
        let object = self.find(scope.asker, ObjectKind::Table, &path)?;
        self.relation(scope, &object).await
    }

    async fn load_table_function(
        &self,
        scope: Scope<'_>,
        call: &TableFunctionCall,
    ) -> Result<Arc<dyn TableSource>, SqlError> {
        let mut arguments = Vec::with_capacity(call.arguments.len());
        for (name, expression) in &call.arguments {
            arguments.push((name.clone(), self.constant(expression)?));
        }
        if let [(Some(how), value)] = arguments.as_slice()
            && matches!(how.as_str(), rewrite::VERSION | rewrite::TIMESTAMP)
        {
            if self.temporary_view(scope, &call.name)?.is_some() {
                return Err(SqlError::unsupported("a version of a temporary view"));
            }
            let path = crate::run::qualify(ObjectKind::Table, call.name.clone(), scope.current)?;
            let object = self.find(scope.asker, ObjectKind::Table, &path)?;
            return self.relation_as_of(scope, &object, AsOf::new(how == rewrite::VERSION, value)?).await;
        }
        if call.name == ["read_files"] {
            return self.read_files(scope, arguments).await;
        }
        let path = crate::run::qualify(ObjectKind::Function, call.name.clone(), scope.current)?;
        let object = self.find(scope.asker, ObjectKind::Function, &path)?;
        self.table_function(scope, &object, arguments).await
    }

    /// The object behind a path, for whoever asks.
    ///
    /// # Errors
    /// If there is none. What is above it is looked at first: who may not look into a schema is told so, whether or
    /// not the object is there.
    pub(crate) fn find(
        &self,
        asker: &Asker<'_>,
        kind: ObjectKind,
        path: &ObjectPath,
    ) -> Result<Arc<Object>, SqlError> {
        let unity = self.sql.catalog.unity();
        if let Some(object) = unity.find(kind, path) {
            return Ok(Arc::clone(object));
        }
        let mut above = brickyard_catalog::unity::ObjectId::METASTORE;
        for (kind, part) in [ObjectKind::Catalog, ObjectKind::Schema].into_iter().zip(path.parents()) {
            let Some(object) = unity.child(above, kind, part) else {
                information_schema::refuse_change(path)?;
                let name = path.parts()[..=usize::from(kind == ObjectKind::Schema)].join(".");
                return Err(UnityError::NotFound { kind, name }.into());
            };
            self.authorize_as(asker, UseParents(Target::new(object.reference(), &family::SQL_STATEMENTS)))?;
            above = object.id;
        }
        information_schema::refuse_change(path)?;
        if kind == ObjectKind::Table {
            return Err(not_found("TABLE_OR_VIEW_NOT_FOUND", "table or view", "42P01", &path.to_string()));
        }
        Err(UnityError::NotFound { kind, name: path.to_string() }.into())
    }

    /// A constant expression's value.
    pub(crate) fn constant(&self, expression: &ast::Expr) -> Result<ScalarValue, SqlError> {
        self.constant_in(Names::Catalog, expression)
    }

    /// As [`constant`](Self::constant), where names may be those of variables.
    pub(crate) fn constant_in(
        &self,
        names: Names<'_>,
        expression: &ast::Expr,
    ) -> Result<ScalarValue, SqlError> {
        use datafusion::optimizer::simplify_expressions::ExprSimplifier;
        let mut expression = expression.clone();
        rewrite::prepare(&mut expression, self.parameters)?;
        let current = self.current();
        let functions = StatementFunctions::new(self, &current);
        let loaded = Loaded::default();
        let round = Round {
            state: &self.sql.known,
            loaded: &loaded,
            missing: parking_lot::Mutex::new(None),
            statement_functions: &functions,
            find_function: &|_| None,
        };
        clauses::check(&expression, &|call| round.sort(call))?;
        let empty = DFSchema::empty();
        let planner = SqlToRel::new_with_options(&round, parser_options());
        let variables = self.variables(names)?;
        let mut expr = planner.sql_to_expr(expression, &empty, &mut around(variables.as_ref()))?;
        if let Some(variables) = &variables {
            expr = variables.in_expression(expr)?;
        }
        let context = datafusion::logical_expr::simplify::SimplifyContext::builder()
            .with_config_options(Arc::clone(self.sql.known.config_options()))
            .with_query_execution_start_time(self.state().execution_props().query_execution_start_time)
            .build();
        let simplifier = ExprSimplifier::new(context);
        let expr = expr.unalias_nested().data;
        let simplified = simplifier.coerce(expr, &empty).and_then(|expr| simplifier.simplify(expr))?;
        match simplified {
            Expr::Literal(value, _) => Ok(value),
            other => Err(SqlError::condition(
                "NON_FOLDABLE_ARGUMENT",
                "42K08",
                format!("A constant is needed here, not {other}."),
            )),
        }
    }

    /// A constant expression's text.
    pub(crate) fn constant_text(&self, expression: &ast::Expr) -> Result<String, SqlError> {
        text_of(&self.constant(expression)?)
    }

    /// `EXPLAIN`: the plan, in which what is behind a policy is one opaque line.
    pub(crate) async fn explain(&self, statement: Statement) -> Result<Rows, SqlError> {
        let Statement::Query(query) = statement else {
            return Err(SqlError::unsupported("EXPLAIN of anything but a query"));
        };
        let plan = self.plan_query(&query).await?;
        let state = self.state();
        let physical = state.create_physical_plan(&plan).await?;
        let shown = datafusion::physical_plan::displayable(physical.as_ref()).indent(false).to_string();
        let text = format!("== Physical Plan ==\n{shown}");
        let schema = Arc::new(Schema::new(vec![Field::new("plan", DataType::Utf8, false)]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(StringArray::from(vec![text]))])
            .map_err(datafusion::error::DataFusionError::from)?;
        Ok(rows_from(schema, vec![batch]))
    }

    /// `DESCRIBE QUERY`: its columns.
    pub(crate) async fn describe_query(&self, query: &ast::Query) -> Result<Rows, SqlError> {
        let plan = self.plan_query(query).await?;
        // With the casts that nobody wrote: CASE of INT and DOUBLE is a DOUBLE.
        let state = self.state();
        let plan = state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {})?;
        let rows = rows_from(Arc::clone(plan.schema().inner()), Vec::new());
        let (shown, _) = spelling::spelled(rows, &spelling::written(query), &self.spellings.lock());
        let fields = shown.fields();
        let names: Vec<_> = fields.iter().map(|field| field.name().clone()).collect();
        let types: Vec<_> = fields
            .iter()
            .map(|field| {
                to_sql(field.data_type()).map_or_else(|| field.data_type().to_string(), |sql| sql.to_string())
            })
            .collect();
        let comments: StringArray = fields.iter().map(|_| None::<&str>).collect();
        let text = |name: &str| Field::new(name, DataType::Utf8, true);
        let schema = Arc::new(Schema::new(vec![text("col_name"), text("data_type"), text("comment")]));
        let columns: Vec<datafusion::arrow::array::ArrayRef> =
            vec![Arc::new(StringArray::from(names)), Arc::new(StringArray::from(types)), Arc::new(comments)];
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns)
            .map_err(datafusion::error::DataFusionError::from)?;
        Ok(rows_from(schema, vec![batch]))
    }
}

/// The functions of one scope that ask who runs the statement: made when the first of them is called.
pub(crate) struct StatementFunctions<'a> {
    sql: &'a Inner,
    speaker: &'a Principal,
    current: &'a Current,
    made: OnceLock<HashMap<String, Arc<ScalarUDF>>>,
}

impl<'a> StatementFunctions<'a> {
    fn new(run: &'a Run<'_>, current: &'a Current) -> Self {
        let speaker = run.session.speaker().principal();
        Self { sql: run.sql, speaker, current, made: OnceLock::new() }
    }

    /// One of them, by its lower-case name.
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<ScalarUDF>> {
        if name != crate::http_request::REWRITTEN && !identity_functions::is_one(name) {
            return None;
        }
        let made = self.made.get_or_init(|| {
            let directory = self.sql.catalog.identity().directory();
            let all = identity_functions::of(&directory, self.speaker, self.current);
            let request = (crate::http_request::REWRITTEN.to_owned(), crate::http_request::placeholder());
            all.into_iter().map(|function| (function.name().to_owned(), function)).chain([request]).collect()
        });
        made.get(name)
    }
}

/// A constant that is a text.
pub(crate) fn text_of(value: &ScalarValue) -> Result<String, SqlError> {
    value.try_as_str().flatten().map(str::to_owned).ok_or_else(|| {
        SqlError::condition(
            "NOT_A_CONSTANT_STRING",
            "42601",
            "IDENTIFIER takes a string that is not NULL, and so does EXECUTE IMMEDIATE.",
        )
    })
}

pub(crate) fn not_found(condition: &'static str, what: &str, state: &'static str, name: &str) -> SqlError {
    SqlError::condition(
        condition,
        state,
        format!(
            "The {what} `{}` cannot be found. Verify the spelling and correctness of the schema and catalog.",
            name.replace('.', "`.`")
        ),
    )
}

/// The planner's complaint about a function that does not exist, in Databricks' words.
fn explained(error: datafusion::error::DataFusionError) -> SqlError {
    let text = error.find_root().strip_backtrace();
    if let Some(rest) = text.strip_prefix("Error during planning: Invalid function '") {
        let name = rest.split('\'').next().unwrap_or_default();
        if built_in::is_one(name) {
            return SqlError::unsupported(format_args!("the function {name}"));
        }
        return not_found("UNRESOLVED_ROUTINE", "routine", "42883", name);
    }
    error.into()
}

/// The name without brackets that is no column, and may be a call.
fn bare_name(error: &datafusion::error::DataFusionError) -> Option<&'static str> {
    let unknown = unknown_name(error)?;
    calls::bare().find(|name| *name == unknown)
}

/// The name alone that is no column.
fn unknown_name(error: &datafusion::error::DataFusionError) -> Option<&str> {
    use datafusion::common::SchemaError;
    use datafusion::error::DataFusionError;
    match error.find_root() {
        DataFusionError::SchemaError(inner, _) => match &**inner {
            SchemaError::FieldNotFound { field, .. } if field.relation.is_none() => Some(&field.name),
            _ => None,
        },
        _ => None,
    }
}

fn parser_options() -> ParserOptions {
    ParserOptions::new()
        .with_map_string_types_to_utf8view(false)
        .with_parse_float_as_decimal(true)
        // Ascending, NULL is first.
        .with_default_null_ordering(NullOrdering::NullsMin)
}

fn plan_once(
    round: &Round<'_>,
    tree: &Tree,
    variables: Option<&Variables>,
) -> datafusion::error::Result<Planned> {
    let planner = SqlToRel::new_with_options(round, parser_options());
    let mut context = around(variables);
    match tree {
        Tree::Query(query) => {
            let query = ast::Statement::Query(query.clone());
            let plan = planner.sql_statement_to_plan_with_context(query, &mut context)?;
            let plan = match variables {
                Some(variables) => variables.in_plan(plan)?,
                None => plan,
            };
            set_types::brought_together(plan).map(Planned::Query)
        }
        Tree::Expression(expression, schema) => {
            let planned = planner.sql_to_expr((**expression).clone(), schema, &mut context)?;
            let planned = match variables {
                Some(variables) => variables.in_expression(planned)?,
                None => planned,
            };
            Ok(Planned::Expression(planned))
        }
    }
}

/// What is around a statement: nothing, or the session's variables.
fn around(variables: Option<&Variables>) -> PlannerContext {
    let mut context = PlannerContext::new();
    if let Some(variables) = variables {
        context.append_outer_query_schema(Arc::clone(&variables.schema));
    }
    context
}
