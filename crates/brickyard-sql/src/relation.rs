//! One table or view as a relation of a plan: read with a permit, filtered, masked, and only then part of a query.

use std::sync::Arc;

use brickyard_catalog::unity::{
    ColumnMask, Object, ObjectId, ObjectKind, PolicyArgument, RowFilter, SelectTable, TableDetail, TableKind,
};
use brickyard_catalog::{Asker, Permit};
use datafusion::arrow::datatypes::DataType;
use datafusion::catalog::TableProvider;
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, TableSource, cast};

use crate::arrow_types::to_arrow;
use crate::barrier::Barrier;
use crate::delta;
use crate::delta::history::AsOf;
use crate::error::SqlError;
use crate::front;
use crate::policy_errors::cannot_fail;
use crate::read_files;
use crate::run::Run;
use crate::run::query::{Names, Scope};
use crate::session::Current;

/// The name of the relation inside a barrier.
const INSIDE: &str = "__inside";

/// The name of the row that a policy looks at.
const ROW: &str = "__row";

impl Run<'_> {
    /// A table or view for whoever asks, with everything between its files and the asker.
    pub(crate) async fn relation(
        &self,
        scope: Scope<'_>,
        object: &Arc<Object>,
    ) -> Result<Arc<dyn TableSource>, SqlError> {
        let Some(table) = object.table() else {
            return Err(SqlError::unsupported(format_args!("{} as a table", object.full_name)));
        };
        let permit = self.authorize_as(scope.asker, SelectTable(Self::target(object)))?;
        for column in table.columns.iter().filter(|column| column.name != column.name.to_lowercase()) {
            self.spellings.lock().insert(column.name.to_lowercase(), column.name.clone());
        }
        if table.table_kind == TableKind::View {
            return self.view(scope, object, table).await;
        }
        let provider = self.raw(object).await?;
        self.base_table(scope, &permit, provider, object, table).await
    }

    /// A table as it was, behind the policies that it has today.
    pub(crate) async fn relation_as_of(
        &self,
        scope: Scope<'_>,
        object: &Arc<Object>,
        as_of: AsOf,
    ) -> Result<Arc<dyn TableSource>, SqlError> {
        let permit = self.authorize_as(scope.asker, SelectTable(Self::target(object)))?;
        let Some(table) = object.table().filter(|table| table.table_kind == TableKind::Managed) else {
            return Err(SqlError::unsupported(format_args!(
                "VERSION AS OF and TIMESTAMP AS OF of {}, which is no managed table",
                object.full_name
            )));
        };
        let provider = delta::history::as_of(self.sql, object, &as_of).await?;
        self.base_table(scope, &permit, provider, object, table).await
    }

    /// A view's rows: its query, read with its owner's rights.
    async fn view(
        &self,
        scope: Scope<'_>,
        object: &Arc<Object>,
        table: &TableDetail,
    ) -> Result<Arc<dyn TableSource>, SqlError> {
        let text = table.view_query.as_deref().unwrap_or_default();
        let query = front::parse_query(text)?;
        let reference = object.reference();
        let invoker = self.session.speaker().principal();
        let asker = Asker::Definer { invoker, owner: object.owner, of: &reference };
        let current = context(&table.view_context, &self.current());
        let inner = Scope { asker: &asker, current: &current, depth: scope.depth + 1, names: Names::Catalog };
        let plan = self.plan_scope_query(inner, &query).await?;
        let found = plan.schema().columns();
        if found.len() != table.columns.len() {
            return Err(SqlError::condition(
                "INCOMPATIBLE_VIEW_SCHEMA_CHANGE",
                "51024",
                format!("The view {} no longer fits what it reads: replace it.", object.full_name),
            ));
        }
        let shown = found.into_iter().zip(&table.columns).map(|(from, to)| {
            cast(Expr::Column(from), to_arrow(&to.data_type)).alias(to.name.to_lowercase())
        });
        let plan = LogicalPlanBuilder::from(plan).project(shown.collect::<Vec<_>>())?.build()?;
        Ok(provider_as_source(Arc::new(Barrier::of_view(plan, &object.full_name)?)))
    }

    /// `read_files(path, option => value ...)`.
    pub(crate) async fn read_files(
        &self,
        scope: Scope<'_>,
        arguments: Vec<(Option<String>, ScalarValue)>,
    ) -> Result<Arc<dyn TableSource>, SqlError> {
        let mut path = None;
        let mut options = std::collections::BTreeMap::new();
        for (name, value) in arguments {
            let text = value.to_string();
            match name.as_deref() {
                None | Some("path") => path = Some(text),
                Some(name) => {
                    options.insert(name.to_owned(), text);
                }
            }
        }
        let Some(path) = path else {
            return Err(SqlError::condition("WRONG_NUM_ARGS", "42605", "read_files needs a path."));
        };
        self.may_read_files(scope.asker)?;
        Ok(provider_as_source(read_files::table(self.sql, &path, options).await?))
    }

    /// Files beside the configuration are the metastore admins': there are no external locations to grant `READ FILES`
    /// on, and secrets lie there too.
    pub(crate) fn may_read_files(&self, asker: &Asker<'_>) -> Result<(), SqlError> {
        let who = match asker {
            Asker::Definer { owner, .. } => *owner,
            asker => asker.invoker().id,
        };
        if self.sql.catalog.identity().directory().is_admin(who) {
            return Ok(());
        }
        Err(SqlError::condition(
            "INSUFFICIENT_PERMISSIONS",
            "42501",
            "Insufficient privileges:\nUser does not have READ FILES. Only metastore admins read files here: let one make a table of them.",
        ))
    }

    /// A table's rows as they are in its files, with names in lower case.
    pub(crate) async fn raw(&self, object: &Arc<Object>) -> Result<Arc<dyn TableProvider>, SqlError> {
        #[cfg(test)]
        if let Some(table) = self.sql.in_memory.lock().get(&object.id) {
            return Ok(Arc::clone(table));
        }
        match object.table().map(|table| table.table_kind) {
            Some(TableKind::Managed) => delta::provider(self.sql, object).await,
            _ => read_files::external(self.sql, object).await,
        }
    }

    async fn base_table(
        &self,
        scope: Scope<'_>,
        permit: &Permit<SelectTable>,
        provider: Arc<dyn TableProvider>,
        object: &Arc<Object>,
        table: &TableDetail,
    ) -> Result<Arc<dyn TableSource>, SqlError> {
        let masked = table.columns.iter().any(|column| column.mask.is_some());
        let folded = table.columns.iter().all(|column| column.name == column.name.to_lowercase());
        if table.row_filter.is_none() && !masked && folded {
            return Ok(provider_as_source(provider));
        }
        let (plan, safe) = self.with_policies(scope, permit, provider, object, table).await?;
        if table.row_filter.is_none() && !masked {
            let view = datafusion::datasource::ViewTable::new(plan, None);
            return Ok(provider_as_source(Arc::new(view)));
        }
        let open = table.columns.iter().map(|column| safe && column.mask.is_none()).collect();
        let name = Arc::from(object.full_name.to_string());
        Ok(provider_as_source(Arc::new(Barrier::of_table(plan, open, name))))
    }

    /// The scan, the row filter over it, and the masks over that: in this order, so that no mask and nothing outside
    /// runs on a hidden row. Also answers whether no policy can fail on any row.
    pub(crate) async fn with_policies(
        &self,
        scope: Scope<'_>,
        permit: &Permit<SelectTable>,
        provider: Arc<dyn TableProvider>,
        object: &Arc<Object>,
        table: &TableDetail,
    ) -> Result<(LogicalPlan, bool), SqlError> {
        let mut checks = Vec::new();
        let mut safe = true;
        let schema = provider.schema();
        let folded = schema.fields().iter().all(|field| *field.name() == field.name().to_lowercase());
        // With a name of its own: a filter's subquery must not take a column of the row for one of its own.
        let mut plan = if folded {
            LogicalPlanBuilder::scan(ROW, provider_as_source(provider), None)?
        } else {
            let scan = LogicalPlanBuilder::scan(INSIDE, provider_as_source(provider), None)?.build()?;
            let columns = scan.schema().columns().into_iter().map(|column| {
                let lower = column.name.to_lowercase();
                Expr::Column(column).alias(lower)
            });
            LogicalPlanBuilder::from(scan).project(columns.collect::<Vec<_>>())?.alias(ROW)?
        };
        if let Some(filter) = &table.row_filter {
            let keep = self.filter_expression(scope, object, filter, plan.schema()).await?;
            safe &= cannot_fail(&keep, plan.schema());
            plan = plan.filter(keep)?;
            checks.push(brickyard_catalog::Check::RowFilter {
                table: object.reference(),
                function: Arc::clone(&filter.function_name),
            });
        }
        let mut shown = Vec::with_capacity(table.columns.len());
        for column in &table.columns {
            let lower = column.name.to_lowercase();
            let real = column_of(plan.schema(), &lower);
            let Some(mask) = &column.mask else {
                shown.push(real.alias(lower));
                continue;
            };
            let value = self.mask_expression(scope, object, &lower, mask, plan.schema()).await?;
            let value = cast(value, to_arrow(&column.data_type));
            safe &= cannot_fail(&value, plan.schema());
            shown.push(value.alias(lower));
            checks.push(brickyard_catalog::Check::ColumnMask {
                table: object.reference(),
                column: column.name.as_str().into(),
                function: Arc::clone(&mask.function_name),
            });
        }
        if !checks.is_empty() {
            self.record(permit.trace().clone().with_policies(checks));
        }
        Ok((plan.project(shown)?.build()?, safe))
    }

    /// The row filter's condition for the speaker, over a table's real columns (in lower case).
    pub(crate) async fn filter_expression(
        &self,
        scope: Scope<'_>,
        table: &Object,
        filter: &RowFilter,
        schema: &DFSchema,
    ) -> Result<Expr, SqlError> {
        let arguments = filter.arguments.iter().map(|argument| self.policy_argument(argument, schema));
        let arguments = arguments.collect::<Result<Vec<_>, _>>()?;
        let body =
            self.policy(scope, table, filter.function, &filter.function_name, arguments, schema).await?;
        // Whatever is not TRUE hides the row: FALSE, and NULL.
        let condition =
            if body.get_type(schema)? == DataType::Boolean { body } else { cast(body, DataType::Boolean) };
        Ok(condition)
    }

    pub(crate) async fn mask_expression(
        &self,
        scope: Scope<'_>,
        table: &Object,
        column: &str,
        mask: &ColumnMask,
        schema: &DFSchema,
    ) -> Result<Expr, SqlError> {
        let mut arguments = vec![column_of(schema, column)];
        for argument in &mask.arguments {
            arguments.push(self.policy_argument(argument, schema)?);
        }
        self.policy(scope, table, mask.function, &mask.function_name, arguments, schema).await
    }

    fn policy_argument(&self, argument: &PolicyArgument, schema: &DFSchema) -> Result<Expr, SqlError> {
        match argument {
            PolicyArgument::Column(name) => Ok(column_of(schema, &name.to_lowercase())),
            PolicyArgument::Constant(text) => {
                let value: ScalarValue = self.constant(&front::parse_expression(text)?)?;
                Ok(Expr::Literal(value, None))
            }
        }
    }

    /// The body of a policy's function. Nobody needs EXECUTE on it to read the table. A function that is gone denies.
    async fn policy(
        &self,
        scope: Scope<'_>,
        table: &Object,
        function: ObjectId,
        name: &str,
        arguments: Vec<Expr>,
        schema: &DFSchema,
    ) -> Result<Expr, SqlError> {
        let found = self.sql.catalog.unity().get(function).cloned();
        let Some(function) = found.filter(|found| found.kind == ObjectKind::Function) else {
            return Err(SqlError::condition(
                "UNRESOLVED_ROUTINE",
                "42883",
                format!(
                    "The function {name} of a row filter or column mask on {} does not exist: the table cannot be read until the policy is set again or dropped.",
                    table.full_name
                ),
            ));
        };
        self.body(scope, &function, arguments, schema).await
    }
}

/// A column of the row, with the name that the row goes by.
fn column_of(schema: &DFSchema, name: &str) -> Expr {
    let found = schema.qualified_field_with_unqualified_name(name);
    Expr::Column(found.map_or_else(|_| Column::new_unqualified(name), Column::from))
}

/// Where names in a view's or function's text are looked up.
pub(crate) fn context(kept: &(Option<String>, Option<String>), current: &Current) -> Current {
    Current {
        catalog: kept.0.clone().unwrap_or_else(|| current.catalog.clone()),
        schema: kept.1.clone().unwrap_or_else(|| current.schema.clone()),
    }
}
