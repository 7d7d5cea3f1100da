//! Functions of Unity Catalog: the body takes the call's place. It reads with its owner's rights (definer) and asks as
//! whoever runs the statement (invoker).

use std::collections::HashMap;
use std::sync::Arc;

use brickyard_catalog::Asker;
use brickyard_catalog::unity::{
    ExecuteFunction, FunctionBody, FunctionDetail, FunctionParameter, FunctionReturns, Object,
};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ExprSchema, ScalarValue, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Expr, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, TableSource, cast,
};
use datafusion::sql::sqlparser::ast;

use crate::arrow_types::to_arrow;
use crate::barrier::Barrier;
use crate::deep::deep;
use crate::error::SqlError;
use crate::front::{self, FunctionBody as Body};
use crate::named_arguments::Places;
use crate::planner::Called;
use crate::python_function::{PythonFunction, scalar_udf};
use crate::relation::context;
use crate::run::Run;
use crate::run::query::{Names, Scope};

impl Run<'_> {
    /// A plan with every function's body in the place of its call.
    pub(crate) async fn with_bodies(
        &self,
        scope: Scope<'_>,
        plan: LogicalPlan,
    ) -> Result<LogicalPlan, SqlError> {
        let mut calls = Vec::new();
        note_calls_of_plan(&plan, &mut calls)?;
        if calls.is_empty() {
            return Ok(plan);
        }
        let bodies = self.bodies(scope, calls).await?;
        Ok(put_bodies_in_plan(plan, &bodies)?)
    }

    /// An expression with every function's body in the place of its call.
    pub(crate) async fn expression_with_bodies(
        &self,
        scope: Scope<'_>,
        expr: Expr,
    ) -> Result<Expr, SqlError> {
        let mut calls = Vec::new();
        note_calls(&expr, &mut calls)?;
        if calls.is_empty() {
            return Ok(expr);
        }
        let bodies = self.bodies(scope, calls).await?;
        let rewritten = put_bodies(expr, &bodies)?;
        let rewritten = rewritten
            .data
            .transform_up(|one| map_subquery(one, &mut |plan| put_bodies_in_plan(plan, &bodies)))?;
        Ok(rewritten.data)
    }

    async fn bodies(
        &self,
        scope: Scope<'_>,
        calls: Vec<Arc<Object>>,
    ) -> Result<HashMap<u64, Template>, SqlError> {
        let mut bodies = HashMap::new();
        for object in calls {
            if bodies.contains_key(&object.id.0) {
                continue;
            }
            self.authorize_as(scope.asker, ExecuteFunction(Self::target(&object)))?;
            let template = self.template(scope, &object).await?;
            bodies.insert(object.id.0, template);
        }
        Ok(bodies)
    }

    /// The body of one function with these arguments, whose columns are those of `schema`. Whoever calls it has seen to the
    /// right to.
    pub(crate) async fn body(
        &self,
        scope: Scope<'_>,
        object: &Arc<Object>,
        arguments: Vec<Expr>,
        schema: &DFSchema,
    ) -> Result<Expr, SqlError> {
        let template = self.template(scope, object).await?;
        Ok(template.with(arguments, schema)?)
    }

    /// A function's body, planned in its own scope over its parameters.
    fn template<'f>(
        &'f self,
        scope: Scope<'f>,
        object: &'f Arc<Object>,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Template, SqlError>> + Send + 'f>> {
        deep(async move {
            let Some(function) = object.function() else {
                return Err(SqlError::unsupported(format_args!("{} as a function", object.full_name)));
            };
            let FunctionReturns::Scalar(returns) = &function.returns else {
                return Err(SqlError::condition(
                    "NOT_A_SCALAR_FUNCTION",
                    "42887",
                    format!("{} gives rows: use it in FROM.", object.full_name),
                ));
            };
            let mut parameters = Vec::with_capacity(function.parameters.len());
            for parameter in &function.parameters {
                parameters.push(self.planned_parameter(parameter)?);
            }
            let relation = TableReference::bare(object.name.to_lowercase());
            let body = match &function.body {
                FunctionBody::Python(body) => {
                    let python = PythonFunction {
                        owner: object.owner.0,
                        name: Arc::clone(&object.full_name),
                        parameters: (function.parameters.iter())
                            .map(|parameter| (parameter.name.clone(), parameter.data_type.clone()))
                            .collect(),
                        returns: returns.clone(),
                        body: body.as_str().into(),
                        deterministic: function.deterministic,
                    };
                    let given = parameters.iter().map(|parameter| {
                        Expr::Column(Column::new(Some(relation.clone()), parameter.name.clone()))
                    });
                    scalar_udf(python, self.sql.python.clone()).call(given.collect())
                }
                FunctionBody::Sql(text) => self.sql_body(scope, object, function, &relation, text).await?,
            };
            Ok(Template {
                name: Arc::clone(&object.full_name),
                relation,
                parameters,
                body: of_type(body, to_arrow(returns), &DFSchema::empty()),
            })
        })
    }

    async fn sql_body(
        &self,
        scope: Scope<'_>,
        object: &Arc<Object>,
        function: &FunctionDetail,
        relation: &TableReference,
        text: &str,
    ) -> Result<Expr, SqlError> {
        let expression = match front::parse_body(text)? {
            Body::Expression(expression) => expression,
            Body::Query(query) => ast::Expr::Subquery(Box::new(query)),
        };
        let schema = parameter_schema(&function.parameters, relation)?;
        let (reference, current) = (object.reference(), context(&function.context, &self.current()));
        let asker = Asker::Definer {
            invoker: self.session.speaker().principal(),
            owner: object.owner,
            of: &reference,
        };
        let inner = Scope { asker: &asker, current: &current, depth: scope.depth + 1, names: Names::Catalog };
        self.plan_scope_expression(inner, &expression, &schema).await
    }

    fn planned_parameter(&self, parameter: &FunctionParameter) -> Result<Parameter, SqlError> {
        let default = match &parameter.default {
            Some(text) => Some(Expr::Literal(self.constant(&front::parse_expression(text)?)?, None)),
            None => None,
        };
        Ok(Parameter {
            name: parameter.name.to_lowercase(),
            data_type: to_arrow(&parameter.data_type),
            default,
        })
    }

    /// The rows of a table function, called with constants.
    pub(crate) async fn table_function(
        &self,
        scope: Scope<'_>,
        object: &Arc<Object>,
        arguments: Vec<(Option<String>, ScalarValue)>,
    ) -> Result<Arc<dyn TableSource>, SqlError> {
        self.authorize_as(scope.asker, ExecuteFunction(Self::target(object)))?;
        let (function, columns) = match object.function() {
            Some(function) => match &function.returns {
                FunctionReturns::Table(columns) => (function, columns),
                FunctionReturns::Scalar(_) => {
                    return Err(SqlError::condition(
                        "NOT_A_TABLE_FUNCTION",
                        "42887",
                        format!("{} gives one value: use it in an expression.", object.full_name),
                    ));
                }
            },
            None => return Err(SqlError::unsupported(format_args!("{} as a function", object.full_name))),
        };
        let FunctionBody::Sql(text) = &function.body else {
            return Err(SqlError::unsupported("a table function in Python"));
        };
        let query = match front::parse_body(text)? {
            Body::Query(query) => query,
            Body::Expression(_) => {
                return Err(SqlError::unsupported("a table function whose body is no query"));
            }
        };
        let relation = TableReference::bare(object.name.to_lowercase());
        let mut parameters = Vec::new();
        for parameter in &function.parameters {
            parameters.push(self.planned_parameter(parameter)?);
        }
        let given = in_order(&object.full_name, &parameters, arguments)?;
        // Planned as a subquery over the parameters: a name that no table has is a parameter.
        let exists = ast::Expr::Exists { subquery: Box::new(query), negated: false };
        let schema = parameter_schema(&function.parameters, &relation)?;
        let (reference, current) = (object.reference(), context(&function.context, &self.current()));
        let asker = Asker::Definer {
            invoker: self.session.speaker().principal(),
            owner: object.owner,
            of: &reference,
        };
        let inner = Scope { asker: &asker, current: &current, depth: scope.depth + 1, names: Names::Catalog };
        let planned = self.plan_scope_expression(inner, &exists, &schema).await?;
        let Some(subquery) = subquery_of(&planned) else {
            return Err(SqlError::unsupported("this body of a table function"));
        };
        let template =
            Template { name: Arc::clone(&object.full_name), relation, parameters, body: planned.clone() };
        let nothing = DFSchema::empty();
        let values = template.values(given, &nothing)?;
        let plan = template.in_plan((*subquery.subquery).clone(), &values, &nothing)?;
        let found = plan.schema().columns();
        if !columns.is_empty() && found.len() != columns.len() {
            return Err(SqlError::condition(
                "USER_DEFINED_FUNCTIONS.RETURN_COLUMN_COUNT_MISMATCH",
                "42601",
                format!("{} declares {} columns and gives {}.", object.full_name, columns.len(), found.len()),
            ));
        }
        let shown: Vec<Expr> = if columns.is_empty() {
            found.into_iter().map(Expr::Column).collect()
        } else {
            let pairs = found.into_iter().zip(columns);
            pairs
                .map(|(from, to)| {
                    cast(Expr::Column(from), to_arrow(&to.data_type)).alias(to.name.to_lowercase())
                })
                .collect()
        };
        let plan = LogicalPlanBuilder::from(plan).project(shown)?.build()?;
        Ok(provider_as_source(Arc::new(Barrier::of_view(plan, &object.full_name)?)))
    }
}

