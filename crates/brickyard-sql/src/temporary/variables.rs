//! Session variables: `DECLARE`, `SET VAR`, their use by name, and `DROP TEMPORARY VARIABLE`.
//!
//! A column comes before a variable of its name, so variables are offered to the planner as the columns of a query
//! outside of the whole statement, and only when a name was not found. What it took is then its value, a literal.

use std::collections::HashMap;
use std::sync::Arc;

use brickyard_types::SqlType;
use datafusion::arrow::datatypes::Field;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, ScalarValue, SchemaError, TableReference};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast};
use datafusion::sql::sqlparser::ast;

use super::Temporary;
use crate::arrow_types::{to_arrow, to_sql};
use crate::error::SqlError;
use crate::inline::{map_expressions, map_subquery};
use crate::run::query::Names;
use crate::run::{Rows, Run, no_rows};
use crate::statement::{DeclareVariables, Name};

/// What variables are columns of: `session.x`.
pub(crate) const SESSION: &str = "session";

/// What a column is called that is a variable and nothing else, before it gets the variable's name.
const SHOWN: &str = "outer_ref(session.";

/// A variable, and what it is again after `SET VAR x = DEFAULT`.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    pub data_type: SqlType,
    pub value: ScalarValue,
    default: Option<ast::Expr>,
}

/// The variables that a statement may read.
pub(crate) struct Variables {
    values: HashMap<String, ScalarValue>,
    pub schema: Arc<DFSchema>,
}

impl Variables {
    /// Whether a name that was not found is one of them.
    pub(crate) fn has(&self, error: &DataFusionError) -> bool {
        let DataFusionError::SchemaError(inner, _) = error.find_root() else { return false };
        let SchemaError::FieldNotFound { field, .. } = &**inner else { return false };
        let of_session = field.relation.as_ref().is_none_or(|relation| relation.table() == SESSION);
        of_session && self.values.contains_key(&field.name)
    }

    /// An expression with values in the place of variables.
    pub(crate) fn in_expression(&self, expr: Expr) -> Result<Expr, DataFusionError> {
        let put = expr.transform_up(|one| {
            if crate::inline::subquery_of(&one).is_some() {
                return map_subquery(one, &mut |plan| self.in_plan(plan));
            }
            self.put(one)
        })?;
        Ok(put.data)
    }

    /// A plan with values in the place of variables.
    pub(crate) fn in_plan(&self, plan: LogicalPlan) -> Result<LogicalPlan, DataFusionError> {
        let plan = map_expressions(plan, &mut |expr| {
            expr.transform_up(|one| {
                if crate::inline::subquery_of(&one).is_some() {
                    // Its plan was changed before: what it refers to outside is less than it was.
                    return map_subquery(one, &mut Ok);
                }
                self.put(one)
            })
        })?;
        let named = |column: &Column| {
            column.name.strip_prefix(SHOWN).map(|name| name.trim_end_matches(')').to_owned())
        };
        let columns = plan.schema().columns();
        if !columns.iter().any(|column| named(column).is_some()) {
            return Ok(plan);
        }
        let shown = columns.into_iter().map(|column| match named(&column) {
            Some(name) => Expr::Column(column).alias(name),
            None => Expr::Column(column),
        });
        LogicalPlanBuilder::from(plan).project(shown.collect::<Vec<_>>())?.build()
    }

    fn put(&self, expr: Expr) -> Result<Transformed<Expr>, DataFusionError> {
        let value = match &expr {
            Expr::OuterReferenceColumn(_, column) if column.relation.as_ref().is_some_and(is_session) => {
                self.values.get(&column.name)
            }
            _ => None,
        };
        Ok(match value {
            Some(value) => Transformed::yes(Expr::Literal(value.clone(), None)),
            None => Transformed::no(expr),
        })
    }
}

fn is_session(relation: &TableReference) -> bool {
    matches!(relation, TableReference::Bare { table } if &**table == SESSION)
}

