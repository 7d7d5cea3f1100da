//! Functions: checked the way they will be called, before anything is kept.

use std::sync::Arc;

use brickyard_catalog::unity::{
    self, Detail, FunctionBody, FunctionDetail, FunctionParameter, FunctionReturns, NewObject, ObjectKind,
    UnityError,
};
use brickyard_types::SqlType;
use datafusion::logical_expr::ExprSchemable;

use crate::arrow_types::{to_arrow, to_sql};
use crate::error::SqlError;
use crate::front;
use crate::python_function::PythonFunction;
use crate::run::query::{Names, Scope};
use crate::run::{Rows, Run, no_rows};
use crate::statement::{Body, CreateFunction, Parameter, Returns};

impl Run<'_> {
    pub(crate) async fn create_function(&self, create: CreateFunction) -> Result<Rows, SqlError> {
        let kind = ObjectKind::Function;
        let path = self.path(kind, &create.name)?;
        let permit = self.may_create(kind, &path)?;
        let before = self.existing(kind, &path);
        if before.is_some() && create.if_not_exists {
            return Ok(no_rows());
        }
        if before.is_some() && !create.or_replace {
            return Err(UnityError::AlreadyExists { kind, name: path.to_string() }.into());
        }
        let manage = before.as_ref().map(|before| self.may_manage(before)).transpose()?;
        let full_name: Arc<str> = path.to_string().into();
        let detail = self.function_detail(&create, &full_name).await?;
        if let Some(permit) = manage {
            // The same object: grants stay, and policies that use it follow.
            let changes = vec![
                unity::Alteration::Detail(Detail::Function(detail)),
                unity::Alteration::Comment(create.comment),
            ];
            return self.change(&permit, changes).await;
        }
        let new = NewObject {
            name: path.last().to_owned(),
            uid: self.new_uid(),
            comment: create.comment,
            properties: std::collections::BTreeMap::new(),
            detail: Detail::Function(detail),
            at: self.sql.clock.now(),
        };
        match self.sql.catalog.create_object(&permit, new).await {
            Err(UnityError::AlreadyExists { .. }) if create.if_not_exists => Ok(no_rows()),
            Err(error) => Err(error.into()),
            Ok(_) => Ok(no_rows()),
        }
    }

    async fn function_detail(
        &self,
        create: &CreateFunction,
        full_name: &Arc<str>,
    ) -> Result<FunctionDetail, SqlError> {
        let parameters: Vec<_> = create.parameters.iter().map(parameter).collect();
        for (at, one) in parameters.iter().enumerate() {
            if parameters.iter().take(at).any(|other| other.name.eq_ignore_ascii_case(&one.name)) {
                let message = format!("The parameter `{}` stands there twice.", one.name);
                return Err(SqlError::condition("DUPLICATE_ROUTINE_PARAMETER_NAMES", "42734", message));
            }
            if let Some(default) = &one.default {
                self.constant(&front::parse_expression(default)?)?;
            }
        }
        let current = self.current();
        let python = matches!(create.body, Body::Python(_));
        let mut detail = FunctionDetail {
            parameters,
            returns: match &create.returns {
                Returns::Scalar(returns) => FunctionReturns::Scalar(returns.clone().unwrap_or(SqlType::Void)),
                Returns::Table(columns) => FunctionReturns::Table(columns.iter().map(parameter).collect()),
            },
            body: match &create.body {
                Body::Sql(text) => FunctionBody::Sql(text.clone()),
                Body::Python(text) => FunctionBody::Python(text.clone()),
            },
            deterministic: create.deterministic.unwrap_or(!python),
            data_access: create.data_access.clone().unwrap_or_else(|| {
                let reads = match &create.body {
                    Body::Python(_) => "NO_SQL",
                    Body::Sql(text) => match front::parse_body(text) {
                        Ok(front::FunctionBody::Query(_)) => "READS_SQL_DATA",
                        _ => "CONTAINS_SQL",
                    },
                };
                reads.to_owned()
            }),
            context: (Some(current.catalog.clone()), Some(current.schema.clone())),
        };
        if let (FunctionBody::Python(body), FunctionReturns::Scalar(returns)) =
            (&detail.body, &detail.returns)
        {
            if *returns == SqlType::Void {
                return Err(SqlError::condition(
                    "USER_DEFINED_FUNCTIONS.RETURNS_MISSING",
                    "42601",
                    "A Python function says what it RETURNS.",
                ));
            }
            let python = PythonFunction {
                owner: self.session.speaker().principal().id.0,
                name: Arc::clone(full_name),
                parameters: (detail.parameters.iter())
                    .map(|one| (one.name.clone(), one.data_type.clone()))
                    .collect(),
                returns: returns.clone(),
                body: body.as_str().into(),
                deterministic: detail.deterministic,
            };
            let functions = self.sql.python.clone();
            let checked = tokio::task::spawn_blocking(move || functions.check(&python)).await;
            checked.map_err(|error| SqlError::condition("INTERNAL_ERROR", "XX000", error.to_string()))??;
            return Ok(detail);
        }
        self.checked_sql(&mut detail, full_name).await?;
        Ok(detail)
    }

    /// Plans the body as a call would, with its speaker as its owner; fills in the types that were left out.
    async fn checked_sql(&self, detail: &mut FunctionDetail, full_name: &Arc<str>) -> Result<(), SqlError> {
        let (asker, current) = (self.session.speaker().asker(), self.current());
        let scope = Scope { asker: &asker, current: &current, depth: 0, names: Names::Kept };
        let FunctionBody::Sql(text) = &detail.body else {
            return Err(SqlError::unsupported("a table function in Python"));
        };
        let body = front::parse_body(text)?;
        let fields = detail.parameters.iter().map(|one| {
            datafusion::arrow::datatypes::Field::new(one.name.to_lowercase(), to_arrow(&one.data_type), true)
        });
        let name = full_name.rsplit('.').next().unwrap_or_default().to_lowercase();
        let schema = datafusion::arrow::datatypes::Schema::new(fields.collect::<Vec<_>>());
        let schema = Arc::new(datafusion::common::DFSchema::try_from_qualified_schema(name, &schema)?);
        match (&detail.returns, body) {
            (FunctionReturns::Scalar(returns), body) => {
                use datafusion::sql::sqlparser::ast;
                let expression = match body {
                    front::FunctionBody::Expression(expression) => expression,
                    front::FunctionBody::Query(query) => ast::Expr::Subquery(Box::new(query)),
                };
                let planned = self.plan_scope_expression(scope, &expression, &schema).await?;
                let found = planned.get_type(&schema)?;
                if *returns == SqlType::Void {
                    let found = to_sql(&found).ok_or_else(|| {
                        SqlError::unsupported(format_args!("a function that returns {found}"))
                    })?;
                    detail.returns = FunctionReturns::Scalar(found);
                } else if !datafusion::arrow::compute::can_cast_types(&found, &to_arrow(returns)) {
                    let message = format!("The body of {full_name} gives {found}, which is no {returns}.");
                    return Err(SqlError::condition("DATATYPE_MISMATCH", "42K09", message));
                }
            }
            (FunctionReturns::Table(columns), front::FunctionBody::Query(query)) => {
                use datafusion::sql::sqlparser::ast;
                // As the argument of EXISTS a query sees the parameters around it.
                let exists = ast::Expr::Exists { subquery: Box::new(query), negated: false };
                let planned = self.plan_scope_expression(scope, &exists, &schema).await?;
                let datafusion::logical_expr::Expr::Exists(planned) = planned else {
                    return Err(SqlError::unsupported("a table function whose body is no query"));
                };
                let found = crate::definition::columns::columns_of_plan(&planned.subquery.subquery)?;
                if columns.is_empty() {
                    let columns = found.into_iter().map(|column| FunctionParameter {
                        name: column.name,
                        data_type: column.data_type,
                        default: None,
                        comment: None,
                    });
                    detail.returns = FunctionReturns::Table(columns.collect());
                } else if columns.len() != found.len() {
                    let message = format!(
                        "{full_name} RETURNS {} columns, its query gives {}.",
                        columns.len(),
                        found.len()
                    );
                    return Err(SqlError::condition(
                        "USER_DEFINED_FUNCTIONS.RETURN_COLUMN_COUNT_MISMATCH",
                        "42601",
                        message,
                    ));
                }
            }
            (FunctionReturns::Table(_), front::FunctionBody::Expression(_)) => {
                let message = format!("{full_name} RETURNS TABLE: its body is RETURN SELECT ...");
                return Err(SqlError::condition("USER_DEFINED_FUNCTIONS.NOT_A_QUERY", "42601", message));
            }
        }
        Ok(())
    }
}

fn parameter(parameter: &Parameter) -> FunctionParameter {
    FunctionParameter {
        name: parameter.name.clone(),
        data_type: parameter.data_type.clone(),
        default: parameter.default.clone(),
        comment: parameter.comment.clone(),
    }
}