/// How large a function's body may be with its arguments and the functions that it calls.
const MOST_NODES: usize = 20_000;

/// A planned parameter.
#[derive(Clone, Debug)]
struct Parameter {
    name: String,
    data_type: DataType,
    default: Option<Expr>,
}

/// A function's body over its parameters, which are columns of `relation`.
#[derive(Clone, Debug)]
struct Template {
    name: Arc<str>,
    relation: TableReference,
    parameters: Vec<Parameter>,
    body: Expr,
}

impl Template {
    /// The arguments by parameter, each of its parameter's type.
    fn values(
        &self,
        arguments: Vec<Expr>,
        schema: &DFSchema,
    ) -> Result<HashMap<String, Expr>, DataFusionError> {
        if arguments.len() > self.parameters.len() {
            return Err(DataFusionError::Plan(format!(
                "{} takes {} arguments, not {}",
                self.name,
                self.parameters.len(),
                arguments.len()
            )));
        }
        let mut given = arguments.into_iter();
        let mut values = HashMap::new();
        for parameter in &self.parameters {
            let value = given.next().or_else(|| parameter.default.clone()).ok_or_else(|| {
                DataFusionError::Plan(format!(
                    "{} needs a value for its parameter {}",
                    self.name, parameter.name
                ))
            })?;
            values.insert(parameter.name.clone(), of_type(value, parameter.data_type.clone(), schema));
        }
        Ok(values)
    }

