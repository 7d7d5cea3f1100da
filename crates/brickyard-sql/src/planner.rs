//! The planner's view of the world for one scope: the speaker's own, or a view's or function's with its owner's rights.
//!
//! DataFusion asks for tables while it plans and cannot wait. So a scope plans in rounds: what is missing is noted, loaded
//! (which is where somebody is asked whether they may), and planning starts again.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use brickyard_catalog::unity::{FunctionReturns, Object};
use brickyard_types::SqlType;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{ScalarValue, TableReference};
use datafusion::config::ConfigOptions;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SessionState;
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner, RelationPlanner, TypePlanner};
use datafusion::logical_expr::{
    AggregateUDF, ColumnarValue, Expr, HigherOrderUDF, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, TableSource, TypeSignature, Volatility, WindowUDF,
};
use datafusion::sql::sqlparser::ast;
use parking_lot::Mutex;

use crate::arrow_types::to_arrow;
use crate::rewrite::TABLE_FUNCTION;
use crate::run::query::StatementFunctions;
use crate::spark::clauses::Sort;

/// What planning missed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Missing {
    /// A table or view, as it was named.
    Table(Vec<String>),
    /// The n-th table function of the query.
    TableFunction(usize),
}

/// What a scope has loaded.
#[derive(Default)]
pub(crate) struct Loaded {
    pub tables: HashMap<Vec<String>, Arc<dyn TableSource>>,
    pub table_functions: HashMap<usize, Arc<dyn TableSource>>,
}

/// One round of planning.
pub(crate) struct Round<'a> {
    pub state: &'a SessionState,
    pub loaded: &'a Loaded,
    pub missing: Mutex<Option<Missing>>,
    /// Functions of this statement (`current_user`).
    pub statement_functions: &'a StatementFunctions<'a>,
    /// Looks a function of Unity Catalog up by the name that was written.
    pub find_function: &'a (dyn Fn(Vec<String>) -> Option<Arc<Object>> + Sync),
}

impl Round<'_> {
    /// What a called function is.
    pub(crate) fn sort(&self, call: &ast::Function) -> Sort {
        let name = crate::rewrite::parts(&call.name).join(".");
        let special = matches!(name.as_str(), "unnest" | "unnest_outer" | "make_map" | "map");
        if special || self.state.higher_order_functions().contains_key(&name) {
            Sort::Nameless
        } else if self.get_function_meta(&name).is_some() {
            Sort::Scalar
        } else if self.state.aggregate_functions().contains_key(&name) {
            Sort::Aggregate
        } else if self.state.window_functions().contains_key(&name) {
            Sort::Window
        } else {
            Sort::Other
        }
    }

    fn miss(&self, missing: Missing) -> DataFusionError {
        let mut slot = self.missing.lock();
        if slot.is_none() {
            *slot = Some(missing);
        }
        DataFusionError::Plan("something is not loaded yet".to_owned())
    }
}