impl Run<'_> {
    /// The variables that a scope may read, if there are any.
    pub(crate) fn variables(&self, names: Names<'_>) -> Result<Option<Variables>, SqlError> {
        if matches!(names, Names::Catalog | Names::Kept) {
            return Ok(None);
        }
        let held = self.session.temporary();
        if held.variables.is_empty() {
            return Ok(None);
        }
        let relation = TableReference::bare(SESSION);
        let fields = held.variables.iter().map(|(name, variable)| {
            let field = Field::new(name, to_arrow(&variable.data_type), true);
            (Some(relation.clone()), Arc::new(field))
        });
        let schema = Arc::new(DFSchema::new_with_metadata(fields.collect(), HashMap::new())?);
        let values = held.variables.iter().map(|(name, one)| (name.clone(), one.value.clone())).collect();
        Ok(Some(Variables { values, schema }))
    }

    /// `DECLARE [OR REPLACE] VARIABLE a, b INT DEFAULT 1`.
    pub(crate) async fn declare(&self, declare: DeclareVariables) -> Result<Rows, SqlError> {
        self.in_a_session("DECLARE VARIABLE")?;
        let names = declare.names.iter().map(variable_name).collect::<Result<Vec<_>, _>>()?;
        let free = |held: &Temporary| {
            let taken = names.iter().find(|name| held.variables.contains_key(*name) && !declare.or_replace);
            match taken {
                Some(name) => Err(SqlError::condition(
                    "VARIABLE_ALREADY_EXISTS",
                    "42723",
                    format!("The variable `{name}` already exists. Drop it, or write DECLARE OR REPLACE."),
                )),
                None => Ok(()),
            }
        };
        free(&self.session.temporary())?;
        let data_type = declare.data_type.clone();
        let (data_type, value) = match &declare.default {
            Some(default) => self.computed(default, data_type).await?,
            None => {
                let data_type = data_type.unwrap_or(SqlType::String);
                let value = ScalarValue::try_from(&to_arrow(&data_type))?;
                (data_type, value)
            }
        };
        let mut held = self.session.temporary();
        free(&held)?;
        for name in names {
            held.room_for(value.size())?;
            let (data_type, value, default) = (data_type.clone(), value.clone(), declare.default.clone());
            held.variables.insert(name, Variable { data_type, value, default });
        }
        Ok(no_rows())
    }

    async fn computed(
        &self,
        expression: &ast::Expr,
        data_type: Option<SqlType>,
    ) -> Result<(SqlType, ScalarValue), SqlError> {
        let plan = self.plan_query(&selecting(vec![expression.clone()])?).await?;
        let data_type = match data_type {
            Some(data_type) => data_type,
            None => {
                // With the casts that nobody wrote.
                let state = self.state();
                let plan =
                    state.analyzer().execute_and_check(plan.clone(), state.config_options(), |_, _| {})?;
                let found = plan.schema().field(0).data_type().clone();
                to_sql(&found)
                    .ok_or_else(|| SqlError::unsupported(format_args!("a variable of type {found}")))?
            }
        };
        let values = self.one_row(plan, std::slice::from_ref(&data_type)).await?;
        let value = values.into_iter().next().unwrap_or(ScalarValue::Null);
        Ok((data_type, value))
    }

    /// `SET VAR a = 1, b = DEFAULT`: each value is that of before the statement.
    pub(crate) async fn set_variables(&self, set: Vec<(Name, Option<ast::Expr>)>) -> Result<Rows, SqlError> {
        let (names, given): (Vec<_>, Vec<_>) = set.into_iter().unzip();
        let targets = self.targets(&names)?;
        let null = || ast::Expr::value(ast::Value::Null);
        let exprs = given.into_iter().zip(&targets);
        let exprs =
            exprs.map(|(given, (_, target))| given.or_else(|| target.default.clone()).unwrap_or_else(null));
        let query = selecting(exprs.collect())?;
        self.assign(targets, &query).await
    }

    /// `SET VAR (a, b) = (SELECT ..)`, and what `EXECUTE IMMEDIATE .. INTO a, b` answers.
    pub(crate) async fn variables_from(&self, names: &[Name], query: &ast::Query) -> Result<Rows, SqlError> {
        let targets = self.targets(names)?;
        self.assign(targets, query).await
    }

    async fn assign(&self, targets: Vec<(String, Variable)>, query: &ast::Query) -> Result<Rows, SqlError> {
        let plan = self.plan_query(query).await?;
        let given = plan.schema().fields().len();
        if given != targets.len() {
            return Err(SqlError::condition(
                "ASSIGNMENT_ARITY_MISMATCH",
                "42802",
                format!("{} variables are set, and the query gives {given} columns.", targets.len()),
            ));
        }
        let types: Vec<SqlType> = targets.iter().map(|(_, target)| target.data_type.clone()).collect();
        let values = self.one_row(plan, &types).await?;
        let mut held = self.session.temporary();
        let bytes = values.iter().map(ScalarValue::size).sum();
        held.room_for(bytes)?;
        for ((name, _), value) in targets.iter().zip(values) {
            if let Some(variable) = held.variables.get_mut(name) {
                variable.value = value;
            }
        }
        Ok(no_rows())
    }

    /// The values of a plan's only row, each of its type; NULLs if there is none.
    async fn one_row(&self, plan: LogicalPlan, types: &[SqlType]) -> Result<Vec<ScalarValue>, SqlError> {
        let columns = plan.schema().columns().into_iter().zip(types).enumerate();
        let columns = columns
            .map(|(at, (column, to))| cast(Expr::Column(column), to_arrow(to)).alias(format!("v{at}")));
        let plan = LogicalPlanBuilder::from(plan)
            .project(columns.collect::<Vec<_>>())?
            .limit(0, Some(2))?
            .build()?;
        let (_, batches) = self.collect(plan).await?;
        let mut rows = batches.iter().filter(|batch| batch.num_rows() > 0);
        let Some(batch) = rows.next() else {
            let nulls = types.iter().map(|one| ScalarValue::try_from(&to_arrow(one)));
            return Ok(nulls.collect::<Result<_, _>>()?);
        };
        if batch.num_rows() > 1 || rows.next().is_some() {
            return Err(SqlError::condition(
                "ROW_SUBQUERY_TOO_MANY_ROWS",
                "21000",
                "A variable is set to a query of more than one row. Add LIMIT 1, or an aggregate.",
            ));
        }
        let values = batch.columns().iter().map(|column| ScalarValue::try_from_array(column, 0));
        Ok(values.collect::<Result<_, _>>()?)
    }

    fn targets(&self, names: &[Name]) -> Result<Vec<(String, Variable)>, SqlError> {
        let held = self.session.temporary();
        let mut found: Vec<(String, Variable)> = Vec::with_capacity(names.len());
        for name in names {
            let name = variable_name(name)?;
            if found.iter().any(|(other, _)| *other == name) {
                let message = format!("The variable `{name}` is set twice.");
                return Err(SqlError::condition("DUPLICATE_ASSIGNMENTS", "42701", message));
            }
            let variable = held.variables.get(&name).cloned().ok_or_else(|| unresolved(&name))?;
            found.push((name, variable));
        }
        Ok(found)
    }

    /// `DROP TEMPORARY VARIABLE [IF EXISTS] x`.
    pub(crate) fn drop_variable(&self, name: &Name, if_exists: bool) -> Result<Rows, SqlError> {
        let name = variable_name(name)?;
        match self.session.temporary().variables.remove(&name) {
            None if !if_exists => Err(unresolved(&name)),
            _ => Ok(no_rows()),
        }
    }
}