    /// The body with arguments in the place of parameters.
    fn with(&self, arguments: Vec<Expr>, schema: &DFSchema) -> Result<Expr, DataFusionError> {
        let values = self.values(arguments, schema)?;
        let replaced = self.body.clone().transform_up(|expr| match &expr {
            Expr::Column(column) if column.relation.as_ref() == Some(&self.relation) => {
                match values.get(&column.name) {
                    Some(value) => Ok(Transformed::yes(value.clone())),
                    None => Ok(Transformed::no(expr)),
                }
            }
            _ => map_subquery(expr, &mut |plan| self.in_plan(plan, &values, schema)),
        })?;
        let mut size = 0_usize;
        replaced.data.apply(|one| {
            size += 1;
            if let Some(inner) = subquery_of(one) {
                inner.subquery.apply_with_subqueries(|node| {
                    size += 8 + node.expressions().len();
                    Ok(TreeNodeRecursion::Continue)
                })?;
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        // Functions that call others twice double with every level.
        if size > MOST_NODES {
            return Err(DataFusionError::Plan(format!(
                "[QUERY_TOO_COMPLEX] {} is too complex with its arguments and the functions that it calls",
                self.name
            )));
        }
        Ok(replaced.data)
    }

    /// A subquery of the body: there parameters are references to the outer query.
    fn in_plan(
        &self,
        plan: LogicalPlan,
        values: &HashMap<String, Expr>,
        schema: &DFSchema,
    ) -> Result<LogicalPlan, DataFusionError> {
        map_expressions(plan, &mut |expr| {
            expr.transform_up(|one| match &one {
                Expr::OuterReferenceColumn(_, column) if column.relation.as_ref() == Some(&self.relation) => {
                    match values.get(&column.name) {
                        Some(value) => Ok(Transformed::yes(outer(value.clone(), schema)?)),
                        None => Ok(Transformed::no(one)),
                    }
                }
                _ => Ok(Transformed::no(one)),
            })
        })
    }
}

/// An expression that has a type. Without a cast where it surely has it already: a cast around a filter's condition or
/// around a column that a subquery compares hides from the optimizer that the two are a semi join.
fn of_type(expr: Expr, data_type: DataType, schema: &DFSchema) -> Expr {
    if has_type(&expr, &data_type, schema) { expr } else { cast(expr, data_type) }
}

/// True if an expression has a type whatever its parts are coerced to when the plan is analysed.
fn has_type(expr: &Expr, data_type: &DataType, schema: &DFSchema) -> bool {
    match expr {
        Expr::Column(column) => {
            schema.field_from_column(column).is_ok_and(|field| field.data_type() == data_type)
        }
        Expr::Cast(cast) => cast.field.data_type() == data_type,
        Expr::BinaryExpr(binary) => {
            let boolean = matches!(
                binary.op,
                Operator::And
                    | Operator::Or
                    | Operator::Eq
                    | Operator::NotEq
                    | Operator::Lt
                    | Operator::LtEq
                    | Operator::Gt
                    | Operator::GtEq
            );
            boolean && *data_type == DataType::Boolean
        }
        Expr::Not(_) | Expr::IsNull(_) | Expr::IsNotNull(_) | Expr::Exists(_) | Expr::InSubquery(_) => {
            *data_type == DataType::Boolean
        }
        _ => false,
    }
}

/// An argument as a subquery sees it: its columns are those of the query outside, which `schema` knows.
fn outer(value: Expr, schema: &DFSchema) -> Result<Expr, DataFusionError> {
    let seen = value.transform_up(|expr| match expr {
        Expr::Column(column) => {
            // A type that is not known here is looked up again when the plan is analysed; what matters is that it is
            // outside.
            let field = match schema.field_from_column(&column) {
                Ok(field) => Arc::clone(field),
                Err(_) => Arc::new(Field::new(&column.name, DataType::Null, true)),
            };
            Ok(Transformed::yes(Expr::OuterReferenceColumn(field, column)))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(seen.data)
}

/// Notes the functions that an expression calls, also in its subqueries.
fn note_calls(expr: &Expr, calls: &mut Vec<Arc<Object>>) -> Result<(), DataFusionError> {
    expr.apply(|one| {
        note_call(one, calls);
        if let Some(inner) = subquery_of(one) {
            note_calls_of_plan(&inner.subquery, calls)?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// Notes the functions that a plan calls. Its subqueries are plans that are walked with it.
fn note_calls_of_plan(plan: &LogicalPlan, calls: &mut Vec<Arc<Object>>) -> Result<(), DataFusionError> {
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|one| {
                note_call(one, calls);
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(())
}

fn note_call(expr: &Expr, calls: &mut Vec<Arc<Object>>) {
    if let Expr::ScalarFunction(call) = expr
        && let Some(called) = called(call)
    {
        calls.push(Arc::clone(&called.object));
    }
}

fn called(call: &datafusion::logical_expr::expr::ScalarFunction) -> Option<&Called> {
    let inner: &dyn std::any::Any = call.func.inner().as_ref();
    inner.downcast_ref::<Called>()
}

fn put_bodies(expr: Expr, bodies: &HashMap<u64, Template>) -> Result<Transformed<Expr>, DataFusionError> {
    expr.transform_up(|one| {
        let Expr::ScalarFunction(call) = &one else { return Ok(Transformed::no(one)) };
        let Some(called) = called(call) else { return Ok(Transformed::no(one)) };
        let Some(template) = bodies.get(&called.object.id.0) else { return Ok(Transformed::no(one)) };
        // What the columns of a user's call are is known when the plan is analysed.
        Ok(Transformed::yes(template.with(call.args.clone(), &DFSchema::empty())?))
    })
}

fn put_bodies_in_plan(
    plan: LogicalPlan,
    bodies: &HashMap<u64, Template>,
) -> Result<LogicalPlan, DataFusionError> {
    map_expressions(plan, &mut |expr| put_bodies(expr, bodies))
}

/// Rewrites every expression of a plan and of its subqueries. Columns keep their names.
pub(crate) fn map_expressions(
    plan: LogicalPlan,
    change: &mut dyn FnMut(Expr) -> Result<Transformed<Expr>, DataFusionError>,
) -> Result<LogicalPlan, DataFusionError> {
    let rewritten = plan.transform_up_with_subqueries(|node| {
        let names = NamePreserver::new(&node);
        let node = node.map_expressions(|expr| {
            let name = names.save(&expr);
            Ok(change(expr)?.update_data(|expr| name.restore(expr)))
        })?;
        if node.transformed { node.map_data(LogicalPlan::recompute_schema) } else { Ok(node) }
    })?;
    Ok(rewritten.data)
}

pub(crate) fn subquery_of(expr: &Expr) -> Option<&Subquery> {
    match expr {
        Expr::ScalarSubquery(subquery) => Some(subquery),
        Expr::Exists(exists) => Some(&exists.subquery),
        Expr::InSubquery(inside) => Some(&inside.subquery),
        Expr::SetComparison(compared) => Some(&compared.subquery),
        _ => None,
    }
}

/// Changes the plan of an expression's subquery, and what it refers to outside.
pub(crate) fn map_subquery(
    mut expr: Expr,
    change: &mut dyn FnMut(LogicalPlan) -> Result<LogicalPlan, DataFusionError>,
) -> Result<Transformed<Expr>, DataFusionError> {
    let slot = match &mut expr {
        Expr::ScalarSubquery(subquery) => subquery,
        Expr::Exists(exists) => &mut exists.subquery,
        Expr::InSubquery(inside) => &mut inside.subquery,
        Expr::SetComparison(compared) => &mut compared.subquery,
        _ => return Ok(Transformed::no(expr)),
    };
    let plan = change((*slot.subquery).clone())?;
    slot.outer_ref_columns = plan.all_out_ref_exprs();
    slot.subquery = Arc::new(plan);
    Ok(Transformed::yes(expr))
}

fn parameter_schema(
    parameters: &[FunctionParameter],
    relation: &TableReference,
) -> Result<Arc<DFSchema>, DataFusionError> {
    let fields = parameters.iter().map(|parameter| {
        let field = Field::new(parameter.name.to_lowercase(), to_arrow(&parameter.data_type), true);
        (Some(relation.clone()), Arc::new(field))
    });
    Ok(Arc::new(DFSchema::new_with_metadata(fields.collect(), HashMap::new())?))
}

/// The arguments of a call with constants, in the order of the parameters.
fn in_order(
    function: &str,
    parameters: &[Parameter],
    arguments: Vec<(Option<String>, ScalarValue)>,
) -> Result<Vec<Expr>, SqlError> {
    let mut places = Places::new(function, parameters.iter().map(|parameter| parameter.name.as_str()));
    for (name, value) in arguments {
        places.put(name, Expr::Literal(value, None))?;
    }
    places.filled(|at| Ok(parameters[at].default.clone()))
}