impl ContextProvider for Round<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        let parts: Vec<String> = match &name {
            TableReference::Bare { table } => vec![table.to_string()],
            TableReference::Partial { schema, table } => vec![schema.to_string(), table.to_string()],
            TableReference::Full { catalog, schema, table } => {
                vec![catalog.to_string(), schema.to_string(), table.to_string()]
            }
        };
        if let [one] = parts.as_slice()
            && let Some(index) = one.strip_prefix(TABLE_FUNCTION).and_then(|index| index.parse().ok())
        {
            let found = self.loaded.table_functions.get(&index).cloned();
            return found.ok_or_else(|| self.miss(Missing::TableFunction(index)));
        }
        let found = self.loaded.tables.get(&parts).cloned();
        found.ok_or_else(|| self.miss(Missing::Table(parts)))
    }

    fn get_table_function_source(&self, name: &str, args: Vec<Expr>) -> Result<Arc<dyn TableSource>> {
        let function = self.state.table_functions().get(name).cloned();
        let function =
            function.ok_or_else(|| DataFusionError::Plan(format!("table function {name} does not exist")))?;
        // They take BIGINTs alone, and a literal is an INT.
        let wide = |one| match one {
            Expr::Literal(ScalarValue::Int32(Some(n)), metadata) => {
                Expr::Literal(ScalarValue::Int64(Some(i64::from(n))), metadata)
            }
            other => other,
        };
        let args: Vec<Expr> = args.into_iter().map(wide).collect();
        let provider = function.create_table_provider_with_args(
            datafusion::catalog::TableFunctionArgs::new(&args, self.state),
        )?;
        Ok(datafusion::datasource::provider_as_source(provider))
    }

    fn create_cte_work_table(
        &self,
        name: &str,
        schema: datafusion::arrow::datatypes::SchemaRef,
    ) -> Result<Arc<dyn TableSource>> {
        let table = datafusion::datasource::cte_worktable::CteWorkTable::new(name, schema);
        Ok(datafusion::datasource::provider_as_source(Arc::new(table)))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.state.expr_planners()
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        crate::from::planners()
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        static MAPS: LazyLock<Arc<dyn TypePlanner>> = LazyLock::new(|| Arc::new(Maps));
        Some(Arc::clone(&MAPS))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        let parts: Vec<String> = name.split('.').map(|part| part.trim_matches('`').to_lowercase()).collect();
        if let [one] = parts.as_slice() {
            if let Some(found) = self.statement_functions.get(one) {
                return Some(Arc::clone(found));
            }
            if let Some(found) = self.state.scalar_functions().get(one) {
                return Some(Arc::clone(found));
            }
            if self.state.aggregate_functions().contains_key(one)
                || self.state.window_functions().contains_key(one)
            {
                return None;
            }
        }
        let object = (self.find_function)(parts)?;
        Some(Arc::new(ScalarUDF::from(Called::new(object)?)))
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.state.higher_order_functions().get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.state.aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.state.window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.state.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.state.scalar_functions().keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        self.state.higher_order_functions().keys().cloned().collect()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.state.aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.state.window_functions().keys().cloned().collect()
    }
}

/// `MAP<key, value>`, the one type of Spark that DataFusion's planner does not know.
#[derive(Debug)]
struct Maps;

impl TypePlanner for Maps {
    fn plan_type_field(&self, sql_type: &ast::DataType) -> Result<Option<FieldRef>> {
        let map = matches!(sql_type, ast::DataType::Map(..)).then(|| of_sql(sql_type)).flatten();
        Ok(map.map(|map| Arc::new(Field::new("", to_arrow(&map), true))))
    }
}

fn of_sql(sql_type: &ast::DataType) -> Option<SqlType> {
    match sql_type {
        ast::DataType::Map(key, value) => {
            Some(SqlType::Map(Box::new(of_sql(key)?), Box::new(of_sql(value)?)))
        }
        other => other.to_string().parse().ok(),
    }
}

/// A call of a function of Unity Catalog, until its body takes its place. It never runs.
#[derive(Debug)]
pub(crate) struct Called {
    pub object: Arc<Object>,
    name: String,
    returns: DataType,
    signature: Signature,
}

impl PartialEq for Called {
    fn eq(&self, other: &Self) -> bool {
        self.object.id == other.object.id
    }
}

impl Eq for Called {}

impl std::hash::Hash for Called {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.object.id.hash(state);
    }
}

impl Called {
    fn new(object: Arc<Object>) -> Option<Self> {
        let function = object.function()?;
        let FunctionReturns::Scalar(returns) = &function.returns else { return None };
        let all = function.parameters.len();
        let required = function.parameters.iter().take_while(|parameter| parameter.default.is_none()).count();
        let arity =
            |count: usize| if count == 0 { TypeSignature::Nullary } else { TypeSignature::Any(count) };
        // Arguments by name are in their places by now: see `named_arguments.rs`.
        let signature = if required == all {
            Signature::new(arity(all), Volatility::Volatile)
        } else {
            Signature::one_of((required..=all).map(arity).collect(), Volatility::Volatile)
        };
        let (returns, name) = (to_arrow(returns), object.full_name.to_string());
        Some(Self { object, name, returns, signature })
    }
}

impl ScalarUDFImpl for Called {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.returns.clone())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Err(DataFusionError::Internal(format!("the body of {} did not take its place", self.name)))
    }
}