/// `SELECT` of these expressions.
fn selecting(exprs: Vec<ast::Expr>) -> Result<ast::Query, SqlError> {
    let mut query = crate::front::parse_query("SELECT NULL")?;
    if let ast::SetExpr::Select(select) = &mut *query.body {
        let items = exprs.into_iter().enumerate();
        let items = items.map(|(at, expr)| ast::SelectItem::ExprWithAlias {
            expr,
            alias: ast::Ident::new(format!("v{at}")),
        });
        select.projection = items.collect();
    }
    Ok(query)
}

/// The name of a variable, lower case: `x`, `session.x` or `system.session.x`.
fn variable_name(name: &Name) -> Result<String, SqlError> {
    let is = |part: &String, word: &str| part.eq_ignore_ascii_case(word);
    match name.0.as_slice() {
        [name] => Ok(name.to_lowercase()),
        [session, name] if is(session, SESSION) => Ok(name.to_lowercase()),
        [system, session, name] if is(system, "system") && is(session, SESSION) => Ok(name.to_lowercase()),
        other => Err(SqlError::condition(
            "UNRESOLVED_VARIABLE",
            "42883",
            format!("{} is no variable: variables are in `system.session`.", other.join(".")),
        )),
    }
}

fn unresolved(name: &str) -> SqlError {
    SqlError::condition(
        "UNRESOLVED_VARIABLE",
        "42883",
        format!(
            "The variable `{name}` is not declared in this session. Declare it: DECLARE VARIABLE {name} ..."
        ),
    )
}
